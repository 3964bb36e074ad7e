//! From a profile to BPF: by architecture, then a binary search over call numbers, then the rules on arguments.
//!
//! What rules mean is libseccomp's choice: for one call, the first rule without conditions decides whatever else there
//! is; without one, the first rule whose conditions all hold; without that, the default action. Where libseccomp leaves
//! the order of overlapping conditions open, it is the profile's here. Unknown names are passed over. Numbers above the
//! highest that the profile names get ENOSYS unless the default lets calls through (runc's choice): programs then fall
//! back to older calls. Calls of architectures that the profile does not list kill the process.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFilterFlag, LinuxSeccompOperator, LinuxSyscall};

use super::bpf::{self, JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_EQUAL, Label, Writer};
use super::numbers::{Abi, PRIVATE, X32_BIT};
use crate::runtime::RuntimeError;
use crate::sys::seccomp::Instruction;

/// A compiled profile.
#[derive(Clone, Debug)]
pub struct Filter {
    pub instructions: Vec<Instruction>,
    /// `SECCOMP_FILTER_FLAG_…`.
    pub flags: u32,
    /// Some call is to be decided by the listener, which the kernel hands out when the filter is installed.
    pub notifies: bool,
}

/// SECCOMP_RET_… of linux/seccomp.h.
pub(super) const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;
const ENOSYS: u32 = ERRNO | 38;

/// SECCOMP_FILTER_FLAG_… of linux/seccomp.h.
const FLAG_LOG: u32 = 1 << 1;
const FLAG_SPEC_ALLOW: u32 = 1 << 2;
const FLAG_NEW_LISTENER: u32 = 1 << 3;
const FLAG_WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// The kernel's limit (BPF_MAXINSNS).
const MOST_INSTRUCTIONS: usize = 4096;
/// EPERM, the errno of actions that name none.
const DEFAULT_ERRNO: u32 = 1;
/// The kernel's limit (MAX_ERRNO); a tracer's message has 16 bits.
const HIGHEST_ERRNO: u32 = 4095;

/// Compiles a resolved profile. Errors name the field of config.json.
pub fn compile(profile: &LinuxSeccomp) -> Result<Filter, RuntimeError> {
    let default = action(profile.default_action(), profile.default_errno_ret())
        .map_err(|why| refused(&format!("defaultErrnoRet: {why}")))?;
    let rules = Rules::of(profile, default)?;
    let mut abis = vec![Abi::NATIVE];
    for abi in profile.architectures().iter().flatten().filter_map(|arch| Abi::of(*arch)) {
        if !abis.contains(&abi) {
            abis.push(abi);
        }
    }
    let writer = write(&abis, &rules);
    let notifies = writer.returns(NOTIFY);
    if notifies && profile.listener_path().is_none() {
        return Err(refused("listenerPath: SCMP_ACT_NOTIFY needs the socket of an agent that decides"));
    }
    if profile.listener_metadata().is_some() && profile.listener_path().is_none() {
        return Err(refused("listenerMetadata: it is of no use without listenerPath"));
    }
    let instructions = writer.finish();
    if instructions.len() > MOST_INSTRUCTIONS {
        return Err(refused(&format!(
            "syscalls: they make {} instructions, and the kernel takes {MOST_INSTRUCTIONS}: name fewer conditions",
            instructions.len()
        )));
    }
    Ok(Filter { instructions, flags: flags(profile, notifies), notifies })
}

fn refused(why: &str) -> RuntimeError {
    RuntimeError::InvalidRequest(format!("linux.seccomp.{why}"))
}

/// FNV-1a: the names come from the machine's own administrator, and there are some hundreds.
struct NameHasher(u64);

impl Default for NameHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type ByName<'a, T> = HashMap<&'a str, T, BuildHasherDefault<NameHasher>>;

/// A comparison of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Condition {
    argument: u32,
    operator: LinuxSeccompOperator,
    value: u64,
    /// The mask of `SCMP_CMP_MASKED_EQ`; all bits for the others.
    mask: u64,
}

