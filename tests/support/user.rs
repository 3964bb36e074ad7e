//! An ordinary user, made by the test that needs one and removed with it (root only).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{need, process};

/// useradd and userdel lock /etc/passwd and fail at once when another holds the lock.
static ACCOUNTS: Mutex<()> = Mutex::new(());
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Whether the user gets a range of subordinate ids in /etc/subuid and /etc/subgid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    Given,
    Missing,
}

#[derive(Debug)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: PathBuf,
}

impl User {
    #[track_caller]
    pub fn new(range: Range) -> Self {
        need::root();
        let useradd = need::program("useradd", "passwd");
        need::program("setpriv", "util-linux");
        let name = format!("teu{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let home = PathBuf::from(format!("/var/tmp/{name}"));
        let lock = ACCOUNTS.lock().unwrap_or_else(|e| e.into_inner());
        let mut command = Command::new(useradd);
        command.args(["--create-home", "--home-dir"]).arg(&home).args(["--shell", "/bin/bash"]);
        // --system users get no range; ordinary ones do where login.defs says so, so the range is set by hand below.
        command.arg("--system").arg("--user-group").arg(&name);
        process::run(&mut command, b"", Duration::from_secs(20)).ok();
        let passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
        let row = passwd.lines().find(|row| row.starts_with(&format!("{name}:"))).expect("the user just made");
        let number = |column: usize| row.split(':').nth(column).and_then(|n| n.parse().ok()).expect("passwd(5)");
        let user = Self { uid: number(2), gid: number(3), name, home };
        if range == Range::Given {
            need::program("newuidmap", "uidmap");
            let first =
                600_000_000 + u64::from(std::process::id() % 4000) * 655_360 + u64::from(user.uid % 10) * 65_536;
            for option in ["--add-subuids", "--add-subgids"] {
                let mut command = Command::new("usermod");
                command.args([option, &format!("{first}-{}", first + 65_535), &user.name]);
                process::run(&mut command, b"", Duration::from_secs(20)).ok();
            }
        }
        drop(lock);
        user
    }

    /// The words before a command that make it run as this user, without the test's own environment.
    pub fn prefix(&self) -> Vec<String> {
        let (uid, gid) = (format!("--reuid={}", self.uid), format!("--regid={}", self.gid));
        ["setpriv", &uid, &gid, "--init-groups", "--inh-caps=-all", "--"].map(str::to_owned).to_vec()
    }

    /// Makes a file or folder, with all it holds, the user's own.
    pub fn own(&self, path: &Path) {
        let mut command = Command::new("chown");
        command.args(["-R", &format!("{}:{}", self.uid, self.gid)]).arg(path);
        process::run(&mut command, b"", Duration::from_secs(60)).ok();
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _lock = ACCOUNTS.lock().unwrap_or_else(|e| e.into_inner());
        // A user that still runs something keeps its account: name it, then end those processes, which are ours by uid.
        for pid in super::leaks::processes_of(self.uid) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        std::thread::sleep(Duration::from_millis(50));
        let done = Command::new("userdel").args(["--force", &self.name]).output();
        let _ = fs::remove_dir_all(&self.home);
        if let Ok(output) = done
            && !output.status.success()
            && !std::thread::panicking()
        {
            panic!("userdel {}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        }
    }
}
