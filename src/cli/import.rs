//! `import`: a root file system becomes an image.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::{Failure, Outcome};
use super::output::Output;
use super::pull::platform;
use super::transfer::{Patient, Show, transfer};
use crate::engine::{Engine, ImportOptions, ImportSource};
use crate::model::{Platform, Reference, TransferGauge};

/// Make an image of a tar or a folder.
#[derive(Args, Clone, Debug)]
pub struct Import {
    /// A Dockerfile line laid over the image: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL,
    /// USER, VOLUME, WORKDIR
    #[arg(short, long, value_name = "LINE")]
    change: Vec<String>,
    /// What the image's history says
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
    /// What it is for, such as linux/arm64, if not for this machine
    #[arg(long, value_name = "OS/ARCH", value_parser = platform)]
    platform: Option<Platform>,
    /// A tar (plain, gzip or zstd), a folder, or - for a tar on stdin
    #[arg(value_name = "FILE|FOLDER|-")]
    source: PathBuf,
    /// The image's name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    reference: Option<String>,
}

pub fn import(engine: &Engine, wish: &Import) -> Outcome {
    let reference: Option<Reference> = match &wish.reference {
        None => None,
        Some(text) => {
            Some(text.parse().map_err(|error| Failure::usage(format!("invalid image reference {text:?}: {error}")))?)
        }
    };
    let options = ImportOptions {
        reference,
        changes: wish.change.clone(),
        message: wish.message.clone(),
        platform: wish.platform.clone(),
    };
    let gauge = TransferGauge::default();
    let source = source(&wish.source, &gauge)?;
    let id = transfer("Importing", Show::Terminal, &gauge, || engine.import(source, &options, &gauge))?;
    let mut out = Output::open();
    out.line(id.as_str())?;
    out.flush()?;
    Ok(0)
}

fn source<'a>(path: &Path, gauge: &'a TransferGauge) -> Result<ImportSource<'a>, Failure> {
    let cannot = |error: io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let text = path.to_string_lossy();
    if ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
        return Err(Failure::new("teu import fetches nothing from the web")
            .with_hint(format!("curl -fL {text} | teu import - NAME, which also lets you check what came")));
    }
    if path == Path::new("-") {
        if io::stdin().is_terminal() {
            return Err(Failure::new("stdin is a terminal, no tar can come from it")
                .with_hint("pipe one in: tar -C FOLDER -c . | teu import - NAME"));
        }
        let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        return Ok(ImportSource::Tar(Box::new(Patient::new(stdin, gauge))));
    }
    let file = File::open(path).map_err(cannot)?;
    let found = file.metadata().map_err(cannot)?;
    if found.is_dir() {
        return Ok(ImportSource::Folder(path.to_owned()));
    }
    gauge.expect(found.len());
    Ok(ImportSource::Tar(Box::new(Patient::new(file, gauge))))
}
