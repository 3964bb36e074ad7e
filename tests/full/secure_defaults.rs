//! What keeps a container apart that is told nothing, and that each flag opens what it names and nothing else.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::user::Range;
use crate::support::{SECOND, Teu, User, need, wait_for};

/// A store with the tiny image, root's.
fn roots() -> Teu {
    need::root();
    let teu = Teu::new();
    teu.import_tiny();
    teu
}

/// A container that sleeps; its main process on the machine.
fn sleeper(teu: &Teu, name: &str, flags: &[&str]) -> i64 {
    teu.ok(&[&["run", "-d", "--name", name], flags, &["tiny", "sleep", "100"]].concat());
    teu.inspect(name)["State"]["Pid"].as_i64().expect("a process id")
}

fn id_map(pid: i64, file: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it runs");
    text.split_ascii_whitespace().map(|number| number.parse().expect("a number")).collect()
}

/// The leases that belong to containers of this store.
fn leases(teu: &Teu) -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/run/teu/ids").expect("the leases");
    let links = entries.flatten().map(|entry| entry.path());
    links.filter(|link| std::fs::read_link(link).is_ok_and(|holder| holder.starts_with(teu.root()))).collect()
}

fn report(teu: &Teu, name: &str) -> serde_json::Value {
    let text = teu.ok(&["inspect", "--security", "--format", "json", name]);
    let mut reports: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
    reports.pop().expect("one report")
}

/// Subjects whose verdict is not `default`, with the verdict's kind and its reason.
fn open(report: &serde_json::Value) -> BTreeSet<(String, String)> {
    let findings = report["findings"].as_array().expect("findings");
    let differing = findings.iter().filter(|finding| finding["verdict"]["is"] != "default");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    differing.map(|finding| (text(&finding["subject"]), text(&finding["verdict"]["by"]))).collect()
}

#[test]
fn root_inside_is_an_id_of_its_own_outside() {
    let teu = roots();
    let pid = sleeper(&teu, "apart", &[]);
    for file in ["uid_map", "gid_map"] {
        let map = id_map(pid, file);
        assert_eq!((map[0], map[2], map.len()), (0, 65_536, 3), "{file}: {map:?}");
        assert!(map[1] >= 65_536, "{file}: {map:?}");
    }
    let owner = std::fs::metadata(format!("/proc/{pid}")).expect("it runs").uid();
    assert_eq!(u64::from(owner), id_map(pid, "uid_map")[1]);
    let own = |pid: &str, kind: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("a namespace");
    for kind in ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time"] {
        assert_ne!(own("self", kind), own(&pid.to_string(), kind), "{kind} is the machine's");
    }
    assert_eq!(teu.ok(&["exec", "apart", "sh", "-c", "id -u; readlink /proc/self/ns/time"]).lines().next(), Some("0"));
    assert_eq!(
        teu.ok(&["exec", "apart", "readlink", "/proc/self/ns/user"]),
        own(&pid.to_string(), "user").to_string_lossy()
    );
}

#[test]
fn files_have_the_same_owner_inside_and_outside() {
    let teu = roots();
    let shared = teu.work().join("shared");
    std::fs::create_dir(&shared).expect("folder");
    std::fs::write(shared.join("before"), "x").expect("write");
    std::os::unix::fs::chown(shared.join("before"), Some(1000), Some(50)).expect("chown");
    let bind = format!("{}:/shared", shared.display());
    let script = "stat -c '%u:%g' /shared/before /bin/busybox /etc/passwd; echo x > /shared/roots; \
        echo x > /shared/other; chown 1000:50 /shared/other; echo x > /own; chown 4321:8765 /own; stat -c '%u:%g' /own";
    let text = teu.ok(&["run", "--name", "owner", "-v", &bind, "tiny", "sh", "-c", script]);
    assert_eq!(text.lines().collect::<Vec<_>>(), ["1000:50", "0:0", "0:0", "4321:8765"]);
    let owner = |name: &str| {
        let found = std::fs::metadata(shared.join(name)).expect(name);
        (found.uid(), found.gid())
    };
    assert_eq!((owner("roots"), owner("other"), owner("before")), ((0, 0), (1000, 50), (1000, 50)));
    // Nothing of a lease is on the disk: the container can be given other ids, or none.
    let id = teu.inspect("owner")["Id"].as_str().expect("an id").to_owned();
    let found = std::fs::metadata(teu.root().join("containers").join(id).join("upper/own")).expect("the file");
    assert_eq!((found.uid(), found.gid()), (4321, 8765));
}

