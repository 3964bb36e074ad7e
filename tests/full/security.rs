//! What a container must not reach, tried from inside, as root's container and as a user's.

use std::sync::Arc;

use crate::support::oci::{Entry, sha256, tar_of};
use crate::support::user::Range;
use crate::support::{SECOND, Teu, User, need, wait_for};

/// The same look at root's and at an ordinary user's containers; run by an ordinary user, at his own only.
fn as_both(look: impl Fn(&Teu)) {
    let teu = Teu::new();
    teu.import_tiny();
    look(&teu);
    if !need::is_root() {
        return;
    }
    let user = Arc::new(User::new(Range::Given));
    let teu = Teu::of_user(&user);
    teu.import_tiny();
    look(&teu);
}

#[test]
fn masked_paths_are_empty_and_kernel_settings_read_only() {
    as_both(|teu| {
        let script = "for f in /proc/kcore /proc/keys /proc/timer_list /proc/latency_stats /proc/sched_debug; do \
            test -e $f && echo $f $(head -c 1 $f 2>/dev/null | wc -c); done; \
            for d in /proc/acpi /proc/scsi /sys/firmware /sys/devices/virtual/powercap; do test -d $d && echo $d $(ls $d | wc -l); done; \
            for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq /proc/bus /proc/fs; do \
            test -e $f && touch $f/x 2>/dev/null && echo writable $f; test -f $f && (echo x > $f) 2>/dev/null && echo writable $f; done; echo end";
        let text = teu.ok(&["run", "--rm", "tiny", "sh", "-c", script]);
        for line in text.lines().filter(|line| *line != "end") {
            assert!(line.ends_with(" 0"), "{line:?} in:\n{text}");
        }
    });
}

#[test]
fn system_calls_that_docker_refuses_are_refused() {
    as_both(|teu| {
        let tries = [
            ("mount -t tmpfs x /tmp", "mount"),
            ("unshare -m true", "unshare"),
            ("unshare -U true", "user namespace"),
            ("chroot / umount /proc", "umount"),
            // Busybox's date returns 0 even when the kernel refuses.
            ("date -s 2001-01-01; date | grep 2001", "settimeofday"),
            ("hostname other", "sethostname"),
            ("mknod /n b 7 0 && dd if=/n of=/dev/null bs=1 count=1", "device"),
            ("dmesg", "syslog"),
        ];
        for (command, what) in tries {
            let output =
                teu.run(&["run", "--rm", "tiny", "sh", "-c", &format!("{command} >/dev/null 2>&1 && echo did")]);
            assert!(!output.text().contains("did"), "{what}: `{command}` works: {output}");
        }
    });
}

#[test]
fn image_cannot_bring_devices_or_set_uid_power() {
    as_both(|teu| {
        let base = crate::support::tiny::busybox_tar();
        let more = tar_of(&[Entry::device("disk"), Entry::program("suid-id", b"").mode(0o4755)]);
        let whole = [&base[..base.len() - 1024], &more].concat();
        let output = teu.run_fed(&["import", "-", "nodes"], &whole);
        if output.code != 0 {
            output.explains(&["device"]);
            return;
        }
        let output =
            teu.run(&["run", "--rm", "nodes", "sh", "-c", "dd if=/disk of=/dev/null bs=1 count=1 && echo read"]);
        assert!(!output.text().contains("read"), "{output}");
    });
}

#[test]
fn symlinks_in_the_image_do_not_lead_mounts_out() {
    as_both(|teu| {
        let base = crate::support::tiny::busybox_tar();
        // /proc as a link (CVE-2019-16884, CVE-2023-27561), /dev as a link out, /sys as a link.
        for (name, target) in [("dev", "/etc"), ("sys", "/tmp"), ("dev", "/proc"), ("dev", "tmp/../etc")] {
            let more = tar_of(&[Entry::symlink(name, target)]);
            let whole = [&base[..base.len() - 1024], &more].concat();
            teu.run_fed(&["import", "-", "linked"], &whole).ok();
            let output = teu.run(&["run", "--rm", "linked", "sh", "-c", "echo ran"]);
            assert!(output.code == 0 || !output.errors().is_empty(), "{output}");
            output.no_panic();
            for trace in ["/etc/null", "/etc/pts", "/etc/shm", "/etc/mqueue"] {
                assert!(!std::path::Path::new(trace).exists(), "{trace} was made on the machine");
            }
        }
    });
}

