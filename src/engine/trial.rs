//! A private engine in a temporary folder, and pretended monitors, for this room's tests.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::thread;

use tempfile::TempDir;

use super::{Engine, EngineError, EngineOptions};
use crate::model::{ContainerRecord, ContainerState, CreateRequest, ErrorKind, ExitReason, Id, Name, Timestamp};
use crate::monitor::State;
use crate::runtime::CgroupPlace;
use crate::sys::file::Lock;

pub(super) struct Trial {
    pub engine: Engine,
    _folder: TempDir,
}

impl Trial {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (root, runroot) = (Some(folder.path().join("data")), Some(folder.path().join("run")));
        let engine =
            Engine::open(EngineOptions { root, runroot, network: Some("none".to_owned()), ..EngineOptions::default() })
                .expect("open");
        Self { engine, _folder: folder }
    }

    /// A container of the host image.
    pub fn container(&self, name: &str) -> ContainerRecord {
        self.engine.create(&wish(name)).expect("create");
        self.engine.find(name).expect("find")
    }

    /// What a monitor leaves in the run folder while the container runs.
    pub fn pretend_running(&self, record: &ContainerRecord) {
        let engine = &self.engine.0;
        let folder = engine.life_folder(&record.id);
        fs::create_dir_all(&folder).expect("run folder");
        fs::create_dir_all(engine.upper(&record.id)).expect("upper");
        fs::write(engine.monitor_lock(&record.id), b"").expect("lock file");
        let state = State {
            version: 1,
            id: record.id.clone(),
            name: record.name.clone(),
            monitor_pid: i32::MAX,
            state: ContainerState::Running { pid: i32::MAX, started: Timestamp::EPOCH },
            // No process has this id (proc(5), pid_max), so nothing can be killed by mistake.
            cgroup: CgroupPlace { pid: i32::MAX, ..CgroupPlace::default() },
            tty: false,
            log_lost_bytes: 0,
            restarts: 0,
            limits: None,
        };
        super::record::write(&folder.join(crate::monitor::STATE), &state).expect("state");
    }

    /// Answers every request as a monitor does that does not know it.
    pub fn pretend_old_monitor(&self, record: &ContainerRecord) {
        // By a short way: the path itself may be too long for a socket's address.
        let folder = fs::File::open(self.engine.0.life_folder(&record.id)).expect("its run folder");
        let path = format!("/proc/self/fd/{}/{}", folder.as_raw_fd(), crate::monitor::SOCKET);
        let listener = std::os::unix::net::UnixListener::bind(path).expect("listen");
        thread::spawn(move || {
            let word = br#"{"say":"failed","kind":"unsupported","message":"unknown variant"}"#;
            let length = u32::try_from(word.len()).expect("short").to_le_bytes();
            // Length, kind, payload.
            let frame = [&length[..], &[0], word].concat();
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 1 << 16]).and_then(|_| stream.write_all(&frame));
                let _ = stream.read(&mut [0; 1 << 16]);
            }
        });
    }

    pub fn hold_monitor_lock(&self, record: &ContainerRecord) -> Lock {
        Lock::exclusive(&self.engine.0.monitor_lock(&record.id)).expect("lock")
    }

    fn names(&self) -> Vec<String> {
        let list = self.engine.list(true).expect("list");
        list.into_iter().map(|summary| summary.name.to_string()).collect()
    }
}

pub(super) fn wish(name: &str) -> CreateRequest {
    let name = if name.is_empty() { None } else { Some(name.parse().expect("name")) };
    CreateRequest { image: "host".into(), name, command: vec!["true".into()], ..CreateRequest::default() }
}

fn name(text: &str) -> Name {
    text.parse().expect("name")
}

#[test]
fn find_by_id_beginning_name_and_slashed_name_gives_the_container() {
    let trial = Trial::new();
    let record = trial.container("one");
    for target in [record.id.as_str(), record.id.short(), &record.id.as_str()[..3], "one", "/one"] {
        assert_eq!(trial.engine.find(target).expect(target), record);
    }
    for target in ["", "two", "../one", "zz", &record.id.as_str().to_uppercase(), "\u{1b}[2J"] {
        let error = trial.engine.find(target).expect_err(target);
        assert_eq!(error.kind(), ErrorKind::NotFound, "{target:?}");
        assert_eq!(error.to_string(), format!("No such container: {target}"));
    }
}

#[test]
fn find_by_a_beginning_of_two_ids_is_ambiguous() {
    let trial = Trial::new();
    let ids: Vec<Id> = (0..17).map(|number| trial.container(&format!("c{number}")).id).collect();
    let first = |id: &Id| id.as_str().chars().next().expect("a digit");
    let twice = ids.iter().find(|id| ids.iter().filter(|other| first(other) == first(id)).count() > 1);
    let digit = first(twice.expect("17 ids and 16 digits")).to_string();
    assert!(matches!(trial.engine.find(&digit), Err(EngineError::AmbiguousId { .. })));
}

