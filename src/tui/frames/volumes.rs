//! Scenes of the volumes.

use super::{Scene, press, tell, type_text};
use crate::model::{ErrorKind, Mount, Pruned};
use crate::tui::action::{Problem, Told};
use crate::tui::app::App;
use crate::tui::sample;
use crate::tui::volume_deed::{VolumePrune, VolumeTold};

pub const SCENES: &[Scene] = &[
    ("volumes", |app| {
        volumes(app);
        press(app, "end up up");
    }),
    ("volumes-outside", |app| {
        volumes(app);
        press(app, "home down down");
    }),
    ("volumes-anonymous", |app| {
        volumes(app);
        press(app, "end");
    }),
    ("volumes-empty", |app| {
        press(app, "7");
        tell(app, Told::Volume(VolumeTold::Volumes(Ok(Vec::new()))));
    }),
    ("volumes-filter", |app| {
        volumes(app);
        press(app, "/");
        type_text(app, "post");
    }),
    ("volumes-in-use", |app| {
        volumes(app);
        press(app, "end up up d");
    }),
    ("volumes-remove", |app| {
        volumes(app);
        press(app, "ctrl-a d");
    }),
    ("mounts", |app| {
        let mut containers = sample::containers();
        let name = "site".parse().expect("a name");
        containers[7].mounts = vec![Mount::bind("/home/ada/src", "/src"), Mount::volume(Some(name), "/srv/site")];
        tell(app, Told::Containers(containers));
        press(app, "end M");
        type_text(app, "data:/var/lib/data");
        press(app, "down right");
    }),
    ("volume-create", |app| {
        press(app, "7 n");
        type_text(app, "../x");
        press(app, "tab");
        type_text(app, "team=web tier");
        press(app, "enter");
    }),
    ("volume-import", |app| {
        volumes(app);
        press(app, "home I");
    }),
    ("volume-import-refused", |app| {
        volumes(app);
        press(app, "end up up I");
        type_text(app, "~/site.tar");
        let effects = press(app, "enter");
        let message = "cannot open /home/ada/site.tar: No such file or directory (os error 2)".to_owned();
        super::files::looked(app, &effects, Err(Problem { message, hint: None, kind: ErrorKind::NotFound }));
    }),
    ("volume-export", |app| {
        volumes(app);
        press(app, "end E");
    }),
    ("volume-prune", |app| {
        press(app, "7 x space");
        let wish = VolumePrune { all: true };
        tell(app, Told::Volume(VolumeTold::WouldPrune { wish, result: Ok(sample::volumes::pruned()) }));
    }),
    ("volume-prune-nothing", |app| {
        press(app, "7 x");
        let wish = VolumePrune { all: false };
        tell(app, Told::Volume(VolumeTold::WouldPrune { wish, result: Ok(Pruned::default()) }));
    }),
    ("volume-prune-ask", |app| {
        press(app, "7 x space");
        let wish = VolumePrune { all: true };
        tell(app, Told::Volume(VolumeTold::WouldPrune { wish, result: Ok(sample::volumes::pruned()) }));
        press(app, "enter");
    }),
];

/// The volumes in front.
pub fn volumes(app: &mut App) {
    press(app, "7");
    tell(app, Told::Volume(VolumeTold::Volumes(Ok(sample::volumes::volumes()))));
    super::draw(app);
}
