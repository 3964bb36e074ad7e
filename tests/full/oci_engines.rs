//! `teu oci` beneath real engines: podman (root's and a user's), containerd and Docker's daemon, each in private folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{self, Output, Running};
use crate::support::tiny::{busybox_image, busybox_tar};
use crate::support::user::Range;
use crate::support::{Pty, SECOND, Teu, User, alone, need, wait_for};

/// No single call of an engine may take longer.
const LIMIT: Duration = Duration::from_secs(60);

/// An engine's client, with the flags that keep it in the test's own folder.
struct Client {
    teu: Arc<Teu>,
    words: Vec<String>,
    environment: Vec<(&'static str, String)>,
    /// The last to go, after the test's folder has been looked through.
    _alone: MutexGuard<'static, ()>,
}

impl Client {
    fn command(&self, arguments: &[&str]) -> Command {
        let words: Vec<&str> = self.words[1..].iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        let mut command = self.teu.other(&self.words[0], &words);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Output {
        process::run(&mut self.command(arguments), b"", LIMIT)
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok().text()
    }

    #[track_caller]
    fn pty(&self, arguments: &[&str]) -> Pty {
        Pty::spawn(&self.command(arguments), (80, 24))
    }

    #[track_caller]
    fn wait_for(&self, what: &str, arguments: &[&str], expected: &str) {
        wait_for(&format!("{what} {expected:?}"), LIMIT, || (self.ok(arguments) == expected).then_some(()));
    }
}

/// The shell in the terminal sees its new size, soon: engines may lose one, so that it is told anew now and then.
#[track_caller]
fn takes_size(pty: &Pty, (columns, rows): (u16, u16)) {
    let seen = |look| {
        let sizes = if look % 10 == 0 { vec![(columns, rows - 1), (columns, rows)] } else { vec![] };
        sizes.into_iter().for_each(|size| pty.resize(size));
        pty.send("stty size\r");
        std::thread::sleep(Duration::from_millis(200));
        pty.screen().contains(&format!("{rows} {columns}"))
    };
    assert!((0..100).any(seen), "the size {rows} {columns}: not within 20 s{pty}");
}

/// The runtime as engines want it: one program without arguments before the verb.
fn runtime(teu: &Teu) -> PathBuf {
    let link = teu.work().join("teu-oci");
    symlink(teu.binary(), &link).expect("a link");
    link
}

/// All three streams, the user and the exit code in one.
const SCRIPT: &str = "echo out; echo err >&2; id -u; cat; exit 7";

/// A name that is the test's own, for what lies outside of its folder.
fn own_name(teu: &Teu) -> String {
    teu.folder().file_name().expect("a temporary folder's name").to_string_lossy().into_owned()
}

/// Removes the groups of this name that an engine made around its containers' and leaves.
fn remove_cgroups(name: &str) {
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        let _ = fs::remove_dir(hierarchy.path().join(name));
    }
    let _ = fs::remove_dir(PathBuf::from("/sys/fs/cgroup").join(name));
}

mod podman {
    use super::*;

    struct Podman(Client);

    impl Podman {
        fn new(teu: Teu) -> Self {
            need::program("podman", "podman");
            need::program("conmon", "conmon");
            let work = teu.work();
            let conf = teu.file(
                "containers.conf",
                // No more limits than a machine without CAP_SYS_RESOURCE has to give.
                b"[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
                  [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nlock_type = \"file\"\n",
            );
            let run = teu.folder().join("run");
            let folder = |name: &str| work.join(name).to_string_lossy().into_owned();
            let mut words = vec!["podman".to_owned(), "--root".to_owned(), folder("storage")];
            words.extend(["--runroot".to_owned(), folder("runroot"), "--tmpdir".to_owned(), folder("tmp")]);
            // A user may have no overlay mounts on this file system, and the tests' images are small.
            words.extend(["--storage-driver", "vfs", "--runtime"].map(str::to_owned));
            words.push(runtime(&teu).to_string_lossy().into_owned());
            let environment = vec![
                ("CONTAINERS_CONF", conf.to_string_lossy().into_owned()),
                ("XDG_RUNTIME_DIR", run.to_string_lossy().into_owned()),
            ];
            let tar = teu.file("tiny.tar", &busybox_tar());
            let podman = Self(Client { teu: Arc::new(teu), words, environment, _alone: alone() });
            podman.0.ok(&["import", &tar.to_string_lossy(), "tiny"]);
            podman
        }

        /// Runs a container's script with no network, which needs no other program than the runtime.
        #[track_caller]
        fn script(&self, options: &[&str], script: &str) -> Output {
            let words = [&["run", "--rm", "--network", "none"], options, &["tiny", "sh", "-c", script]].concat();
            self.0.run(&words)
        }

        #[track_caller]
        fn state(&self, name: &str) -> String {
            self.0.ok(&["inspect", name, "--format", "{{.State.Status}}"])
        }
    }

