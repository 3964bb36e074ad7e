//! The entries of a folder as they are kept and ordered: folders first, then by the chosen column.

use std::cmp::Ordering;
use std::os::unix::ffi::OsStrExt;

use crate::model::{FileEntry, printable_line};
use crate::tui::list::Sort;
use crate::tui::table::{Align, Column};

pub const NAME: usize = 0;
pub const SIZE: usize = 1;
pub const MODE: usize = 2;
pub const OWNER: usize = 3;
pub const MODIFIED: usize = 4;

pub const COLUMNS: [Column; 5] = [
    Column { title: "NAME", min: 24, max: 90, align: Align::Left, priority: 0 },
    Column { title: "SIZE", min: 7, max: 7, align: Align::Right, priority: 0 },
    Column { title: "MODE", min: 10, max: 10, align: Align::Left, priority: 2 },
    Column { title: "OWNER", min: 9, max: 13, align: Align::Left, priority: 3 },
    Column { title: "CHANGED", min: 16, max: 16, align: Align::Left, priority: 1 },
];

/// An entry with its name as it is shown.
#[derive(Clone, Debug)]
pub struct Item {
    pub entry: FileEntry,
    pub text: String,
    /// For the filter and the order.
    pub lower: String,
}

impl Item {
    pub fn new(entry: FileEntry) -> Self {
        let text = printable_line(&entry.name.to_string_lossy()).into_owned();
        Self { lower: text.to_lowercase(), text, entry }
    }

    pub fn is_hidden(&self) -> bool {
        self.entry.name.as_bytes().starts_with(b".")
    }
}

/// Folders come first whatever the order, as people look for them there.
pub fn compare(sort: Sort, a: &Item, b: &Item) -> Ordering {
    let by_name = || a.lower.cmp(&b.lower).then_with(|| a.entry.name.cmp(&b.entry.name));
    let order = match sort.column {
        SIZE => a.entry.bytes.cmp(&b.entry.bytes),
        MODE => a.entry.mode.cmp(&b.entry.mode),
        OWNER => (a.entry.uid, a.entry.gid).cmp(&(b.entry.uid, b.entry.gid)),
        MODIFIED => a.entry.modified.cmp(&b.entry.modified),
        _ => by_name(),
    };
    let order = if sort.descending { order.reverse() } else { order };
    b.entry.is_folder().cmp(&a.entry.is_folder()).then(order).then_with(by_name)
}
