//! Ways out of a container that other runtimes had, by the name under which they became known.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::bundle::{Bundle, Runtime};
use crate::support::oci::sha256;
use crate::support::process::copy_program;
use crate::support::{SECOND, Teu, need, wait_for};

/// A bundle for `teu oci`.
fn lab() -> Bundle {
    need::root();
    Bundle::new(Runtime::Teu)
}

/// The same with a copy of the program, which an attack that works would destroy.
fn lab_with_a_copy() -> (Bundle, PathBuf) {
    let mut lab = lab();
    let copy = lab.folder().join("teu-copy");
    copy_program(Path::new(env!("CARGO_BIN_EXE_teu")), &copy);
    lab.program = copy.clone();
    (lab, copy)
}

/// CVE-2019-5736: a process of the container opens `/proc/PID/exe` of a runtime that enters, waits until it is no longer
/// busy, and writes. Root without a user namespace, with the right to write everything.
#[test]
fn cve_2019_5736_entering_program_cannot_be_overwritten() {
    let (mut lab, program) = lab_with_a_copy();
    let before = sha256(&fs::read(&program).expect("read"));
    let out = lab.bind("out", "/mnt", &["bind"]);
    // `exec` holds what it opened for reading, and tries to open that for writing over its descriptor when it is free.
    let attack = "try() { exec 3< $1/exe || exit; case $(readlink /proc/self/fd/3) in /bin/busybox) exit;; esac; \
          echo $(readlink /proc/self/fd/3) >> /mnt/held; \
          i=0; while [ $i -lt 20 ]; do (: >> /proc/self/fd/3) && echo written >> /mnt/written; i=$((i+1)); sleep 0.01; done; }; \
        echo > /mnt/ready; while :; do for p in /proc/[0-9]*; do case $p in /proc/1|/proc/$$) ;; *) (try $p) & ;; esac; done; wait; done";
    lab.config["process"]["args"] =
        json!(["sh", "-c", format!("({attack}) 2>/dev/null & ({attack}) 2>/dev/null & wait")]);
    lab.create().ok();
    lab.start().ok();
    wait_for("the attack", SECOND * 30, || out.join("ready").exists().then_some(()));
    for _ in 0..12 {
        lab.call(&["exec", &lab.id, "true"]).ok();
    }
    let written = fs::read_to_string(out.join("written")).unwrap_or_default();
    let held = fs::read_to_string(out.join("held")).unwrap_or_default();
    assert_eq!(written, "", "the program could be opened for writing; held were:\n{held}");
    assert_eq!(sha256(&fs::read(&program).expect("read")), before, "the program was changed");
}

/// CVE-2019-5736, the other half: `/proc/self/exe` as the command, and as the interpreter of a script.
#[test]
fn cve_2019_5736_proc_self_exe_as_the_command_is_not_the_program() {
    let (mut lab, program) = lab_with_a_copy();
    let before = sha256(&fs::read(&program).expect("read"));
    symlink("/proc/self/exe", lab.rootfs().join("bin/exe-link")).expect("a link");
    let script = lab.rootfs().join("bin/script");
    fs::write(&script, "#!/proc/self/exe\n").expect("write");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("chmod");
    for word in ["/proc/self/exe", "/bin/exe-link", "/bin/script"] {
        lab.config["process"]["args"] = json!([word, "oci", "--version"]);
        // Whether it runs a copy that nobody can write or is refused: the program itself is not changed by it.
        let output = lab.run();
        output.no_panic();
        lab.call(&["delete", "--force", &lab.id]);
    }
    lab.sleeping();
    for word in ["/proc/self/exe", "/bin/exe-link", "/bin/script"] {
        lab.call(&["exec", &lab.id, word, "oci", "--version"]).no_panic();
    }
    assert_eq!(sha256(&fs::read(&program).expect("read")), before, "the program was changed");
}

/// CVE-2022-0492: `release_agent` of a cgroup v1 hierarchy, mounted in namespaces of the container's own.
#[test]
fn cve_2022_0492_release_agent_is_out_of_reach() {
    let teu = Teu::new();
    teu.import_tiny();
    let script = "for c in rdma misc cpu memory pids devices freezer; do mkdir -p /tmp/$c; \
          unshare -UrCm sh -c \"mount -t cgroup -o $c c /tmp/$c && echo /x > /tmp/$c/release_agent && echo escaped $c\"; \
          mount -t cgroup -o $c c /tmp/$c && echo /x > /tmp/$c/release_agent && echo escaped $c; \
        done 2>/dev/null; \
        for f in $(find /sys/fs/cgroup -name release_agent 2>/dev/null); do (echo /x > $f) 2>/dev/null && echo wrote $f; done; \
        mkdir /sys/fs/cgroup/new 2>/dev/null && echo made; echo end";
    assert_eq!(teu.ok(&["run", "--rm", "tiny", "sh", "-c", script]), "end");
}

