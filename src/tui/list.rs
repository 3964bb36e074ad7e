//! The state of any list: which row is selected (by what it is, not where), which are marked, the filter, the order, how
//! far it is scrolled.

use super::filter::Filter;

/// How many rows are taken for granted until the list has been drawn once.
const UNSEEN_HEIGHT: usize = 10;

/// A list of things known by `K`. The selection stays on its thing while others come, go and change places.
#[derive(Clone, Debug)]
pub struct List<K> {
    selected: Option<K>,
    /// Where the selected thing was last, for when it is gone.
    index: usize,
    offset: usize,
    /// Rows on screen, as last drawn.
    height: usize,
    /// What commands are about in place of the selected thing, in the order it was marked.
    marked: Vec<K>,
    pub filter: Filter,
    /// True while the filter is being typed.
    pub filtering: bool,
    pub sort: Sort,
}

/// The column a list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub column: usize,
    pub descending: bool,
}

/// Where a movement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    By(isize),
    Pages(isize),
    First,
    Last,
    To(usize),
}

impl<K: Clone + PartialEq> List<K> {
    pub fn new(sort: Sort) -> Self {
        Self {
            selected: None,
            index: 0,
            offset: 0,
            height: UNSEEN_HEIGHT,
            marked: Vec::new(),
            filter: Filter::default(),
            filtering: false,
            sort,
        }
    }

    /// The selected thing among the shown `keys`, and where it stands. With none selected, or the selected gone: what is
    /// in its place now.
    pub fn selected<'k>(&self, keys: &'k [K]) -> Option<(usize, &'k K)> {
        let found = self.selected.as_ref().and_then(|wanted| keys.iter().position(|key| key == wanted));
        let index = found.unwrap_or(self.index.min(keys.len().checked_sub(1)?));
        Some((index, &keys[index]))
    }

    /// Selects a thing that may not be shown yet.
    pub fn select(&mut self, key: K) {
        self.selected = Some(key);
    }

    pub fn go(&mut self, keys: &[K], movement: Move) {
        let Some(last) = keys.len().checked_sub(1) else { return };
        let at = self.selected(keys).map_or(0, |(index, _)| index);
        let page = isize::try_from(self.height.max(2) - 1).unwrap_or(1);
        let to = match movement {
            Move::By(rows) => at.saturating_add_signed(rows),
            Move::Pages(pages) => at.saturating_add_signed(pages * page),
            Move::First => 0,
            Move::Last => last,
            Move::To(index) => index,
        };
        self.index = to.min(last);
        self.selected = Some(keys[self.index].clone());
        self.settle(keys);
    }

    /// Remembers where the selection stands and scrolls so that it can be seen. To be called when keys have changed.
    pub fn settle(&mut self, keys: &[K]) {
        if let Some((index, key)) = self.selected(keys) {
            self.index = index;
            self.selected = Some(key.clone());
        }
        self.offset = self.offset_for(keys.len(), self.height);
    }

    /// Marks the selected thing, or takes its mark away, and goes on to the next.
    pub fn toggle_mark(&mut self, keys: &[K]) {
        let Some((_, key)) = self.selected(keys) else { return };
        match self.marked.iter().position(|marked| marked == key) {
            Some(at) => {
                self.marked.remove(at);
            }
            None => self.marked.push(key.clone()),
        }
        self.go(keys, Move::By(1));
    }

    /// Of the shown things the marked lose their marks, and the others get one.
    pub fn invert_marks(&mut self, keys: &[K]) {
        let (unmark, mark): (Vec<&K>, Vec<&K>) = keys.iter().partition(|key| self.marked.contains(key));
        self.marked.retain(|key| !unmark.contains(&key));
        self.marked.extend(mark.into_iter().cloned());
    }

    /// Marks all that is shown; if all of it is marked, unmarks it.
    pub fn mark_all(&mut self, keys: &[K]) {
        if keys.iter().all(|key| self.marked.contains(key)) {
            return self.marked.retain(|key| !keys.contains(key));
        }
        let new: Vec<K> = keys.iter().filter(|key| !self.marked.contains(key)).cloned().collect();
        self.marked.extend(new);
    }

    pub fn marked(&self) -> &[K] {
        &self.marked
    }

    pub fn is_marked(&self, key: &K) -> bool {
        self.marked.contains(key)
    }

    /// Takes all marks away; false if there was none.
    pub fn clear_marks(&mut self) -> bool {
        let any = !self.marked.is_empty();
        self.marked.clear();
        any
    }

    /// Forgets marks of what is no longer there.
    pub fn keep_marks(&mut self, is_there: impl Fn(&K) -> bool) {
        self.marked.retain(is_there);
    }

    /// How many rows the last drawing had room for.
    pub fn set_height(&mut self, height: usize) {
        self.height = height;
    }

    /// The first row to draw of `len` when `height` rows have room: the least scrolling that shows the selection.
    pub fn offset_for(&self, len: usize, height: usize) -> usize {
        let (index, height) = (self.index.min(len.saturating_sub(1)), height.max(1));
        let offset = self.offset.clamp((index + 1).saturating_sub(height), index);
        offset.min(len.saturating_sub(height))
    }
}

