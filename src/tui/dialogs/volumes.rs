//! The forms about volumes: make one, prune those that nobody uses, write one into an archive, fill one from it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Dialog;
use super::about::About;
use super::confirm::Confirm;
use super::form::{Form, Row, Wrong};
use super::form_sent::{Preview, failed};
use super::run_wish::{self, words};
use crate::model::{ContainerSummary, Id, Name, Pruned, VolumeName, VolumeSummary, VolumeWish, printable_line};
use crate::tui::action::Problem;
use crate::tui::effect::Effect;
use crate::tui::figures;
use crate::tui::screens::{mount_line, volume_label};
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::toast::wrap;
use crate::tui::transfer::{VolumeExportWish, VolumeImportWish, Wish};
use crate::tui::volume_deed::{VolumeDeed, VolumePrune};

/// Cells of the lines that say what goes.
const NOTE: usize = 66;

/// A form about volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeForm {
    Create,
    Prune,
    Import,
}

fn open(form: Form) -> Vec<Step> {
    vec![Step::Open(Box::new(Dialog::Form(Box::new(form))))]
}

pub fn create() -> Vec<Step> {
    let rows = vec![
        Row::text("Name", "", "generated", "letters, digits, and _ . - behind the first; empty makes an anonymous one"),
        Row::text("Labels", "", "none", "key=value, several divided by blanks"),
        Row::text("Options", "", "none", "of Docker's local driver, such as type=none o=bind device=/srv/data"),
    ];
    open(Form::new(About::Volume(VolumeForm::Create), "Make a volume", "Create", rows))
}

pub fn prune() -> Vec<Step> {
    let rows = vec![Row::choice(
        "Volumes",
        &["anonymous", "all unused"],
        0,
        "space changes it: those that nobody named, or all that no container is made with",
    )];
    let form = Form::new(About::Volume(VolumeForm::Prune), "Prune volumes that nobody uses", "Remove", rows).looking();
    let mut steps = changed(&form);
    steps.insert(0, Step::Open(Box::new(Dialog::Form(Box::new(form)))));
    steps
}

pub fn export(volume: &VolumeSummary) -> Vec<Step> {
    let name = volume.volume.name.clone();
    let file = format!("{}.tar", volume_label(volume));
    let rows = vec![Row::path("File", &file, "a new file; Tab completes, ~/ is your home")];
    let title = format!("Export {}", volume_label(volume));
    let mut form = Form::new(About::ExportVolume { name }, title, "Export", rows);
    form.notes.push(("All its files in one tar, with their owners and attributes.".to_owned(), Role::Dim));
    open(form)
}

pub fn import(selected: Option<&VolumeSummary>) -> Vec<Step> {
    let name = selected.filter(|volume| !volume.volume.anonymous).map_or("", |volume| volume.volume.name.as_str());
    let rows = vec![
        Row::path("File", "", "a tar, plain, gzip or zstd; Tab completes, ~/ is your home"),
        Row::text("Into", name, "a volume's name", "one that is there keeps its other files; one that is not is made"),
    ];
    open(Form::new(About::Volume(VolumeForm::Import), "Fill a volume from an archive", "Import", rows))
}

/// What is mounted in a container, to be changed if it does not run.
pub fn mounts(container: &ContainerSummary) -> Vec<Step> {
    let name = &container.name;
    let targets: Vec<PathBuf> = container.mounts.iter().map(|mount| mount.target.clone()).collect();
    let there = targets.iter().map(|target| printable_line(&target.to_string_lossy()).into_owned());
    let rows = vec![
        Row::text(
            "Add",
            "",
            "nothing",
            "NAME:/inside, /on/host:/inside:ro, or type=…,target=…; several divided by blanks",
        ),
        Row::list(
            "Take away",
            std::iter::once("nothing".to_owned()).chain(there).collect(),
            "left and right choose; a volume itself stays",
        ),
    ];
    let about = About::Mounts { container: (container.id.clone(), name.clone()), targets };
    let mut form = Form::new(about, format!("Mounts of {name}"), "Change", rows);
    if container.state.is_running() {
        let note = "It is running, and what it sees is settled when it starts: stop it (s) to change them.";
        form.notes.push((note.to_owned(), Role::Warn));
    }
    let lines = container.mounts.iter().map(|mount| (printable_line(&mount_line(mount)).into_owned(), Role::Text));
    form.notes.extend(lines);
    if container.mounts.is_empty() {
        form.notes.push(("nothing is mounted in it".to_owned(), Role::Dim));
    }
    open(form)
}

/// What Enter comes to.
pub fn apply_mounts(form: &Form, container: &(Id, Name), targets: &[PathBuf]) -> Result<Vec<Step>, Vec<Wrong>> {
    let add = run_wish::volumes(&form.text(0)).map_err(|why| vec![(0, why)])?;
    let remove: Vec<PathBuf> =
        form.chosen(1).checked_sub(1).and_then(|at| targets.get(at)).cloned().into_iter().collect();
    if add.is_empty() && remove.is_empty() {
        return Err(vec![(0, "a mount to add, or one to take away".to_owned())]);
    }
    Ok(vec![Step::Do(Effect::Volume(VolumeDeed::Refit { container: container.clone(), add, remove }))])
}

