//! The images: this machine's own first, then those pulled or imported.

use std::cmp::Ordering;

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::details;
use super::image_acts as acts;
use super::image_details::Details;
use crate::model::{ContainerSummary, HOST_IMAGE, ImageSummary};
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::{Command, Scope};
use crate::tui::data::Data;
use crate::tui::dialogs;
use crate::tui::effect::Effect;
use crate::tui::figures;
use crate::tui::filter::Matched;
use crate::tui::list::{List, Sort};
use crate::tui::list_keys;
use crate::tui::step::{Page, Step, World};
use crate::tui::table::{Align, Cell, Column, Rows};
use crate::tui::theme::Role;

/// The screen's state; a row is known by what `run` takes for it.
#[derive(Clone, Debug)]
pub struct Images {
    pub list: List<String>,
    pub details: Details,
}

const IMAGE: usize = 0;
const SIZE: usize = 1;
const CREATED: usize = 2;
const LAYERS: usize = 3;
const USED: usize = 4;
const ID: usize = 5;
const PLATFORM: usize = 6;

const COLUMNS: [Column; 7] = [
    Column { title: "IMAGE", min: 26, max: 60, align: Align::Left, priority: 0 },
    Column { title: "SIZE", min: 7, max: 7, align: Align::Right, priority: 0 },
    Column { title: "CREATED", min: 11, max: 11, align: Align::Right, priority: 2 },
    Column { title: "LAYERS", min: 6, max: 6, align: Align::Right, priority: 3 },
    Column { title: "USED BY", min: 7, max: 7, align: Align::Right, priority: 1 },
    Column { title: "ID", min: 12, max: 12, align: Align::Left, priority: 4 },
    Column { title: "PLATFORM", min: 11, max: 14, align: Align::Left, priority: 5 },
];

const DESCENDING_FIRST: [usize; 3] = [SIZE, LAYERS, USED];

impl Default for Images {
    fn default() -> Self {
        Self { list: List::new(Sort::ascending(IMAGE)), details: Details::default() }
    }
}

impl Images {
    pub const SCOPES: &'static [Scope] = &[Scope::Images, Scope::Marks, Scope::List, Scope::Everywhere];

