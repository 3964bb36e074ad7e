//! `info`: what this teu is, where it keeps things, and what the machine gives it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::doctor::cgroup_version;
use super::{Engine, Machine, Result};
use crate::model::ContainerState;

/// Everything that `info` tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Info {
    pub version: &'static str,
    pub containers: usize,
    pub running: usize,
    pub paused: usize,
    /// Created or exited.
    pub stopped: usize,
    /// Without the built-in host image.
    pub images: usize,
    pub data_folder: PathBuf,
    pub run_folder: PathBuf,
    /// Such as `6.18.44`.
    pub kernel: String,
    /// Such as `Debian GNU/Linux 12 (bookworm)`.
    pub operating_system: String,
    pub architecture: &'static str,
    pub cpus: u32,
    pub memory_bytes: u64,
    /// `1`, `2` or `hybrid`.
    pub cgroup_version: &'static str,
    pub rootless: bool,
    /// Such as `seccomp`, `apparmor`, `rootless`, `no-new-privileges`.
    pub security_options: Vec<String>,
}

impl Engine {
    /// A look at everything; costs as much as listing the containers and images.
    pub fn info(&self) -> Result<Info> {
        let containers = self.list(true)?;
        let count = |wanted: fn(&ContainerState) -> bool| containers.iter().filter(|c| wanted(&c.state)).count();
        let running = count(|state| matches!(state, ContainerState::Running { .. }));
        let paused = count(|state| matches!(state, ContainerState::Paused { .. }));
        let Machine { cpus, memory_bytes, .. } = self.machine()?;
        let rootless = !rustix::process::geteuid().is_root();
        Ok(Info {
            version: env!("CARGO_PKG_VERSION"),
            containers: containers.len(),
            running,
            paused,
            stopped: containers.len() - running - paused,
            images: self.images()?.iter().filter(|image| !image.is_host).count(),
            data_folder: self.data_folder().to_owned(),
            run_folder: self.run_folder().to_owned(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            operating_system: operating_system(),
            architecture: std::env::consts::ARCH,
            cpus,
            memory_bytes,
            cgroup_version: cgroup_version(),
            rootless,
            security_options: security_options(rootless),
        })
    }
}

fn operating_system() -> String {
    let text = fs::read_to_string("/etc/os-release").or_else(|_| fs::read_to_string("/usr/lib/os-release"));
    text.ok().and_then(|text| pretty_name(&text)).unwrap_or_else(|| "Linux".to_owned())
}

fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

fn security_options(rootless: bool) -> Vec<String> {
    let mut options = vec!["no-new-privileges".to_owned()];
    if Path::new("/proc/sys/kernel/seccomp/actions_avail").exists() {
        options.push("seccomp".to_owned());
    }
    if rootless {
        options.push("rootless".to_owned());
        options.push("userns".to_owned());
    }
    options
}

#[cfg(test)]
mod tests {
    #[test]
    fn pretty_name_is_unquoted() {
        let text = "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(super::pretty_name(text).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(super::pretty_name("NAME=x"), None);
    }
}