#[test]
fn each_container_has_a_range_of_its_own_for_life_and_gives_it_back() {
    let teu = roots();
    let (one, two) = (sleeper(&teu, "one", &[]), sleeper(&teu, "two", &[]));
    let first = |pid: i64| id_map(pid, "uid_map")[1];
    assert!(first(one).abs_diff(first(two)) >= 65_536, "{} and {}", first(one), first(two));
    let before = first(one);
    teu.ok(&["restart", "-t", "0", "one"]);
    assert_eq!(first(teu.inspect("one")["State"]["Pid"].as_i64().expect("a process id")), before);
    assert_eq!(leases(&teu).len(), 2);
    teu.ok(&["create", "--name", "three", "tiny", "true"]);
    assert_eq!(leases(&teu).len(), 3);
    teu.ok(&["rm", "-f", "one", "three"]);
    assert_eq!(leases(&teu).len(), 1);
    teu.ok(&["run", "--rm", "tiny", "true"]);
    teu.run(&["run", "--rm", "tiny", "/no/such/program"]).fails(127, &["/no/such/program"]);
    assert_eq!(leases(&teu).len(), 1, "--rm gives its ids back");
    // Lost leases, as after a reboot, are found again in the records.
    let lost = leases(&teu).remove(0);
    wait_for("the lease", SECOND * 60, || {
        // All tests share the machine's ranges: meanwhile a container of another one may be given this.
        if leases(&teu).contains(&lost) {
            std::fs::remove_file(&lost).expect("forget");
        }
        std::fs::remove_file(teu.runroot().join("ids-recalled")).expect("forget");
        let four = sleeper(&teu, "four", &[]);
        let found = leases(&teu).contains(&lost);
        assert!(!found || first(four) != first(two));
        teu.ok(&["rm", "-f", "four"]);
        found.then_some(())
    });
}

#[test]
fn container_that_is_told_nothing_is_as_by_default_everywhere() {
    let teu = roots();
    sleeper(&teu, "plain", &[]);
    let seen = report(&teu, "plain");
    assert_eq!(open(&seen), BTreeSet::new(), "{seen:#}");
    assert_eq!(seen["no_new_privileges"], true);
    assert_eq!(seen["seccomp"], "filter");
    assert_eq!(seen["capabilities"]["bounding"].as_array().map(Vec::len), Some(11));
    for name in ["NET_RAW", "MKNOD", "AUDIT_WRITE", "SYS_ADMIN"] {
        assert!(!seen["capabilities"].to_string().contains(name), "{name}");
    }
    let table = teu.ok(&["inspect", "--security", "plain"]);
    assert!(table.contains("CHECK") && table.contains("user namespace") && !table.contains("weaker"), "{table}");
    teu.ok(&["stop", "-t", "0", "plain"]);
    teu.run(&["inspect", "--security", "plain"]).fails(1, &["not running"]);
    teu.ok(&["run", "-d", "--init", "--name", "init", "tiny", "sleep", "100"]);
    assert_eq!(open(&report(&teu, "init")), BTreeSet::new());
}

/// Flags of `run`, and the checks that they change with the flag that each then names.
type Opening = (&'static [&'static str], &'static [(&'static str, &'static str)]);

#[test]
fn each_flag_opens_what_it_names_and_nothing_else() {
    let teu = roots();
    let cases: [Opening; 14] = [
        (&["--userns", "host"], &[("user namespace", "--userns host"), ("ids", "--userns host")]),
        (&["--ipc", "host"], &[("shared memory", "--ipc host")]),
        (&["--uts", "host"], &[("host name", "--uts host")]),
        (&["--cgroupns", "host"], &[("cgroup view", "--cgroupns host")]),
        (&["--network", "host"], &[("network", "--network host"), ("listening", "--network host")]),
        (&["--pid", "host"], &[("processes", "--pid host"), ("user namespace", "--pid host"), ("ids", "--pid host")]),
        (
            &["--cap-add", "NET_RAW"],
            &[
                ("effective", "--cap-add NET_RAW"),
                ("permitted", "--cap-add NET_RAW"),
                ("bounding", "--cap-add NET_RAW"),
            ],
        ),
        (
            &["--cap-drop", "ALL"],
            &[("effective", "--cap-drop"), ("permitted", "--cap-drop"), ("bounding", "--cap-drop")],
        ),
        (&["--security-opt", "no-new-privileges=false"], &[("no_new_privs", "--security-opt no-new-privileges=false")]),
        (&["--security-opt", "seccomp=unconfined"], &[("seccomp", "--security-opt seccomp=unconfined")]),
        (
            &["--security-opt", "systempaths=unconfined"],
            &[
                ("masked paths", "--security-opt systempaths=unconfined"),
                ("read-only paths", "--security-opt systempaths=unconfined"),
            ],
        ),
        (&["--security-opt", "unmask=/proc/sys"], &[("read-only paths", "--security-opt unmask")]),
        (&["--read-only"], &[("root file system", "--read-only")]),
        (&["-v", "/var/tmp:/shared"], &[("machine's files", "--volume")]),
    ];
    for (number, (flags, expected)) in cases.into_iter().enumerate() {
        let name = format!("case{number}");
        sleeper(&teu, &name, flags);
        let expected: BTreeSet<_> = expected.iter().map(|(s, by)| ((*s).to_owned(), (*by).to_owned())).collect();
        assert_eq!(open(&report(&teu, &name)), expected, "{flags:?}");
        teu.ok(&["rm", "-f", &name]);
    }
}

