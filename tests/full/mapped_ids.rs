//! Root's containers have user namespaces of their own, and files keep their owners on disk: nothing is chowned.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use serde_json::json;

use crate::support::bundle::{Bundle, Runtime};
use crate::support::{SECOND, Teu, need, wait_for};

fn teu() -> Teu {
    need::root();
    let teu = Teu::new();
    teu.import_tiny();
    teu
}

#[test]
fn files_of_a_container_keep_their_ids_on_disk() {
    let teu = teu();
    let script =
        "touch /made /given /home/app/deep; chown 1000:77 /given; rm /bin/vi; cat /proc/self/uid_map; exec sleep 100";
    teu.ok(&["run", "-d", "--name", "owner", "tiny", "sh", "-c", script]);
    wait_for("the id map", SECOND * 30, || (!teu.ok(&["logs", "owner"]).trim().is_empty()).then_some(()));
    let map = teu.ok(&["logs", "owner"]);
    let numbers: Vec<u32> = map.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    assert!(numbers.len() == 3 && numbers[0] == 0 && numbers[1] > 0, "{map}");
    let containers = fs::read_dir(teu.root().join("containers")).expect("list").flatten();
    let upper = containers.map(|entry| entry.path().join("upper")).find(|path| path.is_dir()).expect("an upper folder");
    let owner = |name: &str| {
        let data = fs::symlink_metadata(upper.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        (data.uid(), data.gid())
    };
    assert_eq!(
        [owner("made"), owner("given"), owner("home/app/deep"), owner("home/app")],
        [(0, 0), (1000, 77), (0, 0), (1000, 1000)]
    );
    assert_eq!(owner("bin/vi"), (0, 0), "the mark of a removed file");
    teu.ok(&["rm", "-f", "owner"]);
}

#[test]
fn volumes_show_the_machines_owners_and_take_the_containers() {
    let teu = teu();
    let folder = teu.work().join("volume");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("theirs"), "x").expect("write");
    chown(folder.join("theirs"), Some(1000), Some(1000)).expect("chown");
    let volume = format!("{}:/data", folder.display());
    let script = "stat -c %u /data/theirs; touch /data/root; chown 5:6 /data/theirs";
    assert_eq!(teu.ok(&["run", "--rm", "-v", &volume, "tiny", "sh", "-c", script]).trim(), "1000");
    let owner = |name: &str| fs::metadata(folder.join(name)).map(|data| (data.uid(), data.gid())).expect("stat");
    assert_eq!((owner("root"), owner("theirs")), ((0, 0), (5, 6)));
}

/// The engine leaves such sources unmapped; a specification that asks for it gets to know why not.
#[test]
fn bind_that_cannot_be_mapped_names_its_file_system_and_the_way_out() {
    need::root();
    let mut lab = Bundle::new(Runtime::Teu);
    lab.own_user_namespace();
    lab.mount(json!({"destination": "/mnt", "type": "bind", "source": "/proc/sys", "options": ["bind", "idmap"]}));
    lab.refused().explains(&["/proc/sys", "(proc)", "--userns host"]);
    lab.list("/mounts").pop();
    let folder = lab.bind("closed", "/mnt", &["bind", "idmap"]);
    fs::write(folder.join("mine"), "reached").expect("write");
    chown(&folder, Some(0), Some(0)).expect("chown");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("chmod");
    assert_eq!(lab.script("cat /mnt/mine; stat -c %u /mnt/mine"), "reached0");
}
