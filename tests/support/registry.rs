//! A real docker-registry on a free port of 127.0.0.1, with a small busybox image and a Debian one of several layers.
//!
//! Its storage is made once and kept in the user's cache folder; each test starts its own registry program over it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::oci::Image;
use super::process::{self, Running};
use super::{debian, need, tiny, wait_for};

pub struct Registry {
    /// `127.0.0.1:PORT`
    pub address: String,
    running: Running,
    folder: tempfile::TempDir,
    own_storage: Option<tempfile::TempDir>,
}

/// `user:secret`, as htpasswd -B writes it.
const HTPASSWD: &str = "user:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

const PASSWORD: &str = "auth:\n  htpasswd:\n    realm: test\n    path: FOLDER/htpasswd\n";

impl Registry {
    /// With the cached images `busybox:latest`, `busybox:1`, `team/busybox:latest`, `debian:bookworm` and `debian:latest`.
    #[track_caller]
    pub fn new() -> Self {
        Self::start(&cached_storage(), "", &[])
    }

    /// Without images, for the test's own.
    #[track_caller]
    pub fn empty() -> Self {
        Self::special("", &[])
    }

    /// Without images, behind basic authentication: `user` with the password `secret`.
    #[track_caller]
    pub fn empty_with_password() -> Self {
        Self::special(PASSWORD, &[])
    }

    /// Without images, with more lines of configuration (first those of `http`, with two spaces before them). `FOLDER` in
    /// them is where these files are.
    #[track_caller]
    pub fn special(more: &str, files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::Builder::new().prefix("teu-registry.").tempdir().expect("a temporary folder");
        let storage = folder.path().join("storage");
        fs::create_dir(&storage).expect("a folder");
        let mut registry = Self::start(&storage, more, files);
        registry.own_storage = Some(folder);
        registry
    }

    /// With what lies in `storage`, which stays.
    #[track_caller]
    pub fn over(storage: &Path) -> Self {
        Self::start(storage, "", &[])
    }

    /// The cached images behind basic authentication: `user` with the password `secret`.
    #[track_caller]
    pub fn with_password() -> Self {
        Self::start(&cached_storage(), PASSWORD, &[])
    }

    #[track_caller]
    fn start(storage: &Path, more: &str, files: &[(&str, &[u8])]) -> Self {
        let program = need::program("docker-registry", "docker-registry");
        let folder = tempfile::Builder::new().prefix("teu-registry.").tempdir().expect("a temporary folder");
        for (name, content) in [("htpasswd", HTPASSWD.as_bytes())].iter().chain(files) {
            fs::write(folder.path().join(name), content).expect("write");
        }
        // The port is free now; if another takes it before the registry does, the next try finds another.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
            let address = format!("127.0.0.1:{port}");
            let more = more.replace("FOLDER", &folder.path().to_string_lossy());
            let config = format!(
                "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n{more}",
                storage.display()
            );
            let file = folder.path().join("config.yml");
            fs::write(&file, config).expect("write");
            let log = fs::File::create(folder.path().join("log")).expect("create");
            let mut command = Command::new(&program);
            command.arg("serve").arg(&file).stdin(Stdio::null()).stdout(log.try_clone().expect("dup")).stderr(log);
            let mut running = Running { child: command.spawn().expect("start docker-registry") };
            let up = wait_for("docker-registry answers or ends", Duration::from_secs(20), || {
                let ended = running.wait(Duration::ZERO).map(|_| false);
                ended.or_else(|| TcpStream::connect(&address).ok().map(|_| true))
            });
            if up {
                return Self { address, running, folder, own_storage: None };
            }
        }
        let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        panic!("docker-registry does not start:\n{log}");
    }

    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Pushes an image with skopeo, as another program than teu does it.
    #[track_caller]
    pub fn push(&self, image: &Image, name: &str) {
        let layout = self.folder.path().join("push");
        let _ = fs::remove_dir_all(&layout);
        image.write_layout(&layout, "it");
        self.push_layout(&layout, "it", name);
    }

    #[track_caller]
    fn push_layout(&self, layout: &Path, tag: &str, name: &str) {
        let mut command = Command::new(need::program("skopeo", "skopeo"));
        command.args(["--insecure-policy", "copy", "--dest-tls-verify=false"]);
        command.arg(format!("oci:{}:{tag}", layout.display())).arg(format!("docker://{}", self.reference(name)));
        process::run(&mut command, b"", Duration::from_secs(120)).ok();
    }
}

/// Where things that take long to make are kept between runs.
pub fn cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")));
    let folder = base.unwrap_or_else(|| PathBuf::from("/var/cache")).join("teu-tests");
    fs::create_dir_all(&folder).expect("a cache folder");
    folder
}

/// The registry's storage with both images, made by the first test that wants it.
#[track_caller]
fn cached_storage() -> PathBuf {
    // Another version of the images gets another name; the file at the end says that it is whole.
    let storage = cache().join("registry-2");
    let complete = storage.join("complete");
    let _lock = teu::sys::file::Lock::exclusive(&cache().join("registry.lock")).expect("lock");
    if !complete.exists() {
        let _ = fs::remove_dir_all(&storage);
        fs::create_dir_all(&storage).expect("a folder");
        let registry = Registry::start(&storage, "", &[]);
        let busybox = tiny::busybox_image();
        for name in ["busybox:latest", "busybox:1", "team/busybox:latest"] {
            registry.push(&busybox, name);
        }
        let debian = debian::image();
        registry.push(&debian, "debian:bookworm");
        registry.push(&debian, "debian:latest");
        fs::write(&complete, "").expect("write");
    }
    storage
}
