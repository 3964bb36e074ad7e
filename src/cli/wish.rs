//! The flags that say what a container is to be, shared by `run` and `create`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::isolation::{IsolationFlags, Opened};
use super::limits::{DeviceFlags, LimitFlags, restart_policy};
use super::mounts::MountFlags;
use super::naming::NamingFlags;
use super::networking::NetworkFlags;
use crate::model::{CreateRequest, Limits, Name, PullPolicy, RestartPolicy, Rlimit, Signal};

/// What a container is to be.
#[derive(Args, Clone, Debug)]
pub struct Wish {
    /// Keep stdin open, even if not attached
    #[arg(short, long)]
    pub interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Remove the container when it exits
    #[arg(long)]
    pub rm: bool,
    /// A name; generated if missing
    #[arg(long)]
    pub name: Option<String>,
    /// Set an environment variable; without = the value of here
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Working folder inside the container
    #[arg(short, long, value_name = "FOLDER")]
    pub workdir: Option<String>,
    /// User, and group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Host name
    #[arg(short = 'h', long)]
    pub hostname: Option<String>,
    /// Replace the image's entry point
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<String>,
    #[command(flatten)]
    pub limits: LimitFlags,
    #[command(flatten)]
    pub devices: DeviceFlags,
    /// When to start it again: no, on-failure or on-failure:N, always, unless-stopped
    #[arg(long, value_name = "POLICY", default_value = "no", value_parser = restart_policy)]
    pub restart: RestartPolicy,
    #[command(flatten)]
    pub network: NetworkFlags,
    #[command(flatten)]
    pub mounts: MountFlags,
    #[command(flatten)]
    pub naming: NamingFlags,
    /// Make the root file system read-only
    #[arg(long)]
    pub read_only: bool,
    /// Add a capability, such as NET_ADMIN or ALL
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop a capability, such as CHOWN or ALL
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    #[command(flatten)]
    pub isolation: IsolationFlags,
    /// Run a small init that reaps processes and forwards signals
    #[arg(long)]
    pub init: bool,
    /// Signal that stops it
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<Signal>,
    /// Seconds between the stop signal and SIGKILL
    #[arg(long, value_name = "SECONDS")]
    pub stop_timeout: Option<u32>,
    /// Keys that detach, such as ctrl-p,ctrl-q
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// Set a label
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    pub label_file: Vec<PathBuf>,
    /// Limit of the process, such as nofile=1024:4096
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,
    /// Whether to fetch the image: missing, always, never
    #[arg(long, value_name = "WHEN", default_value = "missing", value_parser = pull_policy)]
    pub pull: PullPolicy,
    /// Say nothing while pulling
    #[arg(short, long)]
    pub quiet: bool,
    /// The image, then the command and its arguments
    #[arg(required = true, trailing_var_arg = true, num_args = 1.., value_names = ["IMAGE", "COMMAND"])]
    pub words: Vec<String>,
}

/// What of this process the flags refer to; a test brings its own.
#[derive(Clone, Copy)]
struct Surroundings<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    folder: &'a Path,
}

impl Wish {
    /// The request these flags make, read against this process's own environment and folder.
    pub fn request(&self) -> Result<CreateRequest, Failure> {
        let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        self.request_in(Surroundings { variable: &|key| std::env::var(key).ok(), folder: &folder })
    }

    fn request_in(&self, here: Surroundings<'_>) -> Result<CreateRequest, Failure> {
        let (image, command) = self.words.split_first().ok_or_else(|| Failure::usage("no image is given"))?;
        let mut env = Vec::new();
        for path in &self.env_file {
            for line in lines(path)? {
                env.extend(variable(&line, here)?);
            }
        }
        for text in &self.env {
            env.extend(variable(text, here)?);
        }
        let mut labels = BTreeMap::new();
        for path in &self.label_file {
            labels.extend(lines(path)?.iter().map(|line| label(line)));
        }
        labels.extend(self.label.iter().map(|text| label(text)));
        if self.rm && self.restart != RestartPolicy::No {
            return Err(Failure::usage("--restart and --rm conflict: a container that is removed cannot be restarted"));
        }
        let mounts = self.mounts.wishes(here.folder)?;
        let Opened { mut isolation, no_new_privileges, seccomp } = self.isolation.read()?;
        isolation.tmpfs = mounts.memory;
        let networking = self.network.wishes()?;
        Ok(CreateRequest {
            image: image.clone(),
            name: self.name.as_deref().map(name).transpose()?,
            command: command.to_vec(),
            entrypoint: self.entrypoint.as_ref().map(|program| match program.as_str() {
                "" => Vec::new(),
                program => vec![program.to_owned()],
            }),
            env,
            workdir: self.workdir.as_deref().map(workdir).transpose()?,
            user: self.user.clone(),
            hostname: self.hostname.as_deref().map(hostname).transpose()?,
            tty: self.tty,
            stdin_open: self.interactive,
            auto_remove: self.rm,
            init: self.init,
            read_only: self.read_only,
            network: networking.mode,
            exposed: networking.exposed,
            publish_all: networking.publish_all,
            networks: networking.networks,
            ports: networking.ports,
            extra_hosts: self.naming.extra_hosts()?,
            dns: self.naming.dns(),
            mounts: mounts.mounts,
            volumes_from: mounts.volumes_from,
            cap_add: self.cap_add.iter().map(|name| capability(name)).collect(),
            cap_drop: self.cap_drop.iter().map(|name| capability(name)).collect(),
            no_new_privileges,
            seccomp,
            isolation,
            limits: Limits::default().changed_by(&self.devices.add_to(self.limits.limits()?)?),
            restart: self.restart,
            rlimits: self.ulimit.iter().map(|text| rlimit(text)).collect::<Result<_, _>>()?,
            stop_signal: self.stop_signal,
            stop_timeout_ms: self.stop_timeout.map(|seconds| u64::from(seconds) * 1000),
            labels,
            detach_keys: self.detach_keys.clone(),
            pull: self.pull,
        })
    }
}

