//! One emulator for two threads: the reader's, which feeds it, and the drawing one, which must never wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Emulator;
use crate::model::Size;

/// An emulator that one thread feeds while another draws: the feeder gives way, so a flood never delays a frame.
#[derive(Clone)]
pub struct SharedEmulator(Arc<Shared>);

struct Shared {
    emulator: Mutex<Emulator>,
    /// Threads that want the emulator for something short. A plain mutex would let the feeder take it again and again.
    waiting: AtomicUsize,
}

/// Bytes parsed while the lock is held once: about half a millisecond's work.
const SLICE_BYTES: usize = 16 * 1024;

impl SharedEmulator {
    pub fn new(size: Size) -> Self {
        Self(Arc::new(Shared { emulator: Mutex::new(Emulator::new(size)), waiting: AtomicUsize::new(0) }))
    }

    /// For the reader's thread: takes all of `bytes` in slices, letting others in between. Returns what to write to
    /// the program's input, mostly nothing. The more bytes at once, the more of a flood is skipped: 64 KiB are good.
    pub fn feed(&self, bytes: &[u8]) -> Vec<u8> {
        let mut reply = Vec::new();
        let bytes = self.emulator().seen(bytes);
        for slice in bytes.chunks(SLICE_BYTES) {
            while self.0.waiting.load(Ordering::Acquire) > 0 {
                std::thread::yield_now();
            }
            let mut emulator = self.emulator();
            emulator.feed(slice);
            reply.append(&mut emulator.take_reply());
        }
        reply
    }

    /// For everybody else: the emulator, at once or within a millisecond. Keep it briefly.
    pub fn lock(&self) -> MutexGuard<'_, Emulator> {
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
        let guard = self.emulator();
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        guard
    }

    fn emulator(&self) -> MutexGuard<'_, Emulator> {
        // A poisoned emulator is still whole: its own panics are caught inside.
        self.0.emulator.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
