//! The run form: filled in so that Enter starts, checked so that what is wrong is said beside its field.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use super::run_wish::{HOST_NETWORK, NO_NETWORK, Problem, Texts, wish};
use super::{buttons, window};
use crate::model::Name;
use crate::tui::canvas::{Canvas, Target};
use crate::tui::field::Field;
use crate::tui::step::Step;
use crate::tui::theme::Role;

/// The fields from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    Command,
    Name,
    Memory,
    Cpus,
    Network,
    Ports,
    Volumes,
    Env,
    Terminal,
    AutoRemove,
}

const ROWS: [Row; 10] = [
    Row::Command,
    Row::Name,
    Row::Memory,
    Row::Cpus,
    Row::Network,
    Row::Ports,
    Row::Volumes,
    Row::Env,
    Row::Terminal,
    Row::AutoRemove,
];

impl Row {
    fn label(self) -> &'static str {
        match self {
            Self::Command => "Command",
            Self::Name => "Name",
            Self::Memory => "Memory",
            Self::Cpus => "CPUs",
            Self::Network => "Network",
            Self::Ports => "Ports",
            Self::Volumes => "Volumes",
            Self::Env => "Environment",
            Self::Terminal => "Terminal",
            Self::AutoRemove => "Auto-remove",
        }
    }

    fn placeholder(self) -> &'static str {
        match self {
            Self::Command => "the image's own",
            Self::Name => "generated",
            Self::Memory | Self::Cpus => "no limit",
            Self::Ports | Self::Volumes | Self::Env => "none",
            Self::Network | Self::Terminal | Self::AutoRemove => "",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Command => "program and arguments, quoted as in a shell",
            Self::Name => "2 to 128 letters, digits, and _ . -",
            Self::Memory => "such as 512m or 2g; empty is no limit",
            Self::Cpus => "such as 1.5; empty is no limit",
            Self::Network => "space changes it: none is loopback only, host this machine's own",
            Self::Ports => "such as 8080:80 or 53:53/udp; several divided by blanks",
            Self::Volumes => "NAME:/inside, /on/host:/inside:ro, or type=…,target=… as --mount has it",
            Self::Env => "KEY=value, several divided by blanks",
            Self::Terminal => "space changes it: with a terminal it opens as a shell in a pane",
            Self::AutoRemove => "space changes it: removed with its files when it exits",
        }
    }
}

/// A form about one image.
#[derive(Clone, Debug)]
pub struct RunForm {
    image: String,
    texts: [Field; ROWS.len()],
    /// What can be chosen: none, host, and networks by their names.
    networks: Vec<String>,
    network: usize,
    terminal: bool,
    auto_remove: bool,
    focus: usize,
    /// Fields the user has typed in: these are not filled in any more.
    touched: [bool; ROWS.len()],
    problems: Vec<Problem>,
}

impl RunForm {
    pub fn new(image: String) -> Self {
        Self {
            image,
            texts: Default::default(),
            networks: [NO_NETWORK, HOST_NETWORK].map(str::to_owned).into(),
            network: 0,
            terminal: true,
            auto_remove: false,
            focus: 0,
            touched: [false; ROWS.len()],
            problems: Vec::new(),
        }
    }

    /// Takes what the engine suggests, where the user has not typed.
    pub fn fill(&mut self, image: &str, name: &Name, command: &[String]) {
        if image != self.image {
            return;
        }
        if !self.touched[Row::Command as usize] {
            self.texts[Row::Command as usize] = Field::new(&super::run_wish::join(command));
        }
        if !self.touched[Row::Name as usize] {
            self.texts[Row::Name as usize] = Field::new(name.as_str());
        }
    }

    /// Takes the networks that there are, and which of them is the usual one.
    pub fn know_networks(&mut self, names: impl Iterator<Item = String>, usual: &str) {
        let chosen = self.networks[self.network].clone();
        self.networks.truncate(2);
        self.networks.extend(names);
        let wanted = if self.touched[Row::Network as usize] { &chosen } else { usual };
        self.network = self.networks.iter().position(|known| known == wanted).unwrap_or(0);
    }

    pub fn paste(&mut self, text: &str) {
        if self.is_text() {
            self.texts[self.focus].paste(text);
            self.typed();
        }
    }

