//! From a profile to BPF: by architecture, then a binary search over call numbers, then the rules on arguments.
//!
//! For one call: the first rule whose conditions all hold decides, then the first rule without conditions, then the default.

use std::collections::BTreeMap;

use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSeccompOperator, LinuxSyscall,
};

use super::bpf::{self, JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_EQUAL, branch, give, load};
use super::numbers::{AUDIT_X86_64, Abi, X32_BIT};
use crate::runtime::RuntimeError;
use crate::sys::seccomp::Instruction;

/// A compiled profile.
#[derive(Clone, Debug)]
pub struct Filter {
    pub instructions: Vec<Instruction>,
    /// `SECCOMP_FILTER_FLAG_…`.
    pub flags: u32,
}

/// What calls of an architecture that the profile does not list get: libseccomp's choice.
const KILL: u32 = 0x8000_0000;
/// The kernel's limit (BPF_MAXINSNS).
const MOST_INSTRUCTIONS: usize = 4096;
/// EPERM, the errno of actions that name none.
const DEFAULT_ERRNO: u32 = 1;

/// Compiles a resolved profile.
pub fn compile(profile: &LinuxSeccomp) -> Result<Filter, RuntimeError> {
    let default = action(profile.default_action(), profile.default_errno_ret())?;
    let abis = profile.architectures().iter().flatten().filter_map(|arch| Abi::of(*arch)).collect::<Vec<_>>();
    let abis =
        if abis.is_empty() { Abi::of(oci_spec::runtime::Arch::ScmpArchNative).into_iter().collect() } else { abis };
    let rules = profile.syscalls().as_deref().unwrap_or_default();
    let mut sections = Vec::with_capacity(abis.len());
    for abi in &abis {
        sections.push((abi, section(abi, rules, default)?));
    }
    let instructions = join(sections);
    if instructions.len() > MOST_INSTRUCTIONS {
        return Err(RuntimeError::Seccomp(format!(
            "{} instructions are more than the kernel takes",
            instructions.len()
        )));
    }
    Ok(Filter { instructions, flags: flags(profile) })
}

/// Looks at the architecture, and on x86_64 at the x32 bit; what is not listed is killed.
fn join(sections: Vec<(&Abi, Vec<Instruction>)>) -> Vec<Instruction> {
    let mut program = vec![load(bpf::ARCHITECTURE)];
    let mut by_audit: BTreeMap<u32, [Option<Vec<Instruction>>; 2]> = BTreeMap::new();
    for (abi, section) in sections {
        by_audit.entry(abi.audit).or_default()[usize::from(abi.is_x32)] = Some(section);
    }
    let mut rest = vec![give(KILL)];
    for (audit, [plain, x32]) in by_audit {
        let killed = || vec![give(KILL)];
        let mut section = vec![load(bpf::NUMBER)];
        if audit == AUDIT_X86_64 {
            let (plain, x32) = (plain.unwrap_or_else(killed), x32.unwrap_or_else(killed));
            section.extend(branch(JUMP_GREATER_EQUAL, X32_BIT, x32, plain));
        } else {
            section.extend(plain.unwrap_or_else(killed));
        }
        rest = branch(JUMP_EQUAL, audit, section, rest);
    }
    program.extend(rest);
    program
}

/// What happens to one call number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    conditional: Vec<(Vec<LinuxSeccompArg>, u32)>,
    otherwise: u32,
}

/// The search over one ABI's numbers, which are loaded.
fn section(abi: &Abi, rules: &[LinuxSyscall], default: u32) -> Result<Vec<Instruction>, RuntimeError> {
    let plain = Outcome { conditional: Vec::new(), otherwise: default };
    let mut outcomes: BTreeMap<u32, (Outcome, bool)> = BTreeMap::new();
    for rule in rules {
        let wanted = action(rule.action(), rule.errno_ret())?;
        let alternatives = alternatives(rule)?;
        for number in rule.names().iter().filter_map(|name| abi.number(name)) {
            let (outcome, decided) = outcomes.entry(number).or_insert_with(|| (plain.clone(), false));
            if alternatives.is_empty() && !*decided {
                (outcome.otherwise, *decided) = (wanted, true);
            }
            outcome.conditional.extend(alternatives.iter().map(|conditions| (conditions.clone(), wanted)));
        }
    }
    // Neighbours with the same outcome are one range; what lies between known numbers is the default.
    let mut ranges: Vec<(u32, Outcome)> = vec![(0, plain.clone())];
    for (number, (outcome, _)) in outcomes {
        if ranges.last().is_some_and(|(start, _)| *start == number) {
            ranges.pop();
        }
        if ranges.last().is_none_or(|(_, before)| *before != outcome) {
            ranges.push((number, outcome));
        }
        ranges.push((number + 1, plain.clone()));
    }
    ranges.dedup_by(|later, earlier| later.1 == earlier.1);
    Ok(search(&ranges))
}

