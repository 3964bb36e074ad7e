//! Figures as people read them: short, of even width, with their unit.

use crate::model::{ContainerState, ExitReason, FileSort, Timestamp};

/// Bytes in at most 6 characters and units of 1,024: `0 B`, `987 B`, `1.5 K`, `12 M`, `3.2 G`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "K", "M", "G", "T", "P"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit < UNITS.len() - 1 {
        value /= 1024.0;
        unit += 1;
    }
    if unit > 0 && value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// As [`bytes()`], written out: `1.5 KiB`.
pub fn bytes_long(count: u64) -> String {
    let text = bytes(count);
    if text.ends_with('B') { text } else { format!("{text}iB") }
}

/// A number in at most 5 characters: `999`, `5.2k`, `12k`, `1.4M`, `3B`.
pub fn count(number: u64) -> String {
    const UNITS: [&str; 5] = ["", "k", "M", "B", "T"];
    let (mut value, mut unit) = (number as f64, 0);
    while value >= 999.5 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    if unit > 0 && value < 9.95 { format!("{value:.1}{}", UNITS[unit]) } else { format!("{value:.0}{}", UNITS[unit]) }
}

/// A number with its thousands apart: `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate, `·` for none to speak of, so that a column of idle containers is calm.
pub fn rate(per_second: Option<f64>) -> String {
    match per_second {
        Some(rate) if rate >= 1.0 => bytes(rate as u64).replace(' ', ""),
        Some(_) => "·".to_owned(),
        None => "–".to_owned(),
    }
}

/// Percent with one decimal below 100: `0.0`, `12.5`, `187`.
pub fn percent(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value < 99.95 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    }
}

/// Seconds as one or two units: `42s`, `5m`, `3h 12m`, `4d 2h`.
pub fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m"),
        3600..86_400 if minutes % 60 == 0 => format!("{hours}h"),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ if hours % 24 == 0 || days >= 10 => format!("{days}d"),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// How often the kernel killed at the memory limit: `1 killed for memory`.
pub fn killed(kills: u64) -> String {
    format!("{kills} killed for memory")
}

/// How long ago: `5m ago`, `just now`.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    match then.seconds_until(now) {
        0..2 => "just now".to_owned(),
        seconds => format!("{} ago", duration(seconds)),
    }
}

/// A date and a time in UTC: `2026-11-22 21:55:45`.
pub fn date(time: Timestamp) -> String {
    time.0.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Sort and permissions as `ls -l` writes them.
pub fn mode(sort: FileSort, mode: u32) -> String {
    let sort = match sort {
        FileSort::Folder => 'd',
        FileSort::Symlink => 'l',
        FileSort::Special => '?',
        FileSort::Regular | FileSort::Absent => '-',
    };
    let mut text = String::from(sort);
    for (shift, special, letters) in [(6, 0o4000, ('s', 'S')), (3, 0o2000, ('s', 'S')), (0, 0o1000, ('t', 'T'))] {
        let bits = mode >> shift & 0o7;
        text.push(if bits & 4 > 0 { 'r' } else { '-' });
        text.push(if bits & 2 > 0 { 'w' } else { '-' });
        text.push(match (mode & special > 0, bits & 1 > 0) {
            (true, true) => letters.0,
            (true, false) => letters.1,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// The glyph of a state: form tells states apart where colour cannot.
pub fn state_glyph(state: &ContainerState) -> &'static str {
    match state {
        ContainerState::Running { .. } => "●",
        ContainerState::Paused { .. } => "‖",
        ContainerState::Restarting(_) => "↻",
        ContainerState::Created => "○",
        ContainerState::Exited(status) if status.code == 0 => "·",
        ContainerState::Exited(_) => "✗",
    }
}

/// A state in a word or two: `running`, `exited 0`, `killed`, `no memory`.
pub fn state_words(state: &ContainerState) -> String {
    match state {
        ContainerState::Exited(status) => match status.reason {
            ExitReason::Exit => format!("exited {}", status.code),
            ExitReason::Signal => format!("killed {}", status.code.saturating_sub(128)),
            ExitReason::OutOfMemory => "no memory".to_owned(),
            ExitReason::StartFailed => format!("failed {}", status.code),
            ExitReason::MonitorDied => "lost".to_owned(),
        },
        state => state.word().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 K"),
            (1536, "1.5 K"),
            (10 << 20, "10 M"),
            (999 << 20, "999 M"),
            (1023 << 20, "1.0 G"),
            (u64::MAX, "16384 P"),
        ] {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(bytes_long(1536), "1.5 KiB");
        assert_eq!(bytes_long(5), "5 B");
    }

    #[test]
    fn counts_are_short_or_with_their_thousands_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (5290, "5.3k"), (12_345, "12k"), (1_000_000_000, "1.0B")] {
            assert_eq!(count(number), text);
        }
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn durations_have_at_most_two_units() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (61, "1m"), (3600, "1h"), (3720, "1h 2m"), (90_000, "1d 1h"), (900_000, "10d")]
        {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn percent_drops_decimals_when_wide() {
        assert_eq!(percent(Some(99.96)), "100");
        assert_eq!(percent(Some(0.04)), "0.0");
        assert_eq!(percent(None), "–");
    }
}
