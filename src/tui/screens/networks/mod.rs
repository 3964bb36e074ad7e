//! The networks: what they are made of, who is in them, and what can be done with them.

mod acts;
mod details;

use std::cmp::Ordering;

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::details as place;
use crate::engine::NetworkInspect;
use crate::model::{DEFAULT_NETWORK, Id};
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::{Command, Scope};
use crate::tui::data::Data;
use crate::tui::figures;
use crate::tui::filter::Matched;
use crate::tui::list::{List, Sort};
use crate::tui::list_keys;
use crate::tui::step::{Page, Step, World};
use crate::tui::table::{Align, Cell, Column, Rows};
use crate::tui::theme::Role;

/// The screen's state.
#[derive(Clone, Debug)]
pub struct Networks {
    pub list: List<Id>,
    /// The first line of the details on the screen.
    first: usize,
}

const NAME: usize = 0;
const ATTACHED: usize = 1;
const SUBNETS: usize = 2;
const MARKS: usize = 3;
const DRIVER: usize = 4;
const LEASES: usize = 5;
const LINK: usize = 6;
const CREATED: usize = 7;

const COLUMNS: [Column; 8] = [
    Column { title: "NETWORK", min: 14, max: 32, align: Align::Left, priority: 0 },
    Column { title: "ATTACHED", min: 8, max: 8, align: Align::Right, priority: 0 },
    Column { title: "SUBNETS", min: 18, max: 42, align: Align::Left, priority: 0 },
    Column { title: "MARKS", min: 13, max: 13, align: Align::Left, priority: 3 },
    Column { title: "DRIVER", min: 7, max: 7, align: Align::Left, priority: 2 },
    Column { title: "LEASES", min: 9, max: 11, align: Align::Right, priority: 4 },
    Column { title: "LINK", min: 15, max: 15, align: Align::Left, priority: 5 },
    Column { title: "CREATED", min: 11, max: 11, align: Align::Right, priority: 6 },
];

const DESCENDING_FIRST: [usize; 2] = [ATTACHED, LEASES];

impl Default for Networks {
    fn default() -> Self {
        Self { list: List::new(Sort::ascending(NAME)), first: 0 }
    }
}

impl Networks {
    pub const SCOPES: &'static [Scope] = &[Scope::Networks, Scope::Marks, Scope::List, Scope::Everywhere];

    fn shown<'a>(&self, data: &'a Data) -> Vec<(&'a NetworkInspect, Matched)> {
        let all = data.networks.as_deref().unwrap_or_default().iter();
        let sort = self.list.sort;
        list_keys::pick(all, &self.list, text, |a, b| {
            let order = compare(sort.column, a, b);
            let order = if sort.descending { order.reverse() } else { order };
            // The network that is always there is always the first.
            is_default(b).cmp(&is_default(a)).then(order).then_with(|| a.network.name.cmp(&b.network.name))
        })
    }

    fn keys(&self, data: &Data) -> Vec<Id> {
        self.shown(data).iter().map(|(it, _)| it.network.id.clone()).collect()
    }

    fn selected<'a>(&self, data: &'a Data) -> Option<&'a NetworkInspect> {
        let keys = self.keys(data);
        let (_, id) = self.list.selected(&keys)?;
        data.network(id)
    }

    /// The networks that a command is about: the marked ones, else the selected one.
    fn targets<'a>(&self, data: &'a Data) -> Vec<&'a NetworkInspect> {
        match self.list.marked() {
            [] => self.selected(data).into_iter().collect(),
            marked => marked.iter().filter_map(|id| data.network(id)).collect(),
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
            self.first = 0;
            self.settle(world.data);
            return Vec::new();
        }
        match command {
            Command::NetworkDetailsUp | Command::NetworkDetailsDown => {
                if let Some(selected) = self.selected(world.data) {
                    let most = details::lines(world.data, selected, details::NARROW).len();
                    let step = if command == Command::NetworkDetailsUp { -1 } else { 1 };
                    self.first = self.first.saturating_add_signed(step).min(most);
                }
                return Vec::new();
            }
            Command::NetworkCreate => return acts::create(),
            Command::NetworkPrune => return acts::prune(),
            _ => {}
        }
        let targets = if command == Command::NetworkRemove { self.targets(world.data) } else { Vec::new() };
        match (&targets[..], self.selected(world.data)) {
            ([], Some(network)) => acts::on_one(command, network, world.data),
            ([], None) => Vec::new(),
            ([only], _) => acts::on_one(command, only, world.data),
            (several, _) => acts::remove_several(several),
        }
    }

    pub fn click(&mut self, target: Target, data: &Data) -> Vec<Step> {
        let columns = list_keys::Columns(&COLUMNS, &DESCENDING_FIRST);
        let keys = self.keys(data);
        let opens = list_keys::click(&mut self.list, target, &keys, columns);
        self.first = 0;
        self.settle(data);
        if opens { vec![Step::Command(Command::NetworkInspect)] } else { Vec::new() }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data) {
        let shown = self.shown(data);
        let keys: Vec<Id> = shown.iter().map(|(it, _)| it.network.id.clone()).collect();
        let selected = self.list.selected(&keys).map(|(index, _)| index);
        let (area, side) = if data.networks.is_some() { place::split_early(area, shown.len()) } else { (area, None) };
        if let (Some(side), Some(index)) = (side, selected) {
            let inner = place::inner(canvas, area, side);
            details::draw(canvas, inner, data, shown[index].0, self.first);
        }
        let table = list_keys::draw_filter(canvas, area, &self.list, shown.len());
        if shown.is_empty() {
            canvas.seen.list_height = usize::from(table.height);
            let problem = data.networks_problem.as_ref();
            let hint = problem.and_then(|problem| problem.hint.clone()).unwrap_or_default();
            let lines: &[&str] = match (problem, &data.networks) {
                (Some(problem), None) => &[&problem.message, "", &hint],
                (None, None) => &["looking …"],
                _ => &["Nothing matches the filter.", "", "Esc clears it."],
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
            let lines = [
                "bridge is always there: a container in it reaches the world.",
                "n makes a network of your own: its containers know each other by name,",
                "and no other network reaches them.",
            ];
            for (line, y) in lines.iter().zip(table.y + 3..) {
                canvas.text(table.x + 2, y, table.width.saturating_sub(4), line, Role::Dim);
            }
        }
    }
}

