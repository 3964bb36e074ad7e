//! `--mount KEY=VALUE,…`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::{MountTextError, absolute_target, normal, refuse};
use crate::model::{Mount, MountPropagation, MountSource, MountsBelow, VolumeName, parse_bytes};

/// What `--mount` says, before it is known to make sense together.
#[derive(Debug, Default)]
struct Spelled {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: bool,
    propagation: Option<MountPropagation>,
    below: Option<MountsBelow>,
    create: bool,
    volume_subpath: Option<PathBuf>,
    no_copy: bool,
    labels: BTreeMap<String, String>,
    options: BTreeMap<String, String>,
    image_subpath: Option<PathBuf>,
    size_bytes: Option<u64>,
    mode: Option<u32>,
    /// Keys that belong to one type, as they were written.
    own_keys: Vec<(&'static str, String)>,
}

/// Those that need a value.
const KEYS: [&str; 16] = [
    "type",
    "source",
    "src",
    "target",
    "destination",
    "dst",
    "consistency",
    "bind-propagation",
    "bind-recursive",
    "volume-subpath",
    "volume-driver",
    "volume-label",
    "volume-opt",
    "image-subpath",
    "tmpfs-size",
    "tmpfs-mode",
];

const LONG: &str = "write type=bind|volume|tmpfs|image,source=…,target=…, then readonly, bind-propagation=…, bind-recursive=…, \
                    volume-subpath=…, volume-nocopy, image-subpath=…, tmpfs-size=…, tmpfs-mode=…";

/// `KEY=VALUE,…`, of which `target` is needed. Relative paths are read against `folder`.
pub fn parse_mount(text: &str, folder: &Path) -> Result<Mount, MountTextError> {
    let mut spelled = Spelled::default();
    for field in fields(text)? {
        spelled.take(&field)?;
    }
    spelled.mount(folder)
}

impl Spelled {
    fn take(&mut self, field: &str) -> Result<(), MountTextError> {
        let (key, value) = field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value)));
        let key = key.trim().to_ascii_lowercase();
        for kind in ["bind", "volume", "tmpfs", "image"] {
            if key.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-')) {
                self.own_keys.push((kind, key.clone()));
            }
        }
        // Flags may stand alone.
        match key.as_str() {
            "readonly" | "ro" => return set(&mut self.read_only, flag(&key, value)?),
            "bind-nonrecursive" => {
                let hidden = flag(&key, value)?;
                return self.set_below(if hidden { MountsBelow::Hidden } else { MountsBelow::Shown });
            }
            "bind-create-src" => return set(&mut self.create, flag(&key, value)?),
            "volume-nocopy" => return set(&mut self.no_copy, flag(&key, value)?),
            _ => {}
        }
        let Some(value) = value.filter(|_| KEYS.contains(&key.as_str())) else {
            let why = if KEYS.contains(&key.as_str()) { "has no value" } else { "is no key" };
            return refuse(format!("{key:?} {why}"), LONG);
        };
        let whole = || match value {
            "" => refuse(format!("{key}= has no value"), LONG),
            value => Ok(value.to_owned()),
        };
        match key.as_str() {
            "type" => self.kind = Some(value.to_ascii_lowercase()),
            "source" | "src" => self.source = Some(whole()?),
            "target" | "destination" | "dst" => self.target = Some(whole()?),
            "consistency" => {}
            "bind-propagation" => self.propagation = Some(propagation(value)?),
            "bind-recursive" => return self.set_below(below(value)?),
            "volume-subpath" => self.volume_subpath = Some(subpath(value)?),
            "volume-driver" if value == "local" => {}
            "volume-driver" => {
                return refuse(
                    format!("there is no volume driver {value:?}"),
                    "teu has the driver local only: Docker's others are plugins of its daemon",
                );
            }
            "volume-label" => self.labels.extend([pair(value)]),
            "volume-opt" => self.options.extend([pair(value)]),
            "image-subpath" => self.image_subpath = Some(subpath(value)?),
            "tmpfs-size" => match parse_bytes(value) {
                Ok(bytes) => self.size_bytes = Some(bytes),
                Err(error) => return refuse(format!("tmpfs-size: {error}"), "such as tmpfs-size=64m"),
            },
            "tmpfs-mode" => match u32::from_str_radix(value, 8) {
                Ok(mode) if mode <= 0o7777 => self.mode = Some(mode),
                _ => return refuse(format!("tmpfs-mode {value:?} is no octal mode"), "such as tmpfs-mode=1770"),
            },
            _ => return refuse(format!("{key:?} is no key"), LONG),
        }
        Ok(())
    }

    fn set_below(&mut self, below: MountsBelow) -> Result<(), MountTextError> {
        if self.below.is_some_and(|other| other != below) {
            return refuse(
                "bind-nonrecursive and bind-recursive contradict each other",
                "bind-nonrecursive is the same as bind-recursive=disabled: leave one out",
            );
        }
        self.below = Some(below);
        Ok(())
    }

    fn mount(self, folder: &Path) -> Result<Mount, MountTextError> {
        let kind = self.kind.clone().unwrap_or_else(|| "volume".to_owned());
        if let Some((owner, key)) = self.own_keys.iter().find(|(owner, _)| *owner != kind) {
            return refuse(
                format!("{key} is for type={owner}, and this is type={kind}"),
                format!("leave {key} out, or write type={owner}"),
            );
        }
        let Some(target) = &self.target else {
            return refuse("it has no target", "add target=/PATH/INSIDE");
        };
        let target = absolute_target(target)?;
        let read_only = self.read_only || kind == "image";
        let source = match kind.as_str() {
            "bind" => self.bind(folder)?,
            "volume" => self.volume()?,
            "tmpfs" => match &self.source {
                Some(source) => {
                    return refuse(
                        format!("a tmpfs has no source, {source:?} is one"),
                        "leave source out, or write type=bind or type=volume",
                    );
                }
                None => MountSource::Tmpfs { size_bytes: self.size_bytes.filter(|bytes| *bytes > 0), mode: self.mode },
            },
            "image" => match self.source {
                Some(reference) => MountSource::Image { reference, subpath: self.image_subpath, pinned: None },
                None => return refuse("it has no source", "add source=IMAGE, such as source=debian:12"),
            },
            "npipe" | "cluster" => {
                return refuse(
                    format!("type={kind} is not for this kind of machine"),
                    "types are bind, volume, tmpfs, image",
                );
            }
            _ => return refuse(format!("there is no type {kind:?}"), "types are bind, volume, tmpfs, image"),
        };
        Ok(Mount { source, target, read_only })
    }

    fn bind(&self, folder: &Path) -> Result<MountSource, MountTextError> {
        let Some(source) = self.source.as_deref() else {
            return refuse("it has no source", "add source=/PATH/ON/THIS/MACHINE");
        };
        let path = match source {
            absolute if absolute.starts_with('/') => normal(Path::new(absolute)),
            relative if relative.starts_with('.') => normal(&folder.join(relative)),
            other => {
                return refuse(
                    format!("the source {other:?} is no absolute path"),
                    format!("write source=./{other} or an absolute path; a volume goes with type=volume"),
                );
            }
        };
        let below = self.below.unwrap_or_default();
        if matches!(below, MountsBelow::Writable | MountsBelow::ReadOnly) && !self.read_only {
            return refuse("bind-recursive=writable and =readonly say how far read-only goes", "add readonly");
        }
        if below == MountsBelow::ReadOnly && self.propagation.is_some_and(|wish| wish != MountPropagation::RPrivate) {
            return refuse(
                "bind-recursive=readonly cannot hold for mounts that come later",
                "write bind-propagation=rprivate or leave it out",
            );
        }
        Ok(MountSource::Bind { path, propagation: self.propagation.unwrap_or_default(), below, create: self.create })
    }

    fn volume(self) -> Result<MountSource, MountTextError> {
        let name = match &self.source {
            None => None,
            Some(name) => match name.parse::<VolumeName>() {
                Ok(name) => Some(name),
                Err(_) if name.starts_with(['/', '.']) => {
                    return refuse(
                        format!("the source {name:?} is a path, and this is a volume"),
                        "add type=bind for a folder of this machine",
                    );
                }
                Err(error) => return refuse(format!("{name:?}: {error}"), "such as source=data"),
            },
        };
        let (anonymous, copy) = (name.is_none(), !self.no_copy);
        let (subpath, labels, options) = (self.volume_subpath, self.labels, self.options);
        if anonymous && subpath.is_some() {
            return refuse(
                "a new volume is empty: there is no volume-subpath in it",
                "name the volume with source=NAME",
            );
        }
        Ok(MountSource::Volume { name, subpath, copy, anonymous, labels, options })
    }
}

