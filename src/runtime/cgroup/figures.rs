//! Figures of single files: numbers, tables of names and numbers, lists of cpus, pressure.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::statistics::{Pressure, Stall};

/// A file with one number. `max` is `u64::MAX`; a missing file, or none, is `None`.
pub(super) fn number(folder: &Path, file: &str) -> Option<u64> {
    let text = fs::read_to_string(folder.join(file)).ok()?;
    match text.trim() {
        "max" => Some(u64::MAX),
        text => text.parse().ok(),
    }
}

/// `NAME NUMBER` lines.
pub(super) fn table(folder: &Path, file: &str) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
    let rows = text.lines().filter_map(|line| line.split_once(' '));
    rows.filter_map(|(name, number)| Some((name.to_owned(), number.trim().parse().ok()?))).collect()
}

/// The kernel's list format, such as `0-2,7`. A list longer than any machine's is cut.
pub(super) fn list(folder: &Path, file: &str) -> Vec<u16> {
    let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
    let mut numbers = Vec::new();
    for range in text.trim().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) {
            numbers.extend(first..=last);
        }
    }
    numbers
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and `full …` (Linux 4.20). `None` where pressure is not counted.
pub(super) fn pressure(text: &str) -> Option<Pressure> {
    let mut found = None;
    for line in text.lines() {
        let mut words = line.split(' ');
        let kind = words.next();
        let mut stall = Stall::default();
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            match name {
                "avg10" => stall.avg10 = value.parse().ok()?,
                "avg60" => stall.avg60 = value.parse().ok()?,
                "avg300" => stall.avg300 = value.parse().ok()?,
                "total" => stall.total = value.parse().ok()?,
                _ => {}
            }
        }
        let pressure: &mut Pressure = found.get_or_insert_default();
        match kind {
            Some("some") => pressure.some = stall,
            Some("full") => pressure.full = stall,
            _ => return None,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_written_out() {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join("cpus"), "0-2,7\n").expect("file");
        assert_eq!(list(folder.path(), "cpus"), [0, 1, 2, 7]);
        assert!(list(folder.path(), "missing").is_empty());
    }

    #[test]
    fn pressure_has_both_kinds_or_is_not_counted() {
        let text = "some avg10=1.50 avg60=0.25 avg300=0.00 total=77\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=9\n";
        let found = pressure(text).expect("pressure");
        assert_eq!((found.some.avg10, found.some.total, found.full.avg10, found.full.total), (1.5, 77, 0.5, 9));
        assert_eq!(pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=3\n").expect("old cpu").some.total, 3);
        assert_eq!(pressure(""), None);
        assert_eq!(pressure("garbage"), None);
    }

    #[test]
    fn numbers_know_no_limit() {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join("a"), "max\n").expect("file");
        fs::write(folder.path().join("b"), "12\n").expect("file");
        assert_eq!((number(folder.path(), "a"), number(folder.path(), "b")), (Some(u64::MAX), Some(12)));
        assert_eq!(number(folder.path(), "c"), None);
    }
}