    impl Drop for Podman {
        fn drop(&mut self) {
            // Whatever the test left, also when it failed; the folder's own check then says what stays.
            for words in [&["pod", "rm", "-fa", "-t", "0"][..], &["rm", "-fa", "-t", "0"], &["unshare", "true"]] {
                let mut command = self.0.command(words);
                let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            }
            // A user's podman keeps one process for its user namespace.
            let pause = self.0.teu.folder().join("run/libpod/tmp/pause.pid");
            for file in [pause, self.0.teu.work().join("tmp/pause.pid")] {
                if let Ok(pid) = fs::read_to_string(file) {
                    let _ = Command::new("kill").args(["-9", pid.trim()]).stderr(Stdio::null()).status();
                }
            }
        }
    }

    fn walk(podman: &Podman) {
        let engine = &podman.0;
        let output = process::run(
            &mut engine.command(&["run", "--rm", "-i", "--network", "none", "tiny", "sh", "-c", SCRIPT]),
            b"fed\n",
            LIMIT,
        );
        assert_eq!((output.code, output.text(), output.errors()), (7, "out\n0\nfed".into(), "err".into()), "{output}");

        engine.ok(&["run", "-d", "--name", "long", "--network", "none", "tiny", "sleep", "1000"]);
        assert_eq!(podman.state("long"), "running");
        let pid = engine.ok(&["inspect", "long", "--format", "{{.State.Pid}}"]);
        assert!(fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with("sleep")));
        assert!(engine.ok(&["inspect", "long", "--format", "{{.OCIRuntime}}"]).ends_with("teu-oci"));
        let exec = engine.run(&[
            "exec",
            "-e",
            "A=b",
            "-w",
            "/tmp",
            "-u",
            "1000",
            "long",
            "sh",
            "-c",
            "id -u; pwd; echo $A; exit 3",
        ]);
        assert_eq!((exec.code, exec.text()), (3, "1000\n/tmp\nb".to_owned()), "{exec}");
        engine.run(&["exec", "long", "nope"]).fails(127, &["nope", "not found"]);
        assert!(engine.ok(&["top", "long", "comm"]).contains("sleep"));
        let stopped = engine.run(&["stop", "-t", "0", "long"]);
        assert_eq!(stopped.code, 0, "{stopped}");
        engine.wait_for(
            "state",
            &["inspect", "long", "--format", "{{.State.Status}} {{.State.ExitCode}}"],
            "exited 137",
        );
        engine.ok(&["start", "long"]);
        assert_eq!(podman.state("long"), "running");
        engine.ok(&["kill", "-s", "KILL", "long"]);
        assert_eq!(engine.ok(&["wait", "long"]), "137");
        engine.ok(&["rm", "long"]);
        assert_eq!(engine.ok(&["ps", "-a", "-q"]), "");

        engine.run(&["run", "--rm", "--network", "none", "tiny", "nope"]).fails(127, &["nope", "not found"]);
        engine.run(&["run", "--rm", "--network", "none", "tiny", "/etc"]).fails(126, &["/etc"]);
        let limits = podman.script(
            &["--user", "5:6", "--cap-drop", "all", "--read-only-tmpfs=false", "--read-only"],
            "id -u; id -g; touch /x",
        );
        assert_eq!((limits.code, limits.text()), (1, "5\n6".to_owned()), "{limits}");
    }

