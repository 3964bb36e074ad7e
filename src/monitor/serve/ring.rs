//! The recent output of a session, bounded, and how to show it again to who attaches later.

use std::collections::VecDeque;

use crate::model::LogStream;
use crate::monitor::modes::TerminalModes;

/// Bytes of output kept for each session.
pub const RING_BYTES: usize = 64 << 10;
/// Changes between stdout and stderr that are remembered at most.
const MAX_RUNS: usize = 1024;
/// How far a replay looks for a line's beginning to start at.
const LINE_SEARCH_BYTES: usize = 4 << 10;

/// The last [`RING_BYTES`] of output, and the terminal's modes where they begin.
#[derive(Debug)]
pub struct Ring {
    terminal: bool,
    bytes: VecDeque<u8>,
    /// Whose bytes they are, in order: the stream and how many of its bytes follow.
    runs: VecDeque<(LogStream, usize)>,
    /// The modes that everything dropped from the ring has led to.
    start: TerminalModes,
    /// Something was dropped already.
    cut: bool,
}

/// Output to be sent: pieces in order.
pub type Pieces = Vec<(LogStream, Vec<u8>)>;

impl Ring {
    pub fn new(terminal: bool) -> Self {
        Self { terminal, bytes: VecDeque::new(), runs: VecDeque::new(), start: TerminalModes::default(), cut: false }
    }

