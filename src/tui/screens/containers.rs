//! The containers: what runs, what it uses, and what can be done with it.

use std::cmp::Ordering;

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::container_acts as acts;
use super::details;
use crate::model::{ContainerState, ContainerSummary, Id, NetworkMode};
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::{Command, Scope};
use crate::tui::data::{Data, Track};
use crate::tui::dialogs;
use crate::tui::figures;
use crate::tui::filter::Matched;
use crate::tui::list::{List, Sort};
use crate::tui::list_keys;
use crate::tui::ports;
use crate::tui::step::{Page, Step, World};
use crate::tui::table::{Align, Cell, Column, Rows};
use crate::tui::theme::Role;
use crate::tui::toast::Toast;
use crate::tui::widgets::chart::sparkline;

/// The screen's state.
#[derive(Clone, Debug)]
pub struct Containers {
    pub list: List<Id>,
    /// Show those that do not run as well.
    all: bool,
}

const NAME: usize = 0;
const STATE: usize = 1;
const CPU: usize = 2;
const SPARK: usize = 3;
const MEMORY: usize = 4;
const LIMIT: usize = 5;
const UPTIME: usize = 6;
const IMAGE: usize = 7;
const PIDS: usize = 8;
const NETWORK: usize = 9;
const DISK: usize = 10;
const PORTS: usize = 11;

/// Cells of the little cpu history in a row.
const SPARK_CELLS: u16 = 10;

const COLUMNS: [Column; 12] = [
    Column { title: "NAME", min: 13, max: 26, align: Align::Left, priority: 0 },
    Column { title: "STATE", min: 12, max: 12, align: Align::Left, priority: 0 },
    Column { title: "CPU %", min: 6, max: 6, align: Align::Right, priority: 0 },
    Column { title: "", min: SPARK_CELLS, max: SPARK_CELLS, align: Align::Left, priority: 5 },
    Column { title: "MEMORY", min: 7, max: 7, align: Align::Right, priority: 0 },
    Column { title: "LIMIT", min: 6, max: 6, align: Align::Right, priority: 6 },
    Column { title: "UPTIME", min: 7, max: 7, align: Align::Right, priority: 3 },
    Column { title: "IMAGE", min: 10, max: 32, align: Align::Left, priority: 4 },
    Column { title: "PIDS", min: 5, max: 5, align: Align::Right, priority: 7 },
    Column { title: "NET ↓ ↑ /s", min: 11, max: 11, align: Align::Right, priority: 8 },
    Column { title: "DISK r w /s", min: 11, max: 11, align: Align::Right, priority: 9 },
    Column { title: "PORTS", min: 9, max: 36, align: Align::Left, priority: 2 },
];

/// Ports take their room only where any is published.
fn columns(data: &Data) -> &'static [Column] {
    let publishes = data.containers.iter().flatten().any(|container| !container.ports.is_empty());
    if publishes { &COLUMNS } else { &COLUMNS[..PORTS] }
}

/// A row that is shown, and where the filter matched.
type Shown<'a> = (&'a ContainerSummary, Matched);

impl Default for Containers {
    fn default() -> Self {
        Self { list: List::new(Sort::ascending(STATE)), all: true }
    }
}

impl Containers {
    pub const SCOPES: &'static [Scope] = &[Scope::Containers, Scope::Marks, Scope::List, Scope::Everywhere];

