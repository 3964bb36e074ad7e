//! `create`: makes a container up to just before its command, and leaves it waiting.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

use oci_spec::runtime::Spec;

use super::arguments::{CgroupManager, Create};
use super::bundle::Bundle;
use super::console::{self, Terminal};
use super::folder::Folder;
use super::record::{Process, Record};
use super::{Context, OciError, Result, delete, log};
use crate::model::Timestamp;
use crate::runtime::cgroup::{CgroupDriver, CgroupWish};
use crate::runtime::{self, CgroupPlace, Held, ProcessIo, RootChange, Rootfs, RuntimeError, StartRequest, Stdio};
use crate::sys::file::write_atomically;
use crate::sys::program;

pub fn create(context: &Context, wish: &Create) -> Result<i32> {
    let bundle = Bundle::read(&wish.bundle)?;
    let terminal = Terminal::of(bundle.spec.process().as_ref(), wish.console_socket.as_deref(), true)?;
    let born = give_birth(context, wish, &bundle, terminal)?;
    let left = born.held.announce(&born.folder.path).map_err(OciError::from);
    let left = left.and_then(|()| write_pid_file(wish.pid_file.as_deref(), born.init.pid));
    if let Err(error) = left {
        undo(context, &born.folder);
        return Err(error);
    }
    Ok(0)
}

/// A container that waits for a word of this process, written down.
pub struct Born {
    pub folder: Folder,
    pub init: Process,
    pub pidfd: OwnedFd,
    pub held: Held,
    /// The terminal's master side, if it was not sent on.
    pub master: Option<OwnedFd>,
}

/// Makes everything. On failure everything is undone.
pub fn give_birth(context: &Context, wish: &Create, bundle: &Bundle, terminal: Terminal<'_>) -> Result<Born> {
    for warning in &bundle.warnings {
        log::warn(&context.global, warning);
    }
    let request = request(context, wish, bundle)?;
    if context.root.open(&wish.id).is_ok() {
        return Err(OciError::Exists(wish.id.clone()));
    }
    CgroupPlace::refuse_foreign(&request.cgroup)?;
    // What the caller left open is neither the hooks' nor the container's (CVE-2024-21626).
    program::close_on_exec_from(request.preserve_fds.saturating_add(3))
        .map_err(|error| OciError::call("mark descriptors close-on-exec", error))?;
    let record = record(&wish.id, bundle, &request.cgroup);
    let folder = context.root.create(&record, &bundle.config)?;
    make(&folder, record, &request, terminal).inspect_err(|error| match error {
        // Nothing of the container was there for a hook to clean up after (runtime.md, lifecycle 2).
        OciError::Runtime(error) if !matches!(error, RuntimeError::Hook(_)) => {
            if let Err(error) = folder.remove() {
                log::warn(&context.global, &error.to_string());
            }
        }
        _ => undo(context, &folder),
    })
}

fn make(folder: &Folder, mut record: Record, request: &StartRequest, terminal: Terminal<'_>) -> Result<Born> {
    let stdio = match terminal {
        Terminal::None => Stdio::Inherit,
        Terminal::Sent(_) | Terminal::Own => Stdio::Terminal(console::size(request.spec.process().as_ref())),
    };
    let started = runtime::start(request, &stdio)?;
    let init = Process::of(started.pid);
    record.init = Some(init);
    record.cgroup = Some(started.cgroup);
    if let Err(error) = folder.write(&record) {
        // Somebody has deleted the folder meanwhile: what was made is known only here.
        drop(started.held);
        let place = record.place();
        let _ = place.kill_all();
        let _ = place.remove();
        return Err(error);
    }
    let mut master = match started.io {
        ProcessIo::Terminal(master) => Some(master),
        ProcessIo::Pipes { .. } | ProcessIo::Inherited => None,
    };
    if let Terminal::Sent(socket) = terminal
        && let Some(master) = master.take()
    {
        console::send(socket, &master)?;
    }
    let held = started.held.ok_or_else(|| OciError::Wish("the container's process does not wait".to_owned()))?;
    Ok(Born { folder: folder.clone(), init, pidfd: started.pidfd, held, master })
}

/// The error that led here is told; what remains after this is told as a warning.
pub fn undo(context: &Context, folder: &Folder) {
    if let Err(error) = delete::destroy(context, folder) {
        log::warn(&context.global, &error.to_string());
    }
}

fn request(context: &Context, wish: &Create, bundle: &Bundle) -> Result<StartRequest> {
    let mut spec = bundle.spec.clone();
    let linux = spec.linux().as_ref();
    let driver = match (context.global.systemd_cgroup, context.global.cgroup_manager) {
        (true, _) | (_, Some(CgroupManager::Systemd)) => CgroupDriver::Systemd,
        _ => CgroupDriver::Cgroupfs,
    };
    let path = linux.and_then(|linux| linux.cgroups_path().as_deref());
    let cgroup = CgroupWish::of_spec(path, &wish.id, driver)?;
    let preserve_fds = wish.preserve_fds.saturating_add(pass_listening_sockets(&mut spec));
    check_descriptors(preserve_fds)?;
    Ok(StartRequest {
        id: wish.id.clone(),
        bundle: bundle.folder.clone(),
        spec,
        rootfs: Rootfs::Folder { path: bundle.rootfs.clone() },
        cgroup,
        init: false,
        hold: true,
        die_with_parent: false,
        root_change: if wish.no_pivot { RootChange::MoveMount } else { RootChange::Pivot },
        new_keyring: !wish.no_new_keyring,
        preserve_fds,
        names: runtime::NameFiles::default(),
        origins: Vec::new(),
    })
}

/// systemd's socket activation (sd_listen_fds(3)): how many descriptors come with LISTEN_FDS, which the process is told.
fn pass_listening_sockets(spec: &mut Spec) -> u32 {
    let Some(count) = std::env::var("LISTEN_FDS").ok().and_then(|text| text.parse().ok()) else { return 0 };
    if let Some(process) = spec.process_mut() {
        let mut environment = process.env().clone().unwrap_or_default();
        environment.extend([format!("LISTEN_FDS={count}"), "LISTEN_PID=1".to_owned()]);
        process.set_env(Some(environment));
    }
    count
}

/// Those that are to be passed on are there.
pub fn check_descriptors(count: u32) -> Result<()> {
    let missing = (3..count.saturating_add(3)).find(|number| !Path::new(&format!("/proc/self/fd/{number}")).exists());
    match missing {
        Some(number) => Err(OciError::Wish(format!("--preserve-fds {count}: there is no descriptor {number}"))),
        None => Ok(()),
    }
}

fn record(id: &str, bundle: &Bundle, cgroup: &CgroupWish) -> Record {
    let annotations = bundle.spec.annotations().clone().unwrap_or_default();
    Record {
        id: id.to_owned(),
        oci_version: bundle.spec.version().clone(),
        bundle: bundle.folder.clone(),
        rootfs: bundle.rootfs.clone(),
        created: Timestamp::now(),
        annotations: annotations.into_iter().collect::<BTreeMap<_, _>>(),
        owner: rustix::process::geteuid().as_raw(),
        maker: Process::own(),
        init: None,
        cgroup_wish: Some(cgroup.clone()),
        cgroup: None,
    }
}

/// Written at once as a whole: engines wait for the file and read it as soon as it is there.
pub fn write_pid_file(path: Option<&Path>, pid: i32) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let path = std::path::absolute(path).map_err(|error| OciError::file("find", path, error))?;
    write_atomically(&path, pid.to_string().as_bytes(), 0o644).map_err(|error| OciError::file("write", path, error))
}
