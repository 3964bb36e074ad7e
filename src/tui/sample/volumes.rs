//! Volumes made by hand.

use std::collections::BTreeMap;

use super::{before, containers};
use crate::model::{Pruned, Volume, VolumeName, VolumeSummary};

fn volume(name: &str, days: i64, bytes: Option<u64>, users: &[usize]) -> VolumeSummary {
    let name: VolumeName = name.parse().expect("a name");
    let all = containers();
    let anonymous = name.as_str().len() == 64;
    let label = anonymous.then(|| (crate::model::ANONYMOUS_LABEL.to_owned(), String::new()));
    VolumeSummary {
        mountpoint: format!("/var/lib/teu/volumes/{name}/data").into(),
        volume: Volume {
            name,
            created: before(86_400 * days + 4000),
            labels: label.into_iter().collect(),
            options: BTreeMap::new(),
            anonymous,
        },
        users: users.iter().map(|at| (all[*at].id.clone(), all[*at].name.clone())).collect(),
        size_bytes: bytes,
    }
}

/// What brave_hopper and others share, what nobody uses, and what nobody named.
pub fn volumes() -> Vec<VolumeSummary> {
    let mut site = volume("site", 12, Some(734 << 20), &[0, 1, 5]);
    site.volume.labels.insert("team".to_owned(), "web \u{1b}[7mand more".to_owned());
    site.volume.labels.insert("tier".to_owned(), "front".to_owned());
    let mut outside = volume("nas", 40, Some(1_900 << 30), &[7]);
    for (key, value) in [("type", "none"), ("o", "bind"), ("device", "/srv/nas")] {
        outside.volume.options.insert(key.to_owned(), value.to_owned());
    }
    outside.mountpoint = "/srv/nas".into();
    vec![
        site,
        volume("postgres-data", 90, Some(3_400 << 20), &[2]),
        outside,
        volume("a-name-that-somebody-made-as-long-as-names-of-volumes-may-be-and-then-some.old", 200, Some(0), &[]),
        volume("cargo-registry", 3, None, &[5, 6]),
        volume(&"0f3a".repeat(16), 1, Some(48 << 20), &[2]),
        volume(&"9b1c".repeat(16), 2, Some(12 << 10), &[]),
    ]
}

/// What nobody uses.
pub fn pruned() -> Pruned {
    let names = volumes().into_iter().filter(|volume| volume.users.is_empty()).map(|volume| volume.volume.name);
    Pruned { volumes: names.collect(), freed_bytes: 12 << 10, ..Pruned::default() }
}
