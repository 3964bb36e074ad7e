//! An ordinary user's containers in networks: pasta carries them, on a machine of the test's own with a world outside.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::Arc;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::support::netns::Netns;
use crate::support::process::Output;
use crate::support::user::Range;
use crate::support::{SECOND, Teu, User, need, wait_for};

/// This machine's address in the test's world, and that of the other machine there.
const HERE: &str = "192.0.2.10";
const THERE: &str = "192.0.2.1";

struct Lab {
    teu: Teu,
    machine: Netns,
    outside: Netns,
}

impl Lab {
    #[track_caller]
    fn new() -> Self {
        need::root();
        need::program("pasta", "passt");
        need::program("curl", "curl");
        let teu = Teu::of_user(&Arc::new(User::new(Range::Given)));
        teu.import_tiny();
        let (machine, outside) = (Netns::new(), Netns::new());
        let words = "link add up0 type veth peer name eth0";
        machine.output(&[&["ip"], &*words.split(' ').collect::<Vec<_>>()].concat());
        machine.within(|| give_link("eth0", &outside));
        for (netns, link, address) in [(&machine, "up0", HERE), (&outside, "eth0", THERE)] {
            netns.output(&["ip", "address", "add", &format!("{address}/24"), "dev", link]);
            netns.output(&["ip", "link", "set", link, "up"]);
        }
        machine.output(&["ip", "route", "add", "default", "via", THERE]);
        Self { teu, machine, outside }
    }

    /// In the machine's network, and with a /dev/net/tun that is open to users, as udev makes it.
    #[track_caller]
    fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        self.machine.within(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("keep mounts here");
            std::fs::create_dir_all("/dev/net").expect("a folder");
            mount(Some("tmpfs"), "/dev/net", Some("tmpfs"), MsFlags::empty(), none).expect("a tmpfs");
            let device = rustix::fs::makedev(10, 200);
            let mode = rustix::fs::Mode::from_raw_mode(0o666);
            let kind = rustix::fs::FileType::CharacterDevice;
            rustix::fs::mknodat(rustix::fs::CWD, "/dev/net/tun", kind, mode, device).expect("mknod");
            std::fs::set_permissions("/dev/net/tun", std::fs::Permissions::from_mode(0o666)).expect("chmod");
            assert!(std::fs::metadata("/dev/net/tun").expect("it").file_type().is_char_device());
            act()
        })
    }

    #[track_caller]
    fn run(&self, words: &[&str]) -> Output {
        self.within(|| self.teu.run(words))
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        self.within(|| self.teu.ok(words))
    }

    #[track_caller]
    fn fails(&self, words: &[&str], told: &[&str]) {
        let output = self.run(words);
        assert_ne!(output.code, 0, "{output}");
        output.explains(told);
    }

    /// A container that answers each request at its port 80 with its name and who asked.
    #[track_caller]
    fn serve(&self, name: &str, more: &[&str]) {
        self.serve_in("bridge", name, more);
    }

    #[track_caller]
    fn serve_in(&self, network: &str, name: &str, more: &[&str]) {
        // The request to its end, an empty line: who closes a connection with something unread resets it, and what it said last
        // may be lost on the way.
        let each = format!(
            "while read line; do [ \\${{#line}} -gt 1 ] || break; done; printf 'HTTP/1.0 200 OK\\r\\n\\r\\n'; \
             echo {name}; grep -h ' 01 ' /proc/net/tcp /proc/net/tcp6"
        );
        let script = format!("while true; do nc -l -p 80 -e sh -c \"{each}\"; done");
        let words =
            [&["run", "-d", "--name", name, "--network", network], more, &["tiny", "sh", "-c", &script]].concat();
        self.ok(&words);
    }
}

impl Lab {
    /// What a running container's resolver answers.
    fn dig(&self, container: &str, name: &str) -> String {
        need::program("dig", "bind9-dnsutils");
        let pid = self.teu.inspect(container)["State"]["Pid"].as_i64().expect("a process id").to_string();
        let words = ["-t", &pid, "-n", "dig", "+short", "+time=2", "+tries=2", "@127.0.0.11", name];
        let output = std::process::Command::new("nsenter").args(words).output().expect("nsenter");
        String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.starts_with(';')).collect()
    }
}

