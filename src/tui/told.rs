//! What the engine tells, put where it belongs.

mod network;

use super::action::{PaneEnd, Pulse, Told};
use super::app::App;
use super::effect::Effect;
use super::network_deed::NetworkDeed;
use super::step::{Page, Step};
use super::toast::Toast;
use super::volume_deed::{VolumeDeed, VolumeTold};
use crate::model::Pruned;

/// Once a second: figures and ages move on, messages go.
pub fn pulse(app: &mut App, pulse: Pulse) -> Vec<Step> {
    app.data.now = Some(pulse.now);
    app.data.add_usage(pulse.usage);
    if let Some((machine, seconds)) = pulse.machine {
        app.data.set_machine(machine, seconds);
    }
    app.transfers.look(pulse.now);
    app.toasts.tick(pulse.now);
    app.containers.settle(&app.data);
    // The frame is compared with the one before, so a second that changes no letter writes nothing.
    app.dirty = true;
    sessions_wish(app).into_iter().collect()
}

/// The selected image's details, when they are shown and not known yet.
pub fn image_wish(app: &mut App) -> Vec<Step> {
    if app.page != Page::Images {
        return Vec::new();
    }
    app.images.wish(&app.data)
}

/// The selected container's sessions, when they are shown and not known yet.
pub fn sessions_wish(app: &App) -> Option<Step> {
    let container = app.containers.selected(&app.data)?;
    if app.data.sessions.contains_key(&container.id) { None } else { sessions_of_selected(app) }
}

fn sessions_of_selected(app: &App) -> Option<Step> {
    let container = app.containers.selected(&app.data).filter(|_| app.page == Page::Containers)?;
    container.state.is_running().then(|| Step::Do(Effect::ListSessions(container.id.clone())))
}

