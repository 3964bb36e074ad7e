//! The volumes: folders that outlive containers, who uses them, and what can be done with them.

mod acts;
mod details;

use std::cmp::Ordering;

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::details as beside;
use crate::model::{VolumeName, VolumeSummary};
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::{Command, Scope};
use crate::tui::data::Data;
use crate::tui::dialogs;
use crate::tui::effect::Effect;
use crate::tui::figures;
use crate::tui::filter::Matched;
use crate::tui::list::{List, Sort};
use crate::tui::list_keys;
use crate::tui::step::{Step, World};
use crate::tui::table::{Align, Cell, Column, Rows};
use crate::tui::theme::Role;
use crate::tui::volume_deed::VolumeDeed;

/// The screen's state.
#[derive(Clone, Debug)]
pub struct Volumes {
    pub list: List<VolumeName>,
}

const NAME: usize = 0;
const SIZE: usize = 1;
const USED: usize = 2;
const CREATED: usize = 3;
const WHERE: usize = 4;

const COLUMNS: [Column; 5] = [
    Column { title: "VOLUME", min: 22, max: 48, align: Align::Left, priority: 0 },
    Column { title: "SIZE", min: 7, max: 7, align: Align::Right, priority: 0 },
    Column { title: "USED BY", min: 7, max: 7, align: Align::Right, priority: 1 },
    Column { title: "CREATED", min: 11, max: 11, align: Align::Right, priority: 2 },
    Column { title: "MOUNTED AT", min: 18, max: 60, align: Align::Left, priority: 3 },
];

const DESCENDING_FIRST: [usize; 2] = [SIZE, USED];

impl Default for Volumes {
    fn default() -> Self {
        Self { list: List::new(Sort::ascending(NAME)) }
    }
}

/// A volume's name as lists show it: of one that nobody named the first digits.
pub fn shown_name(volume: &VolumeSummary) -> String {
    let name = volume.volume.name.as_str();
    if volume.volume.anonymous { name.chars().take(12).collect() } else { name.to_owned() }
}

impl Volumes {
    pub const SCOPES: &'static [Scope] = &[Scope::Volumes, Scope::Marks, Scope::List, Scope::Everywhere];

    fn shown<'a>(&self, data: &'a Data) -> Vec<(&'a VolumeSummary, Matched)> {
        let sort = self.list.sort;
        list_keys::pick(data.volumes.iter().flatten(), &self.list, text_of, |a, b| {
            let order = compare(sort.column, data, a, b);
            let order = if sort.descending { order.reverse() } else { order };
            // Those that somebody named come first: the others are looked for by what uses them.
            let named = || a.volume.anonymous.cmp(&b.volume.anonymous);
            let first = if sort.column == NAME { named() } else { Ordering::Equal };
            first.then(order).then_with(|| a.volume.name.cmp(&b.volume.name))
        })
    }

    fn keys(&self, data: &Data) -> Vec<VolumeName> {
        self.shown(data).iter().map(|(volume, _)| volume.volume.name.clone()).collect()
    }

    fn selected<'a>(&self, data: &'a Data) -> Option<&'a VolumeSummary> {
        let keys = self.keys(data);
        let (_, name) = self.list.selected(&keys)?;
        data.volume(name)
    }

    /// The volumes that a command is about: the marked ones, else the selected one.
    fn targets<'a>(&self, data: &'a Data) -> Vec<&'a VolumeSummary> {
        match self.list.marked() {
            [] => self.selected(data).into_iter().collect(),
            marked => marked.iter().filter_map(|name| data.volume(name)).collect(),
        }
    }

    pub fn settle(&mut self, data: &Data) {
        let keys = self.keys(data);
        self.list.settle(&keys);
    }

    pub fn typed(&mut self, key: &KeyEvent, data: &Data) -> bool {
        let taken = list_keys::typed(&mut self.list, key);
        if taken {
            self.settle(data);
        }
        taken
    }

    pub fn command(&mut self, command: Command, world: World) -> Vec<Step> {
        let keys = self.keys(world.data);
        if list_keys::command(&mut self.list, command, &keys, list_keys::Columns(&COLUMNS, &DESCENDING_FIRST)) {
            self.settle(world.data);
            return Vec::new();
        }
        match command {
            Command::CreateVolume => dialogs::volumes::create(),
            Command::PruneVolumes => dialogs::volumes::prune(),
            Command::ImportVolume => dialogs::volumes::import(self.selected(world.data)),
            Command::MeasureVolumes => vec![Step::Do(Effect::Volume(VolumeDeed::Measure))],
            Command::RemoveVolume => acts::remove(&self.targets(world.data)),
            _ => self.selected(world.data).map_or_else(Vec::new, |volume| acts::on_one(command, volume)),
        }
    }

    pub fn click(&mut self, target: Target, data: &Data) -> Vec<Step> {
        let columns = list_keys::Columns(&COLUMNS, &DESCENDING_FIRST);
        let keys = self.keys(data);
        let opens = list_keys::click(&mut self.list, target, &keys, columns);
        self.settle(data);
        if opens { vec![Step::Command(Command::OpenVolume)] } else { Vec::new() }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data) {
        let shown = self.shown(data);
        let keys: Vec<VolumeName> = shown.iter().map(|(volume, _)| volume.volume.name.clone()).collect();
        let selected = self.list.selected(&keys).map(|(index, _)| index);
        let (area, side) = if shown.is_empty() { (area, None) } else { beside::split_early(area, shown.len()) };
        if let (Some(side), Some(index)) = (side, selected) {
            let inner = beside::inner(canvas, area, side);
            details::draw(canvas, inner, data, shown[index].0);
        }
        let table = list_keys::draw_filter(canvas, area, &self.list, shown.len());
        if shown.is_empty() {
            canvas.seen.list_height = usize::from(table.height);
            let lines: &[&str] = match &data.volumes {
                None => &["looking …"],
                Some(all) if all.is_empty() => &[
                    "No volumes yet.",
                    "",
                    "n makes one; `-v NAME:/path` in a run makes one too.",
                    "It keeps its files when the containers that use it are gone.",
                ],
                Some(_) => &["Nothing matches the filter.", "", "Esc clears it."],
            };
            return list_keys::draw_notice(canvas, table, lines);
        }
        let first = self.list.offset_for(shown.len(), usize::from(table.height.saturating_sub(1)));
        let rows = Rows { columns: &COLUMNS, sort: self.list.sort, len: shown.len(), first, selected };
        rows.draw_marked(
            canvas,
            table,
            |row| self.list.is_marked(&keys[row]),
            |canvas, row| cells(canvas, data, shown[row].0, &shown[row].1),
        );
    }
}

