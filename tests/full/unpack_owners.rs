//! Whose the files of an image are, inside a container and on disk: root's teu, a user with subordinate ids, a user with one id.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::http::{Reply, Server};
use crate::support::leaks::{command_line, processes_of};
use crate::support::oci::{Entry, Image, Layer, Packing, sha256, tar_of};
use crate::support::user::Range;
use crate::support::{Registry, SECOND, Teu, User, tiny, wait_for};

/// What [`LOOK`] prints where owners are kept.
const KEPT: &str = "0:0 755 /own\n1000:1000 644 /own/by-app\n65534:65534 4755 /own/setuid\n999:999 700 /own/closed\n\
     999:999 600 /own/closed/secret\n7:7 777 /own/link\n0:0 644 /own/root\nkept";
const LOOK: &str = "cd /own; for f in . by-app setuid closed closed/secret link root; do \
     stat -c \"%u:%g %a /own/$f\" $f; done | sed 's:/\\.$::'; ls replaced";

/// cap_net_bind_service, effective, as `security.capability` of revision 2 has it.
const CAPABILITY: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn image() -> Image {
    let entry = |path: &str, owner: u64, mode: u32| Entry::file(path, b"x").owner(owner).mode(mode);
    let mut owned = tar::Builder::new(Vec::new());
    owned.append_pax_extensions([("SCHILY.xattr.security.capability", CAPABILITY)]).expect("memory");
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    header.set_mode(0o755);
    owned.append_data(&mut header, "own/capable", &b""[..]).expect("memory");
    // Without its end mark, so that other entries can follow.
    let capable = owned.get_ref().clone();
    let plain = tar_of(&[
        Entry::folder("own/"),
        entry("own/by-app", 1000, 0o644),
        entry("own/setuid", 65534, 0o4755),
        Entry::folder("own/closed/").owner(999).mode(0o700),
        entry("own/closed/secret", 999, 0o600),
        entry("own/root", 0, 0o644),
        Entry::folder("own/replaced/").owner(1000).mode(0o700),
        entry("own/replaced/old", 1000, 0o600),
        Entry::symlink("own/link", "root").owner(7),
    ]);
    let second = tar_of(&[
        Entry::folder("own/replaced/"),
        Entry::file("own/replaced/.wh..wh..opq", b""),
        Entry::file("own/replaced/kept", b""),
    ]);
    let first = [capable, plain].concat();
    let base = tiny::busybox_image();
    let layers = [base.layers[0].clone(), Layer::new(&first, Packing::Gzip), Layer::new(&second, Packing::Zstd)];
    Image::new(base.config, layers.to_vec())
}

fn pulled(teu: &Teu) -> (Registry, String) {
    let registry = Registry::empty();
    registry.push(&image(), "owned:1");
    let name = registry.reference("owned:1");
    teu.ok(&["pull", "-q", &name]);
    (registry, name)
}

/// The unpacked layer that has `own/by-app`.
fn layer(teu: &Teu) -> PathBuf {
    let layers = fs::read_dir(teu.root().join("image/layers")).expect("layers").flatten();
    layers.map(|entry| entry.path().join("fs")).find(|path| path.join("own/by-app").exists()).expect("the layer")
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 64];
    rustix::fs::lgetxattr(path, name, &mut value[..]).ok().map(|length| value[..length].to_vec())
}

/// What lists and packs the image again copes with its owners: the check of the store, an archive of a container.
fn look_and_pack(teu: &Teu, name: &str) -> Vec<u8> {
    teu.ok(&["system", "check"]);
    teu.ok(&["create", "--name", "packed", name, "true"]);
    let archive = teu.run(&["export", "packed"]).ok().stdout;
    teu.ok(&["rm", "packed"]);
    archive
}

/// The owner that an archive names.
fn owner_in(archive: &[u8], path: &str) -> (u64, u64) {
    let mut archive = tar::Archive::new(archive);
    let mut entries = archive.entries().expect("an archive").map(|entry| entry.expect("an entry"));
    let entry = entries.find(|entry| entry.path_bytes().ends_with(path.as_bytes())).expect(path);
    (entry.header().uid().expect("a number"), entry.header().gid().expect("a number"))
}

