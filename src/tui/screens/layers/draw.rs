//! The layer explorer on the screen: layers beside, or when it is narrow above, the tree of the one that is chosen.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::Widget;

#[cfg(test)]
use super::tree::Tree;
use super::tree::{Node, Order, Wanted};
use super::{Focus, Layers, Slot};
use crate::model::{FileSort, LayerChange};
use crate::tui::canvas::{Canvas, Target};
use crate::tui::field::Field;
use crate::tui::figures;
use crate::tui::list_keys::draw_notice;
use crate::tui::screens::history;
use crate::tui::theme::Role;
use crate::tui::toast::wrap;
use crate::tui::widgets::bar::Gauge;

/// Columns from which the halves stand side by side.
const WIDE: u16 = 100;

impl Layers {
    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        if let Some(problem) = &self.problem {
            let hint = problem.hint.clone().unwrap_or_else(|| "Esc goes back.".to_owned());
            return draw_notice(canvas, area, &[&problem.message, "", &hint]);
        }
        if self.inspect.is_none() {
            return draw_notice(canvas, area, &["looking …"]);
        }
        if self.slots.is_empty() {
            return draw_notice(canvas, area, &["This image has no layers.", "", "Esc goes back."]);
        }
        self.draw_whole(canvas, Rect { height: 1, ..area });
        let area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        if area.width >= WIDE {
            let side = (area.width * 2 / 5).clamp(40, 70);
            self.draw_layers(canvas, Rect { width: side, ..area }, area.height);
            canvas.upright(area.x + side, area.y, area.bottom(), Role::Border);
            self.draw_right(canvas, Rect { x: area.x + side + 1, width: area.width - side - 1, ..area });
        } else {
            let wanted = u16::try_from(self.slots.len() + 1).unwrap_or(u16::MAX);
            let above = wanted.min(area.height / 3).max(3);
            self.draw_layers(canvas, Rect { height: above, ..area }, above);
            canvas.rule(Rect { y: area.y + above, height: 1, ..area }, Role::Border);
            let below = Rect { y: area.y + above + 1, height: area.height.saturating_sub(above + 1), ..area };
            self.draw_right(canvas, below);
        }
    }

    /// One line on the image as a whole.
    fn draw_whole(&self, canvas: &mut Canvas, area: Rect) {
        let (bytes, wasted, known) = self.whole();
        let all = self.slots.len();
        let mut pieces = vec![canvas.piece(format!("{all} layers · {}", figures::bytes_long(bytes)), Role::Text)];
        if known < all {
            pieces.push(canvas.piece(format!("   reading {} of {all} …", known + 1), Role::Dim));
            canvas.pieces(area.x + 2, area.y, area.width.saturating_sub(3), &pieces);
            return;
        }
        let efficiency = if bytes == 0 { 1.0 } else { 1.0 - wasted as f64 / bytes as f64 };
        let role = if efficiency >= 0.95 {
            Role::Ok
        } else if efficiency >= 0.8 {
            Role::Warn
        } else {
            Role::Error
        };
        pieces.push(canvas.piece("   efficiency ", Role::Dim));
        let used = canvas.pieces(area.x + 2, area.y, area.width.saturating_sub(3), &pieces);
        let mut x = area.x + 2 + used;
        if area.width >= 76 {
            let bar = Rect { x, width: 16, ..area };
            Gauge { theme: canvas.theme, ratio: efficiency, role }.render(bar, canvas.buffer);
            x = bar.right() + 1;
        }
        let percent = format!("{:.1} %", efficiency * 100.0);
        x += canvas.text(x, area.y, area.right().saturating_sub(x), &percent, role);
        let waste = format!("   {} wasted", figures::bytes_long(wasted));
        canvas.text(x, area.y, area.right().saturating_sub(x), &waste, Role::Dim);
    }

    /// The layers, the topmost last; below them what is known of the chosen one.
    fn draw_layers(&self, canvas: &mut Canvas, area: Rect, height: u16) {
        let Some(inspect) = &self.inspect else { return };
        canvas.text(area.x + 2, area.y, 30, " #    SIZE  WASTED  MADE BY", Role::Header);
        let steps = history::steps(inspect);
        let rows = usize::from(area.height.saturating_sub(1));
        // Beside the tree there is room for what is known of the layer.
        let facts = if area.width < WIDE && height >= 16 && area.height > 12 { rows / 2 } else { 0 };
        let rows = (rows - facts).min(self.slots.len());
        let first = (self.layer + 1).saturating_sub(rows).min(self.slots.len() - rows);
        for (layer, y) in (first..self.slots.len()).take(rows).zip(area.y + 1..) {
            let line = Rect { y, height: 1, width: area.width.saturating_sub(1), ..area };
            canvas.hit(line, Target::Side(layer));
            if layer == self.layer {
                let focused = self.focus == Focus::Layers && !self.wasted;
                canvas.ground(line, if focused { Role::Selected } else { Role::SelectedInactive });
                canvas.text(line.x, y, 1, "▌", Role::Accent);
            }
            let step = steps.iter().find(|(_, made)| *made == Some(layer)).and_then(|(step, _)| *step);
            let command = step.map_or_else(|| "not told".to_owned(), history::command_of);
            let size = match &self.slots[layer] {
                Slot::Loaded(tree) => Some(tree.bytes),
                _ => step.and_then(|step| step.size_bytes),
            };
            canvas.text_right(line.x + 4, y, 2, &(layer + 1).to_string(), Role::Dim);
            canvas.text_right(line.x + 12, y, 7, &size.map_or_else(|| "–".to_owned(), figures::bytes), Role::Text);
            let (wasted, role) = match &self.slots[layer] {
                Slot::Loaded(tree) if tree.wasted_bytes > 0 => (figures::bytes(tree.wasted_bytes), Role::Warn),
                Slot::Loaded(_) => ("·".to_owned(), Role::Dim),
                Slot::Failed(_) => ("✗".to_owned(), Role::Error),
                Slot::Asked | Slot::Unknown => ("…".to_owned(), Role::Dim),
            };
            canvas.text_right(line.x + 20, y, 7, &wasted, role);
            canvas.text(line.x + 22, y, line.width.saturating_sub(23), &command, Role::Text);
        }
        canvas.scrollbar(
            Rect { y: area.y + 1, height: u16::try_from(rows).unwrap_or(0), ..area },
            first,
            rows,
            self.slots.len(),
        );
        if facts > 3 {
            let top = area.y + 2 + u16::try_from(rows).unwrap_or(0);
            let place = Rect {
                x: area.x + 2,
                y: top,
                width: area.width.saturating_sub(4),
                height: area.bottom().saturating_sub(top),
            };
            self.draw_facts(canvas, place);
        }
    }

    fn draw_facts(&self, canvas: &mut Canvas, area: Rect) {
        let Some(inspect) = &self.inspect else { return };
        let steps = history::steps(inspect);
        let step = steps.iter().find(|(_, made)| *made == Some(self.layer)).and_then(|(step, _)| *step);
        let title = canvas.text(area.x, area.y, area.width, &format!("Layer {}", self.layer + 1), Role::Title);
        canvas.rule(
            Rect { x: area.x + title + 1, width: area.width.saturating_sub(title + 1), height: 1, ..area },
            Role::Border,
        );
        let mut lines = vec![("diff id", inspect.layers[self.layer].short().to_owned())];
        if let Some(tree) = self.tree() {
            let [added, changed, removed] = tree.counts;
            lines.push(("files", format!("+{added} ~{changed} -{removed}")));
        }
        if let Some(step) = step {
            lines.extend(step.created.map(|time| ("made", figures::date(time))));
            lines.extend((!step.author.is_empty()).then(|| ("by", step.author.clone())));
            lines.extend((!step.comment.is_empty()).then(|| ("comment", step.comment.clone())));
            let command = wrap(&history::command_of(step), usize::from(area.width.saturating_sub(10)).max(8));
            lines
                .extend(command.into_iter().enumerate().map(|(at, line)| (if at == 0 { "command" } else { "" }, line)));
        }
        for ((label, value), y) in lines.iter().zip(area.y + 1..area.bottom()) {
            canvas.text(area.x, y, 9, label, Role::Dim);
            canvas.text(area.x + 10, y, area.width.saturating_sub(10), value, Role::Text);
        }
    }

    fn draw_right(&self, canvas: &mut Canvas, area: Rect) {
        if area.height < 3 {
            return;
        }
        if self.wasted {
            return self.draw_wasted(canvas, area);
        }
        let mut area = area;
        if self.typing || !self.filter.is_empty() {
            canvas.text(area.x + 2, area.y, 2, "/", Role::Accent);
            let width = 40.min(area.width.saturating_sub(20));
            let place = Rect { x: area.x + 4, width, height: 1, ..area };
            Field::new(&self.filter).draw(canvas, place, "letters of the path", self.typing);
            canvas.text(place.right() + 1, area.y, 14, &format!("{} shown", self.rows.len()), Role::Dim);
            area = Rect { y: area.y + 1, height: area.height - 1, ..area };
        }
        let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
        canvas.seen.list_height = usize::from(body.height);
        let tree = match &self.slots[self.layer] {
            Slot::Loaded(tree) => tree,
            Slot::Failed(problem) => return draw_notice(canvas, body, &[&problem.message]),
            Slot::Asked | Slot::Unknown => return draw_notice(canvas, body, &["reading the layer …"]),
        };
        let columns = Columns::of(area.width);
        self.draw_tree_header(canvas, Rect { height: 1, ..area }, columns);
        if self.rows.is_empty() {
            let line = if tree.len() == 0 { "This layer changed no file." } else { "No path of this layer matches." };
            return draw_notice(canvas, body, &[line]);
        }
        let height = usize::from(body.height);
        let first = self.cursor.first(self.rows.len(), height);
        for ((row, index), y) in self.rows.iter().enumerate().skip(first).zip(body.y..body.bottom()) {
            let line = Rect { y, height: 1, ..body };
            self.mark_row(canvas, line, row);
            let open = tree.has_children(*index).then(|| self.is_open(*index));
            draw_node(canvas, line, columns, tree.node(*index), open);
        }
        canvas.scrollbar(body, first, height, self.rows.len());
    }

    fn mark_row(&self, canvas: &mut Canvas, line: Rect, row: usize) {
        canvas.hit(line, Target::Row(row));
        if row == self.cursor.index {
            let focused = self.focus == Focus::Tree || self.wasted;
            canvas.ground(line, if focused { Role::Selected } else { Role::SelectedInactive });
            canvas.text(line.x, line.y, 1, "▌", Role::Accent);
        }
    }

    fn draw_tree_header(&self, canvas: &mut Canvas, area: Rect, columns: Columns) {
        let arrow = |order| if self.order == order { "▾" } else { "" };
        canvas.text_right(area.x + 12, area.y, 9, &format!("SIZE{}", arrow(Order::Size)), Role::Header);
        if columns.mode {
            canvas.text(area.x + columns.mode_at(), area.y, 10, "MODE", Role::Header);
        }
        if columns.owner {
            canvas.text(area.x + columns.owner_at(), area.y, 10, "OWNER", Role::Header);
        }
        let x = area.x + columns.name_at();
        let used = canvas.text(x, area.y, 6, &format!("PATH{}", arrow(Order::Name)), Role::Header);
        if self.wanted != Wanted::All {
            canvas.text(x + used + 2, area.y, 14, self.wanted.word(), Role::Accent);
        }
        let legend = "+ added  ~ changed  - removed";
        if area.width >= 76 {
            canvas.text_right(area.right() - 2, area.y, 30, legend, Role::Dim);
        }
    }

    /// Places that hide most of what lies below them, of all layers.
    fn draw_wasted(&self, canvas: &mut Canvas, area: Rect) {
        canvas.text_right(area.x + 12, area.y, 10, "WASTED▾", Role::Header);
        canvas.text(area.x + 14, area.y, 8, "LAYER", Role::Header);
        canvas.text(
            area.x + 22,
            area.y,
            area.width.saturating_sub(22),
            "PATH  written again or removed there: what lies below is pulled and never seen",
            Role::Header,
        );
        let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
        canvas.seen.list_height = usize::from(body.height);
        if self.wasters.is_empty() {
            let (_, _, known) = self.whole();
            let all = known == self.slots.len();
            let line =
                if all { "Nothing is wasted: no layer hides a file of another." } else { "reading the layers …" };
            return draw_notice(canvas, body, &[line]);
        }
        let height = usize::from(body.height);
        let first = self.cursor.first(self.wasters.len(), height);
        for ((row, (layer, index)), y) in self.wasters.iter().enumerate().skip(first).zip(body.y..body.bottom()) {
            let line = Rect { y, height: 1, ..body };
            let Some(Slot::Loaded(tree)) = self.slots.get(*layer) else { continue };
            let node = tree.node(*index);
            self.mark_row(canvas, line, row);
            let own = tree.wasted.iter().find(|(_, at)| at == index).map_or(node.hidden_bytes, |(bytes, _)| *bytes);
            canvas.text_right(line.x + 12, y, 8, &figures::bytes(own), Role::Warn);
            let (mark, role) = mark_of(node.change);
            canvas.text_right(line.x + 17, y, 3, &(layer + 1).to_string(), Role::Text);
            canvas.text(line.x + 19, y, 1, mark, role);
            canvas.text(line.x + 22, y, line.width.saturating_sub(24), &tree.path(*index), Role::Text);
        }
        canvas.scrollbar(body, first, height, self.wasters.len());
    }
}

