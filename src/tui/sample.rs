//! Containers, images and usage made by hand at a fixed time, for tests and pictures.

pub mod files;
mod images;
mod networks;
pub mod volumes;

pub use images::{changes, disk_usage, image_inspect, layer_contents, pruned, stacks};
pub use networks::networks;

use crate::model::{
    ContainerState, ContainerSummary, Digest, ExitReason, ExitStatus, Id, ImageSummary, Limits, Mount, NetworkMode,
    Platform, Pressure, Sample, SearchEvent, SearchHit, SeccompMode, SecurityFinding, SecurityReport, SecurityVerdict,
    SessionId, SessionSummary, Timestamp, Usage,
};

/// 2026-11-22 21:00:00 UTC.
pub fn now() -> Timestamp {
    Timestamp("2026-11-22T21:00:00Z".parse().expect("a time"))
}

/// Some seconds before [`now`].
pub fn before(seconds: i64) -> Timestamp {
    Timestamp(now().0 - jiff::SignedDuration::from_secs(seconds))
}

pub fn id(number: u8) -> Id {
    Id::from_bytes([number; 32])
}

pub fn digest(number: u8) -> Digest {
    Digest::from_sha256([number; 32])
}

pub fn container(number: u8, name: &str, image: &str, state: ContainerState) -> ContainerSummary {
    ContainerSummary {
        id: id(number),
        name: name.parse().expect("a name"),
        image: image.to_owned(),
        image_id: (image != "host").then(|| digest(number)),
        command: vec!["/bin/bash".to_owned()],
        created: before(7200 + i64::from(number)),
        state,
        tty: true,
        network: NetworkMode::None,
        ports: vec![],
        exposed: vec![],
        networks: vec![],
        limits: Limits::default(),
        restart: crate::model::RestartPolicy::No,
        labels: Default::default(),
        mounts: Vec::new(),
    }
}

pub fn running(seconds: i64) -> ContainerState {
    ContainerState::Running { pid: 4242, started: before(seconds) }
}

pub fn exited(code: u8, reason: ExitReason) -> ContainerState {
    let (finished, started) = (before(600), Some(before(1200)));
    ContainerState::Exited(ExitStatus { code, reason, finished, started, message: None, restarts: 0 })
}

pub fn restarting(code: u8, seconds: i64) -> ContainerState {
    match exited(code, ExitReason::Exit) {
        ContainerState::Exited(status) => {
            ContainerState::Restarting(ExitStatus { finished: before(seconds), restarts: 3, ..status })
        }
        other => other,
    }
}

/// Containers in every state.
pub fn containers() -> Vec<ContainerSummary> {
    let limits = Limits { memory_bytes: Some(512 << 20), cpu_milli: Some(1500), pids: Some(100), ..Limits::default() };
    let mount = Mount::bind("/srv/site", "/usr/share/www").read_only();
    let volume = |name: &str, target: &str| Mount::volume(Some(name.parse().expect("a name")), target);
    let mut all = vec![
        ContainerSummary {
            limits,
            mounts: vec![mount, volume("site", "/srv/site")],
            ..container(1, "brave_hopper", "host", running(4000))
        },
        ContainerSummary {
            mounts: vec![volume("site", "/usr/share/nginx/html").read_only()],
            ..container(2, "web", "nginx:1.27", running(90_000))
        },
        ContainerSummary {
            network: NetworkMode::Host,
            mounts: vec![
                volume("postgres-data", "/var/lib/postgresql/data"),
                volume(&"0f3a".repeat(16), "/docker-entrypoint-initdb.d"),
            ],
            ..container(3, "postgres-main", "postgres:17", running(45))
        },
        container(4, "paused_wright", "debian:12", ContainerState::Paused { pid: 77, started: before(300) }),
        container(5, "fresh_noether", "alpine:3.20", ContainerState::Created),
        ContainerSummary {
            mounts: vec![volume("site", "/out"), volume("cargo-registry", "/usr/local/cargo/registry")],
            ..container(6, "build", "rust:1.90", exited(0, ExitReason::Exit))
        },
        container(7, "tests", "rust:1.90", exited(101, ExitReason::Exit)),
        container(8, "hungry_turing", "localhost:5000/ml/train:v3", exited(137, ExitReason::OutOfMemory)),
    ];
    for (container, number) in all.iter_mut().zip(1..) {
        container.networks = networks::endpoints(number);
        container.ports = networks::published(number);
        if !container.networks.is_empty() {
            container.network = NetworkMode::Networks;
        }
    }
    all
}

