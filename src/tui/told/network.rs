//! What came of deeds about networks, put where it belongs.

use crate::engine::NetworkInspect;
use crate::tui::app::App;
use crate::tui::dialogs::{Dialog, network_forms};
use crate::tui::effect::Effect;
use crate::tui::network_deed::{NetworkDeed, NetworkTold};
use crate::tui::step::{Page, Step};

pub fn told(app: &mut App, told: NetworkTold) -> Vec<Step> {
    match told {
        NetworkTold::Networks(Ok(networks)) => listed(app, networks),
        NetworkTold::Networks(Err(problem)) => {
            // What was listed before may be old, and is better than nothing; the reason is told once.
            let is_new = app.data.networks_problem.as_ref() != Some(&problem);
            app.data.networks_problem = Some(problem.clone());
            if is_new && app.page == Page::Networks {
                return vec![Step::Toast(problem.into())];
            }
        }
        // It is in the list before the form is gone: the next key is about it.
        NetworkTold::Created { id, text, networks } => {
            app.networks.list.select(id);
            networks.into_iter().for_each(|networks| listed(app, networks));
            return done(app, Ok(text));
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

fn listed(app: &mut App, networks: Vec<NetworkInspect>) {
    app.data.networks = Some(networks);
    app.data.networks_problem = None;
    app.networks.list.keep_marks(|id| app.data.network(id).is_some());
    app.networks.settle(&app.data);
    if let Page::InspectNetwork(id) = &app.page {
        app.inspect.told_network(&app.page, app.data.network(id));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Size;
    use crate::tui::action::Told;
    use crate::tui::frames::{draw, press, tell, text, type_text};
    use crate::tui::sample;

    #[test]
    fn next_key_after_a_network_was_made_is_about_that_network() {
        let mut app = sample::app(Size { columns: 130, rows: 40 });
        let mut networks = sample::networks();
        let made = networks.pop().expect("a network");
        app.data.networks = Some(networks.clone());
        press(&mut app, "6 n");
        type_text(&mut app, made.network.name.as_str());
        press(&mut app, "enter");
        let (id, name) = (made.network.id.clone(), made.network.name.clone());
        networks.push(made);
        let created = NetworkTold::Created { id, text: format!("{name} is made"), networks: Some(networks) };
        tell(&mut app, Told::Network(created));
        press(&mut app, "c");
        let screen = text(&draw(&mut app));
        assert!(screen.contains(&format!("Connect a container to {name}")), "{screen}");
    }
}
