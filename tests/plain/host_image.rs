//! The image `host`: this machine's own root file system, seen by a container that cannot change it.

use std::fs;
use std::path::Path;

use crate::support::Teu;

#[test]
fn host_is_listed_without_network_or_store() {
    let teu = Teu::new();
    assert!(teu.ok(&["images"]).contains("host"), "{}", teu.ok(&["images"]));
}

#[test]
fn run_gives_back_output_and_code() {
    let teu = Teu::new();
    let output = teu.run(&["run", "--rm", "host", "sh", "-c", "echo out; echo err >&2; exit 42"]).returns(42);
    assert_eq!(output.text(), "out");
    assert_eq!(output.errors(), "err");
    assert_eq!(teu.names().len(), 0);
    teu.assert_no_leak();
}

#[test]
fn run_reads_stdin_to_its_end() {
    let teu = Teu::new();
    let input = "line\n".repeat(50_000);
    let output = teu.run_fed(&["run", "--rm", "-i", "host", "sh", "-c", "wc -c; echo done"], input.as_bytes()).ok();
    assert_eq!(output.text().split_whitespace().collect::<Vec<_>>(), [&input.len().to_string(), "done"]);
}

#[test]
fn run_without_i_has_empty_stdin() {
    let teu = Teu::new();
    assert_eq!(teu.run_fed(&["run", "--rm", "host", "wc", "-c"], b"ignored").ok().text().trim(), "0");
}

#[test]
fn run_loses_no_output_however_much() {
    let teu = Teu::new();
    let output =
        teu.run(&["run", "--rm", "host", "sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo end"]).ok();
    assert_eq!(output.stdout.len(), 20_000_000 + 1 + 4);
    assert!(output.stdout.ends_with(b"x\nend\n"));
}

#[test]
fn codes_are_dockers() {
    let teu = Teu::new();
    teu.run(&["run", "--rm", "host", "no-such-command"]).fails(127, &["no-such-command", "not found"]);
    teu.run(&["run", "--rm", "host", "/no/such/command"]).fails(127, &["/no/such/command"]);
    teu.run(&["run", "--rm", "host", "/etc/passwd"]).fails(126, &["/etc/passwd", "permission denied"]);
    teu.run(&["run", "--rm", "host", "/etc"]).fails(126, &["/etc"]);
    // The kernel keeps a namespace's first process from its own signals, so the one that kills itself is init's child.
    teu.run(&["run", "--rm", "--init", "host", "sh", "-c", "kill -9 $$"]).returns(137);
    teu.run(&["run", "--rm", "host", "sh", "-c", "kill -TERM $$; sleep 1; exit 3"]).returns(3);
    assert_eq!(teu.names().len(), 0, "`--rm` leaves nothing, also where nothing could start");
    teu.assert_no_leak();
}

#[test]
fn writes_stay_in_the_container() {
    let teu = Teu::new();
    let marks = ["/etc/teu-test-mark", "/usr/teu-test-mark", "/teu-test-mark"];
    let script = marks.map(|mark| format!("echo changed > {mark} && cat {mark}")).join(" && ");
    assert_eq!(teu.ok(&["run", "--name", "one", "host", "sh", "-c", &script]), "changed\nchanged\nchanged");
    for mark in marks {
        assert!(!Path::new(mark).exists(), "{mark} reached the machine");
    }
    // The same container still has them, another has not.
    teu.run(&["run", "--rm", "host", "test", "-e", marks[0]]).returns(1);
    assert_eq!(teu.ok(&["start", "-a", "one"]), "changed\nchanged\nchanged");
}

#[test]
fn removals_stay_in_the_container() {
    let teu = Teu::new();
    teu.ok(&["run", "--rm", "host", "sh", "-c", "rm -f /etc/passwd && ! test -e /etc/passwd"]);
    assert!(fs::metadata("/etc/passwd").expect("the machine's own").len() > 0);
}

