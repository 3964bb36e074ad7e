//! A small process that starts programs and times them, told so over its stdin.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    words: Vec<String>,
    environment: Vec<(String, String)>,
    /// How many of it to start in all, and how many at a time. `{n}` in a word becomes the number.
    count: usize,
    at_a_time: usize,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    nanoseconds: u64,
    code: i32,
    stdout: String,
    stderr: String,
    /// How long each took, of several.
    each: Vec<u64>,
}

/// The worker's own side: reads orders until its stdin closes.
pub fn serve() {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let order: Order = serde_json::from_str(&line).expect("an order");
        let answer = if order.count == 1 { run_one(&order) } else { run_many(&order) };
        println!("{}", serde_json::to_string(&answer).expect("an answer"));
    }
}

fn command(order: &Order, number: usize) -> Command {
    let words: Vec<String> = order.words.iter().map(|word| word.replace("{n}", &number.to_string())).collect();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).envs(order.environment.iter().cloned()).stdin(Stdio::null());
    command
}

fn run_one(order: &Order) -> Answer {
    let out = tempfile::tempfile().expect("a temporary file");
    let error = tempfile::tempfile().expect("a temporary file");
    let mut command = command(order, 0);
    command.stdout(out.try_clone().expect("dup")).stderr(error.try_clone().expect("dup"));
    let start = Instant::now();
    let status = command.spawn().and_then(|mut child| child.wait());
    let took = start.elapsed();
    Answer {
        nanoseconds: took.as_nanos() as u64,
        code: status.map_or(-1, |status| status.code().unwrap_or(-1)),
        stdout: whole(out),
        stderr: whole(error),
        each: Vec::new(),
    }
}

fn whole(mut file: std::fs::File) -> String {
    use std::io::{Read, Seek, SeekFrom};
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text)).map(|_| text).unwrap_or_default()
}

fn run_many(order: &Order) -> Answer {
    use rustix::process::{WaitOptions, wait};
    let errors = tempfile::tempfile().expect("a temporary file");
    let mut running: HashMap<i32, Instant> = HashMap::new();
    let mut each = Vec::with_capacity(order.count);
    let mut code = 0;
    let mut reap_one = |running: &mut HashMap<i32, Instant>| {
        let (pid, status) = wait(WaitOptions::empty()).expect("wait").expect("a child");
        if let Some(start) = running.remove(&pid.as_raw_nonzero().get()) {
            each.push(start.elapsed().as_nanos() as u64);
            code = code.max(status.exit_status().unwrap_or(255));
        }
    };
    let start = Instant::now();
    for number in 0..order.count {
        while running.len() == order.at_a_time {
            reap_one(&mut running);
        }
        let mut command = command(order, number);
        command.stdout(Stdio::null()).stderr(errors.try_clone().expect("dup"));
        let begun = Instant::now();
        // The handle is let go: whoever ends is reaped above.
        let pid = command.spawn().expect("start").id() as i32;
        running.insert(pid, begun);
    }
    while !running.is_empty() {
        reap_one(&mut running);
    }
    let nanoseconds = start.elapsed().as_nanos() as u64;
    Answer { nanoseconds, code, stdout: String::new(), stderr: whole(errors), each }
}

/// Another worker, seen from the benchmark.
pub struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    environment: Vec<(String, String)>,
}

/// One run: how long, and what it said.
pub struct Run {
    pub took: Duration,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// How long each took, of several.
    pub each: Vec<Duration>,
}

impl Run {
    /// Panics unless the program returned 0: a figure of a failure is no figure.
    #[track_caller]
    pub fn good(self, what: &str) -> Self {
        assert_eq!(self.code, 0, "{what} returned {}\n{}{}", self.code, self.stdout, self.stderr);
        self
    }
}

impl Worker {
    /// In this machine's own view, with these variables besides its environment.
    pub fn new(environment: Vec<(String, String)>) -> Self {
        let program = std::env::current_exe().expect("the benchmark's own path");
        Self::start(Command::new(program).arg("worker"), environment)
    }

    /// In a mount namespace of its own without the cgroup2 mount of a hybrid machine. Root only.
    pub fn without_unified(environment: Vec<(String, String)>) -> Self {
        let program = std::env::current_exe().expect("the benchmark's own path");
        let script = "umount -l /sys/fs/cgroup/unified 2>/dev/null; exec \"$0\" worker";
        Self::start(Command::new("unshare").args(["-m", "sh", "-c", script]).arg(program), environment)
    }

    /// In a network and a mount namespace of its own, after a shell script. Root only.
    pub fn in_own_network(script: &str, environment: Vec<(String, String)>) -> Self {
        let program = std::env::current_exe().expect("the benchmark's own path");
        let script = format!("ip link set lo up && mount --make-rprivate / && {script}\nexec \"$0\" worker");
        Self::start(Command::new("unshare").args(["-n", "-m", "sh", "-c", &script]).arg(program), environment)
    }

    /// The process that is in the worker's namespaces: itself.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn start(command: &mut Command, environment: Vec<(String, String)>) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start a worker");
        let orders = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, orders, answers, environment }
    }

    pub fn run(&mut self, words: &[&str]) -> Run {
        self.order(words, 1, 1)
    }

    /// Starts the command `count` times, `at_a_time`; `{n}` in a word becomes the number.
    pub fn run_many(&mut self, words: &[&str], count: usize, at_a_time: usize) -> Run {
        self.order(words, count, at_a_time)
    }

    fn order(&mut self, words: &[&str], count: usize, at_a_time: usize) -> Run {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let order = Order { words, environment: self.environment.clone(), count, at_a_time };
        let line = serde_json::to_string(&order).expect("an order");
        writeln!(self.orders, "{line}").expect("the worker lives");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the worker answers");
        let answer: Answer = serde_json::from_str(&line).expect("an answer");
        Run {
            took: Duration::from_nanos(answer.nanoseconds),
            code: answer.code,
            stdout: answer.stdout,
            stderr: answer.stderr,
            each: answer.each.into_iter().map(Duration::from_nanos).collect(),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
