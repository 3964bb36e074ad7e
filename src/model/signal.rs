//! Signals by number and by the names that Docker's command line takes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A signal's number, 1 to 64 (signal(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signal(i32);

/// Names and numbers on x86-64 and arm64 (signal(7)).
const NAMES: [(&str, i32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

impl Signal {
    pub const HUP: Self = Self(1);
    pub const INT: Self = Self(2);
    pub const KILL: Self = Self(9);
    pub const TERM: Self = Self(15);

    /// The number the kernel knows.
    pub fn number(self) -> i32 {
        self.0
    }

    /// The signal of a number, if there is one.
    pub fn from_number(number: i32) -> Option<Self> {
        (1..=64).contains(&number).then_some(Self(number))
    }
}

/// Why a text is not a signal.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no such signal: give a name such as TERM or SIGTERM, or a number from 1 to 64")]
pub struct ParseSignalError;

impl FromStr for Signal {
    type Err = ParseSignalError;

    fn from_str(text: &str) -> Result<Self, ParseSignalError> {
        if let Ok(number) = text.parse() {
            return Self::from_number(number).ok_or(ParseSignalError);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(rest) = name.strip_prefix("RTMIN") {
            return real_time(34, rest);
        }
        if let Some(rest) = name.strip_prefix("RTMAX") {
            return real_time(64, rest);
        }
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| Self(*number)).ok_or(ParseSignalError)
    }
}

/// `RTMIN+n` and `RTMAX-n`, with glibc's bounds 34 and 64.
fn real_time(base: i32, offset: &str) -> Result<Signal, ParseSignalError> {
    let offset: i32 = if offset.is_empty() { 0 } else { offset.parse().map_err(|_| ParseSignalError)? };
    let number = base + offset;
    if (34..=64).contains(&number) { Ok(Signal(number)) } else { Err(ParseSignalError) }
}

impl TryFrom<String> for Signal {
    type Error = ParseSignalError;

    fn try_from(text: String) -> Result<Self, ParseSignalError> {
        text.parse()
    }
}

impl From<Signal> for String {
    fn from(signal: Signal) -> Self {
        signal.to_string()
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => write!(f, "SIG{name}"),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signal_names_with_and_without_prefix_parse() {
        for text in ["TERM", "SIGTERM", "sigterm", "15"] {
            assert_eq!(text.parse(), Ok(Signal::TERM), "{text}");
        }
        assert_eq!("RTMIN+3".parse::<Signal>().map(Signal::number), Ok(37));
    }

    #[test]
    fn signal_out_of_range_is_refused() {
        for text in ["0", "65", "-1", "NOPE", "RTMIN+40", ""] {
            assert_eq!(text.parse::<Signal>(), Err(ParseSignalError), "{text}");
        }
    }

    #[test]
    fn signal_display_round_trips() {
        for number in 1..=64 {
            let signal = Signal::from_number(number).expect("in range");
            assert_eq!(signal.to_string().parse(), Ok(signal));
        }
    }
}