/// What has to be asked when something in a form is another.
pub fn changed(form: &Form) -> Vec<Step> {
    match form.about {
        About::Volume(VolumeForm::Prune) => vec![Step::Do(Effect::Volume(VolumeDeed::PreviewPrune(wish(form))))],
        _ => Vec::new(),
    }
}

fn wish(form: &Form) -> VolumePrune {
    VolumePrune { all: form.chosen(0) == 1 }
}

/// What Enter comes to.
pub fn apply(form: &Form, about: VolumeForm) -> Result<Vec<Step>, Vec<Wrong>> {
    match about {
        VolumeForm::Create => {
            let name = if form.text(0).is_empty() { None } else { Some(name(form, 0)?) };
            let wish = VolumeWish { name, labels: pairs(form, 1)?, options: pairs(form, 2)? };
            Ok(vec![Step::Do(Effect::Volume(VolumeDeed::Create(Box::new(wish))))])
        }
        VolumeForm::Prune => {
            let effect = Effect::Volume(VolumeDeed::Prune(wish(form)));
            // What it frees; the names stand in the form.
            let frees = form.notes.first().map_or("", |(line, _)| line.as_str());
            let text = format!("{frees} All files in them are lost.");
            let question = Confirm::grave("Remove volumes that nobody uses?", text, "Remove", effect).of_form();
            Ok(vec![Step::Open(Box::new(Dialog::Confirm(question)))])
        }
        VolumeForm::Import => {
            let wish = VolumeImportWish { path: path(form)?, name: name(form, 1)? };
            Ok(vec![Step::Transfer(Wish::VolumeImport(wish))])
        }
    }
}

pub fn apply_export(form: &Form, name: &VolumeName) -> Result<Vec<Step>, Vec<Wrong>> {
    let wish = VolumeExportWish { name: name.clone(), path: path(form)? };
    Ok(vec![Step::Transfer(Wish::VolumeExport(wish))])
}

fn path(form: &Form) -> Result<PathBuf, Vec<Wrong>> {
    let text = form.text(0);
    if text.is_empty() || text.ends_with('/') {
        return Err(vec![(0, "a file is needed".to_owned())]);
    }
    Ok(PathBuf::from(text))
}

fn name(form: &Form, row: usize) -> Result<VolumeName, Vec<Wrong>> {
    let text = form.text(row);
    if text.is_empty() {
        return Err(vec![(row, "a name is needed".to_owned())]);
    }
    text.parse().map_err(|_| vec![(row, "letters and digits, and _ . - behind the first, at most 255".to_owned())])
}

/// `key=value` words; a word without `=` has no value.
fn pairs(form: &Form, row: usize) -> Result<BTreeMap<String, String>, Vec<Wrong>> {
    let wrong = |error: String| vec![(row, error)];
    let pair = |word: String| match word.split_once('=') {
        Some(("", _)) => Err(wrong(format!("{word} has no key"))),
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Ok((word, String::new())),
    };
    words(&form.text(row)).map_err(|error| wrong(error.to_string()))?.into_iter().map(pair).collect()
}

/// What would go has been found out.
pub fn told(form: &mut Form, asked: VolumePrune, result: &Result<Pruned, Problem>) -> Vec<Step> {
    if form.about != About::Volume(VolumeForm::Prune) || wish(form) != asked {
        return Vec::new();
    }
    match result {
        Ok(pruned) if pruned.volumes.is_empty() => {
            let text = match asked.all {
                true => "Every volume is used: there is nothing to remove.",
                false => "No unused volume is anonymous; space looks at all.",
            };
            form.previewed(Preview::Nothing, vec![(text.to_owned(), Role::Text)])
        }
        Ok(pruned) => form.previewed(Preview::Something, notes(pruned)),
        Err(problem) => form.previewed(Preview::Failed, failed(problem)),
    }
}

fn notes(pruned: &Pruned) -> Vec<(String, Role)> {
    let count = match pruned.volumes.len() {
        1 => "1 volume".to_owned(),
        count => format!("{count} volumes"),
    };
    let mut notes = vec![(format!("Frees {}: {count}.", figures::bytes_long(pruned.freed_bytes)), Role::Accent)];
    // Of names that nobody gave the first digits are enough.
    let short = |name: &VolumeName| {
        let name = name.as_str();
        let is_digits = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_digits { name[..12].to_owned() } else { name.to_owned() }
    };
    let names = pruned.volumes.iter().map(short).collect::<Vec<_>>().join(", ");
    notes.extend(wrap(&names, NOTE).into_iter().take(3).map(|line| (line, Role::Text)));
    notes
}
