//! `inspect`: everything known of one container.

use super::state::Life;
use super::{Connected, Engine, EngineError, Inner, Result};
use crate::model::{ContainerInspect, ContainerRecord, ContainerState, HOST_IMAGE};

impl Engine {
    /// Everything known of a container.
    pub fn inspect(&self, target: &str) -> Result<ContainerInspect> {
        let record = self.0.find(target)?;
        self.0.inspect(record)
    }

    /// As [`Engine::inspect`], with the bytes in the writable layer counted, which walks through all of it.
    pub fn inspect_with_size(&self, target: &str) -> Result<ContainerInspect> {
        let inspect = self.inspect(target)?;
        let size_rw_bytes = self.0.writable_bytes(&inspect.record.id, &inspect.state)?;
        Ok(ContainerInspect { size_rw_bytes, ..inspect })
    }
}

impl Inner {
    fn inspect(&self, record: ContainerRecord) -> Result<ContainerInspect> {
        let gone = || EngineError::NoSuchContainer { target: record.name.to_string() };
        let state = self.state(&record)?.ok_or_else(gone)?;
        let (cgroup, restarts) = match (self.life(&record.id)?, &state) {
            (_, ContainerState::Exited(exit)) => (None, exit.restarts),
            (Life::Up(up), _) => (up.cgroup.path().map(|path| path.to_string()), up.restarts),
            _ => (None, 0),
        };
        let connected = if state.is_running() { self.connected(&record.id)? } else { Connected::default() };
        Ok(ContainerInspect {
            ports: connected.ports,
            networks: connected.endpoints,
            image_reference: if record.image == HOST_IMAGE { None } else { record.image.parse().ok() },
            log_path: self.log_file(&record.id),
            sessions: if state.is_running() { self.sessions(&record)? } else { Vec::new() },
            state,
            cgroup,
            size_rw_bytes: None,
            restarts,
            volumes: self.volume_folders(&record),
            record,
        })
    }
}
