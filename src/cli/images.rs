//! `images`, `rmi`, `tag`: the image store.

use clap::Args;
use std::collections::{BTreeMap, HashMap};

use super::failure::{Failure, Outcome};
use super::filter::{Filters, label_holds};
use super::format::{Column, Format, Row, show};
use super::lifecycle::reported;
use super::logs::moment;
use super::output::Output;
use super::wording;
use crate::engine::{Engine, Removed};
use crate::model::{Digest, ErrorKind, HOST_IMAGE, ImageSummary, Reference, Timestamp};

/// List images.
#[derive(Args, Clone, Debug)]
pub struct Images {
    /// Taken and ignored: teu keeps no intermediate images
    #[arg(short, long, hide = true)]
    all: bool,
    /// Only ids
    #[arg(short, long)]
    quiet: bool,
    /// Do not cut ids
    #[arg(long)]
    no_trunc: bool,
    /// Show the manifests' digests
    #[arg(long)]
    digests: bool,
    /// json, a template such as {{.Repository}}:{{.Tag}}, or table and a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// reference=, dangling=, label=, before=, since=, until=
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Only images of this name; * stands for any text
    #[arg(value_name = "REPOSITORY[:TAG]")]
    repository: Option<String>,
}

/// Remove images.
#[derive(Args, Clone, Debug)]
pub struct RemoveImages {
    /// Also when a container is made of it, which keeps its layers, and all tags of an id
    #[arg(short, long)]
    force: bool,
    /// Taken and ignored: teu keeps no untagged parents
    #[arg(long, hide = true)]
    no_prune: bool,
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

/// Give an image another name.
#[derive(Args, Clone, Debug)]
pub struct TagImage {
    /// A name, id or digest
    #[arg(value_name = "IMAGE")]
    image: String,
    #[arg(value_name = "REPOSITORY[:TAG]")]
    reference: String,
}

const SHOWN: [Column; 5] =
    [("Repository", "REPOSITORY"), ("Tag", "TAG"), ("ID", "IMAGE ID"), ("CreatedSince", "CREATED"), ("Size", "SIZE")];

const WITH_DIGESTS: [Column; 6] = [SHOWN[0], SHOWN[1], ("Digest", "DIGEST"), SHOWN[2], SHOWN[3], SHOWN[4]];

const ALL: [Column; 4] =
    [("Digest", "DIGEST"), ("CreatedAt", "CREATED AT"), ("Platform", "PLATFORM"), ("Containers", "CONTAINERS")];

const NONE: &str = "<none>";

const FILTERS: [&str; 6] = ["reference", "dangling", "label", "before", "since", "until"];

pub fn images(engine: &Engine, wish: &Images) -> Outcome {
    let filters = Filters::parse(&wish.filter, &FILTERS)?;
    let images = engine.images()?;
    let created = |name: &str| {
        let found = images.iter().find(|image| image.label() == name || is_named(image, name));
        found.map(|image| image.created).ok_or_else(|| Failure::new(format!("No such image: {name}")))
    };
    let before = filters.values("before").map(created).collect::<Result<Vec<_>, _>>()?;
    let since = filters.values("since").map(created).collect::<Result<Vec<_>, _>>()?;
    let until = |text| moment(text).map_err(|reason| Failure::usage(format!("until={text}: {reason}")));
    let until = filters.values("until").map(until).collect::<Result<Vec<_>, _>>()?;
    let labels = labels(engine, &images, &filters);
    let kept: Vec<&ImageSummary> = images
        .iter()
        .filter(|image| {
            wish.repository.as_deref().is_none_or(|pattern| is_named(image, pattern))
                && filters.pass("reference", |pattern| is_named(image, pattern))
                && filters.pass("dangling", |wanted| wanted.parse() == Ok(image.reference.is_none() && !image.is_host))
                && before.iter().all(|time| image.created < *time)
                && since.iter().all(|time| image.created > *time)
                && until.iter().all(|time| image.created.is_some_and(|created| created < *time))
                && filters.pass_all("label", |label| {
                    image.id.as_ref().and_then(|id| labels.get(id)).is_some_and(|known| label_holds(known, label))
                })
        })
        .collect();
    let mut out = Output::open();
    if wish.quiet && wish.format.is_none() {
        let mut last = "";
        for image in kept {
            let id = image.id.as_ref().map_or(HOST_IMAGE, |id| if wish.no_trunc { id.as_str() } else { id.short() });
            if id != last {
                out.line(id)?;
            }
            last = id;
        }
        out.flush()?;
        return Ok(0);
    }
    let now = Timestamp::now();
    let rows: Vec<Row> = kept.into_iter().map(|image| row(image, wish.no_trunc, now)).collect();
    let shown: &[Column] = if wish.digests { &WITH_DIGESTS } else { &SHOWN };
    show(&mut out, &wish.format.clone().unwrap_or_default(), shown, &ALL, &rows)?;
    Ok(0)
}

/// The labels of all images, if a filter asks for any: they are read from each image's configuration.
fn labels<'a>(
    engine: &Engine,
    images: &'a [ImageSummary],
    filters: &Filters,
) -> HashMap<&'a Digest, BTreeMap<String, String>> {
    let ids = images.iter().filter(|_| filters.has("label")).filter_map(|image| image.id.as_ref());
    // An image whose configuration is damaged has none.
    ids.filter_map(|id| Some((id, engine.image_labels(id).ok()?))).collect()
}

