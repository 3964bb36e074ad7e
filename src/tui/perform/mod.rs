//! Performs effects: engine calls on threads that may block, so that keys and drawing never wait. Answers come as actions.

mod browse;
mod copies;
mod files;
mod images;
mod listen;
mod network;
mod panes;
mod search;
mod transfers;
mod volumes;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;

use super::action::{Action, Problem, Told};
use super::effect::{Effect, Verb};
use super::network_deed::{NetworkDeed, NetworkTold};
use super::screens::layers::tree::Tree;
use super::shell::PaneId;
use super::theme::{ColorDepth, Theme};
use super::volume_deed::VolumeDeed;
use crate::config::Config;
use crate::engine::{Engine, EngineError};
use crate::model::{ErrorKind, FilePlace, Id, Name};

pub use listen::listen;

/// The way back to the loop. Telling never blocks, and does no harm when the loop has ended.
#[derive(Clone, Debug)]
pub struct Teller(pub UnboundedSender<Action>);

impl Teller {
    pub fn tell(&self, told: Told) {
        let _ = self.0.send(Action::Told(Box::new(told)));
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        Self { message: error.to_string(), hint: error.hint(), kind: error.kind() }
    }
}

/// Who performs effects. Holds what must be remembered to end something that was begun.
#[derive(Debug)]
pub struct Performer {
    engine: Engine,
    teller: Teller,
    runtime: Handle,
    panes: HashMap<PaneId, panes::Orders>,
    log: Option<listen::LogTask>,
    files: Option<browse::Browsing>,
    search: search::Search,
    transfers: transfers::Transfers,
    lists: Arc<Lists>,
    themes_folder: PathBuf,
    depth: ColorDepth,
}

/// Which lists are being made: 0 none, 1 one, 2 one and once more behind it.
#[derive(Debug, Default)]
struct Lists {
    containers: AtomicU8,
    images: AtomicU8,
    networks: AtomicU8,
    volumes: AtomicU8,
    volume_sizes: AtomicU8,
}

impl Performer {
    pub fn new(engine: Engine, config: &Config, teller: Teller, runtime: Handle, depth: ColorDepth) -> Self {
        Self {
            search: search::Search::new(engine.clone(), config, teller.clone(), runtime.clone()),
            transfers: transfers::Transfers::new(engine.clone(), teller.clone(), runtime.clone()),
            engine,
            teller,
            runtime,
            panes: HashMap::new(),
            log: None,
            files: None,
            lists: Arc::default(),
            themes_folder: config.themes_folder.clone(),
            depth,
        }
    }

    /// Runs a call of the engine on a thread that may block, and tells what it gives.
    fn ask(&self, call: impl FnOnce(&Engine) -> Told + Send + 'static) {
        let (engine, teller) = (self.engine.clone(), self.teller.clone());
        self.runtime.spawn_blocking(move || teller.tell(call(&engine)));
    }

