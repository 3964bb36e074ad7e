//! A thread that answers what is asked of files, one place at a time, with one visitor for many questions. The newest
//! question is the only one that counts.

use std::ffi::OsString;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::Teller;
use crate::engine::{Browser, Engine, EngineError};
use crate::model::{ErrorKind, FilePlace};
use crate::tui::action::{Problem, Told};
use crate::tui::screens::files::{MOST_ENTRIES, PART_BYTES};

/// Entries of the first page, which should be there at once, and of the others.
const FIRST_PAGE: u64 = 1_000;
const PAGE: u64 = 10_000;
/// How long a visitor that has nothing to do may keep a container from being started, or what has ended mounted.
const BRIEFLY: Duration = Duration::from_millis(700);
const LONGER: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub enum Order {
    List { visit: u64, path: OsString },
    Read { visit: u64, path: OsString, offset: u64 },
}

/// The way to the thread, which ends when this is dropped.
#[derive(Debug)]
pub struct Browsing {
    place: FilePlace,
    orders: Sender<Order>,
}

impl Browsing {
    pub fn begin(engine: &Engine, teller: &Teller, place: &FilePlace) -> io::Result<Self> {
        let (orders, received) = channel();
        let worker =
            Worker { engine: engine.clone(), teller: teller.clone(), place: place.clone(), browser: None, next: None };
        thread::Builder::new().name("files".to_owned()).spawn(move || worker.run(&received))?;
        Ok(Self { place: place.clone(), orders })
    }

    pub fn is_of(&self, place: &FilePlace) -> bool {
        self.place == *place
    }

    pub fn order(&self, order: Order) {
        // A thread that has panicked has told it on its way.
        let _ = self.orders.send(order);
    }
}

struct Worker {
    engine: Engine,
    teller: Teller,
    place: FilePlace,
    browser: Option<Browser>,
    /// What came while a folder was listed.
    next: Option<Order>,
}

impl Worker {
    fn run(mut self, orders: &Receiver<Order>) {
        while let Some(order) = self.wait(orders) {
            // Of what has queued up the last is wanted.
            let order = orders.try_iter().last().unwrap_or(order);
            match order {
                Order::List { visit, path } => {
                    let result = self.list(visit, &path, orders);
                    self.teller.tell(Told::FilesEnd { visit, result: result.map_err(Problem::from) });
                }
                Order::Read { visit, path, offset } => {
                    let result = self.ask(|browser| browser.read(&path, offset, PART_BYTES));
                    let result = result.map(Box::new).map_err(Problem::from);
                    self.teller.tell(Told::FileRead { visit, result });
                }
            }
        }
    }

    /// The next order; none when the interface has gone elsewhere. A visitor that is not needed is let go meanwhile.
    fn wait(&mut self, orders: &Receiver<Order>) -> Option<Order> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        if let Some(browser) = &self.browser {
            let patience = if browser.keeps_from_starting() { BRIEFLY } else { LONGER };
            match orders.recv_timeout(patience) {
                Ok(order) => return Some(order),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.browser = None,
            }
        }
        orders.recv().ok()
    }

    /// Asks the visitor there is; if it has died, or its container has, a new one.
    fn ask<T>(&mut self, question: impl Fn(&mut Browser) -> Result<T, EngineError>) -> Result<T, EngineError> {
        if self.browser.as_ref().is_some_and(|browser| !self.engine.is_current(browser)) {
            self.browser = None;
        }
        if let Some(browser) = &mut self.browser {
            match question(browser) {
                Err(error) if error.kind() == ErrorKind::Other => self.browser = None,
                answer => return answer,
            }
        }
        let mut browser = self.engine.browse(&self.place)?;
        let answer = question(&mut browser);
        // One that has not answered may never do.
        let is_of_use = !matches!(&answer, Err(error) if error.kind() == ErrorKind::Other);
        self.browser = Some(browser).filter(|_| is_of_use);
        answer
    }

    fn list(&mut self, visit: u64, path: &OsString, orders: &Receiver<Order>) -> Result<(), EngineError> {
        let mut from = 0;
        loop {
            let most = if from == 0 { FIRST_PAGE } else { PAGE };
            let page = self.ask(|browser| browser.list(path, from, most))?;
            from += most;
            let total = page.total.min(MOST_ENTRIES);
            self.teller.tell(Told::Files { visit, page: Box::new(page) });
            if from >= total {
                return Ok(());
            }
            if let Ok(order) = orders.try_recv() {
                self.next = Some(order);
                return Ok(());
            }
        }
    }
}
