//! The one loop that owns the screen: it waits, takes all that has happened, and draws once.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use futures_util::stream::ReadyChunks;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use super::TuiError;
use super::action::{Action, Problem, Told};
use super::app::App;
use super::effect::Effect;
use super::guard::Guard;
use super::keymap::Keymap;
use super::perform::{Performer, Teller, listen};
use super::screen::Screen;
use super::theme::{ColorDepth, Theme};
use super::update::update;
use crate::config::Config;
use crate::engine::Engine;
use crate::model::{ErrorKind, Size};

/// Sixty frames a second at most, of what moves by itself.
const FRAME: Duration = Duration::from_millis(16);
/// What a key changed is drawn sooner, and a frame that had nothing new is no reason to wait.
const SHORT_FRAME: Duration = Duration::from_millis(4);
/// How long the first frame waits for the first list, so that it is not drawn empty before.
const FIRST_LIST: Duration = Duration::from_millis(40);
/// Actions handled before a frame is due, whatever else waits.
const MOST_ACTIONS: usize = 512;
/// SIGTSTP's number on Linux (signal(7)).
const TERMINAL_STOP: i32 = 20;
/// 128 and SIGHUP's number.
const HUNG_UP: u8 = 129;

/// Runs the interface until the user quits or a signal ends it; returns the exit code.
///
/// `stop_process` stops this process until somebody continues it: what Ctrl-Z comes to, with the terminal given back.
pub fn run(engine: Engine, config: Config, stop_process: fn() -> io::Result<()>) -> Result<u8, TuiError> {
    use std::io::IsTerminal;
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(TuiError::NoTerminal);
    }
    let depth = ColorDepth::detect(|name| std::env::var(name).ok());
    let (theme, theme_problem) = theme(&config, depth);
    let (keymap, mut problems) = Keymap::new(&config.keys);
    problems.extend(theme_problem);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(TuiError::io("start threads"))?;
    let code = runtime.block_on(async {
        let (columns, rows) = crossterm::terminal::size().map_err(TuiError::io("ask the terminal's size"))?;
        let mut app = App::new(keymap, theme, Size { columns, rows });
        app.data.now = Some(crate::model::Timestamp::now());
        let (sender, actions) = unbounded_channel();
        let teller = Teller(sender);
        for message in problems {
            let hint = Some(format!("mend it in {}", config.path.display()));
            teller.tell(Told::Problem(Problem { message, hint, kind: ErrorKind::InvalidInput }));
        }
        let performer = Performer::new(engine.clone(), &config, teller.clone(), runtime.handle().clone(), depth);
        let mut signals = Signals::new().map_err(TuiError::io("listen to signals"))?;
        let guard = Guard::take().map_err(TuiError::io("take the terminal"))?;
        listen(&engine, &teller).map_err(TuiError::io("start threads"))?;
        let screen = Screen::new(app.size);
        let mut interface = Interface {
            stop_process,
            app,
            performer,
            guard,
            screen,
            actions,
            events: EventStream::new().ready_chunks(MOST_ACTIONS),
        };
        interface.run(&mut signals).await.map_err(TuiError::io("use the terminal"))
    });
    // Threads that wait for a registry or a container are not waited for.
    runtime.shutdown_background();
    code
}

/// The wished theme, or the default and what is wrong with the wish.
fn theme(config: &Config, depth: ColorDepth) -> (Theme, Option<String>) {
    match Theme::load(Some(&config.theme), Some(&config.themes_folder), depth) {
        Ok(theme) => (theme, None),
        Err(error) => {
            let plain = Theme::load(None, None, depth).unwrap_or_default();
            (plain, Some(error.to_string()))
        }
    }
}

struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
    stop: Signal,
}

/// What a signal asks for.
enum Asked {
    /// An end, with this exit code.
    End(u8),
    Suspend,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(SignalKind::from_raw(TERMINAL_STOP))?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End(143),
            _ = self.hang_up.recv() => Asked::End(HUNG_UP),
            _ = self.interrupt.recv() => Asked::End(130),
            _ = self.stop.recv() => Asked::Suspend,
        }
    }
}

