//! /etc/hostname, /etc/hosts and /etc/resolv.conf, made for each container and bound over the image's.
//!
//! They live in a tmpfs of the container's own, so that starting one writes nothing to disk. They can be written to,
//! and are made anew at the next start. The host image keeps the machine's own files while it has the machine's surroundings.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};

use super::inside::{self, Shape, Symlinks};
use crate::runtime::{NameFiles, RuntimeError};
use crate::sys::mount::{Attributes, Depth, attach, clone_tree, new_mount};

/// What the files are to say.
pub struct Wish<'a> {
    pub hostname: &'a str,
    /// The container shares the host's network, and so its names.
    pub host_network: bool,
    pub names: &'a NameFiles,
}

const LOCAL_NAMES: &str = "\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
";

/// Makes the three and binds each to its place, unless `taken` says that a mount of the user's is there.
pub fn bind(root: BorrowedFd<'_>, wish: &Wish<'_>, taken: &dyn Fn(&str) -> bool) -> Result<(), RuntimeError> {
    let files = [("hostname", format!("{}\n", wish.hostname)), ("hosts", hosts(wish)), ("resolv.conf", resolver(wish))];
    let wanted: Vec<_> = files.iter().filter(|(name, _)| !taken(&format!("/etc/{name}"))).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let folder = scratch_folder().map_err(|error| RuntimeError::step("make a tmpfs for /etc/hosts", error))?;
    for (name, text) in wanted {
        bind_one(root, &folder, name, text).map_err(|error| RuntimeError::step(format!("bind /etc/{name}"), error))?;
    }
    Ok(())
}

/// Before Linux 6.15 only an attached mount can be cloned, so it stands on the machine's /dev, which vanishes from this
/// mount namespace with the old root.
fn scratch_folder() -> io::Result<OwnedFd> {
    let attributes = Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_NODEV | Attributes::MOUNT_ATTR_NOEXEC;
    let options = [("source", Some("tmpfs")), ("mode", Some("755")), ("size", Some("1m"))];
    let tmpfs = new_mount("tmpfs", &options, attributes)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    attach(&tmpfs, openat(rustix::fs::CWD, "/dev", flags, Mode::empty())?)?;
    Ok(tmpfs)
}

fn bind_one(root: BorrowedFd<'_>, folder: &OwnedFd, name: &str, text: &str) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::from_raw_mode(0o644))?;
    fs::File::from(file).write_all(text.as_bytes())?;
    let target = inside::find_or_make(root, &Path::new("/etc").join(name), Shape::File, Symlinks::InsideRoot)?;
    attach(clone_tree(folder.as_fd(), Path::new(name), Depth::One)?, &target)
}

fn hosts(wish: &Wish<'_>) -> String {
    let machines = || wish.host_network.then(|| fs::read_to_string("/etc/hosts").ok()).flatten();
    let lines: String = wish.names.hosts.iter().map(|line| format!("{line}\n")).collect();
    if let Some(mut text) = wish.names.hosts_file.clone().or_else(machines) {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        return text + &lines;
    }
    // In a network its own addresses are among the lines.
    let named = wish.names.hosts.iter().any(|line| line.split('\t').nth(1) == Some(wish.hostname));
    let own = if named { String::new() } else { format!("127.0.1.1\t{}\n", wish.hostname) };
    LOCAL_NAMES.to_owned() + &own + &lines
}

fn resolver(wish: &Wish<'_>) -> String {
    wish.names.resolver.clone().unwrap_or_else(|| fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_own_network_name_localhost_and_the_container() {
        let names = NameFiles::default();
        let text = hosts(&Wish { hostname: "box", host_network: false, names: &names });
        assert!(text.starts_with("127.0.0.1\tlocalhost\n") && text.ends_with("127.0.1.1\tbox\n"), "{text}");
    }
}