/// Moves a link of the calling thread's network into another.
fn give_link(link: &str, to: &Netns) {
    use std::os::fd::{AsFd, AsRawFd};
    let path = format!("/proc/{}/fd/{}", std::process::id(), to.as_fd().as_raw_fd());
    let output = std::process::Command::new("ip").args(["link", "set", link, "netns", &path]).output().expect("ip");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What curl gets there, nothing if nothing.
fn curl(from: &Netns, address: &str) -> Option<String> {
    let output = from.command(&["curl", "-s", "--max-time", "3", &format!("http://{address}/")]);
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Says hello to everybody, for the test's life.
fn greet(listener: TcpListener) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let peer = stream.peer_addr().expect("a peer");
            // In one piece: Debian 12's pasta may pass on what comes in several twice.
            let _ = stream.write_all(format!("hello {peer}\n").as_bytes());
        }
    });
}

/// The ids of a user's pastas that live. They are not dumpable, so that root owns their folders in /proc.
fn pastas(user: &User) -> Vec<i32> {
    let is_his = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok());
        uid == Some(user.uid)
            && std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.to_string_lossy().contains("pass"))
    };
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_his).collect()
}

/// `127.0.0.1:80` as /proc/net/tcp writes the address.
fn in_hexadecimal(address: &str) -> String {
    let octets: std::net::Ipv4Addr = address.parse().expect("an address");
    format!("{:08X}", u32::from_ne_bytes(octets.octets()))
}

#[test]
fn container_reaches_the_world_but_not_this_machines_loopback() {
    let lab = Lab::new();
    greet(lab.outside.within(|| TcpListener::bind((THERE, 99)).expect("bind")));
    greet(lab.machine.within(|| TcpListener::bind("127.0.0.1:77").expect("bind")));
    let script = "ip -4 addr show eth0; ip route; cat /etc/hosts; timeout 3 nc -w 2 192.0.2.1 99 </dev/null;
        for to in 127.0.0.1 10.91.0.1; do nc -w 1 $to 77 </dev/null && echo REACHED; done; true";
    let told = lab.ok(&["run", "--rm", "--network", "bridge", "-h", "box", "tiny", "sh", "-c", script]);
    for part in ["10.91.0.2/16", "default via 10.91.0.1", "10.91.0.2\tbox", "hello 192.0.2.10:"] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
    assert!(!told.contains("REACHED"), "{told}");
    assert_eq!(pastas(lab.teu.user().expect("one")), [] as [i32; 0]);
}

#[test]
fn published_port_keeps_who_asks_and_ends_with_the_container() {
    let lab = Lab::new();
    lab.serve("web", &["-p", "8080:80", "-p", &format!("{HERE}:8081:80")]);
    assert!(lab.ok(&["port", "web"]).contains("80/tcp -> 127.0.0.1:8080"));
    assert!(lab.ok(&["ps"]).contains("127.0.0.1:8080->80/tcp"));
    let answer = wait_for("an answer on loopback", SECOND * 30, || curl(&lab.machine, "127.0.0.1:8080"));
    assert!(answer.starts_with("web\n"), "{answer}");
    let answer = wait_for("an answer outside", SECOND * 30, || curl(&lab.outside, &format!("{HERE}:8081")));
    assert!(answer.starts_with("web\n") && answer.contains(&in_hexadecimal(THERE)), "{answer}");
    assert_eq!(curl(&lab.outside, &format!("{HERE}:8080")), None, "it is published on loopback alone");
    // Taken: by pasta, which serves it for a container; then by a program.
    lab.fails(
        &["run", "--rm", "--network", "bridge", "-p", "8080:80", "tiny", "true"],
        &["127.0.0.1:8080", "container web"],
    );
    let other = lab.machine.within(|| TcpListener::bind("127.0.0.1:8085").expect("bind"));
    let words = ["run", "--rm", "--network", "bridge", "-p", "8085:80", "tiny", "true"];
    lab.fails(&words, &["127.0.0.1:8085", "address already in use"]);
    drop(other);
    // A process that another test has just forked holds it as well until it executes its program.
    wait_for("the port to be free", SECOND * 30, || (lab.run(&words).code == 0).then_some(()));
    lab.fails(
        &["run", "--rm", "--network", "bridge", "-p", "85:80", "tiny", "true"],
        &["ip_unprivileged_port_start=85"],
    );
    lab.fails(&["run", "--rm", "--network", "bridge", "-p", "8086:80/sctp", "tiny", "true"], &["SCTP", "root"]);
    assert_eq!(pastas(lab.teu.user().expect("one")).len(), 1);
    lab.ok(&["rm", "-f", "web"]);
    assert_eq!(pastas(lab.teu.user().expect("one")), [] as [i32; 0]);
    assert_eq!(curl(&lab.machine, "127.0.0.1:8080"), None);
}

