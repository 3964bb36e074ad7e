//! Joins the user's terminal or pipes to a process in a container, until it ends or the user detaches.
//!
//! One thread, no runtime: a poll over standard input, the attachment and the signals.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};

use super::detach::DetachKeys;
use super::failure::{Failure, Outcome};
use super::terminal::{RawMode, Signals, size_of};
use crate::engine::{AttachEvent, AttachOptions, AttachReader, AttachWriter, Attachment, Next, TerminalModes};
use crate::model::{ExitStatus, LogStream, Signal, Size};

/// Read from standard input at once. A unix socket that polls writable takes this much without blocking.
const CHUNK: usize = 16 << 10;

/// So many interrupts end teu itself when the process does not mind them, as Docker does.
const PATIENCE: u32 = 3;

/// How to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joining {
    /// Pass standard input on.
    pub stdin: bool,
    /// The process has a terminal.
    pub tty: bool,
    /// Pass signals on; only where the process has no terminal.
    pub proxy: bool,
    /// Begin with the recent screen, where the process has a terminal.
    pub replay: bool,
    pub keys: DetachKeys,
}

/// How it came to an end.
#[derive(Debug)]
pub enum Parting {
    Exited(ExitStatus),
    /// The keys were typed.
    Detached,
    /// This signal came and was not passed on.
    Interrupted(Signal),
    /// Nobody reads what the process writes.
    OutputClosed,
    /// The monitor closed the line without an exit.
    Lost,
}

impl Joining {
    /// What to ask the monitor for.
    pub fn options(&self) -> AttachOptions {
        AttachOptions {
            stdin: self.stdin,
            stdout: true,
            stderr: true,
            replay: self.replay && self.tty,
            size: if self.tty { terminal_size() } else { None },
            ..AttachOptions::default()
        }
    }

    /// Docker's refusal of a terminal that cannot be typed at.
    pub fn check(&self) -> Result<(), Failure> {
        if self.tty && self.stdin && !io::stdin().is_terminal() {
            return Err(
                Failure::new("the input device is not a TTY").with_hint("leave out -t, or call teu from a terminal")
            );
        }
        Ok(())
    }
}

/// The size of the terminal that stdin, stdout or stderr is.
pub fn terminal_size() -> Option<Size> {
    size_of(io::stdin()).or_else(|| size_of(io::stdout())).or_else(|| size_of(io::stderr()))
}

/// Joins, and returns what ended it. The terminal is as before afterwards.
pub fn join(attachment: Attachment, joining: &Joining, signals: &mut Signals) -> Result<Parting, Failure> {
    let (reader, writer) = attachment.split();
    let raw = joining.tty && joining.stdin && io::stdin().is_terminal();
    let terminal = if raw { Some(RawMode::enter().map_err(terminal_failed)?) } else { None };
    let mut line = Line {
        reader,
        writer,
        keys: joining.keys.clone(),
        tty: joining.tty,
        terminal,
        proxy: joining.proxy && !raw,
        interrupts: 0,
        modes: (joining.tty && io::stdout().is_terminal()).then(TerminalModes::default),
        stdin: if joining.stdin { Input::Idle } else { Input::Closed },
    };
    let parting = line.pump(signals);
    // Whoever leaves a full-screen program, or loses it, wants the own terminal back.
    if let Some(modes) = &line.modes {
        let _ = write_whole(io::stdout().as_fd(), modes.undoing().as_bytes());
    }
    parting
}

fn terminal_failed(error: io::Error) -> Failure {
    Failure::new(format!("setting the terminal to raw mode: {error}"))
}

fn line_failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the line to the container's monitor: {error}"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    /// Waiting for standard input.
    Idle,
    /// There is input, but the monitor takes none yet.
    Stalled,
    Closed,
}

struct Line {
    reader: AttachReader,
    writer: AttachWriter,
    keys: DetachKeys,
    tty: bool,
    terminal: Option<RawMode>,
    proxy: bool,
    interrupts: u32,
    /// What the process has set on the user's terminal.
    modes: Option<TerminalModes>,
    stdin: Input,
}

impl Line {
    fn pump(&mut self, signals: &mut Signals) -> Result<Parting, Failure> {
        if self.tty {
            // The window may have changed since its size was asked for.
            self.resize();
        }
        loop {
            if let Some(parting) = self.deliver()? {
                return Ok(parting);
            }
            let ready = self.wait(signals)?;
            if ready.signals {
                while let Some(signal) = signals.next().map_err(line_failed)? {
                    if let Some(parting) = self.signal(signal) {
                        return Ok(parting);
                    }
                }
            }
            if ready.stdin
                && let Some(parting) = self.typed()?
            {
                return Ok(parting);
            }
        }
    }

    /// Blocks until something is to be done.
    fn wait(&self, signals: &Signals) -> Result<Ready, Failure> {
        let stdin = io::stdin();
        let mut wanted =
            vec![PollFd::new(signals, PollFlags::IN), PollFd::from_borrowed_fd(self.reader.as_fd(), PollFlags::IN)];
        match self.stdin {
            Input::Idle => wanted.push(PollFd::new(&stdin, PollFlags::IN)),
            Input::Stalled => wanted.push(PollFd::from_borrowed_fd(self.writer.as_fd(), PollFlags::OUT)),
            Input::Closed => {}
        }
        match poll(&mut wanted, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(line_failed(error)),
        }
        let woken = |at: usize| wanted.get(at).is_some_and(|fd| !fd.revents().is_empty());
        Ok(Ready { signals: woken(0), stdin: woken(2) })
    }

