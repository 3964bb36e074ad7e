//! `-v`, `--mount`, `--tmpfs` and `--volumes-from`: Docker's grammar of mounts. What is wrong is told with its cure.

mod long;
mod short;
pub mod value;

use std::path::{Component, Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use crate::model::{Mount, TmpfsMount};

/// What a container sees beside its own root.
#[derive(Args, Clone, Debug, Default)]
pub struct MountFlags {
    /// Show a folder or file of this machine (/SOURCE), a volume (NAME), or a new volume (no source) inside
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    volume: Vec<String>,
    /// The same, spelled out: type=bind|volume|tmpfs|image,source=…,target=…[,readonly][,OPTION=VALUE]
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
        let short = self.volume.iter().map(|text| short::volume(text, folder));
        let long = self.mount.iter().map(|text| long::mount(text, folder));
        Ok(MountWishes {
            mounts: short.chain(long).collect::<Result<_, _>>()?,
            memory: self.tmpfs.iter().map(|text| tmpfs(text)).collect::<Result<_, _>>()?,
            volumes_from: self.volumes_from.iter().map(|text| other(text)).collect::<Result<_, _>>()?,
        })
    }
}

/// What is wrong, and the cure.
type Refusal = (String, String);

fn refuse<T>(why: impl Into<String>, hint: impl Into<String>) -> Result<T, Refusal> {
    Err((why.into(), hint.into()))
}

fn absolute_target(text: &str) -> Result<PathBuf, Refusal> {
    let hint = || "the target is an absolute path inside the container, such as /data".to_owned();
    if text.is_empty() {
        return Err(("it has no target".to_owned(), hint()));
    }
    if !text.starts_with('/') {
        return Err((format!("the target {text:?} is no absolute path"), hint()));
    }
    let target = normal(Path::new(text));
    if target == Path::new("/") {
        return Err(("the target cannot be /".to_owned(), "the image itself is mounted there".to_owned()));
    }
    Ok(target)
}

/// Options of --tmpfs: flags and keys that the kernel's tmpfs and its mounts know.
const TMPFS_FLAGS: [&str; 22] = [
    "ro",
    "rw",
    "exec",
    "noexec",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "sync",
    "async",
    "dirsync",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "tmpcopyup",
    "defaults",
    "nosymfollow",
];
const TMPFS_KEYS: [&str; 8] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "huge"];

fn tmpfs(text: &str) -> Result<TmpfsMount, Failure> {
    let invalid = |(why, hint): Refusal| Failure::usage(format!("invalid --tmpfs {text:?}: {why}")).with_hint(hint);
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let target = absolute_target(target).map_err(invalid)?;
    let options: Vec<String> = options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
    for option in &options {
        let known = match option.split_once('=') {
            Some(("size", value)) => {
                is_number(value.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G', '%']).unwrap_or(value))
            }
            Some(("mode", value)) => u32::from_str_radix(value, 8).is_ok_and(|mode| mode <= 0o7777),
            Some(("uid" | "gid", value)) => is_number(value),
            Some((key, value)) => TMPFS_KEYS.contains(&key) && !value.is_empty(),
            None => TMPFS_FLAGS.contains(&option.as_str()),
        };
        if !known {
            return refuse(
                format!("{option:?} is no option of a tmpfs"),
                "such as size=64m,mode=1770,uid=1000,exec,ro",
            )
            .map_err(invalid);
        }
    }
    Ok(TmpfsMount { target, options })
}

fn is_number(text: &str) -> bool {
    text.parse::<u32>().is_ok()
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

/// `path` without `.` and `..`, by its text alone.
pub fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests;