/// The image goes, and nothing of it stays on disk, whoever owned it.
fn remove_all(teu: &Teu, name: &str) {
    teu.ok(&["rmi", name]);
    for folder in ["image/layers", "image/partial"] {
        let left: Vec<_> = fs::read_dir(teu.root().join(folder)).expect("list").flatten().map(|it| it.path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn root_keeps_owners() {
    let teu = Teu::new();
    let (_registry, name) = pulled(&teu);
    assert_eq!(teu.ok(&["run", "--rm", &name, "sh", "-c", LOOK]), KEPT);
    let layer = layer(&teu);
    assert_eq!(fs::metadata(layer.join("own/by-app")).expect("there").uid(), 1000);
    assert_eq!(attribute(&layer.join("own/capable"), "security.capability").as_deref(), Some(CAPABILITY));
    remove_all(&teu, &name);
}

#[test]
fn user_with_a_range_keeps_owners_of_his_range() {
    let user = Arc::new(User::new(Range::Given));
    let teu = Teu::of_user(&user);
    let (_registry, name) = pulled(&teu);
    assert_eq!(teu.ok(&["run", "--rm", &name, "sh", "-c", LOOK]), KEPT);
    let layer = layer(&teu);
    let owner = |path: &str| fs::symlink_metadata(layer.join(path)).expect(path).uid();
    let first = owner("own/by-app") - 999;
    assert_eq!(owner("own/root"), user.uid, "0 inside is the user himself");
    assert_eq!((owner("own/link"), owner("own/closed")), (first + 6, first + 998), "the range follows from 1");
    let capability = attribute(&layer.join("own/capable"), "security.capability").expect("kept");
    assert!(capability.len() >= CAPABILITY.len() && capability[4..8] == CAPABILITY[4..8], "{capability:?}");
    // What the user may not look into is listed all the same, by a process that may.
    let diff_id = image().layers[1].diff_id.clone();
    let listed = teu.ok(&["inside", "contents", &diff_id, &layer.to_string_lossy()]);
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let secret = serde_json::to_value(b"own/closed/secret").expect("JSON");
    let row = listed["entries"].as_array().expect("rows").iter().find(|row| row[0] == secret).expect("the closed file");
    assert_eq!((&row[3], &row[6]), (&1.into(), &serde_json::json!([999, 999])), "{row}");
    let archive = look_and_pack(&teu, &name);
    let owners = ["own/by-app", "own/closed/secret", "own/root"].map(|path| owner_in(&archive, path));
    assert_eq!(owners, [(1000, 1000), (999, 999), (0, 0)]);
    // What the user may not read is a container's to change and to remove all the same.
    let script = "rm -r /own/closed && chown 5:5 /own/by-app && stat -c %u /own/by-app";
    assert_eq!(teu.ok(&["run", "--name", "changing", &name, "sh", "-c", script]), "5");
    teu.ok(&["rm", "changing"]);
    remove_all(&teu, &name);
}

#[test]
fn user_with_one_id_owns_all_and_notes_the_others() {
    let user = Arc::new(User::new(Range::Missing));
    let teu = Teu::of_user(&user);
    let (_registry, name) = pulled(&teu);
    let all_roots = "0:0 755 /own\n0:0 644 /own/by-app\n0:0 4755 /own/setuid\n0:0 700 /own/closed\n\
         0:0 600 /own/closed/secret\n0:0 777 /own/link\n0:0 644 /own/root\nkept";
    assert_eq!(teu.ok(&["run", "--rm", &name, "sh", "-c", LOOK]), all_roots);
    let layer = layer(&teu);
    let noted =
        |path: &str| attribute(&layer.join(path), "user.teu.owner").map(|it| String::from_utf8_lossy(&it).into_owned());
    assert_eq!(noted("own/by-app").as_deref(), Some("1000:1000"));
    assert_eq!(noted("own/closed").as_deref(), Some("999:999"));
    assert_eq!(noted("own/root"), None, "root's own needs no note");
    let archive = look_and_pack(&teu, &name);
    let owners = ["own/by-app", "own/closed/secret", "own/root"].map(|path| owner_in(&archive, path));
    assert_eq!(owners, [(1000, 1000), (999, 999), (0, 0)], "given back");
    assert_eq!(attribute(&layer.join("own/capable"), "user.teu.capability").as_deref(), Some(CAPABILITY));
    remove_all(&teu, &name);
}

#[test]
fn owner_beyond_the_range_is_refused_by_name() {
    let user = Arc::new(User::new(Range::Given));
    let teu = Teu::of_user(&user);
    let file = teu.file("far.tar", &tar_of(&[Entry::file("far", b"x").owner(200_000)]));
    let output = teu.run(&["import", &file.to_string_lossy(), "far"]);
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["far", "200000:200000", "/etc/subuid"]);
    // Where owners are noted any will do.
    let single = Arc::new(User::new(Range::Missing));
    let teu = Teu::of_user(&single);
    let file = teu.file("far.tar", &tar_of(&[Entry::file("far", b"x").owner(200_000)]));
    teu.ok(&["import", &file.to_string_lossy(), "far"]);
}

#[test]
fn killed_pull_of_a_user_with_a_range_leaves_nobody_behind() {
    let user = Arc::new(User::new(Range::Given));
    let teu = Teu::of_user(&user);
    let image = image();
    let stalling = image.clone();
    let stall = Arc::new(AtomicBool::new(true));
    let (large, stalls) = (stalling.layers[1].bytes.clone(), stall.clone());
    let server = Server::registry(image, move |request| {
        let is_large = request.path.ends_with(&sha256(&large)) && stalls.load(Ordering::Relaxed);
        is_large.then(|| Reply::Stalled(vec![], large.clone(), large.len() / 2))
    });
    let name = server.reference("owned:1");
    let mut running = teu.spawn(&["pull", "-q", &name]);
    let unpacks = |pid: &i32| command_line(*pid).contains("inside unpack");
    wait_for("a process unpacks", SECOND * 20, || processes_of(user.uid).iter().any(unpacks).then_some(()));
    running.child.kill().expect("kill -9");
    running.child.wait().expect("ended");
    wait_for("nobody is left", SECOND * 30, || processes_of(user.uid).is_empty().then_some(()));
    stall.store(false, Ordering::Relaxed);
    teu.ok(&["pull", "-q", &name]);
    assert_eq!(teu.ok(&["run", "--rm", &name, "sh", "-c", LOOK]), KEPT);
    remove_all(&teu, &name);
}
