//! `inspect --security`: what keeps a container apart from the machine, as a table or as JSON.

use serde_json::Value;

use super::failure::{Failure, Outcome};
use super::lifecycle::reported;
use super::output::Output;
use super::table;
use super::template::{Subject, Template};
use crate::engine::Engine;
use crate::model::SecurityReport;

/// How the reports are written.
enum Shape {
    Table,
    Json,
    Template(Template),
}

pub fn security(engine: &Engine, format: Option<&str>, names: &[String]) -> Outcome {
    let shape = match format {
        None | Some("" | "table") => Shape::Table,
        Some("json") => Shape::Json,
        Some(text) => Shape::Template(text.parse()?),
    };
    let mut worst = 0;
    let mut reports = Vec::new();
    for name in names {
        match engine.security(name) {
            Ok(report) => reports.push(report),
            Err(error) => worst = reported(&error.into(), worst),
        }
    }
    let mut out = Output::open();
    match shape {
        Shape::Table => {
            for (index, report) in reports.iter().enumerate() {
                if index > 0 {
                    out.line("")?;
                }
                out.text(&table_of(report))?;
            }
        }
        Shape::Json => out.line(&serde_json::to_string_pretty(&reports).map_err(told)?)?,
        Shape::Template(template) => {
            for report in &reports {
                let fields: Value = serde_json::to_value(report).map_err(told)?;
                out.line(&template.fill(Subject { fields: &fields, labels: None })?)?;
            }
        }
    }
    out.flush()?;
    Ok(worst)
}

fn told(error: serde_json::Error) -> Failure {
    Failure::new(error.to_string())
}

fn table_of(report: &SecurityReport) -> String {
    let heading = ["CHECK", "VERDICT", "FOUND"].map(str::to_owned).to_vec();
    let rows = report
        .findings
        .iter()
        .map(|finding| vec![finding.subject.clone(), finding.verdict.to_string(), finding.finding.clone()]);
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    format!("{} (process {})\n{}", report.name, report.pid, table::layout(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CapabilitySets, Id, SeccompMode, SecurityFinding, SecurityVerdict};

    #[test]
    fn table_shows_each_finding_with_its_verdict() {
        let finding = |subject: &str, finding: &str, verdict| SecurityFinding {
            subject: subject.to_owned(),
            finding: finding.to_owned(),
            verdict,
        };
        let report = SecurityReport {
            id: Id::from_bytes([1; 32]),
            name: "web".parse().expect("name"),
            pid: 42,
            namespaces: Vec::new(),
            uid_map: Vec::new(),
            gid_map: Vec::new(),
            capabilities: CapabilitySets::default(),
            seccomp: SeccompMode::Filter,
            seccomp_filters: 1,
            no_new_privileges: true,
            modules: Vec::new(),
            label: None,
            masked: Vec::new(),
            read_only: Vec::new(),
            writable: Vec::new(),
            limits: Vec::new(),
            listening: Vec::new(),
            findings: vec![
                finding("user namespace", "its own (user:[1])", SecurityVerdict::Default),
                finding("seccomp", "off", SecurityVerdict::Opened("--privileged".to_owned())),
                finding("limits", "memory 1 MiB", SecurityVerdict::Tightened("flags for limits".to_owned())),
                finding("ambient", "x\u{1b}[2J", SecurityVerdict::Weaker("no flag asked for it".to_owned())),
            ],
        };
        insta::assert_snapshot!(table_of(&report));
    }
}
