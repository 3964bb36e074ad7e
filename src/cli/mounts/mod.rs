//! `-v`, `--mount`, `--tmpfs` and `--volumes-from`: Docker's grammar of mounts. What is wrong is told with its cure.

pub mod value;

use std::path::Path;

use clap::Args;

use super::failure::Failure;
use crate::model::mount_text::{MountTextError, parse_any, parse_mount, parse_tmpfs, parse_volume};
use crate::model::{Mount, TmpfsMount};

/// What a container sees beside its own root.
#[derive(Args, Clone, Debug, Default)]
pub struct MountFlags {
    /// Show a folder or file of this machine (/SOURCE), a volume (NAME), or a new volume (no source) inside
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    volume: Vec<String>,
    /// The same, spelled out: type=bind|volume|tmpfs|image,source=…,target=…,readonly,OPTION=VALUE,…
    #[arg(long, value_name = "KEY=VALUE,…")]
    mount: Vec<String>,
    /// An empty folder in memory, such as /scratch:size=64m
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    tmpfs: Vec<String>,
    /// Show what is mounted in another container, binds and volumes, at the same places
    #[arg(long, value_name = "CONTAINER[:ro]")]
    volumes_from: Vec<String>,
}

/// What the flags say.
#[derive(Debug, Default)]
pub struct MountWishes {
    pub mounts: Vec<Mount>,
    pub memory: Vec<TmpfsMount>,
    pub volumes_from: Vec<String>,
}

impl MountFlags {
    /// Relative sources are read against `folder`.
    pub fn wishes(&self, folder: &Path) -> Result<MountWishes, Failure> {
        let short =
            self.volume.iter().map(|text| parse_volume(text, folder).map_err(|error| refused("volume", text, error)));
        let long =
            self.mount.iter().map(|text| parse_mount(text, folder).map_err(|error| refused("--mount", text, error)));
        Ok(MountWishes {
            mounts: short.chain(long).collect::<Result<_, _>>()?,
            memory: self
                .tmpfs
                .iter()
                .map(|text| parse_tmpfs(text).map_err(|error| refused("--tmpfs", text, error)))
                .collect::<Result<_, _>>()?,
            volumes_from: self.volumes_from.iter().map(|text| other(text)).collect::<Result<_, _>>()?,
        })
    }
}

fn refused(flag: &str, text: &str, error: MountTextError) -> Failure {
    Failure::usage(format!("invalid {flag} {text:?}: {}", error.why)).with_hint(error.hint)
}

/// Mounts of `update --mount-add`: words of `--mount` begin with `type=`, others are those of `-v`.
pub fn added(texts: &[String]) -> Result<Vec<Mount>, Failure> {
    let folder = std::env::current_dir()?;
    texts.iter().map(|text| parse_any(text, &folder).map_err(|error| refused("--mount-add", text, error))).collect()
}

/// `CONTAINER[:ro|rw]`.
fn other(text: &str) -> Result<String, Failure> {
    let (name, access) = text.split_once(':').unwrap_or((text, ""));
    // SELinux relabelling has nothing to do here.
    match access {
        _ if name.is_empty() => Err(Failure::usage(format!("invalid --volumes-from {text:?}: it names no container"))),
        "" | "rw" | "z" | "Z" => Ok(name.to_owned()),
        "ro" => Ok(text.to_owned()),
        _ => Err(Failure::usage(format!("invalid --volumes-from {text:?}: {access:?} is no access"))
            .with_hint("write CONTAINER, CONTAINER:ro or CONTAINER:rw")),
    }
}

#[cfg(test)]
mod tests;