impl Condition {
    /// The first argument's low 16 bits, which say what socketcall(2) and ipc(2) are to do.
    fn first_is(which: u32) -> Self {
        let operator = LinuxSeccompOperator::ScmpCmpMaskedEq;
        Self { argument: 0, operator, value: u64::from(which), mask: 0xffff }
    }
}

/// What happens to one call: the first alternative that holds, else `otherwise`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Meaning {
    alternatives: Vec<(Vec<Condition>, u32)>,
    /// A rule without conditions is there and is all that counts.
    decided: bool,
    otherwise: u32,
}

impl Meaning {
    fn add(&mut self, alternatives: &[Vec<Condition>], action: u32) {
        if self.decided {
        } else if alternatives.is_empty() {
            *self = Self { alternatives: Vec::new(), decided: true, otherwise: action };
        } else {
            self.alternatives.extend(alternatives.iter().map(|conditions| (conditions.clone(), action)));
        }
    }
}

/// The profile's rules by the names of calls; meanings are shared by all names that mean the same.
struct Rules<'a> {
    default: u32,
    /// Indices into `meanings`.
    by_name: ByName<'a, usize>,
    meanings: Vec<Meaning>,
}

/// Index of the default's meaning.
const DEFAULT: usize = 0;

impl<'a> Rules<'a> {
    fn of(profile: &'a LinuxSeccomp, default: u32) -> Result<Self, RuntimeError> {
        let syscalls = profile.syscalls().as_deref().unwrap_or_default();
        let names = syscalls.iter().map(|rule| rule.names().len()).sum();
        let mut by_name = ByName::with_capacity_and_hasher(names, BuildHasherDefault::default());
        let plain = |otherwise| Meaning { otherwise, ..Meaning::default() };
        let mut meanings = vec![plain(default)];
        for (at, rule) in syscalls.iter().enumerate() {
            let failed = |why: String| refused(&format!("syscalls[{at}].{why}"));
            let action = action(rule.action(), rule.errno_ret()).map_err(|why| failed(format!("errnoRet: {why}")))?;
            let alternatives = alternatives(rule).map_err(failed)?;
            if rule.names().is_empty() {
                return Err(failed("names: at least one system call is to be named".to_owned()));
            }
            // A rule that says what the default says is none (libseccomp refuses them, engines pass over them), but its
            // names count as known.
            let is_rule = action != default;
            let decided = Meaning { decided: true, ..plain(action) };
            let shared = (is_rule && alternatives.is_empty()).then(|| intern(&mut meanings, decided));
            for name in rule.names() {
                let known = by_name.entry(name.as_str()).or_insert(DEFAULT);
                match (shared, meanings.get(*known)) {
                    _ if !is_rule => {}
                    (_, Some(before)) if before.decided => {}
                    (Some(shared), _) => *known = shared,
                    (None, before) => {
                        let mut meaning = before.cloned().unwrap_or_default();
                        meaning.add(&alternatives, action);
                        *known = intern(&mut meanings, meaning);
                    }
                }
            }
        }
        Ok(Self { default, by_name, meanings })
    }

    /// New calls are answered ENOSYS, unless the default is to let calls through or says so anyway.
    fn hides_new_calls(&self) -> bool {
        !matches!(self.default & 0xffff_0000, ALLOW | LOG | TRACE) && self.default != ENOSYS
    }
}

fn intern(meanings: &mut Vec<Meaning>, wanted: Meaning) -> usize {
    // The last ones first: a profile's rules on one call follow each other.
    meanings.iter().rposition(|meaning| *meaning == wanted).unwrap_or_else(|| {
        meanings.push(wanted);
        meanings.len() - 1
    })
}

