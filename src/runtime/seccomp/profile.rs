//! Docker's profile format: OCI's, with rules that hold only for some capabilities, architectures or kernels.

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompBuilder, LinuxSeccompFilterFlag, LinuxSyscall,
    LinuxSyscallBuilder,
};
use serde::Deserialize;

use crate::runtime::RuntimeError;

/// What Docker's default profile allows, as data.
const DEFAULT: &str = include_str!("../../../assets/seccomp.json");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Option<Vec<Arch>>,
    #[serde(default)]
    arch_map: Option<Vec<Family>>,
    #[serde(default)]
    flags: Option<Vec<LinuxSeccompFilterFlag>>,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
}

/// An architecture and those whose programs run on it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Family {
    architecture: Arch,
    #[serde(default)]
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    names: Vec<String>,
    /// An old form of `names`.
    name: Option<String>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<LinuxSeccompArg>>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// What conditions are decided by.
struct Machine<'a> {
    capabilities: &'a [&'a str],
    /// Go's name of the architecture, as profiles use it.
    arch: &'a str,
    kernel: (u32, u32),
}

/// What Docker's default profile allows, with the rules that depend on `capabilities` (`CAP_…` names) resolved.
pub fn default_profile(capabilities: &[&str]) -> Result<LinuxSeccomp, RuntimeError> {
    parse(DEFAULT, capabilities)
}

/// Resolves the text of a profile file (Docker's JSON, or plain OCI JSON, which is a subset of it).
pub fn parse(json: &str, capabilities: &[&str]) -> Result<LinuxSeccomp, RuntimeError> {
    let profile: Profile = serde_json::from_str(json).map_err(|error| RuntimeError::Seccomp(error.to_string()))?;
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy().into_owned();
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    resolve(profile, &Machine { capabilities, arch, kernel: version(&release).unwrap_or((0, 0)) })
}

fn resolve(profile: Profile, machine: &Machine<'_>) -> Result<LinuxSeccomp, RuntimeError> {
    let failed = |error: oci_spec::OciSpecError| RuntimeError::Seccomp(error.to_string());
    let native = if machine.arch == "arm64" { Arch::ScmpArchAarch64 } else { Arch::ScmpArchX86_64 };
    let family = profile.arch_map.into_iter().flatten().find(|family| family.architecture == native);
    let architectures = match (profile.architectures, family) {
        (Some(listed), _) if !listed.is_empty() => listed,
        (_, Some(family)) => [native].into_iter().chain(family.sub_architectures.into_iter().flatten()).collect(),
        _ => vec![native],
    };
    let mut rules = Vec::new();
    for rule in profile.syscalls.into_iter().flatten() {
        if holds(&rule, machine)? {
            rules.push(convert(rule).map_err(failed)?);
        }
    }
    let mut builder = LinuxSeccompBuilder::default()
        .default_action(profile.default_action)
        .architectures(architectures)
        .syscalls(rules);
    if let Some(errno) = profile.default_errno_ret {
        builder = builder.default_errno_ret(errno);
    }
    if let Some(flags) = profile.flags {
        builder = builder.flags(flags);
    }
    builder.build().map_err(failed)
}

fn convert(rule: Rule) -> Result<LinuxSyscall, oci_spec::OciSpecError> {
    let mut builder = LinuxSyscallBuilder::default()
        .names(rule.names.into_iter().chain(rule.name).collect::<Vec<_>>())
        .action(rule.action);
    if let Some(errno) = rule.errno_ret {
        builder = builder.errno_ret(errno);
    }
    if let Some(args) = rule.args.filter(|args| !args.is_empty()) {
        builder = builder.args(args);
    }
    builder.build()
}

/// Docker's rules: all included capabilities are there, the architecture and kernel fit, and nothing excluded does.
fn holds(rule: &Rule, machine: &Machine<'_>) -> Result<bool, RuntimeError> {
    let has = |name: &String| machine.capabilities.contains(&name.as_str());
    let on = |arches: &Option<Vec<String>>| arches.iter().flatten().any(|arch| arch == machine.arch);
    let (includes, excludes) = (&rule.includes, &rule.excludes);
    let restricted = includes.arches.as_ref().is_some_and(|arches| !arches.is_empty());
    Ok(includes.caps.iter().flatten().all(has)
        && (!restricted || on(&includes.arches))
        && is_at_least(machine.kernel, includes.min_kernel.as_deref())?.unwrap_or(true)
        && !excludes.caps.iter().flatten().any(has)
        && !on(&excludes.arches)
        && !is_at_least(machine.kernel, excludes.min_kernel.as_deref())?.unwrap_or(false))
}

fn is_at_least(kernel: (u32, u32), minimum: Option<&str>) -> Result<Option<bool>, RuntimeError> {
    let Some(text) = minimum.filter(|text| !text.is_empty()) else { return Ok(None) };
    let minimum = version(text).ok_or_else(|| RuntimeError::Seccomp(format!("{text:?} is no kernel version")))?;
    Ok(Some(kernel >= minimum))
}

/// The first two numbers of a kernel release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(json: &str, capabilities: &[&str], arch: &str, kernel: (u32, u32)) -> LinuxSeccomp {
        let profile = serde_json::from_str(json).expect("profile");
        resolve(profile, &Machine { capabilities, arch, kernel }).expect("resolved")
    }

    fn rules_of(profile: &LinuxSeccomp, name: &str) -> usize {
        let rules = profile.syscalls().iter().flatten();
        rules.filter(|rule| rule.names().iter().any(|known| known == name)).count()
    }

    #[test]
    fn default_profile_depends_on_capabilities() {
        let plain = resolved(DEFAULT, &[], "amd64", (6, 1));
        let admin = resolved(DEFAULT, &["CAP_SYS_ADMIN"], "amd64", (6, 1));
        assert_eq!((rules_of(&plain, "mount"), rules_of(&admin, "mount")), (0, 1));
        assert_eq!((rules_of(&plain, "clone"), rules_of(&admin, "clone")), (1, 1));
        assert_eq!(rules_of(&plain, "personality"), 5);
    }

    #[test]
    fn default_profile_depends_on_kernel_and_architecture() {
        assert_eq!(rules_of(&resolved(DEFAULT, &[], "amd64", (4, 7)), "ptrace"), 0);
        assert_eq!(rules_of(&resolved(DEFAULT, &[], "amd64", (4, 8)), "ptrace"), 1);
        assert_eq!(rules_of(&resolved(DEFAULT, &[], "arm64", (6, 1)), "arch_prctl"), 0);
        let arm = resolved(DEFAULT, &[], "arm64", (6, 1));
        assert_eq!(arm.architectures(), &Some(vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm]));
    }

    #[test]
    fn plain_oci_profile_is_taken_as_is() {
        let json = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
            {"name": "rmdir", "action": "SCMP_ACT_KILL_PROCESS", "args": null}]}"#;
        let profile = resolved(json, &[], "amd64", (6, 1));
        assert_eq!((rules_of(&profile, "mkdir"), rules_of(&profile, "rmdir")), (1, 1));
    }

    #[test]
    fn garbage_is_refused() {
        for json in ["", "[]", r#"{"defaultAction": "SCMP_ACT_NOPE"}"#] {
            assert!(matches!(parse(json, &[]), Err(RuntimeError::Seccomp(_))), "{json}");
        }
    }

    #[test]
    fn version_of_releases() {
        for (release, expected) in [("6.18.44-fc-v669", Some((6, 18))), ("4.8", Some((4, 8))), ("x", None)] {
            assert_eq!(version(release), expected, "{release}");
        }
    }
}
