//! Search in registries: type, see what is found as it comes, look at it closely, pull or run it.

mod details;
mod draw;
mod draw_details;
mod found;
#[cfg(test)]
mod tests;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use self::details::{Details, is_native};
use self::found::{Findings, Order};
use crate::model::{DetailEvent, Reference, SearchEvent, SearchHit};
use crate::tui::action::Problem;
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::{Command, Scope};
use crate::tui::data::Data;
use crate::tui::dialogs::{Dialog, RunForm};
use crate::tui::effect::Effect;
use crate::tui::field::Field;
use crate::tui::list::{List, Move, Sort};
use crate::tui::list_keys;
use crate::tui::step::Step;
use crate::tui::table::{Align, Column};
use crate::tui::toast::Toast;
use crate::tui::transfer::PullWish;

/// The screen's state.
#[derive(Clone, Debug)]
pub struct Search {
    field: Field,
    /// True while letters go into the field.
    pub typing: bool,
    /// Counts searches, so that late answers of an old one are known as such.
    number: u64,
    searching: bool,
    findings: Findings,
    /// Why there is nothing to ask.
    problem: Option<Problem>,
    list: List<String>,
    /// True when the user has moved the selection since the last letter.
    has_chosen: bool,
    /// What is looked at closely; the list waits behind it.
    details: Option<Box<Details>>,
    /// Counts requests of details.
    request: u64,
    /// The image that is to be run when it has been pulled.
    to_run: Option<String>,
}

const COLUMNS: [Column; 4] = [
    Column { title: "NAME", min: 24, max: 44, align: Align::Left, priority: 0 },
    Column { title: "STARS", min: 6, max: 6, align: Align::Right, priority: 1 },
    Column { title: "REGISTRY", min: 10, max: 22, align: Align::Left, priority: 3 },
    Column { title: "DESCRIPTION", min: 16, max: 120, align: Align::Left, priority: 2 },
];

/// What is said of the text in the field itself.
const AS_TYPED: &str = "as typed: exactly this";

const STARS: usize = 1;
/// The best first: no column.
const BEST: usize = usize::MAX;

impl Default for Search {
    fn default() -> Self {
        Self {
            field: Field::default(),
            typing: true,
            number: 0,
            searching: false,
            findings: Findings::default(),
            problem: None,
            list: List::new(Sort { column: BEST, descending: false }),
            has_chosen: false,
            details: None,
            request: 0,
            to_run: None,
        }
    }
}

impl Search {
    const SCOPES: &'static [Scope] = &[Scope::Search, Scope::List, Scope::Everywhere];
    const DETAIL_SCOPES: &'static [Scope] = &[Scope::SearchDetails, Scope::List, Scope::Everywhere];

