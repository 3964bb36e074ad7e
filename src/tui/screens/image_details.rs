//! The selected image's details beside or below the list: its facts, and its layers as the trunk of a tree from which
//! other images branch off.

use std::collections::HashMap;

use ratatui::layout::Rect;

use super::history;
use super::images::users_of;
use crate::model::{Digest, ImageInspect, ImageSummary};
use crate::tui::action::Problem;
use crate::tui::canvas::Canvas;
use crate::tui::data::Data;
use crate::tui::figures;
use crate::tui::theme::Role;
use crate::tui::toast::wrap;

/// Images of which everything is kept.
const MOST: usize = 64;

/// What is known of images beyond their row.
#[derive(Clone, Debug, Default)]
pub struct Details {
    known: HashMap<String, Result<Box<ImageInspect>, Problem>>,
    asked: Option<String>,
    /// Every image's name and layers, lowest first.
    stacks: Vec<(String, Vec<Digest>)>,
    /// The first line on the screen.
    pub first: usize,
}

impl Details {
    /// The image to ask about, if it is not known and nothing is being asked.
    pub fn wish(&mut self, image: &ImageSummary) -> Option<String> {
        let label = image.label();
        let is_known = match self.known.get(&label) {
            Some(Ok(inspect)) => inspect.summary.id == image.id,
            Some(Err(_)) => true,
            None => false,
        };
        if image.is_host || is_known || self.asked.is_some() {
            return None;
        }
        self.asked = Some(label.clone());
        Some(label)
    }

    pub fn told(&mut self, image: &str, result: &Result<Box<ImageInspect>, Problem>) {
        if self.asked.as_deref() == Some(image) {
            self.asked = None;
        }
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(image.to_owned(), result.clone());
    }

    pub fn set_stacks(&mut self, stacks: Vec<(String, Vec<Digest>)>) {
        self.stacks = stacks;
        // What could not be looked at then may be whole now.
        self.known.retain(|_, known| known.is_ok());
    }

    /// Draws what there is room for.
    pub fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data, image: &ImageSummary) {
        if area.height < 4 || area.width < 24 {
            return;
        }
        let label = image.label();
        let used = canvas.text(area.x, area.y, area.width, &label, Role::Title) + 2;
        canvas.text(area.x + used, area.y, area.width.saturating_sub(used), &image.platform.to_string(), Role::Dim);
        let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
        let facts = facts(data, image, body.width);
        // Below the list it is wide and low: facts and layers side by side.
        if body.height < 14 && body.width >= 76 && !image.is_host {
            let left = 34;
            draw_lines(canvas, Rect { width: left, ..body }, data, &facts[1..], 0);
            let right = Rect { x: body.x + left + 2, y: area.y, width: body.width - left - 2, height: area.height };
            return draw_lines(canvas, right, data, &self.layers(image), self.first);
        }
        let lines: Vec<Line> =
            facts.into_iter().chain(std::iter::once(Line::Blank)).chain(self.layers(image)).collect();
        draw_lines(canvas, body, data, &lines, self.first);
    }

    fn layers(&self, image: &ImageSummary) -> Vec<Line> {
        let label = image.label();
        match self.known.get(&label) {
            _ if image.is_host => Vec::new(),
            None => vec![Line::Text("looking …".to_owned(), Role::Dim)],
            Some(Err(problem)) => vec![Line::Text(problem.message.clone(), Role::Error)],
            Some(Ok(inspect)) => {
                let title = Line::Title(format!("{} layers", inspect.layers.len()));
                let steps = trunk(inspect, &label, &self.stacks).into_iter().map(Line::Step);
                std::iter::once(title).chain(steps).collect()
            }
        }
    }

    /// Scrolls, no further than there are layers.
    pub fn scroll(&mut self, lines: isize, image: &ImageSummary) {
        let most = self.layers(image).len();
        self.first = self.first.saturating_add_signed(lines).min(most);
    }
}

fn draw_lines(canvas: &mut Canvas, area: Rect, data: &Data, lines: &[Line], first: usize) {
    let height = usize::from(area.height);
    let first = first.min(lines.len().saturating_sub(height));
    for (line, y) in lines.iter().skip(first).zip(area.y..area.bottom()) {
        line.draw(canvas, Rect { y, height: 1, ..area }, data);
    }
    canvas.scrollbar(Rect { width: area.width + 1, ..area }, first, height, lines.len());
}

