//! From words to [`Arguments`], with clap's messages brought to teu's one line and hint.

use std::ffi::OsString;
use std::io::Write;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Args, Command, CommandFactory, FromArgMatches};

use super::arguments::{Arguments, Command as Verb, FolderFlags};
use super::failure::Failure;
use super::help::grouped;
use super::images::Images;
use super::inspect::Inspect;
use super::lifecycle::{Remove, Stop};
use super::list::List;
use super::run::{Create, Exec, Run, Start};

/// What the words came to.
pub enum Parsed {
    Arguments(Box<Arguments>),
    /// Help or the version was asked for, and has been printed.
    Said,
}

pub fn parse(words: Vec<OsString>) -> Result<Parsed, Failure> {
    if let Some(arguments) = parse_frequent(&words) {
        return Ok(Parsed::Arguments(Box::new(arguments)));
    }
    let mut grammar = grouped(with_long_help(Arguments::command()));
    if words.iter().any(|word| assigns_boolean(&word.to_string_lossy())) {
        grammar = with_boolean_values(grammar);
    }
    let parsed = grammar.try_get_matches_from_mut(&words).and_then(|matches| Arguments::from_arg_matches(&matches));
    match parsed {
        Ok(arguments) => Ok(Parsed::Arguments(Box::new(arguments))),
        Err(error) => refused(&error, &command_of(&grammar, &words)),
    }
}

/// Gives a command its flags.
type AddFlags = fn(Command) -> Command;

/// Commands that people and programs give again and again, and what their flags are.
const FREQUENT: [(&str, AddFlags); 9] = [
    ("run", |command| Run::augment_args(command.disable_help_flag(true))),
    ("create", |command| Create::augment_args(command.disable_help_flag(true))),
    ("exec", Exec::augment_args),
    ("start", Start::augment_args),
    ("stop", Stop::augment_args),
    ("rm", Remove::augment_args),
    ("ps", List::augment_args),
    ("inspect", Inspect::augment_args),
    ("images", Images::augment_args),
];

/// What a frequent command's words say, read with its own grammar alone: to make that of all commands takes a third of a
/// millisecond. None where that does not do, such as for help and mistakes: then the whole grammar says what there is to say.
fn parse_frequent(words: &[OsString]) -> Option<Arguments> {
    let first = words.get(1)?;
    let (name, flags) = FREQUENT.iter().find(|(name, _)| first == name)?;
    if words.iter().any(|word| assigns_boolean(&word.to_string_lossy())) {
        return None;
    }
    let teu = FolderFlags::augment_args(Command::new("teu"));
    let grammar = teu.subcommand(flags(Command::new(*name)));
    let matches = grammar.try_get_matches_from(words).ok()?;
    Some(Arguments::of(FolderFlags::from_arg_matches(&matches).ok()?, Verb::from_arg_matches(&matches).ok()?))
}

/// `-h` is the host name for `run` and `create`; their help has the long flag only.
fn with_long_help(grammar: Command) -> Command {
    let help = || Arg::new("help").long("help").help("Print help").action(ArgAction::Help);
    let both =
        |command: Command| command.mut_subcommand("run", |c| c.arg(help())).mut_subcommand("create", |c| c.arg(help()));
    both(grammar).mut_subcommand("container", both)
}

/// Whether a word is `--flag=true` or the like, which Docker takes for every flag.
fn assigns_boolean(word: &str) -> bool {
    word.starts_with('-') && word.split_once('=').is_some_and(|(_, value)| is_boolean(value))
}

fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "false" | "True" | "False" | "TRUE" | "FALSE" | "t" | "f" | "T" | "F" | "1" | "0")
}

/// The grammar with flags that may be given `=true` or `=false`. Only made when it is needed: the help stays short.
fn with_boolean_values(grammar: Command) -> Command {
    let flag = |argument: Arg| match argument.get_action() {
        ArgAction::SetTrue => argument
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .default_value("false")
            .value_parser(|text: &str| match text {
                _ if !is_boolean(text) => Err("write true or false"),
                _ => Ok(text.starts_with(['t', 'T', '1'])),
            }),
        _ => argument,
    };
    grammar.mut_args(flag).mut_subcommands(with_boolean_values)
}

/// Help and version are printed; everything else becomes a failure of one line and a hint.
fn refused(error: &clap::Error, command: &str) -> Result<Parsed, Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            match error.print().and_then(|()| std::io::stdout().flush()) {
                Ok(()) => Ok(Parsed::Said),
                Err(error) => Err(error.into()),
            }
        }
        _ => Err(failure(error, command)),
    }
}

fn failure(error: &clap::Error, command: &str) -> Failure {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let message = first.lines().map(str::trim).collect::<Vec<_>>().join(" ").replace("subcommand", "command");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    // clap would have an unknown flag passed behind `--`, which here helps nobody.
    let tip = text.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).find(|tip| !tip.starts_with("to pass"));
    let tip = tip.map(|tip| format!("{}; ", tip.replace("subcommand", "command"))).unwrap_or_default();
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    let usage = usage.map(|usage| format!("usage: {}, ", usage.trim())).unwrap_or_default();
    Failure::usage(message).with_hint(format!("{tip}{usage}see `{command} --help`"))
}

