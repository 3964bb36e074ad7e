//! An OCI bundle around Debian's busybox, and a runtime under test (teu, crun or runc) that is told what to do with it.
//!
//! Every call has a time limit; whatever a test leaves is removed when the bundle is dropped, and teu must leave nothing.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{Output, Running, copy_program, line_of};
use super::{leaks, need, wait_for};

/// No single call of a runtime may take longer.
pub const LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Teu,
    Crun,
    Runc,
}

impl Runtime {
    fn name(self) -> &'static str {
        match self {
            Self::Teu => "teu",
            Self::Crun => "crun",
            Self::Runc => "runc",
        }
    }
}

/// Runs one case on one runtime. `known` names the peers that fail it, and why: such a case must fail, so that the
/// list stays true.
#[track_caller]
pub fn case(runtime: Runtime, known: &[(&str, &str)], test: impl FnOnce(&mut Bundle)) {
    need::root();
    let mut bundle = Bundle::new(runtime);
    let Some((_, why)) = known.iter().find(|(name, _)| *name == runtime.name()) else {
        return test(&mut bundle);
    };
    let passed = catch_unwind(AssertUnwindSafe(|| test(&mut bundle))).is_ok();
    bundle.is_expected_to_fail.set(true);
    assert!(!passed, "{} passes what it is said to fail ({why}): take it off the case's list", runtime.name());
}

/// Makes three tests of each case, `CASE::teu`, `CASE::crun` and `CASE::runc`; known failures of peers with their reason.
#[allow(unused_macros, reason = "one of the two test programs has cases")]
macro_rules! on_every_runtime {
    ($($case:ident $(, $peer:ident = $why:literal)*;)*) => { $(
        mod $case {
            use crate::support::bundle::{Runtime, case};
            const KNOWN: &[(&str, &str)] = &[$((stringify!($peer), $why)),*];

            #[test]
            fn teu() {
                case(Runtime::Teu, KNOWN, super::$case);
            }

            #[test]
            fn crun() {
                case(Runtime::Crun, KNOWN, super::$case);
            }

            #[test]
            fn runc() {
                case(Runtime::Runc, KNOWN, super::$case);
            }
        }
    )* };
}
pub(crate) use on_every_runtime;

pub struct Bundle {
    pub runtime: Runtime,
    /// What `config.json` will say at the next `create` or `run`.
    pub config: Value,
    pub id: String,
    /// teu itself, or a copy of it that a test may lose.
    pub program: PathBuf,
    folder: tempfile::TempDir,
    calls: Cell<usize>,
    is_expected_to_fail: Cell<bool>,
}

