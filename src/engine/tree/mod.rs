//! A container's files as it sees them, whether it runs or not, for root and for ordinary users.
//!
//! A process for the visit does the work ([`worker`]): of a running container it joins the user and mount namespaces, for
//! one that does not run it puts the root together as for a start, with the binds and nothing else. So what is read has
//! the owners that the container knows, what is written gets them, and a path can at worst lead to what the container's
//! own root user can reach.

mod browse;
mod compare;
pub(super) mod land;
mod list;
mod look;
pub(super) mod protocol;
mod worker;

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use self::protocol::{Answer, Ask, Begin, Bytes, Failure, Found, Ids, Line, Lower, Mounts};
use super::mounts::{Missing, Shown};
use super::state::Life;
use super::{Engine, EngineError, Inner, Result};
use crate::model::{
    Change, ContainerRecord, ContainerState, FilePlace, HOST_IMAGE, Mount, MountSource, Name, NamespaceMode,
};
use crate::runtime::cgroup::CgroupWish;
use crate::runtime::defaults::{self, Around};
use crate::runtime::{NameFiles, Place, RootChange, StartRequest};
use crate::sys::file::{Lock, enlarge_pipe};
use crate::sys::program;

pub use browse::Browser;
pub use worker::main as visit_verb;

/// Says that the writable layer is there, but not because the container was started.
const PREPARED: &str = "prepared";

/// How long a visitor may take to end.
const PATIENCE_MS: u32 = 3000;

/// A visit under way. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Visit {
    line: Line,
    data: Option<OwnedFd>,
    child: Child,
    /// Keeps a container that does not run from being started meanwhile.
    lock: Option<Lock>,
    /// `container web`, as errors name it.
    name: String,
}

/// Whose files are visited.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner<'a> {
    Container(&'a Name),
    Volume(&'a str),
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(name) => write!(f, "container {name}"),
            Self::Volume(name) => write!(f, "volume {name}"),
        }
    }
}

/// Which way the data will flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    FromContainer,
    ToContainer,
}

/// What is mounted in a container that does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binds {
    Shown,
    Hidden,
}

impl Engine {
    /// Writes a tar archive of all of a container's files, as they are now: its image's with its own changes. Folders that
    /// something is mounted on are empty in it.
    pub fn export_tree(&self, target: &str, out: &mut dyn Write) -> Result<()> {
        let record = self.0.find(target)?;
        let mut visit = self.0.visit(&record, Flow::FromContainer, Binds::Hidden)?;
        let is_patchwork = record.image_id.is_none() && !rustix::process::geteuid().is_root();
        let mounts = if is_patchwork { Mounts::OverlaysOnly } else { Mounts::Left };
        visit.read(Ask::Pack { path: Vec::new(), shown: b".".to_vec(), mounts }, |mut data| {
            io::copy(&mut data, out).map(|_| ()).map_err(EngineError::io("write", Path::new("the archive")))
        })
    }

    /// What a container has changed of its image: paths that are new, other or gone, sorted. It may run meanwhile.
    pub fn diff(&self, target: &str) -> Result<Vec<Change>> {
        let engine = &self.0;
        let record = engine.find(target)?;
        let upper = engine.upper(&record.id);
        if !upper.exists() {
            return Ok(Vec::new());
        }
        let lower = match record.image_id {
            None if record.image == HOST_IMAGE && !rustix::process::geteuid().is_root() => {
                Lower::Patchwork { parts: engine.work(&record.id) }
            }
            None => Lower::Layers(vec!["/".into()]),
            Some(_) => Lower::Layers(engine.lower_folders(&record)?),
        };
        let mut visit = Visit::begin(&Place::Machine, Flow::FromContainer, Owner::Container(&record.name), None)?;
        match visit.ask(&Ask::Compare { upper, lower })? {
            Answer::Changes(changes) => Ok(changes),
            _ => Err(visit.broken()),
        }
    }
}

impl Inner {
    /// Goes to the files of a container, with all that is mounted in it, or of a volume.
    pub(super) fn visit_place(&self, place: &FilePlace, flow: Flow) -> Result<Visit> {
        match place {
            FilePlace::Container(target) => self.visit(&self.find(target)?, flow, Binds::Shown),
            FilePlace::Volume(name) => {
                let name = self.find_volume(name)?.name;
                let folder = self.volume_data(&name)?;
                let mut visit = Visit::begin(&Place::Machine, flow, Owner::Volume(name.as_str()), None)?;
                match visit.ask(&Ask::Enter { folder })? {
                    Answer::Done => Ok(visit),
                    _ => Err(visit.broken()),
                }
            }
        }
    }

