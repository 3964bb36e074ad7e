//! What a pull tells while it goes: each layer's gauges are read ten times a second, and what moved is sent.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::image::layer::Gauge;
use crate::image::manifest::Part;
use crate::image::registry::Notes;
use crate::model::{Digest, LayerProgress, LayerStage, PullEvent};

const TICK: Duration = Duration::from_millis(100);
/// How long the last events wait for a receiver that does not read.
const PATIENCE: Duration = Duration::from_millis(500);

/// A layer's gauge and where it stands.
#[derive(Debug)]
pub(super) struct LayerGauge {
    pub(super) gauge: Gauge,
    stage: AtomicU8,
}

impl LayerGauge {
    pub(super) fn enter(&self, stage: LayerStage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// What came was of no use.
    pub(super) fn begin_anew(&self) {
        self.gauge.received.store(0, Ordering::Relaxed);
        self.gauge.unpacked.store(0, Ordering::Relaxed);
    }

    fn stage(&self) -> LayerStage {
        use LayerStage::{Done, Downloading, Exists, Failed, Unpacking, Waiting};
        let number = self.stage.load(Ordering::Relaxed);
        [Waiting, Downloading, Unpacking, Done, Exists, Failed]
            .into_iter()
            .find(|stage| *stage as u8 == number)
            .unwrap_or(Waiting)
    }
}

struct Told {
    part: Part,
    gauge: Arc<LayerGauge>,
    last: Option<LayerProgress>,
}

impl Told {
    fn now(&self) -> LayerProgress {
        LayerProgress {
            digest: self.part.digest.clone(),
            stage: self.gauge.stage(),
            received_bytes: self.gauge.gauge.received.load(Ordering::Relaxed),
            total_bytes: self.part.size,
            unpacked_bytes: self.gauge.gauge.unpacked.load(Ordering::Relaxed),
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
    progress: mpsc::Sender<PullEvent>,
    telling: Mutex<Telling>,
    notes: Notes,
}

impl Reporter {
    /// What the registry has to say is told as well.
    pub(super) fn new(progress: mpsc::Sender<PullEvent>, notes: Notes) -> Self {
        Self { progress, telling: Mutex::default(), notes }
    }

    /// The manifest's layers are known.
    pub(super) fn layers(&self, parts: &[Part]) {
        let told = |part: &Part| Told {
            part: part.clone(),
            gauge: Arc::new(LayerGauge { gauge: Gauge::default(), stage: AtomicU8::new(LayerStage::Waiting as u8) }),
            last: None,
        };
        self.telling().layers = parts.iter().map(told).collect();
    }

    /// The digests of the layers, as far as they are known.
    pub(super) fn digests(&self) -> Vec<Digest> {
        self.telling().layers.iter().map(|told| told.part.digest.clone()).collect()
    }

    /// All that was received and unpacked so far.
    pub(super) fn bytes(&self) -> u64 {
        let of = |told: &Told| {
            let gauge = &told.gauge.gauge;
            gauge.received.load(Ordering::Relaxed) + gauge.unpacked.load(Ordering::Relaxed)
        };
        self.telling().layers.iter().map(of).sum()
    }

    pub(super) fn gauge(&self, place: usize) -> Arc<LayerGauge> {
        self.telling().layers[place].gauge.clone()
    }

    pub(super) fn note(&self, text: String) {
        self.notes.tell(text);
    }

    pub(super) fn stop_all(&self) {
        self.telling().layers.iter().for_each(|told| told.gauge.gauge.stop());
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

    /// Tells what is left. Layers under way have failed if the pull has.
    pub(super) async fn finish(&self, success: bool) {
        if !success {
            for told in &self.telling().layers {
                if matches!(told.gauge.stage(), LayerStage::Downloading | LayerStage::Unpacking) {
                    told.gauge.enter(LayerStage::Failed);
                }
            }
        }
        for event in self.news() {
            if self.progress.send_timeout(event, PATIENCE).await.is_err() {
                return;
            }
        }
    }

    fn news(&self) -> Vec<PullEvent> {
        let mut telling = self.telling();
        let mut events: Vec<PullEvent> = self.notes.take().into_iter().map(PullEvent::Note).collect();
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
            true => events.push(PullEvent::Layers(moved)),
            false => events.extend(moved.into_iter().map(PullEvent::Layer)),
        }
        events
    }

    fn telling(&self) -> std::sync::MutexGuard<'_, Telling> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reporter {
    /// The pull's future was dropped: its threads are to end as well.
    fn drop(&mut self) {
        self.stop_all();
    }
}
