//! Threads that listen: to changes any teu makes, to the counters of what runs, to a log.

use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::Teller;
use crate::engine::{Engine, LogQuery, Stopper};
use crate::model::{Id, LogEntry, Timestamp};
use crate::tui::action::{Action, Problem, Pulse, Told};

/// Between two looks at the counters.
const PERIOD: Duration = Duration::from_secs(1);
/// The second look comes soon, so that rates are there at once.
const SECOND_LOOK: Duration = Duration::from_millis(250);
/// Lines of a log that are there already and are shown.
const TAIL: u64 = 5000;
/// Lines told at once, and the least time between two tellings: what a flood of output costs at most.
const BATCH: usize = 1024;
const BATCH_PERIOD: Duration = Duration::from_millis(30);

/// Starts the threads that listen as long as the interface lives.
pub fn listen(engine: &Engine, teller: &Teller) -> std::io::Result<()> {
    let (changes, told) = (engine.clone(), teller.clone());
    thread::Builder::new().name("watch".to_owned()).spawn(move || watch(&changes, &told))?;
    let (pulse, told) = (engine.clone(), teller.clone());
    thread::Builder::new().name("pulse".to_owned()).spawn(move || beat(&pulse, &told))?;
    Ok(())
}

fn watch(engine: &Engine, teller: &Teller) {
    let problem = |error| Told::Problem(Problem::from(error));
    let mut watch = match engine.watch() {
        Ok(watch) => watch,
        Err(error) => return teller.tell(problem(error)),
    };
    // What changed before the watch began would be missed.
    teller.tell(Told::Changed(crate::engine::Changes::ALL));
    while !teller.0.is_closed() {
        match watch.next(None) {
            Ok(Some(changes)) => teller.tell(Told::Changed(changes)),
            Ok(None) => {}
            Err(error) => return teller.tell(problem(error)),
        }
    }
}

/// Once a second: the counters, the machine, the time, all in one action, so that a second costs one frame.
fn beat(engine: &Engine, teller: &Teller) {
    let mut sampler = engine.sampler();
    let mut last_machine = Instant::now();
    let mut next = Instant::now() + SECOND_LOOK;
    loop {
        let usage = sampler.sample().unwrap_or_default();
        let seconds = last_machine.elapsed().as_secs_f64();
        last_machine = Instant::now();
        let machine = engine.machine().ok().map(|machine| (machine, seconds));
        let pulse = Pulse { now: Timestamp::now(), usage, machine };
        if teller.0.send(Action::Pulse(Box::new(pulse))).is_err() {
            return;
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
        next = (next + PERIOD).max(Instant::now());
    }
}

/// A log that is being read; ends when dropped.
#[derive(Debug)]
pub struct LogTask {
    stopper: Option<Stopper>,
}

impl Drop for LogTask {
    fn drop(&mut self) {
        if let Some(stopper) = &self.stopper {
            stopper.stop();
        }
    }
}

impl LogTask {
    /// Begins to read; lines come in batches, as fast as they can be shown and no faster.
    pub fn open(runtime: &Handle, engine: &Engine, teller: &Teller, view: u64, id: Id) -> Self {
        let query = LogQuery { tail: Some(TAIL), follow: true, ..LogQuery::default() };
        let reader = match engine.logs(id.as_str(), &query) {
            Ok(reader) => reader,
            Err(error) => {
                teller.tell(Told::LogEnd { view, result: Err(error.into()) });
                return Self { stopper: None };
            }
        };
        let stopper = reader.stopper();
        let (sender, receiver) = mpsc::channel::<LogEntry>(BATCH);
        let end = teller.clone();
        runtime.spawn_blocking(move || {
            let mut result = Ok(());
            for entry in reader {
                match entry {
                    Ok(entry) => {
                        if sender.blocking_send(entry).is_err() {
                            return;
                        }
                    }
                    // One line that cannot be read does not hide the others.
                    Err(error) if error.kind() == crate::model::ErrorKind::Corrupt => {}
                    Err(error) => {
                        let error = crate::engine::EngineError::from(error);
                        result = Err(Problem::from(error));
                        break;
                    }
                }
            }
            drop(sender);
            end.tell(Told::LogEnd { view, result });
        });
        runtime.spawn(forward(receiver, teller.clone(), view));
        Self { stopper }
    }
}

async fn forward(mut receiver: mpsc::Receiver<LogEntry>, teller: Teller, view: u64) {
    loop {
        let mut entries = Vec::new();
        if receiver.recv_many(&mut entries, BATCH).await == 0 {
            return;
        }
        teller.tell(Told::Log { view, entries });
        tokio::time::sleep(BATCH_PERIOD).await;
    }
}
