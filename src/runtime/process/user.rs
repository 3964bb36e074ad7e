//! Who the process is: `user[:group]` looked up in the container's own /etc/passwd and /etc/group, by Docker's rules.

use std::fs::File;
use std::io::Read;

use oci_spec::runtime::User;
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::runtime::RuntimeError;

/// Numbers of a process's owner, and where it is at home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub home: String,
}

/// Larger account files are cut: they are the image's, so they may be anything.
const LARGEST_FILE: u64 = 8 * 1024 * 1024;

/// setresuid(2) takes this for "leave it as it is": root would stay root.
const UNCHANGED: u32 = u32::MAX;

/// Numbers that other programs take for negative ones are no users, whoever names them (CVE-2024-40635).
fn in_range(account: Account) -> Result<Account, RuntimeError> {
    let largest = i32::MAX.unsigned_abs();
    match [account.uid, account.gid].iter().chain(&account.groups).find(|id| **id > largest) {
        Some(id) => {
            Err(RuntimeError::InvalidRequest(format!("the user or group id {id} is out of range: 0 to {largest}")))
        }
        None => Ok(account),
    }
}

/// Looks the user up below the current root, which must be the container's.
pub fn find(user: &User) -> Result<Account, RuntimeError> {
    let (passwd, group) = (read("/etc/passwd"), read("/etc/group"));
    let mut account = match user.username().as_deref() {
        Some(text) if !text.is_empty() => in_range(look_up(text, &passwd, &group)?)?,
        _ => numbered(user.uid(), user.gid(), &passwd),
    };
    if account.uid == UNCHANGED || account.gid == UNCHANGED {
        return Err(RuntimeError::InvalidRequest(format!("process.user: {UNCHANGED} is no user or group")));
    }
    for gid in user.additional_gids().iter().flatten() {
        if !account.groups.contains(gid) {
            account.groups.push(*gid);
        }
    }
    Ok(account)
}

/// A missing file has no accounts. Not blocking, so that a FIFO in its place does not hang the start.
fn read(path: &str) -> String {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut text = Vec::new();
    if let Ok(file) = openat(CWD, path, flags, Mode::empty()) {
        let _ = File::from(file).take(LARGEST_FILE).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn numbered(uid: u32, gid: u32, passwd: &str) -> Account {
    let home = entries(passwd, 7).find(|fields| fields[2].parse() == Ok(uid)).map(|fields| fields[5].to_owned());
    Account { uid, gid, groups: Vec::new(), home: home.unwrap_or_else(|| "/".to_owned()) }
}

/// Lines with at least `count` fields between colons.
fn entries(text: &str, count: usize) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.trim().split(':').collect::<Vec<_>>()).filter(move |fields| fields.len() >= count)
}

fn look_up(text: &str, passwd: &str, group: &str) -> Result<Account, RuntimeError> {
    let (user_text, group_text) = text.split_once(':').unwrap_or((text, ""));
    let user_text = if user_text.is_empty() { "0" } else { user_text };
    let mut account = Account { uid: 0, gid: 0, groups: Vec::new(), home: "/".to_owned() };
    let number = user_text.parse::<u32>().ok();
    let matches = |fields: &Vec<&str>| fields[0] == user_text || number.is_some() && fields[2].parse().ok() == number;
    let mut name = None;
    if let Some(fields) = entries(passwd, 7).find(matches) {
        account.uid = fields[2].parse().map_err(|_| broken("passwd", fields[0]))?;
        account.gid = fields[3].parse().map_err(|_| broken("passwd", fields[0]))?;
        fields[5].clone_into(&mut account.home);
        name = Some(fields[0]);
    } else {
        account.uid = number.ok_or_else(|| no_such("user", user_text, "passwd"))?;
    }
    if !group_text.is_empty() {
        account.gid = find_group(group_text, group)?;
    } else if let Some(name) = name {
        let member_of = entries(group, 4).filter(|fields| fields[3].split(',').any(|member| member.trim() == name));
        account.groups = member_of.filter_map(|fields| fields[2].parse().ok()).collect();
    }
    Ok(account)
}

fn find_group(text: &str, group: &str) -> Result<u32, RuntimeError> {
    let number = text.parse::<u32>().ok();
    let found =
        entries(group, 3).find(|fields| fields[0] == text || number.is_some() && fields[2].parse().ok() == number);
    match found {
        Some(fields) => fields[2].parse().map_err(|_| broken("group", text)),
        None => number.ok_or_else(|| no_such("group", text, "group")),
    }
}

/// Docker's wording.
fn no_such(what: &str, name: &str, file: &str) -> RuntimeError {
    RuntimeError::InvalidRequest(format!("unable to find {what} {name}: no matching entries in {file} file"))
}

fn broken(file: &str, name: &str) -> RuntimeError {
    RuntimeError::InvalidRequest(format!("the entry of {name} in the image's {file} file has no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:44:web:/var/www:/bin/sh\n7:x:70:71::/seven:\n";
    const GROUP: &str = "root:x:0:\nstaff:x:50:alice,web\nvideo:x:60:web\nweb:x:44:\n";

    fn account(text: &str) -> Account {
        look_up(text, PASSWD, GROUP).expect("found")
    }

    #[test]
    fn user_by_name_has_its_group_home_and_memberships() {
        let expected = Account { uid: 33, gid: 44, groups: vec![50, 60], home: "/var/www".to_owned() };
        assert_eq!(account("web"), expected);
        assert_eq!(account("33"), expected, "a number of a known user is that user");
    }

    #[test]
    fn user_with_group_has_that_group_alone() {
        assert_eq!((account("web:staff").gid, account("web:staff").groups), (50, vec![]));
        assert_eq!(account("web:123").gid, 123);
    }

    #[test]
    fn user_of_unknown_number_is_taken_as_is() {
        assert_eq!(account("1000"), Account { uid: 1000, gid: 0, groups: vec![], home: "/".to_owned() });
        assert_eq!(account("1000:staff").gid, 50);
    }

    #[test]
    fn user_whose_name_is_a_number_wins_over_the_number() {
        assert_eq!(account("7").uid, 70);
    }

    #[test]
    fn user_of_unknown_name_is_refused_in_dockers_words() {
        let error = look_up("nobody", PASSWD, GROUP).expect_err("unknown");
        assert_eq!(error.to_string(), "unable to find user nobody: no matching entries in passwd file");
        let error = look_up("web:wheel", PASSWD, GROUP).expect_err("unknown");
        assert_eq!(error.to_string(), "unable to find group wheel: no matching entries in group file");
    }

    #[test]
    fn user_with_an_id_that_wraps_is_refused_cve_2024_40635() {
        for text in ["2147483648", "4294967295", "0:2147483648", "0:4294967295", "4294967296", "-1", "0:-1"] {
            assert!(look_up(text, PASSWD, GROUP).and_then(in_range).is_err(), "{text}");
        }
        let wrapping = "evil:x:4294967295:0::/:/bin/sh\n";
        assert!(look_up("evil", wrapping, GROUP).and_then(in_range).is_err());
        assert_eq!(look_up("2147483647", PASSWD, GROUP).and_then(in_range).expect("the largest").uid, 2_147_483_647);
        let user = oci_spec::runtime::UserBuilder::default().uid(u32::MAX).gid(0_u32).build().expect("user");
        assert!(find(&user).is_err());
    }

    #[test]
    fn user_without_text_and_passwd_lives_at_the_root() {
        assert_eq!(numbered(0, 0, "").home, "/");
        assert_eq!(numbered(0, 0, PASSWD).home, "/root");
    }
}
