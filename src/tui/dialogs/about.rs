//! What forms are about: their rows, and from what stands in them to what is done, or to what is wrong with it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::form::{Form, Row, Wrong};
use super::network_forms::{self, NetworkForm};
use super::volumes::VolumeForm;
use super::{files, prune, volumes};
use crate::engine::{ArchiveFormat, Compression};
use crate::model::{FilePlace, HOST_IMAGE, Id, Name, Reference, VolumeName};
use crate::tui::effect::Effect;
use crate::tui::step::{Page, Step};
use crate::tui::theme::Role;
use crate::tui::transfer::{CommitWish, ExportWish, LoadWish, PushWish, SaveWish, Wish};

/// What a form does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    Tag { image: String },
    Push { image: String },
    Save { images: Vec<String> },
    Load,
    Commit { id: Id, name: Name, running: bool },
    Export { id: Id, name: Name },
    Prune,
    CopyOut { place: FilePlace, paths: Vec<OsString>, bytes: Option<u64> },
    CopyIn { place: FilePlace, folder: OsString },
    Network(NetworkForm),
    Volume(VolumeForm),
    ExportVolume { name: VolumeName },
    Mounts { container: (Id, Name), targets: Vec<PathBuf> },
}

/// Gives an image another name.
pub fn tag(image: &str) -> Form {
    let help = "such as localhost:5000/team/app:1.2; what had that name loses it";
    let rows = vec![Row::text("New name", "", "name:tag", help)];
    Form::new(About::Tag { image: image.to_owned() }, format!("Tag {image}"), "Tag", rows)
}

/// Sends an image to the registry in its name.
pub fn push(image: &str) -> Form {
    let help = "registry and name; another name than it has is given to it first";
    let rows = vec![
        Row::text("To", image, "registry/name:tag", help),
        Row::switch("All tags", false, "space changes it: every tag that this repository has here"),
    ];
    Form::new(About::Push { image: image.to_owned() }, format!("Push {image}"), "Push", rows)
}

/// Writes images into a file.
pub fn save(images: &[String]) -> Form {
    let title = match images {
        [image] => format!("Save {image}"),
        images => format!("Save {} images into one file", images.len()),
    };
    let name = match images {
        [image] => format!("{}.tar", file_name(image)),
        _ => "images.tar".to_owned(),
    };
    let rows = vec![
        Row::path("File", &name, "a new file; Tab completes, ~/ is your home"),
        Row::choice(
            "Format",
            &["docker", "oci"],
            0,
            "docker is read by docker, podman and teu; oci by skopeo and others",
        ),
        Row::choice("Layers", &["as they are", "plain", "gzip", "zstd"], 0, "how layers are compressed in it"),
    ];
    Form::new(About::Save { images: images.to_vec() }, title, "Save", rows)
}

/// Reads images out of a file.
pub fn load() -> Form {
    let rows = vec![Row::path(
        "File",
        "",
        "what docker save, podman save, skopeo or teu save wrote; Tab completes, ~/ is your home",
    )];
    Form::new(About::Load, "Load images from a file", "Load", rows)
}

/// Makes an image of a container.
pub fn commit(id: Id, name: Name, running: bool) -> Form {
    let mut rows = vec![
        Row::text("Image", "", "none: it is known by its id", "the new image's name, such as my/app:1.2"),
        Row::text("Message", "", "none", "what has changed; the history shows it"),
        Row::text("Author", "", "none", "such as Ada Lovelace <ada@example.org>"),
        Row::text("Changes", "", "none", "Dockerfile lines divided by ; such as CMD [\"sh\"]; ENV A=b; WORKDIR /srv"),
    ];
    if running {
        rows.push(Row::switch(
            "Pause it",
            true,
            "space changes it: paused while its files are read, so that they fit together",
        ));
    }
    let title = format!("Make an image of {name}");
    Form::new(About::Commit { id, name, running }, title, "Commit", rows)
}

/// Writes a container's files into an archive.
pub fn export(id: Id, name: Name) -> Form {
    let rows = vec![Row::path("File", &format!("{name}.tar"), "a new file; Tab completes, ~/ is your home")];
    let mut form = Form::new(About::Export { id, name: name.clone() }, format!("Export {name}"), "Export", rows);
    form.notes.push(("All its files in one tar, without layers or history.".to_owned(), Role::Dim));
    form
}

