//! `state` and `list`: what containers are doing, for programs and for people.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::arguments::{Format, List, One};
use super::folder::Folder;
use super::record::Record;
use super::status::{self, Status};
use super::{Context, OciError, Result};

/// runtime.md's state, and what runc adds to it and engines read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State<'a> {
    oci_version: &'a str,
    id: &'a str,
    /// 0 when there is no process.
    pid: i32,
    status: &'static str,
    bundle: &'a Path,
    rootfs: &'a Path,
    created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
    owner: String,
}

impl<'a> State<'a> {
    pub fn of(record: &'a Record, status: Status) -> Self {
        Self {
            oci_version: &record.oci_version,
            id: &record.id,
            pid: record.init.filter(|_| status.has_process()).map_or(0, |init| init.pid),
            status: status.name(),
            bundle: &record.bundle,
            rootfs: &record.rootfs,
            created: record.created.to_string(),
            annotations: &record.annotations,
            owner: owner(record.owner),
        }
    }
}

/// The user's name. Empty for root, as runc has it.
fn owner(uid: u32) -> String {
    let name = || nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name);
    if uid == 0 { String::new() } else { name().unwrap_or_else(|| format!("#{uid}")) }
}

pub fn state(context: &Context, wish: &One) -> Result<i32> {
    let folder = context.root.open(&wish.id)?;
    let record = folder.read()?;
    let status = status::of(&folder, &record)?;
    print_json(&State::of(&record, status))?;
    Ok(0)
}

pub fn list(context: &Context, wish: &List) -> Result<i32> {
    let folders = context.root.all()?;
    if wish.quiet {
        folders.iter().for_each(|folder| println!("{}", folder.id));
        return Ok(0);
    }
    let looked: Vec<(Record, Status)> = folders.iter().filter_map(look).collect();
    let states: Vec<State<'_>> = looked.iter().map(|(record, status)| State::of(record, *status)).collect();
    match wish.format {
        Format::Json => print_json(&states)?,
        Format::Table => print!("{}", table(&states)),
    }
    Ok(0)
}

/// A container that is deleted meanwhile is none.
fn look(folder: &Folder) -> Option<(Record, Status)> {
    let record = folder.read().ok()?;
    let status = status::of(folder, &record).ok()?;
    Some((record, status))
}

fn table(states: &[State<'_>]) -> String {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let row = |state: &State<'_>| {
        let owner = if state.owner.is_empty() { "root" } else { &state.owner };
        let bundle = state.bundle.to_string_lossy();
        [state.id, &state.pid.to_string(), state.status, &bundle, &state.created, owner]
            .map(|cell| crate::model::printable_line(cell).into_owned())
    };
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(states.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(9);
    let widths: Vec<usize> = (0..5).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells: String = row[..5].iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}   ")).collect();
            format!("{cells}{}\n", row[5])
        })
        .collect()
}

pub fn print_json(value: &impl Serialize) -> Result<()> {
    let failed = |source| OciError::Json { path: "standard output".into(), source };
    println!("{}", serde_json::to_string_pretty(value).map_err(failed)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::record::Process;
    use super::*;

    #[test]
    fn state_has_the_keys_that_engines_read() {
        let mut record = Record::sample("x");
        record.init = Some(Process { pid: 7, start: 1 });
        let state = serde_json::to_value(State::of(&record, Status::Running)).expect("json");
        let expected = serde_json::json!({
            "ociVersion": "1.2.1", "id": "x", "pid": 7, "status": "running", "bundle": "/bundle", "rootfs": "/bundle/rootfs",
            "created": "1970-01-01T00:00:00.000000000Z", "annotations": { "a": "b" }, "owner": "",
        });
        assert_eq!(state, expected);
        let stopped = serde_json::to_value(State::of(&record, Status::Stopped)).expect("json");
        assert_eq!((&stopped["pid"], &stopped["status"]), (&0.into(), &"stopped".into()));
    }

    #[test]
    fn table_has_runcs_columns() {
        let record = Record::sample("a-long-container-name");
        let text = table(&[State::of(&record, Status::Creating)]);
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().expect("head").split_whitespace().collect();
        assert_eq!(head, ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
        let row: Vec<&str> = lines.next().expect("row").split_whitespace().collect();
        assert_eq!(row[..4], ["a-long-container-name", "0", "creating", "/bundle"]);
    }
}
