//! Draws one repository before it is pulled: what it is, its tags, and what is behind the chosen one.

use ratatui::layout::Rect;

use super::details::{Asking, COLUMNS, Details, Here, Part, is_native};
use crate::model::PlatformFacts;
use crate::tui::action::Problem;
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::Command;
use crate::tui::data::Data;
use crate::tui::dialogs::join_words;
use crate::tui::field::Field;
use crate::tui::figures;
use crate::tui::list_keys;
use crate::tui::table::{Cell, Rows};
use crate::tui::theme::Role;
use crate::tui::toast::wrap;

/// From this width on the two lists stand side by side.
const BESIDE: u16 = 84;
/// Words of the description, at most so many lines.
const DESCRIPTION_MAX: usize = 2;

pub fn draw(details: &Details, canvas: &mut Canvas, area: Rect, data: &Data) {
    if area.height < 6 || area.width < 20 {
        return;
    }
    let inner = Rect { x: area.x + 2, width: area.width - 4, ..area };
    let top = draw_head(details, canvas, inner);
    let body = Rect { y: top, height: (area.bottom() - 1).saturating_sub(top), ..area };
    let (left, right) = split(details, canvas, body);
    if body.width < BESIDE && details.part == Part::Platforms {
        // No room for three: the tag is chosen, so its facts take the place of the tags.
        draw_behind(details, canvas, left, data);
        draw_facts(details, canvas, Rect { x: right.x + 2, width: right.width.saturating_sub(4), ..right }, data);
    } else {
        draw_tags(details, canvas, left, data);
        draw_behind(details, canvas, right, data);
    }
    draw_choice(details, canvas, Rect { y: area.bottom() - 1, height: 1, ..inner });
}

/// The places of the tags and of what is behind the chosen one.
fn split(details: &Details, canvas: &mut Canvas, body: Rect) -> (Rect, Rect) {
    if body.width >= BESIDE {
        let width = (body.width * 9 / 20).clamp(40, 74);
        canvas.upright(body.x + width, body.y, body.bottom(), Role::Border);
        let right = Rect { x: body.x + width + 1, width: body.width - width - 1, ..body };
        return (Rect { width, ..body }, right);
    }
    // One above the other: the platforms take what they need, the tags the rest.
    let wanted = match details.part {
        Part::Tags => u16::try_from(details.shown_platforms().len()).unwrap_or(u16::MAX).saturating_add(2),
        Part::Platforms => u16::MAX,
    };
    let height = wanted.clamp(4, (body.height / 2).max(4)).min(body.height);
    let above = Rect { height: body.height - height, ..body };
    canvas.rule(Rect { y: above.bottom(), height: 1, ..body }, Role::Border);
    (above, Rect { y: above.bottom() + 1, height: height.saturating_sub(1), ..body })
}

/// Name, marks and description; returns the line behind them.
fn draw_head(details: &Details, canvas: &mut Canvas, area: Rect) -> u16 {
    let facts = &details.facts;
    let mut pieces = vec![canvas.piece(details.reference.familiar_repository(), Role::Title)];
    if facts.official {
        pieces.push(canvas.piece("  ✓ official", Role::Ok));
    }
    if let Some(stars) = facts.stars {
        pieces.push(canvas.piece(format!("  ★ {}", figures::count(stars)), Role::Warn));
    }
    if let Some(pulls) = facts.pulls {
        pieces.push(canvas.piece(format!("  ↓ {} pulls", figures::count(pulls)), Role::Dim));
    }
    if details.reference.registry() == "docker.io" {
        pieces.push(canvas.piece("  docker.io", Role::Dim));
    }
    canvas.pieces(area.x, area.y, area.width, &pieces);
    let mut y = area.y + 1;
    let lines = wrap(&facts.description, usize::from(area.width));
    let most = if area.height >= 20 { DESCRIPTION_MAX } else { 1 };
    for (index, line) in lines.iter().take(most).enumerate().filter(|(_, line)| !line.is_empty()) {
        let more = index + 1 == most && lines.len() > most;
        let text = if more { format!("{line} …") } else { line.clone() };
        canvas.text(area.x, y, area.width, &text, Role::Dim);
        y += 1;
    }
    y + u16::from(area.height >= 16)
}

