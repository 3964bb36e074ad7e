//! The agent that decides calls with the action NOTIFY: it gets the filter's listener and is told whose it is.
//!
//! The connection is made by the starting process, while paths and rights are still the machine's. The message is sent by
//! the process itself when the filter stands, by a thread outside of the filter: see [`install_with_listener`].

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde::Serialize;

use super::Filter;
use crate::runtime::RuntimeError;
use crate::runtime::report::Lower;
use crate::sys::program;
use crate::sys::seccomp::install_with_listener;
use crate::sys::socket::{send_all, send_descriptor};

/// A connection to the agent, for one filter, and what it is to be told.
pub struct Agent {
    connection: OwnedFd,
    state: ContainerProcessState,
}

/// Whose calls are to be decided, as the specification names it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerProcessState {
    oci_version: String,
    fds: [&'static str; 1],
    /// As the starting process sees it.
    pid: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
    state: State,
}

/// The container's state, as the specification names it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    oci_version: String,
    id: String,
    status: &'static str,
    pid: i32,
    bundle: String,
    annotations: HashMap<String, String>,
}

/// The container that an agent is told of.
pub struct Told<'a> {
    pub oci_version: &'a str,
    pub id: &'a str,
    pub bundle: &'a Path,
    pub annotations: Option<&'a HashMap<String, String>>,
    /// Its first process, if that is not the one that gets the filter.
    pub first_process: Option<i32>,
}

impl Agent {
    /// Connects, if the profile has calls decided by an agent.
    pub fn of(profile: Option<&LinuxSeccomp>, told: Told<'_>) -> Result<Option<Self>, RuntimeError> {
        let notifies = |profile: &&LinuxSeccomp| {
            let mut actions = profile.syscalls().iter().flatten().map(|rule| rule.action());
            profile.default_action() == LinuxSeccompAction::ScmpActNotify
                || actions.any(|action| action == LinuxSeccompAction::ScmpActNotify)
        };
        let Some(profile) = profile.filter(notifies) else { return Ok(None) };
        let Some(path) = profile.listener_path() else { return Ok(None) };
        let failed = |error: io::Error| {
            let step = format!("linux.seccomp.listenerPath: connect to the agent at {}", path.display());
            RuntimeError::step(step, error)
        };
        let address = SocketAddrUnix::new(path).map_err(|error| failed(error.into()))?;
        let connection = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(|error| failed(error.into()))?;
        connect(&connection, &address).map_err(|error| failed(error.into()))?;
        let pid = told.first_process.unwrap_or_default();
        let state = State {
            oci_version: told.oci_version.to_owned(),
            id: told.id.to_owned(),
            status: if told.first_process.is_some() { "running" } else { "creating" },
            pid,
            bundle: told.bundle.to_string_lossy().into_owned(),
            annotations: told.annotations.cloned().unwrap_or_default(),
        };
        let state = ContainerProcessState {
            oci_version: told.oci_version.to_owned(),
            fds: ["seccompFd"],
            pid,
            metadata: profile.listener_metadata().clone(),
            state,
        };
        Ok(Some(Self { connection, state }))
    }

    /// Installs the filter in this process, which the starting one sees as `pid`, and returns when the agent has its
    /// listener. After this nothing but execve is to be called. If the agent is gone, the process says so and ends.
    pub(in crate::runtime) fn install(&self, filter: &Filter, pid: i32, line: &Lower) -> io::Result<()> {
        let line = line.try_clone()?;
        let connection = self.connection.try_clone()?;
        let mut state = self.state.clone();
        state.pid = pid;
        if state.state.pid == 0 {
            state.state.pid = pid;
        }
        let message = serde_json::to_vec(&state)?;
        install_with_listener(&filter.instructions, filter.flags, move |listener| {
            if let Err(error) = tell(&connection, &message, &listener) {
                line.failed(&RuntimeError::step("linux.seccomp.listenerPath: send the listener to the agent", error));
                program::exit_now(NO_AGENT);
            }
        })
    }
}

/// The descriptor goes with the first byte: a stream may take the text in parts.
fn tell(connection: &OwnedFd, message: &[u8], listener: &OwnedFd) -> io::Result<()> {
    let (first, rest) = message.split_at_checked(1).ok_or(io::ErrorKind::InvalidData)?;
    send_descriptor(connection, first, listener.as_fd())?;
    send_all(connection, rest)
}

/// Exit code of a process whose agent went away at the last moment.
const NO_AGENT: i32 = 125;
