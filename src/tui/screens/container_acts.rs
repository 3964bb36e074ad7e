//! What commands do to containers: to one, or to all that are marked.

use super::image_acts::form;
use crate::model::{ContainerState, ContainerSummary, FilePlace, Id, Name, Signal};
use crate::tui::commands::Command;
use crate::tui::dialogs::{self, Answer, Confirm, Dialog, LimitsForm, Prompt, Security, Wires};
use crate::tui::effect::{Effect, Verb};
use crate::tui::step::{Page, Step};
use crate::tui::toast::Toast;

/// What a command does to one container.
pub fn on_one(command: Command, container: &ContainerSummary) -> Vec<Step> {
    let id = container.id.clone();
    let name = container.name.clone();
    let running = container.state.is_running();
    let verb = |verb: Verb| Effect::Verb { id: id.clone(), name: name.clone(), verb };
    let ask = |confirm: Confirm| vec![Step::Open(Box::new(Dialog::Confirm(confirm)))];
    match command {
        Command::Open => vec![Step::OpenShell(id)],
        Command::NewShell if running => vec![Step::NewShell(id)],
        Command::NewShell => {
            vec![Step::Toast(Toast::bad(
                format!("{name} is not running"),
                Some("enter starts it and opens its shell".to_owned()),
            ))]
        }
        Command::OpenLogs => vec![Step::Show(Page::Logs(id))],
        Command::OpenCharts => vec![Step::Show(Page::Charts(id))],
        Command::OpenFiles => vec![Step::Show(Page::Files(FilePlace::Container(id.to_string())))],
        Command::OpenTraffic => vec![Step::Show(Page::Traffic(id))],
        Command::OpenWires => Wires::open(container),
        Command::OpenMounts => dialogs::volumes::mounts(container),
        Command::OpenDiff => vec![Step::Show(Page::Diff(id))],
        Command::OpenInspect => vec![Step::Show(Page::Inspect(id))],
        Command::StartStop if running => ask(Confirm::light(
            format!("Stop {name}?"),
            "Its processes are asked to end, and are killed if they do not. Its files stay, unless it was run with auto-remove.",
            "Stop",
            verb(Verb::Stop),
        )),
        Command::StartStop => vec![Step::Do(verb(Verb::Start))],
        Command::Restart if running => ask(Confirm::light(
            format!("Restart {name}?"),
            "Its processes end, shells in it too, and its command starts anew.",
            "Restart",
            verb(Verb::Restart),
        )),
        Command::Restart => vec![Step::Do(verb(Verb::Start))],
        Command::Limits => vec![Step::Open(Box::new(Dialog::Limits(Box::new(LimitsForm::new(container)))))],
        Command::OpenSecurity => {
            let (panel, question) = Security::open(id, name.to_string());
            vec![Step::Open(Box::new(Dialog::Security(panel))), Step::Do(question)]
        }
        Command::Commit if container.image_id.is_none() => vec![Step::Toast(Toast::bad(
            format!("{name} is made of the host image: what it stands on is no image"),
            Some("E exports all its files; `teu import` makes an image of them".to_owned()),
        ))],
        Command::Commit => form(dialogs::commit(id, name, running)),
        Command::Export => form(dialogs::export(id, name)),
        Command::Pause => match container.state {
            ContainerState::Paused { .. } => vec![Step::Do(verb(Verb::Unpause))],
            ContainerState::Running { .. } => vec![Step::Do(verb(Verb::Pause))],
            _ => vec![Step::Toast(Toast::bad(format!("{name} is not running"), None))],
        },
        Command::Kill if running => ask(Confirm::grave(
            format!("Kill {name}?"),
            "SIGKILL ends its processes at once; what they had not written is lost.",
            "Kill",
            verb(Verb::Kill(Signal::KILL)),
        )),
        Command::Kill => vec![Step::Toast(Toast::bad(format!("{name} is not running"), None))],
        Command::Rename => vec![Step::Open(Box::new(Dialog::Prompt(Prompt::rename(id, name))))],
        Command::Remove if running => ask(Confirm::grave(
            format!("Remove {name}?"),
            "It is running: its processes are killed. All files it has written are lost; folders of this machine mounted into it stay.",
            "Kill and remove",
            verb(Verb::RemoveByForce),
        )),
        Command::Remove => ask(Confirm::grave(
            format!("Remove {name}?"),
            "All files it has written and its log are lost; folders of this machine mounted into it stay.",
            "Remove",
            verb(Verb::Remove),
        )),
        _ => Vec::new(),
    }
}

