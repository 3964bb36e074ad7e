//! What binds show: opened once, checked, and mounted from that same descriptor, so that nothing can be swapped in between.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxFlags, fstat, openat, openat2, statx};
use rustix::io::Errno;

use super::mapped::Apart;
use super::options::Options;
use super::view;
use crate::runtime::{Origin, RuntimeError, Seen, Shows, StartRequest, elsewhere};
use crate::sys::mount::{
    Attributes, Change, Depth, Propagation, attach, change, change_root, clone_tree, clone_tree_of,
};

/// Where binds are taken from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    bundle: &'a Path,
    origins: &'a [Origin],
    /// The user namespace whose ids layers are to be shown with.
    apart: Option<Apart<'a>>,
    /// This process is root of a user namespace only.
    in_user_namespace: bool,
}

/// A detached mount of what a bind shows.
pub struct Bound {
    pub tree: OwnedFd,
    /// The same place on the machine, to tell about; none for layers.
    pub place: Option<OwnedFd>,
}

impl<'a> Sources<'a> {
    /// For the process that becomes the container.
    pub fn inside(request: &'a StartRequest, in_user_namespace: bool) -> Self {
        Self { bundle: &request.bundle, origins: &request.origins, apart: None, in_user_namespace }
    }

    /// For the starting process, with the machine's rights.
    pub fn outside(request: &'a StartRequest, apart: Option<Apart<'a>>) -> Self {
        Self { bundle: &request.bundle, origins: &request.origins, apart, in_user_namespace: false }
    }

    pub fn origin(&self, mount: &Mount) -> Option<&'a Shows> {
        let is_its =
            |origin: &&Origin| origin.target == *mount.destination() && Some(&origin.source) == mount.source().as_ref();
        self.origins.iter().find(is_its).map(|origin| &origin.shows)
    }

    /// A bind's source; a relative one is in the bundle.
    pub fn path(&self, mount: &Mount) -> PathBuf {
        self.bundle.join(mount.source().as_deref().unwrap_or(Path::new("")))
    }

    /// A detached mount of what `mount` shows, with the attributes of its options.
    pub fn bind(&self, mount: &Mount, options: &Options) -> Result<Bound, RuntimeError> {
        let path = self.path(mount);
        let failed = |error: io::Error| RuntimeError::step(format!("bind {}", path.display()), error);
        let bound = match self.origin(mount) {
            Some(Shows::Layers { lower, path }) => {
                Bound { tree: self.layers(mount, lower, path.as_deref())?, place: None }
            }
            Some(Shows::Below { path: below }) => {
                let place = open_below(mount, &path, below)?;
                Bound { tree: clone_tree_of(&place, depth(options)).map_err(failed)?, place: Some(place) }
            }
            Some(Shows::Source { seen }) => {
                let place = open_seen(mount, &path, *seen)?;
                self.check_peers(&place, &path, options)?;
                Bound { tree: clone(&place, &path, options)?, place: Some(place) }
            }
            None => {
                let place = open(&path).map_err(failed)?;
                Bound { tree: clone_whole_if_needed(&place, depth(options)).map_err(failed)?, place: Some(place) }
            }
        };
        set_attributes(&bound.tree, options).map_err(failed)?;
        Ok(bound)
    }

    /// Mounts travel only between peers, so the source's own mount has to have some (mount_namespaces(7)).
    fn check_peers(&self, place: &OwnedFd, path: &Path, options: &Options) -> Result<(), RuntimeError> {
        let (word, enough): (&str, &[&str]) = match options.propagation {
            // Whatever the mount is on the machine, a user namespace has it as a slave.
            Some((Propagation::Shared, _)) if self.in_user_namespace => {
                return Err(RuntimeError::InvalidRequest(format!(
                    "bind-propagation=shared: {}: the machine never sees what an ordinary user's container mounts; with \
                     bind-propagation=rslave the container sees what the machine mounts, and root can have both",
                    path.display()
                )));
            }
            Some((Propagation::Shared, _)) => ("shared", &["shared:"]),
            Some((Propagation::Slave, _)) => ("slave", &["shared:", "master:"]),
            _ => return Ok(()),
        };
        let Some(line) = mountinfo_line(place) else { return Ok(()) };
        let peers = line.split(' ').skip(6).take_while(|field| *field != "-");
        if peers.into_iter().any(|field| enough.iter().any(|prefix| field.starts_with(prefix))) {
            return Ok(());
        }
        let point = line.split(' ').nth(4).unwrap_or("/").to_owned();
        let cure = match rustix::process::geteuid().is_root() && !self.in_user_namespace {
            true => format!("`mount --make-rshared {point}` makes it one"),
            false => format!("root can make it one with `mount --make-rshared {point}`"),
        };
        Err(RuntimeError::InvalidRequest(format!(
            "bind-propagation={word}: {} lies on the mount {point}, which is not a shared one; {cure}",
            path.display()
        )))
    }

    fn layers(&self, mount: &Mount, lower: &[PathBuf], path: Option<&Path>) -> Result<OwnedFd, RuntimeError> {
        let tree = view::mount_read_only(lower, self.apart, self.in_user_namespace)?;
        let Some(path) = path else { return Ok(tree) };
        let failed = |error: io::Error| RuntimeError::step(format!("bind {} of an image", path.display()), error);
        let place = in_root(&tree, path).map_err(|error| match error {
            Errno::NOENT | Errno::NOTDIR => invalid(mount, format!("the image has no {}", path.display())),
            error => failed(error.into()),
        })?;
        match clone_tree_of(&place, Depth::One) {
            // Before Linux 6.15 only what is attached can be copied.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                elsewhere::make(libc::CLONE_NEWNS as u64, || {
                    change_root(Depth::Whole, &Change::propagation(Propagation::Private)).map_err(failed)?;
                    attach(&tree, open(Path::new("/")).map_err(failed)?).map_err(failed)?;
                    clone_tree_of(&place, Depth::One).map_err(failed)
                })
            }
            cloned => cloned.map_err(failed),
        }
    }
}