pub fn tag(engine: &Engine, wish: &TagImage) -> Outcome {
    let text = &wish.reference;
    let reference: Reference =
        text.parse().map_err(|error| Failure::usage(format!("invalid image reference {text:?}: {error}")))?;
    engine.image_tag(&wish.image, &reference)?;
    Ok(0)
}

pub fn remove(engine: &Engine, wish: &RemoveImages) -> Outcome {
    let mut worst = 0;
    let mut out = Output::open();
    for image in &wish.images {
        match engine.image_remove(image, wish.force) {
            Ok(removed) => {
                for one in removed {
                    match one {
                        Removed::Untagged(reference) => out.line(&format!("Untagged: {}", reference.familiar()))?,
                        Removed::Deleted(digest) => out.line(&format!("Deleted: {digest}"))?,
                    }
                }
                out.flush()?;
            }
            // As Docker: by force, what is not there has reached its aim; it is told all the same.
            Err(error) if wish.force && error.kind() == ErrorKind::NotFound => {
                worst = reported(&Failure::from(error).with_exit_code(0), worst);
            }
            Err(error) => worst = reported(&error.into(), worst),
        }
    }
    Ok(worst)
}

/// Whether an image's name is `pattern`: `repository`, or `repository:tag`, with `*` for any text.
fn is_named(image: &ImageSummary, pattern: &str) -> bool {
    let names = match (&image.reference, image.is_host) {
        (_, true) => vec![HOST_IMAGE.to_owned()],
        (Some(reference), _) => vec![
            reference.familiar(),
            reference.familiar_repository(),
            reference.to_string(),
            format!("{}/{}", reference.registry(), reference.repository()),
        ],
        (None, _) => Vec::new(),
    };
    names.iter().any(|name| glob(pattern.as_bytes(), name.as_bytes()))
}

/// `*` for any text, `?` for one byte.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // Where to go on when the text after the last star does not fit: one byte later.
    let (mut at, mut star) = (0, None);
    let mut position = 0;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[position] => {
                at += 1;
                position += 1;
            }
            _ => match star {
                Some((before, from)) => {
                    star = Some((before, from + 1));
                    at = before + 1;
                    position = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

fn row(image: &ImageSummary, whole: bool, now: Timestamp) -> Row {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
    let digest = image.reference.as_ref().and_then(Reference::digest).or(image.manifest.as_ref());
    let repository = match image.is_host {
        true => HOST_IMAGE.to_owned(),
        false => or_none(image.reference.as_ref().map(Reference::familiar_repository)),
    };
    let id = match (&image.id, whole) {
        (Some(id), true) => id.to_string(),
        (Some(id), false) => id.short().to_owned(),
        (None, _) => NONE.to_owned(),
    };
    let created =
        |text: fn(Timestamp, Timestamp) -> String| image.created.map_or_else(|| "N/A".to_owned(), |t| text(t, now));
    Row::new([
        ("Repository", repository),
        ("Tag", or_none(image.reference.as_ref().and_then(Reference::tag).map(str::to_owned))),
        ("ID", id),
        ("CreatedSince", created(wording::ago)),
        ("Size", image.size_bytes.map_or_else(|| "N/A".to_owned(), wording::size)),
        ("Digest", or_none(digest.map(ToString::to_string))),
        ("CreatedAt", created(|time, _| wording::moment(time))),
        ("Platform", image.platform.to_string()),
        ("Containers", "N/A".to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::format::render;
    use crate::model::{Digest, Platform};

    fn image(reference: Option<&str>, number: u8) -> ImageSummary {
        ImageSummary {
            reference: reference.map(|text| text.parse().expect(text)),
            id: Some(Digest::from_sha256([number; 32])),
            manifest: Some(Digest::from_sha256([number + 1; 32])),
            created: Some(Timestamp::EPOCH),
            size_bytes: Some(142_000_000),
            platform: Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None },
            layers: 3,
            is_host: false,
        }
    }

    fn host() -> ImageSummary {
        ImageSummary {
            id: None,
            manifest: None,
            created: None,
            size_bytes: None,
            layers: 0,
            is_host: true,
            ..image(None, 0)
        }
    }

    #[test]
    fn images_table_has_dockers_columns() {
        let now = Timestamp(jiff::Timestamp::from_second(86_400 * 15).expect("in range"));
        let images = [host(), image(Some("debian:12"), 1), image(Some("localhost:5000/a/b"), 2), image(None, 3)];
        let rows: Vec<Row> = images.iter().map(|image| row(image, false, now)).collect();
        let mut text = render(&Format::Table, &SHOWN, &ALL, &rows).expect("renders");
        text += &render(&Format::Table, &WITH_DIGESTS, &ALL, &rows).expect("renders");
        text += &render(&Format::Json, &SHOWN, &ALL, &rows[1..2]).expect("renders");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn image_names_match_patterns() {
        let debian = image(Some("debian:12"), 1);
        for pattern in ["debian", "debian:12", "deb*", "docker.io/library/debian", "*:12", "debian:1?"] {
            assert!(is_named(&debian, pattern), "{pattern}");
        }
        for pattern in ["debian:13", "ebian", "*:13", "", "debian:12?"] {
            assert!(!is_named(&debian, pattern), "{pattern}");
        }
        assert!(is_named(&host(), "host") && !is_named(&host(), "debian"));
    }
}
