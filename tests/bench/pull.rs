//! Pulls into empty stores from one docker-registry on loopback: teu, podman, docker, skopeo to a folder, and the floor, one
//! after the other in each round. Nobody pays for another's dirty pages: the disk is quiet before each.

mod images;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Plan;
use crate::peers::{version_of, words};
use crate::place::Place;
use crate::report::{self, Row, median};
use crate::support::process::{Output, Running};
use crate::support::{Registry, need, process, wait_for};

const LIMIT: Duration = Duration::from_secs(180);
/// A peer needs three times as long as teu, and its median is as good with fewer rounds.
const PEER_ROUNDS: usize = 5;

/// What one pull took.
struct Figures {
    took: Duration,
    /// The most memory its largest process ever had; none for the floor's many.
    peak_kib: Option<u64>,
    /// What lies on disk afterwards: unpacked files, and everything.
    unpacked_bytes: u64,
    all_bytes: u64,
}

/// Somebody who pulls an image into an empty place.
type Pulling = fn(&Place, &Registry, &str) -> Figures;

pub fn measure(place: &Place, plan: &Plan) {
    let registry = images::registry();
    let contenders = contenders();
    let names: Vec<&str> = contenders.iter().map(|(name, _)| *name).collect();
    println!("{}\n", versions().join(", "));
    for (title, image) in
        [("Debian with a compiler, 4 layers", images::DEBIAN), ("10 layers, 30,000 small files", images::SMALL_FILES)]
    {
        let mut figures: Vec<Vec<Figures>> = contenders.iter().map(|_| Vec::new()).collect();
        for round in 0..if plan.slow_peers { 9 } else { 3 } {
            for (at, (name, pull)) in contenders.iter().enumerate() {
                let is_peer = ["podman", "docker", "skopeo"].iter().any(|peer| name.starts_with(peer));
                if !is_peer || round < PEER_ROUNDS {
                    figures[at].push(pull(place, &registry, image));
                }
            }
        }
        let sizes = sizes(&registry, image);
        let title = format!("{title}, {:.0} MB gz", sizes as f64 / 1e6);
        report::table(&title, &names, &rows(&figures));
    }
}

fn rows(figures: &[Vec<Figures>]) -> [Row; 5] {
    let row = |what: &str, figure: &dyn Fn(&[Figures]) -> Option<f64>| Row {
        what: what.to_owned(),
        figures: figures.iter().map(|all| figure(all)).collect(),
    };
    let times = |all: &[Figures]| all.iter().map(|it| it.took).collect::<Vec<_>>();
    let largest = |all: &[Figures]| all.iter().filter_map(|it| it.peak_kib).max();
    [
        row("ms, median", &|all| Some(median(&times(all)))),
        row("ms, fastest", &|all| times(all).iter().min().map(|time| time.as_secs_f64() * 1e3)),
        row("peak memory, MiB (the most of all rounds)", &|all| largest(all).map(|kib| kib as f64 / 1024.0)),
        row("unpacked files on disk, MB", &|all| all.last().map(|it| it.unpacked_bytes as f64 / 1e6)),
        row("all on disk, MB", &|all| all.last().map(|it| it.all_bytes as f64 / 1e6)),
    ]
}

fn versions() -> Vec<String> {
    let docker = version_of("dockerd").map(|text| format!("dockerd {}", text.replace("Docker ", "")));
    [version_of("podman"), docker, version_of("skopeo"), version_of("docker-registry")].into_iter().flatten().collect()
}

fn contenders() -> Vec<(&'static str, Pulling)> {
    let has = |name| version_of(name).is_some();
    let mut all: Vec<(&str, Pulling)> = vec![("teu", teu)];
    all.extend((need::is_root() && has("podman")).then_some(("podman", podman as Pulling)));
    all.extend((need::is_root() && has("dockerd")).then_some(("docker", docker as Pulling)));
    all.extend(has("skopeo").then_some(("skopeo to dir:", skopeo as Pulling)));
    if has("curl") {
        all.extend([("curl of all", curl as Pulling), ("gzip, tar", unpack), ("gzip, tar, sync", unpack_and_sync)]);
    }
    all
}

