//! Giving freed memory back to the kernel: a process that idles for months should hold nothing it used once.
#![allow(unsafe_code, reason = "malloc_trim(3) has no safe binding")]

/// Returns every whole free page of the heap to the kernel. Does nothing where the C library can't.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) has no precondition; it touches only memory that malloc holds as free.
    unsafe {
        libc::malloc_trim(0);
    }
}
