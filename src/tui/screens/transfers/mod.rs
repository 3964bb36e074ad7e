//! Transfers: pulls and pushes under way and ended, several at once, each with a bar a layer. What ended early stays
//! here and can be taken up again.

mod draw;
mod job;

use ratatui::layout::Rect;

use self::draw::Line;
use self::job::{Job, State};
use crate::model::{ErrorKind, FilePlace, Timestamp};
use crate::tui::action::Problem;
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::{Command, Scope};
use crate::tui::effect::Effect;
use crate::tui::list_keys::draw_notice;
use crate::tui::step::{Page, Step};
use crate::tui::theme::Role;
use crate::tui::toast::Toast;
use crate::tui::transfer::{Progress, PullWish, TransferId, Wish};

/// Ended ones that are kept; the oldest goes.
const MOST_ENDED: usize = 40;

/// All transfers, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Transfers {
    jobs: Vec<Job>,
    /// Counts transfers.
    number: u64,
    selected: Option<TransferId>,
    /// The first line on the screen.
    first: usize,
}

impl Transfers {
    pub const SCOPES: &'static [Scope] = &[Scope::Transfers, Scope::List, Scope::Everywhere];

    /// Begins a transfer unless the same is under way; one that ended early is taken up in its place.
    pub fn start(&mut self, wish: Wish) -> Vec<Step> {
        if let Some(same) = self.jobs.iter().find(|job| job.wish == wish && job.is_running()) {
            self.selected = Some(same.id);
            return vec![Step::Toast(Toast::good(format!("{} is being {} already", wish.name(), wish.done())))];
        }
        let before = self.jobs.len();
        self.jobs.retain(|job| job.wish != wish);
        self.number += 1;
        let id = TransferId(self.number);
        let mut job = Job::new(id, wish.clone());
        job.again = self.jobs.len() < before;
        self.jobs.push(job);
        self.selected = Some(id);
        self.first = 0;
        self.forget_oldest();
        vec![Step::Do(Effect::Transfer { id, wish })]
    }

    fn forget_oldest(&mut self) {
        while self.jobs.iter().filter(|job| !job.is_running()).count() > MOST_ENDED {
            let Some(oldest) = self.jobs.iter().position(|job| !job.is_running()) else { return };
            self.jobs.remove(oldest);
        }
    }

