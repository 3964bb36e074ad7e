//! The machine's ids that root's containers have for their own: 65,536 each, leased when a container is created, its own until
//! it is removed.
//!
//! A lease is a symlink `FIRST-UID` to the container's folder in one folder for the whole machine, so that two stores never lease the same
//! ids; making it is what makes it exclusive. The folder is on a tmpfs: after a reboot it is filled again from the records.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::place::{Entry, make_folder, names_in};
use super::{EngineError, Inner, Result};
use crate::config::Folders;
use crate::model::{ContainerRecord, Id, IdRange};

/// What an image's users and groups need.
const COUNT: u32 = 65_536;

/// Users of /etc/subuid whose ranges are meant for containers, in this order; the second is podman's for the same purpose.
const OWNERS: [&str; 2] = ["teu", "containers"];

/// Where nobody else assigns ids: above those of systemd-nspawn and of directory services, below the numbers that some programs take for
/// negative ones; then, when all of those are leased, these too. Such ids are never on a disk, as mounts are idmapped.
const AUTOMATIC: [RangeInclusive<u32>; 2] = [0x7800_0000..=0x7fff_ffff, 0x8000_0000..=0xfff0_ffff];

/// Another text after each boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The leases of this machine.
#[derive(Clone, Debug)]
pub(super) struct Leases {
    folder: PathBuf,
    /// Holds passwd, group, subuid and subgid.
    accounts: PathBuf,
}

impl Leases {
    /// One folder for all stores of the machine; this room's tests have their own.
    pub fn of_machine(folders: &Folders) -> Self {
        let folder = if cfg!(test) { folders.run.join("ids") } else { PathBuf::from("/run/teu/ids") };
        Self::new(folder, PathBuf::from("/etc"))
    }

    fn new(folder: PathBuf, accounts: PathBuf) -> Self {
        Self { folder, accounts }
    }

    /// The lowest free range for the container that will live in `holder`.
    fn take(&self, holder: &Path) -> Result<IdRange> {
        make_folder(&self.folder)?;
        if let Some(range) = self.take_free(holder)? {
            return Ok(range);
        }
        self.sweep()?;
        self.take_free(holder)?.ok_or(EngineError::NoIdsLeft)
    }

    fn take_free(&self, holder: &Path) -> Result<Option<IdRange>> {
        let used: HashSet<u32> = self.leased()?.collect();
        for range in pool(&Accounts::read(&self.accounts)) {
            if !used.contains(&range.first_uid) && self.claim(range, holder)? {
                return Ok(Some(range));
            }
        }
        Ok(None)
    }

    /// False if it is another's. Whoever has it already keeps it.
    fn claim(&self, range: IdRange, holder: &Path) -> Result<bool> {
        let link = self.link(range);
        match symlink(holder, &link) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(fs::read_link(&link).is_ok_and(|other| other == holder))
            }
            Err(error) => Err(EngineError::io("lease ids in", &link)(error)),
        }
    }

    fn link(&self, range: IdRange) -> PathBuf {
        self.folder.join(range.first_uid.to_string())
    }

    /// Gives a range back, if it is the holder's.
    fn free(&self, range: IdRange, holder: &Path) -> Result<()> {
        let link = self.link(range);
        if fs::read_link(&link).is_ok_and(|other| other == holder) {
            fs::remove_file(&link).map_err(EngineError::io("give ids back in", &link))?;
        }
        Ok(())
    }

    fn leased(&self) -> Result<impl Iterator<Item = u32> + use<>> {
        Ok(names_in(&self.folder)?.into_iter().filter_map(|name| name.parse().ok()))
    }

    /// Gives back what containers hold that are no more: their teu was killed before it could.
    fn sweep(&self) -> Result<()> {
        for first in self.leased()? {
            let link = self.folder.join(first.to_string());
            if fs::read_link(&link).is_ok_and(|holder| !is_alive(&holder)) {
                let _ = fs::remove_file(&link);
            }
        }
        Ok(())
    }
}

/// Whether a container lives, is being made or being removed in this folder.
fn is_alive(holder: &Path) -> bool {
    let (Some(parent), Some(name)) = (holder.parent(), holder.file_name().and_then(|name| name.to_str())) else {
        return false;
    };
    let unfinished = name.parse::<Id>().map(|id| Entry::unfinished_names(&id)).unwrap_or_default();
    holder.exists() || unfinished.iter().any(|name| parent.join(name).exists())
}