/// An empty folder on the benchmark's disk, gone and its blocks written when this is.
struct Store(PathBuf);

impl Store {
    fn new(place: &Place) -> Self {
        let folder = place.disk.join("pulled");
        fs::create_dir(&folder).expect("an empty place to pull into");
        quiet(&place.disk);
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    fn figures(&self, took: Duration, peak_kib: Option<u64>, unpacked: &[&str]) -> Figures {
        let unpacked_bytes = unpacked.iter().map(|name| blocks_of(&self.0.join(name))).sum();
        Figures { took, peak_kib, unpacked_bytes, all_bytes: blocks_of(&self.0) }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = Command::new("rm").arg("-rf").arg(&self.0).status();
        quiet(self.0.parent().expect("it is in a folder"));
    }
}

fn quiet(disk: &Path) {
    let _ = Command::new("sync").arg("-f").arg(disk).status();
}

/// Bytes of blocks that a folder takes on its disk.
fn blocks_of(folder: &Path) -> u64 {
    let output = Command::new("du").args(["-s", "-B", "1"]).arg(folder).stderr(Stdio::null()).output().expect("du");
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Runs a pull to its end, watching its memory a hundred times a second.
fn timed(command: &mut Command) -> (Duration, u64) {
    let line = process::line_of(command);
    let error = tempfile::NamedTempFile::new().expect("a temporary file");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(error.reopen().expect("open"));
    let start = Instant::now();
    let mut running = Running { child: command.spawn().unwrap_or_else(|e| panic!("start {line}: {e}")) };
    let id = running.id();
    let watch = std::thread::spawn(move || {
        let mut peak = 0;
        while let Some(now) = peak_of(id) {
            peak = peak.max(now);
            std::thread::sleep(Duration::from_millis(10));
        }
        peak
    });
    let status = running.child.wait().expect("wait");
    let took = start.elapsed();
    let said = fs::read_to_string(error.path()).unwrap_or_default();
    assert!(status.success(), "{line}: {status}\n{said}");
    assert!(took < LIMIT, "{line} took {took:?}");
    (took, watch.join().expect("the watch"))
}

/// The most memory a process ever had, KiB; none when it has ended.
fn peak_of(id: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let row = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    row.split_whitespace().next()?.parse().ok()
}

fn teu(place: &Place, registry: &Registry, image: &str) -> Figures {
    let store = Store::new(place);
    let mut command = Command::new(env!("CARGO_BIN_EXE_teu"));
    command.args(["pull", "--quiet", &registry.reference(image)]);
    command.env("TEU_ROOT", store.path("root")).env("TEU_RUNROOT", store.path("run"));
    command.env("XDG_CONFIG_HOME", store.path("config"));
    let (took, peak) = timed(&mut command);
    store.figures(took, Some(peak), &["root/image/layers"])
}

fn podman(place: &Place, registry: &Registry, image: &str) -> Figures {
    let store = Store::new(place);
    let mut command = Command::new("podman");
    command.args(["--root", &store.path("root"), "--runroot", &store.path("run"), "--tmpdir", &store.path("tmp")]);
    command.args(["--storage-driver", "overlay", "pull", "--quiet", "--tls-verify=false", &registry.reference(image)]);
    let (took, peak) = timed(&mut command);
    store.figures(took, Some(peak), &["root/overlay"])
}

fn skopeo(place: &Place, registry: &Registry, image: &str) -> Figures {
    let store = Store::new(place);
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "copy", "--src-tls-verify=false"]);
    command.arg(format!("docker://{}", registry.reference(image))).arg(format!("dir:{}", store.path("dir")));
    let (took, peak) = timed(&mut command);
    store.figures(took, Some(peak), &[])
}

