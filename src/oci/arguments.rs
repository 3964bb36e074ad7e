//! The words that runc's command line takes, and crun's `--cgroup-manager`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// Folder of the containers' states; on a tmpfs
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// File that messages are appended to
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Shape of the messages in it
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Tell more
    #[arg(long)]
    pub debug: bool,
    /// Have systemd make the cgroups; linux.cgroupsPath then is slice:prefix:name
    #[arg(long)]
    pub systemd_cgroup: bool,
    /// Who makes the cgroups
    #[arg(long, value_enum, value_name = "MANAGER")]
    pub cgroup_manager: Option<CgroupManager>,
    /// Accepted and not needed: what an ordinary user lacks is seen by itself
    #[arg(long, value_name = "BOOL")]
    pub rootless: Option<String>,
    /// Accepted and ignored: containers are not checkpointed
    #[arg(long, value_name = "FILE", hide = true)]
    pub criu: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CgroupManager {
    Cgroupfs,
    Systemd,
}

impl Global {
    /// The two that say where to complain, from words that could not be understood otherwise.
    pub fn from_words(words: &[OsString]) -> Self {
        let text = |word: &OsString| word.to_string_lossy().into_owned();
        let value = |name: &str| {
            let (alone, joined) = (format!("--{name}"), format!("--{name}="));
            words.iter().enumerate().find_map(|(at, word)| {
                let word = text(word);
                match word.strip_prefix(&joined) {
                    Some(value) => Some(value.to_owned()),
                    None if word == alone => words.get(at + 1).map(text),
                    None => None,
                }
            })
        };
        let log_format = if value("log-format").as_deref() == Some("json") { LogFormat::Json } else { LogFormat::Text };
        Self { log: value("log").map(PathBuf::from), log_format, ..Self::default() }
    }
}

/// One verb with its own words.
#[derive(Clone, Debug)]
pub enum Verb {
    Create(Create),
    Start(One),
    Run(Run),
    Exec(Exec),
    Kill(Kill),
    Delete(Delete),
    State(One),
    List(List),
    Ps(Ps),
    Pause(One),
    Resume(One),
    Update(Update),
    Events(Events),
    Spec(Spec),
    Features(Features),
}

impl Verb {
    /// The exit code of a failure of the verb's own: runc's.
    pub fn failure_code(&self) -> i32 {
        if matches!(self, Self::Exec(_)) { 255 } else { 1 }
    }
}

/// Verbs by which a process of this very program goes into a container.
pub const ENTERING: [&str; 3] = ["create", "run", "exec"];

#[derive(Args, Clone, Debug)]
pub struct One {
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
}

#[derive(Args, Clone, Debug)]
pub struct Features {}

