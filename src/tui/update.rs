//! `update`: from what happened to what is shown and what is to be done. Pure: it touches nothing but the state.

use crossterm::event::{KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};

use super::action::{Action, Told};
use super::app::App;
use super::canvas::Target;
use super::commands::Command;
use super::dialogs::{Dialog, Help, Palette};
use super::effect::Effect;
use super::header::{TABS, tab_of};
use super::keymap::Chord;
use super::network_deed::NetworkDeed;
use super::step::{Page, Step, World};
use super::toast::Toast;
use super::transfer::Wish;
use super::volume_deed::VolumeDeed;
use super::{told, view};
use crate::model::{FilePlace, Id};

/// Lines that one step of the wheel moves.
const WHEEL_LINES: isize = 3;

/// Handles one action. Whatever changes what is seen sets `app.dirty`.
pub fn update(app: &mut App, action: Action) -> Vec<Effect> {
    let steps = match action {
        Action::Key(key) if key.kind == KeyEventKind::Release => return Vec::new(),
        Action::Key(key) => {
            let (was_dirty, had_keys) = (app.dirty, app.shells.has_keys());
            let steps = on_key(app, &key);
            // What a shell is sent shows when the shell answers: a frame before that would only delay it.
            let is_sent = matches!(steps[..], [Step::Do(Effect::PaneWrite { .. })]) && !app.shells.take_scrolled();
            let only_sent = is_sent && had_keys && app.shells.has_keys();
            app.dirty = was_dirty || !only_sent;
            steps
        }
        Action::Mouse(event) => on_mouse(app, &event),
        Action::Paste(text) => {
            app.dirty = true;
            on_paste(app, &text)
        }
        Action::Resize(size) => {
            app.dirty = true;
            app.size = size;
            Vec::new()
        }
        Action::Focus(gained) => app.shells.window_focus(gained),
        Action::Pulse(pulse) => told::pulse(app, *pulse),
        Action::Told(told) => told::told(app, *told),
    };
    let mut effects = Vec::new();
    follow(app, steps, &mut effects);
    // Panes follow every change of their number and place.
    if view::has_room(app.size) {
        // In a window too small to show them they keep their size, and so their text.
        let fit = app.shells.fit(view::body(app.size));
        follow(app, fit, &mut effects);
    }
    effects
}

/// Takes the steps in turn; steps of steps come before the next.
fn follow(app: &mut App, steps: Vec<Step>, effects: &mut Vec<Effect>) {
    for step in steps {
        match step {
            Step::Do(effect) => {
                if let Effect::Verb { id, verb, .. } = &effect {
                    app.data.busy.insert(id.clone(), verb.under_way());
                }
                if let Effect::Verbs { targets, verb } = &effect {
                    let busy = targets.iter().map(|(id, _)| (id.clone(), verb.under_way()));
                    app.data.busy.extend(busy);
                    app.containers.list.clear_marks();
                }
                if matches!(effect, Effect::Network(NetworkDeed::Remove(_))) {
                    app.networks.list.clear_marks();
                }
                if matches!(effect, Effect::RemoveImages { .. }) {
                    app.images.list.clear_marks();
                }
                effects.push(effect);
                continue;
            }
            Step::Show(page) => show(app, page, effects),
            Step::ShowImage(image) => {
                app.images.list.select(image);
                show(app, Page::Images, effects);
            }
            Step::ShowVolume(name) => {
                app.volumes.list.select(name);
                show(app, Page::Volumes, effects);
            }
            Step::Transfer(wish) => {
                let more = app.transfers.start(wish);
                follow(app, more, effects);
            }
            Step::Pull(wish) => {
                let more = app.transfers.start(Wish::Pull(wish));
                follow(app, more, effects);
            }
            Step::Back => back(app, effects),
            Step::Open(dialog) => app.dialogs.push(*dialog),
            Step::CloseDialog => {
                app.dialogs.pop();
            }
            Step::FormSent => {
                if let Some(Dialog::Form(form)) = app.dialogs.last_mut() {
                    form.send();
                }
            }
            Step::Toast(toast) => app.toasts.add(toast, app.data.now()),
            Step::Command(command) => {
                let more = on_command(app, command);
                follow(app, more, effects);
            }
            Step::OpenShell(id) => {
                let more = open_shell(app, &id);
                follow(app, more, effects);
            }
            Step::NewShell(id) => {
                let name = name_of(app, &id);
                let pane = app.shells.open(Some(id.clone()), &name, "shell");
                effects.push(Effect::Exec { id, pane });
                show(app, Page::Shells, effects);
            }
            Step::Run(request) => {
                let pane = request.tty.then(|| {
                    let name = request.name.as_ref().map_or_else(|| request.image.clone(), |name| name.to_string());
                    let title = if request.command.is_empty() { "shell".to_owned() } else { request.command.join(" ") };
                    app.shells.open(None, &name, &title)
                });
                if pane.is_some() {
                    show(app, Page::Shells, effects);
                } else {
                    show(app, Page::Containers, effects);
                }
                effects.push(Effect::Run { request, pane });
            }
        }
        app.dirty = true;
    }
}

