//! The loop with real processes, real sockets and real terminals, but without namespaces: ordinary users can run these.
#![allow(clippy::zombie_processes, reason = "the monitor under test reaps them")]

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use tempfile::TempDir;

use super::container::Container;
use super::event_loop::{Monitor, Parts};
use super::peer::Attached;
use super::restart::Restarts;
use super::session::Session;
use crate::model::{
    ContainerState, ErrorKind, ExitReason, ExitStatus, Id, Limits, LogStream, SessionId, Signal, Size, Timestamp,
};
use crate::monitor::connection::Connection;
use crate::monitor::log::LogWriter;
use crate::monitor::request::{LOCK, SOCKET};
use crate::monitor::{
    AttachEvent, AttachOptions, AttachReader, Attachment, Client, LogOptions, LogQuery, LogReader, MonitorError, State,
};
use crate::runtime::{CgroupPlace, ProcessIo, Started};
use crate::sys::file::Lock;
use crate::sys::socket;

/// Who is attached from the start.
#[derive(Clone, Copy, PartialEq)]
enum Face {
    None,
    Strict,
}

const ALL: AttachOptions =
    AttachOptions { stdin: true, stdout: true, stderr: true, replay: true, may_lag: true, size: None };
const STRICT: AttachOptions = AttachOptions { replay: false, may_lag: false, ..ALL };

/// A monitor in a thread, with a process that is no container.
struct Running {
    folder: TempDir,
    run: PathBuf,
    thread: JoinHandle<std::io::Result<()>>,
    face: Option<Attachment>,
}

impl Running {
    fn pipes(script: &str, face: Face) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("sh");
        let io = ProcessIo::Pipes {
            stdin: child.stdin.take().map(OwnedFd::from),
            stdout: child.stdout.take().expect("piped").into(),
            stderr: child.stderr.take().expect("piped").into(),
        };
        Self::start(Pid::from_child(&child), io, face)
    }

    fn terminal(script: &str) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("openpt");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let other = ioctl_tiocgptpeer(&master, flags).expect("other side");
        let mut command = Command::new("setsid");
        command.args(["--ctty", "sh", "-c", script]);
        let same = || other.try_clone().expect("duplicate");
        command.stdin(same()).stdout(same()).stderr(same());
        let child = command.spawn().expect("setsid");
        Self::start(Pid::from_child(&child), ProcessIo::Terminal(master), Face::None)
    }

    fn start(pid: Pid, io: ProcessIo, face: Face) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let run = folder.path().join("run");
        std::fs::create_dir(&run).expect("run folder");
        let number = pid.as_raw_nonzero().get();
        let terminal = matches!(io, ProcessIo::Terminal(_));
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("pidfd");
        // No process has this id (proc(5), pid_max), so nothing can be killed by mistake.
        let cgroup = CgroupPlace { pid: i32::MAX, ..CgroupPlace::default() };
        let started = Started { pid: number, pidfd, io, cgroup: cgroup.clone(), held: None };
        let container = Container {
            id: Id::from_bytes([7; 32]),
            name: "brave_hopper".parse().expect("name"),
            run_folder: run.clone(),
            exit_file: folder.path().join("exit.json"),
            events: folder.path().join("events.jsonl"),
            auto_remove: Vec::new(),
            stop_signal: Signal::TERM,
            stop_timeout: Duration::from_secs(1),
            tty: terminal,
            stdin_open: true,
            limits: Limits::default(),
            restarts: Restarts::default(),
            cgroup,
            state: ContainerState::Running { pid: number, started: Timestamp::now() },
            started: Timestamp::now(),
            since: Instant::now(),
            oom_kills_told: 0,
            wire: None,
            leave: None,
            volumes: Vec::new(),
        };
        container.write_state(0).expect("state");
        let mut monitor = Monitor::new(Parts {
            container,
            main: Session::new(SessionId::MAIN, started, vec!["sh".to_owned()]).expect("session"),
            log: LogWriter::new(LogOptions::at(folder.path().join("log"))),
            listener: socket::listen_in(&run, SOCKET).expect("listen"),
            lock: Lock::exclusive(&run.join(LOCK)).expect("lock"),
            signals: None,
        })
        .expect("monitor");
        let face = (face == Face::Strict).then(|| {
            let (ours, theirs) = socket::pair().expect("pair");
            let attached = Attached { session: SessionId::MAIN, options: STRICT, starter: true, missed_bytes: 0 };
            monitor.adopt(theirs).attached = Some(attached);
            Attachment::new(Connection::over(ours), SessionId::MAIN).expect("attachment")
        });
        Self { folder, run, thread: std::thread::spawn(move || monitor.run()), face }
    }

    fn client(&self) -> Client {
        Client::open(&self.run).expect("client")
    }

    /// Waits for the monitor's end and gives what it recorded.
    fn ended(self) -> (TempDir, ExitStatus) {
        self.thread.join().expect("thread").expect("monitor");
        assert!(!self.run.exists(), "the run folder is gone");
        let record = std::fs::read(self.folder.path().join("exit.json")).expect("exit record");
        (self.folder, serde_json::from_slice(&record).expect("exit status"))
    }
}

