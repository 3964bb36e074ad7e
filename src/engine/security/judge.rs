//! Compares what the kernel says with the defaults, and names the flag that is the reason of a difference. Pure.

use super::facts::{Facts, writable};
use crate::model::{
    CapabilityBasis, ContainerRecord, Isolation, NamespaceMode, NetworkMode, SeccompChoice, SeccompMode,
    SecurityFinding, SecurityReport, SecurityVerdict, UserNamespaceMode,
};
use crate::runtime::CAPABILITY_NAMES;
use crate::runtime::defaults::{default_masked, default_read_only, is_default_capability};

use SecurityVerdict::{Default, Opened, Tightened, Weaker};

/// What the verdicts depend on beside the facts.
pub(super) struct Around<'a> {
    /// An ordinary user runs teu: his containers share the ids that are his.
    pub rootless: bool,
    /// Limits in force, in words.
    pub limits: Vec<String>,
    /// Whether every device may be opened; none where the kernel does not tell.
    pub all_devices: Option<bool>,
    /// Processes of the container that execute teu's own file.
    pub processes_of_teu: usize,
    /// Whether the kernel has a path at all.
    pub exists: &'a dyn Fn(&str) -> bool,
}

/// The whole report.
pub(super) fn report(record: &ContainerRecord, pid: i32, facts: Facts, around: &Around<'_>) -> SecurityReport {
    let view = View { record, isolation: &record.config.isolation, facts: &facts, around };
    let masked: Vec<String> = view.masks();
    let read_only: Vec<String> = view.read_only();
    let mut findings = view.namespaces();
    findings.push(view.ids());
    findings.extend(view.capabilities());
    findings.push(view.no_new_privileges());
    findings.push(view.seccomp());
    findings.push(view.label());
    findings.push(view.covered("masked paths", &masked, default_masked()));
    findings.push(view.covered("read-only paths", &read_only, default_read_only()));
    findings.push(view.root());
    findings.push(view.writable());
    findings.extend(view.devices());
    findings.push(view.limits());
    findings.push(view.listening());
    findings.push(view.binary());
    SecurityReport {
        id: record.id.clone(),
        name: record.name.clone(),
        pid,
        findings,
        masked,
        read_only,
        writable: writable(&facts.mounts),
        limits: around.limits.clone(),
        namespaces: facts.namespaces,
        uid_map: facts.uid_map,
        gid_map: facts.gid_map,
        capabilities: facts.status.capabilities,
        seccomp: facts.status.seccomp,
        seccomp_filters: facts.status.seccomp_filters,
        no_new_privileges: facts.status.no_new_privileges,
        modules: facts.modules,
        label: facts.label,
        listening: facts.listening,
    }
}

struct View<'a> {
    record: &'a ContainerRecord,
    isolation: &'a Isolation,
    facts: &'a Facts,
    around: &'a Around<'a>,
}

fn line(subject: &str, finding: impl Into<String>, verdict: SecurityVerdict) -> SecurityFinding {
    SecurityFinding { subject: subject.to_owned(), finding: finding.into(), verdict }
}

fn flag(text: &str) -> SecurityVerdict {
    Opened(text.to_owned())
}

fn weaker(text: &str) -> SecurityVerdict {
    Weaker(text.to_owned())
}

/// Words for a verdict on something that is open for no known reason.
const UNASKED: &str = "no flag asked for it";
const OLD: &str = "made before this was the default";

