//! systemd's driver: a scope (or slice) is asked for over D-Bus, and systemd makes, owns and removes the groups.
//!
//! Limits are told to systemd as properties, as it writes its own idea of them at every reload, and written to the
//! kernel's files as well, which know more.

mod bus;
mod message;
mod properties;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use bus::{Bus, Failure, socket_of};
use message::{Body, Call, Message, Properties, Value};
use oci_spec::runtime::LinuxResources;

use super::Unit;
use super::roots::is_privileged;
use crate::runtime::RuntimeError;

const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// Which version's properties the unit takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Legacy,
    Unified,
}

/// Has systemd make the unit with the process in it. The path below the hierarchies' roots where it then is.
pub(super) fn start(
    unit: &Unit,
    pid: i32,
    resources: Option<&LinuxResources>,
    version: Version,
) -> Result<String, RuntimeError> {
    start_on(&mut open(unit)?, unit, pid, resources, version)
}

fn start_on(
    bus: &mut Bus,
    unit: &Unit,
    pid: i32,
    resources: Option<&LinuxResources>,
    version: Version,
) -> Result<String, RuntimeError> {
    let failed = |failure| told(unit, "start", failure);
    // Its end is told by a signal only.
    bus.call(&manager("Subscribe", "", Body::default())).map_err(failed)?;
    let mut rule = Body::default();
    rule.text(&format!("type='signal',interface='{MANAGER}',member='JobRemoved'"));
    let add_match = Call {
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
        member: "AddMatch",
        signature: "s",
        body: rule,
    };
    // systemd's own socket sends its signals without being asked.
    let _ = bus.call(&add_match);
    let mut body = Body::default();
    body.text(&unit.name).text("replace").properties(&wanted(unit, pid, resources, version));
    body.array(8, |_| {});
    let mut signals = Vec::new();
    let answer = bus.call_hearing(&manager("StartTransientUnit", "ssa(sv)a(sa(sv))", body), &mut signals);
    let job = answer.map_err(failed)?.texts.into_iter().next().unwrap_or_default();
    let result = await_end(bus, &job, signals).map_err(|error| failed(Failure::Io(error)))?;
    if result != "done" {
        return Err(failed(Failure::Told("the job's result".to_owned(), result)));
    }
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    Ok(place_in(&text, &unit.name).unwrap_or_else(|| unit.path()))
}

/// Tells systemd of new limits.
pub(super) fn update(unit: &Unit, resources: &LinuxResources, version: Version) -> Result<(), RuntimeError> {
    if properties::of(resources, version).is_empty() {
        return Ok(());
    }
    update_on(&mut open(unit)?, unit, resources, version)
}

fn update_on(bus: &mut Bus, unit: &Unit, resources: &LinuxResources, version: Version) -> Result<(), RuntimeError> {
    let properties = properties::of(resources, version);
    let mut body = Body::default();
    body.text(&unit.name).bool(true).properties(&properties);
    let answer = bus.call(&manager("SetUnitProperties", "sba(sv)", body));
    answer.map(drop).map_err(|failure| told(unit, "update", failure))
}

/// Has systemd end the unit. One that is gone, with its last process, is no error.
pub(super) fn stop(unit: &Unit) -> Result<(), RuntimeError> {
    stop_on(&mut open(unit)?, unit)
}

fn stop_on(bus: &mut Bus, unit: &Unit) -> Result<(), RuntimeError> {
    for (member, mode) in [("StopUnit", Some("replace")), ("ResetFailedUnit", None)] {
        let mut body = Body::default();
        body.text(&unit.name);
        if let Some(mode) = mode {
            body.text(mode);
        }
        match bus.call(&manager(member, if mode.is_some() { "ss" } else { "s" }, body)) {
            Err(Failure::Told(name, _)) if name.ends_with(".NoSuchUnit") => {}
            Err(failure) => return Err(told(unit, "stop", failure)),
            Ok(_) => {}
        }
    }
    Ok(())
}

fn manager(member: &'static str, signature: &'static str, body: Body) -> Call<'static> {
    let (destination, path) = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1");
    Call { destination, path, interface: MANAGER, member, signature, body }
}

fn open(unit: &Unit) -> Result<Bus, RuntimeError> {
    let candidates = sockets(is_privileged(), |name| env::var(name).ok());
    let Some(socket) = candidates.iter().find(|path| path.exists()) else {
        let why = "no systemd answers on this machine: leave --systemd-cgroup out and give linux.cgroupsPath as a path";
        return Err(RuntimeError::InvalidRequest(format!("systemd unit {}: {why}", unit.name)));
    };
    Bus::open(socket).map_err(|failure| told(unit, &format!("connect to {}", socket.display()), failure))
}

/// Where systemd may be asked: the bus, and its own socket.
fn sockets(privileged: bool, variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let named = |name| variable(name).as_deref().and_then(socket_of);
    if privileged {
        let own = [PathBuf::from("/run/dbus/system_bus_socket"), PathBuf::from("/run/systemd/private")];
        return named("DBUS_SYSTEM_BUS_ADDRESS").map_or(own.to_vec(), |path| vec![path]);
    }
    let folder = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    let below = |file: &str| folder.as_ref().map(|folder| folder.join(file));
    named("DBUS_SESSION_BUS_ADDRESS").into_iter().chain(below("bus")).chain(below("systemd/private")).collect()
}

/// The result of a job: `done`, `failed`, `canceled` and so on.
fn await_end(bus: &mut Bus, job: &str, heard: Vec<Message>) -> std::io::Result<String> {
    let result = |message: &Message| match message.texts.as_slice() {
        [ended, _, result] if message.member == "JobRemoved" && ended == job => Some(result.clone()),
        _ => None,
    };
    if let Some(result) = heard.iter().find_map(result) {
        return Ok(result);
    }
    loop {
        if let Some(result) = result(&bus.next()?) {
            return Ok(result);
        }
    }
}

fn wanted(unit: &Unit, pid: i32, resources: Option<&LinuxResources>, version: Version) -> Properties {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut properties = vec![
        ("Description", text(&format!("teu container {}", unit.name))),
        ("DefaultDependencies", Value::Bool(false)),
        ("CPUAccounting", Value::Bool(true)),
        ("MemoryAccounting", Value::Bool(true)),
        ("TasksAccounting", Value::Bool(true)),
        ("PIDs", Value::Numbers(vec![pid.cast_unsigned()])),
    ];
    if unit.name.ends_with(".slice") {
        // A slice stands where its name says, and takes no processes by itself.
        properties.retain(|(name, _)| *name != "PIDs");
    } else {
        properties.push(("Slice", text(&unit.slice)));
        // Groups below are the container's business, and systemd keeps its hands off.
        properties.push(("Delegate", Value::Bool(true)));
    }
    properties.extend(resources.map(|resources| properties::of(resources, version)).unwrap_or_default());
    properties
}

/// The path of the group that carries the unit's name, from the text of /proc/PID/cgroup.
fn place_in(text: &str, name: &str) -> Option<String> {
    let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let mut named = paths.filter(|path| Path::new(path).file_name().is_some_and(|last| last == name));
    named.next().map(|path| path.trim_start_matches('/').to_owned())
}

fn told(unit: &Unit, verb: &str, failure: Failure) -> RuntimeError {
    match failure {
        Failure::Io(error) => RuntimeError::step(format!("systemd unit {}: {verb}", unit.name), error),
        Failure::Told(name, message) => {
            RuntimeError::InvalidRequest(format!("systemd unit {}: {verb}: {message} ({name})", unit.name))
        }
    }
}

#[cfg(test)]
mod tests;