/// A rule's conditions hold together, unless two are about the same argument: then each alone, as runc and crun do.
fn alternatives(rule: &LinuxSyscall) -> Result<Vec<Vec<Condition>>, String> {
    let mut conditions = Vec::new();
    for (at, condition) in rule.args().iter().flatten().enumerate() {
        let argument = condition.index();
        if argument > 5 {
            return Err(format!("args[{at}].index: no system call has an argument {argument}; 0 to 5 are there"));
        }
        let (argument, operator) = (argument as u32, condition.op());
        conditions.push(match operator {
            LinuxSeccompOperator::ScmpCmpMaskedEq => {
                let mask = condition.value();
                Condition { argument, operator, value: condition.value_two().unwrap_or(0) & mask, mask }
            }
            _ => Condition { argument, operator, value: condition.value(), mask: u64::MAX },
        });
    }
    let is_repeated =
        |(at, one): (usize, &Condition)| conditions.iter().skip(at + 1).any(|other| other.argument == one.argument);
    Ok(match conditions.is_empty() {
        true => Vec::new(),
        false if conditions.iter().enumerate().any(is_repeated) => {
            conditions.into_iter().map(|condition| vec![condition]).collect()
        }
        false => vec![conditions],
    })
}

/// What a filter returns for an action, or what is wrong with the errno.
fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<u32, String> {
    use LinuxSeccompAction as Do;
    let highest = match action {
        Do::ScmpActErrno => HIGHEST_ERRNO,
        Do::ScmpActTrace => 0xffff,
        _ if errno.is_some() => return Err(format!("{action} gives no errno back")),
        _ => 0,
    };
    let errno = errno.unwrap_or(DEFAULT_ERRNO);
    if highest != 0 && errno > highest {
        return Err(format!("{errno} is no error number; the highest is {highest}"));
    }
    Ok(match action {
        Do::ScmpActKill | Do::ScmpActKillThread => KILL_THREAD,
        Do::ScmpActKillProcess => KILL_PROCESS,
        Do::ScmpActTrap => TRAP,
        Do::ScmpActErrno => ERRNO | errno,
        Do::ScmpActTrace => TRACE | errno,
        Do::ScmpActLog => LOG,
        Do::ScmpActAllow => ALLOW,
        Do::ScmpActNotify => NOTIFY,
    })
}

fn flags(profile: &LinuxSeccomp, notifies: bool) -> u32 {
    let flag = |flag: &LinuxSeccompFilterFlag| match flag {
        // There is one thread only, and together with a listener the kernel refuses it.
        LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 0,
        LinuxSeccompFilterFlag::SeccompFilterFlagLog => FLAG_LOG,
        LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => FLAG_SPEC_ALLOW,
        // The kernel refuses it without a listener.
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv if notifies => FLAG_WAIT_KILLABLE_RECV,
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => 0,
    };
    let listener = if notifies { FLAG_NEW_LISTENER } else { 0 };
    profile.flags().iter().flatten().map(flag).fold(listener, |all, one| all | one)
}

/// Looks at the architecture, the native one first, and on x86_64 at the x32 bit.
fn write(abis: &[Abi], rules: &Rules<'_>) -> Writer {
    let mut writer = Writer::with_capacity(1024);
    let sections: Vec<(Abi, Label)> =
        abis.iter().rev().map(|abi| (*abi, Section { abi: *abi, rules }.write(&mut writer))).collect();
    let killed = writer.give(KILL_PROCESS);
    let mut start = killed;
    // What was written last is the nearest: the native architecture's.
    for (abi, section) in sections.iter().filter(|(abi, _)| *abi != Abi::X32) {
        let mut section = *section;
        if *abi == Abi::X86_64 {
            let x32 = sections.iter().find(|(abi, _)| *abi == Abi::X32).map(|(_, section)| *section);
            let plain = section;
            section = writer.branch(JUMP_GREATER_EQUAL, X32_BIT, x32.unwrap_or(killed), plain);
            if x32.is_none() {
                // Number -1 is a call that a tracer has the kernel skip.
                section = writer.branch(JUMP_EQUAL, u32::MAX, plain, section);
            }
        }
        let section = writer.load(bpf::NUMBER, section);
        start = writer.branch(JUMP_EQUAL, abi.audit(), section, start);
    }
    writer.load(bpf::ARCHITECTURE, start);
    writer
}

/// The search over one ABI's numbers, which are loaded.
struct Section<'a> {
    abi: Abi,
    rules: &'a Rules<'a>,
}

