//! What a container sees beside its own root: folders of the machine, volumes, memory, other images.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Digest, VolumeName};

/// One mount of a container (`-v`, `--mount`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    #[serde(deserialize_with = "source_of_any_age")]
    pub source: MountSource,
    /// Absolute path inside the container.
    pub target: PathBuf,
    /// With everything that is mounted below it, unless a bind says otherwise.
    pub read_only: bool,
}

/// Where the files of a mount are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountSource {
    /// A folder or file of the machine.
    Bind {
        /// Absolute.
        path: PathBuf,
        #[serde(default)]
        propagation: MountPropagation,
        #[serde(default)]
        below: MountsBelow,
        /// A missing folder is made, as `-v` does; `--mount` refuses.
        #[serde(default)]
        create: bool,
    },
    Volume {
        /// None only in a wish: a new volume with a name of its own.
        name: Option<VolumeName>,
        /// What of the volume is shown, in place of all; relative to it, without `..`.
        #[serde(default)]
        subpath: Option<PathBuf>,
        /// An empty volume begins with what the image has at the target.
        #[serde(default)]
        copy: bool,
        /// Made for this container alone, and removed with it on wish.
        #[serde(default)]
        anonymous: bool,
        /// For a volume that is made on this occasion.
        #[serde(default)]
        labels: BTreeMap<String, String>,
        #[serde(default)]
        options: BTreeMap<String, String>,
    },
    /// Empty, in memory, gone with the container's process.
    Tmpfs {
        #[serde(default)]
        size_bytes: Option<u64>,
        /// Permission bits; 1777 if none.
        #[serde(default)]
        mode: Option<u32>,
    },
    /// Another image's files, which can only be read.
    Image {
        reference: String,
        #[serde(default)]
        subpath: Option<PathBuf>,
        /// Which image that was when the container was created; none only in a wish.
        #[serde(default)]
        pinned: Option<PinnedImage>,
    },
}

/// An image that a container goes on seeing, whatever its name comes to mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedImage {
    pub id: Digest,
    /// Diff ids, lowest first.
    pub layers: Vec<Digest>,
}

/// What becomes of the mounts below a bind's source (`bind-recursive`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountsBelow {
    /// Shown; read-only with the bind, if it is.
    #[default]
    Shown,
    /// Left out: their mount points look empty.
    Hidden,
    /// Shown; they may be written although the bind is read-only.
    Writable,
    /// Shown read-only; refused where that cannot be had.
    ReadOnly,
}

/// Which way later mounts travel between the machine and a bind (mount_namespaces(7)); `R…`: of all mounts below, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountPropagation {
    Private,
    #[default]
    RPrivate,
    /// The container sees what is mounted on the machine.
    Slave,
    RSlave,
    /// And the machine what the container mounts.
    Shared,
    RShared,
}

impl MountPropagation {
    pub const ALL: [Self; 6] = [Self::Private, Self::RPrivate, Self::Slave, Self::RSlave, Self::Shared, Self::RShared];

    /// The word of mount(8).
    pub fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::RPrivate => "rprivate",
            Self::Slave => "slave",
            Self::RSlave => "rslave",
            Self::Shared => "shared",
            Self::RShared => "rshared",
        }
    }
}

impl FromStr for MountPropagation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|propagation| propagation.word() == text).ok_or(())
    }
}

impl Mount {
    /// A bind as `-v SOURCE:TARGET` makes it.
    pub fn bind(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        let source = MountSource::bind(source.into());
        Self { source, target: target.into(), read_only: false }
    }

    /// A volume as `-v NAME:TARGET` makes it; without a name, as `-v TARGET` does.
    pub fn volume(name: Option<VolumeName>, target: impl Into<PathBuf>) -> Self {
        Self { source: MountSource::volume(name), target: target.into(), read_only: false }
    }

    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// The volume, if it is one that has a name.
    pub fn volume_name(&self) -> Option<&VolumeName> {
        match &self.source {
            MountSource::Volume { name, .. } => name.as_ref(),
            _ => None,
        }
    }

    /// The image, if it shows one that is known.
    pub fn image(&self) -> Option<&PinnedImage> {
        match &self.source {
            MountSource::Image { pinned, .. } => pinned.as_ref(),
            _ => None,
        }
    }

    /// The path on the machine, if it is a bind.
    pub fn bind_path(&self) -> Option<&Path> {
        match &self.source {
            MountSource::Bind { path, .. } => Some(path),
            _ => None,
        }
    }
}

impl MountSource {
    pub fn bind(path: PathBuf) -> Self {
        let (propagation, below) = (MountPropagation::default(), MountsBelow::default());
        Self::Bind { path, propagation, below, create: true }
    }

    pub fn volume(name: Option<VolumeName>) -> Self {
        let anonymous = name.is_none();
        let (labels, options) = (BTreeMap::new(), BTreeMap::new());
        Self::Volume { name, subpath: None, copy: true, anonymous, labels, options }
    }

    /// Docker's word for the type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "bind",
            Self::Volume { .. } => "volume",
            Self::Tmpfs { .. } => "tmpfs",
            Self::Image { .. } => "image",
        }
    }
}

/// As lists name it: the path, the volume's name, `tmpfs`, the image.
impl fmt::Display for MountSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { path, .. } => path.display().fmt(f),
            Self::Volume { name: Some(name), .. } => name.fmt(f),
            Self::Volume { name: None, .. } => f.write_str("(a new volume)"),
            Self::Tmpfs { .. } => f.write_str("tmpfs"),
            Self::Image { reference, .. } => f.write_str(reference),
        }
    }
}

/// Records of before there were volumes have a bare path, a bind as `-v` makes it.
fn source_of_any_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MountSource, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OfAnyAge {
        Path(PathBuf),
        Source(MountSource),
    }
    Ok(match OfAnyAge::deserialize(deserializer)? {
        OfAnyAge::Path(path) => MountSource::bind(path),
        OfAnyAge::Source(source) => source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_before_there_were_volumes_are_binds() {
        let text = r#"{"source":"/srv/data","target":"/data","read_only":true}"#;
        let old: Mount = serde_json::from_str(text).expect("an old record");
        assert_eq!(old, Mount::bind("/srv/data", "/data").read_only());
    }

    #[test]
    fn every_source_survives_its_record() {
        let sources = [
            MountSource::Bind {
                path: "/a".into(),
                propagation: MountPropagation::RSlave,
                below: MountsBelow::ReadOnly,
                create: false,
            },
            MountSource::volume(Some("data".parse().expect("a name"))),
            MountSource::volume(None),
            MountSource::Tmpfs { size_bytes: Some(1 << 20), mode: Some(0o700) },
            MountSource::Image { reference: "debian:12".to_owned(), subpath: Some("etc".into()), pinned: None },
        ];
        for source in sources {
            let mount = Mount { source, target: "/x".into(), read_only: false };
            let text = serde_json::to_string(&mount).expect("json");
            assert_eq!(serde_json::from_str::<Mount>(&text).expect(&text), mount, "{text}");
        }
        let short = r#"{"source":{"bind":{"path":"/a"}},"target":"/b","read_only":false}"#;
        let MountSource::Bind { create, .. } = serde_json::from_str::<Mount>(short).expect("short").source else {
            panic!("a bind")
        };
        assert!(!create);
    }

    #[test]
    fn propagation_is_said_in_the_words_of_mount() {
        for propagation in MountPropagation::ALL {
            assert_eq!(propagation.word().parse(), Ok(propagation));
        }
        assert_eq!("unbindable".parse::<MountPropagation>(), Err(()));
    }
}
