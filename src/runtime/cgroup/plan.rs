//! What is to be written where: resources become a list of entries first, then the entries are written.

use std::io;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxBlockIo, LinuxHugepageLimit, LinuxThrottleDevice, LinuxWeightDevice};

use super::write_io;
use crate::runtime::RuntimeError;

/// One value for one file of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Below `linux.resources`, such as `memory.limit`.
    pub field: String,
    pub file: String,
    pub value: String,
    /// A group without the file behaves as the value asks: no limit, nothing switched off.
    pub neutral: bool,
}

/// Entries in the order in which they are to be written.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub entries: Vec<Entry>,
}

impl Plan {
    pub fn set(&mut self, field: impl Into<String>, file: impl Into<String>, value: impl ToString) {
        self.add(field.into(), file.into(), value.to_string(), false);
    }

    /// As [`Self::set`], for a value that means "as if it were not there" if `neutral` holds.
    pub fn set_unless(
        &mut self,
        neutral: bool,
        field: impl Into<String>,
        file: impl Into<String>,
        value: impl ToString,
    ) {
        self.add(field.into(), file.into(), value.to_string(), neutral);
    }

    fn add(&mut self, field: String, file: String, value: String, neutral: bool) {
        self.entries.push(Entry { field, file, value, neutral });
    }

    /// The first field that cannot do without a controller.
    pub fn demands(&self) -> Option<&str> {
        self.entries.iter().find(|entry| !entry.neutral).map(|entry| entry.field.as_str())
    }

    /// Leaves out neutral entries without a file; fails on others.
    pub fn check(&mut self, folder: &Path) -> Result<(), RuntimeError> {
        self.entries.retain(|entry| !entry.neutral || folder.join(&entry.file).exists());
        match self.entries.iter().find(|entry| !folder.join(&entry.file).exists()) {
            Some(lacking) => {
                Err(refused(&lacking.field, format!("this kernel has no {} in {}", lacking.file, folder.display())))
            }
            None => Ok(()),
        }
    }

    /// Writes all; when one is refused, those before it are put back. Some files guard each other (memory below memory and swap, burst below quota), and lowering needs the
    /// other order than raising: what is refused as invalid waits for those after it and is tried once more.
    pub fn write(self, folder: &Path) -> Result<(), RuntimeError> {
        let mut done = Done::default();
        self.write_with(folder, &mut done).inspect_err(|_| done.undo())
    }

    /// As [`Self::write`], remembering in `done` what was there before instead of putting it back.
    pub fn write_with(self, folder: &Path, done: &mut Done) -> Result<(), RuntimeError> {
        let mut postponed = Vec::new();
        for entry in self.entries {
            match done.write(&folder.join(&entry.file), &entry.value) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => postponed.push(entry),
                Err(error) => return Err(failed(&entry, folder, error)),
            }
        }
        for entry in postponed {
            done.write(&folder.join(&entry.file), &entry.value).map_err(|error| failed(&entry, folder, error))?;
        }
        Ok(())
    }
}

/// What was written, and what stood there before: `None` where nobody wants to go back.
#[derive(Debug, Default)]
pub(super) struct Done {
    remember: bool,
    before: Vec<(PathBuf, String)>,
}

impl Done {
    /// One that can be undone. In a new group nothing is worth the reading.
    pub fn remembering() -> Self {
        Self { remember: true, before: Vec::new() }
    }

    fn write(&mut self, path: &Path, value: &str) -> io::Result<()> {
        let before = if self.remember { std::fs::read_to_string(path).ok() } else { None };
        write_io(path, value)?;
        self.before.extend(before.map(|text| (path.to_owned(), former(&text, value))));
        Ok(())
    }

    /// Puts everything back, the last first, twice: what guards each other may need the other order.
    pub fn undo(&self) {
        let back = |(path, value): &&(PathBuf, String)| write_io(path, value).is_err();
        let refused: Vec<_> = self.before.iter().rev().filter(back).collect();
        for (path, value) in refused {
            let _ = write_io(path, value);
        }
    }
}

/// What to write to go back to a file's text. Files with a line for each device or interface give the line of the one
/// that was written, or the word for no limit if it had none.
fn former(text: &str, written: &str) -> String {
    let text = text.trim_end();
    let Some((key, rest)) = written.split_once(' ') else { return format!("{text}\n") };
    let is_key = key.split_once(':').is_some_and(|(major, minor)| {
        [major, minor].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    });
    match text.lines().find(|line| line.split(' ').next() == Some(key)) {
        Some(line) if is_key || text.lines().count() > 1 => line.to_owned(),
        None if is_key => match rest.split_once('=') {
            Some((name, _)) => format!("{key} {name}=max"),
            None => format!("{key} 0"),
        },
        _ => format!("{text}\n"),
    }
}

fn failed(entry: &Entry, folder: &Path, source: io::Error) -> RuntimeError {
    RuntimeError::ResourceWrite {
        field: entry.field.clone(),
        value: entry.value.clone(),
        path: folder.join(&entry.file),
        source,
    }
}

