//! A container moved to another store as one file, of root and of ordinary users, with a range of ids and without.

use std::sync::Arc;

use crate::support::user::Range;
use crate::support::{SECOND, Teu, User, wait_for};

/// Makes, changes, exports, imports, saves, loads and runs; `owner` is whom the second store shows for a file of user 1000.
fn walk(here: &Teu, there: &Teu, owner: &str) {
    here.import_tiny();
    let script = "echo changed > /etc/only-in-the-image; rm /bin/yes; mkdir /srv /srv/own; echo x > /srv/own/file; \
                  chmod 4711 /srv/own/file; ln /srv/own/file /srv/own/link; sleep 1000";
    here.ok(&["run", "-d", "--name", "box", "tiny", "sh", "-c", script]);
    let ready = || here.run(&["exec", "box", "test", "-e", "/srv/own/link"]).code == 0;
    wait_for("the container's changes", SECOND * 20, || ready().then_some(()));
    // Running, then stopped: the same files.
    let running = here.run(&["export", "box"]).ok().stdout;
    here.ok(&["stop", "-t", "0", "box"]);
    let stopped = here.run(&["export", "box"]).ok().stdout;
    let names = |tar: &[u8]| {
        let mut archive = tar::Archive::new(tar);
        let entries = archive.entries().expect("a tar").map(|entry| entry.expect("an entry"));
        let mut names: Vec<String> = entries.map(|entry| entry.path().expect("a path").display().to_string()).collect();
        names.retain(|name| !name.starts_with("dev/") && !name.starts_with("./dev/"));
        names.sort();
        names
    };
    assert_eq!(names(&running), names(&stopped));

    let file = here.file("box.tar", &stopped);
    there.ok(&["import", "-c", "CMD [\"sh\"]", &file.to_string_lossy(), "box"]);
    let look =
        "cat /etc/only-in-the-image; ls /bin/yes 2>&1 | wc -l; stat -c '%a %h' /srv/own/file; stat -c %u /home/app";
    assert_eq!(there.ok(&["run", "--rm", "box", "sh", "-c", look]), format!("changed\n1\n4711 2\n{owner}"));

    // And as an image, with all it is.
    let moved = there.run(&["save", "box"]).ok().stdout;
    there.ok(&["rmi", "box"]);
    assert_eq!(there.run_fed(&["load"], &moved).ok().text(), "Loaded image: box:latest");
    assert_eq!(there.ok(&["run", "--rm", "box", "cat", "/etc/only-in-the-image"]), "changed");
    here.ok(&["rm", "box"]);
    assert!(here.run(&["export", "box"]).code != 0);
}

#[test]
fn container_moves_between_stores_of_whoever_runs_the_tests() {
    walk(&Teu::new(), &Teu::new(), "1000");
}

mod rootless {
    use super::*;

    #[test]
    fn container_moves_with_subordinate_ids() {
        let user = Arc::new(User::new(Range::Given));
        walk(&Teu::of_user(&user), &Teu::of_user(&user), "1000");
    }

    #[test]
    fn container_moves_with_one_id() {
        let user = Arc::new(User::new(Range::Missing));
        walk(&Teu::of_user(&user), &Teu::of_user(&user), "0");
    }
}
