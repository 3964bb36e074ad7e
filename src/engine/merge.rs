//! A wish and an image's configuration become a container's configuration, by Docker's rules. Nothing here does I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use oci_spec::runtime::{Capability, PosixRlimitType};

use super::isolation::{checked_user, isolation};
use super::{EngineError, Result, limits};
use crate::model::{
    ContainerConfig, CreateRequest, ExposedPort, ImageConfig, Mount, MountSource, NamespaceMode, NetworkMode, PortWish,
    Rlimit, SeccompChoice, Signal,
};
use crate::runtime::seccomp;

pub(super) const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const STOP_TIMEOUT_MS: u64 = 10_000;

/// What the merge needs to know beside the wish and the image.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// The host name of a container that is not given one: its short id.
    pub default_hostname: String,
    /// The machine's own host name, which containers on its network share.
    pub machine_hostname: String,
    /// Processors online.
    pub cpus: u32,
    /// Whether containers can have user namespaces of their own.
    pub user_namespaces: bool,
}

/// The complete, valid configuration; or the first thing that is wrong, in one line.
pub(super) fn merge(request: &CreateRequest, image: &ImageConfig, around: &Surroundings) -> Result<ContainerConfig> {
    limits::check_restart(request.restart, request.auto_remove)?;
    super::naming::check(request)?;
    let hostname = hostname(request, around)?;
    let user = request.user.clone().or_else(|| image.user.clone()).unwrap_or_default();
    checked_user(&user)?;
    let exposed = exposed(request, image);
    let config = ContainerConfig {
        command: command(request, image)?,
        env: environment(request, image, &hostname)?,
        workdir: workdir(request, image)?,
        user,
        hostname,
        tty: request.tty,
        stdin_open: request.stdin_open,
        auto_remove: request.auto_remove,
        init: request.init,
        read_only: request.read_only,
        network: request.network.clone().unwrap_or_default(),
        networks: request.networks.clone(),
        ports: ports(request, &exposed)?,
        exposed,
        publish_all: request.publish_all,
        extra_hosts: request.extra_hosts.clone(),
        dns: request.dns.clone(),
        mounts: mounts(&request.mounts)?,
        cap_add: capabilities(&request.cap_add)?,
        cap_drop: capabilities(&request.cap_drop)?,
        no_new_privileges: request.no_new_privileges.unwrap_or(!request.isolation.privileged),
        seccomp: checked_seccomp(&request.seccomp)?,
        isolation: isolation(request, around)?,
        limits: limits::checked(&request.limits, around.cpus)?,
        restart: request.restart,
        rlimits: rlimits(&request.rlimits)?,
        stop_signal: stop_signal(request, image)?,
        stop_timeout_ms: request.stop_timeout_ms.unwrap_or(STOP_TIMEOUT_MS),
        labels: labels(&image.labels, &request.labels),
        detach_keys: request.detach_keys.clone(),
    };
    let texts = config.command.iter().chain(&config.env).chain([&config.user, &config.workdir]);
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(invalid("a command, variable, user or folder with a NUL character in it cannot be passed on"));
    }
    Ok(config)
}

fn invalid(what: impl Into<String>) -> EngineError {
    EngineError::Invalid { what: what.into() }
}

/// A given entry point drops the image's command too, even when it is given as empty (`--entrypoint ""`).
fn command(request: &CreateRequest, image: &ImageConfig) -> Result<Vec<String>> {
    let (entrypoint, default) = match &request.entrypoint {
        Some(given) => (given.as_slice(), &[][..]),
        None => (image.entrypoint.as_slice(), image.command.as_slice()),
    };
    let arguments = if request.command.is_empty() { default } else { request.command.as_slice() };
    let command: Vec<String> = entrypoint.iter().filter(|part| !part.is_empty()).chain(arguments).cloned().collect();
    match command.first() {
        None => Err(invalid("no command specified: the image has none, so give one behind the image's name")),
        Some(program) if program.is_empty() => Err(invalid("the command's first word, the program, is empty")),
        Some(_) => Ok(command),
    }
}

/// PATH, HOSTNAME and TERM first, the image's over them, the user's over those. `KEY` without `=` takes a variable away.
fn environment(request: &CreateRequest, image: &ImageConfig, hostname: &str) -> Result<Vec<String>> {
    let mut env = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={hostname}")];
    if request.tty {
        env.push("TERM=xterm".to_owned());
    }
    image.env.iter().for_each(|entry| lay_over(&mut env, entry));
    for entry in &request.env {
        if entry.is_empty() || entry.starts_with('=') {
            return Err(invalid(format!("invalid environment variable: {entry:?} has no name")));
        }
        lay_over(&mut env, entry);
    }
    Ok(env)
}