    pub fn push(&mut self, stream: LogStream, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(RING_BYTES)..];
        self.drop_first((self.bytes.len() + kept.len()).saturating_sub(RING_BYTES));
        let skipped = &bytes[..bytes.len() - kept.len()];
        if !skipped.is_empty() {
            self.start_after(|modes| modes.feed(skipped));
        }
        self.bytes.extend(kept);
        match self.runs.back_mut() {
            Some((last, length)) if *last == stream => *length += kept.len(),
            _ => self.runs.push_back((stream, kept.len())),
        }
        if self.runs.len() > MAX_RUNS {
            self.drop_first(self.runs[0].1);
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Everything that helps to restore what was seen: for a terminal beginning with the modes of that place, and never in
    /// the middle of a character, a sequence or (where one begins soon) a line.
    pub fn replay(&self) -> Pieces {
        if !self.cut {
            return self.last(self.bytes.len());
        }
        let mut modes = self.start.clone();
        let begin = self.safe_begin(&mut modes);
        let mut pieces = self.last(self.bytes.len() - begin);
        if self.terminal {
            pieces.insert(0, (LogStream::Stdout, modes.setting().into_bytes()));
        }
        pieces
    }

    /// As [`replay`](Self::replay), for a terminal that showed something else before: reset first (RIS).
    pub fn replay_afresh(&self) -> Pieces {
        let mut pieces = self.replay();
        if self.terminal {
            pieces.insert(0, (LogStream::Stdout, b"\x1bc".to_vec()));
        }
        pieces
    }

    /// The last `count` bytes exactly.
    pub fn last(&self, count: usize) -> Pieces {
        let mut pieces = Pieces::new();
        let mut position = 0;
        let from = self.bytes.len() - count.min(self.bytes.len());
        for &(stream, length) in &self.runs {
            let end = position + length;
            if end > from {
                pieces.push((stream, self.bytes.range(position.max(from)..end).copied().collect()));
            }
            position = end;
        }
        pieces
    }

    /// The terminal's modes now.
    pub fn modes_now(&self) -> TerminalModes {
        let mut modes = self.start.clone();
        let (front, back) = self.bytes.as_slices();
        modes.feed(front);
        modes.feed(back);
        modes
    }

    /// The first byte to show, with `modes` brought to there.
    fn safe_begin(&self, modes: &mut TerminalModes) -> usize {
        let mut begin = 0;
        let mut feed_to = |begin: &mut usize, end: usize| {
            for index in *begin..end {
                modes.feed(&[self.bytes[index]]);
            }
            *begin = end;
            modes.is_between_sequences()
        };
        if self.terminal {
            let mut between = feed_to(&mut begin, 0);
            while !between && begin < self.bytes.len() {
                let next = begin + 1;
                between = feed_to(&mut begin, next);
            }
        }
        let continuation = |byte: &u8| byte & 0xc0 == 0x80;
        let skip = self.bytes.iter().skip(begin).take(3).take_while(|byte| continuation(byte)).count();
        let end = begin + skip;
        feed_to(&mut begin, end);
        let line_feed = self.bytes.iter().skip(begin).take(LINE_SEARCH_BYTES).position(|&byte| byte == b'\n');
        if let Some(offset) = line_feed {
            let line = begin + offset + 1;
            if feed_to(&mut begin, line) || !self.terminal {
                return line;
            }
            // The line feed was inside a sequence: go on to the sequence's end.
            while begin < self.bytes.len() {
                let next = begin + 1;
                if feed_to(&mut begin, next) {
                    break;
                }
            }
        }
        begin
    }

    fn drop_first(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let dropped: Vec<u8> = self.bytes.drain(..count).collect();
        self.start_after(|modes| modes.feed(&dropped));
        let mut left = count;
        while let Some((_, length)) = self.runs.front_mut() {
            if *length > left {
                *length -= left;
                break;
            }
            left -= *length;
            self.runs.pop_front();
        }
    }

    fn start_after(&mut self, feed: impl FnOnce(&mut TerminalModes)) {
        self.cut = true;
        if self.terminal {
            feed(&mut self.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pieces: &Pieces) -> String {
        pieces.iter().map(|(_, bytes)| std::str::from_utf8(bytes).expect("whole characters")).collect()
    }

    #[test]
    fn small_output_is_replayed_exactly_with_its_streams() {
        let mut ring = Ring::new(false);
        ring.push(LogStream::Stdout, b"a");
        ring.push(LogStream::Stdout, b"b\n");
        ring.push(LogStream::Stderr, b"c");
        let pieces = ring.replay();
        assert_eq!(pieces, [(LogStream::Stdout, b"ab\n".to_vec()), (LogStream::Stderr, b"c".to_vec())]);
        assert_eq!(ring.last(2), [(LogStream::Stdout, b"\n".to_vec()), (LogStream::Stderr, b"c".to_vec())]);
    }

    #[test]
    fn long_output_is_bounded_and_begins_at_a_line() {
        let mut ring = Ring::new(false);
        for number in 0..20_000 {
            ring.push(LogStream::Stdout, format!("line {number} ü漢\n").as_bytes());
        }
        assert!(ring.len() <= RING_BYTES);
        let text = text(&ring.replay());
        assert!(text.starts_with("line ") && text.ends_with("line 19999 ü漢\n"));
        assert!(text.len() > RING_BYTES - 100);
    }

    #[test]
    fn terminal_replay_sets_modes_first_and_never_starts_inside_a_sequence() {
        for shift in 0..40 {
            let mut ring = Ring::new(true);
            ring.push(LogStream::Stdout, b"\x1b[?1049h\x1b[?25l\x1b[?2004h");
            ring.push(LogStream::Stdout, &vec![b'x'; shift]);
            for _ in 0..5000 {
                ring.push(LogStream::Stdout, "\x1b[38;5;123m漢字\x1b]0;t\x07".as_bytes());
            }
            ring.push(LogStream::Stdout, b"\x1b[?25h");
            let text = text(&ring.replay());
            let rest = text.strip_prefix("\x1b[?25l\x1b[?1049h\x1b[?2004h").expect("modes first");
            assert!(rest.starts_with('\x1b') || rest.starts_with('漢') || rest.starts_with('字'), "{:?}", &rest[..20]);
            assert!(ring.modes_now().is_alternate_screen());
            assert!(!ring.modes_now().setting().contains("?25"));
        }
    }

    #[test]
    fn chunk_larger_than_the_ring_keeps_its_end_and_learns_its_modes() {
        let mut ring = Ring::new(true);
        let mut chunk = b"\x1b[?1h".to_vec();
        chunk.resize(3 * RING_BYTES, b'y');
        ring.push(LogStream::Stdout, &chunk);
        assert_eq!(ring.len(), RING_BYTES);
        assert!(text(&ring.replay()).starts_with("\x1b[?1hyyy"));
    }

    #[test]
    fn streams_that_alternate_byte_by_byte_take_bounded_memory() {
        let mut ring = Ring::new(false);
        for _ in 0..10_000 {
            ring.push(LogStream::Stdout, b"o");
            ring.push(LogStream::Stderr, b"e");
        }
        assert!(ring.runs.len() <= MAX_RUNS + 1);
        assert_eq!(ring.runs.iter().map(|(_, length)| length).sum::<usize>(), ring.len());
    }
}
