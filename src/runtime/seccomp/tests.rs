//! Compiled filters against a direct reading of the profiles' rules, call by call, by an interpreter.

use std::collections::BTreeMap;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall};

use super::bpf;
use super::numbers::{AUDIT_X86_64, Abi, PRIVATE, X32_BIT};
use super::{Filter, compile, default_profile, parse};

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const KILL_PROCESS: u32 = 0x8000_0000;
const I386: u32 = 0x4000_0003;

fn compiled(json: &str) -> Filter {
    compile(&parse(json, &[]).expect("profile")).expect("compiles")
}

fn error_of(json: &str) -> String {
    compile(&parse(json, &[]).expect("profile")).expect_err("refused").to_string()
}

/// What the kernel would do with a call of x86_64.
fn native(filter: &Filter, number: u32, arguments: [u64; 6]) -> u32 {
    bpf::run(&filter.instructions, number, AUDIT_X86_64, arguments)
}

fn first(value: u64) -> [u64; 6] {
    [value, 0, 0, 0, 0, 0]
}

fn calls(abi: Abi) -> Vec<(&'static str, u32)> {
    let mut all = Vec::new();
    abi.each_call(|name, number| all.push((name, number)));
    all
}

fn number(abi: Abi, wanted: &str) -> u32 {
    calls(abi).into_iter().find(|(name, _)| *name == wanted).map(|(_, number)| number).expect(wanted)
}

/// What a profile says of one call, said plainly: the compiled filter must agree everywhere.
struct Plain<'a> {
    abi: Abi,
    default: u32,
    /// Each listed call's rules, in the profile's order, without those that say what the default says.
    rules: BTreeMap<u32, Vec<&'a LinuxSyscall>>,
    /// Calls with higher numbers are new, where new ones are told.
    highest: Option<u32>,
}

impl<'a> Plain<'a> {
    fn new(profile: &'a LinuxSeccomp, abi: Abi) -> Self {
        let mut rule = LinuxSyscall::default();
        rule.set_action(profile.default_action()).set_errno_ret(profile.default_errno_ret());
        let default = Self::action(&rule);
        let mut rules: BTreeMap<u32, Vec<&LinuxSyscall>> = BTreeMap::new();
        for rule in profile.syscalls().iter().flatten() {
            for (_, number) in calls(abi).iter().filter(|(name, _)| rule.names().iter().any(|listed| listed == name)) {
                let known = rules.entry(*number).or_default();
                known.extend(Some(rule).filter(|rule| Self::action(rule) != default));
            }
        }
        let highest = rules.keys().copied().filter(|number| number & !X32_BIT < PRIVATE).max();
        let hides = !matches!(default & 0xffff_0000, ALLOW | 0x7ffc_0000 | 0x7ff0_0000);
        Self { abi, default, rules, highest: highest.filter(|_| hides) }
    }

    fn action(rule: &LinuxSyscall) -> u32 {
        let errno = rule.errno_ret().unwrap_or(1);
        match rule.action().to_string().as_str() {
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => 0,
            "SCMP_ACT_KILL_PROCESS" => KILL_PROCESS,
            "SCMP_ACT_TRAP" => 0x0003_0000,
            "SCMP_ACT_ERRNO" => 0x0005_0000 | errno,
            "SCMP_ACT_NOTIFY" => 0x7fc0_0000,
            "SCMP_ACT_TRACE" => 0x7ff0_0000 | errno,
            "SCMP_ACT_LOG" => 0x7ffc_0000,
            "SCMP_ACT_ALLOW" => ALLOW,
            other => panic!("{other}"),
        }
    }

    fn of(&self, number: u32, arguments: [u64; 6]) -> u32 {
        let rules = self.rules.get(&number).map(Vec::as_slice).unwrap_or_default();
        let conditions = |rule: &LinuxSyscall| rule.args().clone().unwrap_or_default();
        if let Some(rule) = rules.iter().find(|rule| conditions(rule).is_empty()) {
            return Self::action(rule);
        }
        let matching = |rule: &&&LinuxSyscall| {
            let conditions = conditions(rule);
            let mut indices: Vec<usize> = conditions.iter().map(LinuxSeccompArg::index).collect();
            indices.sort_unstable();
            indices.dedup();
            match indices.len() == conditions.len() {
                true => conditions.iter().all(|condition| self.holds(condition, arguments)),
                false => conditions.iter().any(|condition| self.holds(condition, arguments)),
            }
        };
        match (rules.iter().find(matching), self.highest) {
            (Some(rule), _) => Self::action(rule),
            (None, Some(highest)) if number > highest && !self.rules.contains_key(&number) => ENOSYS,
            _ => self.default,
        }
    }

