//! config.md, Mounts: order, destinations, sources, mapped ids; config-linux.md: default file systems, masks, propagation.

use std::fs;
use std::os::unix::fs::{chown, symlink};

use serde_json::json;

use crate::support::bundle::{Bundle, on_every_runtime};

on_every_runtime! {
    mounts_are_made_in_the_listed_order;
    destination_that_is_relative_means_the_root;
    destination_is_made_if_missing;
    destination_through_a_symlink_stays_inside;
    source_of_a_bind_may_be_relative_to_the_bundle;
    source_of_a_bind_may_be_a_file;
    bind_is_a_bind_by_its_options_and_not_its_type;
    idmap_of_a_mount_is_its_own_mapping, runc = "came with 1.2";
    idmap_without_a_mapping_or_user_namespace_is_refused, runc = "came with 1.2";
    idmap_needs_both_mappings, runc = "1.1.5 ignores the fields";
    default_file_systems_are_as_configured;
    masked_paths_cannot_be_read;
    masked_paths_that_are_missing_are_no_error;
    masked_paths_that_are_relative_are_refused, crun = "1.8.1 takes them", runc = "1.1.5 takes them";
    readonly_paths_cannot_be_written, crun = "1.8.1 loses the mount's other flags";
    readonly_paths_that_are_relative_are_refused, crun = "1.8.1 takes them", runc = "1.1.5 takes them";
    propagation_private_of_the_root_is_set;
    propagation_shared_of_the_root_is_set, runc = "1.1.5 leaves it private";
    propagation_slave_of_the_root_is_set;
    propagation_unbindable_of_the_root_is_set, runc = "1.1.5 leaves it private";
    propagation_that_is_unknown_is_refused, crun = "1.8.1 takes it";
}

/// config.md, Mounts: "The runtime MUST mount entries in the listed order".
fn mounts_are_made_in_the_listed_order(lab: &mut Bundle) {
    let first = lab.bind("first", "/mnt", &["bind"]);
    fs::create_dir(first.join("below")).expect("a folder");
    let second = lab.bind("second", "/mnt/below", &["bind"]);
    fs::write(second.join("mark"), "second").expect("write");
    let third = lab.bind("third", "/tmp", &["bind"]);
    fs::write(third.join("mark"), "third").expect("write");
    let fourth = lab.bind("fourth", "/tmp", &["bind"]);
    fs::write(fourth.join("mark"), "fourth").expect("write");
    assert_eq!(lab.script("cat /mnt/below/mark; echo; cat /tmp/mark"), "second\nfourth");
    assert!(!first.join("below/mark").exists());
}

/// config.md, Mounts: a relative destination "MUST be interpreted as relative to /".
fn destination_that_is_relative_means_the_root(lab: &mut Bundle) {
    let source = lab.bind("source", "home/app", &["bind"]);
    fs::write(source.join("mark"), "seen").expect("write");
    lab.config["process"]["cwd"] = json!("/tmp");
    assert_eq!(lab.script("cat /home/app/mark"), "seen");
}

fn destination_is_made_if_missing(lab: &mut Bundle) {
    lab.bind("source", "/a/new/one", &["bind"]);
    assert_eq!(lab.script("grep -q ' /a/new/one ' /proc/mounts && echo mounted"), "mounted");
}

/// A symlink of the image is followed inside the root file system only.
fn destination_through_a_symlink_stays_inside(lab: &mut Bundle) {
    let outside = lab.folder().join("outside");
    fs::create_dir(&outside).expect("a folder");
    symlink(&outside, lab.rootfs().join("escape")).expect("a link");
    lab.bind("source", "/escape/below", &["bind"]);
    let output = lab.create();
    assert_eq!(fs::read_dir(&outside).expect("list").count(), 0, "something was made outside: {output}");
}

