//! Maps of sparse files: which parts are not holes.

use std::io;

use super::bad;
use super::header::BLOCK;
use super::pax::decimal;

/// A part of a sparse file that the archive has the content of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image::layer) struct Fragment {
    pub offset: u64,
    pub length: u64,
}

/// Refuses maps that go back, overlap, pass the file's end or are not what the archive has content for.
pub(super) fn check(fragments: &[Fragment], real_size: u64, content: u64) -> io::Result<()> {
    let garbled = || bad("a sparse file's map is garbled");
    let (mut end, mut sum) = (0u64, 0u64);
    for Fragment { offset, length } in fragments {
        if *offset < end {
            return Err(garbled());
        }
        end = offset.checked_add(*length).ok_or_else(garbled)?;
        // No overflow: the fragments lie one behind the other.
        sum += length;
    }
    if end > real_size || sum != content || i64::try_from(real_size).is_err() {
        return Err(garbled());
    }
    Ok(())
}

/// PAX format 0.1: offsets and lengths between commas.
pub(super) fn list(text: &[u8]) -> io::Result<Vec<Fragment>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = text.split(|byte| *byte == b',').map(decimal).collect::<io::Result<Vec<u64>>>()?;
    pairs(&numbers)
}

fn pairs(numbers: &[u64]) -> io::Result<Vec<Fragment>> {
    if !numbers.len().is_multiple_of(2) {
        return Err(bad("a sparse file's map is garbled"));
    }
    Ok(numbers.chunks_exact(2).map(|pair| Fragment { offset: pair[0], length: pair[1] }).collect())
}

/// PAX format 1.0: how many fragments, then their offsets and lengths, a line each.
#[derive(Debug, Default)]
pub(super) struct Lines {
    numbers: Vec<u64>,
    unfinished: Vec<u8>,
}

impl Lines {
    pub(super) fn is_whole(&self) -> bool {
        self.numbers.first().is_some_and(|count| (self.numbers.len() as u64 - 1) / 2 >= *count)
    }

    /// Takes a block; what follows the last number only fills it up.
    pub(super) fn take(&mut self, block: &[u8; BLOCK]) -> io::Result<()> {
        for byte in block {
            if self.is_whole() {
                return Ok(());
            }
            if *byte != b'\n' {
                self.unfinished.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.unfinished);
            if line.is_empty() {
                return Err(bad("a sparse file's map is garbled"));
            }
            self.numbers.push(decimal(&line)?);
        }
        if self.unfinished.len() > BLOCK {
            return Err(bad("a sparse file's map is garbled"));
        }
        Ok(())
    }

    pub(super) fn fragments(&self) -> io::Result<Vec<Fragment>> {
        pairs(self.numbers.get(1..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(offset: u64, length: u64) -> Fragment {
        Fragment { offset, length }
    }

    #[test]
    fn check_refuses_maps_that_lie() {
        check(&[fragment(0, 5), fragment(5, 0), fragment(9, 1)], 10, 6).expect("a good map");
        check(&[], 1 << 40, 0).expect("one hole");
        for (fragments, size, content) in [
            (vec![fragment(5, 1), fragment(0, 1)], 10, 2),
            (vec![fragment(0, 2), fragment(1, 2)], 10, 4),
            (vec![fragment(9, 2)], 10, 2),
            (vec![fragment(0, 2)], 10, 3),
            (vec![fragment(u64::MAX, 2)], 10, 2),
            (vec![fragment(1, u64::MAX)], 10, u64::MAX),
            (vec![], u64::MAX, 0),
        ] {
            assert!(check(&fragments, size, content).is_err(), "{fragments:?}");
        }
    }

    #[test]
    fn map_over_two_blocks_is_read() {
        let mut text: Vec<u8> = b"100\n".to_vec();
        for place in 0..100u64 {
            text.extend(format!("{}\n1\n", place * 1000).bytes());
        }
        text.resize(text.len().next_multiple_of(BLOCK), 0);
        let mut lines = Lines::default();
        for block in text.as_chunks::<BLOCK>().0 {
            assert!(!lines.is_whole());
            lines.take(block).expect("digits");
        }
        let fragments = lines.fragments().expect("pairs");
        assert_eq!((fragments.len(), fragments[99]), (100, fragment(99_000, 1)));
        assert!(Lines::default().take(&[b'x'; BLOCK]).is_ok_and(|()| true), "judged when its line ends");
        assert!(Lines::default().take(&[b'\n'; BLOCK]).is_err());
    }

    #[test]
    fn list_of_an_odd_count_is_refused() {
        assert_eq!(list(b"0,5,10,1").expect("pairs"), [fragment(0, 5), fragment(10, 1)]);
        for text in [&b"0"[..], b"0,1,2", b",", b"0,-1"] {
            assert!(list(text).is_err());
        }
    }
}