    fn shown<'a>(&self, data: &'a Data) -> Vec<Shown<'a>> {
        let all = data.containers.as_deref().unwrap_or_default().iter();
        let wanted = all.filter(|container| self.all || container.state.is_running());
        let text = |it: &ContainerSummary| format!("{} {} {}", it.name, it.image, it.state.word());
        let sort = self.list.sort;
        list_keys::pick(wanted, &self.list, text, |a, b| {
            let order = compare(sort.column, data, a, b);
            let order = if sort.descending { order.reverse() } else { order };
            order.then_with(|| b.created.cmp(&a.created))
        })
    }

    /// The shown containers' ids, in order.
    pub fn keys(&self, data: &Data) -> Vec<Id> {
        self.shown(data).iter().map(|(container, _)| container.id.clone()).collect()
    }

    /// The container that commands are about.
    pub fn selected<'a>(&self, data: &'a Data) -> Option<&'a ContainerSummary> {
        let keys = self.keys(data);
        let (_, id) = self.list.selected(&keys)?;
        data.container(id)
    }

    /// The containers that a command is about: the marked ones, else the selected one.
    fn targets<'a>(&self, data: &'a Data) -> Vec<&'a ContainerSummary> {
        match self.list.marked() {
            [] => self.selected(data).into_iter().collect(),
            marked => marked.iter().filter_map(|id| data.container(id)).collect(),
        }
    }

    /// Keeps the selection in sight when containers have changed.
    pub fn settle(&mut self, data: &Data) {
        let keys = self.keys(data);
        self.list.settle(&keys);
    }

    /// A key while the filter is typed; false when it is not.
    pub fn typed(&mut self, key: &KeyEvent, data: &Data) -> bool {
        let taken = list_keys::typed(&mut self.list, key);
        if taken {
            self.settle(data);
        }
        taken
    }

    pub fn command(&mut self, command: Command, world: World) -> Vec<Step> {
        let keys = self.keys(world.data);
        if list_keys::command(
            &mut self.list,
            command,
            &keys,
            list_keys::Columns(columns(world.data), &DESCENDING_FIRST),
        ) {
            self.settle(world.data);
            return Vec::new();
        }
        match command {
            Command::ToggleStopped => {
                self.all = !self.all;
                self.settle(world.data);
                let text = if self.all { "showing all containers" } else { "showing running containers only" };
                vec![Step::Toast(Toast::good(text))]
            }
            Command::Run => vec![Step::Show(Page::Images)],
            Command::PruneContainers => dialogs::prune::open(true),
            _ => {
                let targets = if acts::is_for_several(command) { self.targets(world.data) } else { Vec::new() };
                match (&targets[..], self.selected(world.data)) {
                    ([], Some(container)) => acts::on_one(command, container),
                    ([], None) => Vec::new(),
                    ([only], _) => acts::on_one(command, only),
                    (several, _) => acts::on_several(command, several),
                }
            }
        }
    }

    pub fn click(&mut self, target: Target, data: &Data) -> Vec<Step> {
        // The little curve stands for the figure beside it.
        let target = if target == Target::Column(SPARK) { Target::Column(CPU) } else { target };
        let columns = list_keys::Columns(columns(data), &DESCENDING_FIRST);
        let keys = self.keys(data);
        let opens = list_keys::click(&mut self.list, target, &keys, columns);
        self.settle(data);
        if opens { vec![Step::Command(Command::Open)] } else { Vec::new() }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data) {
        let shown = self.shown(data);
        let keys: Vec<Id> = shown.iter().map(|(container, _)| container.id.clone()).collect();
        let selected = self.list.selected(&keys).map(|(index, _)| index);
        let (table, side) = details::split(area, shown.len());
        let table = list_keys::draw_filter(canvas, table, &self.list, shown.len());
        if shown.is_empty() {
            canvas.seen.list_height = usize::from(table.height);
            self.draw_empty(canvas, table, data);
            return;
        }
        let first = self.list.offset_for(shown.len(), usize::from(table.height.saturating_sub(1)));
        let rows = Rows { columns: columns(data), sort: self.list.sort, len: shown.len(), first, selected };
        rows.draw_marked(
            canvas,
            table,
            |row| self.list.is_marked(&keys[row]),
            |canvas, row| cells(canvas, data, &shown[row]),
        );
        if let (Some(side), Some(index)) = (side, selected) {
            let inner = details::inner(canvas, area, side);
            details::draw(canvas, inner, data, shown[index].0);
        }
    }

    fn draw_empty(&self, canvas: &mut Canvas, area: Rect, data: &Data) {
        let lines: &[&str] = match &data.containers {
            None => &["looking …"],
            Some(all) if all.is_empty() => &[
                "No containers yet.",
                "",
                "Press 2 for the images and Enter on one to run it.",
                "`host` is always there: this machine, copy-on-write.",
            ],
            Some(_) if !self.list.filter.is_empty() => &["Nothing matches the filter.", "", "Esc clears it."],
            Some(_) => &["Nothing is running.", "", "Press a to show stopped containers as well."],
        };
        list_keys::draw_notice(canvas, area, lines);
    }
}

/// Columns that begin with the greatest.
const DESCENDING_FIRST: [usize; 7] = [CPU, MEMORY, LIMIT, UPTIME, PIDS, NETWORK, DISK];

fn compare(column: usize, data: &Data, a: &ContainerSummary, b: &ContainerSummary) -> Ordering {
    let usage = |container: &ContainerSummary| data.usage.get(&container.id).map(|track| &track.latest);
    let by = |figure: fn(&crate::model::Usage) -> Option<f64>| {
        let (a, b) = (usage(a).and_then(figure), usage(b).and_then(figure));
        a.unwrap_or(-1.0).total_cmp(&b.unwrap_or(-1.0))
    };
    match column {
        NAME => a.name.as_str().to_lowercase().cmp(&b.name.as_str().to_lowercase()),
        STATE => rank(&a.state).cmp(&rank(&b.state)),
        CPU | SPARK => by(|usage| usage.cpu_percent),
        MEMORY => by(|usage| usage.sample.memory_bytes.map(|bytes| bytes as f64)),
        LIMIT => a.limits.memory_bytes.cmp(&b.limits.memory_bytes),
        UPTIME => since(b).cmp(&since(a)),
        IMAGE => a.image.cmp(&b.image),
        PIDS => by(|usage| usage.sample.pids.map(|pids| pids as f64)),
        PORTS => a.ports.first().map(|port| port.host_port).cmp(&b.ports.first().map(|port| port.host_port)),
        NETWORK => by(|usage| Some(usage.net_received_rate? + usage.net_sent_rate?)),
        _ => by(|usage| Some(usage.disk_read_rate? + usage.disk_written_rate?)),
    }
}

