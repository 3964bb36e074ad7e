//! One process with its streams: the container's main one, or an exec session.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::termios::{Winsize, tcgetpgrp, tcgetwinsize, tcsetwinsize};

use super::registration::Registration;
use super::ring::Ring;
use super::token::Token;
use crate::model::{ExitStatus, LogStream, SessionId, SessionSummary, Signal, Size, Timestamp};
use crate::runtime::{ProcessIo, Started};
use crate::sys::epoll::{Epoll, Interest};

/// Input of clients is no longer read while more than this waits for the process to read it.
pub const INPUT_BYTES: usize = 128 << 10;
/// End of transmission (^D): what a terminal's process reads as end of file.
const END_OF_TRANSMISSION: u8 = 4;

/// A process and the monitor's ends of its streams.
#[derive(Debug)]
pub struct Session {
    pub id: SessionId,
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub command: Vec<String>,
    pub started: Timestamp,
    pub ring: Ring,
    /// Set when the process was reaped.
    pub exited: Option<ExitStatus>,
    pidfd_registration: Registration,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    stdin: Option<Stream>,
    /// A terminal's other side, kept open: without it the master hangs up for ever once the process closes its own.
    _terminal_peer: Option<OwnedFd>,
    terminal: bool,
    input: VecDeque<u8>,
    close_when_written: bool,
    /// Its output is not read at present, because a client that must not lose any is slow.
    pub held: bool,
}

#[derive(Debug)]
struct Stream {
    fd: OwnedFd,
    registration: Registration,
}

impl Stream {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&fd)?;
        rustix::fs::fcntl_setfl(&fd, flags | rustix::fs::OFlags::NONBLOCK)?;
        Ok(Self { fd, registration: Registration::default() })
    }
}

/// What one read of an output gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    Bytes,
    Nothing,
    End,
}

impl Session {
    pub fn new(id: SessionId, started: Started, command: Vec<String>) -> io::Result<Self> {
        let (terminal, stdout, stderr, stdin, terminal_peer) = match started.io {
            ProcessIo::Terminal(master) => {
                let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
                let peer = rustix::pty::ioctl_tiocgptpeer(&master, flags | rustix::pty::OpenptFlags::CLOEXEC).ok();
                (true, Stream::new(master)?, None, None, peer)
            }
            ProcessIo::Pipes { stdin, stdout, stderr } => {
                let stdin = stdin.map(Stream::new).transpose()?;
                (false, Stream::new(stdout)?, Some(Stream::new(stderr)?), stdin, None)
            }
            ProcessIo::Inherited => return Err(io::Error::other("a session needs streams of its own")),
        };
        Ok(Self {
            id,
            pid: started.pid,
            pidfd: started.pidfd,
            command,
            started: Timestamp::now(),
            ring: Ring::new(terminal),
            exited: None,
            pidfd_registration: Registration::default(),
            stdout: Some(stdout),
            stderr,
            stdin,
            _terminal_peer: terminal_peer,
            terminal,
            input: VecDeque::new(),
            close_when_written: false,
            held: false,
        })
    }

    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    pub fn summary(&self) -> SessionSummary {
        SessionSummary {
            id: self.id,
            command: self.command.clone(),
            tty: self.terminal,
            pid: self.pid,
            started: self.started,
        }
    }

    /// Tells epoll what to wait for; outputs are read unless they are held.
    pub fn register(&mut self, epoll: &Epoll) -> io::Result<()> {
        let writable = !self.input.is_empty();
        let outputs = Interest { readable: !self.held, writable: writable && self.terminal };
        if let Some(stream) = &mut self.stdout {
            stream.registration.set(epoll, &stream.fd, Token::Output(self.id, LogStream::Stdout).into(), outputs)?;
        }
        if let Some(stream) = &mut self.stderr {
            let interest = Interest { readable: !self.held, writable: false };
            stream.registration.set(epoll, &stream.fd, Token::Output(self.id, LogStream::Stderr).into(), interest)?;
        }
        if let Some(stream) = &mut self.stdin {
            let interest = Interest { readable: false, writable };
            stream.registration.set(epoll, &stream.fd, Token::Input(self.id).into(), interest)?;
        }
        let alive = if self.exited.is_none() { Interest::READ } else { Interest::NONE };
        self.pidfd_registration.set(epoll, &self.pidfd, Token::Process(self.id).into(), alive)
    }

    /// Reads what an output has now, not blocking, into `buffer`'s spare capacity, replacing what it held.
    pub fn read(&mut self, stream: LogStream, buffer: &mut Vec<u8>) -> Output {
        let slot = match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        };
        let Some(open) = slot else { return Output::End };
        loop {
            buffer.clear();
            match rustix::io::read(&open.fd, rustix::buffer::spare_capacity(buffer)) {
                Ok(0) => break,
                Ok(_) => {
                    self.ring.push(stream, buffer);
                    return Output::Bytes;
                }
                Err(Errno::AGAIN) => return Output::Nothing,
                Err(Errno::INTR) => {}
                // A terminal's master gives EIO when nobody has the other side open.
                Err(_) => break,
            }
        }
        // Closing a descriptor that has no duplicate takes it out of the epoll set.
        *slot = None;
        Output::End
    }

    /// Queues input for the process.
    pub fn write(&mut self, bytes: &[u8]) {
        if (self.terminal || self.stdin.is_some()) && !self.close_when_written {
            self.input.extend(bytes);
            self.flush_input();
        }
    }

    /// The process is to read end of file after what was queued.
    pub fn close_input(&mut self) {
        if self.terminal {
            self.write(&[END_OF_TRANSMISSION]);
        } else {
            self.close_when_written = true;
            self.flush_input();
        }
    }

    /// Whether clients should not send more input now.
    pub fn is_input_full(&self) -> bool {
        self.input.len() > INPUT_BYTES
    }

    /// Writes as much queued input as the process takes.
    pub fn flush_input(&mut self) {
        let target = if self.terminal { &self.stdout } else { &self.stdin };
        while let (Some(target), false) = (target, self.input.is_empty()) {
            match rustix::io::write(&target.fd, self.input.as_slices().0) {
                Ok(written) => drop(self.input.drain(..written)),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                // The process has closed its stdin; what it did not read is nobody's.
                Err(_) => {
                    self.input.clear();
                    self.close_when_written = true;
                }
            }
        }
        self.input.shrink_to(0);
        if self.close_when_written {
            self.stdin = None;
        }
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        crate::sys::signal::send(&self.pidfd, signal.number())
    }

    /// Makes the terminal this large. The kernel tells the foreground processes if that is a change.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        let Some(master) = self.stdout.as_ref().filter(|_| self.terminal) else { return Ok(()) };
        let old = tcgetwinsize(&master.fd)?;
        let new = Winsize { ws_col: size.columns, ws_row: size.rows, ..old };
        if (old.ws_col, old.ws_row) == (new.ws_col, new.ws_row) {
            return Ok(());
        }
        Ok(tcsetwinsize(&master.fd, new)?)
    }

    /// Asks a full-screen program to draw itself anew: the ring may begin after its first drawing.
    pub fn nudge_to_redraw(&self) {
        let Some(master) = self.stdout.as_ref().filter(|_| self.terminal) else { return };
        let alternate = self.ring.modes_now().is_alternate_screen();
        if let (true, Ok(group)) = (alternate, tcgetpgrp(&master.fd)) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::WINCH);
        }
    }
}
