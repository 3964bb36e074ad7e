//! What the engine has told, kept for all screens: containers, images, and each container's usage over time.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::action::Problem;
use crate::engine::{Machine, NetworkInspect};
use crate::model::{
    ContainerSummary, Id, ImageSummary, Sample, SessionSummary, Timestamp, Usage, VolumeName, VolumeSummary,
};

/// Samples kept of each container: five minutes at one a second.
pub const HISTORY: usize = 300;

/// One container's usage: the newest sample, and what charts show of those before it.
#[derive(Clone, Debug, Default)]
pub struct Track {
    pub latest: Usage,
    /// Percent of one core, oldest first. No value where the kernel gave none.
    pub cpu: VecDeque<f32>,
    /// Bytes.
    pub memory: VecDeque<f32>,
    /// Bytes per second, received and sent.
    pub network: VecDeque<(f32, f32)>,
    /// The same of each interface by its name.
    pub interfaces: BTreeMap<String, VecDeque<(f32, f32)>>,
    /// Bytes per second, read and written.
    pub disk: VecDeque<(f32, f32)>,
    /// Percent of the time in which something waited for cpu, memory and disk. Empty where the kernel does not say.
    pub pressure: VecDeque<[f32; 3]>,
    /// Percent of the cpu quota's periods in which it was throttled. Empty without a quota.
    pub throttled: VecDeque<f32>,
}

impl Track {
    fn push(&mut self, usage: Usage) {
        keep(&mut self.cpu, usage.cpu_percent.map(|percent| percent as f32));
        keep(&mut self.memory, usage.sample.memory_bytes.map(|bytes| bytes as f32));
        let pair = |a: Option<f64>, b: Option<f64>| Some((a? as f32, b? as f32));
        keep(&mut self.network, pair(usage.net_received_rate, usage.net_sent_rate));
        keep(&mut self.disk, pair(usage.disk_read_rate, usage.disk_written_rate));
        keep(&mut self.pressure, pressure(&usage.sample));
        let limited = usage.sample.cpu_periods.is_some_and(|periods| periods > 0);
        keep(&mut self.throttled, usage.throttled_percent.filter(|_| limited).map(|percent| percent as f32));
        self.keep_interfaces(&usage);
        self.latest = usage;
    }

    /// An interface that is gone takes its curve with it.
    fn keep_interfaces(&mut self, usage: &Usage) {
        self.interfaces.retain(|name, _| usage.sample.interfaces.iter().any(|it| it.name == *name));
        for rates in &usage.interfaces {
            let curve = self.interfaces.entry(rates.name.clone()).or_default();
            keep(curve, Some((rates.received as f32, rates.sent as f32)));
        }
    }
}

/// One that is missing counts as none, all missing as not known.
fn pressure(sample: &Sample) -> Option<[f32; 3]> {
    let all = [sample.cpu_pressure, sample.memory_pressure, sample.disk_pressure];
    all.iter().any(Option::is_some).then(|| all.map(|one| one.map_or(0.0, |pressure| pressure.some_percent as f32)))
}

fn keep<T>(history: &mut VecDeque<T>, value: Option<T>) {
    let Some(value) = value else { return };
    if history.len() == HISTORY {
        history.pop_front();
    }
    history.push_back(value);
}

/// The machine's totals, with the rate made of the last two looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineView {
    pub machine: Machine,
    /// Percent of all processors together, 0 to 100.
    pub cpu_percent: Option<f64>,
}

/// What all screens read. Only answers of the engine change it.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// The time of the last tick; all ages on screen are counted from it.
    pub now: Option<Timestamp>,
    /// None until the first list has come.
    pub containers: Option<Vec<ContainerSummary>>,
    pub images: Option<Vec<ImageSummary>>,
    pub networks: Option<Vec<NetworkInspect>>,
    /// Why they could not be listed the last time.
    pub networks_problem: Option<Problem>,
    pub volumes: Option<Vec<VolumeSummary>>,
    /// What was measured of volumes when that was asked for last.
    volume_sizes: HashMap<VolumeName, u64>,
    pub usage: HashMap<Id, Track>,
    pub machine: Option<MachineView>,
    /// Living sessions of containers that were looked at.
    pub sessions: BTreeMap<Id, Vec<SessionSummary>>,
    /// Verbs under way: what a container's state column says meanwhile, such as `stopping`.
    pub busy: HashMap<Id, &'static str>,
}