    pub fn told(&mut self, id: TransferId, progress: Progress) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
            job.told(progress);
        }
    }

    /// A transfer has ended, well or not.
    pub fn ended(&mut self, id: TransferId, result: Result<String, Problem>, took_ms: u64) -> Vec<Step> {
        let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) else { return Vec::new() };
        let name = job.wish.name();
        let (state, toast) = match result {
            Ok(said) => {
                let text = if said.is_empty() { format!("{name} is {}", job.wish.done()) } else { said.clone() };
                job.note = said;
                (State::Done { took_ms }, Toast::good(text))
            }
            Err(problem) if problem.kind == ErrorKind::Cancelled => {
                let kept = if job.wish.is_resumable() { ": what has arrived is kept" } else { "" };
                (State::Cancelled, Toast::good(format!("{} {name} cancelled{kept}", job.wish.doing())))
            }
            Err(problem) => (State::Failed(problem.clone()), problem.into()),
        };
        job.state = state;
        self.forget_oldest();
        vec![Step::Toast(toast), Step::Do(Effect::ListImages)]
    }

    /// Once a second.
    pub fn look(&mut self, now: Timestamp) {
        self.jobs.iter_mut().for_each(|job| job.look(now));
    }

    /// What a transfer pulls, if it is a pull.
    pub fn pulling(&self, id: TransferId) -> Option<&PullWish> {
        match &self.jobs.iter().find(|job| job.id == id)?.wish {
            Wish::Pull(wish) => Some(wish),
            _ => None,
        }
    }

    /// The place that a transfer copies into, if it does.
    pub fn filling(&self, id: TransferId) -> Option<&FilePlace> {
        match &self.jobs.iter().find(|job| job.id == id)?.wish {
            Wish::CopyIn(wish) => Some(&wish.place),
            _ => None,
        }
    }

    /// Whether it changes what volumes there are, or what is in them.
    pub fn is_about_volumes(&self, id: TransferId) -> bool {
        self.jobs.iter().any(|job| job.id == id && matches!(job.wish, Wish::VolumeImport(_)))
    }

    pub fn count_running(&self) -> usize {
        self.jobs.iter().filter(|job| job.is_running()).count()
    }

    /// Cancels the newest one under way.
    pub fn cancel_newest(&mut self) -> Vec<Step> {
        cancel(self.jobs.iter_mut().rev().find(|job| job.state == State::Running))
    }

    /// Cancels one, if it is under way.
    pub fn cancel(&mut self, id: TransferId) -> Vec<Step> {
        cancel(self.jobs.iter_mut().find(|job| job.id == id && job.state == State::Running))
    }

    /// The jobs as they are shown, the newest first.
    fn shown(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().rev()
    }

    /// The one that commands are about: the chosen, else the newest.
    fn selected(&self) -> Option<&Job> {
        self.jobs.iter().find(|job| Some(job.id) == self.selected).or(self.jobs.last())
    }

    pub fn command(&mut self, command: Command, height: usize) -> Vec<Step> {
        let Some(id) = self.selected().map(|job| job.id) else {
            return if command == Command::Back { vec![Step::Back] } else { Vec::new() };
        };
        let page = isize::try_from(height.max(2) - 1).unwrap_or(1);
        match command {
            Command::Back => return vec![Step::Back],
            Command::Up => self.go(-1, height),
            Command::Down => self.go(1, height),
            Command::Top => self.go(isize::MIN, height),
            Command::Bottom => self.go(isize::MAX, height),
            Command::PageUp => self.scroll(-page, height),
            Command::PageDown => self.scroll(page, height),
            Command::CancelTransfer => return self.cancel(id),
            Command::ResumeTransfer => return self.resume(id),
            Command::ForgetTransfer => return self.forget(id),
            Command::ForgetEnded => self.jobs.retain(Job::is_running),
            Command::OpenTransfer => return self.open(id),
            _ => {}
        }
        Vec::new()
    }

    fn resume(&mut self, id: TransferId) -> Vec<Step> {
        match self.jobs.iter().find(|job| job.id == id) {
            Some(job) if !job.is_running() => {
                let wish = job.wish.clone();
                self.start(wish)
            }
            Some(job) => vec![Step::Toast(Toast::good(format!("{} is under way", job.wish.name())))],
            None => Vec::new(),
        }
    }

    fn forget(&mut self, id: TransferId) -> Vec<Step> {
        if self.jobs.iter().any(|job| job.id == id && job.is_running()) {
            let text = "it is under way".to_owned();
            return vec![Step::Toast(Toast::bad(text, Some("cancel it first".to_owned())))];
        }
        let at = self.shown().position(|job| job.id == id).unwrap_or(0);
        self.jobs.retain(|job| job.id != id);
        let last = self.jobs.len().saturating_sub(1);
        let beside = self.shown().nth(at.min(last)).map(|job| job.id);
        self.selected = beside;
        Vec::new()
    }

    /// What has arrived, where it is listed.
    fn open(&self, id: TransferId) -> Vec<Step> {
        match self.jobs.iter().find(|job| job.id == id) {
            Some(Job { state: State::Done { .. }, wish: Wish::Pull(wish), .. }) => {
                vec![Step::ShowImage(wish.reference.clone())]
            }
            Some(_) => vec![Step::Show(Page::Images)],
            None => Vec::new(),
        }
    }

    fn go(&mut self, jobs: isize, height: usize) {
        let ids: Vec<TransferId> = self.shown().map(|job| job.id).collect();
        let Some(last) = ids.len().checked_sub(1) else { return };
        let at = self.selected().and_then(|job| ids.iter().position(|id| *id == job.id)).unwrap_or(0);
        self.selected = Some(ids[at.saturating_add_signed(jobs).min(last)]);
        // The chosen one's head in sight, with as much below it as fits.
        let lines = self.lines();
        let is_head = |line: &Line| matches!(line, Line::Head(job) if Some(job.id) == self.selected);
        let head = lines.iter().position(is_head).unwrap_or(0);
        let behind = lines[head..].iter().skip(1).position(|line| matches!(line, Line::Head(_)));
        let end = head + behind.map_or(lines.len() - head, |lines| lines + 1);
        self.first = self.first.max(end.saturating_sub(height)).min(head);
    }

    fn scroll(&mut self, lines: isize, height: usize) {
        let most = self.lines().len().saturating_sub(height);
        self.first = self.first.saturating_add_signed(lines).min(most);
    }

    pub fn wheel(&mut self, lines: isize, height: usize) {
        self.scroll(lines, height);
    }

    /// A click on one selects it.
    pub fn click(&mut self, target: Target) -> Vec<Step> {
        if let Target::Row(row) = target {
            let clicked = self.shown().nth(row).map(|job| job.id);
            self.selected = clicked;
        }
        Vec::new()
    }

    /// Every line there is to draw: the chosen one and all under way with their parts.
    fn lines(&self) -> Vec<Line<'_>> {
        let selected = self.selected().map(|job| job.id);
        self.shown().flat_map(|job| draw::lines(job, job.is_running() || Some(job.id) == selected)).collect()
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        canvas.seen.text_height = usize::from(area.height);
        if self.jobs.is_empty() {
            return draw_notice(
                canvas,
                area,
                &[
                    "Nothing is being moved.",
                    "",
                    "Press 3 to search a registry; Enter on a finding pulls it.",
                    "Press 2 for the images: there they are pushed, saved and loaded.",
                ],
            );
        }
        let lines = self.lines();
        let height = usize::from(area.height);
        let first = self.first.min(lines.len().saturating_sub(height));
        let selected = self.selected().map(|job| job.id);
        for (line, y) in lines.iter().skip(first).zip(area.y..area.bottom()) {
            if let Line::Head(job) = line {
                let whole = Rect { y, height: 1, ..area };
                let row = self.shown().position(|shown| shown.id == job.id).unwrap_or(0);
                canvas.hit(whole, Target::Row(row));
                if Some(job.id) == selected {
                    canvas.ground(whole, Role::Selected);
                    canvas.text(area.x, y, 1, "▌", Role::Accent);
                }
            }
            line.draw(canvas, Rect { x: area.x + 2, y, width: area.width.saturating_sub(4), height: 1 });
        }
        canvas.scrollbar(area, first, height, lines.len());
    }

    /// The place for a screen, and below it for what is under way, if anything is.
    pub fn split(&self, area: Rect) -> (Rect, Option<Rect>) {
        let wanted: usize = self.under_way().map(|job| draw::lines(job, true).len()).sum();
        if wanted == 0 || area.height < 8 {
            return (area, None);
        }
        let height = u16::try_from(wanted + 1).unwrap_or(u16::MAX).min(area.height / 2);
        let above = Rect { height: area.height - height, ..area };
        (above, Some(Rect { y: above.bottom(), height, ..area }))
    }

    fn under_way(&self) -> impl Iterator<Item = &Job> {
        self.shown().filter(|job| job.is_running())
    }

    /// What is under way, below another screen.
    pub fn draw_below(&self, canvas: &mut Canvas, area: Rect) {
        canvas.rule(Rect { height: 1, ..area }, Role::Border);
        let lines: Vec<Line> = self.under_way().flat_map(|job| draw::lines(job, true)).collect();
        let room = usize::from(area.height).saturating_sub(1);
        // With more than has room the parts give way.
        let lines: Vec<Line> = match lines.len() > room {
            true => self.under_way().flat_map(|job| draw::lines(job, self.count_running() == 1)).collect(),
            false => lines,
        };
        for (line, y) in lines.iter().zip(area.y + 1..area.bottom()) {
            let place = Rect { x: area.x + 2, y, width: area.width.saturating_sub(4), height: 1 };
            canvas.hit(place, Target::Command(Command::ShowTransfers));
            line.draw(canvas, place);
        }
    }
}

