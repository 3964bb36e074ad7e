//! `image prune`, `container prune`, `system prune`: what is unused goes, after a question that says what and how much.

use std::io::{BufRead, Write};

use clap::Args;

use super::failure::{Failure, Outcome};
use super::filter::Filters;
use super::logs::moment;
use super::output::Output;
use super::wording;
use crate::engine::Engine;
use crate::model::{LabelFilter, LabelWish, PruneFilter, PruneScope, Pruned};

/// Remove images that nothing uses.
#[derive(Args, Clone, Debug)]
pub struct PruneImages {
    /// Also images that have a name, if no container is made of them
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    how: How,
}

/// Remove all containers that do not run.
#[derive(Args, Clone, Debug)]
pub struct PruneContainers {
    #[command(flatten)]
    how: How,
}

/// Remove all containers that do not run and all images that nothing uses then; on wish anonymous volumes, too.
#[derive(Args, Clone, Debug)]
pub struct PruneSystem {
    /// Also images that have a name, if no container is made of them
    #[arg(short, long)]
    all: bool,
    /// Also anonymous volumes that no container uses then
    #[arg(long)]
    volumes: bool,
    #[command(flatten)]
    how: How,
}

/// What every prune takes.
#[derive(Args, Clone, Debug)]
struct How {
    /// Only what is older than until=24h or until=2026-11-22T21:54:00Z; label=KEY[=VALUE] or label!=KEY[=VALUE]
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

pub fn images(engine: &Engine, wish: &PruneImages) -> Outcome {
    let filter = filter(&wish.how.filter, wish.all)?;
    let all = filter.all;
    let what = if all { "all images that no container is made of" } else { "all dangling images" };
    prune(engine, PruneScope::Images, &filter, &[what], wish.how.force)
}

pub fn containers(engine: &Engine, wish: &PruneContainers) -> Outcome {
    let filter = filter(&wish.how.filter, false)?;
    prune(engine, PruneScope::Containers, &filter, &["all containers that do not run"], wish.how.force)
}

pub fn system(engine: &Engine, wish: &PruneSystem) -> Outcome {
    let filter = PruneFilter { volumes: wish.volumes, ..filter(&wish.how.filter, wish.all)? };
    if wish.volumes && filter.until.is_some() {
        return Err(Failure::usage(
            "--volumes and --filter until= conflict: what a volume holds may be newer than the volume",
        )
        .with_hint("`teu volume prune` removes volumes by themselves"));
    }
    let images = if filter.all { "all images that no container is made of then" } else { "all dangling images" };
    let volumes = "all anonymous volumes that no container uses then";
    let what = ["all containers that do not run", volumes, images];
    let what = if wish.volumes { &what[..] } else { &[what[0], images][..] };
    prune(engine, PruneScope::System, &filter, what, wish.how.force)
}

fn prune(engine: &Engine, scope: PruneScope, filter: &PruneFilter, what: &[&str], force: bool) -> Outcome {
    if !force {
        let preview = engine.prune_preview(scope, filter)?;
        if !confirmed(&question(what, &preview))? {
            return Err(Failure::new("nothing was removed").with_hint("answer y, or give -f, to remove it"));
        }
    }
    let pruned = match scope {
        PruneScope::Images => engine.image_prune(filter)?,
        PruneScope::Containers => engine.container_prune(filter)?,
        PruneScope::System => engine.system_prune(filter)?,
    };
    let mut out = Output::open();
    out.text(&report(&pruned))?;
    out.flush()?;
    Ok(0)
}

/// Docker's warning, with what would go.
fn question(what: &[&str], preview: &Pruned) -> String {
    let mut text = match what {
        [one] => format!("WARNING! This will remove {one}.\n"),
        several => {
            let lines: String = several.iter().map(|what| format!("  - {what}\n")).collect();
            format!("WARNING! This will remove:\n{lines}\n")
        }
    };
    let counted = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {one}s")),
    };
    let parts = [
        counted(preview.containers.len(), "container"),
        counted(preview.volumes.len(), "volume"),
        counted(preview.images.len(), "image"),
        counted(preview.partial, "half-fetched layer"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let parts = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
    text += &format!("That is {parts} now, and frees {}.\n", wording::size(preview.freed_bytes));
    text + "Are you sure you want to continue? [y/N] "
}

pub fn confirmed(question: &str) -> Result<bool, Failure> {
    let mut out = Output::open();
    out.text(question)?;
    out.flush()?;
    let mut answer = String::new();
    let cannot = |error: std::io::Error| Failure::new(format!("reading the answer: {error}"));
    if std::io::stdin().lock().read_line(&mut answer).map_err(cannot)? == 0 {
        // Nobody ended the question's line.
        writeln!(std::io::stdout().lock())?;
    }
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Docker's report.
fn report(pruned: &Pruned) -> String {
    let mut text = String::new();
    if !pruned.containers.is_empty() {
        text += "Deleted Containers:\n";
        text.extend(pruned.containers.iter().map(|(id, _)| format!("{id}\n")));
        text += "\n";
    }
    if !pruned.volumes.is_empty() {
        text += "Deleted Volumes:\n";
        text.extend(pruned.volumes.iter().map(|name| format!("{name}\n")));
        text += "\n";
    }
    if !pruned.images.is_empty() {
        text += "Deleted Images:\n";
        for image in &pruned.images {
            text.extend(image.references.iter().map(|reference| format!("untagged: {}\n", reference.familiar())));
            text += &format!("deleted: {}\n", image.id);
        }
        text += "\n";
    }
    text + &format!("Total reclaimed space: {}\n", wording::size(pruned.freed_bytes))
}

fn filter(texts: &[String], all: bool) -> Result<PruneFilter, Failure> {
    let filters = Filters::parse(texts, &["until", "label", "label!", "dangling"])?;
    let mut untils = filters.values("until");
    let until =
        untils.next().map(|text| moment(text).map_err(|reason| Failure::usage(format!("until={text}: {reason}"))));
    if untils.next().is_some() {
        return Err(Failure::usage("until= is given more than once"));
    }
    let dangling = match filters.values("dangling").last() {
        None => !all,
        Some("true" | "1") => true,
        Some("false" | "0") => false,
        Some(other) => return Err(Failure::usage(format!("dangling={other}: it is true or false"))),
    };
    let labels = |key: &'static str, wanted: LabelWish| filters.values(key).map(move |text| label(text, wanted));
    let labels = labels("label", LabelWish::Present).chain(labels("label!", LabelWish::Absent)).collect();
    Ok(PruneFilter { all: !dangling, volumes: false, until: until.transpose()?, labels })
}

/// What `label=TEXT` wants.
pub fn label(text: &str, wanted: LabelWish) -> LabelFilter {
    match text.split_once('=') {
        Some((key, value)) => LabelFilter { key: key.to_owned(), value: Some(value.to_owned()), wanted },
        None => LabelFilter { key: text.to_owned(), value: None, wanted },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, Id, PrunedImage};

    fn pruned() -> Pruned {
        let id = Digest::from_sha256([7; 32]);
        Pruned {
            containers: vec![(Id::from_bytes([1; 32]), "old".parse().expect("a name"))],
            images: vec![PrunedImage { id, references: vec!["app:v1".parse().expect("a reference")] }],
            volumes: vec!["old_data".parse().expect("a name")],
            partial: 2,
            freed_bytes: 142_000_000,
        }
    }

    #[test]
    fn prune_asks_and_reports_in_dockers_words() {
        let one = question(&["all dangling images"], &Pruned::default());
        let several = question(&["all containers that do not run", "all dangling images"], &pruned());
        insta::assert_snapshot!([one, several, report(&pruned()), report(&Pruned::default())].join("\n---\n"));
    }

    #[test]
    fn prune_filters_are_read() {
        let filter = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            super::filter(&texts, false)
        };
        let read = filter(&["until=24h", "label=a=b", "label!=c"]).expect("valid");
        assert!(read.until.is_some() && !read.all);
        assert_eq!(read.labels[0], label("a=b", LabelWish::Present));
        assert_eq!(read.labels[1], label("c", LabelWish::Absent));
        assert!(filter(&["dangling=false"]).expect("valid").all);
        for texts in [&["until=soon"][..], &["until=1h", "until=2h"], &["colour=red"], &["label"], &["dangling=x"]] {
            assert!(filter(texts).is_err(), "{texts:?}");
        }
    }
}