#[test]
fn ports_change_while_the_container_runs() {
    let lab = Lab::new();
    lab.serve("web", &["-p", "8080:80"]);
    wait_for("an answer", SECOND * 30, || curl(&lab.machine, "127.0.0.1:8080"));
    lab.ok(&["update", "--publish-add", "8082:80", "web"]);
    wait_for("an answer on the new port", SECOND * 30, || curl(&lab.machine, "127.0.0.1:8082"));
    wait_for("an answer on the old one", SECOND * 30, || curl(&lab.machine, "127.0.0.1:8080"));
    lab.ok(&["update", "--publish-rm", "8080:80", "web"]);
    assert_eq!(curl(&lab.machine, "127.0.0.1:8080"), None);
    let other = lab.machine.within(|| TcpListener::bind("127.0.0.1:8085").expect("bind"));
    lab.fails(&["update", "--publish-add", "8085:80", "web"], &["127.0.0.1:8085"]);
    let policy = || lab.ok(&["inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", "web"]);
    let before = (policy(), lab.ok(&["port", "web"]));
    lab.fails(&["update", "--restart", "always", "--publish-add", "8085:80", "web"], &["127.0.0.1:8085"]);
    assert_eq!((policy(), lab.ok(&["port", "web"])), before, "all or nothing");
    drop(other);
    wait_for("an answer still", SECOND * 30, || curl(&lab.machine, "127.0.0.1:8082"));
    lab.ok(&["restart", "-t", "0", "web"]);
    wait_for("an answer after a restart", SECOND * 30, || curl(&lab.machine, "127.0.0.1:8082"));
    assert_eq!(pastas(lab.teu.user().expect("one")).len(), 1);
}

#[test]
fn killed_monitor_leaves_no_pasta() {
    let lab = Lab::new();
    lab.serve("web", &["-p", "8080:80"]);
    let user = lab.teu.user().expect("one");
    let [pasta] = pastas(user)[..] else { panic!("one pasta") };
    let status = std::fs::read_to_string(format!("/proc/{pasta}/status")).expect("it runs");
    let monitor = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("a parent").trim();
    std::process::Command::new("kill").args(["-9", monitor]).status().expect("kill");
    // Dead, with its sockets closed: its program is gone from /proc before they are.
    let ended = |stat: String| stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
    let stat = || std::fs::read_to_string(format!("/proc/{pasta}/stat")).unwrap_or_default();
    wait_for("pasta to be gone", SECOND * 20, || ended(stat()).then_some(()));
    lab.ok(&["start", "web"]);
    wait_for("an answer", SECOND * 30, || curl(&lab.machine, "127.0.0.1:8080"));
    assert_eq!(pastas(user).len(), 1);
}

#[test]
fn killed_pasta_is_replaced() {
    let lab = Lab::new();
    greet(lab.outside.within(|| TcpListener::bind((THERE, 99)).expect("bind")));
    lab.serve("web", &["-p", "8080:80"]);
    wait_for("an answer", SECOND * 30, || curl(&lab.machine, "127.0.0.1:8080"));
    for _ in 0..3 {
        let [pasta] = pastas(lab.teu.user().expect("one"))[..] else { panic!("one pasta") };
        std::process::Command::new("kill").args(["-9", &pasta.to_string()]).status().expect("kill");
        wait_for("another one", SECOND * 30, || {
            pastas(lab.teu.user().expect("one")).first().filter(|other| **other != pasta).map(drop)
        });
        wait_for("an answer again", SECOND * 30, || curl(&lab.machine, "127.0.0.1:8080"));
        let ask = format!("timeout 3 nc -w 2 {THERE} 99 </dev/null");
        let hears = || lab.run(&["exec", "web", "sh", "-c", &ask]).text().contains("hello").then_some(());
        wait_for("an answer of the world", SECOND * 30, hears);
    }
    assert_eq!(pastas(lab.teu.user().expect("one")).len(), 1);
    lab.ok(&["rm", "-f", "web"]);
    assert!(pastas(lab.teu.user().expect("one")).is_empty());
}