fn lay_over(env: &mut Vec<String>, entry: &str) {
    let key = entry.split('=').next().unwrap_or_default();
    let place = env.iter().position(|known| known.split('=').next() == Some(key));
    match (place, entry.contains('=')) {
        (Some(place), true) => entry.clone_into(&mut env[place]),
        (Some(place), false) => {
            env.remove(place);
        }
        (None, true) => env.push(entry.to_owned()),
        (None, false) => {}
    }
}

fn workdir(request: &CreateRequest, image: &ImageConfig) -> Result<String> {
    let workdir = request.workdir.as_ref().or(image.workdir.as_ref()).map_or("/", String::as_str);
    match workdir {
        "" => Ok("/".to_owned()),
        absolute if absolute.starts_with('/') => Ok(absolute.to_owned()),
        relative => Err(invalid(format!("the working directory {relative:?} must be an absolute path"))),
    }
}

fn hostname(request: &CreateRequest, around: &Surroundings) -> Result<String> {
    let Some(hostname) = &request.hostname else {
        let shares = request.network == Some(NetworkMode::Host) || request.isolation.uts == NamespaceMode::Host;
        return Ok(if shares { around.machine_hostname.clone() } else { around.default_hostname.clone() });
    };
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    // 64 is the kernel's __NEW_UTS_LEN.
    if hostname.len() <= 64 && hostname.split('.').all(label) {
        Ok(hostname.clone())
    } else {
        Err(invalid(format!("invalid hostname: {hostname:?} (letters, digits, - and . between, at most 64)")))
    }
}

/// What the image and the user say it serves. What cannot be read in an image is left out, as Docker does.
fn exposed(request: &CreateRequest, image: &ImageConfig) -> Vec<ExposedPort> {
    let of_image = image.exposed_ports.iter().filter_map(|text| ExposedPort::parse(text).ok()).flatten();
    let all: BTreeSet<ExposedPort> = of_image.chain(request.exposed.iter().copied()).collect();
    all.into_iter().collect()
}

/// The wished ones, and with `-P` a free one for each exposed port that is not among them.
fn ports(request: &CreateRequest, exposed: &[ExposedPort]) -> Result<Vec<PortWish>> {
    let mut ports: Vec<PortWish> = Vec::with_capacity(request.ports.len());
    for wish in &request.ports {
        let place = |it: &PortWish| (it.protocol, it.host, it.host_port);
        if wish.host_port.is_some() && ports.iter().any(|other| place(other) == place(wish)) {
            let port = wish.host_port.unwrap_or_default();
            return Err(invalid(format!("port {port}/{} is to be published twice", wish.protocol)));
        }
        ports.push(wish.clone());
    }
    let published = |ports: &[PortWish], it: &ExposedPort| {
        ports.iter().any(|wish| (wish.container_port, wish.protocol) == (it.port, it.protocol))
    };
    for it in exposed.iter().filter(|it| request.publish_all && !published(&ports, it)).collect::<Vec<_>>() {
        ports.push(PortWish { protocol: it.protocol, host: None, host_port: None, container_port: it.port });
    }
    Ok(ports)
}

/// The mounts with plain targets, or what is wrong with one.
pub(super) fn mounts(wished: &[Mount]) -> Result<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::with_capacity(wished.len());
    for mount in wished {
        if let MountSource::Bind { path, .. } = &mount.source {
            absolute("source", path)?;
        }
        absolute("target", &mount.target)?;
        // Compared and kept as components, so that `/a/` and `/a//.` are `/a`.
        let target: PathBuf = mount.target.components().collect();
        if target == Path::new("/") {
            return Err(invalid("invalid mount: the target cannot be the container's root /"));
        }
        if mounts.iter().any(|other| other.target == target) {
            return Err(invalid(format!("duplicate mount point: {}", target.display())));
        }
        mounts.push(Mount { target, ..mount.clone() });
    }
    Ok(mounts)
}

fn absolute(side: &str, path: &Path) -> Result<()> {
    let climbs = path.components().any(|part| part == Component::ParentDir);
    if !path.is_absolute() || climbs || path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(invalid(format!("invalid mount: the {side} {path:?} must be an absolute path without ..")));
    }
    Ok(())
}

