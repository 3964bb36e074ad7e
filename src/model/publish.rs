//! How people write published ports and hardware addresses.

use std::net::IpAddr;

use super::{PortWish, Protocol};

/// `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, where both ports may be ranges of the same length.
pub fn parse_ports(text: &str) -> Result<Vec<PortWish>, String> {
    let (addresses, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let protocol: Protocol = protocol.parse()?;
    let (rest, container) = addresses.rsplit_once(':').map_or((None, addresses), |(rest, last)| (Some(rest), last));
    let (host, host_ports) = match rest {
        None => (None, None),
        Some(rest) => match rest.rsplit_once(':') {
            Some((host, ports)) => (Some(host), Some(ports)),
            None => (None, Some(rest)),
        },
    };
    let host = match host {
        Some(host) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Some(host.parse::<IpAddr>().map_err(|_| "its first part is no address".to_owned())?)
        }
        None => None,
    };
    let (first, last) = range(container)?;
    let on_host = host_ports.filter(|text| !text.is_empty()).map(range).transpose()?;
    if let Some((host_first, host_last)) = on_host
        && host_last - host_first != last - first
    {
        return Err("the two ranges are of different lengths".to_owned());
    }
    let wish = |port: u16| PortWish {
        protocol,
        host,
        host_port: on_host.map(|(host_first, _)| host_first + (port - first)),
        container_port: port,
    };
    Ok((first..=last).map(wish).collect())
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if 0 < first && first <= last => Ok((first, last)),
        _ => Err("a port is 1 to 65535, a range FIRST-LAST".to_owned()),
    }
}

/// A hardware address that one link may have, such as `02:42:0a:5b:00:02`.
pub fn parse_mac(text: &str) -> Result<[u8; 6], String> {
    let bytes: Option<Vec<u8>> =
        text.split([':', '-']).map(|part| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok())?).collect();
    let mac: Option<[u8; 6]> = bytes.and_then(|bytes| bytes.try_into().ok());
    match mac {
        // The lowest bit of the first byte marks addresses of groups.
        Some(mac) if mac[0] & 1 == 0 && mac != [0; 6] => Ok(mac),
        Some(_) => Err("it stands for a group or for nothing, not for one link".to_owned()),
        None => Err("write it as 02:42:0a:5b:00:02".to_owned()),
    }
}
