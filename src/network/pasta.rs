//! pasta (passt.top), which carries an ordinary user's containers to the world: the user's own sockets speak for them.
//!
//! Only options that Debian 12's of 2023-03-09 knows too. One process for each container, child of its monitor: it ends with
//! that, as the kernel kills it when its parent dies, and its link goes with it.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};

use super::link::Mac;
use super::{NetworkError, Result};
use crate::model::{Protocol, PublishedPort};
use crate::sys::inside::Anchor;
use crate::sys::program;

const TUN: &str = "/dev/net/tun";
/// A pipe in the run folder that says when pasta is ready: it writes its own id there.
const READY: &str = "pasta.ready";
/// It takes some 30 ms, more when the machine is busy.
const PATIENCE: Duration = Duration::from_secs(10);
/// This machine's end of the link where no route leads anywhere, so that pasta finds none to copy it from.
const OUTER_MAC: &str = "02:42:00:00:00:01";

/// What pasta is to make for a container.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// The container's namespaces.
    pub user: BorrowedFd<'a>,
    pub network: BorrowedFd<'a>,
    /// A folder of the container's own.
    pub folder: &'a Path,
    /// What the container calls the link.
    pub link: &'a str,
    pub mac: Option<Mac>,
    pub mtu: Option<u32>,
    /// Each address with its gateway, at most one of each family.
    pub addresses: Vec<(IpNet, IpAddr)>,
    pub ports: Vec<PublishedPort>,
}

/// A running pasta. Dropping it ends it.
#[derive(Debug)]
pub struct Pasta {
    process: OwnedFd,
    /// What it complains goes where nobody reads on, and is lost when that is full, rather than that it waits or dies.
    _complaints: OwnedFd,
}

/// The program, where PATH has it, or where distributions put it.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/usr/local/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|folder| folder.join("pasta")).find(|file| file.is_file())
}

/// Why an ordinary user's containers cannot have networks here, with the cure.
pub fn lack() -> Option<&'static str> {
    use rustix::fs::{Access, access};
    if find().is_none() {
        return Some("pasta is not installed (`sudo apt-get install passt`)");
    }
    let open = access(TUN, Access::READ_OK | Access::WRITE_OK).is_ok();
    (!open).then_some("pasta cannot open /dev/net/tun (`sudo chmod 666 /dev/net/tun`)")
}

/// Whether pasta can publish these ports together with others.
pub fn check<'a>(ports: impl Iterator<Item = &'a PublishedPort>) -> Result<()> {
    let mut seen: Vec<(Protocol, u16)> = Vec::new();
    for port in ports {
        if port.protocol == Protocol::Sctp {
            return Err(NetworkError::PastaKnowsNot { what: "SCTP".to_owned() });
        }
        let key = (port.protocol, port.host_port);
        if seen.contains(&key) {
            let what = format!("one port at two addresses or for two of the container's ({}/{})", key.1, key.0);
            return Err(NetworkError::PastaKnowsNot { what });
        }
        seen.push(key);
    }
    Ok(())
}

