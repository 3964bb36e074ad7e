//! The flags that say how far a container is kept from the machine, in Docker's names, shared by `run` and `create`.

use std::collections::BTreeMap;

use clap::Args;

use super::failure::Failure;
use crate::model::{DeviceMapping, Isolation, NamespaceMode, SeccompChoice, UserNamespaceMode, parse_bytes};

/// What is opened, or shut further.
#[derive(Args, Clone, Debug, Default)]
pub struct IsolationFlags {
    /// Everything root can do on this machine: all capabilities, devices, paths, no user namespace
    #[arg(long)]
    pub privileged: bool,
    /// Ids inside: private (a range of its own), host (the machine's), auto
    #[arg(long, value_name = "MODE", value_parser = user_namespace)]
    pub userns: Option<UserNamespaceMode>,
    /// no-new-privileges[=false], seccomp=FILE|unconfined, apparmor=PROFILE, label=disable, systempaths=unconfined, mask=PATH:PATH…, unmask=ALL|PATH:PATH…
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Processes in sight: private or host
    #[arg(long, value_name = "MODE", value_parser = namespace)]
    pub pid: Option<NamespaceMode>,
    /// Shared memory and queues: private or host
    #[arg(long, value_name = "MODE", value_parser = ipc)]
    pub ipc: Option<NamespaceMode>,
    /// Host name: private or host
    #[arg(long, value_name = "MODE", value_parser = namespace)]
    pub uts: Option<NamespaceMode>,
    /// View of cgroups: private or host
    #[arg(long, value_name = "MODE", value_parser = namespace)]
    pub cgroupns: Option<NamespaceMode>,
    /// Show a device of this machine inside
    #[arg(long, value_name = "DEVICE[:TARGET[:rwm]]")]
    pub device: Vec<String>,
    /// A further group of the process, by number
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// How early the kernel kills it when memory is short, -1000 to 1000
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub oom_score_adj: Option<i32>,
    /// A kernel setting of its own namespaces, such as net.core.somaxconn=1024
    #[arg(long, value_name = "KEY=VALUE")]
    pub sysctl: Vec<String>,
    /// Size of /dev/shm (64m)
    #[arg(long, value_name = "BYTES")]
    pub shm_size: Option<String>,
    /// The cgroup below which its own is made
    #[arg(long, value_name = "CGROUP")]
    pub cgroup_parent: Option<String>,
}

/// What the flags say.
#[derive(Debug)]
pub struct Opened {
    pub isolation: Isolation,
    pub no_new_privileges: Option<bool>,
    pub seccomp: SeccompChoice,
}

impl IsolationFlags {
    pub fn read(&self) -> Result<Opened, Failure> {
        let isolation = Isolation {
            privileged: self.privileged,
            user_namespace: self.userns.unwrap_or_default(),
            pid: self.pid.clone().unwrap_or_default(),
            ipc: self.ipc.clone().unwrap_or_default(),
            uts: self.uts.clone().unwrap_or_default(),
            cgroup: self.cgroupns.clone().unwrap_or_default(),
            devices: self.device.iter().map(|text| device(text)).collect::<Result<_, _>>()?,
            groups: self.group_add.iter().map(|text| group(text)).collect::<Result<_, _>>()?,
            oom_score_adj: self.oom_score_adj,
            sysctls: self.sysctl.iter().map(|text| sysctl(text)).collect::<Result<BTreeMap<_, _>, _>>()?,
            shm_bytes: self.shm_size.as_deref().map(shm_size).transpose()?,
            cgroup_parent: self.cgroup_parent.clone().filter(|parent| !parent.is_empty()),
            ..Isolation::default()
        };
        let mut opened = Opened { isolation, no_new_privileges: None, seccomp: SeccompChoice::Default };
        for option in &self.security_opt {
            opened.take(option)?;
        }
        Ok(opened)
    }
}