/// What a search tells of registries that have answered.
pub fn found(hits: Vec<SearchHit>) -> Vec<SearchEvent> {
    let mut registries: Vec<String> = hits.iter().map(|hit| hit.registry.clone()).collect();
    registries.sort();
    registries.dedup();
    let ended = |registry: &String| SearchEvent::Ended { registry: registry.clone(), trouble: None };
    let ended: Vec<SearchEvent> = registries.iter().map(ended).collect();
    let found = hits.into_iter().map(SearchEvent::Found);
    std::iter::once(SearchEvent::Asked(registries)).chain(found).chain(ended).collect()
}

pub fn images() -> Vec<ImageSummary> {
    let platform = Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None };
    let image = |number: u8, reference: &str, size: u64, layers: usize| ImageSummary {
        reference: Some(reference.parse().expect("a reference")),
        id: Some(digest(number)),
        manifest: Some(digest(number + 100)),
        created: Some(before(86_400 * i64::from(number))),
        size_bytes: Some(size),
        platform: platform.clone(),
        layers,
        is_host: false,
    };
    vec![
        ImageSummary {
            reference: None,
            id: None,
            manifest: None,
            created: None,
            size_bytes: None,
            platform: platform.clone(),
            layers: 0,
            is_host: true,
        },
        image(2, "nginx:1.27", 188 << 20, 7),
        image(3, "postgres:17", 432 << 20, 14),
        image(4, "debian:12", 124 << 20, 1),
        image(5, "alpine:3.20", 8 << 20, 1),
        image(6, "rust:1.90", 1500 << 20, 6),
        image(8, "localhost:5000/ml/train:v3", 5300 << 20, 22),
    ]
}

/// One second's usage of the running samples; figures move with `second`.
pub fn usage(second: u64) -> Vec<(Id, Usage)> {
    let wave = |base: f64, swing: f64, period: f64| (base + swing * (second as f64 / period).sin()).max(0.0);
    let pressure = |percent: f64| Pressure { some_percent: percent, ..Pressure::default() };
    let make = |number: u8, cpu: f64, memory: u64, limit: Option<u64>, net: f64, disk: f64| {
        let sample = Sample {
            taken_ns: second * 1_000_000_000,
            cpu_ns: Some(1),
            memory_bytes: Some(memory),
            pids: Some(u64::from(number) * 3),
            net_received_bytes: Some((net * 1000.0) as u64),
            net_sent_bytes: Some((net * 300.0) as u64),
            interfaces: networks::counters(number, net),
            disk_read_bytes: Some((disk * 800.0) as u64),
            disk_written_bytes: Some((disk * 1400.0) as u64),
            oom_kills: Some(if number == 3 { 2 } else { 0 }),
            cpu_pressure: Some(pressure(cpu / 9.0)),
            memory_pressure: Some(pressure(if number == 3 { 6.2 } else { 0.0 })),
            disk_pressure: Some(pressure((disk / 1e6).min(30.0))),
            cpu_periods: limit.map(|_| second * 10),
            ..Sample::default()
        };
        let limit_bytes = limit.unwrap_or(24 << 30);
        let usage = Usage {
            sample,
            cpu_percent: Some(cpu),
            memory_limit_bytes: limit_bytes,
            memory_percent: Some(100.0 * memory as f64 / limit_bytes as f64),
            net_received_rate: Some(net),
            net_sent_rate: Some(net / 4.0),
            interfaces: networks::rates(number, net),
            disk_read_rate: Some(disk),
            disk_written_rate: Some(disk / 2.0),
            throttled_percent: limit.map(|_| (cpu - 20.0).clamp(0.0, 100.0)),
        };
        (id(number), usage)
    };
    let mega = |value: f64| (value * 1048576.0) as u64;
    vec![
        make(1, wave(38.0, 34.0, 6.0), mega(wave(214.0, 90.0, 17.0)), Some(512 << 20), wave(3e4, 3e4, 4.0), 0.0),
        make(2, wave(2.4, 2.4, 3.0), mega(61.0), None, wave(1.2e6, 9e5, 5.0), 2048.0),
        make(3, wave(120.0, 60.0, 9.0), mega(wave(1300.0, 200.0, 30.0)), None, 0.0, wave(5e6, 4e6, 7.0)),
        make(4, 0.0, mega(12.0), None, 0.0, 0.0),
    ]
}

