//! What is asked about several images at once.

use std::collections::BTreeMap;

use crate::engine::{Engine, EngineError};
use crate::model::{Digest, ImageSummary, PruneFilter, PruneScope, Pruned, Timestamp};
use crate::tui::action::Problem;
use crate::tui::effect::PruneWish;

/// Removes names; what to say when it is done. The first failure ends it.
pub fn remove(engine: &Engine, images: &[String], force: bool) -> Result<String, Problem> {
    for (done, image) in images.iter().enumerate() {
        engine.image_remove(image, force).map_err(|error| {
            let problem = Problem::from(error);
            let before = if done > 0 { format!(" ({done} removed before it)") } else { String::new() };
            Problem { message: format!("{}{before}", problem.message), ..problem }
        })?;
    }
    Ok(match images {
        [image] => format!("{image} removed"),
        images => format!("{} images removed", images.len()),
    })
}

/// Bytes that removing these names would free: only images that lose their last name go.
pub fn would_free(engine: &Engine, images: &[String]) -> Result<u64, EngineError> {
    let mut names: BTreeMap<String, Vec<ImageSummary>> = BTreeMap::new();
    for image in engine.images()? {
        if let Some(id) = &image.id {
            names.entry(id.to_string()).or_default().push(image);
        }
    }
    let goes = |rows: &&Vec<ImageSummary>| rows.iter().all(|row| images.contains(&row.label()));
    let gone: Vec<String> = names.values().filter(goes).filter_map(|rows| Some(rows.first()?.label())).collect();
    if gone.is_empty() { Ok(0) } else { engine.remove_preview(&gone) }
}

/// What a wish lets pass, counted from now.
pub fn filter(wish: &PruneWish) -> PruneFilter {
    let hours = wish.older_hours.and_then(|hours| i64::try_from(hours).ok());
    let until = hours.and_then(|hours| Timestamp::now().0.checked_sub(jiff::SignedDuration::from_hours(hours)).ok());
    PruneFilter { all: wish.all, until: until.map(Timestamp), ..PruneFilter::default() }
}

pub fn prune(engine: &Engine, wish: &PruneWish) -> Result<Pruned, EngineError> {
    let filter = filter(wish);
    match wish.scope {
        PruneScope::Images => engine.image_prune(&filter),
        PruneScope::Containers => engine.container_prune(&filter),
        PruneScope::System => engine.system_prune(&filter),
    }
}

/// Every image's name and layers; one that cannot be read has none to show.
pub fn stacks(engine: &Engine) -> Vec<(String, Vec<Digest>)> {
    let images = engine.images().unwrap_or_default();
    let own = images.iter().filter(|image| !image.is_host);
    own.filter_map(|image| Some((image.label(), engine.image_inspect(&image.label()).ok()?.layers))).collect()
}