#[test]
fn machine_without_a_way_out_and_without_tun() {
    let lab = Lab::new();
    lab.machine.output(&["ip", "route", "del", "default"]);
    lab.serve("web", &["-p", "8080:80"]);
    wait_for("an answer", SECOND * 30, || curl(&lab.machine, "127.0.0.1:8080"));
    lab.ok(&["rm", "-f", "web"]);
    // Without the test's own device: this machine's may be closed.
    let output = lab.machine.within(|| {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("keep mounts here");
        std::fs::create_dir_all("/dev/net").expect("a folder");
        mount(Some("tmpfs"), "/dev/net", Some("tmpfs"), MsFlags::empty(), none).expect("a tmpfs");
        (lab.teu.run(&["run", "--rm", "--network", "bridge", "tiny", "true"]), lab.teu.run(&["doctor"]))
    });
    assert_ne!(output.0.code, 0, "{}", output.0);
    output.0.explains(&["/dev/net/tun", "modprobe tun"]);
    assert!(output.1.text().contains("mend: sudo modprobe tun"), "{}", output.1);
}

#[test]
fn udp_port_is_published_alone() {
    let lab = Lab::new();
    lab.ok(&["run", "-d", "--name", "echo", "--network", "bridge", "-p", "9053:9053/udp", "tiny", "sleep", "1000"]);
    let pid = lab.teu.inspect("echo")["State"]["Pid"].as_i64().expect("a process id");
    let inside = std::fs::File::open(format!("/proc/{pid}/ns/net")).expect("the container's network");
    let server = std::thread::spawn(move || {
        nix::sched::setns(inside, CloneFlags::CLONE_NEWNET).expect("enter the container's network");
        std::net::UdpSocket::bind("0.0.0.0:9053").expect("bind")
    });
    let server = server.join().expect("the thread");
    std::thread::spawn(move || {
        let mut bytes = [0; 16];
        while let Ok((count, peer)) = server.recv_from(&mut bytes) {
            let _ = server.send_to(&bytes[..count], peer);
        }
    });
    let heard = lab.machine.within(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
        socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a limit");
        wait_for("an echo", SECOND * 30, || {
            socket.send_to(b"ping", "127.0.0.1:9053").expect("send");
            let mut bytes = [0; 16];
            socket.recv(&mut bytes).ok().map(|count| bytes[..count].to_vec())
        })
    });
    assert_eq!(heard, b"ping");
    let tcp: SocketAddr = "127.0.0.1:9053".parse().expect("an address");
    assert!(lab.machine.within(|| TcpStream::connect_timeout(&tcp, SECOND)).is_err(), "only UDP is published");
}