fn invalid(mount: &Mount, why: String) -> RuntimeError {
    RuntimeError::InvalidRequest(format!("cannot mount on {}: {why}", mount.destination().display()))
}

fn depth(options: &Options) -> Depth {
    options.bind.unwrap_or(Depth::Whole)
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// The source, if it is what the caller has seen there.
fn open_seen(mount: &Mount, path: &Path, seen: Option<Seen>) -> Result<OwnedFd, RuntimeError> {
    let place = open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            invalid(mount, format!("there is no {} on this machine; make it first", path.display()))
        }
        _ => RuntimeError::step(format!("open {}", path.display()), error),
    })?;
    let now = Seen::of(&place).map_err(|error| RuntimeError::step(format!("look at {}", path.display()), error))?;
    if seen.is_some_and(|seen| seen != now) {
        let why = format!(
            "{} was swapped for something else while the container started; start it again if you did that",
            path.display()
        );
        return Err(invalid(mount, why));
    }
    Ok(place)
}

/// What is at `below` in a folder that somebody else may write in at this moment.
fn open_below(mount: &Mount, folder: &Path, below: &Path) -> Result<OwnedFd, RuntimeError> {
    let top = open(folder).map_err(|error| RuntimeError::step(format!("open {}", folder.display()), error))?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let opened = retried(|| openat2(&top, below, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve));
    opened.map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => {
            invalid(mount, format!("the volume has no {}; make it there first", below.display()))
        }
        Errno::XDEV | Errno::LOOP => {
            invalid(mount, format!("{} leads out of the volume through a symlink", below.display()))
        }
        error => RuntimeError::step(format!("open {} in {}", below.display(), folder.display()), error),
    })
}

/// A place in an image: its absolute links begin at its own root.
fn in_root(root: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    retried(|| openat2(&root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve))
}

/// EAGAIN: a rename or mount elsewhere raced with a `..` on the way.
fn retried(open: impl Fn() -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    loop {
        match open() {
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return opened,
        }
    }
}

/// A copy as deep as is wished.
fn clone(place: &OwnedFd, path: &Path, options: &Options) -> Result<OwnedFd, RuntimeError> {
    clone_tree_of(place, depth(options)).map_err(|error| match (error.kind(), depth(options)) {
        (io::ErrorKind::InvalidInput, Depth::One) => RuntimeError::InvalidRequest(format!(
            "{}: an ordinary user may not leave out what is mounted below: it could uncover something; do without \
             bind-nonrecursive",
            path.display()
        )),
        _ => RuntimeError::step(format!("bind {}", path.display()), error),
    })
}

/// The same for specifications, which ask for single mounts without a thought.
fn clone_whole_if_needed(place: &OwnedFd, depth: Depth) -> io::Result<OwnedFd> {
    match clone_tree_of(place, depth) {
        // In a user namespace what is mounted below may not be left behind: it could hide something.
        Err(error) if depth == Depth::One && error.kind() == io::ErrorKind::InvalidInput => {
            clone_tree(place, Path::new("."), Depth::Whole).or_else(|_| clone_tree_of(place, Depth::Whole))
        }
        cloned => cloned,
    }
}

