//! OCI images made by hand: layers of any compression, and their layout on disk or behind a registry.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

pub fn sha256(bytes: &[u8]) -> String {
    let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// How a layer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

#[derive(Clone, Debug)]
pub struct Layer {
    pub bytes: Vec<u8>,
    pub media: &'static str,
    pub diff_id: String,
}

impl Layer {
    pub fn new(tar: &[u8], packing: Packing) -> Self {
        let (bytes, media) = match packing {
            Packing::Plain => (tar.to_vec(), "application/vnd.oci.image.layer.v1.tar"),
            Packing::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(tar).expect("to memory");
                (encoder.finish().expect("to memory"), "application/vnd.oci.image.layer.v1.tar+gzip")
            }
            Packing::Zstd => {
                (zstd::encode_all(tar, 1).expect("to memory"), "application/vnd.oci.image.layer.v1.tar+zstd")
            }
        };
        Self { bytes, media, diff_id: sha256(tar) }
    }
}

/// An image: its configuration's `config` object and its layers, lowest first.
#[derive(Clone, Debug)]
pub struct Image {
    pub config: Value,
    pub layers: Vec<Layer>,
}

impl Image {
    pub fn new(config: Value, layers: Vec<Layer>) -> Self {
        Self { config, layers }
    }

    pub fn config_bytes(&self) -> Vec<u8> {
        let diff_ids: Vec<&str> = self.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "created": "2026-01-02T03:04:05Z",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": [{ "created": "2026-01-02T03:04:05Z", "created_by": "a test" }],
        });
        config.to_string().into_bytes()
    }

    pub fn manifest_bytes(&self) -> Vec<u8> {
        let config = self.config_bytes();
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|layer| json!({ "mediaType": layer.media, "digest": sha256(&layer.bytes), "size": layer.bytes.len() }))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": sha256(&config), "size": config.len() },
            "layers": layers,
        });
        manifest.to_string().into_bytes()
    }

    /// Every blob by its digest: layers and configuration, without the manifest.
    pub fn blobs(&self) -> BTreeMap<String, Vec<u8>> {
        let layers = self.layers.iter().map(|layer| (sha256(&layer.bytes), layer.bytes.clone()));
        let config = self.config_bytes();
        layers.chain(std::iter::once((sha256(&config), config))).collect()
    }

    /// Writes an OCI image layout that holds this image under `tag`.
    pub fn write_layout(&self, folder: &Path, tag: &str) {
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("a folder");
        let manifest = self.manifest_bytes();
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": MANIFEST,
                "digest": sha256(&manifest),
                "size": manifest.len(),
                "annotations": { "org.opencontainers.image.ref.name": tag },
            }],
        });
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("write");
        fs::write(folder.join("index.json"), index.to_string()).expect("write");
        for (digest, bytes) in self.blobs().into_iter().chain([(sha256(&manifest), manifest)]) {
            fs::write(blobs.join(digest.trim_start_matches("sha256:")), bytes).expect("write");
        }
    }
}

/// This machine's architecture in the image specification's words.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// One entry of a tar made by a test; nothing about it is checked, so that it may be as hostile as it wants.
#[derive(Clone, Debug)]
pub struct Entry {
    pub path: String,
    pub kind: tar::EntryType,
    pub mode: u32,
    pub owner: u64,
    /// Content of a file, target of a link.
    pub content: Vec<u8>,
}

impl Entry {
    fn new(path: &str, kind: tar::EntryType, mode: u32, content: &[u8]) -> Self {
        Self { path: path.to_owned(), kind, mode, owner: 0, content: content.to_vec() }
    }

    pub fn file(path: &str, content: &[u8]) -> Self {
        Self::new(path, tar::EntryType::Regular, 0o644, content)
    }

    pub fn program(path: &str, content: &[u8]) -> Self {
        Self::new(path, tar::EntryType::Regular, 0o755, content)
    }

    pub fn folder(path: &str) -> Self {
        Self::new(path, tar::EntryType::Directory, 0o755, b"")
    }

    pub fn symlink(path: &str, target: &str) -> Self {
        Self::new(path, tar::EntryType::Symlink, 0o777, target.as_bytes())
    }

    pub fn hardlink(path: &str, target: &str) -> Self {
        Self::new(path, tar::EntryType::Link, 0o644, target.as_bytes())
    }

    pub fn device(path: &str) -> Self {
        Self::new(path, tar::EntryType::Block, 0o666, b"")
    }

    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub fn owner(mut self, owner: u64) -> Self {
        self.owner = owner;
        self
    }
}

/// A tar of the entries, written byte for byte as they say.
pub fn tar_of(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&header(entry));
        if entry.kind == tar::EntryType::Regular {
            bytes.extend_from_slice(&entry.content);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn header(entry: &Entry) -> [u8; 512] {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(entry.kind);
    header.set_mode(entry.mode);
    header.set_uid(entry.owner);
    header.set_gid(entry.owner);
    header.set_mtime(1_700_000_000);
    header.set_size(if entry.kind == tar::EntryType::Regular { entry.content.len() as u64 } else { 0 });
    if entry.kind == tar::EntryType::Block {
        header.set_device_major(7).and_then(|()| header.set_device_minor(0)).expect("a device number");
    }
    // The library refuses `..` and absolute paths; a hostile tar does not.
    let fields = header.as_ustar_mut().expect("ustar");
    let put = |field: &mut [u8], text: &[u8]| {
        assert!(text.len() <= field.len(), "the test's path is too long for ustar");
        field[..text.len()].copy_from_slice(text);
    };
    put(&mut fields.name, entry.path.as_bytes());
    if matches!(entry.kind, tar::EntryType::Symlink | tar::EntryType::Link) {
        put(&mut fields.linkname, &entry.content);
    }
    header.set_cksum();
    *header.as_bytes()
}
