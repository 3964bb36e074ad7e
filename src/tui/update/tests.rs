//! Keys, clicks and tellings, and what they lead to.

use crossterm::event::KeyModifiers;

use super::*;
use crate::model::PruneScope;
use crate::model::Size;
use crate::tui::action::Told;
use crate::tui::effect::PruneWish;
use crate::tui::effect::Verb;
use crate::tui::frames::files::looked;
use crate::tui::frames::{draw, press, tell, text, type_text};
use crate::tui::sample;
use crate::tui::transfer::{LoadWish, PullWish, PushWish, TransferId};

fn app() -> App {
    let mut app = sample::app(Size { columns: 100, rows: 30 });
    draw(&mut app);
    app
}

fn pull(number: u64, reference: &str) -> Effect {
    Effect::Transfer { id: TransferId(number), wish: Wish::Pull(PullWish::new(reference)) }
}

fn click(app: &mut App, column: u16, row: u16) -> Vec<Effect> {
    let kind = MouseEventKind::Down(MouseButton::Left);
    let effects = update(app, Action::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    draw(app);
    effects
}

#[test]
fn two_enters_on_an_image_run_it_in_a_pane_that_has_the_keys() {
    let mut app = app();
    press(&mut app, "2 enter");
    let effects = press(&mut app, "enter");
    let run = effects.iter().find_map(|effect| match effect {
        Effect::Run { request, pane: Some(wish) } => Some((request, wish)),
        _ => None,
    });
    let (request, wish) = run.expect("a run with a pane");
    assert_eq!(request.image, "host");
    assert_eq!(wish.size, Size { columns: 100, rows: 26 });
    assert!(app.page == Page::Shells && app.shells.has_keys());
}

#[test]
fn keys_in_a_shell_are_its_own_but_one() {
    let mut app = app();
    press(&mut app, "2 enter enter");
    for key in ["q", "1", "ctrl-c", "esc", "tab", "?", "f1", "ctrl-z"] {
        let effects = press(&mut app, key);
        assert!(matches!(effects[..], [Effect::PaneWrite { .. }]), "{key}: {effects:?}");
    }
    assert!(press(&mut app, "f12").is_empty());
    press(&mut app, "1");
    assert_eq!(app.page, Page::Containers);
}

#[test]
fn removing_asks_first_and_only_yes_does_it() {
    let mut app = app();
    assert!(press(&mut app, "d esc").is_empty());
    assert!(press(&mut app, "d enter").is_empty());
    let effects = press(&mut app, "d y");
    assert!(matches!(&effects[..], [Effect::Verb { verb: Verb::RemoveByForce, .. }]));
    assert_eq!(app.data.busy.values().next(), Some(&"removing"));
}

#[test]
fn failed_verb_says_what_to_do_and_lists_again() {
    let mut app = app();
    let problem = crate::tui::action::Problem {
        message: "no".to_owned(),
        hint: Some("try `teu doctor`".to_owned()),
        kind: crate::model::ErrorKind::Permission,
    };
    let effects = tell(&mut app, Told::VerbDone { id: sample::id(1), result: Err(problem) });
    assert_eq!(effects, [Effect::ListContainers]);
    assert!(!app.toasts.is_empty());
    press(&mut app, "esc");
    assert!(app.toasts.is_empty());
}

#[test]
fn enter_on_a_container_that_is_down_starts_it_in_a_pane() {
    let mut app = app();
    let effects = press(&mut app, "end enter");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::StartInPane { .. })), "{effects:?}");
}

#[test]
fn back_leads_where_one_came_from() {
    let mut app = app();
    press(&mut app, "l tab tab tab");
    assert!(matches!(app.page, Page::Inspect(_)));
    press(&mut app, "c");
    assert!(matches!(app.page, Page::Charts(_)));
    press(&mut app, "esc");
    assert_eq!(app.page, Page::Containers);
    press(&mut app, "2 i esc");
    assert_eq!(app.page, Page::Images);
}

