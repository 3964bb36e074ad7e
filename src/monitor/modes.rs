//! Which modes a terminal is in, followed through its output, so that a replay that begins in the middle can set them first.
//!
//! It knows the sequences' shapes (ECMA-48, xterm's ctlseqs) well enough to say where one ends, and no more of their meaning
//! than the modes below. Hostile output can confuse only the replay of the same container.

use std::fmt::Write;

/// DEC private modes that matter to who attaches later, and whether a terminal starts with them on.
const PRIVATE: [(u16, bool); 21] = [
    (1, false),    // application cursor keys
    (5, false),    // reverse video
    (6, false),    // origin
    (7, true),     // wrap
    (9, false),    // X10 mouse
    (12, false),   // blinking cursor
    (25, true),    // cursor shown
    (45, false),   // reverse wrap
    (47, false),   // alternate screens
    (1047, false), //
    (1049, false), //
    (66, false),   // application keypad
    (1000, false), // mouse reports
    (1002, false), //
    (1003, false), //
    (1004, false), // focus reports
    (1005, false), // mouse encodings
    (1006, false), //
    (1015, false), //
    (1016, false), //
    (2004, false), // bracketed paste
];
const ALTERNATE: [u16; 3] = [47, 1047, 1049];
/// Longer parameters belong to no mode of interest.
const MAX_PARAMETERS: usize = 48;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shape {
    /// Between sequences.
    #[default]
    Ground,
    Escape,
    /// ESC and an intermediate byte, such as `ESC (`.
    Intermediate(u8),
    Csi,
    /// OSC, DCS, APC, PM or SOS, up to BEL or ST.
    Text,
    TextEscape,
}

/// The modes after everything fed so far.
#[derive(Clone, Debug)]
pub struct TerminalModes {
    shape: Shape,
    parameters: Vec<u8>,
    /// One bit for each of [`PRIVATE`].
    on: u32,
    keypad: bool,
    /// `top;bottom` as it was set.
    scroll_region: Option<Vec<u8>>,
    /// G0 is the line drawing set.
    line_drawing: bool,
    /// The number of DECSCUSR.
    cursor_style: u8,
}

impl Default for TerminalModes {
    fn default() -> Self {
        let on = PRIVATE.iter().enumerate().filter(|(_, (_, on))| *on).fold(0, |bits, (index, _)| bits | 1 << index);
        Self {
            shape: Shape::Ground,
            parameters: Vec::new(),
            on,
            keypad: false,
            scroll_region: None,
            line_drawing: false,
            cursor_style: 0,
        }
    }
}

