//! Programs that a specification wants run at certain moments of a container's life: the only ones that teu ever executes
//! beside the container's own.
//!
//! A hook gets the container's state on its stdin and what it writes is kept for the error. One that fails or takes
//! longer than its timeout is an error that names it, and those after it do not run.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use oci_spec::runtime::{ContainerState, Hook, Hooks, Spec, State};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::RuntimeError;
use crate::sys::program;

/// The moments, in the order of the specification's lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the root changes, in the caller's namespaces. Deprecated, and used by Docker.
    Prestart,
    /// As above, after those.
    CreateRuntime,
    /// Before the root changes, in the container's namespaces.
    CreateContainer,
    /// After "start" and before the command is executed, in the container.
    StartContainer,
    /// After the command is executed, in the caller's namespaces. Run by the caller.
    Poststart,
    /// After the container is deleted, in the caller's namespaces. Run by the caller.
    Poststop,
}

impl Moment {
    /// The specification's name for it.
    fn field(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    #[allow(deprecated, reason = "Docker still writes prestart hooks")]
    fn list(self, hooks: &Hooks) -> &[Hook] {
        let list = match self {
            Self::Prestart => hooks.prestart(),
            Self::CreateRuntime => hooks.create_runtime(),
            Self::CreateContainer => hooks.create_container(),
            Self::StartContainer => hooks.start_container(),
            Self::Poststart => hooks.poststart(),
            Self::Poststop => hooks.poststop(),
        };
        list.as_deref().unwrap_or_default()
    }

    /// The container's status while they run.
    fn status(self) -> ContainerState {
        match self {
            Self::Prestart | Self::CreateRuntime | Self::CreateContainer => ContainerState::Creating,
            Self::StartContainer => ContainerState::Created,
            Self::Poststart => ContainerState::Running,
            Self::Poststop => ContainerState::Stopped,
        }
    }
}

/// The hooks that a specification has for a moment.
pub fn of(spec: &Spec, moment: Moment) -> &[Hook] {
    spec.hooks().as_ref().map_or(&[], |hooks| moment.list(hooks))
}

/// Whose hooks they are.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    pub id: &'a str,
    pub bundle: &'a Path,
    /// As those see it who run the hooks; none when it is gone.
    pub pid: Option<i32>,
}

/// Runs the hooks for a moment, one after the other, and stops at the first that fails. They start in `folder`.
///
/// poststart and poststop hooks are not to stop anybody: use [`run_all`].
pub fn run(spec: &Spec, moment: Moment, container: Container<'_>, folder: &Path) -> Result<(), RuntimeError> {
    run_with(spec, moment, container, folder, Err)
}

/// Runs them all, also after one that fails. The errors.
pub fn run_all(spec: &Spec, moment: Moment, container: Container<'_>, folder: &Path) -> Vec<RuntimeError> {
    let mut errors = Vec::new();
    let keep = |error| {
        errors.push(error);
        Ok(())
    };
    let done = run_with(spec, moment, container, folder, keep);
    errors.extend(done.err());
    errors
}

fn run_with(
    spec: &Spec,
    moment: Moment,
    container: Container<'_>,
    folder: &Path,
    mut on_error: impl FnMut(RuntimeError) -> Result<(), RuntimeError>,
) -> Result<(), RuntimeError> {
    let hooks = of(spec, moment);
    if hooks.is_empty() {
        return Ok(());
    }
    let state = state(spec, moment, container);
    if !matches!(moment, Moment::CreateContainer | Moment::StartContainer) {
        // What the caller's own caller left open is not theirs: one that stays behind would hold it.
        program::close_on_exec_from(3).map_err(|error| RuntimeError::step("close descriptors", error))?;
    }
    for (number, hook) in hooks.iter().enumerate() {
        if let Err(why) = run_one(hook, &state, folder) {
            let name = format!("hooks.{}[{number}]: {}", moment.field(), hook.path().display());
            on_error(RuntimeError::Hook(format!("{name}: {why}")))?;
        }
    }
    Ok(())
}

/// What a hook reads (runtime.md, State).
fn state(spec: &Spec, moment: Moment, container: Container<'_>) -> Vec<u8> {
    let mut state = State::default();
    state
        .set_version(spec.version().clone())
        .set_id(container.id.to_owned())
        .set_status(moment.status())
        .set_pid(container.pid)
        .set_bundle(container.bundle.to_owned())
        .set_annotations(spec.annotations().clone());
    serde_json::to_vec(&state).expect("a state of plain fields can be written as JSON")
}

fn run_one(hook: &Hook, state: &[u8], folder: &Path) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let output = scratch(b"").map_err(told)?;
    let mut command = Command::new(hook.path());
    let arguments = hook.args().as_deref().unwrap_or_default();
    if let Some((name, rest)) = arguments.split_first() {
        command.arg0(name).args(rest);
    }
    let environment = hook.env().iter().flatten().filter_map(|entry| entry.split_once('='));
    command.env_clear().envs(environment).current_dir(folder).process_group(0);
    command.stdin(scratch(state).map_err(told)?);
    command.stdout(output.try_clone().map_err(told)?).stderr(output.try_clone().map_err(told)?);
    let child = command.spawn().map_err(told)?;
    let timeout = hook.timeout().and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    let ended = wait(child, timeout).map_err(told)?;
    match ended {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{}{}", fate(status), said(output))),
        None => {
            let seconds = timeout.unwrap_or_default().as_secs();
            Err(format!("killed, as it took longer than its timeout of {seconds} s{}", said(output)))
        }
    }
}

