//! The search screen by its keys.

use crate::model::{DetailEvent, Platform, PlatformFacts, Size, TagFacts};
use crate::tui::action::{Problem, Told};
use crate::tui::app::App;
use crate::tui::effect::Effect;
use crate::tui::frames::{draw, press, search, tell, text, type_text};
use crate::tui::sample;
use crate::tui::transfer::{PullWish, TransferId, Wish};

const SIZE: Size = Size { columns: 100, rows: 30 };

fn app() -> App {
    let mut app = sample::app(SIZE);
    draw(&mut app);
    app
}

fn screen(app: &mut App) -> String {
    text(&draw(app))
}

fn pulls(effects: &[Effect]) -> Vec<PullWish> {
    let pull = |effect: &Effect| match effect {
        Effect::Transfer { wish: Wish::Pull(wish), .. } => Some(wish.clone()),
        _ => None,
    };
    effects.iter().filter_map(pull).collect()
}

fn asked_tags(effects: &[Effect]) -> Vec<(u64, String, usize)> {
    let asked = |effect: &Effect| match effect {
        Effect::ListTags { request, narrowed, limit, .. } => Some((*request, narrowed.clone(), *limit)),
        _ => None,
    };
    effects.iter().filter_map(asked).collect()
}

fn architecture(name: &str) -> Platform {
    Platform { os: "linux".to_owned(), architecture: name.to_owned(), variant: None }
}

#[test]
fn enter_twice_pulls_the_chosen_tag_for_this_machine() {
    let mut app = app();
    search::details(&mut app);
    assert_eq!(pulls(&press(&mut app, "down enter")), [PullWish::new("debian:trixie")]);
}

#[test]
fn platform_is_chosen_with_the_keys_and_pulled() {
    let mut app = app();
    search::details(&mut app);
    let wish = pulls(&press(&mut app, "right end enter"));
    assert_eq!(wish[0].platform, Some(architecture("s390x")));
    // Back among the tags, another tag begins with this machine's own platform.
    let wish = pulls(&press(&mut app, "left down enter"));
    assert_eq!((wish[0].reference.as_str(), wish[0].platform.clone()), ("debian:trixie", None));
}

#[test]
fn letters_narrow_the_tags_and_ask_the_registry_that_has_more() {
    let mut app = app();
    search::details(&mut app);
    press(&mut app, "/");
    let effects = type_text(&mut app, "12.");
    let asked = asked_tags(&effects);
    assert_eq!(asked.iter().map(|(_, text, _)| text.as_str()).collect::<Vec<_>>(), ["1", "12", "12."]);
    assert!(screen(&mut app).contains("12.13") && !screen(&mut app).contains("bookworm"));
    let tags = vec![TagFacts { name: "12.1".to_owned(), ..TagFacts::default() }];
    // An answer to letters of before is dropped, the last one's is shown.
    tell(
        &mut app,
        Told::Details {
            request: asked[0].0,
            events: vec![DetailEvent::Tags {
                tags: vec![TagFacts { name: "12.0-late".to_owned(), ..TagFacts::default() }],
                total: None,
            }],
        },
    );
    tell(&mut app, Told::Details { request: asked[2].0, events: vec![DetailEvent::Tags { tags, total: Some(2) }] });
    let shown = screen(&mut app);
    assert!(shown.contains("12.1 ") && !shown.contains("12.0-late"), "{shown}");
    // Esc drops the letters first, then leads back to the findings.
    press(&mut app, "enter esc");
    assert!(screen(&mut app).contains("bookworm"));
    assert!(press(&mut app, "esc").contains(&Effect::CancelDetails));
    assert!(screen(&mut app).contains("found"));
}

#[test]
fn end_of_the_list_asks_for_more_tags() {
    let mut app = app();
    search::details(&mut app);
    assert_eq!(asked_tags(&press(&mut app, "end")), [(2, String::new(), 300)]);
    assert_eq!(asked_tags(&press(&mut app, "up end")), [], "it is being asked already");
}

