//! How slowly a registry may send: whoever trickles bytes keeps a connection for ever ("slow loris").

use std::time::Duration;

/// So much has to come in each timeout's time, or the end.
pub(super) const LEAST_BYTES: u64 = 16 << 10;

/// What came of one body, and how long it was waited for. Time in which we had other things to do does not count.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, waited: Duration::ZERO, bytes: 0 }
    }

    /// How long it may be waited now.
    pub(super) fn left(&self) -> Duration {
        self.window.saturating_sub(self.waited)
    }

    pub(super) fn count(&mut self, waited: Duration, bytes: u64) {
        self.waited += waited;
        self.bytes += bytes;
        if self.bytes >= LEAST_BYTES {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
    }

    /// Whether nothing at all has come, rather than too little.
    pub(super) fn is_silent(&self) -> bool {
        self.bytes == 0
    }

    pub(super) fn window(&self) -> Duration {
        self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_leaves_less_time_to_a_trickle_and_all_of_it_to_a_stream() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(10 * second);
        pace.count(4 * second, 5);
        pace.count(4 * second, 5);
        assert_eq!((pace.left(), pace.is_silent()), (2 * second, false));
        pace.count(second, LEAST_BYTES);
        assert_eq!((pace.left(), pace.is_silent()), (10 * second, true));
        pace.count(11 * second, 1);
        assert_eq!(pace.left(), Duration::ZERO);
    }
}
