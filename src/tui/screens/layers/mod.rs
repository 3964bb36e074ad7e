//! The layer explorer: the layers of an image, and what each of them added, changed and removed, as a tree to walk.

mod draw;
pub mod rows;
pub mod tree;

use std::collections::HashSet;

use crossterm::event::{KeyCode, KeyEvent};

use self::rows::Cursor;
use self::tree::{Choice, Order, Tree, Wanted};
use crate::model::ImageInspect;
use crate::tui::action::Problem;
use crate::tui::canvas::Target;
use crate::tui::commands::{Command, Scope};
use crate::tui::effect::Effect;
use crate::tui::field::Field;
use crate::tui::step::Step;

/// What is known of one layer's contents.
#[derive(Clone, Debug, Default)]
enum Slot {
    #[default]
    Unknown,
    Asked,
    Loaded(Box<Tree>),
    Failed(Problem),
}

/// Which half has the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Focus {
    #[default]
    Layers,
    Tree,
}

/// The screen's state, about one image.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    image: String,
    inspect: Option<Box<ImageInspect>>,
    problem: Option<Problem>,
    slots: Vec<Slot>,
    /// The layer that is shown, 0 the lowest.
    layer: usize,
    focus: Focus,
    /// Open folders of the layer that is shown.
    open: HashSet<u32>,
    all_open: bool,
    wanted: Wanted,
    order: Order,
    /// Show the places that waste most, of all layers, in place of the tree.
    wasted: bool,
    filter: String,
    pub typing: bool,
    /// The rows of the tree that can be seen, made anew when folders, filter or layer change.
    rows: Vec<u32>,
    /// Layer and node of what wastes most, made anew when a layer has come.
    wasters: Vec<(usize, u32)>,
    cursor: Cursor,
}

impl Layers {
    pub const SCOPES: &'static [Scope] = &[Scope::Layers, Scope::List, Scope::Everywhere];

    /// Shows an image; one that was shown before is shown as it was left.
    pub fn open(&mut self, image: &str) -> Vec<Step> {
        if self.image == image && self.inspect.is_some() {
            return Vec::new();
        }
        *self = Self { image: image.to_owned(), order: self.order, ..Self::default() };
        vec![Step::Do(Effect::InspectImage(image.to_owned()))]
    }

    pub fn told_image(&mut self, image: &str, result: &Result<Box<ImageInspect>, Problem>) -> Vec<Step> {
        if self.image != image || self.inspect.is_some() {
            return Vec::new();
        }
        match result {
            Ok(inspect) => {
                self.slots = inspect.layers.iter().map(|_| Slot::Unknown).collect();
                // The topmost is what this image's maker did last.
                self.layer = self.slots.len().saturating_sub(1);
                self.inspect = Some(inspect.clone());
                self.problem = None;
                self.ask()
            }
            Err(problem) => {
                self.problem = Some(problem.clone());
                Vec::new()
            }
        }
    }

    /// Asks for the layer that is shown; when that is known, for one more: the waste of the whole needs all of them.
    fn ask(&mut self) -> Vec<Step> {
        if self.slots.iter().any(|slot| matches!(slot, Slot::Asked)) {
            return Vec::new();
        }
        let unknown = |slot: &Slot| matches!(slot, Slot::Unknown);
        let here = self.slots.get(self.layer).filter(|slot| unknown(slot)).map(|_| self.layer);
        let Some(layer) = here.or_else(|| self.slots.iter().rposition(unknown)) else { return Vec::new() };
        self.slots[layer] = Slot::Asked;
        vec![Step::Do(Effect::LoadLayer { image: self.image.clone(), layer })]
    }

    pub fn loaded(&mut self, image: &str, layer: usize, result: Result<Box<Tree>, Problem>) -> Vec<Step> {
        if self.image != image || layer >= self.slots.len() {
            return Vec::new();
        }
        self.slots[layer] = result.map_or_else(Slot::Failed, Slot::Loaded);
        self.gather_wasters();
        if layer == self.layer {
            self.begin_tree();
        }
        self.ask()
    }

    fn gather_wasters(&mut self) {
        let mut wasters: Vec<(u64, usize, u32)> = Vec::new();
        for (layer, slot) in self.slots.iter().enumerate() {
            if let Slot::Loaded(tree) = slot {
                wasters.extend(tree.wasted.iter().map(|(bytes, node)| (*bytes, layer, *node)));
            }
        }
        wasters.sort_unstable_by_key(|(bytes, layer, node)| (std::cmp::Reverse(*bytes), *layer, *node));
        self.wasters = wasters.into_iter().map(|(_, layer, node)| (layer, node)).collect();
    }

