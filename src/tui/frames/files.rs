//! Scenes of the file browser.

use super::{Scene, press, problem, tell, type_text};
use crate::model::{FilePage, FilePart};
use crate::tui::action::{Problem, Told};
use crate::tui::app::App;
use crate::tui::effect::Effect;
use crate::tui::sample;

pub const SCENES: &[Scene] = &[
    ("files", |app| {
        open(app);
        press(app, "down down down down");
    }),
    ("files-marked", |app| {
        open(app);
        press(app, "down down down down space space .");
    }),
    ("files-filter", |app| {
        open(app);
        press(app, "/");
        type_text(app, "re");
    }),
    ("files-empty", |app| {
        let visit = asked(&press(app, "f"));
        let page = FilePage { path: "/mnt".into(), from: 0, total: 0, entries: Vec::new() };
        tell(app, Told::Files { visit, page: Box::new(page) });
        tell(app, Told::FilesEnd { visit, result: Ok(()) });
    }),
    ("files-large", |app| {
        let visit = asked(&press(app, "f"));
        let page = FilePage { total: 1_250_000, ..sample::files::page() };
        tell(app, Told::Files { visit, page: Box::new(page) });
    }),
    ("files-error", |app| {
        let visit = asked(&press(app, "f"));
        tell(app, Told::FilesEnd { visit, result: Err(problem()) });
    }),
    ("files-copy-out", |app| {
        open(app);
        press(app, "end c");
    }),
    ("files-copy-in", |app| {
        open(app);
        press(app, "i enter");
    }),
    ("file-text", |app| {
        read(app, sample::files::text());
        press(app, "/");
        type_text(app, "read");
        press(app, "enter n n");
    }),
    ("file-end", |app| {
        read(app, sample::files::text());
        press(app, "end");
    }),
    ("file-bytes", |app| {
        read(app, sample::files::bytes());
        press(app, "/");
        type_text(app, "gnu");
        press(app, "enter");
    }),
    ("file-part", |app| {
        let part = sample::files::text();
        let offset = super::super::screens::files::PART_BYTES;
        read(app, FilePart { size_bytes: 730 << 20, offset, bytes: part.bytes.repeat(900), ..part });
    }),
];

/// The number under which a folder or a file was asked for last.
pub fn asked(effects: &[Effect]) -> u64 {
    let number = effects.iter().rev().find_map(|effect| match effect {
        Effect::ListFiles { visit, .. } | Effect::ReadFile { visit, .. } => Some(*visit),
        _ => None,
    });
    number.expect("files were asked for")
}

/// Answers the question whether the files that a form names are as they have to be.
pub fn looked(app: &mut App, asked: &[Effect], result: Result<(), Problem>) -> Vec<Effect> {
    let [Effect::LookAtFiles(wish)] = asked else { panic!("{asked:?}") };
    let effects = tell(app, Told::FilesLookedAt { wish: wish.clone(), result });
    super::draw(app);
    effects
}

/// The files of brave_hopper, in /srv/site.
pub fn open(app: &mut App) {
    let visit = asked(&press(app, "f"));
    tell(app, Told::Files { visit, page: Box::new(sample::files::page()) });
    tell(app, Told::FilesEnd { visit, result: Ok(()) });
    super::draw(app);
}

/// A file of it.
pub fn read(app: &mut App, part: FilePart) {
    open(app);
    let visit = asked(&press(app, "end enter"));
    tell(app, Told::FileRead { visit, result: Ok(Box::new(part)) });
    super::draw(app);
}