fn pull_policy(text: &str) -> Result<PullPolicy, String> {
    match text {
        "missing" => Ok(PullPolicy::Missing),
        "always" => Ok(PullPolicy::Always),
        "never" => Ok(PullPolicy::Never),
        _ => Err("write missing, always or never".to_owned()),
    }
}

/// A container's name from a flag or an argument.
pub fn name(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("invalid container name {text:?}: {error}")))
}

/// One `KEY=value`; none where only a key is given that is not set here.
pub fn environment(text: &str) -> Result<Option<String>, Failure> {
    variable(text, Surroundings { variable: &|key| std::env::var(key).ok(), folder: Path::new("/") })
}

fn variable(text: &str, here: Surroundings<'_>) -> Result<Option<String>, Failure> {
    let key = text.split('=').next().unwrap_or_default();
    if key.is_empty() {
        return Err(Failure::usage(format!("invalid environment variable {text:?}: it has no name")));
    }
    if key.contains(char::is_whitespace) {
        return Err(Failure::usage(format!("invalid environment variable {text:?}: its name has white space")));
    }
    if text.contains('\0') {
        return Err(Failure::usage(format!("invalid environment variable {key:?}: a value cannot hold a zero byte")));
    }
    if key.len() < text.len() {
        return Ok(Some(text.to_owned()));
    }
    Ok((here.variable)(key).map(|value| format!("{key}={value}")))
}

/// What `--env-file`s set, in order.
pub fn environment_files(paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut env = Vec::new();
    for path in paths {
        for line in lines(path)? {
            env.extend(environment(&line)?);
        }
    }
    Ok(env)
}

/// The lines of an `--env-file` or `--label-file`: no blank ones, no comments.
fn lines(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text.lines().map(str::trim_start).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect())
}

fn label(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.to_owned(), value.to_owned())
}

fn workdir(text: &str) -> Result<String, Failure> {
    match text.starts_with('/') {
        true => Ok(text.to_owned()),
        false => Err(Failure::usage(format!("the working folder {text:?} is invalid: it must be an absolute path"))),
    }
}

fn hostname(text: &str) -> Result<String, Failure> {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if text.is_empty() || text.len() > 64 || !text.chars().all(valid) || text.starts_with(['-', '.']) {
        return Err(Failure::usage(format!("invalid host name {text:?}: 1 to 64 letters, digits, - and .")));
    }
    Ok(text.to_owned())
}

fn capability(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    if upper == "ALL" || upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") }
}

/// The names setrlimit(2) knows, without `RLIMIT_`.
const RLIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

