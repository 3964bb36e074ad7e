//! A folder and two files made by hand.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::before;
use crate::model::{FileEntry, FilePage, FilePart, FileSort};

/// One name; folders end in a slash, links have ` -> ` in them.
pub fn entry(name: &str, bytes: u64, mode: u32, owner: u32, days: i64) -> FileEntry {
    let (name, target) = name.split_once(" -> ").map_or((name, None), |(name, target)| (name, Some(target)));
    let sort = match (name.ends_with('/'), target) {
        (_, Some(_)) => FileSort::Symlink,
        (true, _) => FileSort::Folder,
        _ => FileSort::Regular,
    };
    let leads_to = match target {
        Some(target) if target.ends_with('/') => FileSort::Folder,
        Some(target) if target.starts_with("..") => FileSort::Absent,
        Some(_) => FileSort::Regular,
        None => sort,
    };
    FileEntry {
        name: OsString::from(name.trim_end_matches('/')),
        sort,
        bytes,
        mode,
        uid: owner,
        gid: owner,
        modified: Some(before(86_400 * days)),
        target: target.map(|target| OsString::from(target.trim_end_matches('/'))),
        leads_to,
    }
}

/// What is in /srv/site.
pub fn page() -> FilePage {
    let odd = FileEntry {
        name: OsStr::from_bytes(b"\xff\x1b[2J\xe2\x80\xaegnp.exe").to_owned(),
        ..entry("x", 66_000, 0o4755, 1000, 3)
    };
    let pipe = FileEntry { sort: FileSort::Special, leads_to: FileSort::Special, ..entry("reload", 0, 0o600, 33, 0) };
    let entries = vec![
        entry(".cache/", 0, 0o700, 33, 1),
        entry(".env", 214, 0o640, 33, 40),
        entry("README.md", 3_301, 0o644, 0, 12),
        entry("assets/", 0, 0o755, 0, 12),
        entry("build.sh", 1_877, 0o755, 0, 9),
        entry("current -> releases/2026-11/", 0, 0o777, 0, 2),
        entry("index.html", 18_224, 0o644, 33, 2),
        entry("latest.log -> /var/log/nginx/access.log", 0, 0o777, 0, 2),
        entry("lost -> ../../../../root/.ssh/id_ed25519", 0, 0o777, 1000, 1),
        odd,
        entry(
            "a-name-that-is-so-long-that-no-terminal-of-ordinary-width-shows-all-of-it-漢字漢字漢字漢字漢字.tar.zst",
            734_003_200,
            0o600,
            33,
            0,
        ),
        pipe,
        entry("releases/", 0, 0o2775, 33, 2),
    ];
    FilePage { path: OsString::from("/srv/site"), from: 0, total: entries.len() as u64, entries }
}

pub fn text() -> FilePart {
    let mut text = String::from("# The site\n\nBuilt by `build.sh`, served by nginx.\n\n\tindented by a tab\n");
    for line in 6..80 {
        text.push_str(&format!("{line}: pages are read, checked, and written into releases/2026-11\n"));
    }
    text.push_str("a long line: ");
    text.push_str(&"all of it is shown, wrapped where the screen ends. ".repeat(9));
    text.push_str("\nhostile \u{1b}[2J\u{1b}]0;title\u{7} text, ünïcode, 漢字\n");
    part("/srv/site/README.md", text.into_bytes())
}

pub fn bytes() -> FilePart {
    let head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0/lib64/ld-linux-x86-64.so.2\0GNU\0";
    let rest = (0..2000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8);
    part("/usr/sbin/nginx", head.iter().copied().chain(rest).collect())
}

fn part(path: &str, bytes: Vec<u8>) -> FilePart {
    FilePart { path: OsString::from(path), size_bytes: bytes.len() as u64, offset: 0, bytes }
}