    fn holds(&self, condition: &LinuxSeccompArg, arguments: [u64; 6]) -> bool {
        use LinuxSeccompOperator as Is;
        let cut = |value: u64| if self.abi.is_narrow() { value & 0xffff_ffff } else { value };
        let (argument, value) = (cut(arguments[condition.index()]), cut(condition.value()));
        let second = cut(condition.value_two().unwrap_or(0));
        match condition.op() {
            Is::ScmpCmpEq => argument == value,
            Is::ScmpCmpNe => argument != value,
            Is::ScmpCmpLt => argument < value,
            Is::ScmpCmpLe => argument <= value,
            Is::ScmpCmpGt => argument > value,
            Is::ScmpCmpGe => argument >= value,
            Is::ScmpCmpMaskedEq => argument & value == second & value,
        }
    }
}

const INTERESTING: [u64; 16] = [
    0,
    1,
    7,
    8,
    9,
    38,
    40,
    41,
    0x2_0000,
    0x2_0008,
    0x7e02_0000,
    0x0200_0000,
    0xffff_ffff,
    0x1_0000_0028,
    0x1_0000_0026,
    u64::MAX,
];

/// Every call number up to `highest`, and odd ones. What 32-bit x86 makes through other calls has a test of its own.
fn assert_same(profile: &LinuxSeccomp, highest: u32) {
    let filter = compile(profile).expect("compiles");
    for arch in profile.architectures().as_deref().unwrap_or_default() {
        let abi = Abi::of(*arch).expect("known");
        let plain = Plain::new(profile, abi);
        let carriers = [number(Abi::X86, "socketcall"), number(Abi::X86, "ipc")];
        let base = if abi == Abi::X32 { X32_BIT } else { 0 };
        let numbers = (0..highest).chain([0xf_0001, 0xf_0005, 0x3fff_ffff]).map(|number| number | base);
        for number in numbers.filter(|number| abi != Abi::X86 || !carriers.contains(number)) {
            for (at, value) in INTERESTING.iter().enumerate() {
                let other = INTERESTING[(at * 5 + 3) % INTERESTING.len()];
                let arguments = [*value, other, *value, other, *value, other];
                let expected = plain.of(number, arguments);
                let got = bpf::run(&filter.instructions, number, abi.audit(), arguments);
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
    let run = |name: &str, value: u64| native(&filter, number(Abi::X86_64, name), first(value));
    if cfg!(target_arch = "x86_64") {
        assert_eq!((run("read", 0), run("mount", 0)), (ALLOW, EPERM));
        assert_eq!((run("clone", 0x11), run("clone", 0x1000_0000)), (ALLOW, EPERM));
        assert_eq!(run("clone3", 0), ENOSYS);
        assert_eq!((run("personality", 8), run("personality", 4)), (ALLOW, EPERM));
        assert_eq!(native(&filter, 9999, first(0)), ENOSYS, "a call of a kernel to come");
        assert_eq!(bpf::run(&filter.instructions, 0, 0x1234, [0; 6]), KILL_PROCESS, "a foreign architecture");
        for name in ["io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "keyctl", "request_key"] {
            assert_eq!(run(name, 0), EPERM, "{name}");
        }
    }
}

/// CVE-2026-31431 ("Copy Fail"): AF_ALG sockets write to the page cache, which all containers and the host share.
///
/// socket(2) takes its family from the low 32 bits, so a filter that compares 64 (Docker's) lets 0x1_0000_0026 through.
#[test]
fn default_profile_has_no_sockets_of_the_kernels_cryptography_nor_vsock() {
    let filter = compile(&default_profile(&[]).expect("profile")).expect("compiles");
    let high = [0, 1, 0x8000_0000, 0xffff_ffff_u64];
    for name in ["socket", "socketpair"] {
        for abi in [Abi::X86_64, Abi::X32, Abi::X86] {
            for family in 0..64_u64 {
                let expected = if matches!(family, 38 | 40) || family > 47 { EPERM } else { ALLOW };
                for high in high {
                    let arguments = first(high << 32 | family);
                    let got = bpf::run(&filter.instructions, number(abi, name), abi.audit(), arguments);
                    assert_eq!(got, expected, "{name} of {abi:?}, family {family}, high half {high:#x}");
                }
            }
        }
    }
    // The family stands in memory there, where no filter can look.
    for which in [1, 8, 0x1_0001] {
        let got = bpf::run(&filter.instructions, number(Abi::X86, "socketcall"), I386, first(which));
        assert_eq!(got, EPERM, "socketcall {which}");
    }
}

#[test]
fn every_operator_compiles_to_what_it_says() {
    let architectures = r#""architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]"#;
    for operator in ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"] {
        for value in [8_u64, 0x1_0000_0028, 0xffff_ffff_0000_0000, u64::MAX] {
            for last in ["SCMP_ACT_LOG", "SCMP_ACT_ALLOW"] {
                let args = format!(
                    r#"[{{"index": 0, "value": {value}, "valueTwo": 24, "op": "SCMP_CMP_{operator}"}},
                        {{"index": 3, "value": 9, "op": "SCMP_CMP_GE"}}]"#
                );
                // Where the last rule is the default's, it is none, and those with conditions decide.
                let json = format!(
                    r#"{{"defaultAction": "SCMP_ACT_ALLOW", {architectures}, "syscalls": [
                    {{"names": ["mkdirat", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5, "args": {args}}},
                    {{"names": ["mkdirat"], "action": "SCMP_ACT_TRAP", "args": [{{"index": 5, "value": 1, "op": "SCMP_CMP_EQ"}}]}},
                    {{"names": ["mkdirat"], "action": "{last}"}},
                    {{"names": ["mkdirat"], "action": "SCMP_ACT_KILL"}}]}}"#
                );
                let json = if last == "SCMP_ACT_ALLOW" {
                    json.replace(",\n                    {\"names\": [\"mkdirat\"], \"action\": \"SCMP_ACT_KILL\"}", "")
                } else {
                    json
                };
                assert_same(&parse(&json, &[]).expect("profile"), 500);
            }
        }
    }
}

