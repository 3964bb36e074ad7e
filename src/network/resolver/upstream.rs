//! Who is asked about the world: the servers that the user named, or the machine's own, which may change at any time.

use std::fs;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PORT: u16 = 53;
/// What the C library takes of /etc/resolv.conf is three; those that are named on the command line may be more.
const MOST: usize = 8;
/// For so long the server that answered last is asked first.
const FAITHFUL: Duration = Duration::from_secs(60);

/// The servers, the best first.
#[derive(Debug)]
pub struct Upstream {
    /// The machine's resolv.conf; none where the user named the servers.
    file: Option<PathBuf>,
    /// Its time, length and inode when it was read.
    read_of: Option<(i64, i64, u64, u64)>,
    servers: Vec<SocketAddr>,
    preferred: Option<(SocketAddr, Instant)>,
}

impl Upstream {
    pub fn new(named: &[IpAddr], file: PathBuf) -> Self {
        let servers = named.iter().map(|address| SocketAddr::new(*address, PORT)).take(MOST).collect();
        let file = named.is_empty().then_some(file);
        Self { file, read_of: None, servers, preferred: None }
    }

    /// Whether the user named them: then they are asked from the container's place in the network, not from the machine's.
    pub fn are_named(&self) -> bool {
        self.file.is_none()
    }

    /// In the order in which they are to be asked.
    pub fn servers(&mut self) -> Vec<SocketAddr> {
        self.follow();
        let mut servers = self.servers.clone();
        if let Some((best, since)) = self.preferred
            && since.elapsed() < FAITHFUL
            && let Some(at) = servers.iter().position(|server| *server == best)
        {
            servers[..=at].rotate_right(1);
        }
        servers
    }

    /// It answered, when one before it had not.
    pub fn prefer(&mut self, server: SocketAddr) {
        self.preferred = Some((server, Instant::now()));
    }

    fn follow(&mut self) {
        let Some(file) = &self.file else { return };
        let Ok(now) = fs::metadata(file) else { return self.servers.clear() };
        let state = (now.mtime(), now.mtime_nsec(), now.len(), now.ino());
        if self.read_of == Some(state) {
            return;
        }
        self.servers = servers_in(&fs::read_to_string(file).unwrap_or_default());
        self.read_of = Some(state);
        self.preferred = None;
    }
}

/// The servers that a resolv.conf names (resolv.conf(5)).
fn servers_in(text: &str) -> Vec<SocketAddr> {
    let named = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()).flatten()
    });
    named.filter_map(address).take(MOST).collect()
}

/// An address, maybe with the link that a link-local one is on.
fn address(text: &str) -> Option<SocketAddr> {
    let Some((address, link)) = text.split_once('%') else {
        return Some(SocketAddr::new(text.parse().ok()?, PORT));
    };
    let scope = link.parse().ok().or_else(|| link_index(link))?;
    Some(SocketAddrV6::new(address.parse().ok()?, PORT, 0, scope).into())
}

/// A link's number, of this machine's network namespace.
fn link_index(link: &str) -> Option<u32> {
    let plain = !link.is_empty() && !link.contains('/') && link != "." && link != "..";
    let path = PathBuf::from("/sys/class/net").join(link).join("ifindex");
    plain.then(|| fs::read_to_string(path).ok()?.trim().parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_resolv_conf_has_them() {
        let text = "# nameserver 1.1.1.1\nsearch lan\n nameserver 10.0.0.1 \nnameserver fd00::1\nnameserver nonsense\n\
                    nameserver fe80::1%7\nnameserver\n";
        let shown: Vec<String> = servers_in(text).iter().map(SocketAddr::to_string).collect();
        assert_eq!(shown, ["10.0.0.1:53", "[fd00::1]:53", "[fe80::1%7]:53"]);
        assert!(address("fe80::1%no-such-link").is_none() && address("fe80::1%..").is_none());
    }

    #[test]
    fn machines_file_is_followed_and_named_servers_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("resolv.conf");
        let mut upstream = Upstream::new(&[], file.clone());
        assert!(upstream.servers().is_empty());
        let ports =
            |upstream: &mut Upstream| upstream.servers().iter().map(|it| it.ip().to_string()).collect::<Vec<_>>();
        fs::write(&file, "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n").expect("write");
        assert_eq!(ports(&mut upstream), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        upstream.prefer("10.0.0.3:53".parse().expect("an address"));
        assert_eq!(ports(&mut upstream), ["10.0.0.3", "10.0.0.1", "10.0.0.2"]);
        fs::write(folder.path().join("new"), "nameserver 10.0.0.9\n").expect("write");
        fs::rename(folder.path().join("new"), &file).expect("rename");
        assert_eq!(ports(&mut upstream), ["10.0.0.9"]);
        let mut named = Upstream::new(&["10.9.9.9".parse().expect("an address")], file);
        assert!(named.are_named());
        assert_eq!(ports(&mut named), ["10.9.9.9"]);
    }
}
