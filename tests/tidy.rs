//! The house rules that a compiler does not know, checked on every source file: who may import whom, names, lengths.
//!
//! The room table is ARCHITECTURE's, as data. It and `src/lib.rs` change together.

#[path = "tidy/lexer.rs"]
mod lexer;

use std::fs;
use std::path::{Path, PathBuf};

use lexer::{Token, tokens};

/// Every room there may be and the rooms that it may import.
///
/// One deviation from the drawn plan: `engine` imports `runtime`, for specification defaults, statistics and `remove_tree`.
const ROOMS: [(&str, &[&str]); 14] = [
    ("sys", &[]),
    ("model", &[]),
    ("config", &["model"]),
    ("runtime", &["sys", "model"]),
    ("monitor", &["runtime", "sys", "model"]),
    ("image", &["sys", "model"]),
    ("network", &["sys", "model"]),
    ("volume", &["sys", "model"]),
    ("build", &["image", "model", "sys"]),
    ("engine", &["monitor", "image", "network", "volume", "build", "runtime", "config", "model", "sys"]),
    ("tui", &["engine", "config", "model"]),
    ("cli", &["engine", "config", "model"]),
    ("api", &["engine", "config", "model"]),
    ("oci", &["runtime", "model", "sys"]),
];

/// Paths and macros that a room may not use outside its unit tests: ARCHITECTURE's column "never".
const NEVER: [(&str, &[&str]); 11] = [
    ("sys", &["println!", "eprintln!", "tokio::", "anyhow::"]),
    ("model", &["std::fs", "TcpStream", "UdpSocket", "std::process", "println!", "eprintln!", "tokio::", "anyhow::"]),
    ("config", &["println!", "eprintln!", "tokio::", "anyhow::"]),
    ("runtime", &["thread::spawn", "thread::scope", "thread::Builder", "TcpStream", "tokio::", "println!", "anyhow::"]),
    ("monitor", &["thread::spawn", "thread::scope", "thread::Builder", "tokio::", "println!", "anyhow::", "reqwest::"]),
    ("image", &["println!", "eprintln!", "anyhow::", "ratatui::", "crossterm::"]),
    ("engine", &["println!", "eprintln!", "anyhow::", "ratatui::", "crossterm::", "clap::", "clone3"]),
    ("tui", &["println!", "anyhow::", "clap::", "nix::", "rustix::", "reqwest::"]),
    ("cli", &["reqwest::", "ratatui::", "oci_client::"]),
    ("api", &["println!", "anyhow::"]),
    ("oci", &["thread::spawn", "thread::scope", "thread::Builder", "tokio::", "anyhow::", "reqwest::"]),
];

/// Files of the monitor's room that run in faces, which have threads, and never in a monitor.
const FACE_SIDE: [&str; 1] = ["src/monitor/spawn.rs"];

/// Names that say nothing of what they hold.
const HOMELESS: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "misc", "core_utils"];

const LONGEST_FILE_LINES: usize = 600;

/// What may stand at the top of the repository, besides names that begin with a dot.
const TOP: [&str; 16] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "assets",
    "themes",
    "tests",
    "README.md",
    "screenshots",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "CHANGELOG.md",
    "build.rs",
    "deny.toml",
    "rustfmt.toml",
    "clippy.toml",
    "target",
];

struct Source {
    /// Path below the repository's top, with `/`.
    path: String,
    text: String,
    tokens: Vec<Token>,
}

impl Source {
    /// The room the file belongs to; none for `lib.rs`, `main.rs` and everything outside `src`.
    fn room(&self) -> Option<&str> {
        let inner = self.path.strip_prefix("src/")?;
        match inner.split_once('/') {
            Some((room, _)) => Some(room),
            None => Some(inner.strip_suffix(".rs")?).filter(|stem| !matches!(*stem, "lib" | "main")),
        }
    }

    /// How many modules stand between the crate's root and the file's own items: 1 for `engine/mod.rs`, 2 for `engine/stop.rs`.
    fn depth(&self) -> usize {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let inner = inner.strip_suffix("/mod.rs").or_else(|| inner.strip_suffix(".rs")).unwrap_or(inner);
        inner.split('/').count()
    }

    /// The tokens before the file's unit tests; none of a file that is a room's unit tests.
    fn tokens_without_tests(&self) -> &[Token] {
        if self.path.ends_with("/tests.rs") {
            return &[];
        }
        let is_test_mark = |window: &[Token]| {
            window.iter().map(|t| t.text.as_str()).eq(["#", "[", "cfg", "(", "test", ")", "]", "mod"])
        };
        let end = self.tokens.windows(8).position(is_test_mark).unwrap_or(self.tokens.len());
        &self.tokens[..end]
    }