impl Data {
    /// The time that ages are counted from.
    pub fn now(&self) -> Timestamp {
        self.now.unwrap_or(Timestamp::EPOCH)
    }

    pub fn container(&self, id: &Id) -> Option<&ContainerSummary> {
        self.containers.as_ref()?.iter().find(|container| container.id == *id)
    }

    pub fn network(&self, id: &Id) -> Option<&NetworkInspect> {
        self.networks.as_ref()?.iter().find(|it| it.network.id == *id)
    }

    /// The networks' names, the default one first.
    pub fn network_names(&self) -> impl Iterator<Item = String> {
        self.networks.iter().flatten().map(|it| it.network.name.to_string())
    }

    pub fn image(&self, label: &str) -> Option<&ImageSummary> {
        self.images.as_ref()?.iter().find(|image| image.label() == label)
    }

    pub fn volume(&self, name: &VolumeName) -> Option<&VolumeSummary> {
        self.volumes.as_ref()?.iter().find(|volume| volume.volume.name == *name)
    }

    /// How much is in a volume, as far as it was ever measured.
    pub fn volume_bytes(&self, volume: &VolumeSummary) -> Option<u64> {
        volume.size_bytes.or_else(|| self.volume_sizes.get(&volume.volume.name).copied())
    }

    /// Takes a list of volumes, measured or not: what is known of those that are still there stays known.
    pub fn set_volumes(&mut self, volumes: Vec<VolumeSummary>) {
        let mut sizes = std::mem::take(&mut self.volume_sizes);
        let mut known = |volume: &VolumeSummary| {
            let name = volume.volume.name.clone();
            let bytes = volume.size_bytes.or_else(|| sizes.remove(&name))?;
            Some((name, bytes))
        };
        self.volume_sizes = volumes.iter().filter_map(&mut known).collect();
        self.volumes = Some(volumes);
    }

    pub fn set_containers(&mut self, containers: Vec<ContainerSummary>) {
        self.usage.retain(|id, _| containers.iter().any(|c| c.id == *id && c.state.pid().is_some()));
        self.sessions.retain(|id, _| containers.iter().any(|c| c.id == *id && c.state.is_running()));
        self.containers = Some(containers);
    }

    pub fn add_usage(&mut self, samples: Vec<(Id, Usage)>) {
        for (id, usage) in samples {
            self.usage.entry(id).or_default().push(usage);
        }
    }

    /// Takes the machine's totals; the rate is made with those before.
    pub fn set_machine(&mut self, machine: Machine, seconds_since_last: f64) {
        let cpu_percent = self.machine.filter(|_| seconds_since_last > 0.0).map(|before| {
            let busy = machine.cpu_busy_ns.saturating_sub(before.machine.cpu_busy_ns) as f64;
            (busy / 1e7 / seconds_since_last / f64::from(machine.cpus.max(1))).min(100.0)
        });
        self.machine = Some(MachineView { machine, cpu_percent });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::sample;

    #[test]
    fn history_is_bounded() {
        let mut data = Data::default();
        let id = sample::id(1);
        for tick in 0..HISTORY + 10 {
            data.add_usage(vec![(id.clone(), Usage { cpu_percent: Some(tick as f64), ..Usage::default() })]);
        }
        let track = &data.usage[&id];
        assert_eq!(track.cpu.len(), HISTORY);
        assert_eq!(track.cpu.front(), Some(&10.0));
        assert!(track.memory.is_empty());
    }

    #[test]
    fn usage_of_removed_containers_is_forgotten() {
        let mut data = Data::default();
        data.add_usage(vec![(sample::id(1), Usage::default())]);
        data.set_containers(Vec::new());
        assert!(data.usage.is_empty());
    }

    #[test]
    fn machine_rate_is_of_all_processors() {
        let mut data = Data::default();
        data.set_machine(Machine { cpus: 2, ..Machine::default() }, 0.0);
        data.set_machine(Machine { cpus: 2, cpu_busy_ns: 1_000_000_000, ..Machine::default() }, 1.0);
        assert_eq!(data.machine.expect("set").cpu_percent, Some(50.0));
    }
}
