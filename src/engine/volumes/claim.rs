//! What volumes a new container gets: those it asks for, other containers' (`--volumes-from`), and those its image names.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::super::{EngineError, Inner, Result};
use crate::model::{ContainerConfig, EventAction, ImageConfig, Mount, MountSource, VolumeName, VolumeWish};
use crate::volume::{Hold, Making};

/// The volumes of a container that is being made: none of them goes before this is dropped. Anonymous ones have no name yet.
#[derive(Debug, Default)]
pub(in crate::engine) struct Claim {
    holds: BTreeMap<VolumeName, Hold>,
    making: Vec<Making>,
    named: Vec<VolumeName>,
}

impl Inner {
    /// Completes the mounts of `config` and finds or makes their volumes.
    pub(in crate::engine) fn claim_volumes(
        &self,
        config: &mut ContainerConfig,
        image: &ImageConfig,
        from: &[String],
    ) -> Result<Claim> {
        self.add_mounts_from(config, from)?;
        add_mounts_of_image(config, image)?;
        let mut claim = Claim::default();
        if !config.mounts.iter().any(|mount| matches!(mount.source, MountSource::Volume { .. })) {
            return Ok(claim);
        }
        self.sweep_volumes();
        for mount in &mut config.mounts {
            let MountSource::Volume { name, labels, options, .. } = &mut mount.source else { continue };
            let wish = VolumeWish { name: name.clone(), labels: labels.clone(), options: options.clone() };
            match name {
                Some(name) if claim.holds.contains_key(name) => {}
                Some(name) => {
                    let (hold, made) = self.shelf().ensure(&wish)?;
                    if made {
                        self.tell_volume(EventAction::Create, name);
                    }
                    claim.holds.insert(name.clone(), hold);
                }
                None => {
                    let making = self.shelf().make(&wish)?;
                    *name = Some(making.volume().name.clone());
                    claim.making.push(making);
                }
            }
        }
        Ok(claim)
    }

    /// Gives the anonymous volumes their names: a moment before their container gets its own, so that no killed process leaves
    /// any that no container knows.
    pub(in crate::engine) fn name_volumes(&self, claim: &mut Claim) -> Result<()> {
        for making in std::mem::take(&mut claim.making) {
            let name = making.volume().name.clone();
            let hold = making.finish()?.ok_or_else(|| EngineError::Invalid {
                what: format!("a volume called {name} is there already, by chance: try again"),
            })?;
            self.tell_volume(EventAction::Create, &name);
            claim.holds.insert(name.clone(), hold);
            claim.named.push(name);
        }
        Ok(())
    }

    /// The container is not to be after all: what was made for it alone goes.
    pub(in crate::engine) fn abandon_volumes(&self, claim: Claim) {
        let Claim { holds, making, named } = claim;
        drop((holds, making));
        for name in named {
            let _ = self.remove_volume(&name, None);
        }
    }

    /// The binds and volumes of other containers, but where the container has something of its own.
    fn add_mounts_from(&self, config: &mut ContainerConfig, from: &[String]) -> Result<()> {
        for text in from {
            let (target, read_only) = match text.rsplit_once(':') {
                Some((target, "ro")) => (target, true),
                Some((target, "rw" | "z" | "Z" | "")) => (target, false),
                Some((_, mode)) => {
                    return Err(EngineError::Invalid {
                        what: format!("--volumes-from {text}: there is no mode {mode:?}; there are ro and rw"),
                    });
                }
                None => (text.as_str(), false),
            };
            for mount in self.find(target)?.config.mounts {
                if is_covered(config, &mount.target) {
                    continue;
                }
                let mut source = mount.source;
                match &mut source {
                    MountSource::Volume { copy, .. } => *copy = false,
                    MountSource::Bind { .. } => {}
                    // Memory and other images' files are each container's own.
                    MountSource::Tmpfs { .. } | MountSource::Image { .. } => continue,
                }
                config.mounts.push(Mount { source, target: mount.target, read_only: mount.read_only || read_only });
            }
        }
        Ok(())
    }
}

/// Whether the container is given something at this very place.
fn is_covered(config: &ContainerConfig, target: &Path) -> bool {
    config.mounts.iter().any(|mount| mount.target == target)
        || config.isolation.tmpfs.iter().any(|memory| Path::new(&memory.target) == target)
}

/// An anonymous volume for each path that the image names, but where the container is given something else.
fn add_mounts_of_image(config: &mut ContainerConfig, image: &ImageConfig) -> Result<()> {
    for text in &image.volumes {
        let target = plain_target(text).ok_or_else(|| EngineError::Invalid {
            what: format!("the image wants a volume at {text:?}, which is no path below the root: it is broken"),
        })?;
        if !is_covered(config, &target) {
            config.mounts.push(Mount::volume(None, target));
        }
    }
    Ok(())
}

/// Absolute, without dots, not the root. Docker's builder takes relative ones from the root too.
fn plain_target(text: &str) -> Option<PathBuf> {
    let path = Path::new("/").join(text);
    let plain: PathBuf = path.components().collect();
    let climbs = plain.components().any(|part| part == Component::ParentDir);
    (!climbs && plain != Path::new("/") && !text.contains('\0')).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_of_images_are_paths_below_the_root() {
        for (text, target) in [
            ("/data", Some("/data")),
            ("data/", Some("/data")),
            ("//a/./b//", Some("/a/b")),
            ("/", None),
            ("", None),
            ("/a/../..", None),
            ("a\0b", None),
        ] {
            assert_eq!(plain_target(text).as_deref(), target.map(Path::new), "{text:?}");
        }
    }
}