impl Bundle {
    #[track_caller]
    pub fn new(runtime: Runtime) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("teu-oci.").tempdir_in(place).expect("a temporary folder");
        // A container in a user namespace of its own must be able to enter.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = format!("must-{}-{number:05}", std::process::id());
        make_rootfs(&folder.path().join("bundle/rootfs"));
        let config = plain_config(&id);
        let program = PathBuf::from(env!("CARGO_BIN_EXE_teu"));
        Self { runtime, config, id, program, folder, calls: Cell::new(0), is_expected_to_fail: Cell::new(false) }
    }

    pub fn is_teu(&self) -> bool {
        self.runtime == Runtime::Teu
    }

    /// The test's own folder, which the container cannot see.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self) -> PathBuf {
        self.folder().join("bundle")
    }

    pub fn rootfs(&self) -> PathBuf {
        self.path().join("rootfs")
    }

    pub fn state_folder(&self) -> PathBuf {
        self.folder().join("state")
    }

    pub fn write_config(&self) {
        fs::write(self.path().join("config.json"), self.config.to_string()).expect("write config.json");
    }

    /// The runtime with its global flags, in the namespaces it works in.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.runtime {
            Runtime::Teu => {
                let mut command = Command::new(&self.program);
                command.arg("oci").current_dir(self.folder());
                command
            }
            peer => {
                let mut command = in_peers_namespace();
                command.args(["sh", "-c", "cd \"$0\" && exec \"$@\""]).arg(self.folder());
                command.arg(need::program(peer.name(), peer.name()));
                command
            }
        };
        command.arg("--root").arg(self.state_folder()).args(arguments);
        command.env_remove("XDG_RUNTIME_DIR").env_remove("NOTIFY_SOCKET");
        command
    }

    /// Runs `RUNTIME ARGUMENTS` to its end.
    #[track_caller]
    pub fn call(&self, arguments: &[&str]) -> Output {
        self.finish(self.command(arguments))
    }

    /// Runs a command to its end. Its output goes through files, since containers may keep it open.
    #[track_caller]
    pub fn finish(&self, mut command: Command) -> Output {
        let number = self.calls.get();
        self.calls.set(number + 1);
        let file = |name: &str| self.folder().join(format!("{name}.{number}"));
        let (out, err) = (file("out"), file("err"));
        command.stdin(Stdio::null());
        command.stdout(File::create(&out).expect("a file")).stderr(File::create(&err).expect("a file"));
        let line = line_of(&command);
        let start = Instant::now();
        let mut running = Running { child: command.spawn().unwrap_or_else(|e| panic!("start {line}: {e}")) };
        let code = running.wait(LIMIT);
        let read = |path: &Path| fs::read(path).unwrap_or_default();
        let code = code.unwrap_or_else(|| {
            let errors = String::from_utf8_lossy(&read(&err)).into_owned();
            panic!("{line}\nstill runs after {LIMIT:?}\n--- stderr\n{errors}")
        });
        Output { line, code, stdout: read(&out), stderr: read(&err), took: start.elapsed() }
    }

    /// `create` with the present config. What the container prints later, `printed` tells.
    #[track_caller]
    pub fn create(&self) -> Output {
        self.create_as(&self.id)
    }

    #[track_caller]
    pub fn create_as(&self, id: &str) -> Output {
        self.write_config();
        let bundle = self.path();
        let number = self.calls.get();
        let output = self.call(&["create", "--bundle", &bundle.to_string_lossy(), id]);
        let link = self.folder().join("created");
        let _ = fs::remove_file(&link);
        symlink(format!("out.{number}"), link).expect("a link");
        output
    }

    /// What the container that was created last has printed on its standard output.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder().join("created")).unwrap_or_default()).trim_end().to_owned()
    }

    #[track_caller]
    pub fn start(&self) -> Output {
        self.call(&["start", &self.id])
    }

    #[track_caller]
    pub fn kill(&self, signal: &str) -> Output {
        self.call(&["kill", &self.id, signal])
    }

    #[track_caller]
    pub fn delete(&self) -> Output {
        self.call(&["delete", &self.id])
    }

    /// What `state` prints; panics if it fails.
    #[track_caller]
    pub fn state(&self) -> Value {
        let text = self.call(&["state", &self.id]).ok().text();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("state is no JSON: {e}\n{text}"))
    }

    #[track_caller]
    pub fn status(&self) -> String {
        self.state()["status"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub fn wait_status(&self, status: &str) {
        wait_for(&format!("status {status}"), LIMIT, || (self.status() == status).then_some(()));
    }

    #[track_caller]
    pub fn pid(&self) -> i32 {
        let state = self.state();
        state["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_else(|| panic!("no pid in {state}"))
    }

    /// Creates and starts a container that sleeps; returns its pid.
    #[track_caller]
    pub fn sleeping(&mut self) -> i32 {
        self.config["process"]["args"] = json!(["sleep", "1000"]);
        self.create().ok();
        self.start().ok();
        self.pid()
    }

    /// `run` with the present config.
    #[track_caller]
    pub fn run(&self) -> Output {
        self.write_config();
        let bundle = self.path();
        self.call(&["run", "--bundle", &bundle.to_string_lossy(), &self.id])
    }

    /// What a shell script prints in a container of the present config.
    #[track_caller]
    pub fn script(&mut self, script: &str) -> String {
        self.config["process"]["args"] = json!(["sh", "-c", script]);
        self.run().ok().text()
    }

    /// The config is refused by `create`, with a message, and leaves no container.
    #[track_caller]
    pub fn refused(&self) -> Output {
        let output = self.create();
        assert_ne!(output.code, 0, "it is accepted: {output}\n{:#}", self.config);
        let output = output.explains(&[]);
        let state = self.call(&["state", &self.id]);
        assert_ne!(state.code, 0, "a container is left: {state}");
        output
    }

    /// Adds a mount at the end of the list.
    pub fn mount(&mut self, mount: Value) {
        self.list("/mounts").push(mount);
    }

    /// Adds a bind mount of a fresh folder of the test; returns that folder.
    pub fn bind(&mut self, name: &str, destination: &str, options: &[&str]) -> PathBuf {
        let source = self.folder().join(name);
        fs::create_dir_all(&source).expect("a folder");
        self.mount(json!({"destination": destination, "type": "bind", "source": source, "options": options}));
        source
    }

    /// The array at a JSON pointer.
    pub fn list(&mut self, pointer: &str) -> &mut Vec<Value> {
        let value = self.config.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}"));
        value.as_array_mut().unwrap_or_else(|| panic!("{pointer} is no array"))
    }

    /// Takes a namespace out of the list, or puts another entry in its place.
    pub fn namespace(&mut self, kind: &str, entry: Option<Value>) {
        let list = self.list("/linux/namespaces");
        list.retain(|old| old["type"] != kind);
        list.extend(entry);
    }

    /// A user namespace whose ids begin at 100,000, with a root file system that they own.
    pub fn own_user_namespace(&mut self) {
        self.namespace("user", Some(json!({"type": "user"})));
        // Whoever mounts sysfs owns the network.
        self.namespace("network", Some(json!({"type": "network"})));
        let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        self.config["linux"]["uidMappings"] = map.clone();
        self.config["linux"]["gidMappings"] = map;
        let mut command = Command::new("chown");
        command.args(["-hR", "100000:100000"]).arg(self.rootfs());
        self.finish(command).ok();
    }

    /// The namespace `kind` of the runtime itself, as `/proc/PID/ns` tells it.
    pub fn runtime_namespace(&self, kind: &str) -> String {
        let mut command = match self.runtime {
            Runtime::Teu => Command::new("readlink"),
            _ => {
                let mut command = in_peers_namespace();
                command.arg("readlink");
                command
            }
        };
        command.arg(format!("/proc/self/ns/{kind}"));
        self.finish(command).ok().text()
    }

    /// A file of the test that a hook can write, and the hook that writes what `script` prints into it.
    pub fn hook(&self, name: &str, script: &str) -> (PathBuf, Value) {
        let file = self.folder().join(name);
        // crun 1.8.1 calls it a failure when a hook leaves the state unread; a script that reads it begins with `state=`.
        let drain =
            if self.runtime == Runtime::Crun && !script.starts_with("state=") { "cat > /dev/null;" } else { "" };
        let script = format!("exec >> {}; {drain} {script}", file.display());
        (file, json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"]}))
    }

    /// Everything that is left of this test's containers.
    pub fn left(&self) -> Vec<String> {
        let mut rows = leaks::left(self.folder(), &BTreeSet::from([self.id.clone()]));
        let entries = fs::read_dir(self.state_folder()).into_iter().flatten().flatten();
        // The folder of a creator that was killed before its first record was whole is swept by teu when it is ten seconds old.
        let is_unborn =
            |path: &Path| path.extension().is_some_and(|end| end == "tmp") && !path.join("state.json").exists();
        let folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir() && !is_unborn(path));
        rows.extend(folders.map(|path| format!("state {}", path.display())));
        rows
    }

    /// Deletes by force and sees that nothing is left.
    #[track_caller]
    pub fn clean(&self) {
        self.call(&["delete", "--force", &self.id]);
        let rows = self.left();
        assert!(rows.is_empty(), "left behind:\n  {}", rows.join("\n  "));
    }

    fn clean_by_force(&self) {
        let containers = fs::read_dir(self.state_folder()).into_iter().flatten().flatten();
        for id in containers.map(|e| e.file_name().to_string_lossy().into_owned()).chain([self.id.clone()]) {
            let mut command = self.command(&["delete", "--force", &id]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if let Ok(child) = command.spawn() {
                Running { child }.wait(Duration::from_secs(10));
            }
        }
        let mut cgroups = Vec::new();
        for row in leaks::left(self.folder(), &BTreeSet::from([self.id.clone()])) {
            if let Some(path) = row.strip_prefix("cgroup ") {
                cgroups.push(PathBuf::from(path));
                let _ = fs::write(Path::new(path).join("freezer.state"), "THAWED");
                for pid in fs::read_to_string(Path::new(path).join("cgroup.procs")).unwrap_or_default().lines() {
                    let _ = Command::new("kill").args(["-9", pid]).stderr(Stdio::null()).status();
                }
            } else if let Some((pid, _)) = row.strip_prefix("process ").and_then(|rest| rest.split_once(':')) {
                // A container without a mount namespace has mounted in that of all peers, which the others still need.
                if !self.is_teu() && pid == peers_holder().to_string() {
                    let script = "grep -F \"$0\" /proc/self/mountinfo | cut -d ' ' -f 5 | sort -r | xargs -r umount -l";
                    let mut command = in_peers_namespace();
                    let _ = command.args(["sh", "-c", script]).arg(self.folder()).stderr(Stdio::null()).status();
                    continue;
                }
                let _ = Command::new("kill").args(["-9", pid]).stderr(Stdio::null()).status();
            }
        }
        if !cgroups.is_empty() {
            std::thread::sleep(Duration::from_millis(50));
            cgroups.iter().for_each(|path| drop(fs::remove_dir(path)));
        }
        let _ = fs::remove_dir_all(self.state_folder());
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        if self.is_teu() && !std::thread::panicking() && !self.is_expected_to_fail.get() {
            let checked = catch_unwind(AssertUnwindSafe(|| self.clean()));
            if let Err(why) = checked {
                self.clean_by_force();
                std::panic::resume_unwind(why);
            }
        } else {
            self.clean_by_force();
        }
    }
}

/// Debian's crun and runc refuse hybrid cgroups, unless the v2 mount is hidden: in a mount namespace that lives as long as
/// the test program, since it waits on a pipe of it.
fn in_peers_namespace() -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &peers_holder().to_string(), "--mount", "--"]);
    command
}

