//! `system df` and `system check`: what lies on the disk, and whether it is whole.

use clap::Args;
use serde_json::{Value, json};

use super::failure::{Failure, Outcome};
use super::format::{Column, Format, Row, render};
use super::output::Output;
use super::wording::{self, Truncation};
use crate::engine::Engine;
use crate::model::{
    CheckFinding, CheckMode, CheckReport, CheckSeverity, ContainerUsage, DiskUsage, Extent, ImageUsage,
};
use crate::model::{PartialUsage, Reference, Timestamp, VolumeSummary, printable_line};

/// Show what images, containers and volumes take of the disk.
#[derive(Args, Clone, Debug)]
pub struct DiskFree {
    /// Show every image, container and volume
    #[arg(short, long)]
    verbose: bool,
    /// json, a template such as {{.Type}}: {{.Size}}, or table and a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

/// Look at all images and containers' layers, and say what is damaged.
#[derive(Args, Clone, Debug)]
pub struct CheckWish {
    /// Unpack damaged layers anew, drop what cannot be mended, take away what nothing needs
    #[arg(long)]
    repair: bool,
    /// Only what is not fine
    #[arg(short, long)]
    quiet: bool,
    /// json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const SHOWN: [Column; 5] =
    [("Type", "TYPE"), ("TotalCount", "TOTAL"), ("Active", "ACTIVE"), ("Size", "SIZE"), ("Reclaimable", "RECLAIMABLE")];

const IMAGES: [Column; 8] = [
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("Size", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("Containers", "CONTAINERS"),
];

const CONTAINERS: [Column; 8] = [
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Size", "SIZE"),
    ("RunningFor", "CREATED"),
    ("Status", "STATUS"),
    ("Names", "NAMES"),
];

const VOLUMES: [Column; 3] = [("Name", "VOLUME NAME"), ("Links", "LINKS"), ("Size", "SIZE")];

const PARTIAL: [Column; 4] =
    [("ID", "LAYER"), ("Size", "SIZE"), ("ModifiedSince", "LAST FETCHED"), ("Status", "STATUS")];

pub fn disk_free(engine: &Engine, wish: &DiskFree) -> Outcome {
    let usage = engine.system_df()?;
    let now = Timestamp::now();
    let mut out = Output::open();
    let format = wish.format.clone().unwrap_or_default();
    let text = match (wish.verbose, &format) {
        (false, _) => render(&format, &SHOWN, &[], &summary(&usage))?,
        (true, Format::Table) => verbose_text(&usage, now)?,
        (true, Format::Json) => format!("{}\n", verbose_value(&usage, now)),
        (true, _) => return Err(Failure::usage("with -v, --format takes table or json")),
    };
    out.text(&text)?;
    out.flush()?;
    Ok(0)
}

/// Docker's rows, and two that it lacks: teu keeps layers compressed too, for push and save, and what broken-off pulls fetched.
fn summary(usage: &DiskUsage) -> Vec<Row> {
    let active = usage.images.iter().filter(|image| image.containers > 0).count();
    let images = Extent { count: usage.images.len(), active, ..usage.layers };
    [
        ("Images", images),
        ("Containers", usage.containers_extent()),
        ("Local Volumes", usage.volumes_extent()),
        ("Build Cache", Extent::default()),
        ("Compressed Blobs", usage.blobs),
        ("Partial Pulls", usage.partial_extent()),
    ]
    .map(|(name, extent)| {
        Row::new([
            ("Type", name.to_owned()),
            ("TotalCount", extent.count.to_string()),
            ("Active", extent.active.to_string()),
            ("Size", wording::size(extent.size_bytes)),
            ("Reclaimable", reclaimable(&extent)),
        ])
    })
    .into()
}

/// `12MB (70%)`, as Docker: no percentage of nothing.
fn reclaimable(extent: &Extent) -> String {
    let size = wording::size(extent.reclaimable_bytes);
    match extent.size_bytes {
        0 => size,
        all => format!("{size} ({}%)", u128::from(extent.reclaimable_bytes) * 100 / u128::from(all)),
    }
}

fn verbose_text(usage: &DiskUsage, now: Timestamp) -> Result<String, Failure> {
    let table = |columns: &[Column], rows: Vec<Row>| render(&Format::Table, columns, &[], &rows);
    let images = table(&IMAGES, usage.images.iter().flat_map(|image| image_rows(image, now)).collect())?;
    let containers = table(&CONTAINERS, usage.containers.iter().map(|it| container_row(it, now)).collect())?;
    let volumes = table(&VOLUMES, usage.volumes.iter().map(volume_row).collect())?;
    let partial = table(&PARTIAL, usage.partial.iter().map(|it| partial_row(it, now)).collect())?;
    Ok(format!(
        "Images space usage:\n\n{images}\nContainers space usage:\n\n{containers}\nLocal Volumes space usage:\n\n{volumes}\n\
         Build cache usage: 0B\n\nCompressed blobs usage: {}\n\nPartial pulls usage:\n\n{partial}",
        wording::size(usage.blobs.size_bytes)
    ))
}

fn verbose_value(usage: &DiskUsage, now: Timestamp) -> Value {
    let rows = |rows: Vec<Row>| rows.into_iter().map(|row| Value::Object(row.fields)).collect::<Vec<_>>();
    json!({
        "Images": rows(usage.images.iter().flat_map(|image| image_rows(image, now)).collect()),
        "Containers": rows(usage.containers.iter().map(|it| container_row(it, now)).collect()),
        "Volumes": rows(usage.volumes.iter().map(volume_row).collect()),
        "BuildCache": [],
        "Partial": rows(usage.partial.iter().map(|it| partial_row(it, now)).collect()),
    })
}

/// One row a tag, as in `images`.
fn image_rows(image: &ImageUsage, now: Timestamp) -> Vec<Row> {
    let none = || "<none>".to_owned();
    let references: Vec<Option<&Reference>> = match image.references.is_empty() {
        true => vec![None],
        false => image.references.iter().map(Some).collect(),
    };
    let row = |reference: Option<&Reference>| {
        Row::new([
            ("Repository", reference.map_or_else(none, Reference::familiar_repository)),
            ("Tag", reference.and_then(Reference::tag).map_or_else(none, str::to_owned)),
            ("ID", image.id.short().to_owned()),
            ("CreatedSince", image.created.map_or_else(|| "N/A".to_owned(), |time| wording::ago(time, now))),
            ("Size", wording::size(image.size_bytes)),
            ("SharedSize", wording::size(image.shared_bytes)),
            ("UniqueSize", wording::size(image.unique_bytes)),
            ("Containers", image.containers.to_string()),
        ])
    };
    references.into_iter().map(row).collect()
}

fn volume_row(it: &VolumeSummary) -> Row {
    Row::new([
        ("Name", it.volume.name.to_string()),
        ("Links", it.users.len().to_string()),
        ("Size", it.size_bytes.map_or_else(|| "N/A".to_owned(), wording::size)),
    ])
}

fn container_row(container: &ContainerUsage, now: Timestamp) -> Row {
    Row::new([
        ("ID", container.id.short().to_owned()),
        ("Image", container.image.clone()),
        ("Command", wording::command(&container.command, Truncation::Short)),
        ("LocalVolumes", "0".to_owned()),
        ("Size", container.size_bytes.map_or_else(|| "N/A".to_owned(), wording::size)),
        ("RunningFor", wording::ago(container.created, now)),
        ("Status", wording::status(&container.state, now)),
        ("Names", container.name.to_string()),
    ])
}

fn partial_row(partial: &PartialUsage, now: Timestamp) -> Row {
    Row::new([
        ("ID", partial.blob.as_ref().map_or("<none>", |blob| blob.short()).to_owned()),
        ("Size", wording::size(partial.bytes)),
        ("ModifiedSince", wording::ago(partial.modified, now)),
        ("Status", if partial.active { "being fetched" } else { "waits for the next pull" }.to_owned()),
    ])
}

pub fn check(engine: &Engine, wish: &CheckWish) -> Outcome {
    let mode = if wish.repair { CheckMode::Repair } else { CheckMode::Look };
    let report = engine.system_check(mode)?;
    let mut out = Output::open();
    match wish.format.as_deref() {
        None => {
            let colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            let lines: String = report.findings.iter().map(|found| finding_text(found, colours)).collect();
            out.trusted(&lines)?;
            if !wish.quiet {
                out.line(&conclusion(&report, mode))?;
            }
        }
        Some("json") => {
            out.line(&serde_json::to_string(&report).map_err(|error| Failure::new(error.to_string()))?)?;
        }
        Some(_) => return Err(Failure::usage("system check has no format but json")),
    }
    out.flush()?;
    Ok(u8::from(!report.is_whole()))
}

/// `damaged`, `garbage` or `mended`, the subject, and what is wrong; what was done on a line of its own.
fn finding_text(found: &CheckFinding, colours: bool) -> String {
    let (word, colour) = match (found.severity, &found.mended) {
        (_, Some(_)) => ("mended", "32"),
        (CheckSeverity::Damage, None) => ("damaged", "31"),
        (CheckSeverity::Garbage, None) => ("garbage", "33"),
    };
    let word = if colours { format!("\x1b[{colour}m{word:<8}\x1b[m") } else { format!("{word:<8}") };
    let mut text = format!("{word}{}: {}\n", printable_line(&found.subject), printable_line(&found.trouble));
    if let Some(mended) = &found.mended {
        text += &format!("{:8}{}\n", "", printable_line(mended));
    }
    text
}

fn conclusion(report: &CheckReport, mode: CheckMode) -> String {
    let counted = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let seen = format!(
        "{}, {}, {} ({} read), {}",
        counted(report.images, "image"),
        counted(report.layers, "layer"),
        counted(report.blobs, "blob"),
        wording::size(report.read_bytes),
        counted(report.containers, "container"),
    );
    let open = report.findings.iter().filter(|found| found.mended.is_none());
    let damaged = open.clone().filter(|found| found.severity == CheckSeverity::Damage).count();
    let garbage = open.count() - damaged;
    match (damaged, garbage, mode) {
        (0, 0, _) => format!("{seen}: all whole"),
        (0, garbage, _) => format!("{seen}: all whole; {} for `teu image prune`", counted(garbage, "leftover")),
        (damaged, _, CheckMode::Look) => {
            format!("{seen}: {} damaged; `teu system check --repair` mends what can be", counted(damaged, "thing"))
        }
        (damaged, ..) => format!("{seen}: {} could not be mended", counted(damaged, "thing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContainerState, Digest, Id};

    fn usage() -> DiskUsage {
        let image = |number: u8, references: &[&str], containers| ImageUsage {
            id: Digest::from_sha256([number; 32]),
            references: references.iter().map(|text| text.parse().expect(text)).collect(),
            created: Some(Timestamp::EPOCH),
            size_bytes: 142_000_000,
            shared_bytes: 100_000_000,
            unique_bytes: 42_000_000,
            blob_bytes: 50_000_000,
            containers,
        };
        DiskUsage {
            images: vec![image(1, &["app:v1", "app:latest"], 1), image(2, &[], 0)],
            containers: vec![ContainerUsage {
                id: Id::from_bytes([3; 32]),
                name: "web".parse().expect("a name"),
                image: "app:v1".to_owned(),
                command: vec!["sh".to_owned(), "\u{1b}[2J".to_owned()],
                created: Timestamp::EPOCH,
                state: ContainerState::Created,
                size_bytes: Some(1_200),
                mounts: 0,
            }],
            volumes: Vec::new(),
            partial: vec![PartialUsage {
                blob: Some(Digest::from_sha256([4; 32])),
                bytes: 7_000_000,
                modified: Timestamp::EPOCH,
                active: false,
            }],
            layers: Extent { count: 5, active: 3, size_bytes: 184_000_000, reclaimable_bytes: 42_000_000 },
            blobs: Extent { count: 9, active: 5, size_bytes: 80_000_000, reclaimable_bytes: 30_000_000 },
        }
    }

    #[test]
    fn disk_usage_has_dockers_columns() {
        let now = Timestamp(jiff::Timestamp::from_second(86_400 * 15).expect("in range"));
        let short = render(&Format::Table, &SHOWN, &[], &summary(&usage())).expect("renders");
        let long = verbose_text(&usage(), now).expect("renders");
        insta::assert_snapshot!(format!("{short}---\n{long}---\n{}", verbose_value(&usage(), now)));
    }

    #[test]
    fn check_says_what_is_damaged_and_what_was_done() {
        let finding = |severity, mended: Option<&str>| CheckFinding {
            severity,
            subject: "layer 0123456789ab".to_owned(),
            trouble: "its file \u{1b}[2J is missing".to_owned(),
            mended: mended.map(str::to_owned),
        };
        let mut report = CheckReport { images: 1, layers: 2, blobs: 4, ..CheckReport::default() };
        let mut lines = vec![conclusion(&report, CheckMode::Look)];
        report.findings.push(finding(CheckSeverity::Garbage, None));
        lines.push(conclusion(&report, CheckMode::Look));
        report.findings.push(finding(CheckSeverity::Damage, None));
        lines.push(conclusion(&report, CheckMode::Look));
        lines.push(conclusion(&report, CheckMode::Repair));
        report.findings.push(finding(CheckSeverity::Damage, Some("unpacked anew")));
        lines.extend(report.findings.iter().map(|found| finding_text(found, false)));
        insta::assert_snapshot!(lines.join("\n"));
    }
}