    fn at(&self, token: &Token) -> String {
        format!("{}:{}", self.path, token.line)
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    rust_files(&top().join(folder), &mut files);
    files.sort();
    files.iter().map(|path| source(path)).collect()
}

fn source(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("read {}: {e}", path.display()));
    let relative = path.strip_prefix(top()).expect("files stand below the top");
    Source { path: relative.to_string_lossy().into_owned(), tokens: tokens(&text), text }
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Fails with every row at once, so that one run names everything that is to be mended.
fn assert_none(rule: &str, rows: Vec<String>) {
    assert!(rows.is_empty(), "{rule}:\n  {}\n", rows.join("\n  "));
}

/// The names that directly follow `crate::`, `teu::` or enough `super::` to reach the crate's root, with their lines.
fn root_names(source: &Source) -> Vec<(&str, usize)> {
    let tokens = &source.tokens;
    let text = |index: usize| tokens.get(index).map_or("", |t: &Token| t.text.as_str());
    let mut found = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let mut next = index + 1;
        let reaches_root = match text(index) {
            "crate" | "teu" => text(next) == "::" && text(index.wrapping_sub(1)) != "::",
            "super" => {
                let mut steps = 1;
                while text(next) == "::" && text(next + 1) == "super" {
                    next += 2;
                    steps += 1;
                }
                steps >= source.depth() && text(next) == "::"
            }
            _ => false,
        };
        if reaches_root {
            found.extend(first_names(tokens, next + 1).into_iter().map(|t| (t.text.as_str(), t.line)));
        }
        index = next;
    }
    found
}

