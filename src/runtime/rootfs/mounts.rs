//! The mounts a specification lists: kernel file systems and binds.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;
use rustix::fs::CWD;

use super::handed::Handed;
use super::inside::{self, Shape, Symlinks};
use super::options::Options;
use crate::runtime::RuntimeError;
use crate::sys::mount::{Attributes, Change, Depth, Propagation, attach, change, clone_tree, new_mount};

/// A mount that is made but not attached yet.
pub struct Prepared<'a> {
    mount: &'a Mount,
    tree: OwnedFd,
    shape: Shape,
    options: Options,
}

/// What a caller wants to keep of the mounts that were attached.
#[derive(Default)]
pub struct Attached {
    pub proc: Option<OwnedFd>,
    pub dev: Option<OwnedFd>,
    pub devpts: Option<OwnedFd>,
}

/// Files of /proc that may be replaced by a bind, as lxcfs does (runc's list).
const REPLACEABLE: [&str; 8] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
];

/// Makes every mount but cgroups, detached, unless it was handed over. Sources are the host's paths, so this comes before
/// the root changes.
pub fn prepare<'a>(mounts: &'a [Mount], bundle: &Path, handed: &mut Handed) -> Result<Vec<Prepared<'a>>, RuntimeError> {
    let wanted = mounts.iter().enumerate().filter(|(_, mount)| mount.typ().as_deref() != Some("cgroup"));
    wanted.map(|(at, mount)| prepare_one(mount, bundle, handed.mount(at))).collect()
}

/// A bind shows what is on the machine already; everything else makes a file system.
pub fn is_bind(mount: &Mount) -> bool {
    matches!(mount.typ().as_deref(), None | Some("bind" | "none")) || Options::of(mount).bind.is_some()
}

/// A bind's source; a relative one is in the bundle.
pub fn source(mount: &Mount, bundle: &Path) -> PathBuf {
    bundle.join(mount.source().as_deref().unwrap_or(Path::new("")))
}

fn prepare_one<'a>(mount: &'a Mount, bundle: &Path, handed: Option<OwnedFd>) -> Result<Prepared<'a>, RuntimeError> {
    let options = Options::of(mount);
    let kind = mount.typ().as_deref().unwrap_or("bind");
    if is_bind(mount) {
        let tree = match handed {
            Some(tree) => tree,
            None => {
                let source = source(mount, bundle);
                bind(&source, &options)
                    .map_err(|error| RuntimeError::step(format!("bind {}", source.display()), error))?
            }
        };
        let folder = inside::is_folder(&tree).map_err(|error| failed(mount, error))?;
        let shape = if folder { Shape::Folder } else { Shape::File };
        return Ok(Prepared { mount, tree, shape, options });
    }
    let mut data: Vec<(&str, Option<&str>)> = Vec::with_capacity(options.data.len() + 1);
    data.push(("source", Some(mount.source().as_deref().and_then(Path::to_str).unwrap_or(kind))));
    data.extend(options.data.iter().map(|(key, value)| (key.as_str(), value.as_deref())));
    let tree = match new_mount(kind, &data, options.attributes) {
        // A new sysfs may be mounted only by who owns the network namespace; the host's own, read-only, tells as much.
        Err(error) if kind == "sysfs" && error.kind() == io::ErrorKind::PermissionDenied => host_sysfs(),
        made => made,
    }
    .map_err(|error| failed(mount, error))?;
    Ok(Prepared { mount, tree, shape: Shape::Folder, options })
}

