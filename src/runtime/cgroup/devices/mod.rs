//! Device rules: what of `linux.resources.devices` is in force after all entries, as v1's lists and as a v2 program.
//!
//! A set of rules is what the kernel keeps of a v1 list (security/device_cgroup.c): everything is allowed but
//! exceptions, or nothing is. Both versions get the same meaning from it.

mod attach;
mod program;

use std::fmt;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

pub(super) use attach::attach;

use super::plan::{Plan, refused};
use crate::runtime::RuntimeError;

/// What may be done with a device.
const MAKE: u8 = 1;
const READ: u8 = 2;
const WRITE: u8 = 4;

/// Block or character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Block,
    Character,
}

/// Devices and what may be done with them. `None` is any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Devices {
    kind: Kind,
    major: Option<u32>,
    minor: Option<u32>,
    access: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// All devices of both kinds: sets the default and forgets everything before.
    All,
    Some(Devices),
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    allow: bool,
    what: What,
}

/// Entries in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    rules: Vec<Rule>,
}

/// What is in force after all entries.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdicts {
    default_allow: bool,
    /// Allowed if nothing is by default, else denied.
    exceptions: Vec<Devices>,
}

/// Devices that every container has (config-linux.md, default devices), which a list that denies all must not take
/// away: null, zero, full, random, urandom, tty, console, ptmx and terminals; and any node may be made, not opened.
const ALWAYS: [(Option<u32>, Option<u32>, u8); 10] = [
    (None, None, MAKE),
    (Some(1), Some(3), MAKE | READ | WRITE),
    (Some(1), Some(5), MAKE | READ | WRITE),
    (Some(1), Some(7), MAKE | READ | WRITE),
    (Some(1), Some(8), MAKE | READ | WRITE),
    (Some(1), Some(9), MAKE | READ | WRITE),
    (Some(5), Some(0), MAKE | READ | WRITE),
    (Some(5), Some(1), MAKE | READ | WRITE),
    (Some(5), Some(2), MAKE | READ | WRITE),
    (Some(136), None, MAKE | READ | WRITE),
];

impl Rules {
    /// The entries of a specification.
    pub fn of(devices: &[LinuxDeviceCgroup]) -> Result<Self, RuntimeError> {
        let mut rules = Vec::with_capacity(devices.len() + ALWAYS.len());
        for (index, device) in devices.iter().enumerate() {
            let wrong = |part: &str, why: &str| refused(format!("devices[{index}].{part}"), why);
            let kinds: &[Kind] = match device.typ() {
                None | Some(LinuxDeviceType::A) => &[Kind::Block, Kind::Character],
                Some(LinuxDeviceType::B) => &[Kind::Block],
                Some(LinuxDeviceType::C | LinuxDeviceType::U) => &[Kind::Character],
                Some(_) => return Err(wrong("type", "pipes have no device rules: use a, b or c")),
            };
            let major = number(device.major()).map_err(|()| wrong("major", "is no device number"))?;
            let minor = number(device.minor()).map_err(|()| wrong("minor", "is no device number"))?;
            let access = access(device.access().as_deref())
                .ok_or_else(|| wrong("access", "is made of the letters r, w and m"))?;
            let all = kinds.len() == 2 && major.is_none() && minor.is_none() && access == MAKE | READ | WRITE;
            if all {
                rules.push(Rule { allow: device.allow(), what: What::All });
                continue;
            }
            // v1 would take `a` with numbers for everything: written out it is what it says.
            rules.extend(kinds.iter().map(|kind| Rule {
                allow: device.allow(),
                what: What::Some(Devices { kind: *kind, major, minor, access }),
            }));
        }
        Ok(Self { rules })
    }

    /// With what every container has, unless nothing is denied anyway.
    pub fn with_defaults(mut self) -> Self {
        if self.rules.iter().all(|rule| rule.allow) {
            return self;
        }
        let always = ALWAYS.map(|(major, minor, access)| Devices { kind: Kind::Character, major, minor, access });
        let blocks = Devices { kind: Kind::Block, major: None, minor: None, access: MAKE };
        for devices in always.into_iter().chain([blocks]) {
            let rule = Rule { allow: true, what: What::Some(devices) };
            if !self.rules.contains(&rule) {
                self.rules.push(rule);
            }
        }
        self
    }

    /// The lines for v1's `devices.allow` and `devices.deny`, in order.
    pub fn lines(&self) -> Plan {
        let mut plan = Plan::default();
        for rule in &self.rules {
            let file = if rule.allow { "devices.allow" } else { "devices.deny" };
            plan.set("devices", file, rule.what);
        }
        plan
    }

    /// As the kernel keeps a v1 list: a new group allows everything.
    fn verdicts(&self) -> Verdicts {
        let mut verdicts = Verdicts { default_allow: true, exceptions: Vec::new() };
        for rule in &self.rules {
            match rule.what {
                What::All => verdicts = Verdicts { default_allow: rule.allow, exceptions: Vec::new() },
                What::Some(devices) if rule.allow == verdicts.default_allow => verdicts.forget(devices),
                What::Some(devices) => verdicts.except(devices),
            }
        }
        verdicts
    }
}

impl Verdicts {
    fn except(&mut self, devices: Devices) {
        match self.exceptions.iter_mut().find(|known| known.names_as(&devices)) {
            Some(known) => known.access |= devices.access,
            None => self.exceptions.push(devices),
        }
    }

    fn forget(&mut self, devices: Devices) {
        for known in self.exceptions.iter_mut().filter(|known| known.names_as(&devices)) {
            known.access &= !devices.access;
        }
        self.exceptions.retain(|known| known.access != 0);
    }
}

impl Devices {
    /// The same devices, whatever may be done with them.
    fn names_as(&self, other: &Self) -> bool {
        (self.kind, self.major, self.minor) == (other.kind, other.major, other.minor)
    }
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Some(devices) = self else { return out.write_str("a") };
        let number = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
        let kind = if devices.kind == Kind::Block { 'b' } else { 'c' };
        write!(out, "{kind} {}:{} ", number(devices.major), number(devices.minor))?;
        [(READ, "r"), (WRITE, "w"), (MAKE, "m")]
            .into_iter()
            .filter(|(bit, _)| devices.access & bit != 0)
            .try_for_each(|(_, letter)| out.write_str(letter))
    }
}

/// Missing and negative numbers are any.
fn number(number: Option<i64>) -> Result<Option<u32>, ()> {
    match number {
        Some(number) if number >= 0 => u32::try_from(number).map(Some).map_err(|_| ()),
        _ => Ok(None),
    }
}

/// Missing access is all of it.
fn access(text: Option<&str>) -> Option<u8> {
    let text = text.filter(|text| !text.is_empty()).unwrap_or("rwm");
    text.chars().try_fold(0, |access, letter| match letter {
        'r' => Some(access | READ),
        'w' => Some(access | WRITE),
        'm' => Some(access | MAKE),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
