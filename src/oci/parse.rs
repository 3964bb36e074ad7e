//! From words to a verb. Only the grammar of the verb that is called is made: engines call often.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::arguments::{self, Global, Verb};
use super::features::SPEC_VERSION;

/// What the words came to.
pub enum Parsed {
    Verb(Box<Global>, Box<Verb>),
    /// Help or the version was asked for, and has been printed.
    Said,
}

/// Words that are no command.
pub struct Refused {
    pub message: String,
    pub hint: String,
}

/// Verbs with what they do, in the order of a container's life.
const VERBS: [(&str, &str); 15] = [
    ("create", "Make a container from a bundle, up to just before its command"),
    ("start", "Let a created container's command run"),
    ("run", "Create, start, wait and delete"),
    ("exec", "Run one more process in a container"),
    ("kill", "Send a signal to a container"),
    ("delete", "Remove a stopped container"),
    ("state", "Print a container's state"),
    ("list", "List containers"),
    ("ps", "List a container's processes"),
    ("pause", "Stop all processes of a container where they stand"),
    ("resume", "Let a paused container go on"),
    ("update", "Change a container's limits"),
    ("events", "Print statistics and out-of-memory events"),
    ("spec", "Write a config.json to begin with"),
    ("features", "Print what this runtime can do"),
];

/// Options before the verb that take a value as a word of its own.
const WITH_VALUE: [&str; 6] = ["--root", "--log", "--log-format", "--cgroup-manager", "--rootless", "--criu"];

pub fn parse(words: &[OsString]) -> Result<Parsed, Refused> {
    let verb = verb_of(words);
    if words
        .iter()
        .take_while(|word| verb.is_none_or(|(name, _)| *word != name))
        .any(|word| word == "-v" || word == "--version")
    {
        print!("{}", version());
        return Ok(Parsed::Said);
    }
    let mut grammar = grammar(verb.map(|(name, _)| name));
    let all = std::iter::once(OsString::from("teu oci")).chain(words.iter().cloned());
    let matches = match grammar.try_get_matches_from_mut(all) {
        Ok(matches) => matches,
        Err(error) => return refused(&error),
    };
    let unfit = |error: clap::Error| Refused { message: error.to_string(), hint: hint_of(None) };
    let global = Global::from_arg_matches(&matches).map_err(unfit)?;
    let (name, own) =
        matches.subcommand().ok_or_else(|| Refused { message: "no command".to_owned(), hint: hint_of(None) })?;
    let verb = verb_from(name, own).map_err(unfit)?;
    Ok(Parsed::Verb(Box::new(global), Box::new(verb)))
}

/// The version as engines read it: podman and dockerd look for these words.
fn version() -> String {
    format!("teu-oci version {0}\ncommit: {0}\nspec: {SPEC_VERSION}\n", env!("CARGO_PKG_VERSION"))
}

/// The first word that is neither an option nor an option's value, if it is a verb.
fn verb_of(words: &[OsString]) -> Option<(&'static str, &'static str)> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let word = word.to_str()?;
        if WITH_VALUE.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            return VERBS.iter().copied().find(|(name, _)| *name == word);
        }
    }
    None
}

/// The grammar with one verb's arguments, or with none of any.
fn grammar(verb: Option<&str>) -> Command {
    let mut grammar = Command::new("teu oci")
        .bin_name("teu oci")
        .about("An OCI runtime: runc's commands for podman, containerd, Docker and Kubernetes nodes")
        .disable_help_subcommand(true)
        // The last one counts, as in runc.
        .args_override_self(true)
        .subcommand_required(true)
        .arg_required_else_help(true);
    grammar = Global::augment_args(grammar);
    for (name, about) in VERBS {
        match verb {
            None => grammar = grammar.subcommand(Command::new(name).about(about)),
            Some(verb) if verb == name => grammar = grammar.subcommand(with_arguments(Command::new(name).about(about))),
            Some(_) => {}
        }
    }
    grammar
}

fn with_arguments(command: Command) -> Command {
    match command.get_name() {
        "create" => arguments::Create::augment_args(command),
        "run" => arguments::Run::augment_args(command),
        "exec" => arguments::Exec::augment_args(command),
        "kill" => arguments::Kill::augment_args(command),
        "delete" => arguments::Delete::augment_args(command),
        "list" => arguments::List::augment_args(command),
        "ps" => arguments::Ps::augment_args(command),
        "update" => arguments::Update::augment_args(command),
        "events" => arguments::Events::augment_args(command),
        "spec" => arguments::Spec::augment_args(command),
        "features" => command,
        _ => arguments::One::augment_args(command),
    }
}

