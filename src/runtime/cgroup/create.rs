//! Makes a container's groups, and lets its first process join them.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxResources;
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::apply::Moment;
use super::below;
use super::processes::start_time;
use super::systemd::{self, Version};
use super::unified::enable_above;
use super::{CgroupPlace, CgroupWish, Roots, Unit, read_pids, write_io};
use crate::runtime::RuntimeError;

/// Groups that are being made. The v2 one stands before the process is cloned (it is born in it); the v1 ones are
/// made by the parent while the child sets up its mounts, and the child joins them on a sign.
#[derive(Debug)]
pub(in crate::runtime) struct Membership {
    place: CgroupPlace,
    /// The path below the hierarchies' roots.
    name: String,
    born_in: Option<OwnedFd>,
    /// v1 folders, made or about to be made.
    legacy: Vec<(String, PathBuf)>,
    /// What systemd is to make, and where v2 is mounted.
    unit: Option<(Unit, Option<PathBuf>)>,
}

/// Makes the wished v2 group below the root; v1 groups follow with [`Membership::complete`]. A group with processes of
/// somebody else's is refused.
pub(in crate::runtime) fn create(roots: &Roots, wish: &CgroupWish) -> Result<Membership, RuntimeError> {
    let name = wish.path();
    let below = |hierarchies: &[(String, PathBuf)]| -> Vec<(String, PathBuf)> {
        hierarchies.iter().map(|(names, root)| (names.clone(), root.join(&name))).collect()
    };
    // Before anything is made, so that a group that is refused is also left as it is.
    refuse_foreign(roots, &name)?;
    let mut unified = None;
    if let Some(unit) = wish.unit() {
        // systemd makes the group when the process is there.
        let folder = roots.unified_mount.as_ref().map(|mount| mount.join(unit.path()));
        let place = CgroupPlace { unified: folder, spare: below(&roots.spare), ..CgroupPlace::default() };
        let unit = Some((unit.clone(), roots.unified_mount.clone()));
        return Ok(Membership { place, born_in: None, legacy: below(&roots.legacy), name, unit });
    }
    if let Some(root) = &roots.unified {
        // What is not this user's to make the container goes without.
        unified = make_unified(&root.join(&name), roots.legacy.is_empty()).ok().map(|()| root.join(&name));
    }
    let born_in = unified
        .as_ref()
        .and_then(|folder| openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok());
    let place = CgroupPlace { unified, spare: below(&roots.spare), ..CgroupPlace::default() };
    Ok(Membership { place, born_in, legacy: below(&roots.legacy), name, unit: None })
}

/// Fails if any of the groups of this name is somebody else's.
pub(super) fn refuse_foreign(roots: &Roots, name: &str) -> Result<(), RuntimeError> {
    let all = roots.unified.iter().chain(roots.legacy.iter().chain(&roots.spare).map(|(_, root)| root));
    all.map(|root| root.join(name)).filter(|folder| folder.is_dir()).try_for_each(|folder| refuse_taken(&folder))
}

/// An existing group is taken only while nobody is in it and it is not frozen, where a new process would hang.
fn refuse_taken(folder: &Path) -> Result<(), RuntimeError> {
    let refused = |why: String| {
        let why = format!("linux.cgroupsPath: the cgroup {} {why}", folder.display());
        Err(RuntimeError::InvalidRequest(why))
    };
    if let Some(pid) = read_pids(&folder.join("cgroup.procs")).first() {
        return refused(format!("has processes of its own (pid {pid}): choose another, or end them"));
    }
    let reads = |file: &str, word: &str| fs::read_to_string(folder.join(file)).is_ok_and(|text| text.trim() == word);
    if reads("cgroup.freeze", "1") || reads("freezer.state", "FROZEN") {
        return refused("is frozen: choose another, or thaw it".to_owned());
    }
    Ok(())
}