    fn terminals(podman: &Podman) {
        let engine = &podman.0;
        let mut pty = engine.pty(&["run", "--rm", "-it", "--network", "none", "tiny", "sh"]);
        pty.send("stty size; echo answer-$((6*7))\r");
        pty.wait_for("24 80");
        pty.wait_for("answer-42");
        takes_size(&pty, (100, 30));
        pty.send("exit 5\r");
        assert_eq!(pty.wait_exit(), 5, "{}", pty.screen());
        engine.ok(&["run", "-d", "--name", "tty", "--network", "none", "tiny", "sleep", "1000"]);
        let mut pty = engine.pty(&["exec", "-it", "tty", "sh"]);
        pty.send("tty; echo in-$((6*7)); exit 4\r");
        pty.wait_for("/dev/pts/");
        pty.wait_for("in-42");
        assert_eq!(pty.wait_exit(), 4);
    }

    #[test]
    fn of_root_has_the_whole_walk() {
        need::root();
        let podman = Podman::new(Teu::new());
        walk(&podman);
        let engine = &podman.0;
        engine.ok(&[
            "run",
            "-d",
            "--name",
            "grouped",
            "-m",
            "64m",
            "--pids-limit",
            "50",
            "--network",
            "none",
            "tiny",
            "sleep",
            "1000",
        ]);
        engine.ok(&["pause", "grouped"]);
        assert_eq!(podman.state("grouped"), "paused");
        engine.ok(&["unpause", "grouped"]);
        assert_eq!(podman.state("grouped"), "running");
        let stats = engine.ok(&["stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "grouped"]);
        assert!(stats.contains("/ 67.11MB 1"), "{stats}");
        engine.ok(&["rm", "-f", "-t", "0", "grouped"]);
    }

    #[test]
    fn of_root_has_terminals() {
        need::root();
        terminals(&Podman::new(Teu::new()));
    }

    #[test]
    fn of_root_has_pods_with_shared_namespaces() {
        need::root();
        let podman = Podman::new(Teu::new());
        let engine = &podman.0;
        let create = ["pod", "create", "--name", "pod", "--network", "none", "--share", "net,ipc,uts,pid"];
        let pod =
            engine.ok(&[&create[..], &["--infra-image", "localhost/tiny", "--infra-command", "sleep 1000"]].concat());
        engine.ok(&["run", "-d", "--pod", "pod", "--name", "member", "tiny", "sleep", "1000"]);
        let namespaces = "for n in net ipc uts pid; do readlink /proc/self/ns/$n; done";
        let one = engine.ok(&["exec", "member", "sh", "-c", namespaces]);
        let other = engine.ok(&["run", "--rm", "--pod", "pod", "tiny", "sh", "-c", namespaces]);
        assert_eq!(one, other);
        assert_eq!(one.lines().count(), 4);
        for kind in ["net", "pid"] {
            let own = fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace");
            assert!(!one.contains(&*own.to_string_lossy()), "{kind} is the machine's");
        }
        engine.ok(&["pod", "stop", "-t", "0", "pod"]);
        engine.ok(&["pod", "rm", "pod"]);
        remove_cgroups(&format!("libpod_parent/{pod}"));
        assert_eq!(engine.ok(&["ps", "-a", "-q"]), "");
    }

    #[test]
    fn of_root_has_user_namespaces() {
        need::root();
        let podman = Podman::new(Teu::new());
        let mapped = podman.script(
            &["--uidmap", "0:100000:65536", "--gidmap", "0:200000:65536"],
            "id -u; cat /proc/self/uid_map; touch /made",
        );
        let words: Vec<String> = mapped.ok().text().split_whitespace().map(str::to_owned).collect();
        assert_eq!(words, ["0", "0", "100000", "65536"]);
    }

    #[test]
    fn of_a_user_has_the_whole_walk() {
        need::root();
        let user = Arc::new(User::new(Range::Given));
        let podman = Podman::new(Teu::of_user(&user));
        walk(&podman);
        let map = podman.script(&[], "cat /proc/self/uid_map").ok().text();
        assert!(map.contains(&user.uid.to_string()), "the user is root inside: {map}");
        terminals(&podman);
    }
}

/// Waits until a daemon answers; its own messages tell why it does not.
#[track_caller]
fn started(daemon: &mut Running, log: &std::path::Path, answers: impl Fn() -> bool) {
    let name = format!("a daemon that answers; {}", log.display());
    wait_for(&name, SECOND * 40, || {
        let code = daemon.wait(Duration::ZERO);
        assert!(code.is_none(), "the daemon ended with {code:?}: {}", fs::read_to_string(log).unwrap_or_default());
        answers().then_some(())
    });
}

fn daemon(teu: &Teu, program: &str, arguments: &[String], log: &std::path::Path) -> Running {
    let file = fs::File::create(log).expect("a log");
    let mut command = teu.other(program, arguments);
    command.stdin(Stdio::null()).stdout(file.try_clone().expect("dup")).stderr(file);
    Running { child: command.spawn().unwrap_or_else(|e| panic!("start {program}: {e}")) }
}

/// Asks a daemon to end, and waits for it.
fn end(daemon: &mut Running) {
    let _ = Command::new("kill").arg(daemon.id().to_string()).stderr(Stdio::null()).status();
    let _ = daemon.wait(SECOND * 20);
}

mod containerd {
    use super::*;

    struct Containerd {
        ctr: Client,
        runtime: String,
        daemon: Running,
    }

    const IMAGE: &str = "localhost/tiny:latest";

    impl Containerd {
        fn new() -> Self {
            need::root();
            let program = need::program("containerd", "containerd");
            need::program("ctr", "containerd");
            need::program("containerd-shim-runc-v2", "containerd");
            let teu = Teu::new();
            let work = teu.work();
            let text = |name: &str| work.join(name).to_string_lossy().into_owned();
            let config = format!(
                "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
                text("data"),
                text("state"),
                text("sock")
            );
            let config = teu.file("config.toml", config.as_bytes());
            let log = work.join("containerd.log");
            let arguments = ["-c".to_owned(), config.to_string_lossy().into_owned()];
            let mut daemon = daemon(&teu, &program.to_string_lossy(), &arguments, &log);
            let runtime = runtime(&teu).to_string_lossy().into_owned();
            let words = ["ctr", "-a", &text("sock"), "-n", &own_name(&teu)].map(str::to_owned).to_vec();
            let ctr = Client { teu: Arc::new(teu), words, environment: vec![], _alone: alone() };
            started(&mut daemon, &log, || ctr.run(&["version"]).code == 0);
            busybox_image().write_layout(&work.join("layout"), IMAGE);
            let tar = text("tiny.tar");
            process::run(Command::new("tar").args(["-C", &text("layout"), "-cf", &tar, "."]), b"", LIMIT).ok();
            ctr.ok(&["images", "import", &tar]);
            Self { ctr, runtime, daemon }
        }

        fn run(&self, options: &[&str], name: &str, command: &[&str]) -> Vec<String> {
            let words = [&["run", "--runc-binary", &self.runtime], options, &[IMAGE, name], command].concat();
            words.into_iter().map(str::to_owned).collect()
        }

        fn status(&self, name: &str) -> String {
            let text = self.ctr.ok(&["task", "ls"]);
            let row = text.lines().map(|row| row.split_whitespace().collect::<Vec<_>>()).find(|row| row[0] == name);
            row.map(|row| row[2].to_owned()).unwrap_or_default()
        }
    }

    impl Drop for Containerd {
        fn drop(&mut self) {
            for name in ["one", "long", "tty", "missing"] {
                for words in [&["task", "rm", "-f", name][..], &["container", "rm", name]] {
                    let mut command = self.ctr.command(words);
                    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
                }
            }
            end(&mut self.daemon);
            remove_cgroups(&own_name(&self.ctr.teu));
            let _ = fs::remove_dir_all(PathBuf::from("/run/containerd/runc").join(own_name(&self.ctr.teu)));
        }
    }

    fn words(owned: &[String]) -> Vec<&str> {
        owned.iter().map(String::as_str).collect()
    }

    #[test]
    fn containers_run_take_execs_pause_and_go() {
        let containerd = Containerd::new();
        let ctr = &containerd.ctr;
        // ctr does not tell a container that its input has ended.
        let output =
            ctr.run(&words(&containerd.run(&["--rm"], "one", &["sh", "-c", "echo out; echo err >&2; exit 7"])));
        assert_eq!((output.code, output.text(), output.errors()), (7, "out".into(), "err".into()), "{output}");

        ctr.ok(&words(&containerd.run(&["-d", "--memory-limit", "67108864"], "long", &["sleep", "1000"])));
        assert_eq!(containerd.status("long"), "RUNNING");
        let exec = ctr.run(&["task", "exec", "--exec-id", "e1", "long", "sh", "-c", "echo in; exit 3"]);
        assert_eq!((exec.code, exec.text()), (3, "in".to_owned()), "{exec}");
        ctr.ok(&["task", "pause", "long"]);
        assert_eq!(containerd.status("long"), "PAUSED");
        ctr.ok(&["task", "resume", "long"]);
        assert_eq!(containerd.status("long"), "RUNNING");
        assert_eq!(ctr.ok(&["task", "ps", "long"]).lines().count(), 2);
        let metrics = ctr.ok(&["task", "metrics", "long"]);
        assert!(metrics.contains("67108864"), "the limit of memory is in force: {metrics}");
        ctr.ok(&["task", "kill", "-s", "KILL", "long"]);
        wait_for("the end of the task", LIMIT, || (containerd.status("long") == "STOPPED").then_some(()));
        // The task's exit code is this command's.
        ctr.run(&["task", "rm", "long"]);
        ctr.ok(&["container", "rm", "long"]);
        assert_eq!(ctr.ok(&["task", "ls", "-q"]), "");
        let missing = ctr.run(&words(&containerd.run(&["--rm"], "missing", &["nope"])));
        assert_ne!(missing.code, 0);
        missing.explains(&["OCI runtime create failed", "nope", "not found"]);
    }

    #[test]
    fn terminals_work() {
        let containerd = Containerd::new();
        let mut pty = containerd.ctr.pty(&words(&containerd.run(&["--rm", "-t"], "tty", &["sh"])));
        pty.send("tty; echo answer-$((6*7)); exit 5\r");
        pty.wait_for("/dev/pts/");
        pty.wait_for("answer-42");
        assert_eq!(pty.wait_exit(), 5);
    }
}

mod docker {
    use super::*;

    struct Docker {
        client: Client,
        daemon: Running,
    }

    impl Docker {
        fn new() -> Self {
            need::root();
            let program = need::program("dockerd", "docker.io");
            need::program("docker", "docker.io");
            need::program("containerd", "containerd");
            let teu = Teu::new();
            let work = teu.work();
            let text = |name: &str| work.join(name).to_string_lossy().into_owned();
            let log = work.join("dockerd.log");
            let socket = format!("unix://{}", text("sock"));
            let runtime = runtime(&teu);
            let arguments = [
                format!("--data-root={}", text("data")),
                format!("--exec-root={}", text("exec")),
                format!("--pidfile={}", text("pid")),
                format!("--host={socket}"),
                format!("--add-runtime=teu={}", runtime.display()),
                // A group of its own, as the tests' other daemons have theirs.
                format!("--cgroup-parent=/{}", own_name(&teu)),
            ];
            let fixed = ["--default-runtime=teu", "--iptables=false", "--ip6tables=false", "--bridge=none"];
            let storage = ["--storage-driver=vfs", "--exec-opt=native.cgroupdriver=cgroupfs"];
            let arguments: Vec<String> =
                arguments.into_iter().chain(fixed.into_iter().chain(storage).map(str::to_owned)).collect();
            let mut daemon = daemon(&teu, &program.to_string_lossy(), &arguments, &log);
            let words = ["docker", "-H", &socket].map(str::to_owned).to_vec();
            let client = Client { teu: Arc::new(teu), words, environment: vec![], _alone: alone() };
            started(&mut daemon, &log, || client.run(&["version"]).code == 0);
            let tar = client.teu.file("tiny.tar", &busybox_tar());
            client.ok(&["import", &tar.to_string_lossy(), "tiny"]);
            Self { client, daemon }
        }

        fn inspect(&self, name: &str) -> Value {
            let text = self.client.ok(&["inspect", name]);
            serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{e}: {text}"))[0].clone()
        }
    }

    impl Drop for Docker {
        fn drop(&mut self) {
            let ids = self.client.run(&["ps", "-aq"]).text();
            if !ids.is_empty() {
                self.client.run(&[&["rm", "-f"], &ids.lines().collect::<Vec<_>>()[..]].concat());
            }
            end(&mut self.daemon);
            // The network namespace that dockerd keeps for `--network host`.
            let kept = self.client.teu.work().join("exec/netns/default");
            let _ = Command::new("umount").arg(kept).stderr(Stdio::null()).status();
            remove_cgroups(&own_name(&self.client.teu));
        }
    }

    #[test]
    fn containers_run_take_execs_stop_and_go() {
        let docker = Docker::new();
        let client = &docker.client;
        assert!(client.ok(&["info", "--format", "{{.DefaultRuntime}}"]).contains("teu"));
        let mut fed = client.command(&["run", "--rm", "-i", "tiny", "sh", "-c", SCRIPT]);
        let output = process::run(&mut fed, b"fed\n", LIMIT);
        assert_eq!((output.code, output.text(), output.errors()), (7, "out\n0\nfed".into(), "err".into()), "{output}");

        client.ok(&["run", "-d", "--name", "long", "-m", "64m", "--pids-limit", "50", "tiny", "sleep", "1000"]);
        let state = docker.inspect("long");
        assert_eq!((&state["State"]["Status"], &state["HostConfig"]["Runtime"]), (&"running".into(), &"teu".into()));
        let exec = client.run(&["exec", "-u", "1000", "-w", "/tmp", "long", "sh", "-c", "id -u; pwd; exit 3"]);
        assert_eq!((exec.code, exec.text()), (3, "1000\n/tmp".to_owned()), "{exec}");
        client.ok(&["pause", "long"]);
        assert_eq!(docker.inspect("long")["State"]["Status"], "paused");
        client.ok(&["unpause", "long"]);
        let stats = client.ok(&["stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "long"]);
        assert!(stats.contains("/ 64MiB 1"), "{stats}");
        client.ok(&["update", "-m", "128m", "--memory-swap", "128m", "long"]);
        let stats = client.ok(&["stats", "--no-stream", "--format", "{{.MemUsage}}", "long"]);
        assert!(stats.contains("/ 128MiB"), "{stats}");
        assert!(client.ok(&["top", "long"]).contains("sleep 1000"));
        client.ok(&["stop", "-t", "1", "long"]);
        assert_eq!(docker.inspect("long")["State"]["ExitCode"], 137);
        client.ok(&["start", "long"]);
        client.ok(&["restart", "-t", "0", "long"]);
        assert_eq!(docker.inspect("long")["State"]["Status"], "running");
        let beside =
            client.ok(&["run", "--rm", "--pid", "container:long", "--ipc", "host", "--network", "none", "tiny", "ps"]);
        assert!(beside.contains("sleep 1000"), "the other's processes are in sight: {beside}");
        client.ok(&["rm", "-f", "long"]);
        assert_eq!(client.ok(&["ps", "-aq"]), "");

        client.run(&["run", "--rm", "tiny", "nope"]).fails(127, &["nope", "not found"]);
        client.run(&["run", "--rm", "tiny", "/etc"]).fails(126, &["/etc"]);
        let own = client.run(&[
            "run",
            "--rm",
            "--user",
            "5:6",
            "--read-only",
            "--tmpfs",
            "/t",
            "--cap-drop",
            "all",
            "tiny",
            "sh",
            "-c",
            "id -u; id -g; touch /t/x; touch /x",
        ]);
        assert_eq!((own.code, own.text()), (1, "5\n6".to_owned()), "{own}");
        assert_eq!(
            client.ok(&[
                "run",
                "--rm",
                "--privileged",
                "--network",
                "host",
                "tiny",
                "sh",
                "-c",
                "mount -t tmpfs x /tmp && echo did"
            ]),
            "did"
        );
    }

    #[test]
    fn terminals_work_also_detached_and_attached_again() {
        let docker = Docker::new();
        let client = &docker.client;
        let mut pty = client.pty(&["run", "--rm", "-it", "tiny", "sh"]);
        pty.send("tty; echo answer-$((6*7))\r");
        pty.wait_for("/dev/pts/");
        pty.wait_for("answer-42");
        takes_size(&pty, (100, 30));
        pty.send("exit 5\r");
        assert_eq!(pty.wait_exit(), 5);
        client.ok(&["run", "-dit", "--name", "tty", "tiny", "sh"]);
        let mut pty = client.pty(&["exec", "-it", "tty", "sh"]);
        pty.send("echo in-$((6*7)); exit 4\r");
        pty.wait_for("in-42");
        assert_eq!(pty.wait_exit(), 4);
        let mut pty = client.pty(&["attach", "tty"]);
        pty.send("echo again-$((6*7)); exit 6\r");
        pty.wait_for("again-42");
        assert_eq!(pty.wait_exit(), 6);
        client.wait_for("state", &["inspect", "tty", "--format", "{{.State.Status}} {{.State.ExitCode}}"], "exited 6");
    }
}
