//! Where one stands in a long list of rows, and how far it is scrolled.

use crate::tui::commands::Command;

/// A place among rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub index: usize,
    offset: usize,
}

impl Cursor {
    pub fn go_to(&mut self, index: usize, count: usize) {
        self.index = index.min(count.saturating_sub(1));
    }

    /// Moves as lists do; commands that do not move are passed over.
    pub fn command(&mut self, command: Command, count: usize, height: usize) {
        let page = height.max(2) - 1;
        let to = match command {
            Command::Up => self.index.saturating_sub(1),
            Command::Down => self.index + 1,
            Command::PageUp => self.index.saturating_sub(page),
            Command::PageDown => self.index + page,
            Command::Top => 0,
            Command::Bottom => usize::MAX,
            _ => return,
        };
        self.go_to(to, count);
        self.offset = self.first(count, height);
    }

    /// The first row to draw: the least scrolling that shows the place.
    pub fn first(&self, count: usize, height: usize) -> usize {
        let (index, height) = (self.index.min(count.saturating_sub(1)), height.max(1));
        let offset = self.offset.clamp((index + 1).saturating_sub(height), index);
        offset.min(count.saturating_sub(height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_scrolls_no_more_than_it_must() {
        let mut cursor = Cursor::default();
        for _ in 0..9 {
            cursor.command(Command::Down, 100, 10);
        }
        assert_eq!((cursor.index, cursor.first(100, 10)), (9, 0));
        cursor.command(Command::Down, 100, 10);
        cursor.command(Command::Up, 100, 10);
        assert_eq!((cursor.index, cursor.first(100, 10)), (9, 1));
        cursor.command(Command::Bottom, 100, 10);
        assert_eq!((cursor.index, cursor.first(100, 10)), (99, 90));
        cursor.go_to(5, 3);
        assert_eq!((cursor.index, cursor.first(3, 10)), (2, 0));
    }
}
