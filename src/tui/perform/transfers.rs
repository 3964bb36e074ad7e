//! Transfers under way, each of which can be ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::Teller;
use super::copies;
use super::files::{self, Counted, NewFile};
use super::volumes;
use crate::engine::{CommitOptions, CopyMeter, Engine, Pause, PullOptions, PushOptions, SaveOptions};
use crate::model::{ErrorKind, Reference, TransferGauge, Transferred};
use crate::tui::action::{Problem, Told};
use crate::tui::transfer::{CommitWish, ExportWish, LoadWish, Part, Progress, PushWish, SaveWish, TransferId, Wish};

/// Between two looks at how far a file is.
const PERIOD: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Transfers {
    engine: Engine,
    teller: Teller,
    runtime: Handle,
    cancels: HashMap<TransferId, watch::Sender<bool>>,
}

impl Transfers {
    pub fn new(engine: Engine, teller: Teller, runtime: Handle) -> Self {
        Self { engine, teller, runtime, cancels: HashMap::new() }
    }

    pub fn start(&mut self, id: TransferId, wish: Wish) {
        let (cancel, cancelled) = watch::channel(false);
        self.cancels.retain(|_, cancel| !cancel.is_closed());
        self.cancels.insert(id, cancel);
        let run = Run { engine: self.engine.clone(), teller: self.teller.clone(), id, cancelled };
        self.runtime.spawn(async move {
            let begun = Instant::now();
            let teller = run.teller.clone();
            let result = run.run(wish).await;
            let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            teller.tell(Told::TransferEnd { id, result, took_ms });
        });
    }

    pub fn cancel(&mut self, id: TransferId) {
        if let Some(cancel) = self.cancels.remove(&id) {
            // Ended already if nobody listens.
            let _ = cancel.send(true);
        }
    }
}

/// One transfer that runs.
struct Run {
    engine: Engine,
    teller: Teller,
    id: TransferId,
    cancelled: watch::Receiver<bool>,
}

impl Run {
    /// What to say at the end, if it is not what is always said.
    async fn run(self, wish: Wish) -> Result<String, Problem> {
        match wish {
            Wish::Pull(wish) => {
                let reference = reference(&wish.reference)?;
                let options = PullOptions { platform: wish.platform };
                let (sender, receiver) = mpsc::channel(64);
                let pulling = self.engine.pull(&reference, &options, sender, self.cancelled.clone());
                let (result, ()) = tokio::join!(pulling, self.forward(receiver));
                result.map(|_| String::new()).map_err(Problem::from)
            }
            Wish::Push(wish) => self.push(wish).await,
            Wish::Save(wish) => self.counted(move |engine, gauge| save(engine, gauge, &wish)).await,
            Wish::Load(wish) => self.counted(move |engine, gauge| load(engine, gauge, &wish)).await,
            Wish::Export(wish) => self.counted(move |engine, gauge| export(engine, gauge, &wish)).await,
            Wish::Commit(wish) => self.commit(wish).await,
            Wish::CopyOut(wish) => {
                let bytes = wish.bytes;
                self.copied(bytes, move |engine, meter| copies::out(engine, &wish, meter)).await
            }
            Wish::VolumeExport(wish) => self.counted(move |engine, gauge| volumes::export(engine, gauge, &wish)).await,
            Wish::VolumeImport(wish) => self.counted(move |engine, gauge| volumes::import(engine, gauge, &wish)).await,
            Wish::CopyIn(wish) => self.copied(None, move |engine, meter| copies::into(engine, &wish, meter)).await,
        }
    }

    async fn push(&self, wish: PushWish) -> Result<String, Problem> {
        let reference = reference(&wish.reference)?;
        if let Some(image) = wish.tagged_from {
            let (engine, name) = (self.engine.clone(), reference.clone());
            on_thread(move || engine.image_tag(&image, &name).map_err(Problem::from)).await?;
        }
        let options = PushOptions { all_tags: wish.all_tags };
        let (sender, receiver) = mpsc::channel(64);
        let pushing = self.engine.push(&reference, &options, sender, self.cancelled.clone());
        let (result, ()) = tokio::join!(pushing, self.forward(receiver));
        result.map(|_| String::new()).map_err(Problem::from)
    }

    async fn forward<E: Into<Progress>>(&self, mut receiver: mpsc::Receiver<E>) {
        while let Some(event) = receiver.recv().await {
            self.tell(event.into());
        }
    }

    fn tell(&self, progress: Progress) {
        self.teller.tell(Told::Transfer { id: self.id, progress });
    }

