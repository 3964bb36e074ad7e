//! Judges the facts: pure, so that every machine there is can be tested here.

use humansize::{BINARY, format_size};

use super::facts::{Facts, Folder, Terminal, Tool};
use super::probe::Trial;
use super::{Check, Verdict, network};

/// openat2(2) came with it, the newest call that teu cannot do without.
const LEAST_KERNEL: (u32, u32) = (5, 6);
/// Overlay in user namespaces came with it.
const ROOTLESS_KERNEL: (u32, u32) = (5, 11);
/// cgroup.kill came with it.
const GOOD_KERNEL: (u32, u32) = (5, 14);
/// What an image's users need.
const ENOUGH_IDS: u64 = 65_536;
const LITTLE_SPACE: u64 = 1 << 30;

pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![kernel(facts), user_namespaces(facts), overlay(facts)];
    if facts.uid != 0 {
        checks.push(ids(facts));
        checks.push(id_tools(facts));
    }
    checks.push(cgroups(facts));
    checks.push(seccomp(facts));
    checks.push(data_root(&facts.data));
    checks.push(run_root(&facts.run));
    checks.extend(network::judge(facts.uid, &facts.network));
    checks.push(terminal(&facts.terminal));
    checks
}

pub(super) fn fine(subject: &'static str, finding: impl Into<String>) -> Check {
    Check { subject, verdict: Verdict::Fine, finding: finding.into(), mend: None }
}

pub(super) fn note(subject: &'static str, finding: impl Into<String>, mend: impl Into<String>) -> Check {
    Check { subject, verdict: Verdict::Note, finding: finding.into(), mend: Some(mend.into()) }
}

pub(super) fn missing(subject: &'static str, finding: impl Into<String>, mend: impl Into<String>) -> Check {
    Check { subject, verdict: Verdict::Missing, finding: finding.into(), mend: Some(mend.into()) }
}

