//! What the cloned process does to become the container: a plain list of steps, each with its name in the error.

use std::cell::Cell;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Linux, LinuxDevice, Mount, Process};
use rustix::fs::{Mode, OFlags, openat};
use rustix::system::{setdomainname, sethostname};

use super::cgroup::{self, Membership};
use super::hooks::{self, Moment};
use super::namespaces::{Namespaces, become_root as become_root_user};
use super::process::finish::Finish;
use super::process::outward;
use super::process::streams::{Streams, lead_session, open_terminal, take_terminal};
use super::report::Lower;
use super::rootfs::handed::{Handed, Plan};
use super::rootfs::options::{self, Options};
use super::rootfs::origin::Sources;
use super::rootfs::{become_root, cgroups, devices, files, host, inside, masks, mounts, overlay};
use super::seccomp::Agent;
use super::stage;
use super::{Rootfs, RuntimeError, StartRequest};
use crate::sys::clone::CloneOptions;
use crate::sys::interface;
use crate::sys::mount::{Change, Depth, Propagation, change, change_root};

/// Everything the process needs from the moment it is cloned.
pub(super) struct Setup<'a> {
    pub request: &'a StartRequest,
    pub namespaces: &'a Namespaces,
    pub plan: &'a Plan,
    pub streams: &'a Streams,
    pub membership: &'a Membership,
    pub agent: Option<&'a Agent>,
}

