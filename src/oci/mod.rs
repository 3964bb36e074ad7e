//! The OCI runtime command line: `teu oci`, or `teu-oci` by a symlink, in the place of runc for engines such as podman,
//! containerd and Docker.
//!
//! A face like `cli`, but one thread only and no engine: each verb works on one folder of the state directory and on
//! [`crate::runtime`]. What lives on after `create` is the container's own process and files; no teu stays.

mod arguments;
mod bundle;
mod console;
mod create;
mod delete;
mod error;
mod events;
mod exec;
mod features;
mod folder;
mod foreground;
mod hooks;
mod kill;
mod list;
mod log;
mod parse;
mod pause;
mod ps;
mod record;
mod run;
mod seal;
mod spec;
mod start;
mod status;
mod update;

use std::ffi::OsString;
use std::path::Path;

use arguments::{Global, Verb};
use error::OciError;

/// What a verb needs that stands before it on the command line.
struct Context {
    root: folder::Root,
    global: Global,
}

type Result<T> = std::result::Result<T, OciError>;

/// Whether the program was called by the name of the runtime.
pub fn is_called_by_name(program: &Path) -> bool {
    program.file_name().is_some_and(|name| name == "teu-oci")
}

/// Does what the words after `teu oci` say, and gives the exit code. The process must have one thread.
pub fn main(words: &[OsString]) -> i32 {
    // Before anything else, as everything else is done again by the program that this one becomes.
    if words.iter().any(|word| arguments::ENTERING.iter().any(|verb| word == verb)) {
        seal::run_from_read_only_mount();
    }
    let parsed = match parse::parse(words) {
        Ok(parse::Parsed::Verb(global, verb)) => (*global, *verb),
        Ok(parse::Parsed::Said) => return 0,
        Err(refused) => {
            log::report(&Global::from_words(words), &refused.message);
            eprintln!("  {}", refused.hint);
            return 1;
        }
    };
    let (global, verb) = parsed;
    if let Err(error) = log::check(&global) {
        eprintln!("teu oci: {error}");
        return 1;
    }
    let failure = verb.failure_code();
    match perform(global.clone(), verb) {
        Ok(code) => code,
        Err(error) => {
            log::report(&global, &error.to_string());
            failure
        }
    }
}

fn perform(global: Global, verb: Verb) -> Result<i32> {
    let root = folder::Root::new(global.root.clone())?;
    let context = Context { root, global };
    match verb {
        Verb::Create(wish) => create::create(&context, &wish),
        Verb::Start(wish) => start::start(&context, &wish),
        Verb::Run(wish) => run::run(&context, &wish),
        Verb::Exec(wish) => exec::exec(&context, &wish),
        Verb::Kill(wish) => kill::kill(&context, &wish),
        Verb::Delete(wish) => delete::delete(&context, &wish),
        Verb::State(wish) => list::state(&context, &wish),
        Verb::List(wish) => list::list(&context, &wish),
        Verb::Ps(wish) => ps::ps(&context, &wish),
        Verb::Pause(wish) => pause::pause(&context, &wish),
        Verb::Resume(wish) => pause::resume(&context, &wish),
        Verb::Update(wish) => update::update(&context, &wish),
        Verb::Events(wish) => events::events(&context, &wish),
        Verb::Spec(wish) => spec::spec(&wish),
        Verb::Features(_) => features::features(),
    }
}
