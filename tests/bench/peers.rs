//! Who is measured: teu, the C floor, and the peers that this machine has, each with its words for the same deed.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::place::Place;
use crate::support::need;
use crate::worker::Worker;

/// One program and how it is told what to do. A missing deed is one it does not know.
pub struct Contender {
    pub name: &'static str,
    /// Name and version, as it says itself.
    pub version: String,
    pub worker: RefCell<Worker>,
    /// `run --rm --network none IMAGE true`
    pub run: Option<Vec<String>>,
    /// Starts a container that sleeps, named `{n}`.
    pub start: Option<Vec<String>>,
    /// Runs `true` in the container `{n}`; `{pid}` is its process.
    pub exec: Option<Vec<String>>,
    /// Removes the container `{n}` whatever it does.
    pub remove: Option<Vec<String>>,
    pub list_all: Option<Vec<String>>,
    pub statistics: Option<Vec<String>>,
}

pub fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

impl Contender {
    fn new(name: &'static str, version: String, worker: Worker) -> Self {
        let worker = RefCell::new(worker);
        Self {
            name,
            version,
            worker,
            run: None,
            start: None,
            exec: None,
            remove: None,
            list_all: None,
            statistics: None,
        }
    }
}

/// Everyone that works here, teu first.
pub fn find(place: &Place) -> Vec<Contender> {
    let mut found = vec![teu(place)];
    found.extend(floor(place));
    if need::is_root() {
        found.extend(["crun", "runc"].into_iter().filter_map(|name| oci_runtime(place, name)));
        found.extend(podman(place));
    }
    found.extend(docker(place));
    found.extend(unshare(place));
    found
}

fn teu(place: &Place) -> Contender {
    let program = env!("CARGO_BIN_EXE_teu");
    let environment = teu_environment(place);
    let mut worker = Worker::new(environment);
    worker.run(&[program, "import", &place.tar().to_string_lossy(), "bench"]).good("teu import");
    let version = worker.run(&[program, "--version"]).stdout.trim().to_owned();
    let mut teu = Contender::new("teu", version, worker);
    let line = |rest: &str| Some(words(&format!("{program} {rest}")));
    teu.run = line("run --rm --network none bench true");
    teu.start = line("run -d --network none --name {n} bench sleep 100000");
    teu.exec = line("exec {n} true");
    teu.remove = line("rm -f {n}");
    teu.list_all = line("ps -a");
    teu.statistics = line("stats --no-stream");
    teu
}

/// Variables that lead teu to the benchmark's folders.
pub fn teu_environment(place: &Place) -> Vec<(String, String)> {
    let path = |folder: &Path| folder.to_string_lossy().into_owned();
    vec![
        ("TEU_ROOT".to_owned(), path(&place.disk.join("teu"))),
        ("TEU_RUNROOT".to_owned(), path(&place.run.join("teu"))),
        ("XDG_CONFIG_HOME".to_owned(), path(&place.run.join("config"))),
        ("SHELL".to_owned(), "/bin/sh".to_owned()),
    ]
}

fn floor(place: &Place) -> Option<Contender> {
    let program = place.floor().filter(|_| need::is_root())?;
    for name in ["upper", "work", "merged"] {
        fs::create_dir_all(place.disk.join("floor").join(name)).expect("a folder");
    }
    let mut floor = Contender::new("C floor", "C floor (tests/bench/floor.c)".to_owned(), Worker::new(vec![]));
    let (program, disk) = (program.display(), place.disk.display());
    floor.run = Some(words(&format!(
        "{program} run {} {disk}/floor/upper {disk}/floor/work {disk}/floor/merged /bin/true",
        place.rootfs().display()
    )));
    floor.exec = Some(words(&format!("{program} exec {{pid}} /bin/true")));
    Some(floor)
}

