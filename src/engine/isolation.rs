//! How far a container is kept from the machine, checked and made definite. Nothing here does I/O.

use std::path::{Component, Path, PathBuf};

use super::merge::Surroundings;
use super::{EngineError, Result};
use crate::model::{
    CreateRequest, DeviceMapping, Isolation, NamespaceMode, NetworkMode, TmpfsMount, UserNamespaceMode,
};

/// The largest id that no program takes for a negative number.
const LARGEST_ID: i64 = i32::MAX as i64;

/// The wish with every choice made.
pub(super) fn isolation(request: &CreateRequest, around: &Surroundings) -> Result<Isolation> {
    let wish = &request.isolation;
    let isolation = Isolation {
        user_namespace: user_namespace(wish, around)?,
        masked: paths("mask", &wish.masked)?,
        unmasked: paths("unmask", &wish.unmasked)?,
        devices: wish.devices.iter().map(device).collect::<Result<_>>()?,
        tmpfs: memory_folders(request)?,
        ..wish.clone()
    };
    check_sysctls(request)?;
    for (flag, mode) in [("--pid", &wish.pid), ("--ipc", &wish.ipc), ("--uts", &wish.uts), ("--cgroupns", &wish.cgroup)]
    {
        if let NamespaceMode::Container(name) = mode {
            return Err(invalid(format!("{flag} container:{name}: joining another container is not there yet")));
        }
    }
    if wish.uts == NamespaceMode::Host && request.hostname.is_some() {
        return Err(invalid("--hostname and --uts host conflict: the name is the machine's"));
    }
    if wish.oom_score_adj.is_some_and(|score| !(-1000..=1000).contains(&score)) {
        return Err(invalid("--oom-score-adj is out of range: -1000 to 1000"));
    }
    Ok(isolation)
}

fn user_namespace(wish: &Isolation, around: &Surroundings) -> Result<UserNamespaceMode> {
    let sees_processes = wish.pid == NamespaceMode::Host;
    match wish.user_namespace {
        UserNamespaceMode::Private if !around.user_namespaces => Err(invalid(
            "--userns private: this machine's ids cannot be given away from inside a user namespace that has only some of them",
        )),
        UserNamespaceMode::Private if sees_processes => Err(invalid(
            "--userns private and --pid host conflict: the kernel shows the machine's processes only without a user namespace",
        )),
        UserNamespaceMode::Auto if wish.privileged || sees_processes || !around.user_namespaces => {
            Ok(UserNamespaceMode::Host)
        }
        UserNamespaceMode::Auto => Ok(UserNamespaceMode::Private),
        given => Ok(given),
    }
}

/// `user[:group]` without numbers that wrap around to others, root among them (CVE-2024-40635).
pub(super) fn checked_user(text: &str) -> Result<()> {
    for part in text.split(':') {
        let digits = part.strip_prefix(['-', '+']).unwrap_or(part);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && !part.parse::<i64>().is_ok_and(|id| (0..=LARGEST_ID).contains(&id)) {
            return Err(invalid(format!("invalid user {text:?}: the id {part} is out of range, 0 to {LARGEST_ID}")));
        }
    }
    Ok(())
}

/// Only settings of a namespace that is the container's own: others would be the machine's.
fn check_sysctls(request: &CreateRequest) -> Result<()> {
    let isolation = &request.isolation;
    for key in isolation.sysctls.keys() {
        let key = key.replace('/', ".");
        let queues = key.starts_with("fs.mqueue.") || key.starts_with("kernel.msg") || key.starts_with("kernel.shm");
        let owner = if key.starts_with("net.") {
            Some(("network", matches!(request.network, Some(NetworkMode::Host | NetworkMode::Container(_)))))
        } else if queues || key == "kernel.sem" {
            Some(("ipc", isolation.ipc == NamespaceMode::Host))
        } else if key == "kernel.domainname" || key == "kernel.hostname" {
            Some(("uts", isolation.uts == NamespaceMode::Host))
        } else {
            None
        };
        match owner {
            None => {
                return Err(invalid(format!(
                    "--sysctl {key}: it is a setting of the whole machine, not of a namespace"
                )));
            }
            Some((namespace, true)) => {
                return Err(invalid(format!("--sysctl {key}: the {namespace} namespace is the machine's")));
            }
            Some(_) if key.contains("..") => return Err(invalid(format!("--sysctl {key}: no such setting"))),
            Some(_) => {}
        }
    }
    Ok(())
}

fn device(wish: &DeviceMapping) -> Result<DeviceMapping> {
    let access = if wish.access.is_empty() { "rwm" } else { &wish.access };
    if !access.chars().all(|letter| "rwm".contains(letter)) {
        return Err(invalid(format!("--device {}: access is of r, w and m", wish.source.display())));
    }
    Ok(DeviceMapping {
        source: absolute("--device", &wish.source)?,
        target: absolute("--device", &wish.target)?,
        access: access.to_owned(),
    })
}

