//! `exec`: one more process in a container that runs.

use std::io::Read;
use std::path::Path;

use oci_spec::runtime::{Capability, LinuxCapabilities, LinuxCapabilitiesBuilder, Process, Spec};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::arguments::Exec;
use super::console::{self, Terminal};
use super::create::{check_descriptors, write_pid_file};
use super::status::{self, Status};
use super::{Context, OciError, Result, foreground};
use crate::runtime::{self, ExecRequest, ProcessIo, Stdio, Whose};

pub fn exec(context: &Context, wish: &Exec) -> Result<i32> {
    let folder = context.root.open(&wish.id)?;
    let record = folder.read()?;
    let status = status::of(&folder, &record)?;
    let refused = |cure| OciError::WrongStatus { verb: "exec in", id: wish.id.clone(), status, cure };
    match status {
        Status::Created | Status::Running => {}
        Status::Paused if wish.ignore_paused => {}
        Status::Paused => return Err(refused("resume it, or give --ignore-paused")),
        Status::Creating | Status::Stopped => return Err(refused("only a created or running one takes processes")),
    }
    let init = record.init.ok_or_else(|| refused("it has no process"))?;
    let pidfd = Pid::from_raw(init.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    // The pidfd pins the process, so that the look and the joining are about the same one.
    let pidfd = pidfd.filter(|_| init.lives()).ok_or_else(|| refused("its process has just ended"))?;
    let spec = folder.spec()?;
    let process = process(wish, &spec)?;
    check_descriptors(wish.preserve_fds)?;
    let terminal = Terminal::of(Some(&process), wish.console_socket.as_deref(), wish.detach)?;
    let stdio = match terminal {
        Terminal::None => Stdio::Inherit,
        Terminal::Sent(_) | Terminal::Own => Stdio::Terminal(console::size(Some(&process))),
    };
    let request = ExecRequest {
        process,
        seccomp: spec.linux().as_ref().and_then(|linux| linux.seccomp().clone()),
        personality: spec.linux().as_ref().and_then(|linux| linux.personality().clone()),
        container: Whose {
            oci_version: spec.version().clone(),
            id: record.id.clone(),
            bundle: record.bundle.clone(),
            annotations: spec.annotations().clone().unwrap_or_default(),
        },
        preserve_fds: wish.preserve_fds,
        die_with_parent: false,
        cgroups: wish.cgroup.clone(),
    };
    let signals = if wish.detach { None } else { Some(foreground::hold_signals()?) };
    let started = runtime::exec(init.pid, std::os::fd::AsFd::as_fd(&pidfd), &record.place(), &request, &stdio)?;
    write_pid_file(wish.pid_file.as_deref(), started.pid)?;
    let mut master = match started.io {
        ProcessIo::Terminal(master) => Some(master),
        ProcessIo::Pipes { .. } | ProcessIo::Inherited => None,
    };
    if let Terminal::Sent(socket) = terminal
        && let Some(master) = master.take()
    {
        console::send(socket, &master)?;
    }
    match signals {
        Some(signals) => foreground::wait(&started.pidfd, &signals, master),
        None => Ok(0),
    }
}

/// The process of `--process`, or the container's own with the options laid over it.
fn process(wish: &Exec, spec: &Spec) -> Result<Process> {
    if let Some(path) = &wish.process {
        let mut process = read_process(path)?;
        if wish.tty {
            process.set_terminal(Some(true));
        }
        return Ok(process);
    }
    if wish.command.is_empty() {
        return Err(OciError::Wish("no command: write it behind the container, or give --process FILE".to_owned()));
    }
    let mut process = spec.process().clone().unwrap_or_default();
    process.set_args(Some(wish.command.clone()));
    process.set_terminal(Some(wish.tty));
    if let Some(cwd) = &wish.cwd {
        process.set_cwd(cwd.clone());
    }
    let environment = process.env().clone().unwrap_or_default();
    process.set_env(Some(environment.into_iter().chain(wish.env.iter().cloned()).collect()));
    if let Some(user) = &wish.user {
        let (uid, gid) = ids(user)?;
        let gid = gid.unwrap_or(process.user().gid());
        process.user_mut().set_uid(uid).set_gid(gid).set_username(None);
    }
    if !wish.additional_gids.is_empty() {
        let groups = process.user().additional_gids().clone().unwrap_or_default();
        let all = groups.into_iter().chain(wish.additional_gids.iter().copied()).collect();
        process.user_mut().set_additional_gids(Some(all));
    }
    if !wish.cap.is_empty() {
        let raised = with_capabilities(process.capabilities().as_ref(), &wish.cap)?;
        process.set_capabilities(Some(raised));
    }
    if let Some(no_new_privileges) = wish.no_new_privs {
        process.set_no_new_privileges(Some(no_new_privileges));
    }
    if wish.apparmor.is_some() {
        process.set_apparmor_profile(wish.apparmor.clone());
    }
    if wish.process_label.is_some() {
        process.set_selinux_label(wish.process_label.clone());
    }
    Ok(process)
}

fn read_process(path: &Path) -> Result<Process> {
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut text).map(drop)
    } else {
        std::fs::read(path).map(|bytes| text = bytes)
    };
    read.map_err(|error| OciError::file("read", path, error))?;
    let read = runtime::read_process(&text);
    let (process, _) = read.map_err(|error| OciError::Wish(format!("{}: {error}", path.display())))?;
    Ok(process)
}