impl About {
    /// What Enter comes to, or what is wrong.
    pub fn apply(&self, form: &Form) -> Result<Vec<Step>, Vec<Wrong>> {
        match self {
            Self::Tag { image } => {
                let name = name(form, 0)?;
                Ok(vec![Step::Do(Effect::Tag { image: image.clone(), name })])
            }
            Self::Push { image } => {
                let to = name(form, 0)?;
                let tagged_from = (image.parse::<Reference>().ok().as_ref() != Some(&to)).then(|| image.clone());
                Ok(transfer(Wish::Push(PushWish { reference: to.familiar(), all_tags: form.is_on(1), tagged_from })))
            }
            Self::Save { images } => {
                let format = if form.chosen(1) == 0 { ArchiveFormat::Docker } else { ArchiveFormat::Oci };
                let layers = [None, Some(Compression::Plain), Some(Compression::Gzip), Some(Compression::Zstd)];
                let wish =
                    SaveWish { images: images.clone(), path: path(form, 0)?, format, layers: layers[form.chosen(2)] };
                Ok(transfer(Wish::Save(wish)))
            }
            Self::Load => Ok(transfer(Wish::Load(LoadWish { path: path(form, 0)? }))),
            Self::Commit { id, name: container, running } => {
                let reference = if form.text(0).is_empty() { None } else { Some(name(form, 0)?) };
                let optional = |row| Some(form.text(row)).filter(|text| !text.is_empty());
                let lines = form.text(3);
                let changes = lines.split(';').map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
                let wish = CommitWish {
                    id: id.clone(),
                    name: container.clone(),
                    reference,
                    message: optional(1),
                    author: optional(2),
                    changes: changes.collect(),
                    pause: *running && form.is_on(4),
                };
                Ok(transfer(Wish::Commit(wish)))
            }
            Self::Export { id, name } => {
                let wish = ExportWish { id: id.clone(), name: name.clone(), path: path(form, 0)? };
                Ok(transfer(Wish::Export(wish)))
            }
            Self::Prune => prune::apply(form),
            Self::CopyOut { place, paths, bytes } => files::apply_copy_out(form, place, paths, *bytes),
            Self::CopyIn { place, folder } => files::apply_copy_in(form, place, folder),
            Self::Network(about) => about.apply(form),
            Self::Volume(about) => volumes::apply(form, *about),
            Self::ExportVolume { name } => volumes::apply_export(form, name),
            Self::Mounts { container, targets } => volumes::apply_mounts(form, container, targets),
        }
    }

    /// What has to be asked when something in the form is another.
    pub fn changed(&self, form: &Form) -> Vec<Step> {
        match self {
            Self::Prune => prune::changed(form),
            Self::Network(about) => network_forms::changed(form, about),
            Self::Volume(_) => volumes::changed(form),
            _ => Vec::new(),
        }
    }

    /// What the form comes to as it is filled in; none leaves what is said.
    pub fn notes(&self, form: &Form) -> Option<Vec<(String, Role)>> {
        match self {
            Self::Network(about) => about.notes(form),
            _ => None,
        }
    }

    /// Whether the form stays until what it asks for is done, so that what is refused can be mended in it.
    pub fn waits(&self) -> bool {
        matches!(self, Self::Network(_) | Self::Volume(VolumeForm::Create) | Self::Mounts { .. })
    }
}

fn transfer(wish: Wish) -> Vec<Step> {
    vec![Step::Transfer(wish), Step::Show(Page::Transfers)]
}

/// A row's text as an image's name that images may have.
fn name(form: &Form, row: usize) -> Result<Reference, Vec<Wrong>> {
    let text = form.text(row);
    let wrong = |text: &str| Err(vec![(row, text.to_owned())]);
    if text.is_empty() {
        return wrong("a name is needed");
    }
    match text.parse::<Reference>() {
        Err(error) => wrong(&error.to_string()),
        Ok(reference) if reference.digest().is_some() => wrong("a digest cannot be given away: write name:tag"),
        Ok(reference) if reference.familiar_repository() == HOST_IMAGE => wrong("host is this machine's own image"),
        Ok(reference) => Ok(reference),
    }
}

/// A row's text as a path; who opens it puts the user's home in place of `~/`.
fn path(form: &Form, row: usize) -> Result<PathBuf, Vec<Wrong>> {
    let text = form.text(row);
    if text.is_empty() || text.ends_with('/') {
        return Err(vec![(row, "a file is needed".to_owned())]);
    }
    Ok(PathBuf::from(text))
}

/// A file's name made of an image's: nothing but letters, digits, `.`, `-` and `_`.
fn file_name(image: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' };
    let name: String = image.chars().map(plain).collect();
    let name = Path::new(name.trim_start_matches(['.', '-'])).to_string_lossy().into_owned();
    if name.is_empty() { "image".to_owned() } else { name }
}
