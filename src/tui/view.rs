//! The frame around the screens: name and machine above, tabs, hints below, what lies over all. Drawing only reads.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::app::App;
use super::canvas::{Canvas, Seen, Target};
use super::commands::{COMMANDS, Command, entry_of};
use super::header;
use super::step::{Page, World};
use super::theme::Role;
use super::widgets::{fade, write};
use crate::model::{FilePlace, Size};

/// The least size that everything is made for.
pub const LEAST: Size = Size { columns: 60, rows: 20 };

/// Whether there is room for the interface.
pub fn has_room(size: Size) -> bool {
    size.columns >= LEAST.columns && size.rows >= LEAST.rows
}

/// Where a screen draws.
pub fn body(size: Size) -> Rect {
    Rect::new(0, 2, size.columns, size.rows.saturating_sub(3))
}

/// Draws everything; returns what was put where.
pub fn draw(app: &App, buffer: &mut Buffer) -> Seen {
    let mut seen = app.seen.begin_anew();
    let area = buffer.area;
    let mut canvas = Canvas { buffer, theme: &app.theme, seen: &mut seen };
    canvas.ground(area, Role::Background);
    if !has_room(Size { columns: area.width, rows: area.height }) {
        draw_too_small(&mut canvas, area, app);
        return seen;
    }
    header::draw(&mut canvas, Rect { height: 1, ..area }, app);
    draw_place(&mut canvas, Rect { y: area.y + 1, height: 1, ..area }, app);
    let body = body(Size { columns: area.width, rows: area.height });
    match &app.page {
        Page::Containers => app.containers.draw(&mut canvas, body, &app.data),
        Page::Images | Page::Search | Page::Files(_) | Page::Volumes => {
            let (above, below) = app.transfers.split(body);
            if let Some(below) = below {
                app.transfers.draw_below(&mut canvas, below);
            }
            match app.page {
                Page::Images => app.images.draw(&mut canvas, above, &app.data),
                Page::Files(_) => app.files.draw(&mut canvas, above),
                Page::Volumes => app.volumes.draw(&mut canvas, above, &app.data),
                _ => app.search.draw(&mut canvas, above, &app.data),
            }
        }
        Page::Transfers => app.transfers.draw(&mut canvas, body),
        Page::Networks => app.networks.draw(&mut canvas, body, &app.data),
        Page::Layers(_) => app.layers.draw(&mut canvas, body),
        Page::Diff(_) => app.diff.draw(&mut canvas, body),
        Page::Usage => app.usage.draw(&mut canvas, body),
        Page::Shells => app.shells.draw(&mut canvas, body),
        Page::Logs(_) => app.logs.draw(&mut canvas, body),
        Page::Charts(id) => app.charts.draw(&mut canvas, body, &app.data, id),
        Page::Traffic(id) => app.traffic.draw(&mut canvas, body, &app.data, id),
        Page::Inspect(_) | Page::InspectImage(_) | Page::InspectNetwork(_) => app.inspect.draw(&mut canvas, body),
    }
    draw_hints(&mut canvas, Rect { y: area.bottom() - 1, height: 1, ..area }, app);
    let world = World { data: &app.data, keymap: &app.keymap };
    for dialog in &app.dialogs {
        fade::fade(canvas.buffer, area, canvas.theme);
        dialog.draw(&mut canvas, body, world);
    }
    app.toasts.draw(&mut canvas, body);
    seen
}

fn draw_too_small(canvas: &mut Canvas, area: Rect, app: &App) {
    let has_keys = app.page == Page::Shells && app.shells.has_keys();
    let key = app.keymap.label(Command::Quit).unwrap_or_default();
    let keys = if has_keys { "keys: shell".to_owned() } else { format!("{key} quits") };
    let (now, least) = (format!("{}x{}", area.width, area.height), format!("{}x{}", LEAST.columns, LEAST.rows));
    let lines = if area.width < 20 {
        [now, "of".to_owned(), least, keys]
    } else {
        ["teu needs more room".to_owned(), format!("it has {now}"), format!("{least} is enough"), keys]
    };
    let top = area.y + area.height.saturating_sub(4) / 2;
    for ((index, line), y) in lines.iter().enumerate().zip(top..area.bottom()) {
        let role = if index == 0 { Role::Title } else { Role::Dim };
        canvas.text_centered(Rect { y, height: 1, ..area }, line, role);
    }
}

