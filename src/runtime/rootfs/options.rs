//! A specification's mount options, sorted into what the kernel takes in different places.

use oci_spec::runtime::Mount;

use crate::sys::mount::{Attributes, Change, Depth, Propagation};

/// Parsed mount options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub attributes: Attributes,
    /// Attributes that `rw`, `exec` and the like take away from a bind mount's copy.
    pub cleared: Attributes,
    /// Attributes for the mount and all below it (`rro`).
    pub recursive: Attributes,
    /// Bind: the source alone, or with what is mounted below it.
    pub bind: Option<Depth>,
    pub propagation: Option<(Propagation, Depth)>,
    /// Show the files under other ids (`idmap`, `ridmap`).
    pub id_map: Option<Depth>,
    /// For the file system itself: keys with values, and flags.
    pub data: Vec<(String, Option<String>)>,
}

impl Options {
    pub fn of(mount: &Mount) -> Self {
        Self::parse(mount.options().as_deref().unwrap_or_default())
    }

    pub fn parse(options: &[String]) -> Self {
        let mut parsed = Self {
            attributes: Attributes::empty(),
            cleared: Attributes::empty(),
            recursive: Attributes::empty(),
            bind: None,
            propagation: None,
            id_map: None,
            data: Vec::new(),
        };
        for option in options {
            parsed.take(option);
        }
        parsed
    }

    fn take(&mut self, option: &str) {
        match option {
            "bind" => self.bind = Some(Depth::One),
            "rbind" => self.bind = Some(Depth::Whole),
            "idmap" => self.id_map = Some(Depth::One),
            "ridmap" => self.id_map = Some(Depth::Whole),
            "private" => self.propagation = Some((Propagation::Private, Depth::One)),
            "rprivate" => self.propagation = Some((Propagation::Private, Depth::Whole)),
            "slave" => self.propagation = Some((Propagation::Slave, Depth::One)),
            "rslave" => self.propagation = Some((Propagation::Slave, Depth::Whole)),
            "shared" => self.propagation = Some((Propagation::Shared, Depth::One)),
            "rshared" => self.propagation = Some((Propagation::Shared, Depth::Whole)),
            "rro" => {
                self.attributes |= Attributes::MOUNT_ATTR_RDONLY;
                self.recursive |= Attributes::MOUNT_ATTR_RDONLY;
            }
            // Docker's own words and defaults that ask for nothing.
            "defaults" | "copyup" | "nocopy" | "relatime" | "z" | "Z" => {}
            _ => match attribute(option) {
                Some((attribute, true)) => {
                    self.attributes |= attribute;
                    self.cleared &= !attribute;
                }
                Some((attribute, false)) => {
                    self.cleared |= attribute;
                    self.attributes &= !attribute;
                }
                None => self.data.push(match option.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (option.to_owned(), None),
                }),
            },
        }
    }

    /// What to change on a bind mount's detached copy.
    pub fn change(&self) -> Change {
        Change { set: self.attributes, clear: self.cleared, propagation: None }
    }
}

/// The attribute an option is about, and whether it sets or clears it.
fn attribute(option: &str) -> Option<(Attributes, bool)> {
    Some(match option {
        "ro" => (Attributes::MOUNT_ATTR_RDONLY, true),
        "rw" => (Attributes::MOUNT_ATTR_RDONLY, false),
        "nosuid" => (Attributes::MOUNT_ATTR_NOSUID, true),
        "suid" => (Attributes::MOUNT_ATTR_NOSUID, false),
        "nodev" => (Attributes::MOUNT_ATTR_NODEV, true),
        "dev" => (Attributes::MOUNT_ATTR_NODEV, false),
        "noexec" => (Attributes::MOUNT_ATTR_NOEXEC, true),
        "exec" => (Attributes::MOUNT_ATTR_NOEXEC, false),
        "noatime" => (Attributes::MOUNT_ATTR_NOATIME, true),
        "strictatime" => (Attributes::MOUNT_ATTR_STRICTATIME, true),
        "nodiratime" => (Attributes::MOUNT_ATTR_NODIRATIME, true),
        "nosymfollow" => (Attributes::MOUNT_ATTR_NOSYMFOLLOW, true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Options {
        Options::parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_of_tmpfs_are_attributes_and_data() {
        let options = parse("nosuid,strictatime,mode=755,size=65536k");
        assert_eq!(options.attributes, Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_STRICTATIME);
        let data = [("mode", "755"), ("size", "65536k")].map(|(k, v)| (k.to_owned(), Some(v.to_owned())));
        assert_eq!(options.data, data);
    }

    #[test]
    fn options_of_bind_know_depth_and_last_word_wins() {
        let options = parse("rbind,ro,rw,rprivate");
        assert_eq!(options.bind, Some(Depth::Whole));
        assert_eq!(options.attributes, Attributes::empty());
        assert_eq!(options.cleared, Attributes::MOUNT_ATTR_RDONLY);
        assert_eq!(options.propagation, Some((Propagation::Private, Depth::Whole)));
    }

    #[test]
    fn recursive_read_only_is_for_all_below() {
        assert_eq!(parse("rbind,rro").recursive, Attributes::MOUNT_ATTR_RDONLY);
    }
}