pub fn sessions() -> Vec<SessionSummary> {
    let session = |number: u32, command: &str| SessionSummary {
        id: SessionId(number),
        command: vec![command.to_owned()],
        tty: true,
        pid: 4242,
        started: before(600),
    };
    vec![session(0, "/bin/bash"), session(1, "/bin/sh")]
}

/// An interface that has been told all of this a minute long.
pub fn app(size: crate::model::Size) -> crate::tui::app::App {
    use crate::engine::Machine;
    let mut app = crate::tui::app::App::new(Default::default(), Default::default(), size);
    app.data.now = Some(now());
    app.data.set_containers(containers());
    app.data.images = Some(images());
    app.data.networks = Some(networks());
    for second in 0..90 {
        app.data.add_usage(usage(second));
    }
    let machine = Machine { cpus: 8, memory_bytes: 24 << 30, memory_used_bytes: 5 << 30, cpu_busy_ns: 0, load: 1.25 };
    app.data.set_machine(machine, 0.0);
    app.data.set_machine(Machine { cpu_busy_ns: 1_840_000_000, ..machine }, 1.0);
    app.data.sessions.insert(id(1), sessions());
    app
}

/// What the kernel may say of a container that two flags have opened.
pub fn security() -> SecurityReport {
    use SecurityVerdict::{Default, Opened, Tightened, Weaker};
    let own = |kind: &str, inode: u64| format!("its own ({kind}:[{}])", 4_026_532_100 + inode);
    let names =
        "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_ADMIN SYS_CHROOT SETFCAP";
    let opened = || Opened("--cap-add NET_ADMIN".to_owned());
    let findings = [
        ("user namespace", own("user", 1), Default),
        ("processes", own("pid", 2), Default),
        ("mounts", own("mnt", 3), Default),
        ("network", "the machine's (net:[4026531833])".to_owned(), Opened("--network host".to_owned())),
        ("shared memory", own("ipc", 4), Default),
        ("host name", own("uts", 5), Default),
        ("cgroup view", own("cgroup", 6), Default),
        ("clocks", own("time", 7), Default),
        ("ids", "0–65535 are 2013265920–2013331455".to_owned(), Default),
        ("effective", names.to_owned(), opened()),
        ("inheritable", "none".to_owned(), Default),
        ("no_new_privs", "on".to_owned(), Default),
        ("seccomp", "1 filter".to_owned(), Default),
        ("masked paths", "/proc/acpi /proc/kcore /proc/keys /sys/firmware".to_owned(), Default),
        ("root file system", "read-only overlay".to_owned(), Tightened("--read-only".to_owned())),
        ("machine's files", "/data (idmapped)".to_owned(), Opened("--volume".to_owned())),
        ("limits", "memory 512 MiB, 1.5 cpus".to_owned(), Tightened("flags for limits".to_owned())),
        ("ambient", "NET_RAW\u{1b}[7m".to_owned(), Weaker("no flag asked for it".to_owned())),
    ];
    let finding = |(subject, finding, verdict): (&str, String, _)| SecurityFinding {
        subject: subject.to_owned(),
        finding,
        verdict,
    };
    SecurityReport {
        id: id(1),
        name: "brave_hopper".parse().expect("a name"),
        pid: 4000,
        namespaces: Vec::new(),
        uid_map: Vec::new(),
        gid_map: Vec::new(),
        capabilities: crate::model::CapabilitySets::default(),
        seccomp: SeccompMode::Filter,
        seccomp_filters: 1,
        no_new_privileges: true,
        modules: Vec::new(),
        label: None,
        masked: Vec::new(),
        read_only: Vec::new(),
        writable: Vec::new(),
        limits: Vec::new(),
        listening: Vec::new(),
        findings: findings.into_iter().map(finding).collect(),
    }
}
