//! What keys, pastes, focus and the mouse are on a terminal's wire: xterm's encodings.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;
use vt100::{MouseProtocolEncoding, MouseProtocolMode};

use super::Modes;

/// The bytes a key sends; empty for keys that send nothing.
pub fn encode_key(key: &KeyEvent, modes: Modes) -> Vec<u8> {
    let modifiers = key.modifiers;
    match key.code {
        KeyCode::Char(c) => character(c, modifiers),
        KeyCode::Enter => prefixed(modifiers, b"\r"),
        KeyCode::Tab if modifiers.contains(KeyModifiers::SHIFT) => b"\x1b[Z".to_vec(),
        KeyCode::Tab => prefixed(modifiers, b"\t"),
        KeyCode::BackTab => b"\x1b[Z".to_vec(),
        KeyCode::Backspace if modifiers.contains(KeyModifiers::CONTROL) => prefixed(modifiers, b"\x08"),
        KeyCode::Backspace => prefixed(modifiers, b"\x7f"),
        KeyCode::Esc => prefixed(modifiers, b"\x1b"),
        KeyCode::Null => b"\0".to_vec(),
        KeyCode::Up => lettered(b'A', modifiers, modes.application_cursor),
        KeyCode::Down => lettered(b'B', modifiers, modes.application_cursor),
        KeyCode::Right => lettered(b'C', modifiers, modes.application_cursor),
        KeyCode::Left => lettered(b'D', modifiers, modes.application_cursor),
        KeyCode::Home => lettered(b'H', modifiers, modes.application_cursor),
        KeyCode::End => lettered(b'F', modifiers, modes.application_cursor),
        KeyCode::KeypadBegin => lettered(b'E', modifiers, modes.application_cursor),
        KeyCode::Insert => numbered(2, modifiers),
        KeyCode::Delete => numbered(3, modifiers),
        KeyCode::PageUp => numbered(5, modifiers),
        KeyCode::PageDown => numbered(6, modifiers),
        KeyCode::F(number @ 1..=4) => lettered(b'P' + number - 1, modifiers, true),
        KeyCode::F(number) => function(number, modifiers),
        _ => Vec::new(),
    }
}

/// F5 and up; numbers skip where the VT220's keyboard had gaps.
fn function(number: u8, modifiers: KeyModifiers) -> Vec<u8> {
    const NUMBERS: [u8; 16] = [15, 17, 18, 19, 20, 21, 23, 24, 25, 26, 28, 29, 31, 32, 33, 34];
    match NUMBERS.get(usize::from(number).wrapping_sub(5)) {
        Some(code) => numbered(*code, modifiers),
        None => Vec::new(),
    }
}

fn character(c: char, modifiers: KeyModifiers) -> Vec<u8> {
    let mut bytes = [0; 4];
    if let Some(control) = control(c).filter(|_| modifiers.contains(KeyModifiers::CONTROL)) {
        return prefixed(modifiers, &[control]);
    }
    prefixed(modifiers, c.encode_utf8(&mut bytes).as_bytes())
}

/// The control character of Ctrl and a key, as xterm has it (Ctrl-2 to Ctrl-8 are those of the VT220).
fn control(c: char) -> Option<u8> {
    Some(match c.to_ascii_lowercase() {
        letter @ 'a'..='z' => letter as u8 - b'a' + 1,
        ' ' | '@' | '2' => 0,
        '[' | '3' | '{' => 0x1b,
        '\\' | '4' | '|' => 0x1c,
        ']' | '5' | '}' => 0x1d,
        '^' | '6' | '~' => 0x1e,
        '_' | '7' | '/' | '-' => 0x1f,
        '?' | '8' => 0x7f,
        _ => return None,
    })
}

/// Alt is an ESC before the key.
fn prefixed(modifiers: KeyModifiers, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes.len() + 1);
    if modifiers.intersects(KeyModifiers::ALT | KeyModifiers::META) {
        encoded.push(0x1b);
    }
    encoded.extend_from_slice(bytes);
    encoded
}

/// xterm's number for a set of modifiers: one more than the sum of their bits. None without any.
fn modifier_number(modifiers: KeyModifiers) -> Option<u8> {
    let bit = |flag: KeyModifiers, value: u8| if modifiers.intersects(flag) { value } else { 0 };
    let bits =
        bit(KeyModifiers::SHIFT, 1) + bit(KeyModifiers::ALT | KeyModifiers::META, 2) + bit(KeyModifiers::CONTROL, 4);
    (bits > 0).then_some(bits + 1)
}

fn lettered(letter: u8, modifiers: KeyModifiers, application: bool) -> Vec<u8> {
    match (modifier_number(modifiers), application) {
        (Some(number), _) => format!("\x1b[1;{number}{}", char::from(letter)).into_bytes(),
        (None, true) => vec![0x1b, b'O', letter],
        (None, false) => vec![0x1b, b'[', letter],
    }
}