/// A detached copy of what is at `source`, with the attributes of the options.
pub fn bind(source: &Path, options: &Options) -> io::Result<OwnedFd> {
    let depth = options.bind.unwrap_or(Depth::Whole);
    let tree = match clone_tree(CWD, source, depth) {
        // In a user namespace what is mounted below may not be left behind: it could hide something.
        Err(error) if depth == Depth::One && error.kind() == io::ErrorKind::InvalidInput => {
            clone_tree(CWD, source, Depth::Whole)?
        }
        cloned => cloned?,
    };
    // The copy still hears of what is mounted on the machine, and tells it: as much of that as is wished stays.
    let (propagation, depth) = options.propagation.unwrap_or((Propagation::Private, Depth::Whole));
    change(&tree, depth, &Change::propagation(propagation))?;
    let wish = options.change();
    match change(&tree, Depth::One, &wish) {
        // Flags of a mount that came from the host's namespace are locked for a user: what is read-only stays so.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            change(&tree, Depth::One, &Change { clear: Attributes::empty(), ..wish })?;
        }
        changed => changed?,
    }
    if !options.recursive.is_empty() {
        change(&tree, Depth::Whole, &Change::set(options.recursive))?;
    }
    Ok(tree)
}

fn host_sysfs() -> io::Result<OwnedFd> {
    let tree = clone_tree(CWD, Path::new("/sys"), Depth::Whole)?;
    let wish = Attributes::MOUNT_ATTR_RDONLY
        | Attributes::MOUNT_ATTR_NOSUID
        | Attributes::MOUNT_ATTR_NODEV
        | Attributes::MOUNT_ATTR_NOEXEC;
    change(&tree, Depth::Whole, &Change::set(wish))?;
    Ok(tree)
}

/// Attaches them in their order below the root, making the mount points.
pub fn attach_all(root: BorrowedFd<'_>, prepared: Vec<Prepared<'_>>) -> Result<Attached, RuntimeError> {
    let mut attached = Attached::default();
    for one in prepared {
        attach_one(root, &one)?;
        match (one.mount.typ().as_deref(), one.mount.destination().to_str()) {
            (Some("proc"), Some("/proc")) => attached.proc = Some(one.tree),
            (Some("tmpfs"), Some("/dev")) => attached.dev = Some(one.tree),
            (Some("devpts"), Some("/dev/pts")) => attached.devpts = Some(one.tree),
            _ => {}
        }
    }
    Ok(attached)
}

fn attach_one(root: BorrowedFd<'_>, one: &Prepared<'_>) -> Result<(), RuntimeError> {
    let destination = one.mount.destination();
    let is_bind = is_bind(one.mount);
    let symlinks = if is_bind { Symlinks::InsideRoot } else { Symlinks::Refused };
    let target = inside::find_or_make(root, destination, one.shape, symlinks)
        .map_err(|error| RuntimeError::step(format!("make the mount point {}", destination.display()), error))?;
    if inside::is_folder(&target).map_err(|error| failed(one.mount, error))? != (one.shape == Shape::Folder) {
        let (is, wanted) = if one.shape == Shape::Folder { ("a file", "a folder") } else { ("a folder", "a file") };
        return Err(RuntimeError::InvalidRequest(format!(
            "cannot mount {wanted} on {}: it is {is} in the image",
            destination.display()
        )));
    }
    // CVE-2019-16884, CVE-2025-52881: what is laid over /proc could take in later writes to it.
    let on_proc = inside::is_on_proc(target.as_fd()).map_err(|error| failed(one.mount, error))?;
    if is_bind && on_proc && !REPLACEABLE.iter().any(|path| destination == Path::new(path)) {
        return Err(RuntimeError::InvalidRequest(format!(
            "cannot mount on {}: it is inside /proc",
            destination.display()
        )));
    }
    attach(&one.tree, &target).map_err(|error| failed(one.mount, error))?;
    match one.options.propagation {
        Some((propagation, depth)) if !is_bind => {
            change(&one.tree, depth, &Change::propagation(propagation)).map_err(|error| failed(one.mount, error))
        }
        _ => Ok(()),
    }
}

fn failed(mount: &Mount, source: io::Error) -> RuntimeError {
    RuntimeError::step(format!("mount {}", mount.destination().display()), source)
}
