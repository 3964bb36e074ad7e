//! `info`, `version`, `doctor`: this teu and this machine.

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::failure::{Failure, Outcome};
use super::output::Output;
use super::template::{Subject, Template};
use super::wording::memory;
use crate::engine::{Check, Engine, Info, Verdict};

/// Show what this teu is, where it keeps things and what the machine gives it.
#[derive(Args, Clone, Debug)]
pub struct InfoWish {
    /// json, or a template such as {{.Containers}}
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Show the version.
#[derive(Args, Clone, Debug)]
pub struct Version {
    /// json, or a template such as {{.Version}}
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Say what this machine lacks for full function, and the command that mends it.
#[derive(Args, Clone, Debug)]
pub struct Doctor {
    /// json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Only what is not fine
    #[arg(short, long)]
    quiet: bool,
}

pub fn info(engine: &Engine, wish: &InfoWish) -> Outcome {
    let info = engine.info()?;
    let mut out = Output::open();
    match &wish.format {
        Some(format) => out.line(&formatted(&info_value(&info), format)?)?,
        None => out.text(&info_text(&info))?,
    }
    out.flush()?;
    Ok(0)
}

fn info_value(info: &Info) -> Value {
    json!({
        "ServerVersion": info.version,
        "Containers": info.containers,
        "ContainersRunning": info.running,
        "ContainersPaused": info.paused,
        "ContainersStopped": info.stopped,
        "Images": info.images,
        "DockerRootDir": info.data_folder,
        "RunRoot": info.run_folder,
        "KernelVersion": info.kernel,
        "OperatingSystem": info.operating_system,
        "OSType": "linux",
        "Architecture": info.architecture,
        "NCPU": info.cpus,
        "MemTotal": info.memory_bytes,
        "CgroupVersion": info.cgroup_version,
        "Driver": "overlay2",
        "LoggingDriver": "json-file",
        "Rootless": info.rootless,
        "SecurityOptions": info.security_options,
    })
}

fn info_text(info: &Info) -> String {
    let lines = [
        ("Version", info.version.to_owned()),
        ("Containers", info.containers.to_string()),
        (" Running", info.running.to_string()),
        (" Paused", info.paused.to_string()),
        (" Stopped", info.stopped.to_string()),
        ("Images", info.images.to_string()),
        ("Data Root", info.data_folder.display().to_string()),
        ("Run Root", info.run_folder.display().to_string()),
        ("Storage Driver", "overlay".to_owned()),
        ("Logging Driver", "json-file".to_owned()),
        ("Cgroup Version", info.cgroup_version.to_owned()),
        ("Security Options", info.security_options.join(", ")),
        ("Kernel Version", info.kernel.clone()),
        ("Operating System", info.operating_system.clone()),
        ("Architecture", info.architecture.to_owned()),
        ("CPUs", info.cpus.to_string()),
        ("Total Memory", memory(info.memory_bytes)),
    ];
    lines.iter().map(|(name, value)| format!("{name}: {}\n", crate::model::printable_line(value))).collect()
}

pub fn version(wish: &Version) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    let mut out = Output::open();
    match &wish.format {
        Some(format) => {
            let value = json!({"Version": version, "Os": "linux", "Arch": std::env::consts::ARCH});
            out.line(&formatted(&value, format)?)?;
        }
        None => out.line(&format!("teu {version}, linux/{}", std::env::consts::ARCH))?,
    }
    out.flush()?;
    Ok(0)
}

fn formatted(value: &Value, format: &str) -> Result<String, Failure> {
    match format {
        "json" => Ok(value.to_string()),
        _ => Ok(format.parse::<Template>()?.fill(Subject { fields: value, labels: None })?),
    }
}

pub fn doctor(engine: &Engine, wish: &Doctor) -> Outcome {
    let checks = engine.doctor()?;
    let mut out = Output::open();
    match wish.format.as_deref() {
        None => {
            let colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            for check in checks.iter().filter(|check| !wish.quiet || check.verdict != Verdict::Fine) {
                out.trusted(&check_text(check, colours))?;
            }
        }
        Some("json") => {
            let text =
                serde_json::to_string(&Checks { checks: &checks }).map_err(|error| Failure::new(error.to_string()))?;
            out.line(&text)?;
        }
        Some(_) => return Err(Failure::usage("doctor has no format but json")),
    }
    out.flush()?;
    let lacks = checks.iter().any(|check| check.verdict == Verdict::Missing);
    Ok(u8::from(lacks))
}

#[derive(Serialize)]
struct Checks<'a> {
    checks: &'a [Check],
}

/// `ok`, `note` or `missing`, the subject and the finding; the mend on a line of its own.
fn check_text(check: &Check, colours: bool) -> String {
    let (word, colour) = match check.verdict {
        Verdict::Fine => ("ok", "32"),
        Verdict::Note => ("note", "33"),
        Verdict::Missing => ("missing", "31"),
    };
    let word = if colours { format!("\x1b[{colour}m{word:<8}\x1b[m") } else { format!("{word:<8}") };
    let finding = crate::model::printable_line(&check.finding);
    let mut text = format!("{word}{:<16} {finding}\n", check.subject);
    if let Some(mend) = &check.mend {
        text += &format!("{:25}mend: {}\n", "", crate::model::printable_line(mend));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(verdict: Verdict, mend: Option<&str>) -> Check {
        let finding = "found \u{1b}[2J".to_owned();
        Check { subject: "kernel", verdict, finding, mend: mend.map(str::to_owned) }
    }

    #[test]
    fn doctor_lines_name_the_mend() {
        let text = check_text(&check(Verdict::Fine, None), false)
            + &check_text(&check(Verdict::Missing, Some("sudo mend")), false);
        insta::assert_snapshot!(text);
        assert!(check_text(&check(Verdict::Note, None), true).starts_with("\u{1b}[33mnote"));
    }

    #[test]
    fn info_text_and_templates() {
        let info = Info {
            version: "0.1.0",
            containers: 3,
            running: 1,
            paused: 0,
            stopped: 2,
            images: 4,
            data_folder: "/var/lib/teu".into(),
            run_folder: "/run/teu".into(),
            kernel: "6.1".to_owned(),
            operating_system: "Debian".to_owned(),
            architecture: "x86_64",
            cpus: 2,
            memory_bytes: 16 << 30,
            cgroup_version: "2",
            rootless: false,
            security_options: vec!["seccomp".to_owned()],
        };
        insta::assert_snapshot!(info_text(&info));
        assert_eq!(formatted(&info_value(&info), "{{.NCPU}} {{.Driver}}").expect("valid"), "2 overlay2");
    }
}
