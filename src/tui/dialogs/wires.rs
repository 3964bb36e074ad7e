//! A container's networks and ports: seen, and changed while it runs or not.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use super::{Confirm, Dialog, buttons, network_forms, window};
use crate::model::{
    ContainerConfig, ContainerInspect, ContainerSummary, Endpoint, EndpointWish, Id, Name, NetworkMode, PortWish,
    PublishedPort,
};
use crate::tui::action::Problem;
use crate::tui::canvas::{Canvas, Target};
use crate::tui::data::Data;
use crate::tui::effect::Effect;
use crate::tui::network_deed::NetworkDeed;
use crate::tui::ports;
use crate::tui::step::{Step, World};
use crate::tui::theme::Role;
use crate::tui::toast::{Toast, wrap};

const WIDTH: u16 = 76;
const HEIGHT: u16 = 17;
/// Cells of a network's name and of its link.
const NAME: u16 = 18;
const LINK: u16 = 7;

/// The panel.
#[derive(Clone, Debug)]
pub struct Wires {
    container: (Id, Name),
    /// What its record says; the list tells what it has now.
    config: Option<Result<Box<ContainerConfig>, Problem>>,
    selected: usize,
}

/// What can be selected.
enum Row {
    Network(String, Option<Endpoint>),
    Port(PortWish, Option<PublishedPort>),
}

impl Wires {
    /// The panel, and the question that fills it.
    pub fn open(container: &ContainerSummary) -> Vec<Step> {
        let panel = Self { container: (container.id.clone(), container.name.clone()), config: None, selected: 0 };
        vec![
            Step::Open(Box::new(Dialog::Wires(Box::new(panel)))),
            Step::Do(Effect::Network(NetworkDeed::Look(container.id.clone()))),
        ]
    }

    pub fn id(&self) -> &Id {
        &self.container.0
    }

    pub fn told(&mut self, id: &Id, result: Result<Box<ContainerInspect>, Problem>) {
        if *id == self.container.0 {
            self.config = Some(result.map(|inspect| Box::new(inspect.record.config)));
        }
    }

    fn mode(&self, data: &Data) -> Option<NetworkMode> {
        data.container(&self.container.0).map(|container| container.network.clone())
    }

    fn rows(&self, data: &Data) -> Vec<Row> {
        let Some(container) = data.container(&self.container.0) else { return Vec::new() };
        if container.state.is_running() {
            let networks =
                container.networks.iter().map(|it| Row::Network(it.network_name.to_string(), Some(it.clone())));
            let ports = container.ports.iter().map(|port| Row::Port(exactly(port), Some(port.clone())));
            return networks.chain(ports).collect();
        }
        let Some(Ok(config)) = &self.config else { return Vec::new() };
        let networks = config.networks.iter().map(|wish: &EndpointWish| Row::Network(wish.network.clone(), None));
        networks.chain(config.ports.iter().map(|wish| Row::Port(wish.clone(), None))).collect()
    }

    pub fn go(&mut self, rows: isize) {
        self.selected = self.selected.saturating_add_signed(rows);
    }

    pub fn key(&mut self, key: &KeyEvent, world: World) -> Vec<Step> {
        let last = self.rows(world.data).len().saturating_sub(1);
        self.selected = self.selected.min(last);
        match key.code {
            KeyCode::Esc | KeyCode::Char('q') => vec![Step::CloseDialog],
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => vec![Step::CloseDialog],
            KeyCode::Up | KeyCode::Char('k') => {
                self.go(-1);
                Vec::new()
            }
            KeyCode::Down | KeyCode::Char('j') => {
                self.selected = (self.selected + 1).min(last);
                Vec::new()
            }
            KeyCode::Char('c') => self.connect(world.data),
            KeyCode::Char('p' | 'a') => self.publish(),
            KeyCode::Char('d') | KeyCode::Delete => self.remove(world.data),
            _ => Vec::new(),
        }
    }

