//! `image prune`, `container prune`, `system prune`, and what they would take.

use super::{Engine, Result};
use crate::model::{ContainerSummary, ErrorKind, EventAction, Id, PruneFilter, PruneScope, Pruned, VolumeFilter};

impl Engine {
    /// Removes unused images: dangling ones, or with `all` every one that no container is made of.
    pub fn image_prune(&self, filter: &PruneFilter) -> Result<Pruned> {
        let pruned = self.0.store()?.prune(filter)?;
        for image in &pruned.images {
            for reference in &image.references {
                self.0.tell_image(EventAction::Untag, &reference.familiar());
            }
            self.0.tell_image(EventAction::Delete, image.id.as_str());
        }
        self.0.tell_image(EventAction::Prune, "");
        Ok(pruned)
    }

    /// Removes containers that do not run.
    pub fn container_prune(&self, filter: &PruneFilter) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for container in self.prunable(filter)? {
            let bytes = self.writable_bytes(&container)?;
            match self.remove(container.id.as_str(), false) {
                Ok(()) => {
                    pruned.freed_bytes += bytes;
                    pruned.containers.push((container.id, container.name));
                }
                // Removed by somebody else, or started again: not for a prune to take.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(pruned)
    }

    /// Removes containers that do not run, then unused volumes where the filter wants that, and unused images.
    pub fn system_prune(&self, filter: &PruneFilter) -> Result<Pruned> {
        let containers = self.container_prune(filter)?;
        let volumes = match filter.volumes {
            true => self.volume_prune(&volume_filter(filter))?,
            false => Pruned::default(),
        };
        let images = self.image_prune(filter)?;
        Ok(together(containers, volumes, images))
    }

    /// What a prune would remove and free. Nothing is changed.
    pub fn prune_preview(&self, scope: PruneScope, filter: &PruneFilter) -> Result<Pruned> {
        let mut containers = Pruned::default();
        if scope != PruneScope::Images {
            for container in self.prunable(filter)? {
                containers.freed_bytes += self.writable_bytes(&container)?;
                containers.containers.push((container.id, container.name));
            }
        }
        if scope == PruneScope::Containers {
            return Ok(containers);
        }
        let volumes = match scope == PruneScope::System && filter.volumes {
            true => {
                let gone: Vec<Id> = containers.containers.iter().map(|(id, _)| id.clone()).collect();
                self.volume_prune_preview_without(&volume_filter(filter), &gone)?
            }
            false => Pruned::default(),
        };
        let gone: Vec<String> = containers.containers.iter().map(|(_, name)| name.to_string()).collect();
        let images = self.0.store()?.prune_preview(filter, &gone)?;
        Ok(together(containers, volumes, images))
    }

    /// Bytes that removing these images, with all their tags, would free.
    pub fn remove_preview(&self, images: &[String]) -> Result<u64> {
        Ok(self.0.store()?.remove_preview(images)?)
    }

    /// Containers that do not run and pass the filter, oldest first.
    fn prunable(&self, filter: &PruneFilter) -> Result<Vec<ContainerSummary>> {
        let mut containers = self.list(true)?;
        containers.retain(|it| !it.state.is_running() && filter.passes(Some(it.created), &it.labels));
        containers.reverse();
        Ok(containers)
    }

    fn writable_bytes(&self, container: &ContainerSummary) -> Result<u64> {
        Ok(self.0.writable_bytes(&container.id, &container.state)?.unwrap_or(0))
    }
}

/// Of the volumes only anonymous ones, as Docker: who has named one wants to keep it.
fn volume_filter(filter: &PruneFilter) -> VolumeFilter {
    VolumeFilter { all: false, labels: filter.labels.clone() }
}

fn together(containers: Pruned, volumes: Pruned, images: Pruned) -> Pruned {
    Pruned {
        containers: containers.containers,
        volumes: volumes.volumes,
        images: images.images,
        partial: images.partial,
        freed_bytes: containers.freed_bytes + volumes.freed_bytes + images.freed_bytes,
    }
}
