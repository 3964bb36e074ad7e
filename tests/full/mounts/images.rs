//! Other images' files in a container, to be read.

use super::{IDS, teu};
use crate::support::Teu;

/// `many`: three layers on `tiny`, of which one changes, one adds and one removes.
pub fn layered(teu: &Teu) {
    for (name, from, script) in [
        ("one", "tiny", "echo changed > /etc/only-in-the-image; chown 1000:50 /etc/group || true"),
        ("two", "one", "mkdir /etc/deep; echo deep > /etc/deep/file; ln -s /etc/deep /short"),
        ("many", "two", "rm /etc/passwd"),
    ] {
        teu.ok(&["run", "--name", "maker", from, "sh", "-c", script]);
        teu.ok(&["commit", "maker", name]);
        teu.ok(&["rm", "maker"]);
    }
}

#[test]
fn image_is_seen_whole_and_cannot_be_written() {
    let teu = teu();
    layered(&teu);
    for ids in IDS {
        let script = "cat /i/etc/only-in-the-image /i/etc/deep/file; stat -c %u:%g /i/etc/group /i/etc; ls /i/etc/passwd 2>&1 | wc -l; \
            ls /i/etc | tr '\\n' ' '; touch /i/x 2>/dev/null || echo read-only";
        let text =
            teu.ok(&["run", "--rm", ids, "--mount", "type=image,source=many,target=/i", "tiny", "sh", "-c", script]);
        let expected = ["changed", "deep", "1000:50", "0:0", "1", "deep group only-in-the-image read-only"];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected, "{ids}");
        // Of one layer.
        let text = teu.ok(&[
            "run",
            "--rm",
            ids,
            "--mount",
            "type=image,source=tiny,target=/i",
            "many",
            "cat",
            "/i/etc/only-in-the-image",
        ]);
        assert_eq!(text, "tiny", "{ids}");
    }
}

#[test]
fn part_of_an_image_is_mounted_alone_and_its_links_stay_in_it() {
    let teu = teu();
    layered(&teu);
    for ids in IDS {
        let cat = |subpath: &str, file: &str| {
            let mount = format!("type=image,source=many,target=/i,image-subpath={subpath}");
            teu.run(&["run", "--rm", ids, "--mount", &mount, "tiny", "cat", file])
        };
        assert_eq!(cat("etc/deep", "/i/file").ok().text(), "deep", "{ids}");
        assert_eq!(cat("etc/only-in-the-image", "/i").ok().text(), "changed", "a file: {ids}");
        assert_eq!(cat("short", "/i/file").ok().text(), "deep", "an absolute link: {ids}");
        cat("etc/passwd", "/i").returns(125).explains(&["/i", "the image has no etc/passwd"]);
    }
}

#[test]
fn image_in_use_stays_and_a_missing_one_is_named_with_its_cure() {
    let teu = teu();
    layered(&teu);
    let missing = teu.run(&["run", "--rm", "--mount", "type=image,source=none:1,target=/i", "tiny", "true"]);
    missing.returns(125).explains(&["no image none:1 to mount", "teu pull none:1"]);
    teu.ok(&["run", "-d", "--name", "user", "--mount", "type=image,source=many,target=/i", "tiny", "sleep", "100"]);
    teu.run(&["rmi", "many"]).returns(1).explains(&["many", "user"]);
    // By force its name goes, not its files.
    teu.run(&["rmi", "-f", "many"]).no_panic();
    teu.run(&["image", "prune", "-a", "-f"]).no_panic();
    assert_eq!(teu.ok(&["exec", "user", "cat", "/i/etc/deep/file"]), "deep");
    teu.ok(&["restart", "-t", "0", "user"]);
    assert_eq!(teu.ok(&["exec", "user", "cat", "/i/etc/deep/file"]), "deep");
    let seen =
        teu.ok(&["inspect", "-f", "{{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}} {{.RW}}{{end}}", "user"]);
    assert_eq!(seen, "image many /i false");
    teu.ok(&["rm", "-f", "user"]);
}
