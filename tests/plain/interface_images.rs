//! Images in the full-screen interface: layers and their files, names, pushes, files, prunes, several at once.

use std::time::Duration;

use crate::support::http::{Reply, Server};
use crate::support::pty::{Pty, key};
use crate::support::{SECOND, Teu, tiny};

/// The interface on the images, with the tiny image selected.
fn on_tiny(teu: &Teu) -> Pty {
    let image = teu.import_tiny();
    let pty = teu.pty(&[]);
    pty.wait_for("host");
    pty.send("2");
    pty.wait_for("IMAGE");
    pty.wait_for(image);
    pty.send("G");
    pty
}

#[test]
fn layers_of_an_image_are_walked_filtered_and_left() {
    let teu = Teu::new();
    let pty = on_tiny(&teu);
    pty.wait_for("1 layers");
    pty.send("l");
    pty.wait_for("efficiency");
    pty.wait_for("bin/");
    pty.send(key::TAB);
    pty.send("e");
    pty.wait_for("busybox");
    pty.send("/nothing-like-this");
    pty.wait_for("No path of this layer matches");
    pty.send(key::ESCAPE);
    pty.wait_for("busybox");
    pty.send("w");
    pty.wait_for("Nothing is wasted");
    pty.send(key::ESCAPE);
    pty.wait_gone("Nothing is wasted");
    pty.send(key::ESCAPE);
    pty.wait_for("USED BY");
}

#[test]
fn image_is_tagged_saved_removed_and_loaded_again() {
    let teu = Teu::new();
    let pty = on_tiny(&teu);
    pty.send("t");
    pty.wait_for("Tag ");
    pty.send("Not/Good\r");
    pty.wait_for("lower-case");
    pty.send("\u{15}mine:2\r");
    pty.wait_for("mine:2");
    assert!(teu.ok(&["images"]).contains("mine"), "{pty}");
    let file = teu.work().join("mine.tar");
    pty.send("/mine\r");
    pty.settle(Duration::from_millis(200));
    pty.send("s");
    pty.wait_for("Save mine:2");
    pty.send(&format!("\u{15}{}\r", file.display()));
    pty.wait_for("saved ");
    assert!(file.metadata().is_ok_and(|metadata| metadata.len() > 0), "no file{pty}");
    pty.send("2");
    pty.send("d");
    pty.wait_for("It frees nothing");
    pty.send("y");
    pty.wait_until("the name gone", SECOND * 10, |_| !teu.ok(&["images"]).contains("mine"));
    pty.send("L");
    pty.wait_for("Load images");
    // Tab completes what is certain.
    let begun = file.with_file_name("mi");
    pty.send(&begun.display().to_string());
    pty.send(key::TAB);
    // Not the message of the save before, which may still be on the screen.
    let is_completed = |line: &str| line.contains("File") && line.contains("/mine.tar");
    pty.wait_until("the path completed", SECOND * 10, |screen| screen.lines().any(is_completed));
    pty.send(key::ENTER);
    pty.wait_for("loaded mine:2");
    assert!(teu.ok(&["images"]).contains("mine"), "{pty}");
}

#[test]
fn save_over_a_file_that_is_there_is_refused_in_the_form_and_a_failed_load_stays_among_the_transfers() {
    let teu = Teu::new();
    let pty = on_tiny(&teu);
    let file = teu.work().join("taken.tar");
    std::fs::write(&file, "precious").expect("write");
    pty.send("s");
    pty.wait_for("Save ");
    pty.send(&format!("\u{15}{}\r", file.display()));
    pty.wait_for("is there already");
    assert_eq!(std::fs::read(&file).expect("read"), b"precious");
    let other = teu.work().join("free.tar");
    pty.send(&format!("\u{15}{}\r", other.display()));
    pty.wait_for("saved ");
    assert!(other.metadata().is_ok_and(|metadata| metadata.len() > 8), "no file{pty}");
    pty.send("2L");
    pty.wait_for("Load images");
    pty.send(&format!("{}\r", file.display()));
    pty.wait_for("r tries again");
    std::fs::rename(&other, &file).expect("rename");
    pty.send(key::ESCAPE);
    pty.send("r");
    pty.wait_for("loaded ");
}

#[test]
fn several_containers_are_started_and_removed_together() {
    let teu = Teu::new();
    for name in ["one", "two", "three"] {
        teu.ok(&["create", "--name", name, "host", "sleep", "1000"]);
    }
    let pty = teu.pty(&[]);
    pty.wait_for("three");
    pty.send("  ");
    pty.wait_for("2 marked");
    pty.send("*");
    pty.wait_for("1 marked");
    pty.send("\u{1}");
    pty.wait_for("3 marked");
    pty.send("s");
    pty.wait_for("3 containers started");
    for name in ["one", "two", "three"] {
        assert_eq!(teu.state(name), "running", "{name}{pty}");
    }
    pty.send("\u{1}d");
    pty.wait_for("Remove 3 containers?");
    pty.send("y");
    pty.wait_for("3 containers removed");
    assert!(teu.names().is_empty(), "{pty}");
}

#[test]
fn prune_shows_what_it_frees_before_it_asks() {
    let teu = Teu::new();
    teu.ok(&["run", "--name", "over-and-done", "host", "true"]);
    let pty = teu.pty(&[]);
    pty.wait_for("over-and-done");
    pty.send("x");
    pty.wait_for("Frees ");
    pty.wait_for("1 container");
    pty.send(key::ENTER);
    pty.wait_for("Remove what is unused?");
    pty.send(key::ENTER);
    pty.wait_gone("Remove what is unused?");
    assert_eq!(teu.names().len(), 1, "enter alone has removed it{pty}");
    pty.send("x");
    pty.wait_for("Frees ");
    pty.send("\ry");
    pty.wait_for("removed 1 container");
    assert!(teu.names().is_empty(), "{pty}");
}

#[test]
fn cancelled_pull_stays_and_is_taken_up_again() {
    let teu = Teu::new();
    let slow = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_slow = slow.clone();
    let server = Server::registry(tiny::busybox_image(), move |request| {
        if request.path.contains("/blobs/") && is_slow.load(std::sync::atomic::Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1500));
            return Some(Reply::status(503));
        }
        None
    });
    let pty = teu.pty(&[]);
    pty.wait_for("host");
    pty.send("3");
    pty.send(&server.reference("slow:1"));
    pty.send(key::ENTER);
    pty.settle(Duration::from_millis(600));
    pty.send("Gp");
    pty.wait_for("Pulling");
    pty.send("5");
    pty.wait_for("✗ cancel");
    pty.send("x");
    pty.wait_for("r takes it up");
    slow.store(false, std::sync::atomic::Ordering::SeqCst);
    pty.send("r");
    pty.wait_for("pulled ");
    assert!(teu.ok(&["images"]).contains("slow"), "{pty}");
}

#[test]
fn disk_usage_and_changed_files_are_shown() {
    let teu = Teu::new();
    let image = teu.import_tiny();
    teu.ok(&["run", "--name", "writer", image, "sh", "-c", "echo new > /made-here"]);
    let pty = teu.pty(&[]);
    pty.wait_for("writer");
    pty.send("D");
    pty.wait_for("/made-here");
    pty.send("U");
    pty.wait_for("could go");
    pty.wait_for("writer");
    pty.send(key::ESCAPE);
    pty.wait_for("/made-here");
}
