//! The two threads of a pane: one writes to its process, one reads from it and feeds its terminal.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::Teller;
use crate::engine::{
    AttachEvent, AttachOptions, AttachReader, AttachWriter, Attachment, Engine, EngineError, ExecWish, MonitorError,
    Next,
};
use crate::model::{CreateRequest, HOST_IMAGE, Id, LogStream, Name, SessionId, Size};
use crate::tui::action::{PaneEnd, Problem, Told};
use crate::tui::effect::PaneWish;
use crate::tui::shell::{PaneId, SharedTerminal};

/// What a pane's process is.
#[derive(Debug)]
pub enum Wanted {
    Run(Box<CreateRequest>),
    Start(Id),
    Attach(Id, SessionId),
    Exec(Id),
}

/// What a pane's writer is told.
#[derive(Debug)]
pub enum Order {
    Write(Vec<u8>),
    Resize(Size),
    Close,
}

/// The way to a pane's writer. Orders given before the process is there wait for it.
#[derive(Clone, Debug)]
pub struct Orders(Sender<Order>);

impl Orders {
    pub fn give(&self, order: Order) {
        // A pane whose process has ended takes no more orders.
        let _ = self.0.send(order);
    }
}

/// The terminal type that the emulator answers to.
const TERM: &str = "TERM=xterm-256color";
/// A shell for containers whose image has no terminal of its own: bash if there is one.
const ANY_SHELL: &str = "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi";

struct Opened {
    id: Id,
    name: Name,
    session: SessionId,
    tty: bool,
    attachment: Attachment,
}

/// Opens a pane's process on a thread of its own.
pub fn open(engine: &Engine, teller: &Teller, wish: PaneWish, wanted: Wanted) -> Orders {
    let (sender, receiver) = channel();
    let orders = Orders(sender);
    let (engine, teller, answers) = (engine.clone(), teller.clone(), orders.clone());
    let (pane, failed) = (wish.pane, teller.clone());
    // What an older process asked its terminal once was answered then.
    let is_new = !matches!(wanted, Wanted::Attach(..));
    let body = move || {
        let opened = match connect(&engine, &teller, &wish, wanted) {
            Ok(opened) => opened,
            Err(error) => {
                let end = PaneEnd::Failed(Problem::from(error));
                return teller.tell(Told::PaneEnded { pane, end });
            }
        };
        let Opened { id, name, session, tty, attachment } = opened;
        teller.tell(Told::PaneLive { pane, id, name, session });
        let (reader, writer) = attachment.split();
        let reading = Reading { pane, terminal: wish.terminal, tty, is_new, answers, teller: teller.clone() };
        if let Err(error) = thread::Builder::new().name("pane-reader".to_owned()).spawn(move || reading.run(reader)) {
            let end = PaneEnd::Lost(error.to_string());
            return teller.tell(Told::PaneEnded { pane, end });
        }
        write_orders(&receiver, writer);
    };
    if let Err(error) = thread::Builder::new().name("pane-writer".to_owned()).spawn(body) {
        failed.tell(Told::PaneEnded { pane, end: PaneEnd::Lost(error.to_string()) });
    }
    orders
}

fn connect(engine: &Engine, teller: &Teller, wish: &PaneWish, wanted: Wanted) -> Result<Opened, EngineError> {
    let options =
        AttachOptions { stdin: true, stdout: true, stderr: true, replay: true, may_lag: true, size: Some(wish.size) };
    let missing = || EngineError::Invalid { what: "the container's monitor gave no line to its process".to_owned() };
    let started = match wanted {
        Wanted::Run(mut request) => {
            if request.tty && !request.env.iter().any(|entry| entry.starts_with("TERM=")) {
                request.env.push(TERM.to_owned());
            }
            let result = engine.run(&request, Some(options));
            if let Ok(started) = &result {
                teller.tell(Told::Ran { pane: Some(wish.pane), result: Ok(Box::new(started.summary.clone())) });
            }
            result?
        }
        Wanted::Start(id) => engine.start(id.as_str(), Some(options))?,
        Wanted::Attach(id, session) => {
            let record = engine.find(id.as_str())?;
            let attachment = engine.attach(id.as_str(), session, &options)?;
            let tty = session != SessionId::MAIN || record.config.tty;
            return Ok(Opened { id, name: record.name, session, tty, attachment });
        }
        Wanted::Exec(id) => {
            let record = engine.find(id.as_str())?;
            let command = if record.image == HOST_IMAGE {
                vec![engine.default_shell()]
            } else {
                ["/bin/sh", "-c", ANY_SHELL].map(str::to_owned).to_vec()
            };
            let wish = ExecWish {
                command,
                env: vec![TERM.to_owned()],
                tty: true,
                stdin: true,
                size: Some(wish.size),
                ..ExecWish::default()
            };
            let started = engine.exec(id.as_str(), &wish, Some(options))?;
            let attachment = started.attachment.ok_or_else(missing)?;
            return Ok(Opened { id, name: record.name, session: started.session, tty: true, attachment });
        }
    };
    let summary = started.summary;
    let attachment = started.attachment.ok_or_else(missing)?;
    Ok(Opened { id: summary.id, name: summary.name, session: SessionId::MAIN, tty: summary.tty, attachment })
}

