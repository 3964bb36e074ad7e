//! Ends: of orphans, of exec sessions, and of the container itself.

use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, WaitOptions};

use super::event_loop::Monitor;
use crate::model::{EventAction, ExitReason, ExitStatus, SessionId, Timestamp};
use crate::monitor::protocol::Reply;

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
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    // A session that died since the look at it above: its status must not be lost.
                    let pid = pid.as_raw_nonzero().get();
                    let Some(session) = self.sessions.iter_mut().find(|session| session.pid == pid) else { continue };
                    let code = status.exit_status().or(status.terminating_signal().map(|signal| 128 + signal));
                    let reason =
                        if status.terminating_signal().is_some() { ExitReason::Signal } else { ExitReason::Exit };
                    session.exited = Some(finished(code.unwrap_or(255), reason, session.started));
                    let id = session.id;
                    if id == SessionId::MAIN { self.end() } else { self.end_exec(id) }
                }
                Ok(None) | Err(_) => return,
            }
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

    /// The container is over. First everything of it is cleared away and its end recorded, then the clients are told: who has
    /// the answer finds the container exited, or with `--rm` gone.
    fn end(&mut self) {
        self.drain(SessionId::MAIN);
        self.log.finish();
        let mut status =
            self.sessions[0].exited.clone().unwrap_or_else(|| unknown(self.container.started, "not reaped"));
        status.started = Some(self.container.started);
        let killed = status.reason == ExitReason::Signal && status.code == SIGKILL_CODE;
        let oom_kills = if killed || self.container.memory_limited {
            self.container.cgroup.sample().oom_kills.unwrap_or(0)
        } else {
            0
        };
        if killed && oom_kills > 0 {
            status.reason = ExitReason::OutOfMemory;
        }
        let lost = self.log.lost_bytes();
        if lost > 0 {
            status.message = Some(format!("{lost} bytes of its output could not be written to the log"));
        }
        for peer in &mut self.peers {
            let _ = peer.flush();
        }
        let destroyed = !self.container.auto_remove.is_empty();
        self.container.end(&status, oom_kills);
        // Who connects now finds nobody; who has connected before still gets an answer.
        let _ = std::fs::remove_dir_all(&self.container.run_folder);
        if destroyed {
            self.container.event(EventAction::Destroy, None, None);
        }
        self.accept();
        self.listener = None;
        self.lock = None;
        self.tell_everybody(&status);
    }

    fn tell_everybody(&mut self, status: &ExitStatus) {
        for session in std::mem::take(&mut self.sessions) {
            let killed = finished(SIGKILL_CODE.into(), ExitReason::Signal, session.started);
            let own = if session.id == SessionId::MAIN { status.clone() } else { session.exited.unwrap_or(killed) };
            for peer in self.peers.iter_mut().filter(|peer| peer.is_attached_to(session.id)) {
                peer.tell_end(&session.ring, &own);
            }
        }
        for peer in self.peers.iter_mut().filter(|peer| peer.waiting) {
            peer.say(&Reply::Exited { status: status.clone() });
        }
        // Those that have asked something not yet read get their answer in the next turn; others need nothing more.
        for peer in self.peers.iter_mut().filter(|peer| !peer.has_frame()) {
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
