//! Devices beside the standard ones: those of `--device`, all of them for a privileged container, and the rules about opening.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType, Mount, MountBuilder,
};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::{Around, Kind, malformed};
use crate::model::{ContainerConfig, DeviceMapping};
use crate::runtime::RuntimeError;

/// Device numbers a v1 devices list lets through: the standard nodes, terminals. Nodes may be made but not opened.
const STANDARD: [(i64, i64); 9] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, -1)];

/// Folders of /dev that a container has of its own, or that are no devices'.
const OWN: [&str; 5] = ["pts", "shm", "mqueue", "fd", "hugepages"];

/// Nodes that every container gets from the root file system's own code.
const MADE: [&str; 8] = ["null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"];

/// A device's node on the machine, and where it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    source: PathBuf,
    target: PathBuf,
    block: bool,
    major: i64,
    minor: i64,
    mode: u32,
    uid: u32,
    gid: u32,
}

/// A privileged container's nodes, as the specification lists them. `mapped`: ids of the machine have no meaning inside.
pub(super) fn nodes(config: &ContainerConfig, mapped: bool) -> Result<Vec<LinuxDevice>, RuntimeError> {
    let mut found = Vec::new();
    if config.isolation.privileged {
        let all = DeviceMapping { source: "/dev".into(), target: "/dev".into(), access: String::new() };
        look(&all, &mut found)?;
    }
    found.iter().map(|node| described(node, mapped).map_err(malformed)).collect()
}

fn wished(config: &ContainerConfig) -> Result<Vec<Node>, RuntimeError> {
    let mut found = Vec::new();
    config.isolation.devices.iter().try_for_each(|wish| look(wish, &mut found))?;
    Ok(found)
}

/// Makes the nodes of `--device` in a folder of the container's, to be bound from there: root inside owns them, whoever owns the
/// machine's (whose file system cannot be idmapped). Needs root.
pub fn make_device_nodes(config: &ContainerConfig, folder: &Path) -> Result<(), RuntimeError> {
    let failed = |error: io::Error| RuntimeError::step(format!("make device nodes in {}", folder.display()), error);
    let nodes = wished(config)?;
    if nodes.is_empty() {
        return Ok(());
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => fs::create_dir(folder).map_err(failed)?,
    }
    for (index, node) in nodes.iter().enumerate() {
        let path = folder.join(index.to_string());
        let kind = if node.block { FileType::BlockDevice } else { FileType::CharacterDevice };
        let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let numbers = makedev(number(node.major), number(node.minor));
        mknodat(CWD, &path, kind, Mode::from_raw_mode(0o600), numbers).map_err(|error| failed(error.into()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(node.mode)).map_err(failed)?;
    }
    Ok(())
}

/// Binds of those nodes; for an ordinary user, who can make none, of the machine's.
pub(super) fn binds(config: &ContainerConfig, kind: &Kind, around: &Around) -> Result<Vec<Mount>, RuntimeError> {
    let bind = |(index, node): (usize, Node)| {
        let mut options = vec!["bind", "nosuid", "noexec"];
        let source = match (kind, &around.devices) {
            (Kind::Users(_), _) | (_, None) => node.source,
            (_, Some(folder)) => {
                options.push("dev");
                folder.join(index.to_string())
            }
        };
        if matches!(kind, Kind::Leased(_)) {
            options.push("idmap");
        }
        let options: Vec<String> = options.into_iter().map(str::to_owned).collect();
        let builder = MountBuilder::default().destination(node.target).typ("bind").source(source);
        builder.options(options).build().map_err(malformed)
    };
    wished(config)?.into_iter().enumerate().map(bind).collect()
}

/// Nothing, then making nodes, then opening the standard ones and those wished for. Everything for a privileged container.
pub(super) fn rules(config: &ContainerConfig) -> Result<Vec<LinuxDeviceCgroup>, RuntimeError> {
    if config.isolation.privileged {
        return Ok(vec![rule(true, LinuxDeviceType::A, None, "rwm").map_err(malformed)?]);
    }
    let mut rules = vec![
        rule(false, LinuxDeviceType::A, None, "rwm"),
        rule(true, LinuxDeviceType::C, None, "m"),
        rule(true, LinuxDeviceType::B, None, "m"),
    ];
    rules.extend(STANDARD.map(|numbers| rule(true, LinuxDeviceType::C, Some(numbers), "rwm")));
    for wish in &config.isolation.devices {
        let mut found = Vec::new();
        look(wish, &mut found)?;
        let allow = |node: &Node| rule(true, kind(node), Some((node.major, node.minor)), &wish.access);
        rules.extend(found.iter().map(allow));
    }
    rules.into_iter().collect::<Result<_, _>>().map_err(malformed)
}

fn rule(
    allow: bool,
    typ: LinuxDeviceType,
    numbers: Option<(i64, i64)>,
    access: &str,
) -> Result<LinuxDeviceCgroup, OciSpecError> {
    let builder = LinuxDeviceCgroupBuilder::default().allow(allow).typ(typ).access(access);
    match numbers {
        Some((major, minor)) => builder.major(major).minor(minor).build(),
        None => builder.build(),
    }
}

fn kind(node: &Node) -> LinuxDeviceType {
    if node.block { LinuxDeviceType::B } else { LinuxDeviceType::C }
}

fn described(node: &Node, mapped: bool) -> Result<LinuxDevice, OciSpecError> {
    let (uid, gid) = if mapped { (0, 0) } else { (node.uid, node.gid) };
    LinuxDeviceBuilder::default()
        .path(&node.target)
        .typ(kind(node))
        .major(node.major)
        .minor(node.minor)
        .file_mode(node.mode)
        .uid(uid)
        .gid(gid)
        .build()
}

/// The device that a wish names, or all devices in the folder that it names.
fn look(wish: &DeviceMapping, found: &mut Vec<Node>) -> Result<(), RuntimeError> {
    let failed = |error: io::Error| {
        RuntimeError::InvalidRequest(format!(
            "--device {}: {error}; `ls -l /dev` shows what there is",
            wish.source.display()
        ))
    };
    if fs::metadata(&wish.source).map_err(failed)?.is_dir() {
        return look_below(&wish.source, &wish.target, found).map_err(failed);
    }
    match node(&wish.source, &wish.target).map_err(failed)? {
        Some(node) => {
            found.push(node);
            Ok(())
        }
        None => Err(failed(io::Error::other("it is no device"))),
    }
}

fn look_below(source: &Path, target: &Path, found: &mut Vec<Node>) -> io::Result<()> {
    let is_dev = source == Path::new("/dev");
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let text = name.to_string_lossy();
        if is_dev && (MADE.contains(&text.as_ref()) || OWN.contains(&text.as_ref())) || text.starts_with('.') {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            look_below(&path, &target.join(&name), found)?;
        } else if !kind.is_symlink()
            && let Some(node) = node(&path, &target.join(&name))?
        {
            found.push(node);
        }
    }
    Ok(())
}

