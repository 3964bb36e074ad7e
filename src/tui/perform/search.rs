//! The search under way, which the next one ends.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Teller;
use crate::config::Config;
use crate::engine::{Engine, SearchOptions};
use crate::model::{SearchEvent, SearchHit};
use crate::tui::action::{Problem, Told};

/// How long letters must pause before registries are asked.
const PAUSE: Duration = Duration::from_millis(250);
/// Hits of each registry.
const LIMIT: usize = 50;

#[derive(Debug)]
pub struct Search {
    engine: Engine,
    teller: Teller,
    runtime: Handle,
    registries: Vec<String>,
    search: Option<JoinHandle<()>>,
}

impl Search {
    pub fn new(engine: Engine, config: &Config, teller: Teller, runtime: Handle) -> Self {
        let registries = config.registries.searched();
        Self { engine, teller, runtime, registries, search: None }
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
            let (result, trouble) = tokio::join!(asking, forward_hits(receiver, &teller, search));
            teller.tell(Told::SearchEnd {
                search,
                result: result.map_err(Problem::from).and(trouble.map_or(Ok(()), Err)),
            });
        }));
    }

    pub fn cancel_search(&mut self) {
        if let Some(search) = self.search.take() {
            search.abort();
        }
    }
}

/// Passes findings on; gives the first trouble.
async fn forward_hits(mut receiver: mpsc::Receiver<SearchEvent>, teller: &Teller, search: u64) -> Option<Problem> {
    let (mut events, mut first) = (Vec::new(), None);
    while receiver.recv_many(&mut events, 64).await > 0 {
        let mut hits: Vec<SearchHit> = Vec::new();
        for event in events.drain(..) {
            match event {
                SearchEvent::Found(hit) => hits.push(hit),
                SearchEvent::Ended { trouble: Some(trouble), .. } => {
                    first.get_or_insert(Problem { message: trouble.message, hint: trouble.hint, kind: trouble.kind });
                }
                SearchEvent::Asked(_) | SearchEvent::Ended { .. } => {}
            }
        }
        teller.tell(Told::Found { search, hits });
    }
    first
}
