//! A blob's bytes from the registry into a pipe, in their order. What is kept of it is not asked for again, a connection that
//! breaks is taken up where it broke, and where one connection leaves the threads waiting, others fetch cells further on.

use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE};
use tokio::sync::Semaphore;

use super::flow::Flow;
use super::partial::{Blob, CELL_BYTES};
use super::receive::Piece;
use crate::image::layer::PipeWriter;
use crate::image::manifest::Part;
use crate::image::registry::{Answer, Registry, Span};
use crate::image::{ImageError, Result};
use crate::model::ErrorKind;

/// Times a connection may break without one more byte having come.
const TRIES: u32 = 4;
/// Connections beside the first, for one blob.
const HELPERS: usize = 3;
/// How often it is looked whether the threads wait for the network, and how often in a row they must before another
/// connection is worth its while.
const LOOK: Duration = Duration::from_millis(100);
const HUNGRY_LOOKS: u32 = 4;

/// Fetches one blob: `part.size` bytes and not one more.
pub(super) struct Fetch<'a> {
    registry: &'a Registry,
    repository: &'a str,
    part: &'a Part,
    blob: Arc<Blob>,
    /// Connections that the whole pull may have besides each layer's own.
    spare: &'a Semaphore,
    plan: Mutex<Plan>,
    /// Where the first connection is to stop: the blob's end until others fetch something behind.
    leader_end: AtomicU64,
    /// The registry's answers to ranged requests are of no use: only whole blobs are asked for.
    asks_whole: AtomicBool,
    /// Not all bytes came by one request for the whole.
    is_patched: AtomicBool,
}

struct Plan {
    /// Cells that somebody fetches, or has fetched.
    taken: Vec<bool>,
    /// The first connection's part of them, when it was claimed.
    leader: Range<u64>,
    helpers: usize,
    ranges: Ranges,
}

/// What the registry lets know about ranged requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ranges {
    Unknown,
    Served,
    Refused,
}

/// Who asks: the first connection can do with a whole blob, another one cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Leader,
    Helper,
}

/// Why an answer ended before its end.
enum Break {
    /// Asking once more may help.
    Connection(ImageError),
    /// The registry served another range than the one it was asked for: the whole is asked for instead.
    Lie,
    Final(ImageError),
}

/// An answer whose body is yet to be read.
struct Opened {
    answer: Answer,
    /// So many bytes of it are known already.
    skip: u64,
    /// Where it says it ends, counted in the blob.
    until: u64,
}

impl From<ImageError> for Break {
    fn from(error: ImageError) -> Self {
        Self::Final(error)
    }
}

impl<'a> Fetch<'a> {
    pub(super) fn new(
        registry: &'a Registry,
        repository: &'a str,
        part: &'a Part,
        blob: &Arc<Blob>,
        spare: &'a Semaphore,
    ) -> Self {
        let taken = vec![false; blob.cell_count() as usize];
        let plan = Plan { taken, leader: 0..0, helpers: 0, ranges: Ranges::Unknown };
        Self {
            registry,
            repository,
            part,
            blob: blob.clone(),
            spare,
            plan: Mutex::new(plan),
            leader_end: AtomicU64::new(part.size),
            asks_whole: AtomicBool::new(false),
            is_patched: AtomicBool::new(false),
        }
    }

    /// Whether the bytes came from several requests or an earlier pull: a wrong digest may be that one's or the ranges' fault.
    pub(super) fn is_patched(&self) -> bool {
        self.is_patched.load(Ordering::Relaxed)
    }

    /// Sends the blob's bytes into the pipe. A pipe closed at its other end is `Cancelled`: whoever closed it knows why.
    pub(super) async fn run(&self, out: PipeWriter<Piece>) -> Result<()> {
        let flow = Flow::new(self.blob.clone(), out);
        if self.blob.kept_from(0) > 0 || (0..self.blob.cell_count()).any(|cell| self.blob.is_begun(cell)) {
            self.is_patched.store(true, Ordering::Relaxed);
        }
        let mut helpers: FuturesUnordered<Pin<Box<dyn Future<Output = Result<()>> + Send + '_>>> =
            FuturesUnordered::new();
        let mut hungry = 0;
        {
            let leader = self.lead(&flow);
            tokio::pin!(leader);
            loop {
                tokio::select! {
                    biased;
                    result = &mut leader => break result?,
                    Some(helped) = helpers.next(), if !helpers.is_empty() => match helped {
                        // What the network does to a helper is no harm: the leader fetches what is missing.
                        Err(error) if error.kind() != ErrorKind::Network => return Err(error),
                        _ => {
                            hungry = 0;
                            self.plan().helpers -= 1;
                        }
                    },
                    () = tokio::time::sleep(LOOK) => {
                        hungry = if flow.is_hungry() { hungry + 1 } else { 0 };
                        if hungry >= HUNGRY_LOOKS
                            && helpers.len() < HELPERS
                            && let Ok(permit) = self.spare.try_acquire()
                            && self.make_room(flow.position()) {
                            hungry = 0;
                            let flow = &flow;
                            helpers.push(Box::pin(async move {
                                let _permit = permit;
                                self.help(flow).await
                            }));
                        }
                    }
                }
            }
        }
        drop(helpers);
        flow.end().await;
        Ok(())
    }