impl View<'_> {
    fn is_old(&self) -> bool {
        self.isolation.capability_basis == CapabilityBasis::Docker
    }

    /// The reason of something that `--privileged` opens, or a flag of its own.
    fn because(&self, own: Option<&str>) -> SecurityVerdict {
        match own {
            Some(own) => flag(own),
            None if self.isolation.privileged => flag("--privileged"),
            None => weaker(UNASKED),
        }
    }

    fn namespaces(&self) -> Vec<SecurityFinding> {
        let names = |kind: &str| match kind {
            "user" => "user namespace",
            "pid" => "processes",
            "mnt" => "mounts",
            "net" => "network",
            "ipc" => "shared memory",
            "uts" => "host name",
            "cgroup" => "cgroup view",
            _ => "clocks",
        };
        let judged = |seen: &crate::model::NamespaceSeen| {
            let whose = if seen.shared { "the machine's" } else { "its own" };
            let verdict = if seen.shared { self.sharing(&seen.kind) } else { Default };
            line(names(&seen.kind), format!("{whose} ({}:[{}])", seen.kind, seen.inode), verdict)
        };
        self.facts.namespaces.iter().map(judged).collect()
    }

    fn sharing(&self, kind: &str) -> SecurityVerdict {
        let isolation = self.isolation;
        let by = |mode: &NamespaceMode, text: &str| {
            if *mode == NamespaceMode::Host { flag(text) } else { weaker(UNASKED) }
        };
        match kind {
            "user" if isolation.user_namespace == UserNamespaceMode::Host && self.is_old() => weaker(OLD),
            "user" if isolation.privileged => flag("--privileged"),
            "user" if isolation.pid == NamespaceMode::Host => flag("--pid host"),
            "user" if isolation.user_namespace == UserNamespaceMode::Host => flag("--userns host"),
            "pid" => by(&isolation.pid, "--pid host"),
            "net" if self.record.config.network == NetworkMode::Host => flag("--network host"),
            "ipc" => by(&isolation.ipc, "--ipc host"),
            "uts" => by(&isolation.uts, "--uts host"),
            "cgroup" => by(&isolation.cgroup, "--cgroupns host"),
            "time" if self.is_old() => weaker(OLD),
            _ => weaker(UNASKED),
        }
    }

    fn ids(&self) -> SecurityFinding {
        let ranges: Vec<String> = self
            .facts
            .uid_map
            .iter()
            .map(|map| {
                let last = |first: u32| first.saturating_add(map.count.saturating_sub(1));
                match map.count {
                    1 => format!("{} is {}", map.inside, map.outside),
                    _ => format!("{}–{} are {}–{}", map.inside, last(map.inside), map.outside, last(map.outside)),
                }
            })
            .collect();
        let root = self.facts.uid_map.iter().find(|map| map.inside == 0).map(|map| map.outside);
        let verdict = match root {
            Some(0) => self.sharing("user"),
            _ => Default,
        };
        let whose = if self.around.rootless { " (yours)" } else { "" };
        line("ids", format!("{}{whose}", ranges.join(", ")), verdict)
    }

    fn capabilities(&self) -> Vec<SecurityFinding> {
        let sets = &self.facts.status.capabilities;
        let list = |names: &[String]| {
            let missing: Vec<&str> =
                CAPABILITY_NAMES.iter().copied().filter(|name| !names.iter().any(|own| own == name)).collect();
            match (names.len(), missing.len()) {
                (0, _) => "none".to_owned(),
                (count, 0) => format!("all {count}"),
                (_, few) if few < 6 => format!("all but {}", missing.join(" ")),
                _ => names.join(" "),
            }
        };
        let named = |names: &[String], name: &str| {
            names.iter().any(|own| own.strip_prefix("CAP_").unwrap_or(own) == name || own == "ALL")
        };
        let judged = |names: &[String]| {
            let extra: Vec<&String> =
                names.iter().filter(|name| !is_default_capability(CapabilityBasis::Tight, name)).collect();
            let config = &self.record.config;
            let Some(first) = extra.first() else { return self.fewer(names) };
            if self.isolation.privileged {
                return flag("--privileged");
            }
            let unasked = extra.iter().find(|name| !named(&config.cap_add, name));
            match unasked {
                None if config.cap_add.iter().any(|name| name == "ALL") => flag("--cap-add ALL"),
                None if extra.len() == 1 => Opened(format!("--cap-add {first}")),
                None => flag("--cap-add"),
                Some(_) if self.is_old() => weaker(OLD),
                Some(name) => Weaker(format!("{name}: {UNASKED}")),
            }
        };
        let outside = |names: &[String]| if names.is_empty() { Default } else { weaker(UNASKED) };
        vec![
            line("effective", list(&sets.effective), judged(&sets.effective)),
            line("permitted", list(&sets.permitted), judged(&sets.permitted)),
            line("bounding", list(&sets.bounding), judged(&sets.bounding)),
            line("inheritable", list(&sets.inheritable), outside(&sets.inheritable)),
            line("ambient", list(&sets.ambient), outside(&sets.ambient)),
        ]
    }

    /// A process that is not root has none, whatever was dropped.
    fn fewer(&self, names: &[String]) -> SecurityVerdict {
        let config = &self.record.config;
        let dropped = config.cap_drop.iter().any(|name| {
            let bare = name.strip_prefix("CAP_").unwrap_or(name);
            bare == "ALL" || is_default_capability(CapabilityBasis::Tight, bare)
        });
        match dropped {
            true => Tightened("--cap-drop".to_owned()),
            false if names.is_empty() && !config.user.is_empty() => Tightened("--user".to_owned()),
            false => Default,
        }
    }

    fn no_new_privileges(&self) -> SecurityFinding {
        let on = self.facts.status.no_new_privileges;
        let own = (!self.isolation.privileged).then_some("--security-opt no-new-privileges=false");
        let own = own.filter(|_| !self.record.config.no_new_privileges);
        line("no_new_privs", if on { "on" } else { "off" }, if on { Default } else { self.because(own) })
    }

    fn seccomp(&self) -> SecurityFinding {
        let status = &self.facts.status;
        let finding = match status.seccomp {
            SeccompMode::Disabled => "off: every system call reaches the kernel".to_owned(),
            SeccompMode::Strict => "strict".to_owned(),
            SeccompMode::Filter if status.seccomp_filters == 1 => "1 filter".to_owned(),
            SeccompMode::Filter => format!("{} filters", status.seccomp_filters),
        };
        let verdict = match (status.seccomp, &self.record.config.seccomp) {
            (SeccompMode::Disabled, SeccompChoice::Unconfined) => flag("--security-opt seccomp=unconfined"),
            (SeccompMode::Disabled, _) => self.because(None),
            (_, SeccompChoice::Profile(_)) => flag("--security-opt seccomp=FILE"),
            _ => Default,
        };
        line("seccomp", finding, verdict)
    }

    fn label(&self) -> SecurityFinding {
        let modules = &self.facts.modules;
        let known: Vec<&str> =
            ["apparmor", "selinux"].into_iter().filter(|name| modules.iter().any(|own| own == name)).collect();
        let label = self.facts.label.as_deref();
        let asked = self.isolation.apparmor.is_some() || self.isolation.selinux.is_some();
        match (known.is_empty(), label) {
            (_, Some(label)) if label != "unconfined" => {
                let verdict = if asked { Tightened("--security-opt".to_owned()) } else { Default };
                line("security module", label, verdict)
            }
            (true, _) => line("security module", "this kernel has neither AppArmor nor SELinux in use", Default),
            (false, _) => line("security module", format!("{}: unconfined", known.join(", ")), Default),
        }
    }

    /// Whatever lies over a path of the kernel's own file systems.
    fn masks(&self) -> Vec<String> {
        let is_kernels = |path: &str| path.starts_with("/proc/") || path.starts_with("/sys/");
        let own = |path: &str| self.isolation.masked.iter().any(|own| own == path);
        let masks = self.facts.mounts.iter().filter(|mount| mount.is_mask());
        let mut paths: Vec<String> =
            masks.map(|mount| mount.target.clone()).filter(|path| is_kernels(path) || own(path)).collect();
        paths.retain(|path| path != "/sys/fs/cgroup");
        paths.sort();
        paths.dedup();
        paths
    }

    fn read_only(&self) -> Vec<String> {
        let kernels = self.facts.mounts.iter().filter(|mount| mount.kind == "proc" || mount.kind == "sysfs");
        let mut paths: Vec<String> =
            kernels.filter(|mount| mount.has("ro")).map(|mount| mount.target.clone()).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Whether each default path that this kernel has is covered.
    fn covered(&self, subject: &str, found: &[String], expected: &[&str]) -> SecurityFinding {
        let there: Vec<&&str> = expected.iter().filter(|path| (self.around.exists)(path)).collect();
        // What is hidden cannot be written to either, and what is read-only above is below.
        let holds = |path: &str| found.iter().any(|own| own == path) || self.masks().iter().any(|own| own == path);
        let open: Vec<&str> = there.iter().map(|path| **path).filter(|path| !holds(path)).collect();
        let finding = match (open.is_empty(), found.is_empty()) {
            (_, true) => "none".to_owned(),
            (true, _) => found.join(" "),
            (false, _) => format!("{}; open: {}", found.join(" "), open.join(" ")),
        };
        let isolation = self.isolation;
        let verdict = if open.is_empty() {
            let more = isolation.masked.iter().any(|path| found.contains(path));
            if more { Tightened("--security-opt mask".to_owned()) } else { Default }
        } else if isolation.privileged {
            flag("--privileged")
        } else if isolation.system_paths_open {
            flag("--security-opt systempaths=unconfined")
        } else if open.iter().all(|path| isolation.unmasked.iter().any(|own| own == path)) {
            flag("--security-opt unmask")
        } else {
            Weaker(format!("{UNASKED}: {}", open.join(" ")))
        };
        line(subject, finding, verdict)
    }

    fn root(&self) -> SecurityFinding {
        let root = self.facts.mounts.iter().rfind(|mount| mount.target == "/");
        let Some(root) = root else { return line("root file system", "not seen", weaker("it has none")) };
        let verdict = if root.is_writable() { Default } else { Tightened("--read-only".to_owned()) };
        let access = if root.is_writable() { "writable" } else { "read-only" };
        line("root file system", format!("{access} {}", root.kind), verdict)
    }

    /// Places of the machine that the container can write to.
    fn writable(&self) -> SecurityFinding {
        let config = &self.record.config;
        let seen = writable(&self.facts.mounts);
        let is_bind = |target: &str| config.mounts.iter().any(|bind| bind.target.to_string_lossy() == target);
        let binds: Vec<String> = seen
            .iter()
            .filter(|mount| is_bind(&mount.target))
            .map(|mount| format!("{}{}", mount.target, if mount.idmapped { " (idmapped)" } else { "" }))
            .collect();
        let kernels = ["sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs"];
        let open: Vec<&str> = seen
            .iter()
            .filter(|mount| kernels.contains(&mount.kind.as_str()))
            .map(|mount| mount.target.as_str())
            .collect();
        if !open.is_empty() {
            let finding = open.iter().map(|path| (*path).to_owned()).chain(binds).collect::<Vec<_>>().join(" ");
            return line("machine's files", finding, self.because(None));
        }
        match binds.is_empty() {
            true => line("machine's files", "none is writable", Default),
            false => line("machine's files", binds.join(" "), flag("--volume")),
        }
    }

    fn devices(&self) -> Option<SecurityFinding> {
        let own = self.isolation.devices.iter().map(|device| device.target.to_string_lossy().into_owned());
        let own: Vec<String> = own.collect();
        Some(match (self.around.all_devices?, own.is_empty()) {
            (true, _) => line("devices", "every device may be opened", self.because(None)),
            (false, true) => line("devices", "null zero full random urandom tty console pts", Default),
            (false, false) => line("devices", format!("the standard ones and {}", own.join(" ")), flag("--device")),
        })
    }

    fn limits(&self) -> SecurityFinding {
        let limits = &self.around.limits;
        match limits.is_empty() {
            true => line("limits", "none", Default),
            false => line("limits", limits.join(", "), Tightened("flags for limits".to_owned())),
        }
    }

    fn listening(&self) -> SecurityFinding {
        let own = self.facts.namespaces.iter().any(|seen| seen.kind == "net" && !seen.shared);
        let ports: Vec<String> = self.facts.listening.iter().map(u16::to_string).collect();
        match (own, ports.is_empty()) {
            (false, _) => line("listening", "in the machine's network", self.sharing("net")),
            (true, true) => line("listening", "nothing", Default),
            (true, false) => line("listening", format!("tcp {} in its own network", ports.join(" ")), Default),
        }
    }

    /// teu's program inside is the small init alone, which no process of the container may look into.
    fn binary(&self) -> SecurityFinding {
        let init = usize::from(self.record.config.init);
        match self.around.processes_of_teu {
            0 => line("teu's program", "not in the container", Default),
            seen if seen <= init => line("teu's program", "the init alone, which nothing inside can open", Default),
            seen => line("teu's program", format!("{seen} processes"), weaker("only the init should be teu")),
        }
    }
}
