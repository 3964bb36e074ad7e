//! Work on files of an ordinary user's subordinate ids: done by a process that is root in a user namespace of that user's ids.

use std::io;
use std::os::fd::AsFd;

use rustix::process::{Gid, Uid, WaitId, WaitIdOptions, waitid};

use super::start::reap;
use super::{idmap, report};
use crate::sys::clone::{CloneOptions, Cloned, clone3};
use crate::sys::program;

/// Runs `work` as root of a new user namespace in which the caller is 0 and his ranges follow from 1, as in the containers
/// of that user. What failed is said on stderr; returns the exit code. The caller must have a single thread.
pub fn run(work: impl FnOnce() -> Result<(), String>) -> i32 {
    run_there(work).unwrap_or_else(|error| {
        eprintln!("a user namespace of this user's ids cannot be made: {error}");
        1
    })
}

fn run_there(work: impl FnOnce() -> Result<(), String>) -> io::Result<i32> {
    let (upper, lower) = report::line()?;
    let options = CloneOptions { flags: libc::CLONE_NEWUSER as u64, cgroup: None };
    let (pid, pidfd) = match clone3(&options)? {
        Cloned::Child => {
            drop(upper);
            let ready =
                lower.wait().and_then(|()| become_root()).map_err(|error| format!("cannot become root: {error}"));
            let done = ready.and_then(|()| work());
            if let Err(error) = &done {
                eprintln!("{error}");
            }
            program::exit_now(i32::from(done.is_err()))
        }
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
    };
    let ready = idmap::write(pid, &idmap::own_maps()).map_err(io::Error::other).and_then(|()| upper.go());
    drop((upper, lower));
    let wait = || waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    let status = rustix::io::retry_on_intr(wait)?;
    reap(pid);
    ready.map(|()| status.and_then(|status| status.exit_status()).unwrap_or(1))
}

fn become_root() -> io::Result<()> {
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    Ok(())
}