/// None of what is no device.
fn node(path: &Path, target: &Path) -> io::Result<Option<Node>> {
    let found = fs::metadata(path)?;
    let (block, character) = (found.file_type().is_block_device(), found.file_type().is_char_device());
    let number = found.rdev();
    Ok((block || character).then(|| Node {
        source: path.to_owned(),
        target: target.to_owned(),
        block,
        major: i64::from(rustix::fs::major(number)),
        minor: i64::from(rustix::fs::minor(number)),
        mode: found.mode() & 0o7777,
        uid: found.uid(),
        gid: found.gid(),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;
    use crate::model::Isolation;

    fn wish(source: &str, target: &str) -> ContainerConfig {
        let device = DeviceMapping { source: source.into(), target: target.into(), access: "r".to_owned() };
        let isolation = Isolation { devices: vec![device], ..Isolation::default() };
        ContainerConfig { isolation, ..config() }
    }

    #[test]
    fn device_is_made_at_its_target_and_may_be_opened() {
        let config = wish("/dev/null", "/dev/other");
        let around = Around { devices: Some("/nodes".into()), ..Around::default() };
        let binds = binds(&config, &Kind::Machine, &around).expect("binds");
        assert_eq!(binds[0].destination(), Path::new("/dev/other"));
        assert_eq!(binds[0].source().as_deref(), Some(Path::new("/nodes/0")));
        let last = rules(&config).expect("rules").pop().expect("a rule");
        assert_eq!((last.allow(), last.major(), last.minor()), (true, Some(1), Some(3)));
        assert_eq!(last.access().as_deref(), Some("r"));
    }

    #[test]
    fn what_is_no_device_is_refused_by_name() {
        for source in ["/etc/passwd", "/dev/none-of-that-name"] {
            let error = wished(&wish(source, "/dev/x")).expect_err(source).to_string();
            assert!(error.contains(source), "{error}");
        }
    }

    #[test]
    fn privileged_container_may_open_everything() {
        let isolation = Isolation { privileged: true, ..Isolation::default() };
        let rules = rules(&ContainerConfig { isolation, ..config() }).expect("rules");
        assert_eq!((rules.len(), rules[0].allow(), rules[0].typ()), (1, true, Some(LinuxDeviceType::A)));
    }
}
