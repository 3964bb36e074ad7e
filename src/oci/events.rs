//! `events`: a container's statistics, once or again and again, and the times it ran out of memory, in runc's shape.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::arguments::Events;
use super::status::{self, Status};
use super::{Context, OciError, Result};
use crate::model::parse_duration_ms;
use crate::runtime::cgroup::Statistics;

#[derive(Serialize)]
struct Event<'a> {
    r#type: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Statistics>,
}

/// How often it is looked whether the container ended or ran out of memory.
const LOOK: Duration = Duration::from_millis(100);

pub fn events(context: &Context, wish: &Events) -> Result<i32> {
    let interval = interval(&wish.interval)?;
    let folder = context.root.open(&wish.id)?;
    let record = folder.read()?;
    let status = status::of(&folder, &record)?;
    if !status.has_process() {
        return Err(OciError::WrongStatus {
            verb: "watch",
            id: wish.id.clone(),
            status,
            cure: "only one with a process has statistics",
        });
    }
    let place = record.place();
    let tell = |kind, data: Option<&Statistics>| {
        let line = serde_json::to_string(&Event { r#type: kind, id: &wish.id, data });
        println!("{}", line.unwrap_or_default());
    };
    if wish.stats {
        tell("stats", Some(&place.statistics()));
        return Ok(0);
    }
    let mut kills = place.sample().oom_kills;
    let mut next = Instant::now() + interval;
    while folder.read().and_then(|record| status::of(&folder, &record)).is_ok_and(Status::has_process) {
        std::thread::sleep(LOOK.min(next.saturating_duration_since(Instant::now())));
        let now = place.sample().oom_kills;
        if now > kills {
            tell("oom", None);
        }
        kills = now.max(kills);
        if Instant::now() >= next {
            tell("stats", Some(&place.statistics()));
            next += interval;
        }
    }
    Ok(0)
}

fn interval(text: &str) -> Result<Duration> {
    let interval = parse_duration_ms(text).map(Duration::from_millis).ok().filter(|interval| !interval.is_zero());
    interval.ok_or_else(|| OciError::Wish(format!("--interval {text:?}: write a duration such as 500ms, 5s or 1m")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_positive_durations() {
        assert_eq!(interval("5s").expect("interval"), Duration::from_secs(5));
        for text in ["0s", "-1s", "soon", ""] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
