//! The two images that are pulled: Debian with a compiler in four layers, and ten layers of many small files.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::oci::{Entry, Image, Layer, sha256, tar_of};
use crate::support::{Registry, need, process, registry};

pub const DEBIAN: &str = "debian-large:latest";
pub const SMALL_FILES: &str = "small-files:latest";

const DEBIAN_LAYERS: usize = 4;
const SMALL_LAYERS: usize = 10;
const FILES_PER_LAYER: usize = 3000;

/// A registry that serves both; its storage is made once and kept in the user's cache folder.
pub fn registry() -> Registry {
    let storage = registry::cache().join("registry-bench-1");
    let complete = storage.join("complete");
    if !complete.exists() {
        println!("(making the images, once: some minutes)\n");
        let _ = fs::remove_dir_all(&storage);
        fs::create_dir_all(&storage).expect("a folder");
        let registry = Registry::over(&storage);
        registry.push(&small_files(), SMALL_FILES);
        registry.push(&debian(), DEBIAN);
        fs::write(&complete, "").expect("write");
    }
    Registry::over(&storage)
}

fn image(tars: &[Vec<u8>]) -> Image {
    Image::new(json!({ "Cmd": ["/bin/sh"] }), tars.iter().map(|tar| gzipped(tar)).collect())
}

/// At gzip's and docker's own level, 6.
fn gzipped(tar: &[u8]) -> Layer {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(tar).expect("to memory");
    let media = "application/vnd.oci.image.layer.v1.tar+gzip";
    Layer { bytes: encoder.finish().expect("to memory"), media, diff_id: sha256(tar) }
}

fn debian() -> Image {
    let file = registry::cache().join("debian-bench.tar");
    if !file.exists() {
        let partial = registry::cache().join(format!("debian-bench.{}.tar", std::process::id()));
        let mut command = Command::new(need::program("mmdebstrap", "mmdebstrap"));
        command.args(["--quiet", "--variant=minbase", "--aptopt=Acquire::Retries \"3\""]);
        command.args(["--include=build-essential,git,python3,vim", "bookworm"]).arg(&partial);
        process::run(&mut command, b"", Duration::from_secs(900)).ok();
        fs::rename(&partial, &file).expect("rename");
    }
    image(&split(&file, DEBIAN_LAYERS))
}

/// Cuts an archive between entries into so many of about one size; a hard link goes where its target went.
fn split(file: &Path, parts: usize) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes)).expect("read the Debian tar");
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut cut = vec![Vec::new(); parts];
    let mut place_of: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut entries = archive.entries().expect("a tar");
    let mut start = 0;
    let each = bytes.len().div_ceil(parts);
    while let Some(entry) = entries.next() {
        let entry = entry.expect("an entry");
        let size = if entry.header().entry_type().is_file() { entry.size() } else { 0 };
        let end = (entry.raw_file_position() + size).next_multiple_of(512) as usize;
        let linked = entry.link_name_bytes().filter(|_| entry.header().entry_type().is_hard_link());
        let place = linked.and_then(|target| place_of.get(&*target).copied()).unwrap_or(start / each);
        place_of.insert(entry.path_bytes().into_owned(), place);
        cut[place].extend_from_slice(&bytes[start..end]);
        start = end;
    }
    cut.iter_mut().for_each(|tar| tar.resize(tar.len() + 1024, 0));
    cut
}

fn small_files() -> Image {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let layers: Vec<Vec<u8>> = (0..SMALL_LAYERS).map(|layer| small_layer(layer, &mut numbers)).collect();
    image(&layers)
}

/// Three thousand files of up to 12 KiB, thirty to a folder, of text that gzip halves and more.
fn small_layer(layer: usize, numbers: &mut Numbers) -> Vec<u8> {
    let mut entries = vec![Entry::folder("srv/"), Entry::folder(&format!("srv/{layer}/"))];
    for file in 0..FILES_PER_LAYER {
        let folder = format!("srv/{layer}/{:03}/", file / 30);
        if file % 30 == 0 {
            entries.push(Entry::folder(&folder));
        }
        let length = 100 + numbers.next() as usize % (12 << 10);
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            let number = numbers.next();
            let word = ["layer", "container", "file", "registry", "image"][number as usize % 5];
            text.push_str(&format!("{word}-{:x}\n", number >> 40));
        }
        entries.push(Entry::file(&format!("{folder}{file}.txt"), text.as_bytes()));
    }
    tar_of(&entries)
}

/// The same numbers each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