fn set(place: &mut bool, value: bool) -> Result<(), MountTextError> {
    *place = value;
    Ok(())
}

/// Go's strconv.ParseBool.
fn flag(key: &str, value: Option<&str>) -> Result<bool, MountTextError> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => {
            refuse(format!("{key}={other:?} is neither true nor false"), format!("write {key} or {key}=false"))
        }
    }
}

fn propagation(word: &str) -> Result<MountPropagation, MountTextError> {
    word.parse().or_else(|()| {
        let words = MountPropagation::ALL.map(MountPropagation::word).join(", ");
        refuse(format!("there is no bind-propagation {word:?}"), format!("there are {words}"))
    })
}

fn below(word: &str) -> Result<MountsBelow, MountTextError> {
    match word {
        "enabled" => Ok(MountsBelow::Shown),
        "disabled" => Ok(MountsBelow::Hidden),
        "writable" => Ok(MountsBelow::Writable),
        "readonly" => Ok(MountsBelow::ReadOnly),
        _ => match flag("bind-recursive", Some(word)) {
            Ok(true) => Ok(MountsBelow::Shown),
            Ok(false) => Ok(MountsBelow::Hidden),
            Err(_) => refuse(
                format!("there is no bind-recursive={word:?}"),
                "there are enabled, disabled (nothing mounted below is shown), writable and readonly",
            ),
        },
    }
}

/// Of a volume or an image: below it, by its text already.
fn subpath(text: &str) -> Result<PathBuf, MountTextError> {
    let path = Path::new(text);
    if path.is_absolute() || path.components().any(|part| part == Component::ParentDir) || text.contains('\0') {
        return refuse(format!("the subpath {text:?} leads out"), "it is relative to the top and has no ..");
    }
    let clean: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    match clean.as_os_str().is_empty() {
        true => refuse("the subpath is empty", "leave it out to show all"),
        false => Ok(clean),
    }
}

fn pair(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.to_owned(), value.to_owned())
}

/// The fields of one line of comma-separated values: one that begins with a quote may hold commas, and quotes doubled.
fn fields(text: &str) -> Result<Vec<String>, MountTextError> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => match rest.find(',') {
                Some(at) => (rest[..at].to_owned(), &rest[at..]),
                None => (rest.to_owned(), ""),
            },
        };
        fields.push(field);
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

fn quoted_field(text: &str) -> Result<(String, &str), MountTextError> {
    let mut field = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        field.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if rest.is_empty() || rest.starts_with(',') {
            return Ok((field, rest));
        }
        let Some(more) = rest.strip_prefix('"') else { break };
        field.push('"');
        rest = more;
    }
    refuse("a quote is not closed", "write \"KEY=VALUE,WITH,COMMAS\", quotes in it doubled")
}