/// Reads up to the end: all of stdout and stderr, how much was lost, and how it ended.
fn read_all(reader: &mut AttachReader) -> (Vec<u8>, Vec<u8>, u64, Option<ExitStatus>) {
    let (mut out, mut err, mut lost, mut end) = (Vec::new(), Vec::new(), 0, None);
    while let Some(event) = reader.next().expect("event") {
        match event {
            AttachEvent::Output { stream: LogStream::Stdout, bytes } => out.extend(bytes),
            AttachEvent::Output { stream: LogStream::Stderr, bytes } => err.extend(bytes),
            AttachEvent::Lagged { bytes } => lost += bytes,
            AttachEvent::Exited(status) => end = Some(status),
            AttachEvent::Replayed => {}
        }
    }
    (out, err, lost, end)
}

/// Reads until `text` has come, and gives everything so far.
fn read_until(reader: &mut AttachReader, text: &str) -> String {
    let mut seen = Vec::new();
    while let Some(event) = reader.next().expect("event") {
        if let AttachEvent::Output { bytes, .. } = event {
            seen.extend(bytes);
        }
        if String::from_utf8_lossy(&seen).contains(text) {
            return String::from_utf8_lossy(&seen).into_owned();
        }
    }
    panic!("ended before {text:?}: {:?}", String::from_utf8_lossy(&seen));
}

#[test]
fn foreground_run_gets_both_streams_the_code_and_the_log_has_them_too() {
    let mut running = Running::pipes("echo out; echo err >&2; exit 3", Face::Strict);
    let (mut reader, _writer) = running.face.take().expect("face").split();
    let (out, err, lost, end) = read_all(&mut reader);
    assert_eq!((out.as_slice(), err.as_slice(), lost), (&b"out\n"[..], &b"err\n"[..], 0));
    let end = end.expect("told the end");
    assert_eq!((end.code, end.reason), (3, ExitReason::Exit));
    let (folder, status) = running.ended();
    assert_eq!(status, end);
    let log = LogReader::open(&folder.path().join("log"), &LogQuery::default()).expect("log");
    let mut texts: Vec<String> = log.map(|entry| entry.expect("entry").text).collect();
    texts.sort();
    assert_eq!(texts, ["err\n", "out\n"]);
}

#[test]
fn piped_input_reaches_the_process_and_ends() {
    let mut running = Running::pipes("cat; echo done", Face::Strict);
    let (mut reader, mut writer) = running.face.take().expect("face").split();
    let input = b"0123456789abcde\n".repeat(100_000);
    let expected = input.len() + 5;
    let writing = std::thread::spawn(move || {
        writer.write(&input).expect("write");
        writer.close_stdin().expect("close");
        writer
    });
    let (out, _, lost, end) = read_all(&mut reader);
    assert_eq!((out.len(), lost, end.map(|end| end.code)), (expected, 0, Some(0)));
    drop(writing.join().expect("writer"));
    running.ended();
}