    fn tree(&self) -> Option<&Tree> {
        match self.slots.get(self.layer) {
            Some(Slot::Loaded(tree)) => Some(tree),
            _ => None,
        }
    }

    /// A layer's tree is shown for the first time: folders are opened until there is a choice.
    fn begin_tree(&mut self) {
        self.open.clear();
        self.all_open = false;
        self.cursor = Cursor::default();
        if let Some(tree) = self.tree() {
            let choice = Choice { needle: "", wanted: Wanted::All, order: Order::Name };
            let mut open = HashSet::new();
            while let [.., last] = tree.rows(choice, |node| open.contains(&node))[..] {
                let is_only = tree.rows(choice, |node| open.contains(&node)).len() == open.len() + 1;
                if !is_only || !tree.has_children(last) || !open.insert(last) {
                    break;
                }
            }
            self.open = open;
        }
        self.pick();
    }

    /// Makes the rows anew; the cursor stays on its path if that is still shown.
    fn pick(&mut self) {
        let before = self.rows.get(self.cursor.index).copied();
        let needle = self.filter.to_lowercase();
        let choice = Choice { needle: &needle, wanted: self.wanted, order: self.order };
        let rows = match self.slots.get(self.layer) {
            Some(Slot::Loaded(tree)) => tree.rows(choice, |node| self.all_open || self.open.contains(&node)),
            _ => Vec::new(),
        };
        self.rows = rows;
        let kept = before.and_then(|node| self.rows.iter().position(|row| *row == node));
        self.cursor.go_to(kept.unwrap_or(self.cursor.index), self.count());
    }

    fn count(&self) -> usize {
        if self.wasted { self.wasters.len() } else { self.rows.len() }
    }

    fn show_layer(&mut self, layer: usize) -> Vec<Step> {
        let layer = layer.min(self.slots.len().saturating_sub(1));
        if layer == self.layer {
            return Vec::new();
        }
        self.layer = layer;
        self.rows.clear();
        self.begin_tree();
        self.ask()
    }