/// The five sets of `/proc/self/status` in a text.
fn inheritable(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("CapInh:")).unwrap_or_else(|| panic!("no CapInh in {text}")).trim()
}

/// CVE-2022-24769: containers were started with inheritable capabilities, which files with such ones then got.
#[test]
fn cve_2022_24769_inheritable_capabilities_are_empty() {
    let teu = Teu::new();
    teu.import_tiny();
    for flags in [&[][..], &["--cap-add", "SYS_ADMIN"], &["--user", "1000"], &["--privileged"]] {
        let run = [&["run", "--rm"], flags, &["tiny", "cat", "/proc/self/status"]].concat();
        let text = teu.ok(&run);
        assert_eq!(inheritable(&text), "0000000000000000", "{flags:?}");
    }
    teu.ok(&["run", "-d", "--name", "long", "tiny", "sleep", "1000"]);
    for flags in [&[][..], &["--user", "1000"]] {
        let exec = [&["exec"], flags, &["long", "cat", "/proc/self/status"]].concat();
        assert_eq!(inheritable(&teu.ok(&exec)), "0000000000000000", "{flags:?}");
    }
}

/// CVE-2022-29162: `exec --cap` gave inheritable capabilities.
#[test]
fn cve_2022_29162_exec_gives_no_inheritable_capabilities() {
    let mut lab = lab();
    lab.sleeping();
    let text = lab
        .call(&["exec", "--cap", "CAP_NET_RAW", "--cap", "CAP_KILL", &lab.id, "cat", "/proc/self/status"])
        .ok()
        .text();
    assert_eq!(inheritable(&text), "0000000000000000");
    let effective = text.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("a set").trim();
    let effective = u64::from_str_radix(effective, 16).expect("hexadecimal");
    assert!(effective >> 13 & 1 == 1, "the capability asked for is not there: {text}");
}

/// Prints `inside` if the top of what can be reached from the working folder is the container's own root.
const WHERE: &str = "cd ../../../../../../../../../../.. 2>/dev/null; a=$(stat -c %d:%i .); b=$(stat -c %d:%i /); \
    [ $a = $b ] && echo inside || echo outside $a $b";

/// CVE-2024-21626: a descriptor of the machine that is open during set-up, as the working folder.
#[test]
fn cve_2024_21626_leaked_descriptor_as_working_folder_leads_nowhere() {
    let mut lab = lab();
    for number in 0..24 {
        for path in ["/proc/self/fd", "/proc/1/fd", "/dev/fd"] {
            if path != "/proc/self/fd" && number % 6 != 3 {
                continue;
            }
            lab.config["process"]["cwd"] = json!(format!("{path}/{number}"));
            lab.config["process"]["args"] = json!(["sh", "-c", WHERE]);
            let output = lab.run();
            output.no_panic();
            assert!(output.code != 0 || output.text() == "inside", "{path}/{number}: {output}");
            lab.call(&["delete", "--force", &lab.id]);
        }
    }
}

/// The same through a symlink of the image, with `exec --cwd`, and with the engine's `-w`.
#[test]
fn cve_2024_21626_leaked_descriptor_is_closed_to_exec_and_symlinks() {
    let mut lab = lab();
    for number in 3..12 {
        symlink(format!("/proc/self/fd/{number}"), lab.rootfs().join(format!("mnt/{number}"))).expect("a link");
    }
    lab.sleeping();
    for number in 3..12 {
        for cwd in [format!("/proc/self/fd/{number}"), format!("/mnt/{number}")] {
            let output = lab.call(&["exec", "--cwd", &cwd, &lab.id, "sh", "-c", WHERE]);
            output.no_panic();
            assert!(output.code != 0 || output.text() == "inside", "{cwd}: {output}");
        }
    }
    let teu = Teu::new();
    teu.import_tiny();
    for number in 3..12 {
        let cwd = format!("/proc/self/fd/{number}");
        let output = teu.run(&["run", "--rm", "-w", &cwd, "tiny", "sh", "-c", WHERE]);
        output.no_panic();
        assert!(output.code != 0 || output.text() == "inside", "{cwd}: {output}");
    }
}

