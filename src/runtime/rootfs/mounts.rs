//! The mounts a specification lists: kernel file systems and binds, made detached, then attached in their order.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::Mount;
use rustix::fs::CWD;

use super::copy_up;
use super::handed::Handed;
use super::inside::{self, Shape, Symlinks};
use super::options::Options;
use super::origin::Sources;
use crate::runtime::RuntimeError;
use crate::sys::mount::{Attributes, Change, Depth, Propagation, attach, change, clone_tree, new_mount, reconfigure};

/// An entry of the list whose mount is made but not attached yet.
pub struct Prepared<'a> {
    mount: &'a Mount,
    options: Options,
    made: Made,
}

enum Made {
    Mount {
        tree: OwnedFd,
        shape: Shape,
    },
    /// Cgroups are mounted when the container has joined its own.
    Cgroups,
    /// Something that is mounted before is to change.
    Remount,
}

/// What a caller wants to keep of the mounts that were attached.
#[derive(Default)]
pub struct Attached<'a> {
    pub proc: Option<OwnedFd>,
    pub devpts: Option<OwnedFd>,
    /// Cgroups that nothing is mounted on: they may come last, when the groups are made.
    pub cgroups: Vec<(&'a Mount, Options)>,
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

/// Makes every mount but cgroups, unless it was handed over. Sources are the host's paths, so this comes before the root
/// changes.
pub fn prepare<'a>(
    mounts: &'a [Mount],
    sources: &Sources<'_>,
    handed: &mut Handed,
) -> Result<Vec<Prepared<'a>>, RuntimeError> {
    mounts.iter().enumerate().map(|(at, mount)| prepare_one((at, mount), sources, handed.mount(at))).collect()
}

/// A bind shows what is on the machine already; everything else makes a file system.
pub fn is_bind(mount: &Mount) -> bool {
    let options = Options::of(mount);
    let by_type = matches!(mount.typ().as_deref(), None | Some("bind" | "none"));
    !options.remount && (by_type || options.bind.is_some())
}

fn is_cgroups(mount: &Mount) -> bool {
    matches!(mount.typ().as_deref(), Some("cgroup" | "cgroup2")) && !is_bind(mount)
}

fn prepare_one<'a>(
    (at, mount): (usize, &'a Mount),
    sources: &Sources<'_>,
    handed: Option<OwnedFd>,
) -> Result<Prepared<'a>, RuntimeError> {
    let options = Options::of(mount);
    let made = if options.remount {
        Made::Remount
    } else if is_bind(mount) {
        make_bind((at, mount), &options, sources, handed)?
    } else if is_cgroups(mount) {
        Made::Cgroups
    } else {
        Made::Mount { tree: make_file_system(mount, &options)?, shape: Shape::Folder }
    };
    Ok(Prepared { mount, options, made })
}

fn make_bind(
    (at, mount): (usize, &Mount),
    options: &Options,
    sources: &Sources<'_>,
    handed: Option<OwnedFd>,
) -> Result<Made, RuntimeError> {
    if let Some((unknown, _)) = options.data.first() {
        return Err(RuntimeError::InvalidRequest(format!(
            "mounts[{at}].options: {unknown} is no option of a bind ({})",
            mount.destination().display()
        )));
    }
    let tree = match handed {
        Some(tree) => tree,
        None => sources.bind(mount, options)?.tree,
    };
    let folder = inside::is_folder(&tree).map_err(|error| failed(mount, error))?;
    Ok(Made::Mount { tree, shape: if folder { Shape::Folder } else { Shape::File } })
}

