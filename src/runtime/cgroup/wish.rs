//! Where a container's groups are to stand: `linux.cgroupsPath`, `--cgroup-parent` or a default, read and checked.
//!
//! A group that is there already is taken when no process is in it and it is not frozen; it is removed with the
//! container. One with processes is somebody else's: it is refused.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::runtime::RuntimeError;

/// Who makes the groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupDriver {
    /// teu, with folders under /sys/fs/cgroup.
    #[default]
    Cgroupfs,
    /// systemd, asked over D-Bus (`--systemd-cgroup`).
    Systemd,
}

/// The place that a container's groups are to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CgroupWish {
    /// Below each hierarchy's root (or below the user's delegated group), without a leading slash: `teu/<id>`.
    Folder(String),
    /// A scope that systemd makes and removes.
    Unit(Unit),
}

/// A transient unit of systemd's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// `system.slice`, or one within others such as `a-b.slice`.
    pub slice: String,
    /// `teu-<id>.scope`, or a slice when the name wished ends in `.slice`.
    pub name: String,
}

/// Where containers' groups stand when nobody says.
const DEFAULT_PARENT: &str = "teu";

impl CgroupWish {
    /// Of a container that teu's own engine makes, and of one whose specification has no path.
    pub fn default_of(id: &str) -> Self {
        Self::Folder(format!("{DEFAULT_PARENT}/{id}"))
    }

    /// From a specification's `linux.cgroupsPath`. With systemd's driver that is `slice:prefix:name`.
    pub fn of_spec(path: Option<&Path>, id: &str, driver: CgroupDriver) -> Result<Self, RuntimeError> {
        let path = path.filter(|path| !path.as_os_str().is_empty());
        match driver {
            CgroupDriver::Cgroupfs => path.map_or(Ok(Self::default_of(id)), |path| folder(path, "linux.cgroupsPath")),
            CgroupDriver::Systemd => unit(path, id).map(Self::Unit),
        }
    }

    /// Of a container `id` below `--cgroup-parent`: a path, or a slice for systemd's driver.
    pub fn below(parent: &str, id: &str, driver: CgroupDriver) -> Result<Self, RuntimeError> {
        match driver {
            CgroupDriver::Cgroupfs => folder(&Path::new(parent).join(id), "--cgroup-parent"),
            CgroupDriver::Systemd => {
                let slice = checked_slice(parent, "--cgroup-parent")?;
                Ok(Self::Unit(Unit { slice, name: format!("{DEFAULT_PARENT}-{id}.scope") }))
            }
        }
    }

    /// The unit, with systemd's driver.
    pub(super) fn unit(&self) -> Option<&Unit> {
        match self {
            Self::Folder(_) => None,
            Self::Unit(unit) => Some(unit),
        }
    }

    /// The path below the hierarchies' roots, without a leading slash. For a unit it is where systemd's system
    /// manager puts it; a user's manager puts it below its own group.
    pub fn path(&self) -> String {
        match self {
            Self::Folder(path) => path.clone(),
            Self::Unit(unit) => unit.path(),
        }
    }
}

impl Unit {
    /// Where the system's manager puts it.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for (end, _) in self.slice.match_indices('-').filter(|(at, _)| *at > 0) {
            path.push_str(&self.slice[..end]);
            path.push_str(".slice/");
        }
        if self.slice != ROOT_SLICE {
            path.push_str(&self.slice);
            path.push('/');
        }
        path + &self.name
    }
}

/// systemd's name for the top.
const ROOT_SLICE: &str = "-.slice";

/// A path is taken below the hierarchies' roots whether it begins with a slash or not (config-linux.md, cgroupsPath).
fn folder(path: &Path, field: &str) -> Result<CgroupWish, RuntimeError> {
    let invalid = |why: &str| RuntimeError::InvalidRequest(format!("{field}: {} {why}", path.display()));
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(|| invalid("is not UTF-8"))?),
            Component::ParentDir | Component::Prefix(_) => return Err(invalid("has `..` in it: write it without")),
        }
    }
    if parts.is_empty() {
        return Err(invalid("is the root of all cgroups, which no container may have: name one below it"));
    }
    if parts.iter().any(|part| part.contains('\n')) {
        return Err(invalid("has a line break in it, which the kernel refuses in a cgroup's name"));
    }
    Ok(CgroupWish::Folder(parts.join("/")))
}

