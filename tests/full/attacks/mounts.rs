//! Attacks on the mounts that a runtime makes, by their CVE names. Each first shows that the trap is one: what a naive
//! runtime does (plain `mount` and `mkdir` by path) walks into it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

use crate::support::bundle::{Bundle, Runtime};
use crate::support::user::Range;
use crate::support::{Teu, User, need};

fn lab() -> Bundle {
    need::root();
    Bundle::new(Runtime::Teu)
}

/// Runs shell commands as a naive runtime would, in a mount namespace that ends with them. What they print.
fn naive(lab: &Bundle, script: &str) -> String {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", script]).current_dir(lab.folder());
    lab.finish(command).ok().text()
}

fn outside(lab: &Bundle) -> PathBuf {
    let folder = lab.folder().join("outside");
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("list").flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn without(lab: &mut Bundle, destination: &str) {
    lab.list("/mounts").retain(|mount| !mount["destination"].as_str().unwrap_or_default().starts_with(destination));
}

/// CVE-2019-16884: something of the image's is laid over /proc, and takes in what is written to protect the container.
#[test]
fn cve_2019_16884_nothing_is_laid_over_proc() {
    let mut lab = lab();
    let fake = lab.folder().join("fake");
    fs::create_dir_all(fake.join("self/attr")).expect("a folder");
    fs::write(fake.join("self/attr/exec"), "").expect("write");
    let bound = "mount -t proc proc bundle/rootfs/proc; mount --bind fake bundle/rootfs/proc; \
        echo confined > bundle/rootfs/proc/self/attr/exec; cat fake/self/attr/exec";
    assert_eq!(naive(&lab, bound), "confined", "the trap is none");
    fs::write(fake.join("self/attr/exec"), "").expect("write");
    symlink("/proc/self", lab.rootfs().join("link")).expect("a link");
    for destination in ["/proc", "/proc/", "/proc/self", "proc/sys", "/tmp/../proc", "/proc/../proc/irq", "/link/attr"]
    {
        for kind in ["bind", "tmpfs"] {
            let options = if kind == "bind" { json!(["rbind"]) } else { json!([]) };
            lab.mount(json!({"destination": destination, "type": kind, "source": fake, "options": options}));
            lab.refused().explains(&["proc"]);
            lab.list("/mounts").pop();
        }
    }
    // What lxcfs does stays possible.
    lab.mount(json!({"destination": "/proc/meminfo", "type": "bind", "source": fake.join("self/attr/exec"), "options": ["bind"]}));
    assert_eq!(lab.script("wc -c < /proc/meminfo"), "0");
}

/// CVE-2019-19921: /proc of the image is a link into a volume, so that the masks land on the attacker's files.
#[test]
fn cve_2019_19921_linked_proc_is_refused() {
    linked_system_folder("proc");
}

/// CVE-2023-27561: the same by way of volumes and links that came back later, for /sys as well.
#[test]
fn cve_2023_27561_linked_proc_and_sys_are_refused_with_volumes() {
    linked_system_folder("sys");
}

fn linked_system_folder(name: &str) {
    for target in ["/volume/trap", "volume/trap", "../../../volume/trap", "volume/../volume/trap", "/volume/again"] {
        let mut lab = lab();
        let volume = lab.bind("volume", "/volume", &["rbind"]);
        fs::create_dir_all(volume.join("trap")).expect("a folder");
        symlink("/volume/trap", volume.join("again")).expect("a link");
        fs::create_dir(lab.rootfs().join("volume")).expect("a folder");
        fs::remove_dir(lab.rootfs().join(name)).expect("remove");
        symlink(target, lab.rootfs().join(name)).expect("a link");
        // The volume is mounted first, as an attacker who chooses the order would have it.
        let last = lab.list("/mounts").pop().expect("the volume");
        lab.list("/mounts").insert(0, last);
        if target == "volume/trap" {
            let script = format!(
                "mount --bind volume bundle/rootfs/volume; mount -t {name}{} x bundle/rootfs/{name}; \
                 grep -c /volume/trap /proc/self/mountinfo",
                if name == "sys" { "fs" } else { "" }
            );
            assert_ne!(naive(&lab, &script), "0", "the trap is none");
        }
        lab.refused().explains(&[name]);
        assert!(names(&volume.join("trap")).is_empty(), "{target}");
    }
}

/// Exchanges two names again and again until it is dropped.
struct Swapper {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Swapper {
    fn start(one: PathBuf, other: PathBuf) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (told, swaps) = (Arc::clone(&stop), Arc::clone(&count));
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                let swapped = renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE);
                swaps.fetch_add(usize::from(swapped.is_ok()), Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        Self { stop, count, thread: Some(thread) }
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Mounts below `/volume/place`, which another container that shares the volume swaps with a link to a folder of the
/// machine's all the while. Nothing may be made, mounted or shown there.
fn raced(mount: &dyn Fn(&Bundle) -> serde_json::Value) {
    let mut lab = lab();
    let outside = outside(&lab);
    fs::write(outside.join("secret"), "the machine's").expect("write");
    let volume = lab.bind("volume", "/volume", &["rbind"]);
    fs::create_dir(lab.rootfs().join("volume")).expect("a folder");
    fs::create_dir(volume.join("place")).expect("a folder");
    symlink(&outside, volume.join("swap")).expect("a link");
    let script = "mount --bind volume bundle/rootfs/volume; mkdir -p bundle/rootfs/volume/swap/made; ls outside; rmdir outside/made";
    assert_eq!(naive(&lab, script), "made\nsecret", "the trap is none");
    let wanted = mount(&lab);
    lab.mount(wanted);
    lab.config["process"]["args"] = json!([
        "sh",
        "-c",
        "cat /volume/place/secret /volume/swap/secret 2>/dev/null; ls /volume/place /volume/swap 2>/dev/null; true"
    ]);
    let swapper = Swapper::start(volume.join("place"), volume.join("swap"));
    let mut good = 0;
    for _ in 0..25 {
        let output = lab.run();
        output.no_panic();
        assert!(!output.text().contains("machine") && !output.text().contains("secret"), "{output}");
        assert_eq!(names(&outside), ["secret"], "something was made outside: {output}");
        good += usize::from(output.code == 0);
    }
    let swaps = swapper.count.load(Ordering::Relaxed);
    drop(swapper);
    assert!(swaps > 25, "only {swaps} swaps");
    assert!(good > 0, "no run came through in between: nothing was raced");
    assert_eq!(names(&outside), ["secret"]);
}

/// CVE-2021-30465: the mount point is checked, swapped for a link, then mounted on.
#[test]
fn cve_2021_30465_raced_mount_point_stays_inside() {
    raced(&|_| json!({"destination": "/volume/place/made", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]}));
}

/// CVE-2024-45310: folders and empty files that are made for mount points, made on the machine instead.
#[test]
fn cve_2024_45310_raced_mount_points_are_not_made_outside() {
    raced(&|lab| {
        let source = lab.folder().join("file");
        fs::write(&source, "bound").expect("write");
        json!({"destination": "/volume/place/a/b/file", "type": "bind", "source": source, "options": ["bind"]})
    });
}

/// The same two without a race: the link is simply there. It leads to where the container's own root has such a folder.
#[test]
fn cve_2024_45310_link_in_the_way_leads_inside_or_nowhere() {
    for destination in ["/way/new/folder", "/way/file"] {
        let mut lab = lab();
        let outside = outside(&lab);
        symlink(&outside, lab.rootfs().join("way")).expect("a link");
        let file = lab.folder().join("file");
        fs::write(&file, "bound").expect("write");
        lab.mount(json!({"destination": destination, "type": "bind", "source": file, "options": ["bind"]}));
        lab.config["process"]["args"] = json!(["cat", destination]);
        let output = lab.run();
        output.no_panic();
        assert!(output.code != 0 || output.text() == "bound", "{output}");
        assert!(names(&outside).is_empty(), "{destination}: {output}");
    }
}

/// CVE-2025-31133: masks are binds of the container's /dev/null, and the image makes that a link to what it wants bound.
#[test]
fn cve_2025_31133_null_that_is_none_masks_nothing() {
    for trap in ["link", "file", "other device"] {
        let mut lab = lab();
        without(&mut lab, "/dev");
        let dev = lab.bind("dev", "/dev", &["rbind"]);
        let null = dev.join("null");
        match trap {
            "link" => symlink("/proc/sys/kernel/core_pattern", &null).expect("a link"),
            "file" => fs::write(&null, "the attacker's").expect("write"),
            _ => {
                let mut command = Command::new("mknod");
                lab.finish({
                    command.arg(&null).args(["c", "1", "5"]);
                    command
                })
                .ok();
            }
        }
        if trap == "link" {
            let script = "mount -t proc proc bundle/rootfs/proc; mount --bind dev/null bundle/rootfs/proc/uptime; \
                cmp -s bundle/rootfs/proc/uptime /proc/sys/kernel/core_pattern && echo bound";
            assert_eq!(naive(&lab, script), "bound", "the trap is none");
        }
        lab.config["linux"]["maskedPaths"] = json!(["/proc/uptime"]);
        lab.refused().explains(&["/dev/null"]);
    }
}

/// CVE-2025-52565: the terminal is bound over /dev/console, which the image makes a link into /proc.
#[test]
fn cve_2025_52565_console_that_is_a_link_is_refused() {
    for target in ["/proc/sys/kernel/core_pattern", "../etc/passwd", "/dev/null"] {
        let mut lab = lab();
        without(&mut lab, "/dev");
        let dev = lab.bind("dev", "/dev", &["rbind"]);
        fs::create_dir(dev.join("pts")).expect("a folder");
        let options = json!(["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]);
        lab.mount(json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": options}));
        Command::new("mknod").arg(dev.join("null")).args(["c", "1", "3"]).status().expect("mknod");
        symlink(target, dev.join("console")).expect("a link");
        if target == "../etc/passwd" {
            let script = "mount --bind dev bundle/rootfs/dev; mount --bind /dev/null bundle/rootfs/dev/console; \
                test -s bundle/rootfs/etc/passwd || echo covered";
            assert_eq!(naive(&lab, script), "covered", "the trap is none");
        }
        let socket = lab.folder().join("console.sock");
        let _listener = UnixListener::bind(&socket).expect("bind");
        lab.config["process"]["terminal"] = json!(true);
        lab.write_config();
        let (socket, bundle) = (socket.to_string_lossy().into_owned(), lab.path());
        let arguments = ["create", "--console-socket", &socket, "--bundle", &bundle.to_string_lossy(), &lab.id];
        let output = lab.call(&arguments);
        assert_ne!(output.code, 0, "{target}: {output}");
        output.explains(&["/dev/console"]);
    }
}

/// CVE-2025-52881: what is written to /proc (labels, sysctls) goes to something laid over it, or to another file of /proc.
#[test]
fn cve_2025_52881_sysctls_are_written_to_a_genuine_proc() {
    let mut lab = lab();
    let fake = lab.folder().join("fake");
    fs::create_dir_all(fake.join("kernel")).expect("a folder");
    fs::write(fake.join("kernel/msgmax"), "").expect("write");
    let script = "mount -t proc proc bundle/rootfs/proc; mount --bind fake bundle/rootfs/proc/sys; \
        echo 4096 > bundle/rootfs/proc/sys/kernel/msgmax; cat fake/kernel/msgmax; : > fake/kernel/msgmax";
    assert_eq!(naive(&lab, script), "4096", "the trap is none");
    symlink("/proc/sys", lab.rootfs().join("way")).expect("a link");
    lab.config["linux"]["sysctl"] = json!({"kernel.msgmax": "4096"});
    for destination in ["/proc/sys", "/way", "/way/kernel"] {
        lab.mount(json!({"destination": destination, "type": "bind", "source": fake, "options": ["rbind"]}));
        lab.refused().explains(&["proc"]);
        lab.list("/mounts").pop();
        assert_eq!(fs::read_to_string(fake.join("kernel/msgmax")).expect("read"), "", "{destination}");
    }
    assert_eq!(lab.script("cat /proc/sys/kernel/msgmax"), "4096");
}

/// Tries to write to every cgroup in sight: names of those that it could.
const WRITE_CGROUPS: &str = "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do test -d $d || continue; \
    mkdir $d/made 2>/dev/null && echo made $d && rmdir $d/made; \
    for f in release_agent notify_on_release cgroup.procs tasks cgroup.kill; do \
    test -e $d/$f && (echo 0 > $d/$f) 2>/dev/null && echo wrote $d/$f; done; done; echo end";

/// CVE-2023-25809: without a cgroup namespace /sys/fs/cgroup fell back to a writable bind of the machine's.
#[test]
fn cve_2023_25809_cgroups_are_read_only_without_a_cgroup_namespace() {
    for mapped in [false, true] {
        for kind in ["cgroup", "cgroup2"] {
            let mut lab = lab();
            if mapped {
                lab.own_user_namespace();
            }
            let options = json!(["nosuid", "noexec", "nodev", "relatime", "ro"]);
            lab.mount(json!({"destination": "/sys/fs/cgroup", "type": kind, "source": "cgroup", "options": options}));
            assert_eq!(lab.script(WRITE_CGROUPS), "end", "{kind}, user namespace: {mapped}");
        }
    }
    // The trap: the machine's own groups, bound as they are.
    let script = "mount --rbind /sys/fs/cgroup bundle/rootfs/mnt; for d in bundle/rootfs/mnt bundle/rootfs/mnt/*; do \
        mkdir $d/teu-trap 2>/dev/null && rmdir $d/teu-trap && echo writable && break; done";
    assert_eq!(naive(&lab(), script), "writable", "the trap is none");
}

/// The same for what an ordinary user runs.
#[test]
fn cve_2023_25809_cgroups_are_read_only_for_users() {
    need::root();
    let user = Arc::new(User::new(Range::Given));
    let teu = Teu::of_user(&user);
    teu.import_tiny();
    assert_eq!(teu.ok(&["run", "--rm", "tiny", "sh", "-c", WRITE_CGROUPS]).trim(), "end");
}

/// Nodes that are bound from the machine: nobody inside changes their mode, owner or times.
#[test]
fn bound_device_nodes_of_the_machine_cannot_be_changed() {
    let mut lab = lab();
    lab.list("/mounts").iter_mut().filter(|mount| mount["destination"] == "/dev").for_each(|mount| {
        mount["options"] = json!(["nosuid", "nodev", "mode=755"]);
    });
    let before = fs::metadata("/dev/full").expect("stat").permissions().mode();
    let script = "chmod 600 /dev/full 2>/dev/null && echo changed; chown 1:1 /dev/full 2>/dev/null && echo given; \
        echo x > /dev/null && echo written";
    let text = lab.script(script);
    let after = fs::metadata("/dev/full").expect("stat").permissions().mode();
    if after != before {
        fs::set_permissions("/dev/full", fs::Permissions::from_mode(before)).expect("mend");
    }
    assert_eq!((text.as_str(), after), ("written", before));
}

/// `--no-pivot`: the old root stays mounted below the new one, and nothing of it is in sight.
#[test]
fn no_pivot_shows_nothing_of_the_old_root() {
    let mut lab = lab();
    fs::write(lab.folder().join("secret"), "the machine's").expect("write");
    let script = format!(
        "cat {0}/secret /proc/1/root/{0}/secret /proc/1/cwd/../..{0}/secret /../../..{0}/secret 2>/dev/null; echo end",
        lab.folder().display()
    );
    lab.config["process"]["args"] = json!(["sh", "-c", script]);
    lab.write_config();
    let bundle = lab.path();
    let output = lab.call(&["run", "--no-pivot", "--bundle", &bundle.to_string_lossy(), &lab.id]).ok();
    assert_eq!(output.text(), "end");
}
