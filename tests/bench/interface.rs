//! The interface with a hundred running containers: first list, idle cost, key to screen, memory, a flood in a shell's pane.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::peers::{Contender, teu_environment};
use crate::place::Place;
use crate::report::{median, number, worst};
use crate::support::SECOND;
use crate::support::pty::{Pty, key};

const COUNT: usize = 100;
const SIZE: (u16, u16) = (160, 50);
const IDLE: Duration = Duration::from_secs(20);

pub fn measure(place: &Place, teu: &Contender) {
    let program = env!("CARGO_BIN_EXE_teu");
    let start = [program, "run", "-d", "--network", "none", "--name", "bench-i{n}", "bench", "sleep", "100000"];
    teu.worker.borrow_mut().run_many(&start, COUNT, 8).good("teu run -d");
    let mut lines = vec![sampling(place)];
    let shell = [program, "run", "-dit", "--network", "none", "--name", "bench-flood", "bench", "sh"];
    teu.worker.borrow_mut().run(&shell).good("teu run -dit");
    lines.push(first_list(place));
    let pty = open(place);
    shows_list(&pty);
    lines.push(idle(place, &pty));
    lines.push(key_to_screen(&pty));
    lines.push(format!("| RSS of the interface | {} MB |", number(resident_bytes(pty.running.id()) / 1e6)));
    lines.push(flood(&pty));
    drop(pty);
    let remove = [program, "rm", "-f", "bench-i{n}"];
    teu.worker.borrow_mut().run_many(&remove, COUNT, 4);
    teu.worker.borrow_mut().run(&[program, "rm", "-f", "bench-flood"]);
    println!("| the interface, {}×{}, {COUNT} running containers | |\n|---|---|", SIZE.0, SIZE.1);
    println!("{}\n", lines.join("\n"));
}

fn open(place: &Place) -> Pty {
    let mut command = Command::new(env!("CARGO_BIN_EXE_teu"));
    command.envs(teu_environment(place)).env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
    command.env("HOME", &place.run).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    Pty::spawn(&command, SIZE)
}

/// Waits until the list fills the screen.
fn shows_list(pty: &Pty) {
    let full = |screen: &str| screen.lines().filter(|line| line.contains("bench-i")).count() >= 30;
    pty.wait_until("the list of containers", Duration::from_secs(20), full);
}

fn first_list(place: &Place) -> String {
    let mut times = Vec::new();
    for _ in 0..11 {
        let start = Instant::now();
        let mut pty = open(place);
        shows_list(&pty);
        times.push(start.elapsed());
        quit(&mut pty);
    }
    format!("| first full list, process start included | {} ms |", number(median(&times[1..])))
}

fn quit(pty: &mut Pty) {
    pty.send("q");
    if pty.running.wait(Duration::from_secs(2)).is_none() {
        let _ = pty.running.child.kill();
    }
}

/// Processor time of the interface and every monitor, and bytes drawn, while nothing happens.
fn idle(place: &Place, pty: &Pty) -> String {
    std::thread::sleep(Duration::from_secs(3));
    let monitors = report_monitors(place);
    let (own, theirs, drawn, start) =
        (cpu_seconds(pty.running.id()), total(&monitors), pty.raw_length(), Instant::now());
    std::thread::sleep(IDLE);
    let seconds = start.elapsed().as_secs_f64();
    let (own, theirs) = (cpu_seconds(pty.running.id()) - own, total(&monitors) - theirs);
    format!(
        "| idle, percent of one core: interface / {} monitors | {} / {} |\n| idle, bytes drawn a second | {} |",
        monitors.len(),
        number(100.0 * own / seconds),
        number(100.0 * theirs / seconds),
        number((pty.raw_length() - drawn) as f64 / seconds)
    )
}

fn total(pids: &[i32]) -> f64 {
    pids.iter().map(|pid| cpu_seconds(*pid)).sum()
}

/// Processor time of every thread of a process, to the nanosecond.
fn cpu_seconds(pid: i32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}

fn report_monitors(place: &Place) -> Vec<i32> {
    let folder = place.run.to_string_lossy().into_owned();
    let is_monitor = |pid: &i32| crate::support::leaks::command_line(*pid).contains("monitor");
    crate::support::leaks::processes_in(std::path::Path::new(&folder)).into_iter().filter(is_monitor).collect()
}

fn key_to_screen(pty: &Pty) -> String {
    let mut times = Vec::new();
    for number in 0..60 {
        // Between the interface's own refreshes, so that what is drawn next answers the key.
        pty.settle(Duration::from_millis(30));
        let before = pty.raw_length();
        let start = Instant::now();
        pty.send(if number % 2 == 0 { key::DOWN } else { key::UP });
        while pty.raw_length() == before && start.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_micros(100));
        }
        times.push(start.elapsed());
    }
    format!(
        "| key to screen, median / worst of {} | {} / {} ms |",
        times.len(),
        number(median(&times)),
        number(worst(&times))
    )
}

fn resident_bytes(pid: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let row = text.lines().find_map(|row| row.strip_prefix("VmRSS:")).unwrap_or_default();
    row.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::NAN) * 1024.0
}

/// How long the engine takes to sample all of them, called as the interface calls it.
fn sampling(place: &Place) -> String {
    use teu::engine::{Engine, EngineOptions};
    let options = EngineOptions {
        root: Some(place.disk.join("teu")),
        runroot: Some(place.run.join("teu")),
        ..EngineOptions::default()
    };
    let engine = Engine::open(options).expect("the engine opens");
    let mut sampler = engine.sampler();
    let mut times = Vec::new();
    for _ in 0..21 {
        let start = Instant::now();
        let sampled = sampler.sample().expect("a sample").len();
        times.push(start.elapsed());
        assert_eq!(sampled, COUNT, "not every container is sampled");
        std::thread::sleep(Duration::from_millis(50));
    }
    format!("| sampling all of them once | {} ms |", number(median(&times[1..])))
}

/// The waits for a key's effect while 50 MB pour into a shell's pane: leaving the pane and entering it again.
fn flood(pty: &Pty) -> String {
    const IN_PANE: &str = "F12 leaves";
    pty.send("1");
    pty.send("/bench-flood");
    pty.send(key::ENTER);
    pty.wait_until("the filtered list", SECOND * 10, |screen| !screen.contains("bench-i"));
    pty.send(key::ENTER);
    pty.wait_for(IN_PANE);
    let line = "0123456789".repeat(7);
    pty.send(&format!("yes {line} | head -c 50000000; echo flood-$((70+7))\r"));
    let (mut times, start) = (Vec::new(), Instant::now());
    while !pty.screen().contains("flood-77") && start.elapsed() < SECOND * 120 {
        for (keys, is_inside) in [(key::F12, false), (key::ENTER, true)] {
            let pressed = Instant::now();
            pty.send(keys);
            pty.wait_until("the key's effect", SECOND * 10, |screen| screen.contains(IN_PANE) == is_inside);
            times.push(pressed.elapsed());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let (middle, longest) = (number(median(&times)), number(worst(&times)));
    format!(
        "| flood of 50 MB in a pane, {seconds:.1} s: key to effect, median / worst of {} | {middle} / {longest} ms |",
        times.len()
    )
}