    /// Goes to a container's files.
    pub(super) fn visit(&self, record: &ContainerRecord, flow: Flow, binds: Binds) -> Result<Visit> {
        loop {
            let gone = || EngineError::NoSuchContainer { target: record.name.to_string() };
            if let Some(pid) = self.state(record)?.ok_or_else(gone)?.pid() {
                let visit = Visit::begin(&Place::Running { pid }, flow, Owner::Container(&record.name), None);
                // The number was this container's all the while only if it still is.
                if self.state(record)?.and_then(|state| state.pid()) == Some(pid) {
                    return visit;
                }
                continue;
            }
            let lock = self.lock_container(&record.id)?.ok_or_else(gone)?;
            match self.life(&record.id)? {
                Life::Up(state) if matches!(state.state, ContainerState::Restarting(_)) => {
                    return Err(EngineError::Restarting { name: record.name.clone() });
                }
                Life::Up(_) | Life::Starting => {
                    drop(lock);
                    self.await_settled(record)?;
                }
                Life::Dead => {
                    self.settle(record)?;
                }
                Life::Down => {
                    let current = self.record(&record.id)?.ok_or_else(gone)?;
                    let place = Place::Stopped(Box::new(self.visit_request(&current, binds)?));
                    return Visit::begin(&place, flow, Owner::Container(&record.name), Some(lock));
                }
            }
        }
    }

    /// How the root of a container that does not run is put together. Under its lock.
    pub(super) fn visit_request(&self, record: &ContainerRecord, binds: Binds) -> Result<StartRequest> {
        let record = &self.hold_ids(record)?;
        self.prepare_writable_layer(record)?;
        let mut config = self.with_memory(&record.config)?.into_owned();
        let isolation = &mut config.isolation;
        for mode in [&mut isolation.pid, &mut isolation.ipc, &mut isolation.uts] {
            *mode = NamespaceMode::Private;
        }
        isolation.devices.clear();
        isolation.privileged = false;
        // What is written elsewhere than to a read-only root may be written.
        // In memory there is nothing of a container that does not run.
        let shown = |mount: &Mount| binds == Binds::Shown && !matches!(mount.source, MountSource::Tmpfs { .. });
        config.mounts.retain(shown);
        let Shown { sources, origins, .. } = self.shown(&config.mounts, Missing::Refused)?;
        let around = Around { id_range: record.id_range, sources, ..Around::default() };
        let request = StartRequest {
            id: record.id.to_string(),
            bundle: self.container(&record.id),
            spec: defaults::spec(&config, &around)?,
            rootfs: self.rootfs(record)?,
            cgroup: CgroupWish::default_of(record.id.as_str()),
            init: false,
            hold: false,
            die_with_parent: true,
            root_change: RootChange::Pivot,
            new_keyring: false,
            preserve_fds: 0,
            names: NameFiles::default(),
            origins,
        };
        Ok(request.for_visit(&config.mounts.iter().map(|mount| mount.target.as_path()).collect::<Vec<_>>()))
    }

    /// Makes the writable layer of a container that was never started, with a note that it was not.
    pub(super) fn prepare_writable_layer(&self, record: &ContainerRecord) -> Result<()> {
        if self.upper(&record.id).exists() {
            return Ok(());
        }
        let note = self.prepared_file(&record.id);
        std::fs::write(&note, b"").map_err(EngineError::io("write", &note))?;
        self.make_writable_layer(record)
    }

    pub(super) fn prepared_file(&self, id: &crate::model::Id) -> std::path::PathBuf {
        self.container(id).join(PREPARED)
    }
}

impl Visit {
    pub(super) fn begin(place: &Place, flow: Flow, owner: Owner<'_>, lock: Option<Lock>) -> Result<Self> {
        let name = owner.to_string();
        let failed = EngineError::io("visit the files of", Path::new(&name));
        Self::spawn(place, flow, &name, lock).map_err(failed)?.greeted()
    }

