//! Volumes in the full-screen interface: made, filled, walked through, exported, pruned.

use std::fs;

use crate::support::Teu;
use crate::support::pty::key;

#[test]
fn volume_is_made_filled_looked_into_exported_and_removed() {
    let teu = Teu::new();
    let work = teu.work();
    fs::create_dir(work.join("site")).expect("folder");
    fs::write(work.join("site/index.html"), "<h1>made outside</h1>\n").expect("write");
    let pty = teu.pty(&[]);
    pty.wait_for("No containers yet");
    pty.send("7");
    pty.wait_for("No volumes yet");
    pty.send("n");
    pty.wait_for("Make a volume");
    pty.send("../no\r");
    pty.wait_for("letters and digits");
    pty.send("\u{15}data\r");
    pty.wait_for("volume data is there");
    assert!(teu.ok(&["volume", "ls"]).contains("data"), "{pty}");
    pty.send(key::ENTER);
    pty.wait_for("files of this volume");
    pty.wait_for("This folder is empty");
    pty.send("i");
    pty.wait_for("Copy into /");
    pty.send(&format!("{}\r", work.join("site").display()));
    pty.wait_for("site/");
    pty.send("\r");
    pty.wait_for("index.html");
    pty.send("\r");
    pty.wait_for("made outside");
    pty.send("h");
    pty.wait_for("CHANGED");
    pty.send("7");
    pty.wait_for("USED BY");
    let file = work.join("data.tar");
    pty.send("E");
    pty.wait_for("Export data");
    pty.send(&format!("\u{15}{}\r", file.display()));
    pty.wait_for("written into");
    assert!(fs::metadata(&file).is_ok_and(|metadata| metadata.len() > 0), "no file{pty}");
    pty.send("d");
    pty.wait_for("Remove data?");
    pty.send("y");
    pty.wait_for("No volumes yet");
    pty.send("I");
    pty.wait_for("Fill a volume");
    pty.send(&format!("{}{}copy\r", file.display(), "\x1b[B"));
    pty.wait_for("volume copy has what is in");
    assert!(teu.ok(&["volume", "ls"]).contains("copy"), "{pty}");
}

#[test]
fn volume_that_a_container_uses_stays_and_the_others_are_pruned() {
    let teu = Teu::new();
    for name in ["used", "idle"] {
        teu.ok(&["volume", "create", name]);
    }
    teu.ok(&["create", "--name", "box", "-v", "used:/data", "host", "true"]);
    let pty = teu.pty(&[]);
    pty.wait_for("box");
    pty.send("7");
    pty.wait_for("idle");
    pty.send("/used\r");
    pty.wait_for("1 container uses it");
    pty.wait_for("/data");
    pty.send("d");
    pty.wait_for("used is used by box");
    pty.send("x");
    pty.wait_for("Prune volumes");
    pty.send(" ");
    pty.wait_for("1 volume.");
    pty.send("\r");
    pty.wait_for("Remove volumes that nobody uses?");
    pty.send("y");
    pty.wait_for("removed 1 volume");
    let left = teu.ok(&["volume", "ls"]);
    assert!(left.contains("used") && !left.contains("idle"), "{left}{pty}");
    // What another teu makes is seen at once.
    pty.send("/\u{15}\r");
    teu.ok(&["volume", "create", "made-by-another"]);
    pty.wait_for("made-by-another");
}

#[test]
fn mounts_of_a_stopped_container_are_changed_in_a_form() {
    let teu = Teu::new();
    teu.ok(&["create", "--name", "box", "-v", "first:/mnt/a", "host", "true"]);
    let pty = teu.pty(&[]);
    pty.wait_for("box");
    pty.send("M");
    pty.wait_for("first → /mnt/a");
    pty.send("\r");
    pty.wait_for("a mount to add");
    pty.send("other:/mnt/a\r");
    pty.wait_for("duplicate mount point: /mnt/a");
    pty.send(&format!("{}{}\r", "\x1b[B", "\x1b[C"));
    pty.wait_for("from its next start");
    let mounts = teu.inspect("box")["Mounts"].clone();
    assert_eq!(mounts.as_array().map(Vec::len), Some(1), "{mounts}{pty}");
    assert_eq!(mounts[0]["Name"], "other", "{mounts}{pty}");
}
