//! Keys and what they are called: text such as `ctrl-q` to a key and back, and which command a key means in which scope.
//!
//! An unknown command or key in the configuration is a warning for the user, never a refusal to start.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::commands::{COMMANDS, Command, Scope};

/// A key with its modifiers, without what does not matter for finding a command (press or repeat, caps lock).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    pub code: KeyCode,
    pub modifiers: KeyModifiers,
}

impl Chord {
    /// The chord of an event. Shift is dropped from characters: the character itself says it.
    pub fn of(event: &KeyEvent) -> Self {
        let mut modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let mut code = event.code;
        match code {
            KeyCode::Char(c) => {
                modifiers -= KeyModifiers::SHIFT;
                if modifiers.contains(KeyModifiers::CONTROL) {
                    code = KeyCode::Char(control_letter(c));
                }
            }
            KeyCode::BackTab => modifiers -= KeyModifiers::SHIFT,
            _ => {}
        }
        Self { code, modifiers }
    }

    /// Reads `q`, `?`, `ctrl-q`, `alt-x`, `shift-up`, `f12`, `enter`, `space`, `minus`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text.trim();
        loop {
            let lower = rest.to_ascii_lowercase();
            let (prefix, modifier) = if lower.starts_with("ctrl-") && rest.len() > 5 {
                (5, KeyModifiers::CONTROL)
            } else if lower.starts_with("alt-") && rest.len() > 4 {
                (4, KeyModifiers::ALT)
            } else if lower.starts_with("shift-") && rest.len() > 6 {
                (6, KeyModifiers::SHIFT)
            } else {
                break;
            };
            modifiers |= modifier;
            rest = &rest[prefix..];
        }
        let code = code_of(rest)?;
        Some(Self::of(&KeyEvent::new(code, modifiers)))
    }

    /// As hints show it: `^q`, `enter`, `F12`.
    pub fn label(&self) -> String {
        let mut text = String::new();
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            text.push('^');
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            text.push_str("alt-");
        }
        if self.modifiers.contains(KeyModifiers::SHIFT) {
            text.push_str("shift-");
        }
        match self.code {
            KeyCode::Char(' ') => text.push_str("space"),
            KeyCode::Char(c) => text.push(c),
            KeyCode::F(n) => text.push_str(&format!("F{n}")),
            code => text.push_str(NAMED.iter().find(|(_, known, _)| *known == code).map_or("?", |(_, _, label)| label)),
        }
        text
    }
}

/// The character that ctrl was held with. Terminals send one byte for `ctrl-]` and `ctrl-5`, and crossterm reads the
/// digit out of it; people mean the sign.
fn control_letter(c: char) -> char {
    match c {
        '4' => '\\',
        '5' => ']',
        '6' => '^',
        '7' => '_',
        _ => c.to_ascii_lowercase(),
    }
}

/// Names as the configuration writes them, codes, and labels as hints show them.
const NAMED: [(&str, KeyCode, &str); 18] = [
    ("enter", KeyCode::Enter, "enter"),
    ("esc", KeyCode::Esc, "esc"),
    ("tab", KeyCode::Tab, "tab"),
    ("backtab", KeyCode::BackTab, "shift-tab"),
    ("backspace", KeyCode::Backspace, "backspace"),
    ("delete", KeyCode::Delete, "del"),
    ("insert", KeyCode::Insert, "ins"),
    ("up", KeyCode::Up, "↑"),
    ("down", KeyCode::Down, "↓"),
    ("left", KeyCode::Left, "←"),
    ("right", KeyCode::Right, "→"),
    ("home", KeyCode::Home, "home"),
    ("end", KeyCode::End, "end"),
    ("pageup", KeyCode::PageUp, "pgup"),
    ("pagedown", KeyCode::PageDown, "pgdn"),
    ("space", KeyCode::Char(' '), "space"),
    ("minus", KeyCode::Char('-'), "-"),
    ("null", KeyCode::Null, "null"),
];

fn code_of(text: &str) -> Option<KeyCode> {
    let mut characters = text.chars();
    if let (Some(only), None) = (characters.next(), characters.next()) {
        return Some(KeyCode::Char(only));
    }
    let lower = text.to_ascii_lowercase();
    if let Some(number) = lower.strip_prefix('f').and_then(|number| number.parse().ok()) {
        return (1..=24).contains(&number).then_some(KeyCode::F(number));
    }
    NAMED.iter().find(|(name, _, _)| *name == lower).map(|(_, code, _)| *code)
}

/// Which keys mean which command, the user's wishes laid over the defaults.
#[derive(Clone, Debug)]
pub struct Keymap {
    /// Beside [`COMMANDS`], in its order.
    chords: Vec<Vec<Chord>>,
}