/// One line of the details.
enum Line {
    Pair(&'static str, String),
    Text(String, Role),
    Title(String),
    Step(Step),
    Blank,
}

/// A line of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A layer with its bytes, how many other images have it, its command, and when it was made.
    Layer { number: usize, bytes: Option<u64>, shared: usize, command: String, made: Option<crate::model::Timestamp> },
    /// A step that changed no file.
    Setting(String),
    /// Other images that share everything above this line, and what they do from here on.
    Branch { names: Vec<String>, what: &'static str, last: bool },
}

fn facts(data: &Data, image: &ImageSummary, width: u16) -> Vec<Line> {
    if image.is_host {
        let text = "This machine's own root file system, copy-on-write: what a container of it changes, the machine never sees.";
        let room = usize::from(width.max(10));
        return std::iter::once(Line::Blank)
            .chain(wrap(text, room).into_iter().map(|line| Line::Text(line, Role::Text)))
            .collect();
    }
    let mut lines = vec![Line::Blank];
    let id = image.id.as_ref();
    lines.extend(id.map(|id| Line::Pair("id", id.short().to_owned())));
    lines.extend(
        image
            .created
            .map(|time| Line::Pair("created", format!("{}, {}", figures::ago(time, data.now()), figures::date(time)))),
    );
    lines.extend(image.size_bytes.map(|bytes| Line::Pair("size", figures::bytes_long(bytes))));
    let same = data.images.iter().flatten().filter(|other| other.id == image.id && other.label() != image.label());
    let tags: Vec<String> = same.map(ImageSummary::label).collect();
    if !tags.is_empty() {
        lines.push(Line::Pair("also", tags.join(", ")));
    }
    let users: Vec<String> =
        users_of(data, image).map(|it| format!("{} {}", figures::state_glyph(&it.state), it.name)).collect();
    lines.push(Line::Pair("used by", if users.is_empty() { "no container".to_owned() } else { users.join("  ") }));
    lines
}

/// The layers from the lowest up, with the places where other images part from it.
fn trunk(inspect: &ImageInspect, label: &str, stacks: &[(String, Vec<Digest>)]) -> Vec<Step> {
    let own = &inspect.layers;
    let others: Vec<(&String, usize, usize)> = stacks
        .iter()
        .filter(|(name, layers)| name != label && layers != own)
        .map(|(name, layers)| (name, own.iter().zip(layers).take_while(|(a, b)| a == b).count(), layers.len()))
        .collect();
    let shared = |layer: usize| {
        stacks.iter().filter(|(name, layers)| name != label && layers != own && layers.contains(&own[layer])).count()
    };
    let (mut steps, mut above) = (Vec::new(), Vec::new());
    for (step, layer) in history::steps(inspect) {
        let command = step.map_or_else(|| "no step tells of it".to_owned(), history::command_of);
        let Some(layer) = layer else {
            steps.push(Step::Setting(command));
            continue;
        };
        let bytes = step.and_then(|step| step.size_bytes);
        let made = step.and_then(|step| step.created);
        steps.push(Step::Layer { number: layer + 1, bytes, shared: shared(layer), command, made });
        let last = layer + 1 == own.len();
        let here = others.iter().filter(|(_, common, _)| *common == layer + 1);
        let (ends, goes_on): (Vec<_>, Vec<_>) = here.partition(|(_, common, all)| common == all);
        let names = |which: Vec<&(&String, usize, usize)>| which.iter().map(|it| it.0.clone()).collect::<Vec<_>>();
        let what = if last { "builds on it" } else { "goes on from here" };
        for (names, what) in [(names(ends), "is this far"), (names(goes_on), what)] {
            if !names.is_empty() {
                // What stands on all of it comes behind its last step.
                if last { &mut above } else { &mut steps }.push(Step::Branch { names, what, last });
            }
        }
    }
    steps.extend(above);
    steps
}

impl Line {
    fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data) {
        match self {
            Self::Blank => {}
            Self::Pair(label, value) => {
                canvas.text(area.x, area.y, 9, label, Role::Dim);
                canvas.text(area.x + 9, area.y, area.width.saturating_sub(10), value, Role::Text);
            }
            Self::Text(text, role) => {
                canvas.text(area.x, area.y, area.width, text, *role);
            }
            Self::Title(title) => {
                let used = canvas.text(area.x, area.y, area.width, title, Role::Title) + 1;
                canvas
                    .rule(Rect { x: area.x + used, width: area.width.saturating_sub(used + 1), ..area }, Role::Border);
            }
            Self::Step(step) => step.draw(canvas, area, data),
        }
    }
}