fn make_file_system(mount: &Mount, options: &Options) -> Result<OwnedFd, RuntimeError> {
    let kind = mount.typ().as_deref().unwrap_or_default();
    let mut data: Vec<(&str, Option<&str>)> = Vec::with_capacity(options.data.len() + 1);
    data.push(("source", Some(mount.source().as_deref().and_then(Path::to_str).unwrap_or(kind))));
    data.extend(options.flags.iter().map(|flag| (flag.as_str(), None)));
    for (key, value) in &options.data {
        match value {
            // One string has at most 255 bytes; overlayfs takes its layers one by one as well (Linux 6.5).
            Some(layers) if kind == "overlay" && key == "lowerdir" && layers.len() > 255 => {
                data.extend(layers.split(':').map(|layer| ("lowerdir+", Some(layer))));
            }
            value => data.push((key, value.as_deref())),
        }
    }
    let made = match new_mount(kind, &data, options.own.set) {
        // Only who owns the network or ipc namespace may mount its view; the host's own tells as much.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => match kind {
            "sysfs" => host_view("/sys", options.own.set | Attributes::MOUNT_ATTR_RDONLY),
            "mqueue" => host_view("/dev/mqueue", options.own.set),
            _ => Err(error),
        },
        made => made,
    };
    made.map_err(|error| match unmapped_owner(mount, options) {
        Some(owner) if error.kind() == io::ErrorKind::InvalidInput => RuntimeError::InvalidRequest(format!(
            "cannot mount on {}: {owner} is none of the ids that the container has; those of /proc/self/uid_map inside are",
            mount.destination().display()
        )),
        _ => failed(mount, error),
    })
}

/// The option that names an owner whom the container's user namespace may lack.
fn unmapped_owner(mount: &Mount, options: &Options) -> Option<String> {
    let owners = options
        .data
        .iter()
        .filter(|(key, _)| mount.typ().as_deref() == Some("tmpfs") && matches!(key.as_str(), "uid" | "gid"));
    let texts: Vec<String> =
        owners.map(|(key, value)| format!("{key}={}", value.as_deref().unwrap_or_default())).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

fn host_view(path: &str, attributes: Attributes) -> io::Result<OwnedFd> {
    let tree = clone_tree(CWD, Path::new(path), Depth::Whole)?;
    let wish = Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_NODEV | Attributes::MOUNT_ATTR_NOEXEC;
    change(&tree, Depth::Whole, &Change::propagation(Propagation::Private))?;
    change(&tree, Depth::Whole, &Change::set(attributes | wish))?;
    Ok(tree)
}

/// Attaches them in their order below the root, making the mount points. `cgroups` is called for those that something
/// else is mounted on.
pub fn attach_all<'a>(
    root: BorrowedFd<'_>,
    prepared: Vec<Prepared<'a>>,
    cgroups: &mut dyn FnMut(&Mount, &Options) -> Result<(), RuntimeError>,
) -> Result<Attached<'a>, RuntimeError> {
    let mut attached = Attached::default();
    for Prepared { mount, options, made } in prepared {
        let place = inside::relative(mount.destination());
        let below = |(above, _): &mut (&Mount, Options)| place.starts_with(inside::relative(above.destination()));
        for (above, options) in attached.cgroups.extract_if(.., below).collect::<Vec<_>>() {
            cgroups(above, &options)?;
        }
        match made {
            Made::Cgroups => attached.cgroups.push((mount, options)),
            Made::Remount => remount(root, mount, &options)?,
            Made::Mount { tree, shape } => {
                attach_one(root, mount, &options, (&tree, shape))?;
                match (mount.typ().as_deref(), inside::relative(mount.destination()).to_str()) {
                    (Some("proc"), Some("proc")) => attached.proc = Some(tree),
                    (Some("devpts"), Some("dev/pts")) => attached.devpts = Some(tree),
                    _ => {}
                }
            }
        }
    }
    Ok(attached)
}

