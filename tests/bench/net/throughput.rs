//! What iperf3 gets through: between two containers, and through a published port. The machine's iperf3 runs in the
//! containers' network namespaces, so that all engines carry the same program's packets.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::engines::Engine;
use crate::Plan;
use crate::peers::version_of;
use crate::report;

const PORT: &str = "5201";

pub fn measure(engines: &[Engine], plan: &Plan) {
    let Some(version) = version_of("iperf3") else {
        println!("(throughput is left out: apt-get install iperf3)\n");
        return;
    };
    println!("{version}, Gbit/s, medians; in brackets how many times teu's own.\n");
    let rounds = if plan.slow_peers { 5 } else { 3 };
    let both: Vec<Pair> = engines.iter().map(Pair::start).collect();
    let mut figures = [vec![Vec::new(); engines.len()], vec![Vec::new(); engines.len()]];
    for _ in 0..rounds {
        for (at, pair) in both.iter().enumerate() {
            figures[0][at].push(pair.between());
            figures[1][at].push(pair.through_port());
        }
    }
    for (engine, _) in engines.iter().zip(&both) {
        engine.good("rm -f bench-server bench-client");
    }
    let names: Vec<&str> = engines.iter().map(|engine| engine.name).collect();
    let row = |what: &str, figures: &[Vec<f64>]| report::Row {
        what: what.to_owned(),
        figures: figures.iter().map(|each| Some(middle(each))).collect(),
    };
    let rows = [
        row("from one container to another", &figures[0]),
        row("from the machine through a published port", &figures[1]),
    ];
    report::table("throughput, Gbit/s", &names, &rows);
}

fn middle(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Two containers of one engine.
struct Pair {
    server: String,
    address: String,
    client: String,
    /// A process of the engine's own network namespace, and the bridge's address there.
    machine: (String, String),
}

impl Pair {
    fn start(engine: &Engine) -> Self {
        engine
            .good(&format!("run -d --network bridge -p 0.0.0.0:{PORT}:{PORT} --name bench-server IMAGE sleep 100000"));
        engine.good("run -d --network bridge --name bench-client IMAGE sleep 100000");
        let (server, address) = engine.place_of("bench-server");
        let (client, _) = engine.place_of("bench-client");
        let routes = output(&["nsenter", "-t", &client, "-n", "ip", "route"]);
        let gateway = routes.split_whitespace().nth(2).expect("a default route").to_owned();
        Self { server, address, client, machine: (engine.pid(), gateway) }
    }

    fn between(&self) -> f64 {
        self.send(&self.client, &self.address)
    }

    fn through_port(&self) -> f64 {
        self.send(&self.machine.0, &self.machine.1)
    }

    fn send(&self, from: &str, to: &str) -> f64 {
        let mut server = iperf(&self.server, &["-s", "-1", "-p", PORT]);
        std::thread::sleep(Duration::from_millis(300));
        let told = iperf(from, &["-c", to, "-p", PORT, "-t", "3", "-J"]).wait_with_output().expect("iperf3");
        let _ = server.kill();
        let _ = server.wait();
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("iperf3 prints JSON");
        told["end"]["sum_received"]["bits_per_second"].as_f64().unwrap_or_else(|| panic!("{to}: {told}")) / 1e9
    }
}

fn iperf(pid: &str, words: &[&str]) -> Child {
    let mut command = Command::new("nsenter");
    command.args(["-t", pid, "-n", "iperf3"]).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("nsenter")
}

fn output(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output().expect("start it");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
