//! What a registry says of its limits: `Retry-After`, and Docker Hub's `RateLimit-*` headers.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// So many of a hundred pulls left are worth a word.
const FEW_PERCENT: u64 = 10;

/// How many pulls are granted and left in how many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RateLimit {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    pub(super) window_s: u64,
}

impl RateLimit {
    /// From `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let (limit, window_s) = counted(headers, "ratelimit-limit")?;
        let (remaining, _) = counted(headers, "ratelimit-remaining")?;
        Some(Self { limit, remaining, window_s: window_s.unwrap_or(0) })
    }

    pub(super) fn is_small(self) -> bool {
        self.remaining * 100 <= self.limit * FEW_PERCENT
    }

    /// `4 of 100 pulls in 6 hours are left`
    pub(super) fn sentence(self) -> String {
        let window = match self.window_s {
            0 => String::new(),
            seconds if seconds % 3600 == 0 => format!(" in {} h", seconds / 3600),
            seconds => format!(" in {seconds} s"),
        };
        format!("{} of {} pulls{window} are left", self.remaining.min(self.limit), self.limit)
    }
}

fn counted(headers: &HeaderMap, name: &str) -> Option<(u64, Option<u64>)> {
    let text = headers.get(name)?.to_str().ok()?;
    let (count, rest) = text.split_once(';').unwrap_or((text, ""));
    let window = rest.split(';').find_map(|part| part.trim().strip_prefix("w=")?.parse().ok());
    Some((count.trim().parse().ok()?, window))
}

/// How long `Retry-After` asks to wait: seconds, or a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let then: Timestamp = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let now = Timestamp::try_from(now).ok()?;
    Some(Duration::from_secs(u64::try_from(then.duration_since(now).as_secs()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(rows: &[(&'static str, &str)]) -> HeaderMap {
        let row = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"))
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn rate_limit_of_docker_hub_is_read() {
        let limit =
            RateLimit::of(&headers(&[("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "9;w=21600")]));
        let limit = limit.expect("both are there");
        assert_eq!(limit, RateLimit { limit: 100, remaining: 9, window_s: 21600 });
        assert!(limit.is_small() && !RateLimit { remaining: 50, ..limit }.is_small());
        assert_eq!(limit.sentence(), "9 of 100 pulls in 6 h are left");
        assert_eq!(RateLimit::of(&headers(&[("ratelimit-limit", "many"), ("ratelimit-remaining", "1")])), None);
        assert_eq!(RateLimit::of(&headers(&[("ratelimit-limit", "1")])), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_460);
        let wait = |text: &str| retry_after(&headers(&[("retry-after", text)]), now).map(|wait| wait.as_secs());
        assert_eq!(wait("7"), Some(7));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(20));
        assert_eq!(wait("Wed, 21 Oct 2015 07:27:00 GMT"), Some(0));
        assert_eq!(wait("soon"), None);
    }
}