/// The line below the tabs: where one is, when that is not a tab.
fn draw_place(canvas: &mut Canvas, area: Rect, app: &App) {
    let views = [
        (Command::ViewLogs, "Logs", matches!(app.page, Page::Logs(_))),
        (Command::ViewCharts, "Charts", matches!(app.page, Page::Charts(_))),
        (Command::ViewTraffic, "Traffic", matches!(app.page, Page::Traffic(_))),
        (Command::ViewInspect, "Inspect", matches!(app.page, Page::Inspect(_))),
        (Command::ViewDiff, "Changed files", matches!(app.page, Page::Diff(_))),
    ];
    let (name, is_container) = match &app.page {
        Page::Logs(id) | Page::Charts(id) | Page::Traffic(id) | Page::Inspect(id) | Page::Diff(id) => {
            let name =
                app.data.container(id).map_or_else(|| id.short().to_owned(), |container| container.name.to_string());
            (name, true)
        }
        Page::InspectImage(image) | Page::Layers(image) => (image.clone(), false),
        Page::Files(place) => (place_name(app, place), false),
        Page::InspectNetwork(id) => {
            let name = app.data.network(id).map_or_else(|| id.short().to_owned(), |it| it.network.name.to_string());
            (name, false)
        }
        _ => return,
    };
    let mut x = area.x + 2;
    x += canvas.text(x, area.y, area.width.saturating_sub(30), &name, Role::Title) + 2;
    if !is_container {
        let what = match app.page {
            Page::Layers(_) => "layer by layer",
            Page::Files(FilePlace::Container(_)) => "files of this container",
            Page::Files(FilePlace::Volume(_)) => "files of this volume",
            Page::InspectNetwork(_) => "network",
            _ => "image",
        };
        canvas.text(x, area.y, area.right().saturating_sub(x), what, Role::Dim);
        return;
    }
    let key = |command| app.keymap.label(command).unwrap_or_default();
    let all: u16 = views.iter().map(|(command, title, _)| write::width(&key(*command)) + write::width(title) + 3).sum();
    // Where there is no room for all of them, the others are their keys.
    let is_narrow = x + all > area.right() + 4;
    for (command, title, here) in views {
        let begin = x;
        let title = if is_narrow && !here { "" } else { title };
        if let Some(key) = app.keymap.label(command).filter(|_| !here) {
            x += canvas.text(x, area.y, area.right().saturating_sub(x), &key, Role::Key) + 1;
        }
        let role = if here { Role::Accent } else { Role::Dim };
        x += canvas.text(x, area.y, area.right().saturating_sub(x), title, role) + 2;
        canvas.hit(Rect { x: begin, width: x.saturating_sub(begin), ..area }, Target::Command(command));
    }
}

fn place_name(app: &App, place: &FilePlace) -> String {
    match place {
        FilePlace::Volume(name) => name.clone(),
        FilePlace::Container(id) => {
            let named = app.data.containers.iter().flatten().find(|container| container.id.as_str() == id);
            named.map_or_else(|| id.chars().take(12).collect(), |container| container.name.to_string())
        }
    }
}

