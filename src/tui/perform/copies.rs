//! Files copied between this machine and a container or a volume. Nothing of this machine is overwritten.

use std::fs;
use std::path::Path;

use super::files::at_home;
use crate::engine::{CopyMeter, CopyOptions, CopySource, CopyTarget, Engine};
use crate::model::{ErrorKind, printable_line};
use crate::tui::action::Problem;
use crate::tui::transfer::{CopyInWish, CopyOutWish};

/// Copies out, one after the other; what to say when all are there.
pub fn out(engine: &Engine, wish: &CopyOutWish, meter: &CopyMeter) -> Result<String, Problem> {
    let to = at_home(&wish.to);
    if wish.paths.len() > 1 && !to.is_dir() {
        let message = format!("{} is no folder: several files and folders need one", shown(&to));
        return Err(Problem { message, hint: None, kind: ErrorKind::InvalidInput });
    }
    for path in &wish.paths {
        let name = Path::new(path).file_name();
        let landing = if to.is_dir() { name.map(|name| to.join(name)) } else { Some(to.clone()) };
        if let Some(taken) = landing.filter(|landing| fs::symlink_metadata(landing).is_ok()) {
            let message = format!("{} is there already", shown(&taken));
            let hint = Some("choose another name, or remove it first".to_owned());
            return Err(Problem { message, hint, kind: ErrorKind::Conflict });
        }
        engine.copy_from(&wish.place, path, CopyTarget::Path(to.clone()), CopyOptions::default(), meter)?;
    }
    Ok(match &wish.paths[..] {
        [path] => format!("{} copied to {}", shown(Path::new(path)), shown(&to)),
        paths => format!("{} files and folders copied to {}", paths.len(), shown(&to)),
    })
}

pub fn into(engine: &Engine, wish: &CopyInWish, meter: &CopyMeter) -> Result<String, Problem> {
    let from = at_home(&wish.from);
    engine.copy_to(CopySource::Path(from.clone()), &wish.place, &wish.folder, CopyOptions::default(), meter)?;
    Ok(format!("{} copied into {}", shown(&from), shown(Path::new(&wish.folder))))
}

fn shown(path: &Path) -> String {
    printable_line(&path.to_string_lossy()).into_owned()
}
