//! `run`, `create`, `start`, `attach`, `exec`: the commands that may join the user's terminal to a process.

use clap::Args;

use super::attach::{Joining, exit_code, join};
use super::detach;
use super::failure::{Failure, Outcome};
use super::lifecycle::each;
use super::pull;
use super::terminal::Signals;
use super::wish::{Wish, environment};
use crate::config::Config;
use crate::engine::{Attachment, Engine, EngineError, ExecWish};
use crate::model::{CreateRequest, ErrorKind, PullPolicy, Reference, SessionId};

/// Create and run a new container from an image.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// Run in the background and print the id
    #[arg(short, long)]
    detach: bool,
    /// Pass signals on to the process, where it has no terminal
    #[arg(long, value_name = "BOOLEAN", default_value_t = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set, hide_possible_values = true)]
    sig_proxy: bool,
    #[command(flatten)]
    wish: Wish,
}

/// Create a new container without starting it.
#[derive(Args, Clone, Debug)]
pub struct Create {
    #[command(flatten)]
    wish: Wish,
}

/// Start stopped containers.
#[derive(Args, Clone, Debug)]
pub struct Start {
    /// Attach to its output and pass signals on
    #[arg(short, long)]
    attach: bool,
    /// Attach to its input too
    #[arg(short, long)]
    interactive: bool,
    /// Keys that detach, such as ctrl-p,ctrl-q
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Start those that ran when the machine went down, as their restart policies say
    #[arg(long, conflicts_with_all = ["attach", "interactive"])]
    lost: bool,
    #[arg(required_unless_present = "lost", conflicts_with = "lost", value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Attach to a running container.
#[derive(Args, Clone, Debug)]
pub struct Attach {
    /// Do not attach to its input
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals on to the process, where it has no terminal
    #[arg(long, value_name = "BOOLEAN", default_value_t = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set, hide_possible_values = true)]
    sig_proxy: bool,
    /// Keys that detach, such as ctrl-p,ctrl-q
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// An exec session instead of the main process: a number that `teu inspect` shows
    #[arg(long, value_name = "NUMBER", default_value_t = SessionId::MAIN, hide_default_value = true)]
    session: SessionId,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// Run a command in a running container.
#[derive(Args, Clone, Debug)]
pub struct Exec {
    /// Run in the background
    #[arg(short, long)]
    detach: bool,
    /// Keep stdin open
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Set an environment variable; without = the value of here
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<std::path::PathBuf>,
    /// Working folder inside the container
    #[arg(short, long, value_name = "FOLDER")]
    workdir: Option<String>,
    /// User, and group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Keys that detach, such as ctrl-p,ctrl-q
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// The container, then the command and its arguments
    #[arg(required = true, trailing_var_arg = true, num_args = 2.., value_names = ["CONTAINER", "COMMAND"])]
    words: Vec<String>,
}

pub fn run(engine: &Engine, config: &Config, wish: &Run) -> Outcome {
    let request = wish.wish.request().map_err(own)?;
    if wish.detach {
        let started = fetching(engine, &request, wish.wish.quiet, || engine.run(&request, None)).map_err(own)?;
        println_id(started.summary.id.as_str())?;
        return Ok(0);
    }
    let joining = Joining {
        stdin: wish.wish.interactive,
        tty: wish.wish.tty,
        proxy: wish.sig_proxy,
        replay: false,
        keys: keys(config, wish.wish.detach_keys.as_deref()).map_err(own)?,
    };
    joining.check()?;
    let mut signals = catch()?;
    let run = || engine.run(&request, Some(joining.options()));
    let started = fetching(engine, &request, wish.wish.quiet, run).map_err(own)?;
    exit_code(join(attached(started.attachment)?, &joining, &mut signals)?)
}

pub fn create(engine: &Engine, wish: &Create) -> Outcome {
    let request = wish.wish.request()?;
    // Docker's 125 is `run`'s own; `create` fails with 1.
    let created = fetching(engine, &request, wish.wish.quiet, || engine.create(&request))
        .map_err(|failure| failure.with_exit_code(1))?;
    println_id(created.id.as_str())?;
    Ok(0)
}

pub fn start(engine: &Engine, config: &Config, wish: &Start) -> Outcome {
    let start_one = |target: &str| {
        engine.start(target, None)?;
        Ok(())
    };
    if wish.lost {
        let lost: Vec<String> = engine.lost()?.iter().map(|container| container.name.to_string()).collect();
        return each(&lost, start_one);
    }
    if !wish.attach && !wish.interactive {
        return each(&wish.containers, start_one);
    }
    let [target] = wish.containers.as_slice() else {
        return Err(Failure::usage("you can attach to one container only"));
    };
    let record = engine.find(target)?;
    let joining = Joining {
        stdin: wish.interactive && record.config.stdin_open,
        tty: record.config.tty,
        proxy: true,
        replay: false,
        keys: keys(config, wish.detach_keys.as_deref().or(record.config.detach_keys.as_deref()))?,
    };
    joining.check()?;
    let mut signals = catch()?;
    let started = engine.start(target, Some(joining.options())).map_err(|error| {
        let code = error.kind().run_exit_code();
        // Docker's `start` fails with 1 unless the command itself is at fault.
        Failure::from(error).with_exit_code(if code == 125 { 1 } else { code as u8 })
    })?;
    exit_code(join(attached(started.attachment)?, &joining, &mut signals)?)
}

pub fn attach(engine: &Engine, config: &Config, wish: &Attach) -> Outcome {
    let record = engine.find(&wish.container)?;
    let tty = match wish.session {
        SessionId::MAIN => record.config.tty,
        session => {
            let sessions = engine.sessions(&wish.container)?;
            let found = sessions.iter().find(|known| known.id == session);
            found
                .ok_or_else(|| {
                    Failure::new(format!("container {} has no session {session}", record.name))
                        .with_hint(format!("`teu inspect {}` shows its sessions", record.name))
                })?
                .tty
        }
    };
    let joining = Joining {
        stdin: !wish.no_stdin && (record.config.stdin_open || wish.session != SessionId::MAIN),
        tty,
        proxy: wish.sig_proxy,
        replay: true,
        keys: keys(config, wish.detach_keys.as_deref().or(record.config.detach_keys.as_deref()))?,
    };
    joining.check()?;
    let mut signals = catch()?;
    let attachment = engine.attach(&wish.container, wish.session, &joining.options())?;
    exit_code(join(attachment, &joining, &mut signals)?)
}

pub fn exec(engine: &Engine, config: &Config, wish: &Exec) -> Outcome {
    let (target, command) = wish.words.split_first().ok_or_else(|| Failure::usage("no container is given"))?;
    if command.is_empty() {
        return Err(Failure::usage("no command is given"));
    }
    let joining = Joining {
        stdin: wish.interactive,
        tty: wish.tty,
        proxy: true,
        replay: false,
        keys: keys(config, wish.detach_keys.as_deref())?,
    };
    if !wish.detach {
        joining.check()?;
    }
    let mut env = super::wish::environment_files(&wish.env_file)?;
    for text in &wish.env {
        env.extend(environment(text)?);
    }
    let options = joining.options();
    let request = ExecWish {
        command: command.to_vec(),
        env,
        workdir: wish.workdir.clone(),
        user: wish.user.clone(),
        tty: wish.tty,
        stdin: wish.interactive,
        detach: wish.detach,
        size: options.size,
    };
    let failed = |error: EngineError| match error.kind() {
        kind @ (ErrorKind::CommandNotFound | ErrorKind::CommandNotExecutable) => {
            let code = kind.run_exit_code() as u8;
            Failure::from(error).with_exit_code(code)
        }
        _ => Failure::from(error),
    };
    if wish.detach {
        engine.exec(target, &request, None).map_err(failed)?;
        return Ok(0);
    }
    let mut signals = catch()?;
    let started = engine.exec(target, &request, Some(options)).map_err(failed)?;
    exit_code(join(attached(started.attachment)?, &joining, &mut signals)?)
}

/// Does `verb`, after a pull where the image is missing or is always to be fetched.
fn fetching<T>(
    engine: &Engine,
    request: &CreateRequest,
    quiet: bool,
    verb: impl Fn() -> crate::engine::Result<T>,
) -> Result<T, Failure> {
    let asked = request.network.is_some() || !request.networks.is_empty() || !request.ports.is_empty();
    if let Some(lack) = engine.network_lack().filter(|_| !quiet && !asked) {
        eprintln!("the container has no network, since {lack}; --network none says that this is meant");
    }
    let progress = if quiet { pull::Progress::Silent } else { pull::Progress::Stderr };
    if request.pull == PullPolicy::Always && request.image != crate::model::HOST_IMAGE {
        pull::fetch(engine, &request.image, None, progress)?;
    }
    match verb() {
        Err(EngineError::NoSuchImage { .. }) if request.pull == PullPolicy::Missing => {
            if !quiet {
                let image = request.image.parse().map_or(request.image.clone(), |image: Reference| image.familiar());
                eprintln!("Unable to find image '{}' locally", crate::model::printable_line(&image));
            }
            pull::fetch(engine, &request.image, None, progress)?;
            verb()
        }
        result => result,
    }
    .map_err(|error| {
        let code = error.kind().run_exit_code() as u8;
        Failure::from(error).with_exit_code(code)
    })
}

/// A failure of `run` itself: 125 where it says no more than 1.
fn own(failure: Failure) -> Failure {
    let code = if failure.exit_code == 1 { super::failure::OWN_FAILURE } else { failure.exit_code };
    failure.with_exit_code(code)
}

fn catch() -> Result<Signals, Failure> {
    Signals::catch().map_err(|error| Failure::new(format!("signalfd: {error}")))
}

fn attached(attachment: Option<Attachment>) -> Result<Attachment, Failure> {
    attachment.ok_or_else(|| Failure::new("the container's monitor gave no attachment"))
}

/// The flag's keys, else the configuration's.
fn keys(config: &Config, flag: Option<&str>) -> Result<detach::DetachKeys, Failure> {
    flag.unwrap_or(&config.detach_keys)
        .parse()
        .map_err(|error: detach::ParseKeysError| Failure::usage(error.to_string()))
}

fn println_id(id: &str) -> Result<(), Failure> {
    use std::io::Write;
    writeln!(std::io::stdout().lock(), "{id}").map_err(Failure::from)
}
