//! Transfers under way, each of which can be ended.

use std::collections::HashMap;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::Teller;
use crate::engine::{Engine, PullOptions, PushOptions};
use crate::model::{ErrorKind, Reference};
use crate::tui::action::{Problem, Told};
use crate::tui::transfer::{Progress, TransferId, Wish};

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
        let (engine, teller) = (self.engine.clone(), self.teller.clone());
        self.runtime.spawn(async move {
            let begun = Instant::now();
            let result = run(&engine, &teller, id, wish, cancelled).await;
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

async fn run(
    engine: &Engine,
    teller: &Teller,
    id: TransferId,
    wish: Wish,
    cancelled: watch::Receiver<bool>,
) -> Result<(), Problem> {
    match wish {
        Wish::Pull(wish) => {
            let reference = reference(&wish.reference)?;
            let options = PullOptions { platform: wish.platform };
            let (sender, receiver) = mpsc::channel(64);
            let pulling = engine.pull(&reference, &options, sender, cancelled);
            let (result, ()) = tokio::join!(pulling, forward(receiver, teller, id));
            result.map(|_| ()).map_err(Problem::from)
        }
        Wish::Push(wish) => {
            let reference = reference(&wish.reference)?;
            let options = PushOptions { all_tags: wish.all_tags };
            let (sender, receiver) = mpsc::channel(64);
            let pushing = engine.push(&reference, &options, sender, cancelled);
            let (result, ()) = tokio::join!(pushing, forward(receiver, teller, id));
            result.map(|_| ()).map_err(Problem::from)
        }
    }
}

fn reference(text: &str) -> Result<Reference, Problem> {
    let parsed = text.parse::<Reference>();
    parsed.map_err(|error| Problem { message: format!("{text}: {error}"), hint: None, kind: ErrorKind::InvalidInput })
}

async fn forward<E: Into<Progress>>(mut receiver: mpsc::Receiver<E>, teller: &Teller, id: TransferId) {
    while let Some(event) = receiver.recv().await {
        teller.tell(Told::Transfer { id, progress: event.into() });
    }
}
