//! `teu oci` beside crun, runc and the C floor: the same bundle (what `runc spec` writes), the same deeds, interleaved.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxSeccomp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Plan;
use crate::peers::{teu_environment, version_of, words};
use crate::place::Place;
use crate::report::{self, Row, median, ninety_ninth};
use crate::support::need;
use crate::worker::Worker;

/// Before each: else everybody pays for the kernel's taking down what the one before left.
const QUIET: Duration = Duration::from_millis(40);

/// One runtime, and how it is called before the verb.
struct Runtime {
    name: &'static str,
    version: String,
    program: String,
    worker: RefCell<Worker>,
}

impl Runtime {
    /// Does what the line says, after a pause; a failure ends the benchmark, since a figure of it is none.
    fn call(&self, line: &str) -> Duration {
        let words = words(&format!("{} {line}", self.program));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        std::thread::sleep(QUIET);
        self.worker.borrow_mut().run(&words).good(&words.join(" ")).took
    }

    /// The same many times, at once or a few at a time; `{n}` becomes the number.
    fn many(&self, line: &str, count: usize, at_a_time: usize) -> (Duration, Vec<Duration>) {
        let words = words(&format!("{} {line}", self.program));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let run = self.worker.borrow_mut().run_many(&words, count, at_a_time).good(&words.join(" "));
        (run.took, run.each)
    }
}

/// A benchmark that fails leaves no container.
impl Drop for Runtime {
    fn drop(&mut self) {
        for id in ["once", "parts", "sleeper"] {
            let words = words(&format!("{} delete --force teu-bench-{id}", self.program));
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if self.program.contains(" --root ") {
                self.worker.borrow_mut().run(&words);
            }
        }
    }
}

/// The bundles of one variant, and what the floor is told for it.
struct Variant {
    what: &'static str,
    bundle: PathBuf,
    filter: String,
    network: String,
}

pub fn measure(place: &Place, plan: &Plan) {
    if !need::is_root() {
        return println!("(`teu oci` is measured beside crun and runc as root only)\n");
    }
    let runtimes = find(place);
    let named: Vec<String> = runtimes.iter().map(|runtime| runtime.version.clone()).collect();
    println!("{}\n", named.join(", "));
    let network = Network::new();
    let variants = variants(place, &network);
    let floor = place.floor().map(|program| Floor {
        program,
        rootfs: place.rootfs(),
        worker: RefCell::new(Worker::new(vec![])),
    });
    let mut names: Vec<&str> = runtimes.iter().map(|runtime| runtime.name).collect();
    names.push("C floor");
    let mut rows: Vec<Row> =
        variants.iter().map(|variant| whole_runs(variant, &runtimes, floor.as_ref(), plan)).collect();
    rows.extend(parts(&variants[1], &runtimes, plan));
    rows.push(execs(&variants[1], &runtimes, floor.as_ref(), plan));
    report::table("an OCI bundle, ms", &names, &rows);
    compile_or_read(place);
    parallel(&variants[1], &runtimes, floor.as_ref(), &names);
    engine_above(place, &variants[1], &runtimes[0], plan);
}

fn find(place: &Place) -> Vec<Runtime> {
    let state = |name: &str| place.run.join(format!("oci-{name}")).display().to_string();
    let mut found = vec![];
    let teu = env!("CARGO_BIN_EXE_teu");
    let mut worker = Worker::new(vec![]);
    let version = worker.run(&[teu, "--version"]).stdout.trim().to_owned();
    let program = format!("{teu} oci --root {}", state("teu"));
    found.push(Runtime { name: "teu oci", version, program, worker: RefCell::new(worker) });
    for name in ["crun", "runc"] {
        let Some(version) = version_of(name) else { continue };
        let program = format!("{name} --root {}", state(name));
        found.push(Runtime { name, version, program, worker: RefCell::new(Worker::without_unified(vec![])) });
    }
    found
}

