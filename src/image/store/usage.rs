//! What images take of the disk, shared and alone.
//!
//! Which layers and blobs an image has, and how large they are, never changes: it is kept in `sizes.json`, so that 200 images of
//! ten layers are not 2,400 files to read. The file is only a memory: it may be lost or old, and is made anew then.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::gc::is_resumable;
use super::users::InUse;
use super::{Row, Store};
use crate::image::Result;
use crate::image::manifest::Manifest;
use crate::model::{Digest, DiskUsage, Extent, ImageUsage, PartialUsage, PruneFilter, Pruned, Reference, Timestamp};
use crate::sys::file::Lock;

/// Digits of a digest, and bytes.
pub(super) type Sized = (String, u64);

/// What one manifest's image is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    /// Unpacked, lowest first.
    pub(super) layers: Vec<Sized>,
    /// Compressed layers, configuration and manifest.
    pub(super) blobs: Vec<Sized>,
}

/// The parts of all images, by their manifests' digits.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Sizes {
    images: BTreeMap<String, Parts>,
}

/// All that is known of the disk at one moment.
pub(super) struct Weighed {
    rows: Vec<Row>,
    sizes: Sizes,
    in_use: InUse,
    /// All layers and blobs that lie in the store, whoever needs them.
    layers: HashMap<String, u64>,
    blobs: HashMap<String, u64>,
}

impl Store {
    /// What images take of the disk; containers are for others to add.
    pub fn usage(&self) -> Result<DiskUsage> {
        let weighed = self.weigh()?;
        let mut usage = DiskUsage { images: weighed.images(), partial: self.partial()?, ..DiskUsage::default() };
        let active: HashSet<&Digest> = weighed.in_use.counts().into_keys().collect();
        let (layers, blobs) = weighed.needed(|row| active.contains(&row.id));
        usage.layers = extent(&weighed.layers, &layers);
        usage.blobs = extent(&weighed.blobs, &blobs);
        Ok(usage)
    }

    /// What [`Store::prune`] would remove and free.
    pub fn prune_preview(&self, filter: &PruneFilter, gone: &[String]) -> Result<Pruned> {
        let mut weighed = self.weigh()?;
        weighed.in_use.forget(gone);
        let images = self.unused(&weighed.rows, filter, &weighed.in_use);
        let goes: HashSet<&Digest> = images.iter().map(|image| &image.id).collect();
        let partial = self.partial()?;
        let partial = partial.iter().filter(|partial| !partial.active);
        let freed_bytes =
            weighed.freed_without(|row| goes.contains(&row.id)) + partial.clone().map(|it| it.bytes).sum::<u64>();
        Ok(Pruned { partial: partial.count(), freed_bytes, images, ..Pruned::default() })
    }

    /// Bytes that removing these images with all their tags would free.
    pub fn remove_preview(&self, texts: &[String]) -> Result<u64> {
        let weighed = self.weigh()?;
        let ids = texts.iter().map(|text| {
            let place = super::find::named(&weighed.rows, text)?.place();
            Ok(weighed.rows[place].id.clone())
        });
        let ids = ids.collect::<Result<HashSet<Digest>>>()?;
        Ok(weighed.freed_without(|row| ids.contains(&row.id)))
    }

    /// The layers of every image with their bytes, lowest first. Reads two files, however many images there are.
    pub fn layers(&self) -> Result<BTreeMap<Digest, Vec<(Digest, u64)>>> {
        let rows = self.rows()?;
        let sizes = self.sizes(&rows);
        let digest = |(digits, bytes): &Sized| Some((format!("sha256:{digits}").parse().ok()?, *bytes));
        let layers = |parts: &Parts| parts.layers.iter().filter_map(digest).collect();
        let of = |row: &Row| Some((row.id.clone(), sizes.images.get(row.manifest.hex()).map(layers)?));
        Ok(rows.iter().filter_map(of).collect())
    }