#[test]
fn input_ends_when_the_face_that_started_it_is_killed_but_not_when_it_detaches() {
    let mut running = Running::pipes("cat >/dev/null; exit 7", Face::Strict);
    drop(running.face.take());
    assert_eq!(running.ended().1.code, 7);

    let mut running = Running::pipes("cat >/dev/null; exit 7", Face::Strict);
    let (reader, mut writer) = running.face.take().expect("face").split();
    writer.detach().expect("detach");
    drop((reader, writer));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(running.client().sessions().expect("still there").len(), 1);
    running.client().signal(SessionId::MAIN, Signal::KILL).expect("kill");
    running.ended();
}

#[test]
fn slow_foreground_face_loses_nothing_and_holds_the_process_back() {
    let mut running = Running::pipes("head -c 8000000 /dev/zero; echo written >&2", Face::Strict);
    let (mut reader, _writer) = running.face.take().expect("face").split();
    std::thread::sleep(Duration::from_millis(300));
    assert!(running.client().state().expect("alive").state.is_running(), "the process waits for its reader");
    let (out, err, lost, _) = read_all(&mut reader);
    assert_eq!((out.len(), err.as_slice(), lost), (8_000_000, &b"written\n"[..], 0));
    running.ended();
}

#[test]
fn client_that_may_lag_is_told_what_it_missed_and_holds_nobody_back() {
    let script = "read go; i=0; while [ $i -lt 200 ]; do head -c 50000 /dev/zero | tr '\\0' x; i=$((i+1)); done; echo; echo last";
    let running = Running::pipes(script, Face::None);
    let (mut lazy, mut writer) = running.client().attach(SessionId::MAIN, &ALL).expect("attach").split();
    writer.write(b"go\n").expect("write");
    let end = running.client().wait().expect("the flood ends although nobody reads");
    assert_eq!(end.code, 0);
    let (out, _, lost, told) = read_all(&mut lazy);
    assert!(lost > 5_000_000, "{lost}");
    assert_eq!(told.map(|end| end.code), Some(0));
    assert!(out.ends_with(b"last\n"));
    running.ended();
}

#[test]
fn many_clients_of_a_terminal_see_the_same_and_late_ones_the_recent_screen() {
    let running = Running::terminal("stty -echo; printf '\\033[?2004h\\033[?25lready\\n'; cat");
    let (mut one, mut writer) = running.client().attach(SessionId::MAIN, &ALL).expect("attach").split();
    read_until(&mut one, "ready");
    writer.write(b"first\n").expect("write");
    read_until(&mut one, "first");
    let (mut two, _) = running.client().attach(SessionId::MAIN, &ALL).expect("attach").split();
    let replayed = read_until(&mut two, "first");
    assert!(replayed.starts_with("\u{1b}[?2004h\u{1b}[?25lready"), "{replayed:?}");
    writer.write(b"second\n").expect("write");
    read_until(&mut one, "second");
    read_until(&mut two, "second");
    writer.write(&[4]).expect("^D");
    assert_eq!(running.ended().1.code, 0);
}

#[test]
fn terminal_takes_the_size_of_the_last_client_that_says_one() {
    let script = "trap 'stty size' WINCH; stty -echo; echo ready; while :; do sleep 0.05; done";
    let running = Running::terminal(script);
    let options = AttachOptions { size: Some(Size { columns: 33, rows: 11 }), ..ALL };
    let (mut reader, mut writer) = running.client().attach(SessionId::MAIN, &options).expect("attach").split();
    read_until(&mut reader, "ready");
    writer.resize(Size { columns: 101, rows: 17 }).expect("resize");
    read_until(&mut reader, "17 101");
    running.client().resize(SessionId::MAIN, Size { columns: 60, rows: 20 }).expect("resize");
    read_until(&mut reader, "20 60");
    writer.signal(Signal::KILL).expect("signal");
    let status = running.ended().1;
    assert_eq!((status.code, status.reason), (137, ExitReason::Signal));
}