#[test]
fn typed_filter_takes_letters_that_are_keys_elsewhere() {
    let mut app = app();
    press(&mut app, "/");
    assert!(type_text(&mut app, "qd1").is_empty());
    assert_eq!(app.containers.list.filter.text, "qd1");
    press(&mut app, "esc");
    assert!(app.containers.list.filter.is_empty());
}

#[test]
fn clicks_select_sort_and_open() {
    let mut app = app();
    click(&mut app, 5, 5);
    assert_eq!(app.containers.selected(&app.data).map(|c| c.id.clone()), Some(sample::id(3)));
    click(&mut app, 4, 2);
    assert_eq!(app.containers.list.sort.column, 0);
    click(&mut app, 26, 0);
    assert_eq!(app.page, Page::Images);
    press(&mut app, "1 d");
    assert_eq!(app.dialogs.len(), 1);
    click(&mut app, 1, 10);
    assert!(app.dialogs.is_empty());
}

#[test]
fn search_letters_ask_once_each_and_late_answers_are_dropped() {
    let mut app = app();
    press(&mut app, "3");
    let effects = type_text(&mut app, "de");
    assert!(matches!(effects[..], [Effect::Search { search: 1, .. }, Effect::Search { search: 2, .. }]));
    let hit = crate::model::SearchHit {
        name: "late".to_owned(),
        registry: String::new(),
        description: String::new(),
        stars: None,
        official: false,
        score: 0,
        pulls: None,
    };
    tell(&mut app, Told::Found { search: 1, events: sample::found(vec![hit]) });
    let effects = press(&mut app, "down end p");
    assert_eq!(effects, [pull(1, "de")]);
}

#[test]
fn best_hit_is_selected_although_it_comes_after_enter() {
    let mut app = app();
    press(&mut app, "3");
    type_text(&mut app, "deb");
    press(&mut app, "enter");
    let hit = crate::model::SearchHit {
        name: "debian".to_owned(),
        registry: "docker.io".to_owned(),
        description: String::new(),
        stars: Some(1),
        official: true,
        score: 9,
        pulls: None,
    };
    tell(&mut app, Told::Found { search: 3, events: sample::found(vec![hit]) });
    assert_eq!(press(&mut app, "p"), [pull(1, "debian")]);
}

#[test]
fn cancelled_pull_tells_the_puller_once() {
    let mut app = app();
    press(&mut app, "3");
    type_text(&mut app, "debian");
    let effects = press(&mut app, "down p");
    assert_eq!(effects, [pull(1, "debian")]);
    assert_eq!(press(&mut app, "x x"), [Effect::CancelTransfer { id: TransferId(1) }]);
}

#[test]
fn marked_containers_are_stopped_together_after_one_question() {
    let mut app = app();
    press(&mut app, "home space space");
    assert_eq!(app.containers.list.marked().len(), 2);
    let effects = press(&mut app, "s enter");
    let Some(Effect::Verbs { targets, verb: Verb::Stop }) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(targets.len(), 2);
    assert_eq!(app.data.busy.len(), 2);
    assert!(app.containers.list.marked().is_empty());
    let failed =
        crate::tui::action::Problem { message: "no".to_owned(), hint: None, kind: crate::model::ErrorKind::Permission };
    tell(&mut app, Told::VerbPart(targets[0].0.clone()));
    assert_eq!(app.data.busy.len(), 1);
    let results = vec![(targets[0].1.clone(), Ok(())), (targets[1].1.clone(), Err(failed))];
    tell(&mut app, Told::VerbsDone { done: "stopped", results });
    assert!(!app.toasts.is_empty());
}

#[test]
fn marked_containers_of_which_some_run_are_asked_about() {
    let mut app = app();
    press(&mut app, "ctrl-a");
    assert_eq!(app.containers.list.marked().len(), 8);
    let effects = press(&mut app, "s s");
    assert!(
        matches!(&effects[..], [Effect::Verbs { targets, verb: Verb::Start }] if targets.len() == 4),
        "{effects:?}"
    );
}

