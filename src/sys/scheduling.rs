//! When a process gets processors and disks: sched_setattr(2), ioprio_set(2), sched_setaffinity(2); and personality(2).
#![allow(unsafe_code, reason = "sched_setattr, ioprio_set and personality have no safe wrapper")]

use std::io;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

/// sched_attr of linux/sched/types.h, its first version. What is not asked for is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// Of `pid`, 0 for this process.
pub fn set_scheduler(pid: i32, attributes: &Attributes) -> io::Result<()> {
    let attributes = Attributes { size: size_of::<Attributes>() as u32, ..*attributes };
    // SAFETY: the kernel reads `size` bytes of attributes, which outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, pid, &raw const attributes, 0) };
    checked(result)
}

/// Classes of ioprio_set(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskClass {
    RealTime = 1,
    BestEffort = 2,
    Idle = 3,
}

/// Of `pid`, 0 for this process. `level` is 0 (first) to 7.
pub fn set_disk_priority(pid: i32, class: DiskClass, level: u8) -> io::Result<()> {
    const OF_A_PROCESS: i32 = 1;
    const CLASS_SHIFT: i32 = 13;
    let priority = (class as i32) << CLASS_SHIFT | i32::from(level);
    // SAFETY: plain integers.
    checked(unsafe { libc::syscall(libc::SYS_ioprio_set, OF_A_PROCESS, pid, priority) })
}

/// Lets this process run only on the processors of a list such as `0-3,7`.
pub fn set_processors(list: &str) -> io::Result<()> {
    let mut set = CpuSet::new();
    for (first, last) in processors(list)? {
        for number in first..=last {
            if number >= CpuSet::MAX_CPU {
                return Err(io::Error::other(format!("there is no processor {number}")));
            }
            set.set(number);
        }
    }
    Ok(sched_setaffinity(None::<Pid>, &set)?)
}

fn processors(list: &str) -> io::Result<Vec<(usize, usize)>> {
    let wrong = || io::Error::other(format!("{list:?} is no list of processors, such as 0-3,7"));
    let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first <= last { Ok((first, last)) } else { Err(wrong()) }
    };
    list.split(',').map(range).collect()
}

/// What kind of kernel this process sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personality {
    /// The kernel's own.
    Native = 0,
    /// One of 32 bits: uname(2) says so.
    Linux32 = 8,
}

pub fn set_personality(personality: Personality) -> io::Result<()> {
    // SAFETY: a plain integer.
    checked(unsafe { libc::syscall(libc::SYS_personality, personality as libc::c_ulong) })
}

fn checked(result: libc::c_long) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_of_a_list() {
        assert_eq!(processors("0-3,7").expect("a list"), [(0, 3), (7, 7)]);
        for wrong in ["", "a", "3-1", "1,", "1-2-3", "-1"] {
            assert!(processors(wrong).is_err(), "{wrong}");
        }
        assert!(set_processors("99999").is_err());
    }

    #[test]
    fn scheduler_and_priority_of_a_child_are_set_from_outside() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let pid = child.id() as i32;
        let batch = Attributes { policy: libc::SCHED_BATCH as u32, nice: 7, ..Attributes::default() };
        let done = set_scheduler(pid, &batch).and_then(|()| set_disk_priority(pid, DiskClass::Idle, 0));
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
        child.kill().expect("kill");
        child.wait().expect("wait");
        done.expect("set");
        let fields: Vec<&str> = stat.split(' ').collect();
        assert_eq!((fields[18], fields[40]), ("7", "3"), "nice and policy in {stat}");
    }
}
