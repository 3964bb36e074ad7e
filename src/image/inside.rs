//! Work on files of an ordinary user's subordinate ids, by another process of this program: root of a user namespace with the
//! maps of that user's containers. Its hidden verb is `teu inside TASK …`.

use std::ffi::OsString;
use std::process::Command;

use super::{contents, layer};

/// Performs a task, in that namespace and with a single thread. The error is for stderr.
pub fn perform(words: &[OsString]) -> Result<(), String> {
    match words.split_first() {
        Some((task, words)) if task == "unpack" => layer::unpack_task(words),
        Some((task, words)) if task == "compare" => layer::compare_task(words),
        Some((task, words)) if task == "contents" => contents::task(words),
        _ => Err(NOT_FOR_PEOPLE.to_owned()),
    }
}

/// What a task says to words that it does not understand.
pub(super) const NOT_FOR_PEOPLE: &str = "`teu inside` is not meant to be called by people";

/// The command that has a task performed there.
pub(super) fn command(task: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["inside", task]);
    command
}