#[test]
fn create_with_a_taken_name_conflicts_and_leaves_nothing() {
    let trial = Trial::new();
    let record = trial.container("one");
    let error = trial.engine.create(&wish("one")).expect_err("taken");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(record.id.short()));
    assert_eq!(fs::read_dir(trial.engine.0.containers()).expect("list").count(), 1);
}

#[test]
fn create_eight_at_a_time_with_one_name_gives_one_container() {
    let trial = Trial::new();
    for round in 0..20 {
        let name = format!("one-{round}");
        let made = thread::scope(|scope| {
            let creators: Vec<_> = (0..8).map(|_| scope.spawn(|| trial.engine.create(&wish(&name)))).collect();
            creators.into_iter().map(|creator| creator.join().expect("no panic")).collect::<Vec<_>>()
        });
        assert_eq!(made.iter().filter(|result| result.is_ok()).count(), 1, "{made:?}");
        let losers = made.iter().filter_map(|result| result.as_ref().err());
        assert!(losers.map(EngineError::kind).all(|kind| kind == ErrorKind::Conflict));
    }
    assert_eq!(trial.names().len(), 20);
    assert_eq!(fs::read_dir(trial.engine.0.containers()).expect("list").count(), 20);
}

#[test]
fn create_without_a_name_generates_distinct_ones_while_others_list() {
    let trial = Trial::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| drop(trial.engine.create(&wish("")).expect("create"))));
            scope.spawn(|| (0..25).for_each(|_| drop(trial.engine.list(true).expect("list"))));
        }
    });
    let names: std::collections::HashSet<String> = trial.names().into_iter().collect();
    assert_eq!(names.len(), 100);
    assert!(names.iter().all(|name| trial.engine.find(name).is_ok()));
}

#[test]
fn name_link_without_a_container_gives_way_and_is_swept() {
    let trial = Trial::new();
    let engine = &trial.engine.0;
    trial.container("other");
    let gone = Id::from_bytes([9; 32]);
    for stale in ["one", "two"] {
        std::os::unix::fs::symlink(gone.as_str(), engine.name_link(&name(stale))).expect("link");
    }
    assert_eq!(trial.engine.find("one").expect_err("stale").kind(), ErrorKind::NotFound);
    trial.container("one");
    trial.engine.list(true).expect("list");
    assert!(fs::symlink_metadata(engine.name_link(&name("two"))).is_err(), "swept");
    assert!(trial.engine.find("one").is_ok());
}

#[test]
fn rename_moves_the_name_and_frees_the_old_one() {
    let trial = Trial::new();
    let record = trial.container("one");
    trial.container("two");
    assert_eq!(trial.engine.rename("one", &name("two")).expect_err("taken").kind(), ErrorKind::Conflict);
    trial.engine.rename("one", &name("three")).expect("rename");
    assert_eq!(trial.engine.find("three").expect("found").id, record.id);
    assert_eq!(trial.engine.find("one").expect_err("freed").kind(), ErrorKind::NotFound);
    trial.container("one");
}

#[test]
fn rename_cut_off_before_the_record_keeps_the_old_name_and_the_new_link_is_swept() {
    let trial = Trial::new();
    let engine = &trial.engine.0;
    let record = trial.container("one");
    engine.take_name(&name("two"), &record.id).expect("as rename begins");
    assert!(trial.engine.find("two").is_err());
    let lock = engine.lock_container(&record.id).expect("lock").expect("there");
    trial.engine.list(true).expect("list");
    assert!(fs::symlink_metadata(engine.name_link(&name("two"))).is_ok(), "a rename is at it");
    drop(lock);
    trial.engine.list(true).expect("list");
    assert!(fs::symlink_metadata(engine.name_link(&name("two"))).is_err(), "swept");
    assert_eq!(trial.engine.find("one").expect("found").id, record.id);
}

#[test]
fn half_made_container_is_swept_unless_somebody_is_at_it() {
    let trial = Trial::new();
    let engine = &trial.engine.0;
    trial.container("one");
    let (making, removing) = (engine.making(&Id::from_bytes([1; 32])), engine.removing(&Id::from_bytes([2; 32])));
    fs::create_dir(&making).expect("mkdir");
    fs::create_dir_all(removing.join("upper/x")).expect("mkdir");
    let lock = Lock::folder(&making).expect("lock");
    assert_eq!(trial.names(), ["one"]);
    assert!(making.exists() && !removing.exists());
    drop(lock);
    assert_eq!(trial.names(), ["one"]);
    assert!(!making.exists());
}