impl Opened {
    fn take(&mut self, option: &str) -> Result<(), Failure> {
        let (key, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
        let isolation = &mut self.isolation;
        let paths = || value.split(':').filter(|path| !path.is_empty()).map(str::to_owned);
        match (key, value) {
            ("no-new-privileges", "" | "true") => self.no_new_privileges = Some(true),
            ("no-new-privileges", "false") => self.no_new_privileges = Some(false),
            ("seccomp", "unconfined") => self.seccomp = SeccompChoice::Unconfined,
            ("seccomp", "default" | "builtin") => self.seccomp = SeccompChoice::Default,
            ("seccomp", "") => return Err(Failure::usage("--security-opt seccomp= needs a file or unconfined")),
            ("seccomp", path) => self.seccomp = SeccompChoice::Profile(profile(path)?),
            ("apparmor", name) if !name.is_empty() => isolation.apparmor = Some(name.to_owned()),
            ("label", "disable") => isolation.selinux = Some("disable".to_owned()),
            ("label", part) => isolation.selinux = Some(label(isolation.selinux.as_deref(), part)?),
            ("systempaths", "unconfined") => isolation.system_paths_open = true,
            ("unmask", value) if value.eq_ignore_ascii_case("ALL") => isolation.system_paths_open = true,
            ("unmask", value) if !value.is_empty() => isolation.unmasked.extend(paths()),
            ("mask", value) if !value.is_empty() => isolation.masked.extend(paths()),
            _ => {
                return Err(Failure::usage(format!("unknown --security-opt {option:?}")).with_hint(
                    "there are no-new-privileges[=false], seccomp=FILE, seccomp=unconfined, apparmor=PROFILE, label=disable, \
                     systempaths=unconfined, mask=PATH and unmask=PATH",
                ));
            }
        }
        Ok(())
    }
}

fn profile(path: &str) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the seccomp profile {path}: {error}")))?;
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::usage(format!("the seccomp profile {path} is not JSON: {error}"))),
    }
}

/// One of a label's four parts put into its place, as Docker does it: `label=type:container_t`.
fn label(now: Option<&str>, part: &str) -> Result<String, Failure> {
    let unknown = || {
        Failure::usage(format!("unknown --security-opt label={part:?}"))
            .with_hint("there are label=disable, label=user:…, label=role:…, label=type:… and label=level:…")
    };
    let (key, value) = part.split_once(':').filter(|(_, value)| !value.is_empty()).ok_or_else(unknown)?;
    let place = ["user", "role", "type", "level"].iter().position(|known| *known == key).ok_or_else(unknown)?;
    let whole = now.filter(|label| *label != "disable").unwrap_or("system_u:system_r:container_t:s0");
    let mut parts: Vec<&str> = whole.splitn(4, ':').collect();
    parts[place] = value;
    Ok(parts.join(":"))
}

fn user_namespace(text: &str) -> Result<UserNamespaceMode, String> {
    match text {
        "host" => Ok(UserNamespaceMode::Host),
        "private" => Ok(UserNamespaceMode::Private),
        "auto" | "" => Ok(UserNamespaceMode::Auto),
        _ => Err("write private, host or auto".to_owned()),
    }
}

fn namespace(text: &str) -> Result<NamespaceMode, String> {
    match (text, text.strip_prefix("container:")) {
        ("private" | "", _) => Ok(NamespaceMode::Private),
        ("host", _) => Ok(NamespaceMode::Host),
        (_, Some(name)) if !name.is_empty() => Ok(NamespaceMode::Container(name.to_owned())),
        _ => Err("write private or host".to_owned()),
    }
}

/// Every container's may be shared, so Docker's `shareable` is nothing special.
fn ipc(text: &str) -> Result<NamespaceMode, String> {
    if text == "shareable" { Ok(NamespaceMode::Private) } else { namespace(text) }
}

fn device(text: &str) -> Result<DeviceMapping, Failure> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_access = |text: &str| !text.is_empty() && text.chars().all(|letter| "rwm".contains(letter));
    let (source, target, access) = match parts[..] {
        [source] => (source, source, "rwm"),
        [source, access] if is_access(access) => (source, source, access),
        [source, target] => (source, target, "rwm"),
        [source, target, access] if is_access(access) => (source, target, access),
        _ => ("", "", ""),
    };
    if !source.starts_with('/') || !target.starts_with('/') {
        return Err(Failure::usage(format!(
            "invalid device {text:?}: write DEVICE[:TARGET[:rwm]] with absolute paths"
        )));
    }
    Ok(DeviceMapping { source: source.into(), target: target.into(), access: access.to_owned() })
}

fn group(text: &str) -> Result<u32, Failure> {
    let number = text.parse().ok().filter(|number| i32::try_from(*number).is_ok());
    number.ok_or_else(|| Failure::usage(format!("invalid group {text:?}: --group-add takes a group's number")))
}

