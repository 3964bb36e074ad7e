//! `save`: images into a file or to stdout.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::failure::Outcome;
use super::outlet::Outlet;
use super::pull::platform;
use super::transfer::{Show, transfer};
use crate::engine::{ArchiveFormat, Compression, Engine, SaveOptions};
use crate::model::{Platform, TransferGauge};

/// Save images into one archive, for teu, docker, podman or skopeo to load.
#[derive(Args, Clone, Debug)]
pub struct Save {
    /// Write here instead of to stdout; the file is whole or not there
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// docker-archive is an OCI layout with Docker's manifest.json beside it, which all of them read
    #[arg(long, value_name = "FORMAT", default_value = "docker-archive")]
    format: Format,
    /// Compress the layers so; without it they go as they are, but zstd becomes gzip in a docker-archive
    #[arg(long, value_name = "COMPRESSION")]
    compress: Option<Packing>,
    /// Refuse images that are not for this platform, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH", value_parser = platform)]
    platform: Option<Platform>,
    /// A name without a tag means all tags of it
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    DockerArchive,
    OciArchive,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Packing {
    Gzip,
    Zstd,
    None,
}

pub fn save(engine: &Engine, wish: &Save) -> Outcome {
    let options = SaveOptions {
        format: match wish.format {
            Format::DockerArchive => ArchiveFormat::Docker,
            Format::OciArchive => ArchiveFormat::Oci,
        },
        layers: wish.compress.map(|packing| match packing {
            Packing::Gzip => Compression::Gzip,
            Packing::Zstd => Compression::Zstd,
            Packing::None => Compression::Plain,
        }),
        platform: wish.platform.clone(),
    };
    let outlet = Outlet::open(wish.output.as_deref(), "save")?;
    let gauge = TransferGauge::default();
    let show = if wish.output.is_some() { Show::Terminal } else { Show::Nothing };
    transfer("Saving", show, &gauge, || engine.save(&wish.images, &options, outlet.file(), &gauge))?;
    outlet.keep()?;
    Ok(0)
}
