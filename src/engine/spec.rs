//! From a record to what a monitor is started with.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::mounts::{Missing, Shown};
use super::volumes::Leaving;
use super::{EngineError, Inner, Result};
use crate::model::{ContainerConfig, ContainerRecord, HOST_IMAGE, Id, NamespaceMode, NetworkMode, Size};
use crate::monitor::{LogOptions, MonitorRequest};
use crate::runtime::cgroup::{CgroupDriver, CgroupWish};
use crate::runtime::defaults::Around;
use crate::runtime::{RootChange, Rootfs, StartRequest, defaults, scaffold};

/// Where a container's cgroups stand.
pub(super) fn cgroup_wish(id: &Id, config: Option<&ContainerConfig>) -> Result<CgroupWish> {
    let parent = config.and_then(|config| config.isolation.cgroup_parent.as_deref());
    Ok(match parent {
        Some(parent) => CgroupWish::below(parent, id.as_str(), driver_of(parent))?,
        None => CgroupWish::default_of(id.as_str()),
    })
}

/// A slice is systemd's to make.
fn driver_of(parent: &str) -> CgroupDriver {
    if parent.ends_with(".slice") && !parent.contains('/') { CgroupDriver::Systemd } else { CgroupDriver::Cgroupfs }
}

impl Inner {
    /// Everything the container's monitor needs to know.
    /// What its mounts show does not go while the second value is kept.
    pub(super) fn monitor_request(
        &self,
        record: &ContainerRecord,
        size: Option<Size>,
    ) -> Result<(MonitorRequest, Vec<OwnedFd>)> {
        let id = &record.id;
        let config = &*self.with_memory(&record.config)?;
        let Shown { sources, origins, held } = self.shown(&config.mounts, Missing::Made)?;
        let request = MonitorRequest {
            id: id.clone(),
            name: record.name.clone(),
            start: StartRequest {
                id: id.to_string(),
                bundle: self.container(id),
                spec: defaults::spec(config, &Around { sources, ..self.around(record)? })?,
                rootfs: self.rootfs(record)?,
                cgroup: cgroup_wish(id, Some(config))?,
                init: config.init,
                hold: false,
                die_with_parent: true,
                root_change: RootChange::Pivot,
                new_keyring: true,
                preserve_fds: 0,
                names: self.name_files(record)?,
                origins,
            },
            run_folder: self.life_folder(id),
            exit_file: self.exit_file(id),
            log: LogOptions { path: self.log_file(id), max_bytes: self.log.max_bytes, files: self.log.files },
            events: self.events_file(),
            tty: config.tty,
            stdin_open: config.stdin_open,
            size,
            stop_signal: config.stop_signal,
            stop_timeout_ms: config.stop_timeout_ms,
            auto_remove: if config.auto_remove {
                [Some(self.name_link(&record.name)), Some(self.container(id)), self.lease_file(record)]
                    .into_iter()
                    .flatten()
                    .collect()
            } else {
                Vec::new()
            },
            limits: config.limits.clone(),
            restart: config.restart,
            wire: self.wire_plan(record)?,
            volumes: record.config.mounts.iter().filter(|mount| mount.volume_name().is_some()).cloned().collect(),
            leave: Leaving::of(self, record)
                .map(|plan| serde_json::to_value(plan).expect("plain paths and ids are JSON")),
        };
        Ok((request, held))
    }

    /// What of the container's surroundings its specification depends on.
    fn around(&self, record: &ContainerRecord) -> Result<Around> {
        let isolation = &record.config.isolation;
        let network = match &record.config.network {
            NetworkMode::Container(target) => Some(target),
            NetworkMode::None | NetworkMode::Host | NetworkMode::Networks => None,
        };
        let joined = [&isolation.pid, &isolation.ipc, &isolation.uts].into_iter().filter_map(|mode| match mode {
            NamespaceMode::Container(target) => Some(target),
            NamespaceMode::Private | NamespaceMode::Host => None,
        });
        let joined = joined.chain(network);
        let others = joined.map(|target| {
            let other = self.find(target)?;
            let pid = self.state(&other)?.and_then(|state| state.pid());
            Ok((target.clone(), pid.ok_or(EngineError::NotRunning { name: other.name })?))
        });
        let devices = rustix::process::geteuid().is_root().then(|| self.devices(&record.id));
        if let Some(folder) = &devices {
            defaults::make_device_nodes(&record.config, folder)?;
        }
        Ok(Around { id_range: record.id_range, others: others.collect::<Result<_>>()?, devices, ..Around::default() })
    }

    pub(super) fn rootfs(&self, record: &ContainerRecord) -> Result<Rootfs> {
        let (upper, work) = (self.upper(&record.id), self.work(&record.id));
        let volatile = record.config.auto_remove;
        if is_host(record) {
            return Ok(Rootfs::Host { upper, work, volatile, hide: self.hidden_from_host_containers() });
        }
        Ok(Rootfs::Overlay { lower: self.lower_folders(record)?, upper, work, volatile })
    }

    /// What a container's writable layer lies on, the lowest first.
    pub(super) fn lower_folders(&self, record: &ContainerRecord) -> Result<Vec<PathBuf>> {
        let data = &self.folders.data;
        let mut lower = vec![scaffold::ensure(data).map_err(EngineError::io("make mount points in", data))?];
        let store = self.store()?;
        lower.extend(record.layers.iter().map(|layer| store.layer_path(layer)));
        Ok(lower)
    }

    /// What the host's root file system does not show inside: teu's own folders, with all other containers' files in them.
    ///
    /// Everything else that the user who runs teu could read on the machine can be read inside too; that is what the host
    /// image is for. File systems mounted below the root are not part of it.
    fn hidden_from_host_containers(&self) -> Vec<PathBuf> {
        let mut hidden = vec![self.folders.data.clone(), self.folders.run.clone()];
        for usual in ["/var/lib/teu", "/run/teu"] {
            let usual = PathBuf::from(usual);
            if usual.exists() && !hidden.contains(&usual) {
                hidden.push(usual);
            }
        }
        hidden
    }
}

fn is_host(record: &ContainerRecord) -> bool {
    record.image_id.is_none() && record.image == HOST_IMAGE
}
