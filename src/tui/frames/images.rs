//! Scenes about images: their layers, and the explorer of these.

use super::{Scene, press, problem, tell, type_text};
use crate::model::PruneScope;
use crate::tui::action::Told;
use crate::tui::app::App;
use crate::tui::effect::PruneWish;
use crate::tui::sample;
use crate::tui::screens::layers::tree::Tree;

pub const SCENES: &[Scene] = &[
    ("containers-marked", |app| {
        press(app, "home space space down space");
    }),
    ("containers-marked-stop", |app| {
        press(app, "ctrl-a s");
    }),
    ("containers-marked-remove", |app| {
        press(app, "ctrl-a d");
    }),
    ("images-details", details),
    ("usage", |app| {
        press(app, "2 U");
        tell(app, Told::DiskUsage(Ok(Box::new(sample::disk_usage()))));
        press(app, "down");
    }),
    ("usage-error", |app| {
        press(app, "U");
        tell(app, Told::DiskUsage(Err(problem())));
    }),
    ("diff", |app| {
        press(app, "down D");
        tell(app, Told::Diffed { id: sample::id(2), result: Ok(sample::changes()) });
        press(app, "down down");
    }),
    ("diff-empty", |app| {
        press(app, "D");
        tell(app, Told::Diffed { id: sample::id(1), result: Ok(Vec::new()) });
    }),
    ("tag", |app| {
        press(app, "2 end t");
        type_text(app, "localhost:5000/team/Rust");
    }),
    ("push", |app| {
        press(app, "2 end P tab space");
    }),
    ("save", |app| {
        press(app, "2 end s");
        let typed = "rust-1.90.tar".to_owned();
        let names = vec!["rust-1.90.tar".to_owned(), "rust-1.90.tar.old".to_owned()];
        tell(app, Told::PathCompleted { path: typed.clone(), typed, names });
    }),
    ("load", |app| {
        press(app, "2 L enter");
    }),
    ("commit", |app| {
        press(app, "down C");
        type_text(app, "my/web:2");
        press(app, "tab");
        type_text(app, "with the \u{1b}[7mnew certificates");
    }),
    ("export", |app| {
        press(app, "E");
    }),
    ("prune", |app| {
        press(app, "2 x space");
        let wish = PruneWish { scope: PruneScope::System, all: false, older_hours: None };
        tell(app, Told::WouldPrune { wish, result: Ok(sample::pruned()) });
    }),
    ("prune-ask", |app| {
        press(app, "2 x");
        let wish = PruneWish { scope: PruneScope::Images, all: false, older_hours: None };
        tell(app, Told::WouldPrune { wish, result: Ok(sample::pruned()) });
        press(app, "enter");
    }),
    ("images-marked-remove", |app| {
        press(app, "2 end space up up space d");
        let images = vec!["rust:1.90".to_owned(), "nginx:1.27".to_owned()];
        tell(app, Told::WouldFree { images, result: Ok(1690 << 20) });
    }),
    ("layers", |app| {
        layers(app, 0..4);
        press(app, "[ [ tab down");
    }),
    ("layers-lowest", |app| {
        layers(app, 0..4);
        press(app, "home tab e");
    }),
    ("layers-reading", |app| layers(app, 2..4)),
    ("layers-filter", |app| {
        layers(app, 0..4);
        press(app, "[ [ /");
        type_text(app, "nginx");
    }),
    ("layers-removed", |app| {
        layers(app, 0..4);
        press(app, "f f f");
    }),
    ("layers-wasted", |app| {
        layers(app, 0..4);
        press(app, "w");
    }),
    ("layers-error", |app| {
        press(app, "2 end l");
        tell(app, Told::ImageInspected { image: "rust:1.90".to_owned(), result: Err(problem()) });
    }),
];

/// The images with nginx:1.27 selected and known.
pub fn details(app: &mut App) {
    app.images.list.select("nginx:1.27".to_owned());
    press(app, "2");
    let image = "nginx:1.27".to_owned();
    tell(app, Told::ImageInspected { image, result: Ok(Box::new(sample::image_inspect())) });
    tell(app, Told::Stacks(sample::stacks()));
}

/// The explorer of nginx:1.27 with some of its layers read.
pub fn layers(app: &mut App, read: std::ops::Range<usize>) {
    let image = "nginx:1.27".to_owned();
    app.images.list.select(image.clone());
    press(app, "2 l");
    tell(app, Told::ImageInspected { image: image.clone(), result: Ok(Box::new(sample::image_inspect())) });
    for layer in read.rev() {
        let tree = Box::new(Tree::new(&sample::layer_contents(layer)));
        tell(app, Told::LayerLoaded { image: image.clone(), layer, result: Ok(tree) });
    }
    super::draw(app);
}
