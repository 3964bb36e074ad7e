//! Scenes about networks, ports and traffic.

use super::{Scene, press, problem, tell, type_text};
use crate::model::ErrorKind;
use crate::tui::action::{Problem, Told};
use crate::tui::app::App;
use crate::tui::network_deed::NetworkTold;
use crate::tui::sample;

pub const SCENES: &[Scene] = &[
    ("networks", |app| {
        press(app, "6 end up");
    }),
    ("networks-marked-remove", |app| {
        press(app, "6 ctrl-a d");
    }),
    ("networks-filter", |app| {
        press(app, "6 /");
        type_text(app, "web");
    }),
    ("networks-only-default", |app| {
        tell(app, Told::Network(NetworkTold::Networks(Ok(sample::networks().drain(..1).collect()))));
        press(app, "6");
    }),
    ("networks-error", |app| {
        app.data.networks = None;
        press(app, "6");
        tell(app, Told::Network(NetworkTold::Networks(Err(problem()))));
    }),
    ("networks-in-use", |app| {
        press(app, "6 end d");
    }),
    ("network-inspect", |app| {
        press(app, "6 end up enter");
    }),
    ("network-create", |app| {
        press(app, "6 n");
        type_text(app, "lab");
        press(app, "down down");
        type_text(app, "10.92.0.0/2");
    }),
    ("network-create-macvlan", |app| {
        press(app, "6 n");
        type_text(app, "lab");
        press(app, "down right");
        let devices = ["enp3s0", "wlan0"].map(str::to_owned);
        tell(app, Told::Network(NetworkTold::Devices(devices.into())));
        press(app, "enter");
    }),
    ("network-create-refused", |app| {
        press(app, "6 n");
        type_text(app, "shop");
        press(app, "enter");
        refuse(app, "a network called shop exists already", None);
    }),
    ("network-connect", |app| {
        press(app, "6 end up c right down");
        type_text(app, "10.92.0.200");
    }),
    ("network-disconnect", |app| {
        press(app, "6 end up C");
    }),
    ("network-prune", |app| {
        press(app, "6 x");
        let names = ["office-network-of-the-third-floor", "lab"].map(|name| name.parse().expect("a name"));
        tell(app, Told::Network(NetworkTold::WouldPrune { label: None, result: Ok(names.into()) }));
    }),
    ("wires", |app| {
        press(app, "down N down");
    }),
    ("wires-stopped", |app| {
        let mut containers = sample::containers();
        containers[7].network = crate::model::NetworkMode::Networks;
        tell(app, Told::Containers(containers));
        press(app, "end N");
        let mut inspect = super::inspected();
        inspect.record.config.networks =
            vec![crate::model::EndpointWish { network: "shop".to_owned(), ..crate::model::EndpointWish::default() }];
        inspect.record.config.ports = crate::model::parse_ports("8080:80").expect("a port");
        let told = NetworkTold::Looked { id: sample::id(8), result: Ok(Box::new(inspect)) };
        tell(app, Told::Network(told));
    }),
    ("wires-disconnect", |app| {
        press(app, "down N d");
    }),
    ("publish", |app| {
        press(app, "down N p");
        type_text(app, "8080:80, 9000-9009:9000-9009/udp");
    }),
    ("publish-refused", |app| {
        press(app, "down N p");
        type_text(app, "8080:80");
        press(app, "enter");
        let message = "cannot publish 127.0.0.1:8080/tcp: nginx (123) has it: address in use (os error 98)";
        refuse(app, message, Some("choose another port, or none for a free one"));
    }),
    ("traffic", |app| {
        press(app, "down b");
    }),
    ("traffic-one", |app| {
        press(app, "b");
    }),
    ("traffic-none", |app| {
        let mut containers = sample::containers();
        containers[2].network = crate::model::NetworkMode::Host;
        tell(app, Told::Containers(containers));
        press(app, "down down b");
    }),
];

fn refuse(app: &mut App, message: &str, hint: Option<&str>) {
    let problem = Problem { message: message.to_owned(), hint: hint.map(str::to_owned), kind: ErrorKind::Conflict };
    tell(app, Told::Network(NetworkTold::Done(Err(problem))));
}
