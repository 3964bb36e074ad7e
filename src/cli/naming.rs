//! `run`'s flags for names: what the container's files of names say, and whom it asks.

use std::net::IpAddr;

use clap::Args;

use super::failure::Failure;
use crate::model::DnsWish;

/// Names.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Networks")]
pub struct NamingFlags {
    /// A line of /etc/hosts; host-gateway stands for this machine
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// A server to ask for names that no container has [default: those of this machine, also when they change]
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<IpAddr>,
    /// A domain that is put behind short names; . is none [default: those of this machine]
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// An option of resolv.conf, such as timeout:1 [default: those of this machine]
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    dns_option: Vec<String>,
}

impl NamingFlags {
    pub fn dns(&self) -> DnsWish {
        DnsWish { servers: self.dns.clone(), search: self.dns_search.clone(), options: self.dns_option.clone() }
    }

    pub fn extra_hosts(&self) -> Result<Vec<String>, Failure> {
        self.add_host.iter().map(|text| host_line(text)).collect()
    }
}

/// `NAME:ADDRESS` or `NAME=ADDRESS` as a line of /etc/hosts.
fn host_line(text: &str) -> Result<String, Failure> {
    let bad = || {
        Failure::usage(format!("invalid --add-host {text:?}"))
            .with_hint("write NAME:ADDRESS, such as db:10.0.0.5 or gateway:host-gateway")
    };
    let (name, address) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(bad)?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let known = address == "host-gateway" || address.parse::<IpAddr>().is_ok();
    let clean = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if known && clean { Ok(format!("{address}\t{name}")) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_hosts_are_read() {
        assert_eq!(host_line("db:10.0.0.5").expect("a line"), "10.0.0.5\tdb");
        assert_eq!(host_line("six=::1").expect("a line"), "::1\tsix");
        assert_eq!(host_line("six:[::1]").expect("a line"), "::1\tsix");
        assert!(host_line("db").is_err() && host_line("d b:1.2.3.4").is_err() && host_line("db:nowhere").is_err());
    }
}
