//! Reads a config.json, naming the field of whatever is wrong with it.
//!
//! What the specification wants ignored or only warned of, but oci-spec's types refuse, is taken out before.

use oci_spec::runtime::{Process, Spec};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::RuntimeError;
use super::process::capabilities;

/// A specification, and what of it has no effect.
#[derive(Debug)]
pub struct ReadSpec {
    pub spec: Spec,
    pub warnings: Vec<String>,
}

/// Parses and checks a config.json.
pub fn read_spec(bytes: &[u8]) -> Result<ReadSpec, RuntimeError> {
    let (spec, warnings) = read(bytes, |value, warnings| mend_process(value.get_mut("process"), "process.", warnings))?;
    super::validate::spec(&spec)?;
    Ok(ReadSpec { spec, warnings })
}

/// Parses the process of an `exec`, and gives warnings.
pub fn read_process(bytes: &[u8]) -> Result<(Process, Vec<String>), RuntimeError> {
    let (process, warnings) = read(bytes, |value, warnings| mend_process(Some(value), "", warnings))?;
    super::validate::process(&process)?;
    Ok((process, warnings))
}

fn read<T: DeserializeOwned>(
    bytes: &[u8],
    mend: impl FnOnce(&mut Value, &mut Vec<String>),
) -> Result<(T, Vec<String>), RuntimeError> {
    // As a rule nothing is wrong, and then nothing is looked at twice.
    if let Ok(read) = serde_json::from_slice(bytes) {
        return Ok((read, Vec::new()));
    }
    let mut warnings = Vec::new();
    let mut value: Value =
        serde_json::from_slice(bytes).map_err(|error| RuntimeError::InvalidRequest(format!("not JSON: {error}")))?;
    mend(&mut value, &mut warnings);
    let read = serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { String::new() } else { format!("{path}: ") };
        RuntimeError::InvalidRequest(format!("{field}{}", error.inner()))
    })?;
    Ok((read, warnings))
}

fn mend_process(process: Option<&mut Value>, field: &str, warnings: &mut Vec<String>) {
    let Some(Value::Object(process)) = process else { return };
    if let Some(Value::Object(sets)) = process.get_mut("capabilities") {
        for (name, set) in sets {
            forget_unknown(set, &format!("{field}capabilities.{name}"), warnings);
        }
    }
    if let Some(Value::Array(flags)) = process.get_mut("scheduler").and_then(|scheduler| scheduler.get_mut("flags")) {
        flags.iter_mut().for_each(mend_flag);
    }
    if let Some(Value::Object(affinity)) = process.get_mut("execCPUAffinity") {
        // Empty is the same as absent.
        affinity.retain(|_, list| list != "");
    }
}

/// config.md: what "cannot be mapped to a relevant kernel interface … MUST be logged as a warning".
fn forget_unknown(set: &mut Value, field: &str, warnings: &mut Vec<String>) {
    let Value::Array(names) = set else { return };
    names.retain(|name| {
        let unknown = name.as_str().filter(|name| capabilities::number(name).is_none());
        if let Some(unknown) = unknown {
            warnings.push(format!("{field}: the capability {unknown} is unknown and left out"));
        }
        unknown.is_none()
    });
}

/// oci-spec's words for the flags are not the specification's.
fn mend_flag(flag: &mut Value) {
    let word = match flag.as_str() {
        Some("SCHED_FLAG_RESET_ON_FORK") => "SCHED_RESET_ON_FORK",
        Some("SCHED_FLAG_DL_OVERRUN") => "SCHED_FLAG_D_L_OVERRUN",
        _ => return,
    };
    *flag = Value::from(word);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config() -> Value {
        json!({
            "ociVersion": "1.2.0",
            "root": {"path": "rootfs"},
            "process": {"user": {"uid": 0, "gid": 0}, "args": ["sh"], "cwd": "/"},
            "linux": {"namespaces": [{"type": "mount"}]},
        })
    }

    fn error(config: &Value) -> String {
        read_spec(config.to_string().as_bytes()).expect_err("refused").to_string()
    }

    #[test]
    fn field_of_another_type_is_named() {
        let mut config = config();
        config["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "moon"}]);
        assert!(error(&config).starts_with("linux.namespaces[1].type: unknown variant `moon`"), "{}", error(&config));
        config["linux"] = json!(7);
        assert!(error(&config).starts_with("linux: invalid type"), "{}", error(&config));
        assert!(read_spec(b"{").expect_err("half").to_string().starts_with("not JSON: "));
    }

    #[test]
    fn capability_nobody_knows_is_left_out_with_a_warning() {
        let mut config = config();
        config["process"]["capabilities"] = json!({"bounding": ["CAP_KILL", "CAP_FLY"]});
        let read = read_spec(config.to_string().as_bytes()).expect("a specification");
        assert_eq!(read.warnings, ["process.capabilities.bounding: the capability CAP_FLY is unknown and left out"]);
        let process = read.spec.process().as_ref().expect("process");
        let bounding = process.capabilities().as_ref().and_then(|sets| sets.bounding().clone()).expect("bounding");
        assert_eq!(bounding.len(), 1);
    }

    #[test]
    fn scheduler_flags_have_the_specifications_names() {
        let flags = json!(["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_RECLAIM"]);
        let process = json!({"user": {}, "cwd": "/", "args": ["x"], "execCPUAffinity": {"initial": "", "final": "0"},
            "scheduler": {"policy": "SCHED_OTHER", "flags": flags}});
        let (process, _) = read_process(process.to_string().as_bytes()).expect("a process");
        let flags = process.scheduler().as_ref().and_then(|scheduler| scheduler.flags().clone()).expect("flags");
        assert_eq!(flags.len(), 3);
    }
}