    /// The first connection: fetches from the first hole on to the end, or to what others fetch; then what is left.
    async fn lead(&self, flow: &Flow) -> Result<()> {
        loop {
            if flow.catch_up().await? == self.part.size {
                return Ok(());
            }
            match self.claim_run() {
                Some(from) => self.span(flow, from, &self.leader_end, Role::Leader).await?,
                // Helpers are at work on all that is missing.
                None => tokio::time::sleep(LOOK / 10).await,
            }
        }
    }

    /// Another connection: a cell at a time.
    async fn help(&self, flow: &Flow) -> Result<()> {
        while let Some(cell) = self.claim_cell() {
            let Some(from) = self.blob.hole_in(cell) else { continue };
            let end = AtomicU64::new(self.blob.cell_end(cell));
            let done = self.span(flow, from, &end, Role::Helper).await;
            if done.is_err() {
                self.give_back(cell);
            }
            done?;
            flow.catch_up().await?;
        }
        Ok(())
    }

    /// Takes the first hole and all behind it that nobody fetches and nothing is there of; only one cell if others help.
    fn claim_run(&self) -> Option<u64> {
        let mut plan = self.plan();
        let count = self.blob.cell_count();
        let first = (0..count).find(|cell| !plan.taken[*cell as usize] && self.blob.hole_in(*cell).is_some())?;
        let may_run = plan.helpers == 0 || plan.ranges == Ranges::Refused;
        let free = |cell: &u64| may_run && !plan.taken[*cell as usize] && !self.blob.is_begun(*cell);
        let last = (first + 1..count).take_while(free).last().unwrap_or(first);
        plan.taken[first as usize..=last as usize].fill(true);
        plan.leader = first..last + 1;
        self.leader_end.store(self.blob.cell_end(last), Ordering::Relaxed);
        self.blob.hole_in(first)
    }

    fn claim_cell(&self) -> Option<u64> {
        let mut plan = self.plan();
        if plan.ranges == Ranges::Refused {
            return None;
        }
        let free = |cell: &u64| !plan.taken[*cell as usize] && self.blob.hole_in(*cell).is_some();
        let cell = (0..self.blob.cell_count()).find(free)?;
        plan.taken[cell as usize] = true;
        Some(cell)
    }

    fn give_back(&self, cell: u64) {
        self.plan().taken[cell as usize] = false;
    }

    /// Whether there is a cell for one more connection; the leader's way is cut short for that if it is long.
    fn make_room(&self, position: Option<u64>) -> bool {
        let mut plan = self.plan();
        let Some(position) = position.filter(|_| plan.ranges == Ranges::Served) else { return false };
        // A leader of several cells is alone, so what is sent is what it has fetched.
        let (cut, last) = (position / CELL_BYTES + 2, plan.leader.end);
        if plan.leader.contains(&(position / CELL_BYTES)) && cut + 1 < last {
            self.leader_end.store(cut * CELL_BYTES, Ordering::Relaxed);
            plan.leader.end = cut;
            plan.taken[cut as usize..last as usize].fill(false);
        }
        let found = plan.taken.iter().zip(0..).any(|(taken, cell)| !taken && self.blob.hole_in(cell).is_some());
        plan.helpers += usize::from(found);
        found
    }

    /// Fetches from one byte up to another, through as many connections as it takes.
    async fn span(&self, flow: &Flow, from: u64, end: &AtomicU64, role: Role) -> Result<()> {
        let (mut at, mut failures) = (from, 0);
        while at < end.load(Ordering::Relaxed) {
            let before = at;
            let broke = match self.answer(flow, &mut at, end, role).await {
                Ok(()) => continue,
                Err(broke) => broke,
            };
            failures = if at > before { 1 } else { failures + 1 };
            match broke {
                Break::Final(error) => return Err(error),
                Break::Lie if role == Role::Leader && !self.asks_whole.swap(true, Ordering::Relaxed) => {}
                Break::Lie => return Err(self.garbage("it serves other bytes than it was asked for")),
                Break::Connection(error) if failures >= TRIES => return Err(error),
                Break::Connection(_) => {
                    tokio::time::sleep(Duration::from_millis(200) * 2u32.pow(failures - 1)).await;
                }
            }
        }
        Ok(())
    }

