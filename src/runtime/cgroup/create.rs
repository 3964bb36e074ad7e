//! Makes a container's groups, and lets its first process join them.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxResources;
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::processes::start_time;
use super::{CgroupPlace, CgroupWish, Roots, Wanted, write_io};
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
}

/// Makes the wished v2 group below the root; v1 groups follow with [`Membership::complete`].
pub(in crate::runtime) fn create(roots: &Roots, wish: &CgroupWish) -> Result<Membership, RuntimeError> {
    let name = &wish.path();
    let unified = roots.unified.as_ref().filter(|root| make_unified(root, name).is_ok()).map(|root| root.join(name));
    let born_in = unified
        .as_ref()
        .and_then(|folder| openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok());
    let legacy = roots.legacy.iter().map(|(names, root)| (names.clone(), root.join(name))).collect();
    let place = CgroupPlace { unified, ..CgroupPlace::default() };
    Ok(Membership { place, name: name.clone(), born_in, legacy })
}

impl Membership {
    /// That of a container which already runs, for one more process.
    pub fn of(place: &CgroupPlace) -> Self {
        let open = |folder: &PathBuf| {
            openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
        };
        Self {
            place: place.clone(),
            name: place.name.clone(),
            born_in: place.unified.as_ref().and_then(open),
            legacy: place.legacy.clone(),
        }
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
    pub fn complete(&mut self, _pid: i32, resources: Option<&LinuxResources>) -> Result<(), RuntimeError> {
        for (names, folder) in &self.legacy {
            if make_folder(folder).is_ok() {
                self.place.legacy.push((names.clone(), folder.clone()));
            }
        }
        if !self.place.legacy.is_empty() || self.place.unified.is_some() {
            self.name.clone_into(&mut self.place.name);
        }
        self.place.apply(&Wanted::from_resources(resources))
    }

    /// The v1 groups' doors, opened by the side that may: the kernel asks who opened them, so that a process in a user
    /// namespace gets in. For [`enter`].
    pub fn doors(&self) -> io::Result<Vec<OwnedFd>> {
        let open =
            |folder: &PathBuf| Ok(openat(CWD, folder.join("tasks"), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?);
        self.place.legacy.iter().map(|(_, folder)| open(folder)).collect()
    }

    /// In the child: joins the v1 groups. Writing `0` to `tasks` moves only the calling thread, which the kernel does
    /// without the lock that makes `cgroup.procs` ten times slower.
    pub fn join(&self) -> io::Result<()> {
        for (_, folder) in &self.legacy {
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
        let legacy = self.legacy.iter().filter(made).cloned().collect();
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

/// Makes a folder and, if they are missing, those above it.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// Makes a v2 group with every useful controller that its parents can give. A group gets only what is enabled in all
/// groups above; a parent with processes of its own gives none (cgroups(7), "no internal processes").
fn make_unified(root: &Path, name: &str) -> io::Result<()> {
    make_folder(&root.join(name))?;
    let mut parent = root.to_owned();
    for part in Path::new(name) {
        enable_controllers(&parent);
        parent.push(part);
    }
    Ok(())
}

fn enable_controllers(folder: &Path) {
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    let available = read("cgroup.controllers");
    if available.trim().is_empty() {
        return;
    }
    let enabled = read("cgroup.subtree_control");
    for controller in ["cpu", "memory", "pids", "io"] {
        let among = |text: &str| text.split_whitespace().any(|name| name == controller);
        if among(&available) && !among(&enabled) {
            // What cannot be enabled shows as a missing controller in the group, and limits on it are refused.
            let _ = write_io(&folder.join("cgroup.subtree_control"), &format!("+{controller}"));
        }
    }
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
        assert!(matches!(error, RuntimeError::LimitNotEnforceable("memory")), "{error}");
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
        let roots = Roots { legacy: vec![("pids".to_owned(), v1.clone())], unified: Some(v2.clone()) };
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
