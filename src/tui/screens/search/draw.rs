//! Draws what a search found, and below it who was asked and who failed, a line each.

use ratatui::layout::Rect;

use super::found::{Source, SourceState};
use super::{COLUMNS, Search, key_of};
use crate::model::{Reference, SearchHit};
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::Command;
use crate::tui::data::Data;
use crate::tui::figures;
use crate::tui::filter::{Filter, matcher};
use crate::tui::list_keys;
use crate::tui::table::{Cell, Rows};
use crate::tui::theme::Role;

/// Registries whose trouble is told at once.
const TROUBLES_MAX: usize = 3;

pub fn draw(search: &Search, canvas: &mut Canvas, area: Rect, data: &Data) {
    if area.height < 4 {
        return;
    }
    let shown = search.shown();
    draw_field(search, canvas, area, shown.len());
    let table = Rect { y: area.y + 2, height: area.height - 2, ..area };
    let table = draw_problem(search, canvas, table);
    let table = draw_sources(search, canvas, table);
    if shown.is_empty() {
        canvas.seen.list_height = usize::from(table.height);
        return draw_empty(search, canvas, table);
    }
    draw_hits(search, canvas, table, &shown, data);
}

fn draw_field(search: &Search, canvas: &mut Canvas, area: Rect, count: usize) {
    let line = Rect { x: area.x + 2, width: area.width.saturating_sub(4), height: 1, ..area };
    canvas.hit(line, Target::Command(Command::EditQuery));
    canvas.text(line.x, line.y, 8, "Search", if search.typing { Role::Accent } else { Role::Dim });
    let field = Rect { x: line.x + 8, width: line.width.saturating_sub(8 + 16).min(70), ..line };
    search.field.draw(canvas, field, "an image's name, such as debian or localhost:5000/tools", search.typing);
    let state = match (search.searching, count) {
        (true, _) => "searching …".to_owned(),
        (false, 0) => String::new(),
        (false, count) => format!("{count} found"),
    };
    canvas.text(field.right() + 2, line.y, 14, &state, Role::Dim);
}

fn draw_hits(search: &Search, canvas: &mut Canvas, area: Rect, shown: &[SearchHit], data: &Data) {
    let keys: Vec<String> = shown.iter().map(key_of).collect();
    let selected = search.list.selected(&keys).map(|(index, _)| index).filter(|_| !search.typing);
    let first = search.list.offset_for(shown.len(), usize::from(area.height.saturating_sub(1)));
    let rows = Rows { columns: &COLUMNS, sort: search.list.sort, len: shown.len(), first, selected };
    let (filter, matcher) = (Filter { text: search.field.text() }, matcher());
    rows.draw(canvas, area, |canvas, row| {
        let hit = &shown[row];
        let matched = filter.matches(&matcher, &hit.name).map(|matched| matched.positions).unwrap_or_default();
        let mut name = Cell { matched, ..Cell::from(canvas.piece(hit.name.clone(), Role::Text)) };
        if is_here(hit, data) {
            name.pieces.push(canvas.piece(" ● here", Role::Info));
        }
        if hit.official {
            name.pieces.push(canvas.piece(" ✓ official", Role::Ok));
        }
        vec![
            name,
            canvas.piece(hit.stars.map_or_else(|| "–".to_owned(), figures::count), Role::Text).into(),
            canvas.piece(hit.registry.clone(), Role::Dim).into(),
            canvas.piece(hit.description.clone(), Role::Dim).into(),
        ]
    });
}

/// Whether this machine has an image of the repository, or the very tag where one is named.
fn is_here(hit: &SearchHit, data: &Data) -> bool {
    let Ok(found) = hit.name.parse::<Reference>() else { return false };
    let any_tag = !super::is_exact(&hit.name);
    data.images.iter().flatten().filter_map(|image| image.reference.as_ref()).any(|own| {
        let same = own.registry() == found.registry() && own.repository() == found.repository();
        same && (any_tag || own.tag() == found.tag())
    })
}

fn draw_problem(search: &Search, canvas: &mut Canvas, area: Rect) -> Rect {
    let Some(problem) = &search.problem else { return area };
    let width = area.width.saturating_sub(6);
    canvas.text(area.x + 2, area.y, 1, "✗", Role::Error);
    canvas.text(area.x + 4, area.y, width, &problem.message, Role::Error);
    if let Some(hint) = &problem.hint {
        canvas.text(area.x + 4, area.y + 1, width, &format!("→ {hint}"), Role::Dim);
    }
    Rect { y: area.y + 3.min(area.height), height: area.height.saturating_sub(3), ..area }
}

/// A small line for each registry that failed, and one with what the others have; returns the place above.
fn draw_sources(search: &Search, canvas: &mut Canvas, area: Rect) -> Rect {
    let sources = &search.findings.sources;
    let failed: Vec<_> = search.findings.troubles().collect();
    let hints = failed.len() == 1 && area.height > 12;
    let lines = failed.len().min(TROUBLES_MAX) + usize::from(hints) + usize::from(!sources.is_empty());
    let height = u16::try_from(lines).unwrap_or(0);
    if height == 0 || area.height < height + 4 {
        return area;
    }
    let above = Rect { height: area.height - height, ..area };
    let (x, width) = (area.x + 2, area.width.saturating_sub(4));
    let mut y = above.bottom();
    for (_, problem) in failed.iter().take(TROUBLES_MAX) {
        canvas.text(x, y, 1, "✗", Role::Error);
        canvas.text(x + 2, y, width.saturating_sub(2), &problem.message, Role::Error);
        y += 1;
        if hints && let Some(hint) = &problem.hint {
            canvas.text(x + 2, y, width.saturating_sub(2), &format!("→ {hint}"), Role::Dim);
            y += 1;
        }
    }
    let mut at = x;
    for source in sources {
        let (glyph, role, words) = source_words(source);
        let room = (x + width).saturating_sub(at);
        at += canvas.text(at, y, room, glyph, role);
        let room = (x + width).saturating_sub(at);
        at += canvas.text(at, y, room, &format!(" {}{words}   ", source.name), Role::Dim);
    }
    above
}

fn source_words(source: &Source) -> (&'static str, Role, String) {
    match source.state {
        SourceState::Asked if source.count > 0 => ("…", Role::Accent, format!(" {}", source.count)),
        SourceState::Asked => ("…", Role::Accent, String::new()),
        SourceState::Answered => ("✓", Role::Ok, format!(" {}", source.count)),
        SourceState::Failed(_) => ("✗", Role::Error, String::new()),
    }
}

fn draw_empty(search: &Search, canvas: &mut Canvas, area: Rect) {
    let lines: &[&str] = match (search.searching, search.field.is_empty(), &search.problem) {
        (_, _, Some(_)) => return,
        (true, _, _) => &["asking the registries …"],
        (_, true, _) => &[
            "Type an image's name.",
            "",
            "Results come as you type; Enter looks closely at one.",
            "A private registry: localhost:5000/ and letters of the name.",
            "Tags: a colon behind the name, such as debian:",
        ],
        _ => &["Nothing is called that."],
    };
    list_keys::draw_notice(canvas, area, lines);
}