/// What the account files say.
#[derive(Clone, Debug, Default)]
struct Accounts {
    subuid: Vec<Line>,
    subgid: Vec<Line>,
    /// Single ids of users and groups.
    ids: Vec<u32>,
}

/// One line of subuid(5).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    owner: String,
    first: u32,
    count: u32,
}

impl Accounts {
    /// Files that are missing say nothing.
    fn read(folder: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let ids = [text("passwd"), text("group")];
        Self {
            subuid: lines(&text("subuid")),
            subgid: lines(&text("subgid")),
            ids: ids
                .iter()
                .flat_map(|text| text.lines())
                .filter_map(|line| line.split(':').nth(2)?.parse().ok())
                .collect(),
        }
    }

    /// Whether somebody has one of these ids already.
    fn have(&self, first: u32, last: u32) -> bool {
        let overlaps = |line: &Line| line.first <= last && first <= line.first.saturating_add(line.count - 1);
        self.subuid.iter().chain(&self.subgid).any(overlaps) || self.ids.iter().any(|id| (first..=last).contains(id))
    }

    fn ranges_of(lines: &[Line], owner: &str) -> Vec<u32> {
        let own = lines.iter().filter(|line| line.owner == owner);
        own.flat_map(|line| (0..line.count / COUNT).map(|index| line.first + index * COUNT)).collect()
    }
}

fn lines(text: &str) -> Vec<Line> {
    let line = |line: &str| {
        let mut fields = line.trim().split(':');
        let (owner, first, count) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let fits = u32::checked_add(first, count).is_some();
        (count > 0 && fits).then(|| Line { owner: owner.to_owned(), first, count })
    };
    text.lines().filter_map(line).collect()
}

/// All ranges that may be leased: those that the machine's owner set aside, else automatic ones that overlap nothing.
fn pool(accounts: &Accounts) -> Box<dyn Iterator<Item = IdRange> + '_> {
    for owner in OWNERS {
        let uids = Accounts::ranges_of(&accounts.subuid, owner);
        let gids = Accounts::ranges_of(&accounts.subgid, owner);
        if !uids.is_empty() && !gids.is_empty() {
            let range = |(first_uid, first_gid)| IdRange { first_uid, first_gid, count: COUNT };
            return Box::new(uids.into_iter().zip(gids).map(range));
        }
    }
    let starts = AUTOMATIC.into_iter().flat_map(|window| window.step_by(COUNT as usize));
    let free = starts.filter(|first| !accounts.have(*first, first + (COUNT - 1)));
    Box::new(free.map(|first| IdRange { first_uid: first, first_gid: first, count: COUNT }))
}

/// Whether this process may give ids away: root, and not in a user namespace that has only some.
pub(super) fn can_lease() -> bool {
    rustix::process::geteuid().is_root() && ["uid_map", "gid_map"].iter().all(|file| has_all_ids(file))
}

