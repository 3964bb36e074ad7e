//! The selected network's details beside or below the list: its facts, and who is in it.

use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::is_default;
use crate::engine::NetworkInspect;
use crate::model::{Endpoint, Id, Name};
use crate::tui::canvas::{Canvas, Piece, Target};
use crate::tui::data::Data;
use crate::tui::figures;
use crate::tui::ports;
use crate::tui::theme::Role;
use crate::tui::widgets::bar::Gauge;
use crate::tui::widgets::write;

/// The width that lines are counted for where it is not known.
pub const NARROW: u16 = 46;
/// Cells of the labels.
const LABEL: u16 = 10;

/// As many addresses as are never all leased.
const PLENTY: u64 = 1 << 24;

/// One line.
pub enum Line {
    Blank,
    Title(String),
    Pair(&'static str, String),
    /// Used and all, and their figures in words.
    Leases(f64, String),
    Pieces(Vec<(String, Role)>),
    /// Pieces behind a member's name.
    Below(Vec<(String, Role)>),
}

/// Draws what there is room for, from the line `first` on.
pub fn draw(canvas: &mut Canvas, area: Rect, data: &Data, it: &NetworkInspect, first: usize) {
    if area.height < 4 || area.width < 24 {
        return;
    }
    canvas.hit(area, Target::Details);
    let mut x = area.x + canvas.text(area.x, area.y, area.width, it.network.name.as_str(), Role::Title) + 2;
    let mut words = vec![(it.network.driver.name(), Role::Dim)];
    if it.network.internal {
        words.push(("internal", Role::Warn));
    }
    for (word, role) in words {
        x += canvas.text(x, area.y, area.right().saturating_sub(x), word, role) + 2;
    }
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    // Below the list it is wide and low: facts and members side by side.
    if body.height < 14 && body.width >= 76 {
        let left = 40;
        draw_lines(canvas, Rect { width: left, ..body }, &facts(data, it), first);
        let right = Rect { x: body.x + left + 2, y: area.y, width: body.width - left - 2, height: area.height };
        return draw_lines(canvas, right, &members(data, it, right.width), first);
    }
    if body.height < 14 {
        // Its subnets stand in the list: who is in it comes first.
        let mut lines = members(data, it, body.width);
        lines.push(Line::Blank);
        lines.extend(facts(data, it));
        return draw_lines(canvas, body, &lines, first);
    }
    draw_lines(canvas, body, &lines(data, it, body.width), first);
}

/// All lines one below the other.
pub fn lines(data: &Data, it: &NetworkInspect, width: u16) -> Vec<Line> {
    let mut lines = vec![Line::Blank];
    lines.extend(facts(data, it));
    lines.push(Line::Blank);
    lines.extend(members(data, it, width));
    lines
}

fn draw_lines(canvas: &mut Canvas, area: Rect, lines: &[Line], first: usize) {
    let height = usize::from(area.height);
    let first = first.min(lines.len().saturating_sub(height));
    for (line, y) in lines.iter().skip(first).zip(area.y..area.bottom()) {
        line.draw(canvas, Rect { y, height: 1, ..area });
    }
    canvas.scrollbar(Rect { width: area.width + 1, ..area }, first, height, lines.len());
}

fn facts(data: &Data, it: &NetworkInspect) -> Vec<Line> {
    let network = &it.network;
    let mut lines = vec![Line::Pair("id", network.id.short().to_owned())];
    if !is_default(it) {
        let created = network.created;
        lines.push(Line::Pair("created", format!("{}, {}", figures::ago(created, data.now()), figures::date(created))));
    }
    lines.push(Line::Pair("link", network.link.clone()));
    lines.extend(network.mtu.map(|mtu| Line::Pair("MTU", format!("{mtu} bytes"))));
    for subnet in &network.subnets {
        let label = if subnet.subnet.addr().is_ipv6() { "IPv6" } else { "IPv4" };
        lines.push(Line::Pair(label, subnet.subnet.to_string()));
        lines.push(Line::Pair("", format!("gateway {}", subnet.gateway)));
        lines.extend(subnet.range.map(|range| Line::Pair("", format!("leased from {range}"))));
        if let Some(count) = it.leases.iter().find(|count| count.subnet == subnet.subnet) {
            lines.push(match count.all {
                // Nobody counts to the end of those.
                PLENTY.. => Line::Pair("", format!("{} leased", count.used)),
                all => {
                    let ratio = count.used as f64 / all.max(1) as f64;
                    Line::Leases(ratio, format!("{} of {} leased", count.used, figures::thousands(all)))
                }
            });
        }
    }
    lines.extend(network.options.iter().map(|(key, value)| Line::Pair("option", format!("{key}={value}"))));
    lines.extend(network.labels.iter().map(|(key, value)| Line::Pair("label", format!("{key}={value}"))));
    lines
}

fn members(data: &Data, it: &NetworkInspect, width: u16) -> Vec<Line> {
    let title = match it.containers.len() {
        0 => "nobody attached".to_owned(),
        1 => "1 container attached".to_owned(),
        count => format!("{count} containers attached"),
    };
    let mut lines = vec![Line::Title(title)];
    for (id, name, endpoint) in &it.containers {
        lines.extend(member(data, (id, name, endpoint), width));
    }
    lines
}

/// A container: its name and state, its link, addresses, hardware address, names, ports.
fn member(data: &Data, (id, name, endpoint): (&Id, &Name, &Endpoint), width: u16) -> Vec<Line> {
    let container = data.container(id);
    let (glyph, role) = container.map_or(("●", Role::Ok), |container| {
        (figures::state_glyph(&container.state), super::super::containers::state_role(&container.state))
    });
    let text = |text: String| (text, Role::Text);
    let mut lines = vec![Line::Pieces(vec![
        (format!("{glyph} "), role),
        (name.to_string(), Role::Text),
        (format!("  {}", endpoint.link), Role::Dim),
    ])];
    let mac = mac(endpoint.mac);
    let addresses: Vec<String> = endpoint.addresses.iter().map(ToString::to_string).collect();
    let in_one = format!("{}  {mac}", addresses.join("  "));
    if write::width(&in_one) + 3 <= width {
        lines.push(Line::Below(vec![text(addresses.join("  ")), (format!("  {mac}"), Role::Dim)]));
    } else {
        lines.extend(addresses.into_iter().map(|address| Line::Below(vec![text(address)])));
        lines.push(Line::Below(vec![(mac, Role::Dim)]));
    }
    if !endpoint.aliases.is_empty() {
        lines.push(Line::Below(vec![("also ".to_owned(), Role::Dim), text(endpoint.aliases.join(", "))]));
    }
    // Ports lead to the first of a container's networks.
    let first = container.filter(|it| it.networks.first().is_none_or(|first| first.network == endpoint.network));
    let ports = first.map(|container| ports::lines(&container.ports)).unwrap_or_default();
    lines.extend(ports.into_iter().map(|port| Line::Below(vec![(port, Role::Accent)])));
    lines
}

/// A hardware address as people write it.
pub fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

impl Line {
    fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let end = area.right().saturating_sub(1);
        match self {
            Self::Blank => {}
            Self::Title(title) => {
                let used = canvas.text(area.x, area.y, area.width, title, Role::Title) + 1;
                let rest = Rect { x: area.x + used, width: area.width.saturating_sub(used + 1), ..area };
                canvas.rule(rest, Role::Border);
            }
            Self::Pair(label, value) => {
                canvas.text(area.x, area.y, LABEL - 1, label, Role::Dim);
                canvas.text(area.x + LABEL, area.y, end.saturating_sub(area.x + LABEL), value, Role::Text);
            }
            Self::Leases(ratio, words) => {
                let x = area.x + LABEL;
                let bar = 10.min(end.saturating_sub(x));
                let place = Rect { x, width: bar, ..area };
                let role = if *ratio >= 0.9 { Role::Warn } else { Role::ChartNetwork };
                Gauge { theme: canvas.theme, ratio: *ratio, role }.render(place, canvas.buffer);
                canvas.text(x + bar + 1, area.y, end.saturating_sub(x + bar + 1), words, Role::Dim);
            }
            Self::Pieces(pieces) => draw_pieces(canvas, area.x, area, pieces),
            Self::Below(pieces) => draw_pieces(canvas, area.x + 2, area, pieces),
        }
    }
}

fn draw_pieces(canvas: &mut Canvas, x: u16, area: Rect, pieces: &[(String, Role)]) {
    let pieces: Vec<Piece> = pieces.iter().map(|(text, role)| canvas.piece(text.as_str(), *role)).collect();
    canvas.pieces(x, area.y, area.right().saturating_sub(x + 1), &pieces);
}
