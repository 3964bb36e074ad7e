//! A specification's mount options (config.md, "Linux mount options"), sorted into what the kernel takes in different places.

use oci_spec::runtime::{Mount, Spec};

use crate::runtime::RuntimeError;
use crate::sys::mount::{Attributes, Change, Depth, Propagation};

/// Attributes to set and to take away; the last word on each wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    pub set: Attributes,
    pub clear: Attributes,
}

/// Parsed mount options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// For the mount alone.
    pub own: Wish,
    /// For the mount and all below it (`rro` and its like).
    pub recursive: Wish,
    /// Bind: the source alone, or with what is mounted below it.
    pub bind: Option<Depth>,
    pub propagation: Option<(Propagation, Depth)>,
    /// Show the files under other ids (`idmap`, `ridmap`).
    pub id_map: Option<Depth>,
    /// Change what is mounted there already.
    pub remount: bool,
    /// Begin a tmpfs with what the image has in its place (`tmpcopyup`).
    pub copy_up: bool,
    /// For any file system: flags such as `sync`.
    pub flags: Vec<String>,
    /// For the file system itself: keys with values, and flags.
    pub data: Vec<(String, Option<String>)>,
}

impl Wish {
    const NONE: Self = Self { set: Attributes::empty(), clear: Attributes::empty() };

    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    pub fn change(&self) -> Change {
        Change { set: self.set, clear: self.clear, propagation: None }
    }

    fn take(&mut self, word: Word) {
        match word {
            Word::Set(attribute) => {
                self.set |= attribute;
                self.clear &= !attribute;
            }
            Word::Clear(attribute) => {
                self.clear |= attribute;
                self.set &= !attribute;
            }
            // The access time modes are one field of the kernel's, and `relatime` is its zero.
            Word::AccessTime(mode) => {
                self.set = (self.set & !Attributes::MOUNT_ATTR__ATIME) | mode;
                self.clear |= Attributes::MOUNT_ATTR__ATIME;
            }
        }
    }
}

impl Options {
    pub fn of(mount: &Mount) -> Self {
        Self::parse(mount.options().as_deref().unwrap_or_default())
    }

    pub fn parse(options: &[String]) -> Self {
        let mut parsed = Self {
            own: Wish::NONE,
            recursive: Wish::NONE,
            bind: None,
            propagation: None,
            id_map: None,
            remount: false,
            copy_up: false,
            flags: Vec::new(),
            data: Vec::new(),
        };
        for option in options {
            parsed.take(option);
        }
        parsed
    }

    fn take(&mut self, option: &str) {
        if let Some(word) = attribute(option) {
            return self.own.take(word);
        }
        if let Some(word) = option.strip_prefix('r').and_then(attribute) {
            return self.recursive.take(word);
        }
        if let Some(propagation) = propagation(option) {
            self.propagation = Some(propagation);
            return;
        }
        match option {
            "bind" => self.bind = Some(Depth::One),
            "rbind" => self.bind = Some(Depth::Whole),
            "idmap" => self.id_map = Some(Depth::One),
            "ridmap" => self.id_map = Some(Depth::Whole),
            "remount" => self.remount = true,
            "tmpcopyup" => self.copy_up = true,
            "sync" | "async" | "dirsync" | "lazytime" | "nolazytime" | "mand" | "nomand" => {
                let opposite = match option {
                    "sync" => "async",
                    "async" => "sync",
                    "lazytime" => "nolazytime",
                    "nolazytime" => "lazytime",
                    "mand" => "nomand",
                    "nomand" => "mand",
                    _ => "",
                };
                self.flags.retain(|flag| flag != opposite && flag != option);
                self.flags.push(option.to_owned());
            }
            // What the kernel logs, does by itself by now, or has no word for in its mount interface of descriptors; and
            // Docker's own words and defaults that ask for nothing.
            "silent" | "loud" | "iversion" | "noiversion" | "acl" | "noacl" => {}
            "defaults" | "copyup" | "nocopy" | "z" | "Z" => {}
            _ => self.data.push(match option.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (option.to_owned(), None),
            }),
        }
    }
}

/// What one option says about attributes.
#[derive(Clone, Copy)]
enum Word {
    Set(Attributes),
    Clear(Attributes),
    AccessTime(Attributes),
}

