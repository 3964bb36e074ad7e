//! `completion`: scripts for the shells, with the names of containers, images and volumes asked of teu itself.

use std::io::Write;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::arguments::Arguments;
use super::failure::Outcome;

/// Print the completion script of a shell.
#[derive(Args, Clone, Debug)]
pub struct Completion {
    #[arg(value_name = "SHELL")]
    shell: Choice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    Bash,
    Zsh,
    Fish,
}

/// Commands whose arguments are containers, and the state that `ps` is asked for.
const OF_CONTAINERS: &str =
    "start exec attach stop restart kill pause unpause wait update rename rm logs stats top inspect";
const OF_IMAGES: &str = "run create tag rmi inspect";
/// Behind `volume`.
const OF_VOLUMES: &str = "rm inspect export import";

pub fn completion(wish: &Completion) -> Outcome {
    let text = script(wish.shell);
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(0)
}

fn script(choice: Choice) -> String {
    let shell = match choice {
        Choice::Bash => Shell::Bash,
        Choice::Zsh => Shell::Zsh,
        Choice::Fish => Shell::Fish,
    };
    let mut grammar = Arguments::command();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut grammar, "teu", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    match choice {
        Choice::Bash => script += &bash_names(),
        Choice::Zsh => script = zsh_names(&script),
        Choice::Fish => script += &fish_names(),
    }
    script
}

/// Wraps the generated function: where no flag is begun, names are added to what it found.
fn bash_names() -> String {
    format!(
        r#"
_teu_with_names() {{
    _teu "$@"
    local word=${{COMP_WORDS[COMP_CWORD]}} command
    [[ $word == -* ]] && return 0
    if [[ " ${{COMP_WORDS[*]:1:COMP_CWORD-1}} " == *" volume "* ]]; then
        for command in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
            [[ " {OF_VOLUMES} " == *" $command "* ]] && COMPREPLY+=($(compgen -W "$(teu volume ls -q 2>/dev/null)" -- "$word"))
        done
        return 0
    fi
    for command in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        [[ " {OF_CONTAINERS} {OF_IMAGES} " == *" $command "* ]] && break
    done
    if [[ " {OF_CONTAINERS} " == *" $command "* ]]; then
        COMPREPLY+=($(compgen -W "$(teu ps -a --format '{{{{.Names}}}}' 2>/dev/null)" -- "$word"))
    fi
    if [[ " {OF_IMAGES} " == *" $command "* ]]; then
        COMPREPLY+=($(compgen -W "$(teu images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' 2>/dev/null | sed 's/:<none>$//')" -- "$word"))
    fi
}}
complete -F _teu_with_names -o nosort -o bashdefault -o default teu
"#
    )
}

/// Puts functions in the place of the default action of arguments that are containers or images.
fn zsh_names(script: &str) -> String {
    let functions = r#"
_teu_containers() {
    local -a names
    names=(${(f)"$(teu ps -a --format '{{.Names}}' 2>/dev/null)"})
    compadd -a names
}
_teu_images() {
    local -a names
    names=(${(f)"$(teu images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null | sed 's/:<none>$//')"})
    compadd -a names
}
_teu_volumes() {
    local -a names
    names=(${(f)"$(teu volume ls -q 2>/dev/null)"})
    compadd -a names
}
"#;
    let line = |line: &str| {
        let positional = line.starts_with("'*::") || line.starts_with("':");
        let action = match line {
            _ if positional && (line.contains("::containers") || line.starts_with("':container")) => {
                ":_teu_containers'"
            }
            _ if positional && (line.contains("::volumes") || line.starts_with("':volume")) => ":_teu_volumes'",
            _ if positional && line.contains("The container, then") => ":_teu_containers'",
            _ if positional && (line.contains("images") || line.contains("The image, then")) => ":_teu_images'",
            _ => ":_default'",
        };
        line.replace(":_default'", action)
    };
    let body: Vec<String> = script.lines().map(line).collect();
    match body.split_first() {
        // `#compdef` must stay the first line.
        Some((first, rest)) => format!("{first}\n{functions}{}\n", rest.join("\n")),
        None => String::new(),
    }
}

fn fish_names() -> String {
    format!(
        "complete -c teu -n \"not __fish_seen_subcommand_from volume; and __fish_seen_subcommand_from {OF_CONTAINERS}\" -f -a \"(teu ps -a --format '{{{{.Names}}}}' 2>/dev/null)\"\n\
         complete -c teu -n \"__fish_seen_subcommand_from {OF_IMAGES}\" -f -a \"(teu images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' 2>/dev/null | string replace ':<none>' '')\"\n\
         complete -c teu -n \"__fish_seen_subcommand_from volume; and __fish_seen_subcommand_from {OF_VOLUMES}\" -f -a \"(teu volume ls -q 2>/dev/null)\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_name_commands_and_ask_for_names() {
        for choice in [Choice::Bash, Choice::Zsh, Choice::Fish] {
            let script = script(choice);
            assert!(script.contains("teu volume ls -q"), "{choice:?}");
            assert!(script.contains("restart") && script.contains("teu ps -a --format '{{.Names}}'"), "{choice:?}");
        }
        assert!(script(Choice::Zsh).starts_with("#compdef teu\n"));
        for function in [":_teu_containers'", ":_teu_images'", ":_teu_volumes'"] {
            assert!(script(Choice::Zsh).contains(function), "{function}");
        }
    }
}
