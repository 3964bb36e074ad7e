//! `-v [SOURCE:]TARGET[:OPTIONS]`.

use std::path::Path;

use super::{absolute_target, normal};
use crate::cli::failure::Failure;
use crate::model::{Mount, MountPropagation, MountSource, VolumeName};

const SHORT: &str = "write SOURCE:TARGET[:OPTIONS], NAME:TARGET[:OPTIONS] or TARGET";

/// `[SOURCE:]TARGET[:OPTIONS]`: a source with `/` or `.` in front is a path, any other a volume's name.
pub fn volume(text: &str, folder: &Path) -> Result<Mount, Failure> {
    let invalid = |why: String| Failure::usage(format!("invalid volume {text:?}: {why}"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        [target, options] if target.starts_with('/') && are_options(options) => {
            return Err(invalid(format!("a volume without a name takes no options ({options})"))
                .with_hint(format!("--mount type=volume,target={target},readonly is such a one")));
        }
        [source, target] => (Some(source), target, ""),
        [source, target, options] if !options.is_empty() => (Some(source), target, options),
        _ => {
            return Err(invalid(SHORT.to_owned())
                .with_hint("paths with colons in them go with --mount type=bind,source=…,target=…"));
        }
    };
    let source = match source {
        Some("") => return Err(invalid("the source is empty".to_owned()).with_hint(SHORT)),
        Some(path) if path.starts_with('/') => MountSource::bind(normal(Path::new(path))),
        Some(path) if path.starts_with('.') => MountSource::bind(normal(&folder.join(path))),
        Some(name) => MountSource::volume(Some(volume_name(name, text)?)),
        None => MountSource::volume(None),
    };
    let target = absolute_target(target).map_err(|(why, hint)| invalid(why).with_hint(hint))?;
    let mut mount = Mount { source, target, read_only: false };
    let mut said = Vec::new();
    for option in options.split(',').filter(|_| !options.is_empty()) {
        let group = take_short(&mut mount, option).map_err(|why| invalid(why).with_hint(SHORT_OPTIONS))?;
        if said.contains(&group) {
            return Err(invalid(format!("{option} contradicts or repeats another option")));
        }
        said.push(group);
    }
    Ok(mount)
}

const SHORT_OPTIONS: &str = "the options are ro or rw; for volumes nocopy; for folders of this machine \
                             [r]private, [r]slave or [r]shared; others go with --mount";

fn are_options(text: &str) -> bool {
    let mut probe = [Mount::bind("/", "/"), Mount::volume(None, "/")];
    !text.is_empty() && text.split(',').all(|option| probe.iter_mut().any(|probe| take_short(probe, option).is_ok()))
}

/// Applies one option of `-v`; says which group of options it is of, of which there may be one each.
fn take_short(mount: &mut Mount, option: &str) -> Result<&'static str, String> {
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

fn volume_name(name: &str, text: &str) -> Result<VolumeName, Failure> {
    name.parse().map_err(|error| {
        let hint = if name.contains('/') {
            format!("for a folder of this machine write ./{name} or an absolute path")
        } else {
            "such as `data` or `web_data-2`".to_owned()
        };
        Failure::usage(format!("invalid volume {text:?}: {name:?}: {error}")).with_hint(hint)
    })
}