fn attach_one(
    root: BorrowedFd<'_>,
    mount: &Mount,
    options: &Options,
    (tree, shape): (&OwnedFd, Shape),
) -> Result<(), RuntimeError> {
    let destination = mount.destination();
    let failed = |error| failed(mount, error);
    // CVE-2019-19921: an image's link would lead the kernel's own file systems astray.
    let is_kernels = !is_bind(mount) && matches!(mount.typ().as_deref(), Some("proc" | "sysfs"));
    let symlinks = if is_kernels { Symlinks::Refused } else { Symlinks::InsideRoot };
    let target = inside::find_or_make(root, destination, shape, symlinks).map_err(|error| match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => RuntimeError::InvalidRequest(format!(
            "cannot make the mount point {}: what it would be in is mounted read-only; make it there first",
            destination.display()
        )),
        _ => RuntimeError::step(format!("make the mount point {}", destination.display()), error),
    })?;
    if inside::is_folder(&target).map_err(failed)? != (shape == Shape::Folder) {
        let (is, wanted) = if shape == Shape::Folder { ("a file", "a folder") } else { ("a folder", "a file") };
        return Err(RuntimeError::InvalidRequest(format!(
            "cannot mount {wanted} on {}: it is {is} in the image",
            destination.display()
        )));
    }
    guard_proc(mount, tree, &target)?;
    if options.copy_up && mount.typ().as_deref() == Some("tmpfs") {
        copy_up::copy(&target, tree)
            .map_err(|error| RuntimeError::step(format!("copy {} into a tmpfs", destination.display()), error))?;
    }
    attach(tree, &target).map_err(failed)?;
    if is_bind(mount) {
        return Ok(());
    }
    if !options.recursive.is_none() {
        change(tree, Depth::Whole, &options.recursive.change()).map_err(failed)?;
    }
    match options.propagation {
        Some((propagation, depth)) => change(tree, depth, &Change::propagation(propagation)).map_err(failed),
        None => Ok(()),
    }
}

/// What is laid over /proc could take in later writes to it (CVE-2019-16884, CVE-2023-27561, CVE-2025-52881): there goes
/// only a procfs, and in it only what lxcfs and its like replace.
fn guard_proc(mount: &Mount, tree: &OwnedFd, target: &OwnedFd) -> Result<(), RuntimeError> {
    let destination = Path::new("/").join(inside::relative(mount.destination()));
    let failed = |error| failed(mount, error);
    let is_proc = inside::is_on_proc(tree).map_err(failed)?;
    let refused = if destination == Path::new("/proc") {
        !is_proc
    } else {
        inside::is_on_proc(target).map_err(failed)? && !REPLACEABLE.iter().any(|path| destination == Path::new(path))
    };
    if !refused {
        return Ok(());
    }
    Err(RuntimeError::InvalidRequest(format!("cannot mount on {}: it is inside /proc", mount.destination().display())))
}

fn remount(root: BorrowedFd<'_>, mount: &Mount, options: &Options) -> Result<(), RuntimeError> {
    let failed =
        |error: io::Error| RuntimeError::step(format!("change the mount at {}", mount.destination().display()), error);
    let target = inside::find(root, mount.destination(), Symlinks::InsideRoot).map_err(failed)?;
    let target = target.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    if options.bind.is_none() && !(options.flags.is_empty() && options.data.is_empty()) {
        let flags = options.flags.iter().map(|flag| (flag.as_str(), None));
        let data = options.data.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
        reconfigure(&target, &flags.chain(data).collect::<Vec<_>>()).map_err(failed)?;
    }
    if !options.own.is_none() {
        change(&target, Depth::One, &options.own.change()).map_err(failed)?;
    }
    if !options.recursive.is_none() {
        change(&target, Depth::Whole, &options.recursive.change()).map_err(failed)?;
    }
    match options.propagation {
        Some((propagation, depth)) => change(&target, depth, &Change::propagation(propagation)).map_err(failed),
        None => Ok(()),
    }
}

fn failed(mount: &Mount, source: io::Error) -> RuntimeError {
    RuntimeError::step(format!("mount {}", mount.destination().display()), source)
}