fn rlimit(text: &str) -> Result<Rlimit, Failure> {
    let invalid = |why: &str| Failure::usage(format!("invalid ulimit {text:?}: {why}"));
    let (name, values) = text.split_once('=').ok_or_else(|| invalid("write NAME=SOFT[:HARD]"))?;
    if !RLIMITS.contains(&name) {
        return Err(invalid("no such limit").with_hint(format!("there are {}", RLIMITS.join(", "))));
    }
    let value = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        _ => text.parse::<u64>().map_err(|_| invalid("a limit is a number or -1")),
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (value(soft)?, value(hard)?);
    if soft > hard {
        return Err(invalid("the soft limit is above the hard one"));
    }
    Ok(Rlimit { name: format!("RLIMIT_{}", name.to_ascii_uppercase()), soft, hard })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::model::Mount;

    #[derive(Parser)]
    #[command(disable_help_flag = true)]
    struct Only {
        #[command(flatten)]
        wish: Wish,
    }

    fn wish(words: &[&str]) -> Result<CreateRequest, String> {
        let parsed = Only::try_parse_from(["x"].iter().chain(words)).map_err(|error| error.to_string())?;
        let variable = |key: &str| (key == "HERE").then(|| "yes".to_owned());
        parsed
            .wish
            .request_in(Surroundings { variable: &variable, folder: Path::new("/work") })
            .map_err(|failure| failure.message)
    }

    #[test]
    fn flags_behind_the_image_belong_to_the_command() {
        let request = wish(&["-it", "--rm", "debian", "ls", "-l", "--rm", "-e", "--", "x"]).expect("parses");
        assert_eq!(request.image, "debian");
        assert_eq!(request.command, ["ls", "-l", "--rm", "-e", "--", "x"]);
        assert!(request.tty && request.stdin_open && request.auto_remove);
        assert_eq!(wish(&["debian", "-i"]).expect("parses").command, ["-i"]);
        assert_eq!(wish(&["--", "debian", "--rm"]).expect("parses").command, ["--rm"]);
        assert_eq!(wish(&["debian", "--", "x"]).expect("parses").command, ["--", "x"]);
    }

    #[test]
    fn environment_takes_values_of_here_and_skips_what_is_not_set() {
        let request = wish(&["-e", "A=1", "-e", "HERE", "-e", "NOT_HERE", "-e", "B=", "x"]).expect("parses");
        assert_eq!(request.env, ["A=1", "HERE=yes", "B="]);
        assert!(wish(&["-e", "=1", "x"]).is_err());
        assert!(wish(&["-e", "A B=1", "x"]).is_err());
    }

    #[test]
    fn env_file_lines_come_before_flags() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("env");
        std::fs::write(&path, "# note\n\nA=1\n  B=two words\nHERE\nGONE\n").expect("write");
        let request = wish(&["--env-file", path.to_str().expect("text"), "-e", "C=3", "x"]).expect("parses");
        assert_eq!(request.env, ["A=1", "B=two words", "HERE=yes", "C=3"]);
        assert!(wish(&["--env-file", "/nope", "x"]).expect_err("missing file").contains("/nope"));
    }

    #[test]
    fn mounts_are_read_against_the_folder() {
        let request = wish(&["-v", "/a:/b:ro", "-v", "./c/../d:/e", "--tmpfs", "/t", "--volumes-from", "other", "x"]);
        let request = request.expect("parses");
        assert_eq!(request.mounts, [Mount::bind("/a", "/b").read_only(), Mount::bind("/work/d", "/e")]);
        assert_eq!(request.isolation.tmpfs[0].target, Path::new("/t"));
        assert_eq!(request.volumes_from, ["other"]);
    }

    #[test]
    fn limits_are_checked_as_docker_does() {
        let request = wish(&["-m", "64m", "--cpus", "1.5", "--pids-limit", "-1", "x"]).expect("parses");
        assert_eq!(request.limits, Limits { memory_bytes: Some(64 << 20), cpu_milli: Some(1500), ..Limits::default() });
        assert_eq!(
            wish(&["-m", "0", "--cpus", "0", "--pids-limit", "0", "x"]).expect("none").limits,
            Limits::default()
        );
        for flags in [["-m", "5m"], ["-m", "x"], ["--cpus", "-1"], ["--cpus", "many"]] {
            assert!(wish(&[flags[0], flags[1], "x"]).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn ulimits_and_capabilities_get_their_kernel_names() {
        let request = wish(&[
            "--ulimit",
            "nofile=10:20",
            "--ulimit",
            "core=-1",
            "--cap-add",
            "net_admin",
            "--cap-drop",
            "all",
            "x",
        ]);
        let request = request.expect("parses");
        assert_eq!(request.rlimits[0], Rlimit { name: "RLIMIT_NOFILE".to_owned(), soft: 10, hard: 20 });
        assert_eq!(request.rlimits[1].hard, u64::MAX);
        assert_eq!((request.cap_add, request.cap_drop), (vec!["CAP_NET_ADMIN".to_owned()], vec!["ALL".to_owned()]));
        for text in ["nofile", "nofile=a", "nofile=2:1", "files=1"] {
            assert!(wish(&["--ulimit", text, "x"]).is_err(), "{text}");
        }
    }

    #[test]
    fn wrong_values_are_refused_at_the_flag() {
        for flags in [
            ["--network", "name=lan,color=red"],
            ["--publish", "x"],
            ["--stop-signal", "NOPE"],
            ["--stop-timeout", "x"],
            ["--pull", "sometimes"],
            ["--name", "../x"],
            ["-w", "relative"],
            ["-h", "a b"],
            ["--nope", "x"],
        ] {
            assert!(wish(&[flags[0], flags[1], "x"]).is_err(), "{flags:?}");
        }
        assert!(wish(&[]).is_err());
        assert_eq!(wish(&["--entrypoint", "", "x"]).expect("parses").entrypoint, Some(vec![]));
    }
}