impl Section<'_> {
    fn write(&self, writer: &mut Writer) -> Label {
        let (ranges, meanings) = self.ranges();
        let mut written = vec![None; meanings.len()];
        self.search(writer, &ranges, &meanings, &mut written)
    }

    /// Where each range of numbers with one meaning begins, and the meanings, which the ranges' second halves index.
    fn ranges(&self) -> (Vec<(u32, usize)>, Vec<Meaning>) {
        let (known, mut meanings) = self.known();
        let highest = known.iter().map(|(number, _)| *number).filter(|number| number & !X32_BIT < PRIVATE).max();
        let first = if self.abi == Abi::X32 { X32_BIT } else { 0 };
        // Without any call that this ABI has there is nothing to tell new ones by.
        let new_from = highest.filter(|_| self.rules.hides_new_calls()).map(|highest| highest + 1);
        meanings.push(Meaning { otherwise: ENOSYS, ..Meaning::default() });
        let unheard_of = meanings.len() - 1;
        let mut ranges: Vec<(u32, usize)> = Vec::with_capacity(known.len());
        let mut begin = |start: u32, meaning: usize| match ranges.last_mut() {
            Some((_, before)) if *before == meaning => {}
            Some(last) if last.0 == start => last.1 = meaning,
            _ => ranges.push((start, meaning)),
        };
        let gap = |from: u32, to: u32, begin: &mut dyn FnMut(u32, usize)| {
            let new_from = new_from.unwrap_or(u32::MAX);
            if from < to && from < new_from {
                begin(from, DEFAULT);
            }
            if to > new_from {
                begin(from.max(new_from), unheard_of);
            }
        };
        let mut next = first;
        for (number, meaning) in known {
            gap(next, number, &mut begin);
            begin(number, meaning);
            next = number + 1;
        }
        gap(next, u32::MAX, &mut begin);
        (ranges, meanings)
    }

    /// The numbers of the calls that the profile names, ascending and each once, with what happens to them.
    fn known(&self) -> (Vec<(u32, usize)>, Vec<Meaning>) {
        let mut meanings = self.rules.meanings.clone();
        // socketcall and ipc of 32-bit x86, with what the profile says of the calls made through them.
        let mut carriers: Vec<(&str, usize)> = Vec::new();
        self.abi.each_multiplexed(|name, carrier, which| {
            let carried = self.rules.by_name.get(name).and_then(|at| self.rules.meanings.get(*at));
            let Some(action) = carried.and_then(|meaning| self.unconditional(meaning)) else { return };
            if !carriers.iter().any(|(known, _)| *known == carrier) {
                carriers.push((carrier, self.rules.by_name.get(carrier).copied().unwrap_or(DEFAULT)));
            }
            for (_, meaning) in carriers.iter_mut().filter(|(known, _)| *known == carrier) {
                let mut whole = meanings.get(*meaning).cloned().unwrap_or_default();
                whole.add(&[vec![Condition::first_is(which)]], action);
                *meaning = intern(&mut meanings, whole);
            }
        });
        let mut known = Vec::with_capacity(self.rules.by_name.len() + carriers.len());
        self.abi.each_call(|name, number| {
            let carrier = carriers.iter().find(|(carrier, _)| *carrier == name).map(|(_, meaning)| *meaning);
            if let Some(meaning) = carrier.or_else(|| self.rules.by_name.get(name).copied()) {
                known.push((number, meaning));
            }
        });
        known.sort_by_key(|(number, _)| *number);
        // A number with two names is named by the one that has rules.
        known.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same && first.1 == DEFAULT {
                first.1 = later.1;
            }
            same
        });
        (known, meanings)
    }

    /// What happens to a call that is made through another one, which has its arguments in memory where no filter can
    /// look: what is forbidden on conditions is forbidden whatever they are, and what is allowed on conditions is not
    /// allowed this way (libseccomp allows it). `None` for what the default says.
    fn unconditional(&self, meaning: &Meaning) -> Option<u32> {
        let is_forbidding = |action: &u32| !matches!(action & 0xffff_0000, ALLOW | LOG);
        let mut actions = meaning.alternatives.iter().map(|(_, action)| *action);
        let action = if meaning.alternatives.is_empty() { meaning.otherwise } else { actions.find(is_forbidding)? };
        (action != self.rules.default).then_some(action)
    }

    /// A binary decision tree over ranges, each of which begins at its number.
    fn search(
        &self,
        writer: &mut Writer,
        ranges: &[(u32, usize)],
        meanings: &[Meaning],
        written: &mut [Option<Label>],
    ) -> Label {
        let (lower, upper) = ranges.split_at(ranges.len() / 2);
        match (ranges, upper.first()) {
            ([(_, meaning)], _) => match (meanings.get(*meaning), written.get_mut(*meaning)) {
                (Some(meaning), _) if meaning.alternatives.is_empty() => writer.give(meaning.otherwise),
                (Some(meaning), Some(written)) => *written.get_or_insert_with(|| self.decide(writer, meaning)),
                _ => writer.give(KILL_PROCESS),
            },
            (_, None) => writer.give(self.rules.default),
            (_, Some((start, _))) => {
                let upper = self.search(writer, upper, meanings, written);
                let lower = self.search(writer, lower, meanings, written);
                writer.branch(JUMP_GREATER_EQUAL, *start, upper, lower)
            }
        }
    }

    fn decide(&self, writer: &mut Writer, meaning: &Meaning) -> Label {
        let mut otherwise = writer.give(meaning.otherwise);
        for (conditions, action) in meaning.alternatives.iter().rev() {
            let mut when = writer.give(*action);
            for condition in conditions.iter().rev() {
                when = self.test(writer, condition, when, otherwise);
            }
            otherwise = when;
        }
        otherwise
    }

    /// `when` if the condition holds, else `otherwise`. Arguments of 64 bits are compared in two halves.
    fn test(&self, writer: &mut Writer, condition: &Condition, when: Label, otherwise: Label) -> Label {
        use LinuxSeccompOperator as Is;
        match condition.operator {
            Is::ScmpCmpEq | Is::ScmpCmpMaskedEq => self.equal(writer, condition, when, otherwise),
            Is::ScmpCmpNe => self.equal(writer, condition, otherwise, when),
            Is::ScmpCmpGt => self.greater(writer, JUMP_GREATER, condition, when, otherwise),
            Is::ScmpCmpGe => self.greater(writer, JUMP_GREATER_EQUAL, condition, when, otherwise),
            Is::ScmpCmpLt => self.greater(writer, JUMP_GREATER_EQUAL, condition, otherwise, when),
            Is::ScmpCmpLe => self.greater(writer, JUMP_GREATER, condition, otherwise, when),
        }
    }

    fn equal(&self, writer: &mut Writer, condition: &Condition, when: Label, otherwise: Label) -> Label {
        let Condition { argument, value, mask, .. } = *condition;
        let mut half = |offset, mask: u32, value: u32, when| {
            if mask == 0 {
                return when;
            }
            let mut start = writer.branch(JUMP_EQUAL, value, when, otherwise);
            if mask != u32::MAX {
                start = writer.and(mask, start);
            }
            writer.load(offset, start)
        };
        let low = half(bpf::argument_low(argument), mask as u32, value as u32, when);
        if self.abi.is_narrow() {
            return low;
        }
        half(bpf::argument_high(argument), (mask >> 32) as u32, (value >> 32) as u32, low)
    }

    /// `code` compares the low halves when the high ones are equal.
    fn greater(&self, writer: &mut Writer, code: u16, condition: &Condition, when: Label, otherwise: Label) -> Label {
        let Condition { argument, value, .. } = *condition;
        let low = writer.branch(code, value as u32, when, otherwise);
        let low = writer.load(bpf::argument_low(argument), low);
        if self.abi.is_narrow() {
            return low;
        }
        let high = (value >> 32) as u32;
        let start = writer.branch(JUMP_EQUAL, high, low, otherwise);
        let start = writer.branch(JUMP_GREATER, high, when, start);
        writer.load(bpf::argument_high(argument), start)
    }
}
