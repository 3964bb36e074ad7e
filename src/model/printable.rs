//! The one function that makes hostile text fit to show: no escape sequence, control or bidi character survives.

use std::borrow::Cow;

/// `text` with every character that a terminal could obey replaced by a visible one.
///
/// C0 controls become their control pictures (`␛`), DEL `␡`, C1 controls and Unicode's bidirectional and
/// zero-width format characters `�` (Unicode TR 36, CVE-2021-42574). Line feeds and tabs stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    replace(text, |c| c == '\n' || c == '\t')
}

/// As [`printable`], for one line: line feeds and tabs become pictures too.
pub fn printable_line(text: &str) -> Cow<'_, str> {
    replace(text, |_| false)
}

fn replace(text: &str, keep: fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(|c| keep(c) || substitute(c).is_none()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if keep(c) { c } else { substitute(c).unwrap_or(c) }).collect())
}

fn substitute(c: char) -> Option<char> {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32),
        '\x7f' => Some('\u{2421}'),
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => Some('\u{fffd}'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_of_escape_sequences_shows_pictures() {
        assert_eq!(printable("a\x1b[2Jb\x07\r"), "a␛[2Jb␇␍");
        assert_eq!(printable("\u{9b}31m\u{202e}x"), "\u{fffd}31m\u{fffd}x");
    }

    #[test]
    fn printable_of_plain_text_borrows() {
        assert!(matches!(printable("plain, ünïcode 漢字\n\tx"), Cow::Borrowed(_)));
    }

    #[test]
    fn printable_line_shows_line_feeds() {
        assert_eq!(printable_line("a\nb\tc"), "a␊b␉c");
    }

    #[test]
    fn printable_output_never_holds_a_control_character() {
        let every: String = (0..0x3000u32).filter_map(char::from_u32).collect();
        assert!(!printable_line(&every).chars().any(char::is_control));
    }
}
