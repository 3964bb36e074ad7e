//! The options of Docker's `local` driver, as far as they can be had without a daemon that keeps mounts.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use super::{Result, VolumeError};
use crate::model::mount_text::parse_tmpfs;
use crate::model::printable_line;

/// Refuses what teu cannot keep: a volume is a folder of its own, or stands for one of the machine's.
pub fn check(options: &BTreeMap<String, String>) -> Result<()> {
    let refused = |reason: String| Err(VolumeError::Option { reason });
    if let Some(unknown) = options.keys().find(|key| !matches!(key.as_str(), "type" | "device" | "o")) {
        return refused(format!("there is no option {unknown:?}; there are type, device and o"));
    }
    let get = |key: &str| options.get(key).map(String::as_str).unwrap_or_default();
    let flags: Vec<&str> = get("o").split(',').filter(|flag| !flag.is_empty()).collect();
    match (get("type"), get("device")) {
        // Whatever its device is called, as for mount(8).
        ("tmpfs", _) => match parse_tmpfs(&format!("/x:{}", get("o"))) {
            Ok(_) => Ok(()),
            Err(error) => refused(format!("o={}: {error}, {}", get("o"), error.hint)),
        },
        ("" | "none", "") if flags.is_empty() => Ok(()),
        ("" | "none", "") => refused("o=bind needs device=/FOLDER".to_owned()),
        ("" | "none" | "bind", device) => {
            if !flags.iter().any(|flag| matches!(*flag, "bind" | "rbind")) {
                return refused("device=FOLDER needs o=bind".to_owned());
            }
            if let Some(other) = flags.iter().find(|flag| !matches!(**flag, "bind" | "rbind" | "rw")) {
                return refused(format!(
                    "o={other} cannot be kept with a volume: give it where it is mounted, such as -v NAME:/PATH:ro"
                ));
            }
            let path = Path::new(device);
            let climbs = path.components().any(|part| part == Component::ParentDir);
            if !path.is_absolute() || climbs || device.contains('\0') {
                return refused(format!("device={device:?} must be an absolute path without .."));
            }
            Ok(())
        }
        (kind, _) => refused(format!(
            "type={kind}: teu mounts no file systems of devices or servers, which somebody would have to unmount again; mount it on \
             this machine (`{}`), then -o type=none -o o=bind -o device=/THERE",
            mount_command(kind, get("device"), get("o"))
        )),
    }
}

fn mount_command(kind: &str, device: &str, flags: &str) -> String {
    let flags = if flags.is_empty() { String::new() } else { format!(" -o {flags}") };
    let device = if device.is_empty() { "DEVICE" } else { device };
    printable_line(&format!("mount -t {kind}{flags} {device} /THERE")).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn options_are_none_or_a_folder_of_the_machine() {
        let check = |text: &str| {
            let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
            super::check(&pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
        };
        for good in [
            "",
            "type=none o=bind device=/srv/x",
            "type=tmpfs",
            "type=tmpfs device=tmpfs o=size=1m,uid=7",
            "o=bind,rw device=/x",
            "type=none",
        ] {
            check(good).unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        for bad in [
            "type=tmpfs device=tmpfs o=size=much",
            "type=tmpfs o=bind",
            "type=nfs o=addr=10.0.0.1 device=:/x",
            "size=1g",
            "device=/x",
            "o=bind",
            "o=bind device=relative",
            "o=bind device=/x/../y",
            "o=bind,ro device=/x",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