    fn spawn(place: &Place, flow: Flow, name: &str, lock: Option<Lock>) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let (reader, writer) = io::pipe()?;
        enlarge_pipe(&writer);
        let (data, their_data) = match flow {
            Flow::FromContainer => (OwnedFd::from(reader), OwnedFd::from(writer)),
            Flow::ToContainer => (writer.into(), reader.into()),
        };
        // From a read-only mount where that can be had (root), so that no container can write teu through /proc/PID/exe.
        let own = program::read_only_self().ok();
        let path = own.as_ref().map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd()));
        let mut command = Command::new(path.as_deref().unwrap_or("/proc/self/exe"));
        std::os::unix::process::CommandExt::arg0(&mut command, "teu");
        command.arg("visit").arg(name).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::from(their_data)).stderr(Stdio::inherit());
        let child = command.spawn()?;
        // It holds copies of the visitor's ends, and with them no end would ever come.
        drop(command);
        let mut visit = Self { line: Line::over(ours)?, data: Some(data), child, lock, name: name.to_owned() };
        visit.line.say(&Begin { place: place.clone() })?;
        Ok(visit)
    }

    fn greeted(mut self) -> Result<Self> {
        match self.heard()? {
            Answer::Ready => Ok(self),
            _ => Err(self.broken()),
        }
    }

    pub(super) fn ask(&mut self, ask: &Ask) -> Result<Answer> {
        self.line.say(ask).map_err(|_| self.broken())?;
        self.heard()
    }

    fn heard(&mut self) -> Result<Answer> {
        match self.line.hear() {
            Ok(Some(Answer::Failed { kind, message })) => Err(self.failed(kind, message)),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) | Err(_) => Err(self.broken()),
        }
    }

    fn failed(&self, kind: Failure, message: String) -> EngineError {
        let name = self.name.clone();
        match kind {
            Failure::NotFound => EngineError::Files { name, message, kind: crate::model::ErrorKind::NotFound },
            Failure::Refused => EngineError::Files { name, message, kind: crate::model::ErrorKind::Conflict },
            Failure::Pipe | Failure::Other => {
                EngineError::Files { name, message, kind: crate::model::ErrorKind::Other }
            }
        }
    }

    /// `container web`, as errors name it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn broken(&self) -> EngineError {
        self.failed(Failure::Other, "the process that reads and writes them has died".to_owned())
    }

    pub(super) fn look(&mut self, path: &[u8], follow: bool) -> Result<Found> {
        match self.ask(&Ask::Look { path: path.to_vec(), follow })? {
            Answer::Found(found) => Ok(found),
            _ => Err(self.broken()),
        }
    }

    /// Asks for data, hands it to `take`, and hears whether it was whole. Can be done once.
    pub(super) fn read(&mut self, ask: Ask, take: impl FnOnce(File) -> Result<()>) -> Result<()> {
        let data = self.data.take().ok_or_else(|| self.broken())?;
        self.line.say(&ask).map_err(|_| self.broken())?;
        let taken = take(File::from(data));
        self.settle(taken)
    }

    /// Makes what is in the archive that `give` writes in a folder of the container. Can be done once.
    pub(super) fn write(&mut self, folder: Bytes, owners: Ids, give: impl FnOnce(File) -> Result<()>) -> Result<()> {
        self.feed(&Ask::Extract { folder, owners }, give)
    }

    /// Asks for something to be done with what `give` writes. Can be done once.
    pub(super) fn feed(&mut self, ask: &Ask, give: impl FnOnce(File) -> Result<()>) -> Result<()> {
        let data = self.data.take().ok_or_else(|| self.broken())?;
        self.line.say(ask).map_err(|_| self.broken())?;
        let given = give(File::from(data));
        self.settle(given)
    }

    /// Of two failures the one that explains the other: whose pipe broke has none of his own.
    fn settle(&mut self, own: Result<()>) -> Result<()> {
        match (own, self.line.hear::<Answer>()) {
            (Err(own), Ok(Some(Answer::Failed { kind: Failure::Pipe, .. }))) => Err(own),
            (Err(own), Ok(Some(Answer::Failed { kind, message }))) => match own.is_of_the_archive() {
                true => Err(self.failed(kind, message)),
                false => Err(own),
            },
            (Err(own), _) => Err(own),
            (Ok(()), Ok(Some(Answer::Failed { kind, message }))) => Err(self.failed(kind, message)),
            (Ok(()), Ok(Some(_))) => Ok(()),
            (Ok(()), _) => Err(self.broken()),
        }
    }
}

impl EngineError {
    /// Whether it says no more than that the archive broke off.
    pub(super) fn is_of_the_archive(&self) -> bool {
        match self {
            Self::Io { path, source, .. } => {
                source.kind() == io::ErrorKind::BrokenPipe
                    || path == Path::new("the archive") && source.raw_os_error().is_none()
            }
            _ => false,
        }
    }
}

impl Drop for Visit {
    /// The visitor ends with the conversation. It is waited for, so that a container's root is free again; one that hangs
    /// (in a FUSE file system of the container's) is killed.
    fn drop(&mut self) {
        self.data = None;
        self.line.end();
        for _ in 0..PATIENCE_MS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
