//! Giving back to the kernel what a process used once: one that idles for months should hold next to nothing.
#![allow(unsafe_code, reason = "malloc_trim(3) and madvise(2) have no safe binding")]

use std::ffi::c_void;

/// Below the current frame so much of the stack is left alone: the red zone and the frames of the calls made here.
const STACK_IN_USE_BYTES: usize = 32 << 10;
const PAGE_BYTES: usize = 4096;

/// Returns free heap, stack below the caller, and code (which comes back from the page cache when it is run again).
///
/// Call it while the process has one thread: other threads' stacks are not known here, and need not be.
pub fn give_back() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(range_to_drop).for_each(drop_pages);
    drop(maps);
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) has no precondition; it touches only memory that malloc holds as free.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// What of one line of /proc/self/maps can be dropped: a mapping of code or constants, or the unused part of the stack.
fn range_to_drop(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let (rights, offset) = (fields.next()?, fields.next()?);
    let name = fields.nth(2)?;
    // What the loader writes to and then protects (relro) is never at a file's beginning.
    let pure = rights == "r-xp" || rights == "r--p" && offset == "00000000";
    if pure && name.starts_with('/') {
        return Some((start, end));
    }
    let here = 0u8;
    let used = (&raw const here).addr() - STACK_IN_USE_BYTES;
    (name == "[stack]" && (start..end).contains(&used)).then(|| (start, used / PAGE_BYTES * PAGE_BYTES))
}

fn drop_pages((start, end): (usize, usize)) {
    let address = std::ptr::with_exposed_provenance_mut::<c_void>(start);
    // SAFETY: the range is either file-backed and never written to, so that the kernel reads its pages from the file again
    // when they are touched, or stack below every live frame and its red zone, whose content is dead.
    unsafe {
        libc::madvise(address, end - start, libc::MADV_DONTNEED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_and_unused_stack_are_dropped() {
        assert_eq!(range_to_drop("1000-3000 r-xp 00000000 fe:00 12 /usr/bin/teu"), Some((0x1000, 0x3000)));
        assert_eq!(range_to_drop("1000-3000 r--p 00000000 fe:00 12 /usr/bin/teu"), Some((0x1000, 0x3000)));
        for kept in [
            "1000-3000 r--p 00004000 fe:00 12 /usr/bin/teu",
            "1000-3000 rw-p 00000000 00:00 0 [heap]",
            "1000-3000 rw-p 00000000 00:00 0 [stack]",
            "1000-3000 r-xp 00000000 00:00 0 [vdso]",
            "1000-3000 r-xp 00000000 00:00 0",
            "",
        ] {
            assert_eq!(range_to_drop(kept), None, "{kept}");
        }
    }

    #[test]
    fn program_runs_on_after_giving_back() {
        give_back();
        assert_eq!((1..=10).map(|n| n.to_string()).collect::<String>(), "12345678910");
    }
}
