//! `teu --help`, grouped by what one wants to do.

use clap::Command;

/// The commands by group, in the order they are shown; each must be one of the grammar's.
const GROUPS: [(&str, &[&str]); 6] = [
    (
        "Run",
        &[
            "run", "create", "start", "exec", "attach", "stop", "restart", "kill", "pause", "unpause", "wait",
            "update", "rename", "cp", "rm",
        ],
    ),
    ("Look", &["ps", "logs", "stats", "top", "inspect", "diff", "history", "events"]),
    (
        "Images",
        &[
            "images", "pull", "push", "search", "commit", "import", "export", "save", "load", "tag", "rmi", "login",
            "logout",
        ],
    ),
    ("Networks", &["network", "port"]),
    ("Volumes", &["volume"]),
    ("Machine", &["info", "version", "doctor", "completion"]),
];

/// Gives `grammar` the grouped help text, made of the commands' own summaries.
pub fn grouped(grammar: Command) -> Command {
    let mut text = String::from("{about}\n\nUsage: teu                       the full-screen interface\n");
    text += "       teu [OPTIONS] COMMAND      one command, with Docker's names and flags\n";
    for (group, names) in GROUPS {
        text += &format!("\n{group}:\n");
        for name in names {
            let about = grammar.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            text += &format!("  {name:<12}{}\n", about.unwrap_or_default());
        }
    }
    text += "\nOptions:\n{options}\n\n";
    text += "`teu COMMAND --help` says more.\nDocker's longer names work, too: `teu container ls`, `teu image rm`.\n";
    grammar.help_template(text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::arguments::Arguments;

    #[test]
    fn every_visible_command_is_in_one_group() {
        let grammar = Arguments::command();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let mut known: Vec<&str> =
            grammar.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name).collect();
        grouped.sort_unstable();
        known.sort_unstable();
        assert_eq!(grouped, known);
    }

    #[test]
    fn help_is_grouped_and_readable() {
        let text = grouped(Arguments::command().term_width(100)).render_help().to_string();
        insta::assert_snapshot!(text);
        assert!(text.lines().all(|line| line.len() <= 100));
    }
}
