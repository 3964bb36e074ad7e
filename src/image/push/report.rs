//! What a push tells while it goes: each layer's gauge is read ten times a second, and what moved is sent.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::image::manifest::Part;
use crate::image::registry::Notes;
use crate::model::{PushEvent, PushProgress, PushStage};

const TICK: Duration = Duration::from_millis(100);
/// How long the last events wait for a receiver that does not read.
const PATIENCE: Duration = Duration::from_millis(500);

const STAGES: [PushStage; 7] = [
    PushStage::Waiting,
    PushStage::Checking,
    PushStage::Uploading,
    PushStage::Done,
    PushStage::Exists,
    PushStage::Mounted,
    PushStage::Failed,
];

/// How much of a layer was sent, and where it stands.
#[derive(Debug, Default)]
pub(super) struct LayerGauge {
    pub(super) sent: Arc<AtomicU64>,
    stage: AtomicU8,
}

impl LayerGauge {
    pub(super) fn enter(&self, stage: PushStage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    fn stage(&self) -> PushStage {
        STAGES[usize::from(self.stage.load(Ordering::Relaxed))]
    }
}

struct Told {
    part: Part,
    gauge: Arc<LayerGauge>,
    last: Option<PushProgress>,
}

impl Told {
    fn now(&self) -> PushProgress {
        PushProgress {
            digest: self.part.digest.clone(),
            stage: self.gauge.stage(),
            sent_bytes: self.gauge.sent.load(Ordering::Relaxed),
            total_bytes: self.part.size,
        }
    }
}

#[derive(Default)]
struct Telling {
    layers: Vec<Told>,
    begun: bool,
}

/// Gathers what is to be told; [`Reporter::run`] tells it.
pub(super) struct Reporter {
    progress: mpsc::Sender<PushEvent>,
    telling: Mutex<Telling>,
    notes: Notes,
}

impl Reporter {
    pub(super) fn new(progress: mpsc::Sender<PushEvent>, notes: Notes) -> Self {
        Self { progress, telling: Mutex::default(), notes }
    }

    /// These layers are next.
    pub(super) fn layers(&self, parts: &[&Part]) {
        let told = |part: &&Part| Told { part: (*part).clone(), gauge: Arc::default(), last: None };
        let mut telling = self.telling();
        telling.layers = parts.iter().map(told).collect();
        telling.begun = false;
    }

    pub(super) fn gauge(&self, place: usize) -> Arc<LayerGauge> {
        self.telling().layers[place].gauge.clone()
    }

    /// Tells until it is dropped.
    pub(super) async fn run(&self) -> Infallible {
        loop {
            for event in self.news() {
                // Nobody listens: nothing to tell, and nothing to end for.
                if self.progress.send(event).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Tells what is left. Layers under way have failed if the push has.
    pub(super) async fn finish(&self, success: bool) {
        if !success {
            for told in &self.telling().layers {
                if matches!(told.gauge.stage(), PushStage::Checking | PushStage::Uploading) {
                    told.gauge.enter(PushStage::Failed);
                }
            }
        }
        for event in self.news() {
            if self.progress.send_timeout(event, PATIENCE).await.is_err() {
                return;
            }
        }
    }

    fn news(&self) -> Vec<PushEvent> {
        let mut telling = self.telling();
        let mut events: Vec<PushEvent> = self.notes.take().into_iter().map(PushEvent::Note).collect();
        let first = !telling.begun && !telling.layers.is_empty();
        telling.begun |= first;
        let mut moved = Vec::new();
        for told in &mut telling.layers {
            let now = told.now();
            if first || told.last.as_ref() != Some(&now) {
                told.last = Some(now.clone());
                moved.push(now);
            }
        }
        match first {
            true => events.push(PushEvent::Layers(moved)),
            false => events.extend(moved.into_iter().map(PushEvent::Layer)),
        }
        events
    }

    fn telling(&self) -> std::sync::MutexGuard<'_, Telling> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
