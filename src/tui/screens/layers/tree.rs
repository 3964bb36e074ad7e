//! What a layer did, as a tree: made once when it is loaded, off the drawing path; rows are picked out of it for the
//! folders that are open and for a filter.

use std::path::Component;

use crate::model::{FileSort, LayerChange, LayerContents, LayerEntry};

/// Places that are told to waste the most.
const MOST_WASTED: usize = 1000;

/// One path of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: Box<str>,
    pub depth: u16,
    /// The folder it is in; none at the top.
    pub parent: Option<u32>,
    /// The node behind all that is in it.
    end: u32,
    /// None for a folder that only leads to others.
    pub change: Option<LayerChange>,
    pub sort: FileSort,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub target: Option<Box<str>>,
    /// Of it and all that is in it.
    pub bytes: u64,
    pub hidden_bytes: u64,
}

/// All paths of a layer, each folder before what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<Node>,
    pub bytes: u64,
    pub wasted_bytes: u64,
    /// Added, changed, removed.
    pub counts: [usize; 3],
    /// Those that hide most of the layers below, the greatest first: bytes and node.
    pub wasted: Vec<(u64, u32)>,
}

/// Which changes are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    #[default]
    All,
    Added,
    Changed,
    Removed,
}

impl Wanted {
    pub fn next(self) -> Self {
        match self {
            Self::All => Self::Added,
            Self::Added => Self::Changed,
            Self::Changed => Self::Removed,
            Self::Removed => Self::All,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all changes",
            Self::Added => "only added",
            Self::Changed => "only changed",
            Self::Removed => "only removed",
        }
    }

    fn takes(self, change: Option<LayerChange>) -> bool {
        match self {
            Self::All => true,
            wanted => change.is_some_and(|change| kind(change) == wanted as usize - 1),
        }
    }
}

/// 0 added, 1 changed, 2 removed. A folder emptied of what lay below counts as changed.
fn kind(change: LayerChange) -> usize {
    match change {
        LayerChange::Added => 0,
        LayerChange::Changed | LayerChange::Opaque => 1,
        LayerChange::Removed => 2,
    }
}

/// In which order the paths of a folder stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Name,
    Size,
}

/// What is picked out of a tree.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Letters of the path, in lower case; empty takes all.
    pub needle: &'a str,
    pub wanted: Wanted,
    pub order: Order,
}

impl Tree {
    pub fn new(contents: &LayerContents) -> Self {
        let mut tree = Self {
            nodes: Vec::with_capacity(contents.entries.len() + contents.entries.len() / 8),
            bytes: contents.bytes,
            wasted_bytes: contents.wasted_bytes,
            counts: [0; 3],
            wasted: Vec::new(),
        };
        // The folders that the last entry is in, each with its node.
        let mut inside: Vec<u32> = Vec::new();
        for entry in &contents.entries {
            tree.counts[kind(entry.change)] += 1;
            tree.add(entry, &mut inside);
        }
        tree.sum();
        tree.wasted.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        tree.wasted.truncate(MOST_WASTED);
        tree
    }

