//! A transfer in lines: its head, its bar, a bar for each part, and what went wrong.

use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::job::{Job, State};
use crate::tui::canvas::{Canvas, Target};
use crate::tui::figures;
use crate::tui::theme::Role;
use crate::tui::toast::wrap;
use crate::tui::transfer::{Part, Stage};
use crate::tui::widgets::bar::Gauge;
use crate::tui::widgets::chart::sparkline;
use crate::tui::widgets::write;

/// One line on the screen.
pub enum Line<'a> {
    /// What it is and how it stands.
    Head(&'a Job),
    /// All of it in one bar.
    Total(&'a Job),
    /// One layer.
    Part(&'a Job, usize),
    /// A sentence in a role.
    Text(String, Role),
    Blank,
}

/// Cells that a sentence is wrapped to: as in the narrowest window.
const SENTENCE: usize = 54;
/// Cells of a layer's name.
const LABEL: u16 = 12;
/// Cells of the curve of rates, where there is room.
const CURVE: u16 = 16;

/// The lines of a job; `whole` shows its parts as well.
pub fn lines(job: &Job, whole: bool) -> Vec<Line<'_>> {
    let mut lines = vec![Line::Head(job)];
    let has_parts = !job.parts.is_empty();
    let by_layers = job.wish.is_by_layers();
    if job.is_running() && has_parts {
        lines.push(Line::Total(job));
    }
    if whole {
        let over = matches!(job.state, State::Done { .. });
        lines.extend((0..job.parts.len()).filter(|_| by_layers && !over).map(|part| Line::Part(job, part)));
        if job.is_running() && has_parts && !job.note.is_empty() {
            lines.push(Line::Text(format!("· {}", job.note), Role::Dim));
        }
        if let State::Failed(problem) = &job.state {
            let text = |text: String, role| Line::Text(text, role);
            lines.extend(wrap(&problem.message, SENTENCE).into_iter().map(|line| text(line, Role::Error)));
            let hint = problem.hint.iter().flat_map(|hint| wrap(&format!("→ {hint}"), SENTENCE));
            lines.extend(hint.map(|line| text(line, Role::Dim)));
        }
    }
    lines.push(Line::Blank);
    lines
}

impl Line<'_> {
    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        match self {
            Self::Head(job) => draw_head(canvas, area, job),
            Self::Total(job) => draw_total(canvas, area, job),
            Self::Part(job, part) => draw_part(canvas, area, job, *part),
            Self::Text(text, role) => {
                canvas.text(area.x + 2, area.y, area.width.saturating_sub(2), text, *role);
            }
            Self::Blank => {}
        }
    }
}

fn draw_head(canvas: &mut Canvas, area: Rect, job: &Job) {
    let (mark, role) = match &job.state {
        State::Running => (job.wish.arrow(), Role::Accent),
        State::Cancelling => ("◌", Role::Warn),
        State::Done { .. } => ("✓", Role::Ok),
        State::Cancelled => ("◌", Role::Warn),
        State::Failed(_) => ("✗", Role::Error),
    };
    let mut right = area.right();
    if job.state == State::Running {
        right = right.saturating_sub(9);
        canvas.text(right + 1, area.y, 8, "✗ cancel", Role::Error);
        canvas.hit(Rect { x: right, width: 9, ..area }, Target::Cancel(job.id));
    }
    let words = state_words(job, area.width >= 70);
    let width = write::width(&words).min((right - area.x) * 2 / 3);
    let state_role = if matches!(job.state, State::Failed(_)) { Role::Error } else { Role::Dim };
    canvas.text_right(right.saturating_sub(1), area.y, width, &words, state_role);
    canvas.text(area.x, area.y, 1, mark, role);
    let end = right.saturating_sub(width + 2);
    let mut x = area.x + 2;
    if job.is_running() {
        x += canvas.text(x, area.y, end.saturating_sub(x), job.wish.doing(), Role::Dim) + 1;
    }
    canvas.text(x, area.y, end.saturating_sub(x), &job.wish.name(), Role::Title);
}

