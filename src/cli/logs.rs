//! `logs` and `events`: what was, and what comes.

use std::io::{self, Write};

use clap::Args;

use super::failure::{Failure, Outcome};
use super::filter::Filters;
use super::format::{Format, Row};
use super::output::Output;
use super::template::Subject;
use crate::engine::{Engine, EventQuery, LogQuery, MonitorError};
use crate::model::{Event, EventSubject, LogEntry, LogStream, Timestamp, parse_duration_ms, printable};

/// Show a container's output.
#[derive(Args, Clone, Debug)]
pub struct Logs {
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// Show when each line was written
    #[arg(short, long)]
    timestamps: bool,
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "NUMBER|all", default_value = "all", value_parser = tail)]
    tail: Tail,
    /// Only lines since then: 2026-11-22T21:54:00Z, a Unix time, or 10m ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only lines until then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// Show what happens to containers and images, as it happens.
#[derive(Args, Clone, Debug)]
pub struct Events {
    /// Begin with what happened since then: 2026-11-22T21:54:00Z, a Unix time, or 10m ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// End then; in the past: show and end
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// container=, image=, volume=, event=, type=
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// json, or a template such as {{.Action}} {{.Name}}
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

/// How many of the last lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tail(Option<u64>);

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        // Docker takes a negative number for all.
        _ if text.starts_with('-') && text[1..].parse::<u64>().is_ok() => Ok(Tail(None)),
        _ => text.parse().map(|lines| Tail(Some(lines))).map_err(|_| "write a number or all".to_owned()),
    }
}

/// A time as Docker's flags take it: RFC 3339, Unix seconds with a fraction, or a duration before now.
/// A moment that is past: RFC 3339, a Unix time, or how long ago.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    moment_before(text, Timestamp::now())
}

fn moment_before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || "write 2026-11-22T21:54:00Z, 2026-11-22, a Unix time such as 1700000000, or 10m for ago".to_owned();
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp(time));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text.starts_with(|c: char| c.is_ascii_digit())
    {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let nanoseconds = format!("{fraction:0<9}");
        let time = seconds.parse().ok().zip(nanoseconds.get(..9).and_then(|digits| digits.parse().ok()));
        let time = time.and_then(|(seconds, nanoseconds)| jiff::Timestamp::new(seconds, nanoseconds).ok());
        return time.map(Timestamp).ok_or_else(wrong);
    }
    if let Ok(ms) = parse_duration_ms(text) {
        let ago = jiff::SignedDuration::from_millis(i64::try_from(ms).map_err(|_| wrong())?);
        return now.0.checked_sub(ago).map(Timestamp).map_err(|_| wrong());
    }
    // Without a zone the time is the machine's own, as in Docker.
    let local = text.parse::<jiff::civil::DateTime>().map_err(|_| wrong())?;
    local.to_zoned(jiff::tz::TimeZone::system()).map(|time| Timestamp(time.timestamp())).map_err(|_| wrong())
}

pub fn logs(engine: &Engine, wish: &Logs) -> Outcome {
    let query = LogQuery { since: wish.since, until: wish.until, tail: wish.tail.0, follow: wish.follow };
    let reader = engine.logs(&wish.container, &query)?;
    let mut out = Output::open();
    let mut errors = io::stderr();
    let errors_are_shown = io::IsTerminal::is_terminal(&errors);
    let mut at_line_start = true;
    for entry in reader {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error @ MonitorError::Garbage { .. }) => {
                out.flush()?;
                Failure::new(error.to_string()).report();
                continue;
            }
            Err(error) => return Err(Failure::new(error.to_string())),
        };
        let stamp = if wish.timestamps && at_line_start { format!("{} ", entry.time) } else { String::new() };
        at_line_start = entry.text.ends_with('\n');
        match entry.stream {
            LogStream::Stdout => {
                let shown = line(&entry, out.is_terminal());
                out.trusted(&format!("{stamp}{shown}"))?;
                if wish.follow {
                    out.flush()?;
                }
            }
            LogStream::Stderr => {
                // The order of the two streams is kept where both are one terminal.
                out.flush()?;
                let shown = line(&entry, errors_are_shown);
                write!(errors, "{stamp}{shown}")?;
            }
        }
    }
    out.flush()?;
    Ok(0)
}

/// The entry as it is shown: raw bytes to files and pipes, nothing that is obeyed to a terminal.
fn line(entry: &LogEntry, is_terminal: bool) -> String {
    if !is_terminal {
        return entry.text.clone();
    }
    // A container's terminal ends its lines with both; the carriage return means nothing here.
    match entry.text.strip_suffix("\r\n") {
        Some(text) => format!("{}\n", printable(text)),
        None => printable(&entry.text).into_owned(),
    }
}

pub fn events(engine: &Engine, wish: &Events) -> Outcome {
    let filters = Filters::parse(&wish.filter, &["container", "image", "network", "volume", "event", "type"])?;
    let is_past = wish.until.is_some_and(|until| until <= Timestamp::now());
    let query = EventQuery { since: wish.since, until: wish.until, follow: !is_past };
    let mut out = Output::open();
    for event in engine.events(&query)? {
        let event = match event {
            Ok(event) => event,
            Err(error @ MonitorError::Garbage { .. }) => {
                Failure::new(error.to_string()).report();
                continue;
            }
            Err(error) => return Err(Failure::new(error.to_string())),
        };
        if !passes(&event, &filters) {
            continue;
        }
        out.line(&shown(&event, wish.format.as_ref())?)?;
        out.flush()?;
    }
    Ok(0)
}

