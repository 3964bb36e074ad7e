//! Pulls that break off and are gone on with, blobs that come in pieces, and registries that serve the wrong pieces.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::http::{Reply, Request, Server, range_of};
use crate::support::oci::{Entry, Image, Layer, Packing, sha256, tar_of};
use crate::support::{SECOND, Teu, wait_for};

const MIB: usize = 1 << 20;
/// What of the bytes that had arrived may be fetched again.
const AGAIN_MAX: usize = 4 * MIB;

/// The same bytes each time, of which no compression makes less.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed * 2 + 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Layers of one file and some small ones each.
fn image(layer_bytes: &[usize]) -> Image {
    let layer = |(number, length): (usize, &usize)| {
        let mut entries = vec![Entry::file(&format!("large-{number}"), &noise(*length, number as u64 + 1))];
        entries.extend((0..50).map(|n| Entry::file(&format!("small/{number}/{n}"), format!("{n}\n").as_bytes())));
        let packing = [Packing::Plain, Packing::Gzip, Packing::Zstd][number % 3];
        Layer::new(&tar_of(&entries), packing)
    };
    Image::new(json!({ "Cmd": ["/nothing"] }), layer_bytes.iter().enumerate().map(layer).collect())
}

fn is_blob(request: &Request) -> bool {
    request.path.contains("/blobs/")
}

/// The blob that is asked for, if it is a layer's.
fn layer_of<'a>(image: &'a Image, request: &Request) -> Option<&'a Layer> {
    let digest = request.path.rsplit('/').next()?;
    image.layers.iter().find(|layer| sha256(&layer.bytes) == digest)
}

/// Whether the store has all of the image's blobs and files as they should be, and nothing half made.
#[track_caller]
fn assert_whole(teu: &Teu, image: &Image) {
    let store = teu.root().join("image");
    for (digest, bytes) in image.blobs() {
        let blob = fs::read(store.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))).expect("the blob");
        assert!(blob == bytes, "blob {digest} is another");
    }
    for (number, layer) in image.layers.iter().enumerate() {
        let files = store.join("layers").join(layer.diff_id.trim_start_matches("sha256:")).join("fs");
        let large = fs::read(files.join(format!("large-{number}"))).expect("the large file");
        assert!(large == noise(large.len(), number as u64 + 1), "layer {number} has another content");
        assert_eq!(fs::read_dir(files.join(format!("small/{number}"))).expect("the small files").count(), 50);
    }
    let left: Vec<_> = fs::read_dir(store.join("partial")).expect("list").flatten().map(|e| e.file_name()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    teu.ok(&["system", "check"]);
}

#[test]
fn blob_cut_at_99_percent_is_gone_on_with_by_the_next_pull() {
    let teu = Teu::new();
    let image = image(&[12 * MIB]);
    let whole = image.layers[0].bytes.len();
    static CUT: AtomicBool = AtomicBool::new(true);
    let server = Server::registry(image.clone(), {
        let image = image.clone();
        move |request| {
            let blob = &layer_of(&image, request)?.bytes;
            let first = !request.headers.contains_key("range");
            let cut = Reply::Cut(vec![], blob.clone(), blob.len() * 99 / 100);
            CUT.load(Ordering::Relaxed).then_some(if first { cut } else { Reply::Close })
        }
    });
    let reference = server.reference("cut");
    let output = teu.run(&["pull", &reference]);
    assert_ne!(output.code, 0, "{output}");
    output.explains(&[]);
    CUT.store(false, Ordering::Relaxed);
    let before = server.requests().len();
    teu.ok(&["pull", &reference]);
    let asked: usize = server.requests()[before..]
        .iter()
        .filter(|request| layer_of(&image, request).is_some())
        .map(|request| request.range(whole).map_or(whole, |(first, end)| end - first))
        .sum();
    assert!(asked <= whole / 100 + 1 + AGAIN_MAX, "{asked} bytes were fetched again of {whole}");
    assert_whole(&teu, &image);
}

