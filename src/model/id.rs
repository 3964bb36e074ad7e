//! Container ids (64 hexadecimal digits) and names, parsed once at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A container's id: 32 random bytes as 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

impl Id {
    /// Makes an id of 32 random bytes; the caller brings the randomness.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(hex(&bytes))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, as lists show them.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

/// Why a text is not an id or a name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseError {
    #[error("an id is 64 lower-case hexadecimal digits")]
    Id,
    #[error("a name is 2 to 128 characters of [a-zA-Z0-9][a-zA-Z0-9_.-]")]
    Name,
}

impl FromStr for Id {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(digits) { Ok(Self(text.to_owned())) } else { Err(ParseError::Id) }
    }
}

impl TryFrom<String> for Id {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container's name, by Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, here at most 128 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if starts_well && (2..=128).contains(&text.len()) && text.bytes().all(rest) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::Name)
        }
    }
}

impl TryFrom<String> for Name {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_from_bytes_round_trips() {
        let id = Id::from_bytes([0xab; 32]);
        assert_eq!(id.as_str().parse::<Id>(), Ok(id.clone()));
        assert_eq!(id.short(), "abababababab");
    }

    #[test]
    fn id_of_upper_case_is_refused() {
        assert_eq!("AB".repeat(32).parse::<Id>(), Err(ParseError::Id));
    }

    #[test]
    fn name_with_slash_dot_start_or_one_letter_is_refused() {
        for text in ["", "a", "../x", ".ab", "a/b", "a b", "a\u{1b}b", &"x".repeat(129)] {
            assert_eq!(text.parse::<Name>(), Err(ParseError::Name), "{text:?}");
        }
        assert!("brave_hopper-2.x".parse::<Name>().is_ok());
    }
}