/// `UID[:GID]`.
fn ids(text: &str) -> Result<(u32, Option<u32>)> {
    let (uid, gid) = text.split_once(':').map_or((text, None), |(uid, gid)| (uid, Some(gid)));
    let number = |part: &str| {
        part.parse().map_err(|_| OciError::Wish(format!("--user {text:?}: write numbers, as UID or UID:GID")))
    };
    Ok((number(uid)?, gid.map(number).transpose()?))
}

/// Added to what the process may gain, has and uses. Never to the inheritable set, which would give them to programs
/// that a user without them executes (CVE-2022-29162).
fn with_capabilities(own: Option<&LinuxCapabilities>, names: &[String]) -> Result<LinuxCapabilities> {
    let more = names.iter().map(|name| {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned();
        serde_json::from_value::<Capability>(format!("CAP_{bare}").into())
            .map_err(|_| OciError::Wish(format!("--cap {name:?}: no such capability; write one such as CAP_NET_ADMIN")))
    });
    let more: Vec<Capability> = more.collect::<Result<_>>()?;
    let set = |own: Option<&oci_spec::runtime::Capabilities>| {
        own.into_iter().flatten().copied().chain(more.iter().copied()).collect::<oci_spec::runtime::Capabilities>()
    };
    LinuxCapabilitiesBuilder::default()
        .bounding(set(own.and_then(|own| own.bounding().as_ref())))
        .effective(set(own.and_then(|own| own.effective().as_ref())))
        .permitted(set(own.and_then(|own| own.permitted().as_ref())))
        .inheritable(own.and_then(|own| own.inheritable().clone()).unwrap_or_default())
        .ambient(own.and_then(|own| own.ambient().clone()).unwrap_or_default())
        .build()
        .map_err(|error| OciError::Wish(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_numbers() {
        assert_eq!(ids("5").expect("ids"), (5, None));
        assert_eq!(ids("5:6").expect("ids"), (5, Some(6)));
        for text in ["", "root", "5:", ":5", "-1", "5:6:7"] {
            assert!(ids(text).is_err(), "{text}");
        }
    }

    #[test]
    fn added_capabilities_are_not_inheritable() {
        let none: LinuxCapabilities = serde_json::from_str("{}").expect("capabilities");
        let raised = with_capabilities(Some(&none), &["net_admin".to_owned(), "CAP_CHOWN".to_owned()]).expect("raised");
        for set in [raised.bounding(), raised.effective(), raised.permitted()] {
            assert_eq!(set.as_ref().map(|set| set.len()), Some(2));
        }
        for set in [raised.inheritable(), raised.ambient()] {
            assert!(set.as_ref().is_none_or(|set| set.is_empty()));
        }
        assert!(with_capabilities(None, &["FLY".to_owned()]).is_err());
    }
}