impl Pasta {
    /// Returns when the link is there, with addresses and routes, and the ports are published.
    pub fn start(wish: &Wish<'_>) -> Result<Self> {
        let program = find().ok_or(NetworkError::NoPasta)?;
        let ready = ready_pipe(&wish.folder.join(READY))?;
        let failed =
            |action| move |error: rustix::io::Errno| NetworkError::io(action, Path::new("pasta"), error.into());
        let (complaints, writing) =
            pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(failed("make a pipe for"))?;
        let anchor = Anchor::drop_into(wish.user, wish.network)
            .map_err(|error| NetworkError::io("enter", Path::new("the container's namespaces"), error))?;
        let mut command = Command::new(program);
        command.args(arguments(wish, anchor.pid, has_way_out())).current_dir("/").env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(writing));
        program::die_with_parent(&mut command);
        let child = command.spawn().map_err(|error| NetworkError::io("start", Path::new("pasta"), error))?;
        drop(command);
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id")).expect("not 0");
        // The process is this one's child and not yet waited for, so that the id is still its own.
        let process = pidfd_open(pid, PidfdFlags::empty()).map_err(failed("watch"))?;
        let pasta = Self { process, _complaints: complaints };
        match pasta.await_ready(&ready) {
            Ok(true) => Ok(pasta),
            Ok(false) => Err(pasta.explain(wish)),
            Err(error) => Err(NetworkError::io("wait for", Path::new("pasta"), error)),
        }
    }

    pub fn has_ended(&self) -> bool {
        let mut polled = [PollFd::new(&self.process, PollFlags::IN)];
        matches!(poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(1..))
    }

    /// False if it has ended, or does not come to anything.
    fn await_ready(&self, ready: &OwnedFd) -> io::Result<bool> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut polled = [PollFd::new(ready, PollFlags::IN), PollFd::new(&self.process, PollFlags::IN)];
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut polled, Some(&timeout)) {
                Ok(0) => return Ok(false),
                Ok(_) if polled[0].revents().contains(PollFlags::IN) => return Ok(true),
                Ok(_) if !polled[1].revents().is_empty() => return Ok(false),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Why it is not ready, in its own words where nothing better is known.
    fn explain(self, wish: &Wish<'_>) -> NetworkError {
        let rights = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
        if rustix::fs::access(TUN, rights).is_err() {
            let cure = if Path::new(TUN).exists() { "sudo chmod 666 /dev/net/tun" } else { "sudo modprobe tun" };
            return NetworkError::NoTun { cure };
        }
        let mut said = vec![0; 4096];
        let length = rustix::io::read(&self._complaints, &mut said).unwrap_or(0);
        let said = String::from_utf8_lossy(&said[..length]).into_owned();
        if let Some(port) = wish.ports.iter().find(|port| said.contains(&format!(" {}'", specification(port)))) {
            let address = SocketAddr::new(port.host, port.host_port);
            if address.is_ipv6() && said.contains("routable interface for IPv6") {
                return NetworkError::NoIpv6Out { address };
            }
            return super::ports::refused(port.protocol, address, io::Error::from_raw_os_error(libc::EADDRINUSE));
        }
        NetworkError::Pasta { why: sense(&said) }
    }
}

impl Drop for Pasta {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
        // Whoever waits for all children may have been first.
        let _ = waitid(WaitId::PidFd(self.process.as_fd()), WaitIdOptions::EXITED);
    }
}

/// Opened before pasta opens it for writing, which waits for a reader.
fn ready_pipe(path: &Path) -> Result<OwnedFd> {
    let failed = |error: rustix::io::Errno| NetworkError::io("make", path, error.into());
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(NetworkError::io("remove", path, error)),
        _ => {}
    }
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(failed)?;
    openat(CWD, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).map_err(failed)
}

/// Whether this machine has a default route of IPv4, without which pasta knows no link to take an address from.
fn has_way_out() -> bool {
    let mut text = String::new();
    let read = File::open("/proc/thread-self/net/route").and_then(|mut file| file.read_to_string(&mut text));
    // Destination and mask are the second and eighth word (proc_net(5)).
    read.is_ok()
        && text.lines().skip(1).any(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000")
        })
}