#[test]
fn escape_takes_marks_away_before_it_clears_the_filter() {
    let mut app = app();
    press(&mut app, "/");
    type_text(&mut app, "rust");
    press(&mut app, "enter ctrl-a");
    let shown = app.containers.keys(&app.data).len();
    assert!(shown < 8 && app.containers.list.marked().len() == shown);
    press(&mut app, "*");
    assert!(app.containers.list.marked().is_empty());
    press(&mut app, "space esc");
    assert!(app.containers.list.marked().is_empty() && !app.containers.list.filter.is_empty());
    press(&mut app, "esc");
    assert!(app.containers.list.filter.is_empty());
}

#[test]
fn marked_images_are_removed_together_and_what_it_frees_is_asked() {
    let mut app = app();
    press(&mut app, "2");
    let effects = press(&mut app, "end space d");
    let removed = vec!["rust:1.90".to_owned()];
    assert_eq!(effects.last(), Some(&Effect::PreviewRemove { images: removed.clone() }));
    tell(&mut app, Told::WouldFree { images: removed.clone(), result: Ok(1500 << 20) });
    let effects = press(&mut app, "y");
    assert_eq!(effects, [Effect::RemoveImages { images: removed, force: true }]);
    // The host image cannot go, and is passed over among others.
    press(&mut app, "ctrl-a d");
    let effects = press(&mut app, "y");
    assert!(matches!(&effects[..], [Effect::RemoveImages { images, .. }] if images.len() == 6), "{effects:?}");
}

#[test]
fn push_to_another_name_tags_first_and_goes_to_the_transfers() {
    let mut app = app();
    press(&mut app, "2 end P ctrl-u");
    type_text(&mut app, "localhost:5000/mine/rust:1");
    let effects = press(&mut app, "enter");
    let wish = PushWish {
        reference: "localhost:5000/mine/rust:1".to_owned(),
        all_tags: false,
        tagged_from: Some("rust:1.90".to_owned()),
    };
    assert_eq!(effects, [Effect::Transfer { id: TransferId(1), wish: Wish::Push(wish) }]);
    assert_eq!(app.page, Page::Transfers);
}

#[test]
fn tag_form_says_what_is_wrong_and_stays() {
    let mut app = app();
    press(&mut app, "2 end t enter");
    assert_eq!(app.dialogs.len(), 1);
    type_text(&mut app, "Not/A/Name");
    assert!(press(&mut app, "enter").is_empty());
    press(&mut app, "ctrl-u");
    type_text(&mut app, "mine:2");
    let effects = press(&mut app, "enter");
    assert_eq!(effects, [Effect::Tag { image: "rust:1.90".to_owned(), name: "mine:2".parse().expect("a reference") }]);
    assert!(app.dialogs.is_empty());
}

#[test]
fn path_is_completed_by_tab_and_late_answers_are_dropped() {
    let mut app = app();
    press(&mut app, "2 L");
    type_text(&mut app, "/srv/w");
    let effects = press(&mut app, "tab");
    assert_eq!(effects, [Effect::CompletePath { text: "/srv/w".to_owned() }]);
    let completed = |typed: &str, path: &str| Told::PathCompleted {
        typed: typed.to_owned(),
        path: path.to_owned(),
        names: Vec::new(),
    };
    tell(&mut app, completed("/srv", "/srv/late"));
    tell(&mut app, completed("/srv/w", "/srv/web.tar"));
    let effects = press(&mut app, "enter");
    let effects = looked(&mut app, &effects, Ok(()));
    let wish = LoadWish { path: "/srv/web.tar".into() };
    assert_eq!(effects, [Effect::Transfer { id: TransferId(1), wish: Wish::Load(wish) }]);
}