    fn is_text(&self) -> bool {
        !matches!(ROWS[self.focus], Row::Network | Row::Terminal | Row::AutoRemove)
    }

    fn typed(&mut self) {
        self.touched[self.focus] = true;
        let row = ROWS[self.focus];
        self.problems.retain(|problem| problem.row != row);
    }

    fn texts(&self) -> Texts {
        let text = |row: Row| self.texts[row as usize].text();
        Texts {
            image: self.image.clone(),
            command: text(Row::Command),
            name: text(Row::Name),
            memory: text(Row::Memory),
            cpus: text(Row::Cpus),
            volumes: text(Row::Volumes),
            env: text(Row::Env),
            network: self.networks[self.network].clone(),
            ports: text(Row::Ports),
            terminal: self.terminal,
            auto_remove: self.auto_remove,
        }
    }

    fn start(&mut self) -> Vec<Step> {
        match wish(&self.texts()) {
            Ok(request) => vec![Step::CloseDialog, Step::Run(Box::new(request))],
            Err(problems) => {
                if let Some(first) = problems.first() {
                    self.focus = first.row as usize;
                }
                self.problems = problems;
                Vec::new()
            }
        }
    }

    fn step(&mut self, rows: usize) {
        self.focus = (self.focus + rows) % ROWS.len();
    }

    fn change(&mut self, back: bool) {
        match ROWS[self.focus] {
            Row::Network => {
                let step = if back { self.networks.len() - 1 } else { 1 };
                self.network = (self.network + step) % self.networks.len();
                self.touched[Row::Network as usize] = true;
                self.problems.retain(|problem| problem.row != Row::Ports);
            }
            Row::Terminal => self.terminal = !self.terminal,
            Row::AutoRemove => self.auto_remove = !self.auto_remove,
            _ => {}
        }
    }

    pub fn key(&mut self, key: &KeyEvent) -> Vec<Step> {
        match key.code {
            KeyCode::Esc => return vec![Step::CloseDialog],
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return vec![Step::CloseDialog],
            KeyCode::Enter => return self.start(),
            KeyCode::Tab | KeyCode::Down => self.step(1),
            KeyCode::BackTab | KeyCode::Up => self.step(ROWS.len() - 1),
            _ if self.is_text() && self.texts[self.focus].key(key) => self.typed(),
            _ if self.is_text() => {}
            KeyCode::Char(' ') | KeyCode::Left | KeyCode::Right => self.change(key.code == KeyCode::Left),
            _ => {}
        }
        Vec::new()
    }

    pub fn click_button(&mut self, index: usize) -> Vec<Step> {
        if index == 1 { self.start() } else { vec![Step::CloseDialog] }
    }

    /// A click on a field: it gets the keys; one that is not typed in changes at once.
    pub fn click_field(&mut self, index: usize) -> Vec<Step> {
        self.focus = index.min(ROWS.len() - 1);
        self.change(false);
        Vec::new()
    }

    /// All networks side by side, or the chosen one where there are too many.
    fn network_value(&self, width: u16) -> String {
        let circle = |at: usize| if at == self.network { "◉" } else { "○" };
        let all = self.networks.iter().enumerate().map(|(at, name)| format!("{} {name}", circle(at)));
        let all = all.collect::<Vec<_>>().join("   ");
        if crate::tui::widgets::write::width(&all) <= width {
            return all;
        }
        format!("◂ {} ▸  {} of {}", self.networks[self.network], self.network + 1, self.networks.len())
    }

