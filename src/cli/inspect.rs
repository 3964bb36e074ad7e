//! `inspect`: everything of containers, images and networks, in Docker's JSON shape.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::failure::{Failure, Outcome};
use super::image_inspect::image_value;
use super::lifecycle::reported;
use super::limits::host_limits;
use super::mounts::value;
use super::network::described;
use super::network_settings;
use super::output::Output;
use super::template::{Subject, Template};
use crate::engine::{Engine, EngineError};
use crate::model::{
    ContainerInspect, ContainerState, ErrorKind, ExitReason, NamespaceMode, SeccompChoice, UserNamespaceMode,
    printable_line,
};

/// Show everything known of containers, images, networks or volumes.
#[derive(Args, Clone, Debug)]
pub struct Inspect {
    /// A template such as {{.State.Status}}, or json
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show what keeps a running container apart from this machine, read back from the kernel
    #[arg(long, conflicts_with = "size")]
    security: bool,
    /// Count the bytes in the writable layer
    #[arg(short, long)]
    size: bool,
    /// Look for containers, images, networks or volumes only
    #[arg(long, value_name = "TYPE")]
    r#type: Option<Kind>,
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Container,
    Image,
    Network,
    Volume,
}

impl Inspect {
    /// The same wish, for one kind of object.
    pub fn only(&self, kind: Kind) -> Self {
        Self { r#type: Some(kind), ..self.clone() }
    }
}

pub fn inspect(engine: &Engine, wish: &Inspect) -> Outcome {
    if wish.security {
        return super::security::security(engine, wish.format.as_deref(), &wish.names);
    }
    let template = template(wish.format.as_deref())?;
    let mut worst = 0;
    let mut found = Vec::new();
    for name in &wish.names {
        match look_up(engine, wish, name) {
            Ok(value) => found.push(value),
            Err(failure) => worst = reported(&failure, worst),
        }
    }
    show_found(found, template, wish.format.as_deref())?;
    Ok(worst)
}

/// What `--format` says; none where it wants JSON.
pub fn template(format: Option<&str>) -> Result<Option<Template>, Failure> {
    match format {
        None | Some("json" | "") => Ok(None),
        Some(text) => Ok(Some(text.parse()?)),
    }
}

/// Prints what was found by the template, or as JSON: on one line where `--format json` asks for it.
pub fn show_found(found: Vec<Value>, template: Option<Template>, format: Option<&str>) -> Result<(), Failure> {
    let mut out = Output::open();
    match template {
        Some(template) => {
            for value in &found {
                let labels = None;
                out.line(&template.fill(Subject { fields: value, labels })?)?;
            }
        }
        None if format == Some("json") => out.line(&Value::Array(found).to_string())?,
        None => {
            let text = serde_json::to_string_pretty(&found).map_err(|error| Failure::new(error.to_string()))?;
            out.line(&text)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn look_up(engine: &Engine, wish: &Inspect, name: &str) -> Result<Value, Failure> {
    let image = || engine.image_inspect(name).map(|image| image_value(&image));
    let network = || engine.network_inspect(name).map(|network| described(&network));
    let volume = || engine.volume_inspect(name).map(|volume| super::volume::described(&volume));
    match wish.r#type {
        Some(Kind::Image) => return Ok(image()?),
        Some(Kind::Network) => return Ok(network()?),
        Some(Kind::Volume) => return Ok(volume()?),
        Some(Kind::Container) | None => {}
    }
    let looked = if wish.size { engine.inspect_with_size(name) } else { engine.inspect(name) };
    match looked {
        Ok(container) => Ok(container_value(&container)),
        Err(error) if error.kind() == ErrorKind::NotFound && wish.r#type.is_none() => {
            let found = match image() {
                Err(EngineError::NoSuchImage { .. }) => match network() {
                    Ok(network) => return Ok(network),
                    Err(_) if volume().is_ok() => return Ok(volume()?),
                    Err(_) => image(),
                },
                found => found,
            };
            found.map_err(|error| match error {
                EngineError::NoSuchImage { .. } => {
                    Failure::new(format!("No such container, image, network or volume: {}", printable_line(name)))
                        .with_hint("`teu ps -a`, `teu images`, `teu network ls` and `teu volume ls` list what there is")
                }
                error => error.into(),
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Docker's zero of a time.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Docker's word for a private one.
fn mode(mode: &NamespaceMode) -> String {
    match mode {
        NamespaceMode::Private => "private".to_owned(),
        NamespaceMode::Host => "host".to_owned(),
        NamespaceMode::Container(name) => format!("container:{name}"),
    }
}

fn container_value(inspect: &ContainerInspect) -> Value {
    let record = &inspect.record;
    let config = &record.config;
    let (program, arguments) =
        config.command.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let mounts = value::mounted(&config.mounts, &inspect.volumes);
    let mut security: Vec<String> = Vec::new();
    if config.no_new_privileges {
        security.push("no-new-privileges".to_owned());
    }
    match config.seccomp {
        SeccompChoice::Default => {}
        SeccompChoice::Unconfined => security.push("seccomp=unconfined".to_owned()),
        SeccompChoice::Profile(_) => security.push("seccomp=profile".to_owned()),
    }
    let ulimits: Vec<Value> = config
        .rlimits
        .iter()
        .map(|limit| {
            let name = limit.name.strip_prefix("RLIMIT_").unwrap_or(&limit.name).to_ascii_lowercase();
            json!({"Name": name, "Soft": limit.soft, "Hard": limit.hard})
        })
        .collect();
    let mut value = json!({
        "Id": record.id,
        "Created": record.created,
        "Path": program,
        "Args": arguments,
        "State": state_value(&inspect.state),
        "RestartCount": inspect.restarts,
        "Image": record.image_id,
        "Name": format!("/{}", record.name),
        "LogPath": inspect.log_path,
        "Platform": "linux",
        "Driver": "overlay2",
        "Sessions": inspect.sessions.iter().map(|session| json!({
            "Id": session.id,
            "Command": session.command,
            "Tty": session.tty,
            "Pid": session.pid,
            "StartedAt": session.started,
        })).collect::<Vec<_>>(),
        "HostConfig": {
            "AutoRemove": config.auto_remove,
            "CapAdd": config.cap_add,
            "CapDrop": config.cap_drop,
            "CgroupParent": inspect.cgroup.clone().unwrap_or_default(),
            "Init": config.init,
            "LogConfig": {"Type": "json-file", "Config": {}},
            "Privileged": config.isolation.privileged,
            "UsernsMode": if config.isolation.user_namespace == UserNamespaceMode::Host { "host" } else { "private" },
            "PidMode": mode(&config.isolation.pid),
            "IpcMode": mode(&config.isolation.ipc),
            "UTSMode": mode(&config.isolation.uts),
            "CgroupnsMode": mode(&config.isolation.cgroup),
            "ReadonlyRootfs": config.read_only,
            "RestartPolicy": {"Name": config.restart.name(), "MaximumRetryCount": config.restart.most()},
            "SecurityOpt": security,
            "Ulimits": ulimits,
        },
        "Mounts": mounts,
        "Config": {
            "Hostname": config.hostname,
            "User": config.user,
            "Tty": config.tty,
            "OpenStdin": config.stdin_open,
            "Env": config.env,
            "Cmd": config.command,
            "Image": record.image,
            "WorkingDir": config.workdir,
            "ExposedPorts": network_settings::exposed(config),
            "Volumes": value::anonymous(config),
            "Labels": config.labels,
            "StopSignal": config.stop_signal,
            "StopTimeout": config.stop_timeout_ms / 1000,
        },
        "NetworkSettings": network_settings::settings(inspect),
    });
    if let Some(host) = value["HostConfig"].as_object_mut() {
        host.extend(host_limits(&config.limits));
        host.extend(value::wished(config));
        host.extend(network_settings::host(config));
    }
    if let (Some(bytes), Some(object)) = (inspect.size_rw_bytes, value.as_object_mut()) {
        object.insert("SizeRw".to_owned(), Value::from(bytes));
    }
    value
}

fn state_value(state: &ContainerState) -> Value {
    let (started, finished, code, error, oom) = match state {
        ContainerState::Created => (None, None, 0, None, false),
        ContainerState::Running { started, .. } | ContainerState::Paused { started, .. } => {
            (Some(*started), None, 0, None, false)
        }
        ContainerState::Restarting(exit) | ContainerState::Exited(exit) => {
            (exit.started, Some(exit.finished), exit.code, exit.message.clone(), exit.reason == ExitReason::OutOfMemory)
        }
    };
    let time = |time: Option<crate::model::Timestamp>| time.map_or_else(|| NEVER.to_owned(), |time| time.to_string());
    json!({
        "Status": state.word(),
        "Running": state.is_running(),
        "Paused": matches!(state, ContainerState::Paused { .. }),
        "Restarting": matches!(state, ContainerState::Restarting(_)),
        "OOMKilled": oom,
        "Dead": false,
        "Pid": state.pid().unwrap_or(0),
        "ExitCode": code,
        "ExitReason": match state {
            ContainerState::Restarting(exit) | ContainerState::Exited(exit) => json!(exit.reason),
            _ => Value::Null,
        },
        "Error": error.unwrap_or_default(),
        "StartedAt": time(started),
        "FinishedAt": time(finished),
    })
}

#[cfg(test)]
pub(super) use tests::container as sample;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{
        ContainerConfig, ContainerRecord, ExitStatus, Id, Limits, NetworkMode, RestartPolicy, Rlimit, Signal, Timestamp,
    };

    pub(in crate::cli) fn container() -> ContainerInspect {
        let config = ContainerConfig {
            command: vec!["/bin/sh".to_owned(), "-c".to_owned(), "true".to_owned()],
            env: vec!["PATH=/bin".to_owned()],
            workdir: "/".to_owned(),
            user: String::new(),
            hostname: "box".to_owned(),
            tty: true,
            stdin_open: false,
            auto_remove: false,
            init: false,
            read_only: true,
            network: NetworkMode::None,
            networks: vec![],
            ports: vec![],
            exposed: vec![],
            publish_all: false,
            extra_hosts: vec![],
            dns: crate::model::DnsWish::default(),
            mounts: vec![crate::model::Mount::bind("/a", "/b").read_only()],
            cap_add: vec!["CAP_NET_ADMIN".to_owned()],
            cap_drop: Vec::new(),
            no_new_privileges: true,
            seccomp: SeccompChoice::Unconfined,
            isolation: crate::model::Isolation::default(),
            limits: Limits { memory_bytes: Some(64 << 20), cpu_milli: Some(1500), ..Limits::default() },
            restart: RestartPolicy::OnFailure { most: Some(3) },
            rlimits: vec![Rlimit { name: "RLIMIT_NOFILE".to_owned(), soft: 1, hard: 2 }],
            stop_signal: Signal::TERM,
            stop_timeout_ms: 10_000,
            labels: BTreeMap::from([("a".to_owned(), "1".to_owned())]),
            detach_keys: None,
        };
        let exit = ExitStatus {
            code: 137,
            reason: ExitReason::OutOfMemory,
            finished: Timestamp::EPOCH,
            started: Some(Timestamp::EPOCH),
            message: None,
            restarts: 3,
        };
        ContainerInspect {
            record: ContainerRecord {
                id: Id::from_bytes([1; 32]),
                name: "web".parse().expect("name"),
                created: Timestamp::EPOCH,
                image: "debian:12".to_owned(),
                image_id: None,
                layers: Vec::new(),
                config,
                id_range: None,
            },
            state: ContainerState::Exited(exit),
            restarts: 3,
            image_reference: None,
            log_path: "/log".into(),
            cgroup: None,
            sessions: Vec::new(),
            ports: vec![],
            networks: vec![],
            volumes: BTreeMap::new(),
            size_rw_bytes: Some(42),
        }
    }

    #[test]
    fn container_value_has_dockers_shape() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&container_value(&container())).expect("json"));
    }

    #[test]
    fn templates_people_use_on_containers_work() {
        let value = container_value(&container());
        for (template, expected) in [
            ("{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}", "exited 137 true"),
            ("{{.Name}} {{.Config.Image}}", "/web debian:12"),
            ("{{range .Mounts}}{{.Source}}:{{.Destination}}{{end}}", "/a:/b"),
            ("{{index .Config.Labels \"a\"}}", "1"),
            ("{{.HostConfig.Memory}}", "67108864"),
            ("{{json .Config.Cmd}}", "[\"/bin/sh\",\"-c\",\"true\"]"),
        ] {
            let template: Template = template.parse().expect(template);
            let filled = template.fill(Subject { fields: &value, labels: None });
            assert_eq!(filled.as_deref(), Ok(expected));
        }
    }
}