/// The most wanted keys of what is in front, and help and quit at the right.
fn draw_hints(canvas: &mut Canvas, area: Rect, app: &App) {
    canvas.ground(area, Role::Surface);
    let typing = typing_hint(app);
    if let Some(text) = typing {
        canvas.text(area.x + 1, area.y, area.width - 2, text, Role::KeyText);
        return;
    }
    if app.page == Page::Shells && app.shells.has_keys() {
        let key = app.keymap.label(Command::LeavePane).unwrap_or_else(|| "(no key)".to_owned());
        let x = area.x + 1 + draw_hint(canvas, area.x + 1, area, &key, "leaves the shell", Command::LeavePane);
        canvas.text(x, area.y, area.right().saturating_sub(x), "every other key is the shell's own", Role::KeyText);
        return;
    }
    let mut right = area.right();
    for command in [Command::Quit, Command::Help] {
        let Some(key) = app.keymap.label(command) else { continue };
        let text = entry_of(command).hint;
        let width = write::width(&key) + write::width(text) + 4;
        right = right.saturating_sub(width);
        draw_hint(canvas, right, area, &key, text, command);
    }
    let mut x = area.x + 1;
    let marked = match app.page {
        Page::Containers => app.containers.list.marked().len(),
        Page::Images => app.images.list.marked().len(),
        Page::Files(_) => app.files.count_marked(),
        Page::Networks => app.networks.list.marked().len(),
        Page::Volumes => app.volumes.list.marked().len(),
        _ => 0,
    };
    if marked > 0 {
        x += canvas.text(x, area.y, 14, &format!("◆ {marked} marked"), Role::Accent) + 3;
    }
    let mut hinted = Vec::new();
    let lists = matches!(
        app.page,
        Page::Containers | Page::Images | Page::Networks | Page::Search | Page::Layers(_) | Page::Volumes
    );
    let is_list = lists || matches!(app.page, Page::Files(_)) && !app.files.is_viewing();
    for scope in app.scopes() {
        for entry in COMMANDS.iter().filter(|entry| entry.scope == *scope && !entry.hint.is_empty()) {
            if matches!(entry.command, Command::Help | Command::Quit) {
                continue;
            }
            let Some(key) = app.keymap.label(entry.command) else { continue };
            // A key that an inner scope has taken does what that says; and only lists are sorted.
            let is_of_lists = entry.command == Command::SortNext
                || (entry.command == Command::Filter
                    && matches!(app.page, Page::Transfers | Page::Usage | Page::Traffic(_)));
            if hinted.contains(&key) || (is_of_lists && !is_list) {
                continue;
            }
            let width = write::width(&key) + write::width(entry.hint) + 4;
            if x + width > right {
                return;
            }
            x += draw_hint(canvas, x, area, &key, entry.hint, entry.command);
            hinted.push(key);
        }
    }
}

/// One key and its word; returns the cells used with those behind.
fn draw_hint(canvas: &mut Canvas, x: u16, area: Rect, key: &str, text: &str, command: Command) -> u16 {
    let key_width = write::width(key);
    let used = canvas.text(x, area.y, key_width.min(area.right().saturating_sub(x)), key, Role::Key);
    let width = canvas.text(x + used + 1, area.y, area.right().saturating_sub(x + used + 1), text, Role::KeyText);
    canvas.hit(Rect { x, width: used + 1 + width, ..area }, Target::Command(command));
    used + width + 3
}

/// What the keys do while text is typed.
fn typing_hint(app: &App) -> Option<&'static str> {
    if !app.dialogs.is_empty() {
        return Some("");
    }
    match app.page {
        Page::Containers if app.containers.list.filtering => Some(FILTER_HINT),
        Page::Images if app.images.list.filtering => Some(FILTER_HINT),
        Page::Networks if app.networks.list.filtering => Some(FILTER_HINT),
        Page::Search if app.search.is_filtering() => Some(FILTER_HINT),
        Page::Search if app.search.is_asking() => {
            Some("type a name   ↓ or enter to the results   esc leaves the field")
        }
        Page::Logs(_) if app.logs.typing => Some("type what to find   enter finds   esc forgets it"),
        Page::Inspect(_) | Page::InspectImage(_) | Page::InspectNetwork(_) if app.inspect.typing => Some(FILTER_HINT),
        Page::Layers(_) if app.layers.typing => Some(FILTER_HINT),
        Page::Diff(_) if app.diff.typing => Some(FILTER_HINT),
        Page::Volumes if app.volumes.list.filtering => Some(FILTER_HINT),
        Page::Files(_) if app.files.is_finding() => Some("type what to find   enter finds   esc forgets it"),
        Page::Files(_) if app.files.is_typing() => Some(FILTER_HINT),
        _ => None,
    }
}

const FILTER_HINT: &str = "type some letters   enter keeps the filter   esc drops it";