/// Three hundred profiles of a few calls and conditions, by a fixed sequence of numbers.
#[test]
fn random_profiles_compile_to_what_they_say() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let operators = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    let actions = ["KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG", "NOTIFY"];
    let names = ["read", "openat", "mkdirat", "getpid", "prctl", "openat2", "close"];
    for _ in 0..300 {
        let rules: Vec<String> = (0..below(8) + 1)
            .map(|_| {
                let args: Vec<String> = (0..below(4))
                    .map(|_| {
                        let value = INTERESTING[below(16) as usize];
                        let (index, operator) = (below(6), operators[below(7) as usize]);
                        let second = INTERESTING[below(16) as usize];
                        format!(
                            r#"{{"index": {index}, "value": {value}, "valueTwo": {second}, "op": "SCMP_CMP_{operator}"}}"#
                        )
                    })
                    .collect();
                let name = names[below(7) as usize];
                let action = actions[below(9) as usize];
                format!(r#"{{"names": ["{name}"], "action": "SCMP_ACT_{action}", "args": [{}]}}"#, args.join(", "))
            })
            .collect();
        let default = actions[below(9) as usize];
        let json = format!(
            r#"{{"defaultAction": "SCMP_ACT_{default}", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
                "syscalls": [{}]}}"#,
            rules.join(", ")
        );
        let mut profile = parse(&json, &[]).expect("profile");
        profile.set_listener_path(Some("/run/agent".into()));
        let filter = compile(&profile).expect("compiles");
        for arch in [Abi::X86_64, Abi::X86] {
            let (plain, known) = (Plain::new(&profile, arch), calls(arch));
            for (name, number) in known.iter().filter(|(name, _)| names.contains(name) || *name == "statx") {
                for _ in 0..20 {
                    let arguments: [u64; 6] = std::array::from_fn(|_| INTERESTING[below(16) as usize]);
                    let got = bpf::run(&filter.instructions, *number, arch.audit(), arguments);
                    assert_eq!(got, plain.of(*number, arguments), "{arch:?} {name} {arguments:x?} in {json}");
                }
            }
        }
    }
}