    fn shown<'a>(&self, data: &'a Data) -> Vec<(&'a ImageSummary, Matched)> {
        let all = data.images.as_deref().unwrap_or_default().iter();
        let sort = self.list.sort;
        list_keys::pick(all, &self.list, ImageSummary::label, |a, b| {
            let order = compare(sort.column, data, a, b);
            let order = if sort.descending { order.reverse() } else { order };
            // This machine's own image is always the first.
            b.is_host.cmp(&a.is_host).then(order).then_with(|| a.label().cmp(&b.label()))
        })
    }

    fn keys(&self, data: &Data) -> Vec<String> {
        self.shown(data).iter().map(|(image, _)| image.label()).collect()
    }

    fn selected<'a>(&self, data: &'a Data) -> Option<&'a ImageSummary> {
        let keys = self.keys(data);
        let (_, label) = self.list.selected(&keys)?;
        data.images.as_ref()?.iter().find(|image| image.label() == *label)
    }

    /// The images that a command is about: the marked ones, else the selected one.
    fn targets<'a>(&self, data: &'a Data) -> Vec<&'a ImageSummary> {
        match self.list.marked() {
            [] => self.selected(data).into_iter().collect(),
            marked => marked.iter().filter_map(|label| data.image(label)).collect(),
        }
    }

    pub fn settle(&mut self, data: &Data) {
        let keys = self.keys(data);
        self.list.settle(&keys);
    }

    /// Asks for the selected image's details, if they are not known.
    pub fn wish(&mut self, data: &Data) -> Vec<Step> {
        let Some(image) = self.selected(data) else { return Vec::new() };
        self.details.wish(image).into_iter().map(|image| Step::Do(Effect::InspectImage(image))).collect()
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
            self.details.first = 0;
            self.settle(world.data);
            return Vec::new();
        }
        match command {
            Command::DetailsUp | Command::DetailsDown => {
                if let Some(image) = self.selected(world.data) {
                    self.details.scroll(if command == Command::DetailsUp { -1 } else { 1 }, image);
                }
                return Vec::new();
            }
            Command::PullImage => return vec![Step::Show(Page::Search)],
            Command::LoadImage => return acts::form(dialogs::load()),
            Command::PruneImages => return dialogs::prune::open(false),
            _ => {}
        }
        let targets = if acts::is_for_several(command) { self.targets(world.data) } else { Vec::new() };
        match (&targets[..], self.selected(world.data)) {
            ([], Some(image)) => acts::on_one(command, image, world.data),
            ([], None) => Vec::new(),
            ([only], _) => acts::on_one(command, only, world.data),
            (several, _) => acts::on_several(command, several, world.data),
        }
    }

    pub fn click(&mut self, target: Target, data: &Data) -> Vec<Step> {
        let columns = list_keys::Columns(&COLUMNS, &DESCENDING_FIRST);
        let keys = self.keys(data);
        let opens = list_keys::click(&mut self.list, target, &keys, columns);
        self.settle(data);
        if opens { vec![Step::Command(Command::Run)] } else { Vec::new() }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data) {
        let shown = self.shown(data);
        let keys: Vec<String> = shown.iter().map(|(image, _)| image.label()).collect();
        let selected = self.list.selected(&keys).map(|(index, _)| index);
        let (area, side) = if data.images.is_some() { details::split(area, shown.len()) } else { (area, None) };
        if let (Some(side), Some(index)) = (side, selected) {
            let inner = details::inner(canvas, area, side);
            canvas.hit(inner, Target::Details);
            self.details.draw(canvas, inner, data, shown[index].0);
        }
        let table = list_keys::draw_filter(canvas, area, &self.list, shown.len());
        if shown.is_empty() {
            canvas.seen.list_height = usize::from(table.height);
            let lines: &[&str] = match data.images {
                None => &["looking …"],
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
        let free = usize::from(table.height).saturating_sub(shown.len() + 2);
        if free >= 4 && shown.len() == 1 && self.list.filter.is_empty() {
            let y = table.y + 3;
            let lines = [
                "Enter on host runs a shell on a copy-on-write view of this machine:",
                "nothing in it can change the machine.",
                "p searches a registry for more images.",
            ];
            for (line, y) in lines.iter().zip(y..) {
                canvas.text(table.x + 2, y, table.width.saturating_sub(4), line, Role::Dim);
            }
        }
    }
}

/// How many containers are made of an image.
fn users(data: &Data, image: &ImageSummary) -> usize {
    users_of(data, image).count()
}

/// The containers that are made of an image.
pub fn users_of<'a>(data: &'a Data, image: &'a ImageSummary) -> impl Iterator<Item = &'a ContainerSummary> {
    let label = image.label();
    let made_of = move |container: &&ContainerSummary| match (&container.image_id, &image.id) {
        (Some(a), Some(b)) => a == b,
        (None, None) => image.is_host && container.image == HOST_IMAGE,
        _ => container.image == label,
    };
    data.containers.iter().flatten().filter(made_of)
}

fn compare(column: usize, data: &Data, a: &ImageSummary, b: &ImageSummary) -> Ordering {
    match column {
        SIZE => a.size_bytes.cmp(&b.size_bytes),
        CREATED => b.created.cmp(&a.created),
        LAYERS => a.layers.cmp(&b.layers),
        USED => users(data, a).cmp(&users(data, b)),
        ID => a.id.cmp(&b.id),
        PLATFORM => a.platform.to_string().cmp(&b.platform.to_string()),
        _ => a.label().cmp(&b.label()),
    }
}

fn cells(canvas: &Canvas, data: &Data, image: &ImageSummary, matched: &Matched) -> Vec<Cell> {
    let cell = |text: String, role: Role| Cell::from(canvas.piece(text, role));
    let users = users(data, image);
    let mut cells = vec![Cell::default(); COLUMNS.len()];
    cells[IMAGE] = cell(image.label(), Role::Text);
    cells[IMAGE].matched = matched.positions.clone();
    if image.is_host {
        cells[IMAGE].pieces.push(canvas.piece("  this machine, copy-on-write", Role::Dim));
    }
    cells[SIZE] = cell(image.size_bytes.map_or_else(|| "–".to_owned(), figures::bytes), Role::Text);
    cells[CREATED] =
        cell(image.created.map_or_else(|| "–".to_owned(), |time| figures::ago(time, data.now())), Role::Dim);
    cells[LAYERS] = cell(if image.is_host { "–".to_owned() } else { image.layers.to_string() }, Role::Dim);
    cells[USED] = cell(
        if users == 0 { "–".to_owned() } else { users.to_string() },
        if users == 0 { Role::Dim } else { Role::Ok },
    );
    cells[ID] = cell(image.id.as_ref().map_or("–", |id| id.short()).to_owned(), Role::Dim);
    cells[PLATFORM] = cell(image.platform.to_string(), Role::Dim);
    cells
}
