//! Which ids of the machine a user namespace's ids are (user_namespaces(7)), and writing that down for a new one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use oci_spec::runtime::{LinuxIdMapping, LinuxIdMappingBuilder};

use super::RuntimeError;
use crate::model::IdRange;

/// The two maps of a user namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdMaps {
    pub uids: Vec<LinuxIdMapping>,
    pub gids: Vec<LinuxIdMapping>,
}

impl IdMaps {
    /// The range's ids, from 0 inside.
    pub fn of_range(range: IdRange) -> Self {
        Self {
            uids: vec![mapping(0, range.first_uid, range.count)],
            gids: vec![mapping(0, range.first_gid, range.count)],
        }
    }
}

/// The files and helpers that give an ordinary user more ids than his own.
#[derive(Clone, Debug)]
pub struct Sources {
    pub subuid: PathBuf,
    pub subgid: PathBuf,
    /// Where newuidmap and newgidmap are looked for.
    pub folders: Vec<PathBuf>,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            subuid: PathBuf::from("/etc/subuid"),
            subgid: PathBuf::from("/etc/subgid"),
            folders: ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin"].map(PathBuf::from).to_vec(),
        }
    }
}

impl Sources {
    /// The maps for a user: his id becomes root; the ids of his ranges follow from 1 if helpers can map them.
    pub fn maps_of(&self, uid: u32, gid: u32, name: Option<&str>) -> IdMaps {
        let mut maps = IdMaps { uids: vec![mapping(0, uid, 1)], gids: vec![mapping(0, gid, 1)] };
        let helpers = ["newuidmap", "newgidmap"].iter().all(|helper| self.helper(helper).is_some());
        let ranges = (range(&self.subuid, uid, name), range(&self.subgid, uid, name));
        if let (true, (Some(uids), Some(gids))) = (helpers, ranges) {
            maps.uids.push(mapping(1, uids.0, uids.1));
            maps.gids.push(mapping(1, gids.0, gids.1));
        }
        maps
    }

    fn helper(&self, name: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }
}

/// The maps for the user that runs this process.
pub fn own_maps() -> IdMaps {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let name = nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name);
    Sources::default().maps_of(uid, gid, name.as_deref())
}

fn mapping(inside: u32, outside: u32, count: u32) -> LinuxIdMapping {
    LinuxIdMappingBuilder::default()
        .container_id(inside)
        .host_id(outside)
        .size(count)
        .build()
        .expect("all three fields of an id mapping are set")
}

/// The largest of the user's ranges in a subuid(5) file: `name-or-number:first:count`.
fn range(path: &Path, uid: u32, name: Option<&str>) -> Option<(u32, u32)> {
    let text = fs::read_to_string(path).ok()?;
    let number = uid.to_string();
    let own = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let range = (fields.next()?.parse().ok()?, fields.next()?.trim().parse().ok()?);
        (owner == number || Some(owner) == name).then_some(range)
    });
    own.filter(|(_, count)| *count > 0).max_by_key(|(_, count)| *count)
}

impl IdMaps {
    /// The machine's ids behind the namespace's root user and group.
    pub fn root(&self) -> Option<(u32, u32)> {
        outside(&self.uids, 0).zip(outside(&self.gids, 0))
    }
}

/// The machine's user behind the root user of a running process's user namespace.
pub(super) fn root_user_of(pid: i32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/uid_map")).ok()?;
    outside(&parse_map(&text)?, 0)
}

/// The maps of the user namespace that a process is in.
pub(super) fn of_process(pid: i32) -> Result<IdMaps, RuntimeError> {
    let read = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        let text = fs::read_to_string(&path).map_err(|error| RuntimeError::step(format!("read {path}"), error))?;
        parse_map(&text).ok_or_else(|| RuntimeError::InvalidRequest(format!("{path} is no id map")))
    };
    Ok(IdMaps { uids: read("uid_map")?, gids: read("gid_map")? })
}

/// uid_map's lines, as [`map_text`] writes them; the kernel pads the numbers.
fn parse_map(text: &str) -> Option<Vec<LinuxIdMapping>> {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u32>().ok());
        Some(mapping(numbers.next()??, numbers.next()??, numbers.next()??))
    };
    text.lines().map(line).collect()
}

/// The machine's id behind an id of a user namespace.
fn outside(map: &[LinuxIdMapping], inside: u32) -> Option<u32> {
    map.iter().find_map(|one| {
        let offset = inside.checked_sub(one.container_id()).filter(|offset| *offset < one.size())?;
        one.host_id().checked_add(offset)
    })
}

/// Writes the maps of a new user namespace whose first process is `pid`.
pub(super) fn write(pid: i32, maps: &IdMaps) -> Result<(), RuntimeError> {
    let euid = rustix::process::geteuid();
    for (field, map) in [("linux.uidMappings", &maps.uids), ("linux.gidMappings", &maps.gids)] {
        check(field, map)?;
    }
    let only_own = |map: &[LinuxIdMapping]| matches!(map, [one] if one.size() == 1);
    if euid.is_root() {
        write_file(pid, "uid_map", &map_text(&maps.uids))?;
        return write_file(pid, "gid_map", &map_text(&maps.gids));
    }
    if only_own(&maps.uids) && only_own(&maps.gids) {
        // Without privilege a group map may be written only after setgroups(2) is given up.
        write_file(pid, "setgroups", "deny")?;
        write_file(pid, "uid_map", &map_text(&maps.uids))?;
        return write_file(pid, "gid_map", &map_text(&maps.gids));
    }
    run_helper("newuidmap", pid, &maps.uids)?;
    run_helper("newgidmap", pid, &maps.gids)
}

/// The kernel takes less than a page at once, and 340 lines (user_namespaces(7)).
const MAP_BYTES: usize = 4095;
const MAP_LINES: usize = 340;

