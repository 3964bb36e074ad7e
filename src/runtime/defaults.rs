//! The specification of a container as teu runs it unless told otherwise: Docker's defaults or stricter.

use oci_spec::runtime::Spec;

use super::{ExecRequest, RuntimeError};
use crate::model::ContainerConfig;

/// The whole specification for a container: namespaces (and id maps when the caller is not root), mounts, masked and
/// read-only paths, capabilities, seccomp, limits, devices, process.
pub fn spec(_config: &ContainerConfig) -> Result<Spec, RuntimeError> {
    todo!()
}

/// A process beside the main one, with the container's own capabilities, seccomp and environment.
#[derive(Clone, Debug, Default)]
pub struct ExecProcess {
    pub command: Vec<String>,
    /// Laid over the container's.
    pub env: Vec<String>,
    /// The container's if missing.
    pub workdir: Option<String>,
    /// The container's if missing.
    pub user: Option<String>,
    pub tty: bool,
}

/// The request for [`super::exec`] in a container of this configuration.
pub fn exec_request(_config: &ContainerConfig, _process: &ExecProcess) -> Result<ExecRequest, RuntimeError> {
    todo!()
}
