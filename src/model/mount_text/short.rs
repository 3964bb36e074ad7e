//! `-v [SOURCE:]TARGET[:OPTIONS]`.

use std::path::Path;

use super::{MountTextError, absolute_target, normal, refuse};
use crate::model::{Mount, MountPropagation, MountSource, VolumeName};

const SHORT: &str = "write SOURCE:TARGET[:OPTIONS], NAME:TARGET[:OPTIONS] or TARGET";

/// `[SOURCE:]TARGET[:OPTIONS]`: a source with `/` or `.` in front is a path, any other a volume's name.
///
/// Relative paths are read against `folder`.
pub fn parse_volume(text: &str, folder: &Path) -> Result<Mount, MountTextError> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [name] if !name.is_empty() && !name.starts_with('/') => {
            return refuse(
                format!("it says not where {name:?} is to be seen"),
                format!("write {name}:/PATH/INSIDE, or only an absolute path for a new volume"),
            );
        }
        [target] => (None, target, ""),
        [target, options] if target.starts_with('/') && are_options(options) => {
            return refuse(
                format!("a volume without a name takes no options ({options})"),
                format!("--mount type=volume,target={target},readonly is such a one"),
            );
        }
        [source, target] => (Some(source), target, ""),
        [source, target, options] if !options.is_empty() => (Some(source), target, options),
        _ => return refuse(SHORT, "paths with colons in them go with --mount type=bind,source=…,target=…"),
    };
    let source = match source {
        Some("") => return refuse("the source is empty", SHORT),
        Some(path) if path.starts_with('/') => MountSource::bind(normal(Path::new(path))),
        Some(path) if path.starts_with('.') => MountSource::bind(normal(&folder.join(path))),
        Some(name) => MountSource::volume(Some(volume_name(name)?)),
        None => MountSource::volume(None),
    };
    let mut mount = Mount { source, target: absolute_target(target)?, read_only: false };
    let mut said = Vec::new();
    for option in options.split(',').filter(|_| !options.is_empty()) {
        let group = match take(&mut mount, option) {
            Ok(group) => group,
            Err(why) => return refuse(why, SHORT_OPTIONS),
        };
        if said.contains(&group) {
            return refuse(format!("{option} contradicts or repeats another option"), "leave one out");
        }
        said.push(group);
    }
    Ok(mount)
}

const SHORT_OPTIONS: &str = "the options are ro or rw; for volumes nocopy; for folders of this machine \
                             [r]private, [r]slave or [r]shared; others go with --mount";

fn are_options(text: &str) -> bool {
    let mut probe = [Mount::bind("/", "/"), Mount::volume(None, "/")];
    !text.is_empty() && text.split(',').all(|option| probe.iter_mut().any(|probe| take(probe, option).is_ok()))
}

/// Applies one option of `-v`; says which group of options it is of, of which there may be one each.
fn take(mount: &mut Mount, option: &str) -> Result<&'static str, String> {
    match (option, &mut mount.source) {
        ("ro" | "rw", _) => {
            mount.read_only = option == "ro";
            Ok("access")
        }
        // There is no SELinux relabelling and no consistency to choose here.
        ("z" | "Z", _) => Ok("label"),
        ("cached" | "delegated" | "consistent", _) => Ok("consistency"),
        ("nocopy", MountSource::Volume { copy, .. }) => {
            *copy = false;
            Ok("copy")
        }
        ("nocopy", _) => Err("nocopy is for volumes: nothing is copied into a folder of this machine".to_owned()),
        (word, source) => match (word.parse::<MountPropagation>(), source) {
            (Ok(wish), MountSource::Bind { propagation, .. }) => {
                *propagation = wish;
                Ok("propagation")
            }
            (Ok(_), _) => Err(format!("{word} is for folders of this machine, not for volumes")),
            (Err(()), _) => Err(format!("unknown option {word:?}")),
        },
    }
}

fn volume_name(name: &str) -> Result<VolumeName, MountTextError> {
    name.parse().or_else(|error| {
        let hint = if name.contains('/') {
            format!("for a folder of this machine write ./{name} or an absolute path")
        } else {
            "such as `data` or `web_data-2`".to_owned()
        };
        refuse(format!("{name:?}: {error}"), hint)
    })
}