fn unit(path: Option<&Path>, id: &str) -> Result<Unit, RuntimeError> {
    let text = path.map(|path| path.to_string_lossy()).unwrap_or_default();
    let parts: Vec<&str> = if text.is_empty() { vec!["", DEFAULT_PARENT, id] } else { text.split(':').collect() };
    let &[slice, prefix, name] = parts.as_slice() else {
        return Err(RuntimeError::InvalidRequest(format!(
            "linux.cgroupsPath: {text} must have the form slice:prefix:name with systemd's driver, such as \
             system.slice:teu:{id}"
        )));
    };
    let default = if rustix::process::geteuid().is_root() { "system.slice" } else { "user.slice" };
    let slice = checked_slice(if slice.is_empty() { default } else { slice }, "linux.cgroupsPath")?;
    let name = match (prefix, name) {
        (_, name) if name.is_empty() || name.contains(['/', '\n', '\0']) => {
            return Err(RuntimeError::InvalidRequest(format!("linux.cgroupsPath: {text} does not name a unit")));
        }
        (_, name) if name.ends_with(".slice") => name.to_owned(),
        ("", name) => format!("{name}.scope"),
        (prefix, name) => format!("{prefix}-{name}.scope"),
    };
    Ok(Unit { slice, name })
}

fn checked_slice(slice: &str, field: &str) -> Result<String, RuntimeError> {
    let stem = slice.strip_suffix(".slice").filter(|stem| !stem.is_empty() && !stem.contains(['/', '\n', '\0']));
    let sound = |stem: &&str| *stem == "-" || stem.split('-').all(|part| !part.is_empty());
    match stem.filter(sound) {
        Some(_) => Ok(slice.to_owned()),
        None => Err(RuntimeError::InvalidRequest(format!(
            "{field}: {slice} is not a slice of systemd's: its name ends in .slice, such as machine.slice"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<String, String> {
        let wish = CgroupWish::of_spec(Some(Path::new(text)), "x", CgroupDriver::Cgroupfs);
        wish.map(|wish| wish.path()).map_err(|error| error.to_string())
    }

    fn unit_path(text: &str) -> Result<String, String> {
        let wish = CgroupWish::of_spec(Some(Path::new(text)), "x", CgroupDriver::Systemd);
        wish.map(|wish| wish.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn absolute_and_relative_paths_stand_below_the_root() {
        assert_eq!(path("/a/b").as_deref(), Ok("a/b"));
        assert_eq!(path("a//./b/").as_deref(), Ok("a/b"));
        assert_eq!(path("").as_deref(), Ok("teu/x"));
        assert_eq!(CgroupWish::of_spec(None, "x", CgroupDriver::Cgroupfs).expect("default").path(), "teu/x");
        assert_eq!(CgroupWish::below("/p", "x", CgroupDriver::Cgroupfs).expect("parent").path(), "p/x");
    }

    #[test]
    fn paths_out_of_the_hierarchy_are_refused_by_name() {
        for text in ["../a", "/a/../../b", "/", "a\nb"] {
            let error = path(text).expect_err(text);
            assert!(error.starts_with("linux.cgroupsPath: "), "{error}");
        }
    }

    #[test]
    fn units_stand_in_their_nested_slices() {
        assert_eq!(unit_path("machine.slice:libpod:1").as_deref(), Ok("machine.slice/libpod-1.scope"));
        assert_eq!(unit_path("a-b-c.slice::n").as_deref(), Ok("a.slice/a-b.slice/a-b-c.slice/n.scope"));
        assert_eq!(unit_path("-.slice:p:n").as_deref(), Ok("p-n.scope"));
        assert_eq!(unit_path("system.slice:p:own.slice").as_deref(), Ok("system.slice/own.slice"));
        assert!(unit_path("").is_ok_and(|path| path.ends_with(".slice/teu-x.scope")));
    }

    #[test]
    fn malformed_units_are_refused_by_name() {
        for text in ["/a/b", "a:b", "a.slice:b:c:d", "a:b:c", "a--b.slice:b:c", "a/b.slice:b:c", "a.slice:b:"] {
            let error = unit_path(text).expect_err(text);
            assert!(error.starts_with("linux.cgroupsPath: "), "{error}");
        }
    }
}
