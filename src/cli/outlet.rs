//! Where an archive goes: stdout, if that is no terminal, or a file that is whole or not there.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::engine::PendingFile;

pub enum Outlet {
    /// Stdout, or something that is no file: a device, a pipe.
    Stream(File),
    File(PathBuf, PendingFile),
}

impl Outlet {
    /// Opens `path`, or stdout if there is none or it is `-`. `verb` is the command's, for what to do instead.
    pub fn open(path: Option<&Path>, verb: &str) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            if io::stdout().is_terminal() {
                return Err(Failure::new("stdout is a terminal, no archive is written to it")
                    .with_hint(format!("write it to a file: teu {verb} -o FILE …, or into a pipe")));
            }
            return Ok(Self::Stream(File::from(io::stdout().as_fd().try_clone_to_owned()?)));
        };
        let cannot = |error: io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
        match std::fs::metadata(path) {
            Ok(there) if there.is_dir() => Err(Failure::new(format!("{} is a folder", path.display()))
                .with_hint("name the file in it that the archive is to be")),
            Ok(there) if !there.is_file() => Ok(Self::Stream(File::options().write(true).open(path).map_err(cannot)?)),
            _ => Ok(Self::File(path.to_owned(), PendingFile::new(path).map_err(cannot)?)),
        }
    }

    pub fn file(&self) -> &File {
        match self {
            Self::Stream(file) => file,
            Self::File(_, pending) => pending.file(),
        }
    }

    /// All is written: the file gets its name.
    pub fn keep(self) -> Result<(), Failure> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::File(path, pending) => {
                pending.keep().map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
            }
        }
    }
}