fn rank(state: &ContainerState) -> u8 {
    match state {
        ContainerState::Running { .. } => 0,
        ContainerState::Restarting(_) => 1,
        ContainerState::Paused { .. } => 2,
        ContainerState::Created => 3,
        ContainerState::Exited(_) => 4,
    }
}

/// When its process started, if it runs; those that do not come last.
fn since(container: &ContainerSummary) -> crate::model::Timestamp {
    match &container.state {
        ContainerState::Running { started, .. } | ContainerState::Paused { started, .. } => *started,
        ContainerState::Created | ContainerState::Restarting(_) | ContainerState::Exited(_) => {
            crate::model::Timestamp(jiff::Timestamp::MAX)
        }
    }
}

/// The colour of a state.
pub fn state_role(state: &ContainerState) -> Role {
    match state {
        ContainerState::Running { .. } => Role::Ok,
        ContainerState::Restarting(_) => Role::Warn,
        ContainerState::Paused { .. } => Role::Paused,
        ContainerState::Created => Role::Info,
        ContainerState::Exited(status) if status.code == 0 => Role::Dim,
        ContainerState::Exited(_) => Role::Error,
    }
}

fn cells(canvas: &Canvas, data: &Data, (container, matched): &Shown) -> Vec<Cell> {
    let track = data.usage.get(&container.id);
    let live = container.state.is_running();
    let text_role = if live { Role::Text } else { Role::Dim };
    let cell = |text: String, role: Role| Cell::from(canvas.piece(text, role));
    let mut cells = vec![Cell::default(); COLUMNS.len()];
    let name = container.name.as_str();
    let split = name.chars().count();
    cells[NAME] = cell(name.to_owned(), text_role);
    cells[NAME].matched = matched.positions.iter().copied().filter(|at| *at < split).collect();
    cells[IMAGE] = cell(container.image.clone(), Role::Dim);
    cells[IMAGE].matched = matched.positions.iter().filter_map(|at| at.checked_sub(split + 1)).collect();
    let role = state_role(&container.state);
    cells[STATE] = match data.busy.get(&container.id) {
        Some(word) => cell(format!("◌ {word}"), Role::Warn),
        None => {
            let glyph = figures::state_glyph(&container.state);
            cell(format!("{glyph} {}", figures::state_words(&container.state)), role)
        }
    };
    let uptime = match &container.state {
        ContainerState::Running { started, .. } | ContainerState::Paused { started, .. } => {
            figures::duration(started.seconds_until(data.now()))
        }
        _ => String::new(),
    };
    cells[UPTIME] = cell(uptime, Role::Text);
    let mut forms = ports::short_forms(&container.ports).into_iter().map(|form| canvas.piece(form, Role::Info));
    cells[PORTS] = forms.next().map(Cell::from).unwrap_or_default();
    cells[PORTS].shorter = forms.collect();
    if let (true, Some(track)) = (live, track) {
        usage_cells(canvas, &mut cells, container, track);
    }
    cells
}

fn usage_cells(canvas: &Canvas, cells: &mut [Cell], container: &ContainerSummary, track: &Track) {
    let usage = &track.latest;
    let cell = |text: String, role: Role| Cell::from(canvas.piece(text, role));
    let cpu_role = match usage.cpu_percent {
        Some(percent) if percent >= 80.0 => Role::Warn,
        Some(percent) if percent >= 0.05 => Role::Text,
        _ => Role::Dim,
    };
    cells[CPU] = cell(figures::percent(usage.cpu_percent), cpu_role);
    let recent: Vec<f64> = track.cpu.iter().map(|percent| f64::from(*percent)).collect();
    // One core is the full height, unless more of them were used lately.
    let most = recent.iter().rev().take(usize::from(SPARK_CELLS) * 2).copied().fold(100.0, f64::max);
    cells[SPARK] = cell(sparkline(&recent, most, SPARK_CELLS), Role::ChartCpu);
    let memory_role = match usage.memory_percent {
        Some(percent) if percent >= 90.0 => Role::Error,
        Some(percent) if percent >= 75.0 => Role::Warn,
        _ => Role::Text,
    };
    cells[MEMORY] = cell(usage.sample.memory_bytes.map_or_else(|| "–".to_owned(), figures::bytes), memory_role);
    cells[LIMIT] = cell(container.limits.memory_bytes.map_or_else(|| "–".to_owned(), figures::bytes), Role::Dim);
    cells[PIDS] = cell(usage.sample.pids.map_or_else(|| "–".to_owned(), |pids| pids.to_string()), Role::Text);
    let pair = |a: Option<f64>, b: Option<f64>| format!("{:>5} {:>5}", figures::rate(a), figures::rate(b));
    cells[NETWORK] = match &container.network {
        NetworkMode::Host => cell("host".to_owned(), Role::Dim),
        NetworkMode::None | NetworkMode::Networks | NetworkMode::Container(_) => {
            cell(pair(usage.net_received_rate, usage.net_sent_rate), Role::Dim)
        }
    };
    cells[DISK] = cell(pair(usage.disk_read_rate, usage.disk_written_rate), Role::Dim);
}