/// A file in memory: nobody has to feed or drain a pipe, and none that a hook leaves running holds us up.
fn scratch(text: &[u8]) -> io::Result<File> {
    let file: OwnedFd = memfd_create("hook", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(file);
    file.write_all(text)?;
    file.rewind()?;
    Ok(file)
}

/// `None` if the hook was killed at its timeout, it and what else is in its process group.
fn wait(mut child: Child, timeout: Option<Duration>) -> io::Result<Option<ExitStatus>> {
    let Some(timeout) = timeout else { return child.wait().map(Some) };
    let pid = Pid::from_child(&child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = std::time::Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(0) => {
                let _ = kill_process_group(pid, Signal::KILL);
                let _ = child.kill();
                child.wait()?;
                return Ok(None);
            }
            Ok(_) => return child.wait().map(Some),
        }
    }
}

fn fate(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "no status".to_owned(),
    }
}

/// How much of a hook's output goes into its error.
const OUTPUT_BYTES: u64 = 1024;

fn said(mut output: File) -> String {
    let mut text = Vec::new();
    let read = output.rewind().and_then(|()| output.take(OUTPUT_BYTES).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    if read.is_err() || text.trim().is_empty() { String::new() } else { format!(": {}", text.trim()) }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use oci_spec::runtime::{HookBuilder, HooksBuilder, SpecBuilder};

    use super::*;

    fn shell(script: &str) -> HookBuilder {
        HookBuilder::default().path("/bin/sh").args(["sh", "-c", script].map(str::to_owned).to_vec())
    }

    fn spec(hooks: Vec<HookBuilder>) -> Spec {
        let hooks: Vec<Hook> = hooks.into_iter().map(|hook| hook.build().expect("hook")).collect();
        let hooks = HooksBuilder::default().poststop(hooks).build().expect("hooks");
        SpecBuilder::default().hooks(hooks).build().expect("spec")
    }

    fn container(folder: &Path) -> Container<'_> {
        Container { id: "box", bundle: folder, pid: Some(7) }
    }

    #[test]
    fn hook_gets_state_arguments_and_only_its_environment() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let script = "cat > state; echo $0 $1 $A $HOME > rest";
        let hook = HookBuilder::default()
            .path("/bin/sh")
            .args(["name", "-c", script, "zero", "one"].map(str::to_owned).to_vec())
            .env(vec!["A=b=c".to_owned(), "PATH=/bin:/usr/bin".to_owned()]);
        run(&spec(vec![hook]), Moment::Poststop, container(folder.path()), folder.path()).expect("hook");
        let state = std::fs::read(folder.path().join("state")).expect("state");
        let state: State = serde_json::from_slice(&state).expect("JSON");
        assert_eq!((state.id().as_str(), *state.pid(), *state.status()), ("box", Some(7), ContainerState::Stopped));
        assert_eq!(std::fs::read_to_string(folder.path().join("rest")).expect("rest"), "zero one b=c\n");
    }

    #[test]
    fn hook_that_fails_is_named_and_stops_the_rest() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let spec = spec(vec![shell("true"), shell("echo broken >&2; exit 3"), shell("echo > third")]);
        let error = run(&spec, Moment::Poststop, container(folder.path()), folder.path()).expect_err("fails");
        assert_eq!(error.to_string(), "hooks.poststop[1]: /bin/sh: exit code 3: broken");
        assert!(!folder.path().join("third").exists());
        let errors = run_all(&spec, Moment::Poststop, container(folder.path()), folder.path());
        assert_eq!(errors.len(), 1);
        assert!(folder.path().join("third").exists());
    }

    #[test]
    fn hook_beyond_its_timeout_is_killed_with_its_children() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let begun = Instant::now();
        let spec = spec(vec![shell("sleep 60 & echo $! > pid; wait").timeout(1_i64)]);
        let error = run(&spec, Moment::Poststop, container(folder.path()), folder.path()).expect_err("timeout");
        assert!(error.to_string().contains("timeout of 1 s"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(20));
        let pid = std::fs::read_to_string(folder.path().join("pid")).expect("pid");
        let stat = format!("/proc/{}/stat", pid.trim());
        let lives = || std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z "));
        while lives() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!lives(), "the hook's child goes on");
    }

    #[test]
    fn hook_that_leaves_a_child_behind_does_not_hold_the_start_up() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let begun = Instant::now();
        let spec = spec(vec![shell("sleep 5 & echo").timeout(4_i64)]);
        run(&spec, Moment::Poststop, container(folder.path()), folder.path()).expect("hook");
        assert!(begun.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn hook_that_is_missing_is_named() {
        let hook = HookBuilder::default().path("/nonexistent");
        let folder = Path::new("/");
        let error = run(&spec(vec![hook]), Moment::Poststop, container(folder), folder).expect_err("missing");
        assert!(error.to_string().starts_with("hooks.poststop[0]: /nonexistent: No such file"), "{error}");
    }
}