#[test]
fn conditions_on_one_argument_are_alternatives() {
    let filter = compiled(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]}"#,
    );
    for (family, expected) in [(1, ALLOW), (8, ALLOW), (2, EPERM)] {
        assert_eq!(native(&filter, 41, first(family)), expected);
    }
}

/// As libseccomp 2.5 does, in whatever order the rules stand.
#[test]
fn rule_without_conditions_decides_alone() {
    let conditional = r#"{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5,
        "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}"#;
    let plain = r#"{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 6}"#;
    for rules in [format!("{conditional}, {plain}"), format!("{plain}, {conditional}")] {
        let filter = compiled(&format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rules}]}}"#));
        let mkdir = number(Abi::NATIVE, "mkdirat").min(83);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(
                (native(&filter, mkdir, first(0)), native(&filter, mkdir, first(1))),
                (0x0005_0006, 0x0005_0006)
            );
        }
    }
}

#[test]
fn native_architecture_is_always_covered() {
    // The specification's own example.
    let filter = compiled(
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": [{"names": ["getcwd", "chmod"], "action": "SCMP_ACT_ERRNO"}]}"#,
    );
    if cfg!(target_arch = "x86_64") {
        assert_eq!(native(&filter, number(Abi::X86_64, "getcwd"), [0; 6]), EPERM);
        assert_eq!(native(&filter, number(Abi::X32, "getcwd"), [0; 6]), EPERM);
        assert_eq!(native(&filter, 0, [0; 6]), ALLOW);
    }
    let filter = compiled(r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"]}"#);
    if cfg!(target_arch = "x86_64") {
        assert_eq!(native(&filter, X32_BIT, [0; 6]), KILL_PROCESS, "x32 is not listed");
        assert_eq!(native(&filter, u32::MAX, [0; 6]), ALLOW, "a tracer has the call skipped");
    }
}

#[test]
fn new_calls_are_unknown_unless_the_default_lets_calls_through() {
    let profile = |default: &str, more: &str| {
        format!(
            r#"{{"defaultAction": "{default}"{more}, "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{{"names": ["openat2", "read"], "action": "SCMP_ACT_LOG"}}]}}"#
        )
    };
    if cfg!(target_arch = "aarch64") {
        return;
    }
    for (default, more, before, after) in [
        ("SCMP_ACT_ERRNO", "", EPERM, ENOSYS),
        ("SCMP_ACT_ERRNO", r#", "defaultErrnoRet": 38"#, ENOSYS, ENOSYS),
        ("SCMP_ACT_KILL_PROCESS", "", KILL_PROCESS, ENOSYS),
        ("SCMP_ACT_TRAP", "", 0x0003_0000, ENOSYS),
        ("SCMP_ACT_ALLOW", "", ALLOW, ALLOW),
        ("SCMP_ACT_TRACE", "", 0x7ff0_0001, 0x7ff0_0001),
    ] {
        let filter = compiled(&profile(default, more));
        assert_eq!((native(&filter, 436, [0; 6]), native(&filter, 438, [0; 6])), (before, after), "{default}");
    }
    // Nothing tells what is new to a profile that names nothing.
    let filter = compiled(r#"{"defaultAction": "SCMP_ACT_ERRNO"}"#);
    assert_eq!(native(&filter, 5000, [0; 6]), EPERM);
}

#[test]
fn calls_of_32_bit_programs_through_others_are_covered() {
    let x86 = |filter: &Filter, name: &str, value: u64| {
        bpf::run(&filter.instructions, number(Abi::X86, name), I386, first(value))
    };
    let denied = compiled(
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "syscalls": [
            {"names": ["shmget"], "action": "SCMP_ACT_ERRNO"},
            {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 38, "op": "SCMP_CMP_EQ"}]}]}"#,
    );
    assert_eq!((x86(&denied, "socketcall", 1), x86(&denied, "socketcall", 3)), (EPERM, ALLOW));
    assert_eq!(
        (x86(&denied, "ipc", 23), x86(&denied, "ipc", 0x1_0017), x86(&denied, "ipc", 24)),
        (EPERM, EPERM, ALLOW)
    );
    let allowed = compiled(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"], "syscalls": [
            {"names": ["connect"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 38, "op": "SCMP_CMP_NE"}]}]}"#,
    );
    assert_eq!((x86(&allowed, "socketcall", 3), x86(&allowed, "socketcall", 1)), (ALLOW, EPERM));
}

