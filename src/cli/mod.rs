//! The command line: Docker's names, flags, columns and exit codes. Translates, never decides.

mod arguments;
mod attach;
mod commit;
mod completion;
mod copy;
mod detach;
mod diff;
mod export;
mod failure;
mod filter;
mod format;
mod help;
mod history;
mod image_inspect;
mod images;
mod import;
mod inspect;
mod isolation;
mod lifecycle;
mod limits;
mod list;
mod load;
mod login;
mod logs;
mod machine;
mod mounts;
mod naming;
mod network;
mod network_settings;
mod networking;
mod outlet;
mod output;
mod parse;
mod progress;
mod prune;
mod published;
mod pull;
mod push;
mod run;
mod save;
mod search;
mod security;
mod stats;
mod table;
mod template;
mod terminal;
mod transfer;
mod update;
mod usage;
mod volume;
mod wish;
mod wording;

use arguments::{Arguments, Command, ContainerCommand, ImageCommand, SystemCommand};
use failure::{Failure, Outcome};

use crate::config::Config;
use crate::engine::{Engine, EngineError, EngineOptions};

/// How a call of `teu` goes on after its command line was read.
#[derive(Clone, Debug)]
pub enum Ending {
    /// The command has been done: this is the exit code.
    Exit(u8),
    /// No command was given: the full-screen interface, with this engine and configuration.
    Interface(Engine, Box<Config>),
}

/// Reads this process's arguments and does what they say. All errors have been reported when it returns.
pub fn main() -> Ending {
    quiet_panics();
    match dispatch(std::env::args_os().collect()) {
        Ok(ending) => ending,
        Err(failure) => {
            failure.report();
            Ending::Exit(failure.exit_code)
        }
    }
}

/// A panic is a bug of teu's: one line for people, and where it was for us. RUST_BACKTRACE keeps its meaning.
fn quiet_panics() {
    if std::env::var_os("RUST_BACKTRACE").is_some() {
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line())).unwrap_or_default();
        let message = panic_text(panic.payload());
        Failure::new(format!("internal error at {place}: {message}"))
            .with_hint("this is a bug of teu's; RUST_BACKTRACE=1 shows more")
            .report();
    }));
}

/// What `panic!` was given: a text made beforehand, or one made then.
fn panic_text(payload: &dyn std::any::Any) -> &str {
    let made = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(made).unwrap_or("no message")
}

fn dispatch(words: Vec<std::ffi::OsString>) -> Result<Ending, Failure> {
    let Arguments { folders, command, .. } = match parse::parse(words)? {
        parse::Parsed::Arguments(arguments) => *arguments,
        parse::Parsed::Said => return Ok(Ending::Exit(0)),
    };
    // These need no folders, and so work where there can be none.
    match &command {
        Some(Command::Version(wish)) => return machine::version(wish).map(Ending::Exit),
        Some(Command::Completion(wish)) => return completion::completion(wish).map(Ending::Exit),
        _ => {}
    }
    let config = Config::load().map_err(EngineError::from)?;
    let options = EngineOptions {
        root: folders.root,
        runroot: folders.runroot,
        log: config.log,
        registries: config.registries.clone(),
        unpack: config.unpack,
        network: config.network.clone(),
        publish_address: config.publish_address,
    };
    let engine = Engine::open(options).map_err(|error| own_failure(error, command.as_ref()))?;
    match command {
        Some(command) => perform(&engine, &config, command.plain()).map(Ending::Exit),
        None => Ok(Ending::Interface(engine, Box::new(config))),
    }
}

/// A failure to open the engine: 125 for `run`, as for every failure of its own.
fn own_failure(error: EngineError, command: Option<&Command>) -> Failure {
    let failure = Failure::from(error);
    match command {
        Some(Command::Run(_)) => failure.with_exit_code(failure::OWN_FAILURE),
        _ => failure,
    }
}

fn perform(engine: &Engine, config: &Config, command: Command) -> Outcome {
    match command {
        Command::Run(wish) => run::run(engine, config, &wish),
        Command::Create(wish) => run::create(engine, &wish),
        Command::Start(wish) => run::start(engine, config, &wish),
        Command::Exec(wish) => run::exec(engine, config, &wish),
        Command::Attach(wish) => run::attach(engine, config, &wish),
        Command::Stop(wish) => lifecycle::stop(engine, &wish),
        Command::Restart(wish) => lifecycle::restart(engine, &wish),
        Command::Kill(wish) => lifecycle::kill(engine, &wish),
        Command::Pause(wish) => lifecycle::pause(engine, &wish),
        Command::Unpause(wish) => lifecycle::unpause(engine, &wish),
        Command::Wait(wish) => lifecycle::wait(engine, &wish),
        Command::Update(wish) => update::update(engine, &wish),
        Command::Rename(wish) => lifecycle::rename(engine, &wish),
        Command::Rm(wish) => lifecycle::remove(engine, &wish),
        Command::Ps(wish) => list::list(engine, &wish),
        Command::Logs(wish) => logs::logs(engine, &wish),
        Command::Stats(wish) => stats::stats(engine, &wish),
        Command::Top(wish) => stats::top(engine, &wish),
        Command::Commit(wish) => commit::commit(engine, &wish),
        Command::Cp(wish) => copy::copy(engine, &wish),
        Command::Diff(wish) => diff::diff(engine, &wish),
        Command::History(wish) => history::history(engine, &wish),
        Command::Inspect(wish) => inspect::inspect(engine, &wish),
        Command::Events(wish) => logs::events(engine, &wish),
        Command::Images(wish) => images::images(engine, &wish),
        Command::Pull(wish) => pull::pull(engine, &wish),
        Command::Push(wish) => push::push(engine, &wish),
        Command::Login(wish) => login::login(engine, &wish),
        Command::Logout(wish) => login::logout(engine, &wish),
        Command::Search(wish) => search::search(engine, config, &wish),
        Command::Import(wish) => import::import(engine, &wish),
        Command::Export(wish) => export::export(engine, &wish),
        Command::Load(wish) => load::load(engine, &wish),
        Command::Save(wish) => save::save(engine, &wish),
        Command::Rmi(wish) => images::remove(engine, &wish),
        Command::Info(wish) => machine::info(engine, &wish),
        Command::Version(wish) => machine::version(&wish),
        Command::Doctor(wish) => machine::doctor(engine, &wish),
        Command::Completion(wish) => completion::completion(&wish),
        Command::Network(wish) => network::network(engine, &wish),
        Command::Volume(wish) => volume::volume(engine, &wish),
        Command::Port(wish) => network::port(engine, &wish),
        Command::Tag(wish) => images::tag(engine, &wish),
        Command::Image(ImageCommand::Prune(wish)) => prune::images(engine, &wish),
        Command::Container(ContainerCommand::Prune(wish)) => prune::containers(engine, &wish),
        Command::System(SystemCommand::Prune(wish)) => prune::system(engine, &wish),
        Command::System(SystemCommand::Df(wish)) => usage::disk_free(engine, &wish),
        Command::System(SystemCommand::Check(wish)) => usage::check(engine, &wish),
        Command::Container(_) | Command::Image(_) | Command::System(_) => {
            Err(Failure::usage("a management command was not resolved"))
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let failure = Self::new(error.to_string());
        match error.hint() {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}
