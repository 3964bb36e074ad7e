//! Tries an overlay mount on the data root, in namespaces of a child process: the one sure way to know.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// What the trial came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    Works,
    /// No user namespace could be made or filled: the step and the error.
    NoNamespace(String),
    /// The overlay could not be mounted: the error.
    NoOverlay(String),
    /// The trial itself failed.
    Unknown(String),
}

/// Runs the trial in a child process.
pub(super) fn run(data: &Path) -> Trial {
    let folder = data.join(format!(".doctor-{}", std::process::id()));
    let made = PARTS.iter().try_for_each(|part| fs::create_dir_all(folder.join(part)));
    let trial = match made {
        Ok(()) => child(&folder),
        Err(error) => Trial::Unknown(format!("cannot make {}: {error}", folder.display())),
    };
    clean(&folder);
    trial
}

const PARTS: [&str; 4] = ["lower", "upper", "work", "merged"];

fn child(folder: &Path) -> Trial {
    let output = Command::new("/proc/self/exe").arg("probe").arg(folder).stdin(Stdio::null()).output();
    let answer = match output {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(error) => return Trial::Unknown(format!("starting /proc/self/exe: {error}")),
    };
    match answer.split_once(' ') {
        _ if answer == "works" => Trial::Works,
        Some(("namespace", why)) => Trial::NoNamespace(why.to_owned()),
        Some(("overlay", why)) => Trial::NoOverlay(why.to_owned()),
        _ => Trial::Unknown(format!("the trial process said {answer:?}")),
    }
}

/// Removes the trial's folders one by one: the kernel makes `work/work` without permissions, which only rmdir minds not.
fn clean(folder: &Path) {
    let _ = fs::remove_dir(folder.join("work/work"));
    for part in PARTS {
        let _ = fs::remove_dir(folder.join(part));
    }
    let _ = fs::remove_dir(folder);
}

/// The hidden verb `probe FOLDER`: must run before any thread exists. Its answer is to be printed for `run`.
pub fn probe_verb(folder: &Path) -> String {
    match attempt(folder) {
        Ok(()) => "works".to_owned(),
        Err(why) => why,
    }
}

fn attempt(folder: &Path) -> Result<(), String> {
    let namespace = |step: &str, error: String| format!("namespace {step}: {error}");
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let flags = match uid.is_root() {
        true => CloneFlags::CLONE_NEWNS,
        false => CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS,
    };
    unshare(flags).map_err(|error| namespace("unshare", error.desc().to_owned()))?;
    if !uid.is_root() {
        let write = |path: &str, text: String| {
            fs::write(path, text).map_err(|error: io::Error| namespace(path, error.to_string()))
        };
        write("/proc/self/setgroups", "deny".to_owned())?;
        write("/proc/self/uid_map", format!("0 {} 1", uid.as_raw()))?;
        write("/proc/self/gid_map", format!("0 {} 1", gid.as_raw()))?;
    }
    let none = None::<&Path>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|error| namespace("mount", error.desc().to_owned()))?;
    let part = |name: &str| escaped(&folder.join(name));
    let kind = if uid.is_root() { "" } else { ",userxattr" };
    let options = [
        &b"lowerdir="[..],
        &part("lower"),
        b",upperdir=",
        &part("upper"),
        b",workdir=",
        &part("work"),
        kind.as_bytes(),
    ];
    let options: Vec<u8> = options.concat();
    let merged: PathBuf = folder.join("merged");
    mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.as_slice()))
        .map_err(|error| format!("overlay {}", error.desc()))
}

/// Overlay's options end at commas and colons that no backslash guards.
fn escaped(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b',' | b':' | b'\\') {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlay_options_guard_commas_and_colons() {
        assert_eq!(escaped(Path::new("/a,b:c\\d")), b"/a\\,b\\:c\\\\d");
    }

    #[test]
    fn clean_leaves_nothing_of_the_trial() {
        let data = tempfile::tempdir().expect("temporary folder");
        let folder = data.path().join(".doctor-1");
        for part in PARTS {
            fs::create_dir_all(folder.join(part)).expect("folder");
        }
        fs::create_dir(folder.join("work/work")).expect("folder");
        clean(&folder);
        assert!(!folder.exists());
    }
}
