//! What came of deeds about networks, put where it belongs.

use crate::tui::app::App;
use crate::tui::dialogs::{Dialog, network_forms};
use crate::tui::effect::Effect;
use crate::tui::network_deed::{NetworkDeed, NetworkTold};
use crate::tui::step::{Page, Step};

pub fn told(app: &mut App, told: NetworkTold) -> Vec<Step> {
    match told {
        NetworkTold::Networks(Ok(networks)) => {
            app.data.networks = Some(networks);
            app.data.networks_problem = None;
            app.networks.list.keep_marks(|id| app.data.network(id).is_some());
            app.networks.settle(&app.data);
            if let Page::InspectNetwork(id) = &app.page {
                app.inspect.told_network(&app.page, app.data.network(id));
            }
        }
        NetworkTold::Networks(Err(problem)) => {
            // What was listed before may be old, and is better than nothing; the reason is told once.
            let is_new = app.data.networks_problem.as_ref() != Some(&problem);
            app.data.networks_problem = Some(problem.clone());
            if is_new && app.page == Page::Networks {
                return vec![Step::Toast(problem.into())];
            }
        }
        NetworkTold::Done(result) => return done(app, result),
        NetworkTold::WouldPrune { label, result } => {
            if let Some(Dialog::Form(form)) = app.dialogs.last_mut() {
                return network_forms::told(form, &label, &result);
            }
        }
        NetworkTold::Devices(names) => {
            if let Some(Dialog::Form(form)) = app.dialogs.last_mut() {
                network_forms::devices(form, &names);
            }
        }
        NetworkTold::Looked { id, result } => {
            for dialog in &mut app.dialogs {
                if let Dialog::Wires(panel) = dialog {
                    panel.told(&id, result.clone());
                }
            }
        }
    }
    Vec::new()
}

/// What is known of networks and of who is in them is old.
pub(super) fn done(app: &mut App, result: Result<String, crate::tui::action::Problem>) -> Vec<Step> {
    let again = [Effect::Network(NetworkDeed::List), Effect::ListContainers];
    let look = app.dialogs.iter().find_map(|dialog| match dialog {
        Dialog::Wires(panel) => Some(Effect::Network(NetworkDeed::Look(panel.id().clone()))),
        _ => None,
    });
    let mut steps: Vec<Step> = again.into_iter().chain(look).map(Step::Do).collect();
    steps.extend(super::form_done(app, result));
    steps
}