fn passes(event: &Event, filters: &Filters) -> bool {
    let of = |subject: EventSubject| {
        move |wanted: &str| {
            event.subject == subject && (event.name == wanted || (wanted.len() >= 2 && event.id.starts_with(wanted)))
        }
    };
    filters.pass("container", of(EventSubject::Container))
        && filters.pass("image", of(EventSubject::Image))
        && filters.pass("volume", of(EventSubject::Volume))
        && filters.pass("network", of(EventSubject::Network))
        && filters.pass("event", |wanted| word(&event.action) == wanted)
        && filters.pass("type", |wanted| word(&event.subject) == wanted)
}

/// The word that the event file has for it.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn shown(event: &Event, format: Option<&Format>) -> Result<String, Failure> {
    let (subject, action) = (word(&event.subject), word(&event.action));
    let mut attributes = vec![format!("name={}", event.name)];
    attributes.extend(event.exit_code.map(|code| format!("exitCode={code}")));
    attributes.extend(event.detail.as_ref().map(|detail| format!("detail={detail}")));
    attributes.extend(event.attributes.iter().map(|(key, value)| format!("{key}={value}")));
    match format {
        None => Ok(crate::model::printable_line(&format!(
            "{} {subject} {action} {} ({})",
            event.time,
            event.id,
            attributes.join(", ")
        ))
        .into_owned()),
        Some(Format::Json) => serde_json::to_string(event).map_err(|error| Failure::new(error.to_string())),
        Some(Format::Template(template)) => {
            let mut row = Row::new([
                ("Time", event.time.to_string()),
                ("Type", subject),
                ("Action", action.clone()),
                ("Status", action),
                ("ID", event.id.clone()),
                ("Name", event.name.clone()),
                ("ExitCode", event.exit_code.map(|code| code.to_string()).unwrap_or_default()),
                ("Detail", event.detail.clone().unwrap_or_default()),
            ]);
            row.fields.insert("Attributes".to_owned(), serde_json::json!(event.attributes));
            let fields = serde_json::Value::Object(row.fields);
            Ok(template.fill(Subject { fields: &fields, labels: None })?)
        }
        Some(Format::Table | Format::TableOf(_)) => Err(Failure::usage("events have no table; use json or a template")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventAction;

    fn event() -> Event {
        Event {
            time: Timestamp::EPOCH,
            subject: EventSubject::Container,
            action: EventAction::ExecDie,
            id: "0a".repeat(32),
            name: "web".to_owned(),
            exit_code: Some(3),
            detail: Some("\u{1b}[2J".to_owned()),
            attributes: Default::default(),
        }
    }

    #[test]
    fn moments_in_all_notations() {
        let now = Timestamp(jiff::Timestamp::from_second(1_000_000).expect("in range"));
        let seconds = |text: &str| moment_before(text, now).map(|time| time.0.as_second());
        assert_eq!(seconds("1970-01-02T00:00:00Z"), Ok(86_400));
        assert_eq!(seconds("1970-01-02T01:00:00+01:00"), Ok(86_400));
        assert_eq!(seconds("1700000000"), Ok(1_700_000_000));
        assert_eq!(seconds("10m"), Ok(1_000_000 - 600));
        assert_eq!(seconds("1h30m"), Ok(1_000_000 - 5400));
        assert_eq!(moment_before("1.5", now).map(Timestamp::as_nanoseconds), Ok(1_500_000_000));
        assert!(seconds("2026-11-22").is_ok() && seconds("2026-11-22T21:54:00").is_ok());
        for text in ["", "yesterday", "-5m", "2026-13-01", "99999999999999999"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tails_are_numbers_or_all() {
        assert_eq!((tail("5"), tail("all"), tail("-1")), (Ok(Tail(Some(5))), Ok(Tail(None)), Ok(Tail(None))));
        assert!(tail("x").is_err());
    }

    #[test]
    fn log_lines_on_a_terminal_obey_nothing() {
        let entry = LogEntry { time: Timestamp::EPOCH, stream: LogStream::Stdout, text: "\u{1b}[31mx\r\n".to_owned() };
        assert_eq!(line(&entry, true), "␛[31mx\n");
        assert_eq!(line(&entry, false), "\u{1b}[31mx\r\n");
    }

    #[test]
    fn events_are_shown_in_dockers_words() {
        let formats = ["{{.Action}} {{.Name}} {{.ExitCode}}", "json"];
        let mut text = shown(&event(), None).expect("default") + "\n";
        for format in formats {
            text += &(shown(&event(), Some(&format.parse().expect(format))).expect(format) + "\n");
        }
        insta::assert_snapshot!(text);
        assert!(shown(&event(), Some(&Format::Table)).is_err());
    }

    #[test]
    fn event_filters() {
        for (filter, expected) in [
            ("container=web", true),
            ("container=0a0a", true),
            ("container=db", false),
            ("image=web", false),
            ("event=exec_die", true),
            ("event=die", false),
            ("type=container", true),
            ("type=image", false),
        ] {
            let filters =
                Filters::parse(&[filter.to_owned()], &["container", "image", "volume", "event", "type"]).expect(filter);
            assert_eq!(passes(&event(), &filters), expected, "{filter}");
        }
    }
}