/// `NET_ADMIN`, `net_admin` and `CAP_NET_ADMIN` are the same.
fn capabilities(wished: &[String]) -> Result<Vec<String>> {
    let known = |name: &String| {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if bare == "ALL" {
            return Ok("ALL".to_owned());
        }
        Capability::from_str(bare)
            .map(|_| format!("CAP_{bare}"))
            .map_err(|_| invalid(format!("invalid capability: unknown capability {name:?}")))
    };
    wished.iter().map(known).collect()
}

fn checked_seccomp(choice: &SeccompChoice) -> Result<SeccompChoice> {
    if let SeccompChoice::Profile(text) = choice {
        seccomp::parse(text, &[])?;
    }
    Ok(choice.clone())
}

fn rlimits(wished: &[Rlimit]) -> Result<Vec<Rlimit>> {
    let known = |limit: &Rlimit| {
        let upper = limit.name.to_ascii_uppercase();
        let bare = upper.strip_prefix("RLIMIT_").unwrap_or(&upper);
        let name = format!("RLIMIT_{bare}");
        let text = serde_json::Value::String(name.clone());
        if serde_json::from_value::<PosixRlimitType>(text).is_err() {
            return Err(invalid(format!("invalid ulimit: there is no limit called {:?}", limit.name)));
        }
        if limit.soft > limit.hard {
            return Err(invalid(format!("invalid ulimit {bare}: the soft limit is above the hard limit")));
        }
        Ok(Rlimit { name, ..limit.clone() })
    };
    wished.iter().map(known).collect()
}

fn stop_signal(request: &CreateRequest, image: &ImageConfig) -> Result<Signal> {
    match (request.stop_signal, image.stop_signal.as_deref()) {
        (Some(signal), _) => Ok(signal),
        (None, Some(text)) if !text.is_empty() => {
            text.parse().map_err(|_| invalid(format!("the image's stop signal {text:?} is no signal")))
        }
        (None, _) => Ok(Signal::TERM),
    }
}