#[test]
fn the_stores_own_folders_are_hidden() {
    let teu = Teu::new();
    let script = format!("find {} {} -type f 2>/dev/null | wc -l", teu.root().display(), teu.runroot().display());
    assert_eq!(teu.ok(&["run", "--rm", "host", "sh", "-c", &script]), "0");
}

#[test]
fn kernel_file_systems_are_the_containers_own() {
    let teu = Teu::new();
    let script = "ls -d /proc/[0-9]* | wc -l; cat /proc/1/comm; ls /dev | sort | tr '\\n' ' '; echo; hostname";
    let text = teu.ok(&["run", "--rm", "-h", "boxed", "host", "sh", "-c", script]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].parse::<u32>().is_ok_and(|count| count < 8), "sees the machine's processes: {text}");
    assert_eq!(lines[1], "sh");
    for node in [
        "null", "zero", "full", "random", "urandom", "tty", "pts", "shm", "mqueue", "stdin", "stdout", "stderr", "fd",
        "ptmx",
    ] {
        assert!(lines[2].split(' ').any(|name| name == node), "/dev/{node} in {text}");
    }
    assert_eq!(lines[3], "boxed");
    let disks = fs::read_dir("/dev").expect("/dev").flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    for disk in disks.filter(|name| name.starts_with("vd") || name.starts_with("sd") || name.starts_with("nvme")) {
        assert!(!lines[2].split(' ').any(|name| name == disk), "/dev/{disk} is visible");
    }
}

#[test]
fn network_none_has_only_loopback_and_host_has_the_machines() {
    let teu = Teu::new();
    let interfaces = |arguments: &[&str]| {
        let text = teu.ok(&[arguments, &["host", "sh", "-c", "tail -n +3 /proc/net/dev | cut -d: -f1"]].concat());
        let mut names: Vec<String> = text.lines().map(|name| name.trim().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(interfaces(&["run", "--rm", "--network", "none"]), ["lo"]);
    let text = fs::read_to_string("/proc/net/dev").expect("/proc");
    let mut own: Vec<String> =
        text.lines().skip(2).filter_map(|row| Some(row.split(':').next()?.trim().to_owned())).collect();
    own.sort();
    assert_eq!(interfaces(&["run", "--rm", "--network", "host"]), own);
}

#[test]
fn loopback_is_up_without_network() {
    let teu = Teu::new();
    let text = teu.ok(&["run", "--rm", "--network", "none", "host", "cat", "/sys/class/net/lo/flags"]);
    let flags = i64::from_str_radix(text.trim().trim_start_matches("0x"), 16).expect("flags");
    assert_eq!(flags & 1, 1, "lo is down: {text}");
}

#[test]
fn user_inside_is_root_of_the_container_only() {
    let teu = Teu::new();
    let text =
        teu.ok(&["run", "--rm", "host", "sh", "-c", "id -u; grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status"]);
    assert!(text.starts_with("0\n"), "{text}");
    assert!(text.contains("NoNewPrivs:\t1"), "{text}");
    assert!(text.contains("Seccomp:\t2"), "{text}");
    // Docker's default capabilities or fewer: never SYS_ADMIN (bit 21).
    let effective = text.lines().find_map(|row| row.strip_prefix("CapEff:\t")).expect("CapEff");
    let bits = u64::from_str_radix(effective, 16).expect("hexadecimal");
    assert_eq!(bits & !0xa804_25fb, 0, "more capabilities than Docker's default: {text}");
}

#[test]
fn mounting_and_kernel_settings_are_refused_inside() {
    let teu = Teu::new();
    let script = "mount -t tmpfs x /mnt 2>/dev/null && echo mounted; umount /proc 2>/dev/null && echo unmounted; \
        echo 1 > /proc/sys/kernel/panic 2>/dev/null && echo set; echo b > /proc/sysrq-trigger 2>/dev/null && echo triggered; \
        unshare -U true 2>/dev/null && echo namespaced; cat /proc/kcore 2>/dev/null | head -c 1; echo over";
    assert_eq!(teu.ok(&["run", "--rm", "host", "sh", "-c", script]), "over");
}