fn draw_tags(details: &Details, canvas: &mut Canvas, area: Rect, data: &Data) {
    let area = draw_filter(details, canvas, area);
    if let Asking::Failed(problem) = &details.tags_asked
        && details.count() == 0
    {
        return draw_problem(canvas, area, problem);
    }
    if details.count() == 0 {
        let words: &[&str] = match details.tags_asked {
            Asking::UnderWay(_) => &["asking for its tags …"],
            _ if details.list.filter.is_empty() => &["It has no tags.", "", "There is nothing to pull."],
            _ => &["No tag is called that."],
        };
        return list_keys::draw_notice(canvas, area, words);
    }
    let selected = details.selected_row();
    let first = details.list.offset_for(details.count(), usize::from(area.height.saturating_sub(1)));
    let rows = Rows { columns: &COLUMNS, sort: details.list.sort, len: details.count(), first, selected };
    let dim = details.part == Part::Platforms;
    rows.draw(canvas, area, |canvas, row| {
        let tag = details.row(row);
        let mut name = Cell::from(canvas.piece(tag.name.clone(), Role::Text));
        match details.here(tag, data) {
            Here::No => {}
            Here::Same => name.pieces.push(canvas.piece(" ● here", Role::Info)),
            Here::Other => name.pieces.push(canvas.piece(" ◐ changed", Role::Warn)),
        }
        let updated = tag.updated.map_or_else(|| "–".to_owned(), |time| figures::ago(time, data.now()));
        let size = details.size_of(tag).map_or_else(|| "–".to_owned(), figures::bytes);
        let role = if dim { Role::Dim } else { Role::Text };
        vec![name, canvas.piece(updated, Role::Dim).into(), canvas.piece(size, role).into()]
    });
}

/// The letters that narrow the tags, or how many there are.
fn draw_filter(details: &Details, canvas: &mut Canvas, area: Rect) -> Rect {
    let line = Rect { x: area.x + 2, width: area.width.saturating_sub(4), height: 1.min(area.height), ..area };
    canvas.hit(line, Target::Command(Command::Filter));
    let count = match (&details.tags_asked, details.total) {
        (Asking::UnderWay(_), _) => "asking …".to_owned(),
        (_, Some(total)) if details.has_more() => format!("{} of {}", details.count(), figures::thousands(total)),
        _ => format!("{} tags", details.count()),
    };
    if details.list.filtering || !details.list.filter.is_empty() {
        canvas.text(line.x, line.y, 2, "/", Role::Accent);
        let width = line.width.saturating_sub(18);
        let field = Rect { x: line.x + 2, width, ..line };
        Field::new(&details.list.filter.text).draw(canvas, field, "letters of a tag", details.list.filtering);
        canvas.text_right(line.right(), line.y, 15, &count, Role::Dim);
    } else {
        let narrow = if details.has_more() { "   / finds the others" } else { "" };
        canvas.text(line.x, line.y, line.width, &format!("{count}{narrow}"), Role::Dim);
    }
    Rect { y: area.y + line.height, height: area.height - line.height, ..area }
}

/// The platforms of the chosen tag, and the facts of the chosen platform.
fn draw_behind(details: &Details, canvas: &mut Canvas, area: Rect, data: &Data) {
    let inner = Rect { x: area.x + 2, width: area.width.saturating_sub(4), ..area };
    let platforms = details.shown_platforms();
    if platforms.is_empty() {
        return match &details.platforms_asked {
            Asking::Failed(problem) => draw_problem(canvas, area, problem),
            Asking::UnderWay(_) => {
                canvas.text(inner.x, inner.y, inner.width, "asking what is behind this tag …", Role::Dim);
            }
            Asking::Idle => {}
        };
    }
    let beside = canvas.buffer.area.width >= BESIDE;
    let facts_height = if beside { inner.height.saturating_sub(4).min(12) } else { 0 };
    let most = inner.height.saturating_sub(facts_height);
    let height = u16::try_from(platforms.len() + 1).unwrap_or(u16::MAX).min(most.max(2));
    draw_platforms(details, canvas, Rect { height: height.min(area.height), ..area });
    let below = inner.y + height + 1;
    if beside && below < inner.bottom() {
        draw_facts(details, canvas, Rect { y: below, height: inner.bottom() - below, ..inner }, data);
    }
}

