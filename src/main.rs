//! The program `teu`: hidden verbs first, before any thread exists, then the faces.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use teu::cli::Ending;

fn main() -> ExitCode {
    if let Some(code) = hidden_verb() {
        std::process::exit(code);
    }
    match teu::cli::main() {
        Ending::Exit(code) => ExitCode::from(code),
        Ending::Interface(engine, config) => match teu::tui::run(engine, *config, teu::sys::program::stop_self) {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                eprintln!("teu: {error}");
                if let Some(hint) = error.hint() {
                    eprintln!("  {hint}");
                }
                ExitCode::FAILURE
            }
        },
    }
}

/// What teu starts of itself, and the OCI runtime. These clone, so nothing may have made a thread before them.
fn hidden_verb() -> Option<i32> {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    if teu::oci::is_called_by_name(Path::new(&program)) {
        return Some(teu::oci::main(&arguments.collect::<Vec<_>>()));
    }
    let verb = arguments.next()?;
    if verb == "oci" {
        return Some(teu::oci::main(&arguments.collect::<Vec<_>>()));
    }
    if verb == "inside" {
        let words: Vec<_> = arguments.collect();
        return Some(teu::engine::inside_verb(&words));
    }
    let path = arguments.next();
    let path = Path::new(path.as_deref().unwrap_or(OsStr::new("")));
    match verb.to_str()? {
        "monitor" => Some(teu::engine::monitor_verb()),
        "visit" => Some(teu::engine::visit_verb()),
        "remove-tree" => Some(teu::runtime::remove_tree_verb(path)),
        "probe" => {
            println!("{}", teu::engine::probe_verb(path));
            Some(0)
        }
        _ => None,
    }
}
