//! Runs a program with a time limit and keeps what it wrote.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Copies a program that is to be executed at once. Another program does it: a descriptor of this process's would be inherited
/// for a moment by whatever another thread starts just then, and a file that is open for writing cannot be executed (ETXTBSY).
#[track_caller]
pub fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("--").args([from, to]).status().expect("start cp");
    assert!(copied.success(), "cp {} {}", from.display(), to.display());
}

/// What a program left when it ended.
#[derive(Debug)]
pub struct Output {
    /// The command line, for messages.
    pub line: String,
    /// 128 + n if a signal ended it, as a shell reports it.
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
}

impl Output {
    /// Standard output as text, without the last line's end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches(['\n', '\r']).to_owned()
    }

    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim_end().to_owned()
    }

    /// Panics with everything there is to know unless the program returned 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.returns(0)
    }

    #[track_caller]
    pub fn returns(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// The program failed with `code` and said why: one line with every one of `words`, no panic, no escape sequence.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self}");
        self.explains(words)
    }

    /// Nothing in what it wrote tells of a panic.
    #[track_caller]
    pub fn no_panic(&self) {
        let errors = self.errors();
        assert!(
            !errors.contains("panicked") && !errors.contains("internal error"),
            "a panic instead of a message: {self}"
        );
    }

    /// Standard error holds a clear message with every one of `words` (letters' case aside).
    #[track_caller]
    pub fn explains(self, words: &[&str]) -> Self {
        let errors = self.errors();
        assert!(!errors.is_empty(), "no message on standard error: {self}");
        self.no_panic();
        assert!(!errors.contains('\u{1b}'), "an escape sequence on standard error: {self}");
        let lower = errors.to_lowercase();
        for word in words {
            assert!(lower.contains(&word.to_lowercase()), "the message does not say {word:?}: {self}");
        }
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let more = if text.len() > 4000 { format!("… ({} bytes)", text.len()) } else { String::new() };
            text.chars().take(4000).chain(more.chars()).collect::<String>()
        };
        write!(
            f,
            "\n$ {}\nreturned {} after {:?}\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.line,
            self.code,
            self.took,
            short(&self.stdout),
            short(&self.stderr)
        )
    }
}

/// The command as one line, for messages.
pub fn line_of(command: &Command) -> String {
    let parts = std::iter::once(command.get_program()).chain(command.get_args());
    parts.map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs a command to its end, fed with `stdin`; kills it and panics after `limit`.
#[track_caller]
pub fn run(command: &mut Command, stdin: &[u8], limit: Duration) -> Output {
    let line = line_of(command);
    let start = Instant::now();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|e| panic!("start {line}: {e}"));
    let mut running = Running { child };
    let mut input = running.child.stdin.take().expect("piped");
    let stdin = stdin.to_vec();
    std::thread::spawn(move || {
        let _ = input.write_all(&stdin);
    });
    let stdout = read_all(running.child.stdout.take().expect("piped"));
    let stderr = read_all(running.child.stderr.take().expect("piped"));
    let code = running.wait(limit).unwrap_or_else(|| {
        let id = running.child.id();
        let stack = std::fs::read_to_string(format!("/proc/{id}/wchan")).unwrap_or_default();
        let _ = running.child.kill();
        let partial = |r: &mpsc::Receiver<Vec<u8>>| {
            String::from_utf8_lossy(&r.recv_timeout(Duration::from_secs(2)).unwrap_or_default()).into_owned()
        };
        panic!(
            "{line}\nstill runs after {limit:?} (waits in {stack})\n--- stdout\n{}\n--- stderr\n{}",
            partial(&stdout),
            partial(&stderr)
        );
    });
    let took = start.elapsed();
    // A descendant that keeps the pipe open is a fault of its own: the pipe must close soon after the program ended.
    let drain = |name: &str, receiver: mpsc::Receiver<Vec<u8>>| {
        receiver
            .recv_timeout(Duration::from_secs(10))
            .unwrap_or_else(|_| panic!("{line}\nended, but {name} is kept open by a process it left"))
    };
    let stdout = drain("stdout", stdout);
    let stderr = drain("stderr", stderr);
    Output { line, code, stdout, stderr, took }
}

fn read_all(mut source: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = source.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

/// A child that is killed and reaped when the test is done with it.
#[derive(Debug)]
pub struct Running {
    pub child: Child,
}

impl Running {
    pub fn id(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    /// The exit code if it ends within `limit`; 128 + n for a signal.
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return Some(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
            }
            if start.elapsed() > limit {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