fn memory_folders(request: &CreateRequest) -> Result<Vec<TmpfsMount>> {
    let mut folders: Vec<TmpfsMount> = Vec::new();
    for wish in &request.isolation.tmpfs {
        let target = absolute("--tmpfs", &wish.target)?;
        let taken = folders.iter().any(|other| other.target == target)
            || request.mounts.iter().any(|mount| mount.target.components().eq(target.components()));
        if taken || target == Path::new("/") {
            return Err(invalid(format!("--tmpfs {}: something else is mounted there", target.display())));
        }
        folders.push(TmpfsMount { target, options: wish.options.clone() });
    }
    Ok(folders)
}

fn absolute(flag: &str, path: &Path) -> Result<PathBuf> {
    let climbs = path.components().any(|part| part == Component::ParentDir);
    if !path.is_absolute() || climbs || path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(invalid(format!("{flag} {path:?}: it must be an absolute path without ..")));
    }
    Ok(path.components().collect())
}

fn paths(option: &str, wished: &[String]) -> Result<Vec<String>> {
    let one = |path: &String| {
        let path = absolute(&format!("--security-opt {option}="), Path::new(path))?;
        Ok(path.to_string_lossy().into_owned())
    };
    wished.iter().map(one).collect()
}

fn invalid(what: impl Into<String>) -> EngineError {
    EngineError::Invalid { what: what.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(user_namespaces: bool) -> Surroundings {
        Surroundings { default_hostname: "box".into(), machine_hostname: "machine".into(), cpus: 2, user_namespaces }
    }

    fn request(isolation: Isolation) -> CreateRequest {
        CreateRequest { isolation, ..CreateRequest::default() }
    }

    fn refused(isolation: Isolation) -> String {
        super::isolation(&request(isolation), &around(true)).expect_err("must be refused").to_string()
    }

    #[test]
    fn user_namespace_is_private_unless_something_opens_it() {
        let mode = |wish: Isolation, possible| {
            isolation(&request(wish), &around(possible)).map(|isolation| isolation.user_namespace).ok()
        };
        let wish = |user_namespace| Isolation { user_namespace, ..Isolation::default() };
        let (private, host) = (UserNamespaceMode::Private, UserNamespaceMode::Host);
        assert_eq!(mode(Isolation::default(), true), Some(private));
        assert_eq!(mode(Isolation::default(), false), Some(host));
        assert_eq!(mode(wish(host), true), Some(host));
        assert_eq!(mode(wish(private), false), None);
        let privileged = Isolation { privileged: true, ..Isolation::default() };
        assert_eq!(mode(privileged.clone(), true), Some(host));
        assert_eq!(mode(Isolation { user_namespace: private, ..privileged }, true), Some(private));
        let pids = Isolation { pid: NamespaceMode::Host, ..Isolation::default() };
        assert_eq!(mode(pids.clone(), true), Some(host));
        assert_eq!(mode(Isolation { user_namespace: private, ..pids }, true), None);
    }

    #[test]
    fn user_ids_that_wrap_are_refused_cve_2024_40635() {
        for text in ["2147483648", "4294967295", "4294967296", "-1", "0:4294967295", "1:-1", "99999999999999999999"] {
            assert!(checked_user(text).expect_err(text).to_string().contains("out of range"), "{text}");
        }
        for text in ["", "0", "2147483647:2147483647", "web", "web:staff", "7up", "-x"] {
            assert!(checked_user(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn settings_of_the_machine_are_refused() {
        let with = |key: &str| Isolation { sysctls: [(key.to_owned(), "1".to_owned())].into(), ..Isolation::default() };
        for key in ["kernel.core_pattern", "vm.swappiness", "fs.file-max", "net../x"] {
            assert!(refused(with(key)).contains("--sysctl"), "{key}");
        }
        assert!(refused(Isolation { ipc: NamespaceMode::Host, ..with("kernel.shmmax") }).contains("ipc"));
        assert!(isolation(&request(with("net.core.somaxconn")), &around(true)).is_ok());
        let host = CreateRequest { network: Some(NetworkMode::Host), ..request(with("net.core.somaxconn")) };
        assert!(isolation(&host, &around(true)).is_err());
    }

    #[test]
    fn paths_devices_and_folders_must_be_absolute_and_free() {
        let tmpfs = |target: &str| TmpfsMount { target: target.into(), options: Vec::new() };
        refused(Isolation { masked: vec!["etc".to_owned()], ..Isolation::default() });
        refused(Isolation { tmpfs: vec![tmpfs("/a"), tmpfs("/a/")], ..Isolation::default() });
        refused(Isolation { tmpfs: vec![tmpfs("/")], ..Isolation::default() });
        let device =
            |access: &str| DeviceMapping { source: "/dev/x".into(), target: "/dev/x".into(), access: access.into() };
        refused(Isolation { devices: vec![device("rx")], ..Isolation::default() });
        let wish = Isolation { devices: vec![device("")], ..Isolation::default() };
        let settled = isolation(&request(wish), &around(true)).expect("valid");
        assert_eq!(settled.devices[0].access, "rwm");
    }
}
