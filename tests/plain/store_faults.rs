//! The image store under kill -9 and under many processes at once: an image is whole or not there, and nothing that somebody
//! uses goes.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::http::Server;
use crate::support::oci::{Entry, tar_of};
use crate::support::process::Output;
use crate::support::{SECOND, Teu, tiny};

fn tar(content: &str) -> Vec<u8> {
    let many = (0..40).map(|number| Entry::file(&format!("etc/{number}"), content.as_bytes()));
    tar_of(&[Entry::folder("etc/")].into_iter().chain(many).collect::<Vec<_>>())
}

fn content(teu: &Teu) -> Vec<PathBuf> {
    let list = |folder: &str| fs::read_dir(teu.root().join("image").join(folder)).into_iter().flatten().flatten();
    ["blobs/sha256", "layers", "partial"].into_iter().flat_map(list).map(|entry| entry.path()).collect()
}

#[test]
fn verbs_killed_at_any_moment_leave_whole_images_or_none() {
    let teu = Teu::new();
    let archive = teu.file("new.tar", &tar("new")).to_string_lossy().into_owned();
    teu.run_fed(&["import", "-", "kept"], &tar("kept")).ok();
    let verbs: [&[&str]; 6] = [
        &["rmi", "victim"],
        &["image", "prune", "-af", "--filter", "label!=none"],
        &["tag", "kept", "victim"],
        &["import", &archive, "victim"],
        &["rmi", "-f", "kept", "victim"],
        &["system", "check", "--repair"],
    ];
    for round in 0..36u64 {
        teu.run_fed(&["import", "-", "victim"], &tar("victim")).ok();
        teu.run_fed(&["import", "-", "kept"], &tar("kept")).ok();
        let verb = verbs[(round % 6) as usize];
        let mut running = teu.spawn(verb);
        // From before its first step to after its last, in odd steps.
        std::thread::sleep(Duration::from_micros(1000 + round * 1700));
        let _ = running.child.kill();
        let _ = running.wait(SECOND * 5);
        let output = teu.run(&["system", "check"]);
        assert_eq!(output.code, 0, "{verb:?} killed in round {round}: {output}");
        for name in teu.ok(&["images", "--format", "{{.Repository}}"]).lines().filter(|name| !name.starts_with('<')) {
            teu.ok(&["image", "inspect", name]);
        }
    }
    // Whatever was left is taken by the next prune, and nothing else.
    teu.run_fed(&["import", "-", "kept"], &tar("kept")).ok();
    teu.ok(&["image", "prune", "-f"]);
    assert!(teu.ok(&["system", "check"]).ends_with("all whole"));
    teu.ok(&["image", "prune", "-af"]);
    assert_eq!(content(&teu), Vec::<PathBuf>::new());
}

/// Calls until the time is over; what fails must fail with one of these words.
fn again_and_again(teu: &Teu, until: Instant, allowed: &[&str], call: impl Fn(&Teu, usize) -> Output) -> usize {
    let mut calls = 0;
    while Instant::now() < until {
        let output = call(teu, calls);
        output.no_panic();
        let errors = output.errors().to_lowercase();
        assert!(output.code == 0 || allowed.iter().any(|word| errors.contains(word)), "{output}");
        calls += 1;
    }
    calls
}

#[test]
fn many_processes_at_once_leave_a_whole_store() {
    let teu = Teu::new();
    let server = Server::registry(tiny::empty_image(), |_| None);
    let pulled = server.reference("a/b:v1");
    let archive = teu.file("made.tar", &tar("made")).to_string_lossy().into_owned();
    teu.run_fed(&["import", "-", "base"], &tar("base")).ok();
    let until = Instant::now() + SECOND * 6;
    let gone = "no such image";
    std::thread::scope(|scope| {
        let workers = [
            scope.spawn(|| again_and_again(&teu, until, &[], |teu, _| teu.run(&["pull", "-q", &pulled]))),
            scope.spawn(|| again_and_again(&teu, until, &[gone], |teu, _| teu.run(&["rmi", "-f", &pulled]))),
            scope.spawn(|| again_and_again(&teu, until, &[], |teu, _| teu.run(&["import", &archive, "made"]))),
            scope.spawn(|| again_and_again(&teu, until, &[], |teu, _| teu.run(&["image", "prune", "-af"]))),
            scope.spawn(|| {
                again_and_again(&teu, until, &[gone], |teu, call| match call % 3 {
                    0 => teu.run(&["tag", "made", "also"]),
                    1 => teu.run(&["system", "df"]),
                    _ => teu.run(&["system", "check"]),
                })
            }),
            scope.spawn(|| {
                again_and_again(&teu, until, &[gone, "no such container"], |teu, call| {
                    let name = format!("c{call}");
                    let image = if call % 2 == 0 { "made" } else { &pulled };
                    let output = teu.run(&["create", "--pull", "never", "--name", &name, image, "x"]);
                    if output.code == 0 && call % 3 == 0 {
                        teu.run(&["rm", &name]).ok();
                    }
                    output
                })
            }),
        ];
        for (at, worker) in workers.into_iter().enumerate() {
            let calls = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            assert!(calls > 1, "worker {at} came to nothing");
        }
    });
    let text = teu.ok(&["system", "check"]);
    assert!(text.ends_with("all whole"), "{text}");
    // Each container that was made has all its layers, whatever became of its image.
    for name in teu.names() {
        let record = fs::read(
            teu.root().join("containers").join(teu.inspect(&name)["Id"].as_str().expect("an id")).join("record.json"),
        );
        let record: serde_json::Value = serde_json::from_slice(&record.expect("read")).expect("JSON");
        for layer in record["layers"].as_array().expect("layers") {
            let layer = layer.as_str().expect("a digest").trim_start_matches("sha256:").to_owned();
            assert!(teu.root().join("image/layers").join(&layer).join("fs/etc").is_dir(), "{name} lacks layer {layer}");
        }
    }
    teu.ok(&["system", "prune", "-af"]);
    assert_eq!(content(&teu), Vec::<PathBuf>::new());
}