/// A binary decision tree over ranges, each of which begins at its number.
fn search(ranges: &[(u32, Outcome)]) -> Vec<Instruction> {
    match ranges {
        [] => vec![give(KILL)],
        [(_, outcome)] => decide(outcome),
        _ => {
            let (lower, upper) = ranges.split_at(ranges.len() / 2);
            let start = upper.first().map_or(0, |(start, _)| *start);
            branch(JUMP_GREATER_EQUAL, start, search(upper), search(lower))
        }
    }
}

fn decide(outcome: &Outcome) -> Vec<Instruction> {
    let mut program = Vec::new();
    for (conditions, wanted) in &outcome.conditional {
        let when = vec![give(*wanted)];
        let rule = conditions.iter().rev().fold(when, |when, condition| test(condition, when, vec![bpf::fall()]));
        program.extend(bpf::fall_to_the_end(rule));
    }
    program.push(give(outcome.otherwise));
    program
}

/// `when` if the condition holds, else `otherwise`. Arguments are 64 bits, compared in two halves.
fn test(condition: &LinuxSeccompArg, when: Vec<Instruction>, otherwise: Vec<Instruction>) -> Vec<Instruction> {
    use LinuxSeccompOperator as Is;
    let index = condition.index() as u32;
    let value = condition.value();
    match condition.op() {
        Is::ScmpCmpEq => equal(index, u64::MAX, value, when, otherwise),
        Is::ScmpCmpNe => equal(index, u64::MAX, value, otherwise, when),
        Is::ScmpCmpMaskedEq => equal(index, value, condition.value_two().unwrap_or(0), when, otherwise),
        Is::ScmpCmpGt => greater(index, JUMP_GREATER, value, when, otherwise),
        Is::ScmpCmpGe => greater(index, JUMP_GREATER_EQUAL, value, when, otherwise),
        Is::ScmpCmpLt => greater(index, JUMP_GREATER_EQUAL, value, otherwise, when),
        Is::ScmpCmpLe => greater(index, JUMP_GREATER, value, otherwise, when),
    }
}

fn halves(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, value as u32)
}

fn equal(index: u32, mask: u64, value: u64, when: Vec<Instruction>, otherwise: Vec<Instruction>) -> Vec<Instruction> {
    let ((mask_high, mask_low), (high, low)) = (halves(mask), halves(value));
    let half = |offset, mask: u32, value, when, otherwise| {
        let mut program = vec![load(offset)];
        if mask != u32::MAX {
            program.push(bpf::and(mask));
        }
        program.extend(branch(JUMP_EQUAL, value, when, otherwise));
        program
    };
    let lower = half(bpf::argument_low(index), mask_low, low, when, otherwise.clone());
    half(bpf::argument_high(index), mask_high, high, lower, otherwise)
}

/// `code` compares the low halves when the high ones are equal.
fn greater(index: u32, code: u16, value: u64, when: Vec<Instruction>, otherwise: Vec<Instruction>) -> Vec<Instruction> {
    let (high, low) = halves(value);
    let mut lower = vec![load(bpf::argument_low(index))];
    lower.extend(branch(code, low, when.clone(), otherwise.clone()));
    let not_greater = branch(JUMP_EQUAL, high, lower, otherwise);
    let mut program = vec![load(bpf::argument_high(index))];
    program.extend(branch(JUMP_GREATER, high, when, not_greater));
    program
}

