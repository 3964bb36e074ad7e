//! What an unpacking is told: where to, whose the files become, and how much an archive may make of itself.

use std::path::PathBuf;

use super::owner::Owners;
use super::unpack::Policy;
use crate::image::ImageError;
use crate::model::UnpackLimits;

/// How layers are unpacked in a store.
#[derive(Clone, Debug)]
pub struct UnpackRules {
    pub limits: UnpackLimits,
    /// Asked only when something is unpacked or read: finding a user's ranges reads files.
    pub owners: fn() -> Owners,
}

impl Default for UnpackRules {
    fn default() -> Self {
        Self { limits: UnpackLimits::default(), owners: Owners::of_this_process }
    }
}

/// One archive to unpack.
#[derive(Clone, Debug)]
pub(in crate::image) struct UnpackJob {
    /// The folder to unpack into.
    pub root: PathBuf,
    /// What errors call the layer.
    pub layer: String,
    pub policy: Policy,
    /// How large the archive is as it came; none if that is not known.
    pub compressed_bytes: Option<u64>,
    pub limits: UnpackLimits,
    pub owners: Owners,
}

impl UnpackJob {
    pub(in crate::image) fn new(rules: &UnpackRules, root: PathBuf, layer: &str, policy: Policy) -> Self {
        Self {
            root,
            layer: layer.to_owned(),
            policy,
            compressed_bytes: None,
            limits: rules.limits,
            owners: (rules.owners)(),
        }
    }

    /// Says how large the archive is as it came, so that what it makes of itself can be judged.
    pub(in crate::image) fn compressed(mut self, bytes: u64) -> Self {
        self.compressed_bytes = Some(bytes);
        self
    }

    /// Refuses an archive that has become too large. `entries` and `bytes` are counted so far, headers and holes included.
    pub(super) fn check_size(&self, entries: u64, bytes: u64) -> Result<(), ImageError> {
        let UnpackLimits { max_bytes, max_ratio, max_entries } = self.limits;
        let refused = |what: String, key: &str| {
            let cure = format!("if you trust it, raise `{key}` under [unpack] in config.toml");
            Err(ImageError::layer(&self.layer, format!("{what}, as a decompression bomb would; {cure}")))
        };
        if bytes > max_bytes {
            return refused(format!("it unpacks to more than {max_bytes} bytes"), "max_size");
        }
        if entries > max_entries {
            return refused(format!("it has more than {max_entries} files"), "max_files");
        }
        match self.compressed_bytes {
            Some(compressed)
                if bytes > UnpackLimits::RATIO_FROM_BYTES && bytes > compressed.saturating_mul(max_ratio) =>
            {
                refused(format!("it unpacks to more than {max_ratio} times its size"), "max_ratio")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(compressed: Option<u64>) -> UnpackJob {
        let limits = UnpackLimits { max_bytes: 100 << 30, max_ratio: 100, max_entries: 10 };
        let rules = UnpackRules { limits, ..UnpackRules::default() };
        let job = UnpackJob::new(&rules, PathBuf::new(), "x", Policy::Layer);
        UnpackJob { compressed_bytes: compressed, ..job }
    }

    #[test]
    fn check_size_names_the_key_that_would_allow_it() {
        let refusal =
            |compressed, entries, bytes| job(compressed).check_size(entries, bytes).map_err(|e| e.to_string());
        assert!(refusal(None, 1, 101 << 30).expect_err("too large").contains("max_size"));
        assert!(refusal(None, 11, 0).expect_err("too many").contains("max_files"));
        assert!(refusal(Some(1 << 20), 1, 2 << 30).expect_err("too much of itself").contains("max_ratio"));
        refusal(Some(1 << 20), 10, 1 << 30).expect("small enough whatever its ratio");
        refusal(Some(1 << 30), 10, 100 << 30).expect("within the ratio");
        refusal(None, 10, 100 << 30).expect("no ratio is known");
    }
}
