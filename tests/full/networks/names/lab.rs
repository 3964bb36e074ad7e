//! A machine of the test's own with teu on it, and a world behind it that answers questions for names.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::support::netns::Netns;
use crate::support::process::Output;
use crate::support::{Teu, need};

/// A network namespace for a machine, with an /etc/resolv.conf of its own.
pub struct Lab {
    pub teu: Teu,
    pub machine: Netns,
    resolv_conf: PathBuf,
}

impl Lab {
    #[track_caller]
    pub fn new(resolv_conf: &str) -> Self {
        need::root();
        need::program("dig", "bind9-dnsutils");
        need::program("getent", "libc-bin");
        let teu = Teu::new();
        teu.import_tiny();
        let path = teu.file("resolv.conf", resolv_conf.as_bytes());
        Self { teu, machine: Netns::new(), resolv_conf: path }
    }

    /// On the machine, where /etc/resolv.conf is the test's own.
    #[track_caller]
    fn here<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        self.machine.within(|| {
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS).expect("a mount namespace");
            let none: Option<&str> = None;
            mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).expect("make mounts private");
            mount(Some(&self.resolv_conf), "/etc/resolv.conf", none, MsFlags::MS_BIND, none).expect("bind");
            act()
        })
    }

    #[track_caller]
    pub fn ok(&self, words: &[&str]) -> String {
        self.here(|| self.teu.ok(words))
    }

    #[track_caller]
    pub fn run(&self, words: &[&str]) -> Output {
        self.here(|| self.teu.run(words))
    }

    #[track_caller]
    pub fn fails(&self, words: &[&str], told: &[&str]) {
        let output = self.run(words);
        assert_ne!(output.code, 0, "{output}");
        output.explains(told);
    }

    /// A container of this name, with the machine's own programs, that does nothing.
    #[track_caller]
    pub fn idle(&self, name: &str, more: &[&str]) {
        self.ok(&[&["run", "-d", "--name", name], more, &["host", "sleep", "600"]].concat());
    }

    /// What a program in a container prints.
    #[track_caller]
    pub fn inside(&self, container: &str, words: &[&str]) -> String {
        self.run(&[&["exec", container], words].concat()).text().trim().to_owned()
    }

    /// What `dig +short` tells in a container, its lines sorted.
    #[track_caller]
    pub fn dig(&self, container: &str, words: &[&str]) -> Vec<String> {
        let told = self.inside(container, &[&["dig", "+short", "+tries=1", "+time=8"], words].concat());
        let mut lines: Vec<String> = told.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// The status of an answer: NOERROR, NXDOMAIN, …
    #[track_caller]
    pub fn status(&self, container: &str, words: &[&str]) -> String {
        let told = self.inside(container, &[&["dig", "+tries=1", "+time=8"], words].concat());
        let after = told.split("status: ").nth(1).unwrap_or("none,");
        after.split(',').next().unwrap_or_default().to_owned()
    }

    /// The machine's resolv.conf says something else from now on.
    pub fn resolve_by(&self, text: &str) {
        fs::write(&self.resolv_conf, text).expect("write resolv.conf");
    }

    #[track_caller]
    pub fn pid(&self, container: &str) -> i32 {
        self.ok(&["inspect", "-f", "{{.State.Pid}}", container]).trim().parse().expect("a pid")
    }

    #[track_caller]
    pub fn address(&self, container: &str) -> String {
        let told = self.inside(container, &["ip", "-4", "-o", "addr", "show", "eth0"]);
        let word = told.split_whitespace().nth(3).unwrap_or_else(|| panic!("an address in {told:?}"));
        word.split('/').next().expect("one").to_owned()
    }

    /// Does something in a container's network namespace.
    #[track_caller]
    pub fn beside<T: Send>(&self, container: &str, act: impl FnOnce() -> T + Send) -> T {
        let path = format!("/proc/{}/ns/net", self.pid(container));
        let namespace = fs::File::open(&path).expect("its network namespace");
        std::thread::scope(|scope| {
            let done = scope.spawn(|| {
                nix::sched::setns(&namespace, CloneFlags::CLONE_NEWNET).expect("enter it");
                act()
            });
            done.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The folder of this machine's networks.
    pub fn folder(&self) -> PathBuf {
        let inode = self.machine.within(|| fs::metadata("/proc/thread-self/ns/net").expect("own").ino());
        PathBuf::from(format!("/run/teu/network/{inode}"))
    }

    /// The files that say who is called what.
    pub fn listed(&self) -> Vec<String> {
        let networks = fs::read_dir(self.folder().join("names")).into_iter().flatten().flatten();
        let files = networks.flat_map(|network| fs::read_dir(network.path()).into_iter().flatten().flatten());
        files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.folder());
    }
}

/// A server for names on a machine.
pub struct World {
    asked: Arc<Mutex<Vec<String>>>,
}

impl World {
    /// It knows `world.example` by `address`, and says of `big.example` more than a datagram holds.
    pub fn at(machine: &Netns, listen: &str, address: Ipv4Addr) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (datagrams, connections) =
            machine.within(|| (UdpSocket::bind(listen).expect("bind"), TcpListener::bind(listen).expect("bind")));
        datagrams.set_read_timeout(Some(Duration::from_secs(120))).expect("a time limit");
        let log = asked.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = datagrams.recv_from(&mut buffer) {
                let Some(answer) = answer(&buffer[..length], address, false, &log) else { continue };
                let _ = datagrams.send_to(&answer, from);
            }
        });
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in connections.incoming().flatten() {
                let _ = converse(stream, address, &log);
            }
        });
        Self { asked }
    }

    /// The names that it was asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

fn converse(mut stream: std::net::TcpStream, address: Ipv4Addr, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut question)?;
    let Some(answer) = answer(&question, address, true, log) else { return Ok(()) };
    stream.write_all(&u16::try_from(answer.len()).expect("short").to_be_bytes())?;
    stream.write_all(&answer)
}

fn answer(question: &[u8], address: Ipv4Addr, stream: bool, log: &Mutex<Vec<String>>) -> Option<Vec<u8>> {
    let asked = Message::from_vec(question).ok()?;
    let query = asked.queries.first()?;
    let name = query.name().to_ascii();
    log.lock().expect("no panic").push(name.clone());
    let mut told = Message::response(asked.metadata.id, OpCode::Query);
    told.add_query(query.clone());
    let record = |address| Record::from_rdata(query.name().clone(), 60, RData::A(A(address)));
    match name.as_str() {
        "world.example." => drop(told.add_answer(record(address))),
        "silent.example." => return None,
        "big.example." if stream => {
            told.add_answers((0..200).map(|number| record(Ipv4Addr::new(198, 51, 100, number))));
        }
        "big.example." => told.metadata.truncation = true,
        _ => told.metadata.response_code = ResponseCode::NXDomain,
    }
    told.to_vec().ok()
}
