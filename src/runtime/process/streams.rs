//! The process's standard streams: pipes, or a terminal of the container's own devpts.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Gid, Mode, OFlags, Uid, fchown, fstat, openat};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::model::Size;
use crate::runtime::{ProcessIo, StdinWish, Stdio};

/// Both sides' ends, made before the process is cloned.
pub enum Streams {
    /// The terminal is made by the process itself, once it has its devpts.
    Terminal(Option<Size>),
    Pipes {
        /// Read end and write end; none is /dev/null.
        stdin: Option<(OwnedFd, OwnedFd)>,
        stdout: (OwnedFd, OwnedFd),
        stderr: (OwnedFd, OwnedFd),
    },
    /// The process has the starting side's own.
    Inherited,
}

impl Streams {
    pub fn open(stdio: &Stdio) -> io::Result<Self> {
        let pipe = || Ok::<_, io::Error>(pipe_with(PipeFlags::CLOEXEC)?);
        match stdio {
            Stdio::Terminal(size) => Ok(Self::Terminal(*size)),
            Stdio::Pipes { stdin } => Ok(Self::Pipes {
                stdin: if *stdin == StdinWish::Pipe { Some(pipe()?) } else { None },
                stdout: pipe()?,
                stderr: pipe()?,
            }),
            Stdio::Inherit => Ok(Self::Inherited),
        }
    }

    /// The starting side keeps its ends. `terminal` is what came up the line.
    pub fn into_io(self, terminal: Option<OwnedFd>) -> io::Result<ProcessIo> {
        match self {
            Self::Terminal(_) => terminal
                .map(ProcessIo::Terminal)
                .ok_or_else(|| io::Error::other("the container's terminal did not arrive")),
            Self::Pipes { stdin, stdout, stderr } => Ok(ProcessIo::Pipes {
                stdin: stdin.map(|(_, write_end)| write_end),
                stdout: stdout.0,
                stderr: stderr.0,
            }),
            Self::Inherited => Ok(ProcessIo::Inherited),
        }
    }

    /// On the starting side: lets the root user of a user namespace open its pipes again, and give them to others.
    pub fn give_pipes_to(&self, uid: u32) {
        let Self::Pipes { stdin, stdout, stderr } = self else { return };
        let ends = stdin.iter().map(|(read_end, _)| read_end).chain([&stdout.1, &stderr.1]);
        for end in ends {
            let _ = fchown(end, Some(Uid::from_raw(uid)), None::<Gid>);
        }
    }

    /// In the process: makes the pipes its standard streams.
    pub fn take(&self) -> io::Result<()> {
        let Self::Pipes { stdin, stdout, stderr } = self else { return Ok(()) };
        match stdin {
            Some((read_end, _)) => dup2_stdin(read_end)?,
            None => dup2_stdin(openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)?,
        }
        dup2_stdout(&stdout.1)?;
        dup2_stderr(&stderr.1)?;
        Ok(())
    }
}

/// Opens a new terminal of the devpts mounted at `devpts`: master and slave.
pub fn open_terminal(devpts: BorrowedFd<'_>, size: Option<Size>) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let master = openat(devpts, "ptmx", flags, Mode::empty())?;
    unlockpt(&master)?;
    // By descriptor, so that no path is trusted (ioctl_tty(2), Linux 4.13).
    let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    if let Some(size) = size {
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size)?;
    }
    Ok((master, slave))
}

/// Makes the slave side the standard streams and the controlling terminal of a new session.
pub fn take_terminal(slave: &OwnedFd) -> io::Result<()> {
    lead_session();
    ioctl_tiocsctty(slave)?;
    dup2_stdin(slave)?;
    dup2_stdout(slave)?;
    dup2_stderr(slave)?;
    Ok(())
}

/// Starts a session of its own. A process that leads one already keeps it.
pub fn lead_session() {
    let _ = setsid();
}

/// Gives the standard streams to the user, who may then open /dev/stdout again. What cannot be given stays.
pub fn give_to(uid: u32) {
    let (stdin, stdout, stderr) = (rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr());
    for stream in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        // The container's /dev/null is the host's own node: it must keep its owner.
        let is_null = fstat(stream).is_ok_and(|stat| stat.st_rdev == rustix::fs::makedev(1, 3));
        if !is_null {
            let _ = fchown(stream, Some(Uid::from_raw(uid)), None::<Gid>);
        }
    }
}
