//! A small root file system around Debian's static busybox, and one that cannot run anything but needs no package.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::oci::{Entry, Image, Layer, Packing, tar_of};
use super::{Teu, need};

/// The applets that tests call by name.
pub const APPLETS: &str = "ash awk base64 basename cat chmod chown chroot cp cut date dd df dmesg du echo env expr false find free grep \
    head hostname id ip kill killall less ln ls mkdir mknod mount mv nc nproc od pidof ping printenv printf ps pwd readlink rm \
    rmdir sed seq setsid sh sleep sort stat stty sync tail tar tee test time timeout top touch tr true tty umount uname uniq \
    unshare vi watch wc wget which whoami xargs yes";

/// `[path, tar bytes]` of the busybox root file system.
pub fn busybox_tar() -> Vec<u8> {
    let program = need::program("busybox", "busybox-static");
    let bytes = fs::read(&program).expect("read busybox");
    assert!(
        !bytes[..4096].windows(9).any(|w| w == b"/ld-linux"),
        "{} is not static: apt-get install busybox-static",
        program.display()
    );
    let mut entries = vec![
        Entry::folder("bin/"),
        Entry::folder("etc/"),
        Entry::folder("proc/"),
        Entry::folder("root/").mode(0o700),
        Entry::folder("home/"),
        Entry::folder("home/app/").owner(1000),
        Entry::folder("tmp/").mode(0o1777),
        Entry::program("bin/busybox", &bytes),
        Entry::file("bin/not-executable", b"#!/bin/sh\necho no\n"),
        Entry::program("bin/no-interpreter", b"#!/nowhere/sh\n"),
        Entry::file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
        Entry::file("etc/group", b"root:x:0:\napp:x:1000:\nstaff:x:50:app\nextra:x:77:app\nnogroup:x:65534:\n"),
        Entry::file("etc/only-in-the-image", b"tiny\n"),
    ];
    entries.extend(APPLETS.split_whitespace().map(|name| Entry::symlink(&format!("bin/{name}"), "busybox")));
    tar_of(&entries)
}

pub fn busybox_image() -> Image {
    let config = json!({
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "FROM_IMAGE=yes"],
        "Cmd": ["sh"],
        "WorkingDir": "/",
        "Labels": { "from.image": "yes" },
    });
    Image::new(config, vec![Layer::new(&busybox_tar(), Packing::Gzip)])
}

/// An image with nothing to run: enough to pull, list and remove.
pub fn empty_image() -> Image {
    let first = tar_of(&[Entry::folder("etc/"), Entry::file("etc/hello", b"hello\n"), Entry::file("etc/gone", b"x")]);
    let second = tar_of(&[Entry::file("etc/.wh.gone", b""), Entry::file("etc/more", b"more\n")]);
    let config = json!({ "Cmd": ["/nothing"], "Env": ["PATH=/bin"] });
    Image::new(config, vec![Layer::new(&first, Packing::Gzip), Layer::new(&second, Packing::Zstd)])
}

impl Teu {
    /// Imports the busybox image as `tiny` and returns that name.
    #[track_caller]
    pub fn import_tiny(&self) -> &'static str {
        let file = self.file("tiny.tar", &busybox_tar());
        self.run(&["import", "--change", "CMD [\"sh\"]", &file.to_string_lossy(), "tiny"]).ok();
        "tiny"
    }

    /// Writes a file in the test's own folder that its user can read.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.work().join(name);
        fs::write(&path, content).expect("write a file of the test");
        if let Some(user) = self.user() {
            user.own(&path);
        }
        path
    }
}
