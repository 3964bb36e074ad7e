//! `ps`: the containers.

use std::path::Path;

use clap::Args;

use super::failure::{Failure, Outcome};
use super::filter::{Filters, label_holds, name_holds};
use super::format::{Column, Format, Row, show};
use super::output::Output;
use super::published;
use super::wording::{self, Truncation};
use crate::engine::Engine;
use crate::model::{ContainerState, ContainerSummary, Mount, NetworkMode, Timestamp};

/// List containers.
#[derive(Args, Clone, Debug)]
pub struct List {
    /// Show all containers, not only those that run
    #[arg(short, long)]
    all: bool,
    /// Only ids
    #[arg(short, long)]
    quiet: bool,
    /// Do not cut ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// json, a template such as {{.Names}}, or table and a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// status=, name=, id=, label=, ancestor=, exited=, before=, since=, volume=NAME or a place inside, network=
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// The latest one, whatever its state
    #[arg(short, long)]
    latest: bool,
    /// The NUMBER latest ones, whatever their state
    #[arg(short = 'n', long, value_name = "NUMBER")]
    last: Option<usize>,
}

const FILTERS: [&str; 10] =
    ["status", "name", "id", "label", "ancestor", "exited", "before", "since", "volume", "network"];

const SHOWN: [Column; 7] = [
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("RunningFor", "CREATED"),
    ("Status", "STATUS"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
];

const ALL: [Column; 7] = [
    ("CreatedAt", "CREATED AT"),
    ("State", "STATE"),
    ("Labels", "LABELS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Mounts", "MOUNTS"),
    ("Networks", "NETWORKS"),
    ("Pid", "PID"),
];

pub fn list(engine: &Engine, wish: &List) -> Outcome {
    let filters = Filters::parse(&wish.filter, &FILTERS)?;
    let last = if wish.latest { Some(1) } else { wish.last };
    // A wish for a state that does not run is a wish to see all.
    let all = wish.all || last.is_some() || filters.has("status") || filters.has("exited");
    let mut containers = engine.list(all)?;
    containers.sort_by_key(|container| std::cmp::Reverse(container.created));
    let kept = keep(containers, &filters, last)?;
    let mut out = Output::open();
    let truncation = if wish.no_trunc { Truncation::None } else { Truncation::Short };
    if wish.quiet && wish.format.is_none() {
        for container in &kept {
            out.line(if wish.no_trunc { container.id.as_str() } else { container.id.short() })?;
        }
        out.flush()?;
        return Ok(0);
    }
    let now = Timestamp::now();
    let rows: Vec<Row> = kept.iter().map(|container| row(container, truncation, now)).collect();
    show(&mut out, &wish.format.clone().unwrap_or_default(), &SHOWN, &ALL, &rows)?;
    Ok(0)
}

/// Those that pass the filters, newest first, at most `last`.
fn keep(
    containers: Vec<ContainerSummary>,
    filters: &Filters,
    last: Option<usize>,
) -> Result<Vec<ContainerSummary>, Failure> {
    if filters.values("exited").any(|code| code.parse::<u8>().is_err()) {
        return Err(Failure::usage("the filter exited takes an exit code from 0 to 255"));
    }
    const STATES: [&str; 4] = ["created", "running", "paused", "exited"];
    if let Some(unknown) = filters.values("status").find(|state| !STATES.contains(state)) {
        return Err(Failure::usage(format!("no such status: {unknown:?}"))
            .with_hint(format!("there are {}", STATES.join(", "))));
    }
    let created = |target: &str| {
        let found = containers.iter().find(|c| c.name.as_str() == target || c.id.as_str().starts_with(target));
        found.map(|c| c.created).ok_or_else(|| Failure::new(format!("No such container: {target}")))
    };
    let before = filters.values("before").map(created).collect::<Result<Vec<_>, _>>()?;
    let since = filters.values("since").map(created).collect::<Result<Vec<_>, _>>()?;
    let passes = |container: &ContainerSummary| {
        filters.pass("status", |state| container.state.word() == state)
            && filters.pass("name", |pattern| name_holds(container.name.as_str(), pattern))
            && filters.pass("id", |id| container.id.as_str().starts_with(id))
            && filters.pass_all("label", |label| label_holds(&container.labels, label))
            && filters.pass("ancestor", |image| is_ancestor(container, image))
            && filters.pass(
                "exited",
                |code| matches!(&container.state, ContainerState::Exited(exit) if code.parse() == Ok(exit.code)),
            )
            && filters.pass("volume", |wanted| container.mounts.iter().any(|mount| is_mounted(mount, wanted)))
            && filters.pass("network", |wanted| is_in_network(container, wanted))
            && before.iter().all(|time| container.created < *time)
            && since.iter().all(|time| container.created > *time)
    };
    Ok(containers.iter().filter(|container| passes(container)).take(last.unwrap_or(usize::MAX)).cloned().collect())
}

/// A volume by its name, a folder of the machine, or whatever is mounted at a place inside.
fn is_mounted(mount: &Mount, wanted: &str) -> bool {
    let source = mount.volume_name().map(|name| name.as_str() == wanted);
    let bind = mount.bind_path().map(|path| path == Path::new(wanted));
    source.or(bind).unwrap_or(false) || mount.target == Path::new(wanted)
}

fn is_in_network(container: &ContainerSummary, wanted: &str) -> bool {
    match &container.network {
        NetworkMode::None => wanted == "none",
        NetworkMode::Host => wanted == "host",
        NetworkMode::Container(_) => false,
        NetworkMode::Networks => container.networks.iter().any(|endpoint| {
            endpoint.network_name.as_str() == wanted
                || (wanted.len() >= 2 && endpoint.network.as_str().starts_with(wanted))
        }),
    }
}

fn is_ancestor(container: &ContainerSummary, image: &str) -> bool {
    let same_reference = || match (container.image.parse(), image.parse()) {
        (Ok::<crate::model::Reference, _>(a), Ok::<crate::model::Reference, _>(b)) => {
            a == b || (!image.contains(':') && a.familiar_repository() == b.familiar_repository())
        }
        _ => false,
    };
    let digits = image.strip_prefix("sha256:").unwrap_or(image);
    let is_id = |id: &crate::model::Digest| digits.len() >= 4 && id.hex().starts_with(digits);
    container.image == image || container.image_id.as_ref().is_some_and(is_id) || same_reference()
}

fn row(container: &ContainerSummary, truncation: Truncation, now: Timestamp) -> Row {
    let id = match truncation {
        Truncation::Short => container.id.short(),
        Truncation::None => container.id.as_str(),
    };
    let labels: Vec<String> = container.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mounts: Vec<String> = container.mounts.iter().map(|mount| mount.source.to_string()).collect();
    let networks = match &container.network {
        NetworkMode::None => vec!["none"],
        NetworkMode::Host => vec!["host"],
        NetworkMode::Networks => container.networks.iter().map(|endpoint| endpoint.network_name.as_str()).collect(),
        NetworkMode::Container(_) => vec![],
    };
    let mut row = Row::new([
        ("ID", id.to_owned()),
        ("Image", container.image.clone()),
        ("Command", wording::command(&container.command, truncation)),
        ("RunningFor", wording::ago(container.created, now)),
        ("Status", wording::status(&container.state, now)),
        (
            "Ports",
            published::shown(&container.ports, if container.state.is_running() { &container.exposed } else { &[] }),
        ),
        ("Names", container.name.to_string()),
        ("CreatedAt", wording::moment(container.created)),
        ("State", container.state.word().to_owned()),
        ("Labels", labels.join(",")),
        ("LocalVolumes", container.mounts.iter().filter(|mount| mount.volume_name().is_some()).count().to_string()),
        ("Mounts", mounts.join(",")),
        ("Networks", networks.join(",")),
        ("Pid", container.state.pid().map(|pid| pid.to_string()).unwrap_or_default()),
    ]);
    row.labels = Some(container.labels.clone());
    row
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::format::render;
    use crate::model::{ExitReason, ExitStatus, Id, Limits, NetworkMode};

    fn at(second: i64) -> Timestamp {
        Timestamp(jiff::Timestamp::from_second(second).expect("in range"))
    }

    fn container(number: u8, name: &str, image: &str, state: ContainerState) -> ContainerSummary {
        ContainerSummary {
            id: Id::from_bytes([number; 32]),
            name: name.parse().expect("name"),
            image: image.to_owned(),
            image_id: None,
            command: vec!["/bin/sh".to_owned(), "-c".to_owned(), "echo \u{1b}]0;owned\u{7}".to_owned()],
            created: at(1_700_000_000 + i64::from(number)),
            state,
            tty: false,
            network: NetworkMode::None,
            ports: vec![],
            exposed: vec![],
            networks: vec![],
            limits: Limits::default(),
            restart: crate::model::RestartPolicy::No,
            labels: BTreeMap::from([("tier".to_owned(), name.to_owned())]),
            mounts: Vec::new(),
        }
    }

    fn containers() -> Vec<ContainerSummary> {
        let exit = ExitStatus {
            code: 137,
            reason: ExitReason::Signal,
            finished: at(1_700_000_100),
            started: Some(at(1_700_000_050)),
            message: None,
            restarts: 0,
        };
        vec![
            container(3, "web", "debian:12", ContainerState::Running { pid: 9, started: at(1_700_000_040) }),
            ContainerSummary {
                mounts: vec![
                    Mount::volume(Some("data".parse().expect("name")), "/in"),
                    Mount::bind("/srv", "/machine"),
                ],
                ..container(2, "db", "localhost:5000/pg:1", ContainerState::Exited(exit))
            },
            container(1, "new", "host", ContainerState::Created),
        ]
    }

    fn names_kept(filters: &[&str], last: Option<usize>) -> Vec<String> {
        let texts: Vec<String> = filters.iter().map(|text| (*text).to_owned()).collect();
        let filters = Filters::parse(&texts, &FILTERS).expect("known");
        let kept = keep(containers(), &filters, last).expect("valid");
        kept.into_iter().map(|container| container.name.to_string()).collect()
    }

    #[test]
    fn list_table_has_dockers_columns() {
        let now = at(1_700_000_300);
        let rows: Vec<Row> = containers().iter().map(|c| row(c, Truncation::Short, now)).collect();
        insta::assert_snapshot!(render(&Format::Table, &SHOWN, &ALL, &rows).expect("renders"));
    }

    #[test]
    fn list_json_has_dockers_fields() {
        let rows = [row(&containers()[1], Truncation::None, at(1_700_000_300))];
        insta::assert_snapshot!(render(&Format::Json, &SHOWN, &ALL, &rows).expect("renders"));
    }

    #[test]
    fn filters_keep_what_docker_keeps() {
        for (filters, names) in [
            (&["status=running"][..], &["web"][..]),
            (&["status=running", "status=created"], &["web", "new"]),
            (&["name=e"], &["web", "new"]),
            (&["name=^db$"], &["db"]),
            (&["id=0303"], &["web"]),
            (&["label=tier"], &["web", "db", "new"]),
            (&["label=tier=db"], &["db"]),
            (&["label=tier=db", "label=tier=web"], &[]),
            (&["ancestor=debian:12"], &["web"]),
            (&["ancestor=debian"], &["web"]),
            (&["ancestor=host"], &["new"]),
            (&["exited=137"], &["db"]),
            (&["exited=0"], &[]),
            (&["before=web"], &["db", "new"]),
            (&["since=new"], &["web", "db"]),
            (&["volume=data"], &["db"]),
            (&["volume=/srv"], &["db"]),
            (&["volume=/in"], &["db"]),
            (&["volume=dat"], &[]),
            (&["network=none"], &["web", "db", "new"]),
            (&["network=host"], &[]),
        ] {
            assert_eq!(names_kept(filters, None), names, "{filters:?}");
        }
        assert_eq!(names_kept(&[], Some(1)), ["web"]);
    }

    #[test]
    fn filters_with_bad_values_are_refused() {
        for text in ["status=up", "exited=x", "before=nobody"] {
            let filters = Filters::parse(&[text.to_owned()], &FILTERS).expect("known");
            assert!(keep(containers(), &filters, None).is_err(), "{text}");
        }
    }
}