impl Membership {
    /// That of a container which already runs, for one more process; see [`super::below`] for `wishes`.
    pub fn of(place: &CgroupPlace, wishes: &[String]) -> Result<Self, RuntimeError> {
        let joined = below::joined(place, wishes)?;
        let open = |folder: &PathBuf| {
            openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
        };
        Ok(Self {
            born_in: joined.unified.as_ref().and_then(open),
            legacy: joined.legacy,
            name: place.name.clone(),
            place: CgroupPlace { spare: Vec::new(), ..place.clone() },
            unit: None,
        })
    }

    /// The v2 group to clone into.
    pub fn born_in(&self) -> Option<BorrowedFd<'_>> {
        self.born_in.as_ref().map(AsFd::as_fd)
    }

    /// For a v2 group that the kernel does not let this user clone into: no group at all then.
    pub fn forget_unified(&mut self) {
        self.born_in = None;
        if let Some(folder) = self.place.unified.take() {
            let _ = fs::remove_dir(folder);
        }
    }

    /// Makes the v1 groups, or has systemd take the process `pid` in, and writes the limits. On failure the caller
    /// calls [`CgroupPlace::remove`] on the place.
    pub fn complete(&mut self, pid: i32, resources: Option<&LinuxResources>) -> Result<(), RuntimeError> {
        if let Some((unit, mount)) = self.unit.clone() {
            self.start_unit(&unit, mount.as_deref(), pid, resources)?;
        }
        for (names, folder) in &self.legacy {
            match make_folder(folder) {
                Ok(Made::New) => {}
                Ok(Made::Before) if self.place.unit.is_some() => {}
                Ok(Made::Before) => refuse_taken(folder)?,
                Err(_) => continue,
            }
            self.place.legacy.push((names.clone(), folder.clone()));
        }
        // What is refused is not the container's, and must not be removed with it.
        let spare = std::mem::take(&mut self.place.spare);
        spare.iter().filter(|(_, folder)| folder.exists()).try_for_each(|(_, folder)| refuse_taken(folder))?;
        self.place.spare = spare;
        if !self.place.legacy.is_empty() || self.place.unified.is_some() {
            self.name.clone_into(&mut self.place.name);
        }
        match resources {
            Some(resources) => self.place.apply(resources, Moment::Start),
            None => Ok(()),
        }
    }

    /// Has systemd make the unit with the process in it, and finds its v2 group.
    fn start_unit(
        &mut self,
        unit: &Unit,
        mount: Option<&Path>,
        pid: i32,
        resources: Option<&LinuxResources>,
    ) -> Result<(), RuntimeError> {
        let version = if self.legacy.is_empty() { Version::Unified } else { Version::Legacy };
        self.place.unified = None;
        self.name = systemd::start(unit, pid, resources, version)?;
        self.place.unit = Some(unit.clone());
        self.place.unified = mount.map(|mount| mount.join(&self.name)).filter(|folder| folder.is_dir());
        Ok(())
    }

    /// The v1 groups' doors, opened by the side that may: the kernel asks who opened them, so that a process in a user
    /// namespace gets in. For [`enter`].
    pub fn doors(&self) -> io::Result<Vec<OwnedFd>> {
        let open =
            |folder: &PathBuf| Ok(openat(CWD, folder.join("tasks"), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?);
        let joined = self.place.spare.iter().filter(|(_, folder)| folder.exists());
        self.place.legacy.iter().chain(joined).map(|(_, folder)| open(folder)).collect()
    }

    /// In the child: joins the v1 groups. Writing `0` to `tasks` moves only the calling thread, which the kernel does
    /// without the lock that makes `cgroup.procs` ten times slower.
    pub fn join(&self) -> io::Result<()> {
        for (_, folder) in self.legacy.iter().chain(&self.place.spare) {
            match write_io(&folder.join("tasks"), "0") {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// In the child, after joining: where the groups are by now.
    pub fn expected_place(&self) -> CgroupPlace {
        let made = |(_, folder): &&(String, PathBuf)| folder.is_dir();
        let legacy = self.legacy.iter().chain(&self.place.spare).filter(made).cloned().collect();
        CgroupPlace { legacy, ..self.place.clone() }
    }

    pub fn place(&self) -> &CgroupPlace {
        &self.place
    }

    /// The finished place of the process that joined.
    pub fn into_place(self, pid: i32, own_network: bool) -> CgroupPlace {
        CgroupPlace { pid, pid_start: start_time(pid).unwrap_or(0), own_network, ..self.place }
    }
}

/// In the child: goes through the [`Membership::doors`].
pub(in crate::runtime) fn enter(doors: &[OwnedFd]) -> io::Result<()> {
    doors.iter().try_for_each(|door| rustix::io::write(door, b"0").map(drop)).map_err(io::Error::from)
}

/// Whether a folder had to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    New,
    Before,
}

/// Makes a folder and, if they are missing, those above it. In v1's cpuset hierarchy a new group has no cpu and no memory
/// node, and nobody can join it: it gets those of the group above.
pub(super) fn make_folder(folder: &Path) -> io::Result<Made> {
    let made = match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            Made::New
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Made::Before,
        done => {
            done?;
            Made::New
        }
    };
    if folder.join("cpuset.cpus").exists() && !folder.join("cgroup.controllers").exists() {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            inherit(folder, file)?;
        }
    }
    Ok(made)
}

