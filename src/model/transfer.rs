//! How far a save, load, import or export is, and the wish to end it: shared between who does it and who shows it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counters that one side adds to and the other reads as often as it draws.
#[derive(Debug, Default)]
pub struct TransferGauge {
    moved_bytes: AtomicU64,
    total_bytes: AtomicU64,
    layers: AtomicU64,
    layers_done: AtomicU64,
    stop: AtomicBool,
}

/// A gauge at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Bytes of the archive that were read or written.
    pub moved_bytes: u64,
    /// How many there will be, where that is known.
    pub total_bytes: Option<u64>,
    /// Layers that were found so far.
    pub layers: u64,
    /// Layers that are unpacked, or were there already.
    pub layers_done: u64,
}

impl TransferGauge {
    pub fn now(&self) -> Transferred {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Transferred {
            moved_bytes: read(&self.moved_bytes),
            total_bytes: Some(read(&self.total_bytes)).filter(|bytes| *bytes > 0),
            layers: read(&self.layers),
            layers_done: read(&self.layers_done),
        }
    }

    /// Says how large the archive is; zero is not known.
    pub fn expect(&self, total_bytes: u64) {
        self.total_bytes.store(total_bytes, Ordering::Relaxed);
    }

    pub fn moved(&self, bytes: u64) {
        self.moved_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn layer_found(&self) {
        self.layers.fetch_add(1, Ordering::Relaxed);
    }

    pub fn layer_done(&self) {
        self.layers_done.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks for its end: what was done so far is undone, and the error is of the kind `Cancelled`.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
