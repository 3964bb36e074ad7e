//! The process that visits: `/proc/self/exe visit`, with the conversation on stdin and the data on stdout, whichever way it
//! flows. It has one thread, opens nothing of the machine once it stands in a container, and ends with the conversation.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::compare::compare;
use super::land::{LandError, land};
use super::list::{self, Lister};
use super::look::look;
use super::protocol::{Answer, Ask, Begin, Failure, Found, Kind, Line, Mounts};
use crate::engine::copy::extract::{ExtractError, Extractor};
use crate::image::pack::{self, PackError, PackOptions};
use crate::runtime::{self, RuntimeError};
use crate::sys::in_root::{self, FileSystem, Folder};
use crate::sys::program;

/// How much is handed to the pipe at once.
const CHUNK_BYTES: usize = 256 << 10;

/// The hidden verb `visit`. Call it while the process has one thread.
pub fn main() -> i32 {
    match begin() {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "teu visit: is started by teu itself, not by hand: {error}");
            125
        }
    }
}

fn begin() -> io::Result<i32> {
    rustix::net::sockopt::socket_type(rustix::stdio::stdin())?;
    program::close_from(3);
    let socket = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    let data = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    rustix::process::umask(rustix::fs::Mode::empty());
    let mut line = Line::over(socket)?;
    let Some(Begin { place }) = line.hear()? else { return Ok(0) };
    let mut failed = line.try_clone()?;
    match runtime::visit(&place, |root| serve(line, root, data)) {
        Ok(code) => Ok(code),
        Err(error) => {
            failed.say(&refusal(&error))?;
            Ok(125)
        }
    }
}

fn refusal(error: &RuntimeError) -> Answer {
    Answer::Failed { kind: Failure::Other, message: error.to_string() }
}

/// Answers until nobody asks any more.
fn serve(mut line: Line, root: OwnedFd, data: OwnedFd) -> i32 {
    let (root, data) = (Folder::from(root), Some(File::from(data)));
    let mut visitor = Visitor { root, data, lister: Lister::default(), behind: Vec::new() };
    if line.say(&Answer::Ready).is_err() {
        return 1;
    }
    loop {
        let answer = match line.hear() {
            Ok(Some(ask)) => visitor.answer(ask).unwrap_or_else(|failed| failed),
            Ok(None) => return 0,
            Err(_) => return 1,
        };
        // Who reads the data hears its end before the answer.
        let behind = std::mem::take(&mut visitor.behind);
        if line.say(&answer).and_then(|()| line.say_bytes(&behind)).is_err() {
            return 1;
        }
    }
}

struct Visitor {
    root: Folder,
    data: Option<File>,
    lister: Lister,
    /// Plain bytes that go behind the answer.
    behind: Vec<u8>,
}

impl Visitor {
    fn answer(&mut self, ask: Ask) -> Result<Answer, Answer> {
        match ask {
            Ask::Look { path, follow } => look(&self.root, &path, follow).map(Answer::Found).map_err(|e| failed(&e)),
            Ask::Pack { path, shown, mounts } => self.pack(&path, Path::new(OsStr::from_bytes(&shown)), mounts),
            Ask::Extract { folder, owners } => {
                let data = self.data.take().ok_or_else(used_up)?;
                let extractor = Extractor::in_root(&self.root, &folder, owners).map_err(|error| refused(&error))?;
                extractor.extract(data).map(|_| Answer::Done).map_err(|error| refused(&error))
            }
            Ask::Fill { folder, owners, like } => {
                let data = self.data.take().ok_or_else(used_up)?;
                let folder = Folder::open(&folder).map_err(|error| failed(&error))?;
                let like = like.as_deref().map(Folder::open).transpose().map_err(|error| failed(&error))?;
                let mut extractor = Extractor::in_folder(&folder, owners).with_itself();
                if let Some(like) = &like {
                    extractor = extractor.alike(like).map_err(|error| refused(&error))?;
                }
                extractor.extract(data).map(|_| Answer::Done).map_err(|error| refused(&error))
            }
            Ask::Land { from, into } => {
                let open = |path: &Path| Folder::open(path).map_err(|error| failed(&error));
                let landed = land(&open(&from)?, &open(&into)?);
                landed.map(|()| Answer::Done).map_err(|error| {
                    let kind =
                        if matches!(error, LandError::Refused { .. }) { Failure::Refused } else { Failure::Other };
                    Answer::Failed { kind, message: error.to_string() }
                })
            }
            Ask::Layer { upper } => {
                let out = self.out()?;
                let folder = Folder::open(&upper).map_err(|error| failed(&error))?;
                written(pack::upper(&folder, &PackOptions::default(), out))
            }
            Ask::Enter { folder } => {
                self.root = Folder::open_place(&folder).map_err(|error| failed(&error))?;
                Ok(Answer::Done)
            }
            Ask::List { path, from, most } => {
                self.lister.list(&self.root, &path, from, most).map(Answer::Page).map_err(|error| failed(&error))
            }
            Ask::Read { path, offset, most } => {
                let part = list::read(&self.root, &path, offset, most).map_err(|error| failed(&error))?;
                self.behind = part.bytes;
                let count = self.behind.len() as u64;
                Ok(Answer::Part { path: part.path.into_vec(), size_bytes: part.size_bytes, count })
            }
            Ask::Compare { upper, lower } => {
                compare(&upper, &lower).map(Answer::Changes).map_err(|error| failed(&error))
            }
        }
    }

