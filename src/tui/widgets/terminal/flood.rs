//! Floods of short lines: what scrolls out of the last line of scrollback before anybody can see it is not parsed.
//!
//! vt100 takes more than a microsecond for a line feed on a wide screen, so `yes` alone would keep a core busy for
//! half a minute after it ended. Skipping is done only where it cannot be told from parsing.

/// The end of `bytes` that can still be seen when `lines` lines are kept; all of it unless the rest is plain text.
/// The parser must stand between two characters.
pub(super) fn seen(bytes: &[u8], lines: usize) -> &[u8] {
    // A line takes two bytes at least.
    if bytes.len() < lines * 2 {
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

    #[test]
    fn seen_keeps_the_last_lines_and_everything_that_is_not_plain() {
        let flood = b"y\r\n".repeat(100);
        assert_eq!(seen(&flood, 10).len(), 30);
        assert_eq!(seen(&flood, 1_000).len(), 300);
        let bell = [b"\x07\r\n".to_vec(), flood.clone()].concat();
        assert_eq!(seen(&bell, 10).len(), 303);
        // Without returns the column moves on: every byte counts.
        assert_eq!(seen(&b"y\n".repeat(100), 10).len(), 200);
    }
}
