//! Changes on disk, whoever makes them: inotify on the folders of containers, names, what runs, and images.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::place::{make_folder, names_in};
use super::wires::CONNECTED;
use super::{Engine, EngineError, Result};
use crate::monitor::STATE;
use crate::sys::inotify::{Inotify, Notice, Watched};

/// How long nothing must happen before a burst of changes counts as over, and how long a burst may last at most.
const QUIET: Duration = Duration::from_millis(3);
const LONGEST: Duration = Duration::from_millis(30);

/// What has changed since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// A container was made, removed, renamed, or its state is another: list again.
    pub containers: bool,
    /// An image came, went or got a tag: list again.
    pub images: bool,
    /// A volume came or went: list again.
    pub volumes: bool,
    /// A network was defined, joined, left or removed: list again.
    pub networks: bool,
}

impl Changes {
    /// As much as there is.
    pub const ALL: Self = Self { containers: true, images: true, volumes: true, networks: true };
}

/// What a watched folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// Container folders, or names.
    Containers,
    /// Run folders, each of which is watched too.
    Lives,
    /// One container's run folder.
    Life,
    /// The image store's top.
    Images,
    Volumes,
    /// Networks' definitions.
    Networks,
}

/// A watch on what any teu process does. Its descriptor becomes readable when something changed.
#[derive(Debug)]
pub struct Watch {
    inotify: Inotify,
    subjects: HashMap<Watched, Subject>,
    lives: PathBuf,
}

impl Watch {
    /// Blocks until something changes, gathers what follows within some milliseconds, and returns it all in one.
    /// With a time-out, `None` when nothing changed in that time.
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Changes>> {
        let end = timeout.map(|timeout| Instant::now() + timeout);
        let mut changes = Changes::default();
        while changes == Changes::default() {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if !self.wait(left)? {
                return Ok(None);
            }
            self.gather(&mut changes)?;
        }
        let latest = Instant::now() + LONGEST;
        while Instant::now() < latest && self.wait(Some(QUIET))? {
            self.gather(&mut changes)?;
        }
        Ok(Some(changes))
    }

    fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        let error = EngineError::io("watch", &self.lives);
        let timeout = timeout.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            // The caller looks at the clock and waits on.
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(errno) => Err(error(errno.into())),
        }
    }

    fn gather(&mut self, changes: &mut Changes) -> Result<()> {
        for notice in self.inotify.read().map_err(EngineError::io("watch", &self.lives))? {
            match notice {
                Notice::Overflow => *changes = Changes::ALL,
                Notice::FolderGone { folder } => {
                    self.subjects.remove(&folder);
                }
                Notice::Appeared { folder, name } => {
                    let subject = self.subjects.get(&folder).copied();
                    if subject == Some(Subject::Lives) {
                        self.watch_life(&name)?;
                    }
                    note(changes, subject, &name);
                }
                Notice::Vanished { folder, name } => note(changes, self.subjects.get(&folder).copied(), &name),
            }
        }
        Ok(())
    }

    /// A run folder may be gone again before it is watched.
    fn watch_life(&mut self, name: &OsStr) -> Result<()> {
        let folder = self.lives.join(name);
        match self.inotify.add(&folder) {
            Ok(watched) => {
                self.subjects.insert(watched, Subject::Life);
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
            Err(error) => Err(EngineError::io("watch", &folder)(error)),
        }
    }

    fn watch_folder(&mut self, folder: &Path, subject: Subject) -> Result<()> {
        make_folder(folder)?;
        let watched = self.inotify.add(folder).map_err(EngineError::io("watch", folder))?;
        self.subjects.insert(watched, subject);
        Ok(())
    }
}

