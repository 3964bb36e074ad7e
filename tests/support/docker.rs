//! A Docker daemon of a test's own, for its images: no network, no service, nothing outside of the test's folder.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::MutexGuard;
use std::time::Duration;

use super::process::{self, Output, Running};
use super::{SECOND, Teu, alone, need, wait_for};

const LIMIT: Duration = Duration::from_secs(60);

pub struct Docker {
    daemon: Running,
    folder: PathBuf,
    socket: String,
    _alone: MutexGuard<'static, ()>,
}

impl Docker {
    /// Starts it in a folder of `teu`'s.
    #[track_caller]
    pub fn new(teu: &Teu) -> Self {
        need::root();
        let program = need::program("dockerd", "docker.io");
        need::program("docker", "docker.io");
        need::program("containerd", "containerd");
        let alone = alone();
        let folder = teu.work().join("docker");
        fs::create_dir(&folder).expect("a folder");
        let text = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let socket = format!("unix://{}", text("sock"));
        let own = teu.folder().file_name().expect("a temporary folder's name").to_string_lossy().into_owned();
        let arguments = [
            format!("--data-root={}", text("data")),
            format!("--exec-root={}", text("exec")),
            format!("--pidfile={}", text("pid")),
            format!("--host={socket}"),
            format!("--cgroup-parent=/{own}"),
        ];
        let fixed = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"];
        let words: Vec<String> = arguments.into_iter().chain(fixed.map(str::to_owned)).collect();
        let log = File::create(text("log")).expect("a log");
        let mut command = teu.other(&program.to_string_lossy(), &words);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a descriptor")).stderr(log);
        let daemon = Running { child: command.spawn().expect("start dockerd") };
        let docker = Self { daemon, folder, socket, _alone: alone };
        wait_for("dockerd", SECOND * 40, || (docker.run(&["version"]).code == 0).then_some(()));
        docker
    }

    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("/usr/bin/docker");
        command.args(["-H", &self.socket]).args(arguments).env("HOME", &self.folder).current_dir(&self.folder);
        process::run(&mut command, b"", LIMIT)
    }

    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok().text()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.daemon.id().to_string()).status();
        if self.daemon.wait(SECOND * 20).is_none() {
            let _ = self.daemon.child.kill();
        }
        // What it keeps mounted for `--network host`.
        let kept = self.folder.join("exec/netns/default");
        let _ = Command::new("umount").arg(kept).stderr(Stdio::null()).status();
    }
}
