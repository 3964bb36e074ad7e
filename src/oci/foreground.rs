//! Waiting for a container or an exec: signals go to it, its terminal to the user's, its exit code to the caller.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::console::{RawMode, copy_size};
use super::{OciError, Result};
use crate::sys::signal;
use crate::sys::signalfd::Signals;

/// Every signal that can be held back and is not a fault of this process's own, about its children, or a broken pipe.
const FORWARDED: [i32; 19] = [1, 2, 3, 6, 10, 12, 14, 15, 16, 18, 20, 21, 22, 24, 25, 26, 27, 29, 30];
const SIGWINCH: i32 = 28;
/// What a terminal's driver takes for the end of input (^D).
const END_OF_INPUT: u8 = 4;
const CHUNK_BYTES: usize = 32 << 10;

/// Holds signals back from now on, so that none is lost between the start of the process and [`wait`].
pub fn hold_signals() -> Result<Signals> {
    let numbers: Vec<i32> = FORWARDED.into_iter().chain([SIGWINCH]).collect();
    Signals::block(&numbers).map_err(|error| OciError::call("hold signals back", error))
}

/// Waits for the process, which is this one's child, and gives its exit code, 128 + n if signal n ended it.
pub fn wait(pidfd: &OwnedFd, signals: &Signals, terminal: Option<OwnedFd>) -> Result<i32> {
    let failed = |error: io::Error| OciError::call("wait for the process", error);
    let mut proxy = terminal.map(Proxy::new).transpose().map_err(failed)?;
    loop {
        let wish = proxy.as_ref().map(Proxy::wish).unwrap_or_default();
        let ready = look(pidfd, signals, proxy.as_ref(), &wish).map_err(failed)?;
        if ready.signal {
            while let Some(number) = signals.next().map_err(failed)? {
                match &proxy {
                    Some(proxy) if number == SIGWINCH => copy_size(&proxy.master),
                    // A process that has gone needs none.
                    _ => drop(signal::send(pidfd, number)),
                }
            }
        }
        if let Some(proxy) = &mut proxy {
            proxy.work(&ready);
        }
        if ready.ended {
            if let Some(mut proxy) = proxy.take() {
                proxy.drain();
            }
            return exit_code(pidfd).map_err(failed);
        }
    }
}

#[derive(Default)]
struct Ready {
    ended: bool,
    signal: bool,
    output: bool,
    input: bool,
    room: bool,
}

/// What the proxy waits for.
#[derive(Default)]
struct Wish {
    output: bool,
    input: bool,
    room: bool,
}

fn look(pidfd: &OwnedFd, signals: &Signals, proxy: Option<&Proxy>, wish: &Wish) -> io::Result<Ready> {
    let stdin = rustix::stdio::stdin();
    let mut fds = vec![PollFd::new(pidfd, PollFlags::IN), PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, wish.output);
    flags.set(PollFlags::OUT, wish.room);
    if let Some(proxy) = proxy.filter(|_| !flags.is_empty()) {
        fds.push(PollFd::new(&proxy.master, flags));
    }
    let input_at = fds.len();
    if wish.input {
        fds.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
    }
    match poll(&mut fds, None) {
        Err(rustix::io::Errno::INTR) => return Ok(Ready::default()),
        polled => polled?,
    };
    let happened = |at: usize| fds.get(at).map_or(PollFlags::empty(), PollFd::revents);
    let master = if flags.is_empty() { PollFlags::empty() } else { happened(2) };
    Ok(Ready {
        ended: !happened(0).is_empty(),
        signal: happened(1).contains(PollFlags::IN),
        output: wish.output && master.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR),
        room: wish.room && master.contains(PollFlags::OUT),
        input: wish.input && !happened(input_at).is_empty(),
    })
}

/// Carries bytes between the user's streams and the terminal's master side.
struct Proxy {
    master: OwnedFd,
    /// Typed and not yet taken.
    typed: Vec<u8>,
    input_ended: bool,
    output_ended: bool,
    _raw: RawMode,
}

impl Proxy {
    fn new(master: OwnedFd) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&master)?;
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK)?;
        copy_size(&master);
        Ok(Self { master, typed: Vec::new(), input_ended: false, output_ended: false, _raw: RawMode::enter() })
    }

    fn wish(&self) -> Wish {
        Wish {
            output: !self.output_ended,
            input: self.typed.is_empty() && !self.input_ended,
            room: !self.typed.is_empty() && !self.output_ended,
        }
    }

    fn work(&mut self, ready: &Ready) {
        if ready.input {
            self.take_input();
        }
        if ready.room || ready.input {
            self.give_input();
        }
        if ready.output {
            self.pass_output();
        }
    }

    fn take_input(&mut self) {
        let mut chunk = [0; CHUNK_BYTES];
        match rustix::io::read(rustix::stdio::stdin(), &mut chunk) {
            Ok(0) => {
                self.input_ended = true;
                self.typed.push(END_OF_INPUT);
            }
            Ok(count) => self.typed.extend_from_slice(&chunk[..count]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            // A terminal that has gone.
            Err(_) => self.input_ended = true,
        }
    }

    fn give_input(&mut self) {
        match rustix::io::write(&self.master, &self.typed) {
            Ok(count) => drop(self.typed.drain(..count)),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => self.typed.clear(),
        }
    }

    /// One read's worth. Whether there was anything.
    fn pass_output(&mut self) -> bool {
        let mut chunk = [0; CHUNK_BYTES];
        match rustix::io::read(&self.master, &mut chunk) {
            Ok(0) => self.output_ended = true,
            Ok(count) => {
                // Where the output goes to nobody, the container runs on.
                let _ = write_all(&chunk[..count]);
                return true;
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            // EIO: no process has the other side open any more.
            Err(_) => self.output_ended = true,
        }
        false
    }

    /// What was written before the end.
    fn drain(&mut self) {
        while !self.output_ended && self.pass_output() {}
    }
}

fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                poll(&mut [PollFd::from_borrowed_fd(rustix::stdio::stdout(), PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn exit_code(pidfd: &OwnedFd) -> io::Result<i32> {
    let status = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED))?;
    let status = status.ok_or_else(|| io::Error::other("no status"))?;
    Ok(status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(255))
}
