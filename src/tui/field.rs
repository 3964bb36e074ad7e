//! A line of text that is typed: editing keys as shells have them, and a view that follows the cursor.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use unicode_width::UnicodeWidthChar;

use super::canvas::Canvas;
use super::theme::Role;

/// More than this many characters are not taken, whatever is pasted.
const LONGEST: usize = 4096;

/// The text and where the cursor stands in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    characters: Vec<char>,
    cursor: usize,
}

impl Field {
    /// A field with text in it and the cursor behind.
    pub fn new(text: &str) -> Self {
        let mut field = Self::default();
        field.paste(text);
        field
    }

    pub fn text(&self) -> String {
        self.characters.iter().collect()
    }

    pub fn is_empty(&self) -> bool {
        self.characters.is_empty()
    }

    /// Inserts text; line ends and other controls become blanks.
    pub fn paste(&mut self, text: &str) {
        for character in text.trim_end_matches(['\n', '\r']).chars() {
            self.insert(if character.is_control() { ' ' } else { character });
        }
    }

    fn insert(&mut self, character: char) {
        if self.characters.len() < LONGEST {
            self.characters.insert(self.cursor, character);
            self.cursor += 1;
        }
    }

    /// Takes an editing key; false if it is none.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.characters.len(),
            KeyCode::Char('u') if control => {
                self.characters.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('k') if control => self.characters.truncate(self.cursor),
            KeyCode::Char('w') if control => self.delete_word(),
            KeyCode::Backspace if alt || control => self.delete_word(),
            KeyCode::Char(character) if !control && !alt => self.insert(character),
            KeyCode::Backspace => {
                if self.cursor > 0 {
                    self.cursor -= 1;
                    self.characters.remove(self.cursor);
                }
            }
            KeyCode::Delete => {
                if self.cursor < self.characters.len() {
                    self.characters.remove(self.cursor);
                }
            }
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.characters.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.characters.len(),
            _ => return false,
        }
        true
    }

    fn delete_word(&mut self) {
        let before = &self.characters[..self.cursor];
        let word = before
            .iter()
            .rposition(|c| *c != ' ')
            .map_or(0, |end| before[..end].iter().rposition(|c| *c == ' ').map_or(0, |blank| blank + 1));
        self.characters.drain(word..self.cursor);
        self.cursor = word;
    }

    /// Draws the field on one line; a focused one shows the cursor. `placeholder` stands there while it is empty.
    pub fn draw(&self, canvas: &mut Canvas, area: Rect, placeholder: &str, focused: bool) {
        if area.is_empty() {
            return;
        }
        let area = Rect { height: 1, ..area };
        canvas.ground(area, Role::Input);
        let width = usize::from(area.width);
        let cells = |characters: &[char]| characters.iter().map(|c| c.width().unwrap_or(1)).sum::<usize>();
        // The cursor needs a cell of its own behind the text.
        let first = (0..=self.cursor).find(|first| cells(&self.characters[*first..self.cursor]) < width);
        let first = first.unwrap_or(self.cursor);
        if self.is_empty() {
            canvas.text(area.x, area.y, area.width, placeholder, Role::Placeholder);
        } else {
            let mut shown = String::new();
            let mut used = 0;
            for character in &self.characters[first..] {
                used += character.width().unwrap_or(1);
                if used > width {
                    break;
                }
                shown.push(*character);
            }
            canvas.styled(area.x, area.y, area.width, &shown, canvas.style(Role::Input));
        }
        if focused {
            let offset = u16::try_from(cells(&self.characters[first..self.cursor])).unwrap_or(0);
            canvas.seen.cursor = Some(Position::new((area.x + offset).min(area.right() - 1), area.y));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(field: &mut Field, keys: &str) {
        for key in keys.split(' ') {
            let chord = crate::tui::keymap::Chord::parse(key).expect("a key");
            field.key(&KeyEvent::new(chord.code, chord.modifiers));
        }
    }

    #[test]
    fn field_edits_in_the_middle() {
        let mut field = Field::new("hallo");
        press(&mut field, "home right delete e end !");
        assert_eq!(field.text(), "hello!");
        press(&mut field, "ctrl-u");
        assert!(field.is_empty());
    }

    #[test]
    fn field_deletes_words() {
        let mut field = Field::new("one two  ");
        press(&mut field, "ctrl-w");
        assert_eq!(field.text(), "one ");
        press(&mut field, "ctrl-w ctrl-w backspace delete");
        assert_eq!(field.text(), "");
    }

    #[test]
    fn field_takes_no_controls_and_no_floods() {
        let field = Field::new("a\x1b[2J\nb\n");
        assert_eq!(field.text(), "a [2J b");
        assert_eq!(Field::new(&"x".repeat(9999)).text().len(), LONGEST);
    }
}
