//! Folders and files of the machine: what may be written, what is below, whose the files are, where they go.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use super::{IDS, folder, names, scene, teu};

/// A source with a file system of its own below it; what a container could write is told by name.
fn written(options: &str) -> String {
    let teu = teu();
    let mut all = Vec::new();
    for ids in IDS {
        let script = format!(
            "rm -rf src; mkdir -p src/below; mount -t tmpfs below src/below; touch src/below/theirs; \
             $TEU run --rm {ids} {options} tiny sh -c \
             'ls /d/below; touch /d/top && echo top; touch /d/below/deep && echo deep; true' 2>/dev/null"
        );
        all.push(scene(&teu, &script).ok().text().replace('\n', " "));
    }
    assert_eq!(all[0], all[1], "the same with ids of its own and with the machine's");
    all.remove(0)
}

#[test]
fn read_only_reaches_what_is_mounted_below_unless_told_otherwise() {
    assert_eq!(written("-v ./src:/d"), "theirs top deep");
    assert_eq!(written("-v ./src:/d:ro"), "theirs");
    assert_eq!(written("--mount type=bind,source=./src,target=/d,readonly,bind-recursive=readonly"), "theirs");
    assert_eq!(written("--mount type=bind,source=./src,target=/d,readonly,bind-recursive=writable"), "theirs deep");
}

#[test]
fn bind_nonrecursive_leaves_out_what_is_mounted_below() {
    assert_eq!(written("--mount type=bind,source=./src,target=/d,bind-nonrecursive"), "top deep");
    assert_eq!(written("--mount type=bind,source=./src,target=/d,bind-nonrecursive,readonly"), "");
}

/// Files keep their owners on the machine, whichever ids the container has, on what is mounted below as well.
#[test]
fn owners_are_the_machines_inside_and_the_containers_outside() {
    let teu = teu();
    for ids in IDS {
        let script = format!(
            "rm -rf src; mkdir -p src/below; mount -t tmpfs below src/below; \
             touch src/one src/below/two; chown 1000:77 src/one src/below/two; \
             $TEU run --rm {ids} -v ./src:/d tiny sh -c 'stat -c %u:%g /d/one /d/below/two; touch /d/mine /d/below/mine; chown 5:6 /d/one'; \
             stat -c %u:%g src/mine src/below/mine src/one; umount src/below"
        );
        let text = scene(&teu, &script).ok().text();
        assert_eq!(text.split('\n').collect::<Vec<_>>(), ["1000:77", "1000:77", "0:0", "0:0", "5:6"], "{ids}");
    }
}

/// Nothing is chowned to make that so.
#[test]
fn source_itself_is_left_as_it_is() {
    let teu = teu();
    let source = folder(&teu, "src", "theirs");
    chown(source.join("file"), Some(1234), Some(4321)).expect("chown");
    let before = fs::metadata(source.join("file")).expect("stat");
    assert_eq!(teu.ok(&["run", "--rm", "-v", "./src:/d", "tiny", "cat", "/d/file"]), "theirs");
    let after = fs::metadata(source.join("file")).expect("stat");
    assert_eq!((before.uid(), before.gid(), before.ctime_nsec()), (after.uid(), after.gid(), after.ctime_nsec()));
}

#[test]
fn file_system_that_knows_no_maps_is_named_with_the_flag_that_helps() {
    let teu = teu();
    let mounted = "mkdir low up work src; echo seen > low/file; \
        mount -t overlay overlay -o lowerdir=low,upperdir=up,workdir=work src; ";
    let run = |flags: &str| format!("{mounted} $TEU run --rm {flags} -v ./src:/d tiny cat /d/file");
    let tidy = "rm -rf low up work src";
    scene(&teu, &run("")).returns(125).explains(&["/src", "(overlay)", "--userns host"]);
    scene(&teu, tidy).ok();
    assert_eq!(scene(&teu, &run("--userns host")).ok().text(), "seen");
}

