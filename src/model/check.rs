//! What `system check` finds in the store and in containers' layers.

use serde::{Deserialize, Serialize};

/// Whether a check may change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckMode {
    /// Only look.
    Look,
    /// Unpack damaged layers anew from their blobs, drop what cannot be mended, and take away what is of no use.
    Repair,
}

/// What a check looked at and found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    pub images: usize,
    pub layers: usize,
    pub blobs: usize,
    pub containers: usize,
    /// Bytes of blobs whose digests were computed.
    pub read_bytes: u64,
    pub findings: Vec<CheckFinding>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFinding {
    pub severity: CheckSeverity,
    /// What it is about: `layer 0123456789ab of app:latest`.
    pub subject: String,
    /// What is wrong: `its file etc/passwd is missing`.
    pub trouble: String,
    /// What was done about it; none if nothing was.
    pub mended: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckSeverity {
    /// It takes space and nothing needs it: a prune or a repair takes it away.
    Garbage,
    /// Something that an image or a container needs is missing or wrong.
    Damage,
}

impl CheckReport {
    /// Whether all that images and containers need is there, or was mended.
    pub fn is_whole(&self) -> bool {
        !self.findings.iter().any(|found| found.severity == CheckSeverity::Damage && found.mended.is_none())
    }
}