    /// One request and its answer, as far as it goes.
    async fn answer(&self, flow: &Flow, at: &mut u64, end: &AtomicU64, role: Role) -> std::result::Result<(), Break> {
        let Opened { mut answer, mut skip, until } = self.open(*at, end.load(Ordering::Relaxed), role).await?;
        loop {
            let mut chunk = match answer.chunk().await {
                Ok(Some(chunk)) => chunk,
                // A registry may give less than it was asked for, but not less than it says.
                Ok(None) if *at == until => return Ok(()),
                Ok(None) if answer.status() == StatusCode::PARTIAL_CONTENT => return Err(Break::Lie),
                Ok(None) => return Err(Break::Connection(self.short(*at))),
                Err(error @ ImageError::TooSlow { .. }) => return Err(Break::Final(error)),
                Err(error) => return Err(Break::Connection(error)),
            };
            let passed = skip.min(chunk.len() as u64);
            skip -= passed;
            // Less than a chunk's length.
            let mut chunk = chunk.split_off(passed as usize);
            let room = end.load(Ordering::Relaxed).saturating_sub(*at);
            if chunk.len() as u64 > room {
                if *at + room == self.part.size {
                    return Err(Break::Final(self.too_long()));
                }
                chunk.truncate(room as usize);
            }
            if !chunk.is_empty() {
                let length = chunk.len() as u64;
                flow.take(*at, chunk).await?;
                *at += length;
            }
            if *at >= end.load(Ordering::Relaxed) {
                break;
            }
        }
        // A blob that goes on behind its end is found out, not only cut off.
        match *at == self.part.size && answer.status() != StatusCode::PARTIAL_CONTENT {
            true if matches!(answer.chunk().await, Ok(Some(more)) if !more.is_empty()) => Err(self.too_long().into()),
            _ => Ok(()),
        }
    }

    /// Asks for a part, and finds out what it is that is answered: so many bytes are to be passed over.
    async fn open(&self, at: u64, end: u64, role: Role) -> std::result::Result<Opened, Break> {
        let is_whole = self.asks_whole.load(Ordering::Relaxed) || (at == 0 && end == self.part.size);
        let end = (end < self.part.size).then_some(end);
        let span = if is_whole { Span::default() } else { Span { offset: at, end } };
        let path = format!("/v2/{}/blobs/{}", self.repository, self.part.digest);
        let answer = match self.registry.get(&path, "*/*", &self.what(), span).await {
            Err(ImageError::Status { status: 416, .. }) if !is_whole => return Err(Break::Lie),
            answer => answer?,
        };
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            let Some(until) = self.told_end(&answer, at, end).filter(|_| !is_whole) else {
                self.learn(Ranges::Refused);
                return Err(Break::Lie);
            };
            self.is_patched.store(true, Ordering::Relaxed);
            self.learn(Ranges::Served);
            return Ok(Opened { answer, skip: 0, until });
        }
        if role == Role::Helper {
            self.learn(Ranges::Refused);
            return Err(Break::Lie);
        }
        let length = answer.header(CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
        if let Some(length) = length.filter(|length| *length != self.part.size) {
            let reason = format!("it has {length} bytes, {} by the manifest", self.part.size);
            return Err(self.garbage(reason).into());
        }
        if is_whole && answer.header(ACCEPT_RANGES) == Some("bytes") {
            self.learn(Ranges::Served);
        } else if !is_whole {
            self.learn(Ranges::Refused);
        }
        Ok(Opened { answer, skip: at, until: self.part.size })
    }

    /// Where the part ends that an answer says it is; none if it is not a part that was asked for.
    /// `bytes 100-199/1000`, where the total may be a star.
    fn told_end(&self, answer: &Answer, at: u64, end: Option<u64>) -> Option<u64> {
        let (range, total) = answer.header(CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let total = if total == "*" { self.part.size } else { total.parse().ok()? };
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        let most = end.unwrap_or(self.part.size);
        (first == at && last >= first && last < most && total == self.part.size).then_some(last + 1)
    }

    /// A refusal stays.
    fn learn(&self, ranges: Ranges) {
        let mut plan = self.plan();
        if plan.ranges != Ranges::Refused {
            plan.ranges = ranges;
        }
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn what(&self) -> String {
        format!("layer {} of {}", self.part.digest.short(), self.repository)
    }

    fn garbage(&self, reason: impl std::fmt::Display) -> ImageError {
        ImageError::garbage(self.registry.name(), &self.what(), reason)
    }

    fn too_long(&self) -> ImageError {
        self.garbage(format!("it is longer than the {} bytes of the manifest", self.part.size))
    }

    fn short(&self, at: u64) -> ImageError {
        let reason = format!("it closes the connection after {at} of {} bytes of {}", self.part.size, self.what());
        ImageError::Connection { registry: self.registry.name().to_owned(), reason }
    }
}