#[test]
fn networks_of_the_users_own_join_containers_and_keep_others_apart() {
    let lab = Lab::new();
    greet(lab.outside.within(|| TcpListener::bind((THERE, 99)).expect("bind")));
    lab.ok(&["network", "create", "--subnet", "10.200.1.0/24", "one"]);
    lab.ok(&["network", "create", "--subnet", "10.200.2.0/24", "--internal", "two"]);
    lab.fails(&["run", "--rm", "--network", "mac", "tiny", "true"], &["no such network: mac"]);
    lab.serve_in("one", "first", &["--ip", "10.200.1.10", "-p", "8080:80"]);
    wait_for("an answer from outside the network", SECOND * 30, || curl(&lab.machine, "127.0.0.1:8080"));
    let ask = "ip -4 addr; ip route; printf 'GET /\\n\\n' | timeout 9 nc -w 8 10.200.1.10 80; timeout 9 nc -w 8 192.0.2.1 99 </dev/null; true";
    let told = lab.ok(&["run", "--rm", "--network", "one", "tiny", "sh", "-c", ask]);
    for part in ["10.200.1.2/24", "first", "hello 192.0.2.10:", "default via 169.254.126.1 dev pasta0"] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
    let told = lab.ok(&["run", "--rm", "--network", "two", "tiny", "sh", "-c", ask]);
    assert!(told.contains("10.200.2.2/24") && !told.contains("first") && !told.contains("hello"), "{told}");
    assert!(!told.contains("default"), "{told}");
    // While it runs.
    lab.ok(&["run", "-d", "--name", "walker", "--network", "two", "tiny", "sleep", "1000"]);
    let reached = || lab.ok(&["exec", "walker", "sh", "-c", ask]).contains("first");
    assert!(!reached());
    lab.ok(&["network", "connect", "one", "walker"]);
    wait_for("it to reach the other", SECOND * 20, || reached().then_some(()));
    let told = lab.ok(&["exec", "walker", "sh", "-c", ask]);
    assert!(told.contains("hello 192.0.2.10:"), "it has a way out now: {told}");
    for name in ["first", &lab.ok(&["inspect", "-f", "{{.Id}}", "first"])[..12]] {
        assert_eq!(lab.dig("walker", name), "10.200.1.10", "{name} has a name");
    }
    lab.ok(&["network", "disconnect", "one", "walker"]);
    assert_eq!(lab.dig("walker", "first"), "");
    assert!(!reached());
    assert!(!lab.ok(&["exec", "walker", "sh", "-c", ask]).contains("hello"));
    lab.fails(&["network", "rm", "one"], &["first"]);
    lab.ok(&["rm", "-f", "first", "walker"]);
    lab.ok(&["network", "rm", "one", "two"]);
    // A link of the machine's cannot be shared.
    lab.ok(&["network", "create", "-d", "macvlan", "-o", "parent=up0", "--subnet", "192.0.2.0/24", "mac"]);
    lab.fails(&["run", "--rm", "--network", "mac", "tiny", "true"], &["network mac needs root", "macvlan"]);
}

#[test]
fn killed_monitors_leave_no_address_taken_and_the_next_start_finds_the_others() {
    let lab = Lab::new();
    lab.ok(&["network", "create", "--subnet", "10.200.1.0/29", "one"]);
    lab.serve_in("one", "first", &["--ip", "10.200.1.2"]);
    for _ in 0..8 {
        lab.ok(&["run", "-d", "--name", "doomed", "--network", "one", "--ip", "10.200.1.3", "tiny", "sleep", "1000"]);
        let pid = lab.teu.inspect("doomed")["State"]["Pid"].as_i64().expect("a process id");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let monitor = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("a parent").trim();
        std::process::Command::new("kill").args(["-9", monitor]).status().expect("kill");
        lab.ok(&["rm", "-f", "doomed"]);
    }
    let ask = "printf 'GET /\\n' | timeout 3 nc -w 2 10.200.1.2 80";
    let told = lab.ok(&["run", "--rm", "--network", "one", "--ip", "10.200.1.3", "tiny", "sh", "-c", ask]);
    assert!(told.contains("first"), "{told}");
    assert_eq!(pastas(lab.teu.user().expect("one")).len(), 1);
}

/// What a user's network keeps of its containers: the names, and how many addresses are leased.
fn kept(lab: &Lab, network: &str) -> (usize, String, String) {
    let inspected = lab.ok(&["network", "inspect", network]);
    let inspected: serde_json::Value = serde_json::from_str(&inspected).expect("JSON");
    let id = inspected[0]["Id"].as_str().expect("an id").to_owned();
    let folders = std::fs::read_dir(lab.teu.runroot().join("network")).expect("list").flatten();
    let names =
        folders.flat_map(|folder| std::fs::read_dir(folder.path().join("names").join(&id)).into_iter().flatten());
    (names.count(), inspected[0]["Containers"].to_string(), lab.ok(&["network", "ls"]))
}

