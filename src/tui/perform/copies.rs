//! Files copied between this machine and a container or a volume. Nothing of this machine is overwritten.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{self, NewFile, at_home};
use crate::engine::{CopyMeter, CopyOptions, CopySource, CopyTarget, Engine};
use crate::model::{ErrorKind, printable_line};
use crate::tui::action::Problem;
use crate::tui::transfer::{
    CopyInWish, CopyOutWish, ExportWish, LoadWish, SaveWish, VolumeExportWish, VolumeImportWish, Wish,
};

/// Copies out, one after the other; what to say when all are there.
pub fn out(engine: &Engine, wish: &CopyOutWish, meter: &CopyMeter) -> Result<String, Problem> {
    let to = look_at_landing(wish)?;
    for path in &wish.paths {
        engine.copy_from(&wish.place, path, CopyTarget::Path(to.clone()), CopyOptions::default(), meter)?;
    }
    Ok(match &wish.paths[..] {
        [path] => format!("{} copied to {}", shown(Path::new(path)), shown(&to)),
        paths => format!("{} files and folders copied to {}", paths.len(), shown(&to)),
    })
}

/// Refuses what would be in the way, before anything is copied; where it goes, if there is a way.
fn look_at_landing(wish: &CopyOutWish) -> Result<PathBuf, Problem> {
    let to = at_home(&wish.to);
    let is_folder = to.is_dir();
    let refused = |message: String, hint: &str, kind| Err(Problem { message, hint: Some(hint.to_owned()), kind });
    if wish.paths.len() > 1 && !is_folder {
        let message = format!("{} is no folder", shown(&to));
        return refused(message, "several files and folders need one that is there", ErrorKind::InvalidInput);
    }
    for path in &wish.paths {
        let name = Path::new(path).file_name();
        let landing = if is_folder { name.map(|name| to.join(name)) } else { Some(to.clone()) };
        if let Some(taken) = landing.filter(|landing| fs::symlink_metadata(landing).is_ok()) {
            let message = format!("{} is there already", shown(&taken));
            return refused(message, "choose another name, or remove it first", ErrorKind::Conflict);
        }
    }
    let above = if is_folder { Some(to.as_path()) } else { to.parent().filter(|above| *above != Path::new("")) };
    match above {
        Some(above) if !above.is_dir() => {
            let message = format!("{} goes nowhere: {} is no folder", shown(&to), shown(above));
            refused(message, "make it first, or name one that is there", ErrorKind::NotFound)
        }
        _ => Ok(to),
    }
}

/// Whether the files of this machine that a transfer names are as they have to be.
pub fn look(wish: &Wish) -> Result<(), Problem> {
    match wish {
        Wish::Save(SaveWish { path, .. })
        | Wish::Export(ExportWish { path, .. })
        | Wish::VolumeExport(VolumeExportWish { path, .. }) => NewFile::create(path).map(drop),
        Wish::Load(LoadWish { path }) | Wish::VolumeImport(VolumeImportWish { path, .. }) => {
            files::open(path).map(drop)
        }
        Wish::CopyOut(wish) => look_at_landing(wish).map(drop),
        Wish::CopyIn(wish) => {
            let from = at_home(&wish.from);
            fs::symlink_metadata(&from).map(drop).map_err(|error| files::problem("look at", &from, &error))
        }
        Wish::Pull(_) | Wish::Push(_) | Wish::Commit(_) => Ok(()),
    }
}

pub fn into(engine: &Engine, wish: &CopyInWish, meter: &CopyMeter) -> Result<String, Problem> {
    let from = at_home(&wish.from);
    engine.copy_to(CopySource::Path(from.clone()), &wish.place, &wish.folder, CopyOptions::default(), meter)?;
    Ok(format!("{} copied into {}", shown(&from), shown(Path::new(&wish.folder))))
}

fn shown(path: &Path) -> String {
    printable_line(&path.to_string_lossy()).into_owned()
}
