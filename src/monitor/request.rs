//! What a monitor is started with, and what it tells of itself on disk.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{ContainerState, Id, Limits, Mount, Name, RestartPolicy, Signal, Size};
use crate::runtime::{CgroupPlace, StartRequest};

/// The lock that a monitor holds for life, in the container's run folder.
pub const LOCK: &str = "monitor.lock";
/// The socket it answers on, in the container's run folder.
pub const SOCKET: &str = "monitor.sock";
/// Its [`State`], in the container's run folder.
pub const STATE: &str = "state.json";
/// What a container with a restart policy is started with again, in its run folder: a monitor keeps no such thing in memory.
pub const AGAIN: &str = "again.json";

/// Everything a monitor needs to know, sent to it once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MonitorRequest {
    pub id: Id,
    pub name: Name,
    pub start: StartRequest,
    /// Made by the monitor (mode 0700), removed by it at the end. Its parent must exist.
    pub run_folder: PathBuf,
    /// Where the [`ExitStatus`](crate::model::ExitStatus) is written, atomically.
    pub exit_file: PathBuf,
    pub log: LogOptions,
    /// The event file that `start`, `die` (each time, where it is started again), `oom`, `pause`, `unpause`, `exec_start`, `exec_die` and, with `auto_remove`,
    /// `destroy` are appended to.
    pub events: PathBuf,
    pub tty: bool,
    /// Give the process a stdin that stays open (`-i`); without it a container without a terminal reads /dev/null.
    pub stdin_open: bool,
    /// The terminal's first size.
    pub size: Option<Size>,
    /// Sent to the container when the monitor itself gets SIGTERM.
    pub stop_signal: Signal,
    /// Milliseconds from then to SIGKILL.
    pub stop_timeout_ms: u64,
    /// Removed in order after the exit; empty keeps the container. A symlink is the container's name: whichever symlink
    /// of the same folder points to the id is removed. A folder is first renamed to `.removing-NAME` beside it.
    pub auto_remove: Vec<PathBuf>,
    /// The limits that `start.spec` holds, for changing them later.
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub restart: RestartPolicy,
    /// What [`MakeWire`](super::MakeWire) makes its connections of; none where it has none.
    #[serde(default)]
    pub wire: Option<serde_json::Value>,
    /// What [`Leave`](super::Leave) is called with before `auto_remove` is done; none where there is nothing to do.
    #[serde(default)]
    pub leave: Option<serde_json::Value>,
    /// Mounts of volumes, whose `mount` and `unmount` are told.
    #[serde(default)]
    pub volumes: Vec<Mount>,
}

/// Where and how much of a container's output is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOptions {
    pub path: PathBuf,
    /// A file that would grow beyond this becomes `PATH.1`.
    pub max_bytes: u64,
    /// Files kept in all, the current one included; at least 1.
    pub files: u32,
}

impl LogOptions {
    /// Ten MiB, three files.
    pub fn at(path: PathBuf) -> Self {
        Self { path, max_bytes: 10 << 20, files: 3 }
    }
}

/// What a client wants of a session's streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttachOptions {
    /// The client may write to the process's stdin.
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// First send the recent output (for a terminal: what restores its screen), then [`AttachEvent::Replayed`](super::AttachEvent).
    pub replay: bool,
    /// When the client does not keep up, drop output and say so by [`AttachEvent::Lagged`](super::AttachEvent). Without it a
    /// slow client slows the container down, as a pipe would, and loses nothing.
    pub may_lag: bool,
    /// Makes the terminal this large.
    pub size: Option<Size>,
}

/// A running container as its monitor describes it in `state.json`; replaced at start, pause, resume and each end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// The wire protocol's version that the monitor speaks.
    pub version: u32,
    pub id: Id,
    pub name: Name,
    pub monitor_pid: i32,
    pub state: ContainerState,
    /// How to find the container's cgroups again, for statistics and recovery.
    pub cgroup: CgroupPlace,
    pub tty: bool,
    /// Bytes of output that could not be logged (a full disk, for instance).
    #[serde(default)]
    pub log_lost_bytes: u64,
    /// How often its restart policy has started it again.
    #[serde(default)]
    pub restarts: u32,
    /// The limits in force; none from a monitor of an older teu, which has those of the record.
    #[serde(default)]
    pub limits: Option<Limits>,
}

impl State {
    /// Reads the state of the container whose run folder this is; `None` if there is none (yet).
    pub fn read(run_folder: &std::path::Path) -> Result<Option<Self>, super::MonitorError> {
        let path = run_folder.join(STATE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(super::MonitorError::File { verb: "read", path, source }),
        };
        let state = serde_json::from_slice(&bytes);
        state.map(Some).map_err(|error| super::MonitorError::File { verb: "read", path, source: error.into() })
    }
}