fn state_words(job: &Job, wide: bool) -> String {
    let again = if job.wish.is_resumable() { "r takes it up" } else { "r tries again" };
    match &job.state {
        State::Cancelling => "cancelling …".to_owned(),
        State::Running if job.parts.is_empty() && job.note.is_empty() => {
            if job.wish.is_by_layers() { "asking the registry …" } else { "reading its files …" }.to_owned()
        }
        State::Running if job.parts.is_empty() => format!("{} …", job.note),
        State::Running => {
            let rate = job.rate().filter(|rate| *rate >= 1.0).map(|rate| format!("{}/s", figures::bytes(rate as u64)));
            let left = job.seconds_left().map(|seconds| format!("{} left", figures::duration(seconds)));
            let over = (wide && job.wish.is_by_layers())
                .then(|| format!("{} of {} layers", job.parts_over(), job.parts.len()));
            [over, rate, left].into_iter().flatten().collect::<Vec<_>>().join(" · ")
        }
        State::Done { took_ms } => {
            let seconds = *took_ms as f64 / 1000.0;
            let bytes = if job.wish.is_by_layers() { job.total_bytes() } else { job.moved_bytes() };
            match bytes {
                0 if !job.wish.is_by_layers() => format!("{} in {seconds:.1} s", job.wish.done()),
                0 => format!("{}: all of it was there", job.wish.done()),
                bytes => format!(
                    "{} {} in {seconds:.1} s · {}/s",
                    job.wish.done(),
                    figures::bytes(bytes),
                    figures::bytes((bytes as f64 / seconds.max(0.001)) as u64)
                ),
            }
        }
        State::Cancelled => format!("cancelled{} · {again}", kept(job)),
        State::Failed(_) => format!("failed{} · {again}", kept(job)),
    }
}

fn kept(job: &Job) -> String {
    match (job.wish.is_resumable(), job.moved_bytes()) {
        (true, bytes) if bytes > 0 => {
            format!(" · {} of {} here", figures::bytes(bytes), figures::bytes(job.total_bytes()))
        }
        _ => String::new(),
    }
}

fn draw_total(canvas: &mut Canvas, area: Rect, job: &Job) {
    let Some(ratio) = job.ratio() else {
        // Nobody knows how much it will be.
        let so_far = format!("{} so far", figures::bytes(job.moved_bytes()));
        canvas.text(area.x + 2, area.y, area.width.saturating_sub(2), &so_far, Role::Text);
        return;
    };
    let of = format!("{} of {}", figures::bytes(job.moved_bytes()), figures::bytes(job.total_bytes()));
    let percent = format!("{:>3.0} %", (ratio * 100.0).floor());
    let rates = job.rates();
    let curve = if area.width >= 90 && rates.len() > 1 { CURVE + 2 } else { 0 };
    let kept = match job.kept_bytes {
        1.. if job.again && area.width >= 90 => format!("   {} were kept", figures::bytes(job.kept_bytes)),
        _ => String::new(),
    };
    let words = format!("{percent}   {of}{kept}");
    let width = write::width(&words);
    let bar = area.width.saturating_sub(width + 4 + curve);
    let place = Rect { x: area.x + 2, width: bar, ..area };
    let role = if ratio >= 1.0 { Role::Ok } else { Role::Accent };
    Gauge { theme: canvas.theme, ratio, role }.render(place, canvas.buffer);
    canvas.text(place.right() + 2, area.y, width, &words, Role::Text);
    if curve > 0 {
        let most = rates.iter().copied().fold(1.0, f64::max);
        let x = area.right().saturating_sub(CURVE);
        canvas.text(x, area.y, CURVE, &sparkline(&rates, most, CURVE), Role::ChartNetwork);
    }
}