pub fn told(app: &mut App, told: Told) -> Vec<Step> {
    app.dirty |= is_seen(app, &told);
    match told {
        Told::Containers(containers) => {
            app.data.set_containers(containers);
            app.containers.list.keep_marks(|id| app.data.container(id).is_some());
            app.containers.settle(&app.data);
            return sessions_of_selected(app).into_iter().collect();
        }
        Told::Images(images) => {
            app.data.images = Some(images);
            app.images.list.keep_marks(|label| app.data.image(label).is_some());
            app.images.settle(&app.data);
            let mut steps = image_wish(app);
            if app.page == Page::Images {
                steps.push(Step::Do(Effect::ListStacks));
            }
            return steps;
        }
        Told::Stacks(stacks) => {
            app.images.details.set_stacks(stacks);
            return image_wish(app);
        }
        Told::DiskUsage(result) => app.usage.told(result),
        Told::Diffed { id, result } => app.diff.told(&id, result),
        Told::Volume(told) => return volume_told(app, told),
        Told::Files { visit, page } => app.files.listed(visit, *page),
        Told::FilesEnd { visit, result } => return app.files.list_ended(visit, result),
        Told::FileRead { visit, result } => return app.files.read(visit, result.map(|part| *part)),
        Told::Sessions(id, sessions) => {
            let name = app.data.container(&id).map_or_else(String::new, |container| container.name.to_string());
            let steps = app.shells.sessions(&id, &name, &sessions);
            app.data.sessions.insert(id, sessions);
            return steps.unwrap_or_default();
        }
        Told::Changed(changes) => {
            let mut steps = Vec::new();
            if changes.containers {
                steps.push(Step::Do(Effect::ListContainers));
                if app.page == Page::Usage {
                    steps.push(Step::Do(Effect::DiskUsage));
                }
                if let Page::Inspect(id) = &app.page {
                    steps.push(Step::Do(Effect::Inspect(id.clone())));
                }
            }
            if changes.networks || changes.containers {
                steps.push(Step::Do(Effect::Network(NetworkDeed::List)));
            }
            if changes.images {
                steps.push(Step::Do(Effect::ListImages));
            }
            if changes.volumes || changes.containers && app.page == Page::Volumes {
                steps.push(Step::Do(Effect::Volume(VolumeDeed::List)));
            }
            if changes.volumes && app.page == Page::Volumes {
                steps.push(Step::Do(Effect::Volume(VolumeDeed::Measure)));
            }
            return steps;
        }
        Told::VerbDone { id, result } => {
            app.data.busy.remove(&id);
            let toast = result.map_or_else(Toast::from, Toast::good);
            return vec![Step::Toast(toast), Step::Do(Effect::ListContainers)];
        }
        Told::VerbPart(id) => {
            app.data.busy.remove(&id);
            return vec![Step::Do(Effect::ListContainers)];
        }
        Told::VerbsDone { done, results } => return vec![Step::Toast(of_several(done, results))],
        Told::WouldFree { images, result } => {
            for dialog in &mut app.dialogs {
                if let super::dialogs::Dialog::Confirm(confirm) = dialog {
                    confirm.would_free(&images, &result);
                }
            }
        }
        Told::WouldPrune { wish, result } => {
            if let Some(super::dialogs::Dialog::Form(form)) = app.dialogs.last_mut() {
                return super::dialogs::prune::told(form, &wish, &result);
            }
        }
        Told::Pruned(result) => {
            let mut steps = form_done(app, result.map(freed));
            steps.extend([Effect::ListImages, Effect::ListContainers].map(Step::Do));
            return steps;
        }
        Told::FilesLookedAt { wish, result } => {
            if let Some(super::dialogs::Dialog::Form(form)) = app.dialogs.last_mut() {
                return form.looked(&wish, &result);
            }
        }
        Told::PathCompleted { typed, path, names } => {
            if let Some(super::dialogs::Dialog::Form(form)) = app.dialogs.last_mut() {
                form.completed(&typed, &path, names);
            }
        }
        Told::ImagesDone(result) => {
            let toast = result.map_or_else(Toast::from, Toast::good);
            return vec![Step::Toast(toast), Step::Do(Effect::ListImages)];
        }
        Told::FormFilled { image, name, command, network } => {
            for dialog in &mut app.dialogs {
                if let super::dialogs::Dialog::Run(form) = dialog {
                    form.fill(&image, &name, &command);
                    form.know_networks(app.data.network_names(), &network);
                }
            }
        }
        Told::Ran { pane, result } => return ran(app, pane, result),
        Told::Inspected { id, result } => app.inspect.told_container(&Page::Inspect(id), result),
        Told::Security { id, result } => {
            for dialog in &mut app.dialogs {
                if let super::dialogs::Dialog::Security(panel) = dialog {
                    panel.told(&id, result.clone());
                }
            }
        }
        Told::ImageInspected { image, result } => {
            let mut steps = app.layers.told_image(&image, &result);
            app.images.details.told(&image, &result);
            steps.extend(image_wish(app));
            app.inspect.told_image(&Page::InspectImage(image), result);
            return steps;
        }
        Told::LayerLoaded { image, layer, result } => return app.layers.loaded(&image, layer, result),
        Told::Log { view, entries } => app.logs.told(view, entries),
        Told::LogEnd { view, result } => app.logs.ended(view, result),
        Told::Found { search, events } => app.search.found(search, events),
        Told::SearchEnd { search, result } => app.search.ended(search, result),
        Told::Details { request, events } => return app.search.told_details(request, events),
        Told::DetailsEnd { request, result } => app.search.ended_details(request, result),
        Told::Transfer { id, progress } => app.transfers.told(id, progress),
        Told::TransferEnd { id, result, took_ms } => {
            let pulled = app.transfers.pulling(id).map(|wish| wish.reference.clone());
            let is_here = result.is_ok();
            let volumes = app.transfers.is_about_volumes(id);
            let filled = app.transfers.filling(id).filter(|_| is_here).cloned();
            let mut steps = app.transfers.ended(id, result, took_ms);
            if let Some(place) = filled.filter(|place| app.page == Page::Files(place.clone())) {
                steps.extend(app.files.changed(&place));
            }
            let more = pulled.map(|reference| app.search.pulled(&reference, is_here)).unwrap_or_default();
            if volumes {
                steps.extend([VolumeDeed::List, VolumeDeed::Measure].map(|deed| Step::Do(Effect::Volume(deed))));
            }
            // Nobody who does something else meanwhile is interrupted by a form.
            if matches!(app.page, Page::Search | Page::Transfers) && app.dialogs.is_empty() {
                steps.extend(more);
            }
            return steps;
        }
        Told::PaneLive { pane, id, name, session } => app.shells.live(pane, &id, name.as_str(), session),
        Told::PaneOutput(pane) => app.shells.output(pane),
        Told::PaneEnded { pane, end } => {
            app.shells.ended(pane, end);
            // Its writer waits for nothing any more.
            return vec![Step::Do(Effect::PaneClose { pane })];
        }
        Told::ThemeLoaded(theme) => {
            app.theme = *theme;
            app.tell_colors();
            return vec![Step::Toast(Toast::good(format!("theme {}", app.theme.name())))];
        }
        Told::Network(told) => return network::told(app, told),
        Told::Problem(problem) => {
            app.shells.forget_pending();
            return vec![Step::Toast(problem.into())];
        }
    }
    Vec::new()
}

