//! Mounts as `inspect` shows them, in Docker's JSON shape.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::model::{ContainerConfig, Mount, MountPropagation, MountSource, MountsBelow, VolumeName};

/// The list `Mounts`: what is mounted, wherever the wish for it came from.
pub fn mounted(mounts: &[Mount], volumes: &BTreeMap<VolumeName, PathBuf>) -> Vec<Value> {
    mounts.iter().map(|mount| one(mount, volumes)).collect()
}

fn one(mount: &Mount, volumes: &BTreeMap<VolumeName, PathBuf>) -> Value {
    let mut value = json!({
        "Type": mount.source.kind(),
        "Source": "",
        "Destination": mount.target,
        "Mode": if mount.read_only { "ro" } else { "" },
        "RW": !mount.read_only,
        "Propagation": "",
    });
    match &mount.source {
        MountSource::Bind { path, propagation, .. } => {
            value["Source"] = json!(path);
            value["Propagation"] = json!(propagation.word());
        }
        MountSource::Volume { name, .. } => {
            value["Name"] = json!(name);
            value["Driver"] = json!("local");
            value["Source"] = json!(name.as_ref().and_then(|name| volumes.get(name)));
        }
        MountSource::Image { reference, .. } => value["Source"] = json!(reference),
        MountSource::Tmpfs { .. } => {}
    }
    value
}

/// What `HostConfig` says of mounts: `Binds` as `-v` is written, `Mounts` for what only `--mount` can say, `Tmpfs`.
pub fn wished(config: &ContainerConfig) -> Map<String, Value> {
    let (short, long): (Vec<_>, Vec<_>) = config.mounts.iter().partition(|mount| short(mount).is_some());
    let memory = config.isolation.tmpfs.iter();
    let memory: BTreeMap<_, _> = memory.map(|tmpfs| (&tmpfs.target, tmpfs.options.join(","))).collect();
    let named = |mount: &&Mount| !matches!(mount.source, MountSource::Volume { anonymous: true, .. });
    let mut host = Map::new();
    host.insert("Binds".to_owned(), short.into_iter().filter(named).filter_map(short_text).collect());
    host.insert("Mounts".to_owned(), long.into_iter().filter(named).map(long_value).collect());
    host.insert("Tmpfs".to_owned(), json!(memory));
    host
}

/// `Config.Volumes`: the places of volumes that nobody named, the image's or those of `-v TARGET`.
pub fn anonymous(config: &ContainerConfig) -> Value {
    let is_anonymous = |mount: &&Mount| matches!(mount.source, MountSource::Volume { anonymous: true, .. });
    let targets =
        config.mounts.iter().filter(is_anonymous).map(|mount| (mount.target.display().to_string(), json!({})));
    Value::Object(targets.collect())
}

/// The options of `-v` that say it; none where they cannot.
fn short(mount: &Mount) -> Option<Vec<&'static str>> {
    let mut options = Vec::new();
    options.extend(mount.read_only.then_some("ro"));
    match &mount.source {
        MountSource::Bind { propagation, below: MountsBelow::Shown, create: true, .. } => {
            options.extend((*propagation != MountPropagation::default()).then(|| propagation.word()));
        }
        MountSource::Volume { subpath: None, copy, labels, options: driver, .. }
            if labels.is_empty() && driver.is_empty() =>
        {
            options.extend((!copy).then_some("nocopy"));
        }
        _ => return None,
    }
    Some(options)
}

fn short_text(mount: &Mount) -> Option<Value> {
    let options = short(mount)?.join(",");
    let colon = if options.is_empty() { "" } else { ":" };
    Some(Value::from(format!("{}:{}{colon}{options}", mount.source, mount.target.display())))
}

fn long_value(mount: &Mount) -> Value {
    let mut value = json!({
        "Type": mount.source.kind(),
        "Source": mount.source.to_string(),
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    });
    match &mount.source {
        MountSource::Bind { propagation, below, create, .. } => {
            value["BindOptions"] = json!({
                "Propagation": propagation.word(),
                "NonRecursive": *below == MountsBelow::Hidden,
                "CreateMountpoint": create,
                "ReadOnlyNonRecursive": *below == MountsBelow::Writable,
                "ReadOnlyForceRecursive": *below == MountsBelow::ReadOnly,
            });
        }
        MountSource::Volume { subpath, copy, labels, options, .. } => {
            value["VolumeOptions"] = json!({
                "NoCopy": !copy,
                "Labels": labels,
                "Subpath": subpath,
                "DriverConfig": {"Name": "local", "Options": options},
            });
        }
        MountSource::Tmpfs { size_bytes, mode } => {
            value["Source"] = json!("");
            value["TmpfsOptions"] = json!({"SizeBytes": size_bytes, "Mode": mode});
        }
        MountSource::Image { subpath, .. } => value["ImageOptions"] = json!({"Subpath": subpath}),
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_dockers_fields() {
        let bind = MountSource::Bind {
            path: "/srv".into(),
            propagation: MountPropagation::RSlave,
            below: MountsBelow::Hidden,
            create: false,
        };
        let image = MountSource::Image { reference: "debian:12".to_owned(), subpath: None, pinned: None };
        let mount = |source, target: &str, read_only| Mount { source, target: target.into(), read_only };
        let name: VolumeName = "data".parse().expect("a name");
        let mounts = [
            Mount::bind("/a", "/b").read_only(),
            Mount::volume(Some(name.clone()), "/v"),
            mount(bind, "/s", true),
            mount(MountSource::Tmpfs { size_bytes: Some(4096), mode: Some(0o700) }, "/t", false),
            mount(image, "/i", true),
        ];
        let volumes = BTreeMap::from([(name, PathBuf::from("/var/lib/teu/volumes/data/data"))]);
        let shown = mounted(&mounts, &volumes);
        let line = |mount: &Mount| match short_text(mount) {
            Some(text) => text.to_string(),
            None => long_value(mount).to_string(),
        };
        let wished: Vec<String> = mounts.iter().map(line).collect();
        let shown: Vec<String> = shown.iter().map(Value::to_string).collect();
        insta::assert_snapshot!(format!("{}\n\n{}", shown.join("\n"), wished.join("\n")));
    }
}
