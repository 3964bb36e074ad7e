//! A machine of a test's own (a network namespace) with teu on it.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use teu::network::{Inner, Links};

use crate::support::netns::Netns;
use crate::support::process::Output;
use crate::support::{SECOND, Teu, need, wait_for};

/// A machine with teu on it, the image `tiny` in its store.
pub(super) struct Lab {
    pub teu: Teu,
    pub machine: Netns,
}

impl Lab {
    #[track_caller]
    pub fn new() -> Self {
        need::root();
        let teu = Teu::new();
        teu.import_tiny();
        Self { teu, machine: Netns::new() }
    }

    #[track_caller]
    pub fn run(&self, words: &[&str]) -> Output {
        self.machine.within(|| self.teu.run(words))
    }

    #[track_caller]
    pub fn ok(&self, words: &[&str]) -> String {
        self.machine.within(|| self.teu.ok(words))
    }

    #[track_caller]
    pub fn fails(&self, words: &[&str], told: &[&str]) {
        let output = self.run(words);
        assert_ne!(output.code, 0, "{output}");
        output.explains(told);
    }

    /// What somebody on the machine reads from an address; nothing if nobody answers.
    pub fn read(&self, address: &str) -> Option<String> {
        self.machine.within(|| {
            let address = address.parse().expect("an address");
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
            let mut text = String::new();
            stream.read_to_string(&mut text).ok()?;
            Some(text)
        })
    }

    /// A container that tells its name to whoever connects to its port 80.
    #[track_caller]
    pub fn serve(&self, name: &str, more: &[&str]) {
        let script = format!("while true; do echo {name} | nc -l -p 80; done");
        let words = [&["run", "-d", "--name", name], more, &["tiny", "sh", "-c", &script]].concat();
        self.ok(&words);
    }

    /// Links and rules, as a machine without any container has them.
    pub fn traces(&self) -> (Vec<String>, String) {
        let links = self.machine.output(&["ip", "-o", "link"]);
        let names = links.lines().filter_map(|line| line.split(": ").nth(1)).map(str::to_owned).collect();
        (names, self.machine.output(&["nft", "list", "table", "inet", "teu"]))
    }
}

impl Lab {
    /// The folder of what teu has in this machine's network namespace.
    pub fn state(&self) -> String {
        let inode = self.machine.within(|| std::fs::metadata("/proc/thread-self/ns/net").expect("own").ino());
        format!("/run/teu/network/{inode}")
    }

    /// Files of ports and leases: what is there of containers beside links and rules.
    pub fn files(&self) -> BTreeSet<String> {
        let list = |folder: &str| {
            let entries = std::fs::read_dir(format!("{}/{folder}", self.state())).into_iter().flatten().flatten();
            entries.map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy())).collect::<Vec<_>>()
        };
        ["links", "ports", "names"].iter().flat_map(|folder| list(folder)).collect()
    }

    /// What a container prints, without the white space around it.
    #[track_caller]
    pub fn exec(&self, container: &str, script: &str) -> String {
        self.run(&["exec", container, "sh", "-c", script]).text().trim().to_owned()
    }

    /// The process id of a container's command.
    #[track_caller]
    pub fn pid(&self, container: &str) -> String {
        self.teu.inspect(container)["State"]["Pid"].as_i64().expect("a pid").to_string()
    }

    /// A container's network namespace, for programs of the machine's.
    #[track_caller]
    pub fn within(&self, container: &str) -> Netns {
        Netns::of_process(&self.pid(container))
    }

    /// A neighbour of the machine on its device `up0`: 198.51.100.2 and 2001:db8::2, where the machine is .1 and ::1. It
    /// knows no way to anything behind the machine.
    #[track_caller]
    pub fn world(&self) -> Netns {
        let world = Netns::new();
        self.machine.within(|| {
            let mut links = Links::open().expect("rtnetlink");
            let up = links.make_bridge("up0", [2, 0, 0, 0, 0, 0x99], None).expect("a device");
            let inner = Inner { name: "out0", mac: None, mtu: 1500, namespace: world.as_fd() };
            links.make_pair("up0-out", up.index, &inner).expect("a cable");
        });
        let set = |netns: &Netns, device: &str, host: u8| {
            for address in [format!("198.51.100.{host}/24"), format!("2001:db8::{host}/64")] {
                netns.output(&["ip", "address", "add", &address, "dev", device]);
            }
            netns.output(&["ip", "link", "set", device, "up"]);
        };
        world.within(|| std::fs::write("/proc/sys/net/ipv6/conf/out0/accept_dad", "0").expect("no waiting"));
        self.machine.within(|| std::fs::write("/proc/sys/net/ipv6/conf/up0/accept_dad", "0").expect("no waiting"));
        set(&world, "out0", 2);
        set(&self.machine, "up0", 1);
        world
    }

    /// Waits until no container's link is left.
    #[track_caller]
    pub fn settle(&self) -> (Vec<String>, String) {
        let own = |link: &String| link == "lo" || link == "teu0" || link.starts_with("teu-");
        wait_for("the last container's link to be gone", SECOND * 30, || {
            Some(self.traces()).filter(|(links, _)| links.iter().all(own))
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.state());
    }
}
