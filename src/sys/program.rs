//! What becomes of a process at and after execve(2): its program, open descriptors, signals, and the file of its own program.
#![allow(unsafe_code, reason = "execve, close_range, signal masks and dispositions are raw calls")]

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Replaces this process. Returns only on failure.
pub fn execute(path: &Path, arguments: &[CString], environment: &[CString]) -> io::Error {
    use std::os::unix::ffi::OsStrExt;
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return io::Error::from_raw_os_error(libc::EINVAL);
    };
    let pointers = |strings: &[CString]| {
        strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect::<Vec<*const libc::c_char>>()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with a null pointer and their strings live until the call returns or never does.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Marks every descriptor from `first` up close-on-exec (Linux 5.11).
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: only sets a flag on descriptors; no memory is passed.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Closes every descriptor from `first` up, whoever believes to own them: only for a process that will not use them again.
pub fn close_from(first: u32) {
    // SAFETY: no memory is passed. The caller, a stage that never returns to the owners, keeps none in use.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// Stops this process until it gets SIGCONT, as Ctrl-Z does.
pub fn stop_self() -> io::Result<()> {
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP).map_err(io::Error::from)
}

/// Gives every signal its default action and unblocks all: what a program may expect at its start.
pub fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL is no handler; the kernel refuses SIGKILL, SIGSTOP and libc its two own, which is fine.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: the set is initialised by sigemptyset before it is read.
    unsafe {
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Blocks every signal, so that [`next_signal`] gets them one by one.
pub fn block_all_signals() {
    // SAFETY: the set is initialised by sigfillset before it is read.
    unsafe {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
    }
}

/// Waits for one of the blocked signals and gives its number.
pub fn next_signal() -> io::Result<i32> {
    let mut number = 0;
    // SAFETY: the set is initialised by sigfillset; number outlives the call.
    let result = unsafe {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::sigwait(all.as_ptr(), &raw mut number)
    };
    if result == 0 { Ok(number) } else { Err(io::Error::from_raw_os_error(result)) }
}

/// Ends this process at once: no destructors, no output flushed. What a forked stage must use.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes no memory and never returns.
    unsafe { libc::_exit(code) }
}

/// Has the kernel kill the command's process when the calling thread ends (PR_SET_PDEATHSIG), whatever the reason. To be used
/// by processes of one thread.
pub fn die_with_parent(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    let parent = rustix::process::getpid();
    let ask = move || {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // The parent may have died before: then nobody would ever kill this process.
        if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec only prctl(2) and getppid(2) are called, and no memory is allocated.
    unsafe { command.pre_exec(ask) };
}

/// This program's own file through a read-only mount of it, to be executed as `/proc/self/fd/N`.
///
/// A process started that way has an exe link that nobody can open for writing, whatever its capabilities, so that a
/// container can't overwrite the binary through `/proc/PID/exe` (CVE-2019-5736). Needs CAP_SYS_ADMIN.
pub fn read_only_self() -> io::Result<OwnedFd> {
    let program = std::fs::read_link("/proc/self/exe")?;
    let mount = super::mount::clone_tree(rustix::fs::CWD, &program, super::mount::Depth::One)?;
    super::mount::change(&mount, super::mount::Depth::One, &super::mount::Change::read_only())?;
    Ok(mount)
}

/// Whether this process's program is a file that nobody can open for writing by its exe link: on a read-only mount, or
/// sealed in memory.
pub fn is_out_of_reach() -> bool {
    let on_read_only_mount = rustix::fs::statvfs("/proc/self/exe")
        .is_ok_and(|found| found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    let is_sealed = || {
        let file = std::fs::File::open("/proc/self/exe").ok();
        file.and_then(|file| rustix::fs::fcntl_get_seals(file).ok())
            .is_some_and(|seals| seals.contains(rustix::fs::SealFlags::WRITE))
    };
    on_read_only_mount || is_sealed()
}

/// Whether this process's user could make the program's file writable.
pub fn is_owned_by_self() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/exe").is_ok_and(|file| file.uid() == rustix::process::geteuid().as_raw())
}

/// A copy of this program in memory that cannot be changed any more, to be executed as `/proc/self/fd/N`.
pub fn sealed_self() -> io::Result<OwnedFd> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = memfd_create("teu", flags | MemfdFlags::EXEC);
    // Kernels before 6.3 do not know that flag, and make it executable always.
    let mut copy = std::fs::File::from(made.or_else(|_| memfd_create("teu", flags))?);
    io::copy(&mut std::fs::File::open("/proc/self/exe")?, &mut copy)?;
    fcntl_add_seals(&copy, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(copy.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn execute_of_a_missing_program_returns_why() {
        let error = execute(Path::new("/nonexistent"), &[], &[]);
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