    /// Writes everything that has come from the process.
    fn deliver(&mut self) -> Result<Option<Parting>, Failure> {
        loop {
            match self.reader.try_next().map_err(line_failed)? {
                Next::Pending => return Ok(None),
                Next::Closed => return Ok(Some(Parting::Lost)),
                Next::Event(AttachEvent::Exited(status)) => return Ok(Some(Parting::Exited(status))),
                Next::Event(AttachEvent::Output { stream, bytes }) => {
                    if let Some(modes) = &mut self.modes {
                        modes.feed(&bytes);
                    }
                    let written = match stream {
                        LogStream::Stdout => write_whole(io::stdout().as_fd(), &bytes),
                        LogStream::Stderr => write_whole(io::stderr().as_fd(), &bytes),
                    };
                    match written {
                        Ok(()) => {}
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                            return Ok(Some(Parting::OutputClosed));
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                Next::Event(AttachEvent::Replayed) => {}
                Next::Event(AttachEvent::Lagged { bytes }) => {
                    let _ = write!(io::stderr(), "teu: {bytes} bytes of output were skipped\r\n");
                }
            }
        }
    }

    /// Passes one chunk of standard input on, if the monitor takes it now.
    fn typed(&mut self) -> Result<Option<Parting>, Failure> {
        if !self.writable()? {
            self.stdin = Input::Stalled;
            return Ok(None);
        }
        self.stdin = Input::Idle;
        let mut buffer = [0; CHUNK];
        if !self.readable()? {
            return Ok(None);
        }
        let count = match rustix::io::read(io::stdin(), &mut buffer) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return Ok(None),
            // A terminal that has gone, or standard input closed from the start: there is no more to read.
            Err(_) => 0,
        };
        if count == 0 && self.terminal.is_some() {
            // A terminal in raw mode has no end of file: it has gone, and who sat there with it.
            return Ok(Some(Parting::Interrupted(Signal::HUP)));
        }
        if count == 0 {
            self.stdin = Input::Closed;
            // A process that is gone minds no closed input; its exit is on the way.
            let _ = self.writer.close_stdin();
            return Ok(None);
        }
        let typed = if self.terminal.is_some() {
            self.keys.feed(&buffer[..count])
        } else {
            super::detach::Typed { pass: buffer[..count].to_vec(), detach: false }
        };
        if !typed.pass.is_empty() && self.writer.write(&typed.pass).is_err() {
            self.stdin = Input::Closed;
        }
        Ok(typed.detach.then_some(Parting::Detached))
    }

    fn writable(&self) -> Result<bool, Failure> {
        polled(PollFd::from_borrowed_fd(self.writer.as_fd(), PollFlags::OUT))
    }

    fn readable(&self) -> Result<bool, Failure> {
        polled(PollFd::new(&io::stdin(), PollFlags::IN))
    }

    fn signal(&mut self, signal: Signal) -> Option<Parting> {
        match signal.number() {
            libc::SIGWINCH => {
                if self.tty {
                    self.resize();
                }
                None
            }
            libc::SIGCONT => {
                // Whoever stopped and continued us (a shell's job control) may have changed the terminal.
                if self.terminal.is_some() {
                    self.terminal = None;
                    self.terminal = RawMode::enter().ok();
                    self.resize();
                }
                None
            }
            _ if !self.proxy => Some(Parting::Interrupted(signal)),
            _ => {
                self.interrupts += u32::from(matches!(signal, Signal::INT | Signal::TERM));
                if self.interrupts > PATIENCE || self.writer.signal(signal).is_err() {
                    return Some(Parting::Interrupted(signal));
                }
                None
            }
        }
    }

    fn resize(&mut self) {
        if let Some(size) = terminal_size() {
            // Fails only when the process has gone, which the next event says.
            let _ = self.writer.resize(size);
        }
    }
}

struct Ready {
    signals: bool,
    stdin: bool,
}

fn polled(fd: PollFd<'_>) -> Result<bool, Failure> {
    let mut fds = [fd];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut fds, Some(&now)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(!fds[0].revents().is_empty()),
        Err(error) => Err(line_failed(error)),
    }
}

/// Writes all of `bytes`, also where somebody has made the descriptor non-blocking.
fn write_whole(out: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    use rustix::io::Errno;
    while !bytes.is_empty() {
        match rustix::io::write(out, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::from_borrowed_fd(out, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The exit code that a parting gives to teu.
pub fn exit_code(parting: Parting) -> Outcome {
    match parting {
        Parting::Exited(status) => match status.message {
            Some(message) => Err(Failure::new(message).with_exit_code(status.code)),
            None => Ok(status.code),
        },
        Parting::Detached => {
            eprintln!("read escape sequence");
            Ok(0)
        }
        Parting::Interrupted(signal) => Ok(128 + signal.number() as u8),
        Parting::OutputClosed => Err(Failure::silent(141)),
        Parting::Lost => Err(Failure::new("the container's monitor has gone, so the exit code is not known")
            .with_hint("`teu ps -a` says what became of the container")),
    }
}
