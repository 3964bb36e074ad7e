//! Search in registries: type, see what is found as it comes, pull.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use crate::model::{Reference, SearchHit};
use crate::tui::action::Problem;
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::{Command, Scope};
use crate::tui::effect::Effect;
use crate::tui::field::Field;
use crate::tui::filter::{Filter, matcher};
use crate::tui::list::{List, Move, Sort};
use crate::tui::list_keys;
use crate::tui::step::Step;
use crate::tui::table::{Align, Cell, Column, Rows};
use crate::tui::theme::Role;
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
    hits: Vec<SearchHit>,
    problem: Option<Problem>,
    list: List<String>,
    /// True when the user has moved the selection since the last letter.
    has_chosen: bool,
}

const COLUMNS: [Column; 4] = [
    Column { title: "NAME", min: 24, max: 44, align: Align::Left, priority: 0 },
    Column { title: "STARS", min: 6, max: 6, align: Align::Right, priority: 1 },
    Column { title: "REGISTRY", min: 10, max: 22, align: Align::Left, priority: 3 },
    Column { title: "DESCRIPTION", min: 16, max: 120, align: Align::Left, priority: 2 },
];

const STARS: usize = 1;
/// The order in which registries rank them: no column.
const BEST: usize = usize::MAX;

impl Default for Search {
    fn default() -> Self {
        Self {
            field: Field::default(),
            typing: true,
            number: 0,
            searching: false,
            hits: Vec::new(),
            problem: None,
            has_chosen: false,
            list: List::new(Sort { column: BEST, descending: false }),
        }
    }
}

impl Search {
    pub const SCOPES: &'static [Scope] = &[Scope::Search, Scope::List, Scope::Everywhere];