fn volume_told(app: &mut App, told: VolumeTold) -> Vec<Step> {
    let again = || Step::Do(Effect::Volume(VolumeDeed::List));
    match told {
        VolumeTold::Volumes(Ok(volumes)) => {
            volumes_listed(app, volumes);
            Vec::new()
        }
        // It is in the list before the form is gone: the next key is about it.
        VolumeTold::Created { name, text, volumes } => {
            app.volumes.list.clear_marks();
            app.volumes.list.select(name);
            volumes.into_iter().for_each(|volumes| volumes_listed(app, volumes));
            form_done(app, Ok(text)).into_iter().chain([again()]).collect()
        }
        VolumeTold::Volumes(Err(problem)) => vec![Step::Toast(problem.into())],
        VolumeTold::Done(result) => {
            app.volumes.list.clear_marks();
            form_done(app, result).into_iter().chain([again()]).collect()
        }
        VolumeTold::Refitted(result) => network::done(app, result).into_iter().chain([again()]).collect(),
        VolumeTold::WouldPrune { wish, result } => match app.dialogs.last_mut() {
            Some(super::dialogs::Dialog::Form(form)) => super::dialogs::volumes::told(form, wish, &result),
            _ => Vec::new(),
        },
        VolumeTold::Pruned(result) => form_done(app, result.map(freed)).into_iter().chain([again()]).collect(),
    }
}

fn volumes_listed(app: &mut App, volumes: Vec<crate::model::VolumeSummary>) {
    app.data.set_volumes(volumes);
    app.volumes.list.keep_marks(|name| app.data.volume(name).is_some());
    app.volumes.settle(&app.data);
}

/// What a prune has removed.
fn freed(pruned: Pruned) -> String {
    let freed = super::figures::bytes_long(pruned.freed_bytes);
    format!("removed {}: {freed} freed", super::dialogs::prune::parts(&pruned))
}

/// The form that waits for it closes, or stays with the reason; without one a message tells it.
fn form_done(app: &mut App, result: Result<String, super::action::Problem>) -> Vec<Step> {
    let waiting = app.dialogs.last_mut().and_then(|dialog| match dialog {
        super::dialogs::Dialog::Form(form) if form.is_sent() => Some(form),
        _ => None,
    });
    match (result, waiting) {
        (Ok(text), Some(_)) => vec![Step::CloseDialog, Step::Toast(Toast::good(text))],
        (Ok(text), None) => vec![Step::Toast(Toast::good(text))],
        (Err(problem), Some(form)) => {
            form.refused(&problem);
            Vec::new()
        }
        (Err(problem), None) => vec![Step::Toast(problem.into())],
    }
}

/// What came of a verb on several containers, in one message.
fn of_several(done: &str, results: Vec<(crate::model::Name, Result<(), super::action::Problem>)>) -> Toast {
    let all = results.len();
    let mut failed = results.into_iter().filter_map(|(name, result)| Some((name, result.err()?)));
    match failed.next() {
        None => Toast::good(format!("{all} containers {done}")),
        Some((name, problem)) => {
            let others = failed.count();
            let more = if others > 0 { format!(" (and {others} more)") } else { String::new() };
            let text = format!("{} of {all} {done}; {name}: {}{more}", all - others - 1, problem.message);
            Toast::bad(text, problem.hint)
        }
    }
}

fn ran(
    app: &mut App,
    pane: Option<super::shell::PaneId>,
    result: Result<Box<crate::model::ContainerSummary>, super::action::Problem>,
) -> Vec<Step> {
    match (result, pane) {
        (Ok(container), pane) => {
            app.containers.list.select(container.id.clone());
            let mut steps = vec![Step::Do(Effect::ListContainers)];
            if pane.is_none() {
                steps.push(Step::Toast(Toast::good(format!("{} is running", container.name))));
            }
            steps
        }
        (Err(problem), Some(pane)) => {
            app.shells.ended(pane, PaneEnd::Failed(problem));
            vec![Step::Do(Effect::ListContainers)]
        }
        (Err(problem), None) => vec![Step::Toast(problem.into()), Step::Do(Effect::ListContainers)],
    }
}

/// Whether what was told can be seen now. What is shown elsewhere waits for its screen.
fn is_seen(app: &App, told: &Told) -> bool {
    match told {
        Told::Log { .. } | Told::LogEnd { .. } => matches!(app.page, Page::Logs(_)),
        Told::PaneOutput(_) => app.page == Page::Shells,
        Told::Found { .. } | Told::SearchEnd { .. } | Told::Details { .. } | Told::DetailsEnd { .. } => {
            app.page == Page::Search
        }
        Told::Transfer { .. } => {
            matches!(app.page, Page::Search | Page::Images | Page::Transfers | Page::Volumes | Page::Files(_))
        }
        Told::Changed(_) => false,
        _ => true,
    }
}
