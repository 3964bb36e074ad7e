//! `update`: other limits for a container that is there.

use std::io::Read;
use std::path::Path;

use oci_spec::runtime::LinuxResources;
use serde_json::{Map, Value, json};

use super::arguments::Update;
use super::status::{self, Status};
use super::{Context, OciError, Result};
use crate::model::parse_bytes;

pub fn update(context: &Context, wish: &Update) -> Result<i32> {
    let wanted = match &wish.resources {
        Some(path) => read(path)?,
        None => from_options(wish)?,
    };
    let folder = context.root.open(&wish.id)?;
    let _lock = folder.lock()?;
    let record = folder.read()?;
    match status::of(&folder, &record)? {
        Status::Created | Status::Running | Status::Paused => {}
        status => {
            let cure = "its cgroups are gone or not made yet";
            return Err(OciError::WrongStatus { verb: "update", id: wish.id.clone(), status, cure });
        }
    }
    record.place().update(&wanted)?;
    Ok(0)
}

fn read(path: &Path) -> Result<LinuxResources> {
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut text).map(drop)
    } else {
        std::fs::read(path).map(|bytes| text = bytes)
    };
    read.map_err(|error| OciError::file("read", path, error))?;
    parse(path, &text)
}

/// Zeros of runc's template mean "as it is".
fn parse(path: &Path, text: &[u8]) -> Result<LinuxResources> {
    let failed = |source| OciError::Json { path: path.to_owned(), source };
    let mut value: Value = serde_json::from_slice(text).map_err(failed)?;
    for subject in ["memory", "cpu", "blockIO", "pids"] {
        if let Some(Value::Object(fields)) = value.get_mut(subject) {
            fields.retain(|_, value| *value != json!(0) && *value != json!(""));
            if fields.is_empty()
                && let Value::Object(all) = &mut value
            {
                all.remove(subject);
            }
        }
    }
    serde_json::from_value(value).map_err(failed)
}

fn from_options(wish: &Update) -> Result<LinuxResources> {
    if wish.l3_cache_schema.is_some() || wish.mem_bw_schema.is_some() {
        return Err(OciError::Wish(
            "--l3-cache-schema and --mem-bw-schema: Intel's resource director is not used".to_owned(),
        ));
    }
    let memory = [("limit", &wish.memory), ("reservation", &wish.memory_reservation), ("swap", &wish.memory_swap)];
    let mut memory_fields = Map::new();
    for (field, text) in memory {
        if let Some(text) = text {
            memory_fields.insert(field.to_owned(), bytes(text)?.into());
        }
    }
    let cpu = [
        ("period", wish.cpu_period.map(Value::from)),
        ("quota", wish.cpu_quota.map(Value::from)),
        ("burst", wish.cpu_burst.map(Value::from)),
        ("shares", wish.cpu_share.map(Value::from)),
        ("realtimePeriod", wish.cpu_rt_period.map(Value::from)),
        ("realtimeRuntime", wish.cpu_rt_runtime.map(Value::from)),
        ("idle", wish.cpu_idle.map(Value::from)),
        ("cpus", wish.cpuset_cpus.clone().map(Value::from)),
        ("mems", wish.cpuset_mems.clone().map(Value::from)),
    ];
    let cpu_fields: Map<String, Value> =
        cpu.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))).collect();
    let mut all = Map::new();
    if !memory_fields.is_empty() {
        all.insert("memory".to_owned(), memory_fields.into());
    }
    if !cpu_fields.is_empty() {
        all.insert("cpu".to_owned(), cpu_fields.into());
    }
    if let Some(weight) = wish.blkio_weight {
        all.insert("blockIO".to_owned(), json!({ "weight": weight }));
    }
    if let Some(limit) = wish.pids_limit {
        all.insert("pids".to_owned(), json!({ "limit": limit }));
    }
    if all.is_empty() {
        return Err(OciError::Wish(
            "nothing to update: give an option such as --memory, or --resources FILE".to_owned(),
        ));
    }
    serde_json::from_value(Value::Object(all))
        .map_err(|source| OciError::Json { path: "the options of update".into(), source })
}

/// Bytes with a unit, or -1.
fn bytes(text: &str) -> Result<i64> {
    if text == "-1" {
        return Ok(-1);
    }
    let number = parse_bytes(text).ok().and_then(|bytes| i64::try_from(bytes).ok());
    number.ok_or_else(|| {
        OciError::Wish(format!("{text:?} is no amount of memory: write bytes such as 64m, or -1 for no limit"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_resources() {
        let wish = Update {
            memory: Some("64m".to_owned()),
            memory_swap: Some("-1".to_owned()),
            cpu_quota: Some(-1),
            cpuset_cpus: Some("0".to_owned()),
            pids_limit: Some(9),
            blkio_weight: Some(100),
            ..Update::default()
        };
        let value = serde_json::to_value(from_options(&wish).expect("resources")).expect("json");
        assert_eq!(value["memory"], json!({ "limit": 64 << 20, "swap": -1 }));
        assert_eq!((&value["cpu"]["quota"], &value["cpu"]["cpus"]), (&json!(-1), &json!("0")));
        assert_eq!((&value["pids"]["limit"], &value["blockIO"]["weight"]), (&json!(9), &json!(100)));
    }

    #[test]
    fn nothing_and_nonsense_are_refused() {
        assert!(from_options(&Update::default()).is_err());
        assert!(from_options(&Update { memory: Some("much".to_owned()), ..Update::default() }).is_err());
        assert!(from_options(&Update { l3_cache_schema: Some("x".to_owned()), ..Update::default() }).is_err());
    }

    #[test]
    fn zeros_of_runcs_template_change_nothing() {
        let text = br#"{"memory":{"limit":33554432,"reservation":0,"swap":0},"cpu":{"shares":0,"cpus":""},"blockIO":{"weight":0}}"#;
        let value = serde_json::to_value(parse(Path::new("-"), text).expect("resources")).expect("json");
        assert_eq!(value, json!({ "memory": { "limit": 33_554_432 } }));
        assert!(parse(Path::new("-"), b"{").is_err());
    }
}
