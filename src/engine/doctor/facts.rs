//! What the machine is like: files of /proc, /sys and /etc, and one trial mount.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statfs, statvfs};

use super::network::{self, NetworkFacts};
use super::probe::{Trial, run};
use crate::model::Size;
use crate::network::Book;

/// Everything that is judged.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Facts {
    /// Such as `6.18.44`.
    pub kernel: String,
    pub uid: u32,
    pub user: String,
    /// kernel.unprivileged_userns_clone (Debian's), user.max_user_namespaces, Ubuntu's AppArmor rule; none where there is none.
    pub userns_clone: Option<u64>,
    pub max_user_namespaces: Option<u64>,
    pub apparmor_restricts: Option<u64>,
    pub trial: Trial,
    /// How many subordinate ids the user has; 0 for none.
    pub sub_uids: u64,
    pub sub_gids: u64,
    pub newuidmap: Tool,
    pub newgidmap: Tool,
    pub cgroup: &'static str,
    /// Controllers that containers can use, by the hierarchies' own names.
    pub controllers: Vec<String>,
    pub seccomp: bool,
    pub data: Folder,
    pub run: Folder,
    pub terminal: Terminal,
    pub network: NetworkFacts,
}

/// A program that must be allowed to do more than its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Absent,
    /// There, but neither setuid nor with capabilities.
    Powerless,
    Able,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Folder {
    pub path: PathBuf,
    /// Such as `ext4`; a hexadecimal number for kinds without a name here.
    pub kind: String,
    pub free_bytes: u64,
    pub noexec: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terminal {
    /// TERM, empty if not set.
    pub name: String,
    pub true_color: bool,
    /// None where standard output is no terminal.
    pub size: Option<Size>,
}

pub(super) fn look(data: &Path, run_folder: &Path) -> Facts {
    let uid = rustix::process::geteuid().as_raw();
    let user = user_name(uid);
    Facts {
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        uid,
        userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
        max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
        apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        trial: run(data),
        sub_uids: subordinate(&text("/etc/subuid"), &user, uid),
        sub_gids: subordinate(&text("/etc/subgid"), &user, uid),
        newuidmap: tool("newuidmap"),
        newgidmap: tool("newgidmap"),
        cgroup: cgroup_version(),
        controllers: controllers(uid),
        seccomp: Path::new("/proc/sys/kernel/seccomp/actions_avail").exists(),
        data: folder(data),
        run: folder(run_folder),
        terminal: terminal(),
        network: network::look(uid, &Book::open(&data.join("networks"))),
        user,
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

pub(super) fn number(path: &str) -> Option<u64> {
    text(path).trim().parse().ok()
}

fn user_name(uid: u32) -> String {
    let passwd = text("/etc/passwd");
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.find(|fields| fields.get(2).and_then(|id| id.parse().ok()) == Some(uid));
    found.map_or_else(|| uid.to_string(), |fields| fields[0].to_owned())
}

/// The ids that `/etc/subuid` or `/etc/subgid` gives a user, by name or number (subuid(5)).
fn subordinate(text: &str, user: &str, uid: u32) -> u64 {
    let uid = uid.to_string();
    let count = |line: &str| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        (owner == user || owner == uid).then(|| fields.nth(1)?.trim().parse::<u64>().ok()).flatten()
    };
    text.lines().filter_map(count).sum()
}

fn tool(name: &str) -> Tool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    let Some(file) = found else { return Tool::Absent };
    let setuid = fs::metadata(&file).is_ok_and(|found| found.uid() == 0 && found.mode() & 0o4000 != 0);
    let mut buffer = [0u8; 64];
    let capable = rustix::fs::getxattr(&file, "security.capability", &mut buffer).is_ok_and(|length| length > 0);
    if setuid || capable { Tool::Able } else { Tool::Powerless }
}

/// `1`, `2` or `hybrid`: v1 hierarchies with a v2 one beside them.
pub(in crate::engine) fn cgroup_version() -> &'static str {
    let mounts = text("/proc/self/mountinfo");
    let kinds: Vec<&str> = mounts.lines().filter_map(|line| line.split_once(" - ")?.1.split(' ').next()).collect();
    match (kinds.contains(&"cgroup"), kinds.contains(&"cgroup2")) {
        (true, true) => "hybrid",
        (true, false) => "1",
        (false, true) => "2",
        (false, false) => "none",
    }
}