fn version(release: &str) -> (u32, u32) {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

fn kernel(facts: &Facts) -> Check {
    let subject = "kernel";
    let found = version(&facts.kernel);
    let release = &facts.kernel;
    if found < LEAST_KERNEL {
        return missing(subject, format!("Linux {release} has no openat2"), "install Linux 5.6 or newer");
    }
    if facts.uid != 0 && found < ROOTLESS_KERNEL {
        let finding = format!("Linux {release} has no overlay in user namespaces");
        return missing(subject, finding, "install Linux 5.11 or newer, or run teu as root");
    }
    if found < GOOD_KERNEL {
        let finding = format!("Linux {release} has no cgroup.kill, so ending a container takes longer");
        return note(subject, finding, "install Linux 5.14 or newer");
    }
    fine(subject, format!("Linux {release}"))
}

fn user_namespaces(facts: &Facts) -> Check {
    let subject = "user namespaces";
    if facts.uid == 0 {
        return fine(subject, "root needs none");
    }
    if facts.userns_clone == Some(0) {
        let mend = "sudo sysctl -w kernel.unprivileged_userns_clone=1";
        return missing(subject, "the kernel keeps ordinary users from making them", mend);
    }
    if facts.max_user_namespaces == Some(0) {
        let mend = "sudo sysctl -w user.max_user_namespaces=15000";
        return missing(subject, "the kernel allows none at all", mend);
    }
    match &facts.trial {
        Trial::NoNamespace(why) | Trial::NoOverlay(why) if facts.apparmor_restricts == Some(1) => {
            let mend = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
            missing(subject, format!("AppArmor keeps unconfined programs from using them ({why})"), mend)
        }
        Trial::NoNamespace(why) => {
            let mend = "run teu as root, or ask who runs this machine (or the container around you) to allow them";
            missing(subject, format!("making one failed ({why})"), mend)
        }
        _ => fine(subject, "ordinary users may make them"),
    }
}

fn overlay(facts: &Facts) -> Check {
    let subject = "overlay";
    let Folder { path, kind, .. } = &facts.data;
    let path = path.display();
    match &facts.trial {
        Trial::Works => fine(subject, format!("mounts on {path} ({kind})")),
        Trial::NoNamespace(_) => note(subject, "not tried, for want of a namespace", "mend what stands above first"),
        Trial::NoOverlay(why) if matches!(kind.as_str(), "overlay" | "nfs" | "fuse" | "cifs" | "9p" | "vfat") => {
            let mend = "choose a folder on ext4, xfs, btrfs or tmpfs: teu --root FOLDER, or TEU_ROOT=FOLDER";
            missing(subject, format!("{path} is on {kind}, which cannot carry a writable layer ({why})"), mend)
        }
        Trial::NoOverlay(why) => {
            let mend = "sudo modprobe overlay; if that is not it, choose a folder on ext4, xfs or btrfs with --root";
            missing(subject, format!("cannot be mounted on {path} ({kind}): {why}"), mend)
        }
        Trial::Unknown(why) => {
            note(subject, format!("could not be tried: {why}"), "see whether the folder can be written")
        }
    }
}

fn ids(facts: &Facts) -> Check {
    let subject = "subordinate ids";
    let (uids, gids) = (facts.sub_uids, facts.sub_gids);
    if uids >= ENOUGH_IDS && gids >= ENOUGH_IDS {
        return fine(subject, format!("{uids} user ids, {gids} group ids"));
    }
    let finding =
        format!("{} has {uids} user ids and {gids} group ids, so containers have the user root only", facts.user);
    let mend = format!("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}", facts.user);
    note(subject, finding, mend)
}

fn id_tools(facts: &Facts) -> Check {
    let subject = "newuidmap";
    match (facts.newuidmap, facts.newgidmap) {
        (Tool::Able, Tool::Able) => fine(subject, "newuidmap and newgidmap may map subordinate ids"),
        (Tool::Absent, _) | (_, Tool::Absent) => {
            let mend = "sudo apt-get install uidmap (Debian, Ubuntu), or sudo dnf install shadow-utils (Fedora)";
            note(subject, "newuidmap or newgidmap is not installed, so subordinate ids cannot be mapped", mend)
        }
        _ => {
            let mend = "sudo chmod u+s \"$(command -v newuidmap)\" \"$(command -v newgidmap)\"";
            note(subject, "newuidmap or newgidmap is neither setuid root nor has file capabilities", mend)
        }
    }
}

fn cgroups(facts: &Facts) -> Check {
    let subject = "cgroups";
    let has = |name: &str| facts.controllers.iter().any(|known| known == name);
    let lacking: Vec<&str> = ["cpu", "memory", "pids"].into_iter().filter(|name| !has(name)).collect();
    let version = match facts.cgroup {
        "hybrid" => "versions 1 and 2 side by side".to_owned(),
        "none" => "not mounted".to_owned(),
        version => format!("version {version}"),
    };
    if lacking.is_empty() {
        return fine(subject, format!("{version}, with cpu, memory and pids"));
    }
    let finding = format!("{version}; no limits for {}, and figures come from /proc", lacking.join(", "));
    let mend = match (facts.uid, facts.cgroup) {
        (0, "none") => "sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup".to_owned(),
        (0, _) => format!("boot with cgroup_enable={}", lacking.join(",")),
        (_, "2") => {
            "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu memory pids\\n' \
             | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload, \
             then log in again"
                .to_owned()
        }
        _ => "boot with systemd.unified_cgroup_hierarchy=1: version 1 cannot be given to ordinary users".to_owned(),
    };
    note(subject, finding, mend)
}

fn seccomp(facts: &Facts) -> Check {
    match facts.seccomp {
        true => fine("seccomp", "system calls of containers are filtered"),
        false => missing(
            "seccomp",
            "the kernel cannot filter system calls",
            "install a kernel with CONFIG_SECCOMP_FILTER=y, or run with --security-opt seccomp=unconfined",
        ),
    }
}

fn data_root(folder: &Folder) -> Check {
    let subject = "data root";
    let free = format_size(folder.free_bytes, BINARY);
    let place = format!("{} on {}, {free} free", folder.path.display(), folder.kind);
    if folder.noexec {
        let mend = format!("choose another with --root, or: sudo mount -o remount,exec {}", folder.path.display());
        return missing(subject, format!("{place}, mounted noexec: nothing can run there"), mend);
    }
    if folder.free_bytes < LITTLE_SPACE {
        return note(subject, format!("{place}: little for images"), "teu rmi, or another disk with --root");
    }
    fine(subject, place)
}

fn run_root(folder: &Folder) -> Check {
    let subject = "run root";
    let place = format!("{} on {}", folder.path.display(), folder.kind);
    match folder.kind.as_str() {
        "tmpfs" | "ramfs" => fine(subject, place),
        _ => note(
            subject,
            format!("{place}: containers start faster where it is in memory"),
            "a folder on a tmpfs with --runroot or TEU_RUNROOT, such as /dev/shm/teu",
        ),
    }
}

fn terminal(terminal: &Terminal) -> Check {
    let subject = "terminal";
    let Some(size) = terminal.size else {
        return fine(subject, "standard output is none, so it was not looked at");
    };
    let found = format!("{}, {}x{}", terminal.name, size.columns, size.rows);
    if matches!(terminal.name.as_str(), "" | "dumb") {
        return note(subject, "TERM says that it can do nothing", "export TERM=xterm-256color");
    }
    if size.columns < 60 || size.rows < 20 {
        return note(subject, format!("{found}: the interface needs 60x20"), "make the window larger");
    }
    if !terminal.true_color {
        return note(subject, format!("{found}, colours are approximated"), "export COLORTERM=truecolor, if it can");
    }
    fine(subject, format!("{found}, all colours"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Size;

    fn good() -> Facts {
        let folder = |path: &str, kind: &str| Folder {
            path: path.into(),
            kind: kind.to_owned(),
            free_bytes: 50 << 30,
            noexec: false,
        };
        Facts {
            kernel: "6.1.0-13-amd64".to_owned(),
            uid: 1000,
            user: "ann".to_owned(),
            userns_clone: Some(1),
            max_user_namespaces: Some(15_000),
            apparmor_restricts: None,
            trial: Trial::Works,
            sub_uids: 65_536,
            sub_gids: 65_536,
            newuidmap: Tool::Able,
            newgidmap: Tool::Able,
            cgroup: "2",
            controllers: ["cpu", "memory", "pids"].map(str::to_owned).to_vec(),
            seccomp: true,
            data: folder("/home/ann/.local/share/teu", "ext4"),
            run: folder("/run/user/1000/teu", "tmpfs"),
            terminal: Terminal {
                name: "xterm-256color".to_owned(),
                true_color: true,
                size: Some(Size { columns: 120, rows: 40 }),
            },
            network: network::tests::good(),
        }
    }

    /// The one check that is not fine.
    fn only(facts: &Facts) -> Check {
        let mut bad = judge(facts).into_iter().filter(|check| check.verdict != Verdict::Fine);
        let check = bad.next().expect("one check that is not fine");
        assert_eq!(bad.next(), None);
        check
    }

    #[test]
    fn machine_with_everything_is_fine() {
        assert!(judge(&good()).iter().all(|check| check.verdict == Verdict::Fine && check.mend.is_none()));
    }

    #[test]
    fn each_lack_names_its_mend() {
        type Change = fn(&mut Facts);
        let lacks: [(Change, Verdict, &str); 14] = [
            (|f| f.kernel = "5.4.0".to_owned(), Verdict::Missing, "5.6"),
            (|f| f.kernel = "5.10.0-8".to_owned(), Verdict::Missing, "5.11"),
            (|f| f.kernel = "5.13".to_owned(), Verdict::Note, "5.14"),
            (|f| f.userns_clone = Some(0), Verdict::Missing, "kernel.unprivileged_userns_clone=1"),
            (|f| f.max_user_namespaces = Some(0), Verdict::Missing, "user.max_user_namespaces=15000"),
            (|f| f.sub_uids = 0, Verdict::Note, "usermod --add-subuids 100000-165535"),
            (|f| f.newuidmap = Tool::Absent, Verdict::Note, "apt-get install uidmap"),
            (|f| f.newgidmap = Tool::Powerless, Verdict::Note, "chmod u+s"),
            (|f| f.controllers.clear(), Verdict::Note, "Delegate=cpu memory pids"),
            (|f| f.seccomp = false, Verdict::Missing, "CONFIG_SECCOMP_FILTER"),
            (|f| f.data.free_bytes = 1 << 20, Verdict::Note, "teu rmi"),
            (|f| f.data.noexec = true, Verdict::Missing, "remount,exec"),
            (|f| f.run.kind = "ext4".to_owned(), Verdict::Note, "--runroot"),
            (|f| f.terminal.name = "dumb".to_owned(), Verdict::Note, "TERM=xterm-256color"),
        ];
        for (change, verdict, mend) in lacks {
            let mut facts = good();
            change(&mut facts);
            let check = only(&facts);
            assert_eq!(check.verdict, verdict, "{check:?}");
            assert!(check.mend.as_deref().is_some_and(|text| text.contains(mend)), "{check:?}");
        }
    }

    #[test]
    fn ubuntus_apparmor_rule_is_named() {
        let mut facts = good();
        facts.apparmor_restricts = Some(1);
        facts.trial = Trial::NoNamespace("mount: Permission denied".to_owned());
        let checks = judge(&facts);
        let check = checks.iter().find(|check| check.verdict == Verdict::Missing).expect("missing");
        assert_eq!(check.mend.as_deref(), Some("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"));
    }

    #[test]
    fn data_root_on_overlay_or_nfs_is_named() {
        for kind in ["overlay", "nfs"] {
            let mut facts = good();
            facts.data.kind = kind.to_owned();
            facts.trial = Trial::NoOverlay("EINVAL".to_owned());
            assert!(only(&facts).mend.is_some_and(|mend| mend.contains("--root FOLDER")));
        }
    }

    #[test]
    fn root_needs_no_user_namespaces() {
        let mut facts = good();
        facts.uid = 0;
        facts.userns_clone = Some(0);
        facts.sub_uids = 0;
        facts.newuidmap = Tool::Absent;
        assert!(judge(&facts).iter().all(|check| check.verdict == Verdict::Fine));
    }
}
