//! Hangs a device program on a v2 group, and puts a new one in the old one's place.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::{Rules, program};
use crate::runtime::RuntimeError;
use crate::runtime::cgroup::roots::is_privileged;
use crate::sys::bpf;

/// The program's name in the kernel (15 bytes at most): by it an update finds it again.
const NAME: &str = "teu_devices";

/// Attaches the rules to the group `folder`. Without any rule nothing is attached and everything stays allowed.
///
/// Programs of others (systemd's) stay, and all must agree (BPF_F_ALLOW_MULTI). In a user namespace the kernel lets
/// nobody attach programs; there it also refuses to make and open device nodes, so nothing is lost.
pub(in super::super) fn attach(folder: &Path, rules: &Rules) -> Result<(), RuntimeError> {
    if rules.rules.is_empty() || !is_privileged() {
        return Ok(());
    }
    let failed = |what: &str, error: std::io::Error| {
        RuntimeError::step(format!("linux.resources.devices: {what} for {}", folder.display()), error)
    };
    let group = openat(CWD, folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| failed("open the cgroup", error.into()))?;
    let program = program::compile(&rules.verdicts());
    let new = bpf::load_cgroup_device(&program, NAME).map_err(|error| failed("load an eBPF program", error))?;
    let old = bpf::attached_devices(group.as_fd(), NAME).map_err(|error| failed("list eBPF programs", error))?;
    let replaced = old.first().map(AsFd::as_fd);
    bpf::attach_device(group.as_fd(), new.as_fd(), replaced).map_err(|error| failed("attach an eBPF program", error))
}
