//! Ends: of orphans, of exec sessions, and of the container itself.

use std::time::{Duration, Instant};

use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, WaitOptions};

use super::birth;
use super::event_loop::Monitor;
use super::session::Session;
use crate::model::{ContainerState, EventAction, ExitReason, ExitStatus, SessionId, Timestamp};
use crate::monitor::MonitorError;
use crate::monitor::protocol::Reply;
use crate::sys::idle;

const SIGKILL_CODE: u8 = 128 + 9;

impl Monitor {
    /// The process of a session may have ended: takes its status, and ends what ends with it.
    pub(super) fn reap(&mut self, id: SessionId) {
        let Some(session) = self.session(id) else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = match rustix::process::waitid(WaitId::PidFd(std::os::fd::AsFd::as_fd(&session.pidfd)), options) {
            Ok(Some(status)) => exit_status(&status, session.started),
            Ok(None) | Err(rustix::io::Errno::INTR) => return,
            Err(error) => unknown(session.started, &error.to_string()),
        };
        session.exited = Some(status);
        if id == SessionId::MAIN { self.end() } else { self.end_exec(id) }
    }

    /// Processes whose parents in the container's tree died before them come to the monitor, the subreaper.
    pub(super) fn reap_orphans(&mut self) {
        // Sessions first, by their pidfds, so that what is left are orphans.
        let sessions: Vec<SessionId> = self.sessions.iter().map(|session| session.id).rev().collect();
        for id in sessions {
            self.reap(id);
        }
        let mut others = false;
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get();
            let Some(session) = self.sessions.iter_mut().find(|session| session.pid == pid) else {
                others = true;
                continue;
            };
            // A session that died since the look at it above: its status must not be lost.
            let code = status.exit_status().or(status.terminating_signal().map(|signal| 128 + signal));
            let reason = if status.terminating_signal().is_some() { ExitReason::Signal } else { ExitReason::Exit };
            session.exited = Some(finished(code.unwrap_or(255), reason, session.started));
            let id = session.id;
            if id == SessionId::MAIN { self.end() } else { self.end_exec(id) }
        }
        if others {
            self.container.wire.iter_mut().for_each(|wire| wire.child_ended());
        }
    }

    fn end_exec(&mut self, id: SessionId) {
        self.drain(id);
        let Some(index) = self.sessions.iter().position(|session| session.id == id) else { return };
        let session = self.sessions.remove(index);
        let Some(status) = session.exited else { return };
        for peer in self.peers.iter_mut().filter(|peer| peer.is_attached_to(id)) {
            peer.tell_end(&session.ring, &status);
            let _ = peer.flush();
        }
        self.container.event(EventAction::ExecDie, Some(status.code), Some(id.to_string()));
    }

    /// The main process has ended, and with it the container; or it is to be started again.
    fn end(&mut self) {
        self.drain(SessionId::MAIN);
        self.log.finish();
        let mut status =
            self.sessions[0].exited.clone().unwrap_or_else(|| unknown(self.container.started, "not reaped"));
        status.started = Some(self.container.started);
        let oom_kills = self.oom_kills(&status);
        self.forget_memory();
        if status.code == SIGKILL_CODE && oom_kills > 0 {
            status.reason = ExitReason::OutOfMemory;
        }
        let lost = self.log.lost_bytes();
        if lost > 0 {
            status.message = Some(format!("{lost} bytes of its output could not be written to the log"));
        }
        self.kill_at = None;
        for peer in &mut self.peers {
            let _ = peer.flush();
        }
        let pause = self.container.restarts.after(&status, self.container.since.elapsed());
        status.restarts = self.container.restarts.count;
        match pause {
            Some(pause) => self.rest(status, oom_kills, pause),
            None => {
                self.container.record_end(&status);
                self.container.fall(&status, oom_kills);
                self.conclude(&status);
            }
        }
    }

    /// Only where there is a limit, or something was killed, can the kernel have killed at the limit.
    fn oom_kills(&self, status: &ExitStatus) -> u64 {
        if status.code != SIGKILL_CODE && self.container.limits.memory_bytes.is_none() {
            return 0;
        }
        self.container.cgroup.sample().oom_kills.unwrap_or(0)
    }

    /// Everything of this run is cleared away and its clients are told; the rest of the monitor waits for the next.
    fn rest(&mut self, status: ExitStatus, oom_kills: u64, pause: Duration) {
        self.container.fall(&status, oom_kills);
        self.container.state = ContainerState::Restarting(status.clone());
        self.container.restarts.at = Some(Instant::now() + pause);
        // Nobody can be told of a failure; recovery reads what was there before.
        let _ = self.container.write_state(self.log.lost_bytes());
        self.tell_sessions(&status);
    }

    /// The pause is over.
    pub(super) fn start_again(&mut self) {
        let ContainerState::Restarting(last) = &self.container.state else { return };
        let last = last.clone();
        if let Err(error) = self.try_start_again() {
            let status = ExitStatus {
                code: u8::try_from(error.kind().run_exit_code()).unwrap_or(125),
                reason: ExitReason::StartFailed,
                message: Some(format!("it could not be started again: {error}")),
                finished: Timestamp::now(),
                ..last
            };
            self.container.record_end(&status);
            self.conclude(&status);
        }
    }

    fn try_start_again(&mut self) -> Result<(), MonitorError> {
        let folder = &self.container.run_folder;
        let mut request =
            self.container.read_again().map_err(MonitorError::file("read what to start again in", folder))?;
        let stdio = birth::stdio(self.container.tty, self.container.stdin_open, None);
        let started = birth::start_wired(&mut request, &stdio, self.container.wire.as_deref_mut())?;
        let command = request.spec.process().as_ref().and_then(|process| process.args().clone()).unwrap_or_default();
        self.container.restarts.count += 1;
        self.container.run(started.cgroup.clone(), started.pid);
        let main = Session::new(SessionId::MAIN, started, command).map_err(MonitorError::call("fcntl O_NONBLOCK"));
        match main {
            Ok(main) => self.sessions.insert(0, main),
            Err(error) => {
                let _ = self.container.cgroup.kill_all();
                let _ = self.container.cgroup.remove();
                return Err(error);
            }
        }
        self.watch_memory();
        let _ = self.container.write_state(self.log.lost_bytes());
        self.container.event(EventAction::Start, None, None);
        idle::give_back();
        Ok(())
    }

    /// It was stopped while it waited to be started again: how it ended last is how it ended.
    pub(super) fn stay_down(&mut self) {
        let ContainerState::Restarting(status) = &self.container.state else { return };
        let status = status.clone();
        self.container.restarts.at = None;
        self.container.record_end(&status);
        self.conclude(&status);
    }

    /// The container is over, and its end recorded. First everything of it is cleared away, then the clients are told: who has
    /// the answer finds the container exited, or with `--rm` gone.
    fn conclude(&mut self, status: &ExitStatus) {
        let destroyed = !self.container.auto_remove.is_empty();
        self.container.vanish(status);
        // Who connects now finds nobody; who has connected before still gets an answer.
        let _ = std::fs::remove_dir_all(&self.container.run_folder);
        if destroyed {
            self.container.event(EventAction::Destroy, None, None);
        }
        self.accept();
        self.listener = None;
        if let Some(wire) = &mut self.container.wire {
            wire.let_go();
        }
        self.lock = None;
        self.tell_sessions(status);
        // Those that have asked something not yet read get their answer in the next turn; others need nothing more.
        for peer in self.peers.iter_mut().filter(|peer| !peer.has_frame()) {
            peer.closing = true;
        }
    }

    /// All processes are gone: tells who is attached to one, and who waits for the container.
    fn tell_sessions(&mut self, status: &ExitStatus) {
        for session in std::mem::take(&mut self.sessions) {
            let killed = finished(SIGKILL_CODE.into(), ExitReason::Signal, session.started);
            let own = if session.id == SessionId::MAIN { status.clone() } else { session.exited.unwrap_or(killed) };
            for peer in self.peers.iter_mut().filter(|peer| peer.is_attached_to(session.id)) {
                peer.tell_end(&session.ring, &own);
            }
        }
        for peer in self.peers.iter_mut().filter(|peer| peer.waiting) {
            peer.say(&Reply::Exited { status: status.clone() });
            peer.waiting = false;
            peer.closing = true;
        }
    }
}

fn exit_status(status: &WaitIdStatus, started: Timestamp) -> ExitStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => finished(code, ExitReason::Exit, started),
        (None, Some(signal)) => finished(128 + signal, ExitReason::Signal, started),
        (None, None) => unknown(started, "stopped?"),
    }
}

fn finished(code: i32, reason: ExitReason, started: Timestamp) -> ExitStatus {
    let code = u8::try_from(code & 0xff).unwrap_or(255);
    ExitStatus { code, reason, finished: Timestamp::now(), started: Some(started), message: None, restarts: 0 }
}

fn unknown(started: Timestamp, why: &str) -> ExitStatus {
    let message = Some(format!("its exit status could not be fetched: {why}"));
    ExitStatus { message, ..finished(255, ExitReason::Exit, started) }
}
