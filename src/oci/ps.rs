//! `ps`: a container's processes, as host ids or as ps(1) shows them.

use std::process::{Command, Stdio};

use super::arguments::{Format, Ps};
use super::list::print_json;
use super::{Context, OciError, Result, status};
use crate::model::printable_line;

pub fn ps(context: &Context, wish: &Ps) -> Result<i32> {
    let folder = context.root.open(&wish.id)?;
    let record = folder.read()?;
    let status = status::of(&folder, &record)?;
    let mut pids = if status.has_process() { record.processes() } else { Vec::new() };
    pids.sort_unstable();
    match wish.format {
        Format::Json => print_json(&pids)?,
        Format::Table => print!("{}", table(&pids, &wish.options)?),
    }
    Ok(0)
}

/// The rows of ps(1) about these processes.
fn table(pids: &[i32], options: &[String]) -> Result<String> {
    let all = ["-ef".to_owned()];
    let options = if options.is_empty() { &all } else { options };
    let output = Command::new("ps").args(options).stdin(Stdio::null()).output().map_err(|error| {
        OciError::Wish(format!("run ps: {error}; install it (Debian's procps), or use --format json"))
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(OciError::Wish(format!("ps {}: {}", options.join(" "), printable_line(said.trim()))));
    }
    rows(&String::from_utf8_lossy(&output.stdout), pids)
}

fn rows(text: &str, pids: &[i32]) -> Result<String> {
    let head = text.lines().next().unwrap_or_default();
    let column = head.split_whitespace().position(|name| name == "PID");
    let column =
        column.ok_or_else(|| OciError::Wish("the options of ps give no column PID: add `pid` to them".to_owned()))?;
    let is_ours = |line: &&str| {
        let pid = line.split_whitespace().nth(column).and_then(|pid| pid.parse::<i32>().ok());
        pid.is_some_and(|pid| pids.contains(&pid))
    };
    let chosen = std::iter::once(head).chain(text.lines().skip(1).filter(is_ours));
    Ok(chosen.map(|line| format!("{}\n", printable_line(line))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_other_processes_are_left_out() {
        let text = "UID          PID CMD\nroot           1 init 7\nroot           7 sh\n";
        assert_eq!(rows(text, &[7]).expect("rows"), "UID          PID CMD\nroot           7 sh\n");
        assert!(rows("CMD\nsh\n", &[7]).is_err_and(|error| error.to_string().contains("PID")));
    }
}
