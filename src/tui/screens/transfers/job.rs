//! One transfer: how it stands, how fast it goes, how long it will take.

use std::collections::VecDeque;

use crate::model::Timestamp;
use crate::tui::action::Problem;
use crate::tui::transfer::{Part, Progress, Stage, TransferId, Wish};

/// Looks at the bytes that are kept: the rate is that of the last few, the curve shows all.
const LOOKS: usize = 64;
/// Looks that the rate is made of.
const RATE_LOOKS: usize = 5;

/// How a transfer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Running,
    Cancelling,
    Done { took_ms: u64 },
    Cancelled,
    Failed(Problem),
}

/// Bytes over time.
#[derive(Clone, Debug, Default)]
struct Meter {
    /// Seconds of some clock, and bytes moved until then.
    looks: VecDeque<(f64, u64)>,
}

impl Meter {
    fn look(&mut self, now: Timestamp, bytes: u64) {
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((now.0.as_millisecond() as f64 / 1000.0, bytes));
    }

    /// Bytes a second of late.
    fn rate(&self) -> Option<f64> {
        let newest = self.looks.back()?;
        let before = self.looks.iter().rev().nth(RATE_LOOKS.min(self.looks.len().checked_sub(1)?))?;
        let seconds = newest.0 - before.0;
        (seconds > 0.0).then(|| newest.1.saturating_sub(before.1) as f64 / seconds)
    }

    /// Bytes a second between each two looks, oldest first.
    fn rates(&self) -> Vec<f64> {
        let pairs = self.looks.iter().zip(self.looks.iter().skip(1));
        pairs.map(|(a, b)| if b.0 > a.0 { b.1.saturating_sub(a.1) as f64 / (b.0 - a.0) } else { 0.0 }).collect()
    }
}

/// One transfer.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: TransferId,
    pub wish: Wish,
    pub parts: Vec<Part>,
    /// The last sentence that was told.
    pub note: String,
    pub state: State,
    /// Bytes that were kept from a time before, and are not moved again.
    pub kept_bytes: u64,
    /// Whether it was begun after one that ended early.
    pub again: bool,
    meter: Meter,
    /// Beside the parts.
    part_meters: Vec<Meter>,
}

impl Job {
    pub fn new(id: TransferId, wish: Wish) -> Self {
        Self {
            id,
            wish,
            parts: Vec::new(),
            note: String::new(),
            state: State::Running,
            kept_bytes: 0,
            again: false,
            meter: Meter::default(),
            part_meters: Vec::new(),
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running | State::Cancelling)
    }

    pub fn told(&mut self, progress: Progress) {
        match progress {
            Progress::Parts(parts) => {
                let under_way = |part: &&Part| !part.stage.is_over();
                self.kept_bytes = parts.iter().filter(under_way).map(|part| part.moved_bytes).sum();
                self.part_meters = vec![Meter::default(); parts.len()];
                self.parts = parts;
                self.note.clear();
            }
            Progress::Part(part) => match self.parts.iter_mut().find(|known| known.key == part.key) {
                Some(known) => *known = part,
                None => {
                    self.parts.push(part);
                    self.part_meters.push(Meter::default());
                }
            },
            Progress::Note(note) => self.note = note,
        }
    }

    /// Once a second: how much has moved by now.
    pub fn look(&mut self, now: Timestamp) {
        if !self.is_running() {
            return;
        }
        self.meter.look(now, self.moved_bytes());
        for (meter, part) in self.part_meters.iter_mut().zip(&self.parts) {
            meter.look(now, part.moved_bytes);
        }
    }

    /// Bytes moved of all that is moved, those that were there left out of both.
    pub fn moved_bytes(&self) -> u64 {
        let moved =
            |part: &Part| if part.total_bytes == 0 { part.moved_bytes } else { part.moved_bytes.min(part.total_bytes) };
        self.to_move().map(moved).sum()
    }

    pub fn total_bytes(&self) -> u64 {
        self.to_move().map(|part| part.total_bytes).sum()
    }

    fn to_move(&self) -> impl Iterator<Item = &Part> {
        let was_there = |stage| matches!(stage, Stage::IsHere | Stage::IsThere | Stage::Mounted);
        self.parts.iter().filter(move |part| !was_there(part.stage))
    }

    pub fn parts_over(&self) -> usize {
        self.parts.iter().filter(|part| part.stage.is_over()).count()
    }

    /// 0 to 1; none while nothing is known of it.
    pub fn ratio(&self) -> Option<f64> {
        let total = self.total_bytes();
        match (self.parts.is_empty(), total) {
            (true, _) => None,
            (false, 0) if !self.wish.is_by_layers() => None,
            (false, 0) => Some(1.0),
            (false, total) => Some(self.moved_bytes() as f64 / total as f64),
        }
    }

    pub fn rate(&self) -> Option<f64> {
        self.meter.rate()
    }

    pub fn rates(&self) -> Vec<f64> {
        self.meter.rates()
    }

    pub fn part_rate(&self, part: usize) -> Option<f64> {
        self.part_meters.get(part)?.rate()
    }

    /// Seconds until all bytes have moved, at the rate of late.
    pub fn seconds_left(&self) -> Option<u64> {
        let left = self.total_bytes().saturating_sub(self.moved_bytes());
        let rate = self.rate().filter(|rate| *rate >= 1.0)?;
        (left > 0).then(|| (left as f64 / rate).ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::sample;
    use crate::tui::transfer::PullWish;

    fn part(key: &str, stage: Stage, moved_bytes: u64, total_bytes: u64) -> Part {
        Part { key: key.to_owned(), label: key.to_owned(), stage, moved_bytes, total_bytes, unpacked_bytes: 0 }
    }

    fn job() -> Job {
        let mut job = Job::new(TransferId(1), Wish::Pull(PullWish::new("debian")));
        let parts = vec![part("a", Stage::IsHere, 500, 500), part("b", Stage::Receiving, 100, 1000)];
        job.told(Progress::Parts(parts));
        job
    }

    #[test]
    fn layers_that_were_here_count_neither_as_moved_nor_as_to_move() {
        let mut job = job();
        assert_eq!((job.moved_bytes(), job.total_bytes(), job.kept_bytes), (100, 1000, 100));
        job.told(Progress::Part(part("b", Stage::Unpacked, 1000, 1000)));
        assert_eq!((job.ratio(), job.parts_over()), (Some(1.0), 2));
    }

    #[test]
    fn rate_and_time_left_are_of_the_last_looks() {
        let mut job = job();
        assert_eq!((job.rate(), job.seconds_left()), (None, None));
        for second in 0..4u64 {
            job.told(Progress::Part(part("b", Stage::Receiving, 100 + second * 200, 1000)));
            job.look(sample::before(60 - i64::try_from(second).expect("small")));
        }
        assert_eq!((job.rate(), job.part_rate(1)), (Some(200.0), Some(200.0)));
        assert_eq!(job.seconds_left(), Some(2));
        assert_eq!(job.rates(), [200.0; 3]);
    }
}
