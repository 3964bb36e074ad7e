//! The layer explorer's keys: what is asked for, what opens, where one stands.

use super::tree::tests::entry;
use super::*;
use crate::model::{FileSort, LayerContents};
use crate::tui::sample;

fn contents(paths: &[&str]) -> Box<Tree> {
    let entries =
        paths.iter().map(|path| entry(path, crate::model::LayerChange::Added, FileSort::Regular, 10, 0)).collect();
    Box::new(Tree::new(&LayerContents { diff_id: sample::digest(1), entries, bytes: 10, wasted_bytes: 0 }))
}

fn asked(steps: &[Step]) -> Option<usize> {
    match steps {
        [Step::Do(Effect::LoadLayer { layer, .. })] => Some(*layer),
        _ => None,
    }
}

/// Two layers, the upper one loaded.
fn opened() -> Layers {
    let mut layers = Layers::default();
    layers.open("x");
    let steps = layers.told_image("x", &Ok(Box::new(sample::image_inspect())));
    let top = sample::image_inspect().layers.len() - 1;
    assert_eq!(asked(&steps), Some(top));
    let paths = ["usr/bin/a", "usr/bin/b", "usr/lib/c"];
    assert_eq!(asked(&layers.loaded("x", top, Ok(contents(&paths)))), Some(top - 1));
    layers
}

fn shown(layers: &Layers) -> Vec<String> {
    let tree = layers.tree().expect("loaded");
    layers.rows.iter().map(|row| tree.path(*row)).collect()
}

#[test]
fn folders_are_open_until_there_is_a_choice() {
    assert_eq!(shown(&opened()), ["/usr", "/usr/bin", "/usr/lib"]);
}

#[test]
fn one_layer_is_read_at_a_time_and_the_chosen_one_first() {
    let mut layers = opened();
    // One is being read: the chosen one waits for it.
    assert!(layers.command(Command::LayerBelow, 10).is_empty());
    let next = layers.layer;
    assert!(layers.loaded("other", 0, Ok(contents(&["x"]))).is_empty());
    assert!(matches!(layers.slots[next], Slot::Asked));
}

#[test]
fn right_opens_and_left_closes_and_then_leads_up_and_out() {
    let mut layers = opened();
    layers.command(Command::LayerPane, 10);
    layers.command(Command::Down, 10);
    layers.command(Command::LayerOpen, 10);
    assert_eq!(shown(&layers), ["/usr", "/usr/bin", "/usr/bin/a", "/usr/bin/b", "/usr/lib"]);
    layers.command(Command::LayerOpen, 10);
    assert_eq!(layers.cursor.index, 2);
    layers.command(Command::LayerClose, 10);
    assert_eq!(layers.cursor.index, 1);
    layers.command(Command::LayerClose, 10);
    assert_eq!(shown(&layers), ["/usr", "/usr/bin", "/usr/lib"]);
    layers.command(Command::LayerClose, 10);
    layers.command(Command::LayerClose, 10);
    assert_eq!(shown(&layers), ["/usr"]);
    layers.command(Command::LayerClose, 10);
    assert_eq!(layers.focus, Focus::Layers);
}

#[test]
fn closing_one_folder_of_all_that_are_open_keeps_the_others_open() {
    let mut layers = opened();
    layers.command(Command::LayerPane, 10);
    layers.command(Command::LayerAllOpen, 10);
    assert_eq!(layers.rows.len(), 6);
    layers.command(Command::Down, 10);
    layers.command(Command::LayerClose, 10);
    assert_eq!(shown(&layers), ["/usr", "/usr/bin", "/usr/lib", "/usr/lib/c"]);
}

#[test]
fn filter_is_typed_and_back_clears_it_before_it_leaves() {
    let mut layers = opened();
    layers.command(Command::Filter, 10);
    for letter in "LIB".chars() {
        assert!(layers.typed(&KeyCode::Char(letter).into()));
    }
    assert_eq!(shown(&layers), ["/usr", "/usr/lib", "/usr/lib/c"]);
    assert!(layers.typed(&KeyCode::Enter.into()));
    assert!(layers.command(Command::Back, 10).is_empty());
    assert!(matches!(layers.command(Command::Back, 10)[..], [Step::Back]));
}

#[test]
fn waste_of_all_layers_is_listed_and_leads_to_its_place() {
    let mut layers = opened();
    let entries = vec![entry("var/lib/big", crate::model::LayerChange::Removed, FileSort::Absent, 0, 900)];
    let tree = Tree::new(&LayerContents { diff_id: sample::digest(2), entries, bytes: 0, wasted_bytes: 900 });
    let below = layers.layer - 1;
    layers.loaded("x", below, Ok(Box::new(tree)));
    assert_eq!(layers.whole().1, 900);
    layers.command(Command::LayerWasted, 10);
    assert_eq!(layers.count(), 1);
    layers.command(Command::LayerToggle, 10);
    assert_eq!(layers.layer, below);
    assert_eq!(layers.here().map(|node| layers.tree().expect("loaded").path(node)), Some("/var/lib/big".to_owned()));
}

#[test]
fn mode_is_written_as_ls_does() {
    let mut wanted = entry("bin/su", crate::model::LayerChange::Added, FileSort::Regular, 1, 0);
    wanted.mode = 0o4755;
    let tree =
        Tree::new(&LayerContents { diff_id: sample::digest(1), entries: vec![wanted], bytes: 1, wasted_bytes: 0 });
    assert_eq!(super::draw::mode_of(&tree, 1), "-rwsr-xr-x");
}
