//! A container's place in networks, made in its monitor's process: the engine decides what, the monitor says when, the
//! network room does it.

mod change;
mod names;
mod pasta;
mod plan;
mod take;

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::volumes::Leaving;
use super::{EngineError, Inner, Result};
use crate::model::{Endpoint, ErrorKind, Event, EventAction, Id, PublishedPort};
use crate::monitor::{Lent, MakeWire, Wire, WireError, serve};
use crate::network::{HeldPort, Lease, Machine, NetworkError, Stay};
use crate::runtime::{Entrance, StartRequest};
pub(super) use change::Change;
use names::Names;
use pasta::WayOut;
use plan::Plan;

/// One folder for all stores of the machine: links and ports are the machine's.
const MACHINE: &str = "/run/teu/network";
/// How a running container is connected, in its run folder.
pub(super) const CONNECTED: &str = "network.json";

/// The hidden verb `monitor`.
pub fn monitor_verb() -> i32 {
    let wire: MakeWire = |plan| {
        let broken = |error: serde_json::Error| WireError { kind: ErrorKind::Corrupt, message: error.to_string() };
        Ok(Box::new(Wires::new(serde_json::from_value(plan).map_err(broken)?)?))
    };
    serve::main(Lent { wire, leave: Leaving::leave })
}

/// How a container is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    pub endpoints: Vec<Endpoint>,
    pub ports: Vec<PublishedPort>,
}

impl Inner {
    /// How a container is connected now; nothing if it does not run.
    pub(super) fn connected(&self, id: &Id) -> Result<Connected> {
        let path = self.life_folder(id).join(CONNECTED);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| EngineError::Damaged { path, why: error.to_string() })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Connected::default()),
            Err(error) => Err(EngineError::io("read", &path)(error)),
        }
    }

    /// Takes back a container's names and what it published whose monitor was killed. Its links went with its network namespace.
    pub(super) fn withdraw_ports(&self, id: &Id) -> Result<()> {
        let folder = self.machine_folder();
        if !folder.exists() {
            return Ok(());
        }
        let machine = Machine::open(&folder)?;
        machine.listing().forget(id)?;
        // Only root's are there as rules.
        Ok(machine.publish(id, &[])?)
    }
}

/// The machine's networks as this process's network namespace has them.
pub(super) fn machine() -> Result<Machine> {
    if !rustix::process::geteuid().is_root() {
        return Err(EngineError::Invalid {
            what: "networks of teu's own need root for now; an ordinary user's containers have --network none or host"
                .to_owned(),
        });
    }
    Ok(Machine::open(Path::new(MACHINE))?)
}

/// What a container has of a network: its addresses, given back first, and that nobody removes it.
#[derive(Debug)]
struct Hold {
    _leases: Vec<Lease>,
    _stay: Option<Stay>,
}

/// A container's connections: while this lives, nobody else gets its addresses and ports.
#[derive(Debug)]
struct Wires {
    plan: Plan,
    machine: Machine,
    /// Addresses and ports are held.
    taken: bool,
    holds: Vec<Hold>,
    held: Vec<HeldPort>,
    endpoints: Vec<Endpoint>,
    names: Names,
    /// Of an ordinary user's container.
    way_out: Option<WayOut>,
}

impl Wires {
    fn new(plan: Plan) -> std::result::Result<Self, WireError> {
        let machine = Machine::open(&plan.machine).map_err(refused)?;
        let names = Names::new(&plan.names, &machine).map_err(refused)?;
        let way_out = WayOut::of_this_user();
        let (holds, held, endpoints) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { plan, machine, taken: false, holds, held, endpoints, names, way_out })
    }
}

impl Wire for Wires {
    fn prepare(&mut self, start: &mut StartRequest) -> std::result::Result<(), WireError> {
        self.take().map_err(refused)?;
        self.leave_ports_to_pasta();
        start.names = self.name_files(&start.names)?;
        Ok(())
    }

    fn connect(&mut self, pid: i32, entrance: Option<Entrance>) -> std::result::Result<(), WireError> {
        let joined = match &mut self.way_out {
            Some(way_out) => {
                way_out.open(pid, entrance)?;
                self.join_as_user()
            }
            None => self.join(pid),
        };
        joined.and_then(|()| self.open_names(pid)).map_err(refused)
    }

    fn change(&mut self, pid: i32, change: serde_json::Value) -> std::result::Result<serde_json::Value, WireError> {
        let unknown = |error: serde_json::Error| WireError {
            kind: ErrorKind::Other,
            message: format!(
                "the container was started by an older teu, whose monitor does not know this change ({error}): restart the container, then do it again"
            ),
        };
        let altered = self.alter(pid, serde_json::from_value(change).map_err(unknown)?);
        self.change_own_lines(pid);
        Ok(serde_json::to_value(altered.map_err(refused)?).expect("plain values"))
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        Some(self.names.resolver.watched())
    }

    fn serve(&mut self) {
        self.names.resolver.serve();
        self.replace_pasta();
    }

    fn deadline(&self) -> Option<Instant> {
        let replaced = self.way_out.as_ref().and_then(WayOut::replaced_at);
        self.names.resolver.deadline().into_iter().chain(replaced).min()
    }

    fn child_ended(&mut self) {
        self.way_out.iter_mut().for_each(WayOut::look_after_pasta);
    }

    fn events(&self, action: EventAction) -> Vec<Event> {
        let networks = self.plan.networks.iter();
        networks.map(|(network, _)| Event::of_network(action, network, Some(&self.plan.id))).collect()
    }

    fn disconnect(&mut self) {
        // A firewall that cannot be reached has no rule of ours either.
        let _ = self.machine.publish(&self.plan.id, &[]);
        self.close_names();
        self.way_out.iter_mut().for_each(WayOut::end);
        let _ = fs::remove_file(self.plan.run_folder.join(CONNECTED));
    }

    fn let_go(&mut self) {
        self.held.clear();
        self.holds.clear();
    }
}

fn refused(error: NetworkError) -> WireError {
    WireError { kind: error.kind(), message: error.to_string() }
}