#[test]
fn missing_source_is_made_for_v_and_refused_for_mount() {
    let teu = teu();
    teu.ok(&["run", "--rm", "-v", "./new/deep:/d", "tiny", "touch", "/d/x"]);
    assert_eq!(names(&teu.work().join("new/deep")), ["x"]);
    let refused = teu.run(&["run", "--rm", "--mount", "type=bind,source=./none,target=/d", "tiny", "true"]);
    refused.returns(125).explains(&["does not exist", "/work/none", "make it first", "-v"]);
    assert!(!teu.work().join("none").exists());
    let long = "type=bind,source=./asked,target=/d,bind-create-src";
    teu.ok(&["run", "--rm", "--mount", long, "tiny", "true"]);
    assert!(teu.work().join("asked").is_dir());
    std::os::unix::fs::symlink("/nowhere", teu.work().join("dangling")).expect("a link");
    let refused = teu.run(&["run", "--rm", "-v", "./dangling:/d", "tiny", "true"]);
    refused.returns(125).explains(&["dangling"]);
}

#[test]
fn files_are_mounted_on_files_and_folders_on_folders() {
    let teu = teu();
    let source = folder(&teu, "src", "other:x:0:0::/:/bin/sh\n");
    let file = source.join("file").display().to_string();
    let on = |target: &str| format!("{file}:{target}");
    let script = "cat /etc/passwd /new/deep/name; ls /etc/only-in-the-image";
    let text =
        teu.ok(&["run", "--rm", "-v", &on("/etc/passwd:ro"), "-v", &on("/new/deep/name"), "tiny", "sh", "-c", script]);
    assert_eq!(text.matches("other:x").count(), 2, "{text}");
    let folder_on_file = teu.run(&["run", "--rm", "-v", "./src:/etc/passwd", "tiny", "true"]);
    folder_on_file.returns(125).explains(&["cannot mount a folder on /etc/passwd", "file in the image"]);
    let file_on_folder = teu.run(&["run", "--rm", "-v", &on("/etc"), "tiny", "true"]);
    file_on_folder.returns(125).explains(&["cannot mount a file on /etc"]);
}

/// Whatever their order on the command line, and through whichever flag.
#[test]
fn parents_are_mounted_before_what_is_in_them() {
    let teu = teu();
    for (name, text) in [("outer", "outer"), ("inner", "inner")] {
        folder(&teu, name, text);
    }
    let script = "cat /x/file /x/y/z/file; stat -f -c %T /x/y/memory; mount | grep -c ' /x'";
    let flags =
        ["run", "--rm", "-v", "./inner:/x/y/z", "--tmpfs", "/x/y/memory", "-v", "data:/x/y", "-v", "./outer:/x"];
    let text = teu.ok(&[&flags[..], &["tiny", "sh", "-c", script]].concat());
    assert_eq!(text.lines().collect::<Vec<_>>(), ["outerinnertmpfs", "4"], "{text}");
}

/// Links of an image are followed within it, and end there.
#[test]
fn targets_behind_links_of_the_image_stay_inside() {
    let teu = teu();
    let outside = teu.work().join("outside");
    fs::create_dir(&outside).expect("a folder");
    folder(&teu, "src", "mounted");
    let links = format!(
        "ln -s /etc /absolute; ln -s ../etc /home/climbing; ln -s {} /away; ln -s away /twice",
        outside.display()
    );
    teu.ok(&["run", "--name", "maker", "tiny", "sh", "-c", &links]);
    teu.ok(&["commit", "maker", "linked"]);
    let script = "cat /etc/a/file /etc/c/file";
    let text = teu.ok(&[
        "run",
        "--rm",
        "-v",
        "./src:/absolute/a",
        "-v",
        "./src:/home/climbing/c",
        "linked",
        "sh",
        "-c",
        script,
    ]);
    assert_eq!(text, "mountedmounted");
    for target in ["/away/x", "/twice/x"] {
        let volume = format!("./src:{target}");
        let output = teu.run(&["run", "--rm", "-v", &volume, "linked", "cat", &format!("{target}/file")]);
        output.no_panic();
        assert_eq!(names(&outside), [""; 0], "{target} was made outside");
    }
}

