//! System call numbers and names, for each architecture a filter can cover.

use oci_spec::runtime::Arch;

/// Bit that marks a call of the x32 ABI.
pub const X32_BIT: u32 = 0x4000_0000;

/// AUDIT_ARCH_… of linux/audit.h, which seccomp_data carries.
pub const AUDIT_X86_64: u32 = 0xc000_003e;
const AUDIT_I386: u32 = 0x4000_0003;
const AUDIT_AARCH64: u32 = 0xc000_00b7;
const AUDIT_ARM: u32 = 0x4000_0028;

/// x32 calls that have numbers of their own (arch/x86/entry/syscalls/syscall_64.tbl).
const X32_OWN: [(&str, u32); 36] = [
    ("rt_sigaction", 512),
    ("rt_sigreturn", 513),
    ("ioctl", 514),
    ("readv", 515),
    ("writev", 516),
    ("recvfrom", 517),
    ("sendmsg", 518),
    ("recvmsg", 519),
    ("execve", 520),
    ("ptrace", 521),
    ("rt_sigpending", 522),
    ("rt_sigtimedwait", 523),
    ("rt_sigqueueinfo", 524),
    ("sigaltstack", 525),
    ("timer_create", 526),
    ("mq_notify", 527),
    ("kexec_load", 528),
    ("waitid", 529),
    ("set_robust_list", 530),
    ("get_robust_list", 531),
    ("vmsplice", 532),
    ("move_pages", 533),
    ("preadv", 534),
    ("pwritev", 535),
    ("rt_tgsigqueueinfo", 536),
    ("recvmmsg", 537),
    ("sendmmsg", 538),
    ("process_vm_readv", 539),
    ("process_vm_writev", 540),
    ("setsockopt", 541),
    ("getsockopt", 542),
    ("io_setup", 543),
    ("io_submit", 544),
    ("execveat", 545),
    ("preadv2", 546),
    ("pwritev2", 547),
];

/// ARM's private calls (arch/arm/include/uapi/asm/unistd.h), and names that differ from the kernel's table.
const ARM_PRIVATE: [(&str, u32); 4] =
    [("breakpoint", 0xf_0001), ("cacheflush", 0xf_0002), ("set_tls", 0xf_0005), ("sync_file_range2", 341)];

/// Where ARM's private numbers begin: they say nothing about how new a call is.
pub const PRIVATE: u32 = 0xf_0000;

/// Calls that 32-bit x86 also makes through socketcall(2) and ipc(2), whose first argument says which.
const X86_SOCKETCALL: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];
const X86_IPC: [(&str, u32); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// A set of calls that a filter sees under one architecture number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    X86_64,
    /// Shares its architecture number with x86_64; its calls have [`X32_BIT`] set.
    X32,
    X86,
    Aarch64,
    Arm,
}

impl Abi {
    /// This machine's own.
    pub const NATIVE: Self = if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    /// `None` for architectures that teu does not run on: no call of theirs can happen.
    pub fn of(arch: Arch) -> Option<Self> {
        match arch {
            Arch::ScmpArchNative => Some(Self::NATIVE),
            Arch::ScmpArchX86_64 => Some(Self::X86_64),
            Arch::ScmpArchX32 => Some(Self::X32),
            Arch::ScmpArchX86 => Some(Self::X86),
            Arch::ScmpArchAarch64 => Some(Self::Aarch64),
            Arch::ScmpArchArm => Some(Self::Arm),
            _ => None,
        }
    }

    pub fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => AUDIT_X86_64,
            Self::X86 => AUDIT_I386,
            Self::Aarch64 => AUDIT_AARCH64,
            Self::Arm => AUDIT_ARM,
        }
    }

    /// Arguments have 32 bits. libseccomp takes x32's for such as well.
    pub fn is_narrow(self) -> bool {
        matches!(self, Self::X32 | Self::X86 | Self::Arm)
    }

    /// Every call of this ABI that this build knows. Two names may share a number.
    pub fn each_call(self, mut call: impl FnMut(&'static str, u32)) {
        match self {
            Self::X86_64 => x86_64().for_each(|(name, number)| call(name, number)),
            Self::X32 => {
                let shared = x86_64().take_while(|(_, number)| *number < 512);
                shared.chain(X32_OWN).for_each(|(name, number)| call(name, number | X32_BIT));
            }
            Self::X86 => syscalls::x86::Sysno::iter().for_each(|known| call(known.name(), known.id() as u32)),
            Self::Aarch64 => syscalls::aarch64::Sysno::iter().for_each(|known| call(known.name(), known.id() as u32)),
            Self::Arm => {
                syscalls::arm::Sysno::iter().for_each(|known| call(known.name(), known.id() as u32));
                ARM_PRIVATE.into_iter().for_each(|(name, number)| call(name, number));
            }
        }
    }

    /// Names of calls that can also be made through another one of this ABI: that one's name, and the number in its
    /// first argument's low 16 bits.
    pub fn each_multiplexed(self, mut call: impl FnMut(&'static str, &'static str, u32)) {
        if self == Self::X86 {
            X86_SOCKETCALL.into_iter().zip(1..).for_each(|(name, number)| call(name, "socketcall", number));
            X86_IPC.into_iter().for_each(|(name, number)| call(name, "ipc", number));
        }
    }
}

fn x86_64() -> impl Iterator<Item = (&'static str, u32)> {
    syscalls::x86_64::Sysno::iter().map(|call| (call.name(), call.id() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(abi: Abi, wanted: &str) -> Option<u32> {
        let mut found = None;
        abi.each_call(|name, number| {
            if name == wanted {
                found = Some(number);
            }
        });
        found
    }

    #[test]
    fn numbers_of_well_known_calls() {
        assert_eq!(number(Abi::X86_64, "openat2"), Some(437));
        assert_eq!(number(Abi::X86, "socketcall"), Some(102));
        assert_eq!(number(Abi::X86, "ipc"), Some(117));
        assert_eq!(number(Abi::X32, "execve"), Some(X32_BIT | 520));
        assert_eq!(number(Abi::X32, "read"), Some(X32_BIT));
        assert_eq!(number(Abi::X32, "openat2"), Some(X32_BIT | 437));
        assert_eq!(number(Abi::Aarch64, "execve"), Some(221));
        assert_eq!(number(Abi::Arm, "set_tls"), Some(0xf_0005));
        assert_eq!(number(Abi::Aarch64, "open"), None);
        assert!(Abi::of(Arch::ScmpArchS390x).is_none());
    }
}
