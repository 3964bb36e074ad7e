//! Where the benchmark works: a loop-mounted ext4 for what lasts, a tmpfs for what runs, both its own and both removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::{need, process, tiny};

pub struct Place {
    /// Durable state: ext4 on a loop device as root, else a temporary folder.
    pub disk: PathBuf,
    /// Run state: a tmpfs.
    pub run: PathBuf,
    is_mounted: bool,
    folder: tempfile::TempDir,
    _run: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("teu-bench.").tempdir_in("/var/tmp").expect("a temporary folder");
        let memory = if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" };
        let run = tempfile::Builder::new().prefix("teu-bench.").tempdir_in(memory).expect("a temporary folder");
        let disk = folder.path().join("disk");
        fs::create_dir(&disk).expect("a folder");
        let is_mounted = need::is_root() && mount_ext4(&folder.path().join("disk.ext4"), &disk);
        let place = Self { disk, run: run.path().to_owned(), is_mounted, folder, _run: run };
        place.unpack_rootfs();
        place
    }

    /// What the disk is, for the report.
    pub fn disk_kind(&self) -> &'static str {
        if self.is_mounted { "a loop-mounted ext4" } else { "a folder of /var/tmp" }
    }

    /// The busybox root file system as a plain folder, for peers that know no images.
    pub fn rootfs(&self) -> PathBuf {
        self.disk.join("rootfs")
    }

    /// The same as a tar.
    pub fn tar(&self) -> PathBuf {
        self.disk.join("rootfs.tar")
    }

    fn unpack_rootfs(&self) {
        fs::write(self.tar(), tiny::busybox_tar()).expect("write");
        fs::create_dir(self.rootfs()).expect("a folder");
        let mut command = Command::new("tar");
        command.arg("-C").arg(self.rootfs()).arg("-xf").arg(self.tar());
        process::run(&mut command, b"", Duration::from_secs(60)).ok();
        for name in ["dev", "sys"] {
            fs::create_dir(self.rootfs().join(name)).expect("a folder");
        }
    }

    /// Compiles the C floor; none without a compiler.
    pub fn floor(&self) -> Option<PathBuf> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/floor.c");
        let program = self.folder.path().join("floor");
        let done = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(source).output().ok()?;
        done.status.success().then_some(program)
    }
}

fn mount_ext4(image: &Path, folder: &Path) -> bool {
    let file = fs::File::create(image).expect("create");
    file.set_len(6 << 30).expect("a sparse file");
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image).output();
    if !made.is_ok_and(|output| output.status.success()) {
        return false;
    }
    Command::new("mount")
        .args(["-o", "loop"])
        .arg(image)
        .arg(folder)
        .output()
        .is_ok_and(|output| output.status.success())
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = Command::new("umount").arg("-R").arg(&self.disk).status();
        }
    }
}
