//! `top`: the processes of a container, as the host's /proc shows them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::{Engine, EngineError, Result};
use crate::model::Timestamp;

/// One process of a container. Ids are the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    pub uid: u32,
    /// The user's name on the host; the number where it has none.
    pub user: String,
    /// Milliseconds of cpu time used, user and system.
    pub cpu_ms: u64,
    pub started: Timestamp,
    /// Bytes resident in memory.
    pub memory_bytes: u64,
    /// `S`, `R`, `Z` and so on, proc_pid_stat(5).
    pub state: char,
    /// The controlling terminal's device number, 0 for none.
    pub terminal: i32,
    /// Arguments with spaces between; the name in brackets where there are none. Hostile text.
    pub command: String,
}

impl Engine {
    /// The processes of a running container: its own and those of its exec sessions, oldest first.
    pub fn top(&self, target: &str) -> Result<Vec<Process>> {
        let name = self.find(target)?.name;
        let main = self.state(target)?.pid().ok_or(EngineError::NotRunning { name })?;
        let boot = boot_time()?;
        let users = users();
        let mut processes = Vec::new();
        for pid in members(Path::new("/proc"), main)? {
            // A process may end at any moment: then it is not in the list.
            let folder = Path::new("/proc").join(pid.to_string());
            let Some(stat) = fs::read_to_string(folder.join("stat")).ok().and_then(|text| Stat::parse(&text)) else {
                continue;
            };
            let uid = fs::metadata(&folder).map(|found| std::os::unix::fs::MetadataExt::uid(&found)).unwrap_or(0);
            let words = fs::read(folder.join("cmdline")).unwrap_or_default();
            processes.push(Process {
                pid,
                parent: stat.parent,
                uid,
                user: users.get(&uid).cloned().unwrap_or_else(|| uid.to_string()),
                cpu_ms: ticks_ms(stat.cpu_ticks),
                started: boot_plus(boot, ticks_ms(stat.start_ticks)),
                memory_bytes: stat.resident_pages * rustix::param::page_size() as u64,
                state: stat.state,
                terminal: stat.terminal,
                command: command(&words, &stat.name),
            });
        }
        processes.sort_by_key(|process| (process.started, process.pid));
        Ok(processes)
    }
}

/// The pids that share the main process's pid namespace, and those below them in namespaces of their own.
fn members(proc: &Path, main: i32) -> Result<Vec<i32>> {
    let namespace = |pid: i32| fs::read_link(proc.join(format!("{pid}/ns/pid"))).ok();
    let entries = fs::read_dir(proc).map_err(EngineError::io("list", proc))?;
    let pids: Vec<i32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let own = namespace(main);
    let parent = |pid: i32| {
        let text = fs::read_to_string(proc.join(format!("{pid}/stat"))).ok()?;
        Some(Stat::parse(&text)?.parent)
    };
    let mut is_member: HashMap<i32, bool> = HashMap::from([(main, true)]);
    // With the machine's pid namespace (`--pid host`) only descendants are the container's.
    let is_machines = own == fs::read_link(proc.join("self/ns/pid")).ok();
    for pid in &pids {
        if own.is_some() && !is_machines && namespace(*pid) == own {
            is_member.insert(*pid, true);
        }
    }
    // Whoever descends from a member is one, in however many steps.
    for pid in &pids {
        let mut line = Vec::new();
        let mut at = *pid;
        let verdict = loop {
            if let Some(known) = is_member.get(&at) {
                break *known;
            }
            line.push(at);
            match parent(at) {
                Some(above) if above > 1 && !line.contains(&above) => at = above,
                _ => break false,
            }
        };
        is_member.extend(line.into_iter().map(|pid| (pid, verdict)));
    }
    Ok(pids.into_iter().filter(|pid| is_member.get(pid) == Some(&true)).collect())
}

/// The fields of /proc/PID/stat that are shown.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    state: char,
    parent: i32,
    terminal: i32,
    cpu_ticks: u64,
    start_ticks: u64,
    resident_pages: u64,
}

impl Stat {
    /// The name stands in parentheses and may hold any, so fields count from the last one (proc_pid_stat(5)).
    fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.rsplit_once(')')?;
        let name = before.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = after.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            name,
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            terminal: fields.get(4)?.parse().ok()?,
            cpu_ticks: number(11)?.saturating_add(number(12)?),
            start_ticks: number(19)?,
            resident_pages: number(21)?,
        })
    }
}

fn ticks_ms(ticks: u64) -> u64 {
    ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1)
}

fn boot_plus(boot_seconds: i64, ms: u64) -> Timestamp {
    let since = jiff::SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    let boot = jiff::Timestamp::from_second(boot_seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    Timestamp(boot.checked_add(since).unwrap_or(boot))
}

/// Unix seconds at boot.
fn boot_time() -> Result<i64> {
    let text = fs::read_to_string("/proc/stat").map_err(EngineError::io("read", Path::new("/proc/stat")))?;
    Ok(text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()).unwrap_or(0))
}

fn users() -> HashMap<u32, String> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    // The first entry of a number counts, as for getpwuid(3).
    text.lines().rev().filter_map(user).collect()
}

fn command(words: &[u8], name: &str) -> String {
    let words = words.strip_suffix(&[0]).unwrap_or(words);
    if words.is_empty() {
        return format!("[{name}]");
    }
    let words: Vec<_> = words.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a) (b) S 7 42 42 34816 42 4194560 1 2 3 4 150 50 0 0 20 0 1 0 12345 1000000 321 1 1";

    #[test]
    fn stat_with_parentheses_in_the_name_parses() {
        assert_eq!(
            Stat::parse(STAT),
            Some(Stat {
                name: "a) (b".to_owned(),
                state: 'S',
                parent: 7,
                terminal: 34816,
                cpu_ticks: 200,
                start_ticks: 12345,
                resident_pages: 321,
            })
        );
        assert_eq!(Stat::parse("42 (x) S 1"), None);
    }

    #[test]
    fn members_descend_from_the_main_process() {
        let proc = tempfile::tempdir().expect("temporary folder");
        for (pid, parent, namespace) in [
            (1, 0, "pid:[1]"),
            (10, 1, "pid:[2]"),
            (11, 10, "pid:[2]"),
            (12, 11, "pid:[3]"),
            (20, 1, "pid:[1]"),
            (30, 9, "pid:[2]"),
        ] {
            let folder = proc.path().join(pid.to_string());
            fs::create_dir_all(folder.join("ns")).expect("folder");
            std::os::unix::fs::symlink(namespace, folder.join("ns/pid")).expect("link");
            let stat = format!("{pid} (x) S {parent} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
            fs::write(folder.join("stat"), stat).expect("stat");
        }
        let mut found = members(proc.path(), 10).expect("list");
        found.sort_unstable();
        assert_eq!(found, [10, 11, 12, 30]);
    }

    #[test]
    fn command_without_arguments_is_the_name_in_brackets() {
        assert_eq!(command(b"sleep\x0010\0", "sleep"), "sleep 10");
        assert_eq!(command(b"", "kthread"), "[kthread]");
    }
}