/// A rule's conditions hold together, unless two are about the same argument: then each alone, as runc does.
fn alternatives(rule: &LinuxSyscall) -> Result<Vec<Vec<LinuxSeccompArg>>, RuntimeError> {
    let conditions = rule.args().as_deref().unwrap_or_default();
    if let Some(condition) = conditions.iter().find(|condition| condition.index() > 5) {
        return Err(RuntimeError::Seccomp(format!("no call has an argument {}", condition.index())));
    }
    let repeated = conditions
        .iter()
        .enumerate()
        .any(|(at, one)| conditions.iter().skip(at + 1).any(|other| other.index() == one.index()));
    Ok(match conditions {
        [] => Vec::new(),
        _ if repeated => conditions.iter().map(|condition| vec![*condition]).collect(),
        _ => vec![conditions.to_vec()],
    })
}

/// SECCOMP_RET_… of linux/seccomp.h.
fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<u32, RuntimeError> {
    use LinuxSeccompAction as Do;
    let errno = errno.unwrap_or(DEFAULT_ERRNO) & 0xffff;
    Ok(match action {
        Do::ScmpActKill | Do::ScmpActKillThread => 0,
        Do::ScmpActKillProcess => KILL,
        Do::ScmpActTrap => 0x0003_0000,
        Do::ScmpActErrno => 0x0005_0000 | errno,
        Do::ScmpActTrace => 0x7ff0_0000 | errno,
        Do::ScmpActLog => 0x7ffc_0000,
        Do::ScmpActAllow => 0x7fff_0000,
        Do::ScmpActNotify => {
            return Err(RuntimeError::Seccomp("SCMP_ACT_NOTIFY needs an agent, which teu has not".to_owned()));
        }
    })
}

