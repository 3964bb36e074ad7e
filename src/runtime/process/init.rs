//! A small init (`--init`): PID 1 that reaps every orphan, passes signals on, and ends when the command does.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use crate::sys::program;

/// Runs as PID 1 until the command's process has ended; then ends with its code, 128+n for a signal.
///
/// It is not dumpable, and its program is not in the container: nothing inside can trace it or reach its file.
pub fn watch_over(command: Pid) -> ! {
    loop {
        if let Some(code) = reap(command) {
            program::exit_now(code);
        }
        match program::next_signal() {
            Ok(libc::SIGCHLD) | Err(_) => {}
            Ok(number) => pass_on(command, number),
        }
    }
}

/// Reaps whoever has ended; the command's code if it is among them.
fn reap(command: Pid) -> Option<i32> {
    let mut code = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == command {
            code = status.exit_status().or_else(|| status.terminating_signal().map(|number| 128 + number));
        }
    }
    code
}

fn pass_on(command: Pid, number: i32) {
    if let Some(signal) = Signal::from_named_raw(number) {
        let _ = kill_process(command, signal);
    }
}