    fn weigh(&self) -> Result<Weighed> {
        let rows = self.rows()?;
        let sizes = self.sizes(&rows);
        let known = |of: fn(&Parts) -> &Vec<Sized>| -> HashMap<&str, u64> {
            sizes.images.values().flat_map(of).map(|(digits, bytes)| (digits.as_str(), *bytes)).collect()
        };
        let (layers, blobs) = (known(|parts| &parts.layers), known(|parts| &parts.blobs));
        let layer = |name: &str| self.recorded_size(&self.folder.join("layers").join(name)).unwrap_or(0);
        let blob = |name: &str| {
            fs::symlink_metadata(self.folder.join("blobs/sha256").join(name)).map_or(0, |found| found.len())
        };
        let layers = self.measured("layers", &layers, layer)?;
        let blobs = self.measured("blobs/sha256", &blobs, blob)?;
        Ok(Weighed { in_use: self.in_use()?, rows, sizes, layers, blobs })
    }

    /// What lies in a folder, with its bytes: known ones are not looked at.
    fn measured(
        &self,
        folder: &str,
        known: &HashMap<&str, u64>,
        measure: impl Fn(&str) -> u64,
    ) -> Result<HashMap<String, u64>> {
        let names = self.names(folder)?.into_iter().filter_map(|name| name.into_string().ok());
        let bytes = |name: &str| known.get(name).copied().unwrap_or_else(|| measure(name));
        Ok(names.map(|name| (bytes(&name), name)).map(|(bytes, name)| (name, bytes)).collect())
    }

    /// The parts of every row's image, from memory where they are known.
    fn sizes(&self, rows: &[Row]) -> Sizes {
        let path = self.folder.join("sizes.json");
        let mut known: Sizes =
            fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let before = known.images.len();
        let mut learned = false;
        let mut images = BTreeMap::new();
        for row in rows {
            let digits = row.manifest.hex();
            if images.contains_key(digits) {
                continue;
            }
            let parts = known.images.remove(digits).or_else(|| {
                learned = true;
                self.parts(row)
            });
            images.extend(parts.map(|parts| (digits.to_owned(), parts)));
        }
        let sizes = Sizes { images };
        if learned || before != sizes.images.len() {
            // What cannot be remembered is looked up again.
            let _ = serde_json::to_vec(&sizes).map(|bytes| self.write(&path, &bytes));
        }
        sizes
    }

    /// What an image is made of, read from its documents; none if they are damaged or a layer is not unpacked.
    pub(super) fn parts(&self, row: &Row) -> Option<Parts> {
        let manifest = Manifest::parse(&self.read_document(&row.manifest).ok()?).ok()?;
        let configuration = self.configuration(&manifest.config.digest).ok()?;
        let sized = |layer: &Digest| Some((layer.hex().to_owned(), self.layer_bytes(layer)?));
        let mut blobs: Vec<Sized> =
            manifest.layers.iter().map(|part| (part.digest.hex().to_owned(), part.size)).collect();
        blobs.push((manifest.config.digest.hex().to_owned(), manifest.config.size));
        blobs.push((row.manifest.hex().to_owned(), row.manifest_bytes));
        Some(Parts { layers: configuration.diff_ids.iter().map(sized).collect::<Option<_>>()?, blobs })
    }

    /// What broken-off pulls have left.
    fn partial(&self) -> Result<Vec<PartialUsage>> {
        let names = self.names("partial")?;
        let parts = names.iter().filter(|name| is_resumable(name)).filter_map(|name| name.to_str());
        let blobs = parts.filter_map(|name| name.strip_suffix(".part"));
        Ok(blobs.filter_map(|digits| self.partial_blob(digits)).collect())
    }

    fn partial_blob(&self, digits: &str) -> Option<PartialUsage> {
        use std::os::unix::fs::MetadataExt;
        let path = self.folder.join("partial").join(format!("{digits}.part"));
        let found = fs::symlink_metadata(&path).ok()?;
        let lock = self.folder.join("locks").join(digits);
        Some(PartialUsage {
            blob: format!("sha256:{digits}").parse().ok(),
            // A blob that is fetched in ranges has holes.
            bytes: found.len().min(found.blocks() * 512),
            modified: Timestamp::from(found.modified().unwrap_or(SystemTime::UNIX_EPOCH)),
            active: Lock::is_held(&lock).unwrap_or(false),
        })
    }

