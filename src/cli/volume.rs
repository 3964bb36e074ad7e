//! `volume …`: what containers keep data in.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::{Failure, Outcome};
use super::filter::{Filters, label_holds, name_holds};
use super::format::{Column, Format, Row, show};
use super::lifecycle::{each, reported};
use super::outlet::Outlet;
use super::output::Output;
use super::prune::{confirmed, label};
use super::template::{Subject, Template};
use super::transfer::{Show, transfer};
use super::wording;
use crate::engine::Engine;
use crate::model::{LabelWish, TransferGauge, VolumeFilter, VolumeName, VolumeSummary, VolumeWish};

/// Volumes that containers keep data in.
#[derive(Subcommand, Clone, Debug)]
pub enum VolumeCommand {
    Create(Create),
    /// List volumes
    #[command(alias = "list")]
    Ls(List),
    Inspect(Inspect),
    #[command(alias = "remove")]
    Rm(Remove),
    Prune(Prune),
    Export(Export),
    Import(Import),
}

/// Make a volume and print its name; one that is there already is as good.
#[derive(Args, Clone, Debug)]
pub struct Create {
    /// local: there is no other
    #[arg(short, long, default_value = "local", value_name = "DRIVER")]
    driver: String,
    /// A label; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// type=none, o=bind and device=/FOLDER: the volume stands for a folder of this machine; type=tmpfs and o=size=64m: for memory
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Without one it is an anonymous volume
    #[arg(value_name = "VOLUME")]
    name: Option<String>,
    /// As Docker took it once
    #[arg(long = "name", value_name = "VOLUME", hide = true, conflicts_with = "name")]
    old_name: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub struct List {
    /// Only names
    #[arg(short, long)]
    quiet: bool,
    /// Also measure the volumes, for {{.Size}} (shown as a column)
    #[arg(short, long)]
    size: bool,
    /// json, a template such as {{.Name}}, or table and a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// dangling=true (no container uses it), driver=, label=KEY[=VALUE], name=
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
}

/// Everything known of volumes, as JSON.
#[derive(Args, Clone, Debug)]
pub struct Inspect {
    /// A template such as {{.Mountpoint}}, or json
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

/// Remove volumes that no container uses, with all that is in them.
#[derive(Args, Clone, Debug)]
pub struct Remove {
    /// No error for one that is not there
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

/// Remove anonymous volumes that no container uses.
#[derive(Args, Clone, Debug)]
pub struct Prune {
    /// Also those that have a name
    #[arg(short, long)]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// label=KEY[=VALUE], label!=KEY[=VALUE], all=true
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
}

/// Write all files of a volume as one tar.
#[derive(Args, Clone, Debug)]
pub struct Export {
    /// Write here instead of to stdout; the file is whole or not there
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[arg(value_name = "VOLUME")]
    volume: String,
}

/// Put the files of a tar into a volume, all or none; one that is not there is made.
#[derive(Args, Clone, Debug)]
pub struct Import {
    #[arg(value_name = "VOLUME")]
    volume: String,
    /// A tar (plain, gzip or zstd); - or nothing is stdin
    #[arg(value_name = "FILE|-", default_value = "-", hide_default_value = true)]
    source: PathBuf,
}

const SHOWN: [Column; 2] = [("Driver", "DRIVER"), ("Name", "VOLUME NAME")];
const MEASURED: [Column; 3] = [("Driver", "DRIVER"), ("Name", "VOLUME NAME"), ("Size", "SIZE")];
const ALL: [Column; 8] = [
    ("Availability", "AVAILABILITY"),
    ("Group", "GROUP"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Scope", "SCOPE"),
    ("Size", "SIZE"),
    ("Status", "STATUS"),
];
/// Docker's word for what is not known.
const UNKNOWN: &str = "N/A";

pub fn volume(engine: &Engine, command: &VolumeCommand) -> Outcome {
    match command {
        VolumeCommand::Create(wish) => create(engine, wish),
        VolumeCommand::Ls(wish) => list(engine, wish),
        VolumeCommand::Inspect(wish) => inspect(engine, wish),
        VolumeCommand::Rm(wish) => each(&wish.volumes, |target| Ok(engine.volume_remove(target, wish.force)?)),
        VolumeCommand::Prune(wish) => prune(engine, wish),
        VolumeCommand::Export(wish) => export(engine, wish),
        VolumeCommand::Import(wish) => import(engine, wish),
    }
}

fn create(engine: &Engine, wish: &Create) -> Outcome {
    if wish.driver != "local" {
        return Err(Failure::new(format!("there is no volume driver {:?}", wish.driver))
            .with_hint("teu has no plug-ins: leave --driver away, or mount it on this machine and use -o o=bind"));
    }
    let parsed = |name: &String| name.parse::<VolumeName>();
    let name = wish.name.as_ref().or(wish.old_name.as_ref());
    let text = name.cloned().unwrap_or_default();
    let name = name.map(parsed).transpose();
    let name = name.map_err(|error| Failure::usage(format!("invalid volume name {:?}: {error}", text)))?;
    let wish = VolumeWish { name, labels: pairs(&wish.label)?, options: pairs(&wish.opt)? };
    let volume = engine.volume_create(&wish)?;
    let mut out = Output::open();
    out.line(volume.name.as_str())?;
    out.flush()?;
    Ok(0)
}

fn pairs(texts: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| match text.split_once('=').unwrap_or((text, "")) {
        ("", _) => Err(Failure::usage(format!("{text:?} has no key: write KEY=VALUE"))),
        (key, value) => Ok((key.to_owned(), value.to_owned())),
    };
    texts.iter().map(pair).collect()
}

fn list(engine: &Engine, wish: &List) -> Outcome {
    let filters = Filters::parse(&wish.filter, &["dangling", "driver", "label", "name"])?;
    for value in filters.values("dangling") {
        truth("dangling", value)?;
    }
    let passes = |it: &VolumeSummary| {
        let volume = &it.volume;
        filters.pass("dangling", |wanted| truth("dangling", wanted).ok() == Some(it.users.is_empty()))
            && filters.pass("driver", |driver| driver == "local")
            && filters.pass_all("label", |label| label_holds(&volume.labels, label))
            && filters.pass("name", |pattern| name_holds(volume.name.as_str(), pattern))
    };
    let all = if wish.size { engine.volumes_measured()? } else { engine.volumes()? };
    let volumes: Vec<VolumeSummary> = all.into_iter().filter(passes).collect();
    let mut out = Output::open();
    if wish.quiet && wish.format.is_none() {
        for it in &volumes {
            out.line(it.volume.name.as_str())?;
        }
        out.flush()?;
        return Ok(0);
    }
    let rows: Vec<Row> = volumes.iter().map(row).collect();
    let format = wish.format.clone().unwrap_or_default();
    let shown: &[Column] = if wish.size { &MEASURED } else { &SHOWN };
    show(&mut out, &format, shown, &ALL, &rows)?;
    Ok(0)
}

fn row(it: &VolumeSummary) -> Row {
    let volume = &it.volume;
    let labels: Vec<String> = volume.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut row = Row::new([
        ("Availability", UNKNOWN.to_owned()),
        ("Driver", "local".to_owned()),
        ("Group", UNKNOWN.to_owned()),
        ("Labels", labels.join(",")),
        ("Links", it.users.len().to_string()),
        ("Mountpoint", it.mountpoint.display().to_string()),
        ("Name", volume.name.to_string()),
        ("Scope", "local".to_owned()),
        ("Size", it.size_bytes.map_or_else(|| UNKNOWN.to_owned(), wording::size)),
        ("Status", UNKNOWN.to_owned()),
    ]);
    row.labels = Some(volume.labels.clone());
    row
}

fn truth(key: &str, text: &str) -> Result<bool, Failure> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(Failure::usage(format!("{key}={other}: it is true or false"))),
    }
}

fn inspect(engine: &Engine, wish: &Inspect) -> Outcome {
    let template = match wish.format.as_deref() {
        None | Some("json" | "") => None,
        Some(text) => Some(text.parse::<Template>()?),
    };
    let mut worst = 0;
    let mut found = Vec::new();
    for target in &wish.volumes {
        match engine.volume_inspect(target) {
            Ok(it) => found.push(described(&it)),
            Err(error) => worst = reported(&error.into(), worst),
        }
    }
    let mut out = Output::open();
    match template {
        Some(template) => {
            for value in &found {
                out.line(&template.fill(Subject { fields: value, labels: None })?)?;
            }
        }
        None if wish.format.as_deref() == Some("json") => out.line(&Value::Array(found).to_string())?,
        None => out.line(&serde_json::to_string_pretty(&found).expect("plain values"))?,
    }
    out.flush()?;
    Ok(worst)
}

/// Docker's keys, and who uses it.
pub fn described(it: &VolumeSummary) -> Value {
    let volume = &it.volume;
    let users: Vec<Value> =
        it.users.iter().map(|(id, name)| json!({"Id": id.to_string(), "Name": name.to_string()})).collect();
    json!({
        "CreatedAt": volume.created.to_string(),
        "Driver": "local",
        "Labels": volume.labels,
        "Mountpoint": it.mountpoint.display().to_string(),
        "Name": volume.name.to_string(),
        "Options": volume.options,
        "Scope": "local",
        "UsageData": {"RefCount": it.users.len(), "Size": it.size_bytes.map_or(json!(-1), |bytes| json!(bytes))},
        "UsedBy": users,
    })
}

fn prune(engine: &Engine, wish: &Prune) -> Outcome {
    let filters = Filters::parse(&wish.filter, &["label", "label!", "all"])?;
    let all = filters.values("all").last().map(|text| truth("all", text)).transpose()?.unwrap_or(wish.all);
    let labels = |key: &'static str, wanted: LabelWish| filters.values(key).map(move |text| label(text, wanted));
    let labels = labels("label", LabelWish::Present).chain(labels("label!", LabelWish::Absent)).collect();
    let filter = VolumeFilter { all, labels };
    if !wish.force {
        let preview = engine.volume_prune_preview(&filter)?;
        let what = if all { "all volumes" } else { "all anonymous volumes" };
        let count = match preview.volumes.len() {
            0 => "nothing".to_owned(),
            1 => "1 volume".to_owned(),
            count => format!("{count} volumes"),
        };
        let freed = wording::size(preview.freed_bytes);
        let question = format!(
            "WARNING! This will remove {what} that no container uses, with all that is in them.\n\
             That is {count} now, and frees {freed}.\nAre you sure you want to continue? [y/N] "
        );
        if !confirmed(&question)? {
            return Err(Failure::new("nothing was removed").with_hint("answer y, or give -f, to remove it"));
        }
    }
    let pruned = engine.volume_prune(&filter)?;
    let mut text = String::new();
    if !pruned.volumes.is_empty() {
        text += "Deleted Volumes:\n";
        text.extend(pruned.volumes.iter().map(|name| format!("{name}\n")));
        text += "\n";
    }
    text += &format!("Total reclaimed space: {}\n", wording::size(pruned.freed_bytes));
    let mut out = Output::open();
    out.text(&text)?;
    out.flush()?;
    Ok(0)
}

fn export(engine: &Engine, wish: &Export) -> Outcome {
    // Who names a volume that is not there hears of that, not of the terminal, and makes no file.
    engine.volume_inspect(&wish.volume)?;
    let outlet = Outlet::open(wish.output.as_deref(), "volume export")?;
    let gauge = TransferGauge::default();
    let shown = if wish.output.is_some() { Show::Terminal } else { Show::Nothing };
    transfer("Exporting", shown, &gauge, || engine.volume_export(&wish.volume, outlet.file(), &gauge))?;
    outlet.keep()?;
    Ok(0)
}

fn import(engine: &Engine, wish: &Import) -> Outcome {
    let gauge = TransferGauge::default();
    let source = source(&wish.source)?;
    let volume = transfer("Importing", Show::Terminal, &gauge, || engine.volume_import(&wish.volume, source, &gauge))?;
    writeln!(io::stdout().lock(), "{}", volume.name)?;
    Ok(0)
}

fn source(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if path == Path::new("-") {
        if io::stdin().is_terminal() {
            return Err(Failure::new("stdin is a terminal, no tar can come from it")
                .with_hint("name a file, or pipe one in: tar -C FOLDER -c . | teu volume import VOLUME"));
        }
        return Ok(Box::new(File::from(io::stdin().as_fd().try_clone_to_owned()?)));
    }
    let cannot = |error: io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_dir() {
        return Err(Failure::new(format!("{} is a folder", path.display()))
            .with_hint(format!("tar -C {} -c . | teu volume import VOLUME", path.display())));
    }
    Ok(Box::new(file))
}

#[cfg(test)]
mod tests {
    use super::super::format::render;
    use super::*;
    use crate::model::{Id, Timestamp, Volume};

    fn volume() -> VolumeSummary {
        VolumeSummary {
            volume: Volume {
                name: "db".parse().expect("a name"),
                created: Timestamp::EPOCH,
                labels: [("tier".to_owned(), "\u{1b}[2J".to_owned())].into(),
                options: BTreeMap::new(),
                anonymous: false,
            },
            mountpoint: "/var/lib/teu/volumes/db/data".into(),
            users: vec![(Id::from_bytes([1; 32]), "web".parse().expect("a name"))],
            size_bytes: Some(1_200),
        }
    }

    #[test]
    fn volumes_are_shown_in_dockers_columns_and_keys() {
        let rows = [row(&volume()), row(&VolumeSummary { size_bytes: None, users: vec![], ..volume() })];
        let table = render(&Format::Table, &SHOWN, &ALL, &rows).expect("renders");
        let measured = render(&Format::Table, &MEASURED, &ALL, &rows).expect("renders");
        let line = render(&Format::Json, &SHOWN, &ALL, &rows[..1]).expect("renders");
        insta::assert_snapshot!(format!("{table}---\n{measured}---\n{line}---\n{:#}", described(&volume())));
    }
}