fn attribute(option: &str) -> Option<Word> {
    use Word::{AccessTime, Clear, Set};
    Some(match option {
        "ro" => Set(Attributes::MOUNT_ATTR_RDONLY),
        "rw" => Clear(Attributes::MOUNT_ATTR_RDONLY),
        "nosuid" => Set(Attributes::MOUNT_ATTR_NOSUID),
        "suid" => Clear(Attributes::MOUNT_ATTR_NOSUID),
        "nodev" => Set(Attributes::MOUNT_ATTR_NODEV),
        "dev" => Clear(Attributes::MOUNT_ATTR_NODEV),
        "noexec" => Set(Attributes::MOUNT_ATTR_NOEXEC),
        "exec" => Clear(Attributes::MOUNT_ATTR_NOEXEC),
        "nodiratime" => Set(Attributes::MOUNT_ATTR_NODIRATIME),
        "diratime" => Clear(Attributes::MOUNT_ATTR_NODIRATIME),
        "nosymfollow" => Set(Attributes::MOUNT_ATTR_NOSYMFOLLOW),
        "symfollow" => Clear(Attributes::MOUNT_ATTR_NOSYMFOLLOW),
        "noatime" => AccessTime(Attributes::MOUNT_ATTR_NOATIME),
        "strictatime" => AccessTime(Attributes::MOUNT_ATTR_STRICTATIME),
        "relatime" | "atime" | "nostrictatime" => AccessTime(Attributes::empty()),
        // The opposite of the kernel's default is whatever other mode is named besides.
        "norelatime" => Clear(Attributes::empty()),
        _ => return None,
    })
}

/// `private` and its like, for mounts and for `linux.rootfsPropagation`; with an `r`, for all that is mounted below, too.
pub fn propagation(word: &str) -> Option<(Propagation, Depth)> {
    let plain = |word: &str| match word {
        "private" => Some(Propagation::Private),
        "slave" => Some(Propagation::Slave),
        "shared" => Some(Propagation::Shared),
        "unbindable" => Some(Propagation::Unbindable),
        _ => None,
    };
    let one = plain(word).map(|propagation| (propagation, Depth::One));
    one.or_else(|| word.strip_prefix('r').and_then(plain).map(|propagation| (propagation, Depth::Whole)))
}

/// `linux.rootfsPropagation`.
pub fn of_root(spec: &Spec) -> Result<Option<(Propagation, Depth)>, RuntimeError> {
    let Some(word) = spec.linux().as_ref().and_then(|linux| linux.rootfs_propagation().as_deref()) else {
        return Ok(None);
    };
    match propagation(word) {
        _ if word.is_empty() => Ok(None),
        None => Err(RuntimeError::InvalidRequest(format!(
            "linux.rootfsPropagation: {word:?} is none of private, slave, shared, unbindable and their recursive forms"
        ))),
        known => Ok(known),
    }
}

/// The root's propagation while mounts are made in it: it may hear of the machine's, never tell.
pub fn of_root_while_made(spec: &Spec) -> Result<Propagation, RuntimeError> {
    Ok(match of_root(spec)? {
        Some((Propagation::Slave, _)) => Propagation::Slave,
        _ => Propagation::Private,
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
        assert_eq!(options.own.set, Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_STRICTATIME);
        let data = [("mode", "755"), ("size", "65536k")].map(|(k, v)| (k.to_owned(), Some(v.to_owned())));
        assert_eq!(options.data, data);
    }

    #[test]
    fn options_of_bind_know_depth_and_last_word_wins() {
        let options = parse("rbind,ro,rw,rprivate");
        assert_eq!(options.bind, Some(Depth::Whole));
        assert_eq!(options.own.set, Attributes::empty());
        assert_eq!(options.own.clear, Attributes::MOUNT_ATTR_RDONLY);
        assert_eq!(options.propagation, Some((Propagation::Private, Depth::Whole)));
    }

    #[test]
    fn recursive_words_are_for_all_below() {
        let options = parse("rbind,rro,rnosuid,rexec,rsuid");
        assert_eq!(options.recursive.set, Attributes::MOUNT_ATTR_RDONLY);
        assert_eq!(options.recursive.clear, Attributes::MOUNT_ATTR_NOEXEC | Attributes::MOUNT_ATTR_NOSUID);
        assert!(options.own.is_none() && options.data.is_empty());
    }

    #[test]
    fn every_recursive_word_of_the_specification_is_known() {
        let words = "rro,rrw,rnosuid,rsuid,rnodev,rdev,rnoexec,rexec,rnoatime,ratime,rrelatime,rnorelatime,rstrictatime,\
            rnostrictatime,rnodiratime,rdiratime,rsymfollow,rnosymfollow,rprivate,rshared,rslave,runbindable";
        assert!(parse(words).data.is_empty());
    }

    #[test]
    fn access_time_has_one_mode() {
        let options = parse("noatime,relatime");
        assert_eq!(options.own, Wish { set: Attributes::empty(), clear: Attributes::MOUNT_ATTR__ATIME });
        assert_eq!(parse("strictatime,noatime").own.set, Attributes::MOUNT_ATTR_NOATIME);
    }

    #[test]
    fn flags_of_any_file_system_take_each_other_back() {
        assert_eq!(parse("sync,lazytime,async,dirsync").flags, ["lazytime", "async", "dirsync"]);
    }

    #[test]
    fn unknown_propagation_is_none() {
        assert_eq!(propagation("rslave"), Some((Propagation::Slave, Depth::Whole)));
        assert_eq!((propagation("bogus"), propagation("rrprivate")), (None, None));
    }
}
