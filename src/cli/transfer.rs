//! Work that moves many bytes: a line of progress on a terminal, and signals that end it cleanly.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::attach::terminal_size;
use super::failure::Failure;
use super::terminal::Signals;
use super::wording::{ellipsis, size};
use crate::engine::EngineError;
use crate::model::{ErrorKind, TransferGauge, Transferred};

const FRAME: Duration = Duration::from_millis(100);
/// How long work that was told to end may take for it: it may wait for a reader that does not read.
const PATIENCE: Duration = Duration::from_secs(5);
/// 128 and SIGINT.
const INTERRUPTED: u8 = 130;

/// Where progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    Nothing,
    /// Stderr, if it is a terminal.
    Terminal,
}

/// Does `work` in a thread. A signal stops the gauge, which ends it; the failure then says so.
pub fn transfer<T: Send>(
    doing: &str,
    show: Show,
    gauge: &TransferGauge,
    work: impl FnOnce() -> Result<T, EngineError> + Send,
) -> Result<T, Failure> {
    let mut signals = Signals::catch().map_err(|error| Failure::new(format!("signalfd: {error}")))?;
    let (done, alive) = io::pipe().map_err(|error| Failure::new(format!("pipe: {error}")))?;
    let mut line = Line::new(doing, show);
    let result = thread::scope(|scope| {
        let working = scope.spawn(move || {
            let result = work();
            drop(alive);
            result
        });
        let mut stopped: Option<Instant> = None;
        while wait(&signals, done.as_fd(), FRAME) {
            while let Some(signal) = signals.next().ok().flatten() {
                if !matches!(signal.number(), libc::SIGWINCH | libc::SIGCONT) {
                    gauge.stop();
                    stopped.get_or_insert_with(Instant::now);
                }
            }
            if stopped.is_some_and(|since| since.elapsed() > PATIENCE) {
                line.clear();
                std::process::exit(INTERRUPTED.into());
            }
            line.draw(&gauge.now());
        }
        working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    line.clear();
    result.map_err(|error| match error.kind() {
        ErrorKind::Cancelled => Failure::new("cancelled").with_exit_code(INTERRUPTED),
        _ => error.into(),
    })
}

/// Waits for a signal, the end of the work, or the next frame; false at the end of the work.
fn wait(signals: &Signals, done: BorrowedFd<'_>, most: Duration) -> bool {
    let mut wanted = [PollFd::new(signals, PollFlags::IN), PollFd::from_borrowed_fd(done, PollFlags::IN)];
    let limit = Timespec { tv_sec: 0, tv_nsec: most.subsec_nanos().into() };
    // An interrupted wait is a short one.
    let _ = poll(&mut wanted, Some(&limit));
    wanted[1].revents().is_empty()
}

/// The line of progress, drawn over itself.
struct Line<'a> {
    doing: &'a str,
    is_shown: bool,
    drawn: bool,
    since: Instant,
}

impl<'a> Line<'a> {
    fn new(doing: &'a str, show: Show) -> Self {
        let is_shown = show == Show::Terminal && io::stderr().is_terminal();
        Self { doing, is_shown, drawn: false, since: Instant::now() }
    }

    /// What is done at once needs no line.
    fn draw(&mut self, now: &Transferred) {
        if self.is_shown && self.since.elapsed() >= FRAME {
            let width = terminal_size().map_or(80, |size| usize::from(size.columns)).saturating_sub(1).max(20);
            let _ = write!(io::stderr().lock(), "\r\x1b[K{}", ellipsis(&words(self.doing, now), width));
            self.drawn = true;
        }
    }

    fn clear(&mut self) {
        if self.drawn {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn words(doing: &str, now: &Transferred) -> String {
    let mut text = match now.total_bytes {
        Some(total) => {
            let percent = now.moved_bytes.min(total) as f64 * 100.0 / total as f64;
            format!("{doing} {percent:.0}% of {}", size(total))
        }
        None => format!("{doing} {}", size(now.moved_bytes)),
    };
    if now.layers > 0 {
        text += &format!(", {} of {} layers unpacked", now.layers_done, now.layers);
    }
    text
}

/// A reader of a pipe or terminal that looks at the gauge while nothing comes.
pub struct Patient<'a, R> {
    inner: R,
    gauge: &'a TransferGauge,
}

impl<'a, R: Read + AsFd> Patient<'a, R> {
    pub fn new(inner: R, gauge: &'a TransferGauge) -> Self {
        Self { inner, gauge }
    }
}

impl<R: Read + AsFd> Read for Patient<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = Timespec { tv_sec: 0, tv_nsec: FRAME.subsec_nanos().into() };
        loop {
            if self.gauge.is_stopped() {
                return Err(io::Error::other("cancelled"));
            }
            match poll(&mut [PollFd::new(&self.inner, PollFlags::IN)], Some(&limit)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.inner.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_is_known() {
        let now = Transferred { moved_bytes: 50_000_000, total_bytes: Some(200_000_000), layers: 4, layers_done: 1 };
        assert_eq!(words("Loading", &now), "Loading 25% of 200MB, 1 of 4 layers unpacked");
        let now = Transferred { total_bytes: None, layers: 0, ..now };
        assert_eq!(words("Saving", &now), "Saving 50MB");
    }

    #[test]
    fn work_that_was_stopped_is_cancelled() {
        let gauge = TransferGauge::default();
        gauge.stop();
        let (reader, _writer) = io::pipe().expect("pipe");
        let error = Patient::new(reader, &gauge).read(&mut [0; 8]).expect_err("nothing will come");
        assert_eq!(error.to_string(), "cancelled");
    }
}