/// Controllers in whose hierarchy this process may make groups.
fn controllers(uid: u32) -> Vec<String> {
    let mounts = text("/proc/self/mountinfo");
    let own = text("/proc/self/cgroup");
    let mut usable = Vec::new();
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let Some(mount_point) = before.split(' ').nth(4) else { continue };
        let mut fields = after.split(' ');
        let (kind, options) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
        match kind {
            "cgroup" => {
                let names = options.split(',').filter(|name| matches!(*name, "memory" | "cpu" | "pids" | "freezer"));
                let writable = is_writable(Path::new(mount_point));
                usable.extend(names.filter(|_| writable).map(str::to_owned));
            }
            "cgroup2" => {
                let below = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
                let group = match uid {
                    0 => PathBuf::from(mount_point),
                    _ => Path::new(mount_point).join(below.trim_start_matches('/')),
                };
                let delegated = match uid {
                    0 => is_writable(&group),
                    // A user's group lives beside this process's own, in the nearest group that is the user's.
                    _ => group.ancestors().take_while(|at| at.starts_with(mount_point)).any(is_writable),
                };
                let names = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
                usable.extend(names.split_whitespace().filter(|_| delegated).map(str::to_owned));
            }
            _ => {}
        }
    }
    usable.sort();
    usable.dedup();
    usable
}

fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

fn folder(path: &Path) -> Folder {
    let kind = statfs(path).map(|found| kind_name(found.f_type as u64)).unwrap_or_default();
    let (free_bytes, noexec) = match statvfs(path) {
        Ok(found) => (found.f_bavail * found.f_frsize, found.f_flag.contains(StatVfsMountFlags::NOEXEC)),
        Err(_) => (0, false),
    };
    Folder { path: path.to_owned(), kind, free_bytes, noexec }
}

/// Names of file systems by their magic numbers (statfs(2)).
fn kind_name(magic: u64) -> String {
    let name = match magic {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0x6969 => "nfs",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        0x6573_5546 => "fuse",
        0xff53_4d42 | 0xfe53_4d42 => "cifs",
        0x0102_1997 => "9p",
        0x4d44 => "vfat",
        0xca45_1a4e => "bcachefs",
        0x8584_58f6 => "ramfs",
        _ => return format!("{magic:#x}"),
    };
    name.to_owned()
}

fn terminal() -> Terminal {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    Terminal {
        name: variable("TERM"),
        true_color: matches!(variable("COLORTERM").as_str(), "truecolor" | "24bit"),
        size: size.map(|size| Size { columns: size.ws_col, rows: size.ws_row }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ids_are_summed_by_name_and_number() {
        let text = "ann:100000:65536\nbob:165536:65536\n1000:300000:10\nann:x:y\nann\n";
        assert_eq!(subordinate(text, "ann", 1000), 65_546);
        assert_eq!(subordinate(text, "eve", 1001), 0);
    }

    #[test]
    fn kinds_of_file_systems_have_names() {
        assert_eq!(kind_name(0xef53), "ext4");
        assert_eq!(kind_name(0x1234), "0x1234");
    }

    #[test]
    fn look_at_this_machine_finds_its_folders() {
        let data = tempfile::tempdir().expect("temporary folder");
        let folder = folder(data.path());
        assert!(folder.free_bytes > 0 && !folder.kind.is_empty());
        assert!(["1", "2", "hybrid", "none"].contains(&cgroup_version()));
    }
}
