//! Groups below a container's own, which an exec's process may be put into (`exec --cgroup`).

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::CgroupPlace;
use crate::runtime::RuntimeError;

/// The folders that one more process of a container joins: v1's, and v2's to be born in.
pub(super) struct Joined {
    pub legacy: Vec<(String, PathBuf)>,
    pub unified: Option<PathBuf>,
}

/// Those of the container itself, or what `wishes` say: `[CONTROLLER,…:]PATH`, the path below the container's group.
pub(super) fn joined(place: &CgroupPlace, wishes: &[String]) -> Result<Joined, RuntimeError> {
    let spare = place.spare.iter().filter(|(_, folder)| folder.exists());
    let mut joined =
        Joined { legacy: place.legacy.iter().chain(spare).cloned().collect(), unified: place.unified.clone() };
    for wish in wishes {
        apply(wish, &mut joined)?;
    }
    if wishes.is_empty()
        && let Some(folder) = &joined.unified
        && gives_controllers_away(folder)
    {
        joined.unified = beside_first(place).or(joined.unified);
    }
    Ok(joined)
}

fn apply(wish: &str, joined: &mut Joined) -> Result<(), RuntimeError> {
    let invalid = |why: &str| RuntimeError::InvalidRequest(format!("--cgroup {wish}: {why}"));
    let (controllers, path) = wish.rsplit_once(':').unwrap_or(("", wish));
    let path = Path::new(path.trim_start_matches('/'));
    if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(invalid("the path must lead to a group below the container's"));
    }
    let mut found = false;
    let concerned = |names: &str| {
        controllers.is_empty() || controllers.split(',').any(|wanted| names.split(',').any(|name| name == wanted))
    };
    let folders = joined.legacy.iter_mut().filter(|(names, _)| concerned(names)).map(|(_, folder)| folder);
    for folder in folders.chain(joined.unified.as_mut().filter(|_| controllers.is_empty())) {
        let below = folder.join(path);
        if below.is_dir() {
            *folder = below;
            found = true;
        }
    }
    if found { Ok(()) } else { Err(invalid("the container has no such group: make it first")) }
}

/// A v2 group with controllers enabled for those below it may have no processes of its own.
fn gives_controllers_away(folder: &Path) -> bool {
    fs::read_to_string(folder.join("cgroup.subtree_control")).is_ok_and(|text| !text.trim().is_empty())
}

/// The group where the container's first process has gone meanwhile, such as `init.scope` of a systemd inside.
fn beside_first(place: &CgroupPlace) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{}/cgroup", place.pid)).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (_, below) = path.split_once(&format!("/{}/", place.name))?;
    place.unified.as_ref().map(|folder| folder.join(below)).filter(|folder| folder.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(root: &Path) -> CgroupPlace {
        for folder in ["cpu/teu/x/sub", "memory/teu/x", "unified/teu/x/sub"] {
            fs::create_dir_all(root.join(folder)).expect("folders");
        }
        let legacy = |names: &str| (names.to_owned(), root.join(names).join("teu/x"));
        CgroupPlace {
            legacy: vec![legacy("cpu"), legacy("memory")],
            unified: Some(root.join("unified/teu/x")),
            name: "teu/x".to_owned(),
            ..CgroupPlace::default()
        }
    }

    #[test]
    fn groups_below_are_joined_where_they_are() {
        let root = tempfile::tempdir().expect("temporary folder");
        let place = place(root.path());
        let found = joined(&place, &["/sub".to_owned()]).expect("a group");
        assert_eq!(found.legacy[0].1, root.path().join("cpu/teu/x/sub"));
        assert_eq!(found.legacy[1].1, root.path().join("memory/teu/x"));
        assert_eq!(found.unified, Some(root.path().join("unified/teu/x/sub")));
        let found = joined(&place, &["cpu:sub".to_owned()]).expect("a group");
        assert_eq!(found.legacy[0].1, root.path().join("cpu/teu/x/sub"));
        assert_eq!(found.unified, place.unified);
        let found = joined(&place, &[]).expect("its own");
        assert_eq!((found.legacy, found.unified), (place.legacy.clone(), place.unified.clone()));
    }

    #[test]
    fn groups_elsewhere_are_refused() {
        let root = tempfile::tempdir().expect("temporary folder");
        let place = place(root.path());
        for wish in ["../y", "sub/../../y", "missing", "memory:sub", "nothing:sub"] {
            let error = joined(&place, &[wish.to_owned()]).err().expect(wish).to_string();
            assert!(error.starts_with(&format!("--cgroup {wish}: ")), "{error}");
        }
    }
}
