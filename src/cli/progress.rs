//! A pull's or push's progress: on a terminal one line a layer, redrawn in place; elsewhere a line when a layer's stage changes.

use std::io::Write;
use std::time::{Duration, Instant};

use super::wording::{ellipsis, size};
use crate::model::{
    Digest, LayerProgress, LayerStage, PullEvent, PushEvent, PushProgress, PushStage, Size, printable_line,
};

const BETWEEN_FRAMES: Duration = Duration::from_millis(80);
const BAR: usize = 30;

/// Shows the progress of one pull or push.
pub struct Display {
    way: Way,
    layers: Vec<Line>,
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

    /// Takes an event of a pull and shows what is due. Where nobody reads, nothing is said.
    pub fn take(&mut self, event: PullEvent, out: &mut impl Write) {
        match event {
            PullEvent::Layers(layers) => self.begin(layers.into_iter().map(Line::of_pull).collect(), out),
            PullEvent::Layer(layer) => self.move_on(Line::of_pull(layer), out),
            PullEvent::Note(note) => self.note(&note, out),
        }
    }

    /// Takes an event of a push; each tag's layers begin a block of their own.
    pub fn take_push(&mut self, event: PushEvent, out: &mut impl Write) {
        match event {
            PushEvent::Layers(layers) => {
                self.finish(out);
                self.layers.clear();
                self.begin(layers.into_iter().map(Line::of_push).collect(), out);
            }
            PushEvent::Layer(layer) => self.move_on(Line::of_push(layer), out),
            PushEvent::Note(note) => self.note(&note, out),
        }
    }

    fn begin(&mut self, layers: Vec<Line>, out: &mut impl Write) {
        for layer in layers {
            self.know(layer, out);
        }
        self.redraw(out);
    }

    fn move_on(&mut self, layer: Line, out: &mut impl Write) {
        let changed = self.know(layer, out);
        if changed || self.last.is_none_or(|last| last.elapsed() >= BETWEEN_FRAMES) {
            self.redraw(out);
        }
    }

    fn note(&mut self, text: &str, out: &mut impl Write) {
        if self.way != Way::Silent {
            self.clear(out);
            let _ = writeln!(out, "{}", printable_line(text));
            self.redraw(out);
        }
    }

    /// Takes a layer's state; says whether its stage is another one than before.
    fn know(&mut self, layer: Line, out: &mut impl Write) -> bool {
        let before = self.layers.iter_mut().find(|known| known.digest == layer.digest);
        let changed = before.as_ref().is_none_or(|before| before.words != layer.words);
        if self.way == Way::Plain && changed && layer.has_begun {
            let _ = writeln!(out, "{}: {}", layer.digest.short(), layer.words);
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
        let all = &self.layers;
        if all.len() <= room {
            return all.iter().map(|layer| layer.text(width)).collect();
        }
        let done = all.iter().filter(|layer| layer.is_over).count();
        let active = all.iter().filter(|layer| !layer.is_over).take(room - 1);
        let mut lines: Vec<String> = active.map(|layer| layer.text(width)).collect();
        lines.push(format!("{done} of {} layers are there", all.len()));
        lines
    }
}

/// One layer as it is shown.
struct Line {
    digest: Digest,
    words: &'static str,
    /// Bytes that went over the network, of how many, while they do.
    moved: Option<(u64, u64)>,
    unpacked_bytes: Option<u64>,
    has_begun: bool,
    is_over: bool,
}

impl Line {
    fn of_pull(layer: LayerProgress) -> Self {
        let stage = layer.stage;
        let moved = (stage == LayerStage::Downloading).then_some((layer.received_bytes, layer.total_bytes));
        let unpacked = (stage == LayerStage::Unpacking && layer.unpacked_bytes > 0).then_some(layer.unpacked_bytes);
        Self {
            digest: layer.digest,
            words: match stage {
                LayerStage::Waiting => "Waiting",
                LayerStage::Downloading => "Downloading",
                LayerStage::Unpacking => "Verified, unpacking",
                LayerStage::Done => "Pull complete",
                LayerStage::Exists => "Already exists",
                LayerStage::Failed => "Failed",
            },
            moved,
            unpacked_bytes: unpacked,
            has_begun: stage != LayerStage::Waiting,
            is_over: matches!(stage, LayerStage::Done | LayerStage::Exists),
        }
    }

    fn of_push(layer: PushProgress) -> Self {
        let stage = layer.stage;
        Self {
            digest: layer.digest,
            words: match stage {
                PushStage::Waiting => "Waiting",
                PushStage::Checking => "Preparing",
                PushStage::Uploading => "Pushing",
                PushStage::Done => "Pushed",
                PushStage::Exists => "Layer already exists",
                PushStage::Mounted => "Mounted from another repository",
                PushStage::Failed => "Failed",
            },
            moved: (stage == PushStage::Uploading).then_some((layer.sent_bytes, layer.total_bytes)),
            unpacked_bytes: None,
            has_begun: !matches!(stage, PushStage::Waiting | PushStage::Checking),
            is_over: matches!(stage, PushStage::Done | PushStage::Exists | PushStage::Mounted),
        }
    }

    fn text(&self, width: usize) -> String {
        let (name, words) = (self.digest.short(), self.words);
        let text = match (self.moved, self.unpacked_bytes) {
            (Some((moved, total)), _) => {
                let share = if total == 0 { 0.0 } else { moved as f64 / total as f64 };
                let filled = ((share * BAR as f64) as usize).min(BAR);
                let amounts = format!("{}/{}", size(moved), size(total));
                let bar = format!("[{}{}]", "=".repeat(filled), " ".repeat(BAR - filled));
                if width > 14 + BAR + 20 + amounts.len() {
                    format!("{name}: {words} {bar} {amounts}")
                } else {
                    format!("{name}: {words} {amounts}")
                }
            }
            (None, Some(bytes)) => format!("{name}: {words} {}", size(bytes)),
            (None, None) => format!("{name}: {words}"),
        };
        ellipsis(&text, width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn push_is_told_stage_by_stage_and_tag_by_tag() {
        let layer = |stage, sent_bytes| PushProgress {
            digest: Digest::from_sha256([7; 32]),
            stage,
            sent_bytes,
            total_bytes: 50_000_000,
        };
        let mut display = Display::new(false, None);
        let mut out = Vec::new();
        for event in [
            PushEvent::Layers(vec![layer(PushStage::Waiting, 0)]),
            PushEvent::Layer(layer(PushStage::Checking, 0)),
            PushEvent::Layer(layer(PushStage::Uploading, 25_000_000)),
            PushEvent::Layer(layer(PushStage::Uploading, 30_000_000)),
            PushEvent::Note("a:1 asks to wait\n1 s".to_owned()),
            PushEvent::Layer(layer(PushStage::Done, 50_000_000)),
            PushEvent::Layers(vec![layer(PushStage::Exists, 0)]),
        ] {
            display.take_push(event, &mut out);
        }
        display.finish(&mut out);
        let text = String::from_utf8(out).expect("text").replace("070707070707", "7");
        assert_eq!(text, "7: Pushing\na:1 asks to wait␊1 s\n7: Pushed\n7: Layer already exists\n");
        assert_eq!(
            Line::of_push(layer(PushStage::Uploading, 25_000_000)).text(80),
            "070707070707: Pushing [===============               ] 25MB/50MB"
        );
    }
}
