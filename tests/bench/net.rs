//! Networks: starts on a bridge with and without published ports, the 200th container, connect and disconnect, throughput.
//! Every contender has a network namespace of its own, so that none's firewall is in another's way, nor the machine's.

mod engines;
mod throughput;

use std::time::{Duration, Instant};

use teu::model::Protocol;
use teu::network::{Firewall, NetworkRules, PortRule, Whole};

use crate::Plan;
use crate::place::Place;
use crate::report::{self, Row, median};
use crate::support::need;
use engines::Engine;

/// Long enough for the kernel to have taken down the network namespace of the container before, see `starts`.
const QUIET: Duration = Duration::from_millis(60);

/// How many others run beside the last container.
const OTHERS: usize = 199;

pub fn measure(place: &Place, plan: &Plan) {
    if !need::is_root() {
        println!("(networks are measured as root)\n");
        return;
    }
    let engines = engines::find(place);
    let names: Vec<&str> = engines.iter().map(|engine| engine.name).collect();
    println!("{}\n", engines.iter().map(|it| it.version.clone()).collect::<Vec<_>>().join(", "));
    let mut rows = starts(&engines, plan);
    rows.extend(changes(&engines, plan));
    report::table("networks, ms", &names, &rows);
    firewall(&engines[0], plan);
    many(&engines[0], plan);
    throughput::measure(&engines, plan);
}

/// Flags of `run`, and what they are called.
fn cases() -> [(&'static str, Vec<String>); 4] {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let many = (0..32).flat_map(|port| ["-p".to_owned(), format!("{}:{}", 20_000 + port, 80 + port)]);
    [
        ("`run --rm --network none IMAGE true`", words("--network none")),
        ("the same on the default bridge", words("--network bridge")),
        ("with 1 published port", words("--network bridge -p 20000:80")),
        ("with 32 published ports", words("--network bridge").into_iter().chain(many).collect()),
    ]
}

fn starts(engines: &[Engine], plan: &Plan) -> Vec<Row> {
    let cases = cases();
    let mut times = vec![vec![Vec::new(); engines.len()]; cases.len()];
    for round in 0..plan.rounds + 2 {
        for ((_, flags), times) in cases.iter().zip(&mut times) {
            for (engine, times) in engines.iter().zip(times) {
                std::thread::sleep(QUIET);
                let took = engine.run_once(flags);
                if round >= 2 {
                    times.push(took);
                }
            }
        }
    }
    let medians: Vec<Vec<f64>> = times.iter().map(|of| of.iter().map(|times| median(times)).collect()).collect();
    let figures = |case: usize| medians[case].iter().copied().map(Some).collect();
    let mut rows: Vec<Row> = cases
        .iter()
        .enumerate()
        .map(|(at, (what, _))| Row { what: (*what).to_owned(), figures: figures(at) })
        .collect();
    let added = medians[2].iter().zip(&medians[0]).map(|(with, without)| Some(with - without)).collect();
    rows.push(Row { what: "what the bridge and 1 port add to none".to_owned(), figures: added });
    rows
}

/// Connecting a running container to a second network, and taking it out again.
fn changes(engines: &[Engine], plan: &Plan) -> Vec<Row> {
    let mut times = [vec![Vec::new(); engines.len()], vec![Vec::new(); engines.len()]];
    for engine in engines {
        engine.good("network create bench-second");
        engine.good("run -d --name bench-moved --network bench-first IMAGE sleep 100000");
    }
    for round in 0..plan.rounds + 1 {
        for (at, verb) in ["connect", "disconnect"].into_iter().enumerate() {
            for (engine, times) in engines.iter().zip(&mut times[at]) {
                std::thread::sleep(QUIET);
                let took = engine.good(&format!("network {verb} bench-second bench-moved"));
                if round >= 1 {
                    times.push(took);
                }
            }
        }
    }
    for engine in engines {
        engine.good("rm -f bench-moved");
        engine.good("network rm bench-second");
    }
    let figures = |times: &Vec<Vec<Duration>>| times.iter().map(|times| Some(median(times))).collect();
    vec![
        Row { what: "`network connect` of a running container".to_owned(), figures: figures(&times[0]) },
        Row { what: "`network disconnect`".to_owned(), figures: figures(&times[1]) },
    ]
}

/// The firewall's part by itself: a port published and withdrawn among none and among a thousand.
fn firewall(teu: &Engine, plan: &Plan) {
    let rule = |number: u16| PortRule {
        protocol: Protocol::Tcp,
        host: None,
        host_port: 30_000 + number,
        container: [10, 99, 0, 2].into(),
        container_port: 80,
    };
    let times = teu.within_new_network(|| {
        let network = NetworkRules {
            link: "teu0".to_owned(),
            subnets: vec!["10.99.0.0/24".parse().expect("a subnet")],
            internal: false,
        };
        let mut firewall = Firewall::open().expect("nftables");
        [0, 1000].map(|others| {
            let ports = (1..=others).map(rule).collect();
            firewall.rebuild(&Whole { networks: vec![network.clone()], ports }).expect("make the table");
            let (mut published, mut withdrawn) = (Vec::new(), Vec::new());
            for _ in 0..plan.rounds.max(20) {
                let begun = Instant::now();
                firewall.publish(&[rule(0)]).expect("publish");
                published.push(begun.elapsed());
                let begun = Instant::now();
                firewall.withdraw(&[rule(0)]).expect("withdraw");
                withdrawn.push(begun.elapsed());
            }
            (median(&published), median(&withdrawn))
        })
    });
    let [(first, back), (last, last_back)] = times;
    println!(
        "The firewall's part of 1 port, ms: {first:.3} to publish it, {back:.3} to withdraw; among 1,000 others {last:.3} and {last_back:.3}.\n"
    );
}

/// The 200th container beside the first.
fn many(teu: &Engine, plan: &Plan) {
    let one = |number: usize| {
        let name = format!("bench-n{number}");
        std::thread::sleep(QUIET);
        let took = teu.good(&format!("run -d --network bridge -p 80 --name {name} IMAGE sleep 100000"));
        teu.good(&format!("rm -f {name}"));
        took
    };
    let some = |from: usize| (0..plan.rounds).map(|round| one(from + round)).collect::<Vec<_>>();
    let mut alone = some(1000);
    for number in 0..OTHERS {
        teu.good(&format!("run -d --network bridge -p 80 --name bench-o{number} IMAGE sleep 100000"));
    }
    std::thread::sleep(Duration::from_secs(2));
    let among = some(2000);
    for number in 0..OTHERS {
        teu.good(&format!("rm -f bench-o{number}"));
    }
    std::thread::sleep(Duration::from_secs(2));
    alone.extend(some(3000));
    let (alone, among) = (median(&alone), median(&among));
    println!(
        "`run -d -p 80 IMAGE sleep`: {alone:.1} ms with no other container, {among:.1} ms as the {}th: {:.2} times.\n",
        OTHERS + 1,
        among / alone
    );
}