/// The first name of a path, or of each branch if a group `{…}` follows.
fn first_names(tokens: &[Token], start: usize) -> Vec<&Token> {
    if tokens.get(start).is_none_or(|t| t.text != "{") {
        return tokens.get(start).into_iter().collect();
    }
    let mut names = Vec::new();
    let mut depth = 0;
    let mut expects_name = false;
    for token in &tokens[start..] {
        match token.text.as_str() {
            "{" => {
                depth += 1;
                expects_name = depth == 1;
            }
            "}" => depth -= 1,
            "," if depth == 1 => expects_name = true,
            _ if expects_name => {
                names.push(token);
                expects_name = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let mut rows = Vec::new();
    for source in sources("src") {
        let Some(room) = source.room() else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else { continue };
        for (name, line) in root_names(&source) {
            let is_room = ROOMS.iter().any(|(other, _)| *other == name);
            if is_room && name != room && !allowed.contains(&name) {
                rows.push(format!("{}:{line}: {room} imports {name}", source.path));
            }
            if matches!(name, "self" | "*") {
                rows.push(format!("{}:{line}: the whole crate is imported at once", source.path));
            }
        }
    }
    assert_none("a room imports what the table does not allow (ARCHITECTURE.md)", rows);
}

#[test]
fn rooms_on_disk_are_listed_in_the_table() {
    let unlisted = |source: &Source| {
        let room = source.room()?;
        (!ROOMS.iter().any(|(name, _)| *name == room)).then(|| format!("{}: no room {room}", source.path))
    };
    assert_none("a room that the table does not list", sources("src").iter().filter_map(unlisted).collect());
}

#[test]
fn rooms_on_disk_are_explained_by_the_library() {
    let library = source(&top().join("src/lib.rs")).text;
    let docs: String = library.lines().filter(|line| line.starts_with("//!")).collect();
    let on_disk = |room: &str| top().join("src").join(room).is_dir();
    let rows =
        ROOMS.iter().filter(|(room, _)| on_disk(room) && !docs.contains(room)).map(|(room, _)| (*room).to_owned());
    assert_none("src/lib.rs does not explain a room", rows.collect());
}

#[test]
fn rooms_never_use_what_the_table_forbids_them() {
    let mut rows = Vec::new();
    for source in sources("src") {
        let Some((_, never)) = NEVER.iter().find(|(name, _)| Some(*name) == source.room()) else { continue };
        if FACE_SIDE.contains(&source.path.as_str()) {
            continue;
        }
        let code = source.tokens_without_tests();
        for pattern in *never {
            let wanted = tokens(pattern);
            let same = |window: &&[Token]| window.iter().zip(&wanted).all(|(a, b)| a.text == b.text);
            let uses = code.windows(wanted.len()).filter(same);
            rows.extend(uses.map(|window| format!("{}: {pattern}", source.at(&window[0]))));
        }
    }
    assert_none("a room uses what ARCHITECTURE.md says it never does", rows);
}

#[test]
fn unsafe_stands_in_sys_only() {
    let mut rows = Vec::new();
    for source in sources("src").iter().chain(&sources("tests")) {
        if source.room() == Some("sys") {
            continue;
        }
        let unsafe_word = |t: &&Token| matches!(t.text.as_str(), "unsafe" | "unsafe_code");
        rows.extend(source.tokens.iter().filter(unsafe_word).map(|t| source.at(t)));
    }
    assert_none("the word unsafe outside src/sys", rows);
}

#[test]
fn files_open_with_what_they_do() {
    let silent = |source: &Source| {
        let first = source.text.lines().next().unwrap_or_default();
        let says = first.strip_prefix("//! ").is_some_and(|said| said.trim().len() > 10);
        (!says).then(|| source.path.clone())
    };
    let files = sources("src").into_iter().chain(sources("tests"));
    assert_none("the first line is not a `//!` sentence", files.filter_map(|s| silent(&s)).collect());
}

#[test]
fn files_have_one_subject_by_length_and_name() {
    let mut rows = Vec::new();
    for source in sources("src").iter().chain(&sources("tests")) {
        let lines = source.text.lines().count();
        if lines > LONGEST_FILE_LINES {
            rows.push(format!("{}: {lines} lines, look for the second subject in it", source.path));
        }
        let parts = source.path.trim_end_matches(".rs").split('/');
        if let Some(name) = parts.into_iter().find(|part| HOMELESS.contains(part)) {
            rows.push(format!("{}: {name} does not say what it holds", source.path));
        }
    }
    assert_none("a file without one subject", rows);
}

#[test]
fn nothing_is_left_undone_or_ignored() {
    let mut rows = Vec::new();
    for source in sources("src").iter().chain(&sources("tests")) {
        for (pattern, why) in
            [("todo!", "left undone"), ("unimplemented!", "left undone"), ("#[ignore", "ignored test")]
        {
            let wanted = tokens(pattern);
            let same = |window: &&[Token]| window.iter().zip(&wanted).all(|(a, b)| a.text == b.text);
            rows.extend(
                source.tokens.windows(wanted.len()).filter(same).map(|w| format!("{}: {why}", source.at(&w[0]))),
            );
        }
    }
    assert_none("unfinished code", rows);
}

#[test]
fn unwrap_stands_in_tests_only() {
    let mut rows = Vec::new();
    for source in sources("src") {
        let unwraps = |window: &&[Token]| window[0].text == "." && window[1].text == "unwrap" && window[2].text == "(";
        rows.extend(source.tokens_without_tests().windows(3).filter(unwraps).map(|window| source.at(&window[0])));
    }
    assert_none("unwrap outside tests: return the error, or let `expect` state the invariant", rows);
}

#[test]
fn allowed_lints_state_their_reason() {
    let mut rows = Vec::new();
    for source in sources("src").iter().chain(&sources("tests")) {
        for (index, window) in source.tokens.windows(3).enumerate() {
            if window[0].text == "[" && matches!(window[1].text.as_str(), "allow" | "expect") && window[2].text == "(" {
                let rest = source.tokens[index..].iter().take_while(|t| t.text != "]");
                if !rest.into_iter().any(|t| t.text == "reason") {
                    rows.push(source.at(&window[1]));
                }
            }
        }
    }
    assert_none("an allowed lint without `reason = \"…\"`", rows);
}

#[test]
fn top_level_holds_only_known_names() {
    let entries = fs::read_dir(top()).expect("the repository's top");
    let names = entries.map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned());
    let rows = names.filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str()));
    assert_none("a name at the top that the repository's shape does not know", rows.collect());
}

mod of_the_checks_themselves {
    //! The rules above read code through `root_names`: it must see every way to write an import.

    use super::*;

    fn names(path: &str, text: &str) -> Vec<String> {
        let source = Source { path: path.to_owned(), text: text.to_owned(), tokens: tokens(text) };
        root_names(&source).into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn imports_are_seen_in_every_spelling() {
        for (text, expected) in [
            ("use crate::image::Store;", vec!["image"]),
            ("use crate::{image::{Store, X}, sys};", vec!["image", "sys"]),
            ("fn f() { teu::engine::run() }", vec!["engine"]),
            ("use super::super::cli::X;", vec!["cli"]),
            ("use super::stop;", vec![]),
            ("// crate::image\n/* crate::image /* nested */ */ let s = \"crate::image\";", vec![]),
            ("let c = '\"'; use crate::model; let l: &'static str = r#\"crate::tui \" \"#;", vec!["model"]),
        ] {
            assert_eq!(names("src/engine/stop.rs", text), expected, "{text}");
        }
    }

    #[test]
    fn imports_from_a_rooms_own_module_file_reach_the_root_in_one_step() {
        assert_eq!(names("src/engine/mod.rs", "use super::tui::X;"), ["tui"]);
    }
}