fn name_of(app: &App, id: &Id) -> String {
    app.data.container(id).map_or_else(|| id.short().to_owned(), |container| container.name.to_string())
}

/// Goes to a container's shells: those open, else its living sessions, else by starting it.
fn open_shell(app: &mut App, id: &Id) -> Vec<Step> {
    if app.shells.go_to(id) {
        return vec![Step::Show(Page::Shells)];
    }
    let Some(container) = app.data.container(id) else { return Vec::new() };
    if app.data.busy.contains_key(id) {
        return vec![Step::Toast(Toast::good(format!("{} is busy; once more in a moment", container.name)))];
    }
    match &container.state {
        crate::model::ContainerState::Running { .. } => vec![app.shells.await_sessions(id)],
        crate::model::ContainerState::Paused { .. } => {
            let hint = app.keymap.label(Command::Pause).map(|key| format!("{key} lets it go on"));
            vec![Step::Toast(Toast::bad(format!("{} is paused", container.name), hint))]
        }
        _ if container.tty => {
            let (name, title) = (container.name.to_string(), container.command.join(" "));
            let pane = app.shells.open(Some(id.clone()), &name, &title);
            vec![Step::Do(Effect::StartInPane { id: id.clone(), pane }), Step::Show(Page::Shells)]
        }
        _ => {
            let verb = super::effect::Verb::Start;
            vec![Step::Do(Effect::Verb { id: id.clone(), name: container.name.clone(), verb })]
        }
    }
}

/// Puts a screen in front.
fn show(app: &mut App, page: Page, effects: &mut Vec<Effect>) {
    if app.page != page {
        let before = std::mem::replace(&mut app.page, page.clone());
        if matches!(before, Page::Files(_)) && !matches!(page, Page::Files(_)) {
            effects.push(Effect::CloseFiles);
        }
        if before != Page::Shells {
            app.came_from.retain(|known| *known != before);
            app.came_from.push(before);
        }
    }
    let steps = match &page {
        Page::Logs(id) => app.logs.open(id),
        Page::Inspect(id) => {
            app.inspect.open(&page);
            vec![Step::Do(Effect::Inspect(id.clone()))]
        }
        Page::InspectImage(image) => {
            app.inspect.open(&page);
            vec![Step::Do(Effect::InspectImage(image.clone()))]
        }
        Page::InspectNetwork(id) => {
            app.inspect.open(&page);
            app.inspect.told_network(&page, app.data.network(id));
            Vec::new()
        }
        Page::Networks => vec![Step::Do(Effect::Network(NetworkDeed::List))],
        Page::Traffic(id) => {
            app.traffic.open(id);
            Vec::new()
        }
        Page::Layers(image) => app.layers.open(image),
        Page::Diff(id) => app.diff.open(id),
        Page::Files(place) => app.files.open(place),
        Page::Volumes => [VolumeDeed::List, VolumeDeed::Measure].map(|deed| Step::Do(Effect::Volume(deed))).into(),
        Page::Usage => vec![Step::Do(Effect::DiskUsage)],
        Page::Images => {
            let mut steps = told::image_wish(app);
            steps.push(Step::Do(Effect::ListStacks));
            steps
        }
        Page::Search => {
            app.search.begin();
            Vec::new()
        }
        _ => Vec::new(),
    };
    follow(app, steps, effects);
}

fn back(app: &mut App, effects: &mut Vec<Effect>) {
    let gone = |page: &Page| match page {
        Page::Logs(id) | Page::Charts(id) | Page::Traffic(id) | Page::Inspect(id) | Page::Diff(id) => {
            app.data.container(id).is_none()
        }
        Page::Files(FilePlace::Container(id)) => !app.data.containers.iter().flatten().any(|it| it.id.as_str() == id),
        Page::InspectNetwork(id) => app.data.network(id).is_none(),
        _ => false,
    };
    let page = loop {
        match app.came_from.pop() {
            Some(page) if page == app.page || gone(&page) => {}
            Some(page) => break page,
            None => break Page::Containers,
        }
    };
    if matches!(app.page, Page::Files(_)) {
        effects.push(Effect::CloseFiles);
    }
    app.page = page.clone();
    show(app, page, effects);
}