/// The process whose mount namespace it is.
fn peers_holder() -> u32 {
    static HOLDER: OnceLock<Child> = OnceLock::new();
    let holder = HOLDER.get_or_init(|| {
        let script = "umount /sys/fs/cgroup/unified 2>/dev/null; echo ready; exec cat";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "slave", "sh", "-c", script]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("ready");
        child
    });
    holder.id()
}

fn make_rootfs(rootfs: &Path) {
    let busybox = need::program("busybox", "busybox-static");
    for name in ["bin", "etc", "proc", "sys", "dev", "root", "tmp", "home/app", "mnt"] {
        fs::create_dir_all(rootfs.join(name)).expect("a folder");
    }
    fs::set_permissions(rootfs.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("chmod");
    copy_program(&busybox, &rootfs.join("bin/busybox"));
    for name in super::tiny::APPLETS.split_whitespace().chain(MORE_APPLETS.split_whitespace()) {
        symlink("busybox", rootfs.join("bin").join(name)).expect("a link");
    }
    fs::write(rootfs.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n")
        .expect("write");
    fs::write(rootfs.join("etc/group"), "root:x:0:\napp:x:1000:\n").expect("write");
}

const MORE_APPLETS: &str = "nice ionice taskset chrt ipcs [ cmp sysctl nohup renice unlink link mkfifo fold tac";

/// What most callers ask of a runtime: own namespaces but the network's, the usual file systems, a few capabilities.
fn plain_config(id: &str) -> Value {
    let capabilities = json!([
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_MKNOD",
        "CAP_SYS_CHROOT"
    ]);
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({"destination": destination, "type": kind, "source": kind, "options": options});
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": {"uid": 0, "gid": 0},
            "args": ["true"],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": false},
        "hostname": "must",
        "mounts": [
            mount("/proc", "proc", &[]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        ],
        "linux": {
            "cgroupsPath": format!("/{id}"),
            "namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "maskedPaths": ["/proc/kcore"],
            "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}
