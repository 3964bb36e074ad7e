//! An ordinary user's containers, with a range of subordinate ids and without one.

use std::sync::Arc;

use crate::support::user::Range;
use crate::support::{Registry, SECOND, Teu, User, wait_for};

/// The same walk for each kind of user.
fn walk(range: Range) {
    let user = Arc::new(User::new(range));
    let teu = Teu::of_user(&user);
    let output = teu.run(&["run", "--rm", "host", "sh", "-c", "id -u; cat /proc/self/uid_map; exit 5"]).returns(5);
    let text = output.text();
    assert!(text.starts_with("0\n"), "{text}");
    let maps = text
        .lines()
        .skip(1)
        .map(|row| row.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect::<Vec<_>>();
    assert_eq!(maps[0], ["0", &user.uid.to_string(), "1"], "{text}");
    assert_eq!(maps.len(), if range == Range::Given { 2 } else { 1 }, "{text}");

    teu.import_tiny();
    assert_eq!(
        teu.ok(&["run", "--rm", "tiny", "sh", "-c", "cat /etc/only-in-the-image; touch /new && ls /new"]),
        "tiny\n/new"
    );
    teu.ok(&[
        "run",
        "-d",
        "--name",
        "mine",
        "tiny",
        "sh",
        "-c",
        "trap 'exit 8' TERM; echo ready; while :; do sleep 0.05; done",
    ]);
    wait_for("ready", SECOND * 30, || teu.ok(&["logs", "mine"]).contains("ready").then_some(()));
    assert_eq!(teu.ok(&["exec", "mine", "sh", "-c", "cat /proc/1/comm; id -u"]), "sh\n0");
    let pid = teu.inspect("mine")["State"]["Pid"].as_i64().expect("a process id");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(format!("/proc/{pid}")).expect("it runs").uid(), user.uid, "it runs as someone else");
    let statistics = teu.ok(&["stats", "--no-stream"]);
    assert!(statistics.contains("mine"), "{statistics}");
    teu.ok(&["stop", "mine"]);
    assert_eq!(teu.ok(&["wait", "mine"]), "8");

    let registry = Registry::new();
    let image = registry.reference("debian:bookworm");
    teu.ok(&["pull", &image]);
    assert_eq!(
        teu.ok(&["run", "--rm", &image, "bash", "-c", "greet user; ls /opt/many | wc -l"]),
        "hello from debian, user\n1999"
    );
    let mut pty = teu.pty(&["run", "-it", "--rm", "--name", "shell", &image]);
    pty.wait_for("root@");
    pty.send("echo typed-$((6*7))\r");
    pty.wait_for("typed-42");
    pty.send("exit\r");
    pty.wait_exit();
    pty.assert_restored();
    teu.assert_all_removable();
}

#[test]
fn user_with_a_range_has_the_whole_walk() {
    walk(Range::Given);
}

#[test]
fn user_without_a_range_has_the_whole_walk() {
    walk(Range::Missing);
}

#[test]
fn first_use_as_an_ordinary_user() {
    for range in [Range::Given, Range::Missing] {
        let user = Arc::new(User::new(range));
        crate::support::story::first_use(&Teu::of_user(&user));
    }
}

#[test]
fn other_users_inside_need_the_range() {
    let with = Arc::new(User::new(Range::Given));
    let teu = Teu::of_user(&with);
    teu.import_tiny();
    assert_eq!(
        teu.ok(&["run", "--rm", "-u", "app", "tiny", "sh", "-c", "id -u; touch /tmp/x && stat -c %u /tmp/x"]),
        "1000\n1000"
    );
    // Files of mapped ids are removed with the container.
    teu.ok(&["run", "--name", "owned", "tiny", "sh", "-c", "mkdir -m 700 /d && touch /d/f && chown -R 1000:1000 /d"]);
    teu.ok(&["rm", "owned"]);
    teu.assert_all_removable();

    let without = Arc::new(User::new(Range::Missing));
    let teu = Teu::of_user(&without);
    teu.import_tiny();
    let output = teu.run(&["run", "--rm", "-u", "app", "tiny", "true"]);
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["subuid"]);
}

#[test]
fn doctor_names_what_mends_a_missing_range() {
    let without = Arc::new(User::new(Range::Missing));
    let teu = Teu::of_user(&without);
    let text = teu.run(&["doctor"]).text();
    assert!(text.contains("usermod --add-subuids") || text.contains("/etc/subuid"), "{text}");
    assert!(text.contains(&without.name), "the command names the user: {text}");
    let with = Arc::new(User::new(Range::Given));
    let teu = Teu::of_user(&with);
    let text = teu.run(&["doctor"]).text();
    assert!(!text.contains("--add-subuids"), "{text}");
}

#[test]
fn users_do_not_reach_each_others_containers() {
    let one = Arc::new(User::new(Range::Missing));
    let other = Arc::new(User::new(Range::Missing));
    let teu = Teu::of_user(&one);
    teu.ok(&["run", "-d", "--name", "private", "host", "sleep", "1000"]);
    let stranger = Teu::of_user(&other);
    let mut command = stranger.command(&["ps"]);
    command.env("TEU_ROOT", teu.root()).env("TEU_RUNROOT", teu.runroot());
    let output = crate::support::process::run(&mut command, b"", SECOND * 20);
    assert!(output.code != 0 && !output.text().contains("private"), "{output}");
}

#[test]
fn run_folder_in_tmp_that_belongs_to_another_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let user = Arc::new(User::new(Range::Missing));
    let teu = Teu::of_user(&user);
    let trap = std::path::PathBuf::from(format!("/tmp/teu-{}", user.uid));
    std::fs::create_dir(&trap).expect("root plays the other user");
    std::fs::set_permissions(&trap, std::fs::Permissions::from_mode(0o777)).expect("chmod");
    let mut command = teu.command(&["ps"]);
    command.env_remove("TEU_RUNROOT").env_remove("XDG_RUNTIME_DIR");
    let output = crate::support::process::run(&mut command, b"", SECOND * 20);
    std::fs::remove_dir_all(&trap).expect("remove");
    assert_ne!(output.code, 0, "{output}");
    output.explains(&[&format!("teu-{}", user.uid)]);
}
