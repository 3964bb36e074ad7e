//! Looks for what a container could leave behind: processes, mounts, cgroups, network links, files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Everything left that belongs to the folder of one test, as sentences. Waits up to two seconds for it to go.
pub fn left(folder: &Path, ids: &BTreeSet<String>) -> Vec<String> {
    let start = Instant::now();
    loop {
        let rows = left_now(folder, ids);
        if rows.is_empty() || start.elapsed() > Duration::from_secs(2) {
            return rows;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn left_now(folder: &Path, ids: &BTreeSet<String>) -> Vec<String> {
    let mut rows: Vec<String> =
        processes_in(folder).into_iter().map(|pid| format!("process {pid}: {}", command_line(pid))).collect();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let name = folder.to_string_lossy();
    rows.extend(mounts.lines().filter(|row| row.contains(&*name)).map(|row| format!("mount {row}")));
    rows.extend(cgroups(ids).into_iter().map(|path| format!("cgroup {}", path.display())));
    rows
}

/// Processes that belong to a test's folder: by command line, open file, or what is mounted in their namespace of it.
pub fn processes_in(folder: &Path) -> Vec<i32> {
    let own = i32::try_from(std::process::id()).expect("a process id");
    let name = folder.to_string_lossy().into_owned();
    all_processes().into_iter().filter(|pid| *pid != own && belongs(*pid, &name)).collect()
}

fn belongs(pid: i32, folder: &str) -> bool {
    let root = PathBuf::from(format!("/proc/{pid}"));
    let own_mounts = fs::read_link("/proc/self/ns/mnt").ok();
    let in_command = command_line(pid).contains(folder);
    let has_open = || {
        let links = fs::read_dir(root.join("fd")).into_iter().flatten().flatten();
        links
            .filter_map(|link| fs::read_link(link.path()).ok())
            .any(|target| target.to_string_lossy().starts_with(folder))
    };
    let has_mount = || {
        fs::read_link(root.join("ns/mnt")).ok() != own_mounts
            && fs::read_to_string(root.join("mountinfo"))
                .is_ok_and(|mounts| mounts.lines().any(|mount| shows_elsewhere(mount, folder)))
    };
    in_command || has_open() || has_mount()
}

/// Whether a row of mountinfo (proc_pid_mountinfo(5)) shows something of a folder at another place, as in a container. At its
/// own place it is a copy of this machine's mount, which every namespace gets that another test makes meanwhile.
fn shows_elsewhere(mount: &str, folder: &str) -> bool {
    mount.contains(folder) && !mount.split(' ').nth(4).is_some_and(|point| point.starts_with(folder))
}

pub fn all_processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Processes of one user, zombies aside.
pub fn processes_of(uid: u32) -> Vec<i32> {
    use std::os::unix::fs::MetadataExt;
    let is_his = |pid: &i32| fs::metadata(format!("/proc/{pid}")).is_ok_and(|data| data.uid() == uid);
    all_processes().into_iter().filter(is_his).filter(|pid| !command_line(*pid).is_empty()).collect()
}

/// The command line with spaces; empty for a zombie or a process that is gone.
pub fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned()
}

/// Folders below /sys/fs/cgroup that carry the id of one of the containers.
fn cgroups(ids: &BTreeSet<String>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if !ids.is_empty() {
        search_cgroups(Path::new("/sys/fs/cgroup"), 0, ids, &mut found);
    }
    found
}

fn search_cgroups(folder: &Path, depth: usize, ids: &BTreeSet<String>, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if ids.iter().any(|id| name.contains(id.as_str())) {
            found.push(entry.path());
        } else if depth < 8 {
            search_cgroups(&entry.path(), depth + 1, ids, found);
        }
    }
}

/// Every file below a folder whose name marks it as half written.
pub fn half_written(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(folder, &mut |path| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".tmp") || name.ends_with(".partial") {
            found.push(path.to_owned());
        }
    });
    found
}

fn walk(folder: &Path, see: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        see(&entry.path());
        // Layers and writable folders hold what images brought, which may be named in any way.
        let name = entry.file_name();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && name != "layers" && name != "upper" {
            walk(&entry.path(), see);
        }
    }
}

/// The 64-digit ids that a text names.
pub fn ids_in(text: &str) -> BTreeSet<String> {
    let is_id = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(is_id).map(str::to_owned).collect()
}