/// `teu container run` of the words: as far as they are commands.
fn command_of(grammar: &Command, words: &[OsString]) -> String {
    let mut path = String::from("teu");
    let mut at = grammar;
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        match at.find_subcommand(word) {
            Some(command) => {
                path = format!("{path} {}", command.get_name());
                at = command;
            }
            // Before the command may stand flags with their values.
            None if at.get_name() == "teu" => {}
            None => break,
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, Failure> {
        match parse(line.split_whitespace().map(OsString::from).collect())? {
            Parsed::Arguments(arguments) => Ok(*arguments),
            Parsed::Said => Err(Failure::silent(0)),
        }
    }

    #[test]
    fn grammar_is_sound() {
        grouped(with_long_help(Arguments::command())).debug_assert();
        with_boolean_values(grouped(with_long_help(Arguments::command()))).debug_assert();
    }

    #[test]
    fn frequent_commands_are_read_alike_by_the_whole_grammar() {
        let lines = [
            "teu run --root /a --rm -it -p 80:80 -v /a:/b -e A=b x y --root /b -h",
            "teu create --name n -h box x",
            "teu exec -it -u 1:2 x sh -c y",
            "teu start -a x",
            "teu stop -t 3 x y",
            "teu rm -f x",
            "teu ps -aq --filter name=x",
            "teu inspect --format {{.Id}} x",
            "teu images -a",
        ];
        for ((name, _), line) in FREQUENT.iter().zip(lines) {
            assert!(line.starts_with(&format!("teu {name}")), "{line} is not of {name}");
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let quick = parse_frequent(&words).unwrap_or_else(|| panic!("{line} is refused"));
            let matches = with_long_help(Arguments::command()).try_get_matches_from(&words).expect(line);
            let whole = Arguments::from_arg_matches(&matches).expect(line);
            assert_eq!(format!("{quick:?}"), format!("{whole:?}"), "{line}");
        }
        for line in ["teu run --help", "teu run", "teu ps --nope", "teu ps --all=true", "teu --root /a ps"] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert!(parse_frequent(&words).is_none(), "{line}");
        }
    }

    #[test]
    fn no_command_opens_the_interface() {
        assert!(parsed("teu").expect("parses").command.is_none());
        let arguments = parsed("teu --root /a --runroot=/b").expect("parses");
        assert_eq!((arguments.folders.root, arguments.folders.runroot), (Some("/a".into()), Some("/b".into())));
    }

    #[test]
    fn global_flags_stand_anywhere_before_the_image() {
        for line in ["teu --root /a ps", "teu ps --root /a", "teu run --root /a x", "teu --root /a run x --root /b"] {
            assert_eq!(parsed(line).expect(line).folders.root, Some("/a".into()), "{line}");
        }
    }

    #[test]
    fn management_forms_are_the_plain_commands() {
        for (long, short) in [
            ("teu container ls -a", "teu ps -a"),
            ("teu container ps", "teu ps"),
            ("teu container run -it x y -h", "teu run -it x y -h"),
            ("teu container rm -f x", "teu rm -f x"),
            ("teu image ls", "teu images"),
            ("teu image rm x", "teu rmi x"),
            ("teu image pull x", "teu pull x"),
            ("teu system info", "teu info"),
        ] {
            let plain = |line: &str| format!("{:?}", parsed(line).expect(line).command.map(Verb::plain));
            assert_eq!(plain(long), plain(short), "{long}");
        }
    }

    #[test]
    fn flags_may_be_given_true_or_false() {
        let interactive = |line: &str| format!("{:?}", parsed(line).expect(line).command);
        assert_eq!(interactive("teu run --rm=true -it x"), interactive("teu run --rm -it x"));
        assert_eq!(interactive("teu run --rm=false -i x --tty=true"), interactive("teu run -i x --tty=true"));
        assert!(parsed("teu ps --all=1 --no-trunc=f").is_ok());
        assert!(parsed("teu run --rm=perhaps x").is_err());
        assert!(parsed("teu run --sig-proxy=false x").is_ok());
    }

    #[test]
    fn wrong_command_lines_are_one_line_and_a_hint() {
        let lines = [
            "teu nope",
            "teu pss",
            "teu run",
            "teu run --nope x",
            "teu run --nam x y",
            "teu exec x",
            "teu rm",
            "teu kill -s NOPE x",
            "teu run --stop-timeout soon x",
            "teu inspect --type pot x",
            "teu logs --since yesterday x",
            "teu ps --format {{.Names",
            "teu ps extra",
            "teu container nope",
            "teu completion tcsh",
            "teu run --mac-address 2:42 x",
        ];
        let shown: Vec<String> = lines
            .iter()
            .map(|line| match parsed(line) {
                Ok(arguments) => format!("{line} => {:?}", arguments.command),
                Err(failure) => format!("$ {line}\n{failure}exit {}", failure.exit_code),
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n\n"));
    }

    #[test]
    fn help_of_run_leaves_h_to_the_host_name() {
        assert!(matches!(parsed("teu run --help"), Err(failure) if failure.exit_code == 0));
        assert!(parsed("teu run -h box x").is_ok());
    }
}
