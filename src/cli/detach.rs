//! The keys that leave an attached terminal, in Docker's notation: `ctrl-p,ctrl-q`.

/// Watches typed bytes for the sequence; bytes of a sequence that was begun and not ended are passed on late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachKeys {
    sequence: Vec<u8>,
    matched: usize,
}

/// Why a text is no sequence of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no key to detach with: give letters or ctrl-a to ctrl-z, ctrl-@ ctrl-[ ctrl-\\ ctrl-] ctrl-^ ctrl-_, with commas between"
)]
pub struct ParseKeysError(String);

impl std::str::FromStr for DetachKeys {
    type Err = ParseKeysError;

    /// An empty text is no sequence: nothing detaches.
    fn from_str(text: &str) -> Result<Self, ParseKeysError> {
        if text.is_empty() {
            return Ok(Self { sequence: Vec::new(), matched: 0 });
        }
        let key = |word: &str| key(word).ok_or_else(|| ParseKeysError(word.to_owned()));
        Ok(Self { sequence: text.split(',').map(key).collect::<Result<_, _>>()?, matched: 0 })
    }
}

/// The byte a terminal sends for `word`.
fn key(word: &str) -> Option<u8> {
    let control = word.strip_prefix("ctrl-").map(str::as_bytes);
    match (control, word.as_bytes()) {
        (Some([letter]), _) => match letter.to_ascii_lowercase() {
            letter @ b'a'..=b'z' => Some(letter - b'a' + 1),
            b'@' => Some(0),
            mark @ (b'[' | b'\\' | b']' | b'^' | b'_') => Some(mark - b'@'),
            _ => None,
        },
        (None, [only]) => Some(*only),
        _ => None,
    }
}

/// What typed bytes come to.
#[derive(Debug, PartialEq, Eq)]
pub struct Typed {
    /// What the container gets.
    pub pass: Vec<u8>,
    /// The sequence was typed; bytes behind it are dropped.
    pub detach: bool,
}

impl DetachKeys {
    /// Takes what was typed.
    pub fn feed(&mut self, bytes: &[u8]) -> Typed {
        let mut pass = Vec::with_capacity(bytes.len());
        if self.sequence.is_empty() {
            pass.extend_from_slice(bytes);
            return Typed { pass, detach: false };
        }
        for byte in bytes {
            if *byte != self.sequence[self.matched] && self.matched > 0 {
                pass.extend_from_slice(&self.sequence[..self.matched]);
                self.matched = 0;
            }
            if *byte == self.sequence[self.matched] {
                self.matched += 1;
                if self.matched == self.sequence.len() {
                    self.matched = 0;
                    return Typed { pass, detach: true };
                }
            } else {
                pass.push(*byte);
            }
        }
        Typed { pass, detach: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = "ctrl-p,ctrl-q";

    fn feed(keys: &mut DetachKeys, bytes: &[u8]) -> (Vec<u8>, bool) {
        let typed = keys.feed(bytes);
        (typed.pass, typed.detach)
    }

    #[test]
    fn sequence_in_one_or_two_reads_detaches() {
        let mut keys: DetachKeys = DEFAULT.parse().expect("default");
        assert_eq!(feed(&mut keys, b"ab\x10\x11cd"), (b"ab".to_vec(), true));
        assert_eq!(feed(&mut keys, b"x\x10"), (b"x".to_vec(), false));
        assert_eq!(feed(&mut keys, b"\x11"), (Vec::new(), true));
    }

    #[test]
    fn sequence_begun_and_not_ended_is_passed_on() {
        let mut keys: DetachKeys = DEFAULT.parse().expect("default");
        assert_eq!(feed(&mut keys, b"\x10"), (Vec::new(), false));
        assert_eq!(feed(&mut keys, b"a"), (b"\x10a".to_vec(), false));
        assert_eq!(feed(&mut keys, b"\x10\x10\x11"), (b"\x10".to_vec(), true));
    }

    #[test]
    fn empty_sequence_never_detaches() {
        let mut keys: DetachKeys = "".parse().expect("empty");
        assert_eq!(feed(&mut keys, b"\x10\x11"), (b"\x10\x11".to_vec(), false));
    }

    #[test]
    fn notation_of_docker_parses() {
        for (text, bytes) in
            [("a", &b"a"[..]), ("ctrl-a,b", b"\x01b"), ("ctrl-\\", b"\x1c"), ("ctrl-@,ctrl-_", b"\0\x1f")]
        {
            assert_eq!(text.parse::<DetachKeys>().expect(text).sequence, bytes);
        }
        for text in ["ctrl-", "ctrl-1", "ab", "a,,b", "ctrl-p,"] {
            assert!(text.parse::<DetachKeys>().is_err(), "{text}");
        }
    }
}