    pub fn click(&mut self, target: Target, world: World) -> Vec<Step> {
        match target {
            Target::Button(0) => vec![Step::CloseDialog],
            Target::Button(1) => self.connect(world.data),
            Target::Button(2) => self.publish(),
            Target::Button(3) => self.remove(world.data),
            Target::Field(row) => {
                self.selected = row;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn connect(&self, data: &Data) -> Vec<Step> {
        let has: Vec<String> = self
            .rows(data)
            .into_iter()
            .filter_map(|row| match row {
                Row::Network(name, _) => Some(name),
                Row::Port(..) => None,
            })
            .collect();
        let all = data.networks.iter().flatten().map(|it| it.network.name.clone());
        let choices: Vec<Name> = all.filter(|name| !has.iter().any(|had| had == name.as_str())).collect();
        if choices.is_empty() {
            let hint = Some("6 shows the networks, and n there makes one".to_owned());
            return vec![Step::Toast(Toast::bad(format!("{} is in every network", self.container.1), hint))];
        }
        open(network_forms::connect_network(self.container.clone(), choices))
    }

    fn publish(&self) -> Vec<Step> {
        open(network_forms::publish(self.container.clone()))
    }

    fn remove(&self, data: &Data) -> Vec<Step> {
        let name = &self.container.1;
        let ask = |confirm| vec![Step::Open(Box::new(Dialog::Confirm(confirm)))];
        match self.rows(data).into_iter().nth(self.selected) {
            None => Vec::new(),
            Some(Row::Network(network, _)) => {
                let Ok(network) = network.parse::<Name>() else { return Vec::new() };
                ask(Confirm::light(
                    format!("Disconnect {name} from {network}?"),
                    "Its connections through this network end at once; it is not in it after a restart either.",
                    "Disconnect",
                    Effect::Network(NetworkDeed::Disconnect { container: self.container.clone(), network }),
                ))
            }
            Some(Row::Port(wish, published)) => {
                let port = published.as_ref().map_or_else(|| ports::wish(&wish), ports::line);
                ask(Confirm::light(
                    "Withdraw this port?",
                    format!("{port}. Nobody reaches {name} by it any more; the container itself goes on."),
                    "Withdraw",
                    Effect::Network(NetworkDeed::Unpublish { container: self.container.clone(), remove: vec![wish] }),
                ))
            }
        }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data) {
        let rows = self.rows(data);
        let wanted = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(11).max(HEIGHT);
        let title = format!("Networks and ports of {}", self.container.1);
        let inner = window(canvas, area, (WIDTH, wanted), &title, Role::BorderFocused);
        let buttons_y = inner.bottom().saturating_sub(1);
        let list = Rect { y: inner.y + 1, height: inner.height.saturating_sub(6), ..inner };
        let selected = self.selected.min(rows.len().saturating_sub(1));
        let lines = self.lines(data, &rows);
        let at = lines.iter().position(|line| matches!(line, Line::Row(index) if *index == selected)).unwrap_or(0);
        let height = usize::from(list.height);
        let first = (at + 2).saturating_sub(height).min(lines.len().saturating_sub(height));
        for (line, y) in lines.iter().skip(first).zip(list.y..list.bottom()) {
            draw_line(canvas, Rect { y, height: 1, ..list }, line, &rows, selected);
        }
        canvas.scrollbar(Rect { width: list.width + 1, ..list }, first, height, lines.len());
        let (text, role) = self.sentence(data, rows.get(selected));
        let room = usize::from(inner.width.saturating_sub(3));
        for (line, y) in wrap(&text, room).iter().zip(list.bottom() + 1..buttons_y).take(2) {
            canvas.text(inner.x + 1, y, inner.width.saturating_sub(2), line, role);
        }
        let labels = match inner.width >= 66 {
            true => ["Close (esc)", "Connect (c)", "Publish (p)", "Remove (d)"],
            false => ["Close", "Connect c", "Publish p", "Remove d"],
        };
        buttons(canvas, Rect { y: buttons_y, height: 1, ..inner }, &labels, Some(0));
    }

    fn lines(&self, data: &Data, rows: &[Row]) -> Vec<Line> {
        let (networks, ports): (Vec<usize>, Vec<usize>) =
            (0..rows.len()).partition(|index| matches!(rows[*index], Row::Network(..)));
        let mut lines = vec![Line::Heading];
        if networks.is_empty() {
            lines.push(Line::Nothing(match self.mode(data) {
                None => "the container is gone",
                Some(NetworkMode::Host) => "it has this machine's own network: all ports are this machine's",
                Some(NetworkMode::Container(_)) => "it is in the network of another container",
                Some(NetworkMode::None) => "none: it has its loopback only",
                Some(NetworkMode::Networks) if self.config.is_none() => "looking …",
                Some(NetworkMode::Networks) => "none",
            }));
        }
        lines.extend(networks.into_iter().map(Line::Row));
        lines.extend([Line::Blank, Line::Ports]);
        if ports.is_empty() {
            lines.push(Line::Nothing("none"));
        }
        lines.extend(ports.into_iter().map(Line::Row));
        lines
    }

    /// What there is to say of the selected row.
    fn sentence(&self, data: &Data, row: Option<&Row>) -> (String, Role) {
        if let Some(Err(problem)) = &self.config {
            return (problem.message.clone(), Role::Error);
        }
        let runs = data.container(&self.container.0).is_some_and(|container| container.state.is_running());
        let text = match row {
            Some(Row::Network(_, Some(endpoint))) => {
                let also = match endpoint.aliases.as_slice() {
                    [] => String::new(),
                    aliases => format!(", also called {}", aliases.join(", ")),
                };
                let gateways: Vec<String> = endpoint.gateways.iter().map(ToString::to_string).collect();
                let way = if gateways.is_empty() { String::new() } else { format!(", gateway {}", gateways.join(" ")) };
                format!("hardware address {}{way}{also}", mac(endpoint.mac))
            }
            _ if runs => "what is changed here holds at once, and after a restart too".to_owned(),
            _ => "it does not run: what is changed here holds from its next start".to_owned(),
        };
        (text, Role::Dim)
    }
}

fn open(form: super::Form) -> Vec<Step> {
    vec![Step::Open(Box::new(Dialog::Form(Box::new(form))))]
}

/// The wish for nothing but this port.
fn exactly(port: &PublishedPort) -> PortWish {
    PortWish {
        protocol: port.protocol,
        host: Some(port.host),
        host_port: Some(port.host_port),
        container_port: port.container_port,
    }
}

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

enum Line {
    Heading,
    Ports,
    Nothing(&'static str),
    Row(usize),
    Blank,
}

fn draw_line(canvas: &mut Canvas, line: Rect, what: &Line, rows: &[Row], selected: usize) {
    let (x, y, end) = (line.x + 1, line.y, line.right().saturating_sub(1));
    match what {
        Line::Blank => {}
        Line::Heading => {
            canvas.text(x, y, NAME, "NETWORK", Role::Header);
            canvas.text(x + NAME, y, LINK, "LINK", Role::Header);
            canvas.text(x + NAME + LINK, y, 20, "ADDRESSES", Role::Header);
        }
        Line::Ports => {
            canvas.text(x, y, NAME, "PUBLISHED PORTS", Role::Header);
        }
        Line::Nothing(text) => {
            canvas.text(x, y, end.saturating_sub(x), text, Role::Dim);
        }
        Line::Row(index) => {
            canvas.hit(line, Target::Field(*index));
            if *index == selected {
                canvas.ground(line, Role::Selected);
                canvas.text(line.x, y, 1, "▌", Role::Accent);
            }
            match &rows[*index] {
                Row::Network(name, endpoint) => {
                    canvas.text(x, y, NAME - 1, name, Role::Text);
                    if let Some(endpoint) = endpoint {
                        canvas.text(x + NAME, y, LINK - 1, &endpoint.link, Role::Dim);
                        let addresses: Vec<String> = endpoint.addresses.iter().map(ToString::to_string).collect();
                        let at = x + NAME + LINK;
                        canvas.text(at, y, end.saturating_sub(at), &addresses.join("  "), Role::Text);
                    }
                }
                Row::Port(wish, published) => {
                    let text = published.as_ref().map_or_else(|| ports::wish(wish), ports::line);
                    canvas.text(x, y, end.saturating_sub(x), &text, Role::Text);
                }
            }
        }
    }
}