#[test]
fn killed_pull_is_gone_on_with_and_fetches_little_again() {
    let teu = Teu::new();
    let image = image(&[24 * MIB]);
    let whole = image.layers[0].bytes.len();
    let sent = 14 * MIB;
    // Sends so much, and then nothing more for as long as the test takes.
    static STALLS: AtomicBool = AtomicBool::new(true);
    let server = Server::registry(image.clone(), {
        let image = image.clone();
        move |request| {
            let blob = &layer_of(&image, request)?.bytes;
            if !STALLS.load(Ordering::Relaxed) {
                return None;
            }
            // A helper gets nothing.
            let bytes = if request.headers.contains_key("range") { 0 } else { sent };
            Some(Reply::Stalled(vec![], blob.clone(), bytes))
        }
    });
    let reference = server.reference("killed");
    let mut pull = teu.spawn(&["pull", &reference]);
    let part = wait_for("a partial blob", SECOND * 20, || {
        let entries = fs::read_dir(teu.root().join("image/partial")).ok()?.flatten();
        entries.map(|e| e.path()).find(|path| path.extension() == Some("part".as_ref()))
    });
    // All that was sent arrives when the end of it does.
    let last = image.layers[0].bytes[sent - 64..sent].to_vec();
    wait_for("what was sent", SECOND * 20, || {
        let content = fs::read(&part).ok()?;
        (content.get(sent - 64..sent)? == last).then_some(())
    });
    pull.child.kill().expect("kill -9");
    pull.wait(SECOND * 5).expect("it ends");
    STALLS.store(false, Ordering::Relaxed);
    let before = server.requests().len();
    let output = teu.run(&["pull", &reference]).ok();
    let firsts: Vec<usize> = server.requests()[before..]
        .iter()
        .filter(|request| layer_of(&image, request).is_some())
        .map(|request| request.range(whole).map_or(0, |(first, _)| first))
        .collect();
    assert!(firsts.iter().all(|first| first + AGAIN_MAX >= sent), "asked from {firsts:?}, {sent} were there\n{output}");
    assert_whole(&teu, &image);
}

#[test]
fn pull_killed_at_fifty_moments_succeeds_in_the_end() {
    let teu = Teu::new();
    let image = image(&[3 * MIB, 5 * MIB, MIB, 2 * MIB]);
    let server = Server::registry(image.clone(), {
        let image = image.clone();
        move |request| {
            let (code, headers, body) = range_of(request, &layer_of(&image, request)?.bytes);
            Some(Reply::Paced(code, headers, body, 20 * MIB))
        }
    });
    let reference = server.reference("often");
    let mut moment = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..50 {
        moment ^= moment << 13;
        moment ^= moment >> 7;
        moment ^= moment << 17;
        let mut pull = teu.spawn(&["pull", "--quiet", &reference]);
        std::thread::sleep(Duration::from_millis(moment % 120));
        let _ = pull.child.kill();
        pull.wait(SECOND * 5).expect("it ends");
        // Whole or not there: an image that is listed can be used.
        if teu.ok(&["images"]).contains("often") {
            teu.ok(&["rmi", &reference]);
        }
    }
    teu.ok(&["pull", &reference]);
    assert_whole(&teu, &image);
}

/// Pulls from a registry that answers ranged requests wrongly, after half of the blob had come by one that was right.
#[track_caller]
fn pulls_in_spite_of(lie: impl Fn(&Request, &[u8]) -> Reply + Send + Sync + 'static) {
    let teu = Teu::new();
    let image = image(&[6 * MIB]);
    let broken = AtomicBool::new(false);
    let server = Server::registry(image.clone(), {
        let image = image.clone();
        move |request| {
            let blob = &layer_of(&image, request)?.bytes;
            if !broken.swap(true, Ordering::Relaxed) {
                return Some(Reply::Cut(vec![], blob.clone(), blob.len() / 2));
            }
            match request.headers.get("range") {
                Some(_) => Some(lie(request, blob)),
                None => Some(Reply::body("application/octet-stream", blob.clone())),
            }
        }
    });
    let output = teu.run(&["pull", &server.reference("lied-to")]).ok();
    assert!(server.requests().iter().any(|request| request.headers.contains_key("range")), "{output}");
    assert_whole(&teu, &image);
}

#[test]
fn registry_that_serves_another_range_is_asked_for_the_whole() {
    // Its beginning instead of the rest, and it says so.
    pulls_in_spite_of(|request, blob| {
        let (first, end) = request.range(blob.len()).expect("a range");
        let range = format!("bytes 0-{}/{}", end - first - 1, blob.len());
        Reply::Full(206, vec![("Content-Range".into(), range)], blob[..end - first].to_vec())
    });
}

#[test]
fn registry_that_serves_other_bytes_than_it_says_is_found_out_by_the_digest() {
    pulls_in_spite_of(|request, blob| {
        let (code, headers, body) = range_of(request, blob);
        Reply::Full(code, headers, vec![0x55; body.len()])
    });
}

