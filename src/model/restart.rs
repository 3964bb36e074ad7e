//! Whether a container that ended is started again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Docker's restart policies, written as Docker writes them: `on-failure:3`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RestartPolicy {
    #[default]
    No,
    /// When it ended with another code than 0; at most so many times, if a number is given.
    OnFailure {
        most: Option<u32>,
    },
    Always,
    /// As `Always`, but one that was stopped stays so when containers are started after a reboot.
    UnlessStopped,
}

/// Why a text is not a restart policy.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseRestartError {
    #[error("no restart policy: write no, on-failure, on-failure:3, always or unless-stopped")]
    Unknown,
    #[error("only on-failure can have a number of restarts, as in on-failure:3")]
    NumberOutOfPlace,
    #[error("the number of restarts after on-failure: is a whole number of at most 4294967295")]
    Number,
}

impl RestartPolicy {
    /// The policy's name without a number, as `inspect` shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnFailure { .. } => "on-failure",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
        }
    }

    /// The most restarts `on-failure` allows; 0, as Docker shows it, is any number.
    pub fn most(self) -> u32 {
        match self {
            Self::OnFailure { most } => most.unwrap_or(0),
            Self::No | Self::Always | Self::UnlessStopped => 0,
        }
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.most() {
            0 => f.write_str(self.name()),
            most => write!(f, "{}:{most}", self.name()),
        }
    }
}

impl FromStr for RestartPolicy {
    type Err = ParseRestartError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, number) = match text.trim().split_once(':') {
            Some((name, number)) => (name, Some(number)),
            None => (text.trim(), None),
        };
        let policy = match name {
            "" | "no" => Self::No,
            "on-failure" => {
                let number: Option<u32> = number.map(str::parse).transpose().map_err(|_| ParseRestartError::Number)?;
                return Ok(Self::OnFailure { most: number.filter(|most| *most > 0) });
            }
            "always" => Self::Always,
            "unless-stopped" => Self::UnlessStopped,
            _ => return Err(ParseRestartError::Unknown),
        };
        if number.is_some() { Err(ParseRestartError::NumberOutOfPlace) } else { Ok(policy) }
    }
}

impl TryFrom<String> for RestartPolicy {
    type Error = ParseRestartError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RestartPolicy> for String {
    fn from(policy: RestartPolicy) -> Self {
        policy.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_written() {
        for text in ["no", "on-failure", "on-failure:3", "always", "unless-stopped"] {
            let policy: RestartPolicy = text.parse().expect(text);
            assert_eq!(policy.to_string(), text);
            let json = serde_json::to_string(&policy).expect("plain");
            assert_eq!(serde_json::from_str::<RestartPolicy>(&json).expect("readable"), policy);
        }
        assert_eq!("on-failure:0".parse(), Ok(RestartPolicy::OnFailure { most: None }));
    }

    #[test]
    fn wrong_policies_say_what_is_right() {
        for (text, error) in [
            ("sometimes", ParseRestartError::Unknown),
            ("always:3", ParseRestartError::NumberOutOfPlace),
            ("on-failure:-1", ParseRestartError::Number),
            ("on-failure:", ParseRestartError::Number),
        ] {
            assert_eq!(text.parse::<RestartPolicy>(), Err(error), "{text}");
        }
    }
}