#[test]
fn prune_shows_what_goes_and_asks_once_more() {
    let mut app = app();
    let effects = press(&mut app, "x");
    let wish = PruneWish { scope: PruneScope::Containers, all: false, older_hours: None };
    assert_eq!(effects, [Effect::PreviewPrune(wish.clone())]);
    tell(&mut app, Told::WouldPrune { wish: wish.clone(), result: Ok(sample::pruned()) });
    assert!(press(&mut app, "enter").is_empty());
    assert!(press(&mut app, "enter").is_empty(), "enter alone destroys nothing");
    press(&mut app, "enter");
    assert_eq!(press(&mut app, "y"), [Effect::Prune(wish)]);
    let effects = tell(&mut app, Told::Pruned(Ok(sample::pruned())));
    assert_eq!(effects, [Effect::ListImages, Effect::ListContainers]);
    assert!(app.dialogs.is_empty());
}

#[test]
fn container_of_the_host_image_is_exported_but_not_committed() {
    let mut app = app();
    app.containers.list.select(sample::id(1));
    press(&mut app, "C");
    assert!(app.dialogs.is_empty() && !app.toasts.is_empty());
    let effects = press(&mut app, "E enter");
    let effects = looked(&mut app, &effects, Ok(()));
    assert!(matches!(&effects[..], [Effect::Transfer { wish: Wish::Export(_), .. }]), "{effects:?}");
}

/// Where some text stands on the screen; everything before it is one cell wide.
fn place_of(app: &mut App, wanted: &str) -> (u16, u16) {
    let screen = text(&draw(app));
    let found = screen.lines().zip(0..).find_map(|(line, row)| Some((line.split_once(wanted)?.0.chars().count(), row)));
    let (column, row) = found.unwrap_or_else(|| panic!("{wanted} is not on the screen:\n{screen}"));
    (u16::try_from(column).expect("on the screen"), row)
}

fn click_on(app: &mut App, wanted: &str) -> Vec<Effect> {
    let (column, row) = place_of(app, wanted);
    click(app, column, row)
}

fn wheel(app: &mut App, (column, row): (u16, u16), kind: MouseEventKind) {
    update(app, Action::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    draw(app);
}

#[test]
fn mouse_fills_in_the_network_form_and_a_click_beside_it_loses_nothing() {
    let mut app = app();
    press(&mut app, "6");
    press(&mut app, "n");
    // Nothing is typed yet: a click beside it closes.
    click(&mut app, 0, 28);
    assert!(app.dialogs.is_empty());
    press(&mut app, "n");
    type_text(&mut app, "lab");
    click(&mut app, 0, 28);
    assert_eq!(app.dialogs.len(), 1);
    // The word that is clicked is the one that is chosen, not the next.
    assert_eq!(click_on(&mut app, "ipvlan"), [Effect::Network(NetworkDeed::Devices)]);
    assert!(text(&draw(&mut app)).contains("◉ ipvlan"));
    click_on(&mut app, "Make (enter)");
    assert!(text(&draw(&mut app)).contains("ipvlan needs the device"));
    click_on(&mut app, "Link ");
    type_text(&mut app, "eth9");
    let effects = click_on(&mut app, "Make (enter)");
    let [Effect::Network(NetworkDeed::Create(wish))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((wish.name.as_str(), wish.link.as_deref()), ("lab", Some("eth9")));
    assert_eq!(wish.driver, crate::model::NetworkDriver::Ipvlan);
}

#[test]
fn wheel_scrolls_what_is_under_it_the_list_or_the_details() {
    let mut app = app();
    press(&mut app, "6 end up");
    let details = place_of(&mut app, "2 containers attached");
    let before = text(&draw(&mut app));
    wheel(&mut app, details, MouseEventKind::ScrollDown);
    let scrolled = text(&draw(&mut app));
    assert!(!scrolled.contains("2 containers attached") && scrolled.contains("▌ shop"), "{scrolled}");
    wheel(&mut app, details, MouseEventKind::ScrollUp);
    assert_eq!(text(&draw(&mut app)), before);
    wheel(&mut app, (5, 5), MouseEventKind::ScrollDown);
    assert!(text(&draw(&mut app)).contains("▌ vault"));
}
