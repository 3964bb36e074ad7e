//! What commands do to images: to one, or to all that are marked.

use super::container_acts::list_of;
use super::images::users_of;
use crate::model::ImageSummary;
use crate::tui::commands::Command;
use crate::tui::data::Data;
use crate::tui::dialogs::{self, Confirm, Dialog, Form, RunForm};
use crate::tui::effect::Effect;
use crate::tui::step::{Page, Step};
use crate::tui::toast::Toast;

/// Whether a command can be about several images at once. The others are about the selected one.
pub fn is_for_several(command: Command) -> bool {
    matches!(command, Command::RemoveImage | Command::SaveImage)
}

/// What a command does to one image.
pub fn on_one(command: Command, image: &ImageSummary, data: &Data) -> Vec<Step> {
    let label = image.label();
    match command {
        Command::Run => vec![
            Step::Open(Box::new(Dialog::Run(Box::new(RunForm::new(label.clone()))))),
            Step::Do(Effect::FillForm { image: label }),
        ],
        Command::OpenLayers if image.is_host => host("has no layers", "it is its root file system, as it stands"),
        Command::OpenLayers => vec![Step::Show(Page::Layers(label))],
        Command::InspectImage => vec![Step::Show(Page::InspectImage(label))],
        Command::TagImage if image.is_host => host("has no other name", "it is always called host"),
        Command::TagImage => form(dialogs::tag(&label)),
        Command::PushImage if image.is_host => host("cannot be pushed", "commit a container of another image"),
        Command::PushImage => form(dialogs::push(&label)),
        Command::SaveImage if image.is_host => host("cannot be saved", "export a container of it"),
        Command::SaveImage => form(dialogs::save(&[label])),
        Command::RemoveImage if image.is_host => host("cannot be removed", "it is built in, and takes no space"),
        Command::RemoveImage => {
            let text = match users_of(data, image).count() {
                0 => "Its layers are deleted from this machine, unless another image has them too.".to_owned(),
                1 => "One container is made of it: it keeps the layers, which then have no name.".to_owned(),
                users => format!("{users} containers are made of it: they keep the layers, which then have no name."),
            };
            remove(format!("Remove {label}?"), text, vec![label], users_of(data, image).next().is_some())
        }
        _ => Vec::new(),
    }
}

/// What a command does to the marked images.
pub fn on_several(command: Command, images: &[&ImageSummary], data: &Data) -> Vec<Step> {
    let own: Vec<&ImageSummary> = images.iter().copied().filter(|image| !image.is_host).collect();
    let labels: Vec<String> = own.iter().map(|image| image.label()).collect();
    if labels.is_empty() {
        return Vec::new();
    }
    match command {
        Command::SaveImage => form(dialogs::save(&labels)),
        Command::RemoveImage => {
            let used = own.iter().filter(|image| users_of(data, image).next().is_some()).count();
            let kept = match used {
                0 => String::new(),
                1 => " A container is made of one of them: it keeps the layers.".to_owned(),
                used => format!(" Containers are made of {used} of them: they keep the layers."),
            };
            let text = format!("{}.{kept}", list_of(&labels));
            remove(format!("Remove {} images?", labels.len()), text, labels, used > 0)
        }
        _ => Vec::new(),
    }
}

/// The question, and the question to the store what it would free.
fn remove(title: String, text: String, images: Vec<String>, force: bool) -> Vec<Step> {
    let effect = Effect::RemoveImages { images: images.clone(), force };
    vec![
        Step::Open(Box::new(Dialog::Confirm(Confirm::grave(title, text, "Remove", effect)))),
        Step::Do(Effect::PreviewRemove { images }),
    ]
}

pub fn form(form: Form) -> Vec<Step> {
    vec![Step::Open(Box::new(Dialog::Form(Box::new(form))))]
}

fn host(what: &str, why: &str) -> Vec<Step> {
    vec![Step::Toast(Toast::bad(format!("the host image {what}"), Some(format!("this machine: {why}"))))]
}