impl Keymap {
    /// The keymap of the configuration's `[keys]`, and what was wrong with it, a sentence each.
    pub fn new(wishes: &BTreeMap<String, Vec<String>>) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        for name in wishes.keys().filter(|name| !COMMANDS.iter().any(|entry| entry.name == name.as_str())) {
            problems.push(format!("[keys] {name}: no such command; `?` lists them"));
        }
        let chords = COMMANDS.iter().map(|entry| match wishes.get(entry.name) {
            None => entry.keys.split(' ').filter_map(Chord::parse).collect(),
            Some(keys) => keys
                .iter()
                .filter_map(|key| {
                    let chord = Chord::parse(key);
                    if chord.is_none() {
                        problems.push(format!("[keys] {}: {key:?} is no key; write ctrl-x, f5, enter …", entry.name));
                    }
                    chord
                })
                .collect(),
        });
        (Self { chords: chords.collect() }, problems)
    }

    /// The command of a key, looked for in `scopes` from the first to the last.
    pub fn find(&self, scopes: &[Scope], chord: Chord) -> Option<Command> {
        scopes.iter().find_map(|scope| {
            let entries = COMMANDS.iter().zip(&self.chords);
            entries
                .filter(|(entry, chords)| entry.scope == *scope && chords.contains(&chord))
                .map(|(entry, _)| entry.command)
                .next()
        })
    }

    /// The first key of a command as hints show it; none when the user took all its keys away.
    pub fn label(&self, command: Command) -> Option<String> {
        self.chords_of(command).first().map(Chord::label)
    }

    /// All keys of a command as the help shows them.
    pub fn labels(&self, command: Command) -> String {
        self.chords_of(command).iter().map(Chord::label).collect::<Vec<_>>().join("  ")
    }

    fn chords_of(&self, command: Command) -> &[Chord] {
        let index = COMMANDS.iter().position(|entry| entry.command == command);
        index.map_or(&[], |index| self.chords[index].as_slice())
    }
}

impl Default for Keymap {
    fn default() -> Self {
        Self::new(&BTreeMap::new()).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chord_of_ctrl_and_a_sign_is_the_one_that_terminals_send_as_a_digit() {
        for (digit, name) in [('4', "ctrl-\\"), ('5', "ctrl-]"), ('6', "ctrl-^"), ('7', "ctrl-_")] {
            let event = KeyEvent::new(KeyCode::Char(digit), KeyModifiers::CONTROL);
            assert_eq!(Chord::parse(name), Some(Chord::of(&event)), "{name}");
        }
    }

    #[test]
    fn every_default_key_parses_and_no_scope_binds_one_twice() {
        for entry in COMMANDS {
            for key in entry.keys.split(' ').filter(|key| !key.is_empty()) {
                let chord = Chord::parse(key).unwrap_or_else(|| panic!("{}: {key}", entry.name));
                let same = COMMANDS.iter().filter(|other| {
                    other.scope == entry.scope && other.keys.split(' ').any(|other| Chord::parse(other) == Some(chord))
                });
                assert_eq!(same.count(), 1, "{key} in {:?}", entry.scope);
            }
        }
    }

    #[test]
    fn command_names_are_unique() {
        for entry in COMMANDS {
            assert_eq!(COMMANDS.iter().filter(|other| other.name == entry.name).count(), 1, "{}", entry.name);
            assert_eq!(COMMANDS.iter().filter(|other| other.command == entry.command).count(), 1, "{}", entry.name);
        }
    }

    #[test]
    fn chord_parses_modifiers_and_names() {
        let chord = Chord::parse("Ctrl-Q").expect("a key");
        assert_eq!(chord, Chord { code: KeyCode::Char('q'), modifiers: KeyModifiers::CONTROL });
        assert_eq!(chord.label(), "^q");
        assert_eq!(Chord::parse("f12").expect("a key").label(), "F12");
        assert_eq!(Chord::parse("-").expect("a key").code, KeyCode::Char('-'));
        for text in ["", "f99", "hyper-x", "ctrl-"] {
            assert_eq!(Chord::parse(text), None, "{text}");
        }
    }

    #[test]
    fn keymap_with_wish_replaces_default_keys() {
        let wishes = BTreeMap::from([("quit".to_owned(), vec!["x".to_owned()]), ("nope".to_owned(), vec![])]);
        let (keymap, problems) = Keymap::new(&wishes);
        assert_eq!(keymap.find(&[Scope::Everywhere], Chord::parse("x").expect("a key")), Some(Command::Quit));
        assert_eq!(keymap.find(&[Scope::Everywhere], Chord::parse("q").expect("a key")), None);
        assert_eq!(problems.len(), 1);
    }
}
