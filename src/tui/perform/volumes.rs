//! What is done to volumes, on threads that may block.

use std::io::BufReader;

use super::files::{self, NewFile, at_home};
use crate::engine::Engine;
use crate::model::{TransferGauge, VolumeFilter};
use crate::tui::action::{Problem, Told};
use crate::tui::figures;
use crate::tui::transfer::{VolumeExportWish, VolumeImportWish};
use crate::tui::volume_deed::{VolumeDeed, VolumePrune, VolumeTold};

/// Does what is asked.
pub fn perform(engine: &Engine, deed: VolumeDeed) -> Told {
    Told::Volume(match deed {
        VolumeDeed::List => VolumeTold::Volumes(engine.volumes().map_err(Problem::from)),
        VolumeDeed::Measure => VolumeTold::Volumes(engine.volumes_measured().map_err(Problem::from)),
        VolumeDeed::Create(wish) => match engine.volume_create(&wish) {
            Ok(volume) => {
                let text = format!("volume {} is there", volume.name);
                VolumeTold::Created { name: volume.name, text, volumes: engine.volumes().ok() }
            }
            Err(error) => VolumeTold::Done(Err(error.into())),
        },
        VolumeDeed::Remove(names) => VolumeTold::Done(remove(engine, &names)),
        VolumeDeed::PreviewPrune(wish) => {
            let result = engine.volume_prune_preview(&filter(wish)).map_err(Problem::from);
            VolumeTold::WouldPrune { wish, result }
        }
        VolumeDeed::Refit { container: (id, name), add, remove } => {
            let done = engine.change_mounts(id.as_str(), &add, &remove).map_err(Problem::from);
            VolumeTold::Refitted(done.map(|()| format!("{name} has it from its next start")))
        }
        VolumeDeed::Prune(wish) => VolumeTold::Pruned(engine.volume_prune(&filter(wish)).map_err(Problem::from)),
    })
}

fn filter(wish: VolumePrune) -> VolumeFilter {
    VolumeFilter { all: wish.all, labels: Vec::new() }
}

/// The first failure ends it.
fn remove(engine: &Engine, names: &[crate::model::VolumeName]) -> Result<String, Problem> {
    for (done, name) in names.iter().enumerate() {
        engine.volume_remove(name.as_str(), false).map_err(|error| {
            let problem = Problem::from(error);
            let before = if done > 0 { format!(" ({done} removed before it)") } else { String::new() };
            Problem { message: format!("{}{before}", problem.message), ..problem }
        })?;
    }
    Ok(match names {
        [name] => format!("volume {} removed", name.as_str().chars().take(40).collect::<String>()),
        names => format!("{} volumes removed", names.len()),
    })
}

pub fn export(engine: &Engine, gauge: &TransferGauge, wish: &VolumeExportWish) -> Result<String, Problem> {
    let mut file = NewFile::create(&wish.path)?;
    engine.volume_export(wish.name.as_str(), file.out(), gauge)?;
    file.keep()?;
    let bytes = figures::bytes_long(gauge.now().moved_bytes);
    Ok(format!("{bytes} written into {}", at_home(&wish.path).display()))
}

pub fn import(engine: &Engine, gauge: &TransferGauge, wish: &VolumeImportWish) -> Result<String, Problem> {
    let (file, _) = files::open(&wish.path)?;
    let volume = engine.volume_import(wish.name.as_str(), Box::new(BufReader::new(file)), gauge)?;
    Ok(format!("volume {} has what is in {}", volume.name, at_home(&wish.path).display()))
}
