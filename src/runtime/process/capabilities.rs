//! The five capability sets (capabilities(7)).

use std::io;

use oci_spec::runtime::{Capabilities, LinuxCapabilities};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Names in the order of their numbers, without `CAP_`.
pub const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The sets as bits, ready to be given to the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sets {
    bounding: u64,
    effective: u64,
    permitted: u64,
    inheritable: u64,
    ambient: u64,
}

impl Sets {
    pub fn new(capabilities: &LinuxCapabilities) -> Self {
        Self {
            bounding: bits(capabilities.bounding().as_ref()),
            effective: bits(capabilities.effective().as_ref()),
            permitted: bits(capabilities.permitted().as_ref()),
            inheritable: bits(capabilities.inheritable().as_ref()),
            ambient: bits(capabilities.ambient().as_ref()),
        }
    }

    /// Narrows what programs can ever gain. Needs CAP_SETPCAP, so it comes before the change of user.
    pub fn limit_bounding(&self) -> io::Result<()> {
        for number in 0..NAMES.len() {
            let bit = 1 << number;
            if self.bounding & bit == 0 {
                match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(bit)) {
                    // An older kernel does not know the newest ones.
                    Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Makes what is permitted effective again, after a change of user.
    pub fn raise() -> io::Result<()> {
        let now = capabilities(None)?;
        Ok(set_capabilities(None, CapabilitySets { effective: now.permitted, ..now })?)
    }

    /// Sets the other four. Comes after the change of user, with "keep capabilities" on.
    ///
    /// A capability that this process has not got cannot be given (config.md: the runtime should not fail over it).
    pub fn apply(&self) -> io::Result<()> {
        let given = capabilities(None)?.permitted;
        let grantable = |bits: u64| CapabilitySet::from_bits_retain(bits) & given;
        set_capabilities(
            None,
            CapabilitySets {
                effective: grantable(self.effective),
                permitted: grantable(self.permitted),
                inheritable: grantable(self.inheritable),
            },
        )?;
        for number in (0..NAMES.len()).filter(|number| self.ambient & (1 << number) != 0) {
            match configure_capability_in_ambient_set(CapabilitySet::from_bits_retain(1 << number), true) {
                // Not permitted or not inheritable, so the kernel does not grant it (capabilities(7)).
                Ok(()) | Err(rustix::io::Errno::PERM | rustix::io::Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn bits(capabilities: Option<&Capabilities>) -> u64 {
    capabilities.into_iter().flatten().filter_map(|capability| number(&capability.to_string())).map(|n| 1 << n).sum()
}

/// The names of a set of the kernel's, without `CAP_`; those this program does not know as numbers.
pub fn names_of(bits: u64) -> Vec<String> {
    let set = (0..64).filter(|number| bits & (1 << number) != 0);
    set.map(|number| NAMES.get(number).map_or_else(|| number.to_string(), |name| (*name).to_owned())).collect()
}

/// A capability's number; its name may have `CAP_` before it, in any case.
pub fn number(name: &str) -> Option<usize> {
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    NAMES.iter().position(|known| *known == bare)
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::Capability;

    use super::*;

    #[test]
    fn bits_of_the_first_and_last_capability() {
        let set: Capabilities = [Capability::Chown, Capability::CheckpointRestore].into();
        assert_eq!(bits(Some(&set)), 1 | 1 << 40);
        assert_eq!(bits(None), 0);
    }

    #[test]
    fn number_of_name_with_and_without_prefix() {
        assert_eq!((number("cap_sys_admin"), number("SYS_ADMIN"), number("NOPE")), (Some(21), Some(21), None));
    }
}