fn oci_runtime(place: &Place, name: &'static str) -> Option<Contender> {
    let version = version_of(name)?;
    let mut worker = Worker::without_unified(vec![]);
    let base = place.disk.join(name);
    for (bundle, process) in [("true", json!(["true"])), ("sleep", json!(["sleep", "100000"]))] {
        let folder = base.join(bundle);
        fs::create_dir_all(&folder).expect("a folder");
        let made = Command::new(name).arg("spec").current_dir(&folder).output().ok()?;
        if !made.status.success() {
            return None;
        }
        let file = folder.join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
        config["process"]["args"] = process;
        config["process"]["terminal"] = json!(false);
        config["root"]["path"] = json!(place.rootfs());
        // The peer's own default limits may lie above what this machine allows.
        config["process"]["rlimits"] = json!([]);
        fs::write(&file, config.to_string()).ok()?;
    }
    let state = place.run.join(name);
    let line = |rest: &str| Some(words(&format!("{name} --root {} {rest}", state.display())));
    let run = line(&format!("run --bundle {} once", base.join("true").display()))?;
    let first = worker.run(&run.iter().map(String::as_str).collect::<Vec<_>>());
    if first.code != 0 {
        println!("({name} does not run here and is left out: {})\n", first.stderr.lines().next().unwrap_or_default());
        return None;
    }
    let mut runtime = Contender::new(name, version, worker);
    runtime.run = Some(run);
    runtime.start = line(&format!("run --detach --bundle {} {{n}}", base.join("sleep").display()));
    runtime.exec = line("exec {n} true");
    runtime.remove = line("delete --force {n}");
    Some(runtime)
}

fn podman(place: &Place) -> Option<Contender> {
    let version = version_of("podman")?;
    let config = place.run.join("containers.conf");
    let text = "[containers]\ndefault_ulimits = [\"nofile=1024:2048\", \"nproc=1024:2048\"]\n[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";
    fs::write(&config, text).expect("write");
    let mut worker = Worker::without_unified(vec![("CONTAINERS_CONF".into(), config.to_string_lossy().into_owned())]);
    let line = |rest: &str| {
        let (disk, run) = (place.disk.display(), place.run.display());
        Some(words(&format!("podman --root {disk}/podman --runroot {run}/podman --tmpdir {run}/podman-tmp {rest}")))
    };
    let import = line(&format!("import {} bench", place.tar().display()))?;
    let run = line("run --rm --network none bench true")?;
    for step in [&import, &run] {
        let done = worker.run(&step.iter().map(String::as_str).collect::<Vec<_>>());
        if done.code != 0 {
            println!(
                "(podman does not run here and is left out: {})\n",
                done.stderr.lines().last().unwrap_or_default()
            );
            return None;
        }
    }
    let mut podman = Contender::new("podman", version, worker);
    podman.run = Some(run);
    podman.start = line("run -d --network none --name {n} bench sleep 100000");
    podman.exec = line("exec {n} true");
    podman.remove = line("rm -f -t 0 {n}");
    podman.list_all = line("ps -a");
    podman.statistics = line("stats --no-stream");
    Some(podman)
}

fn docker(place: &Place) -> Option<Contender> {
    let mut worker = Worker::new(vec![]);
    let server = worker.run(&["docker", "version", "--format", "docker {{.Server.Version}}"]);
    if server.code != 0 {
        return None;
    }
    let import = worker.run(&["docker", "import", &place.tar().to_string_lossy(), "teu-bench"]);
    if import.code != 0 {
        return None;
    }
    let mut docker = Contender::new("docker", server.stdout.trim().to_owned(), worker);
    let line = |rest: &str| Some(words(&format!("docker {rest}")));
    docker.run = line("run --rm --network none teu-bench true");
    docker.start = line("run -d --network none --name {n} teu-bench sleep 100000");
    docker.exec = line("exec {n} true");
    docker.remove = line("rm -f {n}");
    docker.list_all = line("ps -a");
    docker.statistics = line("stats --no-stream");
    Some(docker)
}

fn unshare(place: &Place) -> Option<Contender> {
    let version = version_of("unshare")?;
    let mut unshare = Contender::new("unshare", version, Worker::new(vec![]));
    let flags = if need::is_root() { "-muinpCf" } else { "-rmuinpCf" };
    unshare.run = Some(words(&format!("unshare {flags} chroot {} /bin/true", place.rootfs().display())));
    Some(unshare)
}

/// The first line of `NAME --version`; none if there is no such program.
pub fn version_of(name: &str) -> Option<String> {
    let output = Command::new(name).arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.replace(" version ", " "))
}
