//! What commands do to volumes.

use super::shown_name;
use crate::model::{FilePlace, VolumeName, VolumeSummary};
use crate::tui::commands::Command;
use crate::tui::dialogs::{self, Confirm, Dialog};
use crate::tui::effect::Effect;
use crate::tui::screens::container_acts::list_of;
use crate::tui::step::{Page, Step};
use crate::tui::toast::Toast;
use crate::tui::volume_deed::VolumeDeed;

/// What a command does to one volume.
pub fn on_one(command: Command, volume: &VolumeSummary) -> Vec<Step> {
    match command {
        Command::OpenVolume => {
            vec![Step::Show(Page::Files(FilePlace::Volume(volume.volume.name.to_string())))]
        }
        Command::ExportVolume => dialogs::volumes::export(volume),
        _ => Vec::new(),
    }
}

/// Asks before files are lost; volumes that a container uses are not removed.
pub fn remove(volumes: &[&VolumeSummary]) -> Vec<Step> {
    let (used, free): (Vec<&VolumeSummary>, Vec<&VolumeSummary>) =
        volumes.iter().copied().partition(|volume| !volume.users.is_empty());
    let names: Vec<VolumeName> = free.iter().map(|volume| volume.volume.name.clone()).collect();
    let shown: Vec<String> = free.iter().map(|volume| shown_name(volume)).collect();
    let (title, text) = match (&free[..], &used[..]) {
        ([], []) => return Vec::new(),
        ([], [volume, ..]) => {
            let users: Vec<String> = volume.users.iter().map(|(_, name)| name.to_string()).collect();
            let text = format!("{} is used by {}", shown_name(volume), list_of(&users));
            let hint = "a volume goes only when no container is made with it: remove those first".to_owned();
            return vec![Step::Toast(Toast::bad(text, Some(hint)))];
        }
        ([_], _) => (format!("Remove {}?", shown[0]), "All files in it are lost.".to_owned()),
        (several, _) => {
            (format!("Remove {} volumes?", several.len()), format!("{}. All files in them are lost.", list_of(&shown)))
        }
    };
    let text = match used.len() {
        0 => text,
        1 => format!("{text} One that is marked is used by a container and stays."),
        used => format!("{text} {used} that are marked are used by containers and stay."),
    };
    let effect = Effect::Volume(VolumeDeed::Remove(names));
    vec![Step::Open(Box::new(Dialog::Confirm(Confirm::grave(title, text, "Remove", effect))))]
}
