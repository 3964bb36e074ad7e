//! seccomp(2): gives this process a system call filter, and hands out the listener of one that notifies.
#![allow(unsafe_code, reason = "seccomp has no safe wrapper, and a listener appears as a bare number")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

/// One instruction of classic BPF, as the kernel lays it out (struct sock_filter).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    /// Instructions to skip when the comparison holds, and when not.
    pub jump_true: u8,
    pub jump_false: u8,
    pub operand: u32,
}

/// struct sock_fprog.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// Installs a filter for good. Needs no_new_privs or CAP_SYS_ADMIN. `flags` are `SECCOMP_FILTER_FLAG_…`, without the one
/// for a listener.
pub fn install(instructions: &[Instruction], flags: u32) -> io::Result<()> {
    filter(instructions, flags).map(drop)
}

/// What seccomp(2) returns: the listener's descriptor, if one was wished.
fn filter(instructions: &[Instruction], flags: u32) -> io::Result<i32> {
    let length = u16::try_from(instructions.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let program = Program { length, instructions: instructions.as_ptr() };
    // SAFETY: the program points to `length` instructions with the kernel's layout, alive during the call.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

/// What the filtered thread and the one that delivers its listener tell each other, without system calls.
struct Handover {
    /// The descriptor, or one of the two below.
    listener: AtomicI32,
    is_delivered: AtomicBool,
}

const NOT_YET: i32 = -1;
const REFUSED: i32 = -2;

/// Installs a filter whose flags ask for a listener, and returns once `deliver` has got that.
///
/// Once the filter stands, any call of this thread may wait for whoever has the listener, or be forbidden. So `deliver`
/// runs in a second thread, which the filter does not cover, and this one makes no call until it has returned. The second
/// thread stays, asleep: execve(2) or the process's end take it away, so the caller is to do one or the other. `deliver`
/// must not return when it fails, but end the process.
pub fn install_with_listener(
    instructions: &[Instruction],
    flags: u32,
    deliver: impl FnOnce(OwnedFd) + Send + 'static,
) -> io::Result<()> {
    let handover: &'static Handover =
        Box::leak(Box::new(Handover { listener: AtomicI32::new(NOT_YET), is_delivered: AtomicBool::new(false) }));
    let courier = std::thread::Builder::new().stack_size(256 << 10).spawn(move || {
        let descriptor = loop {
            match handover.listener.load(Ordering::Acquire) {
                NOT_YET => std::thread::sleep(Duration::from_micros(20)),
                REFUSED => return,
                descriptor => break descriptor,
            }
        };
        // SAFETY: the kernel has just made it for the other thread, which leaves it to this one.
        deliver(unsafe { OwnedFd::from_raw_fd(descriptor) });
        handover.is_delivered.store(true, Ordering::Release);
        loop {
            std::thread::park();
        }
    })?;
    // Detaching or joining it would be calls.
    std::mem::forget(courier);
    match filter(instructions, flags) {
        Ok(descriptor) => {
            handover.listener.store(descriptor, Ordering::Release);
            while !handover.is_delivered.load(Ordering::Acquire) {
                std::hint::spin_loop();
            }
            Ok(())
        }
        Err(error) => {
            handover.listener.store(REFUSED, Ordering::Release);
            Err(error)
        }
    }
}
