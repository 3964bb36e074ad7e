//! Fuzz target: any bytes as a layer's archive, unpacked to disk. Nothing may appear or change beside the folder it goes to.

#![no_main]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    // Without a right checksum nothing behind a header would ever be read.
    for block in bytes.chunks_exact_mut(512).filter(|block| block[156] != 0 && block[0] != 0) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let folder = std::env::temp_dir().join(format!("teu-fuzz-{}", std::process::id()));
    let (root, victim) = (folder.join("root"), folder.join("victim"));
    if !victim.exists() {
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(&victim, "untouched").expect("a file");
    }
    let look = |path: &PathBuf| fs::metadata(path).map(|it| (it.mode(), it.nlink(), it.mtime(), it.len())).expect("there");
    let before = look(&victim);
    fs::create_dir(&root).expect("a folder");
    if let Err(error) = teu::image::trial::unpack(&bytes, &root) {
        let text = error.to_string();
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    assert_eq!(look(&victim), before);
    let names = fs::read_dir(&folder).expect("a list").count();
    assert_eq!(names, 2, "something appeared beside the root");
    if fs::remove_dir_all(&root).is_err() {
        Command::new("chmod").args(["-R", "u+rwX"]).arg(&root).status().expect("chmod");
        fs::remove_dir_all(&root).expect("removed");
    }
});
