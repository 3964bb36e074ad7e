//! Binds, volumes, memory and images in containers, as a user asks for them: `-v`, `--mount`, `--tmpfs`.
//!
//! What has to mount something on the machine does so in a mount namespace of its own, which ends with the test's script.

mod binds;
mod images;
mod life;
mod ordinary;
mod propagation;
mod subpaths;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::process::{self, Output};
use crate::support::teu::LIMIT;
use crate::support::{Teu, need};

/// Root's, with the image `tiny`.
fn teu() -> Teu {
    need::root();
    let teu = Teu::new();
    teu.import_tiny();
    teu
}

/// The ways in which root's containers have ids: one of their own, and the machine's.
const IDS: [&str; 2] = ["--userns=private", "--userns=host"];

/// Runs a shell script on the machine, in a mount namespace of its own; `$TEU` is teu and the folder is the test's.
#[track_caller]
fn scene(teu: &Teu, script: &str) -> Output {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", script]).current_dir(teu.work());
    for (key, value) in teu.command::<&str>(&[]).get_envs() {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    let words = teu.command::<&str>(&[]);
    let words: Vec<_> =
        [words.get_program()].into_iter().chain(words.get_args()).map(|word| word.to_string_lossy()).collect();
    command.env("TEU", words.join(" "));
    process::run(&mut command, b"", LIMIT)
}

/// A folder of the test's with one file in it.
fn folder(teu: &Teu, name: &str, text: &str) -> PathBuf {
    let folder = teu.work().join(name);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("file"), text).expect("a file");
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("list")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn volume_data(teu: &Teu, name: &str) -> PathBuf {
    teu.root().join("volumes").join(name).join("data")
}