fn on_key(app: &mut App, key: &KeyEvent) -> Vec<Step> {
    let world = World { data: &app.data, keymap: &app.keymap };
    if let Some(dialog) = app.dialogs.last_mut() {
        return dialog.key(key, world);
    }
    let height = app.seen.text_height;
    let taken = match app.page {
        Page::Containers => app.containers.typed(key, &app.data).then(Vec::new),
        Page::Images => app.images.typed(key, &app.data).then(Vec::new),
        Page::Networks => app.networks.typed(key, &app.data).then(Vec::new),
        Page::Search => app.search.typed(key),
        Page::Logs(_) => app.logs.typed(key, height).then(Vec::new),
        Page::Inspect(_) | Page::InspectImage(_) | Page::InspectNetwork(_) => app.inspect.typed(key).then(Vec::new),
        Page::Layers(_) => app.layers.typed(key).then(Vec::new),
        Page::Diff(_) => app.diff.typed(key).then(Vec::new),
        Page::Files(_) => app.files.typed(key, height).then(|| app.files.hunt()),
        Page::Charts(_) | Page::Traffic(_) | Page::Shells | Page::Transfers | Page::Usage => None,
        Page::Volumes => app.volumes.typed(key, &app.data).then(Vec::new),
    };
    if let Some(steps) = taken {
        return steps;
    }
    match app.keymap.find(app.scopes(), Chord::of(key)) {
        Some(command) => on_command(app, command),
        None if app.page == Page::Shells && app.shells.has_keys() => app.shells.type_key(key),
        None => Vec::new(),
    }
}

