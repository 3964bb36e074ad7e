//! `system check`: whether all that images and containers are made of is there and is what it claims to be.

use std::fs::File;
use std::io;

use super::index::Descriptor;
use super::{Row, Store};
use crate::image::Result;
use crate::image::config::Configuration;
use crate::image::layer::Digesting;
use crate::image::manifest::Manifest;
use crate::model::{CheckFinding, CheckMode, CheckReport, CheckSeverity, Digest};

impl Store {
    /// Looks at every image: its documents, the digests of its blobs, and its unpacked layers.
    pub fn check(&self, _mode: CheckMode) -> Result<CheckReport> {
        let _session = self.begin()?;
        let mut report = CheckReport::default();
        for descriptor in &self.read_index()?.manifests {
            report.images += 1;
            if let Err(trouble) = self.check_image(descriptor, &mut report) {
                let subject = descriptor.reference().map_or_else(|| "an image".to_owned(), |it| it.familiar());
                let severity = CheckSeverity::Damage;
                report.findings.push(CheckFinding { severity, subject, trouble, mended: None });
            }
        }
        Ok(report)
    }

    fn check_image(&self, descriptor: &Descriptor, report: &mut CheckReport) -> std::result::Result<(), String> {
        let row: Row = self.row(descriptor).ok_or("its manifest or configuration cannot be read")?;
        self.check_blob(&row.manifest, report)?;
        let manifest = self.read_document(&row.manifest).map_err(|error| error.to_string())?;
        let manifest = Manifest::parse(&manifest)?;
        self.check_blob(&manifest.config.digest, report)?;
        let configuration = self.read_document(&manifest.config.digest).map_err(|error| error.to_string())?;
        let configuration = Configuration::parse(&configuration)?;
        manifest.layers.iter().try_for_each(|part| self.check_blob(&part.digest, report))?;
        for layer in &configuration.diff_ids {
            report.layers += 1;
            if !self.has_layer(layer) || self.layer_bytes(layer).is_none() {
                return Err(format!("layer {} is not unpacked", layer.short()));
            }
        }
        Ok(())
    }

    fn check_blob(&self, digest: &Digest, report: &mut CheckReport) -> std::result::Result<(), String> {
        report.blobs += 1;
        let path = self.blob_path(digest);
        let mut blob =
            File::open(path).map(Digesting::new).map_err(|error| format!("blob {}: {error}", digest.short()))?;
        report.read_bytes +=
            io::copy(&mut blob, &mut io::sink()).map_err(|error| format!("blob {}: {error}", digest.short()))?;
        match blob.digest() == *digest {
            true => Ok(()),
            false => Err(format!("blob {} has another content than its digest says", digest.short())),
        }
    }
}
