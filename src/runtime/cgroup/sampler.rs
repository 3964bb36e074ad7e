//! Reads the counters of many containers again and again.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::counters::{Format, Source};
use super::processes::Processes;
use super::{CgroupPlace, Subject, unified};
use crate::model::Sample;
use crate::sys::clock;

/// Samples many containers again and again: keeps the files open, as long as descriptors are plenty.
#[derive(Debug)]
pub struct Sampler {
    containers: HashMap<String, Watched>,
    buffer: Vec<u8>,
    /// How many files may be kept open: half of what the process may open when it begins.
    budget: usize,
}

#[derive(Debug)]
struct Watched {
    place: CgroupPlace,
    files: Vec<CounterFile>,
}

#[derive(Debug)]
struct CounterFile {
    path: PathBuf,
    format: Format,
    /// Kept open while the budget lasts.
    file: Option<File>,
}

/// More than any counter file has: `memory.stat` is about 3 KiB, `io.stat` 100 bytes a disk.
const BUFFER_BYTES: usize = 64 * 1024;

impl Default for Sampler {
    fn default() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1024);
        Self {
            containers: HashMap::new(),
            buffer: vec![0; BUFFER_BYTES],
            budget: usize::try_from(limit / 2).unwrap_or(512),
        }
    }
}

impl Sampler {
    pub fn new() -> Self {
        Self::default()
    }

    /// Counters of one container; `key` tells containers apart (its id).
    pub fn sample(&mut self, key: &str, place: &CgroupPlace) -> Sample {
        if self.containers.get(key).is_none_or(|watched| watched.place != *place) {
            let watched = self.watch(place);
            self.forget(key);
            self.containers.insert(key.to_owned(), watched);
        }
        let mut sample = Sample { taken_ns: clock::monotonic_ns(), ..Sample::default() };
        let Some(watched) = self.containers.get(key) else { return sample };
        for file in &watched.files {
            file.read(&mut self.buffer, &mut sample);
        }
        if sample.cpu_ns.is_none() || sample.memory_bytes.is_none() {
            Processes { pid: place.pid, pid_start: place.pid_start }.sample(&mut sample);
        }
        sample
    }

    /// Closes the files of containers whose key is not to be kept.
    pub fn retain(&mut self, keep: &dyn Fn(&str) -> bool) {
        let gone: Vec<String> = self.containers.keys().filter(|key| !keep(key)).cloned().collect();
        for key in gone {
            self.forget(&key);
        }
    }

    fn forget(&mut self, key: &str) {
        if let Some(watched) = self.containers.remove(key) {
            self.budget += watched.files.iter().filter(|file| file.file.is_some()).count();
        }
    }

    fn watch(&mut self, place: &CgroupPlace) -> Watched {
        let mut sources = Vec::new();
        for subject in [Subject::CpuUsage, Subject::Cpu, Subject::Memory, Subject::Pids, Subject::Disk] {
            sources.extend(place.first_with(subject).map(|group| group.counters(subject)).unwrap_or_default());
        }
        sources.extend(place.unified.iter().flat_map(|folder| unified::pressure_counters(folder)));
        if place.own_network {
            let path = PathBuf::from(format!("/proc/{}/net/dev", place.pid));
            sources.push(Source { path, format: Format::Network });
        }
        let files = sources.into_iter().map(|source| self.open(source)).collect();
        Watched { place: place.clone(), files }
    }

    fn open(&mut self, source: Source) -> CounterFile {
        // An open one would keep the network namespace, and the links in it, beyond the container's end.
        let keeps = self.budget > 0 && source.format != Format::Network;
        let file = if keeps { File::open(&source.path).ok() } else { None };
        self.budget -= usize::from(file.is_some());
        CounterFile { path: source.path, format: source.format, file }
    }
}

impl CounterFile {
    fn read(&self, buffer: &mut [u8], sample: &mut Sample) {
        let opened;
        let file = match &self.file {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => {
                    opened = file;
                    &opened
                }
                // The container is just ending, or the kernel lacks the file.
                Err(_) => return,
            },
        };
        let mut filled = 0;
        // A sequence file may come in pieces of a page.
        while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
            match file.read_at(free, filled as u64) {
                Ok(0) | Err(_) => break,
                Ok(count) => filled += count,
            }
        }
        if filled > 0 {
            // Names of interfaces may be any bytes.
            self.format.read(&String::from_utf8_lossy(&buffer[..filled]), sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn v1_container(folder: &std::path::Path) -> CgroupPlace {
        fs::write(folder.join("cpuacct.usage"), "1000\n").expect("file");
        fs::write(folder.join("memory.usage_in_bytes"), "50\n").expect("file");
        fs::write(folder.join("memory.stat"), "total_inactive_file 20\n").expect("file");
        fs::write(folder.join("pids.current"), "2\n").expect("file");
        let names = "cpu,cpuacct,memory,pids".to_owned();
        CgroupPlace { legacy: vec![(names, folder.to_owned())], ..CgroupPlace::default() }
    }

    #[test]
    fn sampler_reads_what_changes_in_open_files() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let place = v1_container(folder.path());
        let mut sampler = Sampler::new();
        let first = sampler.sample("a", &place);
        assert_eq!((first.cpu_ns, first.memory_bytes, first.pids), (Some(1000), Some(30), Some(2)));
        assert!(!first.from_proc);
        fs::write(folder.path().join("cpuacct.usage"), "3000\n").expect("file");
        assert_eq!(sampler.sample("a", &place).cpu_ns, Some(3000));
    }

    #[test]
    fn sampler_without_budget_still_reads_and_retain_gives_it_back() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let place = v1_container(folder.path());
        let mut sampler = Sampler { budget: 1, ..Sampler::new() };
        assert_eq!(sampler.sample("a", &place).pids, Some(2));
        assert_eq!(sampler.budget, 0);
        sampler.retain(&|_| false);
        assert_eq!(sampler.budget, 1);
    }
}
