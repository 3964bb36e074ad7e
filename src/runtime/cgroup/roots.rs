//! Where the hierarchies are mounted, and below which folder this user may make groups.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folders below which containers' groups are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// v1: the controllers' names, joined by commas as mounted, and the hierarchy's folder. Those that every container
    /// joins.
    pub legacy: Vec<(String, PathBuf)>,
    /// v1, as above: those that a container joins when a limit is wanted there, or when its group is there already.
    pub spare: Vec<(String, PathBuf)>,
    /// v2: the hierarchy's root, or the user's delegated group.
    pub unified: Option<PathBuf>,
    /// v2: where it is mounted.
    pub unified_mount: Option<PathBuf>,
}

/// v1 controllers worth joining: those that limit, count or guard. Each costs a folder a container.
const LEGACY: [&str; 7] = ["cpu", "cpuacct", "memory", "pids", "blkio", "devices", "freezer"];

/// v1 controllers worth nothing without a limit.
const SPARE: [&str; 5] = ["cpuset", "hugetlb", "net_cls", "net_prio", "rdma"];

/// systemd's own v1 hierarchy. What stays in its groups there ends with the session or service that started it.
const SYSTEMD: &str = "name=systemd";

impl Roots {
    /// Those of this machine, for this user. Empty where there is nothing to write to.
    pub fn discover() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let uid = rustix::process::geteuid().as_raw();
        let systemd = if Path::new("/run/systemd/system").exists() { Some(SYSTEMD) } else { None };
        Self::from_texts(&mounts, &own, uid, is_privileged(), systemd)
    }

    /// From the texts of /proc/self/mountinfo and /proc/self/cgroup. `systemd` is the name of its own hierarchy, if it
    /// runs.
    fn from_texts(mounts: &str, own: &str, uid: u32, privileged: bool, systemd: Option<&str>) -> Self {
        let mut roots = Self::default();
        for mount in mounts.lines().filter_map(parse_mount) {
            match mount.kind {
                "cgroup2" => roots.unified = roots.unified.or(Some(mount.target)),
                "cgroup" if privileged => {
                    let names = |wanted: &dyn Fn(&&str) -> bool| {
                        let names: Vec<&str> = mount.options.split(',').filter(wanted).collect();
                        names.join(",")
                    };
                    let always = names(&|name| LEGACY.contains(name) || Some(*name) == systemd);
                    let all = names(&|name| LEGACY.contains(name) || SPARE.contains(name) || Some(*name) == systemd);
                    let list = if always.is_empty() { &mut roots.spare } else { &mut roots.legacy };
                    if !all.is_empty() && !list.iter().any(|(known, _)| *known == all) {
                        list.push((all.replace("name=", ""), mount.target));
                    }
                }
                _ => {}
            }
        }
        // Groups of v2 freeze since Linux 5.2, before clone3: v1's freezer is not needed beside them.
        if roots.unified.is_some() {
            let (freezer, others) = roots.legacy.into_iter().partition(|(names, _)| names == "freezer");
            roots.legacy = others;
            roots.spare.extend::<Vec<_>>(freezer);
        }
        roots.unified_mount = roots.unified.clone();
        if !privileged {
            roots.unified = roots.unified.and_then(|root| delegated(&root, own, uid).ok().flatten());
        }
        roots
    }
}

/// Root of the machine, not of a user namespace: others own no group but what was delegated to them.
pub(super) fn is_privileged() -> bool {
    let initial = || {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
    };
    rustix::process::geteuid().is_root() && initial()
}

struct MountLine<'a> {
    target: PathBuf,
    kind: &'a str,
    options: &'a str,
}

/// `ID PARENT DEVICE ROOT TARGET OPTIONS … - TYPE SOURCE SUPER-OPTIONS` (proc_pid_mountinfo(5)).
fn parse_mount(line: &str) -> Option<MountLine<'_>> {
    let (left, right) = line.split_once(" - ")?;
    let target = left.split(' ').nth(4)?;
    let mut right = right.splitn(3, ' ');
    let kind = right.next()?;
    let options = right.nth(1)?;
    kind.starts_with("cgroup").then(|| MountLine { target: PathBuf::from(target.replace("\\040", " ")), kind, options })
}

/// The topmost group above this process's own that belongs to the user: what systemd delegated.
fn delegated(root: &Path, own: &str, uid: u32) -> io::Result<Option<PathBuf>> {
    let Some(path) = own.lines().find_map(|line| line.strip_prefix("0::")) else { return Ok(None) };
    let mut folder = root.to_owned();
    for part in Path::new(path.trim_start_matches('/')) {
        folder.push(part);
        // A delegate owns the folder and the file that admits processes.
        let owns = |path: &Path| fs::metadata(path).is_ok_and(|found| found.uid() == uid);
        if owns(&folder) && owns(&folder.join("cgroup.procs")) {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
20 1 0:19 / /proc rw,relatime - proc proc rw
30 20 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
33 30 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
34 30 0:30 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
35 30 0:31 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
36 30 0:32 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn roots_of_hybrid_machine_are_the_useful_controllers_and_v2() {
        let names = |systemd| {
            let roots = Roots::from_texts(HYBRID, "", 0, true, systemd);
            let names = |list: Vec<(String, PathBuf)>| list.into_iter().map(|(names, _)| names).collect::<Vec<_>>();
            (names(roots.legacy), names(roots.spare))
        };
        assert_eq!(
            names(None),
            (vec!["cpu,cpuacct".to_owned(), "memory".to_owned()], vec!["cpuset".to_owned(), "freezer".to_owned()])
        );
        assert_eq!(names(Some(SYSTEMD)).0, ["cpu,cpuacct", "memory", "systemd"]);
        let roots = Roots::from_texts(HYBRID, "", 0, true, None);
        assert_eq!(roots.unified, Some(PathBuf::from("/sys/fs/cgroup/unified")));
    }

    #[test]
    fn roots_of_v1_machine_keep_the_freezer() {
        let v1: String =
            HYBRID.lines().filter(|line| !line.contains("cgroup2")).map(|line| format!("{line}\n")).collect();
        let roots = Roots::from_texts(&v1, "", 0, true, None);
        assert_eq!(roots.legacy.last().map(|(names, _)| names.as_str()), Some("freezer"));
        assert_eq!(roots.unified, None);
    }

    #[test]
    fn roots_of_user_without_delegation_are_empty() {
        let mine = rustix::process::geteuid().as_raw();
        let other = if mine == 4_000_000 { 1 } else { 4_000_000 };
        let roots = Roots::from_texts(HYBRID, "0::/user.slice\n", other, false, None);
        assert!(roots.legacy.is_empty() && roots.spare.is_empty() && roots.unified.is_none(), "{roots:?}");
    }

    #[test]
    fn roots_of_user_with_delegation_are_the_topmost_owned_group() {
        let root = tempfile::tempdir().expect("temporary folder");
        let user = root.path().join("user.slice/user@1.service");
        fs::create_dir_all(user.join("app.slice")).expect("folders");
        fs::write(user.join("cgroup.procs"), "").expect("file");
        fs::write(user.join("app.slice/cgroup.procs"), "").expect("file");
        let uid = fs::metadata(&user).expect("metadata").uid();
        let found = delegated(root.path(), "0::/user.slice/user@1.service/app.slice\n", uid).expect("walk");
        assert_eq!(found, Some(user));
    }

    #[test]
    fn roots_of_machine_without_cgroups_are_empty() {
        assert_eq!(Roots::from_texts("20 1 0:19 / /proc rw - proc proc rw\n", "", 0, true, None), Roots::default());
    }
}