/// Temporary names (they begin with a dot) and files of a run other than its state tell nothing.
fn note(changes: &mut Changes, subject: Option<Subject>, name: &OsStr) {
    match subject {
        Some(Subject::Containers | Subject::Lives) if !name.as_encoded_bytes().starts_with(b".") => {
            changes.containers = true;
        }
        Some(Subject::Life) if name == STATE => changes.containers = true,
        // How it is connected, and what it publishes, stands in its row too.
        Some(Subject::Life) if name == CONNECTED => (changes.containers, changes.networks) = (true, true),
        Some(Subject::Networks) if !name.as_encoded_bytes().starts_with(b".") => changes.networks = true,
        Some(Subject::Images) if name == "index.json" => changes.images = true,
        Some(Subject::Volumes) if !name.as_encoded_bytes().starts_with(b".") => changes.volumes = true,
        _ => {}
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

impl Engine {
    /// Starts watching now: what changes after this call is reported by [`Watch::next`].
    ///
    /// A kill -9 of a monitor changes no file; [`super::StatsSampler::sample`] and [`Engine::list`] find it, and settling it does.
    pub fn watch(&self) -> Result<Watch> {
        let engine = &self.0;
        let inotify = Inotify::new().map_err(EngineError::io("watch", self.data_folder()))?;
        let mut watch = Watch { inotify, subjects: HashMap::new(), lives: engine.lives() };
        watch.watch_folder(&engine.containers(), Subject::Containers)?;
        watch.watch_folder(&engine.names(), Subject::Containers)?;
        watch.watch_folder(&engine.images_folder(), Subject::Images)?;
        watch.watch_folder(&engine.volumes_folder(), Subject::Volumes)?;
        watch.watch_folder(&engine.networks_folder(), Subject::Networks)?;
        watch.watch_folder(&engine.lives(), Subject::Lives)?;
        for life in names_in(&engine.lives())? {
            watch.watch_life(life.as_ref())?;
        }
        Ok(watch)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Engine, EngineOptions};
    use super::*;

    const SOON: Option<Duration> = Some(Duration::from_millis(200));

    #[test]
    fn watch_reports_containers_images_and_states_and_nothing_else() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (root, runroot) = (folder.path().join("data"), folder.path().join("run"));
        let options = EngineOptions {
            root: Some(root),
            runroot: Some(runroot),
            network: Some("none".to_owned()),
            ..EngineOptions::default()
        };
        let engine = Engine::open(options).expect("open");
        let mut watch = engine.watch().expect("watch");
        let nothing = Some(Duration::from_millis(5));
        assert_eq!(watch.next(nothing).expect("wait"), None);

        let containers = Some(Changes { containers: true, ..Changes::default() });
        std::fs::create_dir(engine.0.containers().join(".making-x")).expect("mkdir");
        assert_eq!(watch.next(nothing).expect("wait"), None, "a temporary name");
        std::fs::rename(engine.0.containers().join(".making-x"), engine.0.containers().join("x")).expect("rename");
        assert_eq!(watch.next(SOON).expect("wait"), containers);

        let life = engine.0.lives().join("x");
        std::fs::create_dir(&life).expect("mkdir");
        assert_eq!(watch.next(SOON).expect("wait"), containers);
        std::fs::write(life.join("monitor.sock"), b"").expect("write");
        assert_eq!(watch.next(nothing).expect("wait"), None, "not its state");
        std::fs::write(life.join(STATE), b"{}").expect("write");
        assert_eq!(watch.next(SOON).expect("wait"), containers);
        std::fs::remove_dir_all(&life).expect("remove");
        assert_eq!(watch.next(SOON).expect("wait"), containers);

        std::fs::write(engine.0.images_folder().join("index.json"), b"{}").expect("write");
        assert_eq!(watch.next(SOON).expect("wait"), Some(Changes { images: true, ..Changes::default() }));

        let wish = crate::model::VolumeWish { name: "data".parse().ok(), ..Default::default() };
        engine.volume_create(&wish).expect("a volume");
        assert_eq!(watch.next(SOON).expect("wait"), Some(Changes { volumes: true, ..Changes::default() }));
        std::fs::write(engine.0.networks_folder().join("lan.json"), b"{}").expect("write");
        assert_eq!(watch.next(SOON).expect("wait"), Some(Changes { networks: true, ..Changes::default() }));
    }
}
