//! What commands do to networks: to one, or to all that are marked.

use super::{inspect, is_default};
use crate::engine::NetworkInspect;
use crate::model::{ContainerSummary, NetworkMode};
use crate::tui::commands::Command;
use crate::tui::data::Data;
use crate::tui::dialogs::{Confirm, Dialog, Form, network_forms};
use crate::tui::effect::Effect;
use crate::tui::network_deed::NetworkDeed;
use crate::tui::screens::container_acts::list_of;
use crate::tui::step::Step;
use crate::tui::toast::Toast;

pub fn create() -> Vec<Step> {
    open(network_forms::create())
}

pub fn prune() -> Vec<Step> {
    let mut steps = open(network_forms::prune());
    steps.push(Step::Do(Effect::Network(NetworkDeed::PreviewPrune(None))));
    steps
}

fn open(form: Form) -> Vec<Step> {
    vec![Step::Open(Box::new(Dialog::Form(Box::new(form))))]
}

fn bad(text: impl Into<String>, hint: &str) -> Vec<Step> {
    vec![Step::Toast(Toast::bad(text.into(), Some(hint.to_owned())))]
}

pub fn on_one(command: Command, it: &NetworkInspect, data: &Data) -> Vec<Step> {
    let name = &it.network.name;
    match command {
        Command::NetworkInspect => vec![Step::Show(inspect(it))],
        Command::NetworkConnect => {
            let is_in = |container: &&ContainerSummary| it.containers.iter().any(|(id, _, _)| *id == container.id);
            let fits = |container: &&ContainerSummary| container.network != NetworkMode::Host;
            let mut free: Vec<&ContainerSummary> =
                data.containers.iter().flatten().filter(|container| !is_in(container)).filter(fits).collect();
            free.sort_by_key(|container| !container.state.is_running());
            if free.is_empty() {
                return bad(
                    format!("no container is left that could be connected to {name}"),
                    "those with the host's network have no place of their own in another",
                );
            }
            let choices = free.iter().map(|container| (container.id.clone(), container.name.clone())).collect();
            open(network_forms::connect_container(it, choices))
        }
        Command::NetworkDisconnect if it.containers.is_empty() => {
            bad(format!("no running container is in {name}"), "N in the containers' list shows what stopped ones want")
        }
        Command::NetworkDisconnect => {
            let choices = it.containers.iter().map(|(id, name, _)| (id.clone(), name.clone())).collect();
            open(network_forms::disconnect_container(it, choices))
        }
        Command::NetworkRemove if is_default(it) => {
            bad("the default network stays", "it takes nothing: its bridge is made when a container wants it")
        }
        Command::NetworkRemove if !it.containers.is_empty() => {
            bad(format!("{name} is in use by {}", members(it)), "C takes containers out of it")
        }
        Command::NetworkRemove => remove(&[it]),
        _ => Vec::new(),
    }
}

fn members(it: &NetworkInspect) -> String {
    list_of(&it.containers.iter().map(|(_, name, _)| name.to_string()).collect::<Vec<_>>())
}

/// Of the marked ones those that can go; why the others stay is said in the question.
pub fn remove_several(networks: &[&NetworkInspect]) -> Vec<Step> {
    let (free, kept): (Vec<&NetworkInspect>, Vec<&NetworkInspect>) =
        networks.iter().copied().partition(|it| !is_default(it) && it.containers.is_empty());
    if free.is_empty() {
        return bad("none of them can be removed", "they are in use, or the default one; C takes containers out");
    }
    remove_with(&free, &kept)
}

fn remove(networks: &[&NetworkInspect]) -> Vec<Step> {
    remove_with(networks, &[])
}

fn remove_with(networks: &[&NetworkInspect], kept: &[&NetworkInspect]) -> Vec<Step> {
    let targets = networks.iter().map(|it| (it.network.id.clone(), it.network.name.clone())).collect();
    let effect = Effect::Network(NetworkDeed::Remove(targets));
    let names = |networks: &[&NetworkInspect]| {
        list_of(&networks.iter().map(|it| it.network.name.to_string()).collect::<Vec<_>>())
    };
    let (title, begin) = match networks {
        [only] => (format!("Remove {}?", only.network.name), "Its definition and its bridge go".to_owned()),
        several => (
            format!("Remove {} networks?", several.len()),
            format!("{}: their definitions and bridges go", names(several)),
        ),
    };
    let stay =
        if kept.is_empty() { String::new() } else { format!(" {} stay, being in use or always there.", names(kept)) };
    let text = format!("{begin}. A stopped container that is made for one cannot start until it is there again.{stay}");
    vec![Step::Open(Box::new(Dialog::Confirm(Confirm::grave(title, text, "Remove", effect))))]
}
