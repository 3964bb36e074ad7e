//! Keys and tellings of the file browser.

use super::*;
use crate::model::Size;
use crate::tui::action::Told;
use crate::tui::app::App;
use crate::tui::frames::files::{asked, looked, open};
use crate::tui::frames::{draw, press, tell, text, type_text};
use crate::tui::sample;
use crate::tui::step::Page;

fn app() -> App {
    let mut app = sample::app(Size { columns: 100, rows: 30 });
    draw(&mut app);
    app
}

fn listed(app: &mut App, visit: u64, path: &str, names: &[&str]) {
    let entries: Vec<_> = names.iter().map(|name| sample::files::entry(name, 5, 0o644, 0, 1)).collect();
    let page = FilePage { path: path.into(), from: 0, total: entries.len() as u64, entries };
    tell(app, Told::Files { visit, page: Box::new(page) });
    tell(app, Told::FilesEnd { visit, result: Ok(()) });
    draw(app);
}

fn wanted(effects: &[Effect]) -> Option<&OsStr> {
    effects.iter().find_map(|effect| match effect {
        Effect::ListFiles { path, .. } | Effect::ReadFile { path, .. } => Some(path.as_os_str()),
        _ => None,
    })
}

fn here(app: &App) -> &str {
    app.files.here().map_or("", |item| item.text.as_str())
}

#[test]
fn folders_come_first_and_enter_goes_into_them_and_backspace_out() {
    let mut app = app();
    let visit = asked(&press(&mut app, "f"));
    listed(&mut app, visit, "/", &["a", "etc/", "Bin/", "zoo -> usr/"]);
    let shown: Vec<&str> = app.files.rows.iter().map(|row| app.files.items[*row].text.as_str()).collect();
    assert_eq!(shown, ["Bin", "etc", "zoo", "a"]);
    let effects = press(&mut app, "down enter");
    assert_eq!(wanted(&effects), Some(OsStr::new("/etc")));
    listed(&mut app, asked(&effects), "/etc", &["nginx/", "passwd", "x", "y"]);
    assert_eq!(here(&app), "nginx");
    let effects = press(&mut app, "backspace");
    assert_eq!(wanted(&effects), Some(OsStr::new("/")));
    listed(&mut app, asked(&effects), "/", &["a", "etc/", "Bin/", "zoo -> usr/"]);
    assert_eq!(here(&app), "etc");
    assert!(press(&mut app, "h").is_empty(), "there is nothing above the root");
    let effects = press(&mut app, "end l");
    assert!(matches!(&effects[..], [Effect::ReadFile { path, offset: 0, .. }] if path == "/a"), "{effects:?}");
}

#[test]
fn names_that_are_no_text_are_asked_for_byte_for_byte_and_shown_harmless() {
    let mut app = app();
    open(&mut app);
    let row = app.files.rows.iter().position(|row| app.files.items[*row].text.contains("gnp.exe")).expect("listed");
    let count = app.files.rows.len();
    app.files.cursor.go_to(row, count);
    let effects = press(&mut app, "enter");
    assert_eq!(wanted(&effects).map(OsStr::as_bytes), Some(&b"/srv/site/\xff\x1b[2J\xe2\x80\xaegnp.exe"[..]));
    let shown = text(&draw(&mut app));
    assert!(!shown.contains('\u{202e}') && !shown.contains('\u{1b}'));
}

#[test]
fn late_pages_of_another_folder_are_not_taken() {
    let mut app = app();
    let old = asked(&press(&mut app, "f"));
    listed(&mut app, old, "/", &["etc/"]);
    let new = asked(&press(&mut app, "enter"));
    listed(&mut app, old, "/", &["old"]);
    assert_eq!(here(&app), "etc");
    listed(&mut app, new, "/etc", &["new"]);
    assert_eq!(here(&app), "new");
}

#[test]
fn folder_that_cannot_be_read_leaves_one_where_one_was() {
    let mut app = app();
    let visit = asked(&press(&mut app, "f"));
    listed(&mut app, visit, "/", &["root/"]);
    let visit = asked(&press(&mut app, "enter"));
    tell(&mut app, Told::FilesEnd { visit, result: Err(crate::tui::frames::problem()) });
    assert_eq!(here(&app), "root");
    assert!(app.files.problem.is_none());
}

#[test]
fn pages_are_added_and_the_filter_narrows_them() {
    let mut app = app();
    let visit = asked(&press(&mut app, "f"));
    for from in [0u64, 1000] {
        let name = |n| sample::files::entry(&format!("file-{n:06}"), n, 0o644, 0, 1);
        let entries = (from..from + 1000).map(name).collect();
        let page = FilePage { path: "/".into(), from, total: 2000, entries };
        tell(&mut app, Told::Files { visit, page: Box::new(page) });
    }
    assert_eq!((app.files.rows.len(), app.files.whole), (2000, false));
    press(&mut app, "/");
    type_text(&mut app, "19");
    press(&mut app, "enter end");
    assert_eq!(here(&app), "file-001999");
    press(&mut app, "esc");
    assert_eq!(app.files.rows.len(), 2000);
    assert_eq!(here(&app), "file-001999");
}

#[test]
fn hidden_names_go_and_come_and_columns_order() {
    let mut app = app();
    open(&mut app);
    let all = app.files.rows.len();
    press(&mut app, ".");
    assert_eq!(app.files.rows.len(), all - 2);
    press(&mut app, ". o");
    assert_eq!(app.files.sort.column, SIZE);
    let files = app.files.rows.iter().map(|row| &app.files.items[*row]).filter(|item| !item.entry.is_folder());
    assert_eq!(files.map(|item| item.entry.bytes).max(), Some(734_003_200));
    assert!(app.files.sort.descending);
}

