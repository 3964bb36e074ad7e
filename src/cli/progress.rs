//! A pull's progress: on a terminal one line a layer, redrawn in place; elsewhere a line when a layer's stage changes.

use std::io::Write;
use std::time::{Duration, Instant};

use super::wording::{ellipsis, size};
use crate::model::{LayerProgress, LayerStage, PullEvent, Size, printable_line};

const BETWEEN_FRAMES: Duration = Duration::from_millis(80);
const BAR: usize = 30;

/// Shows the progress of one pull.
pub struct Display {
    way: Way,
    layers: Vec<LayerProgress>,
    /// Lines on the screen that the next frame overwrites.
    drawn: usize,
    last: Option<Instant>,
    size: Size,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Silent,
    Plain,
    Redrawn,
}

impl Display {
    pub fn silent() -> Self {
        Self { way: Way::Silent, layers: Vec::new(), drawn: 0, last: None, size: Size::default() }
    }

    /// For a terminal of this size, or for a file.
    pub fn new(is_terminal: bool, size: Option<Size>) -> Self {
        let way = if is_terminal { Way::Redrawn } else { Way::Plain };
        Self { way, size: size.unwrap_or_default(), ..Self::silent() }
    }

    /// Takes an event and shows what is due. Where nobody reads, nothing is said.
    pub fn take(&mut self, event: PullEvent, out: &mut impl Write) {
        match event {
            PullEvent::Layers(layers) => {
                for layer in layers {
                    self.know(layer, out);
                }
                self.redraw(out);
            }
            PullEvent::Layer(layer) => {
                let changed = self.know(layer, out);
                if changed || self.last.is_none_or(|last| last.elapsed() >= BETWEEN_FRAMES) {
                    self.redraw(out);
                }
            }
            PullEvent::Note(note) if self.way != Way::Silent => {
                self.clear(out);
                let _ = writeln!(out, "{}", printable_line(&note));
                self.redraw(out);
            }
            PullEvent::Note(_) => {}
        }
    }

    /// Takes a layer's state; says whether its stage is another one than before.
    fn know(&mut self, layer: LayerProgress, out: &mut impl Write) -> bool {
        let before = self.layers.iter_mut().find(|known| known.digest == layer.digest);
        let changed = before.as_ref().is_none_or(|before| before.stage != layer.stage);
        if self.way == Way::Plain && changed && layer.stage != LayerStage::Waiting {
            let _ = writeln!(out, "{}: {}", layer.digest.short(), words(layer.stage));
        }
        match before {
            Some(before) => *before = layer,
            None => self.layers.push(layer),
        }
        changed
    }

    /// Draws the last state, which stays on the screen.
    pub fn finish(&mut self, out: &mut impl Write) {
        self.redraw(out);
        self.drawn = 0;
    }

    fn clear(&mut self, out: &mut impl Write) {
        if self.drawn > 0 {
            let _ = write!(out, "\x1b[{}A\r\x1b[J", self.drawn);
            self.drawn = 0;
        }
    }

    fn redraw(&mut self, out: &mut impl Write) {
        if self.way != Way::Redrawn || self.layers.is_empty() {
            return;
        }
        let mut frame = Vec::new();
        self.clear(&mut frame);
        let lines = self.lines();
        for line in &lines {
            let _ = writeln!(frame, "{line}");
        }
        self.drawn = lines.len();
        self.last = Some(Instant::now());
        let _ = out.write_all(&frame);
        let _ = out.flush();
    }

    /// The layers that are being worked on when not all fit the screen, and a line that counts the rest.
    fn lines(&self) -> Vec<String> {
        let room = usize::from(self.size.rows).saturating_sub(2).max(1);
        let width = usize::from(self.size.columns).saturating_sub(1).max(20);
        let all: Vec<&LayerProgress> = self.layers.iter().collect();
        if all.len() <= room {
            return all.into_iter().map(|layer| line(layer, width)).collect();
        }
        let is_over = |layer: &LayerProgress| matches!(layer.stage, LayerStage::Done | LayerStage::Exists);
        let done = all.iter().filter(|layer| is_over(layer)).count();
        let active = all.iter().filter(|layer| !is_over(layer)).take(room - 1);
        let mut lines: Vec<String> = active.map(|layer| line(layer, width)).collect();
        lines.push(format!("{done} of {} layers are there", all.len()));
        lines
    }
}