    pub fn scopes(&self) -> &'static [Scope] {
        if self.details.is_some() { Self::DETAIL_SCOPES } else { Self::SCOPES }
    }

    /// Whether letters narrow the tags.
    pub fn is_filtering(&self) -> bool {
        self.details.as_ref().is_some_and(|details| details.list.filtering)
    }

    /// Whether letters are a question.
    pub fn is_asking(&self) -> bool {
        self.typing && self.details.is_none()
    }

    /// What is found, in order; what was typed itself first where it can be pulled as it stands.
    fn shown(&self) -> Vec<SearchHit> {
        let mut hits = self.findings.hits.clone();
        let sort = self.list.sort;
        if sort.column != BEST {
            hits.sort_by(|a, b| {
                let order = match sort.column {
                    0 => a.name.cmp(&b.name),
                    STARS => a.stars.cmp(&b.stars),
                    2 => a.registry.cmp(&b.registry),
                    _ => a.description.cmp(&b.description),
                };
                let order = if sort.descending { order.reverse() } else { order };
                order.then_with(|| a.order(b))
            });
        }
        let text = self.field.text();
        let typed = text.trim();
        if let Ok(reference) = typed.parse::<Reference>()
            && !hits.iter().any(|hit| hit.name == typed)
        {
            // Letters of a name are a search; with a tag or a digest it is meant as it stands.
            let place = if is_exact(typed) { 0 } else { hits.len() };
            let exactly = SearchHit {
                name: typed.to_owned(),
                registry: reference.registry().to_owned(),
                description: AS_TYPED.to_owned(),
                ..SearchHit::default()
            };
            hits.insert(place, exactly);
        }
        hits
    }

    fn keys(&self) -> Vec<String> {
        self.shown().iter().map(key_of).collect()
    }

    /// A key while letters go into a field; none if it is not for the field.
    pub fn typed(&mut self, key: &KeyEvent) -> Option<Vec<Step>> {
        if let Some(details) = &mut self.details {
            return details.typed(key, &mut self.request);
        }
        if !self.typing {
            return None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc | KeyCode::Down | KeyCode::Tab => {
                self.typing = false;
                Some(Vec::new())
            }
            KeyCode::Char('c' | 'z' | 'l') if control => None,
            KeyCode::F(_) | KeyCode::BackTab | KeyCode::Up | KeyCode::PageUp | KeyCode::PageDown => None,
            KeyCode::Enter => {
                self.typing = false;
                let has_asked = self.field.is_empty() || self.searching || !self.findings.hits.is_empty();
                Some(if has_asked { Vec::new() } else { self.ask() })
            }
            _ => {
                let before = self.field.text();
                self.field.key(key);
                Some(if self.field.text() == before { Vec::new() } else { self.ask() })
            }
        }
    }

    pub fn paste(&mut self, text: &str) -> Vec<Step> {
        if let Some(details) = &mut self.details {
            return details.paste(text, &mut self.request);
        }
        self.typing = true;
        self.field.paste(text);
        self.ask()
    }

    /// Asks the registries for what stands in the field.
    fn ask(&mut self) -> Vec<Step> {
        self.number += 1;
        self.has_chosen = false;
        self.findings.clear();
        self.problem = None;
        self.list.go(&self.keys(), Move::First);
        let query = self.field.text().trim().to_owned();
        self.searching = !query.is_empty();
        let effect =
            if query.is_empty() { Effect::CancelSearch } else { Effect::Search { search: self.number, query } };
        vec![Step::Do(effect)]
    }

    pub fn found(&mut self, search: u64, events: Vec<SearchEvent>) {
        if search != self.number {
            return;
        }
        // Until the user has chosen one, the best is the one in front; afterwards nothing moves below the finger.
        let order = if self.has_chosen || self.details.is_some() { Order::Kept } else { Order::Best };
        self.findings.take(events, order);
        if order == Order::Best {
            self.list.go(&self.keys(), Move::First);
        }
        self.list.settle(&self.keys());
    }

    pub fn ended(&mut self, search: u64, result: Result<(), Problem>) {
        if search == self.number {
            self.searching = false;
            self.problem = result.err();
        }
    }

    pub fn told_details(&mut self, request: u64, events: Vec<DetailEvent>) -> Vec<Step> {
        let details = self.details.as_mut();
        details.map(|details| details.told(request, events, &mut self.request)).unwrap_or_default()
    }

    pub fn ended_details(&mut self, request: u64, result: Result<(), Problem>) {
        if let Some(details) = &mut self.details {
            details.ended(request, result);
        }
    }

    /// The screen comes to the front: with nothing found yet, letters go into the field at once.
    pub fn begin(&mut self) {
        self.typing = self.findings.hits.is_empty();
    }

    pub fn command(&mut self, command: Command, list_height: usize, data: &Data) -> Vec<Step> {
        if self.details.is_some() {
            return self.detail_command(command, list_height, data);
        }
        let keys = self.keys();
        self.list.set_height(list_height);
        match command {
            Command::Back => vec![Step::Back],
            Command::EditQuery | Command::Filter => {
                self.typing = true;
                Vec::new()
            }
            Command::Up if self.list.selected(&keys).is_none_or(|(index, _)| index == 0) => {
                self.typing = true;
                Vec::new()
            }
            Command::LookClosely => self.open(),
            Command::Pull => match self.list.selected(&keys) {
                Some((index, _)) => vec![Step::Pull(PullWish::new(self.shown()[index].name.clone()))],
                None => {
                    self.typing = true;
                    Vec::new()
                }
            },
            command => {
                self.has_chosen |=
                    list_keys::command(&mut self.list, command, &keys, list_keys::Columns(&COLUMNS, &[STARS]));
                self.list.settle(&self.keys());
                Vec::new()
            }
        }
    }

    /// Looks closely at the selected finding.
    fn open(&mut self) -> Vec<Step> {
        let keys = self.keys();
        let Some((index, _)) = self.list.selected(&keys) else {
            self.typing = true;
            return Vec::new();
        };
        self.has_chosen = true;
        let hit = self.shown()[index].clone();
        match Details::open(&hit, &mut self.request) {
            Some((details, steps)) => {
                self.details = Some(Box::new(details));
                steps
            }
            None => vec![Step::Toast(Toast::bad(format!("{} is no name of an image", hit.name), None))],
        }
    }

    fn detail_command(&mut self, command: Command, list_height: usize, data: &Data) -> Vec<Step> {
        let Some(details) = &mut self.details else { return Vec::new() };
        match command {
            Command::Back if details.list.filter.is_empty() => {
                self.details = None;
                vec![Step::Do(Effect::CancelDetails)]
            }
            Command::RunTag => self.run(data),
            command => details.command(command, list_height, &mut self.request),
        }
    }

    /// Opens the form for the chosen image, after a pull where it is not here.
    fn run(&mut self, data: &Data) -> Vec<Step> {
        let Some(details) = &self.details else { return Vec::new() };
        let (Some(wish), Some(reference)) = (details.pull_wish(), details.chosen()) else { return Vec::new() };
        if let Some(platform) = wish.platform.as_ref().filter(|platform| !is_native(platform)) {
            let hint = Some("enter pulls it all the same".to_owned());
            return vec![Step::Toast(Toast::bad(format!("this machine does not run {platform}"), hint))];
        }
        if data.images.iter().flatten().any(|image| image.reference.as_ref() == Some(&reference)) {
            return form(&reference.familiar());
        }
        self.to_run = Some(wish.reference.clone());
        vec![Step::Pull(wish)]
    }

    /// An image has been pulled, or not: it is run now if that was the wish.
    pub fn pulled(&mut self, reference: &str, is_here: bool) -> Vec<Step> {
        if self.to_run.as_deref() != Some(reference) {
            return Vec::new();
        }
        self.to_run = None;
        if is_here { form(reference) } else { Vec::new() }
    }

    pub fn click(&mut self, target: Target) -> Vec<Step> {
        if let Some(details) = &mut self.details {
            let again = matches!(target, Target::Row(row) if details.selected_row() == Some(row));
            let steps = details.click(target, &mut self.request);
            return if again { vec![Step::Command(Command::PullTag)] } else { steps };
        }
        let keys = self.keys();
        match target {
            Target::Row(row) => {
                self.typing = false;
                self.has_chosen = true;
                let again = self.list.selected(&keys).is_some_and(|(index, _)| index == row);
                self.list.go(&keys, Move::To(row));
                if again { vec![Step::Command(Command::LookClosely)] } else { Vec::new() }
            }
            Target::Column(column) => {
                self.list.sort.click(column, column == STARS);
                self.list.settle(&self.keys());
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data) {
        match &self.details {
            Some(details) => details.draw(canvas, area, data),
            None => draw::draw(self, canvas, area, data),
        }
    }
}

fn form(image: &str) -> Vec<Step> {
    let form = RunForm::new(image.to_owned());
    vec![Step::Open(Box::new(Dialog::Run(Box::new(form)))), Step::Do(Effect::FillForm { image: image.to_owned() })]
}

/// Whether a text names a tag or a digest.
fn is_exact(text: &str) -> bool {
    text.rsplit('/').next().is_some_and(|last| last.contains([':', '@']))
}

fn key_of(hit: &SearchHit) -> String {
    format!("{} {}", hit.registry, hit.name)
}