#[test]
fn architectures_elsewhere_are_passed_over() {
    let filter = compiled(
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_S390X", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_RISCV64"],
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_LOG"}]}"#,
    );
    let read = number(Abi::NATIVE, "read");
    assert_eq!(bpf::run(&filter.instructions, read, Abi::NATIVE.audit(), [0; 6]), 0x7ffc_0000);
}

#[test]
fn flags_are_the_kernels() {
    let profile = |action: &str| {
        format!(
            r#"{{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
            "syscalls": [{{"names": ["mkdirat"], "action": "{action}"}}]}}"#
        )
    };
    let plain = compiled(&profile("SCMP_ACT_ERRNO"));
    assert_eq!((plain.flags, plain.notifies), (0b110, false));
    let mut profile = parse(&profile("SCMP_ACT_NOTIFY"), &[]).expect("profile");
    profile.set_listener_path(Some("/run/agent".into()));
    let notified = compile(&profile).expect("compiles");
    assert_eq!((notified.flags, notified.notifies), (0b10_1110, true));
}

#[test]
fn refused_profiles_name_the_field() {
    let with = |rule: &str| format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}]}}"#);
    let rows = [
        (with(r#"{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}"#), "linux.seccomp.listenerPath: "),
        (
            with(r#"{"names": ["mkdir"], "action": "SCMP_ACT_KILL", "errnoRet": 1}"#),
            "linux.seccomp.syscalls[0].errnoRet: ",
        ),
        (with(r#"{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 70000}"#), "syscalls[0].errnoRet: 70000"),
        (with(r#"{"names": [], "action": "SCMP_ACT_ERRNO"}"#), "linux.seccomp.syscalls[0].names: "),
        (
            with(
                r#"{"names": ["a"], "action": "SCMP_ACT_LOG"}, {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO",
                    "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}"#,
            ),
            "linux.seccomp.syscalls[1].args[0].index: ",
        ),
        (r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 3}"#.to_owned(), "linux.seccomp.defaultErrnoRet: "),
    ];
    for (json, expected) in rows {
        let error = error_of(&json);
        assert!(error.contains(expected), "{error}");
    }
    let mut profile = parse(r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#, &[]).expect("profile");
    profile.set_listener_metadata(Some("x".to_owned()));
    assert!(compile(&profile).expect_err("refused").to_string().contains("linux.seccomp.listenerMetadata: "));
}

#[test]
fn program_longer_than_the_kernel_takes_is_refused() {
    let rule = |value: u64| {
        format!(
            r#"{{"names": ["mkdirat"], "action": "SCMP_ACT_ERRNO", "args": [{{"index": 0, "value": {value}, "op": "SCMP_CMP_EQ"}}]}}"#
        )
    };
    let profile = |rules: u64| {
        let rules: Vec<String> = (0..rules).map(rule).collect();
        format!(
            r#"{{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [{}]}}"#,
            rules.join(", ")
        )
    };
    // Some 4 instructions a rule: jumps of every length on the way.
    for rules in [60, 61, 62, 63, 64, 65, 130, 900] {
        let filter = compiled(&profile(rules));
        let mkdir = number(Abi::NATIVE, "mkdirat");
        let run = |value| bpf::run(&filter.instructions, mkdir, Abi::NATIVE.audit(), first(value));
        assert!((0..rules).all(|value| run(value) == EPERM), "{rules}");
        assert_eq!((run(rules), run(1 << 32)), (ALLOW, ALLOW));
    }
    let error = error_of(&profile(2000));
    assert!(error.contains("4096"), "{error}");
}
