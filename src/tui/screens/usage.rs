//! Disk usage: what images, layers and containers take, what of it is shared, and what could go.

use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::layers::rows::Cursor;
use super::volume_label;
use crate::model::{ContainerUsage, DiskUsage, Extent, ImageUsage, VolumeSummary};
use crate::tui::action::Problem;
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::{Command, Scope};
use crate::tui::dialogs::prune;
use crate::tui::effect::Effect;
use crate::tui::figures;
use crate::tui::list_keys::draw_notice;
use crate::tui::step::{Page, Step};
use crate::tui::theme::Role;
use crate::tui::widgets::bar::Gauge;

/// The screen's state.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    usage: Option<Result<Box<DiskUsage>, Problem>>,
    cursor: Cursor,
}

/// A row of the list below the sums.
enum Row<'a> {
    Image(&'a ImageUsage),
    Container(&'a ContainerUsage),
    Volume(&'a VolumeSummary),
}

impl Row<'_> {
    fn bytes(&self) -> u64 {
        match self {
            Self::Image(image) => image.unique_bytes,
            Self::Container(container) => container.size_bytes.unwrap_or(0),
            Self::Volume(volume) => volume.size_bytes.unwrap_or(0),
        }
    }
}

impl Usage {
    pub const SCOPES: &'static [Scope] = &[Scope::Usage, Scope::List, Scope::Everywhere];

    pub fn told(&mut self, result: Result<Box<DiskUsage>, Problem>) {
        self.usage = Some(result);
        let count = self.rows().len();
        self.cursor.go_to(self.cursor.index, count);
    }

    /// Images, containers and volumes, the one that takes most by itself first.
    fn rows(&self) -> Vec<Row<'_>> {
        let Some(Ok(usage)) = &self.usage else { return Vec::new() };
        let mut rows: Vec<Row> = usage.images.iter().map(Row::Image).collect();
        rows.extend(usage.containers.iter().map(Row::Container));
        rows.extend(usage.volumes.iter().map(Row::Volume));
        rows.sort_by_key(|row| std::cmp::Reverse(row.bytes()));
        rows
    }

    pub fn command(&mut self, command: Command, height: usize) -> Vec<Step> {
        match command {
            Command::Back => return vec![Step::Back],
            Command::UsageAgain => return vec![Step::Do(Effect::DiskUsage)],
            Command::UsagePrune => return prune::open(true),
            Command::UsageOpen => {
                return match self.rows().get(self.cursor.index) {
                    Some(Row::Image(image)) => {
                        let label = image.references.first().map_or(image.id.short().to_owned(), |it| it.familiar());
                        vec![Step::ShowImage(label)]
                    }
                    Some(Row::Container(container)) => vec![Step::Show(Page::Inspect(container.id.clone()))],
                    Some(Row::Volume(volume)) => vec![Step::ShowVolume(volume.volume.name.clone())],
                    None => Vec::new(),
                };
            }
            _ => {}
        }
        let count = self.rows().len();
        self.cursor.command(command, count, height);
        Vec::new()
    }

    pub fn click(&mut self, target: Target) -> Vec<Step> {
        if let Target::Row(row) = target {
            if self.cursor.index == row {
                return vec![Step::Command(Command::UsageOpen)];
            }
            let count = self.rows().len();
            self.cursor.go_to(row, count);
        }
        Vec::new()
    }

    pub fn wheel(&mut self, lines: isize) {
        let (count, to) = (self.rows().len(), self.cursor.index.saturating_add_signed(lines));
        self.cursor.go_to(to, count);
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let usage = match &self.usage {
            None => return draw_notice(canvas, area, &["measuring …"]),
            Some(Err(problem)) => {
                let hint = problem.hint.clone().unwrap_or_else(|| "Esc goes back.".to_owned());
                return draw_notice(canvas, area, &[&problem.message, "", &hint]);
            }
            Some(Ok(usage)) => usage,
        };
        let sums = [
            ("Layers of images", usage.layers),
            ("Compressed, to push and save", usage.blobs),
            ("Containers' own files", usage.containers_extent()),
            ("Volumes", usage.volumes_extent()),
            ("Broken-off downloads", usage.partial_extent()),
        ];
        let all: u64 = sums.iter().map(|(_, extent)| extent.size_bytes).sum();
        let free: u64 = sums.iter().map(|(_, extent)| extent.reclaimable_bytes).sum();
        let x = area.x + 2;
        let mut used = canvas.text(x, area.y, 40, &format!("{} in all", figures::bytes_long(all)), Role::Title);
        used += canvas.text(x + used, area.y, 40, &format!("   {} could go", figures::bytes_long(free)), Role::Accent);
        canvas.text(x + used, area.y, area.width.saturating_sub(used + 4), "   x removes what is unused", Role::Dim);
        for ((name, extent), y) in sums.iter().zip(area.y + 2..) {
            draw_sum(canvas, Rect { x, y, width: area.width.saturating_sub(4), height: 1 }, name, extent, all);
        }
        let top = area.y + 8;
        canvas.rule(Rect { y: top, height: 1, ..area }, Role::Border);
        let header = Rect { y: top + 1, height: 1, ..area };
        let wide = area.width >= 90;
        canvas.text_right(x + 9, header.y, 9, "ITS OWN▾", Role::Header);
        canvas.text_right(x + 18, header.y, 8, "SHARED", Role::Header);
        if wide {
            canvas.text_right(x + 29, header.y, 10, "COMPRESSED", Role::Header);
        }
        let name_at = x + if wide { 32 } else { 21 };
        canvas.text(name_at, header.y, 30, "IMAGE, CONTAINER OR VOLUME", Role::Header);
        let body = Rect { y: top + 2, height: area.bottom().saturating_sub(top + 2), ..area };
        let rows = self.rows();
        let height = usize::from(body.height);
        canvas.seen.list_height = height;
        if rows.is_empty() {
            return draw_notice(canvas, body, &["Neither image nor container nor volume takes any space."]);
        }
        let first = self.cursor.first(rows.len(), height);
        for ((index, row), y) in rows.iter().enumerate().skip(first).zip(body.y..body.bottom()) {
            let line = Rect { y, height: 1, ..body };
            canvas.hit(line, Target::Row(index));
            if index == self.cursor.index {
                canvas.ground(line, Role::Selected);
                canvas.text(line.x, y, 1, "▌", Role::Accent);
            }
            draw_row(canvas, line, row, (x, name_at, wide));
        }
        canvas.scrollbar(body, first, height, rows.len());
    }
}

