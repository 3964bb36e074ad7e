//! The file browser of the full-screen interface: containers that run and that do not, names and links that mean harm,
//! copies in both directions.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::support::oci::{Entry, tar_of};
use crate::support::pty::{Pty, key};
use crate::support::{SECOND, Teu};

/// The interface, with the files of the only container in front.
fn on_files(teu: &Teu) -> Pty {
    let pty = teu.pty(&[]);
    pty.wait_for("box");
    pty.send("f");
    pty.wait_for("files of this container");
    pty.wait_for("CHANGED");
    pty
}

/// A container that was never started, of an image that could not run anything.
fn bare(teu: &Teu) {
    let entries = [
        Entry::folder("etc/"),
        Entry::file("etc/hello", b"hello from inside\n"),
        Entry::folder("srv/"),
        Entry::folder("srv/deep/"),
        Entry::file("srv/deep/evil\x1b[2J\x1b]0;title\x07name", b"harmless \x1b[31mtext\x1b[m\n"),
        Entry::symlink("srv/inside", "deep"),
        Entry::symlink("srv/away", "/etc"),
    ];
    teu.run_fed(&["import", "-c", "CMD [\"/none\"]", "-", "bare"], &tar_of(&entries)).ok();
    teu.ok(&["create", "--name", "box", "bare"]);
    // Images may have no such links, containers may.
    let out = [Entry::symlink("out", "../../../../../../etc/passwd"), Entry::symlink("up", "../../../../..")];
    teu.run_fed(&["cp", "-", "box:/srv"], &tar_of(&out)).ok();
}

#[test]
fn files_of_a_container_that_never_ran_are_walked_and_read_and_no_link_leads_out() {
    let teu = Teu::new();
    bare(&teu);
    let pty = on_files(&teu);
    pty.wait_for("etc/");
    pty.send("/etc\r\r");
    pty.wait_for("hello");
    pty.send(key::ENTER);
    pty.wait_for("hello from inside");
    pty.send("x");
    pty.wait_for("68 65 6c 6c 6f");
    pty.send("h");
    pty.wait_for("CHANGED");
    // Up, down to srv, and through a link to the folder that it leads to inside.
    pty.send("h");
    pty.wait_for("srv/");
    pty.send("/srv\r\r");
    pty.wait_for("inside/ → deep");
    pty.wait_for("up/ → ../../../../..");
    // This machine has such a file; in the container nothing is there.
    pty.send("/out\r\r");
    pty.wait_for("out leads nowhere");
    pty.send("/\u{15}up\r\r");
    pty.wait_for("srv/");
    pty.wait_gone("inside/ → deep");
    assert!(!pty.screen().contains("boot/"), "the container's own root{pty}");
}

#[test]
fn names_that_mean_harm_are_shown_harmless_and_can_be_opened_all_the_same() {
    let teu = Teu::new();
    bare(&teu);
    let pty = on_files(&teu);
    pty.wait_for("srv/");
    pty.send("/srv\r\r");
    pty.wait_for("deep/");
    pty.send("/deep\r\r");
    pty.wait_for("evil␛[2J␛]0;title␇name");
    pty.send(key::ENTER);
    pty.wait_for("harmless ␛[31mtext␛[m");
}

#[test]
fn files_are_copied_out_and_in_and_nothing_is_overwritten() {
    let teu = Teu::new();
    bare(&teu);
    let work = teu.work();
    fs::create_dir(work.join("given")).expect("folder");
    fs::write(work.join("given/a"), "from outside").expect("write");
    fs::write(work.join("taken"), "precious").expect("write");
    let pty = on_files(&teu);
    pty.wait_for("etc/");
    pty.send("/etc\r\r");
    pty.wait_for("hello");
    pty.send("c");
    pty.wait_for("Copy /etc/hello out");
    pty.send(&format!("\u{15}{}\r", work.join("got").display()));
    pty.wait_for("copied to");
    assert_eq!(fs::read_to_string(work.join("got")).expect("copied"), "hello from inside\n");
    pty.send("c");
    pty.wait_for("Copy /etc/hello out");
    pty.send(&format!("\u{15}{}\r", work.join("taken").display()));
    pty.wait_for("is there already");
    assert_eq!(fs::read_to_string(work.join("taken")).expect("kept"), "precious");
    pty.send(key::ESCAPE);
    pty.send("i");
    pty.wait_for("Copy into /etc");
    pty.send(&format!("{}\r", work.join("given").display()));
    // The folder is looked at again by itself.
    pty.wait_for("given/");
    let tar = teu.run(&["cp", "box:/etc/given/a", "-"]).ok().stdout;
    assert!(String::from_utf8_lossy(&tar).contains("from outside"));
}

#[test]
fn container_can_be_started_and_removed_while_its_files_are_in_front() {
    let teu = Teu::new();
    teu.ok(&["create", "--name", "box", "host", "sleep", "1000"]);
    let pty = on_files(&teu);
    pty.wait_for("usr/");
    let begun = Instant::now();
    teu.ok(&["start", "box"]);
    assert!(begun.elapsed() < SECOND * 15, "{:?}{pty}", begun.elapsed());
    teu.ok(&["exec", "box", "sh", "-c", "echo made while it runs > /made"]);
    pty.send("r");
    pty.wait_for("made");
    pty.send("/made\r\r");
    pty.wait_for("made while it runs");
    teu.ok(&["rm", "-f", "box"]);
    pty.send("h");
    pty.wait_for("CHANGED");
    pty.send("r");
    pty.wait_for("No such container");
    pty.send("1");
    pty.wait_for("No containers yet");
}

#[test]
fn large_folder_comes_in_pages_and_its_last_name_is_found() {
    let teu = Teu::new();
    let many = teu.work().join("many");
    fs::create_dir(&many).expect("folder");
    fs::write(many.join("target"), "").expect("write");
    for number in 0..2500 {
        symlink("target", many.join(format!("link-{number:05}"))).expect("link");
    }
    teu.ok(&["run", "-d", "--name", "box", "-v", &format!("{}:/many", many.display()), "host", "sleep", "1000"]);
    let pty = on_files(&teu);
    pty.wait_for("usr/");
    pty.send("/many\r\r");
    pty.wait_for("0 folders, 2,501 files");
    pty.send("/02499\r");
    pty.wait_for("link-02499 → target");
    pty.settle(Duration::from_millis(100));
    teu.ok(&["rm", "-f", "box"]);
}