/// A resource that this machine or its cgroup version has not.
pub(super) fn refused(field: impl Into<String>, why: impl Into<String>) -> RuntimeError {
    RuntimeError::Resource { field: field.into(), why: why.into() }
}

/// One kind of throttle: its field, the key in v2's `io.max`, and the devices with a rate.
pub(super) type Throttle<'a> = (&'static str, &'static str, &'a [LinuxThrottleDevice]);

/// The four throttles of a specification.
pub(super) fn throttles(io: &LinuxBlockIo) -> [Throttle<'_>; 4] {
    [
        ("throttleReadBpsDevice", "rbps", io.throttle_read_bps_device().as_deref().unwrap_or_default()),
        ("throttleWriteBpsDevice", "wbps", io.throttle_write_bps_device().as_deref().unwrap_or_default()),
        ("throttleReadIOPSDevice", "riops", io.throttle_read_iops_device().as_deref().unwrap_or_default()),
        ("throttleWriteIOPSDevice", "wiops", io.throttle_write_iops_device().as_deref().unwrap_or_default()),
    ]
}

/// Devices with a weight of their own: "you MUST specify at least one of weight or leafWeight" (config-linux.md).
pub(super) fn weights(io: &LinuxBlockIo) -> Result<&[LinuxWeightDevice], RuntimeError> {
    let devices = io.weight_device().as_deref().unwrap_or_default();
    match devices.iter().position(|device| device.weight().or(device.leaf_weight()).is_none()) {
        Some(index) => Err(refused(format!("blockIO.weightDevice[{index}]"), "it needs a weight or a leafWeight")),
        None => Ok(devices),
    }
}

/// A page size as the specification writes it, such as `2MB`: digits, one of K, M, G, and B.
pub(super) fn page_size(limit: &LinuxHugepageLimit, index: usize) -> Result<&str, RuntimeError> {
    let size = limit.page_size();
    let digits = size.strip_suffix("KB").or_else(|| size.strip_suffix("MB")).or_else(|| size.strip_suffix("GB"));
    match digits.filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())) {
        Some(_) => Ok(size),
        None => Err(refused(
            format!("hugepageLimits[{index}].pageSize"),
            format!("{size:?} is not a size such as 2MB or 1GB"),
        )),
    }
}

/// The kernel's word for a maximum; not positive is none.
pub(super) fn maximum(value: i64) -> String {
    if value > 0 { value.to_string() } else { "max".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn neutral_values_need_no_file_and_others_name_their_field() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut plan = Plan::default();
        plan.set_unless(true, "pids.limit", "pids.max", "max");
        assert_eq!(plan.demands(), None);
        plan.check(folder.path()).expect("neutral");
        assert!(plan.entries.is_empty());
        plan.set("cpu.idle", "cpu.idle", 1);
        assert_eq!(plan.demands(), Some("cpu.idle"));
        let error = plan.check(folder.path()).expect_err("missing").to_string();
        assert!(error.starts_with("linux.resources.cpu.idle: "), "{error}");
    }

    #[test]
    fn entries_are_written_in_order_and_failures_name_field_value_and_file() {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join("a"), "").expect("file");
        let mut plan = Plan::default();
        plan.set("one", "a", 7);
        plan.set("two", "b", 8);
        let error = plan.write(folder.path()).expect_err("b is missing").to_string();
        assert_eq!(fs::read_to_string(folder.path().join("a")).expect("read"), "7");
        assert!(error.starts_with("linux.resources.two: write 8 to ") && error.contains("/b: "), "{error}");
    }

    #[test]
    fn undo_puts_back_what_stood_there() {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join("a"), "1\n").expect("file");
        let mut plan = Plan::default();
        plan.set("one", "a", 2);
        let mut done = Done::remembering();
        plan.write_with(folder.path(), &mut done).expect("write");
        done.undo();
        assert_eq!(fs::read_to_string(folder.path().join("a")).expect("read"), "1\n");
    }

    #[test]
    fn former_lines_are_those_of_the_same_device() {
        let io_max = "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=5 wbps=max riops=max wiops=max\n";
        assert_eq!(former(io_max, "8:16 rbps=9"), "8:16 rbps=5 wbps=max riops=max wiops=max");
        assert_eq!(former(io_max, "8:32 wiops=9"), "8:32 wiops=max");
        assert_eq!(former("", "8:0 100"), "8:0 0");
        assert_eq!(former("max 100000\n", "5000 100000"), "max 100000\n");
        assert_eq!(former("default 100\n8:0 50\n", "default 7"), "default 100");
        assert_eq!(former("", "0-1"), "\n");
    }

    #[test]
    fn page_sizes_are_checked() {
        let limit = |size: &str| {
            let builder = oci_spec::runtime::LinuxHugepageLimitBuilder::default();
            builder.page_size(size).limit(1).build().expect("limit")
        };
        assert_eq!(page_size(&limit("2MB"), 0).expect("size"), "2MB");
        for wrong in ["", "MB", "2", "2MiB", "../1MB", "2mb"] {
            assert!(page_size(&limit(wrong), 3).expect_err(wrong).to_string().contains("hugepageLimits[3].pageSize"));
        }
    }
}