#[derive(Args, Clone, Debug)]
pub struct Create {
    /// Name of the new container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// Folder with config.json
    #[arg(short, long, default_value = ".", value_name = "FOLDER")]
    pub bundle: PathBuf,
    /// Unix socket that the terminal's master side is sent to
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// File that the process id is written to
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Pass N more descriptors, from 3 on
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub preserve_fds: u32,
    /// Move the root file system's mount instead of pivot_root(2), for a root on a ramdisk
    #[arg(long)]
    pub no_pivot: bool,
    /// Stay in the caller's session keyring
    #[arg(long)]
    pub no_new_keyring: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Run {
    #[command(flatten)]
    pub create: Create,
    /// Do not wait for the container
    #[arg(short, long)]
    pub detach: bool,
    /// Keep the container's state when it has exited
    #[arg(long)]
    pub keep: bool,
    /// Accepted: nothing is adopted here
    #[arg(long)]
    pub no_subreaper: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Exec {
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
    /// File with the process as config.json has it; - reads standard input
    #[arg(short, long, value_name = "FILE")]
    pub process: Option<PathBuf>,
    /// Do not wait for the process
    #[arg(short, long)]
    pub detach: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Unix socket that the terminal's master side is sent to
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// File that the process id is written to
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// One more variable
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Working folder
    #[arg(long, value_name = "FOLDER")]
    pub cwd: Option<PathBuf>,
    /// User, by number
    #[arg(short, long, value_name = "UID[:GID]")]
    pub user: Option<String>,
    /// One more group, by number
    #[arg(short = 'g', long, value_name = "GID")]
    pub additional_gids: Vec<u32>,
    /// One more capability
    #[arg(short, long, value_name = "CAPABILITY")]
    pub cap: Vec<String>,
    /// Set the process's no_new_privs
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub no_new_privs: Option<bool>,
    /// AppArmor profile
    #[arg(long, value_name = "PROFILE")]
    pub apparmor: Option<String>,
    /// SELinux label
    #[arg(long, value_name = "LABEL")]
    pub process_label: Option<String>,
    /// Pass N more descriptors, from 3 on
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub preserve_fds: u32,
    /// Group below the container's to run in
    #[arg(long, value_name = "[CONTROLLER:]PATH")]
    pub cgroup: Vec<String>,
    /// Also in a paused container, where the process then waits
    #[arg(long)]
    pub ignore_paused: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Kill {
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// Name or number
    #[arg(value_name = "SIGNAL", default_value = "TERM", allow_hyphen_values = true)]
    pub signal: String,
    /// To every process of the container
    #[arg(short, long)]
    pub all: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Delete {
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// Kill it first; no container of that name is no error
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}

#[derive(Args, Clone, Debug)]
pub struct List {
    /// Shape of the output
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub format: Format,
    /// Only the names
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Ps {
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// Shape of the output
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub format: Format,
    /// Options of ps(1)
    #[arg(value_name = "PS OPTIONS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub options: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub struct Events {
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// Time between two rows of statistics
    #[arg(long, default_value = "5s", value_name = "DURATION")]
    pub interval: String,
    /// Print the statistics once
    #[arg(long)]
    pub stats: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Spec {
    /// Folder to write config.json to
    #[arg(short, long, default_value = ".", value_name = "FOLDER")]
    pub bundle: PathBuf,
    /// For an ordinary user
    #[arg(long)]
    pub rootless: bool,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Update {
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// File with the resources as config.json has them; - reads standard input. Other options are ignored then
    #[arg(short, long, value_name = "FILE")]
    pub resources: Option<PathBuf>,
    /// Weight of disk access, 10 to 1000
    #[arg(long, value_name = "N")]
    pub blkio_weight: Option<u16>,
    /// Length of a CPU period in microseconds
    #[arg(long, value_name = "N")]
    pub cpu_period: Option<u64>,
    /// CPU time a period in microseconds, -1 for no limit
    #[arg(long, allow_hyphen_values = true, value_name = "N")]
    pub cpu_quota: Option<i64>,
    /// CPU time that may be saved up, in microseconds
    #[arg(long, value_name = "N")]
    pub cpu_burst: Option<u64>,
    /// Weight of CPU time, 2 to 262144
    #[arg(long, visible_alias = "cpu-shares", value_name = "N")]
    pub cpu_share: Option<u64>,
    /// Length of a real-time CPU period in microseconds
    #[arg(long, value_name = "N")]
    pub cpu_rt_period: Option<u64>,
    /// Real-time CPU time a period in microseconds
    #[arg(long, allow_hyphen_values = true, value_name = "N")]
    pub cpu_rt_runtime: Option<i64>,
    /// 1 lets the container run only when nothing else does
    #[arg(long, value_name = "N")]
    pub cpu_idle: Option<i64>,
    /// CPUs to run on, such as 0-3,7
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes to use
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// Memory in bytes (k, m, g), -1 for no limit
    #[arg(long, allow_hyphen_values = true, value_name = "BYTES")]
    pub memory: Option<String>,
    /// Memory that is kept for the container
    #[arg(long, allow_hyphen_values = true, value_name = "BYTES")]
    pub memory_reservation: Option<String>,
    /// Memory and swap together, -1 for no limit
    #[arg(long, allow_hyphen_values = true, value_name = "BYTES")]
    pub memory_swap: Option<String>,
    /// Processes and threads, -1 for no limit
    #[arg(long, allow_hyphen_values = true, value_name = "N")]
    pub pids_limit: Option<i64>,
    /// Accepted to be refused: Intel's resource director is not used
    #[arg(long, hide = true, value_name = "TEXT")]
    pub l3_cache_schema: Option<String>,
    /// As above
    #[arg(long, hide = true, value_name = "TEXT")]
    pub mem_bw_schema: Option<String>,
}