    fn add(&mut self, entry: &LayerEntry, inside: &mut Vec<u32>) {
        let names: Vec<String> = entry
            .path
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
                _ => None,
            })
            .collect();
        let Some((last, folders)) = names.split_last() else { return };
        let shared = inside.iter().zip(folders).take_while(|(node, name)| *self.nodes[**node as usize].name == ***name);
        let shared = shared.count();
        inside.truncate(shared);
        for name in &folders[shared..] {
            let node = self.push(name, inside, None);
            inside.push(node);
        }
        let node = self.push(last, inside, Some(entry));
        if entry.hidden_bytes > 0 {
            self.wasted.push((entry.hidden_bytes, node));
        }
        // What follows may be in it.
        inside.push(node);
    }

    fn push(&mut self, name: &str, inside: &[u32], entry: Option<&LayerEntry>) -> u32 {
        let index = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(Node {
            name: name.into(),
            depth: u16::try_from(inside.len()).unwrap_or(u16::MAX),
            parent: inside.last().copied(),
            end: index + 1,
            change: entry.map(|entry| entry.change),
            sort: entry.map_or(FileSort::Folder, |entry| entry.sort),
            mode: entry.map_or(0, |entry| entry.mode),
            uid: entry.map_or(0, |entry| entry.uid),
            gid: entry.map_or(0, |entry| entry.gid),
            target: entry.and_then(|entry| Some(entry.target.as_ref()?.to_string_lossy().into())),
            bytes: entry.map_or(0, |entry| entry.bytes),
            hidden_bytes: entry.map_or(0, |entry| entry.hidden_bytes),
        });
        index
    }

    /// Adds each node's figures to its folder's, from the innermost outwards.
    fn sum(&mut self) {
        for index in (0..self.nodes.len()).rev() {
            let node = &self.nodes[index];
            let (bytes, hidden, end, parent) = (node.bytes, node.hidden_bytes, node.end, node.parent);
            if let Some(parent) = parent {
                let parent = &mut self.nodes[parent as usize];
                parent.bytes += bytes;
                parent.hidden_bytes += hidden;
                parent.end = parent.end.max(end);
            }
        }
    }

    pub fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether anything is in it.
    pub fn has_children(&self, index: u32) -> bool {
        self.node(index).end > index + 1
    }

    /// The whole path, from the root.
    pub fn path(&self, index: u32) -> String {
        let mut names = Vec::new();
        let mut at = Some(index);
        while let Some(index) = at {
            names.push(&*self.node(index).name);
            at = self.node(index).parent;
        }
        names.reverse();
        format!("/{}", names.join("/"))
    }

    /// The rows to show: what is in open folders, or with a filter all that passes it and the folders that lead there.
    pub fn rows(&self, choice: Choice, is_open: impl Fn(u32) -> bool) -> Vec<u32> {
        let filtered = !choice.needle.is_empty() || choice.wanted != Wanted::All;
        let kept = if filtered { self.kept(choice) } else { Vec::new() };
        let mut rows = Vec::new();
        // Ranges of siblings that are still to be shown, the next on top.
        let mut waiting: Vec<u32> = Vec::new();
        let push = |waiting: &mut Vec<u32>, from: u32, end: u32| {
            let begin = waiting.len();
            let mut at = from;
            while at < end {
                if !filtered || kept[at as usize] {
                    waiting.push(at);
                }
                at = self.node(at).end;
            }
            match choice.order {
                Order::Name => waiting[begin..].reverse(),
                // The greatest is to be on top, so last; of equal ones the first in order.
                Order::Size => {
                    waiting[begin..].sort_by_key(|index| (self.node(*index).bytes, std::cmp::Reverse(*index)));
                }
            }
        };
        push(&mut waiting, 0, u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        while let Some(index) = waiting.pop() {
            rows.push(index);
            if self.has_children(index) && (filtered || is_open(index)) {
                push(&mut waiting, index + 1, self.node(index).end);
            }
        }
        rows
    }

    /// Beside the nodes: whether it or anything in it passes.
    fn kept(&self, choice: Choice) -> Vec<bool> {
        let mut kept = vec![false; self.nodes.len()];
        let mut path = String::new();
        // Where each folder's name ends in the path.
        let mut ends: Vec<usize> = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            ends.truncate(usize::from(node.depth));
            path.truncate(ends.last().copied().unwrap_or(0));
            path.push('/');
            path.extend(node.name.chars().flat_map(char::to_lowercase));
            ends.push(path.len());
            kept[index] = choice.wanted.takes(node.change) && path.contains(choice.needle);
        }
        for index in (0..self.nodes.len()).rev() {
            if let (true, Some(parent)) = (kept[index], self.nodes[index].parent) {
                kept[parent as usize] = true;
            }
        }
        kept
    }
}