impl TerminalModes {
    /// Follows more output.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if self.shape == Shape::Ground && byte != 0x1b {
                // Text: on to the next escape in one go.
                let Some(at) = rest.iter().position(|&byte| byte == 0x1b) else { return };
                rest = &rest[at..];
                continue;
            }
            self.step(byte);
            rest = after;
        }
    }

    /// Whether no sequence is under way: the only place to cut.
    pub fn is_between_sequences(&self) -> bool {
        self.shape == Shape::Ground
    }

    /// Whether a full-screen program has the alternate screen.
    pub fn is_alternate_screen(&self) -> bool {
        ALTERNATE.iter().any(|&mode| self.is_on(mode))
    }

    /// What a fresh terminal is to be sent to be in these modes.
    pub fn setting(&self) -> String {
        self.difference(&Self::default())
    }

    /// What a terminal in these modes is to be sent to be as fresh as before: for a client that leaves in the middle.
    pub fn undoing(&self) -> String {
        Self::default().difference(self)
    }

    /// The sequences that lead from `from` to `self`.
    fn difference(&self, from: &Self) -> String {
        let mut text = String::new();
        for (index, (mode, _)) in PRIVATE.iter().enumerate() {
            let (want, have) = (self.on >> index & 1 == 1, from.on >> index & 1 == 1);
            if want != have {
                let _ = write!(text, "\x1b[?{mode}{}", if want { 'h' } else { 'l' });
            }
        }
        if self.keypad != from.keypad {
            text.push_str(if self.keypad { "\x1b=" } else { "\x1b>" });
        }
        if self.line_drawing != from.line_drawing {
            text.push_str(if self.line_drawing { "\x1b(0" } else { "\x1b(B" });
        }
        if self.scroll_region != from.scroll_region {
            let region = self.scroll_region.as_deref().unwrap_or_default();
            let _ = write!(text, "\x1b[{}r", String::from_utf8_lossy(region));
        }
        if self.cursor_style != from.cursor_style {
            let _ = write!(text, "\x1b[{} q", self.cursor_style);
        }
        text
    }

    fn is_on(&self, mode: u16) -> bool {
        PRIVATE.iter().position(|(known, _)| *known == mode).is_some_and(|index| self.on >> index & 1 == 1)
    }

    fn set(&mut self, mode: u16, on: bool) {
        if let Some(index) = PRIVATE.iter().position(|(known, _)| *known == mode) {
            self.on = self.on & !(1 << index) | u32::from(on) << index;
        }
    }

    fn step(&mut self, byte: u8) {
        self.shape = match (self.shape, byte) {
            (Shape::Text, 0x07) | (Shape::TextEscape, b'\\') => Shape::Ground,
            (Shape::Text, 0x1b) => Shape::TextEscape,
            // CAN and SUB end any sequence; an escape begins a new one.
            (_, 0x18 | 0x1a) => Shape::Ground,
            (_, 0x1b) => Shape::Escape,
            (Shape::Text | Shape::TextEscape, _) => Shape::Text,
            (Shape::Escape, b'[') => {
                self.parameters.clear();
                Shape::Csi
            }
            (Shape::Escape, b']' | b'P' | b'^' | b'_' | b'X') => Shape::Text,
            (Shape::Escape, 0x20..=0x2f) => Shape::Intermediate(byte),
            (Shape::Escape, _) => {
                self.escape(byte);
                Shape::Ground
            }
            (Shape::Intermediate(first), 0x20..=0x2f) => Shape::Intermediate(first),
            (Shape::Intermediate(first), _) => {
                if first == b'(' {
                    self.line_drawing = byte == b'0';
                }
                Shape::Ground
            }
            (Shape::Csi, 0x40..=0x7e) => {
                self.control(byte);
                Shape::Ground
            }
            (Shape::Csi, _) => {
                if self.parameters.len() < MAX_PARAMETERS {
                    self.parameters.push(byte);
                }
                Shape::Csi
            }
            (Shape::Ground, _) => Shape::Ground,
        };
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            b'c' => *self = Self::default(),
            b'=' => self.keypad = true,
            b'>' => self.keypad = false,
            _ => {}
        }
    }

    fn control(&mut self, last: u8) {
        let parameters = std::mem::take(&mut self.parameters);
        match (parameters.as_slice(), last) {
            ([b'?', modes @ ..], b'h' | b'l') => {
                for mode in modes.split(|&byte| byte == b';') {
                    let number = std::str::from_utf8(mode).ok().and_then(|text| text.parse().ok());
                    if let Some(number) = number {
                        self.set(number, last == b'h');
                    }
                }
            }
            (b"!", b'p') => {
                let (alternate, text) = (self.on, Self::default());
                *self = text;
                for mode in ALTERNATE {
                    let index = PRIVATE.iter().position(|(known, _)| *known == mode);
                    self.set(mode, index.is_some_and(|index| alternate >> index & 1 == 1));
                }
            }
            ([style @ .., b' '], b'q') => {
                self.cursor_style = std::str::from_utf8(style).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            }
            (region, b'r') if region.iter().all(|byte| byte.is_ascii_digit() || *byte == b';') => {
                self.scroll_region = (!region.is_empty()).then(|| region.to_vec());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(bytes: &[u8]) -> TerminalModes {
        let mut modes = TerminalModes::default();
        modes.feed(bytes);
        modes
    }

    #[test]
    fn modes_of_a_full_screen_program_are_set_and_undone() {
        let modes =
            after(b"text\x1b[?1049h\x1b[?25l\x1b[?1002;1006h\x1b[?2004h\x1b=\x1b[2;20r\x1b[4 q\x1b]0;title\x07\x1b[1m");
        assert!(modes.is_alternate_screen());
        let setting = modes.setting();
        for part in
            ["\x1b[?1049h", "\x1b[?25l", "\x1b[?1002h", "\x1b[?1006h", "\x1b[?2004h", "\x1b=", "\x1b[2;20r", "\x1b[4 q"]
        {
            assert!(setting.contains(part), "{part:?} in {setting:?}");
        }
        assert_eq!(after(setting.as_bytes()).setting(), setting);
        assert_eq!(after(format!("{setting}{}", modes.undoing()).as_bytes()).setting(), "");
    }

    #[test]
    fn modes_are_the_same_however_the_output_is_cut() {
        let output = "a\x1b[?25lb\x1b(0qqq\x1b(B\x1bP1$r\x1b\\\x1b]8;;http://x\x1b\\ü\x1b[?1h\x1b[?12";
        for cut in 0..output.len() {
            let mut modes = TerminalModes::default();
            modes.feed(&output.as_bytes()[..cut]);
            modes.feed(&output.as_bytes()[cut..]);
            assert_eq!(modes.setting(), "\x1b[?1h\x1b[?25l");
            assert!(!modes.is_between_sequences());
        }
    }

    #[test]
    fn reset_clears_everything_and_soft_reset_keeps_the_alternate_screen() {
        assert_eq!(after(b"\x1b[?1049h\x1b[?25l\x1bc").setting(), "");
        assert_eq!(after(b"\x1b[?1049h\x1b[?25l\x1b[!p").setting(), "\x1b[?1049h");
    }

    #[test]
    fn endless_sequence_takes_no_memory() {
        let modes = after(&[b"\x1b[".as_slice(), &[b'1'; 1 << 20]].concat());
        assert!(modes.parameters.capacity() <= 2 * MAX_PARAMETERS);
    }
}