fn on_paste(app: &mut App, text: &str) -> Vec<Step> {
    if let Some(dialog) = app.dialogs.last_mut() {
        dialog.paste(text);
        return Vec::new();
    }
    match app.page {
        Page::Shells if app.shells.has_keys() => app.shells.paste(text),
        Page::Search => app.search.paste(text),
        Page::Logs(_) => {
            app.logs.paste(text);
            Vec::new()
        }
        Page::Files(_) => {
            app.files.paste(text);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn on_command(app: &mut App, command: Command) -> Vec<Step> {
    match command {
        Command::Quit => return vec![Step::Do(Effect::Quit)],
        Command::Suspend => return vec![Step::Do(Effect::Suspend)],
        Command::Redraw => return vec![Step::Do(Effect::Redraw)],
        Command::Help => return vec![Step::Open(Box::new(Dialog::Help(Help::new(app.scopes()))))],
        Command::Palette => return vec![Step::Open(Box::new(Dialog::Palette(Palette::new(app.scopes()))))],
        Command::NextTheme => return vec![Step::Do(Effect::LoadTheme { after: app.theme.name().to_owned() })],
        Command::ShowContainers => return vec![Step::Show(Page::Containers)],
        Command::ShowImages => return vec![Step::Show(Page::Images)],
        Command::ShowSearch => return vec![Step::Show(Page::Search)],
        Command::ShowShells => return vec![Step::Show(Page::Shells)],
        Command::ShowVolumes => return vec![Step::Show(Page::Volumes)],
        Command::ShowUsage => return vec![Step::Show(Page::Usage)],
        Command::ShowTransfers => return vec![Step::Show(Page::Transfers)],
        Command::ShowNetworks => return vec![Step::Show(Page::Networks)],
        Command::CancelPull => return app.transfers.cancel_newest(),
        Command::NextTab | Command::PreviousTab => return vec![Step::Show(tab_beside(app, command))],
        Command::NextView | Command::PreviousView => return next_view(app, command),
        Command::ViewLogs | Command::ViewCharts | Command::ViewTraffic | Command::ViewInspect | Command::ViewDiff => {
            return this_view(app, command);
        }
        Command::NextContainer | Command::PreviousContainer => return next_container(app, command),
        Command::Back if app.toasts.dismiss() => return Vec::new(),
        _ => {}
    }
    let world = World { data: &app.data, keymap: &app.keymap };
    let height = app.seen.text_height;
    match app.page {
        Page::Containers => {
            app.containers.list.set_height(app.seen.list_height);
            let steps = app.containers.command(command, world);
            let wish = told::sessions_wish(app);
            steps.into_iter().chain(wish).collect()
        }
        Page::Images => {
            app.images.list.set_height(app.seen.list_height);
            let mut steps = app.images.command(command, world);
            steps.extend(told::image_wish(app));
            steps
        }
        Page::Networks => {
            app.networks.list.set_height(app.seen.list_height);
            app.networks.command(command, world)
        }
        Page::Layers(_) => app.layers.command(command, app.seen.list_height),
        Page::Diff(_) => app.diff.command(command, app.seen.list_height),
        Page::Volumes => {
            app.volumes.list.set_height(app.seen.list_height);
            app.volumes.command(command, world)
        }
        Page::Files(_) if app.files.is_viewing() => app.files.command(command, height, app.size.columns),
        Page::Files(_) => app.files.command(command, app.seen.list_height, app.size.columns),
        Page::Usage => app.usage.command(command, app.seen.list_height),
        Page::Search => app.search.command(command, app.seen.list_height, &app.data),
        Page::Logs(_) => app.logs.command(command, height),
        Page::Inspect(_) | Page::InspectImage(_) | Page::InspectNetwork(_) => app.inspect.command(command, height),
        Page::Charts(_) if command == Command::Back => vec![Step::Back],
        Page::Charts(_) => app.charts.command(command),
        Page::Traffic(_) if command == Command::Back => vec![Step::Back],
        Page::Traffic(_) => app.traffic.command(command),
        Page::Transfers => app.transfers.command(command, height),
        Page::Shells if command == Command::Back => vec![Step::Back],
        Page::Shells => app.shells.command(command),
    }
}

fn tab_beside(app: &App, command: Command) -> Page {
    let page = tab_of(&app.page);
    let at = TABS.iter().position(|tab| tab.page == page).unwrap_or(0);
    let step = if command == Command::NextTab { 1 } else { TABS.len() - 1 };
    TABS[(at + step) % TABS.len()].page.clone()
}

/// The same container's next view; it takes the place of this one, so that Back leads to the list.
fn next_view(app: &mut App, command: Command) -> Vec<Step> {
    let views: [fn(Id) -> Page; 5] = [Page::Logs, Page::Charts, Page::Traffic, Page::Inspect, Page::Diff];
    let (at, id) = match &app.page {
        Page::Logs(id) => (0, id.clone()),
        Page::Charts(id) => (1, id.clone()),
        Page::Traffic(id) => (2, id.clone()),
        Page::Inspect(id) => (3, id.clone()),
        Page::Diff(id) => (4, id.clone()),
        _ => return Vec::new(),
    };
    let step = if command == Command::NextView { 1 } else { views.len() - 1 };
    replace(app, views[(at + step) % views.len()](id))
}

/// Another view of the same container, by its own key.
fn this_view(app: &mut App, command: Command) -> Vec<Step> {
    let (Page::Logs(id) | Page::Charts(id) | Page::Traffic(id) | Page::Inspect(id) | Page::Diff(id)) = &app.page else {
        return Vec::new();
    };
    let id = id.clone();
    let page = match command {
        Command::ViewLogs => Page::Logs(id),
        Command::ViewCharts => Page::Charts(id),
        Command::ViewTraffic => Page::Traffic(id),
        Command::ViewDiff => Page::Diff(id),
        _ => Page::Inspect(id),
    };
    if page == app.page { Vec::new() } else { replace(app, page) }
}

fn next_container(app: &mut App, command: Command) -> Vec<Step> {
    let (view, id): (fn(Id) -> Page, Id) = match &app.page {
        Page::Logs(id) => (Page::Logs, id.clone()),
        Page::Charts(id) => (Page::Charts, id.clone()),
        Page::Traffic(id) => (Page::Traffic, id.clone()),
        Page::Inspect(id) => (Page::Inspect, id.clone()),
        Page::Diff(id) => (Page::Diff, id.clone()),
        _ => return Vec::new(),
    };
    let keys = app.containers.keys(&app.data);
    let Some(at) = keys.iter().position(|key| *key == id) else { return Vec::new() };
    let step = if command == Command::NextContainer { 1 } else { keys.len() - 1 };
    let next = keys[(at + step) % keys.len()].clone();
    app.containers.list.select(next.clone());
    replace(app, view(next))
}

/// Shows a page in the place of the one in front, which is forgotten.
fn replace(app: &mut App, page: Page) -> Vec<Step> {
    let before = app.came_from.clone();
    let mut effects = Vec::new();
    if matches!(app.page, Page::Logs(_)) && !matches!(page, Page::Logs(_)) {
        effects.push(Effect::CloseLog);
    }
    show(app, page, &mut effects);
    app.came_from = before;
    effects.into_iter().map(Step::Do).collect()
}

fn on_mouse(app: &mut App, event: &MouseEvent) -> Vec<Step> {
    let hit = app.seen.at(event.column, event.row);
    let wheel = match event.kind {
        MouseEventKind::ScrollUp => -WHEEL_LINES,
        MouseEventKind::ScrollDown => WHEEL_LINES,
        _ => 0,
    };
    if let Some(dialog) = app.dialogs.last_mut() {
        app.dirty = true;
        if wheel != 0 {
            dialog.wheel(wheel);
            return Vec::new();
        }
        let is_click = matches!(event.kind, MouseEventKind::Down(MouseButton::Left));
        // A click beside the dialog hits the screen below: it closes.
        let inside = hit.map(|(_, target)| target).filter(|_| app.seen.in_dialog(event.column, event.row));
        let world = World { data: &app.data, keymap: &app.keymap };
        return if is_click { dialog.click(inside, world) } else { Vec::new() };
    }
    if let Some((area, Target::Pane(pane))) = hit {
        app.dirty |= !matches!(event.kind, MouseEventKind::Moved);
        return app.shells.mouse(pane, area, event);
    }
    if wheel != 0 {
        app.dirty = true;
        if let Some((_, Target::Details)) = hit {
            return on_details_wheel(app, wheel);
        }
        return on_wheel(app, wheel);
    }
    if !matches!(event.kind, MouseEventKind::Down(MouseButton::Left)) {
        return Vec::new();
    }
    app.dirty = true;
    match hit.map(|(_, target)| target) {
        None | Some(Target::Nothing) => Vec::new(),
        Some(Target::Command(command)) => on_command(app, command),
        Some(Target::Cancel(transfer)) => app.transfers.cancel(transfer),
        Some(Target::ShellTab(index)) => {
            app.shells.show_tab(index);
            Vec::new()
        }
        Some(target) => match app.page {
            Page::Containers => {
                let steps = app.containers.click(target, &app.data);
                steps.into_iter().chain(told::sessions_wish(app)).collect()
            }
            Page::Images => {
                let mut steps = app.images.click(target, &app.data);
                steps.extend(told::image_wish(app));
                steps
            }
            Page::Networks => app.networks.click(target, &app.data),
            Page::Diff(_) => app.diff.click(target),
            Page::Files(_) => app.files.click(target),
            Page::Volumes => app.volumes.click(target, &app.data),
            Page::Usage => app.usage.click(target),
            Page::Layers(_) => app.layers.click(target),
            Page::Search => app.search.click(target),
            Page::Transfers => app.transfers.click(target),
            _ => Vec::new(),
        },
    }
}

/// The wheel over the details of what is selected: they are scrolled, and the selection stays.
fn on_details_wheel(app: &mut App, lines: isize) -> Vec<Step> {
    let (up, down) = match app.page {
        Page::Networks => (Command::NetworkDetailsUp, Command::NetworkDetailsDown),
        _ => (Command::DetailsUp, Command::DetailsDown),
    };
    let command = if lines < 0 { up } else { down };
    (0..lines.unsigned_abs()).flat_map(|_| on_command(app, command)).collect()
}

fn on_wheel(app: &mut App, lines: isize) -> Vec<Step> {
    let command = if lines < 0 { Command::Up } else { Command::Down };
    match app.page {
        Page::Logs(_) => app.logs.wheel(lines, app.seen.text_height),
        Page::Inspect(_) | Page::InspectImage(_) | Page::InspectNetwork(_) => {
            app.inspect.scroll(lines, app.seen.text_height)
        }
        Page::Containers | Page::Images | Page::Networks | Page::Search | Page::Volumes => {
            return on_command(app, command);
        }
        Page::Transfers => app.transfers.wheel(lines, app.seen.text_height),
        Page::Diff(_) => app.diff.wheel(lines),
        Page::Files(_) => app.files.wheel(lines, app.seen.text_height, app.size.columns),
        Page::Usage => app.usage.wheel(lines),
        Page::Layers(_) => return app.layers.wheel(lines, app.seen.list_height),
        Page::Traffic(_) => app.traffic.wheel(lines),
        Page::Charts(_) | Page::Shells => {}
    }
    Vec::new()
}

/// What the engine told, as an action.
impl From<Told> for Action {
    fn from(told: Told) -> Self {
        Self::Told(Box::new(told))
    }
}

#[cfg(test)]
mod tests;
