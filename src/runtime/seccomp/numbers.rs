//! System call numbers by name, for each architecture a filter can cover.

use std::collections::HashMap;

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

/// How one ABI's calls appear to a filter.
pub struct Abi {
    pub audit: u32,
    /// x32 shares its audit number with x86_64; its calls have [`X32_BIT`] set.
    pub is_x32: bool,
    numbers: HashMap<&'static str, u32>,
}

impl Abi {
    /// `None` for architectures that teu does not run on: no call of theirs can happen.
    pub fn of(arch: Arch) -> Option<Self> {
        match arch {
            Arch::ScmpArchNative if cfg!(target_arch = "aarch64") => Self::of(Arch::ScmpArchAarch64),
            Arch::ScmpArchNative => Self::of(Arch::ScmpArchX86_64),
            Arch::ScmpArchX86_64 => Some(Self::plain(AUDIT_X86_64, x86_64().collect())),
            Arch::ScmpArchX86 => {
                let names = syscalls::x86::Sysno::iter().map(|call| (call.name(), call.id() as u32));
                Some(Self::plain(AUDIT_I386, names.collect()))
            }
            Arch::ScmpArchX32 => {
                let shared = x86_64().filter(|(_, number)| *number < 512);
                let numbers = shared.chain(X32_OWN).map(|(name, number)| (name, number | X32_BIT));
                Some(Self { is_x32: true, ..Self::plain(AUDIT_X86_64, numbers.collect()) })
            }
            Arch::ScmpArchAarch64 => {
                let names = syscalls::aarch64::Sysno::iter().map(|call| (call.name(), call.id() as u32));
                Some(Self::plain(AUDIT_AARCH64, names.collect()))
            }
            Arch::ScmpArchArm => {
                let names = syscalls::arm::Sysno::iter().map(|call| (call.name(), call.id() as u32));
                Some(Self::plain(AUDIT_ARM, names.chain(ARM_PRIVATE).collect()))
            }
            _ => None,
        }
    }

    fn plain(audit: u32, numbers: HashMap<&'static str, u32>) -> Self {
        Self { audit, is_x32: false, numbers }
    }

    /// `None` for a name that this architecture or this build does not know: such a call falls to the default action.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }
}

fn x86_64() -> impl Iterator<Item = (&'static str, u32)> {
    syscalls::x86_64::Sysno::iter().map(|call| (call.name(), call.id() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_well_known_calls() {
        let number = |arch, name| Abi::of(arch).expect("known").number(name);
        assert_eq!(number(Arch::ScmpArchX86_64, "openat2"), Some(437));
        assert_eq!(number(Arch::ScmpArchX86, "socketcall"), Some(102));
        assert_eq!(number(Arch::ScmpArchX32, "execve"), Some(X32_BIT | 520));
        assert_eq!(number(Arch::ScmpArchX32, "read"), Some(X32_BIT));
        assert_eq!(number(Arch::ScmpArchAarch64, "execve"), Some(221));
        assert_eq!(number(Arch::ScmpArchArm, "set_tls"), Some(0xf_0005));
        assert_eq!(number(Arch::ScmpArchAarch64, "open"), None);
        assert!(Abi::of(Arch::ScmpArchS390x).is_none());
    }
}