fn sysctl(text: &str) -> Result<(String, String), Failure> {
    let invalid = || Failure::usage(format!("invalid sysctl {text:?}: write KEY=VALUE"));
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(invalid)?;
    Ok((key.to_owned(), value.to_owned()))
}

fn shm_size(text: &str) -> Result<u64, Failure> {
    match parse_bytes(text) {
        Ok(0) => Err(Failure::usage("--shm-size: the size must be above 0")),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(Failure::usage(format!("--shm-size: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        flags: IsolationFlags,
    }

    fn read(line: &str) -> Result<Opened, String> {
        let parsed = Only::try_parse_from(["x"].into_iter().chain(line.split_whitespace()))
            .map_err(|error| error.to_string())?;
        parsed.flags.read().map_err(|failure| failure.message)
    }

    #[test]
    fn every_flag_reaches_its_field() {
        let line = "--privileged --userns host --pid host --ipc shareable --uts host --cgroupns host \
            --device /dev/fuse --device /dev/a:/dev/b:r --device /dev/c:rw --group-add 44 --oom-score-adj -500 \
            --sysctl net.core.somaxconn=5 --shm-size 1m --cgroup-parent /mine";
        let device = |source: &str, target: &str, access: &str| DeviceMapping {
            source: source.into(),
            target: target.into(),
            access: access.to_owned(),
        };
        let expected = Isolation {
            privileged: true,
            user_namespace: UserNamespaceMode::Host,
            pid: NamespaceMode::Host,
            uts: NamespaceMode::Host,
            cgroup: NamespaceMode::Host,
            devices: vec![
                device("/dev/fuse", "/dev/fuse", "rwm"),
                device("/dev/a", "/dev/b", "r"),
                device("/dev/c", "/dev/c", "rw"),
            ],
            groups: vec![44],
            oom_score_adj: Some(-500),
            sysctls: [("net.core.somaxconn".to_owned(), "5".to_owned())].into(),
            shm_bytes: Some(1 << 20),
            cgroup_parent: Some("/mine".to_owned()),
            ..Isolation::default()
        };
        assert_eq!(read(line).expect("parses").isolation, expected);
        assert_eq!(read("").expect("nothing").isolation, Isolation::default());
    }

    #[test]
    fn security_options_open_what_they_name() {
        let opened = read("--security-opt no-new-privileges=false --security-opt seccomp=unconfined").expect("parses");
        assert_eq!((opened.no_new_privileges, opened.seccomp), (Some(false), SeccompChoice::Unconfined));
        let opened =
            read("--security-opt no-new-privileges --security-opt apparmor=unconfined --security-opt mask=/a:/b");
        let opened = opened.expect("parses");
        assert_eq!((opened.no_new_privileges, opened.seccomp), (Some(true), SeccompChoice::Default));
        assert_eq!(opened.isolation.apparmor.as_deref(), Some("unconfined"));
        assert_eq!(opened.isolation.masked, ["/a", "/b"]);
        assert!(read("--security-opt systempaths=unconfined").expect("parses").isolation.system_paths_open);
        assert!(read("--security-opt unmask=ALL").expect("parses").isolation.system_paths_open);
        assert_eq!(read("--security-opt unmask=/proc/kcore").expect("parses").isolation.unmasked, ["/proc/kcore"]);
        let label = |line: &str| read(line).expect("parses").isolation.selinux;
        assert_eq!(label("--security-opt label=disable").as_deref(), Some("disable"));
        assert_eq!(
            label("--security-opt label=type:spc_t --security-opt label=level:s0:c1,c2").as_deref(),
            Some("system_u:system_r:spc_t:s0:c1,c2")
        );
    }

    #[test]
    fn wrong_values_are_refused() {
        for line in [
            "--userns keep-id",
            "--pid all",
            "--device fuse",
            "--device /dev/a:/dev/b:x",
            "--group-add -1",
            "--group-add 4294967295",
            "--oom-score-adj x",
            "--sysctl x",
            "--shm-size 0",
            "--security-opt seccomp=/nope",
            "--security-opt seccomp=",
            "--security-opt no-new-privileges=maybe",
            "--security-opt label=shape:x",
            "--security-opt pizza",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
