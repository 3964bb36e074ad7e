//! An ordinary user's mounts, with a range of subordinate ids and without one.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::Arc;

use super::{folder, images, scene};
use crate::support::user::Range;
use crate::support::{Teu, User};

fn users() -> impl Iterator<Item = Teu> {
    [Range::Given, Range::Missing].into_iter().map(|range| {
        let teu = Teu::of_user(&Arc::new(User::new(range)));
        teu.import_tiny();
        teu
    })
}

#[test]
fn binds_volumes_memory_and_images_of_an_ordinary_user() {
    for teu in users() {
        let user = teu.user().expect("a user");
        let source = folder(&teu, "src", "bound");
        user.own(&source);
        let script = "cat /d/file; stat -c %u /d/file; touch /d/mine; touch /r/x 2>/dev/null || echo read-only; stat -c %a /t; \
            echo kept > /v/file; touch /new/made";
        let mounts = ["-v", "./src:/d", "-v", "./src:/r:ro", "-v", "data:/v", "-v", "./new:/new"];
        let memory = ["--mount", "type=tmpfs,target=/t,tmpfs-mode=0700"];
        let text = teu.ok(&[&["run", "--rm"], &mounts[..], &memory[..], &["tiny", "sh", "-c", script]].concat());
        assert_eq!(text, "bound0\nread-only\n700");
        for made in [source.join("mine"), teu.work().join("new/made")] {
            assert_eq!(fs::metadata(&made).expect("made").uid(), user.uid, "{}", made.display());
        }
        let part = "type=volume,source=data,target=/part,volume-subpath=file";
        assert_eq!(teu.ok(&["run", "--rm", "--mount", part, "tiny", "cat", "/part"]), "kept");
        images::layered(&teu);
        let image = "type=image,source=many,target=/i";
        let script = "cat /i/etc/only-in-the-image /i/etc/deep/file; ls /i/etc/passwd 2>/dev/null; touch /i/x 2>/dev/null || echo read-only";
        assert_eq!(teu.ok(&["run", "--rm", "--mount", image, "tiny", "sh", "-c", script]), "changed\ndeep\nread-only");
        let part = "type=image,source=many,target=/i,image-subpath=etc/deep";
        assert_eq!(teu.ok(&["run", "--rm", "--mount", part, "tiny", "cat", "/i/file"]), "deep");
        let out = "ln -s /etc /v/out";
        teu.ok(&["run", "--rm", "-v", "data:/v", "tiny", "sh", "-c", out]);
        let part = "type=volume,source=data,target=/part,volume-subpath=out";
        teu.run(&["run", "--rm", "--mount", part, "tiny", "true"]).returns(125).explains(&["leads out"]);
    }
}

/// What only root can have is refused with the reason.
#[test]
fn what_an_ordinary_user_cannot_have_is_said() {
    for teu in users() {
        let user = teu.user().expect("a user");
        let source = folder(&teu, "src", "x");
        fs::create_dir_all(source.join("below")).expect("a folder");
        user.own(&source);
        let alone = "mount -t tmpfs below src/below; \
            $TEU run --rm --mount type=bind,source=./src,target=/d,bind-nonrecursive tiny true";
        scene(&teu, alone).returns(125).explains(&["ordinary user", "bind-nonrecursive"]);
        let whole =
            "mount -t tmpfs below src/below; touch src/below/seen; $TEU run --rm -v ./src:/d:ro tiny ls /d/below";
        assert_eq!(scene(&teu, whole).ok().text(), "seen");
        let shared = "mount --bind src src; mount --make-shared src; $TEU run --rm -v ./src:/d:rshared tiny true";
        scene(&teu, shared).returns(125).explains(&[
            "bind-propagation=shared",
            "ordinary user",
            "bind-propagation=rslave",
        ]);
        // What the cure says can be had.
        let slave = "mount --bind src src; mount --make-shared src; \
            $TEU run -d --name ear -v ./src:/d:rslave tiny sleep 100 && mount -t tmpfs below src/below && touch src/below/late; \
            $TEU exec ear ls /d/below; $TEU rm -f ear";
        assert!(scene(&teu, slave).ok().text().contains("\nlate\n"));
        teu.run(&["run", "--rm", "--tmpfs", "/t:uid=99999999", "tiny", "true"])
            .returns(125)
            .explains(&["uid=99999999", "ids that the container has"]);
        let closed = teu.work().join("closed");
        fs::create_dir(&closed).expect("a folder");
        let mode = Command::new("chmod").arg("700").arg(&closed).status().expect("chmod");
        assert!(mode.success());
        teu.run(&["run", "--rm", "-v", "./closed/none:/d", "tiny", "true"]).returns(125).explains(&["closed"]);
    }
}