fn is_default(it: &NetworkInspect) -> bool {
    it.network.name.as_str() == DEFAULT_NETWORK
}

/// What the filter looks in; the name comes first, as it is what is marked.
fn text(it: &NetworkInspect) -> String {
    let mut text = format!("{} {} {}", it.network.name, it.network.driver.name(), subnets(it));
    for (_, name, _) in &it.containers {
        text.push(' ');
        text.push_str(name.as_str());
    }
    text
}

fn subnets(it: &NetworkInspect) -> String {
    it.network.subnets.iter().map(|subnet| subnet.subnet.to_string()).collect::<Vec<_>>().join("  ")
}

/// Used and all of the first subnet that can be counted to its end.
fn leases(it: &NetworkInspect) -> Option<(u64, u64)> {
    it.leases.first().map(|count| (count.used, count.all))
}

fn compare(column: usize, a: &NetworkInspect, b: &NetworkInspect) -> Ordering {
    let (one, other) = (&a.network, &b.network);
    match column {
        ATTACHED => a.containers.len().cmp(&b.containers.len()),
        SUBNETS => one.subnets.first().map(|it| it.subnet).cmp(&other.subnets.first().map(|it| it.subnet)),
        MARKS => (!one.internal, !has_v6(a)).cmp(&(!other.internal, !has_v6(b))),
        DRIVER => one.driver.name().cmp(other.driver.name()),
        LEASES => leases(a).cmp(&leases(b)),
        LINK => one.link.cmp(&other.link),
        CREATED => other.created.cmp(&one.created),
        _ => one.name.as_str().to_lowercase().cmp(&other.name.as_str().to_lowercase()),
    }
}

fn has_v6(it: &NetworkInspect) -> bool {
    it.network.subnets.iter().any(|subnet| subnet.subnet.addr().is_ipv6())
}

fn cells(canvas: &Canvas, data: &Data, it: &NetworkInspect, matched: &Matched) -> Vec<Cell> {
    let cell = |text: String, role: Role| Cell::from(canvas.piece(text, role));
    let network = &it.network;
    let name_len = network.name.as_str().chars().count();
    let mut cells = vec![Cell::default(); COLUMNS.len()];
    cells[NAME] = cell(network.name.to_string(), Role::Text);
    cells[NAME].matched = matched.positions.iter().copied().filter(|at| *at < name_len).collect();
    cells[ATTACHED] = match it.containers.len() {
        0 => cell("–".to_owned(), Role::Dim),
        count => cell(count.to_string(), Role::Ok),
    };
    cells[SUBNETS] = cell(subnets(it), Role::Text);
    if network.internal {
        cells[MARKS].pieces.push(canvas.piece("internal ", Role::Warn));
    }
    if has_v6(it) {
        cells[MARKS].pieces.push(canvas.piece("ipv6", Role::Info));
    }
    cells[DRIVER] = cell(network.driver.name().to_owned(), Role::Dim);
    cells[LEASES] = match leases(it) {
        Some((used, all)) => cell(format!("{used}/{}", figures::count(all)), Role::Dim),
        None => cell("–".to_owned(), Role::Dim),
    };
    cells[LINK] = cell(network.link.clone(), Role::Dim);
    cells[CREATED] = match is_default(it) {
        true => cell("–".to_owned(), Role::Dim),
        false => cell(figures::ago(network.created, data.now()), Role::Dim),
    };
    cells
}

/// The page that shows everything known of a network.
fn inspect(it: &NetworkInspect) -> Page {
    Page::InspectNetwork(it.network.id.clone())
}
