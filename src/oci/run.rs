//! `run`: create and start in one, and as a rule wait for the end and delete.

use std::os::fd::OwnedFd;

use super::arguments::Run;
use super::bundle::Bundle;
use super::console::Terminal;
use super::create::{self, Born};
use super::{Context, Result, delete, foreground, hooks, log};
use crate::runtime;

pub fn run(context: &Context, wish: &Run) -> Result<i32> {
    let bundle = Bundle::read(&wish.create.bundle)?;
    let socket = wish.create.console_socket.as_deref();
    let terminal = Terminal::of(bundle.spec.process().as_ref(), socket, wish.detach)?;
    // Before there is a child, so that no signal ends this process between the start and the wait.
    let signals = if wish.detach { None } else { Some(foreground::hold_signals()?) };
    let born = create::give_birth(context, &wish.create, &bundle, terminal)?;
    let folder = born.folder.clone();
    let begun = begin(context, wish, &bundle, born);
    let (pidfd, master) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            create::undo(context, &folder);
            return Err(error);
        }
    };
    let Some(signals) = signals else { return Ok(0) };
    let code = foreground::wait(&pidfd, &signals, master);
    if !wish.keep
        && let Err(error) = delete::destroy(context, &folder)
    {
        log::warn(&context.global, &error.to_string());
    }
    code
}

/// Lets the command run. The process and, for this process to serve, its terminal.
fn begin(context: &Context, wish: &Run, bundle: &Bundle, born: Born) -> Result<(OwnedFd, Option<OwnedFd>)> {
    let Born { folder, init, pidfd, held, master } = born;
    create::write_pid_file(wish.create.pid_file.as_deref(), init.pid)?;
    let hooks = bundle.spec.hooks().as_ref();
    let has_start_hooks =
        hooks.is_some_and(|hooks| hooks.start_container().as_ref().is_some_and(|list| !list.is_empty()));
    if has_start_hooks {
        // They may ask for the container's state, which is told by what the waiting process holds.
        held.announce(&folder.path)?;
        folder.mark_started()?;
        runtime::release(&folder.path)?;
    } else {
        folder.mark_started()?;
        held.release()?;
    }
    hooks::poststart(context, &folder, &folder.read()?);
    Ok((pidfd, master))
}
