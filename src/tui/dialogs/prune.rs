//! The prune form: what is unused can go, and what that frees is seen before.

use super::Dialog;
use super::about::About;
use super::confirm::Confirm;
use super::form::{Form, Row, Wrong};
use super::form_sent::{Preview, failed};
use crate::model::{PruneScope, Pruned};
use crate::tui::action::Problem;
use crate::tui::effect::{Effect, PruneWish};
use crate::tui::figures;
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::toast::wrap;

const CONTAINERS: usize = 0;
const IMAGES: usize = 1;
const OLDER: usize = 2;

/// Cells of the lines that say what goes.
const NOTE: usize = 66;

/// The form, and the first question what would go.
pub fn open(containers: bool) -> Vec<Step> {
    let rows = vec![
        Row::switch("Containers", containers, "space changes it: those that do not run, with their files and logs"),
        Row::choice(
            "Images",
            &["none", "nameless", "all unused"],
            usize::from(!containers),
            "nameless ones are what is left when a name went to a newer image",
        ),
        Row::text("Older than", "", "any age", "hours or days, such as 24h or 7d; empty takes them all"),
    ];
    let form = Form::new(About::Prune, "Prune what is unused", "Remove", rows).looking();
    let mut steps = changed(&form);
    steps.insert(0, Step::Open(Box::new(Dialog::Form(Box::new(form)))));
    steps
}

/// Hours of `24h` or `7d`.
fn hours(text: &str) -> Result<Option<u64>, String> {
    let wrong = || format!("{text:?} is no age: write 24h or 7d");
    if text.is_empty() {
        return Ok(None);
    }
    let (number, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let number: u64 = number.trim().parse().map_err(|_| wrong())?;
    let hours = match unit {
        "h" => number,
        "d" => number.checked_mul(24).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    // More than there is time behind us.
    if hours > 24 * 365 * 50 { Err(wrong()) } else { Ok(Some(hours)) }
}

fn wish(form: &Form) -> Result<PruneWish, Vec<Wrong>> {
    let older_hours = hours(&form.text(OLDER)).map_err(|error| vec![(OLDER, error)])?;
    let scope = match (form.is_on(CONTAINERS), form.chosen(IMAGES)) {
        (true, 0) => PruneScope::Containers,
        (true, _) => PruneScope::System,
        (false, 0) => return Err(vec![(CONTAINERS, "choose containers, images or both".to_owned())]),
        (false, _) => PruneScope::Images,
    };
    Ok(PruneWish { scope, all: form.chosen(IMAGES) == 2, older_hours })
}

pub fn changed(form: &Form) -> Vec<Step> {
    wish(form).map_or_else(|_| Vec::new(), |wish| vec![Step::Do(Effect::PreviewPrune(wish))])
}

/// Enter asks once more, with what goes.
pub fn apply(form: &Form) -> Result<Vec<Step>, Vec<Wrong>> {
    let wish = wish(form)?;
    let notes = form.notes.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join(" ");
    let question = Confirm::grave("Remove what is unused?", notes, "Remove", Effect::Prune(wish)).of_form();
    Ok(vec![Step::Open(Box::new(Dialog::Confirm(question)))])
}

/// What would go has been found out.
pub fn told(form: &mut Form, asked: &PruneWish, result: &Result<Pruned, Problem>) -> Vec<Step> {
    if form.about != About::Prune || wish(form).as_ref() != Ok(asked) {
        return Vec::new();
    }
    match result {
        Ok(pruned) if pruned.containers.is_empty() && pruned.images.is_empty() && pruned.partial == 0 => {
            form.previewed(Preview::Nothing, vec![("Nothing of that is unused.".to_owned(), Role::Text)])
        }
        Ok(pruned) => form.previewed(Preview::Something, notes(pruned)),
        Err(problem) => form.previewed(Preview::Failed, failed(problem)),
    }
}

fn notes(pruned: &Pruned) -> Vec<(String, Role)> {
    let mut notes =
        vec![(format!("Frees {}: {}.", figures::bytes_long(pruned.freed_bytes), parts(pruned)), Role::Accent)];
    let containers = pruned.containers.iter().map(|(_, name)| name.to_string());
    let images = pruned.images.iter().map(|image| match image.references.first() {
        Some(reference) => reference.familiar(),
        None => image.id.short().to_owned(),
    });
    let names = containers.chain(images).collect::<Vec<_>>().join(", ");
    notes.extend(wrap(&names, NOTE).into_iter().take(3).map(|line| (line, Role::Text)));
    notes
}

/// `2 containers, 1 image`.
pub fn parts(pruned: &Pruned) -> String {
    let count = |count: usize, word: &str| match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        count => Some(format!("{count} {word}s")),
    };
    let parts = [
        count(pruned.containers.len(), "container"),
        count(pruned.images.len(), "image"),
        count(pruned.volumes.len(), "volume"),
        count(pruned.partial, "broken-off download"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_hours_or_days() {
        assert_eq!(hours("24h"), Ok(Some(24)));
        assert_eq!(hours("7d"), Ok(Some(168)));
        assert_eq!(hours(""), Ok(None));
        for text in ["x", "7", "d", "7w", "99999999999999999999d", "7é", "18446744073709551615d"] {
            assert!(hours(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_goes_is_counted_in_words() {
        let pruned = Pruned { partial: 2, ..Pruned::default() };
        assert_eq!(parts(&pruned), "2 broken-off downloads");
        assert_eq!(parts(&Pruned::default()), "nothing");
    }
}