fn labels(image: &BTreeMap<String, String>, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut labels = image.clone();
    labels.extend(given.clone());
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Limits;

    fn around() -> Surroundings {
        Surroundings {
            default_hostname: "0123456789ab".into(),
            machine_hostname: "machine".into(),
            cpus: 2,
            user_namespaces: true,
        }
    }

    fn words(text: &str) -> Vec<String> {
        text.split_ascii_whitespace().map(str::to_owned).collect()
    }

    fn image() -> ImageConfig {
        ImageConfig { entrypoint: words("/entry -x"), command: words("serve all"), ..ImageConfig::default() }
    }

    fn merged(request: &CreateRequest, image: &ImageConfig) -> ContainerConfig {
        merge(request, image, &around()).expect("valid")
    }

    fn refused(request: &CreateRequest) -> String {
        let error = merge(request, &image(), &around()).expect_err("must be refused");
        assert_eq!(error.kind(), crate::model::ErrorKind::InvalidInput);
        error.to_string()
    }

    #[test]
    fn command_is_entry_point_and_command_by_dockers_table() {
        let case = |entrypoint: Option<&str>, command: &str| {
            let request = CreateRequest {
                entrypoint: entrypoint.map(words),
                command: words(command),
                ..CreateRequest::default()
            };
            merge(&request, &image(), &around()).map(|config| config.command.join(" ")).ok()
        };
        assert_eq!(case(None, "").as_deref(), Some("/entry -x serve all"));
        assert_eq!(case(None, "one").as_deref(), Some("/entry -x one"));
        assert_eq!(case(Some("/other"), "").as_deref(), Some("/other"));
        assert_eq!(case(Some("/other"), "one").as_deref(), Some("/other one"));
        assert_eq!(case(Some(""), "one").as_deref(), Some("one"));
        assert_eq!(case(Some(""), ""), None);
    }

    #[test]
    fn environment_of_user_wins_over_image_wins_over_defaults() {
        let image = ImageConfig { env: words("PATH=/image A=1 B=2"), ..image() };
        let request = CreateRequest { env: words("B=3 C=4= A"), tty: true, ..CreateRequest::default() };
        assert_eq!(merged(&request, &image).env, words("PATH=/image HOSTNAME=0123456789ab TERM=xterm B=3 C=4="));
        assert!(merged(&CreateRequest::default(), &image).env.iter().all(|entry| !entry.starts_with("TERM")));
        assert!(refused(&CreateRequest { env: words("=x"), ..CreateRequest::default() }).contains("no name"));
    }

    #[test]
    fn image_gives_what_the_wish_leaves_open() {
        let image = ImageConfig {
            workdir: Some("/srv".into()),
            user: Some("www".into()),
            stop_signal: Some("SIGQUIT".into()),
            labels: [("a".into(), "image".into()), ("b".into(), "image".into())].into(),
            ..image()
        };
        let config = merged(&CreateRequest::default(), &image);
        assert_eq!((config.workdir.as_str(), config.user.as_str()), ("/srv", "www"));
        assert_eq!(config.stop_signal.to_string(), "SIGQUIT");
        assert_eq!((config.stop_timeout_ms, config.no_new_privileges), (10_000, true));
        let request = CreateRequest {
            workdir: Some("/x".into()),
            user: Some("0".into()),
            stop_signal: Some(Signal::INT),
            labels: [("b".into(), "mine".into())].into(),
            no_new_privileges: Some(false),
            ..CreateRequest::default()
        };
        let config = merged(&request, &image);
        assert_eq!((config.workdir.as_str(), config.user.as_str()), ("/x", "0"));
        assert_eq!((config.stop_signal, config.no_new_privileges), (Signal::INT, false));
        assert_eq!(config.labels, [("a".into(), "image".into()), ("b".into(), "mine".into())].into());
    }

    #[test]
    fn hostname_is_short_id_or_the_machines_on_its_network() {
        assert_eq!(merged(&CreateRequest::default(), &image()).hostname, "0123456789ab");
        let host = CreateRequest { network: Some(NetworkMode::Host), ..CreateRequest::default() };
        assert_eq!(merged(&host, &image()).hostname, "machine");
        for bad in ["", "-a", "a-", "a..b", "a b", "a\u{1b}", &"x".repeat(65)] {
            refused(&CreateRequest { hostname: Some(bad.to_owned()), ..CreateRequest::default() });
        }
    }

    #[test]
    fn mounts_that_climb_repeat_or_cover_the_root_are_refused() {
        let mount = |source: &str, target: &str| Mount::bind(source, target);
        let wish = |mounts: Vec<Mount>| CreateRequest { mounts, ..CreateRequest::default() };
        for bad in [
            vec![mount("a", "/a")],
            vec![mount("/a", "a")],
            vec![mount("/a", "/a/../b")],
            vec![mount("/a", "/")],
            vec![mount("/a", "/x"), mount("/b", "/x/")],
        ] {
            refused(&wish(bad));
        }
        let config = merged(&wish(vec![mount("/a", "/x//y/")]), &image());
        assert_eq!(config.mounts[0].target, Path::new("/x/y"));
    }

    #[test]
    fn capabilities_are_normalised_and_unknown_ones_refused() {
        let request = CreateRequest { cap_add: words("net_admin CAP_SYS_TIME all"), ..CreateRequest::default() };
        assert_eq!(merged(&request, &image()).cap_add, words("CAP_NET_ADMIN CAP_SYS_TIME ALL"));
        refused(&CreateRequest { cap_drop: words("CAP_FLY"), ..CreateRequest::default() });
    }

    #[test]
    fn limits_out_of_range_are_refused_and_zero_is_none() {
        let wish = |memory_bytes, cpu_milli| CreateRequest {
            limits: Limits { memory_bytes, cpu_milli, pids: Some(0), ..Limits::default() },
            ..CreateRequest::default()
        };
        assert!(refused(&wish(Some(5 << 20), None)).contains("6mb"));
        assert!(refused(&wish(None, Some(2001))).contains("only 2 CPUs"));
        assert_eq!(merged(&wish(Some(0), None), &image()).limits, Limits::default());
        let rlimit = |name: &str, soft, hard| CreateRequest {
            rlimits: vec![Rlimit { name: name.into(), soft, hard }],
            ..CreateRequest::default()
        };
        assert_eq!(merged(&rlimit("nofile", 1, 2), &image()).rlimits[0].name, "RLIMIT_NOFILE");
        refused(&rlimit("nofile", 2, 1));
        refused(&rlimit("pizza", 1, 2));
    }

    #[test]
    fn relative_workdir_and_nul_are_refused() {
        refused(&CreateRequest { workdir: Some("x".into()), ..CreateRequest::default() });
        refused(&CreateRequest { command: vec!["a\0b".into()], ..CreateRequest::default() });
    }
}
