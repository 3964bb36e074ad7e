//! The store with images that `import` makes: tags, ids, removal and garbage. As root and as an ordinary user.

use std::io::Cursor;
use std::time::Instant;

use super::*;
use crate::image::{ImportOptions, ImportSource, import};
use crate::model::{ErrorKind, ImageSummary, TransferGauge};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let store = Store::open(&folder.path().join("image")).expect("open");
    (folder, store)
}

/// Makes an image of one file with this content; none for the tag leaves it dangling.
fn make(store: &Store, tag: Option<&str>, content: &str) -> Digest {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "file", content.as_bytes()).expect("memory");
    let tar = builder.into_inner().expect("memory");
    let reference = tag.map(|tag| tag.parse().expect("a reference"));
    let options = ImportOptions { reference, ..ImportOptions::default() };
    let source = ImportSource::Tar(Box::new(Cursor::new(tar)));
    import(store, source, &options, &TransferGauge::default()).expect("import")
}

fn labels(store: &Store) -> Vec<String> {
    let mut labels: Vec<String> = store.list().expect("list").iter().map(ImageSummary::label).collect();
    labels.sort();
    labels
}

fn count(store: &Store, folder: &str) -> usize {
    fs::read_dir(store.folder().join(folder)).expect(folder).count()
}

#[test]
fn image_is_found_by_every_name_it_has() {
    let (_folder, store) = store();
    let id = make(&store, Some("a/b:v1"), "one");
    let manifest = store.find("a/b:v1").expect("by tag").manifest;
    for text in [
        "a/b:v1",
        "docker.io/a/b:v1",
        id.as_str(),
        id.hex(),
        id.short(),
        &id.hex()[..4],
        manifest.as_str(),
        &format!("a/b@{manifest}"),
        &format!("a/b:v1@{manifest}"),
    ] {
        let found = store.find(text).expect(text);
        assert_eq!(found.id, id, "{text}");
        assert_eq!(fs::read_to_string(found.layer_paths[0].join("file")).expect("unpacked"), "one");
    }
    for text in ["a/b", "b:v1", "c", "ffffffffffff", &format!("c/d@{manifest}")] {
        assert_eq!(store.find(text).expect_err(text).kind(), ErrorKind::NotFound, "{text}");
    }
    assert_eq!(store.find("Not A Name").expect_err("no name").kind(), ErrorKind::InvalidInput);
}

#[test]
fn tag_that_moves_leaves_its_image_dangling() {
    let (_folder, store) = store();
    let old = make(&store, Some("app"), "old");
    let new = make(&store, Some("app"), "new");
    assert_eq!(store.find("app").expect("moved").id, new);
    let mut expected = vec!["app:latest".to_owned(), old.short().to_owned()];
    expected.sort();
    assert_eq!(labels(&store), expected);
    assert_eq!(store.find(old.short()).expect("dangling").reference, None);
    store.remove(old.short(), RemoveMode::Careful).expect("removed");
    assert_eq!(labels(&store), ["app:latest"]);
    assert_eq!((count(&store, "layers"), count(&store, "blobs/sha256"), count(&store, "partial")), (1, 3, 0));
}

#[test]
fn image_goes_with_its_last_tag() {
    let (_folder, store) = store();
    let id = make(&store, Some("one"), "x");
    let tag = |name: &str| {
        let mut row = store.rows().expect("rows").remove(0);
        row.summary.reference = Some(name.parse().expect("a reference"));
        store.begin().expect("begin").publish(&row).expect("publish");
    };
    tag("two");
    assert_eq!(labels(&store), ["one:latest", "two:latest"]);
    assert_eq!(store.remove(id.short(), RemoveMode::Careful).expect_err("two tags").kind(), ErrorKind::Conflict);
    let removed = store.remove("one", RemoveMode::Careful).expect("one of two");
    assert_eq!(removed, [Removed::Untagged("one".parse().expect("a reference"))]);
    let removed = store.remove("two", RemoveMode::Careful).expect("the last");
    assert_eq!(removed, [Removed::Untagged("two".parse().expect("a reference")), Removed::Deleted(id)]);
    assert_eq!((count(&store, "layers"), count(&store, "blobs/sha256")), (0, 0));
}

/// A container of this image, with its layers.
#[derive(Debug)]
struct Container(User);

impl Users for Container {
    fn all(&self) -> std::result::Result<Vec<User>, String> {
        Ok(vec![self.0.clone()])
    }
}

fn with_container(store: &Store, image: &str, runs: bool) -> Store {
    let image = store.find(image).expect("an image");
    let user = User { name: "brave_hopper".to_owned(), image: Some(image.id), layers: image.layers, runs };
    store.clone().used_by(Arc::new(Container(user)))
}

#[test]
fn image_that_a_container_runs_on_is_kept_and_only_untagged_by_force() {
    let (_folder, store) = store();
    let id = make(&store, Some("busy"), "x");
    let used = with_container(&store, "busy", true);
    let error = used.remove("busy", RemoveMode::Careful).expect_err("in use");
    assert!(error.to_string().contains("running container brave_hopper"), "{error}");
    let error = used.remove(id.short(), RemoveMode::Force).expect_err("by id it is refused even by force");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(used.remove("busy", RemoveMode::Force).expect("untagged").len(), 1);
    assert_eq!(labels(&store), [id.short()]);
    assert!(store.find(id.short()).is_ok(), "the image is there, without its name");
    store.remove(id.short(), RemoveMode::Careful).expect("not in use any more");
    assert_eq!(count(&store, "layers"), 0);
}

