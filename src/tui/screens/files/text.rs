//! Lines of text in bytes that may be anything: where they begin, and how they look.

use std::ops::Range;

use unicode_width::UnicodeWidthChar;

use crate::model::printable_line;

/// Longer lines are broken: a file of one line of a hundred megabytes is walked through as well as any other.
const LONGEST: usize = 1024;
const TAB: usize = 8;
/// Bytes that are looked at to tell text from other things.
const SAMPLE: usize = 8192;

/// One line, or a piece of a long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub bytes: Range<usize>,
    /// Counted from 1; none for what goes on with the line before.
    pub number: Option<usize>,
}

/// The lines of some bytes, without their ends.
pub fn lines(bytes: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut begin, mut number) = (0, 0);
    while begin < bytes.len() {
        let end = bytes[begin..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| begin + at);
        number += 1;
        let mut piece = Some(number);
        let mut at = begin;
        loop {
            let mut stop = end.min(at + LONGEST);
            // Not in the middle of a character.
            while stop < end && stop > at + LONGEST - 4 && bytes[stop] & 0xc0 == 0x80 {
                stop -= 1;
            }
            lines.push(Line { bytes: at..stop, number: piece.take() });
            at = stop;
            if at >= end {
                break;
            }
        }
        begin = end + 1;
    }
    lines
}

/// As it is shown: tabs made blanks, whatever a terminal could obey made visible.
pub fn shown(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut column = 0;
    for character in text.chars() {
        if character == '\t' {
            let blanks = TAB - column % TAB;
            plain.extend(std::iter::repeat_n(' ', blanks));
            column += blanks;
        } else {
            plain.push(character);
            column += character.width().unwrap_or(1);
        }
    }
    printable_line(&plain).into_owned()
}

/// Whether it is better read as bytes.
pub fn is_binary(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let text = String::from_utf8_lossy(sample);
    let odd = text.chars().filter(|c| *c == '\u{fffd}' || c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x1b'));
    sample.contains(&0) || odd.count() * 10 > text.chars().count()
}

/// Where a needle is, from a place on or before it; ASCII letters match in either case.
pub fn find(bytes: &[u8], needle: &[u8], from: usize, back: bool) -> Option<usize> {
    let last = bytes.len().checked_sub(needle.len()).filter(|_| !needle.is_empty())?;
    let is_at = |at: &usize| bytes[*at..*at + needle.len()].eq_ignore_ascii_case(needle);
    if back { (0..from.min(last + 1)).rev().find(is_at) } else { (from..=last).find(is_at) }
}

/// What is searched for: bytes in hexadecimal behind `0x`, else text.
pub fn needle(text: &str) -> Vec<u8> {
    let digits: Option<Vec<u8>> = text.strip_prefix("0x").and_then(|digits| {
        let digits: String = digits.split_whitespace().collect();
        let pair = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        (digits.len().is_multiple_of(2) && !digits.is_empty())
            .then(|| (0..digits.len()).step_by(2).map(pair).collect())?
    });
    digits.unwrap_or_else(|| text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_long_ones_broken_between_characters() {
        let text = format!("one\r\n\n{}\nlast", "ü".repeat(1000));
        let lines = lines(text.as_bytes());
        let numbers: Vec<Option<usize>> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [Some(1), Some(2), Some(3), None, Some(4)]);
        assert_eq!(shown(&text.as_bytes()[lines[0].bytes.clone()]), "one");
        assert!(lines.iter().all(|line| std::str::from_utf8(&text.as_bytes()[line.bytes.clone()]).is_ok()));
        assert!(self::lines(b"").is_empty());
        assert_eq!(self::lines(b"\n").len(), 1);
        // Bytes that are no character at all are broken too.
        assert_eq!(self::lines(&[0x80; 5000]).len(), 5);
    }

    #[test]
    fn shown_text_obeys_nothing() {
        assert_eq!(shown(b"a\tb\x1b[2J\xff"), "a       b␛[2J\u{fffd}");
    }

    #[test]
    fn binary_is_told_from_text() {
        assert!(!is_binary("ünïcode\n\x1b[32mcolour\x1b[m\n".as_bytes()));
        assert!(is_binary(b"\x7fELF\0") && is_binary(&[0xfe; 100]));
        assert!(!is_binary(b""));
    }

    #[test]
    fn find_goes_both_ways_and_heeds_no_case() {
        let text = b"Error and ERROR";
        assert_eq!(find(text, b"error", 0, false), Some(0));
        assert_eq!(find(text, b"error", 1, false), Some(10));
        assert_eq!(find(text, b"error", 10, true), Some(0));
        assert_eq!(find(text, b"error", 0, true), None);
        assert_eq!((find(text, b"", 0, false), find(b"x", b"xx", 0, false)), (None, None));
        assert_eq!(needle("0x7f 45"), [0x7f, 0x45]);
        assert_eq!(needle("0xé"), "0xé".as_bytes());
        assert_eq!(needle("0x"), b"0x");
    }
}