impl Setup<'_> {
    /// Becomes the container's process, by way of a stage where namespaces are to be joined first. Returns only on failure.
    pub fn become_container(&self, line: &mut Lower) -> Result<Infallible, RuntimeError> {
        if !self.namespaces.new_user() {
            self.set_outward()?;
        }
        if !self.namespaces.need_stage() {
            let pid = self.pid_on_the_host();
            return self.run(line, pid);
        }
        stage::hide_from_tracers()?;
        self.namespaces.join()?;
        let options = CloneOptions { flags: self.namespaces.clone_flags(), cgroup: None };
        stage::clone_process(line, &options, |line, pid| self.run(line, pid))
    }

    fn run(&self, line: &mut Lower, pid: i32) -> Result<Infallible, RuntimeError> {
        if !self.namespaces.need_stage() {
            self.namespaces.join()?;
        }
        self.namespaces.set_clocks()?;
        self.await_id_maps(line)?;
        let mut handed = self.receive_mounts(line)?;
        self.become_mapped_root()?;
        stage::hide_from_tracers()?;
        self.take_streams()?;
        let prepared =
            mounts::prepare(self.mounts(), &Sources::inside(self.request, self.namespaces.user()), &mut handed)?;
        let copy = self.copy_root(handed)?;
        self.separate_mounts()?;
        let root = overlay::mount(&self.request.rootfs, self.namespaces.user(), copy)?;
        let joined = Cell::new(false);
        let mut attached = self.attach_mounts(&root, prepared, (line, &joined))?;
        let dev = devices::set_up(root.as_fd(), self.mounts(), self.devices())?;
        self.bind_etc_files(&root)?;
        self.set_sysctls(attached.proc.as_ref())?;
        self.join_cgroups(line, &joined)?;
        for (mount, options) in std::mem::take(&mut attached.cgroups) {
            self.mount_cgroups(&root, mount, &options)?;
        }
        self.await_hooks(line)?;
        self.run_create_hooks()?;
        self.take_terminal(line, &attached, &dev)?;
        self.mask_paths(&root)?;
        self.name_host()?;
        self.raise_loopback()?;
        become_root(&root, self.request.root_change).map_err(|error| RuntimeError::step("pivot_root", error))?;
        drop((attached, dev));
        self.protect_root(&root)?;
        self.set_root_propagation(&root)?;
        drop(root);
        self.set_personality()?;
        self.finish(line, pid)
    }

    fn linux(&self) -> Option<&Linux> {
        self.request.spec.linux().as_ref()
    }

    fn devices(&self) -> &[LinuxDevice] {
        self.linux().and_then(|linux| linux.devices().as_deref()).unwrap_or_default()
    }

    fn mounts(&self) -> &[Mount] {
        self.request.spec.mounts().as_deref().unwrap_or_default()
    }

    fn process(&self) -> Result<&Process, RuntimeError> {
        let process = self.request.spec.process().as_ref();
        process.ok_or_else(|| RuntimeError::InvalidRequest("the specification has no process".to_owned()))
    }

    /// This process as the starting one sees it, for a seccomp agent: while /proc is still the host's.
    fn pid_on_the_host(&self) -> i32 {
        let own = || std::fs::read_link("/proc/self").ok()?.to_str()?.parse().ok();
        self.agent.and_then(|_| own()).unwrap_or_default()
    }

    /// In a new user namespace the caller does it.
    fn set_outward(&self) -> Result<(), RuntimeError> {
        outward::set(self.process()?, None)
    }

    fn await_id_maps(&self, line: &Lower) -> Result<(), RuntimeError> {
        if !self.namespaces.new_user() {
            return Ok(());
        }
        line.wait().map_err(|error| RuntimeError::step("wait for the id maps", error))
    }

    fn receive_mounts(&self, line: &Lower) -> Result<Handed, RuntimeError> {
        if self.plan.is_empty() {
            return Ok(Handed::default());
        }
        let failed = |error| RuntimeError::step("receive mounts from the starting process", error);
        self.plan.take(line.receive().map_err(failed)?)
    }

    fn become_mapped_root(&self) -> Result<(), RuntimeError> {
        if self.namespaces.new_user() { become_root_user() } else { Ok(()) }
    }

    fn take_streams(&self) -> Result<(), RuntimeError> {
        lead_session();
        self.streams.take().map_err(|error| RuntimeError::step("take the standard streams", error))
    }

    /// A root that is a folder as it is: copied while it still hears of mounts on the machine, if that is wished.
    fn copy_root(&self, handed: Handed) -> Result<Option<OwnedFd>, RuntimeError> {
        match (&handed.root, &self.request.rootfs) {
            (None, Rootfs::Folder { path }) => {
                overlay::copy_of_folder(path, options::of_root_while_made(&self.request.spec)?).map(Some)
            }
            _ => Ok(handed.root),
        }
    }

    /// No mount made here shows on the host.
    fn separate_mounts(&self) -> Result<(), RuntimeError> {
        change_root(Depth::Whole, &Change::propagation(Propagation::Private))
            .map_err(|error| RuntimeError::step("make mounts private", error))
    }

    fn attach_mounts<'b>(
        &self,
        root: &OwnedFd,
        prepared: Vec<mounts::Prepared<'b>>,
        (line, joined): (&Lower, &Cell<bool>),
    ) -> Result<mounts::Attached<'b>, RuntimeError> {
        if let Rootfs::Host { hide, .. } = &self.request.rootfs {
            host::cover(root.as_fd(), hide)?;
        }
        mounts::attach_all(root.as_fd(), prepared, &mut |mount, options| {
            self.join_cgroups(line, joined)?;
            self.mount_cgroups(root, mount, options)
        })
    }

    fn bind_etc_files(&self, root: &OwnedFd) -> Result<(), RuntimeError> {
        match &self.request.rootfs {
            Rootfs::Overlay { .. } => {}
            // The machine's own files, unless the container has other surroundings.
            Rootfs::Host { .. } if self.request.names != crate::runtime::NameFiles::default() => {}
            Rootfs::Host { .. } | Rootfs::Folder { .. } => return Ok(()),
        }
        // Without a name of its own the container has the machine's.
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let wish = files::Wish {
            hostname: self.request.spec.hostname().as_deref().unwrap_or(&machine),
            host_network: !self.namespaces.network(),
            names: &self.request.names,
        };
        let taken = |path: &str| self.mounts().iter().any(|mount| mount.destination() == Path::new(path));
        files::bind(root.as_fd(), &wish, &taken)
    }

    /// Through the descriptor of the new procfs itself, which nothing is mounted over (CVE-2025-52881).
    fn set_sysctls(&self, proc: Option<&OwnedFd>) -> Result<(), RuntimeError> {
        let wanted = self.linux().and_then(|linux| linux.sysctl().as_ref());
        let (Some(wanted), Some(proc)) = (wanted, proc) else { return Ok(()) };
        for (key, value) in wanted {
            let path = format!("sys/{}", key.replace('.', "/"));
            let written = openat(proc, &path, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
                .map_err(io::Error::from)
                .and_then(|file| File::from(file).write_all(value.as_bytes()));
            written.map_err(|error| RuntimeError::step(format!("set sysctl {key}"), error))?;
        }
        Ok(())
    }

    /// On the starting side's sign: it makes the groups while this side makes mounts.
    fn join_cgroups(&self, line: &Lower, joined: &Cell<bool>) -> Result<(), RuntimeError> {
        if joined.replace(true) {
            return Ok(());
        }
        let doors = line.receive().map_err(|error| RuntimeError::step("wait for the cgroups", error))?;
        cgroup::enter(&doors).map_err(|error| RuntimeError::step("join the cgroups", error))?;
        if !self.namespaces.new_cgroup() {
            return Ok(());
        }
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWCGROUP)
            .map_err(|error| RuntimeError::step("unshare the cgroup namespace", error))
    }

    fn mount_cgroups(&self, root: &OwnedFd, mount: &Mount, options: &Options) -> Result<(), RuntimeError> {
        cgroups::mount(root.as_fd(), mount, options, &self.membership.expected_place())
    }

    /// The caller runs those of its own namespaces.
    fn await_hooks(&self, line: &Lower) -> Result<(), RuntimeError> {
        let moments = [Moment::Prestart, Moment::CreateRuntime];
        if moments.iter().all(|moment| hooks::of(&self.request.spec, *moment).is_empty()) {
            return Ok(());
        }
        line.hooks_due()
            .and_then(|()| line.wait())
            .map_err(|error| RuntimeError::step("wait for the createRuntime hooks", error))
    }

    /// In the container's namespaces, with the caller's root still in sight: their paths are of there.
    fn run_create_hooks(&self) -> Result<(), RuntimeError> {
        hooks::run(&self.request.spec, Moment::CreateContainer, self.hooked(), &self.request.bundle)
    }

    fn hooked(&self) -> hooks::Container<'_> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        hooks::Container { id: &self.request.id, bundle: &self.request.bundle, pid: Some(pid) }
    }

    fn take_terminal(&self, line: &Lower, attached: &mounts::Attached<'_>, dev: &OwnedFd) -> Result<(), RuntimeError> {
        let Streams::Terminal(size) = self.streams else { return Ok(()) };
        let failed = |error: io::Error| RuntimeError::step("open the terminal", error);
        let missing = || RuntimeError::InvalidRequest("a terminal needs a devpts at /dev/pts".to_owned());
        let devpts = attached.devpts.as_ref().ok_or_else(missing)?;
        let (master, slave) = open_terminal(devpts.as_fd(), *size).map_err(failed)?;
        take_terminal(&slave).map_err(failed)?;
        devices::bind_console(dev.as_fd(), &slave).map_err(|error| RuntimeError::step("bind /dev/console", error))?;
        line.terminal(&master).map_err(failed)
    }

    fn mask_paths(&self, root: &OwnedFd) -> Result<(), RuntimeError> {
        let Some(linux) = self.linux() else { return Ok(()) };
        masks::protect(root.as_fd(), linux.readonly_paths().as_deref().unwrap_or_default())?;
        masks::mask(root.as_fd(), linux.masked_paths().as_deref().unwrap_or_default())
    }

    fn name_host(&self) -> Result<(), RuntimeError> {
        if !self.namespaces.uts() {
            return Ok(());
        }
        if let Some(name) = self.request.spec.hostname() {
            sethostname(name.as_bytes())
                .map_err(|error| RuntimeError::step(format!("set the hostname {name}"), error))?;
        }
        if let Some(name) = self.request.spec.domainname() {
            setdomainname(name.as_bytes())
                .map_err(|error| RuntimeError::step(format!("set the domain name {name}"), error))?;
        }
        Ok(())
    }

    fn raise_loopback(&self) -> Result<(), RuntimeError> {
        if !self.namespaces.new_network() {
            return Ok(());
        }
        interface::loopback_up().map_err(|error| RuntimeError::step("bring up the loopback interface", error))
    }

    /// Read-only from here on, if wished. The working folder is made first: nothing could make it later.
    fn protect_root(&self, root: &OwnedFd) -> Result<(), RuntimeError> {
        if !self.request.spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false) {
            return Ok(());
        }
        let folder: PathBuf = self.process()?.cwd().clone();
        let made = inside::find_or_make(root, &folder, inside::Shape::Folder, inside::Symlinks::InsideRoot);
        made.map_err(|error| RuntimeError::step(format!("make {}", folder.display()), error))?;
        change(root, Depth::One, &Change::read_only())
            .map_err(|error| RuntimeError::step("make the root read-only", error))
    }

    /// `linux.rootfsPropagation`, once nothing more is mounted here.
    fn set_root_propagation(&self, root: &OwnedFd) -> Result<(), RuntimeError> {
        let Some((propagation, depth)) = options::of_root(&self.request.spec)? else { return Ok(()) };
        change(root, depth, &Change::propagation(propagation))
            .map_err(|error| RuntimeError::step("set linux.rootfsPropagation", error))
    }

    /// Last: it changes what the kernel says of itself.
    fn set_personality(&self) -> Result<(), RuntimeError> {
        outward::set_personality(self.linux().and_then(|linux| linux.personality().as_ref()))
    }

    fn finish(&self, line: &mut Lower, pid: i32) -> Result<Infallible, RuntimeError> {
        let finish = Finish {
            process: self.process()?,
            seccomp: self.linux().and_then(|linux| linux.seccomp().as_ref()),
            agent: self.agent.map(|agent| (agent, pid)),
            init: self.request.init,
            hold: self.request.hold,
            die_with_parent: self.request.die_with_parent,
            new_keyring: self.request.new_keyring,
            preserve_fds: self.request.preserve_fds,
            start_hooks: Some((&self.request.spec, self.hooked())),
        };
        finish.run(line)
    }
}
