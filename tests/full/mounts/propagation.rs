//! Mounts that come later: which way they travel between the machine and a container.

use super::{IDS, scene, teu};

/// A source that is a shared mount of its own.
const SHARED: &str = "mkdir -p src/later; mount --bind src src; mount --make-rshared src;";

#[test]
fn slaves_hear_of_later_mounts_and_private_ones_do_not() {
    let teu = teu();
    for ids in IDS {
        let script = format!(
            "{SHARED} $TEU run -d {ids} --name hears -v ./src:/d:rslave tiny sleep 100 >/dev/null; \
             $TEU run -d {ids} --name deaf -v ./src:/d tiny sleep 100 >/dev/null; \
             mount -t tmpfs later src/later; echo new > src/later/file; \
             $TEU exec hears cat /d/later/file; $TEU exec deaf ls /d/later; \
             umount src/later; $TEU exec hears ls /d/later; $TEU rm -f hears deaf >/dev/null; umount src"
        );
        assert_eq!(scene(&teu, &script).ok().text(), "new", "{ids}");
    }
}

#[test]
fn shared_mounts_of_a_container_are_seen_on_the_machine() {
    let teu = teu();
    let script = format!(
        "{SHARED} $TEU run -d --privileged --name tells -v ./src:/d:rshared tiny sleep 100 >/dev/null; \
         $TEU exec tells sh -c 'mount -t tmpfs inner /d/later && echo inner > /d/later/file'; \
         cat src/later/file; $TEU inspect -f '{{{{range .Mounts}}}}{{{{.Propagation}}}}{{{{end}}}}' tells; \
         $TEU rm -f tells >/dev/null; umount src/later; umount src"
    );
    assert_eq!(scene(&teu, &script).ok().text(), "inner\nrshared");
}

#[test]
fn source_on_a_private_mount_is_refused_with_the_command_that_shares_it() {
    let teu = teu();
    for wish in ["rshared", "rslave", "slave"] {
        let script = format!(
            "mkdir -p src; mount --bind src src; mount --make-private src; $TEU run --rm -v ./src:/d:{wish} tiny true"
        );
        scene(&teu, &script).returns(125).explains(&[
            "bind-propagation=",
            "not a shared",
            "mount --make-rshared",
            "/src",
        ]);
    }
}
