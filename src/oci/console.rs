//! Terminals: sending the master side to an engine, or connecting it with the user's own terminal.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::Process;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

use super::{OciError, Result};
use crate::model::Size;
use crate::sys::socket;

/// How a process with or without a terminal gets its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal<'a> {
    None,
    /// The master side goes to this socket.
    Sent(&'a Path),
    /// Connected with the streams of this process.
    Own,
}

impl<'a> Terminal<'a> {
    /// From what the process wants and the command line gives; refuses what cannot work.
    pub fn of(process: Option<&Process>, socket: Option<&'a Path>, detached: bool) -> Result<Self> {
        let wanted = process.and_then(Process::terminal).unwrap_or(false);
        match (wanted, socket) {
            (false, None) => Ok(Self::None),
            (false, Some(_)) => Err(OciError::SocketWithoutTerminal("the process has no terminal (process.terminal)")),
            (true, Some(socket)) => Ok(Self::Sent(socket)),
            (true, None) if detached => Err(OciError::TerminalWithoutSocket),
            (true, None) => Ok(Self::Own),
        }
    }
}

/// The size that the specification wants, or else the user's terminal has.
pub fn size(process: Option<&Process>) -> Option<Size> {
    let wanted = process.and_then(Process::console_size).and_then(|size| {
        let (columns, rows) = (u16::try_from(size.width()).ok()?, u16::try_from(size.height()).ok()?);
        (columns > 0 && rows > 0).then_some(Size { columns, rows })
    });
    wanted.or_else(|| {
        let size = tcgetwinsize(rustix::stdio::stdin()).ok()?;
        (size.ws_col > 0 && size.ws_row > 0).then_some(Size { columns: size.ws_col, rows: size.ws_row })
    })
}

/// Sends the master side to who listens on the socket.
pub fn send(path: &Path, master: &OwnedFd) -> Result<()> {
    let failed = |error: io::Error| OciError::file("send the terminal to", path, error);
    let name =
        path.file_name().and_then(|name| name.to_str()).ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let connection = socket::connect_in(folder, name).map_err(failed)?;
    socket::send_descriptor(&connection, b"/dev/ptmx", master.as_fd()).map_err(failed)
}

/// Raw mode on standard input, if that is a terminal, from its making to its end by whatever way.
pub struct RawMode(Option<Termios>);

impl RawMode {
    pub fn enter() -> Self {
        let Ok(before) = tcgetattr(rustix::stdio::stdin()) else { return Self(None) };
        let mut raw = before.clone();
        raw.make_raw();
        // A terminal that refuses is used as it is.
        let set = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw);
        Self(set.is_ok().then_some(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Gives the container's terminal the size of the user's.
pub fn copy_size(master: &OwnedFd) {
    if let Ok(size) = tcgetwinsize(rustix::stdio::stdin()) {
        let _ = tcsetwinsize(master, size);
    }
}