/// What the loop works with. The guard is dropped, and the terminal given back, before anything else can fail.
struct Interface {
    stop_process: fn() -> io::Result<()>,
    guard: Guard,
    app: App,
    performer: Performer,
    screen: Screen,
    actions: UnboundedReceiver<Action>,
    /// In chunks: a stream that is asked once more without a true waker would forget to wake.
    events: ReadyChunks<EventStream>,
}

/// What the loop does next.
enum Next {
    Go,
    End(u8),
}

impl Interface {
    async fn run(&mut self, signals: &mut Signals) -> io::Result<u8> {
        let mut drawn: Option<(Instant, Duration)> = None;
        let begun = Instant::now();
        let mut has_typed = false;
        loop {
            let due = match drawn {
                Some((last, _)) if has_typed => last + SHORT_FRAME,
                Some((last, pause)) => last + pause,
                None if self.app.data.containers.is_some() => begun,
                None => begun + FIRST_LIST,
            };
            tokio::select! {
                biased;
                asked = signals.next() => match asked {
                    Asked::End(code) => return Ok(code),
                    Asked::Suspend => self.suspend()?,
                },
                events = self.events.next() => {
                    let Some(events) = events else { return Ok(HUNG_UP) };
                    has_typed = true;
                    if let Next::End(code) = self.take_events(events)? {
                        return Ok(code);
                    }
                },
                action = self.actions.recv() => {
                    let Some(action) = action else { return Ok(0) };
                    if let Next::End(code) = self.take_actions(action)? {
                        return Ok(code);
                    }
                },
                () = tokio::time::sleep_until(due), if self.app.dirty => {}
            }
            if self.app.dirty && Instant::now() >= due {
                self.look_at_size()?;
                let wrote = self.screen.draw(&mut self.app, &mut io::stdout().lock())?;
                drawn = Some((Instant::now(), if wrote { FRAME } else { SHORT_FRAME }));
                has_typed = false;
            }
        }
    }

    /// Without a controlling terminal (`su user -c teu`) no signal tells of a new size, and a key may overtake the signal:
    /// so it is looked at before each frame and before keys are taken.
    fn look_at_size(&mut self) -> io::Result<()> {
        let Ok((columns, rows)) = crossterm::terminal::size() else { return Ok(()) };
        let size = Size { columns, rows };
        if size != self.app.size {
            self.handle(Action::Resize(size))?;
        }
        Ok(())
    }

    /// Handles all events that had come.
    fn take_events(&mut self, events: Vec<io::Result<Event>>) -> io::Result<Next> {
        self.look_at_size()?;
        for event in events {
            let action = match event {
                Ok(Event::Key(key)) => Action::Key(key),
                Ok(Event::Mouse(mouse)) => Action::Mouse(mouse),
                Ok(Event::Paste(text)) => Action::Paste(text),
                Ok(Event::Resize(columns, rows)) => Action::Resize(Size { columns, rows }),
                Ok(Event::FocusGained) => Action::Focus(true),
                Ok(Event::FocusLost) => Action::Focus(false),
                // The terminal is gone.
                Err(_) => return Ok(Next::End(HUNG_UP)),
            };
            if let Next::End(code) = self.handle(action)? {
                return Ok(Next::End(code));
            }
        }
        Ok(Next::Go)
    }

    /// Handles an action and those that wait behind it.
    fn take_actions(&mut self, first: Action) -> io::Result<Next> {
        let mut action = Some(first);
        for _ in 0..MOST_ACTIONS {
            let Some(taken) = action.take() else { break };
            if let Next::End(code) = self.handle(taken)? {
                return Ok(Next::End(code));
            }
            action = self.actions.try_recv().ok();
        }
        match action {
            Some(rest) => self.handle(rest),
            None => Ok(Next::Go),
        }
    }

    fn handle(&mut self, action: Action) -> io::Result<Next> {
        for effect in update(&mut self.app, action) {
            match effect {
                Effect::Quit => return Ok(Next::End(0)),
                Effect::Suspend => self.suspend()?,
                Effect::Redraw => self.screen.forget(),
                effect => self.performer.perform(effect),
            }
        }
        Ok(Next::Go)
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.guard.lend(self.stop_process)?;
        self.screen.forget();
        let (columns, rows) = crossterm::terminal::size()?;
        self.app.size = Size { columns, rows };
        self.app.dirty = true;
        Ok(())
    }
}