#[test]
fn refused_connection_of_a_running_container_leaves_nothing_half_made() {
    let lab = Lab::new();
    lab.ok(&["network", "create", "--subnet", "10.200.1.0/29", "one"]);
    lab.ok(&["network", "create", "--subnet", "10.200.2.0/24", "--internal", "two"]);
    lab.ok(&["run", "-d", "--name", "walker", "--network", "two", "tiny", "sleep", "1000"]);
    let facts = || {
        let links = lab.ok(&["exec", "walker", "sh", "-c", "ip -4 addr; ip route; cat /etc/hosts"]);
        let record = lab.teu.inspect("walker")["NetworkSettings"]["Networks"].to_string();
        (links, record, kept(&lab, "one"), kept(&lab, "two"))
    };
    let before = facts();
    // Its monitor has the test's own /dev/net; without the device pasta gives no way out, which the network has.
    let pid = lab.teu.inspect("walker")["State"]["Pid"].as_i64().expect("a process id");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let monitor = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("a parent").trim().to_owned();
    let move_tun = |from: &str, to: &str| {
        let (from, to) = (format!("/dev/net/{from}"), format!("/dev/net/{to}"));
        let moved = std::process::Command::new("nsenter").args(["-t", &monitor, "-m", "mv", &from, &to]).status();
        assert!(moved.expect("nsenter").success());
    };
    move_tun("tun", "away");
    for _ in 0..8 {
        lab.fails(&["network", "connect", "one", "walker"], &["/dev/net/tun"]);
        assert_eq!(facts(), before);
    }
    move_tun("away", "tun");
    lab.ok(&["network", "connect", "--ip", "10.200.1.2", "one", "walker"]);
    assert!(lab.ok(&["exec", "walker", "ip", "-4", "addr"]).contains("10.200.1.2/29"));
    assert_eq!(kept(&lab, "one").0, 1);
    lab.ok(&["network", "disconnect", "one", "walker"]);
    assert_eq!(facts(), before);
}

#[test]
fn container_in_anothers_network_has_its_links_ports_and_names() {
    let lab = Lab::new();
    lab.ok(&["network", "create", "--subnet", "10.200.1.0/24", "lan"]);
    for network in ["bridge", "lan"] {
        let pod = ["-p", "8080:80", "--add-host", "extra:10.1.2.3", "tiny", "sleep", "1000"];
        lab.ok(&[&["run", "-d", "--name", "pod", "--network", network], &pod[..]].concat());
        let links = |name: &str| lab.ok(&["exec", name, "ip", "-4", "addr"]);
        let files = |name: &str| lab.ok(&["exec", name, "cat", "/etc/hosts", "/etc/resolv.conf"]);
        for more in [&[][..], &["--user", "1000"]] {
            lab.serve_in("container:pod", "side", more);
            assert_eq!(links("side"), links("pod"));
            assert_eq!(files("side"), files("pod"));
            assert!(files("side").contains("10.1.2.3\textra"));
            let answers = || curl(&lab.machine, "127.0.0.1:8080").filter(|text| text.starts_with("side\n"));
            wait_for("the other's port", SECOND * 30, answers);
            lab.ok(&["restart", "-t", "0", "side"]);
            wait_for("it again", SECOND * 30, answers);
            lab.ok(&["rm", "-f", "side"]);
        }
        lab.ok(&["rm", "-f", "pod"]);
    }
    lab.ok(&["run", "-d", "--name", "pod", "--network", "none", "tiny", "sleep", "1000"]);
    lab.serve_in("container:pod", "side", &[]);
    let asked = "printf 'GET /\\n' | timeout 3 nc -w 2 127.0.0.1 80";
    wait_for("it by loopback", SECOND * 30, || {
        lab.run(&["exec", "pod", "sh", "-c", asked]).text().contains("side").then_some(())
    });
    lab.fails(&["run", "--rm", "--network", "container:pod", "-p", "80:80", "tiny", "true"], &["--publish"]);
    lab.fails(&["run", "--rm", "--network", "container:nobody", "tiny", "true"], &["No such container", "nobody"]);
    lab.ok(&["stop", "-t", "0", "side", "pod"]);
    lab.fails(&["start", "side"], &["pod", "not running"]);
}
