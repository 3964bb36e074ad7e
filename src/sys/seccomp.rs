//! seccomp(2): gives this process a system call filter.
#![allow(unsafe_code, reason = "seccomp has no safe wrapper")]

use std::io;

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

/// Installs a filter for good. Needs no_new_privs or CAP_SYS_ADMIN. `flags` are `SECCOMP_FILTER_FLAG_…`.
pub fn install(instructions: &[Instruction], flags: u32) -> io::Result<()> {
    let length = u16::try_from(instructions.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let program = Program { length, instructions: instructions.as_ptr() };
    // SAFETY: the program points to `length` instructions with the kernel's layout, alive during the call.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
