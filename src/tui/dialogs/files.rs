//! The forms that copy files between this machine and a container or a volume.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Dialog;
use super::about::About;
use super::form::{Form, Row, Wrong};
use crate::model::{FilePlace, printable_line};
use crate::tui::figures;
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::transfer::{CopyInWish, CopyOutWish, Wish};

/// Asks where files of a place go.
pub fn copy_out(place: FilePlace, paths: Vec<OsString>, bytes: Option<u64>) -> Vec<Step> {
    let help = "a folder of this machine, or a new name; Tab completes, ~/ is your home";
    let title = match &paths[..] {
        [path] => format!("Copy {} out", shown(Path::new(path))),
        paths => format!("Copy {} files and folders out", paths.len()),
    };
    let mut form = Form::new(About::CopyOut { place, paths, bytes }, title, "Copy", vec![Row::path("To", "./", help)]);
    let size = bytes.map_or_else(String::new, |bytes| format!("{}. ", figures::bytes_long(bytes)));
    form.notes.push((format!("{size}Nothing is overwritten."), Role::Dim));
    open(form)
}

/// Asks what of this machine goes into a folder of a place.
pub fn copy_in(place: FilePlace, folder: OsString) -> Vec<Step> {
    let help = "of this machine; Tab completes, ~/ is your home";
    let title = format!("Copy into {}", shown(Path::new(&folder)));
    let mut row = Row::path("From", "", help);
    row.placeholder = "a file or a folder";
    let mut form = Form::new(About::CopyIn { place, folder }, title, "Copy", vec![row]);
    form.notes.push(("The copies are root's in there.".to_owned(), Role::Dim));
    form.notes.push(("A file of the same name is replaced.".to_owned(), Role::Dim));
    open(form)
}

fn open(form: Form) -> Vec<Step> {
    vec![Step::Open(Box::new(Dialog::Form(Box::new(form))))]
}

fn shown(path: &Path) -> String {
    printable_line(&path.to_string_lossy()).into_owned()
}

pub fn apply_copy_out(
    form: &Form,
    place: &FilePlace,
    paths: &[OsString],
    bytes: Option<u64>,
) -> Result<Vec<Step>, Vec<Wrong>> {
    let to = needed(form, "a folder or a new name is needed")?;
    let wish = CopyOutWish { place: place.clone(), paths: paths.to_vec(), to, bytes };
    Ok(vec![Step::Transfer(Wish::CopyOut(wish))])
}

pub fn apply_copy_in(form: &Form, place: &FilePlace, folder: &OsString) -> Result<Vec<Step>, Vec<Wrong>> {
    let from = needed(form, "a file or a folder is needed")?;
    let wish = CopyInWish { place: place.clone(), folder: folder.clone(), from };
    Ok(vec![Step::Transfer(Wish::CopyIn(wish))])
}

fn needed(form: &Form, why: &str) -> Result<PathBuf, Vec<Wrong>> {
    match form.text(0) {
        text if text.is_empty() => Err(vec![(0, why.to_owned())]),
        text => Ok(PathBuf::from(text)),
    }
}
