//! Starting a monitor from a face, which may have threads: `/proc/self/exe monitor` by posix_spawn(3).

use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};

use super::attachment::Attachment;
use super::connection::Connection;
use super::protocol::{Reply, Request};
use super::{AttachOptions, MonitorError, MonitorRequest};
use crate::model::SessionId;
use crate::sys::{program, socket};

/// The only variables a monitor sees of its caller: it lives long, and a shell's secrets are none of its business.
const ENVIRONMENT: [&str; 7] =
    ["PATH", "HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "RUST_BACKTRACE", "LANG", "TMPDIR"];

/// A container that runs.
#[derive(Debug)]
pub struct Spawned {
    /// The main process's id on the host.
    pub pid: i32,
    /// Attached from the first byte, if it was asked for.
    pub attachment: Option<Attachment>,
}

/// Starts a container under a monitor of its own, which outlives the caller.
///
/// The monitor's stdin is one end of a socket pair: the request goes in, and "started" or the reason why not comes out. With
/// `attach` the same connection then is an attached client, so not one byte of output can be missed.
///
/// # Errors
/// [`MonitorError::Refused`] with the runtime's kind when the container could not be started. Nothing is left then.
pub fn spawn(request: &MonitorRequest, attach: Option<&AttachOptions>) -> Result<Spawned, MonitorError> {
    let (ours, theirs) = socket::pair().map_err(MonitorError::Spawn)?;
    // From a read-only mount where that can be had (root), so that no container can write teu through /proc/PID/exe.
    let program = program::read_only_self().ok();
    let path = program.as_ref().map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd()));
    let mut command = Command::new(path.as_deref().unwrap_or("/proc/self/exe"));
    command.arg("monitor").arg(request.name.as_str()).arg(request.id.short());
    command.env_clear().envs(ENVIRONMENT.iter().filter_map(|key| Some((key, std::env::var_os(key)?))));
    std::os::unix::process::CommandExt::arg0(&mut command, "teu");
    command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    reap_in_background(command.spawn().map_err(MonitorError::Spawn)?);
    // `command` holds a copy of the monitor's end, and with it the end of file would never come.
    drop(command);
    let mut connection = Connection::over(ours);
    let word = Request::Start { request: Box::new(request.clone()), attach: attach.copied() };
    match connection.ask(&word)? {
        Reply::Started { pid } => {
            let attachment = attach.map(|_| Attachment::new(connection, SessionId::MAIN)).transpose()?;
            Ok(Spawned { pid, attachment })
        }
        other => Err(MonitorError::Protocol(format!("{other:?}").chars().take(60).collect())),
    }
}

/// A face that lives long (the interface) must not collect zombies of monitors that ended before it.
fn reap_in_background(mut child: Child) {
    let waiter = std::thread::Builder::new().name("reap-monitor".to_owned()).stack_size(16 << 10);
    // Without a thread the zombie stays until the face ends: harmless.
    let _ = waiter.spawn(move || child.wait());
}