struct Floor {
    program: PathBuf,
    rootfs: PathBuf,
    worker: RefCell<Worker>,
}

impl Floor {
    fn words(&self, variant: &Variant) -> Vec<String> {
        let line = format!(
            "{} oci {} /bin/true {} {}",
            self.program.display(),
            self.rootfs.display(),
            variant.filter,
            variant.network
        );
        words(&line)
    }

    fn call(&self, words: &[String]) -> Duration {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        std::thread::sleep(QUIET);
        self.worker.borrow_mut().run(&words).good(&words.join(" ")).took
    }
}

/// A network namespace to join, for as long as this lives.
struct Network {
    holder: Child,
}

impl Network {
    fn new() -> Self {
        let mut holder = Command::new("unshare")
            .args(["-n", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut ready = [0; 6];
        std::io::Read::read_exact(holder.stdout.as_mut().expect("piped"), &mut ready).expect("ready");
        Self { holder }
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn variants(place: &Place, network: &Network) -> [Variant; 3] {
    let base = plain_config(place);
    let profile =
        teu::runtime::seccomp::default_profile(&["CAP_AUDIT_WRITE", "CAP_KILL"]).expect("the default profile");
    let filter = place.disk.join("oci-filter");
    fs::write(&filter, filter_bytes(&profile)).expect("write");
    let mut confined = base.clone();
    confined["linux"]["seccomp"] = serde_json::to_value(&profile).expect("JSON");
    let mut joined = confined.clone();
    for entry in joined["linux"]["namespaces"].as_array_mut().expect("a list") {
        if entry["type"] == "network" {
            entry["path"] = json!(network.path());
        }
    }
    let variant = |what, name: &str, config: &Value, filter: &str, network: String| Variant {
        what,
        bundle: bundle(place, name, config),
        filter: filter.to_owned(),
        network,
    };
    let filter = filter.display().to_string();
    [
        variant("`run`, no seccomp", "plain", &base, "-", "-".to_owned()),
        variant("`run`, seccomp", "seccomp", &confined, &filter, "-".to_owned()),
        variant("`run`, seccomp, joined network", "joined", &joined, &filter, network.path()),
    ]
}

fn default_profile() -> LinuxSeccomp {
    teu::runtime::seccomp::default_profile(&["CAP_AUDIT_WRITE", "CAP_KILL"]).expect("the default profile")
}

/// As the kernel lays instructions out, for the floor.
fn filter_bytes(profile: &LinuxSeccomp) -> Vec<u8> {
    let filter = teu::runtime::seccomp::compile(profile).expect("compiles");
    let words = filter.instructions.iter().flat_map(|instruction| {
        let [low, high] = instruction.code.to_le_bytes();
        let [a, b, c, d] = instruction.operand.to_le_bytes();
        [low, high, instruction.jump_true, instruction.jump_false, a, b, c, d]
    });
    words.collect()
}

/// What `runc spec` writes, of a command that ends at once on the benchmark's root file system.
fn plain_config(place: &Place) -> Value {
    let written = ["runc", "crun"].into_iter().find_map(|name| {
        let folder = place.disk.join(format!("spec-{name}"));
        fs::create_dir_all(&folder).ok()?;
        let made = Command::new(name).arg("spec").current_dir(&folder).output().ok()?;
        made.status.success().then(|| fs::read(folder.join("config.json")).ok()).flatten()
    });
    let written = written.expect("runc or crun: apt-get install runc");
    let mut config: Value = serde_json::from_slice(&written).expect("JSON");
    config["process"]["args"] = json!(["/bin/true"]);
    config["process"]["terminal"] = json!(false);
    config["root"]["path"] = json!(place.rootfs());
    // The peer's own default limits may lie above what this machine allows.
    config["process"]["rlimits"] = json!([]);
    config
}

fn bundle(place: &Place, name: &str, config: &Value) -> PathBuf {
    let write = |folder: &Path, config: &Value| {
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("config.json"), config.to_string()).expect("write");
    };
    let folder = place.disk.join(format!("bundle-{name}"));
    write(&folder, config);
    let mut sleeping = config.clone();
    sleeping["process"]["args"] = json!(["/bin/sleep", "100000"]);
    write(&folder.join("sleep"), &sleeping);
    folder
}

/// Rounds are more here than for whole engines: these are short.
fn rounds(plan: &Plan) -> usize {
    plan.rounds * 2
}

fn medians(times: &[Vec<Duration>]) -> Vec<Option<f64>> {
    times.iter().map(|times| (!times.is_empty()).then(|| median(times))).collect()
}

fn whole_runs(variant: &Variant, runtimes: &[Runtime], floor: Option<&Floor>, plan: &Plan) -> Row {
    let mut times = vec![Vec::new(); runtimes.len() + 1];
    let line = format!("run --bundle {} teu-bench-once", variant.bundle.display());
    for round in 0..rounds(plan) + 2 {
        let mut took: Vec<Option<Duration>> = runtimes.iter().map(|runtime| Some(runtime.call(&line))).collect();
        took.push(floor.map(|floor| floor.call(&floor.words(variant))));
        // The first two warm the caches.
        if round >= 2 {
            times.iter_mut().zip(took).for_each(|(times, took)| times.extend(took));
        }
    }
    Row { what: variant.what.to_owned(), figures: medians(&times) }
}

/// create, start and delete, each for itself.
fn parts(variant: &Variant, runtimes: &[Runtime], plan: &Plan) -> [Row; 3] {
    let mut times = [(); 3].map(|()| vec![Vec::new(); runtimes.len() + 1]);
    let create = format!("create --bundle {} teu-bench-parts", variant.bundle.display());
    for round in 0..rounds(plan) + 2 {
        for (at, runtime) in runtimes.iter().enumerate() {
            let created = runtime.call(&create);
            let started = runtime.call("start teu-bench-parts");
            let deleted = runtime.call("delete teu-bench-parts");
            for (times, took) in times.iter_mut().zip([created, started, deleted]) {
                if round >= 2 {
                    times[at].push(took);
                }
            }
        }
    }
    let mut figures = times.iter().map(|times| medians(times));
    ["`create`", "`start`", "`delete` of one that ended"]
        .map(|what| Row { what: what.to_owned(), figures: figures.next().expect("three") })
}

fn execs(variant: &Variant, runtimes: &[Runtime], floor: Option<&Floor>, plan: &Plan) -> Row {
    let run = format!("run --detach --bundle {} teu-bench-sleeper", variant.bundle.join("sleep").display());
    for runtime in runtimes {
        runtime.call(&run);
    }
    // The floor has no containers: it enters teu's.
    let teu = &runtimes[0];
    let state = words(&format!("{} state teu-bench-sleeper", teu.program));
    let state: Vec<&str> = state.iter().map(String::as_str).collect();
    let state = teu.worker.borrow_mut().run(&state).good("teu oci state").stdout;
    let pid = serde_json::from_str::<Value>(&state).expect("JSON")["pid"].to_string();
    let mut times = vec![Vec::new(); runtimes.len() + 1];
    for round in 0..rounds(plan) + 2 {
        let mut took: Vec<Option<Duration>> =
            runtimes.iter().map(|runtime| Some(runtime.call("exec teu-bench-sleeper /bin/true"))).collect();
        took.push(floor.map(|floor| floor.call(&words(&format!("{} exec {pid} /bin/true", floor.program.display())))));
        if round >= 2 {
            times.iter_mut().zip(took).for_each(|(times, took)| times.extend(took));
        }
    }
    for runtime in runtimes {
        runtime.call("delete --force teu-bench-sleeper");
    }
    Row { what: "`exec` true".to_owned(), figures: medians(&times) }
}

/// A hundred and two hundred at once; a container that fails ends the benchmark.
fn parallel(variant: &Variant, runtimes: &[Runtime], floor: Option<&Floor>, names: &[&str]) {
    let mut rows = Vec::new();
    for count in [100, 200] {
        let mut figures = [(); 3].map(|()| Vec::new());
        let mut note = |took: Duration, each: &[Duration]| {
            let (middle, last) = (median(each), ninety_ninth(each));
            for (figures, figure) in
                figures.iter_mut().zip([took.as_secs_f64() * 1e3 / count as f64, middle, last / middle])
            {
                figures.push(Some(figure));
            }
        };
        for runtime in runtimes {
            let line = format!("run --bundle {} teu-bench-{{n}}", variant.bundle.display());
            let (took, each) = runtime.many(&line, count, count);
            note(took, &each);
        }
        if let Some(floor) = floor {
            let words = floor.words(variant);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let run = floor.worker.borrow_mut().run_many(&words, count, count).good("the floor");
            note(run.took, &run.each);
        }
        let [whole, middle, ratio] = figures;
        rows.push(Row { what: format!("{count} at once: all, by their number"), figures: whole });
        rows.push(Row { what: format!("{count} at once: median of each"), figures: middle });
        rows.push(Row { what: format!("{count} at once: p99 / median (a ratio)"), figures: ratio });
    }
    report::table("`run`, seccomp, many at once; none failed; ms", names, &rows);
}

/// Whether a cache of compiled filters would pay: compiling, against finding and checking what was compiled before.
fn compile_or_read(place: &Place) {
    let profile = default_profile();
    let file = place.run.join("oci-cached");
    fs::write(&file, filter_bytes(&profile)).expect("write");
    let timed = |deed: &dyn Fn() -> usize| {
        let once = || {
            let start = Instant::now();
            let size = deed();
            assert!(size > 0);
            start.elapsed()
        };
        median(&(0..300).map(|_| once()).collect::<Vec<_>>()) * 1e3
    };
    let compile = timed(&|| teu::runtime::seccomp::compile(&profile).expect("compiles").instructions.len());
    // The key is of the profile's content; the file is on a tmpfs, and its content is verified.
    let read = timed(&|| {
        let key = Sha256::digest(serde_json::to_vec(&profile).expect("JSON"));
        let content = fs::read(&file).expect("read");
        key.len() + Sha256::digest(&content).len() + fs::metadata(&file).expect("stat").len() as usize
    });
    let size = fs::metadata(&file).expect("stat").len() / 8;
    println!(
        "Compiling the default profile ({size} instructions): {compile:.0} µs; hashing it and reading the compiled file back: {read:.0} µs.\n"
    );
}

/// What `teu run` takes beyond `teu oci run`: the engine, the monitor, an image's layers, a user namespace.
fn engine_above(place: &Place, variant: &Variant, oci: &Runtime, plan: &Plan) {
    let program = env!("CARGO_BIN_EXE_teu");
    let mut worker = Worker::new(teu_environment(place));
    worker.run(&[program, "import", &place.tar().to_string_lossy(), "bench"]).good("teu import");
    let engine =
        Runtime { name: "teu", version: String::new(), program: program.to_owned(), worker: RefCell::new(worker) };
    let below = format!("run --bundle {} teu-bench-once", variant.bundle.display());
    let mut times = vec![Vec::new(); 3];
    for round in 0..rounds(plan) + 2 {
        let took = [
            oci.call(&below),
            engine.call("run --rm --network none bench /bin/true"),
            engine.call("run --rm --network none --userns host bench /bin/true"),
        ];
        if round >= 2 {
            times.iter_mut().zip(took).for_each(|(times, took)| times.push(took));
        }
    }
    let figures = medians(&times);
    let row = Row { what: "one container that ends at once".to_owned(), figures };
    report::table("the engine, ms", &["teu oci run", "teu run", "teu run --userns host"], &[row]);
}
