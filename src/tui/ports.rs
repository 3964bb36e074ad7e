//! Published ports in words, short for a column and long for a line each.

use std::net::IpAddr;

use crate::model::{PortWish, Protocol, PublishedPort};

/// `8080→80, *:53→53/udp`: 127.0.0.1 and tcp go without saying, and neighbours are one.
pub fn short(ports: &[PublishedPort]) -> String {
    parts(ports).into_iter().map(|(part, _)| part).collect::<Vec<_>>().join(", ")
}

/// Forms that are shown in turn till one fits: all, then fewer and how many more, at last the first one's outside.
pub fn short_forms(ports: &[PublishedPort]) -> Vec<String> {
    const MOST: usize = 8;
    let parts = parts(ports);
    let form = |shown: usize| {
        let text = parts[..shown].iter().map(|(part, _)| part.as_str()).collect::<Vec<_>>().join(", ");
        with_rest(text, parts.len() - shown)
    };
    let outside = parts.first().map(|(_, outside)| with_rest(outside.clone(), parts.len() - 1));
    let fewer = (1..parts.len().min(MOST)).rev().map(form);
    (!parts.is_empty()).then(|| short(ports)).into_iter().chain(fewer).chain(outside).collect()
}

fn with_rest(text: String, rest: usize) -> String {
    if rest == 0 { text } else { format!("{text} +{rest}") }
}

/// Each in full, and the side of this machine alone.
fn parts(ports: &[PublishedPort]) -> Vec<(String, String)> {
    let mut parts: Vec<(String, String)> = Vec::new();
    for run in runs(ports) {
        let host = match run.host {
            host if host.is_loopback() => String::new(),
            host if host.is_unspecified() => "*:".to_owned(),
            host => format!("{}:", bracketed(host)),
        };
        let protocol = if run.protocol == Protocol::Tcp { String::new() } else { format!("/{}", run.protocol) };
        let outside = format!("{host}{}", span(run.host_port, run.len));
        let text = format!("{outside}→{}{protocol}", span(run.container_port, run.len));
        // The same port on the loopback of both families is one to a reader.
        if !parts.iter().any(|(part, _)| *part == text) {
            parts.push((text, outside));
        }
    }
    parts
}

/// A line each: `127.0.0.1:8080 → 80/tcp`; neighbours are one.
pub fn lines(ports: &[PublishedPort]) -> Vec<String> {
    let line = |run: Run| {
        let (host, inner) = (span(run.host_port, run.len), span(run.container_port, run.len));
        format!("{}:{host} → {inner}/{}", bracketed(run.host), run.protocol)
    };
    runs(ports).into_iter().map(line).collect()
}

/// One port as a line.
pub fn line(port: &PublishedPort) -> String {
    format!("{}:{} → {}/{}", bracketed(port.host), port.host_port, port.container_port, port.protocol)
}

/// What a wish comes to, before it is tried.
pub fn wish(wish: &PortWish) -> String {
    let outside = match (wish.host, wish.host_port) {
        (Some(host), Some(port)) => format!("{}:{port}", bracketed(host)),
        (Some(host), None) => format!("a free port of {host}"),
        (None, Some(port)) => format!("port {port} of this machine"),
        (None, None) => "a free port of this machine".to_owned(),
    };
    format!("{outside} → {}/{}", wish.container_port, wish.protocol)
}

/// The wish that a published port may have come of.
pub fn is_of(port: &PublishedPort, wish: &PortWish) -> bool {
    wish.protocol == port.protocol
        && wish.container_port == port.container_port
        && wish.host_port.is_none_or(|wished| wished == port.host_port)
        && wish.host.is_none_or(|wished| wished == port.host)
}

fn bracketed(host: IpAddr) -> String {
    match host {
        IpAddr::V4(host) => host.to_string(),
        IpAddr::V6(host) => format!("[{host}]"),
    }
}

fn span(first: u16, len: u16) -> String {
    if len == 1 { first.to_string() } else { format!("{first}-{}", first.saturating_add(len - 1)) }
}

/// Ports that count up together.
struct Run {
    protocol: Protocol,
    host: IpAddr,
    host_port: u16,
    container_port: u16,
    len: u16,
}

fn runs(ports: &[PublishedPort]) -> Vec<Run> {
    let mut sorted: Vec<&PublishedPort> = ports.iter().collect();
    sorted.sort_by_key(|port| (port.protocol, port.host, port.host_port, port.container_port));
    let mut runs: Vec<Run> = Vec::new();
    for port in sorted {
        let goes_on = |run: &&mut Run| {
            (run.protocol, run.host) == (port.protocol, port.host)
                && run.host_port.checked_add(run.len) == Some(port.host_port)
                && run.container_port.checked_add(run.len) == Some(port.container_port)
        };
        match runs.last_mut().filter(goes_on) {
            Some(run) => run.len += 1,
            None => runs.push(Run {
                protocol: port.protocol,
                host: port.host,
                host_port: port.host_port,
                container_port: port.container_port,
                len: 1,
            }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(host: &str, host_port: u16, container_port: u16, protocol: Protocol) -> PublishedPort {
        PublishedPort { protocol, host: host.parse().expect("an address"), host_port, container_port }
    }

    #[test]
    fn ports_are_short_in_a_column_and_neighbours_are_one() {
        let ports = [
            port("0.0.0.0", 53, 53, Protocol::Udp),
            port("127.0.0.1", 8001, 81, Protocol::Tcp),
            port("127.0.0.1", 8000, 80, Protocol::Tcp),
            port("::1", 9000, 90, Protocol::Tcp),
            port("127.0.0.1", 9000, 90, Protocol::Tcp),
            port("10.0.0.7", 443, 443, Protocol::Tcp),
        ];
        assert_eq!(short(&ports), "10.0.0.7:443→443, 8000-8001→80-81, 9000→90, *:53→53/udp");
        assert_eq!(lines(&ports[3..4]), ["[::1]:9000 → 90/tcp"]);
        assert_eq!(short(&[]), "");
        let forms = short_forms(&ports[1..4]);
        assert_eq!(forms, ["8000-8001→80-81, 9000→90", "8000-8001→80-81 +1", "8000-8001 +1"]);
        assert!(short_forms(&[]).is_empty());
    }

    #[test]
    fn ports_at_the_end_of_the_range_do_not_overflow() {
        let ports = [port("127.0.0.1", 65_534, 1, Protocol::Tcp), port("127.0.0.1", 65_535, 2, Protocol::Tcp)];
        assert_eq!(short(&ports), "65534-65535→1-2");
    }

    #[test]
    fn wishes_say_what_is_left_to_teu() {
        let free = PortWish { protocol: Protocol::Tcp, host: None, host_port: None, container_port: 80 };
        assert_eq!(wish(&free), "a free port of this machine → 80/tcp");
        let given = PortWish { host_port: Some(8080), ..free };
        assert_eq!(wish(&given), "port 8080 of this machine → 80/tcp");
        assert!(is_of(&port("127.0.0.1", 8080, 80, Protocol::Tcp), &given));
        assert!(!is_of(&port("127.0.0.1", 8081, 80, Protocol::Tcp), &given));
    }
}
