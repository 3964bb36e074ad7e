//! What images, containers and broken-off pulls take of the disk, and what removing the unused of them gives back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ContainerState, Digest, Id, Name, Reference, Timestamp, VolumeName, VolumeSummary};

/// All that teu keeps on the disk, by `system df`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskUsage {
    /// One entry an image, however many tags it has, newest first.
    pub images: Vec<ImageUsage>,
    /// Newest first.
    pub containers: Vec<ContainerUsage>,
    /// By name, measured.
    #[serde(default)]
    pub volumes: Vec<VolumeSummary>,
    pub partial: Vec<PartialUsage>,
    /// Unpacked layers, each counted once, however many images share it.
    pub layers: Extent,
    /// The compressed layers as registries sent them, with manifests and configurations: what push and save send on.
    pub blobs: Extent,
}

/// How much there is of one sort of thing, how much of it is in use, and what could go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    pub count: usize,
    /// Of these, how many are in use.
    pub active: usize,
    pub size_bytes: u64,
    /// Bytes that removing all that is not in use would free.
    pub reclaimable_bytes: u64,
}

/// One image's part of the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUsage {
    pub id: Digest,
    /// Its tags; empty for a dangling image.
    pub references: Vec<Reference>,
    pub created: Option<Timestamp>,
    /// Bytes of all its layers, unpacked.
    pub size_bytes: u64,
    /// Of these, bytes of layers that other images have too.
    pub shared_bytes: u64,
    /// Bytes of the layers that only this image has.
    pub unique_bytes: u64,
    /// Bytes of its compressed layers.
    pub blob_bytes: u64,
    /// Containers made of it.
    pub containers: usize,
}

/// One container's part of the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerUsage {
    pub id: Id,
    pub name: Name,
    /// As the user named it.
    pub image: String,
    pub command: Vec<String>,
    pub created: Timestamp,
    pub state: ContainerState,
    /// Bytes in its writable layer; none if a part of it cannot be read.
    pub size_bytes: Option<u64>,
    /// Volumes that it uses.
    pub mounts: usize,
}

/// What a broken-off pull has left, for the next one to go on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialUsage {
    /// The layer's blob; none for what is of no use to any pull.
    pub blob: Option<Digest>,
    pub bytes: u64,
    /// When something was last written to it.
    pub modified: Timestamp,
    /// A pull is at it now.
    pub active: bool,
}

impl DiskUsage {
    /// The containers together; those that do not run could go.
    pub fn containers_extent(&self) -> Extent {
        let mut extent = Extent { count: self.containers.len(), ..Extent::default() };
        for container in &self.containers {
            let bytes = container.size_bytes.unwrap_or(0);
            extent.size_bytes += bytes;
            match container.state.is_running() {
                true => extent.active += 1,
                false => extent.reclaimable_bytes += bytes,
            }
        }
        extent
    }

    /// The volumes together; those that no container uses could go.
    pub fn volumes_extent(&self) -> Extent {
        let mut extent = Extent { count: self.volumes.len(), ..Extent::default() };
        for volume in &self.volumes {
            let bytes = volume.size_bytes.unwrap_or(0);
            extent.size_bytes += bytes;
            match volume.users.is_empty() {
                false => extent.active += 1,
                true => extent.reclaimable_bytes += bytes,
            }
        }
        extent
    }

    /// What broken-off pulls have left, together.
    pub fn partial_extent(&self) -> Extent {
        let mut extent = Extent { count: self.partial.len(), ..Extent::default() };
        for partial in &self.partial {
            extent.size_bytes += partial.bytes;
            match partial.active {
                true => extent.active += 1,
                false => extent.reclaimable_bytes += partial.bytes,
            }
        }
        extent
    }
}

/// Which unused things a prune takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneFilter {
    /// Every image that no container is made of, not the dangling ones only.
    pub all: bool,
    /// With the system also anonymous volumes that no container uses then.
    pub volumes: bool,
    /// Only what was made before this.
    pub until: Option<Timestamp>,
    /// Only what passes all of these.
    pub labels: Vec<LabelFilter>,
}

/// `label=KEY`, `label=KEY=VALUE`, and both with `label!=`, which keeps what has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFilter {
    pub key: String,
    pub value: Option<String>,
    pub wanted: LabelWish,
}

/// Whether a label must or must not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelWish {
    Present,
    Absent,
}

impl PruneFilter {
    /// Whether something made then, with these labels, may go.
    pub fn passes(&self, created: Option<Timestamp>, labels: &BTreeMap<String, String>) -> bool {
        let old = match (self.until, created) {
            (Some(until), Some(created)) => created < until,
            // What has no date cannot be shown to be old.
            (Some(_), None) => false,
            (None, _) => true,
        };
        old && self.labels.iter().all(|filter| filter.passes(labels))
    }
}

impl LabelFilter {
    pub fn passes(&self, labels: &BTreeMap<String, String>) -> bool {
        let found = labels.get(&self.key).is_some_and(|known| self.value.as_ref().is_none_or(|value| value == known));
        found == (self.wanted == LabelWish::Present)
    }
}

/// What a prune is to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PruneScope {
    Images,
    Containers,
    /// Containers first, then the images that these have set free.
    System,
}

/// What a prune has removed, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub containers: Vec<(Id, Name)>,
    pub images: Vec<PrunedImage>,
    pub volumes: Vec<VolumeName>,
    /// Blobs of broken-off pulls, which the next pull would have gone on with.
    pub partial: usize,
    /// Bytes that came free, or would: layers, blobs, writable layers, volumes and broken-off pulls.
    pub freed_bytes: u64,
}

/// An image that went, with all its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrunedImage {
    pub id: Digest,
    pub references: Vec<Reference>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(key: &str, value: Option<&str>, wanted: LabelWish) -> LabelFilter {
        LabelFilter { key: key.to_owned(), value: value.map(str::to_owned), wanted }
    }

    #[test]
    fn prune_filter_passes_what_is_old_and_has_the_labels() {
        let labels = BTreeMap::from([("tier".to_owned(), "web".to_owned())]);
        let later = Timestamp(jiff::Timestamp::from_second(100).expect("in range"));
        let old = PruneFilter { until: Some(later), ..PruneFilter::default() };
        assert!(old.passes(Some(Timestamp::EPOCH), &labels));
        assert!(!old.passes(Some(later), &labels) && !old.passes(None, &labels));
        for (filter, passes) in [
            (label("tier", None, LabelWish::Present), true),
            (label("tier", Some("web"), LabelWish::Present), true),
            (label("tier", Some("db"), LabelWish::Present), false),
            (label("other", None, LabelWish::Present), false),
            (label("tier", None, LabelWish::Absent), false),
            (label("tier", Some("db"), LabelWish::Absent), true),
            (label("other", None, LabelWish::Absent), true),
        ] {
            let wish = PruneFilter { labels: vec![filter.clone()], ..PruneFilter::default() };
            assert_eq!(wish.passes(None, &labels), passes, "{filter:?}");
        }
    }
}