    /// Work on a thread that may block, looked at while it goes.
    async fn counted(
        self,
        work: impl FnOnce(&Engine, &TransferGauge) -> Result<String, Problem> + Send + 'static,
    ) -> Result<String, Problem> {
        let gauge = Arc::new(TransferGauge::default());
        let (engine, own) = (self.engine.clone(), Arc::clone(&gauge));
        let task = on_thread(move || {
            let result = work(&engine, &own);
            // Whatever a stopped writer says went wrong, it is that it was stopped.
            result.map_err(|problem| if own.is_stopped() { cancelled() } else { problem })
        });
        tokio::pin!(task);
        let (mut last, mut cancelling) = (None, self.cancelled.clone());
        loop {
            tokio::select! {
                result = &mut task => {
                    self.look(gauge.now(), &mut last);
                    return result;
                }
                _ = cancelling.wait_for(|cancelled| *cancelled), if !gauge.is_stopped() => gauge.stop(),
                () = tokio::time::sleep(PERIOD) => self.look(gauge.now(), &mut last),
            }
        }
    }

    fn look(&self, now: Transferred, last: &mut Option<Transferred>) {
        if last.as_ref() == Some(&now) {
            return;
        }
        match last.replace(now) {
            None => self.tell(Progress::Parts(vec![Part::from(now)])),
            Some(_) => self.tell(Progress::Part(Part::from(now))),
        }
        if now.layers > 0 {
            self.tell(Progress::Note(format!("{} of {} layers", now.layers_done, now.layers)));
        }
    }

    /// Files that are copied on a thread that may block, looked at while they go.
    async fn copied(
        self,
        bytes: Option<u64>,
        work: impl FnOnce(&Engine, &CopyMeter) -> Result<String, Problem> + Send + 'static,
    ) -> Result<String, Problem> {
        let meter = Arc::new(CopyMeter::default());
        let (engine, own) = (self.engine.clone(), Arc::clone(&meter));
        let task = on_thread(move || {
            let result = work(&engine, &own);
            result.map_err(|problem| if own.is_stopped() { cancelled() } else { problem })
        });
        tokio::pin!(task);
        let look = || Transferred { moved_bytes: meter.bytes(), total_bytes: bytes, ..Transferred::default() };
        let (mut last, mut cancelling) = (None, self.cancelled.clone());
        loop {
            tokio::select! {
                result = &mut task => {
                    self.look(look(), &mut last);
                    return result;
                }
                _ = cancelling.wait_for(|cancelled| *cancelled), if !meter.is_stopped() => meter.stop(),
                () = tokio::time::sleep(PERIOD) => self.look(look(), &mut last),
            }
        }
    }

    async fn commit(mut self, wish: CommitWish) -> Result<String, Problem> {
        let stop = Arc::new(AtomicBool::new(false));
        let (engine, own) = (self.engine.clone(), Arc::clone(&stop));
        let task = on_thread(move || commit(&engine, &wish, &own));
        tokio::pin!(task);
        loop {
            tokio::select! {
                result = &mut task => return result,
                _ = self.cancelled.wait_for(|cancelled| *cancelled), if !stop.load(Ordering::Relaxed) => {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Problem { message: error.to_string(), hint: None, kind: ErrorKind::Other }),
    }
}

fn cancelled() -> Problem {
    Problem { message: "cancelled".to_owned(), hint: None, kind: ErrorKind::Cancelled }
}

fn reference(text: &str) -> Result<Reference, Problem> {
    let parsed = text.parse::<Reference>();
    parsed.map_err(|error| Problem { message: format!("{text}: {error}"), hint: None, kind: ErrorKind::InvalidInput })
}

fn save(engine: &Engine, gauge: &TransferGauge, wish: &SaveWish) -> Result<String, Problem> {
    let mut file = NewFile::create(&wish.path)?;
    let options = SaveOptions { format: wish.format, layers: wish.layers, ..SaveOptions::default() };
    engine.save(&wish.images, &options, file.out(), gauge)?;
    file.keep().map(|()| String::new())
}

fn load(engine: &Engine, gauge: &TransferGauge, wish: &LoadWish) -> Result<String, Problem> {
    let (file, bytes) = files::open(&wish.path)?;
    gauge.expect(bytes);
    let loaded = engine.load(file, gauge)?;
    let names = loaded.iter().map(|one| match &one.reference {
        Some(reference) => reference.familiar(),
        None => one.id.short().to_owned(),
    });
    Ok(format!("loaded {}", names.collect::<Vec<_>>().join(", ")))
}

fn export(engine: &Engine, gauge: &TransferGauge, wish: &ExportWish) -> Result<String, Problem> {
    let mut file = NewFile::create(&wish.path)?;
    engine.export_tree(wish.id.as_str(), &mut Counted { out: file.out(), gauge })?;
    file.keep().map(|()| String::new())
}

fn commit(engine: &Engine, wish: &CommitWish, stop: &AtomicBool) -> Result<String, Problem> {
    let options = CommitOptions {
        reference: wish.reference.clone(),
        author: wish.author.clone(),
        message: wish.message.clone(),
        changes: wish.changes.clone(),
        pause: if wish.pause { Pause::IfPossible } else { Pause::No },
    };
    let made = engine.commit(wish.id.as_str(), &options, stop)?;
    let name = wish.reference.as_ref().map_or_else(|| made.id.short().to_owned(), Reference::familiar);
    let ran_on = made.not_paused.map_or_else(String::new, |why| format!(" (it ran on: {why})"));
    Ok(format!("{} is the image {name}{ran_on}", wish.name))
}