/// Fills an empty file with the text of the group above, which is filled first. The topmost group's is never empty.
fn inherit(folder: &Path, file: &str) -> io::Result<String> {
    let text = fs::read_to_string(folder.join(file))?;
    if !text.trim().is_empty() {
        return Ok(text);
    }
    let above = inherit(folder.parent().unwrap_or(folder), file)?;
    write_io(&folder.join(file), above.trim())?;
    Ok(above)
}

/// Controllers that every container gets in v2, as far as the groups above can give them; others when they are needed.
const UNIFIED: [&str; 4] = ["cpu", "memory", "pids", "io"];

/// Makes a v2 group. In a hybrid set-up the useful controllers are v1's, and it gets none.
fn make_unified(folder: &Path, controllers: bool) -> io::Result<()> {
    make_folder(folder)?;
    if controllers {
        let given = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
        for controller in UNIFIED {
            if !given.split_ascii_whitespace().any(|name| name == controller) {
                enable_above(folder, controller);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{LinuxMemoryBuilder, LinuxResourcesBuilder};

    use super::*;

    #[test]
    fn limits_without_any_group_are_refused() {
        let mut membership = create(&Roots::default(), &CgroupWish::default_of("x")).expect("create");
        let memory = LinuxMemoryBuilder::default().limit(1 << 20).build().expect("memory");
        let resources = LinuxResourcesBuilder::default().memory(memory).build().expect("resources");
        let error = membership.complete(0, Some(&resources)).expect_err("no cgroup");
        assert!(matches!(&error, RuntimeError::LimitNotEnforceable { controller: "memory", .. }), "{error}");
        membership.complete(0, None).expect("nothing is wanted");
        assert_eq!(membership.place().path(), None);
    }

    #[test]
    fn hybrid_groups_are_made_joined_and_removed() {
        let root = tempfile::tempdir().expect("temporary folder");
        let (v1, v2) = (root.path().join("pids"), root.path().join("unified"));
        fs::create_dir_all(v1.join("teu")).expect("folder");
        fs::create_dir_all(&v2).expect("folder");
        fs::write(v2.join("cgroup.controllers"), "").expect("file");
        let roots =
            Roots { legacy: vec![("pids".to_owned(), v1.clone())], unified: Some(v2.clone()), ..Roots::default() };
        let mut membership = create(&roots, &CgroupWish::default_of("x")).expect("create");
        assert!(v2.join("teu/x").is_dir() && !v1.join("teu/x").exists());
        membership.complete(0, None).expect("complete");
        fs::write(v1.join("teu/x/tasks"), "").expect("file");
        membership.join().expect("join");
        assert_eq!(fs::read_to_string(v1.join("teu/x/tasks")).expect("read"), "0");
        fs::remove_file(v1.join("teu/x/tasks")).expect("the kernel's files vanish with their folder");
        let place = membership.into_place(0, false);
        assert_eq!(place.path().as_deref(), Some("teu/x"));
        place.remove().expect("remove");
        assert!(!v1.join("teu/x").exists() && !v2.join("teu/x").exists());
    }
}
