//! An ordinary user's bridges: they are in a network namespace of the user's own, which all containers of the user's
//! networks share and which nothing leads out of. It is there as long as a monitor holds it open.
//!
//! Bridges here have no address, and nothing is passed on between them: each network is a switch by itself. To the world
//! containers go by pasta.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::process::{WaitId, WaitIdOptions, waitid};
use serde::{Deserialize, Serialize};

use super::link::{Inner, Links};
use super::machine::bridge_mac;
use super::{NetworkError, Result};
use crate::model::{Endpoint, Id, Network};
use crate::sys::clone::{CloneOptions, Cloned, clone3};
use crate::sys::file::{Lock, write_atomically};
use crate::sys::program;
use crate::sys::socket;

const MTU: u32 = 1500;

/// The user's switchboard, held open.
#[derive(Debug)]
pub struct Hub {
    links: Links,
    /// Who looks for the namespaces finds them by this file, which names these descriptors.
    entry: PathBuf,
    _user: OwnedFd,
    _network: OwnedFd,
}

/// Where a monitor has the namespaces open. What it says is looked at twice: the process may be another by now.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    pid: u32,
    user: i32,
    network: i32,
    /// Of the network namespace.
    inode: u64,
}

impl Hub {
    /// The hub that other monitors of this user hold, or a new one. `holder` is the container it is held for.
    pub fn open(folder: &Path, holder: &Id) -> Result<Self> {
        let folder = folder.join("hub");
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| NetworkError::io("make", &folder, error))?;
        let lock = folder.join("lock");
        let _lock = Lock::exclusive(&lock).map_err(|error| NetworkError::io("lock", &lock, error))?;
        let (user, network) = match found(&folder)? {
            Some(namespaces) => namespaces,
            None => make().map_err(|error| NetworkError::io("make a network namespace in", &folder, error))?,
        };
        let links = Links::inside(user.as_fd(), network.as_fd())?;
        let inode =
            fs::metadata(own_path(&network)).map_err(|error| NetworkError::io("look at", &folder, error))?.ino();
        let entry = Entry { pid: std::process::id(), user: user.as_raw_fd(), network: network.as_raw_fd(), inode };
        let path = folder.join(format!("{holder}.json"));
        let bytes = serde_json::to_vec(&entry).expect("plain values");
        write_atomically(&path, &bytes, 0o600).map_err(|error| NetworkError::io("write", &path, error))?;
        Ok(Self { links, entry: path, _user: user, _network: network })
    }

    /// Puts a container into a network: a link from its network namespace to the network's bridge, which is made if need be.
    pub fn attach(
        &mut self,
        network: &Network,
        endpoint: &Endpoint,
        user: BorrowedFd<'_>,
        namespace: BorrowedFd<'_>,
    ) -> Result<()> {
        let outer = endpoint.outer.as_ref().ok_or_else(|| NetworkError::NoBridge { link: network.link.clone() })?;
        let bridge = match self.links.find(&network.link)? {
            Some(bridge) => bridge,
            None => match self.links.make_bridge(&network.link, bridge_mac(network), network.mtu) {
                Ok(bridge) => bridge,
                // Another container's monitor made it this moment.
                Err(error) => self.links.find(&network.link)?.ok_or(error)?,
            },
        };
        let mtu = network.mtu.unwrap_or(MTU);
        let inner = Inner { name: &endpoint.link, mac: Some(endpoint.mac), mtu, namespace };
        self.links.make_pair(outer, bridge.index, &inner)?;
        let mut inside = Links::inside(user, namespace)?;
        let missing = || NetworkError::NoBridge { link: endpoint.link.clone() };
        let link = inside.find(&endpoint.link)?.ok_or_else(missing)?;
        inside.configure(&link, &endpoint.addresses, &[])
    }

    /// Takes a container out: its end of the link goes with this one.
    pub fn detach(&mut self, endpoint: &Endpoint) -> Result<()> {
        endpoint.outer.as_ref().map_or(Ok(()), |outer| self.links.delete(outer))
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.entry);
    }
}

/// The namespaces that some monitor holds. Entries of those that are gone are removed.
fn found(folder: &Path) -> Result<Option<(OwnedFd, OwnedFd)>> {
    let entries = fs::read_dir(folder).map_err(|error| NetworkError::io("list", folder, error))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let entry = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Entry>(&bytes).ok());
        match entry.as_ref().and_then(Entry::open) {
            Some(namespaces) => return Ok(Some(namespaces)),
            None => drop(fs::remove_file(&path)),
        }
    }
    Ok(None)
}

impl Entry {
    /// None unless the process has these very namespaces open.
    fn open(&self) -> Option<(OwnedFd, OwnedFd)> {
        let path = |number: i32| PathBuf::from(format!("/proc/{}/fd/{number}", self.pid));
        let is = |number: i32, kind: &str| {
            let target = fs::read_link(path(number)).ok()?;
            target.to_str()?.starts_with(kind).then_some(())
        };
        is(self.user, "user:[")?;
        is(self.network, "net:[")?;
        let network = fs::File::open(path(self.network)).ok()?;
        let same = network.metadata().is_ok_and(|found| found.ino() == self.inode);
        let user = fs::File::open(path(self.user)).ok()?;
        same.then(|| (user.into(), network.into()))
    }
}

fn own_path(descriptor: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

/// A user namespace whose root is this user, with a network namespace of its own.
fn make() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (own, other) = socket::pair()?;
    let flags = (libc::CLONE_NEWUSER | libc::CLONE_NEWNET) as u64;
    match clone3(&CloneOptions { flags, cgroup: None })? {
        Cloned::Child => {
            drop(own);
            // Until the parent has opened the namespaces, or is gone.
            let _ = socket::receive(&other, &mut [0]);
            program::exit_now(0)
        }
        Cloned::Parent { pid, pidfd } => {
            drop(other);
            let file = |name: &str| fs::File::open(format!("/proc/{pid}/ns/{name}")).map(OwnedFd::from);
            let opened = map_root(pid).and_then(|()| Ok((file("user")?, file("net")?)));
            drop(own);
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            opened
        }
    }
}

fn map_root(pid: i32) -> std::io::Result<()> {
    let write = |name: &str, text: String| {
        fs::OpenOptions::new().write(true).open(format!("/proc/{pid}/{name}"))?.write_all(text.as_bytes())
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("0 {} 1", rustix::process::geteuid().as_raw()))?;
    write("gid_map", format!("0 {} 1", rustix::process::getegid().as_raw()))
}
