//! The real `teu` in private folders: time limits, cleaning up, and a look for leaks at the end of every test.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::process::{self, Output, Running};
use super::{Pty, User, leaks, pty};

/// No single call of `teu` in a test may take longer, unless the test says so.
pub const LIMIT: Duration = Duration::from_secs(60);

/// No single test may take longer: what hangs is ended with its name instead of hanging the run.
const TEST_LIMIT: Duration = Duration::from_secs(240);

pub struct Teu {
    folder: tempfile::TempDir,
    binary: PathBuf,
    user: Option<Arc<User>>,
    /// Ids of containers seen by the test, besides those that the events name.
    ids: Mutex<BTreeSet<String>>,
    done: Arc<AtomicBool>,
    leaks_expected: AtomicBool,
}

impl Teu {
    /// In fresh folders, as whoever runs the tests.
    #[track_caller]
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir(), None)
    }

    /// In fresh folders of an ordinary user (root only).
    #[track_caller]
    pub fn of_user(user: &Arc<User>) -> Self {
        Self::within(&std::env::temp_dir(), Some(user.clone()))
    }

    /// In fresh folders below `place`, to test full or odd file systems.
    #[track_caller]
    pub fn within(place: &Path, user: Option<Arc<User>>) -> Self {
        let folder = tempfile::Builder::new().prefix("teu-t.").tempdir_in(place).expect("a temporary folder");
        for name in ["root", "run", "home", "config", "work"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        // No test makes a bridge on the machine; those of networks name one, on a machine of their own.
        fs::create_dir(folder.path().join("config/teu")).expect("a folder");
        fs::write(folder.path().join("config/teu/config.toml"), "network = \"none\"\n").expect("a configuration");
        let binary = if user.is_some() { shared_binary() } else { PathBuf::from(env!("CARGO_BIN_EXE_teu")) };
        if let Some(user) = &user {
            user.own(folder.path());
        }
        let done = Arc::new(AtomicBool::new(false));
        watch_over(&done);
        Self { folder, binary, user, ids: Mutex::default(), done, leaks_expected: AtomicBool::new(false) }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn binary(&self) -> &Path {
        &self.binary
    }

    pub fn root(&self) -> PathBuf {
        self.folder().join("root")
    }

    pub fn runroot(&self) -> PathBuf {
        self.folder().join("run")
    }

    /// A folder for the test's own files; the user owns it.
    pub fn work(&self) -> PathBuf {
        self.folder().join("work")
    }

    /// The folder that stands for `~/.config`.
    pub fn config(&self) -> PathBuf {
        self.folder().join("config")
    }

    pub fn is_rootless(&self) -> bool {
        self.user.is_some() || !super::need::is_root()
    }

    pub fn user(&self) -> Option<&User> {
        self.user.as_deref()
    }

    /// The command `teu ARGUMENTS`, in a small known environment.
    pub fn command<A: AsRef<std::ffi::OsStr>>(&self, arguments: &[A]) -> Command {
        let mut words: Vec<std::ffi::OsString> = self.user.iter().flat_map(|u| u.prefix()).map(Into::into).collect();
        words.push(self.binary.clone().into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(arguments);
        self.environment(&mut command);
        command
    }

    /// Any program as the test's user, in the same environment.
    pub fn other<A: AsRef<std::ffi::OsStr>>(&self, program: &str, arguments: &[A]) -> Command {
        let mut words: Vec<std::ffi::OsString> = self.user.iter().flat_map(|u| u.prefix()).map(Into::into).collect();
        words.push(program.into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(arguments);
        self.environment(&mut command);
        command
    }

    fn environment(&self, command: &mut Command) {
        command.env_clear().current_dir(self.work());
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", self.folder().join("home")).env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        command.env("SHELL", "/bin/sh").env("XDG_CONFIG_HOME", self.config());
        command.env("TEU_ROOT", self.root()).env("TEU_RUNROOT", self.runroot());
    }

    /// Runs `teu ARGUMENTS` to its end with nothing on stdin.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_fed(arguments, b"")
    }

    #[track_caller]
    pub fn run_fed(&self, arguments: &[&str], stdin: &[u8]) -> Output {
        let output = process::run(&mut self.command(arguments), stdin, LIMIT);
        self.remember(&String::from_utf8_lossy(&output.stdout));
        output
    }

    /// `teu ARGUMENTS` that must succeed, and what it printed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok().text()
    }

    /// Starts `teu ARGUMENTS` without waiting; its output is thrown away.
    #[track_caller]
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Running { child: command.spawn().expect("start teu") }
    }

    /// Starts `teu ARGUMENTS` in a terminal of the usual size.
    #[track_caller]
    pub fn pty(&self, arguments: &[&str]) -> Pty {
        self.pty_sized(arguments, pty::USUAL)
    }

    #[track_caller]
    pub fn pty_sized(&self, arguments: &[&str], size: (u16, u16)) -> Pty {
        Pty::spawn(&self.command(arguments), size)
    }

    /// `docker inspect`-like: the first object that `teu inspect` prints.
    #[track_caller]
    pub fn inspect(&self, target: &str) -> serde_json::Value {
        let text = self.ok(&["inspect", target]);
        let value: serde_json::Value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("inspect {target}: {e}\n{text}"));
        value.get(0).cloned().unwrap_or(value)
    }

    /// `running`, `exited`, `created` or `paused`; empty for a container that is not there.
    #[track_caller]
    pub fn state(&self, target: &str) -> String {
        let filter = format!("name=^{target}$");
        self.ok(&["ps", "-a", "--filter", &filter, "--format", "{{.State}}"])
    }

    #[track_caller]
    pub fn wait_state(&self, target: &str, state: &str) {
        super::wait_for(&format!("{target} {state}"), LIMIT, || (self.state(target) == state).then_some(()));
    }

    /// The names of all containers.
    #[track_caller]
    pub fn names(&self) -> BTreeSet<String> {
        self.ok(&["ps", "-a", "--format", "{{.Names}}"]).lines().map(str::to_owned).collect()
    }

    fn remember(&self, text: &str) {
        let mut ids = self.ids.lock().unwrap_or_else(|e| e.into_inner());
        ids.extend(leaks::ids_in(text));
        for entry in fs::read_dir(self.root().join("containers")).into_iter().flatten().flatten() {
            ids.extend(leaks::ids_in(&entry.file_name().to_string_lossy()));
        }
    }

    fn all_ids(&self) -> BTreeSet<String> {
        self.remember(&fs::read_to_string(self.runroot().join("events.jsonl")).unwrap_or_default());
        self.ids.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Processes that belong to this test's folders.
    pub fn processes(&self) -> Vec<i32> {
        leaks::processes_in(self.folder())
    }

    /// Every trace of containers, now that none should live: processes, mounts, cgroups, half-written files.
    #[track_caller]
    pub fn assert_no_leak(&self) {
        let mut rows = leaks::left(self.folder(), &self.all_ids());
        rows.extend(leaks::half_written(&self.root()).iter().map(|path| format!("half written {}", path.display())));
        rows.extend(leaks::half_written(&self.runroot()).iter().map(|path| format!("half written {}", path.display())));
        assert!(rows.is_empty(), "left behind:\n  {}", rows.join("\n  "));
    }

    /// Removes every container and checks that no trace is left on disk either.
    #[track_caller]
    pub fn assert_all_removable(&self) {
        let ids = self.ok(&["ps", "-a", "-q", "--no-trunc"]);
        let ids: Vec<&str> = ids.lines().collect();
        if !ids.is_empty() {
            self.run(&[&["rm", "-f"], &ids[..]].concat()).ok();
        }
        self.assert_no_leak();
        for folder in [self.root().join("containers"), self.root().join("names"), self.runroot().join("containers")] {
            let left: Vec<_> = fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.file_name()).collect();
            assert!(left.is_empty(), "{} still holds {left:?}", folder.display());
        }
    }

    fn clean_after_failure(&self) {
        for pid in leaks::processes_in(self.folder()) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        std::thread::sleep(Duration::from_millis(100));
        let mut command = self.command(&["ps", "-a", "-q"]);
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).status();
        for row in leaks::left(self.folder(), &self.all_ids()) {
            if let Some(path) = row.strip_prefix("cgroup ") {
                let _ = fs::remove_dir(path);
            }
        }
    }
}