fn draw_part(canvas: &mut Canvas, area: Rect, job: &Job, index: usize) {
    let part = &job.parts[index];
    let (mark, role) = match part.stage {
        Stage::Waiting => ("·", Role::Dim),
        Stage::Checking => ("?", Role::Info),
        Stage::Receiving => ("↓", Role::Accent),
        Stage::Sending => ("↑", Role::Accent),
        Stage::Unpacking => ("▾", Role::Info),
        Stage::Failed => ("✗", Role::Error),
        _ => ("✓", Role::Ok),
    };
    canvas.text(area.x + 2, area.y, 1, mark, role);
    let label = if part.stage == Stage::Waiting { Role::Dim } else { Role::Text };
    canvas.text(area.x + 4, area.y, LABEL, &part.label, label);
    let wide = area.width >= 76;
    let moves = matches!(part.stage, Stage::Receiving | Stage::Sending) && job.is_running();
    let rate = job.part_rate(index).filter(|rate| moves && *rate >= 1.0);
    let words = stage_words(part, wide, job.is_running());
    let of = match part.stage {
        Stage::Receiving | Stage::Sending | Stage::Failed => {
            format!("{} of {}", figures::bytes(part.moved_bytes), figures::bytes(part.total_bytes))
        }
        _ => figures::bytes(part.total_bytes),
    };
    // From the right: what is done with it, the rate, the bytes; the bar takes the rest.
    let stage = if wide { 34 } else { 17 };
    let x = area.right().saturating_sub(stage);
    let role = match part.stage {
        Stage::Failed => Role::Error,
        Stage::Unpacking => Role::Info,
        stage if stage.is_over() => Role::Ok,
        _ => Role::Dim,
    };
    canvas.text(x, area.y, stage, &words, role);
    let mut end = x.saturating_sub(2);
    if wide {
        if let Some(rate) = rate {
            canvas.text_right(end, area.y, 8, &format!("{}/s", figures::bytes(rate as u64)), Role::Text);
        }
        end = end.saturating_sub(10);
        canvas.text_right(end, area.y, 14, &of, Role::Dim);
        end = end.saturating_sub(16);
    }
    let place = Rect { x: area.x + 5 + LABEL, width: end.saturating_sub(area.x + 5 + LABEL), ..area };
    let ratio = match part.stage {
        stage if stage.is_over() => 1.0,
        Stage::Waiting | Stage::Checking => 0.0,
        _ => part.moved_bytes as f64 / part.total_bytes.max(1) as f64,
    };
    let bar = match part.stage {
        Stage::Failed => Role::Error,
        Stage::Unpacking => Role::Info,
        stage if stage.is_over() => Role::Ok,
        _ => Role::Accent,
    };
    if place.width >= 4 {
        Gauge { theme: canvas.theme, ratio, role: bar }.render(place, canvas.buffer);
    }
}

/// What is done with a part, in words that need no colour.
fn stage_words(part: &Part, wide: bool, running: bool) -> String {
    let unpacked = figures::bytes(part.unpacked_bytes);
    let of = format!("{} of {}", figures::bytes(part.moved_bytes), figures::bytes(part.total_bytes));
    match (part.stage, wide) {
        (stage, _) if !running && !stage.is_over() && stage != Stage::Failed => "stopped".to_owned(),
        (Stage::Waiting, _) => "waiting".to_owned(),
        (Stage::Checking, true) => "asking the registry".to_owned(),
        (Stage::Checking, false) => "asking".to_owned(),
        (Stage::Receiving, true) if part.unpacked_bytes > 0 => format!("fetching · unpacking {unpacked}"),
        (Stage::Receiving, true) => "fetching".to_owned(),
        (Stage::Sending, true) => "sending".to_owned(),
        (Stage::Receiving | Stage::Sending, false) => of,
        (Stage::Unpacking, true) => format!("✓ verified · unpacking {unpacked}"),
        (Stage::Unpacking, false) => "✓ unpacking".to_owned(),
        (Stage::Unpacked, true) => format!("✓ verified ✓ unpacked {unpacked}"),
        (Stage::Unpacked, false) => format!("unpacked {unpacked}"),
        (Stage::Sent, _) => "sent".to_owned(),
        (Stage::IsHere, _) => "was here already".to_owned(),
        (Stage::IsThere, _) => "was there already".to_owned(),
        (Stage::Mounted, true) => "taken from another repository".to_owned(),
        (Stage::Mounted, false) => "taken over there".to_owned(),
        (Stage::Failed, _) => "failed".to_owned(),
    }
}
