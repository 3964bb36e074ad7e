//! Ports as `ps` shows them: those published with where, those only exposed without, neighbours joined to ranges.

use std::net::{IpAddr, SocketAddr};

use crate::model::{ExposedPort, Protocol, PublishedPort};

/// One run of ports that follow one another on both sides.
struct Run {
    host: Option<(IpAddr, u16)>,
    first: u16,
    last: u16,
    protocol: Protocol,
}

/// `127.0.0.1:8080->80/tcp, 0.0.0.0:9000-9003->9000-9003/udp, 443/tcp`, as Docker writes it.
pub fn shown(published: &[PublishedPort], exposed: &[ExposedPort]) -> String {
    let is_published =
        |it: &&ExposedPort| published.iter().any(|port| (port.container_port, port.protocol) == (it.port, it.protocol));
    let mut single: Vec<_> = published
        .iter()
        .map(|port| (Some((port.host, port.host_port)), port.container_port, port.protocol))
        .chain(exposed.iter().filter(|it| !is_published(it)).map(|it| (None, it.port, it.protocol)))
        .collect();
    single.sort_by_key(|(host, port, protocol)| (host.is_none(), host.map(|(ip, _)| ip), *protocol, *port, *host));
    let mut runs: Vec<Run> = Vec::new();
    for (host, port, protocol) in single {
        match runs.last_mut().filter(|run| run.is_followed_by(host, port, protocol)) {
            Some(run) => run.last = port,
            None => runs.push(Run { host, first: port, last: port, protocol }),
        }
    }
    runs.iter().map(Run::shown).collect::<Vec<_>>().join(", ")
}

impl Run {
    fn is_followed_by(&self, host: Option<(IpAddr, u16)>, port: u16, protocol: Protocol) -> bool {
        let length = self.last - self.first;
        let follows = match (self.host, host) {
            (None, None) => true,
            (Some((ip, first)), Some((other, port))) => ip == other && Some(port) == first.checked_add(length + 1),
            _ => false,
        };
        follows && self.protocol == protocol && self.last.checked_add(1) == Some(port)
    }

    fn shown(&self) -> String {
        let length = self.last - self.first;
        let range = |first: u16| if length > 0 { format!("-{}", first + length) } else { String::new() };
        let inside = format!("{}{}/{}", self.first, range(self.first), self.protocol);
        match self.host {
            Some((ip, port)) => format!("{}{}->{inside}", SocketAddr::new(ip, port), range(port)),
            None => inside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(host: &str, host_port: u16, container_port: u16) -> PublishedPort {
        PublishedPort { protocol: Protocol::Tcp, host: host.parse().expect("an address"), host_port, container_port }
    }

    #[test]
    fn neighbours_are_one_range_and_what_is_only_exposed_comes_last() {
        let published = [
            port("127.0.0.1", 8002, 82),
            port("127.0.0.1", 8000, 80),
            port("127.0.0.1", 8001, 81),
            port("0.0.0.0", 9000, 80),
            port("::1", 9000, 83),
        ];
        let exposed =
            [ExposedPort { port: 80, protocol: Protocol::Tcp }, ExposedPort { port: 53, protocol: Protocol::Udp }];
        assert_eq!(
            shown(&published, &exposed),
            "0.0.0.0:9000->80/tcp, 127.0.0.1:8000-8002->80-82/tcp, [::1]:9000->83/tcp, 53/udp"
        );
        assert_eq!(
            shown(&[port("127.0.0.1", 1, 80), port("127.0.0.1", 3, 81)], &[]),
            "127.0.0.1:1->80/tcp, 127.0.0.1:3->81/tcp"
        );
        assert_eq!(shown(&[port("127.0.0.1", 65535, 65535)], &[]), "127.0.0.1:65535->65535/tcp");
        assert_eq!(shown(&[], &[]), "");
    }
}
