//! Which capabilities a container has.

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, LinuxCapabilitiesBuilder};

use super::malformed;
use crate::model::{CapabilityBasis, ContainerConfig};
use crate::runtime::RuntimeError;
use crate::runtime::process::capabilities::{NAMES, number};

/// Docker's fourteen without NET_RAW (forging packets; ping does without), MKNOD and AUDIT_WRITE (forging the audit log).
const TIGHT: [&str; 11] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
];

/// What Docker gives beside them.
const DOCKERS_OWN: [&str; 3] = ["MKNOD", "NET_RAW", "AUDIT_WRITE"];

/// Docker's rules: `--cap-add ALL` and `--cap-drop ALL` first, then single names. Names without `CAP_`, in order of numbers.
pub(super) fn names(config: &ContainerConfig) -> Result<Vec<&'static str>, RuntimeError> {
    let is_all = |name: &String| name.eq_ignore_ascii_case("ALL");
    let numbers = |names: &[String]| {
        let unknown = |name: &String| RuntimeError::InvalidRequest(format!("{name:?} is no capability"));
        let single = names.iter().filter(|name| !is_all(name));
        single.map(|name| number(name).ok_or_else(|| unknown(name))).collect::<Result<Vec<_>, _>>()
    };
    let (added, dropped) = (numbers(&config.cap_add)?, numbers(&config.cap_drop)?);
    let add_all = config.isolation.privileged || config.cap_add.iter().any(is_all);
    let drop_all = config.cap_drop.iter().any(is_all);
    let kept = |(at, name): (usize, &'static str)| {
        let by_default = !drop_all && is_default(config.isolation.capability_basis, name);
        ((add_all || by_default) && !dropped.contains(&at) || added.contains(&at)).then_some(name)
    };
    Ok(NAMES.iter().copied().enumerate().filter_map(kept).collect())
}

/// Whether a container has the capability (without `CAP_`) that is told nothing about capabilities.
pub fn is_default(basis: CapabilityBasis, name: &str) -> bool {
    TIGHT.contains(&name) || basis == CapabilityBasis::Docker && DOCKERS_OWN.contains(&name)
}

pub(super) fn sets(config: &ContainerConfig) -> Result<LinuxCapabilities, RuntimeError> {
    let names = names(config)?;
    let known = |name: &&str| name.parse::<Capability>().ok();
    let set: Capabilities = names.iter().filter_map(known).collect();
    // Inheritable and ambient stay empty (CVE-2022-24769).
    LinuxCapabilitiesBuilder::default()
        .bounding(set.clone())
        .effective(set.clone())
        .permitted(set)
        .inheritable(Capabilities::new())
        .ambient(Capabilities::new())
        .build()
        .map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;
    use crate::model::Isolation;

    fn chosen(add: &[&str], drop: &[&str]) -> Vec<&'static str> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let config = ContainerConfig { cap_add: owned(add), cap_drop: owned(drop), ..config() };
        names(&config).expect("known names")
    }

    #[test]
    fn capabilities_are_fewer_than_dockers_unless_told_otherwise() {
        let default = chosen(&[], &[]);
        assert_eq!(default.len(), 11);
        assert!(["NET_RAW", "MKNOD", "AUDIT_WRITE"].iter().all(|name| !default.contains(name)));
        assert_eq!(chosen(&["NET_ADMIN"], &["ALL"]), ["NET_ADMIN"]);
        assert_eq!(chosen(&["ALL"], &["cap_sys_admin"]).len(), 40);
        assert_eq!(chosen(&["SYS_PTRACE", "ALL"], &[]).len(), 41);
        assert!(!chosen(&[], &["CAP_CHOWN"]).contains(&"CHOWN"));
        let old = ContainerConfig { isolation: Isolation::of_old_records(), ..config() };
        assert_eq!(names(&old).expect("names").len(), 14);
    }

    #[test]
    fn privileged_container_has_all_but_what_is_dropped() {
        let isolation = Isolation { privileged: true, ..Isolation::default() };
        let config = ContainerConfig { isolation, cap_drop: vec!["SYS_BOOT".to_owned()], ..config() };
        assert_eq!(names(&config).expect("names").len(), 40);
    }

    #[test]
    fn unknown_capability_is_refused() {
        let config = ContainerConfig { cap_add: vec!["CAP_NOPE".to_owned()], ..config() };
        assert!(names(&config).is_err());
    }

    #[test]
    fn every_capability_name_is_one_of_the_specification() {
        let config = ContainerConfig { cap_add: vec!["ALL".to_owned()], ..config() };
        let sets = sets(&config).expect("sets");
        assert_eq!(sets.bounding().as_ref().map(Capabilities::len), Some(41));
        assert_eq!(sets.inheritable().as_ref().map(Capabilities::len), Some(0));
    }
}