impl Step {
    fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data) {
        let (x, end) = (area.x, area.right().saturating_sub(1));
        match self {
            Self::Layer { number, bytes, shared, command, made } => {
                canvas.text(x, area.y, 1, "●", Role::Accent);
                canvas.text_right(x + 4, area.y, 2, &number.to_string(), Role::Dim);
                let bytes = bytes.map_or_else(|| "–".to_owned(), figures::bytes);
                canvas.text_right(x + 11, area.y, 6, &bytes, Role::Text);
                if *shared > 0 {
                    canvas.text(x + 12, area.y, 4, &format!("⇄{shared}"), Role::Info);
                }
                let ago = made.map_or_else(String::new, |time| figures::duration(time.seconds_until(data.now())));
                let when = if area.width >= 48 { 7 } else { 0 };
                canvas.text_right(end, area.y, when, &ago, Role::Dim);
                canvas.text(x + 16, area.y, end.saturating_sub(x + 17 + when), command, Role::Text);
            }
            Self::Setting(command) => {
                canvas.text(x, area.y, 1, "│", Role::Border);
                canvas.text(x + 16, area.y, end.saturating_sub(x + 16), command, Role::Dim);
            }
            Self::Branch { names, what, last } => {
                let mut at = x + canvas.text(x, area.y, 4, if *last { "└──╴" } else { "├──╴" }, Role::Border) + 1;
                let text = if names.len() == 1 { (*what).to_owned() } else { plural(what) };
                let shown = super::container_acts::list_of(names);
                at += canvas.text(at, area.y, end.saturating_sub(at), &shown, Role::Info) + 1;
                canvas.text(at, area.y, end.saturating_sub(at), &text, Role::Dim);
            }
        }
    }
}

fn plural(what: &str) -> String {
    what.replacen("goes", "go", 1).replacen("builds", "build", 1).replacen("is ", "are ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::sample;

    #[test]
    fn other_images_branch_off_where_they_share_no_more() {
        let inspect = sample::image_inspect();
        let own = &inspect.layers;
        let stacks = vec![
            ("nginx:1.27".to_owned(), own.clone()),
            ("nginx:latest".to_owned(), own.clone()),
            ("debian:12".to_owned(), own[..1].to_vec()),
            ("postgres:17".to_owned(), vec![own[0].clone(), sample::digest(9)]),
            ("my/site:3".to_owned(), [own.clone(), vec![sample::digest(10)]].concat()),
            ("alpine:3".to_owned(), vec![sample::digest(11)]),
        ];
        let trunk = trunk(&inspect, "nginx:1.27", &stacks);
        let branches: Vec<(usize, String)> = trunk
            .iter()
            .enumerate()
            .filter_map(|(at, step)| match step {
                Step::Branch { names, what, .. } => Some((at, format!("{} {what}", names.join(", ")))),
                _ => None,
            })
            .collect();
        let expected = [(1, "debian:12 is this far"), (2, "postgres:17 goes on from here")];
        assert_eq!(branches[..2], expected.map(|(at, text)| (at, text.to_owned())));
        assert_eq!(branches[2].1, "my/site:3 builds on it");
        assert!(matches!(&trunk[0], Step::Layer { shared: 3, number: 1, .. }));
    }

    #[test]
    fn one_image_is_asked_about_at_a_time_and_again_when_its_name_went_to_another() {
        let mut details = Details::default();
        let images = sample::images();
        assert_eq!(details.wish(&images[0]), None);
        assert_eq!(details.wish(&images[1]), Some("nginx:1.27".to_owned()));
        assert_eq!(details.wish(&images[2]), None);
        details.told("nginx:1.27", &Ok(Box::new(sample::image_inspect())));
        assert_eq!(details.wish(&images[1]), None);
        let moved = ImageSummary { id: Some(sample::digest(99)), ..images[1].clone() };
        assert_eq!(details.wish(&moved), Some("nginx:1.27".to_owned()));
    }
}