    /// What is found, in order; what was typed itself first where it can be pulled as it stands.
    fn shown(&self) -> Vec<SearchHit> {
        let mut hits = self.hits.clone();
        let sort = self.list.sort;
        hits.sort_by(|a, b| {
            let order = match sort.column {
                0 => a.name.cmp(&b.name),
                STARS => a.stars.cmp(&b.stars),
                2 => a.registry.cmp(&b.registry),
                3 => a.description.cmp(&b.description),
                _ => b.score.cmp(&a.score),
            };
            let order = if sort.descending { order.reverse() } else { order };
            order.then_with(|| b.stars.cmp(&a.stars)).then_with(|| a.name.cmp(&b.name))
        });
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
                description: "as typed: pull exactly this".to_owned(),
                stars: None,
                official: false,
                score: 0,
                pulls: None,
            };
            hits.insert(place, exactly);
        }
        hits
    }

    fn keys(&self) -> Vec<String> {
        self.shown().iter().map(key_of).collect()
    }

    /// A key while letters go into the field; false if it is not for the field.
    pub fn typed(&mut self, key: &KeyEvent) -> Option<Vec<Step>> {
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
                Some(if self.field.is_empty() || self.searching || !self.hits.is_empty() {
                    Vec::new()
                } else {
                    self.ask()
                })
            }
            _ => {
                let before = self.field.text();
                self.field.key(key);
                Some(if self.field.text() == before { Vec::new() } else { self.ask() })
            }
        }
    }

    pub fn paste(&mut self, text: &str) -> Vec<Step> {
        self.typing = true;
        self.field.paste(text);
        self.ask()
    }

    /// Asks the registries for what stands in the field.
    fn ask(&mut self) -> Vec<Step> {
        self.number += 1;
        self.has_chosen = false;
        self.hits.clear();
        self.problem = None;
        self.list.go(&self.keys(), Move::First);
        let query = self.field.text().trim().to_owned();
        self.searching = !query.is_empty();
        let effect =
            if query.is_empty() { Effect::CancelSearch } else { Effect::Search { search: self.number, query } };
        vec![Step::Do(effect)]
    }

    pub fn found(&mut self, search: u64, hits: Vec<SearchHit>) {
        if search != self.number {
            return;
        }
        for hit in hits {
            if !self.hits.iter().any(|known| key_of(known) == key_of(&hit)) {
                self.hits.push(hit);
            }
        }
        // Until the user has chosen one, the best is the one in front.
        if !self.has_chosen {
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

    /// The screen comes to the front: with nothing found yet, letters go into the field at once.
    pub fn begin(&mut self) {
        self.typing = self.hits.is_empty();
    }

    pub fn command(&mut self, command: Command, list_height: usize) -> Vec<Step> {
        let keys = self.keys();
        self.list.set_height(list_height);
        match command {
            Command::EditQuery | Command::Filter => {
                self.typing = true;
                Vec::new()
            }
            Command::Up if self.list.selected(&keys).is_none_or(|(index, _)| index == 0) => {
                self.typing = true;
                Vec::new()
            }
            Command::Pull => match self.list.selected(&keys) {
                Some((index, _)) => {
                    let name = self.shown()[index].name.clone();
                    vec![Step::Pull(PullWish::new(name))]
                }
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

    pub fn click(&mut self, target: Target) -> Vec<Step> {
        let keys = self.keys();
        match target {
            Target::Row(row) => {
                self.typing = false;
                self.has_chosen = true;
                let again = self.list.selected(&keys).is_some_and(|(index, _)| index == row);
                self.list.go(&keys, Move::To(row));
                if again { vec![Step::Command(Command::Pull)] } else { Vec::new() }
            }
            Target::Column(column) => {
                self.list.sort.click(column, column == STARS);
                self.list.settle(&self.keys());
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        if area.height < 4 {
            return;
        }
        let line = Rect { x: area.x + 2, width: area.width.saturating_sub(4), height: 1, ..area };
        canvas.hit(line, Target::Command(Command::EditQuery));
        canvas.text(line.x, line.y, 8, "Search", if self.typing { Role::Accent } else { Role::Dim });
        let field = Rect { x: line.x + 8, width: line.width.saturating_sub(8 + 16).min(70), ..line };
        self.field.draw(canvas, field, "an image's name, such as debian or localhost:5000/tools", self.typing);
        let shown = self.shown();
        let state = match (self.searching, shown.len()) {
            (true, _) => "searching …".to_owned(),
            (false, 0) => String::new(),
            (false, count) => format!("{count} found"),
        };
        canvas.text(field.right() + 2, line.y, 14, &state, Role::Dim);
        let table = Rect { y: area.y + 2, height: area.height - 2, ..area };
        let table = self.draw_problem(canvas, table);
        if shown.is_empty() {
            canvas.seen.list_height = usize::from(table.height);
            return self.draw_empty(canvas, table);
        }
        let keys: Vec<String> = shown.iter().map(key_of).collect();
        let selected = self.list.selected(&keys).map(|(index, _)| index).filter(|_| !self.typing);
        let first = self.list.offset_for(shown.len(), usize::from(table.height.saturating_sub(1)));
        let rows = Rows { columns: &COLUMNS, sort: self.list.sort, len: shown.len(), first, selected };
        let (filter, matcher) = (Filter { text: self.field.text() }, matcher());
        rows.draw(canvas, table, |canvas, row| {
            let hit = &shown[row];
            let matched = filter.matches(&matcher, &hit.name).map(|matched| matched.positions).unwrap_or_default();
            let mut name = Cell { pieces: vec![canvas.piece(hit.name.clone(), Role::Text)], matched };
            if hit.official {
                name.pieces.push(canvas.piece(" ✓ official", Role::Ok));
            }
            vec![
                name,
                canvas.piece(hit.stars.map_or_else(|| "–".to_owned(), |stars| stars.to_string()), Role::Text).into(),
                canvas.piece(hit.registry.clone(), Role::Dim).into(),
                canvas.piece(hit.description.clone(), Role::Dim).into(),
            ]
        });
    }

    fn draw_problem(&self, canvas: &mut Canvas, area: Rect) -> Rect {
        let Some(problem) = &self.problem else { return area };
        let width = area.width.saturating_sub(6);
        canvas.text(area.x + 2, area.y, 1, "✗", Role::Error);
        canvas.text(area.x + 4, area.y, width, &problem.message, Role::Error);
        if let Some(hint) = &problem.hint {
            canvas.text(area.x + 4, area.y + 1, width, &format!("→ {hint}"), Role::Dim);
        }
        Rect { y: area.y + 3.min(area.height), height: area.height.saturating_sub(3), ..area }
    }

    fn draw_empty(&self, canvas: &mut Canvas, area: Rect) {
        let lines: &[&str] = match (self.searching, self.field.is_empty(), &self.problem) {
            (_, _, Some(_)) => return,
            (true, _, _) => &["asking the registries …"],
            (_, true, _) => &[
                "Type an image's name.",
                "",
                "Results come as you type; Enter on one pulls it.",
                "A private registry: localhost:5000/ and letters of the name.",
            ],
            _ => &["Nothing is called that."],
        };
        list_keys::draw_notice(canvas, area, lines);
    }
}

/// Whether a text names a tag or a digest.
fn is_exact(text: &str) -> bool {
    text.rsplit('/').next().is_some_and(|last| last.contains([':', '@']))
}

fn key_of(hit: &SearchHit) -> String {
    format!("{} {}", hit.registry, hit.name)
}
