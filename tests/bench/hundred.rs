//! Many containers: a hundred starts, lists of five hundred, statistics and memory of a hundred.

use std::fs;
use std::time::Duration;

use crate::Plan;
use crate::peers::Contender;
use crate::place::Place;
use crate::report::{self, Row, median};

const COUNT: usize = 100;

pub fn measure(place: &Place, contenders: &[Contender], plan: &Plan) {
    let measured = |c: &&Contender| c.start.is_some() && (plan.slow_peers || !matches!(c.name, "podman" | "docker"));
    let contenders: Vec<&Contender> = contenders.iter().filter(measured).collect();
    let names: Vec<&str> = contenders.iter().map(|contender| contender.name).collect();
    let start = |contender: &&Contender| Some(start_hundred(contender));
    let starts = Row { what: "100 starts, 8 at a time".into(), figures: contenders.iter().map(start).collect() };
    let listed =
        Row { what: "`ps`, 100 running".into(), figures: repeated(&contenders, plan, |c| c.list_all.as_ref()) };
    let statistics = Row {
        what: "`stats --no-stream`, 100 running".into(),
        figures: repeated(&contenders, &Plan { rounds: 5, ..*plan }, |c| c.statistics.as_ref()),
    };
    let memory =
        Row { what: "engine's processes, KiB PSS a container".into(), figures: memory_figures(place, &contenders) };
    for contender in &contenders {
        let remove = contender.remove.as_ref().expect("who starts removes");
        let words: Vec<&str> = remove.iter().map(String::as_str).collect();
        let words: Vec<String> = words.iter().map(|word| word.replace("{n}", "bench-h{n}")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        contender.worker.borrow_mut().run_many(&words, COUNT, 4);
    }
    report::table("a hundred, ms", &names, &[starts, listed, statistics, memory]);
    println!("`teu stats` samples twice, {} apart, and says so: its figure contains that wait.\n", stats_interval());
    list_of_created(contenders[0], plan);
}

/// The interval that teu itself names in its help.
fn stats_interval() -> String {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_teu")).args(["stats", "--help"]).output();
    let text = help.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    let unit = words.windows(2).find(|pair| pair[1].starts_with("ms") && pair[0].parse::<u32>().is_ok());
    unit.map_or("some milliseconds".to_owned(), |pair| format!("{} ms", pair[0]))
}

fn start_hundred(contender: &Contender) -> f64 {
    let start = contender.start.as_ref().expect("checked");
    let words: Vec<String> = start.iter().map(|word| word.replace("{n}", "bench-h{n}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = contender.worker.borrow_mut().run_many(&words, COUNT, 8).good(&words.join(" "));
    run.took.as_secs_f64() * 1e3
}

fn repeated(
    contenders: &[&Contender],
    plan: &Plan,
    deed: impl Fn(&Contender) -> Option<&Vec<String>>,
) -> Vec<Option<f64>> {
    let mut times = vec![Vec::new(); contenders.len()];
    for round in 0..plan.rounds + 1 {
        for (contender, times) in contenders.iter().zip(&mut times) {
            let Some(words) = deed(contender) else { continue };
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let run = contender.worker.borrow_mut().run(&words).good(&words.join(" "));
            if round > 0 {
                times.push(run.took);
            }
        }
    }
    times.iter().map(|times: &Vec<Duration>| (!times.is_empty()).then(|| median(times))).collect()
}

/// PSS of teu's monitors and podman's conmons, divided by their number.
fn memory_figures(place: &Place, contenders: &[&Contender]) -> Vec<Option<f64>> {
    let run = place.run.to_string_lossy().into_owned();
    let of = |contender: &&Contender| {
        let mark = match contender.name {
            "teu" => "teu\0monitor",
            "podman" => "conmon",
            _ => return None,
        };
        average_pss(mark, &run)
    };
    contenders.iter().map(of).collect()
}

fn average_pss(mark: &str, folder: &str) -> Option<f64> {
    let mut sizes = Vec::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let process = entry.path();
        let Ok(command) = fs::read(process.join("cmdline")) else { continue };
        let command = String::from_utf8_lossy(&command).into_owned();
        let belongs = command.contains(folder) || has_open(&process, folder);
        if (command.contains(mark) || mark.contains("monitor") && command.contains("monitor")) && belongs {
            let rollup = fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
            let row = rollup.lines().find_map(|row| row.strip_prefix("Pss:"));
            sizes.extend(row.and_then(|row| row.trim().trim_end_matches(" kB").parse::<f64>().ok()));
        }
    }
    (!sizes.is_empty()).then(|| sizes.iter().sum::<f64>() / sizes.len() as f64)
}

fn has_open(process: &std::path::Path, folder: &str) -> bool {
    let links = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    links.filter_map(|link| fs::read_link(link.path()).ok()).any(|target| target.to_string_lossy().starts_with(folder))
}

/// `ps -a` with five hundred created containers; teu's alone, since making five hundred takes the peers minutes.
fn list_of_created(teu: &Contender, plan: &Plan) {
    let program = env!("CARGO_BIN_EXE_teu");
    let mut worker = teu.worker.borrow_mut();
    let create = [program, "create", "--name", "bench-c{n}", "--network", "none", "bench", "true"];
    worker.run_many(&create, 500, 4).good("teu create");
    let times: Vec<Duration> =
        (0..plan.rounds).map(|_| worker.run(&[program, "ps", "-a"]).good("teu ps -a").took).collect();
    let rows = [Row { what: "`ps -a`, 500 created".into(), figures: vec![Some(median(&times))] }];
    worker.run_many(&[program, "rm", "bench-c{n}"], 500, 4);
    report::table("five hundred, ms", &["teu"], &rows);
}
