//! config.md, Linux mount options: a test for each option that MUST, and for those that SHOULD, be implemented.

use serde_json::json;

use crate::support::bundle::{Bundle, on_every_runtime};

/// A function for each option: the options of a mount of `$kind` at `/mnt`, and what its row of mountinfo shows and does
/// not show.
macro_rules! options {
    ($($name:ident $kind:ident $given:expr => $shown:expr, $hidden:expr;)*) => { $(
        fn $name(lab: &mut Bundle) {
            let (at, row) = $kind(lab, &$given);
            for word in $shown {
                assert!(has(&row, word), "{at} does not show {word}: {row}");
            }
            for word in $hidden {
                assert!(!has(&row, word), "{at} shows {word}: {row}");
            }
        }
    )* };
}

on_every_runtime! {
    async_, crun = "1.8.1 keeps what a later option takes back";
    atime, crun = "1.8.1 keeps what a later option takes back";
    bind;
    defaults, runc = "1.1.5 hands it to tmpfs, which does not know it";
    dev, crun = "1.8.1 keeps what a later option takes back";
    diratime, crun = "1.8.1 keeps what a later option takes back";
    dirsync;
    exec, crun = "1.8.1 keeps what a later option takes back";
    iversion, crun = "1.8.1 does not know it";
    lazytime;
    loud, crun = "1.8.1 does not know it";
    noatime;
    nodev;
    nodiratime;
    noexec;
    noiversion, crun = "1.8.1 does not know it";
    nolazytime;
    norelatime;
    nostrictatime;
    nosuid;
    nosymfollow, crun = "came with 1.9";
    private;
    rbind;
    relatime;
    remount;
    ro;
    ro_of_a_bind;
    rprivate;
    rshared, crun = "1.8.1 leaves the bind private";
    rslave;
    runbindable, crun = "1.8.1 leaves the bind private";
    rw, crun = "1.8.1 keeps what a later option takes back";
    shared, crun = "1.8.1 leaves the bind private";
    silent, crun = "1.8.1 does not know it";
    slave;
    strictatime;
    suid, crun = "1.8.1 keeps what a later option takes back";
    symfollow, crun = "came with 1.9";
    sync;
    unbindable, crun = "1.8.1 leaves the bind private";
    ratime, crun = "1.8.1 does not clear the old access time, which the kernel refuses", runc = "sets and clears in one call, and what is set wins";
    rdev, crun = "sets and clears in one call, and what is set wins", runc = "sets and clears in one call, and what is set wins";
    rdiratime, crun = "1.8.1 does not clear the old access time, which the kernel refuses", runc = "sets and clears in one call, and what is set wins";
    rexec, crun = "sets and clears in one call, and what is set wins", runc = "sets and clears in one call, and what is set wins";
    rnoatime, crun = "1.8.1 does not clear the old access time, which the kernel refuses";
    rnodev;
    rnodiratime, crun = "1.8.1 does not clear the old access time, which the kernel refuses";
    rnoexec;
    rnorelatime;
    rnostrictatime, crun = "1.8.1 does not clear the old access time, which the kernel refuses", runc = "1.1.5 the same";
    rnosuid;
    rnosymfollow, crun = "1.8.1 does not know it";
    rrelatime, crun = "1.8.1 does not clear the old access time, which the kernel refuses", runc = "sets and clears in one call, and what is set wins";
    rro;
    rrw, crun = "sets and clears in one call, and what is set wins", runc = "sets and clears in one call, and what is set wins";
    rstrictatime, crun = "1.8.1 does not clear the old access time, which the kernel refuses";
    rsuid, crun = "sets and clears in one call, and what is set wins", runc = "sets and clears in one call, and what is set wins";
    rsymfollow, runc = "sets and clears in one call, and what is set wins";
    tmpcopyup;
    later_options_win, crun = "1.8.1 keeps what a later option takes back";
    options_of_the_file_system_are_handed_on;
    options_that_nobody_knows_are_refused;
}

fn has(row: &str, word: &str) -> bool {
    row.split([' ', ',']).any(|part| part == word || part.split_once(':').is_some_and(|(name, _)| name == word))
}

