//! The last steps before execve(2), the same for a container's first process and for an exec.

use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use oci_spec::runtime::{LinuxSeccomp, Process, Spec};
use rustix::fs::Mode;
use rustix::process::{Gid, Pid, Signal, Uid, WaitOptions, set_parent_process_death_signal, umask, waitpid};
use rustix::thread::{
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::capabilities::Sets;
use super::user::Account;
use super::{command, init, limits, streams, user, workdir};
use crate::runtime::hooks::{self, Moment};
use crate::runtime::report::{Lower, Release};
use crate::runtime::seccomp::Agent;
use crate::runtime::{RuntimeError, labels, seccomp, stage};
use crate::sys::clone::{CloneOptions, Cloned, clone3};
use crate::sys::{keyring, program, socket};

/// A process that stands in the container's namespaces and root, with its streams, and has everything else before it.
pub struct Finish<'a> {
    pub process: &'a Process,
    pub seccomp: Option<&'a LinuxSeccomp>,
    /// Who decides calls with the action NOTIFY, and this process's id as the agent is to be told it.
    pub agent: Option<(&'a Agent, i32)>,
    /// Stay as PID 1 and run the command as a child.
    pub init: bool,
    /// Wait for the word to go on, see [`crate::runtime::Held`].
    pub hold: bool,
    pub die_with_parent: bool,
    pub new_keyring: bool,
    pub preserve_fds: u32,
    /// Run this specification's startContainer hooks.
    pub start_hooks: Option<(&'a Spec, hooks::Container<'a>)>,
}

/// umask(2) of a process unless the specification says otherwise.
const DEFAULT_UMASK: u32 = 0o022;

impl Finish<'_> {
    /// Becomes the command. Returns only on failure.
    pub fn run(&self, line: &mut Lower) -> Result<Infallible, RuntimeError> {
        self.leave_keyring();
        limits::apply(self.process.rlimits().as_deref().unwrap_or_default())?;
        let account = user::find(self.process.user())?;
        streams::give_to(account.uid);
        workdir::enter(self.process.cwd())?;
        umask(Mode::from_raw_mode(self.process.user().umask().unwrap_or(DEFAULT_UMASK)));
        let filter = self.seccomp.map(seccomp::compile).transpose()?;
        let sets = self.process.capabilities().as_ref().map(Sets::new).unwrap_or_default();
        sets.limit_bounding().map_err(|error| RuntimeError::step("drop bounding capabilities", error))?;
        Self::become_user(&account)?;
        // fs.suid_dumpable may have made it dumpable at the change, and it may wait long to be started (CVE-2016-9962).
        stage::hide_from_tracers()?;
        workdir::verify_inside()?;
        let command = self.prepare_command(&account)?;
        labels::wish(self.process)?;
        self.die_with_the_creator()?;
        self.close_descriptors()?;
        program::reset_signals();
        let lock = if self.hold { self.wait_for_release(line)? } else { None };
        self.run_start_hooks(line, &sets)?;
        line.executing().map_err(|error| RuntimeError::step("report", error))?;
        self.lower_privileges(&sets, filter.as_ref(), line)?;
        let error = program::execute(&command.path, &command.arguments, &command.environment);
        drop(lock);
        Err(command::refused(&command.name, &error))
    }

    /// Keys of the host's session are not the container's. Kernels without keyrings have nothing to leave.
    fn leave_keyring(&self) {
        if self.new_keyring {
            let _ = keyring::join_new_session();
        }
    }

    /// Keeps the permitted capabilities, which [`Self::lower_privileges`] takes away.
    fn become_user(account: &Account) -> Result<(), RuntimeError> {
        let failed = |what: &str, error: io::Error| match error.kind() {
            io::ErrorKind::InvalidInput => RuntimeError::InvalidRequest(format!(
                "{what} has no id on this machine: the user namespace does not map it. As root `--userns host` has all ids; an ordinary user has those of /etc/subuid and /etc/subgid, `teu doctor` says how to get them"
            )),
            _ => RuntimeError::step(format!("become {what}"), error),
        };
        // The kernel's word for "leave it as it is".
        if account.uid == u32::MAX || account.gid == u32::MAX || account.groups.contains(&u32::MAX) {
            let why = format!("process.user: {} is no user or group id", u32::MAX);
            return Err(RuntimeError::InvalidRequest(why));
        }
        set_keep_capabilities(true).map_err(|error| RuntimeError::step("keep capabilities", error))?;
        let groups: Vec<Gid> = account.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        match set_thread_groups(&groups) {
            // Where one id is mapped, the kernel denies setgroups(2) for good (user_namespaces(7)).
            Err(rustix::io::Errno::PERM) if setgroups_is_denied() => {}
            done => done.map_err(|error| failed("one of the user's groups", error.into()))?,
        }
        let gid = Gid::from_raw(account.gid);
        set_thread_res_gid(gid, gid, gid).map_err(|error| failed(&format!("group {}", account.gid), error.into()))?;
        let uid = Uid::from_raw(account.uid);
        set_thread_res_uid(uid, uid, uid).map_err(|error| failed(&format!("user {}", account.uid), error.into()))?;
        set_keep_capabilities(false).map_err(|error| RuntimeError::step("keep capabilities", error))
    }

    /// Leaves the process with nothing but what the specification gives it.
    fn lower_privileges(
        &self,
        sets: &Sets,
        filter: Option<&seccomp::Filter>,
        line: &Lower,
    ) -> Result<(), RuntimeError> {
        let apply = || sets.apply().map_err(|error| RuntimeError::step("set capabilities", error));
        if self.process.no_new_privileges().unwrap_or(false) {
            set_no_new_privs(true).map_err(|error| RuntimeError::step("set no_new_privs", error))?;
            apply()?;
            self.split_off_init()?;
            return self.install(filter, line);
        }
        // Without no_new_privs a filter needs CAP_SYS_ADMIN, which is about to go.
        if filter.is_some() {
            Sets::raise().map_err(|error| RuntimeError::step("raise capabilities", error))?;
            self.install(filter, line)?;
        }
        apply()?;
        self.split_off_init()
    }

    fn install(&self, filter: Option<&seccomp::Filter>, line: &Lower) -> Result<(), RuntimeError> {
        let Some(filter) = filter else { return Ok(()) };
        let installed = match &self.agent {
            Some((agent, pid)) if filter.notifies => agent.install(filter, *pid, line),
            _ => crate::sys::seccomp::install(&filter.instructions, filter.flags),
        };
        installed.map_err(|error| RuntimeError::step("install the seccomp filter", error))
    }

    /// Waits until the container is started. What it gives is to be kept till execve.
    fn wait_for_release(&self, line: &mut Lower) -> Result<Option<OwnedFd>, RuntimeError> {
        let failed = |error: io::Error| RuntimeError::step("wait to be started", error);
        line.held().map_err(failed)?;
        let release = line.await_release().map_err(failed)?;
        // Either way the container is written down now, and outlives who made it.
        if !self.die_with_parent {
            set_parent_process_death_signal(None).map_err(|error| failed(error.into()))?;
        }
        let Release::Later { listener, lock } = release else { return Ok(None) };
        line.held().map_err(failed)?;
        let connection = socket::accept_blocking(&listener).map_err(failed)?;
        line.move_to(&connection).map_err(failed)?;
        Ok(Some(lock))
    }

    /// In a process of its own, as it gives up the rights that this one still needs.
    fn run_start_hooks(&self, line: &Lower, sets: &Sets) -> Result<(), RuntimeError> {
        let Some((spec, container)) = self.start_hooks else { return Ok(()) };
        if hooks::of(spec, Moment::StartContainer).is_empty() {
            return Ok(());
        }
        let failed = |error: io::Error| RuntimeError::step("run the startContainer hooks", error);
        let pid = match clone3(&CloneOptions::default()).map_err(failed)? {
            Cloned::Child => {
                let done = sets
                    .apply()
                    .map_err(|error| RuntimeError::step("set capabilities", error))
                    .and_then(|()| hooks::run(spec, Moment::StartContainer, container, Path::new("/")));
                if let Err(error) = &done {
                    line.failed(error);
                }
                program::exit_now(i32::from(done.is_err()))
            }
            Cloned::Parent { pid, .. } => pid,
        };
        let status = wait_for(pid).map_err(failed)?;
        // It has told itself what failed.
        if status == Some(0) { Ok(()) } else { Err(RuntimeError::Hook("a startContainer hook failed".to_owned())) }
    }

    /// A monitor that is killed takes the container with it: nobody would hold its streams or learn how it ended. Whatever
    /// is held and not announced yet is known to nobody else either.
    /// After the change of user, which clears the wish.
    fn die_with_the_creator(&self) -> Result<(), RuntimeError> {
        if !self.die_with_parent && !self.hold {
            return Ok(());
        }
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|error| RuntimeError::step("set the parent death signal", error))
    }

    fn close_descriptors(&self) -> Result<(), RuntimeError> {
        program::close_on_exec_from(self.preserve_fds.saturating_add(3))
            .map_err(|error| RuntimeError::step("close descriptors", error))
    }

    fn prepare_command(&self, account: &Account) -> Result<Command, RuntimeError> {
        let arguments = self.process.args().as_deref().unwrap_or_default();
        let name = arguments.first().ok_or_else(|| RuntimeError::InvalidRequest("no command".to_owned()))?;
        let mut environment = self.process.env().clone().unwrap_or_default();
        if !environment.iter().any(|entry| entry.starts_with("HOME=")) {
            environment.push(format!("HOME={}", account.home));
        }
        Ok(Command {
            path: command::find(name, &environment)?,
            name: name.clone(),
            arguments: command::c_strings(arguments, "an argument")?,
            environment: command::c_strings(&environment, "the environment")?,
        })
    }

    /// Goes on in a child; PID 1 stays behind and watches over it.
    fn split_off_init(&self) -> Result<(), RuntimeError> {
        if !self.init {
            return Ok(());
        }
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
        program::block_all_signals();
        match clone3(&CloneOptions::default()).map_err(|error| RuntimeError::step("clone the command", error))? {
            Cloned::Child => {
                // Its own foreground group, so that keys such as ^C reach the command and not the init as well.
                let _ = rustix::process::setpgid(None, None);
                let _ = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), rustix::process::getpid());
                program::reset_signals();
                Ok(())
            }
            Cloned::Parent { pid, .. } => {
                let _ = rustix::thread::set_name(c"teu-init");
                program::close_from(3);
                let command = Pid::from_raw(pid).unwrap_or(Pid::INIT);
                init::watch_over(command)
            }
        }
    }
}

/// A command ready for execve(2).
struct Command {
    name: String,
    path: std::path::PathBuf,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

/// Reaps a child: its exit code.
fn wait_for(pid: i32) -> io::Result<Option<i32>> {
    let ended = rustix::io::retry_on_intr(|| waitpid(Pid::from_raw(pid), WaitOptions::empty()))?;
    Ok(ended.and_then(|(_, status)| status.exit_status()))
}

fn setgroups_is_denied() -> bool {
    std::fs::read("/proc/self/setgroups").is_ok_and(|text| text.starts_with(b"deny"))
}
