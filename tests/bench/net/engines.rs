//! Who is measured with networks, each in namespaces of its own: teu, podman with netavark, and a Docker daemon of our own.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};

use crate::peers::{teu_environment, version_of, words};
use crate::place::Place;
use crate::worker::{Run, Worker};

pub struct Engine {
    pub name: &'static str,
    pub version: String,
    worker: RefCell<Worker>,
    /// The program, and what leads it to the benchmark's folders.
    program: Vec<String>,
    /// A daemon that is to be ended: the file with its process id.
    daemon: Option<PathBuf>,
}

/// Everyone that works here, teu first.
pub fn find(place: &Place) -> Vec<Engine> {
    let mut found = vec![teu(place)];
    found.extend(podman(place));
    found.extend(docker(place));
    found
}

impl Engine {
    fn new(name: &'static str, version: String, worker: Worker, program: &str) -> Self {
        Self { name, version, worker: RefCell::new(worker), program: words(program), daemon: None }
    }

    /// Runs the engine with a line of words, `IMAGE` standing for the image.
    pub fn command(&self, line: &str) -> Run {
        let line = words(line).into_iter().map(|word| if word == "IMAGE" { "bench".to_owned() } else { word });
        let all: Vec<String> = self.program.iter().cloned().chain(line).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        self.worker.borrow_mut().run(&all)
    }

    /// The same, which has to succeed: how long it took.
    pub fn good(&self, line: &str) -> Duration {
        self.command(line).good(&format!("{} {line}", self.name)).took
    }

    pub fn run_once(&self, flags: &[String]) -> Duration {
        self.good(&format!("run --rm {} IMAGE true", flags.join(" ")))
    }

    /// A container's process and its first address.
    pub fn place_of(&self, container: &str) -> (String, String) {
        let text = self.command(&format!("inspect {container}")).good("inspect").stdout;
        let told: serde_json::Value = serde_json::from_str(&text).expect("inspect prints JSON");
        let pid = told[0]["State"]["Pid"].as_i64().expect("a running container").to_string();
        let words = ["-t", &pid, "-n", "ip", "-4", "-o", "addr", "show", "scope", "global"];
        let listed = Command::new("nsenter").args(words).output().expect("nsenter").stdout;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let address = listed.split_whitespace().nth(3).and_then(|word| word.split('/').next());
        (pid, address.expect("an address").to_owned())
    }

    /// A process in the engine's own network namespace.
    pub fn pid(&self) -> String {
        self.worker.borrow().pid().to_string()
    }

    /// Does something in a network namespace that is nobody's.
    pub fn within_new_network<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let done = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
                act()
            });
            done.join().expect("the thread")
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.command("network rm bench-first");
        if let Some(file) = &self.daemon {
            let pid = fs::read_to_string(file).unwrap_or_default();
            let _ = Command::new("kill").arg(pid.trim()).status();
            // Its parent, the worker, reaps nobody: it is over when it is a zombie.
            let ended = || {
                let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
                stat.is_empty() || stat.contains(") Z ")
            };
            for _ in 0..200 {
                if ended() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            // Of all hierarchies, on machines with cgroup v2 alone of the one.
            let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
            for folder in hierarchies.chain([PathBuf::from("/sys/fs/cgroup")]) {
                let _ = fs::remove_dir(folder.join("teu-bench-docker"));
            }
        }
        if self.name == "teu" {
            let inode = fs::metadata(format!("/proc/{}/ns/net", self.pid())).map(|data| data.ino());
            let _ = inode.map(|inode| fs::remove_dir_all(format!("/run/teu/network/{inode}")));
        }
    }
}

/// Whether the engine runs a container on its default bridge and makes networks; if not, it is left out and says why.
fn works(engine: Engine) -> Option<Engine> {
    for line in ["run --rm --network bridge -p 20000:80 IMAGE true", "network create bench-first"] {
        let run = engine.command(line);
        if run.code != 0 {
            let why = run.stderr.lines().last().unwrap_or_default().to_owned();
            println!("({} is left out: {line}: {why})\n", engine.name);
            return None;
        }
    }
    Some(engine)
}

fn teu(place: &Place) -> Engine {
    let program = env!("CARGO_BIN_EXE_teu");
    let mut environment = teu_environment(place);
    for (_, folder) in environment.iter_mut().filter(|(name, _)| name.starts_with("TEU_")) {
        folder.push_str("-net");
    }
    let mut worker = Worker::in_own_network("true", environment);
    worker.run(&[program, "import", &place.tar().to_string_lossy(), "bench"]).good("teu import");
    let version = worker.run(&[program, "--version"]).stdout.trim().to_owned();
    works(Engine::new("teu", version, worker, program)).expect("teu works")
}

fn podman(place: &Place) -> Option<Engine> {
    let version = version_of("podman")?;
    let (disk, run) = (place.disk.join("podman-net"), place.run.join("podman-net"));
    fs::create_dir_all(&run).expect("a folder");
    let config = run.join("containers.conf");
    let text = "[containers]\ndefault_ulimits = [\"nofile=1024:2048\", \"nproc=1024:2048\"]\n[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n[network]\nnetwork_backend = \"netavark\"\n";
    fs::write(&config, text).expect("write");
    let script = "umount -l /sys/fs/cgroup/unified 2>/dev/null; mkdir -p /run/netns; mount -t tmpfs tmpfs /run/netns";
    let environment = vec![("CONTAINERS_CONF".to_owned(), config.to_string_lossy().into_owned())];
    let worker = Worker::in_own_network(script, environment);
    let (disk, run) = (disk.display(), run.display());
    let program =
        format!("podman --root {disk} --runroot {run}/run --tmpdir {run}/tmp --network-config-dir {run}/networks");
    let engine = Engine::new("podman", version, worker, &program);
    let imported = engine.command(&format!("import {} bench", place.tar().display()));
    if imported.code != 0 {
        println!("(podman is left out: {})\n", imported.stderr.lines().last().unwrap_or_default());
        return None;
    }
    works(engine)
}

fn docker(place: &Place) -> Option<Engine> {
    version_of("dockerd")?;
    let (disk, run) = (place.disk.join("docker-net"), place.run.join("docker-net"));
    fs::create_dir_all(&run).expect("a folder");
    let (disk, run) = (disk.display(), run.display());
    let script = format!(
        "dockerd --data-root={disk} --exec-root={run}/exec --pidfile={run}/pid --host=unix://{run}/sock --cgroup-parent=/teu-bench-docker >{run}/log 2>&1 </dev/null &"
    );
    let worker = Worker::in_own_network(&script, Vec::new());
    let mut engine = Engine::new("docker", String::new(), worker, &format!("docker -H unix://{run}/sock"));
    engine.daemon = Some(PathBuf::from(format!("{run}/pid")));
    let ready = (0..200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let version = engine.command("version --format {{.Server.Version}}");
        (version.code == 0).then(|| version.stdout.trim().to_owned())
    });
    let Some(version) = ready else {
        println!("(docker is left out: its daemon does not start here)\n");
        return None;
    };
    engine.version = format!("docker {version}");
    engine.good(&format!("import {} bench", place.tar().display()));
    works(engine)
}