    pub fn typed(&mut self, key: &KeyEvent) -> bool {
        if !self.typing {
            return false;
        }
        match key.code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
                self.pick();
            }
            KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown => return false,
            _ => {
                let mut field = Field::new(&self.filter);
                field.key(key);
                self.filter = field.text();
                self.cursor = Cursor::default();
                self.pick();
            }
        }
        true
    }

    pub fn command(&mut self, command: Command, height: usize) -> Vec<Step> {
        let in_tree = self.focus == Focus::Tree || self.wasted;
        match command {
            Command::Back if self.wasted => self.show_wasted(false),
            Command::Back if !self.filter.is_empty() => {
                self.filter.clear();
                self.pick();
            }
            Command::Back => return vec![Step::Back],
            Command::LayerBelow => return self.show_layer(self.layer.saturating_sub(1)),
            Command::LayerAbove => return self.show_layer(self.layer + 1),
            Command::LayerPane => self.focus = if self.focus == Focus::Tree { Focus::Layers } else { Focus::Tree },
            Command::LayerWasted => self.show_wasted(!self.wasted),
            Command::LayerChanges => {
                self.wanted = self.wanted.next();
                self.pick();
            }
            Command::SortNext | Command::SortPrevious | Command::SortReverse => {
                self.order = if self.order == Order::Name { Order::Size } else { Order::Name };
                self.pick();
            }
            Command::Filter => {
                self.typing = true;
                self.focus = Focus::Tree;
                self.show_wasted(false);
            }
            Command::LayerAllOpen => {
                self.all_open = !self.all_open;
                self.open.clear();
                self.pick();
            }
            Command::LayerToggle if self.wasted => return self.go_to_waster(),
            Command::LayerToggle | Command::LayerOpen if !in_tree => self.focus = Focus::Tree,
            Command::LayerToggle => self.toggle(),
            Command::LayerOpen => self.open_folder(),
            Command::LayerClose => self.close_folder(),
            _ if in_tree => {
                let count = self.count();
                self.cursor.command(command, count, height);
            }
            Command::Up => return self.show_layer(self.layer.saturating_sub(1)),
            Command::Down => return self.show_layer(self.layer + 1),
            Command::Top | Command::PageUp => return self.show_layer(0),
            Command::Bottom | Command::PageDown => return self.show_layer(usize::MAX),
            _ => {}
        }
        Vec::new()
    }

    fn show_wasted(&mut self, wasted: bool) {
        if self.wasted != wasted {
            self.wasted = wasted;
            self.cursor = Cursor::default();
        }
    }

    /// From the list of what is wasted to its place in its layer.
    fn go_to_waster(&mut self) -> Vec<Step> {
        let Some((layer, node)) = self.wasters.get(self.cursor.index).copied() else { return Vec::new() };
        self.show_wasted(false);
        self.filter.clear();
        self.wanted = Wanted::All;
        let steps = self.show_layer(layer);
        let mut at = Some(node);
        while let (Some(node), Some(tree)) = (at, self.tree()) {
            at = tree.node(node).parent;
            self.open.extend(at);
        }
        self.pick();
        let row = self.rows.iter().position(|row| *row == node).unwrap_or(0);
        self.cursor.go_to(row, self.rows.len());
        self.focus = Focus::Tree;
        steps
    }

    fn here(&self) -> Option<u32> {
        self.rows.get(self.cursor.index).copied()
    }

    fn is_open(&self, node: u32) -> bool {
        self.all_open || self.open.contains(&node) || !self.filter.is_empty() || self.wanted != Wanted::All
    }

    fn toggle(&mut self) {
        match self.here() {
            Some(node) if self.is_open(node) => self.close_folder(),
            _ => self.open_folder(),
        }
    }

    fn open_folder(&mut self) {
        let (Some(node), Some(tree)) = (self.here(), self.tree()) else { return };
        if !tree.has_children(node) {
            return;
        }
        if self.is_open(node) {
            let count = self.count();
            return self.cursor.go_to(self.cursor.index + 1, count);
        }
        self.open.insert(node);
        self.pick();
    }

    /// Closes the folder, or goes to the one that this is in; at the top to the layers.
    fn close_folder(&mut self) {
        let (Some(node), Some(tree)) = (self.here(), self.tree()) else {
            self.focus = Focus::Layers;
            return;
        };
        let filtered = !self.filter.is_empty() || self.wanted != Wanted::All;
        let parent = tree.node(node).parent;
        if tree.has_children(node) && self.is_open(node) && !filtered {
            if self.all_open {
                // From all open to this one closed.
                let every = (0..u32::try_from(tree.len()).unwrap_or(u32::MAX)).filter(|node| tree.has_children(*node));
                let every = every.collect();
                self.all_open = false;
                self.open = every;
            }
            self.open.remove(&node);
            return self.pick();
        }
        match parent.and_then(|parent| self.rows.iter().position(|row| *row == parent)) {
            Some(row) => {
                let count = self.count();
                self.cursor.go_to(row, count);
            }
            None => self.focus = Focus::Layers,
        }
    }

    pub fn click(&mut self, target: Target) -> Vec<Step> {
        match target {
            Target::Side(layer) => {
                self.focus = Focus::Layers;
                self.show_wasted(false);
                self.show_layer(layer)
            }
            Target::Row(row) => {
                let again = self.cursor.index == row && (self.focus == Focus::Tree || self.wasted);
                let count = self.count();
                self.cursor.go_to(row, count);
                self.focus = Focus::Tree;
                if again { vec![Step::Command(Command::LayerToggle)] } else { Vec::new() }
            }
            _ => Vec::new(),
        }
    }

    pub fn wheel(&mut self, lines: isize, height: usize) -> Vec<Step> {
        let command = if lines < 0 { Command::Up } else { Command::Down };
        if self.focus == Focus::Layers && !self.wasted {
            return self.command(command, height);
        }
        let (count, to) = (self.count(), self.cursor.index.saturating_add_signed(lines));
        self.cursor.go_to(to, count);
        Vec::new()
    }

    /// Bytes of all layers, of those the ones that later layers hide, and of how many layers that is known.
    fn whole(&self) -> (u64, u64, usize) {
        let loaded = self.slots.iter().filter_map(|slot| match slot {
            Slot::Loaded(tree) => Some((tree.bytes, tree.wasted_bytes)),
            _ => None,
        });
        loaded.fold((0, 0, 0), |(bytes, wasted, count), (b, w)| (bytes + b, wasted + w, count + 1))
    }
}

#[cfg(test)]
mod tests;
