//! A real Debian image of several layers, made with mmdebstrap from the distribution's own packages.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::oci::{Entry, Image, Layer, Packing, tar_of};
use super::registry::cache;
use super::{need, process};

/// Files in the second layer: enough that unpacking is more than one file.
pub const MANY: usize = 2000;

/// The image: Debian itself, many files, changes over both, and a last one with whiteouts.
pub fn image() -> Image {
    let layers = vec![
        Layer::new(&base_tar(), Packing::Gzip),
        Layer::new(&many(), Packing::Zstd),
        Layer::new(&changes(), Packing::Gzip),
        Layer::new(&whiteouts(), Packing::Plain),
    ];
    let config = json!({
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN=bookworm"],
        "Cmd": ["bash"],
    });
    Image::new(config, layers)
}

/// The second layer.
pub fn many() -> Vec<u8> {
    let many: Vec<Entry> = [Entry::folder("opt/"), Entry::folder("opt/many/")]
        .into_iter()
        .chain((0..MANY).map(|n| Entry::file(&format!("opt/many/{n}"), format!("file {n}\n").as_bytes())))
        .collect();
    tar_of(&many)
}

/// The third layer.
pub fn changes() -> Vec<u8> {
    tar_of(&[
        Entry::file("etc/motd", b"from the third layer\n"),
        Entry::file("opt/many/0", b"changed\n"),
        Entry::folder("opt/replaced/"),
        Entry::file("opt/replaced/old", b"old\n"),
        Entry::program("usr/local/bin/greet", b"#!/bin/sh\necho hello from debian, $1\n"),
        Entry::hardlink("opt/link-to-greet", "usr/local/bin/greet"),
    ])
}

/// The fourth layer.
pub fn whiteouts() -> Vec<u8> {
    tar_of(&[
        Entry::file("opt/many/.wh.1", b""),
        Entry::folder("opt/replaced/"),
        Entry::file("opt/replaced/.wh..wh..opq", b""),
        Entry::file("opt/replaced/new", b"new\n"),
        Entry::file("usr/share/.wh.doc", b""),
    ])
}

/// Debian itself, as mmdebstrap packs it.
pub fn base_tar() -> Vec<u8> {
    let file = cache().join("debian-bookworm.tar");
    if !file.exists() {
        let program = need::program("mmdebstrap", "mmdebstrap");
        let partial = cache().join(format!("debian-bookworm.{}.tar", std::process::id()));
        let mut command = Command::new(program);
        command.args(["--quiet", "--variant=essential"]);
        command.args(["--aptopt=Acquire::Retries \"3\"", "bookworm"]).arg(&partial);
        process::run(&mut command, b"", Duration::from_secs(600)).ok();
        fs::rename(&partial, &file).expect("rename");
    }
    fs::read(&file).expect("read the Debian tar")
}
