//! The selected volume's details beside or below the list: who uses it where, and what it is.

use ratatui::layout::Rect;

use super::shown_name;
use crate::model::{ContainerState, VolumeSummary, printable_line};
use crate::tui::canvas::Canvas;
use crate::tui::data::Data;
use crate::tui::figures;
use crate::tui::screens::containers::state_role;
use crate::tui::theme::Role;

/// A container that has the volume.
pub struct Used<'a> {
    pub name: String,
    pub state: Option<&'a ContainerState>,
    /// Where it is in the container, if that is known.
    pub target: Option<String>,
    pub read_only: bool,
}

/// Who uses a volume: one line for each place in each container.
pub fn uses<'a>(data: &'a Data, volume: &VolumeSummary) -> Vec<Used<'a>> {
    let mut uses = Vec::new();
    for (id, name) in &volume.users {
        let container = data.container(id);
        let mounts = container.iter().flat_map(|container| &container.mounts);
        let own = mounts.filter(|mount| mount.volume_name() == Some(&volume.volume.name));
        let before = uses.len();
        uses.extend(own.map(|mount| Used {
            name: name.to_string(),
            state: container.map(|container| &container.state),
            target: Some(printable_line(&mount.target.to_string_lossy()).into_owned()),
            read_only: mount.read_only,
        }));
        if uses.len() == before {
            let state = container.map(|container| &container.state);
            uses.push(Used { name: name.to_string(), state, target: None, read_only: false });
        }
    }
    uses
}

/// Draws what there is room for.
pub fn draw(canvas: &mut Canvas, area: Rect, data: &Data, volume: &VolumeSummary) {
    if area.height < 4 || area.width < 24 {
        return;
    }
    let used = canvas.text(area.x, area.y, area.width, &shown_name(volume), Role::Title) + 2;
    let what = if volume.volume.anonymous { "anonymous volume" } else { "volume" };
    canvas.text(area.x + used, area.y, area.width.saturating_sub(used), what, Role::Dim);
    let body = Rect { y: area.y + 2, height: area.height - 2, ..area };
    let facts = facts(data, volume);
    // Below the list it is wide and low: facts and users side by side.
    if body.height < 14 && body.width >= 76 {
        let left = body.width * 11 / 20;
        draw_facts(canvas, Rect { width: left - 2, ..body }, &facts);
        let right = Rect { x: body.x + left, width: body.width - left, y: area.y, height: area.height };
        return draw_uses(canvas, right, data, volume);
    }
    if body.height < 14 {
        // Its size stands in the list: who uses it comes first.
        let uses = u16::try_from(uses(data, volume).len()).unwrap_or(u16::MAX).saturating_add(1);
        let top = Rect { y: area.y + 1, height: uses.min(area.height - 1), ..area };
        draw_uses(canvas, top, data, volume);
        let y = top.bottom() + 1;
        return draw_facts(canvas, Rect { y, height: area.bottom().saturating_sub(y), ..area }, &facts);
    }
    draw_facts(canvas, body, &facts);
    let lines = u16::try_from(facts.len()).unwrap_or(u16::MAX).saturating_add(1).min(body.height);
    draw_uses(canvas, Rect { y: body.y + lines, height: body.height - lines, ..body }, data, volume);
}

fn facts(data: &Data, volume: &VolumeSummary) -> Vec<(String, String)> {
    let own = &volume.volume;
    let size = data.volume_bytes(volume).map_or_else(|| "not measured yet".to_owned(), figures::bytes_long);
    let mut facts = vec![
        ("size".to_owned(), size),
        (
            "created".to_owned(),
            format!("{}, {}", figures::ago(own.created, data.now()), own.created.0.strftime("%Y-%m-%d %H:%M")),
        ),
    ];
    if own.anonymous {
        facts.push(("name".to_owned(), own.name.to_string()));
    }
    let pairs = |pairs: &std::collections::BTreeMap<String, String>| {
        pairs
            .iter()
            .map(|(key, value)| if value.is_empty() { key.clone() } else { format!("{key}={value}") })
            .collect::<Vec<_>>()
    };
    facts.push(("at".to_owned(), volume.mountpoint.to_string_lossy().into_owned()));
    facts.push(("driver".to_owned(), "local".to_owned()));
    for (label, values) in [("options", pairs(&own.options)), ("labels", pairs(&own.labels))] {
        let first = [label].into_iter().chain(std::iter::repeat(""));
        facts.extend(first.zip(values).map(|(label, value)| (label.to_owned(), value)));
    }
    facts
}

fn draw_facts(canvas: &mut Canvas, area: Rect, facts: &[(String, String)]) {
    for ((label, value), y) in facts.iter().zip(area.y..area.bottom()) {
        canvas.text(area.x, y, 9, label, Role::Dim);
        canvas.text(area.x + 9, y, area.width.saturating_sub(10), value, Role::Text);
    }
}

fn draw_uses(canvas: &mut Canvas, area: Rect, data: &Data, volume: &VolumeSummary) {
    if area.height == 0 {
        return;
    }
    let uses = uses(data, volume);
    let title = match volume.users.len() {
        0 => "no container uses it".to_owned(),
        1 => "1 container uses it".to_owned(),
        count => format!("{count} containers use it"),
    };
    let width = canvas.text(area.x, area.y, area.width, &title, Role::Title) + 1;
    canvas
        .rule(Rect { x: area.x + width, width: area.width.saturating_sub(width + 1), height: 1, ..area }, Role::Border);
    let lines = usize::from(area.height - 1);
    let longest = uses.iter().map(|used| used.name.chars().count()).max().unwrap_or(0);
    let names = u16::try_from(longest).unwrap_or(0).clamp(8, area.width / 2);
    for (index, (used, y)) in uses.iter().zip(area.y + 1..area.bottom()).enumerate() {
        if index + 1 == lines && uses.len() > lines {
            let more = format!("and {} more", uses.len() - index);
            canvas.text(area.x + 2, y, area.width.saturating_sub(2), &more, Role::Dim);
            break;
        }
        let (glyph, role) =
            used.state.map_or(("·", Role::Dim), |state| (figures::state_glyph(state), state_role(state)));
        canvas.text(area.x, y, 1, glyph, role);
        canvas.text(area.x + 2, y, names, &used.name, Role::Text);
        let Some(target) = &used.target else { continue };
        let x = area.x + 4 + names;
        let note = if used.read_only { "  read-only" } else { "" };
        let room = area.right().saturating_sub(x + 1);
        let length = canvas.text(x, y, room.saturating_sub(u16::try_from(note.len()).unwrap_or(0)), target, Role::Dim);
        canvas.text(x + length, y, room.saturating_sub(length), note, Role::Warn);
    }
}
