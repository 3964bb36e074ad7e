//! Floods of short lines: what scrolls out of the last line of scrollback before anybody can see it is not parsed.
//!
//! vt100 takes more than a microsecond for a line feed on a wide screen, so `yes` alone would keep a core busy for
//! half a minute after it ended. Skipping is done only where it cannot be told from parsing.

/// Whether the parser surely stands between two characters, not inside of an escape sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ground(bool);

impl Default for Ground {
    fn default() -> Self {
        Self(true)
    }
}

impl Ground {
    /// What is sure after the parser took `bytes`. When in doubt, nothing is.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.iter().rposition(|byte| *byte == 0x1b) else {
            // A string (OSC) that began earlier may end here.
            self.0 = self.0 || bytes.contains(&0x07);
            return;
        };
        self.0 = match bytes[last + 1..] {
            [b'[', ref rest @ ..] => rest.iter().any(|byte| (0x40..=0x7e).contains(byte)),
            [b']', ref rest @ ..] => rest.contains(&0x07),
            // Other strings end with ESC \ only, and intermediates are followed by one more byte.
            [b'P' | b'X' | b'^' | b'_', ..] | [] => false,
            [0x20..=0x2f, ref rest @ ..] => rest.iter().any(|byte| *byte >= 0x30),
            _ => true,
        };
    }
}

/// The end of `bytes` that can still be seen when `lines` lines are kept; all of it unless the rest is plain text.
pub(super) fn seen(bytes: &[u8], lines: usize, ground: Ground) -> &[u8] {
    // A line takes two bytes at least.
    if !ground.0 || bytes.len() < lines * 2 {
        return bytes;
    }
    let mut kept = 0;
    let cut = bytes.windows(2).rposition(|pair| {
        kept += usize::from(pair == b"\r\n");
        kept > lines
    });
    let Some(cut) = cut.map(|at| at + 2) else { return bytes };
    let plain = |byte: &u8| *byte >= 0x20 || matches!(*byte, b'\r' | b'\n' | b'\t');
    if bytes[..cut].iter().all(plain) { &bytes[cut..] } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pieces: &[&str]) -> bool {
        let mut ground = Ground::default();
        for piece in pieces {
            ground.take(piece.as_bytes());
        }
        ground.0
    }

    #[test]
    fn ground_is_sure_only_outside_of_sequences() {
        for sure in [
            &["abc"][..],
            &["\x1b[31m"],
            &["\x1b[3", "x\x1b[1m"],
            &["\x1b]0;title\x07"],
            &["\x1b]0;ti", "tle\x07"],
            &["\x1b]0;title\x1b\\"],
            &["\x1bP+q\x1b\\"],
            &["\x1b(B"],
            &["\x1b7"],
        ] {
            assert!(after(sure), "{sure:?}");
        }
        for unsure in [
            &["\x1b"][..],
            &["\x1b["],
            &["\x1b[3", "1"],
            &["\x1b]0;title"],
            &["\x1b]0;title", "more\r\n"],
            &["\x1bPdata\x07"],
            &["\x1b("],
        ] {
            assert!(!after(unsure), "{unsure:?}");
        }
    }

    #[test]
    fn seen_keeps_the_last_lines_and_everything_that_is_not_plain() {
        let ground = Ground::default();
        let flood = b"y\r\n".repeat(100);
        assert_eq!(seen(&flood, 10, ground).len(), 30);
        assert_eq!(seen(&flood, 1_000, ground).len(), 300);
        assert_eq!(seen(&flood, 10, Ground(false)).len(), 300);
        let bell = [b"\x07\r\n".to_vec(), flood.clone()].concat();
        assert_eq!(seen(&bell, 10, ground).len(), 303);
        // Without returns the column moves on: every byte counts.
        assert_eq!(seen(&b"y\n".repeat(100), 10, ground).len(), 200);
    }
}