#[test]
fn many_waiters_are_answered_after_everything_is_cleared_away() {
    let running = Running::pipes("read line; exit 5", Face::None);
    let waiters: Vec<_> = (0..10)
        .map(|_| {
            let (mut client, run) = (running.client(), running.run.clone());
            std::thread::spawn(move || (client.wait().expect("status").code, run.exists()))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(50));
    running.client().signal(SessionId::MAIN, Signal::TERM).expect("signal");
    for waiter in waiters {
        assert_eq!(waiter.join().expect("waiter"), (143, false));
    }
    assert!(matches!(Client::open(&running.run), Err(MonitorError::NotRunning)));
    running.ended();
}

#[test]
fn questions_about_nothing_are_refused_and_the_connection_stays_good() {
    let running = Running::pipes("cat", Face::None);
    let mut client = running.client();
    let error = client.signal(SessionId(9), Signal::TERM).expect_err("no such session");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(client.resume().expect_err("not paused").kind(), ErrorKind::Conflict);
    assert_eq!(client.attach(SessionId(4), &ALL).expect_err("no such session").kind(), ErrorKind::NotFound);
    let state = client.state().expect("state");
    assert_eq!(State::read(&running.run).expect("state file").map(|state| state.state), Some(state.state));
    assert_eq!(client.sessions().expect("sessions")[0].command, ["sh"]);
    client.signal(SessionId::MAIN, Signal::KILL).expect("kill");
    running.ended();
}

#[test]
fn question_that_crosses_the_end_hears_that_nothing_runs() {
    for _ in 0..60 {
        let running = Running::pipes("read line", Face::None);
        let pid = running.client().sessions().expect("sessions")[0].pid;
        let askers: Vec<Client> = (0..6).map(|_| running.client()).collect();
        rustix::process::kill_process(Pid::from_raw(pid).expect("a pid"), rustix::process::Signal::KILL).expect("kill");
        for mut asker in askers {
            match asker.signal(SessionId::MAIN, Signal::KILL) {
                Ok(()) | Err(MonitorError::NotRunning | MonitorError::Gone) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        running.ended();
    }
}

#[test]
fn broken_and_hostile_clients_harm_nobody() {
    let running = Running::pipes("cat; sleep 0.1", Face::None);
    let garbage: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[255; 100],
        &[3, 0, 0, 0, 0, b'{', b'}', b'x'],
        &[2, 0, 0, 0, 2, b'h', b'i'],
        &[1, 0, 0, 0, 77, 0],
        &[0, 0, 16, 0, 1],
    ];
    let mut open = Vec::new();
    for bytes in garbage {
        let connection = socket::connect_in(&running.run, SOCKET).expect("connect");
        socket::send_all(&connection, bytes).expect("send");
        open.push(connection);
    }
    // A client that asks and asks and never reads an answer.
    let greedy = socket::connect_in(&running.run, SOCKET).expect("connect");
    let mut frames = Vec::new();
    for _ in 0..20_000 {
        crate::monitor::protocol::put_word(&mut frames, &crate::monitor::protocol::Request::State);
    }
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        match socket::send_now(&greedy, &frames) {
            Ok(Some(_)) => {}
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(_) => break,
        }
    }
    // More clients than it serves at a time: those beyond wait, and come in when others leave.
    let crowd: Vec<_> = (0..130).filter_map(|_| socket::connect_in(&running.run, SOCKET).ok()).collect();
    drop((crowd, open, greedy));
    let (mut reader, mut writer) = running.client().attach(SessionId::MAIN, &ALL).expect("attach").split();
    writer.write(b"alive\n").expect("write");
    read_until(&mut reader, "alive");
    writer.close_stdin().expect("close");
    assert_eq!(read_all(&mut reader).3.map(|end| end.code), Some(0));
    running.ended();
}

#[test]
fn log_follow_ends_with_the_container() {
    let running = Running::pipes("read line; echo one; sleep 0.1; echo two", Face::None);
    let query = LogQuery { follow: true, ..LogQuery::default() };
    let log = LogReader::open(&running.folder.path().join("log"), &query).expect("log").until_exit_of(&running.run);
    let reading = std::thread::spawn(move || log.map(|entry| entry.expect("entry").text).collect::<Vec<_>>());
    let (_reader, mut writer) = running.client().attach(SessionId::MAIN, &ALL).expect("attach").split();
    writer.write(b"\n").expect("write");
    assert_eq!(reading.join().expect("reader"), ["one\n", "two\n"]);
    running.ended();
}