fn arguments(wish: &Wish<'_>, anchor: i32, has_way_out: bool) -> Vec<String> {
    let namespace = |name| format!("/proc/{anchor}/ns/{name}");
    let pairs = [
        ("--userns", namespace("user")),
        ("--netns", namespace("net")),
        ("--ns-ifname", wish.link.to_owned()),
        ("--pid", wish.folder.join(READY).to_string_lossy().into_owned()),
        // Nothing of this machine's loopback is for the container, and nothing of the container's for this machine.
        ("--tcp-ns", "none".to_owned()),
        ("--udp-ns", "none".to_owned()),
    ];
    let mut words: Vec<String> =
        ["--foreground", "--quiet", "--config-net", "--no-map-gw", "--no-netns-quit"].map(str::to_owned).to_vec();
    let mut put = |name: &str, value: String| words.extend([name.to_owned(), value]);
    for (name, value) in pairs {
        put(name, value);
    }
    for (address, gateway) in &wish.addresses {
        put("--address", address.addr().to_string());
        put("--gateway", gateway.to_string());
        if let IpNet::V4(address) = address {
            put("--netmask", address.prefix_len().to_string());
            put("--dns-forward", gateway.to_string());
        }
    }
    if let Some(mac) = wish.mac {
        put("--ns-mac-addr", mac.map(|byte| format!("{byte:02x}")).join(":"));
    }
    if let Some(mtu) = wish.mtu {
        put("--mtu", mtu.to_string());
    }
    for (protocol, name) in [(Protocol::Tcp, "--tcp-ports"), (Protocol::Udp, "--udp-ports")] {
        let mut ports = wish.ports.iter().filter(|port| port.protocol == protocol).peekable();
        if ports.peek().is_none() {
            put(name, "none".to_owned());
        }
        ports.for_each(|port| put(name, specification(port)));
    }
    let has = |v6: bool| wish.addresses.iter().any(|(address, _)| address.addr().is_ipv6() == v6);
    match (has(false), has(true)) {
        (true, false) => words.push("--ipv4-only".to_owned()),
        (false, true) => words.push("--ipv6-only".to_owned()),
        _ => {}
    }
    if !has_way_out && has(false) {
        words.extend(["--interface", "lo", "--mac-addr", OUTER_MAC].map(str::to_owned));
    }
    words
}

fn specification(port: &PublishedPort) -> String {
    format!("{}/{}:{}", port.host, port.host_port, port.container_port)
}

/// Its words without those about a system log that is not there.
fn sense(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Failed to send "));
    let words = lines.collect::<Vec<_>>().join("; ");
    if words.is_empty() { "it does not get ready".to_owned() } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(protocol: Protocol, host: &str, host_port: u16) -> PublishedPort {
        PublishedPort { protocol, host: host.parse().expect("an address"), host_port, container_port: 80 }
    }

    #[test]
    fn arguments_say_everything_and_leave_no_default() {
        let file = File::open("/dev/null").expect("a descriptor");
        let wish = Wish {
            user: file.as_fd(),
            network: file.as_fd(),
            folder: Path::new("/run/x"),
            link: "eth0",
            mac: Some([2, 0x42, 10, 91, 0, 2]),
            mtu: Some(1400),
            addresses: vec![("10.91.0.2/16".parse().expect("it"), "10.91.0.1".parse().expect("it"))],
            ports: vec![port(Protocol::Tcp, "127.0.0.1", 8080)],
        };
        let line = arguments(&wish, 7, true).join(" ");
        for part in [
            "--userns /proc/7/ns/user --netns /proc/7/ns/net --ns-ifname eth0",
            "--tcp-ns none --udp-ns none",
            "--address 10.91.0.2 --gateway 10.91.0.1 --netmask 16 --dns-forward 10.91.0.1",
            "--ns-mac-addr 02:42:0a:5b:00:02 --mtu 1400",
            "--tcp-ports 127.0.0.1/8080:80 --udp-ports none --ipv4-only",
            "--no-map-gw",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert!(!line.contains("--interface"));
        assert!(arguments(&wish, 7, false).join(" ").contains("--interface lo --mac-addr 02:"));
    }

    #[test]
    fn what_pasta_cannot_publish_is_refused() {
        let twice = [port(Protocol::Tcp, "127.0.0.1", 8080), port(Protocol::Tcp, "10.0.0.1", 8080)];
        assert!(check(twice.iter()).expect_err("twice").to_string().contains("8080/tcp"));
        let both = [port(Protocol::Tcp, "127.0.0.1", 8080), port(Protocol::Udp, "127.0.0.1", 8080)];
        check(both.iter()).expect("tcp and udp are apart");
        assert!(check([port(Protocol::Sctp, "127.0.0.1", 1)].iter()).is_err());
    }

    #[test]
    fn complaints_about_the_system_log_are_left_out() {
        let said = "Failed to send 46 bytes to syslog\nExternal interface not usable\n";
        assert_eq!(sense(said), "External interface not usable");
        assert_eq!(sense(""), "it does not get ready");
    }
}
