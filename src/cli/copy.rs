//! `cp`: its two arguments, and how far it is.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use clap::Args;

use super::failure::{Failure, Outcome};
use super::wording::size;
use crate::engine::{CopyMeter, CopyOptions, CopySource, CopyTarget, Engine};
use crate::model::printable_line;

/// Copy files between a container and the machine.
///
/// CONTAINER:PATH is in a container, running or not, - is a tar archive on stdin or stdout, everything else a path here.
/// FOLDER/. means what is in the folder. A folder that is there is copied into, a missing one is made, if the one above
/// it is there.
#[derive(Args, Clone, Debug)]
pub struct Copy {
    /// Keep users and groups; otherwise copies are root's inside and yours outside
    #[arg(short, long)]
    archive: bool,
    /// If the source is a symlink, copy what it points to
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Say nothing when it went well
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "[CONTAINER:]SOURCE|-", allow_hyphen_values = true)]
    source: OsString,
    #[arg(value_name = "[CONTAINER:]DEST|-", allow_hyphen_values = true)]
    destination: OsString,
}

const BETWEEN_FRAMES: Duration = Duration::from_millis(100);

/// One side of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Side {
    Container(String, OsString),
    Here(PathBuf),
    Stream,
}

impl Side {
    /// A path that is absolute or begins with a dot is one of the machine, whatever colons are in it.
    fn of(text: &OsStr) -> Result<Self, Failure> {
        let bytes = text.as_bytes();
        if bytes == b"-" {
            return Ok(Self::Stream);
        }
        let colon = bytes.iter().position(|byte| *byte == b':');
        match colon {
            Some(colon) if !bytes.starts_with(b"/") && !bytes.starts_with(b".") => {
                let name = String::from_utf8_lossy(&bytes[..colon]).into_owned();
                let path = OsStr::from_bytes(&bytes[colon + 1..]).to_owned();
                if name.is_empty() {
                    return Err(Failure::usage("a container's name is missing before the colon"));
                }
                if path.is_empty() {
                    return Err(Failure::usage(format!("a path in the container is missing behind {name}:")));
                }
                Ok(Self::Container(name, path))
            }
            _ if bytes.is_empty() => Err(Failure::usage("a path must not be empty")),
            _ => Ok(Self::Here(PathBuf::from(text))),
        }
    }
}

pub fn copy(engine: &Engine, wish: &Copy) -> Outcome {
    let options = CopyOptions { archive: wish.archive, follow_link: wish.follow_link };
    let meter = Arc::new(CopyMeter::default());
    let (source, destination) = (Side::of(&wish.source)?, Side::of(&wish.destination)?);
    let to = printable_line(&wish.destination.to_string_lossy()).into_owned();
    match (source, destination) {
        (Side::Container(..), Side::Container(..)) => {
            Err(Failure::usage("copying between containers is not supported")
                .with_hint("teu cp ONE:PATH - | teu cp - OTHER:FOLDER"))
        }
        (Side::Container(name, path), to_here) => {
            let (target, quiet) = match to_here {
                Side::Stream if io::stdout().is_terminal() => {
                    return Err(Failure::new("stdout is a terminal, no tar can go to it")
                        .with_hint("send it to a file or a program: teu cp CONTAINER:PATH - | tar -t"));
                }
                Side::Stream => (CopyTarget::Archive(Box::new(io::stdout())), true),
                Side::Here(path) => (CopyTarget::Path(path), wish.quiet),
                Side::Container(..) => unreachable!("matched above"),
            };
            told(quiet, &meter, &to, || engine.copy_out(&name, &path, target, options, &meter))
        }
        (from_here, Side::Container(name, path)) => {
            let source = match from_here {
                Side::Stream if io::stdin().is_terminal() => {
                    return Err(Failure::new("stdin is a terminal, no tar can come from it")
                        .with_hint("pipe one in: tar -C FOLDER -c . | teu cp - CONTAINER:FOLDER"));
                }
                Side::Stream => CopySource::Archive(Box::new(io::stdin())),
                Side::Here(path) => CopySource::Path(path),
                Side::Container(..) => unreachable!("matched above"),
            };
            told(wish.quiet, &meter, &to, || engine.copy_in(source, &name, &path, options, &meter))
        }
        _ => Err(Failure::usage("one of the two must be in a container: CONTAINER:PATH")),
    }
}

/// Copies, and says how far it is where people look: on stderr, if that is a terminal.
fn told(quiet: bool, meter: &Arc<CopyMeter>, to: &str, copy: impl FnOnce() -> crate::engine::Result<()>) -> Outcome {
    let terminal = !quiet && io::stderr().is_terminal();
    let (done, ends) = mpsc::channel::<()>();
    let watched = Arc::clone(meter);
    let shower = terminal.then(|| thread::spawn(move || show_progress(&ends, &watched)));
    let copied = copy();
    drop(done);
    if let Some(shower) = shower {
        // It only draws: there is nothing to be told of its end.
        let _ = shower.join();
    }
    copied?;
    if !quiet {
        // Where nobody reads, nothing is said.
        let _ = writeln!(io::stderr(), "Successfully copied {} to {to}", size(meter.bytes()));
    }
    Ok(0)
}

fn show_progress(ends: &mpsc::Receiver<()>, meter: &CopyMeter) {
    let mut drawn = false;
    while ends.recv_timeout(BETWEEN_FRAMES) == Err(RecvTimeoutError::Timeout) {
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "\r\x1b[KCopying: {}", size(meter.bytes()));
        let _ = stderr.flush();
        drawn = true;
    }
    if drawn {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_told_apart_as_docker_does() {
        let container = |name: &str, path: &str| Side::Container(name.to_owned(), path.into());
        for (text, side) in [
            ("web:/etc/hosts", container("web", "/etc/hosts")),
            ("web:etc", container("web", "etc")),
            ("web:a:b", container("web", "a:b")),
            ("./a:b", Side::Here("./a:b".into())),
            ("/a:b", Side::Here("/a:b".into())),
            ("plain", Side::Here("plain".into())),
            ("-", Side::Stream),
        ] {
            assert_eq!(Side::of(OsStr::new(text)).expect(text), side, "{text}");
        }
        for text in ["", ":/x", "web:"] {
            assert!(Side::of(OsStr::new(text)).is_err(), "{text:?}");
        }
    }
}
