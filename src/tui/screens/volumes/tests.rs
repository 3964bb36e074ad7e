//! Keys and tellings of the volumes.

use super::*;
use crate::model::{FilePlace, Pruned, Size};
use crate::tui::action::{Problem, Told};
use crate::tui::app::App;
use crate::tui::frames::files::looked;
use crate::tui::frames::volumes::volumes;
use crate::tui::frames::{draw, press, tell, text, type_text};
use crate::tui::sample;
use crate::tui::step::Page;
use crate::tui::transfer::Wish;
use crate::tui::volume_deed::{VolumePrune, VolumeTold};

fn app() -> App {
    let mut app = sample::app(Size { columns: 130, rows: 40 });
    draw(&mut app);
    app
}

#[test]
fn volumes_are_listed_at_once_and_then_measured() {
    let mut app = app();
    let effects = press(&mut app, "7");
    let deeds = [Effect::Volume(VolumeDeed::List), Effect::Volume(VolumeDeed::Measure)];
    assert_eq!(effects, deeds);
    tell(&mut app, Told::Volume(VolumeTold::Volumes(Ok(sample::volumes::volumes()))));
    // A later list without sizes does not forget them.
    let bare = sample::volumes::volumes().into_iter().map(|volume| VolumeSummary { size_bytes: None, ..volume });
    tell(&mut app, Told::Volume(VolumeTold::Volumes(Ok(bare.collect()))));
    assert!(text(&draw(&mut app)).contains("734 M"));
}

#[test]
fn enter_walks_through_a_volumes_files_and_esc_comes_back() {
    let mut app = app();
    volumes(&mut app);
    let effects = press(&mut app, "end up up enter");
    assert_eq!(app.page, Page::Files(FilePlace::Volume("site".to_owned())));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::ListFiles { place: FilePlace::Volume(_), .. })));
    press(&mut app, "esc");
    assert_eq!(app.page, Page::Volumes);
}

