//! The file browser: the folders and files of a container or a volume, to walk through, to read, to copy out of and into.
//! Names come from the container: they are shown printable, and used byte for byte.

mod draw;
mod hunt;
mod order;
mod text;
mod view;

pub use self::view::PART_BYTES;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crossterm::event::{KeyCode, KeyEvent};

use self::order::{COLUMNS, Item, MODIFIED, NAME, SIZE};
use self::view::View;
use super::layers::rows::Cursor;
use crate::model::{FilePage, FilePart, FilePlace, FileSort};
use crate::tui::action::Problem;
use crate::tui::canvas::Target;
use crate::tui::commands::{Command, Scope};
use crate::tui::dialogs;
use crate::tui::effect::Effect;
use crate::tui::field::Field;
use crate::tui::list::Sort;
use crate::tui::step::Step;
use crate::tui::toast::Toast;

/// Entries of one folder that are asked for and kept.
pub const MOST_ENTRIES: u64 = 200_000;

/// The screen's state, about one place at a time.
#[derive(Clone, Debug)]
pub struct Files {
    place: Option<FilePlace>,
    /// Counts questions, so that late answers are known as such.
    visit: u64,
    /// The folder that is shown, as its real path.
    path: OsString,
    items: Vec<Item>,
    /// How many entries the folder has.
    total: u64,
    /// The folder that is shown has been read to its end, or as far as it is read.
    whole: bool,
    /// Why there is nothing to show.
    problem: Option<Problem>,
    /// A name to go to when it comes.
    wanted: Option<OsString>,
    sort: Sort,
    hidden: bool,
    filter: String,
    pub typing: bool,
    /// Places among the items, in the order they are shown.
    rows: Vec<usize>,
    cursor: Cursor,
    marks: BTreeSet<OsString>,
    view: Option<Box<View>>,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            place: None,
            visit: 0,
            path: OsString::from("/"),
            items: Vec::new(),
            total: 0,
            whole: false,
            problem: None,
            wanted: None,
            sort: Sort::ascending(NAME),
            hidden: true,
            filter: String::new(),
            typing: false,
            rows: Vec::new(),
            cursor: Cursor::default(),
            marks: BTreeSet::new(),
            view: None,
        }
    }
}