    /// Performs one effect; quitting, suspending and redrawing are the loop's own.
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Quit | Effect::Suspend | Effect::Redraw => {}
            Effect::ListContainers => self.list(
                |lists| &lists.containers,
                |engine| engine.list(true).map_or_else(|error| Told::Problem(error.into()), Told::Containers),
            ),
            Effect::ListImages => self.list(
                |lists| &lists.images,
                |engine| engine.images().map_or_else(|error| Told::Problem(error.into()), Told::Images),
            ),
            Effect::ListSessions(id) => self.ask(move |engine| {
                // A container that has just ended has none; the list tells that it has ended.
                Told::Sessions(id.clone(), engine.sessions(id.as_str()).unwrap_or_default())
            }),
            Effect::Verb { id, name, verb } => self.ask(move |engine| {
                let result = perform_verb(engine, &id, &name, &verb).map_err(Problem::from);
                Told::VerbDone { id, result }
            }),
            Effect::Verbs { targets, verb } => self.all_at_once(targets, verb),
            Effect::RemoveImages { images, force } => {
                self.ask(move |engine| Told::ImagesDone(images::remove(engine, &images, force)));
            }
            Effect::Tag { image, name } => self.ask(move |engine| {
                let result = engine.image_tag(&image, &name).map_err(Problem::from);
                Told::ImagesDone(result.map(|()| format!("{image} is also {}", name.familiar())))
            }),
            Effect::PreviewPrune(wish) => self.ask(move |engine| {
                let result = engine.prune_preview(wish.scope, &images::filter(&wish)).map_err(Problem::from);
                Told::WouldPrune { wish, result }
            }),
            Effect::Prune(wish) => {
                self.ask(move |engine| Told::Pruned(images::prune(engine, &wish).map_err(Problem::from)));
            }
            Effect::CompletePath { text } => self.ask(move |_| {
                let (path, names) = files::complete(&text);
                Told::PathCompleted { typed: text, path, names }
            }),
            Effect::PreviewRemove { images } => self.ask(move |engine| {
                let result = images::would_free(engine, &images).map_err(Problem::from);
                Told::WouldFree { images, result }
            }),
            Effect::FillForm { image } => self.ask(move |engine| {
                let (name, command) = (engine.suggest_name(), engine.default_command(&image));
                let network = engine.default_network().to_owned();
                Told::FormFilled { image, name, command, network }
            }),
            Effect::Run { request, pane: None } => self.ask(move |engine| {
                let result = engine.run(&request, None).map(|started| Box::new(started.summary)).map_err(Problem::from);
                Told::Ran { pane: None, result }
            }),
            Effect::Run { request, pane: Some(wish) } => self.open(wish, panes::Wanted::Run(request)),
            Effect::StartInPane { id, pane } => self.open(pane, panes::Wanted::Start(id)),
            Effect::Attach { id, session, pane } => self.open(pane, panes::Wanted::Attach(id, session)),
            Effect::Exec { id, pane } => self.open(pane, panes::Wanted::Exec(id)),
            Effect::PaneWrite { pane, bytes } => self.order(pane, panes::Order::Write(bytes)),
            Effect::PaneResize { pane, size } => self.order(pane, panes::Order::Resize(size)),
            Effect::PaneClose { pane } => {
                self.order(pane, panes::Order::Close);
                self.panes.remove(&pane);
            }
            Effect::ListFiles { place, visit, path } => self.browse(&place, browse::Order::List { visit, path }),
            Effect::ReadFile { place, visit, path, offset } => {
                self.browse(&place, browse::Order::Read { visit, path, offset });
            }
            Effect::CloseFiles => self.files = None,
            Effect::Volume(VolumeDeed::List) => {
                self.list(|lists| &lists.volumes, |engine| volumes::perform(engine, VolumeDeed::List));
            }
            Effect::Volume(VolumeDeed::Measure) => {
                self.list(|lists| &lists.volume_sizes, |engine| volumes::perform(engine, VolumeDeed::Measure));
            }
            Effect::Volume(deed) => self.ask(move |engine| volumes::perform(engine, deed)),
            Effect::Inspect(id) => self.ask(move |engine| {
                let result = engine.inspect_with_size(id.as_str()).map(Box::new).map_err(Problem::from);
                Told::Inspected { id, result }
            }),
            Effect::Security(id) => self.ask(move |engine| {
                let result = engine.security(id.as_str()).map(Box::new).map_err(Problem::from);
                Told::Security { id, result }
            }),
            Effect::InspectImage(image) => self.ask(move |engine| {
                let result = engine.image_inspect(&image).map(Box::new).map_err(Problem::from);
                Told::ImageInspected { image, result }
            }),
            Effect::Diff(id) => self.ask(move |engine| {
                let result = engine.diff(id.as_str()).map_err(Problem::from);
                Told::Diffed { id, result }
            }),
            Effect::DiskUsage => {
                self.ask(|engine| Told::DiskUsage(engine.system_df().map(Box::new).map_err(Problem::from)));
            }
            Effect::ListStacks => self.ask(|engine| Told::Stacks(images::stacks(engine))),
            Effect::LoadLayer { image, layer } => self.ask(move |engine| {
                let contents = engine.layer_contents(&image, layer).map_err(Problem::from);
                Told::LayerLoaded { image, layer, result: contents.map(|contents| Box::new(Tree::new(&contents))) }
            }),
            Effect::OpenLog { view, id } => {
                self.log = Some(listen::LogTask::open(&self.runtime, &self.engine, &self.teller, view, id));
            }
            Effect::CloseLog => self.log = None,
            Effect::Search { search, query } => self.search.search(search, query),
            Effect::CancelSearch => self.search.cancel_search(),
            Effect::ListTags { request, repository, narrowed, limit } => {
                self.search.tags(request, repository, narrowed, limit);
            }
            Effect::ListPlatforms { request, reference } => self.search.platforms(request, reference),
            Effect::CancelDetails => self.search.cancel_details(),
            Effect::LookAtFiles(wish) => self.ask(move |_| Told::FilesLookedAt { result: copies::look(&wish), wish }),
            Effect::Transfer { id, wish } => self.transfers.start(id, wish),
            Effect::CancelTransfer { id } => self.transfers.cancel(id),
            Effect::Network(NetworkDeed::List) => self.list(
                |lists| &lists.networks,
                |engine| {
                    let result = engine.networks_overview().map_err(Problem::from);
                    Told::Network(NetworkTold::Networks(result))
                },
            ),
            Effect::Network(deed) => self.ask(move |engine| Told::Network(network::perform(engine, deed))),
            Effect::LoadTheme { after } => self.next_theme(&after),
        }
    }

    /// The same verb on each, all at a time: a stop may wait ten seconds for each.
    fn all_at_once(&self, targets: Vec<(Id, Name)>, verb: Verb) {
        let (engine, teller) = (self.engine.clone(), self.teller.clone());
        self.runtime.spawn(async move {
            let begin = |(id, name): (Id, Name)| {
                let (engine, teller, verb) = (engine.clone(), teller.clone(), verb.clone());
                tokio::task::spawn_blocking(move || {
                    let result = perform_verb(&engine, &id, &name, &verb).map(|_| ()).map_err(Problem::from);
                    teller.tell(Told::VerbPart(id));
                    (name, result)
                })
            };
            let tasks: Vec<_> = targets.into_iter().map(begin).collect();
            let mut results = Vec::with_capacity(tasks.len());
            for task in tasks {
                // A task that panicked has told it on its way.
                results.extend(task.await.ok());
            }
            teller.tell(Told::VerbsDone { done: verb.done(), results });
        });
    }

    /// Hands a question about files to the thread that answers for this place; another place's ends.
    fn browse(&mut self, place: &FilePlace, order: browse::Order) {
        if !self.files.as_ref().is_some_and(|files| files.is_of(place)) {
            match browse::Browsing::begin(&self.engine, &self.teller, place) {
                Ok(files) => self.files = Some(files),
                Err(error) => {
                    let message = format!("cannot start a thread: {error}");
                    let problem = Problem { message, hint: None, kind: ErrorKind::Other };
                    return self.teller.tell(Told::Problem(problem));
                }
            }
        }
        if let Some(files) = &self.files {
            files.order(order);
        }
    }

    fn order(&self, pane: PaneId, order: panes::Order) {
        if let Some(orders) = self.panes.get(&pane) {
            orders.give(order);
        }
    }

    fn open(&mut self, wish: super::effect::PaneWish, wanted: panes::Wanted) {
        let pane = wish.pane;
        self.panes.insert(pane, panes::open(&self.engine, &self.teller, wish, wanted));
    }

    /// Lists once, and once more if it was asked for meanwhile: a burst of changes never makes a queue of lists.
    fn list(&self, which: fn(&Lists) -> &AtomicU8, call: fn(&Engine) -> Told) {
        let (lists, engine, teller) = (Arc::clone(&self.lists), self.engine.clone(), self.teller.clone());
        if which(&lists).fetch_max(1, Ordering::SeqCst) > 0 {
            which(&lists).store(2, Ordering::SeqCst);
            return;
        }
        self.runtime.spawn_blocking(move || {
            loop {
                which(&lists).store(1, Ordering::SeqCst);
                teller.tell(call(&engine));
                if which(&lists).compare_exchange(1, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                    break;
                }
            }
        });
    }

    fn next_theme(&self, after: &str) {
        let names = Theme::names(Some(&self.themes_folder));
        let at = names.iter().position(|name| name == after).map_or(0, |at| at + 1);
        let Some(name) = names.get(at % names.len().max(1)) else { return };
        match Theme::load(Some(name), Some(&self.themes_folder), self.depth) {
            Ok(theme) => self.teller.tell(Told::ThemeLoaded(Box::new(theme))),
            Err(error) => {
                self.teller.tell(Told::Problem(Problem { message: error.to_string(), hint: None, kind: error.kind() }));
            }
        }
    }
}

/// Does what is asked; returns what to say when it is done.
fn perform_verb(engine: &Engine, id: &Id, name: &Name, verb: &Verb) -> Result<String, EngineError> {
    let target = id.as_str();
    Ok(match verb {
        Verb::Start => {
            engine.start(target, None)?;
            format!("{name} is running")
        }
        Verb::Stop => {
            engine.stop(target, None)?;
            format!("{name} is stopped")
        }
        Verb::Restart => {
            engine.restart(target, None)?;
            format!("{name} is running again")
        }
        Verb::Pause => {
            engine.pause(target)?;
            format!("{name} is paused")
        }
        Verb::Unpause => {
            engine.unpause(target)?;
            format!("{name} goes on")
        }
        Verb::Kill(signal) => {
            engine.kill(target, *signal)?;
            format!("{name} got {signal}")
        }
        Verb::Remove | Verb::RemoveByForce => {
            engine.remove(target, *verb == Verb::RemoveByForce)?;
            format!("{name} is removed")
        }
        Verb::Rename(new) => {
            engine.rename(target, new)?;
            format!("{name} is {new} now")
        }
        Verb::Update(request) => {
            engine.update(target, request)?;
            format!("the limits of {name} are changed")
        }
    })
}