/// What the filter looks at.
fn text_of(volume: &VolumeSummary) -> String {
    let users: Vec<&str> = volume.users.iter().map(|(_, name)| name.as_str()).collect();
    format!("{} {}", shown_name(volume), users.join(" "))
}

fn compare(column: usize, data: &Data, a: &VolumeSummary, b: &VolumeSummary) -> Ordering {
    match column {
        SIZE => data.volume_bytes(a).cmp(&data.volume_bytes(b)),
        USED => a.users.len().cmp(&b.users.len()),
        CREATED => b.volume.created.cmp(&a.volume.created),
        WHERE => places(data, a).cmp(&places(data, b)),
        _ => a.volume.name.as_str().to_lowercase().cmp(&b.volume.name.as_str().to_lowercase()),
    }
}

/// Where its containers have it, each place once.
fn places(data: &Data, volume: &VolumeSummary) -> Vec<String> {
    let mut places: Vec<String> = details::uses(data, volume).into_iter().filter_map(|used| used.target).collect();
    places.sort();
    places.dedup();
    places
}

fn cells(canvas: &Canvas, data: &Data, volume: &VolumeSummary, matched: &Matched) -> Vec<Cell> {
    let cell = |text: String, role: Role| Cell::from(canvas.piece(text, role));
    let mut cells = vec![Cell::default(); COLUMNS.len()];
    let name = shown_name(volume);
    let length = name.chars().count();
    let unused = volume.users.is_empty();
    cells[NAME] = cell(name, if unused { Role::Dim } else { Role::Text });
    cells[NAME].matched = matched.positions.iter().copied().filter(|at| *at < length).collect();
    if volume.volume.anonymous {
        cells[NAME].pieces.push(canvas.piece("  anonymous", Role::Placeholder));
    }
    let bytes = data.volume_bytes(volume);
    cells[SIZE] = cell(bytes.map_or_else(|| "–".to_owned(), figures::bytes), Role::Text);
    let (users, role) = if unused { ("–".to_owned(), Role::Dim) } else { (volume.users.len().to_string(), Role::Ok) };
    cells[USED] = cell(users, role);
    cells[CREATED] = cell(figures::ago(volume.volume.created, data.now()), Role::Dim);
    cells[WHERE] = cell(places(data, volume).join("  "), Role::Dim);
    cells
}

#[cfg(test)]
mod tests;
