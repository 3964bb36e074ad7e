//! Messages for people on standard error and, in logrus's forms, in the file that the engine named.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use super::arguments::{Global, LogFormat};
use super::{OciError, Result};
use crate::model::{Timestamp, printable_line};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// The log file can be written, or an error that says so.
pub fn check(global: &Global) -> Result<()> {
    append(global, "")
}

/// Why the verb failed.
pub fn report(global: &Global, message: &str) {
    tell(global, Level::Error, message);
}

/// What went wrong without making the verb fail.
pub fn warn(global: &Global, message: &str) {
    tell(global, Level::Warning, message);
}

/// The most characters of a message that are told: its start and its end. What is broken in a config can be huge.
const LONGEST: usize = 2000;

fn shortened(message: &str) -> std::borrow::Cow<'_, str> {
    let count = message.chars().count();
    if count <= LONGEST {
        return message.into();
    }
    let start: String = message.chars().take(LONGEST * 3 / 4).collect();
    let end: String = message.chars().skip(count - LONGEST / 4).collect();
    format!("{start}… ({count} characters) …{end}").into()
}

fn tell(global: &Global, level: Level, message: &str) {
    let message = &shortened(message);
    let prefix = if level == Level::Warning { "warning: " } else { "" };
    eprintln!("teu oci: {prefix}{}", printable_line(message));
    // A log that can't be written has been told by `check`.
    let _ = append(global, &line(global.log_format, level, message, &Timestamp::now().to_string()));
}

fn append(global: &Global, line: &str) -> Result<()> {
    let Some(path) = &global.log else { return Ok(()) };
    // Standard error is told already, and in engines' set-ups it can be a socket, which cannot be opened.
    if path.as_os_str().is_empty() || path.as_os_str() == "/dev/stderr" {
        return Ok(());
    }
    let opened = OpenOptions::new().append(true).create(true).mode(0o644).open(path);
    opened
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|source| OciError::file("write the log", path, source))
}

fn line(format: LogFormat, level: Level, message: &str, time: &str) -> String {
    let (level, message) = (level.name(), message.trim_end());
    match format {
        LogFormat::Json => format!("{}\n", serde_json::json!({ "level": level, "msg": message, "time": time })),
        LogFormat::Text => format!("time={time:?} level={level} msg={message:?}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_shapes_that_engines_read() {
        let json = line(LogFormat::Json, Level::Error, "a \"b\"\n", "T");
        assert_eq!(json, "{\"level\":\"error\",\"msg\":\"a \\\"b\\\"\",\"time\":\"T\"}\n");
        assert_eq!(line(LogFormat::Text, Level::Warning, "a", "T"), "time=\"T\" level=warning msg=\"a\"\n");
    }

    #[test]
    fn log_is_appended_to_and_an_impossible_one_is_an_error() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let log = folder.path().join("log");
        let global = Global { log: Some(log.clone()), log_format: LogFormat::Json, ..Global::default() };
        check(&global).expect("writable");
        report(&global, "one");
        warn(&global, "two");
        let text = std::fs::read_to_string(&log).expect("log");
        let levels: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
        assert_eq!((levels.len(), &levels[0]["msg"], &levels[1]["level"]), (2, &"one".into(), &"warning".into()));
        let global = Global { log: Some(folder.path().join("no/log")), ..Global::default() };
        assert!(check(&global).is_err_and(|error| error.to_string().contains("no/log")));
    }
}
