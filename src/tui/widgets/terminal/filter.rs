//! What vt100 0.18 does not know, said in words it does: DEC's line drawing characters, index and next line, and the
//! save and restore of the cursor that some programs took from ANSI.SYS.
//!
//! ncurses draws lines with these characters wherever the locale is not UTF-8, as in most small images.

use std::borrow::Cow;

/// Where a terminal's parser stands (after vt100.net/emu/dec_ansi_parser).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// After `ESC` and an intermediate byte.
    Intermediate(u8),
    /// Whether anything stood between `CSI` and here.
    Csi {
        bare: bool,
    },
    /// Within OSC, which BEL ends too.
    Command,
    /// Within DCS, SOS, PM or APC.
    Text,
}

/// Follows what is fed to the parser, and rewrites the few sequences that it would miss.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filter {
    state: State,
    /// Which of the two character sets G0 and G1 draws lines, and whether G1 is in use.
    draws: [bool; 2],
    shifted: bool,
}

/// Lines and symbols for the bytes from 0x60 to 0x7e.
const DRAWN: &str = "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·";
/// Ends whatever sequence the parser is in.
const CANCEL: u8 = 0x18;

impl Filter {
    /// Whether the parser stands between two characters, not inside of a sequence.
    pub(super) fn is_ground(&self) -> bool {
        self.state == State::Ground
    }

    /// What to feed the parser instead of `bytes`: mostly the same.
    pub(super) fn translate<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let mut translated: Option<Vec<u8>> = None;
        let (mut at, mut kept) = (0, 0);
        while let Some(byte) = bytes.get(at).copied() {
            if self.state == State::Ground && !self.draws[usize::from(self.shifted)] {
                // The fast path: nothing matters until the next control.
                let next = bytes[at..].iter().position(|byte| matches!(byte, 0x0e | 0x0f | 0x1b));
                let Some(next) = next else { break };
                at += next;
            }
            if let Some(instead) = self.step(bytes.get(at).copied().unwrap_or(byte)) {
                let out = translated.get_or_insert_with(|| Vec::with_capacity(bytes.len() * 2));
                out.extend_from_slice(&bytes[kept..at]);
                out.extend_from_slice(instead.as_bytes());
                kept = at + 1;
            }
            at += 1;
        }
        match translated {
            Some(mut out) => {
                out.extend_from_slice(&bytes[kept..]);
                Cow::Owned(out)
            }
            None => Cow::Borrowed(bytes),
        }
    }

    /// Takes one byte; what it becomes if it does not stay itself.
    fn step(&mut self, byte: u8) -> Option<String> {
        let cancelled = |rest: &str| Some(format!("{}{rest}", char::from(CANCEL)));
        let (next, instead) = match (self.state, byte) {
            (_, 0x1b) => (State::Escape, None),
            (_, 0x18 | 0x1a) => (State::Ground, None),
            (State::Command, 0x07) => (State::Ground, None),
            (State::Command | State::Text, _) => (self.state, None),
            (state, 0x0e | 0x0f) => {
                self.shifted = byte == 0x0e;
                (state, None)
            }
            (state, 0..0x20) => (state, None),
            (State::Ground, _) => (State::Ground, self.drawn(byte)),
            (State::Escape, b'[') => (State::Csi { bare: true }, None),
            (State::Escape, b']') => (State::Command, None),
            (State::Escape, b'P' | b'X' | b'^' | b'_') => (State::Text, None),
            (State::Escape, 0x20..=0x2f) => (State::Intermediate(byte), None),
            (State::Escape, b'D') => (State::Ground, cancelled("\n")),
            (State::Escape, b'E') => (State::Ground, cancelled("\r\n")),
            (State::Escape, _) => {
                if byte == b'c' {
                    (self.draws, self.shifted) = ([false; 2], false);
                }
                (State::Ground, None)
            }
            (State::Intermediate(first), 0x20..=0x2f) => (State::Intermediate(first), None),
            (State::Intermediate(first), _) => {
                if let Some(set) = [b'(', b')'].iter().position(|set| *set == first) {
                    self.draws[set] = byte == b'0';
                }
                (State::Ground, None)
            }
            (State::Csi { .. }, 0x20..=0x3f) => (State::Csi { bare: false }, None),
            (State::Csi { bare: true }, b's') => (State::Ground, cancelled("\x1b7")),
            (State::Csi { bare: true }, b'u') => (State::Ground, cancelled("\x1b8")),
            (State::Csi { .. }, _) => (State::Ground, None),
        };
        self.state = next;
        instead
    }

    fn drawn(&self, byte: u8) -> Option<String> {
        let place = usize::from(byte.checked_sub(0x60)?);
        if self.draws[usize::from(self.shifted)] { DRAWN.chars().nth(place).map(String::from) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The translation of pieces fed one after the other, and of their bytes fed singly: they must be the same.
    fn translated(pieces: &[&str]) -> String {
        let mut filter = Filter::default();
        let whole: Vec<u8> = pieces.iter().flat_map(|piece| filter.translate(piece.as_bytes()).into_owned()).collect();
        let mut filter = Filter::default();
        let bytes: Vec<u8> = pieces.concat().bytes().collect();
        let single: Vec<u8> = bytes.chunks(1).flat_map(|byte| filter.translate(byte).into_owned()).collect();
        assert_eq!(whole, single);
        String::from_utf8(whole).expect("valid").escape_debug().to_string()
    }

    #[test]
    fn filter_draws_lines_between_the_switches_only() {
        assert_eq!(translated(&["lqk\x1b(0lqk\x1b(Blqk"]), "lqk\\u{1b}(0┌─┐\\u{1b}(Blqk");
        assert_eq!(translated(&["\x1b)0x\x0ex\x0fx"]), "\\u{1b})0x\\u{e}│\\u{f}x");
        assert_eq!(
            translated(&["\x1b(0q\x1b[1mq\x1b]0;q\x07q漢\x1bcq"]),
            "\\u{1b}(0─\\u{1b}[1m─\\u{1b}]0;q\\u{7}─漢\\u{1b}cq"
        );
        assert_eq!(translated(&["\x1b(", "0", "~"]), "\\u{1b}(0·");
    }

    #[test]
    fn filter_says_index_and_cursor_saving_in_known_words() {
        assert_eq!(translated(&["a\x1bDb\x1bEc"]), "a\\u{1b}\\u{18}\\nb\\u{1b}\\u{18}\\r\\nc");
        assert_eq!(translated(&["\x1b[s\x1b[u"]), "\\u{1b}[\\u{18}\\u{1b}7\\u{1b}[\\u{18}\\u{1b}8");
        assert_eq!(translated(&["\x1b[?u\x1b[1;2s\x1b[>1u"]), "\\u{1b}[?u\\u{1b}[1;2s\\u{1b}[>1u");
    }

    #[test]
    fn filter_knows_whether_it_stands_between_characters() {
        for (text, expected) in [
            ("abc", true),
            ("\x1b[31m", true),
            ("\x1b]0;title\x07", true),
            ("\x1b]0;title\x1b\\", true),
            ("\x1bP+q\x1b\\", true),
            ("\x1b(B", true),
            ("\x1b[3\x18", true),
            ("\x1b", false),
            ("\x1b[3", false),
            ("\x1b[3\n", false),
            ("\x1b]0;title\r\n", false),
            ("\x1bPdata\x07", false),
            ("\x1b(", false),
        ] {
            let mut filter = Filter::default();
            filter.translate(text.as_bytes());
            assert_eq!(filter.is_ground(), expected, "{text:?}");
        }
    }
}
