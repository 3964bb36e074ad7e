//! Resource limits of the process (setrlimit(2)).

use oci_spec::runtime::{PosixRlimit, PosixRlimitType};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::runtime::RuntimeError;

pub fn apply(limits: &[PosixRlimit]) -> Result<(), RuntimeError> {
    for limit in limits {
        // The kernel's RLIM_INFINITY is all ones, rustix's is None.
        let value = |value: u64| Some(value).filter(|value| *value != u64::MAX);
        let wanted = Rlimit { current: value(limit.soft()), maximum: value(limit.hard()) };
        setrlimit(resource(limit.typ()), wanted).map_err(|error| {
            RuntimeError::step(format!("set {:?} to {}:{}", limit.typ(), limit.soft(), limit.hard()), error)
        })?;
    }
    Ok(())
}

fn resource(kind: PosixRlimitType) -> Resource {
    match kind {
        PosixRlimitType::RlimitCpu => Resource::Cpu,
        PosixRlimitType::RlimitFsize => Resource::Fsize,
        PosixRlimitType::RlimitData => Resource::Data,
        PosixRlimitType::RlimitStack => Resource::Stack,
        PosixRlimitType::RlimitCore => Resource::Core,
        PosixRlimitType::RlimitRss => Resource::Rss,
        PosixRlimitType::RlimitNproc => Resource::Nproc,
        PosixRlimitType::RlimitNofile => Resource::Nofile,
        PosixRlimitType::RlimitMemlock => Resource::Memlock,
        PosixRlimitType::RlimitAs => Resource::As,
        PosixRlimitType::RlimitLocks => Resource::Locks,
        PosixRlimitType::RlimitSigpending => Resource::Sigpending,
        PosixRlimitType::RlimitMsgqueue => Resource::Msgqueue,
        PosixRlimitType::RlimitNice => Resource::Nice,
        PosixRlimitType::RlimitRtprio => Resource::Rtprio,
        PosixRlimitType::RlimitRttime => Resource::Rttime,
    }
}