#[test]
fn registry_whose_partial_answers_say_nothing_or_refuse_is_asked_for_the_whole() {
    pulls_in_spite_of(|request, blob| Reply::Full(206, vec![], range_of(request, blob).2));
    pulls_in_spite_of(|_, _| Reply::status(416));
    pulls_in_spite_of(|request, blob| {
        let (_, headers, body) = range_of(request, blob);
        Reply::Full(206, headers, body[..body.len() / 2].to_vec())
    });
}

#[test]
fn blob_of_another_length_than_the_manifests_is_refused_at_once() {
    let teu = Teu::new();
    let image = image(&[MIB]);
    for more in [true, false] {
        let server = Server::registry(image.clone(), {
            let image = image.clone();
            move |request| {
                let mut blob = layer_of(&image, request)?.bytes.clone();
                blob.resize(if more { blob.len() + 10 } else { blob.len() - 10 }, 0);
                Some(Reply::body("application/octet-stream", blob))
            }
        });
        let output = teu.run(&["pull", &server.reference("it")]);
        assert_ne!(output.code, 0, "{output}");
        output.explains(&["bytes", "manifest"]);
        let left = fs::read_dir(teu.root().join("image/partial")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "it would never fit");
    }
}

#[test]
fn slow_registry_is_asked_over_several_connections() {
    let teu = Teu::new();
    let image = image(&[40 * MIB]);
    let server = Server::registry(image.clone(), {
        let image = image.clone();
        move |request| {
            let (code, headers, body) = range_of(request, &layer_of(&image, request)?.bytes);
            Some(Reply::Paced(code, headers, body, 3 * MIB))
        }
    });
    let start = Instant::now();
    teu.ok(&["pull", &server.reference("slow")]);
    let took = start.elapsed();
    let ranged = server.requests().iter().filter(|request| request.headers.contains_key("range")).count();
    assert!(ranged >= 3, "{ranged} ranged requests");
    // 13.3 s over one connection, some 4 s over all that there are.
    assert!(took < SECOND * 12, "{took:?}");
    assert_whole(&teu, &image);
}

#[test]
fn two_pulls_at_once_fetch_each_blob_once() {
    let teu = Teu::new();
    let image = image(&[3 * MIB, 2 * MIB]);
    static SENT: AtomicU64 = AtomicU64::new(0);
    let server = Server::registry(image.clone(), {
        let image = image.clone();
        move |request| {
            let (code, headers, body) = range_of(request, &layer_of(&image, request)?.bytes);
            SENT.fetch_add(body.len() as u64, Ordering::Relaxed);
            Some(Reply::Paced(code, headers, body, 4 * MIB))
        }
    });
    let reference = server.reference("twice");
    let mut pulls: Vec<_> = (0..3).map(|_| teu.spawn(&["pull", &reference])).collect();
    for pull in &mut pulls {
        assert_eq!(pull.wait(SECOND * 30), Some(0));
    }
    let whole: u64 = image.layers.iter().map(|layer| layer.bytes.len() as u64).sum();
    assert_eq!(SENT.load(Ordering::Relaxed), whole, "each layer once, for three pulls");
    assert!(server.requests().iter().filter(|request| is_blob(request)).count() >= 2);
    assert_whole(&teu, &image);
}

#[test]
fn cancelled_pull_is_gone_on_with() {
    let teu = Teu::new();
    let image = image(&[8 * MIB]);
    let whole = image.layers[0].bytes.len();
    static SLOW: AtomicBool = AtomicBool::new(true);
    let server = Server::registry(image.clone(), {
        let image = image.clone();
        move |request| {
            let (code, headers, body) = range_of(request, &layer_of(&image, request)?.bytes);
            SLOW.load(Ordering::Relaxed).then_some(Reply::Paced(code, headers, body, 4 * MIB))
        }
    });
    let reference = server.reference("cancelled");
    let mut pty = teu.pty(&["pull", &reference]);
    std::thread::sleep(Duration::from_millis(1200));
    pty.send(crate::support::pty::key::CTRL_C);
    assert_ne!(pty.wait_exit(), 0);
    SLOW.store(false, Ordering::Relaxed);
    let before = server.requests().len();
    teu.ok(&["pull", &reference]);
    let requests = server.requests();
    let asked = requests[before..].iter().find(|request| layer_of(&image, request).is_some()).expect("the layer");
    let (first, _) = asked.range(whole).expect("the rest, not the whole");
    assert!(first > MIB / 2, "gone on with from {first}");
    assert_whole(&teu, &image);
}