    fn value(&self, row: Row, width: u16) -> Option<String> {
        let switch = |on: bool, word: &str| format!("{} {word}", if on { "◉" } else { "○" });
        match row {
            Row::Network => Some(self.network_value(width)),
            Row::Terminal => Some(switch(self.terminal, if self.terminal { "yes" } else { "no" })),
            Row::AutoRemove => Some(switch(self.auto_remove, if self.auto_remove { "yes" } else { "no" })),
            _ => None,
        }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let title = format!("Run {}", crate::model::printable_line(&self.image));
        let inner = window(canvas, area, (74, 17), &title, Role::BorderFocused);
        const LABEL: u16 = 14;
        for (index, row) in ROWS.into_iter().enumerate() {
            let y = inner.y + 1 + u16::try_from(index).unwrap_or(0);
            if y >= inner.bottom() {
                break;
            }
            let line = Rect { y, height: 1, ..inner };
            canvas.hit(line, Target::Field(index));
            let focused = index == self.focus;
            let wrong = self.problems.iter().any(|problem| problem.row == row);
            let role = if wrong {
                Role::Error
            } else if focused {
                Role::Accent
            } else {
                Role::Dim
            };
            let mark = if wrong {
                "✗"
            } else if focused {
                "▸"
            } else {
                " "
            };
            canvas.text(line.x, y, 1, mark, role);
            canvas.text(line.x + 2, y, LABEL - 3, row.label(), role);
            let place = Rect { x: line.x + LABEL + 1, width: line.width.saturating_sub(LABEL + 2), ..line };
            match self.value(row, place.width) {
                Some(text) => {
                    canvas.text(place.x, y, place.width, &text, Role::Text);
                }
                None => self.texts[index].draw(canvas, place, row.placeholder(), focused),
            }
        }
        let y = inner.y + 12;
        let here = self.problems.iter().find(|problem| problem.row == ROWS[self.focus]);
        let (text, role) = match here.or(self.problems.first()) {
            Some(problem) => (problem.text.as_str(), Role::Error),
            None => (ROWS[self.focus].help(), Role::Dim),
        };
        if y < inner.bottom() {
            canvas.text(inner.x + 2, y, inner.width.saturating_sub(2), text, role);
        }
        let row = Rect { y: inner.bottom().saturating_sub(1), height: 1, ..inner };
        buttons(canvas, row, &["Cancel (esc)", "Start (enter)"], Some(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CreateRequest;

    fn started(steps: Vec<Step>) -> CreateRequest {
        match steps.into_iter().nth(1) {
            Some(Step::Run(request)) => *request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn run_form_starts_with_what_it_is_filled_with() {
        let mut form = RunForm::new("host".to_owned());
        form.fill("host", &"brave_hopper".parse().expect("valid"), &["/bin/bash".to_owned(), "-l".to_owned()]);
        form.know_networks(["bridge", "lan"].map(str::to_owned).into_iter(), "bridge");
        let request = started(form.key(&KeyCode::Enter.into()));
        assert_eq!(request.command, ["/bin/bash", "-l"]);
        assert_eq!(request.name.expect("filled").as_str(), "brave_hopper");
        assert!(request.tty && request.stdin_open && !request.auto_remove);
        assert_eq!(request.networks[0].network, "bridge");
    }

    #[test]
    fn run_form_late_suggestions_do_not_overwrite_what_was_typed() {
        let mut form = RunForm::new("host".to_owned());
        form.key(&KeyCode::Char('x').into());
        form.fill("host", &"brave_hopper".parse().expect("valid"), &["/bin/bash".to_owned()]);
        form.fill("other", &"wrong_image".parse().expect("valid"), &[]);
        let request = started(form.key(&KeyCode::Enter.into()));
        assert_eq!(request.command, ["x"]);
        assert_eq!(request.name.expect("filled").as_str(), "brave_hopper");
    }

    #[test]
    fn run_form_with_bad_memory_stays_and_goes_to_the_field() {
        let mut form = RunForm::new("host".to_owned());
        form.focus = Row::Memory as usize;
        form.paste("much");
        form.focus = 0;
        assert!(form.key(&KeyCode::Enter.into()).is_empty());
        assert_eq!(ROWS[form.focus], Row::Memory);
        form.key(&KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        form.paste("64m");
        assert_eq!(started(form.key(&KeyCode::Enter.into())).limits.memory_bytes, Some(64 << 20));
    }

    #[test]
    fn run_form_publishes_ports_only_in_a_network() {
        let mut form = RunForm::new("host".to_owned());
        form.know_networks(["bridge", "lan"].map(str::to_owned).into_iter(), "none");
        form.focus = Row::Ports as usize;
        form.paste("8080:80 53:53/udp");
        assert!(form.key(&KeyCode::Enter.into()).is_empty());
        assert_eq!((ROWS[form.focus], form.problems.len()), (Row::Ports, 1));
        form.focus = Row::Network as usize;
        form.key(&KeyCode::Left.into());
        let request = started(form.key(&KeyCode::Enter.into()));
        assert_eq!((request.networks[0].network.as_str(), request.ports.len()), ("lan", 2));
        assert_eq!(request.network, Some(crate::model::NetworkMode::Networks));
    }
}
