//! What the flags of mounts become, and what is said of wrong ones.

use clap::Parser;

use std::path::PathBuf;

use super::*;
use crate::model::{MountPropagation, MountSource, MountsBelow};

#[derive(Parser)]
struct Only {
    #[command(flatten)]
    flags: MountFlags,
}

fn read(words: &[&str]) -> Result<MountWishes, Failure> {
    let parsed = Only::try_parse_from(["x"].iter().chain(words)).expect("clap takes any text");
    parsed.flags.wishes(Path::new("/work"))
}

fn one(words: &[&str]) -> Mount {
    let mut wishes = read(words).unwrap_or_else(|failure| panic!("{words:?}: {failure}"));
    assert_eq!(wishes.mounts.len(), 1);
    wishes.mounts.remove(0)
}

fn bind(source: MountSource) -> (PathBuf, MountPropagation, MountsBelow, bool) {
    match source {
        MountSource::Bind { path, propagation, below, create } => (path, propagation, below, create),
        other => panic!("{other:?} is no bind"),
    }
}

#[test]
fn short_sources_are_paths_or_names() {
    assert_eq!(one(&["-v", "/a:/b:ro"]), Mount::bind("/a", "/b").read_only());
    assert_eq!(one(&["-v", "./c/../d:/e"]), Mount::bind("/work/d", "/e"));
    assert_eq!(one(&["-v", "..:/e/./f/../g/"]), Mount::bind("/", "/e/g"));
    assert_eq!(one(&["-v", "data:/e"]), Mount::volume(Some("data".parse().expect("name")), "/e"));
    assert_eq!(one(&["-v", "/e"]), Mount::volume(None, "/e"));
    let MountSource::Volume { copy, anonymous, .. } = one(&["-v", "data:/e:nocopy,z"]).source else { panic!("volume") };
    assert!(!copy && !anonymous);
    assert_eq!(bind(one(&["-v", "/a:/b:ro,rshared,cached"]).source).1, MountPropagation::RShared);
}

#[test]
fn long_form_takes_every_key_of_docker() {
    let mount =
        one(&["--mount", "type=bind,src=/a,dst=/b,ro,bind-propagation=slave,bind-nonrecursive,consistency=cached"]);
    assert!(mount.read_only);
    assert_eq!(bind(mount.source), ("/a".into(), MountPropagation::Slave, MountsBelow::Hidden, false));
    let mount =
        one(&["--mount", "TYPE=BIND,source=./a,destination=/b,readonly=true,bind-recursive=readonly,bind-create-src"]);
    assert_eq!(bind(mount.source), ("/work/a".into(), MountPropagation::RPrivate, MountsBelow::ReadOnly, true));
    let mount = one(&[
        "--mount",
        r#"source=data,target=/b,volume-subpath=a/./b,volume-nocopy,volume-driver=local,volume-label=a=1,"volume-opt=o=addr=x,""rw""""#,
    ]);
    let MountSource::Volume { name, subpath, copy, anonymous, labels, options } = mount.source else {
        panic!("volume")
    };
    assert_eq!(name.map(|name| name.to_string()).as_deref(), Some("data"));
    assert_eq!((subpath, copy, anonymous), (Some("a/b".into()), false, false));
    assert_eq!((labels["a"].as_str(), options["o"].as_str()), ("1", r#"addr=x,"rw""#));
    let mount = one(&["--mount", "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=0770,readonly=false"]);
    assert_eq!(mount.source, MountSource::Tmpfs { size_bytes: Some(1 << 20), mode: Some(0o770) });
    assert!(!mount.read_only);
    let mount = one(&["--mount", "type=image,source=debian:12,target=/i,image-subpath=etc"]);
    assert_eq!(
        mount.source,
        MountSource::Image { reference: "debian:12".to_owned(), subpath: Some("etc".into()), pinned: None }
    );
    assert!(mount.read_only, "an image can only be read");
    let MountSource::Volume { name: None, anonymous: true, .. } = one(&["--mount", "target=/v"]).source else {
        panic!("a new volume")
    };
}

#[test]
fn memory_and_other_containers_are_read() {
    let wishes = read(&[
        "--tmpfs",
        "/scratch/:size=1m,mode=1770,exec",
        "--tmpfs",
        "/t",
        "--volumes-from",
        "a",
        "--volumes-from",
        "b:ro",
    ]);
    let wishes = wishes.expect("parses");
    assert_eq!(wishes.memory[0].target, Path::new("/scratch"));
    assert_eq!(wishes.memory[0].options, ["size=1m", "mode=1770", "exec"]);
    assert!(wishes.memory[1].options.is_empty());
    assert_eq!(wishes.volumes_from, ["a", "b:ro"]);
}

#[test]
fn what_is_wrong_is_told_with_its_cure() {
    let lines = [
        "-v /a:b",
        "-v a/b:/b",
        "-v :/b",
        "-v /a:/b:rx",
        "-v /a:/b:ro,rw",
        "-v /a:/",
        "-v /a:/b:ro:x",
        "-v /a:/b/..",
        "-v /data:ro",
        "-v data:/b:rshared",
        "-v /a:/b:nocopy",
        "-v relative",
        "-v ",
        "--mount type=bind,source=/a",
        "--mount type=bind,target=/b",
        "--mount type=bind,source=a,target=/b",
        "--mount type=bind,source=/a,target=/b,volume-nocopy",
        "--mount type=bind,source=/a,target=/b,bind-propagation=up",
        "--mount type=bind,source=/a,target=/b,bind-nonrecursive,bind-recursive=enabled",
        "--mount type=bind,source=/a,target=/b,bind-recursive=readonly",
        "--mount type=bind,source=/a,target=/b,ro,bind-recursive=readonly,bind-propagation=rslave",
        "--mount type=bind,source=/a,target=/b,bind-recursive=some",
        "--mount type=volume,source=/a,target=/b",
        "--mount source=data,target=/b,volume-subpath=../x",
        "--mount source=data,target=/b,volume-subpath=/x",
        "--mount target=/b,volume-subpath=x",
        "--mount source=data,target=/b,volume-driver=nfs",
        "--mount source=data,target=b",
        "--mount type=tmpfs,source=/a,target=/b",
        "--mount type=tmpfs,target=/b,tmpfs-size=lots",
        "--mount type=tmpfs,target=/b,tmpfs-mode=99",
        "--mount type=image,target=/b",
        "--mount type=cluster,source=a,target=/b",
        "--mount type=floppy,source=a,target=/b",
        "--mount type=bind,color=red,target=/b",
        "--mount readonly=perhaps,target=/b",
        "--mount \"type=bind",
        "--mount type=,target=",
        "--tmpfs scratch",
        "--tmpfs /",
        "--tmpfs /t:size=lots",
        "--tmpfs /t:color=red",
        "--volumes-from :ro",
        "--volumes-from a:rx",
    ];
    let said: Vec<String> = lines
        .iter()
        .map(|line| {
            let (flag, text) = line.split_once(' ').expect("a flag and its value");
            match read(&[flag, text]) {
                Ok(wishes) => panic!("{line} is {wishes:?}"),
                Err(failure) => format!("$ {line}\n{failure}"),
            }
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}