fn has_all_ids(file: &str) -> bool {
    let text = fs::read_to_string(Path::new("/proc/self").join(file)).unwrap_or_default();
    text.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

impl Inner {
    /// Leases a range for the container that is being made.
    pub(super) fn lease_ids(&self, id: &Id) -> Result<IdRange> {
        self.recall_leases()?;
        self.leases.take(&self.container(id))
    }

    pub(super) fn free_ids(&self, record: &ContainerRecord) -> Result<()> {
        record.id_range.map_or(Ok(()), |range| self.leases.free(range, &self.container(&record.id)))
    }

    /// The file that an automatic removal removes together with the container.
    pub(super) fn lease_file(&self, record: &ContainerRecord) -> Option<PathBuf> {
        record.id_range.map(|range| self.leases.link(range))
    }

    /// Makes sure that the container's ids are still its own: after a reboot another store's container may have been quicker. Then it gets
    /// others, which its files do not notice.
    pub(super) fn hold_ids(&self, record: &ContainerRecord) -> Result<ContainerRecord> {
        let Some(range) = record.id_range else { return Ok(record.clone()) };
        self.recall_leases()?;
        let holder = self.container(&record.id);
        if self.leases.claim(range, &holder)? {
            return Ok(record.clone());
        }
        let moved = ContainerRecord { id_range: Some(self.leases.take(&holder)?), ..record.clone() };
        self.write_record(&moved)?;
        Ok(moved)
    }

    /// Once after each boot: takes the leases that this store's records tell of.
    fn recall_leases(&self) -> Result<()> {
        let boot = fs::read(BOOT_ID).map_err(EngineError::io("read", BOOT_ID.as_ref()))?;
        let recalled = self.leases_recalled();
        if fs::read(&recalled).is_ok_and(|at| at == boot) && self.leases.folder.exists() {
            return Ok(());
        }
        make_folder(&self.leases.folder)?;
        for name in names_in(&self.containers())? {
            let Entry::Container(id) = Entry::of(&name) else { continue };
            if let Ok(Some(ContainerRecord { id_range: Some(range), .. })) = self.record(&id) {
                self.leases.claim(range, &self.container(&id))?;
            }
        }
        // Half of it is not this boot's id: they are recalled once more.
        fs::write(&recalled, &boot).map_err(EngineError::io("write", &recalled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leases() -> (tempfile::TempDir, Leases) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let leases = Leases::new(folder.path().join("ids"), folder.path().to_owned());
        (folder, leases)
    }

    fn holder(folder: &Path, number: u8) -> PathBuf {
        let path = folder.join("containers").join(Id::from_bytes([number; 32]).as_str());
        fs::create_dir_all(&path).expect("folder");
        path
    }

    #[test]
    fn ranges_come_from_the_first_owner_that_has_some() {
        let (folder, leases) = leases();
        fs::write(folder.path().join("subuid"), "me:100000:65536\ncontainers:200000:200000\n").expect("write");
        fs::write(folder.path().join("subgid"), "containers:500000:131072\nme:1:1\n").expect("write");
        let take = |number| leases.take(&holder(folder.path(), number));
        let (one, two) = (take(1).expect("one"), take(2).expect("two"));
        assert_eq!((one.first_uid, one.first_gid, one.count), (200_000, 500_000, 65_536));
        assert_eq!((two.first_uid, two.first_gid), (265_536, 565_536));
        let error = take(3).expect_err("the groups are used up");
        assert!(error.hint().is_some_and(|hint| hint.contains("/etc/subuid")), "{error}");
        leases.free(one, &holder(folder.path(), 1)).expect("free");
        assert_eq!(take(3).expect("free again"), one);
    }

    #[test]
    fn automatic_ranges_overlap_no_account() {
        let (folder, leases) = leases();
        let first = 0x7800_0000_u32;
        fs::write(folder.path().join("subuid"), format!("me:{}:10\n", first + 65_530)).expect("write");
        fs::write(folder.path().join("passwd"), format!("big:x:{}:1::/:\n", first + 2 * 65_536)).expect("write");
        let range = leases.take(&holder(folder.path(), 1)).expect("lease");
        assert_eq!((range.first_uid, range.first_gid), (first + 3 * 65_536, first + 3 * 65_536));
    }

    #[test]
    fn leases_of_containers_that_are_gone_are_taken_when_none_is_free() {
        let (folder, leases) = leases();
        for file in ["subuid", "subgid"] {
            fs::write(folder.path().join(file), "teu:100000:65536\n").expect("write");
        }
        let (gone, next) = (holder(folder.path(), 1), holder(folder.path(), 2));
        let range = leases.take(&gone).expect("lease");
        assert!(leases.take(&next).is_err());
        fs::rename(&gone, gone.with_file_name(format!(".removing-{}", Id::from_bytes([1; 32])))).expect("rename");
        assert!(leases.take(&next).is_err(), "it is still being removed");
        fs::remove_dir_all(gone.parent().expect("parent")).expect("remove");
        assert_eq!(leases.take(&next).expect("swept"), range);
    }

    #[test]
    fn leases_of_many_at_a_time_are_all_different() {
        let (folder, leases) = leases();
        let taken = std::thread::scope(|scope| {
            let take = |number| leases.take(&holder(folder.path(), number)).expect("lease").first_uid;
            let threads: Vec<_> = (0..16).map(|number| scope.spawn(move || take(number))).collect();
            threads.into_iter().map(|thread| thread.join().expect("thread")).collect::<HashSet<_>>()
        });
        assert_eq!(taken.len(), 16);
    }

    #[test]
    fn lines_that_are_none_are_left_out() {
        let expected = [Line { owner: "a".to_owned(), first: 1, count: 2 }];
        assert_eq!(lines("# x\na:1:2\nb:1\nc:4294967295:2\nd:1:0\ne:x:1\n"), expected);
    }
}