#[test]
fn privileged_container_is_root_of_the_machine_and_says_so() {
    let teu = roots();
    let pid = sleeper(&teu, "mighty", &["--privileged"]);
    assert_eq!(id_map(pid, "uid_map"), [0, 0, 4_294_967_295]);
    let seen = report(&teu, "mighty");
    let opened = open(&seen);
    for subject in ["user namespace", "effective", "no_new_privs", "seccomp", "machine's files"] {
        assert!(opened.contains(&(subject.to_owned(), "--privileged".to_owned())), "{subject}: {opened:?}");
    }
    let script = "mount -t tmpfs x /mnt 2>&1 && echo mounted; test -w /proc/sys/kernel/hostname && echo open";
    assert_eq!(teu.ok(&["exec", "mighty", "sh", "-c", &format!("mkdir -p /mnt; {script}")]), "mounted\nopen");
    // Privileged in a user namespace of its own: as mighty, but not on the machine.
    let pid = sleeper(&teu, "tamed", &["--privileged", "--userns", "private"]);
    assert_eq!(id_map(pid, "uid_map")[2], 65_536);
    assert_eq!(
        teu.ok(&["exec", "tamed", "sh", "-c", "mkdir -p /mnt; mount -t tmpfs x /mnt && echo mounted"]),
        "mounted"
    );
}

#[test]
fn users_that_wrap_to_root_are_refused_cve_2024_40635() {
    let teu = roots();
    teu.ok(&["run", "-d", "--name", "wrap", "tiny", "sleep", "100"]);
    for user in ["2147483648", "4294967295", "4294967296", "-1", "0:4294967295", "1000:2147483648"] {
        let user = format!("--user={user}");
        teu.run(&["run", "--rm", &user, "tiny", "id"]).fails(125, &["out of range"]);
        teu.run(&["create", &user, "tiny", "id"]).fails(1, &["out of range"]);
        let output = teu.run(&["exec", &user, "wrap", "id"]);
        assert!(output.code != 0 && !output.text().contains("uid="), "{user}: {output}");
    }
    assert_eq!(teu.ok(&["run", "--rm", "--userns", "host", "-u", "2147483647", "tiny", "id", "-u"]), "2147483647");
    // An id that the container's range does not have is told as such.
    teu.run(&["run", "--rm", "-u", "70000", "tiny", "id"]).explains(&["70000", "--userns host"]);
}

#[test]
fn sockets_that_attack_the_kernel_are_closed_and_ping_is_open() {
    need::program("perl", "perl-base");
    let teu = roots();
    // Numbers of linux/socket.h: AF_ALG 38, AF_VSOCK 40; EPERM is what the filter answers.
    let tries = |flags: &[&str], domain: u32, kind: u32, protocol: u32| {
        let script = format!("socket(S, {domain}, {kind}, {protocol}) ? print 'open' : print $!+0");
        teu.ok(&[&["run", "--rm"], flags, &["host", "perl", "-e", &script]].concat())
    };
    for (domain, kind) in [(38, 5), (40, 1)] {
        assert_eq!(tries(&[], domain, kind, 0), "1", "address family {domain}");
    }
    assert_ne!(tries(&["--security-opt", "seccomp=unconfined"], 38, 5, 0), "1");
    // ICMP by a datagram socket is what ping uses where it has no CAP_NET_RAW.
    assert_eq!(tries(&[], 2, 2, 1), "open");
    assert_eq!(tries(&["-u", "1000"], 2, 2, 1), "open");
    assert_eq!(tries(&[], 2, 3, 1), "1", "a raw socket forges packets");
    assert_eq!(tries(&["--cap-add", "NET_RAW"], 2, 3, 1), "open");
}

