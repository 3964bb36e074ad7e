//! Network namespaces of the test's own: gone with the last thread and descriptor that holds them.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Command, Output};

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace with a loopback interface that is up.
#[derive(Debug)]
pub struct Netns(File);

impl Netns {
    #[track_caller]
    pub fn new() -> Self {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace (this test needs root)");
            teu::sys::interface::loopback_up().expect("bring lo up");
            File::open("/proc/thread-self/ns/net").expect("open the namespace")
        });
        Self(made.join().expect("the thread"))
    }

    /// That of a process.
    #[track_caller]
    pub fn of_process(pid: &str) -> Self {
        Self(File::open(format!("/proc/{pid}/ns/net")).expect("the process's namespace"))
    }

    /// Does something in a thread that is in the namespace.
    #[track_caller]
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let done = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).expect("enter the namespace");
                act()
            });
            done.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs a program in the namespace.
    #[track_caller]
    pub fn command(&self, words: &[&str]) -> Output {
        self.within(|| Command::new(words[0]).args(&words[1..]).output().unwrap_or_else(|e| panic!("{words:?}: {e}")))
    }

    /// What a program prints that is to succeed.
    #[track_caller]
    pub fn output(&self, words: &[&str]) -> String {
        let output = self.command(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("utf-8")
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
