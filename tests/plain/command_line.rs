//! What the command line says of itself.

use crate::support::Teu;

#[test]
fn help_names_every_command() {
    let teu = Teu::new();
    let text = teu.ok(&["--help"]);
    for command in "run create start ps images pull search exec attach logs stop kill restart rm rmi inspect stats top wait import info \
        version doctor rename pause unpause events completion"
        .split_whitespace()
    {
        assert!(text.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{command} in:\n{text}");
    }
}
