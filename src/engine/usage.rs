//! `system df` and `system check`: what lies on the disk, and whether it is whole.

use std::collections::BTreeMap;

use super::{Engine, Result};
use crate::model::{CheckMode, CheckReport, ContainerUsage, Digest, DiskUsage};

impl Engine {
    /// What images, containers and broken-off pulls take of the disk.
    pub fn system_df(&self) -> Result<DiskUsage> {
        let mut usage = self.0.store()?.usage()?;
        usage.volumes = self.volumes_measured()?;
        for container in self.list(true)? {
            let size_bytes = self.0.writable_bytes(&container.id, &container.state)?;
            usage.containers.push(ContainerUsage {
                id: container.id,
                name: container.name,
                image: container.image,
                command: container.command,
                created: container.created,
                state: container.state,
                size_bytes,
                mounts: container.mounts.iter().filter(|mount| mount.volume_name().is_some()).count(),
            });
        }
        Ok(usage)
    }

    /// The layers of every image, by its id, with their unpacked bytes, lowest first. One cheap call for all images.
    pub fn image_layers(&self) -> Result<BTreeMap<Digest, Vec<(Digest, u64)>>> {
        Ok(self.0.store()?.layers()?)
    }

    /// Looks at all that images and containers are made of, and with [`CheckMode::Repair`] mends it.
    pub fn system_check(&self, mode: CheckMode) -> Result<CheckReport> {
        Ok(self.0.store()?.check(mode)?)
    }
}
