//! Pulls under way and just ended: a bar for each layer, shown below the images and the search.

use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::model::{ErrorKind, LayerProgress, LayerStage, PullEvent};
use crate::tui::action::Problem;
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::Command;
use crate::tui::effect::Effect;
use crate::tui::figures;
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::toast::Toast;
use crate::tui::widgets::bar::{ProgressList, ProgressRow, Work};

/// One pull.
#[derive(Clone, Debug)]
struct Pull {
    reference: String,
    layers: Vec<LayerProgress>,
    note: String,
    cancelling: bool,
}

/// All pulls under way, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Pulls {
    pulls: Vec<Pull>,
}

impl Pulls {
    /// Begins a pull unless the same is under way.
    pub fn start(&mut self, reference: String) -> Vec<Step> {
        if self.pulls.iter().any(|pull| pull.reference == reference) {
            return vec![Step::Toast(Toast::good(format!("{reference} is being pulled already")))];
        }
        self.pulls.push(Pull {
            reference: reference.clone(),
            layers: Vec::new(),
            note: "asking the registry".to_owned(),
            cancelling: false,
        });
        vec![Step::Do(Effect::Pull { reference })]
    }

    pub fn told(&mut self, reference: &str, event: PullEvent) {
        let Some(pull) = self.pulls.iter_mut().find(|pull| pull.reference == reference) else { return };
        match event {
            PullEvent::Layers(layers) => {
                pull.layers = layers;
                pull.note.clear();
            }
            PullEvent::Layer(layer) => match pull.layers.iter_mut().find(|known| known.digest == layer.digest) {
                Some(known) => *known = layer,
                None => pull.layers.push(layer),
            },
            PullEvent::Note(note) => pull.note = note,
        }
    }

    /// A pull has ended, well or not.
    pub fn ended(&mut self, reference: &str, result: Result<(), Problem>) -> Vec<Step> {
        self.pulls.retain(|pull| pull.reference != reference);
        let toast = match result {
            Ok(()) => Toast::good(format!("{reference} is pulled: run it among the images")),
            Err(problem) if problem.kind == ErrorKind::Cancelled => {
                Toast::good(format!("pull of {reference} cancelled"))
            }
            Err(problem) => problem.into(),
        };
        vec![Step::Toast(toast), Step::Do(Effect::ListImages)]
    }

    /// Cancels the newest.
    pub fn cancel(&mut self) -> Vec<Step> {
        match self.pulls.iter_mut().rev().find(|pull| !pull.cancelling) {
            Some(pull) => {
                pull.cancelling = true;
                vec![Step::Do(Effect::CancelPull { reference: pull.reference.clone() })]
            }
            None => Vec::new(),
        }
    }

    /// The place for what is above, and for the pulls if there are any.
    pub fn split(&self, area: Rect) -> (Rect, Option<Rect>) {
        let wanted: usize = self.pulls.iter().map(|pull| pull.layers.len().max(1) + 2).sum();
        if wanted == 0 || area.height < 8 {
            return (area, None);
        }
        let height = u16::try_from(wanted + 1).unwrap_or(u16::MAX).min(area.height / 2);
        let above = Rect { height: area.height - height, ..area };
        (above, Some(Rect { y: above.bottom(), height, ..area }))
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        canvas.rule(Rect { height: 1, ..area }, Role::Border);
        let mut y = area.y + 1;
        let inner = Rect { x: area.x + 2, width: area.width.saturating_sub(4), ..area };
        for pull in self.pulls.iter().rev() {
            if y + 1 >= area.bottom() {
                break;
            }
            y = pull.draw(canvas, Rect { y, height: area.bottom() - y, ..inner });
        }
    }
}

impl Pull {
    /// Draws one pull; returns the line behind it.
    fn draw(&self, canvas: &mut Canvas, area: Rect) -> u16 {
        let done = self.layers.iter().filter(|layer| finished(layer.stage)).count();
        let received: u64 = self.layers.iter().map(|layer| layer.received_bytes.min(layer.total_bytes)).sum();
        let total: u64 = self.layers.iter().map(|layer| layer.total_bytes).sum();
        let state = match (self.cancelling, self.layers.is_empty()) {
            (true, _) => "cancelling …".to_owned(),
            (_, true) => format!("{} …", self.note),
            _ => format!(
                "{done} of {} layers · {} of {}",
                self.layers.len(),
                figures::bytes(received),
                figures::bytes(total)
            ),
        };
        let verb = canvas.text(area.x, area.y, area.width, "Pulling ", Role::Dim);
        let name = canvas.text(area.x + verb, area.y, area.width - verb, &self.reference, Role::Title);
        let used = (verb + name + 2).min(area.width);
        canvas.text(area.x + used, area.y, area.width - used, &state, Role::Dim);
        canvas.text_right(area.right(), area.y, 10, "✗ cancel", Role::Error);
        canvas.hit(
            Rect { x: area.right().saturating_sub(10), width: 10, height: 1, ..area },
            Target::Command(Command::CancelPull),
        );
        let texts: Vec<(String, String, Work)> = self.layers.iter().map(row).collect();
        let rows: Vec<ProgressRow> =
            texts.iter().map(|(label, detail, work)| ProgressRow { label, detail, work: *work }).collect();
        let height = u16::try_from(rows.len()).unwrap_or(u16::MAX).min(area.height - 1);
        let place = Rect { y: area.y + 1, height, ..area };
        ProgressList { theme: canvas.theme, rows: &rows }.render(place, canvas.buffer);
        place.bottom() + 1
    }
}

fn finished(stage: LayerStage) -> bool {
    matches!(stage, LayerStage::Done | LayerStage::Exists)
}

/// Label, figures and bar of a layer. Received and unpacked bytes are both told: unpacking goes on while it downloads.
fn row(layer: &LayerProgress) -> (String, String, Work) {
    let ratio = layer.received_bytes as f64 / layer.total_bytes.max(1) as f64;
    let (detail, work) = match layer.stage {
        LayerStage::Waiting => (format!("waiting · {}", figures::bytes(layer.total_bytes)), Work::Waiting),
        LayerStage::Downloading => (
            format!("{} of {}", figures::bytes(layer.received_bytes), figures::bytes(layer.total_bytes)),
            Work::Running(ratio),
        ),
        LayerStage::Unpacking => {
            (format!("verified · unpacking {}", figures::bytes(layer.unpacked_bytes)), Work::Running(ratio.max(0.99)))
        }
        LayerStage::Done => (format!("unpacked {}", figures::bytes(layer.unpacked_bytes)), Work::Done),
        LayerStage::Exists => ("was here already".to_owned(), Work::Done),
        LayerStage::Failed => ("failed".to_owned(), Work::Failed),
    };
    (layer.digest.short().to_owned(), detail, work)
}
