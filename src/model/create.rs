//! What a face asks for when it creates a container: wishes, not yet merged with the image's own.

use std::collections::BTreeMap;

use super::{
    DnsWish, EndpointWish, ExposedPort, Isolation, Limits, Mount, Name, NetworkMode, PortWish, PullPolicy,
    RestartPolicy, Rlimit, SeccompChoice, Signal,
};

/// A wish for a container. `None` and empty mean "as the image says, else Docker's default".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateRequest {
    /// As the user typed it: a reference, an image id's beginning, or `host`.
    pub image: String,
    /// Generated in Docker's adjective-surname manner if missing.
    pub name: Option<Name>,
    /// Replaces the image's command.
    pub command: Vec<String>,
    /// Replaces the image's entry point; `Some(vec![])` (`--entrypoint ""`) clears it.
    pub entrypoint: Option<Vec<String>>,
    /// `KEY=value`; laid over the image's.
    pub env: Vec<String>,
    pub workdir: Option<String>,
    pub user: Option<String>,
    pub hostname: Option<String>,
    pub tty: bool,
    pub stdin_open: bool,
    pub auto_remove: bool,
    pub init: bool,
    pub read_only: bool,
    /// None is the engine's default.
    pub network: Option<NetworkMode>,
    /// One whose name is empty is the engine's default.
    pub networks: Vec<EndpointWish>,
    pub ports: Vec<PortWish>,
    /// Beside those of the image.
    pub exposed: Vec<ExposedPort>,
    /// Publish each exposed port on a free one (`-P`).
    pub publish_all: bool,
    pub extra_hosts: Vec<String>,
    pub dns: DnsWish,
    pub mounts: Vec<Mount>,
    /// Containers, by name or id, whose binds and volumes it gets too; with `:ro`, read-only.
    pub volumes_from: Vec<String>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    /// On unless `--security-opt no-new-privileges=false` or privileged.
    pub no_new_privileges: Option<bool>,
    pub seccomp: SeccompChoice,
    pub isolation: Isolation,
    pub limits: Limits,
    pub restart: RestartPolicy,
    pub rlimits: Vec<Rlimit>,
    pub stop_signal: Option<Signal>,
    pub stop_timeout_ms: Option<u64>,
    pub labels: BTreeMap<String, String>,
    pub detach_keys: Option<String>,
    pub pull: PullPolicy,
}