/// CVE-2026-41579: the image's `/dev` is a symlink to a folder of the machine, and the runtime makes and removes its own
/// files (`ptmx`, `fd`, `console`) where that leads.
#[test]
fn cve_2026_41579_dev_as_a_symlink_changes_nothing_outside() {
    for with_dev in [true, false] {
        let mut lab = lab();
        let outside = lab.folder().join("outside");
        fs::create_dir(&outside).expect("a folder");
        for name in ["ptmx", "stdin", "null"] {
            fs::write(outside.join(name), "the machine's").expect("write");
        }
        fs::remove_dir(lab.rootfs().join("dev")).expect("remove");
        symlink(&outside, lab.rootfs().join("dev")).expect("a link");
        if !with_dev {
            lab.config["mounts"]
                .as_array_mut()
                .expect("a list")
                .retain(|mount| !mount["destination"].as_str().unwrap_or_default().starts_with("/dev"));
        }
        lab.config["linux"]["devices"] = json!([{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}]);
        lab.config["process"]["args"] = json!(["true"]);
        let output = lab.run();
        output.no_panic();
        let mut names: Vec<String> = fs::read_dir(&outside)
            .expect("list")
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["null", "ptmx", "stdin"], "with /dev mounted: {with_dev}: {output}");
        for name in names {
            let data = fs::symlink_metadata(outside.join(&name)).expect("there");
            assert!(data.is_file(), "{name} was replaced: {output}");
            assert_eq!(fs::read_to_string(outside.join(name)).expect("read"), "the machine's");
        }
    }
}

/// CVE-2026-30892: `exec --user 1` was taken for user 0.
#[test]
fn cve_2026_30892_exec_user_is_the_user_that_was_asked_for() {
    let mut lab = lab();
    lab.sleeping();
    for (asked, expected) in [
        ("1", "Uid: 1 1 1 1 Gid: 0 0 0 0"),
        ("1:1", "Uid: 1 1 1 1 Gid: 1 1 1 1"),
        ("65534:7", "Uid: 65534 65534 65534 65534 Gid: 7 7 7 7"),
    ] {
        let output = lab.call(&["exec", "--user", asked, &lab.id, "grep", "-E", "^(Uid|Gid)", "/proc/self/status"]);
        let text = output.ok().text();
        assert_eq!(text.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{asked}");
    }
    for wrong in ["-1", "4294967296", "4294967295", "18446744073709551616", "1:", ":1", "1:2:3", "0x1", "", " 1"] {
        let output = lab.call(&["exec", "--user", wrong, &lab.id, "true"]);
        assert_ne!(output.code, 0, "{wrong:?} is accepted: {output}");
        output.explains(&[]);
    }
}

/// `/proc` and `/sys` of the image are symlinks to a folder of the machine: nothing is mounted or written there.
#[test]
fn symlinked_system_folders_of_the_image_lead_nowhere() {
    for name in ["proc", "sys"] {
        let mut lab = lab();
        let outside = lab.folder().join("outside");
        fs::create_dir(&outside).expect("a folder");
        fs::remove_dir(lab.rootfs().join(name)).expect("remove");
        symlink(&outside, lab.rootfs().join(name)).expect("a link");
        lab.config["process"]["args"] = json!(["sh", "-c", "echo x > /proc/x; echo x > /sys/x; true"]);
        let output = lab.run();
        output.no_panic();
        assert_eq!(fs::read_dir(&outside).expect("list").count(), 0, "{name}: {output}");
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        assert!(!mounts.contains(&*outside.to_string_lossy()), "{name} is mounted outside");
    }
}

/// Device numbers cannot be reached by making nodes: the machine's disk, its memory, its kernel log.
#[test]
fn device_nodes_of_the_containers_making_open_nothing() {
    let teu = Teu::new();
    teu.import_tiny();
    let script = "mknod /disk b 254 0; mknod /mem c 1 1; mknod /kmsg c 1 11; \
        for f in /disk /mem /kmsg; do dd if=$f of=/dev/null bs=512 count=1 && echo read $f; done 2>/dev/null; echo end";
    for flags in [&[][..], &["--cap-add", "MKNOD"]] {
        let run = [&["run", "--rm"], flags, &["tiny", "sh", "-c", script]].concat();
        assert_eq!(teu.ok(&run), "end", "{flags:?}");
    }
}