#[test]
fn layers_of_a_stopped_container_outlive_its_image() {
    let (_folder, store) = store();
    let id = make(&store, Some("gone"), "x");
    let used = with_container(&store, "gone", false);
    let error = used.remove("gone", RemoveMode::Careful).expect_err("in use");
    assert!(error.to_string().contains("stopped container brave_hopper"), "{error}");
    let removed = used.remove("gone", RemoveMode::Force).expect("removed");
    assert_eq!(removed.last(), Some(&Removed::Deleted(id)));
    assert!(labels(&store).is_empty());
    assert_eq!((count(&store, "layers"), count(&store, "blobs/sha256")), (1, 0));
    used.gc().expect("collected");
    assert_eq!(count(&store, "layers"), 1, "the container needs it");
    store.gc().expect("collected");
    assert_eq!(count(&store, "layers"), 0, "the container is gone");
}

#[test]
fn garbage_waits_for_a_pull_and_is_collected_at_its_end() {
    let (_folder, store) = store();
    make(&store, Some("kept"), "kept");
    make(&store, Some("gone"), "gone");
    let session = store.begin().expect("a pull begins");
    let stage = session.stage().expect("stage");
    fs::write(stage.blob(), "half").expect("write");
    store.remove("gone", RemoveMode::Careful).expect("untagged at once");
    assert_eq!(labels(&store), ["kept:latest"]);
    assert_eq!((count(&store, "layers"), count(&store, "partial")), (2, 1), "the pull is left alone");
    drop(stage);
    drop(session);
    assert_eq!((count(&store, "layers"), count(&store, "partial"), count(&store, "blobs/sha256")), (1, 0, 3));
}

#[test]
fn what_a_killed_pull_left_is_swept() {
    let (_folder, store) = store();
    make(&store, Some("kept"), "kept");
    let left = store.folder().join("partial/0123456789abcdef/layer/fs/closed");
    fs::create_dir_all(&left).expect("folders");
    fs::set_permissions(&left, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("mode");
    fs::write(store.blob_path(&Digest::from_sha256([7; 32])), "whole but unused").expect("write");
    let freed = store.gc().expect("collected");
    assert_eq!((freed.blobs, freed.layers, freed.bytes), (1, 0, 16));
    assert_eq!(count(&store, "partial"), 0);
    assert!(store.find("kept").is_ok());
}

#[test]
fn what_came_before_the_machine_went_down_is_trusted_only_in_an_image() {
    let (_folder, store) = store();
    let kept = make(&store, Some("kept"), "of an image");
    let layer = |digit: char| store.folder().join("layers").join(digit.to_string().repeat(64)).join("fs");
    fs::create_dir_all(layer('a')).expect("a layer that belongs to no image");
    drop(store.begin().expect("a pull"));
    assert!(layer('a').exists(), "within one boot a pull that goes on finds it");
    fs::write(store.folder().join("locks/boot"), "another boot").expect("write");
    let session = store.begin().expect("a pull");
    assert!(!layer('a').exists(), "perhaps it was never written whole");
    assert_eq!(store.find("kept").expect("stays").id, kept);
    fs::create_dir_all(layer('b')).expect("a layer");
    drop(store.begin().expect("a second pull"));
    assert!(layer('b').exists());
    drop(session);
}

#[test]
fn list_of_two_hundred_images_reads_one_file() {
    let (_folder, store) = store();
    make(&store, Some("first"), "x");
    let row = store.rows().expect("rows").remove(0);
    store
        .change_index(|index| {
            for number in 0..200 {
                let mut row = row.clone();
                row.summary.reference = Some(format!("many/image-{number}").parse().expect("a reference"));
                index.put(&row);
            }
            Ok(())
        })
        .expect("changed");
    fs::remove_dir_all(store.folder().join("blobs")).expect("not needed for a list");
    let look = |_| {
        let start = Instant::now();
        assert_eq!(store.list().expect("list").len(), 201);
        start.elapsed()
    };
    // A debug build takes some 20 ms, unless the machine is busy with something else; reading 400 blobs as well would not fit.
    let least = (0..5).map(look).min().expect("five");
    assert!(least.as_millis() < 500, "{least:?}");
}

#[test]
fn foreign_rows_are_kept_and_unreadable_ones_left_out() {
    let (_folder, store) = store();
    make(&store, Some("own"), "x");
    let path = store.folder().join("index.json");
    let mut index: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    let own = index["manifests"][0].clone();
    let mut foreign = own.clone();
    foreign["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": "theirs:1", "x.y": "z"});
    let missing = serde_json::json!({"mediaType": "a/b", "digest": format!("sha256:{}", "0".repeat(64)), "size": 3});
    index["manifests"] = serde_json::json!([own, foreign, missing]);
    index["annotations"] = serde_json::json!({"kept": "yes"});
    fs::write(&path, index.to_string()).expect("write");
    assert_eq!(labels(&store), ["own:latest", "theirs:1"]);
    assert_eq!(store.find("theirs:1").expect("read from its blobs").id, store.find("own").expect("own").id);
    store.change_index(|_| Ok(())).expect("rewritten");
    let index: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    assert_eq!(index["annotations"]["kept"], "yes");
    assert_eq!(index["manifests"][1]["annotations"]["x.y"], "z");
}

#[test]
fn damaged_index_is_told() {
    let (_folder, store) = store();
    fs::write(store.folder().join("index.json"), "{").expect("write");
    let error = store.list().expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("index.json"), "{error}");
}

#[test]
fn store_folder_is_closed_to_others() {
    use std::os::unix::fs::MetadataExt;
    let (_folder, store) = store();
    assert_eq!(fs::metadata(store.folder()).expect("there").mode() & 0o777, 0o700);
}
