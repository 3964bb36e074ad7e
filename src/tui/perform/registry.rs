//! Searches and pulls under way, each of which can be ended.

use std::collections::HashMap;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::Teller;
use crate::config::Config;
use crate::engine::{Engine, PullOptions, SearchOptions};
use crate::model::{ErrorKind, PullEvent, Reference, SearchHit};
use crate::tui::action::{Problem, Told};

/// How long letters must pause before registries are asked.
const PAUSE: Duration = Duration::from_millis(250);
/// Hits of each registry.
const LIMIT: usize = 50;

#[derive(Debug)]
pub struct Registry {
    engine: Engine,
    teller: Teller,
    runtime: Handle,
    registries: Vec<String>,
    search: Option<JoinHandle<()>>,
    pulls: HashMap<String, watch::Sender<bool>>,
}

impl Registry {
    pub fn new(engine: Engine, config: &Config, teller: Teller, runtime: Handle) -> Self {
        let registries = config.registries.searched();
        Self { engine, teller, runtime, registries, search: None, pulls: HashMap::new() }
    }

    pub fn search(&mut self, search: u64, query: String) {
        self.cancel_search();
        let (engine, teller) = (self.engine.clone(), self.teller.clone());
        let options =
            SearchOptions { registries: self.registries.clone(), limit: Some(LIMIT), ..SearchOptions::default() };
        self.search = Some(self.runtime.spawn(async move {
            tokio::time::sleep(PAUSE).await;
            let (sender, receiver) = mpsc::channel(64);
            let asking = engine.search(&query, &options, sender);
            let (result, ()) = tokio::join!(asking, forward_hits(receiver, &teller, search));
            teller.tell(Told::SearchEnd { search, result: result.map_err(Problem::from) });
        }));
    }

    pub fn cancel_search(&mut self) {
        if let Some(search) = self.search.take() {
            search.abort();
        }
    }

    pub fn pull(&mut self, text: String) {
        let reference = match text.parse::<Reference>() {
            Ok(reference) => reference,
            Err(error) => {
                let problem = Problem { message: error.to_string(), hint: None, kind: ErrorKind::InvalidInput };
                return self.teller.tell(Told::PullEnd { reference: text, result: Err(problem) });
            }
        };
        let (cancel, cancelled) = watch::channel(false);
        self.pulls.retain(|_, cancel| !cancel.is_closed());
        self.pulls.insert(text.clone(), cancel);
        let (engine, teller) = (self.engine.clone(), self.teller.clone());
        self.runtime.spawn(async move {
            let (sender, receiver) = mpsc::channel(64);
            let options = PullOptions::default();
            let pulling = engine.pull(&reference, &options, sender, cancelled);
            let (result, ()) = tokio::join!(pulling, forward_progress(receiver, &teller, &text));
            let result = result.map(|_| ()).map_err(Problem::from);
            teller.tell(Told::PullEnd { reference: text, result });
        });
    }

    pub fn cancel_pull(&mut self, reference: &str) {
        if let Some(cancel) = self.pulls.remove(reference) {
            // Ended already if nobody listens.
            let _ = cancel.send(true);
        }
    }
}

async fn forward_hits(mut receiver: mpsc::Receiver<SearchHit>, teller: &Teller, search: u64) {
    let mut hits = Vec::new();
    while receiver.recv_many(&mut hits, 64).await > 0 {
        teller.tell(Told::Found { search, hits: std::mem::take(&mut hits) });
    }
}

async fn forward_progress(mut receiver: mpsc::Receiver<PullEvent>, teller: &Teller, reference: &str) {
    while let Some(event) = receiver.recv().await {
        teller.tell(Told::Pull { reference: reference.to_owned(), event });
    }
}