#[test]
fn state_follows_the_run_folder_and_the_exit_file() {
    let trial = Trial::new();
    let record = trial.container("one");
    let word = || trial.engine.state("one").expect("state").word();
    assert_eq!(word(), "created");
    trial.pretend_running(&record);
    let lock = trial.hold_monitor_lock(&record);
    assert_eq!(word(), "running");
    assert_eq!(trial.engine.remove("one", false).expect_err("runs").kind(), ErrorKind::Conflict);
    let status = super::start::start_failure(&crate::monitor::MonitorError::Gone);
    trial.engine.0.write_exit(&record.id, &status).expect("exit");
    assert_eq!(word(), "exited", "its monitor is ending");
    fs::remove_dir_all(trial.engine.0.life_folder(&record.id)).expect("remove");
    drop(lock);
    assert_eq!(trial.engine.state("one").expect("state"), ContainerState::Exited(status));
}

#[test]
fn container_of_a_killed_monitor_is_settled_once_by_many_at_a_time() {
    let trial = Trial::new();
    let record = trial.container("one");
    trial.pretend_running(&record);
    thread::scope(|scope| {
        // While one is at it, the others may still see it as running.
        (0..8).for_each(|_| drop(scope.spawn(|| trial.engine.state("one").expect("state"))));
    });
    match trial.engine.state("one").expect("state") {
        ContainerState::Exited(status) => {
            assert_eq!((status.reason, status.code), (ExitReason::MonitorDied, 137));
            assert_eq!(status.started, Some(Timestamp::EPOCH));
        }
        other => panic!("{other:?}"),
    }
    assert!(!trial.engine.0.life_folder(&record.id).exists());
    let events = fs::read_to_string(trial.engine.0.events_file()).expect("events");
    assert_eq!(events.matches("\"die\"").count(), 1, "{events}");
}

#[test]
fn container_that_ran_when_the_machine_went_down_is_reported_dead() {
    let trial = Trial::new();
    let record = trial.container("one");
    fs::create_dir(trial.engine.0.upper(&record.id)).expect("upper");
    let list = trial.engine.list(true).expect("list");
    assert!(matches!(&list[0].state, ContainerState::Exited(status) if status.reason == ExitReason::MonitorDied));
}

#[test]
fn auto_removed_container_of_a_killed_monitor_is_removed() {
    let trial = Trial::new();
    trial.engine.create(&CreateRequest { auto_remove: true, ..wish("one") }).expect("create");
    trial.pretend_running(&trial.engine.find("one").expect("find"));
    assert!(trial.names().is_empty());
    assert_eq!(fs::read_dir(trial.engine.0.containers()).expect("list").count(), 0);
    assert_eq!(fs::read_dir(trial.engine.0.names()).expect("list").count(), 0);
    assert_eq!(fs::read_dir(trial.engine.0.lives()).expect("list").count(), 0);
}

#[test]
fn run_folder_without_a_container_is_swept_when_its_monitor_is_dead() {
    let trial = Trial::new();
    let record = trial.container("one");
    trial.pretend_running(&record);
    let lock = trial.hold_monitor_lock(&record);
    fs::remove_dir_all(trial.engine.0.container(&record.id)).expect("remove");
    trial.engine.list(true).expect("list");
    assert!(trial.engine.0.life_folder(&record.id).exists(), "its monitor is ending");
    drop(lock);
    trial.engine.list(true).expect("list");
    assert!(!trial.engine.0.life_folder(&record.id).exists());
}

#[test]
fn remove_frees_the_name_and_leaves_nothing() {
    let trial = Trial::new();
    trial.container("one");
    trial.engine.remove("one", false).expect("remove");
    assert!(trial.names().is_empty());
    assert_eq!(fs::read_dir(trial.engine.0.containers()).expect("list").count(), 0);
    assert_eq!(fs::read_dir(trial.engine.0.names()).expect("list").count(), 0);
    assert_eq!(trial.engine.remove("one", true).expect_err("gone").kind(), ErrorKind::NotFound);
}

#[test]
fn record_that_is_damaged_names_its_file_and_hides_no_other_container() {
    let trial = Trial::new();
    trial.container("two");
    let record = trial.container("one");
    fs::write(trial.engine.0.record_file(&record.id), b"").expect("a power cut");
    for target in ["one", record.id.short()] {
        let error = trial.engine.find(target).expect_err("damaged");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("record.json"), "{error}");
        assert_eq!(error.hint().expect("hint"), format!("`teu rm -f {}` removes that container", record.id.short()));
    }
    assert_eq!(trial.names(), ["two"]);
    assert_eq!(trial.engine.remove("one", false).expect_err("without force").kind(), ErrorKind::Corrupt);
    trial.engine.remove("one", true).expect("by force");
    assert_eq!(trial.names(), ["two"]);
    trial.container("one");
}
