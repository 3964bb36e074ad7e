//! Whether and when a container that ended is started again: Docker's rules, decided without any clock of its own.

use std::time::{Duration, Instant};

use crate::model::{ExitStatus, RestartPolicy};

/// The first pause; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Who ran so long has earned the first pause again.
const PROVEN: Duration = Duration::from_secs(10);

/// A container's restart policy and how far it has come.
#[derive(Clone, Debug, Default)]
pub struct Restarts {
    pub policy: RestartPolicy,
    /// How often it was started again.
    pub count: u32,
    /// Somebody stopped or killed it: its next end is the last.
    pub stopped: bool,
    /// The pause before the last restart; zero before the first and after a proven run.
    pause: Duration,
    /// When it is to be started again.
    pub at: Option<Instant>,
}

impl Restarts {
    pub fn new(policy: RestartPolicy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// How long to wait before it is started again, or none: it stays down. `ran` is how long it ran this time.
    pub fn after(&mut self, status: &ExitStatus, ran: Duration) -> Option<Duration> {
        let wanted = !self.stopped
            && match self.policy {
                RestartPolicy::No => false,
                RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
                RestartPolicy::OnFailure { most } => status.code != 0 && most.is_none_or(|most| self.count < most),
            };
        if !wanted {
            return None;
        }
        let doubled = if ran >= PROVEN { Duration::ZERO } else { self.pause * 2 };
        self.pause = doubled.clamp(FIRST_PAUSE, LONGEST_PAUSE);
        Some(self.pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ExitReason, Timestamp};

    fn ended(code: u8) -> ExitStatus {
        ExitStatus {
            code,
            reason: ExitReason::Exit,
            finished: Timestamp::EPOCH,
            started: None,
            message: None,
            restarts: 0,
        }
    }

    fn pauses(restarts: &mut Restarts, count: usize, ran: Duration) -> Vec<u128> {
        let pause = |_| {
            let pause = restarts.after(&ended(1), ran).expect("again");
            restarts.count += 1;
            pause.as_millis()
        };
        (0..count).map(pause).collect()
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_anew_after_a_proven_run() {
        let mut restarts = Restarts::new(RestartPolicy::Always);
        let short = Duration::from_millis(5);
        assert_eq!(
            pauses(&mut restarts, 12, short),
            [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]
        );
        assert_eq!(pauses(&mut restarts, 2, PROVEN), [100, 100]);
        assert_eq!(pauses(&mut restarts, 1, short), [200]);
        assert_eq!(restarts.count, 15);
    }

    #[test]
    fn on_failure_counts_failures_and_stops_at_success() {
        let mut restarts = Restarts::new(RestartPolicy::OnFailure { most: Some(2) });
        assert!(restarts.after(&ended(0), Duration::ZERO).is_none());
        assert_eq!(pauses(&mut restarts, 2, Duration::ZERO), [100, 200]);
        assert!(restarts.after(&ended(1), Duration::ZERO).is_none(), "two were allowed");
        let mut endless = Restarts::new(RestartPolicy::OnFailure { most: None });
        assert_eq!(pauses(&mut endless, 50, Duration::ZERO).len(), 50);
    }

    #[test]
    fn what_was_stopped_stays_down() {
        for policy in [RestartPolicy::Always, RestartPolicy::UnlessStopped, RestartPolicy::OnFailure { most: None }] {
            let mut restarts = Restarts { stopped: true, ..Restarts::new(policy) };
            assert!(restarts.after(&ended(1), Duration::ZERO).is_none(), "{policy}");
        }
        assert!(Restarts::new(RestartPolicy::No).after(&ended(1), Duration::ZERO).is_none());
    }
}