/// Which columns have room.
#[derive(Clone, Copy)]
struct Columns {
    mode: bool,
    owner: bool,
}

impl Columns {
    fn of(width: u16) -> Self {
        Self { mode: width >= 56, owner: width >= 72 }
    }

    fn mode_at(self) -> u16 {
        14
    }

    fn owner_at(self) -> u16 {
        self.mode_at() + if self.mode { 12 } else { 0 }
    }

    fn name_at(self) -> u16 {
        self.owner_at() + if self.owner { 12 } else { 0 }
    }
}

/// The mark and colour of a change: the mark tells it without colour.
fn mark_of(change: Option<LayerChange>) -> (&'static str, Role) {
    match change {
        Some(LayerChange::Added) => ("+", Role::Ok),
        Some(LayerChange::Changed) => ("~", Role::Warn),
        Some(LayerChange::Removed) => ("-", Role::Error),
        Some(LayerChange::Opaque) => ("⊘", Role::Warn),
        None => (" ", Role::Dim),
    }
}

fn draw_node(canvas: &mut Canvas, line: Rect, columns: Columns, node: &Node, open: Option<bool>) {
    let (mark, role) = mark_of(node.change);
    canvas.text(line.x + 2, line.y, 1, mark, role);
    let size = match (node.bytes, node.sort) {
        (0, FileSort::Regular) => "0 B".to_owned(),
        (0, _) => String::new(),
        (bytes, _) => figures::bytes(bytes),
    };
    canvas.text_right(line.x + 12, line.y, 8, &size, Role::Text);
    let has_owner = node.change.is_some_and(|change| change != LayerChange::Removed);
    if columns.mode && has_owner {
        canvas.text(line.x + columns.mode_at(), line.y, 10, &figures::mode(node.sort, node.mode), Role::Dim);
    }
    if columns.owner && has_owner {
        let text = format!("{}:{}", node.uid, node.gid);
        canvas.text(line.x + columns.owner_at(), line.y, 11, &text, Role::Dim);
    }
    let mut x = line.x + columns.name_at() + (node.depth * 2).min(line.width / 2);
    let end = line.right().saturating_sub(2);
    if let Some(open) = open {
        canvas.text(x, line.y, 1, if open { "▾" } else { "▸" }, Role::Accent);
    }
    x += 2;
    let style = match node.change {
        None => canvas.style(Role::Dim),
        Some(LayerChange::Added) if node.sort == FileSort::Folder => canvas.style(Role::Text),
        Some(LayerChange::Removed) => canvas.style(role).patch(Style::new().add_modifier(Modifier::CROSSED_OUT)),
        Some(_) => canvas.style(role),
    };
    x += canvas.styled(x, line.y, end.saturating_sub(x), &node.name, style);
    if node.sort == FileSort::Folder {
        x += canvas.text(x, line.y, end.saturating_sub(x), "/", Role::Dim);
    }
    if let Some(target) = &node.target {
        x += canvas.text(x, line.y, end.saturating_sub(x), &format!(" → {target}"), Role::Dim);
    }
    if node.change == Some(LayerChange::Opaque) {
        x += canvas.text(x, line.y, end.saturating_sub(x), "  emptied of what lay below", Role::Dim);
    }
    if node.hidden_bytes > 0 {
        let text = format!("  wastes {}", figures::bytes(node.hidden_bytes));
        canvas.text(x, line.y, end.saturating_sub(x), &text, Role::Warn);
    }
}

/// Only for figures in tests.
#[cfg(test)]
pub fn mode_of(tree: &Tree, index: u32) -> String {
    let node = tree.node(index);
    figures::mode(node.sort, node.mode)
}
