//! The questions to registries that are under way: one search, one list of tags, one look behind a tag. The next of its
//! kind ends the one before, and what that still had to tell is never told.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Teller;
use crate::config::Config;
use crate::engine::{Engine, EngineError, SearchOptions, TagsWish};
use crate::model::{DetailEvent, Reference, SearchEvent};
use crate::tui::action::{Problem, Told};

/// How long letters must pause before registries are asked.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the selection must rest on a tag before it is asked what is behind it.
const REST: Duration = Duration::from_millis(120);
/// Hits of each registry.
const LIMIT: usize = 50;
/// Events that are told at once.
const BATCH: usize = 64;

#[derive(Debug)]
pub struct Search {
    engine: Engine,
    teller: Teller,
    runtime: Handle,
    registries: Vec<String>,
    search: Task,
    tags: Task,
    platforms: Task,
}

/// Ends what it holds when it gets another, or is dropped.
#[derive(Debug, Default)]
struct Task(Option<JoinHandle<()>>);

impl Task {
    fn replace(&mut self, task: Option<JoinHandle<()>>) {
        if let Some(before) = std::mem::replace(&mut self.0, task) {
            before.abort();
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.replace(None);
    }
}

impl Search {
    pub fn new(engine: Engine, config: &Config, teller: Teller, runtime: Handle) -> Self {
        let registries = config.registries.searched();
        let (search, tags, platforms) = <(Task, Task, Task)>::default();
        Self { engine, teller, runtime, registries, search, tags, platforms }
    }

    pub fn search(&mut self, search: u64, query: String) {
        let (engine, teller) = (self.engine.clone(), self.teller.clone());
        let options = SearchOptions { registries: self.registries.clone(), limit: Some(LIMIT), patience: None };
        let task = async move {
            tokio::time::sleep(PAUSE).await;
            let (sender, receiver) = mpsc::channel(BATCH);
            let tell = |events: Vec<SearchEvent>| teller.tell(Told::Found { search, events });
            let result = together(engine.search(&query, &options, sender), receiver, tell).await;
            teller.tell(Told::SearchEnd { search, result });
        };
        self.search.replace(Some(self.runtime.spawn(task)));
    }

    pub fn cancel_search(&mut self) {
        self.search.replace(None);
    }

    pub fn tags(&mut self, request: u64, repository: Reference, narrowed: String, limit: usize) {
        let (engine, teller) = (self.engine.clone(), self.teller.clone());
        let pause = if narrowed.is_empty() { Duration::ZERO } else { PAUSE };
        let wish = TagsWish { narrowed, limit: Some(limit), patience: None };
        let task = async move {
            tokio::time::sleep(pause).await;
            let (sender, receiver) = mpsc::channel(BATCH);
            let tell = |events: Vec<DetailEvent>| teller.tell(Told::Details { request, events });
            let result = together(engine.tags(&repository, &wish, sender), receiver, tell).await;
            teller.tell(Told::DetailsEnd { request, result });
        };
        self.tags.replace(Some(self.runtime.spawn(task)));
    }

    pub fn platforms(&mut self, request: u64, reference: Reference) {
        let (engine, teller) = (self.engine.clone(), self.teller.clone());
        let task = async move {
            tokio::time::sleep(REST).await;
            let (sender, receiver) = mpsc::channel(BATCH);
            let tell = |events: Vec<DetailEvent>| teller.tell(Told::Details { request, events });
            let result = together(engine.details(&reference, sender), receiver, tell).await;
            teller.tell(Told::DetailsEnd { request, result });
        };
        self.platforms.replace(Some(self.runtime.spawn(task)));
    }

    pub fn cancel_details(&mut self) {
        self.tags.replace(None);
        self.platforms.replace(None);
    }
}

/// Waits for an answer and tells what comes meanwhile, in batches.
async fn together<E>(
    asking: impl Future<Output = Result<(), EngineError>>,
    mut receiver: mpsc::Receiver<E>,
    tell: impl Fn(Vec<E>),
) -> Result<(), Problem> {
    let forward = async {
        let mut events = Vec::new();
        while receiver.recv_many(&mut events, BATCH).await > 0 {
            tell(std::mem::take(&mut events));
        }
    };
    let (result, ()) = tokio::join!(asking, forward);
    result.map_err(Problem::from)
}