impl Sort {
    pub fn ascending(column: usize) -> Self {
        Self { column, descending: false }
    }

    /// To the next (`1`) or previous (`-1`) of `columns`.
    pub fn step(&mut self, columns: usize, step: isize) {
        let columns = isize::try_from(columns.max(1)).unwrap_or(1);
        let at = isize::try_from(self.column).unwrap_or(0);
        self.column = usize::try_from((at + step).rem_euclid(columns)).unwrap_or(0);
    }

    /// A click on a column's header: orders by it, the greatest first if `descending`, or turns its order round.
    pub fn click(&mut self, column: usize, descending: bool) {
        self.descending = if self.column == column { !self.descending } else { descending };
        self.column = column;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> List<u32> {
        List::new(Sort::ascending(0))
    }

    #[test]
    fn selection_stays_on_its_thing_when_the_order_changes() {
        let mut list = list();
        list.go(&[1, 2, 3], Move::By(1));
        assert_eq!(list.selected(&[3, 1, 2]), Some((2, &2)));
    }

    #[test]
    fn marks_are_set_inverted_and_forgotten_with_their_things() {
        let mut list = list();
        list.toggle_mark(&[1, 2, 3]);
        assert_eq!((list.marked(), list.selected(&[1, 2, 3])), (&[1][..], Some((1, &2))));
        list.invert_marks(&[1, 2, 3]);
        assert_eq!(list.marked(), [2, 3]);
        list.mark_all(&[1, 2, 3]);
        assert_eq!(list.marked(), [2, 3, 1]);
        list.keep_marks(|key| *key != 3);
        assert!(list.clear_marks() && !list.clear_marks());
        list.mark_all(&[1, 2]);
        list.mark_all(&[1, 2]);
        assert!(list.marked().is_empty());
    }

    #[test]
    fn selection_of_a_removed_thing_falls_to_its_place() {
        let mut list = list();
        list.go(&[1, 2, 3], Move::Last);
        assert_eq!(list.selected(&[1, 2]), Some((1, &2)));
        assert_eq!(list.selected(&[]), None);
    }

    #[test]
    fn scrolling_moves_no_more_than_it_must() {
        let mut list = list();
        let keys: Vec<u32> = (0..100).collect();
        list.set_height(10);
        list.go(&keys, Move::To(9));
        assert_eq!(list.offset_for(100, 10), 0);
        list.go(&keys, Move::By(1));
        assert_eq!(list.offset_for(100, 10), 1);
        list.go(&keys, Move::By(-5));
        assert_eq!(list.offset_for(100, 10), 1);
        list.go(&keys, Move::Last);
        assert_eq!(list.offset_for(100, 10), 90);
        assert_eq!(list.offset_for(3, 10), 0);
    }

    #[test]
    fn movement_stops_at_both_ends() {
        let mut list = list();
        list.go(&[1, 2], Move::By(-5));
        assert_eq!(list.selected(&[1, 2]), Some((0, &1)));
        list.go(&[1, 2], Move::Pages(3));
        assert_eq!(list.selected(&[1, 2]), Some((1, &2)));
        list.go(&[], Move::Last);
    }
}