fn numbered(code: u8, modifiers: KeyModifiers) -> Vec<u8> {
    match modifier_number(modifiers) {
        Some(number) => format!("\x1b[{code};{number}~").into_bytes(),
        None => format!("\x1b[{code}~").into_bytes(),
    }
}

/// A paste: line feeds become returns, controls but tabs are dropped, so that pasted text cannot end its own brackets.
pub fn encode_paste(text: &str, modes: Modes) -> Vec<u8> {
    let mut previous = ' ';
    let mut clean = String::with_capacity(text.len() + 12);
    if modes.bracketed_paste {
        clean.push_str("\x1b[200~");
    }
    for c in text.chars() {
        match c {
            '\n' if previous == '\r' => {}
            '\r' | '\n' => clean.push('\r'),
            '\t' => clean.push('\t'),
            c if c.is_control() => {}
            c => clean.push(c),
        }
        previous = c;
    }
    if modes.bracketed_paste {
        clean.push_str("\x1b[201~");
    }
    clean.into_bytes()
}

/// What the program is told when its view gains or loses the focus; empty unless it asked.
pub fn encode_focus(gained: bool, modes: Modes) -> &'static [u8] {
    match (modes.focus_events, gained) {
        (false, _) => b"",
        (true, true) => b"\x1b[I",
        (true, false) => b"\x1b[O",
    }
}

/// Lines that one step of the wheel moves a full-screen program that does not ask for the mouse.
const WHEEL_LINES: usize = 3;

/// The bytes of a mouse event inside `area`; empty if the program did not ask for it, or it happened elsewhere.
///
/// On the alternate screen without mouse mode the wheel sends arrow keys, as xterm's alternate scroll does.
pub fn encode_mouse(event: &MouseEvent, area: Rect, modes: Modes) -> Vec<u8> {
    if !area.contains((event.column, event.row).into()) {
        return Vec::new();
    }
    if modes.mouse == MouseProtocolMode::None {
        let letter = match event.kind {
            MouseEventKind::ScrollUp => b'A',
            MouseEventKind::ScrollDown => b'B',
            _ => return Vec::new(),
        };
        let wanted = if modes.alternate_screen { WHEEL_LINES } else { 0 };
        return lettered(letter, KeyModifiers::NONE, modes.application_cursor).repeat(wanted);
    }
    let Some((code, pressed)) = button(event.kind, modes.mouse) else { return Vec::new() };
    let bit = |flag, value: u8| if event.modifiers.contains(flag) { value } else { 0 };
    let mut code = code;
    // X10 mode knows no modifiers.
    if modes.mouse != MouseProtocolMode::Press {
        code += bit(KeyModifiers::SHIFT, 4) + bit(KeyModifiers::ALT, 8) + bit(KeyModifiers::CONTROL, 16);
    }
    let (column, row) = (event.column - area.x + 1, event.row - area.y + 1);
    match modes.mouse_encoding {
        MouseProtocolEncoding::Sgr => {
            format!("\x1b[<{code};{column};{row}{}", if pressed { 'M' } else { 'm' }).into_bytes()
        }
        MouseProtocolEncoding::Default => {
            // Coordinates are one byte each, 32 up; what does not fit cannot be told.
            let (Ok(column), Ok(row)) = (u8::try_from(column + 32), u8::try_from(row + 32)) else { return Vec::new() };
            vec![0x1b, b'[', b'M', released(code, pressed) + 32, column, row]
        }
        MouseProtocolEncoding::Utf8 => {
            let mut text = format!("\x1b[M{}", char::from(released(code, pressed) + 32));
            text.extend([column, row].map(|place| char::from_u32(u32::from(place) + 32).unwrap_or(' ')));
            text.into_bytes()
        }
    }
}

/// The old encodings tell a release as button 3, whichever it was.
fn released(code: u8, pressed: bool) -> u8 {
    if pressed { code } else { code | 3 }
}

/// The code of an event and whether it is a press, none if the mode does not report it.
fn button(kind: MouseEventKind, mode: MouseProtocolMode) -> Option<(u8, bool)> {
    let number = |button| match button {
        MouseButton::Left => 0,
        MouseButton::Middle => 1,
        MouseButton::Right => 2,
    };
    let drags = matches!(mode, MouseProtocolMode::ButtonMotion | MouseProtocolMode::AnyMotion);
    match kind {
        MouseEventKind::Down(button) => Some((number(button), true)),
        MouseEventKind::Up(button) => (mode != MouseProtocolMode::Press).then_some((number(button), false)),
        MouseEventKind::Drag(button) => drags.then_some((number(button) + 32, true)),
        MouseEventKind::Moved => (mode == MouseProtocolMode::AnyMotion).then_some((35, true)),
        MouseEventKind::ScrollUp => Some((64, true)),
        MouseEventKind::ScrollDown => Some((65, true)),
        MouseEventKind::ScrollLeft => Some((66, true)),
        MouseEventKind::ScrollRight => Some((67, true)),
    }
}
