//! How mounts are written: `-v`, `--mount` and `--tmpfs` in Docker's grammar. What is wrong is told with its cure.

mod long;
mod short;

use std::path::{Component, Path, PathBuf};

pub use self::long::parse_mount;
pub use self::short::parse_volume;
use super::{Mount, TmpfsMount};

/// What is wrong with the text of a mount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct MountTextError {
    pub why: String,
    /// The cure; empty where there is nothing to say.
    pub hint: String,
}

/// As `--mount` has it where the text begins with `type=`, else as `-v`.
pub fn parse_any(text: &str, folder: &Path) -> Result<Mount, MountTextError> {
    if text.starts_with("type=") { parse_mount(text, folder) } else { parse_volume(text, folder) }
}

fn refuse<T>(why: impl Into<String>, hint: impl Into<String>) -> Result<T, MountTextError> {
    Err(MountTextError { why: why.into(), hint: hint.into() })
}

fn absolute_target(text: &str) -> Result<PathBuf, MountTextError> {
    const HINT: &str = "the target is an absolute path inside the container, such as /data";
    if text.is_empty() {
        return refuse("it has no target", HINT);
    }
    if !text.starts_with('/') {
        return refuse(format!("the target {text:?} is no absolute path"), HINT);
    }
    let target = normal(Path::new(text));
    if target == Path::new("/") {
        return refuse("the target cannot be /", "the image itself is mounted there");
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

/// `TARGET[:OPTIONS]`: an empty folder in memory.
pub fn parse_tmpfs(text: &str) -> Result<TmpfsMount, MountTextError> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let target = absolute_target(target)?;
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
            let hint = "such as size=64m,mode=1770,uid=1000,exec,ro";
            return refuse(format!("{option:?} is no option of a tmpfs"), hint);
        }
    }
    Ok(TmpfsMount { target, options })
}

fn is_number(text: &str) -> bool {
    text.parse::<u32>().is_ok()
}

/// `path` without `.` and `..`, by its text alone.
fn normal(path: &Path) -> PathBuf {
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