/// config.md, Mounts: "Path values for bind mounts are either absolute or relative to the bundle".
fn source_of_a_bind_may_be_relative_to_the_bundle(lab: &mut Bundle) {
    fs::create_dir(lab.path().join("data")).expect("a folder");
    fs::write(lab.path().join("data/mark"), "of the bundle").expect("write");
    lab.mount(json!({"destination": "/mnt", "type": "bind", "source": "data", "options": ["bind"]}));
    assert_eq!(lab.script("cat /mnt/mark"), "of the bundle");
}

fn source_of_a_bind_may_be_a_file(lab: &mut Bundle) {
    let file = lab.folder().join("file");
    fs::write(&file, "a file").expect("write");
    for destination in ["/etc/passwd", "/new/file"] {
        lab.mount(json!({"destination": destination, "type": "bind", "source": file, "options": ["bind", "ro"]}));
    }
    assert_eq!(lab.script("cat /etc/passwd /new/file; echo x > /new/file || true 2>/dev/null"), "a filea file");
    assert_eq!(fs::read_to_string(file).expect("read"), "a file");
}

/// config.md, Mounts: "A mount is a bind mount if it has either bind or rbind in the options".
fn bind_is_a_bind_by_its_options_and_not_its_type(lab: &mut Bundle) {
    let source = lab.folder().join("source");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("mark"), "seen").expect("write");
    for kind in ["none", "bind", "ext4"] {
        lab.config["mounts"].as_array_mut().expect("a list").retain(|mount| mount["destination"] != "/mnt");
        lab.mount(json!({"destination": "/mnt", "type": kind, "source": source, "options": ["rbind", "rw"]}));
        assert_eq!(lab.script("cat /mnt/mark"), "seen", "{kind}");
    }
    lab.config["mounts"].as_array_mut().expect("a list").retain(|mount| mount["destination"] != "/mnt");
    lab.mount(json!({"destination": "/mnt", "source": source, "options": ["rbind"]}));
    assert_eq!(lab.script("cat /mnt/mark"), "seen", "no type");
}

/// config.md, Linux mount options: `idmap` "MUST use those values for the mount's mapping".
fn idmap_of_a_mount_is_its_own_mapping(lab: &mut Bundle) {
    let source = lab.folder().join("source");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("mark"), "").expect("write");
    chown(source.join("mark"), Some(1000), Some(2000)).expect("chown");
    let map = |host: u32| json!([{"containerID": 1000, "hostID": host, "size": 2000}]);
    let mount = json!({"destination": "/mnt", "type": "bind", "source": source, "options": ["bind", "idmap"],
        "uidMappings": map(5000), "gidMappings": map(7000)});
    lab.mount(mount);
    assert_eq!(lab.script("stat -c '%u %g' /mnt/mark"), "5000 8000");
}

/// config.md, Linux mount options: without mappings and without a user namespace "an error MUST be returned".
fn idmap_without_a_mapping_or_user_namespace_is_refused(lab: &mut Bundle) {
    for option in ["idmap", "ridmap"] {
        lab.bind("source", "/mnt", &["bind", option]);
        lab.refused();
    }
}

/// config.md, Mounts: `uidMappings` "MUST be specified along with gidMappings", and the other way round.
fn idmap_needs_both_mappings(lab: &mut Bundle) {
    let map = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
    for field in ["uidMappings", "gidMappings"] {
        lab.bind("source", "/mnt", &["bind", "idmap"]);
        let last = lab.list("/mounts").last_mut().expect("a mount");
        last[field] = map.clone();
        lab.refused();
        lab.list("/mounts").pop();
    }
}

/// config-linux.md, Default Filesystems.
fn default_file_systems_are_as_configured(lab: &mut Bundle) {
    let text = lab.script("for p in /proc /sys /dev/pts /dev/shm; do awk -v p=$p '$5==p {for (i=7;i<=NF;i++) if ($i==\"-\") print p, $(i+1)}' /proc/self/mountinfo; done");
    assert_eq!(text, "/proc proc\n/sys sysfs\n/dev/pts devpts\n/dev/shm tmpfs");
}