fn words(stage: LayerStage) -> &'static str {
    match stage {
        LayerStage::Waiting => "Waiting",
        LayerStage::Downloading => "Downloading",
        LayerStage::Unpacking => "Verified, unpacking",
        LayerStage::Done => "Pull complete",
        LayerStage::Exists => "Already exists",
        LayerStage::Failed => "Failed",
    }
}

fn line(layer: &LayerProgress, width: usize) -> String {
    let name = layer.digest.short();
    let text = match layer.stage {
        LayerStage::Downloading => {
            let share =
                if layer.total_bytes == 0 { 0.0 } else { layer.received_bytes as f64 / layer.total_bytes as f64 };
            let filled = ((share * BAR as f64) as usize).min(BAR);
            let amounts = format!("{}/{}", size(layer.received_bytes), size(layer.total_bytes));
            let bar = format!("[{}{}]", "=".repeat(filled), " ".repeat(BAR - filled));
            if width > 14 + BAR + 20 + amounts.len() {
                format!("{name}: Downloading {bar} {amounts}")
            } else {
                format!("{name}: Downloading {amounts}")
            }
        }
        LayerStage::Unpacking if layer.unpacked_bytes > 0 => {
            format!("{name}: Verified, unpacking {}", size(layer.unpacked_bytes))
        }
        stage => format!("{name}: {}", words(stage)),
    };
    ellipsis(&text, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    fn layer(number: u8, stage: LayerStage, received_bytes: u64) -> LayerProgress {
        let digest = Digest::from_sha256([number; 32]);
        LayerProgress { digest, stage, received_bytes, total_bytes: 50_000_000, unpacked_bytes: received_bytes * 2 }
    }

    fn events() -> Vec<PullEvent> {
        vec![
            PullEvent::Layers(vec![layer(1, LayerStage::Waiting, 0), layer(2, LayerStage::Exists, 0)]),
            PullEvent::Layer(layer(1, LayerStage::Downloading, 0)),
            PullEvent::Layer(layer(1, LayerStage::Downloading, 25_000_000)),
            PullEvent::Note("waiting for \u{1b}[1m another".to_owned()),
            PullEvent::Layer(layer(1, LayerStage::Unpacking, 50_000_000)),
            PullEvent::Layer(layer(1, LayerStage::Done, 50_000_000)),
        ]
    }

    fn shown(mut display: Display) -> String {
        let mut out = Vec::new();
        for event in events() {
            display.take(event, &mut out);
        }
        display.finish(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn plain_progress_is_a_line_a_stage() {
        insta::assert_snapshot!(shown(Display::new(false, None)));
    }

    #[test]
    fn terminal_progress_is_redrawn_in_place() {
        let text = shown(Display::new(true, Some(Size { columns: 80, rows: 24 })));
        let mut screen = vt100::Parser::new(24.try_into().expect("rows"), 80.try_into().expect("columns"), 0);
        screen.process(text.replace('\n', "\r\n").as_bytes());
        insta::assert_snapshot!(screen.screen().contents());
    }

    #[test]
    fn terminal_progress_of_many_layers_fits_the_screen() {
        let mut display = Display::new(true, Some(Size { columns: 40, rows: 6 }));
        let mut out = Vec::new();
        let layers =
            (0..20).map(|number| layer(number, if number < 3 { LayerStage::Done } else { LayerStage::Downloading }, 7));
        display.take(PullEvent::Layers(layers.collect()), &mut out);
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text.lines().count(), 4);
        assert!(text.lines().all(|line| line.chars().count() < 40), "{text}");
        assert!(text.contains("3 of 20 layers are there"));
    }

    #[test]
    fn silent_progress_says_nothing() {
        assert_eq!(shown(Display::silent()), "");
    }
}
