//! What the files of names in a container say: `--dns`, `--dns-search`, `--dns-option`, `--add-host`.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{EngineError, Inner, Result};
use crate::model::{ContainerRecord, CreateRequest, DnsWish, NetworkMode};
use crate::runtime::NameFiles;
use crate::sys::in_root::Folder;

/// What a host in /etc/hosts is called that stands for this machine, as its containers reach it.
pub(super) const HOST_GATEWAY: &str = "host-gateway";
/// The machine's own, which a container's follows.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Files of names are small; what is larger is none.
const MOST_BYTES: u64 = 1 << 20;

/// Whether the wishes about names can be met.
pub(super) fn check(request: &CreateRequest) -> Result<()> {
    let invalid = |what: String| Err(EngineError::Invalid { what });
    let clean =
        |text: &String| !text.is_empty() && text.len() < 1024 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let dns = &request.dns;
    if let Some(bad) = dns.search.iter().find(|domain| !is_domain(domain)) {
        return invalid(format!("invalid search domain: {bad:?} (a domain such as example.org, or . for none)"));
    }
    if let Some(bad) = dns.options.iter().find(|option| !clean(option)) {
        return invalid(format!("invalid DNS option: {bad:?} (a word such as ndots:2, see resolv.conf(5))"));
    }
    let is_line = |line: &String| line.len() < 1024 && !line.chars().any(|it| it.is_control() && it != '\t');
    if let Some(bad) = request.extra_hosts.iter().find(|line| !is_line(line)) {
        return invalid(format!("invalid line of /etc/hosts: {bad:?}"));
    }
    let mode = request.network.as_ref();
    if mode == Some(&NetworkMode::None) && request.extra_hosts.iter().any(|line| line.starts_with(HOST_GATEWAY)) {
        return invalid(
            "--add-host …:host-gateway needs a network: without one nothing leads to this machine".to_owned(),
        );
    }
    if matches!(mode, Some(NetworkMode::Container(_))) && !dns.is_default() {
        return invalid(
            "--dns and --network container: conflict: the files of names are the other container's".to_owned(),
        );
    }
    Ok(())
}

fn is_domain(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() < 64
            && part.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'))
    };
    text == "." || text.len() < 254 && text.strip_suffix('.').unwrap_or(text).split('.').all(part)
}

impl Inner {
    /// What the files say of a container without networks of teu's own; a container in networks has its monitor make more of it.
    pub(super) fn name_files(&self, record: &ContainerRecord) -> Result<NameFiles> {
        let config = &record.config;
        let mut files = NameFiles { hosts: config.extra_hosts.clone(), ..NameFiles::default() };
        match &config.network {
            NetworkMode::Networks => {}
            NetworkMode::Container(target) => {
                let other = self.find(target)?;
                let pid = self.state(&other)?.and_then(|state| state.pid());
                let pid = pid.ok_or_else(|| EngineError::NotRunning { name: other.name.clone() })?;
                let root = PathBuf::from(format!("/proc/{pid}/root"));
                files.hosts_file = read_inside(&root, "hosts");
                files.resolver = read_inside(&root, "resolv.conf");
            }
            NetworkMode::Host | NetworkMode::None => {
                for line in &mut files.hosts {
                    if let Some(name) = line.strip_prefix(HOST_GATEWAY) {
                        *line = format!("127.0.0.1{name}");
                    }
                }
                if !config.dns.is_default() {
                    let servers: Vec<String> = config.dns.servers.iter().map(ToString::to_string).collect();
                    let machine = fs::read_to_string(RESOLV_CONF).unwrap_or_default();
                    files.resolver = Some(resolv_conf(&machine, &config.dns, &servers, &[]));
                }
            }
        }
        Ok(files)
    }
}

