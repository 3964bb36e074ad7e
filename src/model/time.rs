//! Points in time, written as RFC 3339 with nanoseconds, as Docker writes them.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// A point in time, UTC, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub jiff::Timestamp);

impl Timestamp {
    /// The earliest time there is here, 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(jiff::Timestamp::UNIX_EPOCH);

    /// Reads the clock: the one look outside that `model` allows itself.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now())
    }

    /// Whole seconds from `self` to `later`, 0 if `later` is earlier.
    pub fn seconds_until(self, later: Self) -> u64 {
        u64::try_from(later.0.as_second() - self.0.as_second()).unwrap_or(0)
    }

    /// Nanoseconds since the epoch.
    pub fn as_nanoseconds(self) -> i128 {
        self.0.as_nanosecond()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, UTC, always nine decimals, so that texts sort as times do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.9}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_display_has_nine_decimals() {
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00.000000000Z");
    }

    #[test]
    fn seconds_until_earlier_time_is_zero() {
        let later = Timestamp(jiff::Timestamp::from_second(5).expect("in range"));
        assert_eq!(later.seconds_until(Timestamp::EPOCH), 0);
        assert_eq!(Timestamp::EPOCH.seconds_until(later), 5);
    }
}