/// A docker daemon of its own with an empty store; the time is the client's, the memory the daemon's.
fn docker(place: &Place, registry: &Registry, image: &str) -> Figures {
    let store = Store::new(place);
    let socket = format!("unix://{}", store.path("sock"));
    let mut daemon = start_dockerd(&store, &socket);
    // The daemon's peak until now is its start's.
    let _ = fs::write(format!("/proc/{}/clear_refs", daemon.id()), "5");
    let mut client = Command::new("docker");
    client.args(["-H", &socket, "pull", "--quiet", &registry.reference(image)]);
    let (took, _) = timed(&mut client);
    let peak = peak_of(daemon.id());
    let _ = Command::new("kill").arg(daemon.id().to_string()).status();
    daemon.wait(Duration::from_secs(20)).expect("the docker daemon ends when it is told to");
    let _ = Command::new("umount").arg(store.path("exec/netns/default")).stderr(Stdio::null()).status();
    store.figures(took, peak, &["data/overlay2"])
}

fn start_dockerd(store: &Store, socket: &str) -> Running {
    let log = fs::File::create(store.path("log")).expect("a log");
    let mut command = Command::new("dockerd");
    for (flag, name) in [("data-root", "data"), ("exec-root", "exec"), ("pidfile", "pid")] {
        command.arg(format!("--{flag}={}", store.path(name)));
    }
    command.arg(format!("--host={socket}")).args(words("--storage-driver=overlay2 --bridge=none"));
    command.args(words("--iptables=false --ip6tables=false"));
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("dup")).stderr(log);
    let daemon = Running { child: command.spawn().expect("start dockerd") };
    wait_for("dockerd answers", Duration::from_secs(40), || {
        let version = Command::new("docker").args(["-H", socket, "version"]).output().ok()?;
        version.status.success().then_some(())
    });
    daemon
}

/// Every blob to a file, at the same time.
fn curl(place: &Place, registry: &Registry, image: &str) -> Figures {
    let store = Store::new(place);
    let (took, _) = timed(&mut curl_command(&store, registry, image));
    store.figures(took, None, &[])
}

fn curl_command(store: &Store, registry: &Registry, image: &str) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--fail", "--parallel"]);
    for (number, (digest, _)) in layers(registry, image).iter().enumerate() {
        command.arg("-o").arg(store.path(&number.to_string())).arg(blob(registry, image, digest));
    }
    command
}

/// `gzip -dc BLOB | tar x` of all layers in parallel, the blobs being there.
fn unpack(place: &Place, registry: &Registry, image: &str) -> Figures {
    unpack_then(place, registry, image, "true")
}

fn unpack_and_sync(place: &Place, registry: &Registry, image: &str) -> Figures {
    unpack_then(place, registry, image, "sync -f .")
}

fn unpack_then(place: &Place, registry: &Registry, image: &str, end: &str) -> Figures {
    let store = Store::new(place);
    timed(&mut curl_command(&store, registry, image));
    let count = layers(registry, image).len();
    for number in 0..count {
        fs::create_dir(store.path(&format!("layer{number}"))).expect("a folder");
    }
    quiet(&store.0);
    let one = |number| format!("(gzip -dc {number} | tar -x -C layer{number}) & ");
    let all: String = (0..count).map(one).collect();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{all} wait; {end}")]).current_dir(&store.0);
    let (took, _) = timed(&mut command);
    let folders: Vec<String> = (0..count).map(|number| format!("layer{number}")).collect();
    store.figures(took, None, &folders.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Digests and sizes of an image's layers.
fn layers(registry: &Registry, image: &str) -> Vec<(String, u64)> {
    let (name, tag) = image.split_once(':').expect("name:tag");
    let url = format!("http://{}/v2/{name}/manifests/{tag}", registry.address);
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
    let output: Output = process::run(Command::new("curl").args(["-sf", "-H", accept, &url]), b"", LIMIT).ok();
    let manifest: Value = serde_json::from_slice(&output.stdout).expect("a manifest");
    let layers = manifest["layers"].as_array().expect("layers").iter();
    layers
        .map(|it| (it["digest"].as_str().expect("a digest").to_owned(), it["size"].as_u64().expect("a size")))
        .collect()
}

fn sizes(registry: &Registry, image: &str) -> u64 {
    layers(registry, image).iter().map(|(_, size)| size).sum()
}

fn blob(registry: &Registry, image: &str, digest: &str) -> String {
    let name = image.split(':').next().expect("a name");
    format!("http://{}/v2/{name}/blobs/{digest}", registry.address)
}