#[cfg(test)]
pub mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::tui::sample;

    pub fn entry(path: &str, change: LayerChange, sort: FileSort, bytes: u64, hidden_bytes: u64) -> LayerEntry {
        let mode = if sort == FileSort::Folder { 0o755 } else { 0o644 };
        LayerEntry { path: PathBuf::from(path), change, sort, bytes, hidden_bytes, mode, uid: 0, gid: 0, target: None }
    }

    fn tree() -> Tree {
        use FileSort::{Absent, Folder, Regular};
        use LayerChange::{Added, Changed, Removed};
        let entries = vec![
            entry("etc/passwd", Changed, Regular, 900, 800),
            entry("usr/lib", Added, Folder, 0, 0),
            entry("usr/lib/a.so", Added, Regular, 5000, 0),
            entry("usr/lib/b.so", Added, Regular, 100, 0),
            entry("usr/share/doc", Removed, Absent, 0, 70_000),
        ];
        Tree::new(&LayerContents { diff_id: sample::digest(1), entries, bytes: 6000, wasted_bytes: 70_800 })
    }

    fn names(tree: &Tree, choice: Choice, is_open: impl Fn(u32) -> bool) -> Vec<String> {
        tree.rows(choice, is_open).into_iter().map(|row| tree.path(row)).collect()
    }

    const ALL: Choice = Choice { needle: "", wanted: Wanted::All, order: Order::Name };

    #[test]
    fn tree_has_the_folders_that_lead_to_changes_and_sums_them() {
        let tree = tree();
        assert_eq!(tree.counts, [3, 1, 1]);
        assert_eq!(names(&tree, ALL, |_| false), ["/etc", "/usr"]);
        let usr = tree.rows(ALL, |_| false)[1];
        assert_eq!((tree.node(usr).bytes, tree.node(usr).hidden_bytes), (5100, 70_000));
        assert_eq!(tree.node(usr).change, None);
        assert_eq!(
            tree.wasted.first().map(|(bytes, node)| (*bytes, tree.path(*node))),
            Some((70_000, "/usr/share/doc".to_owned()))
        );
    }

    #[test]
    fn open_folders_show_what_is_in_them_in_the_wished_order() {
        let tree = tree();
        let all = [
            "/etc",
            "/etc/passwd",
            "/usr",
            "/usr/lib",
            "/usr/lib/a.so",
            "/usr/lib/b.so",
            "/usr/share",
            "/usr/share/doc",
        ];
        assert_eq!(names(&tree, ALL, |_| true), all);
        let by_size = Choice { order: Order::Size, ..ALL };
        assert_eq!(names(&tree, by_size, |_| false), ["/usr", "/etc"]);
    }

    #[test]
    fn filter_keeps_the_folders_that_lead_to_a_hit() {
        let tree = tree();
        let choice = Choice { needle: "b.so", ..ALL };
        assert_eq!(names(&tree, choice, |_| false), ["/usr", "/usr/lib", "/usr/lib/b.so"]);
        let removed = Choice { wanted: Wanted::Removed, ..ALL };
        assert_eq!(names(&tree, removed, |_| false), ["/usr", "/usr/share", "/usr/share/doc"]);
        assert!(names(&tree, Choice { needle: "nothing", ..ALL }, |_| true).is_empty());
    }

    #[test]
    fn hundred_thousand_paths_are_filtered_within_a_frame_or_two() {
        let entries = (0..100_000u32)
            .map(|file| {
                let path = format!("usr/share/{:03}/{:05}.txt", file / 500, file);
                entry(&path, LayerChange::Added, FileSort::Regular, 10, 0)
            })
            .collect();
        let tree = Tree::new(&LayerContents { diff_id: sample::digest(1), entries, bytes: 0, wasted_bytes: 0 });
        let look = |_| {
            let begun = std::time::Instant::now();
            assert_eq!(tree.rows(Choice { needle: "99999", ..ALL }, |_| false).len(), 4);
            begun.elapsed()
        };
        // Unoptimized, and the machine may be busy with something else; a release build takes a few milliseconds.
        let least = (0..3).map(look).min().expect("three");
        assert!(least.as_millis() < 1500, "{least:?}");
    }
}
