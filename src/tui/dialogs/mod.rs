//! What lies over a screen and takes all keys: questions, forms, the help, the palette.

mod about;
mod confirm;
pub mod files;
mod form;
mod form_draw;
mod form_sent;
mod help;
mod limits_form;
mod limits_wish;
pub mod network_forms;
mod palette;
mod prompt;
pub mod prune;
mod run_form;
mod run_wish;
mod security;
pub mod volumes;
mod wires;

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::canvas::{Canvas, Target};
use super::step::{Step, World};
use super::theme::Role;

pub use about::{About, commit, export, load, push, save, tag};
pub use confirm::{Answer, Confirm};
pub use form::Form;
pub use help::Help;
pub use limits_form::LimitsForm;
pub use palette::Palette;
pub use prompt::Prompt;
pub use run_form::RunForm;
pub use run_wish::join as join_words;
pub use security::Security;
pub use wires::Wires;

/// One dialog.
#[derive(Clone, Debug)]
pub enum Dialog {
    Confirm(Confirm),
    Form(Box<Form>),
    Prompt(Prompt),
    Run(Box<RunForm>),
    Limits(Box<LimitsForm>),
    Security(Security),
    Wires(Box<Wires>),
    Help(Help),
    Palette(Palette),
}

impl Dialog {
    pub fn key(&mut self, key: &KeyEvent, world: World) -> Vec<Step> {
        match self {
            Self::Confirm(dialog) => dialog.key(key),
            Self::Form(dialog) => dialog.key(key),
            Self::Prompt(dialog) => dialog.key(key),
            Self::Run(dialog) => dialog.key(key),
            Self::Limits(dialog) => dialog.key(key),
            Self::Security(dialog) => dialog.key(key),
            Self::Wires(dialog) => dialog.key(key, world),
            Self::Help(dialog) => dialog.key(key, world.keymap),
            Self::Palette(dialog) => dialog.key(key),
        }
    }

    pub fn paste(&mut self, text: &str) {
        match self {
            Self::Prompt(dialog) => dialog.paste(text),
            Self::Form(dialog) => dialog.paste(text),
            Self::Run(dialog) => dialog.paste(text),
            Self::Limits(dialog) => dialog.paste(text),
            Self::Palette(dialog) => dialog.paste(text),
            Self::Confirm(_) | Self::Help(_) | Self::Security(_) | Self::Wires(_) => {}
        }
    }

    /// A click on a part of the dialog; none is a click outside, which closes it.
    pub fn click(&mut self, target: Option<Target>, world: World) -> Vec<Step> {
        match (target, self) {
            // What was typed is not lost by a click beside it.
            (None, Self::Form(dialog)) if dialog.is_touched() => Vec::new(),
            (None, _) => vec![Step::CloseDialog],
            (Some(Target::Word { field, word }), Self::Form(dialog)) => dialog.click_word(field, word),
            (Some(Target::Button(index)), Self::Confirm(dialog)) => dialog.click(index),
            (Some(Target::Button(index)), Self::Form(dialog)) => dialog.click_button(index),
            (Some(Target::Field(index)), Self::Form(dialog)) => dialog.click_field(index),
            (Some(Target::Button(index)), Self::Run(dialog)) => dialog.click_button(index),
            (Some(Target::Field(index)), Self::Run(dialog)) => dialog.click_field(index),
            (Some(Target::Button(index)), Self::Limits(dialog)) => dialog.click_button(index),
            (Some(Target::Field(index)), Self::Limits(dialog)) => dialog.click_field(index),
            (Some(target), Self::Wires(dialog)) => dialog.click(target, world),
            (Some(Target::Row(index)), Self::Palette(dialog)) => dialog.click(index),
            _ => Vec::new(),
        }
    }

    pub fn wheel(&mut self, lines: isize) {
        match self {
            Self::Help(dialog) => dialog.scroll(lines),
            Self::Security(dialog) => dialog.scroll(lines),
            Self::Palette(dialog) => dialog.go(lines),
            Self::Wires(dialog) => dialog.go(lines),
            Self::Form(dialog) => dialog.scroll(lines),
            Self::Confirm(_) | Self::Prompt(_) | Self::Run(_) | Self::Limits(_) => {}
        }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, world: World) {
        canvas.seen.cursor = None;
        match self {
            Self::Confirm(dialog) => dialog.draw(canvas, area),
            Self::Form(dialog) => dialog.draw(canvas, area),
            Self::Prompt(dialog) => dialog.draw(canvas, area),
            Self::Run(dialog) => dialog.draw(canvas, area),
            Self::Limits(dialog) => dialog.draw(canvas, area, world.data),
            Self::Security(dialog) => dialog.draw(canvas, area),
            Self::Wires(dialog) => dialog.draw(canvas, area, world.data),
            Self::Help(dialog) => dialog.draw(canvas, area, world.keymap),
            Self::Palette(dialog) => dialog.draw(canvas, area, world.keymap),
        }
    }
}

/// A window in the middle of `area`, at most as large as it; returns what is inside its frame and one cell of air.
fn window(canvas: &mut Canvas, area: Rect, (width, height): (u16, u16), title: &str, border: Role) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let place = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height);
    canvas.ground(place, Role::Surface);
    canvas.hit(place, Target::Nothing);
    canvas.seen.dialog = Some(place);
    let inner = canvas.frame(place, title, border);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}

/// Buttons side by side, centred; a click says which.
fn buttons(canvas: &mut Canvas, area: Rect, labels: &[&str], focused: Option<usize>) {
    use unicode_width::UnicodeWidthStr;
    let width = |label: &str| u16::try_from(label.width() + 4).unwrap_or(u16::MAX);
    let all: u16 = labels.iter().map(|label| width(label) + 2).sum::<u16>().saturating_sub(2);
    let mut x = area.x + area.width.saturating_sub(all) / 2;
    for (index, label) in labels.iter().enumerate() {
        let role = if focused == Some(index) { Role::ButtonFocused } else { Role::Button };
        let place = Rect::new(x, area.y, width(label), 1).intersection(area);
        canvas.ground(place, role);
        canvas.styled(place.x + 2, place.y, place.width.saturating_sub(2), label, canvas.style(role));
        canvas.hit(place, Target::Button(index));
        x += width(label) + 2;
    }
}
