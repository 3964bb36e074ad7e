//! The line at the top: teu's name, the tabs, and the machine at the right. It gives way in steps where it is narrow.

use ratatui::layout::Rect;

use super::app::App;
use super::canvas::{Canvas, Target};
use super::commands::Command;
use super::figures;
use super::step::Page;
use super::theme::Role;
use super::widgets::write;
use crate::model::FilePlace;

/// One tab.
#[derive(Debug)]
pub struct Tab {
    pub command: Command,
    pub page: Page,
    title: &'static str,
    /// Where all titles do not fit.
    short: &'static str,
    count: fn(&App) -> Option<usize>,
}

/// All tabs, in the order of their keys.
pub const TABS: &[Tab] = &[
    Tab {
        command: Command::ShowContainers,
        page: Page::Containers,
        title: "Containers",
        short: "Ctrs",
        count: |app| app.data.containers.as_ref().map(Vec::len),
    },
    Tab {
        command: Command::ShowImages,
        page: Page::Images,
        title: "Images",
        short: "Imgs",
        count: |app| app.data.images.as_ref().map(Vec::len),
    },
    Tab { command: Command::ShowSearch, page: Page::Search, title: "Search", short: "Find", count: |_| None },
    Tab {
        command: Command::ShowShells,
        page: Page::Shells,
        title: "Shells",
        short: "Shell",
        count: |app| Some(app.shells.count()),
    },
    Tab {
        command: Command::ShowTransfers,
        page: Page::Transfers,
        title: "Transfers",
        short: "Moves",
        count: |app| Some(app.transfers.count_running()),
    },
    Tab {
        command: Command::ShowNetworks,
        page: Page::Networks,
        title: "Networks",
        short: "Nets",
        count: |app| app.data.networks.as_ref().map(Vec::len),
    },
    Tab {
        command: Command::ShowVolumes,
        page: Page::Volumes,
        title: "Volumes",
        short: "Vols",
        count: |app| app.data.volumes.as_ref().map(Vec::len),
    },
];

/// The tab that a page belongs to.
pub fn tab_of(page: &Page) -> Page {
    match page {
        Page::Logs(_) | Page::Charts(_) | Page::Traffic(_) | Page::Inspect(_) | Page::Diff(_) => Page::Containers,
        Page::Files(FilePlace::Container(_)) => Page::Containers,
        Page::InspectImage(_) | Page::Layers(_) | Page::Usage => Page::Images,
        Page::InspectNetwork(_) => Page::Networks,
        Page::Files(FilePlace::Volume(_)) => Page::Volumes,
        page => page.clone(),
    }
}

/// Cells that the machine needs at least: `cpu  12 %`.
const MACHINE: u16 = 13;
/// Cells of the name with the air around it.
const NAME: u16 = 6;

/// How much is told.
#[derive(Clone, Copy)]
struct Manner {
    name: bool,
    short: bool,
    counts: bool,
    machine: bool,
}

/// From the most talkative.
const MANNERS: [Manner; 5] = [
    Manner { name: true, short: false, counts: true, machine: true },
    Manner { name: true, short: false, counts: false, machine: true },
    Manner { name: false, short: false, counts: false, machine: true },
    Manner { name: false, short: false, counts: false, machine: false },
    Manner { name: false, short: true, counts: false, machine: false },
];

pub fn draw(canvas: &mut Canvas, area: Rect, app: &App) {
    canvas.ground(area, Role::Surface);
    let texts = |manner: &Manner| -> Vec<String> { TABS.iter().map(|tab| text(app, tab, *manner)).collect() };
    let width = |manner: &Manner| -> u16 {
        let tabs: u16 = texts(manner).iter().map(|text| write::width(text)).sum();
        tabs + if manner.name { NAME } else { 0 } + if manner.machine { MACHINE } else { 0 }
    };
    let manner = MANNERS.iter().find(|manner| width(manner) <= area.width).unwrap_or(&MANNERS[MANNERS.len() - 1]);
    let mut x = area.x;
    if manner.name {
        canvas.text(x + 1, area.y, 3, "teu", Role::Accent);
        canvas.tint(Rect { x: x + 1, width: 3, ..area }, ratatui::style::Style::new().bold());
        x += NAME;
    }
    let active = tab_of(&app.page);
    for (tab, text) in TABS.iter().zip(texts(manner)) {
        let width = write::width(&text);
        let place = Rect { x, width, ..area }.intersection(area);
        let role = if tab.page == active { Role::TabActive } else { Role::Tab };
        if tab.page == active {
            canvas.ground(place, Role::TabActive);
        }
        canvas.text(x, area.y, width.min(area.right().saturating_sub(x)), &text, role);
        canvas.hit(place, Target::Command(tab.command));
        x += width;
    }
    draw_machine(canvas, Rect { x, width: area.right().saturating_sub(x + 1), ..area }, app);
}

fn text(app: &App, tab: &Tab, manner: Manner) -> String {
    let key = app.keymap.label(tab.command).unwrap_or_default();
    let count = (tab.count)(app).filter(|count| manner.counts && *count > 0);
    let number = count.map_or_else(String::new, |count| format!(" {count}"));
    format!(" {key} {}{number} ", if manner.short { tab.short } else { tab.title })
}

fn draw_machine(canvas: &mut Canvas, area: Rect, app: &App) {
    let Some(view) = app.data.machine else { return };
    let machine = view.machine;
    let cpu = view.cpu_percent.map_or_else(|| "–".to_owned(), |percent| format!("{percent:.0} %"));
    let used = figures::bytes(machine.memory_used_bytes);
    let all = figures::bytes(machine.memory_bytes);
    let texts = [
        format!("{} cpus {cpu:>5}   mem {used:>5} of {all}   load {:.2}", machine.cpus, machine.load),
        format!("cpu {cpu:>5}  mem {used:>5} of {all}"),
        format!("cpu {cpu:>5}"),
    ];
    if let Some(text) = texts.iter().find(|text| write::width(text) + 2 <= area.width) {
        canvas.text_right(area.right(), area.y, area.width, text, Role::Dim);
    }
}
