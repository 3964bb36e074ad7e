//! Short messages in the corner: what went well for a few seconds, what went wrong until it has been read.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::action::Problem;
use super::canvas::{Canvas, Target};
use super::commands::Command;
use super::theme::Role;
use crate::model::{ErrorKind, Timestamp};

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    pub tone: Tone,
    pub text: String,
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
}

impl Toast {
    pub fn good(text: impl Into<String>) -> Self {
        Self { tone: Tone::Good, text: text.into(), hint: None }
    }

    pub fn bad(text: impl Into<String>, hint: Option<String>) -> Self {
        Self { tone: Tone::Bad, text: text.into(), hint }
    }
}

impl From<Problem> for Toast {
    fn from(problem: Problem) -> Self {
        match problem.kind {
            ErrorKind::Cancelled => Self::good(problem.message),
            _ => Self::bad(problem.message, problem.hint),
        }
    }
}

/// Seconds that a message stays.
const GOOD_SECONDS: u64 = 3;
const BAD_SECONDS: u64 = 12;
/// No more than this many at a time; the oldest goes.
const MOST: usize = 3;

/// The messages on screen, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Toasts {
    shown: Vec<(Toast, Timestamp)>,
}

impl Toasts {
    pub fn add(&mut self, toast: Toast, now: Timestamp) {
        self.shown.retain(|(known, _)| *known != toast);
        if self.shown.len() == MOST {
            self.shown.remove(0);
        }
        self.shown.push((toast, now));
    }

    /// Drops what has been there long enough.
    pub fn tick(&mut self, now: Timestamp) {
        self.shown.retain(|(toast, since)| {
            let seconds = if toast.tone == Tone::Good { GOOD_SECONDS } else { BAD_SECONDS };
            since.seconds_until(now) < seconds
        });
    }

    /// Drops all; false if there was none.
    pub fn dismiss(&mut self) -> bool {
        let any = !self.shown.is_empty();
        self.shown.clear();
        any
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// Draws them upwards from the lower right corner of `area`.
    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let mut bottom = area.bottom();
        for (toast, _) in self.shown.iter().rev() {
            let (glyph, role) = if toast.tone == Tone::Good { ("✓", Role::Ok) } else { ("✗", Role::Error) };
            let widest = toast.text.width().max(toast.hint.as_ref().map_or(0, |hint| hint.width() + 2)) + 6;
            let width =
                u16::try_from(widest).unwrap_or(u16::MAX).clamp(12, (area.width * 2 / 3).max(40)).min(area.width);
            let room = usize::from(width.saturating_sub(6));
            let text = wrap(&toast.text, room);
            let hint = toast.hint.as_ref().map_or_else(Vec::new, |hint| wrap(&format!("→ {hint}"), room));
            let height = u16::try_from(text.len() + hint.len() + 2).unwrap_or(u16::MAX);
            if bottom < area.top() + height {
                break;
            }
            let place = Rect::new(area.right() - width, bottom - height, width, height);
            bottom = place.top();
            canvas.ground(place, Role::Surface);
            let inner = canvas.frame(place, "", role);
            canvas.hit(place, Target::Command(Command::Back));
            canvas.text(inner.x + 1, inner.y, 1, glyph, role);
            let mut y = inner.y;
            for (lines, role) in [(text, Role::Text), (hint, Role::Dim)] {
                for line in lines {
                    canvas.text(inner.x + 3, y, inner.width.saturating_sub(3), &line, role);
                    y += 1;
                }
            }
        }
    }
}

/// Lines of at most `width` cells, broken at blanks where there are any; at most six.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = crate::model::printable_line(text);
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let line = lines.last_mut().expect("there is always a line");
            let gap = usize::from(!line.is_empty());
            if line.width() + gap + word.width() <= width {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(word);
                break;
            }
            if line.is_empty() {
                let mut used = 0;
                let cut = word
                    .char_indices()
                    .find(|(_, c)| {
                        used += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
                        used > width
                    })
                    .map_or(word.len(), |(index, c)| if index == 0 { c.len_utf8() } else { index });
                line.push_str(&word[..cut]);
                word = &word[cut..];
                if word.is_empty() {
                    break;
                }
            }
            lines.push(String::new());
        }
        if lines.len() > 6 {
            lines.truncate(6);
            lines[5] = format!("{}…", lines[5]);
            break;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp(jiff::Timestamp::from_second(second).expect("in range"))
    }

    #[test]
    fn errors_stay_longer_than_good_news() {
        let mut toasts = Toasts::default();
        toasts.add(Toast::good("done"), at(0));
        toasts.add(Toast::bad("broken", None), at(0));
        toasts.tick(at(4));
        assert_eq!(toasts.shown.len(), 1);
        toasts.tick(at(60));
        assert!(toasts.is_empty());
    }

    #[test]
    fn the_same_message_is_shown_once() {
        let mut toasts = Toasts::default();
        for second in 0..3 {
            toasts.add(Toast::bad("broken", None), at(second));
        }
        assert_eq!(toasts.shown.len(), 1);
    }

    #[test]
    fn wrap_breaks_at_blanks_and_in_long_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("漢字", 1), ["漢", "字"]);
    }
}
