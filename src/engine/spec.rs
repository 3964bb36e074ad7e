//! From a record to what a monitor is started with.

use std::path::PathBuf;

use super::{EngineError, Inner, Result};
use crate::model::{ContainerRecord, HOST_IMAGE, Id, Size};
use crate::monitor::{LogOptions, MonitorRequest};
use crate::runtime::cgroup::CgroupWish;
use crate::runtime::{RootChange, Rootfs, StartRequest, defaults, scaffold};

/// Where a container's cgroups stand.
pub(super) fn cgroup_wish(id: &Id) -> CgroupWish {
    CgroupWish::default_of(&id.to_string())
}

impl Inner {
    /// Everything the container's monitor needs to know.
    pub(super) fn monitor_request(&self, record: &ContainerRecord, size: Option<Size>) -> Result<MonitorRequest> {
        let id = &record.id;
        let config = &record.config;
        Ok(MonitorRequest {
            id: id.clone(),
            name: record.name.clone(),
            start: StartRequest {
                id: id.to_string(),
                bundle: self.container(id),
                spec: defaults::spec(config)?,
                rootfs: self.rootfs(record)?,
                cgroup: cgroup_wish(id),
                init: config.init,
                hold: false,
                die_with_parent: true,
                root_change: RootChange::Pivot,
                new_keyring: true,
                preserve_fds: 0,
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
                vec![self.name_link(&record.name), self.container(id)]
            } else {
                Vec::new()
            },
            limits: config.limits.clone(),
            restart: config.restart,
        })
    }

    fn rootfs(&self, record: &ContainerRecord) -> Result<Rootfs> {
        let (upper, work) = (self.upper(&record.id), self.work(&record.id));
        let volatile = record.config.auto_remove;
        if is_host(record) {
            return Ok(Rootfs::Host { upper, work, volatile, hide: self.hidden_from_host_containers() });
        }
        let data = &self.folders.data;
        let mut lower = vec![scaffold::ensure(data).map_err(EngineError::io("make mount points in", data))?];
        let store = self.store()?;
        lower.extend(record.layers.iter().map(|layer| store.layer_path(layer)));
        Ok(Rootfs::Overlay { lower, upper, work, volatile })
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