/// A file in the /etc of a running container, if it is a plain one. No symlink leads out of its root.
fn read_inside(root: &Path, name: &str) -> Option<String> {
    let etc = Folder::open(root).ok()?.resolve(OsStr::new("etc")).ok()?;
    let mut text = String::new();
    etc.read_file(OsStr::new(name)).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// A resolv.conf: what is wished for, and of the machine's what nothing is said about. `usual_options` are there unless an option
/// of the same name is.
pub(super) fn resolv_conf(machine: &str, dns: &DnsWish, servers: &[String], usual_options: &[&str]) -> String {
    let words = |key: &'static str| {
        let lines = machine.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        lines.filter(move |words| words.first() == Some(&key)).map(|words| words[1..].join(" "))
    };
    let mut lines = Vec::new();
    match servers {
        [] => lines.extend(words("nameserver").map(|server| format!("nameserver {server}"))),
        _ => lines.extend(servers.iter().map(|server| format!("nameserver {server}"))),
    }
    let search = match &dns.search[..] {
        [] => words("search").next_back().or_else(|| words("domain").next_back()),
        [only] if only == "." => None,
        all => Some(all.iter().filter(|it| *it != ".").cloned().collect::<Vec<_>>().join(" ")),
    };
    lines.extend(search.filter(|it| !it.is_empty()).map(|it| format!("search {it}")));
    let mut options: Vec<String> = match &dns.options[..] {
        [] => words("options").flat_map(|it| it.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect(),
        all => all.to_vec(),
    };
    let name = |option: &str| option.split(':').next().unwrap_or_default().to_owned();
    for usual in usual_options {
        if !options.iter().any(|it| name(it) == name(usual)) {
            options.push((*usual).to_owned());
        }
    }
    if !options.is_empty() {
        lines.push(format!("options {}", options.join(" ")));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str =
        "# made by hand\ndomain old\nsearch lan example.org\nnameserver 10.0.0.1\noptions edns0 timeout:1\n";

    #[test]
    fn resolv_conf_says_what_is_wished_and_else_what_the_machine_says() {
        let own = ["127.0.0.11".to_owned()];
        let plain = DnsWish::default();
        assert_eq!(
            resolv_conf(MACHINE, &plain, &own, &["ndots:0"]),
            "nameserver 127.0.0.11\nsearch lan example.org\noptions edns0 timeout:1 ndots:0\n"
        );
        assert_eq!(resolv_conf("nameserver 1.1.1.1\n", &plain, &[], &[]), "nameserver 1.1.1.1\n");
        let wish = DnsWish { servers: Vec::new(), search: vec![".".to_owned()], options: vec!["ndots:3".to_owned()] };
        assert_eq!(resolv_conf(MACHINE, &wish, &own, &["ndots:0"]), "nameserver 127.0.0.11\noptions ndots:3\n");
    }

    #[test]
    fn wishes_that_would_break_a_file_are_refused() {
        let of = |dns: DnsWish| check(&CreateRequest { dns, ..CreateRequest::default() });
        let search = |text: &str| DnsWish { search: vec![text.to_owned()], ..DnsWish::default() };
        assert!(of(search("example.org")).is_ok() && of(search(".")).is_ok() && of(search("lan.")).is_ok());
        for bad in ["", "a b", "a\nnameserver 6.6.6.6", "..", "-.x\0"] {
            assert!(of(search(bad)).is_err(), "{bad:?}");
        }
        let option = DnsWish { options: vec!["ndots:1\nnameserver 6.6.6.6".to_owned()], ..DnsWish::default() };
        assert!(of(option).is_err());
        let hosts = |line: &str| CreateRequest { extra_hosts: vec![line.to_owned()], ..CreateRequest::default() };
        assert!(check(&hosts("10.0.0.1\tdb")).is_ok() && check(&hosts("10.0.0.1\tdb\n6.6.6.6\tx")).is_err());
        let alone = CreateRequest { network: Some(NetworkMode::None), ..hosts("host-gateway\tup") };
        assert!(check(&alone).expect_err("no network").to_string().contains("needs a network"));
    }
}