/// config-linux.md, Masked Paths: files and folders, so "that they cannot be read".
fn masked_paths_cannot_be_read(lab: &mut Bundle) {
    fs::write(lab.rootfs().join("secret"), "secret").expect("write");
    fs::create_dir(lab.rootfs().join("closed")).expect("a folder");
    fs::write(lab.rootfs().join("closed/file"), "secret").expect("write");
    lab.config["linux"]["maskedPaths"] = json!(["/secret", "/closed"]);
    assert_eq!(lab.script("cat /secret; ls -A /closed; echo > /closed/new 2>/dev/null && echo wrote; echo end"), "end");
    assert!(!lab.rootfs().join("closed/new").exists());
}

fn masked_paths_that_are_missing_are_no_error(lab: &mut Bundle) {
    lab.config["linux"]["maskedPaths"] = json!(["/not/there", "/proc/not-there"]);
    lab.config["linux"]["readonlyPaths"] = json!(["/not/there", "/proc/not-there"]);
    assert_eq!(lab.script("echo fine"), "fine");
}

/// config-linux.md, Masked Paths: "The values MUST be absolute paths".
fn masked_paths_that_are_relative_are_refused(lab: &mut Bundle) {
    lab.config["linux"]["maskedPaths"] = json!(["etc/passwd"]);
    lab.refused().explains(&["maskedPaths"]);
}

/// config-linux.md, Readonly Paths.
fn readonly_paths_cannot_be_written(lab: &mut Bundle) {
    lab.config["linux"]["readonlyPaths"] = json!(["/etc", "/tmp"]);
    lab.mount(json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]}));
    let text = lab.script("(echo x > /etc/passwd) 2>/dev/null && echo wrote; (echo x > /tmp/x) 2>/dev/null && echo wrote; head -c 4 /etc/passwd; grep ' /tmp ' /proc/self/mountinfo | tail -n 1");
    assert!(text.starts_with("root") && text.contains("nosuid"), "{text}");
}

/// config-linux.md, Readonly Paths: "The values MUST be absolute paths".
fn readonly_paths_that_are_relative_are_refused(lab: &mut Bundle) {
    lab.config["linux"]["readonlyPaths"] = json!(["etc"]);
    lab.refused().explains(&["readonlyPaths"]);
}

/// The optional fields of the root's row in mountinfo.
fn root_propagation(lab: &mut Bundle, wanted: &str) -> String {
    lab.config["linux"]["rootfsPropagation"] = json!(wanted);
    let row = lab.script("awk '$5==\"/\"' /proc/self/mountinfo");
    row.split(" - ").next().unwrap_or_default().split(' ').skip(6).collect::<Vec<_>>().join(" ")
}

/// config-linux.md, Rootfs Mount Propagation.
fn propagation_private_of_the_root_is_set(lab: &mut Bundle) {
    assert_eq!(root_propagation(lab, "private"), "");
}

/// "the rootfs mount belongs to a new peer group", which is not the machine's.
fn propagation_shared_of_the_root_is_set(lab: &mut Bundle) {
    let fields = root_propagation(lab, "shared");
    assert!(fields.starts_with("shared:"), "{fields:?}");
    let own = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    assert!(!own.contains(&format!(" {fields} ")), "{fields} is the machine's");
}

fn propagation_slave_of_the_root_is_set(lab: &mut Bundle) {
    let fields = root_propagation(lab, "slave");
    assert!(!fields.contains("shared") && !fields.contains("unbindable"), "{fields:?}");
}

fn propagation_unbindable_of_the_root_is_set(lab: &mut Bundle) {
    assert_eq!(root_propagation(lab, "unbindable"), "unbindable");
}

fn propagation_that_is_unknown_is_refused(lab: &mut Bundle) {
    lab.config["linux"]["rootfsPropagation"] = json!("bogus");
    lab.refused();
}