    /// The size that was written down when a layer was unpacked.
    pub(super) fn recorded_size(&self, layer: &Path) -> Option<u64> {
        fs::read_to_string(layer.join("size")).ok()?.trim().parse().ok()
    }
}

fn extent(there: &HashMap<String, u64>, active: &HashSet<&str>) -> Extent {
    let active_there = there.keys().filter(|digits| active.contains(digits.as_str()));
    let unused = there.iter().filter(|(digits, _)| !active.contains(digits.as_str()));
    Extent {
        count: there.len(),
        active: active_there.count(),
        size_bytes: there.values().sum(),
        reclaimable_bytes: unused.map(|(_, bytes)| bytes).sum(),
    }
}

impl Weighed {
    /// Digits of the layers and blobs that these rows' images need; layers of containers too.
    fn needed(&self, wanted: impl Fn(&Row) -> bool) -> (HashSet<&str>, HashSet<&str>) {
        let (mut layers, mut blobs) = (self.in_use.layers(), HashSet::new());
        for row in self.rows.iter().filter(|row| wanted(row)) {
            let Some(parts) = self.sizes.images.get(row.manifest.hex()) else { continue };
            layers.extend(parts.layers.iter().map(|(digits, _)| digits.as_str()));
            blobs.extend(parts.blobs.iter().map(|(digits, _)| digits.as_str()));
        }
        (layers, blobs)
    }

    /// Bytes that nobody needs once these rows are gone, garbage included.
    fn freed_without(&self, goes: impl Fn(&Row) -> bool) -> u64 {
        let (layers, blobs) = self.needed(|row| !goes(row));
        extent(&self.layers, &layers).reclaimable_bytes + extent(&self.blobs, &blobs).reclaimable_bytes
    }

    fn images(&self) -> Vec<ImageUsage> {
        let counts = self.in_use.counts();
        let mut by_id: BTreeMap<&Digest, Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            by_id.entry(&row.id).or_default().push(row);
        }
        // How many images have each layer.
        let mut owners: HashMap<&str, usize> = HashMap::new();
        let parts = |rows: &[&Row]| self.sizes.images.get(rows[0].manifest.hex());
        for rows in by_id.values() {
            let layers: HashSet<&str> =
                parts(rows).iter().flat_map(|parts| &parts.layers).map(|(digits, _)| digits.as_str()).collect();
            layers.into_iter().for_each(|layer| *owners.entry(layer).or_default() += 1);
        }
        let mut images: Vec<ImageUsage> = by_id
            .iter()
            .map(|(id, rows)| {
                let none = Parts::default();
                let parts = parts(rows).unwrap_or(&none);
                let layers: HashMap<&str, u64> =
                    parts.layers.iter().map(|(digits, bytes)| (digits.as_str(), *bytes)).collect();
                let is_shared = |digits: &str| owners.get(digits).is_some_and(|count| *count > 1);
                let shared_bytes = layers.iter().filter(|(digits, _)| is_shared(digits)).map(|(_, bytes)| bytes).sum();
                let size_bytes = layers.values().sum();
                let mut references: Vec<Reference> =
                    rows.iter().filter_map(|row| row.summary.reference.clone()).collect();
                references.sort();
                ImageUsage {
                    id: (*id).clone(),
                    references,
                    created: rows[0].summary.created,
                    size_bytes,
                    shared_bytes,
                    unique_bytes: size_bytes - shared_bytes,
                    blob_bytes: parts.blobs.iter().map(|(_, bytes)| bytes).sum(),
                    containers: counts.get(id).copied().unwrap_or(0),
                }
            })
            .collect();
        images.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.references.cmp(&b.references)));
        images
    }
}
