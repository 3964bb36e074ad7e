//! One container at a time: run, run -d, exec.

use std::time::Duration;

use crate::Plan;
use crate::peers::Contender;
use crate::place::Place;
use crate::report::{self, Row, median};

pub fn measure(_place: &Place, contenders: &[Contender], plan: &Plan) {
    let names: Vec<&str> = contenders.iter().map(|contender| contender.name).collect();
    let rows = [
        Row { what: "`run --rm --network none IMAGE true`".into(), figures: runs(contenders, plan, Duration::ZERO) },
        Row { what: "the same, after 40 ms of quiet".into(), figures: runs(contenders, plan, QUIET) },
        Row { what: "`run -d --network none IMAGE sleep`".into(), figures: detached(contenders, plan) },
        Row { what: "`exec C true`".into(), figures: execs(contenders, plan) },
    ];
    report::table("one at a time, ms", &names, &rows);
}

fn medians(times: &[Vec<Duration>]) -> Vec<Option<f64>> {
    times.iter().map(|times| (!times.is_empty()).then(|| median(times))).collect()
}

fn with_name(words: &[String], name: &str, pid: &str) -> Vec<String> {
    words.iter().map(|word| word.replace("{n}", name).replace("{pid}", pid)).collect()
}

/// Long enough for the kernel to have taken down the network namespace of the container before, which it does after
/// the last process is gone and for which whoever makes a new one meanwhile waits.
const QUIET: Duration = Duration::from_millis(40);

fn call(contender: &Contender, words: &[String]) -> Duration {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    contender.worker.borrow_mut().run(&words).good(&words.join(" ")).took
}

fn runs(contenders: &[Contender], plan: &Plan, pause: Duration) -> Vec<Option<f64>> {
    let mut times = vec![Vec::new(); contenders.len()];
    for round in 0..plan.rounds + 2 {
        for (contender, times) in contenders.iter().zip(&mut times) {
            let Some(words) = &contender.run else { continue };
            std::thread::sleep(pause);
            let took = call(contender, words);
            // The first two warm the caches.
            if round >= 2 {
                times.push(took);
            }
        }
    }
    medians(&times)
}

fn detached(contenders: &[Contender], plan: &Plan) -> Vec<Option<f64>> {
    let mut times = vec![Vec::new(); contenders.len()];
    for round in 0..plan.rounds + 1 {
        for (contender, times) in contenders.iter().zip(&mut times) {
            let (Some(start), Some(remove)) = (&contender.start, &contender.remove) else { continue };
            let name = format!("bench-d{round}");
            let took = call(contender, &with_name(start, &name, ""));
            if round >= 1 {
                times.push(took);
            }
            call(contender, &with_name(remove, &name, ""));
        }
    }
    medians(&times)
}

fn execs(contenders: &[Contender], plan: &Plan) -> Vec<Option<f64>> {
    let name = "bench-exec";
    for contender in contenders {
        if let Some(start) = &contender.start {
            call(contender, &with_name(start, name, ""));
        }
    }
    // The floor has no containers: it enters teu's.
    let teu = &contenders[0];
    let inspect = [env!("CARGO_BIN_EXE_teu"), "inspect", name];
    let text = teu.worker.borrow_mut().run(&inspect).good("teu inspect").stdout;
    let pid = pid_in(&text);
    let mut times = vec![Vec::new(); contenders.len()];
    for round in 0..plan.rounds + 2 {
        for (contender, times) in contenders.iter().zip(&mut times) {
            let Some(exec) = &contender.exec else { continue };
            let took = call(contender, &with_name(exec, name, &pid));
            if round >= 2 {
                times.push(took);
            }
        }
    }
    for contender in contenders {
        if let Some(remove) = &contender.remove {
            call(contender, &with_name(remove, name, ""));
        }
    }
    medians(&times)
}

/// The number after the first `"Pid":` of what inspect prints.
fn pid_in(text: &str) -> String {
    let start = text.find("\"Pid\":").map_or(text.len(), |index| index + 6);
    text[start..].trim_start().chars().take_while(char::is_ascii_digit).collect()
}