fn flags(profile: &LinuxSeccomp) -> u32 {
    let flag = |flag: &LinuxSeccompFilterFlag| match flag {
        // There is one thread only.
        LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 0,
        LinuxSeccompFilterFlag::SeccompFilterFlagLog => 2,
        LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => 4,
        // It is about notifications, which are refused above.
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => 0,
    };
    profile.flags().iter().flatten().map(flag).fold(0, |all, one| all | one)
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::Arch;

    use super::*;
    use crate::runtime::seccomp::{default_profile, parse};

    const ALLOW: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;
    const ENOSYS: u32 = 0x0005_0026;

    /// What a profile means, said plainly: the compiled filter must agree everywhere.
    fn naive(profile: &LinuxSeccomp, rules: &[&LinuxSyscall], arguments: [u64; 6]) -> u32 {
        let mine = || rules.iter();
        let conditional = mine().find(|rule| {
            alternatives(rule).expect("valid").iter().any(|all| all.iter().all(|one| holds(one, arguments)))
        });
        let plain = || mine().find(|rule| rule.args().as_ref().is_none_or(Vec::is_empty));
        match conditional.or_else(plain) {
            Some(rule) => action(rule.action(), rule.errno_ret()).expect("valid"),
            None => action(profile.default_action(), profile.default_errno_ret()).expect("valid"),
        }
    }

    fn holds(condition: &LinuxSeccompArg, arguments: [u64; 6]) -> bool {
        use LinuxSeccompOperator as Is;
        let (argument, value) = (arguments[condition.index()], condition.value());
        match condition.op() {
            Is::ScmpCmpEq => argument == value,
            Is::ScmpCmpNe => argument != value,
            Is::ScmpCmpLt => argument < value,
            Is::ScmpCmpLe => argument <= value,
            Is::ScmpCmpGt => argument > value,
            Is::ScmpCmpGe => argument >= value,
            Is::ScmpCmpMaskedEq => argument & value == condition.value_two().unwrap_or(0),
        }
    }

    const INTERESTING: [u64; 14] =
        [0, 1, 7, 8, 9, 40, 41, 0x2_0000, 0x2_0008, 0x7e02_0000, 0x0200_0000, 0xffff_ffff, 0x1_0000_0028, u64::MAX];

    /// Every call number up to `highest`, and odd ones.
    fn assert_same(profile: &LinuxSeccomp, highest: u32) {
        let filter = compile(profile).expect("compiles");
        for arch in profile.architectures().as_deref().unwrap_or_default() {
            let abi = Abi::of(*arch).expect("known");
            let base = if abi.is_x32 { X32_BIT } else { 0 };
            let numbers = (0..highest).chain([0xf_0001, 0xf_0005, 0x3fff_ffff]).map(|number| number | base);
            for number in numbers {
                let all = profile.syscalls().iter().flatten();
                let concerns = |rule: &&LinuxSyscall| rule.names().iter().any(|name| abi.number(name) == Some(number));
                let rules: Vec<&LinuxSyscall> = all.filter(concerns).collect();
                for (at, value) in INTERESTING.iter().enumerate() {
                    let other = INTERESTING[(at * 5 + 3) % INTERESTING.len()];
                    let arguments = [*value, other, *value, other, *value, other];
                    let expected = naive(profile, &rules, arguments);
                    let got = bpf::run(&filter.instructions, number, abi.audit, arguments);
                    assert_eq!(got, expected, "{arch:?} call {number:#x} with {value:#x}, {other:#x}");
                }
            }
        }
    }

    #[test]
    fn default_profile_compiles_to_what_it_says() {
        assert_same(&default_profile(&[]).expect("profile"), 600);
        assert_same(&default_profile(&["CAP_SYS_ADMIN", "CAP_SYS_PTRACE"]).expect("profile"), 600);
    }

    #[test]
    fn default_profile_in_known_cases() {
        let filter = compile(&default_profile(&[]).expect("profile")).expect("compiles");
        let run =
            |number: u32, first: u64| bpf::run(&filter.instructions, number, AUDIT_X86_64, [first, 0, 0, 0, 0, 0]);
        let number = |name: &str| Abi::of(Arch::ScmpArchX86_64).and_then(|abi| abi.number(name)).expect(name);
        if cfg!(target_arch = "x86_64") {
            assert_eq!((run(number("read"), 0), run(number("mount"), 0)), (ALLOW, EPERM));
            assert_eq!((run(number("clone"), 0x11), run(number("clone"), 0x1000_0000)), (ALLOW, EPERM));
            assert_eq!(run(number("clone3"), 0), ENOSYS);
            assert_eq!((run(number("socket"), 2), run(number("socket"), 40)), (ALLOW, EPERM));
            assert_eq!((run(number("personality"), 8), run(number("personality"), 4)), (ALLOW, EPERM));
            assert_eq!(run(9999, 0), EPERM);
            assert_eq!(bpf::run(&filter.instructions, 0, 0x1234, [0; 6]), KILL, "a foreign architecture");
        }
    }

    #[test]
    fn every_operator_compiles_to_what_it_says() {
        let architectures = r#""architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]"#;
        for operator in ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"] {
            for value in [8_u64, 0x1_0000_0028, u64::MAX] {
                let args = format!(
                    r#"[{{"index": 0, "value": {value}, "valueTwo": 8, "op": "SCMP_CMP_{operator}"}},
                        {{"index": 3, "value": 9, "op": "SCMP_CMP_GE"}}]"#
                );
                let json = format!(
                    r#"{{"defaultAction": "SCMP_ACT_ALLOW", {architectures}, "syscalls": [
                    {{"names": ["mkdir", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5, "args": {args}}},
                    {{"names": ["mkdir"], "action": "SCMP_ACT_TRAP", "args": [{{"index": 5, "value": 1, "op": "SCMP_CMP_EQ"}}]}},
                    {{"names": ["mkdir"], "action": "SCMP_ACT_LOG"}},
                    {{"names": ["mkdir"], "action": "SCMP_ACT_KILL"}}]}}"#
                );
                assert_same(&parse(&json, &[]).expect("profile"), 100);
            }
        }
    }

    #[test]
    fn conditions_on_one_argument_are_alternatives() {
        let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [
            {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]}"#;
        let filter = compile(&parse(json, &[]).expect("profile")).expect("compiles");
        for (family, expected) in [(1, ALLOW), (8, ALLOW), (2, EPERM)] {
            assert_eq!(bpf::run(&filter.instructions, 41, AUDIT_X86_64, [family, 0, 0, 0, 0, 0]), expected);
        }
    }

    #[test]
    fn notify_is_refused() {
        let json =
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}"#;
        assert!(compile(&parse(json, &[]).expect("profile")).is_err());
    }
}