#[test]
fn marked_files_are_copied_out_together() {
    let mut app = app();
    let visit = asked(&press(&mut app, "f"));
    listed(&mut app, visit, "/etc", &["one", "two", "three"]);
    let effects = press(&mut app, "ctrl-a c enter");
    let effects = looked(&mut app, &effects, Ok(()));
    let [Effect::Transfer { wish: crate::tui::transfer::Wish::CopyOut(wish), .. }] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!((wish.paths.len(), wish.bytes, wish.to.to_str()), (3, Some(15), Some("./")));
    assert!(matches!(app.page, Page::Files(_)));
}

#[test]
fn folder_that_was_copied_into_is_looked_at_again() {
    let mut app = app();
    let visit = asked(&press(&mut app, "f"));
    listed(&mut app, visit, "/etc", &["one"]);
    press(&mut app, "i");
    type_text(&mut app, "/tmp/new");
    let effects = press(&mut app, "enter");
    let effects = looked(&mut app, &effects, Ok(()));
    let [Effect::Transfer { id, wish: crate::tui::transfer::Wish::CopyIn(wish) }] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(wish.folder, "/etc");
    let effects = tell(&mut app, Told::TransferEnd { id: *id, result: Ok(String::new()), took_ms: 1 });
    assert_eq!(wanted(&effects), Some(OsStr::new("/etc")));
}

#[test]
fn files_are_let_go_when_one_leaves_them() {
    let mut app = app();
    open(&mut app);
    assert!(press(&mut app, "1").contains(&Effect::CloseFiles));
    open(&mut app);
    assert!(press(&mut app, "esc").contains(&Effect::CloseFiles));
    assert_eq!(app.page, Page::Containers);
}

#[test]
fn large_file_is_turned_part_by_part() {
    let mut app = app();
    open(&mut app);
    let visit = asked(&press(&mut app, "end enter"));
    let part = |offset: u64, bytes: usize| FilePart {
        path: "/big".into(),
        size_bytes: PART_BYTES + 10,
        offset,
        bytes: b"line\n".iter().copied().cycle().take(bytes).collect(),
    };
    let whole = usize::try_from(PART_BYTES).expect("small");
    tell(&mut app, Told::FileRead { visit, result: Ok(Box::new(part(0, whole))) });
    assert!(press(&mut app, "[").is_empty());
    let effects = press(&mut app, "]");
    assert!(matches!(&effects[..], [Effect::ReadFile { offset: PART_BYTES, .. }]), "{effects:?}");
    tell(&mut app, Told::FileRead { visit: asked(&effects), result: Ok(Box::new(part(PART_BYTES, 10))) });
    assert!(text(&draw(&mut app)).contains("part 2 of 2"));
    assert!(press(&mut app, "]").is_empty());
    press(&mut app, "esc esc");
    assert!(!app.files.is_viewing(), "the first closes the message");
}

#[test]
fn search_goes_on_through_the_parts_of_a_large_file_and_over_their_borders() {
    let mut app = app();
    open(&mut app);
    let size = PART_BYTES * 2 + 100;
    let border = usize::try_from(PART_BYTES).expect("small") - 3;
    let mut content = vec![b'.'; usize::try_from(size).expect("small")];
    content[border..border + 6].copy_from_slice(b"needle");
    // Answers every part that is asked for, as the engine would.
    let answer = |app: &mut App, mut effects: Vec<Effect>| {
        let mut asked_for = 0;
        while let Some(Effect::ReadFile { visit, offset, .. }) = effects.first() {
            asked_for += 1;
            let from = usize::try_from(*offset).expect("small");
            let bytes = content[from..content.len().min(from + usize::try_from(PART_BYTES).expect("small"))].to_vec();
            let part = FilePart { path: "/big".into(), size_bytes: size, offset: *offset, bytes };
            effects = tell(app, Told::FileRead { visit: *visit, result: Ok(Box::new(part)) });
        }
        draw(app);
        asked_for
    };
    let effects = press(&mut app, "end enter");
    answer(&mut app, effects);
    press(&mut app, "/");
    type_text(&mut app, "needle");
    let effects = press(&mut app, "enter");
    assert_eq!(answer(&mut app, effects), 1);
    let screen = text(&draw(&mut app));
    assert!(screen.contains("part 2 of 3") && !screen.contains("not found"), "{screen}");
    // Nothing further on: to the end, and back to where it was.
    let effects = press(&mut app, "n");
    assert!(answer(&mut app, effects) >= 2);
    let screen = text(&draw(&mut app));
    assert!(screen.contains("part 2 of 3") && screen.contains("not found"), "{screen}");
    // From the last part backwards it is found again.
    let effects = press(&mut app, "]");
    answer(&mut app, effects);
    let effects = press(&mut app, "N");
    assert!(answer(&mut app, effects) >= 1);
    assert!(!text(&draw(&mut app)).contains("not found"));
}

#[test]
fn search_in_a_file_goes_round_and_esc_forgets_it_first() {
    let mut app = app();
    crate::tui::frames::files::read(&mut app, sample::files::text());
    press(&mut app, "/");
    type_text(&mut app, "79: PAGES");
    press(&mut app, "enter");
    assert!(text(&draw(&mut app)).contains("79: pages"));
    press(&mut app, "home n");
    assert!(text(&draw(&mut app)).contains("79: pages"), "there is only one, so it is the next as well");
    press(&mut app, "/");
    type_text(&mut app, " and more");
    press(&mut app, "enter");
    assert!(text(&draw(&mut app)).contains("not found"));
    press(&mut app, "esc");
    assert!(app.files.is_viewing(), "this forgot the search");
    press(&mut app, "x");
    assert!(text(&draw(&mut app)).contains("bytes"));
    press(&mut app, "esc");
    assert!(!app.files.is_viewing());
}