#[test]
fn teus_program_cannot_be_reached_from_inside() {
    let teu = roots();
    teu.ok(&["run", "-d", "--init", "--name", "inner", "tiny", "sleep", "100"]);
    let script = "cat /proc/1/exe >/dev/null 2>&1 && echo read; readlink /proc/1/exe; (echo x > /proc/1/exe) 2>/dev/null && echo wrote; \
        ls /proc/1/fd 2>/dev/null; grep -c teu /proc/self/mountinfo; echo end";
    let text = teu.ok(&["exec", "inner", "sh", "-c", script]);
    assert_eq!(text, "0\nend", "{text}");
}

#[test]
fn device_of_the_machine_is_shown_where_it_was_wished() {
    let teu = roots();
    let script = "test -c /dev/other && head -c 4 /dev/other | wc -c; test -e /dev/zero && echo zero";
    for mode in ["host", "private"] {
        let text = teu.ok(&[
            "run",
            "--rm",
            "--userns",
            mode,
            "--device",
            "/dev/zero:/dev/other:r",
            "tiny",
            "sh",
            "-c",
            script,
        ]);
        assert_eq!(text, "4\nzero", "{mode}");
    }
    teu.run(&["run", "--rm", "--device", "/dev/no-such-device", "tiny", "true"]).fails(125, &["/dev/no-such-device"]);
}

#[test]
fn settings_of_its_own_namespaces_can_be_changed_and_others_not() {
    let teu = roots();
    let read =
        |flags: &[&str], script: &str| teu.ok(&[&["run", "--rm"], flags, &["tiny", "sh", "-c", script]].concat());
    assert_eq!(read(&["--sysctl", "net.core.somaxconn=77"], "cat /proc/sys/net/core/somaxconn"), "77");
    assert_eq!(read(&["--sysctl", "kernel.shmmni=99"], "cat /proc/sys/kernel/shmmni"), "99");
    teu.run(&["run", "--rm", "--sysctl", "kernel.core_pattern=x", "tiny", "true"]).fails(125, &["kernel.core_pattern"]);
    let size = "df -k /scratch /dev/shm | tail -n 2 | awk '{print $2}'";
    assert_eq!(read(&["--tmpfs", "/scratch:size=1m", "--shm-size", "2m"], size), "1024\n2048");
    assert_eq!(read(&["--group-add", "44"], "id -G"), "0 44");
    assert_eq!(read(&["--oom-score-adj", "300"], "cat /proc/self/oom_score_adj"), "300");
}

#[test]
fn containers_of_older_records_keep_their_old_meaning() {
    let teu = roots();
    teu.ok(&["create", "--name", "old", "tiny", "sleep", "100"]);
    let id = teu.inspect("old")["Id"].as_str().expect("an id").to_owned();
    let path = teu.root().join("containers").join(id).join("record.json");
    let text = std::fs::read(&path).expect("the record");
    let mut record: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    record["config"].as_object_mut().expect("a configuration").remove("isolation");
    let range = record.as_object_mut().expect("a record").remove("id_range").expect("its ids");
    std::fs::write(&path, record.to_string()).expect("write");
    teu.ok(&["start", "old"]);
    let pid = teu.inspect("old")["State"]["Pid"].as_i64().expect("a process id");
    assert_eq!(id_map(pid, "uid_map"), [0, 0, 4_294_967_295]);
    let seen = report(&teu, "old");
    assert_eq!(seen["capabilities"]["bounding"].as_array().map(Vec::len), Some(14));
    assert!(open(&seen).iter().any(|(subject, _)| subject == "user namespace"), "{seen:#}");
    // What the record does not tell any more is nobody's to give back but this test's.
    let lease = Path::new("/run/teu/ids").join(range["first_uid"].to_string());
    std::fs::remove_file(lease).expect("the lease");
}

#[test]
fn ordinary_users_containers_tell_what_keeps_them_apart() {
    need::root();
    let user = Arc::new(User::new(Range::Given));
    let teu = Teu::of_user(&user);
    teu.import_tiny();
    teu.ok(&["run", "-d", "--name", "mine", "tiny", "sleep", "100"]);
    let seen = report(&teu, "mine");
    assert_eq!(open(&seen), BTreeSet::new(), "{seen:#}");
    assert_eq!(seen["uid_map"][0]["outside"].as_u64(), Some(user.uid.into()));
}