impl Drop for Teu {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if std::thread::panicking() {
            self.clean_after_failure();
        } else {
            let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.assert_all_removable()));
            if let Err(why) = checked {
                self.clean_after_failure();
                make_removable(self.folder());
                std::panic::resume_unwind(why);
            }
        }
        make_removable(self.folder());
    }
}

/// Files of subordinate ids and folders without permissions must not stop the temporary folder's removal.
fn make_removable(folder: &Path) {
    let _ = Command::new("chmod").args(["-R", "u+rwX"]).arg(folder).stderr(Stdio::null()).status();
    // An ordinary user's images and containers have files of his subordinate ids.
    if !rustix::process::geteuid().is_root() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_teu"));
        let _ = command.arg("remove-tree").arg(folder.join("root")).stderr(Stdio::null()).status();
    }
}

/// Ends the whole test program when a test forgets to end: a hang must fail, and say where.
fn watch_over(done: &Arc<AtomicBool>) {
    let done = done.clone();
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    std::thread::spawn(move || {
        let start = Instant::now();
        while start.elapsed() < TEST_LIMIT {
            std::thread::sleep(Duration::from_millis(500));
            if done.load(Ordering::Relaxed) {
                return;
            }
        }
        eprintln!("{name}: still runs after {TEST_LIMIT:?}; giving up on the whole run");
        std::process::exit(101);
    });
}

/// A copy of the binary where every user can reach it, one for each test program; those of ended programs are removed.
fn shared_binary() -> PathBuf {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = PathBuf::from("/var/tmp/teu-test-binary");
        fs::create_dir_all(&folder).expect("a folder for the binary");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("chmod");
        for entry in fs::read_dir(&folder).expect("list").flatten() {
            let name = entry.file_name();
            let is_alive = |pid: &str| Path::new("/proc").join(pid).exists();
            if !name.to_str().and_then(|name| name.strip_prefix("teu-")).is_some_and(is_alive) {
                let _ = fs::remove_file(entry.path());
            }
        }
        let copy = folder.join(format!("teu-{}", std::process::id()));
        process::copy_program(Path::new(env!("CARGO_BIN_EXE_teu")), &copy);
        copy
    };
    COPY.get_or_init(make).clone()
}