fn set_attributes(tree: &OwnedFd, options: &Options) -> io::Result<()> {
    // The copy still hears of what is mounted on the machine, and tells it: as much of that as is wished stays.
    let (propagation, depth) = options.propagation.unwrap_or((Propagation::Private, Depth::Whole));
    change(tree, depth, &Change::propagation(propagation))?;
    if !options.own.is_none() {
        let wish = options.own.change();
        match change(tree, Depth::One, &wish) {
            // Flags of a mount that came from the host's namespace are locked for a user: what is read-only stays so.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                change(tree, Depth::One, &Change { clear: Attributes::empty(), ..wish })?;
            }
            changed => changed?,
        }
    }
    if !options.recursive.is_none() {
        change(tree, Depth::Whole, &options.recursive.change())?;
    }
    Ok(())
}

/// The line of /proc/self/mountinfo about the mount that an open place is on.
pub fn mountinfo_line(place: &OwnedFd) -> Option<String> {
    let id = statx(place, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?.stx_mnt_id.to_string();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find(|line| line.split(' ').next() == Some(id.as_str())).map(str::to_owned)
}

impl Seen {
    /// What is at `path` now, and that same thing, open: while it is, nothing else gets its number.
    pub fn at(path: &Path) -> io::Result<(Self, OwnedFd)> {
        let place = open(path)?;
        Ok((Self::of(&place)?, place))
    }

    pub fn of(place: impl AsFd) -> io::Result<Self> {
        let place = place.as_fd();
        let stat = fstat(place)?;
        let known = statx(place, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME).ok();
        let known = known.filter(|known| known.stx_mask & StatxFlags::BTIME.bits() != 0);
        let born = known.map(|known| (known.stx_btime.tv_sec, known.stx_btime.tv_nsec));
        Ok(Self { device: stat.st_dev, inode: stat.st_ino, born })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use oci_spec::runtime::MountBuilder;

    use super::*;

    fn mount(source: &Path) -> Mount {
        let builder = MountBuilder::default().destination("/data").typ("bind").source(source);
        builder.options(vec!["rbind".to_owned()]).build().expect("a mount")
    }

    #[test]
    fn subpath_that_leads_out_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let volume = folder.path().join("volume");
        fs::create_dir_all(volume.join("a/b")).expect("folders");
        symlink("..", volume.join("up")).expect("symlink");
        symlink("/etc", volume.join("out")).expect("symlink");
        symlink("a/b", volume.join("in")).expect("symlink");
        let opened = |below: &str| open_below(&mount(&volume), &volume, Path::new(below));
        assert!(opened("a/b").is_ok() && opened("in").is_ok());
        for (below, why) in
            [("up/x", "leads out"), ("out", "leads out"), ("../volume", "leads out"), ("none", "has no none")]
        {
            let error = opened(below).expect_err(below).to_string();
            assert!(error.contains(why) && error.contains("/data"), "{below}: {error}");
        }
    }

    #[test]
    fn source_that_was_swapped_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (source, other) = (folder.path().join("source"), folder.path().join("other"));
        fs::create_dir(&source).expect("folder");
        fs::create_dir(&other).expect("folder");
        let seen = Seen::of(open(&source).expect("open")).expect("stat");
        open_seen(&mount(&source), &source, Some(seen)).expect("the same");
        fs::rename(&source, folder.path().join("away")).expect("rename");
        symlink(&other, &source).expect("symlink");
        let error = open_seen(&mount(&source), &source, Some(seen)).expect_err("another").to_string();
        assert!(error.contains("swapped") && error.contains("source"), "{error}");
        open_seen(&mount(&source), &source, None).expect("when it is started again, it is looked at anew");
    }

    #[test]
    fn source_that_got_the_number_of_one_that_is_gone_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let source = folder.path().join("source");
        let make = || {
            fs::create_dir(&source).expect("folder");
            Seen::of(open(&source).expect("open")).expect("stat")
        };
        let seen = make();
        let mut now = seen;
        // Many file systems give a number that became free to the next who needs one.
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            fs::remove_dir(&source).expect("remove");
            now = make();
            if now.inode == seen.inode {
                break;
            }
        }
        assert!(open_seen(&mount(&source), &source, Some(seen)).is_err(), "{seen:?} is {now:?}");
        open_seen(&mount(&source), &source, Some(now)).expect("the same");
    }

    #[test]
    fn line_of_a_mount_is_found_by_its_number() {
        let line = mountinfo_line(&open(Path::new("/proc/self")).expect("open")).expect("a line");
        assert_eq!(line.split(' ').nth(4), Some("/proc"));
    }
}