#[test]
fn volumes_in_use_are_not_removed_and_marked_ones_among_them_stay() {
    let mut app = app();
    volumes(&mut app);
    press(&mut app, "end up up d");
    assert!(app.dialogs.is_empty());
    press(&mut app, "esc ctrl-a d");
    let effects = press(&mut app, "y");
    let [Effect::Volume(VolumeDeed::Remove(names))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(names.len(), 2);
}

#[test]
fn enter_alone_removes_nothing() {
    let mut app = app();
    volumes(&mut app);
    assert!(press(&mut app, "end d enter").is_empty());
}

#[test]
fn prune_asks_what_goes_before_it_asks_whether() {
    let mut app = app();
    volumes(&mut app);
    let effects = press(&mut app, "x");
    assert_eq!(effects, [Effect::Volume(VolumeDeed::PreviewPrune(VolumePrune { all: false }))]);
    let wish = VolumePrune { all: true };
    assert_eq!(press(&mut app, "space"), [Effect::Volume(VolumeDeed::PreviewPrune(wish))]);
    tell(&mut app, Told::Volume(VolumeTold::WouldPrune { wish, result: Ok(sample::volumes::pruned()) }));
    assert!(text(&draw(&mut app)).contains("Frees 12 KiB: 2 volumes."));
    assert_eq!(press(&mut app, "enter y"), [Effect::Volume(VolumeDeed::Prune(wish))]);
}

#[test]
fn volume_is_made_with_its_labels() {
    let mut app = app();
    press(&mut app, "7 n");
    type_text(&mut app, "data");
    press(&mut app, "tab");
    type_text(&mut app, "team='web and more' tier");
    let effects = press(&mut app, "enter");
    let [Effect::Volume(VolumeDeed::Create(wish))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(wish.name.as_ref().map(VolumeName::as_str), Some("data"));
    assert_eq!(wish.labels.get("team").map(String::as_str), Some("web and more"));
    assert_eq!(wish.labels.get("tier").map(String::as_str), Some(""));
}

fn refusal(message: &str) -> Problem {
    Problem { message: message.to_owned(), hint: None, kind: crate::model::ErrorKind::NotFound }
}

#[test]
fn archive_that_cannot_be_opened_is_said_in_the_form_with_what_was_typed() {
    let mut app = app();
    volumes(&mut app);
    press(&mut app, "end up up I");
    type_text(&mut app, "/tmp/x.tar");
    let effects = press(&mut app, "down enter");
    assert!(looked(&mut app, &effects, Err(refusal("cannot open /tmp/x.tar: No such file"))).is_empty());
    let screen = text(&draw(&mut app));
    assert!(screen.contains("✗ File         /tmp/x.tar"), "{screen}");
    assert!(screen.contains("cannot open /tmp/x.tar: No such file"), "{screen}");
    // The row that it is about has the keys again.
    type_text(&mut app, ".gz");
    let effects = press(&mut app, "enter");
    let [Effect::LookAtFiles(wish)] = &effects[..] else { panic!("{effects:?}") };
    let Wish::VolumeImport(wish) = &**wish else { panic!("{wish:?}") };
    assert_eq!(wish.path.to_string_lossy(), "/tmp/x.tar.gz");
}

#[test]
fn volume_that_is_refused_keeps_its_form_and_one_that_is_made_closes_it() {
    let mut app = app();
    press(&mut app, "7 n");
    type_text(&mut app, "data");
    press(&mut app, "enter");
    tell(&mut app, Told::Volume(VolumeTold::Done(Err(refusal("a volume called data has other options")))));
    let screen = text(&draw(&mut app));
    assert!(screen.contains("✗ Name         data") && screen.contains("has other options"), "{screen}");
    press(&mut app, "enter");
    let volumes = sample::volumes::volumes();
    let name = volumes[1].volume.name.clone();
    let text = "volume postgres-data is there".to_owned();
    tell(&mut app, Told::Volume(VolumeTold::Created { name: name.clone(), text, volumes: Some(volumes) }));
    assert!(app.dialogs.is_empty());
    // The next key is about it, although no other list has come yet.
    let effects = press(&mut app, "enter");
    let of_it = |effect: &Effect| matches!(effect, Effect::ListFiles { place: FilePlace::Volume(volume), .. } if *volume == name.as_str());
    assert!(effects.iter().any(of_it), "{effects:?}");
}

#[test]
fn prune_of_nothing_says_so_and_asks_nothing() {
    let mut app = app();
    volumes(&mut app);
    press(&mut app, "x");
    // Too early: what would go is not known yet, and then it is nothing.
    assert!(press(&mut app, "enter").is_empty());
    let wish = VolumePrune { all: false };
    tell(&mut app, Told::Volume(VolumeTold::WouldPrune { wish, result: Ok(Pruned::default()) }));
    let screen = text(&draw(&mut app));
    assert!(app.dialogs.len() == 1 && screen.contains("No unused volume is anonymous"), "{screen}");
    assert!(!screen.contains("Remove (enter)"), "{screen}");
    assert!(press(&mut app, "enter").is_empty() && app.dialogs.len() == 1);
}

#[test]
fn enter_before_it_is_known_what_goes_counts_when_it_is_known() {
    let mut app = app();
    volumes(&mut app);
    press(&mut app, "x enter");
    assert_eq!(app.dialogs.len(), 1);
    let wish = VolumePrune { all: false };
    tell(&mut app, Told::Volume(VolumeTold::WouldPrune { wish, result: Ok(sample::volumes::pruned()) }));
    assert_eq!(app.dialogs.len(), 2);
    // The question is cancelled: the form is still there. Answered, it waits, and stays with what went wrong.
    press(&mut app, "esc");
    assert_eq!(app.dialogs.len(), 1);
    assert_eq!(press(&mut app, "enter y"), [Effect::Volume(VolumeDeed::Prune(wish))]);
    tell(&mut app, Told::Volume(VolumeTold::Pruned(Err(refusal("cannot remove data: busy")))));
    let screen = text(&draw(&mut app));
    assert!(app.dialogs.len() == 1 && screen.contains("cannot remove data: busy"), "{screen}");
}

#[test]
fn mounts_of_a_running_container_are_shown_and_how_to_change_them() {
    let mut app = app();
    press(&mut app, "home M");
    let screen = text(&draw(&mut app));
    assert!(
        screen.contains("site → /srv/site") && screen.contains("what it sees is settled when it starts"),
        "{screen}"
    );
}

#[test]
fn archives_go_out_and_in_as_transfers() {
    let mut app = app();
    volumes(&mut app);
    let effects = press(&mut app, "end up up E enter");
    let effects = looked(&mut app, &effects, Ok(()));
    assert!(matches!(&effects[..], [Effect::Transfer { wish: Wish::VolumeExport(_), .. }]), "{effects:?}");
    press(&mut app, "I");
    type_text(&mut app, "/tmp/x.tar");
    let effects = press(&mut app, "enter");
    let effects = looked(&mut app, &effects, Ok(()));
    let [Effect::Transfer { id, wish: Wish::VolumeImport(wish) }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(wish.name.as_str(), "site");
    let effects = tell(&mut app, Told::TransferEnd { id: *id, result: Ok(String::new()), took_ms: 1 });
    assert!(effects.contains(&Effect::Volume(VolumeDeed::Measure)));
}
