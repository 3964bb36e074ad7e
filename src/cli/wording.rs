//! Docker's words for durations, states, sizes and commands.

use humansize::{BINARY, BaseUnit, DECIMAL, FormatSizeOptions, Kilo, format_size};

use crate::model::{ContainerState, ExitReason, Timestamp};

/// `3 minutes`, `About an hour`, `2 weeks`: Docker's rounding.
pub fn duration(seconds: u64) -> String {
    let minutes = seconds / 60;
    // Hours are rounded to the nearest, everything else is cut off.
    let hours = (seconds + 1800) / 3600;
    let days = hours / 24;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 14 => format!("{days} days"),
        () if hours < 24 * 60 => format!("{} weeks", days / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", days / 30),
        () => format!("{} years", days / 365),
    }
}

/// `3 minutes ago`.
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    format!("{} ago", duration(time.seconds_until(now)))
}

/// `2026-11-22 21:54:00 +0000 UTC`, as Docker writes points in time.
pub fn moment(time: Timestamp) -> String {
    time.0.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()
}

/// The STATUS column: `Up 3 minutes`, `Exited (0) 2 hours ago`, `Created`.
pub fn status(state: &ContainerState, now: Timestamp) -> String {
    match state {
        ContainerState::Created => "Created".to_owned(),
        ContainerState::Running { started, .. } => format!("Up {}", duration(started.seconds_until(now))),
        ContainerState::Paused { started, .. } => format!("Up {} (Paused)", duration(started.seconds_until(now))),
        ContainerState::Restarting(exit) => format!("Restarting ({}) {}", exit.code, ago(exit.finished, now)),
        ContainerState::Exited(exit) if exit.reason == ExitReason::OutOfMemory => {
            format!("Exited ({}) {} (out of memory)", exit.code, ago(exit.finished, now))
        }
        ContainerState::Exited(exit) => format!("Exited ({}) {}", exit.code, ago(exit.finished, now)),
    }
}

/// Decimal units, three digits: `142MB`, `1.23GB`. For images and traffic.
pub fn size(bytes: u64) -> String {
    rounded(bytes, 3, 1000.0, FormatSizeOptions::from(DECIMAL).kilo(Kilo::Decimal).base_unit(BaseUnit::Byte))
}

/// Binary units, four digits: `1.5MiB`, `15.62GiB`. For memory.
pub fn memory(bytes: u64) -> String {
    rounded(bytes, 4, 1024.0, FormatSizeOptions::from(BINARY))
}

/// As Go's `%.4g`: so many digits in all, zeros at the end of the fraction dropped.
fn rounded(bytes: u64, digits: usize, base: f64, options: FormatSizeOptions) -> String {
    let mut scaled = bytes as f64;
    while scaled >= base {
        scaled /= base;
    }
    let before_point = if scaled < 1.0 { 1 } else { scaled.log10() as usize + 1 };
    let options = options.space_after_value(false).decimal_places(digits.saturating_sub(before_point));
    let text = format_size(bytes, options);
    let Some(point) = text.find('.') else { return text };
    let unit = text[point + 1..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |at| point + 1 + at);
    let number = text[..unit].trim_end_matches('0').trim_end_matches('.');
    format!("{number}{}", &text[unit..])
}

/// The COMMAND column: quoted, cut to 20 characters unless `whole`.
pub fn command(words: &[String], whole: Truncation) -> String {
    let line = words.join(" ");
    let line = match whole {
        Truncation::Short => ellipsis(&line, 20),
        Truncation::None => line,
    };
    format!("\"{}\"", line.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether ids and commands are cut as tables cut them (`--no-trunc` says no).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncation {
    Short,
    None,
}

/// At most `width` characters, the last one `…` where something was cut.
pub fn ellipsis(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ExitReason, ExitStatus};

    #[test]
    fn duration_uses_dockers_words() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (180, "3 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (2 * 3600, "2 hours"),
            (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"),
            (14 * 86_400, "2 weeks"),
            (70 * 86_400, "2 months"),
            (800 * 86_400, "2 years"),
        ] {
            assert_eq!(duration(seconds), words, "{seconds}");
        }
    }

    #[test]
    fn status_of_each_state() {
        let now = Timestamp(jiff::Timestamp::from_second(10_000).expect("in range"));
        let started = Timestamp(jiff::Timestamp::from_second(10_000 - 180).expect("in range"));
        let exit = ExitStatus {
            code: 3,
            reason: ExitReason::Exit,
            finished: started,
            started: Some(started),
            message: None,
            restarts: 0,
        };
        assert_eq!(status(&ContainerState::Created, now), "Created");
        assert_eq!(status(&ContainerState::Running { pid: 1, started }, now), "Up 3 minutes");
        assert_eq!(status(&ContainerState::Paused { pid: 1, started }, now), "Up 3 minutes (Paused)");
        assert_eq!(status(&ContainerState::Restarting(exit.clone()), now), "Restarting (3) 3 minutes ago");
        let starved = ExitStatus { code: 137, reason: ExitReason::OutOfMemory, ..exit.clone() };
        assert_eq!(status(&ContainerState::Exited(starved), now), "Exited (137) 3 minutes ago (out of memory)");
        assert_eq!(status(&ContainerState::Exited(exit), now), "Exited (3) 3 minutes ago");
    }

    #[test]
    fn sizes_have_dockers_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1500, "1.5kB"),
            (142_300_000, "142MB"),
            (1_234_000_000, "1.23GB"),
            (5_000_000, "5MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (bytes, text) in
            [(0, "0B"), (1536, "1.5KiB"), (16_777_216, "16MiB"), (16_775_000_000, "15.62GiB"), (1_100_000, "1.049MiB")]
        {
            assert_eq!(memory(bytes), text);
        }
    }

    #[test]
    fn command_is_quoted_and_cut_at_twenty() {
        let words = ["/bin/sh", "-c", "sleep 1000; echo \"x\""].map(str::to_owned);
        assert_eq!(command(&words, Truncation::Short), "\"/bin/sh -c sleep 10…\"");
        assert_eq!(command(&words, Truncation::None), "\"/bin/sh -c sleep 1000; echo \\\"x\\\"\"");
    }
}