fn cancel(job: Option<&mut Job>) -> Vec<Step> {
    let Some(job) = job else { return Vec::new() };
    job.state = State::Cancelling;
    vec![Step::Do(Effect::CancelTransfer { id: job.id })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::transfer::PullWish;

    fn pull(reference: &str) -> Wish {
        Wish::Pull(PullWish::new(reference))
    }

    fn failed() -> Problem {
        Problem { message: "no".to_owned(), hint: None, kind: ErrorKind::Network }
    }

    #[test]
    fn the_same_is_not_moved_twice_at_a_time_but_again_after_it_failed() {
        let mut transfers = Transfers::default();
        assert!(matches!(transfers.start(pull("a"))[..], [Step::Do(Effect::Transfer { id: TransferId(1), .. })]));
        assert!(matches!(transfers.start(pull("a"))[..], [Step::Toast(_)]));
        transfers.ended(TransferId(1), Err(failed()), 5);
        assert_eq!(transfers.count_running(), 0);
        let steps = transfers.command(Command::ResumeTransfer, 10);
        assert!(matches!(steps[..], [Step::Do(Effect::Transfer { id: TransferId(2), .. })]));
        assert_eq!(transfers.jobs.len(), 1);
        assert!(transfers.jobs[0].again);
    }

    #[test]
    fn only_what_has_ended_can_be_forgotten() {
        let mut transfers = Transfers::default();
        transfers.start(pull("a"));
        transfers.start(pull("b"));
        assert!(matches!(transfers.command(Command::ForgetTransfer, 10)[..], [Step::Toast(_)]));
        transfers.ended(TransferId(2), Ok(String::new()), 5);
        transfers.command(Command::ForgetTransfer, 10);
        assert_eq!(transfers.jobs.len(), 1);
        assert_eq!(transfers.selected().map(|job| job.id), Some(TransferId(1)));
    }

    #[test]
    fn ended_ones_are_kept_up_to_a_number() {
        let mut transfers = Transfers::default();
        for number in 0..MOST_ENDED + 5 {
            transfers.start(pull(&format!("image-{number}")));
            transfers.ended(TransferId(transfers.number), Err(failed()), 5);
        }
        assert_eq!(transfers.jobs.len(), MOST_ENDED);
        transfers.command(Command::ForgetEnded, 10);
        assert!(transfers.jobs.is_empty());
    }
}