fn write_orders(orders: &Receiver<Order>, mut writer: AttachWriter) {
    for order in orders {
        let done = match order {
            Order::Write(bytes) => writer.write(&bytes),
            Order::Resize(size) => writer.resize(size),
            Order::Close => {
                // Whether it is heard or not, this end is closed now.
                let _ = writer.detach();
                return;
            }
        };
        // The reader learns that the line is gone and says so.
        if done.is_err() {
            return;
        }
    }
}

/// What a pane's reader needs.
struct Reading {
    pane: PaneId,
    terminal: SharedTerminal,
    tty: bool,
    /// Whether the process began with this pane, so that even replayed questions are this terminal's to answer.
    is_new: bool,
    answers: Orders,
    teller: Teller,
}

/// Output that has come already is fed at once, so many bytes at most: of a flood, the terminal then skips what nobody
/// can see.
const GATHER_BYTES: usize = 64 * 1024;

impl Reading {
    fn run(self, mut reader: AttachReader) {
        let mut gathered = Vec::new();
        let mut answer = self.is_new;
        let end = loop {
            let next = if gathered.is_empty() { wait(&mut reader) } else { reader.try_next() };
            if let Ok(Next::Event(AttachEvent::Output { bytes, .. })) = &next
                && self.tty
                && gathered.len() + bytes.len() <= GATHER_BYTES
            {
                gathered.extend_from_slice(bytes);
                continue;
            }
            if !gathered.is_empty() {
                self.feed(LogStream::Stdout, &gathered, answer);
                gathered.clear();
            }
            match next {
                Ok(Next::Event(AttachEvent::Output { stream, bytes })) => self.feed(stream, &bytes, answer),
                Ok(Next::Event(AttachEvent::Replayed)) => answer = true,
                // Output was dropped somewhere: end a sequence that was cut, and go on in plain writing.
                Ok(Next::Event(AttachEvent::Lagged { .. })) => self.feed(LogStream::Stdout, b"\x18\x1b[0m", false),
                Ok(Next::Event(AttachEvent::Exited(status))) => break PaneEnd::Exited(status),
                Ok(Next::Pending) => {}
                Ok(Next::Closed) => break PaneEnd::Lost("its monitor closed it".to_owned()),
                Err(error) => break PaneEnd::Lost(error.to_string()),
            }
        };
        self.teller.tell(Told::PaneEnded { pane: self.pane, end });
    }

    fn feed(&self, stream: LogStream, bytes: &[u8], answer: bool) {
        let plain;
        let bytes = if self.tty {
            bytes
        } else {
            plain = returned(stream, bytes);
            &plain
        };
        let answers = self.terminal.feed(bytes, || self.teller.tell(Told::PaneOutput(self.pane)));
        if answer && !answers.is_empty() {
            self.answers.give(Order::Write(answers));
        }
    }
}

fn wait(reader: &mut AttachReader) -> Result<Next, MonitorError> {
    Ok(reader.next()?.map_or(Next::Closed, Next::Event))
}

/// Output that met no terminal: line feeds get their carriage return, and what went to stderr its colour.
fn returned(stream: LogStream, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len() + bytes.len() / 16 + 16);
    if stream == LogStream::Stderr {
        plain.extend(b"\x1b[33m");
    }
    for byte in bytes {
        if *byte == b'\n' {
            plain.push(b'\r');
        }
        plain.push(*byte);
    }
    if stream == LogStream::Stderr {
        plain.extend(b"\x1b[39m");
    }
    plain
}
