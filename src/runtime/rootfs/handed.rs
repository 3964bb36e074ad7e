//! Mounts that the starting process makes with the machine's rights, and hands to the process that attaches them.
//!
//! A container in a user namespace of root's may neither mount an overlay whose marks are `trusted.`, nor map ids, nor
//! reach folders that only root of the machine may enter. What it needs of that arrives as descriptors of detached mounts.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use oci_spec::runtime::Mount;

use super::mapped::{self, Apart};
use super::options::{self, Options};
use super::origin::{Bound, Sources};
use super::{mounts, overlay};
use crate::runtime::elsewhere;
use crate::runtime::idmap::IdMaps;
use crate::runtime::{Rootfs, RuntimeError, StartRequest};
use crate::sys::mount::{Depth, map_ids};

/// What is to be handed over. Both sides work it out from the request, so that only descriptors have to travel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    root: bool,
    /// Places in the specification's list of mounts.
    mounts: Vec<usize>,
}

/// What has arrived.
#[derive(Debug, Default)]
pub struct Handed {
    pub root: Option<OwnedFd>,
    mounts: Vec<(usize, OwnedFd)>,
}

impl Plan {
    /// `apart`: the container lives in a user namespace other than the caller's. An ordinary user has nothing to hand.
    pub fn of(request: &StartRequest, apart: bool) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::default();
        }
        let listed = request.spec.mounts().as_deref().unwrap_or_default().iter().enumerate();
        let wanted = listed.filter(|(_, mount)| mounts::is_bind(mount) && (apart || wants_map(mount)));
        Self { root: apart, mounts: wanted.map(|(at, _)| at).collect() }
    }

    pub fn is_empty(&self) -> bool {
        !self.root && self.mounts.is_empty()
    }

    /// Makes them: the root first, then the mounts in their order.
    pub fn make(&self, request: &StartRequest, apart: Option<Apart<'_>>) -> Result<Vec<OwnedFd>, RuntimeError> {
        let mut made = Vec::with_capacity(1 + self.mounts.len());
        if let (true, Some(apart)) = (self.root, apart) {
            made.push(match &request.rootfs {
                // Whose files they are is up to who made the folder.
                Rootfs::Folder { path } => overlay::copy_of_folder(path, options::of_root_while_made(&request.spec)?)?,
                layered => overlay::mount_mapped(layered, apart)?,
            });
        }
        let mut namespaces = MapNamespaces { own: apart.map(|apart| apart.user_namespace), made: Vec::new() };
        let listed = request.spec.mounts().as_deref().unwrap_or_default();
        let sources = Sources::outside(request, apart);
        for mount in self.mounts.iter().filter_map(|at| listed.get(*at)) {
            made.push(make_bind(mount, &sources, &mut namespaces)?);
        }
        Ok(made)
    }

    /// Sorts what came down the line.
    pub fn take(&self, descriptors: Vec<OwnedFd>) -> Result<Handed, RuntimeError> {
        if descriptors.len() != usize::from(self.root) + self.mounts.len() {
            return Err(RuntimeError::step("take over the mounts", io::ErrorKind::UnexpectedEof));
        }
        let mut descriptors = descriptors.into_iter();
        let root = if self.root { descriptors.next() } else { None };
        Ok(Handed { root, mounts: self.mounts.iter().copied().zip(descriptors).collect() })
    }
}

impl Handed {
    /// The bind that was made for this place in the list of mounts.
    pub fn mount(&mut self, at: usize) -> Option<OwnedFd> {
        let found = self.mounts.iter().position(|(place, _)| *place == at)?;
        Some(self.mounts.swap_remove(found).1)
    }
}

fn wants_map(mount: &Mount) -> bool {
    has_maps(mount) || Options::of(mount).id_map.is_some()
}

fn has_maps(mount: &Mount) -> bool {
    mount.uid_mappings().as_ref().is_some_and(|maps| !maps.is_empty())
        || mount.gid_mappings().as_ref().is_some_and(|maps| !maps.is_empty())
}

fn make_bind(
    mount: &Mount,
    sources: &Sources<'_>,
    namespaces: &mut MapNamespaces<'_>,
) -> Result<OwnedFd, RuntimeError> {
    let options = Options::of(mount);
    let Bound { tree, place } = sources.bind(mount, &options)?;
    let Some(place) = place.filter(|_| wants_map(mount)) else { return Ok(tree) };
    let source = sources.path(mount);
    let user_namespace = namespaces.of(mount)?;
    let depth = options.id_map.unwrap_or(Depth::One);
    // Of what is mounted below, something may be of a kind that knows no maps: its owners then are nobody inside.
    let lenient = sources.origin(mount).is_some() && depth == Depth::Whole;
    if lenient && map_ids(&tree, Depth::Whole, user_namespace).is_ok() {
        return Ok(tree);
    }
    let depth = if lenient { Depth::One } else { depth };
    mapped::map(&tree, depth, user_namespace, &source, &place)?;
    Ok(tree)
}

/// User namespaces to map by: the container's own, and such as exist only for their maps.
struct MapNamespaces<'a> {
    own: Option<BorrowedFd<'a>>,
    made: Vec<(IdMaps, OwnedFd)>,
}

impl MapNamespaces<'_> {
    fn of(&mut self, mount: &Mount) -> Result<BorrowedFd<'_>, RuntimeError> {
        let destination = mount.destination().display();
        if !has_maps(mount) {
            return self.own.ok_or_else(|| {
                RuntimeError::InvalidRequest(format!(
                    "the mount {destination} has the option idmap but neither uidMappings nor a user namespace to take them from"
                ))
            });
        }
        let maps = IdMaps {
            uids: mount.uid_mappings().clone().unwrap_or_default(),
            gids: mount.gid_mappings().clone().unwrap_or_default(),
        };
        if maps.uids.is_empty() || maps.gids.is_empty() {
            return Err(RuntimeError::InvalidRequest(format!(
                "the mount {destination} needs both uidMappings and gidMappings"
            )));
        }
        let at = match self.made.iter().position(|(known, _)| *known == maps) {
            Some(at) => at,
            None => {
                let namespace = elsewhere::user_namespace(&maps)?;
                self.made.push((maps, namespace));
                self.made.len() - 1
            }
        };
        Ok(self.made[at].1.as_fd())
    }
}
