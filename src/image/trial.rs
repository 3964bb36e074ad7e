//! Hostile bytes in, nothing but a verdict out: what the fuzz targets in `tests/fuzz` call.

use std::path::Path;

use super::config::Configuration;
use super::layer::{Gauge, Policy, UnpackJob, UnpackRules, unpack_digesting};
use super::manifest::{Document, Links};
use super::{ImageError, Result};
use crate::model::UnpackLimits;

/// Unpacks an archive into the folder `root` with small limits, as an image's layer and as an import. Returns the entries'
/// count.
pub fn unpack(archive: &[u8], root: &Path) -> Result<u64> {
    let limits = UnpackLimits { max_bytes: 16 << 20, max_ratio: 1000, max_entries: 5000 };
    let rules = UnpackRules { limits, ..UnpackRules::default() };
    let policy = if archive.first().is_some_and(|byte| byte % 2 == 0) { Policy::Layer } else { Policy::Import };
    let job = UnpackJob::new(&rules, root.to_owned(), "trial", policy).compressed(archive.len() as u64);
    Ok(unpack_digesting(archive, &job, &Gauge::default())?.unpacked.entries)
}

/// Reads a document as manifest, index, configuration and list of links. What one of them makes of it is returned as text.
pub fn documents(bytes: &[u8]) -> Vec<String> {
    let shown = |read: std::result::Result<String, String>| {
        read.unwrap_or_else(|reason| ImageError::garbage("trial", "a document", reason).to_string())
    };
    vec![
        shown(Document::parse(bytes).map(|document| format!("{document:?}"))),
        shown(Configuration::parse(bytes).map(|configuration| format!("{configuration:?}"))),
        shown(Links::parse(bytes).map(|links| format!("{links:?}"))),
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// The same numbers in every run (xorshift).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % limit as u64) as usize
        }

        /// Changes some bytes, most of them to ones that mean something where they are.
        fn change(&mut self, bytes: &mut Vec<u8>, alphabet: &[u8]) {
            for _ in 0..=self.below(4) {
                let at = self.below(bytes.len());
                match self.below(8) {
                    0 => bytes[at] ^= 1 << self.below(8),
                    1 => drop(bytes.drain(at..(at + self.below(40)).min(bytes.len()))),
                    2 => {
                        let end = (at + 1 + self.below(600)).min(bytes.len());
                        let copy = bytes[at..end].to_vec();
                        let place = self.below(bytes.len());
                        bytes.splice(place..place, copy);
                    }
                    _ => bytes[at] = alphabet[self.below(alphabet.len())],
                }
                if bytes.is_empty() {
                    bytes.push(b'0');
                }
            }
        }
    }

    /// Headers that were changed get a checksum that is right again: without one nothing behind it would be tried.
    fn mend_checksums(bytes: &mut [u8]) {
        for block in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }

    fn seed() -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |name: &str, kind: tar::EntryType, link: &str, content: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_entry_type(kind);
            header.set_mode(0o755);
            header.set_mtime(1);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(content.len() as u64);
            header.set_cksum();
            tar.append(&header, content).expect("memory");
        };
        use tar::EntryType as Kind;
        add("a/", Kind::Directory, "", b"");
        add("a/b", Kind::Regular, "", b"content");
        add("x", Kind::XHeader, "", b"12 path=a/d\n11 size=00\n25 SCHILY.xattr.user.a=b\n");
        add("c", Kind::Regular, "", b"");
        add("l", Kind::Symlink, "a/../a", b"");
        add("l/e", Kind::Regular, "", b"through");
        add("h", Kind::Link, "a/b", b"");
        add("L", Kind::GNULongName, "", b"l/long\0");
        add("s", Kind::Symlink, "/a", b"");
        add("a/.wh.b", Kind::Regular, "", b"");
        add("a/.wh..wh..opq", Kind::Regular, "", b"");
        add("p", Kind::Fifo, "", b"");
        add("x", Kind::XHeader, "", b"22 GNU.sparse.size=15\n26 GNU.sparse.map=5,3,9,1\n");
        add("sparse", Kind::Regular, "", b"abcd");
        tar.into_inner().expect("memory")
    }

    #[test]
    fn changed_archives_never_reach_out() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (root, victim) = (folder.path().join("root"), folder.path().join("victim"));
        fs::write(&victim, "untouched").expect("file");
        let before = fs::metadata(&victim).expect("there");
        let seed = seed();
        let (mut numbers, mut unpacked) = (Numbers(0x7e_0001), 0);
        for round in 0..800 {
            let mut bytes = seed.clone();
            if round > 0 {
                numbers.change(&mut bytes, b"\0/.0123456789xLKSg\x80\xff =\n");
                mend_checksums(&mut bytes);
            }
            fs::create_dir(&root).expect("folder");
            match unpack(&bytes, &root) {
                Ok(_) => unpacked += 1,
                Err(error) if round == 0 => panic!("the seed is a good archive: {error}"),
                Err(error) => assert!(!error.to_string().chars().any(char::is_control), "{error}"),
            }
            super::super::layer::remove_tree(folder.path(), "root".as_ref()).expect("removed");
        }
        let after = fs::metadata(&victim).expect("there");
        assert_eq!((after.mode(), after.nlink(), after.mtime()), (before.mode(), 1, before.mtime()));
        assert_eq!(fs::read_dir(folder.path()).expect("list").count(), 1, "nothing beside the root");
        assert!(
            (200..1450).contains(&unpacked),
            "{unpacked} of 1500: changes are too small or too large to try anything"
        );
    }

    #[test]
    fn changed_documents_are_read_or_refused() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let part =
            format!(r#"{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":7}}"#);
        let platform = r#""platform":{"os":"linux","architecture":"amd64","variant":"v8"}"#;
        let seeds = [
            format!(r#"{{"schemaVersion":2,"config":{part},"layers":[{part},{part}]}}"#),
            format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{digest}","size":1,{platform}}}]}}"#),
            format!(
                r#"{{"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05Z","config":{{"User":"a","Env":["A=b"],"Volumes":{{"/v":{{}}}},"Labels":{{"a":"b"}}}},"rootfs":{{"type":"layers","diff_ids":["{digest}"]}},"history":[{{"created_by":"x","empty_layer":true}}]}}"#
            ),
        ];
        let mut numbers = Numbers(0x7e_0002);
        for seed in seeds {
            assert!(documents(seed.as_bytes()).iter().any(|text| !text.contains("garbage")), "{seed}");
            for _ in 0..1500 {
                let mut bytes = seed.clone().into_bytes();
                numbers.change(&mut bytes, b"{}[]\",:0-9ae+\\u\0\xff");
                documents(&bytes);
            }
        }
    }
}
