//! What the command line says of itself, and how it refuses nonsense.

use crate::support::Teu;

const COMMANDS: &str = "run create start ps images pull search exec attach logs stop kill restart rm rmi inspect stats top wait import \
    info version doctor";

#[test]
fn help_names_every_command() {
    let teu = Teu::new();
    let text = teu.ok(&["--help"]);
    for command in COMMANDS.split_whitespace() {
        assert!(
            text.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))),
            "{command} in:\n{text}"
        );
    }
}

#[test]
fn help_of_every_command_is_there() {
    let teu = Teu::new();
    for command in COMMANDS.split_whitespace() {
        let text = teu.ok(&[command, "--help"]);
        assert!(text.contains("Usage: teu"), "{command}:\n{text}");
    }
}

#[test]
fn run_help_names_every_flag() {
    let teu = Teu::new();
    let text = teu.ok(&["run", "--help"]);
    for flag in "-d -i -t --rm --name -e --env-file -w -u -h --entrypoint -m --memory --cpus --pids-limit --network -v --volume --read-only \
        --cap-add --cap-drop --security-opt --init --stop-signal --stop-timeout --detach-keys -l --label"
        .split_whitespace()
    {
        assert!(text.contains(flag), "{flag} in:\n{text}");
    }
}

#[test]
fn unknown_words_are_refused() {
    let teu = Teu::new();
    for arguments in [&["nonsense"][..], &["ps", "--nonsense"], &["rm"], &["inspect"]] {
        let output = teu.run(arguments);
        assert_ne!(output.code, 0, "{output}");
        output.explains(&["--help"]);
    }
    // Docker's own code for what goes wrong before a container exists.
    teu.run(&["run", "--nonsense", "host"]).fails(125, &["--nonsense"]);
    teu.run(&["run", "--memory", "much", "host", "true"]).fails(125, &["--memory"]);
    teu.run(&["run", "--network", "moon", "host", "true"]).fails(125, &["moon"]);
}

#[test]
fn completion_of_each_shell_names_the_commands() {
    let teu = Teu::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = teu.ok(&["completion", shell]);
        assert!(text.contains("teu") && text.contains("doctor") && text.len() > 1000, "{shell}: {text}");
    }
}

#[test]
fn version_info_and_doctor_tell_of_this_machine() {
    let teu = Teu::new();
    let version = teu.ok(&["version"]);
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc");
    let info = teu.ok(&["info"]);
    assert!(info.contains(kernel.trim()), "{info}");
    assert!(info.contains(&*teu.root().to_string_lossy()), "the data root in:\n{info}");
    let doctor = teu.run(&["doctor"]);
    assert!(doctor.code == 0 || doctor.code == 1, "{doctor}");
    for subject in ["overlay", "cgroup", "seccomp"] {
        assert!(doctor.text().to_lowercase().contains(subject), "{subject} in {doctor}");
    }
}

#[test]
fn folders_by_flag_win_over_variables() {
    let teu = Teu::new();
    let (root, run) = (teu.work().join("flag-root"), teu.work().join("flag-run"));
    let (root_text, run_text) = (root.to_string_lossy(), run.to_string_lossy());
    let by_flag = |rest: &[&str]| teu.run(&[&["--root", &*root_text, "--runroot", &*run_text], rest].concat()).ok();
    by_flag(&["create", "--name", "elsewhere", "host", "true"]);
    assert!(root.join("containers").is_dir(), "nothing in {}", root.display());
    assert_eq!(teu.state("elsewhere"), "", "the folders by variable hold what the flag led elsewhere");
    assert_eq!(by_flag(&["ps", "-a", "--format", "{{.Names}}"]).text(), "elsewhere");
    by_flag(&["rm", "elsewhere"]);
}

#[test]
fn folder_that_cannot_be_made_is_named() {
    let teu = Teu::new();
    teu.file("a-file", b"");
    let path = teu.work().join("a-file/root");
    let output = teu.run(&["--root", &path.to_string_lossy(), "ps"]);
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["a-file"]);
}

#[test]
fn configuration_with_a_mistake_names_its_line() {
    let teu = Teu::new();
    std::fs::create_dir_all(teu.config().join("teu")).expect("a folder");
    std::fs::write(teu.config().join("teu/config.toml"), "\n\ntheme = [broken\n").expect("write");
    let output = teu.run(&["ps"]);
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["config.toml", "3"]);
    std::fs::remove_file(teu.config().join("teu/config.toml")).expect("remove");
}

#[test]
fn output_into_a_closed_pipe_is_no_panic() {
    let teu = Teu::new();
    let line = format!("{} --help | true; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_teu"));
    let output = crate::support::process::run(&mut teu.other("bash", &["-c", &line]), b"", crate::support::SECOND * 20);
    output.no_panic();
}