fn draw_platforms(details: &Details, canvas: &mut Canvas, area: Rect) {
    let platforms = details.shown_platforms();
    let inner = Rect { x: area.x + 2, width: area.width.saturating_sub(4), ..area };
    let right = inner.right();
    canvas.text(inner.x, inner.y, inner.width, "PLATFORM", Role::Header);
    canvas.text_right(right, inner.y, 9, "SIZE", Role::Header);
    let room = usize::from(area.height.saturating_sub(1));
    let unknown = if matches!(details.platforms_asked, Asking::UnderWay(_)) { "…" } else { "–" };
    let first = details.platforms.offset_for(platforms.len(), room);
    let selected = details.platform().map(|(index, _)| index);
    for ((index, facts), y) in platforms.iter().enumerate().skip(first).zip(area.y + 1..area.bottom()) {
        let line = Rect { y, height: 1, ..area };
        canvas.hit(line, Target::Choice(index));
        if selected == Some(index) {
            let role = if details.part == Part::Platforms { Role::Selected } else { Role::SelectedInactive };
            canvas.ground(line, role);
            canvas.text(area.x, y, 1, "▌", if details.part == Part::Platforms { Role::Accent } else { Role::Dim });
        }
        let name = platform_name(facts);
        let used = canvas.text(inner.x, y, inner.width.saturating_sub(9), &name, Role::Text);
        if facts.platform.as_ref().is_some_and(is_native) && platforms.len() > 1 {
            let room = inner.width.saturating_sub(used + 11);
            canvas.text(inner.x + used + 2, y, room, "this machine's", Role::Dim);
        }
        let size = facts.compressed_bytes.map_or_else(|| unknown.to_owned(), figures::bytes);
        canvas.text_right(right, y, 8, &size, Role::Text);
    }
    canvas.scrollbar(Rect { y: area.y + 1, height: area.height - 1, ..area }, first, room, platforms.len());
}

fn platform_name(facts: &PlatformFacts) -> String {
    facts.platform.as_ref().map_or_else(|| "one platform".to_owned(), ToString::to_string)
}

fn draw_facts(details: &Details, canvas: &mut Canvas, area: Rect, data: &Data) {
    let Some((_, facts)) = details.platform() else { return };
    for ((label, value), y) in lines(details, facts, data).iter().zip(area.y..area.bottom()) {
        canvas.text(area.x, y, 10, label, Role::Dim);
        canvas.text(area.x + 11, y, area.width.saturating_sub(11), value, Role::Text);
    }
}

fn lines(details: &Details, facts: &PlatformFacts, data: &Data) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let mut line = |label, value: String| {
        if !value.is_empty() {
            lines.push((label, value));
        }
    };
    if let Some(created) = facts.created {
        // Docker Hub tells when it was pushed, a configuration when it was built.
        let word = if facts.config.is_some() { "created" } else { "pushed" };
        line(word, format!("{}, {}", figures::ago(created, data.now()), figures::date(created)));
    }
    line("layers", facts.layers.map(|layers| layers.to_string()).unwrap_or_default());
    if let Some(config) = &facts.config {
        line("entrypoint", join_words(&config.entrypoint));
        line("command", join_words(&config.command));
        line("user", config.user.clone().unwrap_or_default());
        line("folder", config.workdir.clone().unwrap_or_default());
        line("ports", config.exposed_ports.join(", "));
        line("volumes", config.volumes.join(", "));
    }
    line("digest", facts.digest.as_ref().map(ToString::to_string).unwrap_or_default());
    if let Some(config) = &facts.config {
        for (key, value) in &config.labels {
            line("label", format!("{key}={value}"));
        }
        for variable in &config.env {
            line("env", variable.clone());
        }
    }
    if let Asking::UnderWay(_) = details.platforms_asked {
        line("", "asking on …".to_owned());
    }
    lines
}

/// What Enter does, in words.
fn draw_choice(details: &Details, canvas: &mut Canvas, area: Rect) {
    let Some(wish) = details.pull_wish() else { return };
    let mut pieces = vec![canvas.piece("enter pulls ", Role::Dim), canvas.piece(wish.reference, Role::Accent)];
    if let Some((_, facts)) = details.platform() {
        if let Some(platform) = &facts.platform {
            pieces.push(canvas.piece(format!(" for {platform}"), Role::Text));
        }
        if let Some(bytes) = facts.compressed_bytes {
            pieces.push(canvas.piece(format!(" · {} to fetch at most", figures::bytes_long(bytes)), Role::Dim));
        }
    }
    canvas.pieces(area.x, area.y, area.width, &pieces);
    canvas.hit(area, Target::Command(Command::PullTag));
}

fn draw_problem(canvas: &mut Canvas, area: Rect, problem: &Problem) {
    let (x, width) = (area.x + 2, usize::from(area.width.saturating_sub(5)));
    let mut y = area.y;
    canvas.text(x, y, 1, "✗", Role::Error);
    for line in wrap(&problem.message, width).iter().take(3) {
        canvas.text(x + 2, y, area.width.saturating_sub(4), line, Role::Error);
        y += 1;
    }
    for line in problem.hint.iter().flat_map(|hint| wrap(&format!("→ {hint}"), width)).take(3) {
        canvas.text(x + 2, y, area.width.saturating_sub(4), &line, Role::Dim);
        y += 1;
    }
}