impl Files {
    pub fn scopes(&self) -> &'static [Scope] {
        match self.view {
            Some(_) => &[Scope::FileView, Scope::List, Scope::Everywhere],
            None => &[Scope::Files, Scope::Marks, Scope::List, Scope::Everywhere],
        }
    }

    /// Shows a place: where one was in it, or its root.
    pub fn open(&mut self, place: &FilePlace) -> Vec<Step> {
        if self.place.as_ref() != Some(place) {
            let (visit, sort, hidden) = (self.visit, self.sort, self.hidden);
            *self = Self { place: Some(place.clone()), visit, sort, hidden, ..Self::default() };
        }
        if self.view.is_some() { Vec::new() } else { self.again() }
    }

    /// How many are marked.
    pub fn count_marked(&self) -> usize {
        if self.view.is_some() { 0 } else { self.marks.len() }
    }

    /// Whether text is being typed: the filter, or what to find in a file.
    pub fn is_typing(&self) -> bool {
        self.typing || self.view.as_ref().is_some_and(|view| view.typing)
    }

    /// Whether a file is read, and not a folder.
    pub fn is_viewing(&self) -> bool {
        self.view.is_some()
    }

    pub fn is_finding(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.typing)
    }

    fn go_to(&mut self, path: OsString, wanted: Option<OsString>) -> Vec<Step> {
        let Some(place) = self.place.clone() else { return Vec::new() };
        self.visit += 1;
        self.wanted = wanted;
        vec![Step::Do(Effect::ListFiles { place, visit: self.visit, path })]
    }

    /// Looks anew, and stays where it is.
    fn again(&mut self) -> Vec<Step> {
        let wanted = self.here().map(|item| item.entry.name.clone());
        self.go_to(self.path.clone(), wanted)
    }

    /// Something was copied into a place.
    pub fn changed(&mut self, place: &FilePlace) -> Vec<Step> {
        if self.place.as_ref() == Some(place) && self.view.is_none() { self.again() } else { Vec::new() }
    }

    pub fn listed(&mut self, visit: u64, page: FilePage) {
        if visit != self.visit {
            return;
        }
        if page.from == 0 {
            if self.path != page.path {
                self.filter.clear();
                self.typing = false;
                self.marks.clear();
                self.cursor = Cursor::default();
            }
            self.path = page.path;
            self.items.clear();
            // They are places among the items that were.
            self.rows.clear();
            self.whole = false;
            self.problem = None;
        }
        self.total = page.total;
        self.items.extend(page.entries.into_iter().map(Item::new));
        self.pick();
    }

    pub fn list_ended(&mut self, visit: u64, result: Result<(), Problem>) -> Vec<Step> {
        if visit != self.visit {
            return Vec::new();
        }
        match result {
            Ok(()) => {
                self.whole = true;
                self.wanted = None;
                let names: BTreeSet<&OsString> = self.items.iter().map(|item| &item.entry.name).collect();
                self.marks.retain(|name| names.contains(name));
                Vec::new()
            }
            // One stays where one was; if one was nowhere, the problem is all there is to show.
            Err(problem) if !self.items.is_empty() || self.whole => vec![Step::Toast(problem.into())],
            Err(problem) => {
                self.problem = Some(problem);
                Vec::new()
            }
        }
    }

    pub fn read(&mut self, visit: u64, result: Result<FilePart, Problem>) -> Vec<Step> {
        if visit != self.visit {
            return Vec::new();
        }
        match (result, &mut self.view) {
            (Ok(part), Some(view)) if view.path == part.path => {
                view.told(part);
                return self.hunt();
            }
            (Ok(part), _) => self.view = Some(Box::new(View::new(part))),
            (Err(problem), _) => return vec![Step::Toast(problem.into())],
        }
        Vec::new()
    }

    /// Reads the part that a search in a large file goes on in.
    pub fn hunt(&mut self) -> Vec<Step> {
        let wanted = self.view.as_ref().and_then(|view| Some((view.path.clone(), view.hunted_part()?)));
        wanted.map_or_else(Vec::new, |(path, offset)| self.read_part(path, offset))
    }

    /// Makes the rows anew; the cursor goes to the name that is wanted, or stays on its own.
    fn pick(&mut self) {
        let before = self.wanted.clone().or_else(|| self.here().map(|item| item.entry.name.clone()));
        let needle = self.filter.to_lowercase();
        let is_shown =
            |item: &Item| (self.hidden || !item.is_hidden()) && (needle.is_empty() || item.lower.contains(&needle));
        let mut rows: Vec<usize> = (0..self.items.len()).filter(|at| is_shown(&self.items[*at])).collect();
        rows.sort_by(|a, b| order::compare(self.sort, &self.items[*a], &self.items[*b]));
        self.rows = rows;
        let kept = before.and_then(|name| self.rows.iter().position(|row| self.items[*row].entry.name == name));
        self.cursor.go_to(kept.unwrap_or(self.cursor.index), self.rows.len());
    }

    fn here(&self) -> Option<&Item> {
        self.items.get(*self.rows.get(self.cursor.index)?)
    }

    /// The path of a name in the folder that is shown.
    fn path_of(&self, name: &OsStr) -> OsString {
        let folder = self.path.as_bytes();
        let slash: &[u8] = if folder.ends_with(b"/") { b"" } else { b"/" };
        OsString::from_vec([folder, slash, name.as_bytes()].concat())
    }

    pub fn typed(&mut self, key: &KeyEvent, height: usize) -> bool {
        if let Some(view) = &mut self.view {
            return view.typed(key, height);
        }
        if !self.typing {
            return false;
        }
        match key.code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace if self.filter.is_empty() => self.typing = false,
            KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown => return false,
            _ => {
                let mut field = Field::new(&self.filter);
                field.key(key);
                self.filter = field.text();
            }
        }
        self.pick();
        true
    }

    /// `height` are the rows that the last drawing had room for, `columns` the whole screen's width.
    pub fn command(&mut self, command: Command, height: usize, columns: u16) -> Vec<Step> {
        if self.view.is_some() {
            return self.command_in_view(command, height, columns);
        }
        match command {
            Command::Back if !self.marks.is_empty() => self.marks.clear(),
            Command::Back if !self.filter.is_empty() => {
                self.filter.clear();
                self.pick();
            }
            Command::Back => return vec![Step::Back],
            Command::FileOpen => return self.enter(),
            Command::FileUp => return self.up(),
            Command::FilesAgain => return self.again(),
            Command::FilesHidden => {
                self.hidden = !self.hidden;
                self.pick();
                let text =
                    if self.hidden { "showing hidden files as well" } else { "hiding names that begin with a dot" };
                return vec![Step::Toast(Toast::good(text))];
            }
            Command::Filter => self.typing = true,
            Command::SortNext => self.sort_by(1),
            Command::SortPrevious => self.sort_by(-1),
            Command::SortReverse => {
                self.sort.descending = !self.sort.descending;
                self.pick();
            }
            Command::Mark => {
                if let Some(name) = self.here().map(|item| item.entry.name.clone()) {
                    if !self.marks.remove(&name) {
                        self.marks.insert(name);
                    }
                    self.cursor.command(Command::Down, self.rows.len(), height);
                }
            }
            Command::MarkInvert => self.mark_shown(|marked| !marked),
            Command::MarkAll => {
                let all = self.rows.iter().all(|row| self.marks.contains(&self.items[*row].entry.name));
                self.mark_shown(|_| !all);
            }
            Command::FileCopyOut => return self.copy_out(),
            Command::FileCopyIn => {
                let Some(place) = self.place.clone() else { return Vec::new() };
                return dialogs::files::copy_in(place, self.path.clone());
            }
            _ => self.cursor.command(command, self.rows.len(), height),
        }
        Vec::new()
    }

    fn mark_shown(&mut self, wanted: impl Fn(bool) -> bool) {
        for row in &self.rows {
            let name = &self.items[*row].entry.name;
            let marked = self.marks.contains(name);
            match (marked, wanted(marked)) {
                (false, true) => {
                    self.marks.insert(name.clone());
                }
                (true, false) => {
                    self.marks.remove(name);
                }
                _ => {}
            }
        }
    }

    fn sort_by(&mut self, step: isize) {
        self.sort.step(COLUMNS.len(), step);
        self.sort.descending = matches!(self.sort.column, SIZE | MODIFIED);
        self.pick();
    }

    /// Into a folder, or a file's content.
    fn enter(&mut self) -> Vec<Step> {
        let Some(item) = self.here() else { return Vec::new() };
        let path = self.path_of(&item.entry.name);
        match item.entry.leads_to {
            FileSort::Folder => self.go_to(path, None),
            FileSort::Regular => self.read_part(path, 0),
            FileSort::Absent => {
                let hint = Some("what it leads to is not in here".to_owned());
                vec![Step::Toast(Toast::bad(format!("{} leads nowhere", item.text), hint))]
            }
            _ => {
                let text = format!("{} is a pipe, socket or device", item.text);
                vec![Step::Toast(Toast::bad(text, Some("only folders and files can be opened".to_owned())))]
            }
        }
    }

    fn read_part(&mut self, path: OsString, offset: u64) -> Vec<Step> {
        let Some(place) = self.place.clone() else { return Vec::new() };
        self.visit += 1;
        // A listing that is broken off by this goes on when one is back.
        vec![Step::Do(Effect::ReadFile { place, visit: self.visit, path, offset })]
    }

    /// To the folder above, with the cursor on the one that was left.
    fn up(&mut self) -> Vec<Step> {
        let bytes = self.path.as_bytes();
        let at = bytes.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let (parent, name) = (&bytes[..at.max(1)], &bytes[(at + 1).min(bytes.len())..]);
        if name.is_empty() {
            return Vec::new();
        }
        let (parent, name) = (OsString::from_vec(parent.to_vec()), OsString::from_vec(name.to_vec()));
        self.go_to(parent, Some(name))
    }

    /// The marked ones, else the one under the cursor.
    fn copy_out(&self) -> Vec<Step> {
        let Some(place) = self.place.clone() else { return Vec::new() };
        let is_target = |item: &&Item| self.marks.contains(&item.entry.name);
        let mut targets: Vec<&Item> = self.items.iter().filter(is_target).collect();
        if targets.is_empty() {
            targets.extend(self.here());
        }
        if targets.is_empty() {
            return Vec::new();
        }
        let paths = targets.iter().map(|item| self.path_of(&item.entry.name)).collect();
        // How much a folder comes to is not known beforehand.
        let known = targets.iter().all(|item| item.entry.sort == FileSort::Regular);
        let bytes = known.then(|| targets.iter().map(|item| item.entry.bytes).sum());
        dialogs::files::copy_out(place, paths, bytes)
    }

    fn command_in_view(&mut self, command: Command, height: usize, columns: u16) -> Vec<Step> {
        let Some(view) = &mut self.view else { return Vec::new() };
        match command {
            Command::FileClose => self.leave_view(),
            Command::Back if view.stop_search() => Vec::new(),
            Command::Back => self.leave_view(),
            Command::FilePart | Command::FilePartBefore => match view.other_part(command == Command::FilePart) {
                Ok(offset) => {
                    let path = view.path.clone();
                    self.read_part(path, offset)
                }
                Err(why) => vec![Step::Toast(Toast::good(why))],
            },
            Command::FileSave => {
                let (paths, bytes) = (vec![view.path.clone()], Some(view.size_bytes).filter(|bytes| *bytes > 0));
                self.place.clone().map_or_else(Vec::new, |place| dialogs::files::copy_out(place, paths, bytes))
            }
            _ => {
                let mut steps = view.command(command, height, columns);
                if matches!(command, Command::FileFindNext | Command::FileFindPrevious) {
                    steps.extend(self.hunt());
                }
                steps
            }
        }
    }

    fn leave_view(&mut self) -> Vec<Step> {
        self.view = None;
        // What was being listed when the file was opened was broken off by it.
        if self.whole { Vec::new() } else { self.again() }
    }

    pub fn click(&mut self, target: Target) -> Vec<Step> {
        match target {
            Target::Row(row) if self.view.is_none() => {
                let again = self.cursor.index == row;
                self.cursor.go_to(row, self.rows.len());
                if again { vec![Step::Command(Command::FileOpen)] } else { Vec::new() }
            }
            Target::Column(column) if self.view.is_none() => {
                self.sort.click(column, matches!(column, SIZE | MODIFIED));
                self.pick();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    pub fn wheel(&mut self, lines: isize, height: usize, columns: u16) {
        match &mut self.view {
            Some(view) => view.scroll(lines, height, columns),
            None => {
                let to = self.cursor.index.saturating_add_signed(lines);
                self.cursor.go_to(to, self.rows.len());
            }
        }
    }

    pub fn paste(&mut self, text: &str) {
        if let Some(view) = &mut self.view {
            view.paste(text);
        } else if self.typing {
            let mut field = Field::new(&self.filter);
            field.paste(text);
            self.filter = field.text();
            self.pick();
        }
    }
}

#[cfg(test)]
mod tests;