fn verb_from(name: &str, own: &ArgMatches) -> Result<Verb, clap::Error> {
    Ok(match name {
        "create" => Verb::Create(FromArgMatches::from_arg_matches(own)?),
        "start" => Verb::Start(FromArgMatches::from_arg_matches(own)?),
        "run" => Verb::Run(FromArgMatches::from_arg_matches(own)?),
        "exec" => Verb::Exec(FromArgMatches::from_arg_matches(own)?),
        "kill" => Verb::Kill(FromArgMatches::from_arg_matches(own)?),
        "delete" => Verb::Delete(FromArgMatches::from_arg_matches(own)?),
        "state" => Verb::State(FromArgMatches::from_arg_matches(own)?),
        "list" => Verb::List(FromArgMatches::from_arg_matches(own)?),
        "ps" => Verb::Ps(FromArgMatches::from_arg_matches(own)?),
        "pause" => Verb::Pause(FromArgMatches::from_arg_matches(own)?),
        "resume" => Verb::Resume(FromArgMatches::from_arg_matches(own)?),
        "update" => Verb::Update(FromArgMatches::from_arg_matches(own)?),
        "events" => Verb::Events(FromArgMatches::from_arg_matches(own)?),
        "spec" => Verb::Spec(FromArgMatches::from_arg_matches(own)?),
        _ => Verb::Features(arguments::Features {}),
    })
}

/// Help is printed; everything else is one line and a hint.
fn refused(error: &clap::Error) -> Result<Parsed, Refused> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand) {
        // Where help can't be printed there is nobody to tell.
        let _ = error.print();
        return match error.kind() {
            ErrorKind::DisplayHelp => Ok(Parsed::Said),
            _ => Err(Refused { message: "no command".to_owned(), hint: hint_of(None) }),
        };
    }
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let message = first.lines().map(str::trim).collect::<Vec<_>>().join(" ").replace("subcommand", "command");
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: ")).map(str::trim);
    Err(Refused { message: message.strip_prefix("error: ").unwrap_or(&message).to_owned(), hint: hint_of(usage) })
}

fn hint_of(usage: Option<&str>) -> String {
    match usage {
        Some(usage) => format!("usage: {usage}, see `teu oci --help`"),
        None => "see `teu oci --help`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verb(line: &str) -> Result<Verb, String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match parse(&words) {
            Ok(Parsed::Verb(_, verb)) => Ok(*verb),
            Ok(Parsed::Said) => Err("said".to_owned()),
            Err(refused) => Err(refused.message),
        }
    }

    #[test]
    fn every_verb_with_arguments_is_well_formed() {
        for (name, _) in VERBS {
            grammar(Some(name)).debug_assert();
        }
        grammar(None).debug_assert();
    }

    #[test]
    fn the_words_that_engines_use_are_understood() {
        let line = "--root /r --log /l --log-format json --systemd-cgroup create --bundle /b --pid-file /p --console-socket /c --no-pivot --no-new-keyring --preserve-fds 2 x";
        let Ok(Verb::Create(create)) = verb(line) else { panic!("create: {:?}", verb(line)) };
        assert_eq!((create.id.as_str(), create.preserve_fds, create.no_pivot), ("x", 2, true));
        let Ok(Verb::Exec(exec)) = verb("exec --process /p --detach --pid-file /f x") else { panic!("exec") };
        assert!(exec.detach && exec.command.is_empty());
        let Ok(Verb::Exec(exec)) = verb("exec -t -e A=b x sh -c -e --detach") else { panic!("exec") };
        assert_eq!(exec.command, ["sh", "-c", "-e", "--detach"]);
        assert!(!exec.detach && exec.tty);
        let Ok(Verb::Kill(kill)) = verb("kill --all x 9") else { panic!("kill") };
        assert!(kill.all && kill.signal == "9");
        let Ok(Verb::Ps(ps)) = verb("ps --format json x") else { panic!("ps") };
        assert_eq!(ps.format, arguments::Format::Json);
        let Ok(Verb::Ps(ps)) = verb("ps x -o pid,args") else { panic!("ps") };
        assert_eq!(ps.options, ["-o", "pid,args"]);
        let Ok(Verb::Update(update)) = verb("update --memory -1 --cpu-quota -1 --pids-limit 7 x") else {
            panic!("update")
        };
        assert_eq!((update.memory.as_deref(), update.cpu_quota, update.pids_limit), (Some("-1"), Some(-1), Some(7)));
        assert!(matches!(verb("--rootless true list -q"), Ok(Verb::List(list)) if list.quiet));
    }

    #[test]
    fn a_containers_name_may_be_a_verbs() {
        assert!(matches!(verb("state run"), Ok(Verb::State(one)) if one.id == "run"));
        assert!(matches!(verb("--root list state x"), Ok(Verb::State(one)) if one.id == "x"));
        assert!(matches!(verb("--root /a --root /b state x"), Ok(Verb::State(one)) if one.id == "x"));
        assert!(matches!(verb("exec -d -d x true"), Ok(Verb::Exec(exec)) if exec.detach));
    }

    #[test]
    fn wrong_words_are_named() {
        assert!(verb("fly x").is_err_and(|message| message.contains("fly")));
        assert!(verb("state").is_err_and(|message| message.contains("CONTAINER")));
        assert!(verb("list -f yaml").is_err_and(|message| message.contains("yaml")));
        assert!(verb("create --preserve-fds x y").is_err_and(|message| message.contains("--preserve-fds")));
    }
}