/// Whether a command can be about several containers at once. The others are about the selected one.
pub fn is_for_several(command: Command) -> bool {
    matches!(command, Command::StartStop | Command::Restart | Command::Pause | Command::Kill | Command::Remove)
}

/// What a command does to the marked containers.
pub fn on_several(command: Command, containers: &[&ContainerSummary]) -> Vec<Step> {
    let is_paused = |it: &ContainerSummary| matches!(it.state, ContainerState::Paused { .. });
    let is_running = |it: &ContainerSummary| it.state.is_running();
    let (running, down): (Vec<_>, Vec<_>) = containers.iter().copied().partition(|it| is_running(it));
    let names = names(containers);
    let ask = |confirm: Confirm| vec![Step::Open(Box::new(Dialog::Confirm(confirm)))];
    match command {
        Command::StartStop if running.is_empty() => vec![Step::Do(verbs(&down, Verb::Start))],
        Command::StartStop if down.is_empty() => ask(Confirm::light(
            format!("Stop {} containers?", running.len()),
            format!("{names}. Their processes are asked to end, and are killed if they do not. Their files stay."),
            "Stop",
            verbs(&running, Verb::Stop),
        )),
        Command::StartStop => ask(Confirm::choice(
            format!("{} containers: start or stop?", containers.len()),
            format!("{names}. {} run, {} do not.", running.len(), down.len()),
            vec![
                answer(format!("Start {}", down.len()), 's', verbs(&down, Verb::Start)),
                answer(format!("Stop {}", running.len()), 't', verbs(&running, Verb::Stop)),
            ],
        )),
        Command::Restart => ask(Confirm::light(
            format!("Restart {} containers?", containers.len()),
            format!("{names}. Processes of those that run end, and their commands start anew."),
            "Restart",
            verbs(containers, Verb::Restart),
        )),
        Command::Pause => {
            let (paused, others): (Vec<_>, Vec<_>) = running.iter().copied().partition(|it| is_paused(it));
            match (others.is_empty(), paused.is_empty()) {
                (true, true) => vec![Step::Toast(Toast::bad("none of them is running", None))],
                (true, false) => vec![Step::Do(verbs(&paused, Verb::Unpause))],
                (false, _) => vec![Step::Do(verbs(&others, Verb::Pause))],
            }
        }
        Command::Kill if running.is_empty() => vec![Step::Toast(Toast::bad("none of them is running", None))],
        Command::Kill => ask(Confirm::grave(
            format!("Kill {} containers?", running.len()),
            format!("{names}. SIGKILL ends their processes at once; what they had not written is lost."),
            "Kill",
            verbs(&running, Verb::Kill(Signal::KILL)),
        )),
        Command::Remove => {
            let (verb, yes) =
                if running.is_empty() { (Verb::Remove, "Remove") } else { (Verb::RemoveByForce, "Kill and remove") };
            let killed = match running.len() {
                0 => String::new(),
                1 => " One of them runs: its processes are killed.".to_owned(),
                running => format!(" {running} of them run: their processes are killed."),
            };
            ask(Confirm::grave(
                format!("Remove {} containers?", containers.len()),
                format!("{names}.{killed} All files they have written and their logs are lost."),
                yes,
                verbs(containers, verb),
            ))
        }
        _ => Vec::new(),
    }
}

fn answer(verb: String, key: char, effect: Effect) -> Answer {
    Answer { verb, key, effect }
}

fn verbs(containers: &[&ContainerSummary], verb: Verb) -> Effect {
    let targets: Vec<(Id, Name)> = containers.iter().map(|it| (it.id.clone(), it.name.clone())).collect();
    Effect::Verbs { targets, verb }
}

/// The first few names, and how many more there are.
pub fn names(containers: &[&ContainerSummary]) -> String {
    list_of(&containers.iter().map(|it| it.name.to_string()).collect::<Vec<_>>())
}

/// The first few of many, and how many more there are.
pub fn list_of(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