#[test]
fn descriptors_of_the_caller_do_not_reach_the_container() {
    as_both(|teu| {
        // CVE-2024-21626: a leaked descriptor of the host as working folder.
        for number in 3..12 {
            let output = teu.run(&[
                "run",
                "--rm",
                "-w",
                &format!("/proc/self/fd/{number}"),
                "tiny",
                "sh",
                "-c",
                "ls -a ../../../.. | head -50; pwd",
            ]);
            assert!(!output.text().contains("vmlinuz") && !output.text().contains("lost+found"), "{output}");
        }
        let text = teu.ok(&["run", "--rm", "tiny", "sh", "-c", "ls /proc/self/fd | wc -l; ls -l /proc/1/fd"]);
        assert!(
            text.lines().next().is_some_and(|count| count.trim().parse::<u32>().is_ok_and(|count| count <= 4)),
            "{text}"
        );
        let exec = {
            teu.ok(&["run", "-d", "--name", "fds", "tiny", "sleep", "100"]);
            teu.ok(&["exec", "fds", "sh", "-c", "ls /proc/self/fd | wc -l"])
        };
        assert!(exec.trim().parse::<u32>().is_ok_and(|count| count <= 4), "{exec}");
        let out = teu.run(&["exec", "-w", "/proc/self/fd/7", "fds", "ls"]);
        assert!(!out.text().contains("lost+found"), "{out}");
    });
}

#[test]
fn binary_cannot_be_overwritten_from_inside() {
    // CVE-2019-5736: a container's process opens /proc/PID/exe of what entered it.
    as_both(|teu| {
        let before = sha256(&std::fs::read(teu.binary()).expect("read the binary"));
        let script = "cp /bin/busybox /grab; ln -sf /proc/self/exe /evil; echo ready; \
            while :; do for e in /proc/[0-9]*/exe; do (echo owned > $e) 2>/dev/null && echo wrote $e; done; sleep 0.02; done";
        teu.ok(&["run", "-d", "--name", "grabber", "tiny", "sh", "-c", script]);
        wait_for("ready", SECOND * 30, || teu.ok(&["logs", "grabber"]).contains("ready").then_some(()));
        for _ in 0..10 {
            let _ = teu.run(&["exec", "grabber", "/evil"]);
            let _ = teu.run(&["exec", "grabber", "true"]);
        }
        teu.ok(&["kill", "grabber"]);
        let after = sha256(&std::fs::read(teu.binary()).expect("read the binary"));
        assert_eq!(after, before, "a container has changed the binary");
    });
}

#[test]
fn processes_outside_are_invisible_and_untouchable() {
    as_both(|teu| {
        let output = teu.run(&[
            "run",
            "--rm",
            "tiny",
            "sh",
            "-c",
            "kill -9 -1; ps | wc -l; cat /proc/[0-9]*/comm | sort -u | tr '\\n' ' '",
        ]);
        assert!(!output.text().contains("systemd") && !output.text().contains("full"), "{output}");
        // The monitor is not in the container's view.
        assert!(!output.text().contains("teu"), "{output}");
    });
}

#[test]
fn host_image_hides_the_stores_secrets_from_a_container() {
    as_both(|teu| {
        let secret = teu.work().join("secret");
        std::fs::write(&secret, "visible to the host image by design").expect("write");
        let script = format!(
            "ls {} {} 2>/dev/null | wc -l",
            teu.root().join("containers").display(),
            teu.runroot().join("containers").display()
        );
        assert_eq!(teu.ok(&["run", "--rm", "host", "sh", "-c", &script]), "0");
    });
}

#[test]
fn keyrings_and_ipc_are_the_containers_own() {
    as_both(|teu| {
        let namespaces = |pid: &str| -> Vec<String> {
            ["ipc", "mnt", "net", "pid", "uts", "cgroup"]
                .iter()
                .map(|name| {
                    std::fs::read_link(format!("/proc/{pid}/ns/{name}"))
                        .map(|l| l.display().to_string())
                        .unwrap_or_default()
                })
                .collect()
        };
        teu.ok(&["run", "-d", "--name", "apart", "--network", "none", "tiny", "sleep", "100"]);
        let pid = teu.inspect("apart")["State"]["Pid"].as_i64().expect("a process id").to_string();
        for (own, theirs) in namespaces("self").iter().zip(namespaces(&pid)) {
            assert!(!theirs.is_empty() && *own != theirs, "{own} is shared");
        }
    });
}