fn draw_sum(canvas: &mut Canvas, line: Rect, name: &str, extent: &Extent, all: u64) {
    canvas.text(line.x, line.y, 29, name, Role::Text);
    canvas.text_right(line.x + 36, line.y, 7, &figures::bytes(extent.size_bytes), Role::Text);
    let words = match (extent.count, extent.reclaimable_bytes) {
        (0, _) => "none".to_owned(),
        (count, 0) => format!("{} of {count} in use", extent.active),
        (count, bytes) => format!("{} of {count} in use, {} could go", extent.active, figures::bytes(bytes)),
    };
    let bar = if line.width >= 100 { 24 } else { 0 };
    if bar > 0 {
        let place = Rect { x: line.x + 38, width: bar, ..line };
        let ratio = extent.size_bytes as f64 / all.max(1) as f64;
        Gauge { theme: canvas.theme, ratio, role: Role::ChartDisk }.render(place, canvas.buffer);
    }
    let x = line.x + 38 + if bar > 0 { bar + 2 } else { 0 };
    canvas.text(x, line.y, line.right().saturating_sub(x), &words, Role::Dim);
}

fn draw_row(canvas: &mut Canvas, line: Rect, row: &Row, (x, name_at, wide): (u16, u16, bool)) {
    let end = line.right().saturating_sub(2);
    let y = line.y;
    match row {
        Row::Image(image) => {
            canvas.text_right(x + 9, y, 8, &figures::bytes(image.unique_bytes), Role::Text);
            canvas.text_right(x + 18, y, 8, &figures::bytes(image.shared_bytes), Role::Dim);
            if wide {
                canvas.text_right(x + 29, y, 8, &figures::bytes(image.blob_bytes), Role::Dim);
            }
            let names: Vec<String> = image.references.iter().map(|reference| reference.familiar()).collect();
            let (name, role) = match names.is_empty() {
                true => (format!("{} without a name", image.id.short()), Role::Warn),
                false => (names.join(", "), Role::Text),
            };
            let used = canvas.text(name_at, y, end.saturating_sub(name_at), &name, role) + 2;
            let users = match image.containers {
                0 => "image, unused".to_owned(),
                1 => "image, one container".to_owned(),
                count => format!("image, {count} containers"),
            };
            canvas.text(name_at + used, y, end.saturating_sub(name_at + used), &users, Role::Dim);
        }
        Row::Volume(volume) => {
            let bytes = volume.size_bytes.map_or_else(|| "–".to_owned(), figures::bytes);
            canvas.text_right(x + 9, y, 8, &bytes, Role::Text);
            let name = volume_label(volume);
            let used = canvas.text(name_at, y, end.saturating_sub(name_at), &name, Role::Text) + 2;
            let users = match volume.users.len() {
                0 => "volume, unused".to_owned(),
                1 => "volume, one container".to_owned(),
                count => format!("volume, {count} containers"),
            };
            canvas.text(name_at + used, y, end.saturating_sub(name_at + used), &users, Role::Dim);
        }
        Row::Container(container) => {
            let bytes = container.size_bytes.map_or_else(|| "–".to_owned(), figures::bytes);
            canvas.text_right(x + 9, y, 8, &bytes, Role::Text);
            let mut at = name_at;
            let role = super::containers::state_role(&container.state);
            at += canvas.text(at, y, 2, figures::state_glyph(&container.state), role) + 1;
            at += canvas.text(at, y, end.saturating_sub(at), container.name.as_str(), Role::Text) + 2;
            let words = format!("container of {}", container.image);
            canvas.text(at, y, end.saturating_sub(at), &words, Role::Dim);
        }
    }
}