#[test]
fn memory_has_its_size_mode_and_access() {
    let teu = teu();
    for ids in IDS {
        let mount = "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=0750";
        let script =
            "stat -f -c %T /t; stat -c %a /t; dd if=/dev/zero of=/t/x bs=64k count=64 2>/dev/null || stat -c %s /t/x";
        let text = teu.ok(&["run", "--rm", ids, "--mount", mount, "tiny", "sh", "-c", script]);
        assert_eq!(text.lines().collect::<Vec<_>>(), ["tmpfs", "750", "1048576"], "{ids}");
        let script = "stat -c %a /t; touch /t/x 2>/dev/null || echo read-only; cp /bin/busybox /u/true && /u/true 2>/dev/null || echo no programs";
        let flags = ["run", "--rm", ids, "--mount", "type=tmpfs,target=/t,readonly", "--tmpfs", "/u:size=8m"];
        let text = teu.ok(&[&flags[..], &["tiny", "sh", "-c", script]].concat());
        assert_eq!(text.lines().collect::<Vec<_>>(), ["1777", "read-only", "no programs"], "{ids}");
        let flags = ["run", "--rm", ids, "--tmpfs", "/u:size=8m,exec,mode=711,uid=1000"];
        let script = "stat -c %a:%u /u; cp /bin/busybox /u/true && /u/true && echo runs";
        assert_eq!(teu.ok(&[&flags[..], &["tiny", "sh", "-c", script]].concat()), "711:1000\nruns", "{ids}");
    }
}

/// What the container has there by itself, or through another flag, is covered.
#[test]
fn bind_over_something_of_the_containers_own_is_what_is_seen() {
    let teu = teu();
    let source = folder(&teu, "src", "mine");
    let shm = ["run", "--rm", "--ipc", "host", "-v", "./src:/dev/shm", "tiny", "cat", "/dev/shm/file"];
    assert_eq!(teu.ok(&shm), "mine");
    let file = format!("{}:/dev/both", source.join("file").display());
    let both = ["run", "--rm", "--device", "/dev/null:/dev/both", "-v", &file, "tiny", "true"];
    teu.ok(&both);
    let hosts = format!("{}:/etc/hosts", source.join("file").display());
    assert_eq!(teu.ok(&["run", "--rm", "-v", &hosts, "tiny", "cat", "/etc/hosts"]), "mine");
    let closed = teu.run(&["run", "--rm", "-v", "./src:/x:ro", "-v", "./src:/x/new", "tiny", "true"]);
    closed.returns(125).explains(&["mount point /x/new", "read-only", "make it there first"]);
}

/// Nodes of the machine are inert, unless the container may have them anyway.
#[test]
fn device_nodes_in_a_bind_open_for_privileged_containers_only() {
    let teu = teu();
    let script = "mkdir nodes; mknod nodes/null c 1 3; chmod 666 nodes/null; \
        $TEU run --rm --userns host -v ./nodes:/n tiny sh -c 'echo x > /n/null' 2>/dev/null || echo inert; \
        $TEU run --rm --privileged -v ./nodes:/n tiny sh -c 'echo x > /n/null' && echo opens; rm -r nodes";
    assert_eq!(scene(&teu, script).ok().text(), "inert\nopens");
}

#[test]
fn one_place_takes_one_mount() {
    let teu = teu();
    let twice = teu.run(&["run", "--rm", "-v", "./a:/x", "--mount", "type=tmpfs,target=/x/", "tiny", "true"]);
    twice.returns(125).explains(&["duplicate mount point", "/x"]);
    let twice = teu.run(&["run", "--rm", "-v", "./a:/x", "--tmpfs", "/x", "tiny", "true"]);
    twice.returns(125).explains(&["/x", "something else is mounted there"]);
}