    fn pack(&mut self, path: &[u8], shown: &Path, mounts: Mounts) -> Result<Answer, Answer> {
        let out = self.out()?;
        let options = PackOptions {
            leave_mounts: mounts != Mounts::Followed,
            keep_overlays: mounts == Mounts::OverlaysOnly,
            leave_kernel: true,
            devices: true,
            ..PackOptions::default()
        };
        let found = look(&self.root, path, false).map_err(|error| failed(&error))?;
        if found.kind == Kind::Missing {
            return Err(failed(&io::ErrorKind::NotFound.into()));
        }
        if shown == Path::new(".") {
            let folder = self.root.resolve(OsStr::from_bytes(&found.path)).map_err(|error| failed(&error))?;
            return written(pack::tree(&folder, &options, out));
        }
        let (parent, name) = split(&found);
        let folder = self.root.resolve(parent).map_err(|error| failed(&error))?;
        if found.kind == Kind::File && in_root::file_system_of(&folder).is_ok_and(|it| it == FileSystem::Kernel) {
            let message = "the kernel makes what is in this file when a program reads it, so it cannot be copied: \
                           `teu exec` with `cat` reads it";
            return Err(Answer::Failed { kind: Failure::Refused, message: message.to_owned() });
        }
        written(pack::entry(&folder, name, shown, &options, out))
    }

    fn out(&mut self) -> Result<BufWriter<File>, Answer> {
        Ok(BufWriter::with_capacity(CHUNK_BYTES, self.data.take().ok_or_else(used_up)?))
    }
}

fn split(found: &Found) -> (&OsStr, &OsStr) {
    let at = found.path.iter().rposition(|byte| *byte == b'/');
    let (parent, name) = at.map_or((&b""[..], &found.path[..]), |at| (&found.path[..at], &found.path[at + 1..]));
    (OsStr::from_bytes(parent), OsStr::from_bytes(name))
}

/// The pipe is closed before the answer is given, and everything in it.
fn written(packed: Result<BufWriter<File>, PackError>) -> Result<Answer, Answer> {
    let flushed = packed.and_then(|mut out| out.flush().map_err(PackError::Write));
    flushed.map(|()| Answer::Done).map_err(|error| {
        let kind = match &error {
            PackError::Refused { .. } => Failure::Refused,
            PackError::Write(source) if source.kind() == io::ErrorKind::BrokenPipe => Failure::Pipe,
            _ => Failure::Other,
        };
        Answer::Failed { kind, message: error.to_string() }
    })
}

fn failed(error: &io::Error) -> Answer {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => Failure::NotFound,
        _ => Failure::Other,
    };
    Answer::Failed { kind, message: error.to_string() }
}

fn refused(error: &ExtractError) -> Answer {
    let kind = if matches!(error, ExtractError::Refused { .. }) { Failure::Refused } else { Failure::Other };
    Answer::Failed { kind, message: error.to_string() }
}

fn used_up() -> Answer {
    Answer::Failed { kind: Failure::Other, message: "the data has flowed already".to_owned() }
}
