//! What each of a container's interfaces moves: a chart for each, with its network, totals and lost packets.

use ratatui::layout::Rect;

use super::curves;
use crate::model::{ContainerSummary, Id, InterfaceCounters, NetworkMode};
use crate::tui::canvas::Canvas;
use crate::tui::commands::{Command, Scope};
use crate::tui::data::{Data, HISTORY, Track};
use crate::tui::figures;
use crate::tui::list_keys::draw_notice;
use crate::tui::step::Step;
use crate::tui::theme::Role;

/// The screen's state.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    container: Option<Id>,
    /// All that is known instead of one minute.
    long: bool,
    /// The first interface that is shown.
    first: usize,
}

/// Rows of a chart with its line of totals, at least and at most.
const LEAST: u16 = 7;
const MOST: u16 = 24;

impl Traffic {
    pub const SCOPES: &'static [Scope] = &[Scope::Traffic, Scope::Detail, Scope::List, Scope::Everywhere];

    pub fn open(&mut self, id: &Id) {
        if self.container.as_ref() != Some(id) {
            *self = Self { container: Some(id.clone()), long: self.long, first: 0 };
        }
    }

    pub fn command(&mut self, command: Command) -> Vec<Step> {
        match command {
            Command::TrafficWindow => self.long = !self.long,
            Command::Up => self.wheel(-1),
            Command::Down => self.wheel(1),
            Command::Top => self.first = 0,
            _ => {}
        }
        Vec::new()
    }

    pub fn wheel(&mut self, lines: isize) {
        // How many there are is known when it is drawn; more than are ever told is as good as the last.
        self.first = self.first.saturating_add_signed(lines.signum()).min(64);
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data, id: &Id) {
        let air = u16::from(area.height >= 24);
        let width = area.width.saturating_sub(4);
        let area = Rect { x: area.x + 2, y: area.y + air, width, height: area.height - air };
        let Some(container) = data.container(id) else {
            return draw_notice(canvas, area, &["This container is gone.", "", "Esc goes back."]);
        };
        if !container.state.is_running() {
            return draw_notice(canvas, area, &["It is not running, so it moves nothing.", "", "Esc goes back."]);
        }
        let Some(track) = data.usage.get(id) else {
            return draw_notice(canvas, area, &["measuring …"]);
        };
        let interfaces = &track.latest.sample.interfaces;
        if interfaces.is_empty() {
            let why = match &container.network {
                NetworkMode::Host => "It has this machine's own network: its traffic is not counted apart.",
                _ => "It has no interface but its loopback.",
            };
            return draw_notice(canvas, area, &[why, "", "N in the list puts a container into a network."]);
        }
        draw_sum(canvas, Rect { height: 1, ..area }, track);
        let body = Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area };
        let columns = if body.width >= 110 && interfaces.len() > 1 { 2 } else { 1 };
        let rows = u16::try_from(interfaces.len().div_ceil(usize::from(columns))).unwrap_or(u16::MAX);
        let shown_rows = ((body.height + 1) / (LEAST + 1)).clamp(1, rows);
        let height = ((body.height + 1) / shown_rows).saturating_sub(1).min(MOST);
        let each = (body.width - (columns - 1) * 3) / columns;
        let first_row = self.first.min(usize::from(rows - shown_rows));
        let span = if self.long { HISTORY as f64 } else { 60.0 };
        let shown = interfaces.iter().skip(first_row * usize::from(columns));
        for (counters, index) in shown.zip(0..shown_rows * columns) {
            let (column, row) = (index % columns, index / columns);
            let place = Rect::new(body.x + column * (each + 3), body.y + row * (height + 1), each, height);
            draw_interface(canvas, place, container, track, counters, span);
        }
        canvas.scrollbar(Rect { width: body.width + 1, ..body }, first_row, usize::from(shown_rows), usize::from(rows));
    }
}

/// All of them together.
fn draw_sum(canvas: &mut Canvas, line: Rect, track: &Track) {
    let sample = &track.latest.sample;
    let count = match sample.interfaces.len() {
        1 => "1 interface".to_owned(),
        count => format!("{count} interfaces"),
    };
    let mut x = line.x + canvas.text(line.x, line.y, line.width, &count, Role::Title) + 2;
    let bytes = |count: Option<u64>| figures::bytes_long(count.unwrap_or(0));
    let (received, sent) = (bytes(sample.net_received_bytes), bytes(sample.net_sent_bytes));
    x += canvas.text(x, line.y, line.right().saturating_sub(x), &format!("↓ {received}"), Role::ChartNetwork) + 2;
    x += canvas.text(x, line.y, line.right().saturating_sub(x), &format!("↑ {sent}"), Role::Ok) + 2;
    let lost: u64 = sample.interfaces.iter().map(InterfaceCounters::lost_packets).fold(0, u64::saturating_add);
    draw_lost(canvas, x, line, lost);
}

fn draw_lost(canvas: &mut Canvas, x: u16, line: Rect, lost: u64) {
    let (text, role) = match lost {
        0 => ("nothing lost".to_owned(), Role::Dim),
        1 => ("1 packet lost".to_owned(), Role::Warn),
        lost => (format!("{} packets lost", figures::thousands(lost)), Role::Warn),
    };
    canvas.text(x, line.y, line.right().saturating_sub(x), &text, role);
}

fn draw_interface(
    canvas: &mut Canvas,
    area: Rect,
    container: &ContainerSummary,
    track: &Track,
    counters: &InterfaceCounters,
    span_seconds: f64,
) {
    let endpoint = container.networks.iter().find(|endpoint| endpoint.link == counters.name);
    let place = endpoint.map_or_else(String::new, |endpoint| {
        let addresses: Vec<String> = endpoint.addresses.iter().map(|address| address.addr().to_string()).collect();
        format!("in {}  {}", endpoint.network_name, addresses.join("  "))
    });
    let chart = Rect { height: area.height.saturating_sub(1), ..area };
    curves::interface(canvas, chart, track, (&counters.name, &place), span_seconds);
    let line = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
    let amount =
        |bytes: u64, packets: u64| format!("{} in {} packets", figures::bytes_long(bytes), figures::thousands(packets));
    let received = format!("↓ {}", amount(counters.received_bytes, counters.received_packets));
    let sent = format!("↑ {}", amount(counters.sent_bytes, counters.sent_packets));
    let mut x = line.x + canvas.text(line.x, line.y, line.width, &received, Role::Dim) + 2;
    x += canvas.text(x, line.y, line.right().saturating_sub(x), &sent, Role::Dim) + 2;
    draw_lost(canvas, x, line, counters.lost_packets());
}