/// The last mount at a path, as the container sees it: its row of mountinfo.
fn row_of(lab: &mut Bundle, path: &str) -> String {
    let row = lab.script(&format!("awk '$5==\"{path}\"' /proc/self/mountinfo | tail -n 1"));
    assert!(!row.is_empty(), "nothing is mounted at {path}");
    row
}

fn tmpfs(lab: &mut Bundle, options: &[&str]) -> (&'static str, String) {
    lab.mount(json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": options}));
    ("/mnt", row_of(lab, "/mnt"))
}

fn folder(lab: &mut Bundle, options: &[&str]) -> (&'static str, String) {
    lab.bind("source", "/mnt", options);
    ("/mnt", row_of(lab, "/mnt"))
}

/// A bind of the machine's `/dev`; the row is that of `/dev/pts`, a mount below.
fn below(lab: &mut Bundle, options: &[&str]) -> (&'static str, String) {
    lab.mount(json!({"destination": "/mnt", "type": "bind", "source": "/dev", "options": options}));
    ("/mnt/pts", row_of(lab, "/mnt/pts"))
}

const NONE: [&str; 0] = [];

options! {
    async_ tmpfs ["sync", "async"] => NONE, ["sync"];
    atime tmpfs ["noatime", "atime"] => NONE, ["noatime"];
    defaults tmpfs ["defaults"] => ["rw"], ["nosuid", "nodev", "noexec", "sync"];
    dev tmpfs ["nodev", "dev"] => NONE, ["nodev"];
    diratime tmpfs ["nodiratime", "diratime"] => NONE, ["nodiratime"];
    dirsync tmpfs ["dirsync"] => ["dirsync"], NONE;
    exec tmpfs ["noexec", "exec"] => NONE, ["noexec"];
    iversion tmpfs ["iversion"] => ["rw"], NONE;
    lazytime tmpfs ["lazytime"] => ["lazytime"], NONE;
    loud tmpfs ["loud"] => ["rw"], NONE;
    noatime tmpfs ["noatime"] => ["noatime"], ["relatime"];
    nodev tmpfs ["nodev"] => ["nodev"], NONE;
    nodiratime tmpfs ["nodiratime"] => ["nodiratime"], NONE;
    noexec tmpfs ["noexec"] => ["noexec"], NONE;
    noiversion tmpfs ["noiversion"] => ["rw"], NONE;
    nolazytime tmpfs ["lazytime", "nolazytime"] => NONE, ["lazytime"];
    norelatime tmpfs ["norelatime"] => ["rw"], NONE;
    nostrictatime tmpfs ["nostrictatime"] => ["rw"], NONE;
    nosuid tmpfs ["nosuid"] => ["nosuid"], NONE;
    nosymfollow tmpfs ["nosymfollow"] => ["nosymfollow"], NONE;
    private folder ["bind", "private"] => NONE, ["shared", "master", "unbindable"];
    relatime tmpfs ["relatime"] => ["relatime"], ["noatime"];
    ro tmpfs ["ro"] => ["ro"], NONE;
    ro_of_a_bind folder ["bind", "ro"] => ["ro"], NONE;
    rprivate folder ["rbind", "rprivate"] => NONE, ["shared", "master", "unbindable"];
    rshared folder ["rbind", "rshared"] => ["shared"], NONE;
    rslave folder ["rbind", "rslave"] => NONE, ["shared", "unbindable"];
    runbindable folder ["rbind", "runbindable"] => ["unbindable"], NONE;
    rw tmpfs ["ro", "rw"] => ["rw"], ["ro"];
    shared folder ["bind", "shared"] => ["shared"], NONE;
    silent tmpfs ["silent"] => ["rw"], NONE;
    slave folder ["bind", "slave"] => NONE, ["shared", "unbindable"];
    strictatime tmpfs ["strictatime"] => NONE, ["relatime", "noatime"];
    suid tmpfs ["nosuid", "suid"] => NONE, ["nosuid"];
    symfollow tmpfs ["nosymfollow", "symfollow"] => NONE, ["nosymfollow"];
    sync tmpfs ["sync"] => ["sync"], NONE;
    unbindable folder ["bind", "unbindable"] => ["unbindable"], NONE;
    ratime below ["rbind", "rnoatime", "ratime"] => NONE, ["noatime"];
    rdev below ["rbind", "rnodev", "rdev"] => NONE, ["nodev"];
    rdiratime below ["rbind", "rnodiratime", "rdiratime"] => NONE, ["nodiratime"];
    rexec below ["rbind", "rnoexec", "rexec"] => NONE, ["noexec"];
    rnoatime below ["rbind", "rnoatime"] => ["noatime"], NONE;
    rnodev below ["rbind", "rnodev"] => ["nodev"], NONE;
    rnodiratime below ["rbind", "rnodiratime"] => ["nodiratime"], NONE;
    rnoexec below ["rbind", "rnoexec"] => ["noexec"], NONE;
    rnorelatime below ["rbind", "rnorelatime"] => NONE, ["ro"];
    rnostrictatime below ["rbind", "rnostrictatime"] => NONE, ["ro"];
    rnosuid below ["rbind", "rnosuid"] => ["nosuid"], NONE;
    rnosymfollow below ["rbind", "rnosymfollow"] => ["nosymfollow"], NONE;
    rrelatime below ["rbind", "rnoatime", "rrelatime"] => ["relatime"], ["noatime"];
    rro below ["rbind", "rro"] => ["ro"], NONE;
    rrw below ["rbind", "rro", "rrw"] => NONE, ["ro"];
    rstrictatime below ["rbind", "rstrictatime"] => NONE, ["relatime", "noatime"];
    rsuid below ["rbind", "rnosuid", "rsuid"] => NONE, ["nosuid"];
    rsymfollow below ["rbind", "rnosymfollow", "rsymfollow"] => NONE, ["nosymfollow"];
}

/// Only the mount itself, nothing below it.
fn bind(lab: &mut Bundle) {
    lab.mount(json!({"destination": "/mnt", "type": "none", "source": "/dev", "options": ["bind"]}));
    let text = lab.script(
        "grep -q ' /mnt ' /proc/mounts && echo bound; grep -q ' /mnt/pts ' /proc/mounts && echo below; test -c /mnt/null && echo null",
    );
    assert_eq!(text, "bound\nnull");
}

fn rbind(lab: &mut Bundle) {
    lab.mount(json!({"destination": "/mnt", "type": "none", "source": "/dev", "options": ["rbind"]}));
    assert_eq!(lab.script("grep -q ' /mnt ' /proc/mounts && grep -q ' /mnt/pts ' /proc/mounts && echo below"), "below");
}

fn remount(lab: &mut Bundle) {
    lab.mount(json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]}));
    lab.mount(
        json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["remount", "ro", "nosuid"]}),
    );
    let text = lab.script("awk '$5==\"/mnt\"' /proc/self/mountinfo");
    assert_eq!(text.lines().count(), 1, "a second mount: {text}");
    assert!(has(&text, "ro") && has(&text, "nosuid"), "{text}");
}

fn tmpcopyup(lab: &mut Bundle) {
    let options = ["tmpcopyup", "nosuid"];
    lab.mount(json!({"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": options}));
    assert_eq!(lab.script("head -c 4 /etc/passwd; echo; echo > /etc/new && echo written"), "root\nwritten");
    assert!(!lab.rootfs().join("etc/new").exists(), "the root file system was written");
}

fn later_options_win(lab: &mut Bundle) {
    let (_, row) = tmpfs(lab, &["ro", "nosuid", "rw", "noexec", "exec", "nodev"]);
    assert!(has(&row, "nosuid") && has(&row, "nodev") && !has(&row, "noexec") && !has(&row, "ro"), "{row}");
}

/// "Runtimes SHOULD treat unknown options as filesystem-specific ones."
fn options_of_the_file_system_are_handed_on(lab: &mut Bundle) {
    let (_, row) = tmpfs(lab, &["size=123k", "mode=0751", "nr_inodes=77"]);
    assert!(has(&row, "size=124k") && has(&row, "mode=751") && has(&row, "nr_inodes=77"), "{row}");
}

fn options_that_nobody_knows_are_refused(lab: &mut Bundle) {
    lab.mount(json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["no-such-option=1"]}));
    lab.refused();
}