fn check(field: &str, map: &[LinuxIdMapping]) -> Result<(), RuntimeError> {
    let refused = |what: String| Err(RuntimeError::InvalidRequest(format!("{field}: {what}")));
    let bytes = map_text(map).len();
    if map.len() > MAP_LINES || bytes > MAP_BYTES {
        let most = format!("the kernel takes {MAP_LINES} in {MAP_BYTES} bytes");
        return refused(format!("{} ranges in {bytes} bytes are too many: {most}; join ranges that touch", map.len()));
    }
    if let Some(number) = map.iter().position(|one| one.size() == 0) {
        return refused(format!("[{number}].size is 0"));
    }
    let overlap = |first: fn(&LinuxIdMapping) -> u32| {
        let mut ranges: Vec<_> = map.iter().map(|one| (u64::from(first(one)), u64::from(one.size()))).collect();
        ranges.sort_unstable();
        ranges.windows(2).any(|pair| pair[0].0 + pair[0].1 > pair[1].0)
    };
    if overlap(LinuxIdMapping::container_id) || overlap(LinuxIdMapping::host_id) {
        return refused("two ranges overlap".to_owned());
    }
    Ok(())
}

fn write_file(pid: i32, file: &str, text: &str) -> Result<(), RuntimeError> {
    let path = format!("/proc/{pid}/{file}");
    fs::write(&path, text).map_err(|source| RuntimeError::step(format!("write {path}"), source))
}

fn map_text(map: &[LinuxIdMapping]) -> String {
    map.iter().map(|one| format!("{} {} {}\n", one.container_id(), one.host_id(), one.size())).collect()
}

fn run_helper(name: &str, pid: i32, map: &[LinuxIdMapping]) -> Result<(), RuntimeError> {
    let failed = |source: io::Error| RuntimeError::step(format!("run {name}"), source);
    let path = Sources::default().helper(name).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let numbers = map.iter().flat_map(|one| [one.container_id(), one.host_id(), one.size()]);
    let output = Command::new(path)
        .arg(pid.to_string())
        .args(numbers.map(|number| number.to_string()))
        .stdin(Stdio::null())
        .output()
        .map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(RuntimeError::Forbidden {
        what: name.to_owned(),
        source: io::Error::new(io::ErrorKind::PermissionDenied, text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(subuid: &str, subgid: &str, helpers: &[&str]) -> (tempfile::TempDir, Sources) {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join("subuid"), subuid).expect("file");
        fs::write(folder.path().join("subgid"), subgid).expect("file");
        for helper in helpers {
            fs::write(folder.path().join(helper), "").expect("file");
        }
        let sources = Sources {
            subuid: folder.path().join("subuid"),
            subgid: folder.path().join("subgid"),
            folders: vec![folder.path().to_owned()],
        };
        (folder, sources)
    }

    #[test]
    fn maps_with_ranges_and_helpers_have_the_largest_range() {
        let subuid = "other:1:9\nme:100000:10\n1000:200000:65536\n";
        let (_folder, sources) = sources(subuid, "me:300000:65536\n", &["newuidmap", "newgidmap"]);
        let maps = sources.maps_of(1000, 100, Some("me"));
        assert_eq!(map_text(&maps.uids), "0 1000 1\n1 200000 65536\n");
        assert_eq!(map_text(&maps.gids), "0 100 1\n1 300000 65536\n");
    }

    #[test]
    fn maps_without_range_or_helper_are_the_one_id() {
        for (subuid, helpers) in [("", &["newuidmap", "newgidmap"][..]), ("me:100000:65536\n", &["newuidmap"][..])] {
            let (_folder, sources) = sources(subuid, "me:100000:65536\n", helpers);
            let maps = sources.maps_of(1000, 100, Some("me"));
            assert_eq!((map_text(&maps.uids), map_text(&maps.gids)), ("0 1000 1\n".into(), "0 100 1\n".into()));
        }
    }

    #[test]
    fn outside_of_an_unmapped_id_is_nothing() {
        let map = [mapping(0, 1000, 1), mapping(1, 100_000, 10)];
        assert_eq!([0, 1, 10].map(|id| outside(&map, id)), [Some(1000), Some(100_000), Some(100_009)]);
        assert_eq!(outside(&map, 11), None);
    }

    #[test]
    fn map_of_the_kernel_is_parsed() {
        let map = parse_map("         0     100000      65536\n     70000          5          1\n").expect("a map");
        assert_eq!(map_text(&map), "0 100000 65536\n70000 5 1\n");
        assert!(parse_map("0 1\n").is_none());
    }

    #[test]
    fn maps_that_the_kernel_would_refuse_are_refused_by_name() {
        let error = |map: &[LinuxIdMapping]| check("linux.uidMappings", map).expect_err("refused").to_string();
        assert!(error(&[mapping(0, 1000, 10), mapping(5, 3000, 1)]).contains("two ranges overlap"));
        assert!(error(&[mapping(0, 1000, 10), mapping(50, 1009, 1)]).contains("two ranges overlap"));
        assert_eq!(error(&[mapping(0, 1, 0)]), "linux.uidMappings: [0].size is 0");
        let many: Vec<_> = (0..400).map(|number| mapping(2 * number, 3 * number, 1)).collect();
        assert!(error(&many).contains("400 ranges"));
        check("linux.uidMappings", &many[..300]).expect("fits");
    }

    #[test]
    fn garbage_in_subuid_is_no_range() {
        let (_folder, sources) = sources("me\nme:x:y\nme:1:0\n", "me:1:1\n", &["newuidmap", "newgidmap"]);
        assert_eq!(sources.maps_of(1000, 100, Some("me")).uids.len(), 1);
    }
}