#[test]
fn run_pulls_first_and_opens_the_form_when_it_is_here() {
    let mut app = app();
    search::details(&mut app);
    assert_eq!(pulls(&press(&mut app, "r")), [PullWish::new("debian:latest")]);
    assert!(app.dialogs.is_empty());
    let effects = tell(&mut app, Told::TransferEnd { id: TransferId(1), result: Ok("pulled".to_owned()), took_ms: 9 });
    assert!(effects.contains(&Effect::FillForm { image: "debian:latest".to_owned() }), "{effects:?}");
    assert!(screen(&mut app).contains("Run debian:latest"));
}

#[test]
fn run_of_another_machines_platform_is_refused_with_a_way_out() {
    let mut app = app();
    search::details(&mut app);
    assert!(pulls(&press(&mut app, "right end r")).is_empty());
    assert!(screen(&mut app).contains("does not run linux/s390x"));
}

#[test]
fn run_of_what_is_here_opens_the_form_at_once() {
    let mut app = app();
    search::details(&mut app);
    press(&mut app, "/");
    type_text(&mut app, "12");
    let effects = press(&mut app, "enter r");
    assert!(pulls(&effects).is_empty());
    assert!(effects.contains(&Effect::FillForm { image: "debian:12".to_owned() }), "{effects:?}");
}

#[test]
fn what_was_typed_is_pulled_although_its_tags_are_not_known() {
    let mut app = app();
    press(&mut app, "3");
    type_text(&mut app, "rust:1.90");
    press(&mut app, "enter");
    let effects = press(&mut app, "enter");
    assert_eq!(asked_tags(&effects), [(1, "1.90".to_owned(), 100)]);
    let problem = Problem { message: "no".to_owned(), hint: None, kind: crate::model::ErrorKind::Network };
    tell(&mut app, Told::DetailsEnd { request: 1, result: Err(problem) });
    assert_eq!(pulls(&press(&mut app, "enter")), [PullWish::new("rust:1.90")]);
}

#[test]
fn private_registrys_platforms_are_asked_of_the_chosen_tag_only_and_once() {
    let mut app = app();
    search::private(&mut app);
    let own = PlatformFacts {
        platform: Some(Platform::native()),
        digest: None,
        compressed_bytes: Some(5 << 20),
        layers: Some(1),
        created: None,
        config: None,
    };
    let asks = |effects: &[Effect]| {
        let ask = |effect: &Effect| match effect {
            Effect::ListPlatforms { request, reference } => Some((*request, reference.familiar())),
            _ => None,
        };
        effects.iter().filter_map(ask).collect::<Vec<_>>()
    };
    let first = asks(&press(&mut app, "down"));
    assert_eq!(first, [(3, "localhost:5000/ml/train:v10".to_owned())]);
    // A late answer about the tag before changes nothing.
    tell(&mut app, Told::Details { request: 2, events: vec![DetailEvent::Platforms(vec![])] });
    tell(&mut app, Told::Details { request: 3, events: vec![DetailEvent::Platforms(vec![own])] });
    tell(&mut app, Told::DetailsEnd { request: 3, result: Ok(()) });
    assert!(screen(&mut app).contains("5.0 M"));
    press(&mut app, "down");
    assert_eq!(asks(&press(&mut app, "up")), [], "it is known by now");
    assert_eq!(asked_tags(&press(&mut app, "end")), [], "all tags are here");
}

#[test]
fn twenty_thousand_tags_are_walked_without_delay() {
    let mut app = app();
    press(&mut app, "3");
    type_text(&mut app, "localhost:5000/many");
    press(&mut app, "enter enter");
    let tag = |number: u32| TagFacts { name: format!("v{number}"), ..TagFacts::default() };
    let begun = std::time::Instant::now();
    for page in 0..20 {
        let tags = (page * 1000..(page + 1) * 1000).map(tag).collect();
        tell(&mut app, Told::Details { request: 1, events: vec![DetailEvent::Tags { tags, total: None }] });
    }
    press(&mut app, "end home pagedown / 9 9 9");
    assert!(screen(&mut app).contains("v9999 "));
    // Generous: a debug build on a busy machine.
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}
