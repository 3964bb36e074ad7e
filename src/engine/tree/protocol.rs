//! What the engine and the process that visits a container's files say to each other: one line of JSON each, over a socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::{Change, FilePage};
use crate::runtime::Place;

/// The longest line: a list of a million changes.
const LINE_MAX: u64 = 256 << 20;

/// The first word to a visitor.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begin {
    pub place: Place,
}

/// What a visitor is asked to do. Paths begin at the root of the place, whether they say so or not.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask {
    /// What is at the path? Links are followed, or all but the last.
    Look { path: Bytes, follow: bool },
    /// Writes an archive of a file or folder to the data pipe.
    Pack { path: Bytes, shown: Bytes, mounts: Mounts },
    /// Reads an archive from the data pipe and makes what is in it.
    Extract { folder: Bytes, owners: Ids },
    /// The same into a trusted folder of the place, which gets its own owner and mode from the archive too, or else those that
    /// `like` has, as all folders do that no entry is for. No link is followed.
    Fill { folder: PathBuf, owners: Ids, like: Option<PathBuf> },
    /// Moves all that is in a trusted folder of the place to another one on the same file system.
    Land { from: PathBuf, into: PathBuf },
    /// Writes an overlay's upper folder as an OCI layer to the data pipe.
    Layer { upper: PathBuf },
    /// Compares an overlay's upper folder with what is below.
    Compare { upper: PathBuf, lower: Lower },
    /// Makes a trusted folder of teu's own the root of all that is asked from now on.
    Enter { folder: PathBuf },
    /// What is in a folder: of its sorted names at most so many, from one on.
    List { path: Bytes, from: u64, most: u64 },
    /// A part of a regular file. It comes as plain bytes behind the answer.
    Read { path: Bytes, offset: u64, most: u64 },
}

/// A path or name as the kernel has it.
pub type Bytes = Vec<u8>;

/// Whether what is mounted in the tree comes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mounts {
    Followed,
    Left,
    /// Overlays come along: an ordinary user's view of the machine's root is made of such.
    OverlaysOnly,
}

/// Whose files are to be that come out of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ids {
    /// The user's and group's that the archive names.
    Given,
    /// Root's.
    Root,
    /// Those of who makes them. Set-user-id bits, capabilities and devices are not taken over.
    Own,
}

/// What an upper folder lies on.
#[derive(Debug, Serialize, Deserialize)]
pub enum Lower {
    /// Layers, the lowest first.
    Layers(Vec<PathBuf>),
    /// An ordinary user's view of the machine's root: a plain folder, and in `parts` an upper folder for each overlay.
    Patchwork { parts: PathBuf },
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The visitor stands at the root.
    Ready,
    Found(Found),
    Done,
    Changes(Vec<Change>),
    Page(FilePage),
    Part {
        /// The file's real path.
        path: Bytes,
        /// Of the whole file.
        size_bytes: u64,
        /// How many bytes follow.
        count: u64,
    },
    Failed {
        kind: Failure,
        message: String,
    },
}

/// Sorts of failures that faces tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    NotFound,
    Refused,
    /// The other end of the data pipe was closed: that end knows why.
    Pipe,
    Other,
}

/// What a look has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Without a link as the last component, as far as links were to be followed. Never begins with a slash.
    pub path: Bytes,
    pub kind: Kind,
    pub bytes: u64,
    /// Whether the folder that it is in, or would be in, is there.
    pub has_parent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Missing,
    Folder,
    File,
    Symlink,
    Other,
}

/// One end of the conversation.
#[derive(Debug)]
pub struct Line {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Line {
    pub fn over(socket: UnixStream) -> io::Result<Self> {
        Ok(Self { writer: socket.try_clone()?, reader: BufReader::new(socket) })
    }

    /// Another end to speak with. What has come already is heard at the first one.
    pub fn try_clone(&self) -> io::Result<Self> {
        Self::over(self.writer.try_clone()?)
    }

    /// Says that nothing will be said any more.
    pub fn end(&self) {
        // An end that is closed already needs no saying.
        let _ = self.writer.shutdown(std::net::Shutdown::Both);
    }

    pub fn say(&mut self, word: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(word)?;
        line.push(b'\n');
        self.writer.write_all(&line)
    }

    /// Bytes that belong to the word before.
    pub fn say_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)
    }

    /// Bytes that belong to the word before; an error if there are not as many.
    pub fn hear_bytes(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.reader).take(count.min(LINE_MAX)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == count { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// How long an answer may take from now on.
    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.writer.set_read_timeout(Some(patience))
    }

    /// The next word; none at the end.
    pub fn hear<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut line = Vec::new();
        (&mut self.reader).take(LINE_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_slice(&line)?)) }
    }
}
