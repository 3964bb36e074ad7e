//! Rules as an eBPF program (BPF_PROG_TYPE_CGROUP_DEVICE): asked at every open and mknod, it answers 1 for yes.

use super::{Devices, Kind, Verdicts};
use crate::sys::bpf::Instruction;

/// struct bpf_cgroup_dev_ctx: access in the upper half of the first word, kind in the lower; major; minor.
const ACCESS_AND_KIND: i16 = 0;
const MAJOR: i16 = 4;
const MINOR: i16 = 8;

/// BPF_DEVCG_DEV_BLOCK and BPF_DEVCG_DEV_CHAR.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;

/// All of BPF_DEVCG_ACC_MKNOD, _READ and _WRITE, whose bits are [`super::MAKE`], [`super::READ`], [`super::WRITE`].
const ANY_ACCESS: u8 = 7;

/// Registers: the answer, the context, and what the program keeps of it.
const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
const ACCESS: u8 = 2;
const KIND: u8 = 3;
const MAJOR_NUMBER: u8 = 4;
const MINOR_NUMBER: u8 = 5;
/// For a passing result.
const SCRATCH: u8 = 6;

/// The whole program.
pub(super) fn compile(verdicts: &Verdicts) -> Vec<Instruction> {
    let mut program = vec![
        Instruction::load_word(ACCESS, CONTEXT, ACCESS_AND_KIND),
        Instruction::copy(KIND, ACCESS),
        Instruction::and(KIND, 0xffff),
        Instruction::shift_right(ACCESS, 16),
        Instruction::load_word(MAJOR_NUMBER, CONTEXT, MAJOR),
        Instruction::load_word(MINOR_NUMBER, CONTEXT, MINOR),
    ];
    for devices in &verdicts.exceptions {
        program.extend(exception(devices, verdicts.default_allow));
    }
    program.extend(answer(verdicts.default_allow));
    program
}

fn answer(allow: bool) -> [Instruction; 2] {
    [Instruction::set(ANSWER, i32::from(allow)), Instruction::exit()]
}

/// Answers for these devices, or goes on behind.
fn exception(devices: &Devices, default_allow: bool) -> Vec<Instruction> {
    // Each test jumps over all that is left of this exception; how far is known when it is complete.
    let mut tests: Vec<(u8, i32, bool)> = Vec::with_capacity(4);
    tests.push((KIND, if devices.kind == Kind::Block { BLOCK } else { CHARACTER }, false));
    let mut block = Vec::with_capacity(8);
    if devices.access != ANY_ACCESS {
        // A denial holds when any of the access wished is denied; permission needs all of it permitted.
        let mask = if default_allow { devices.access } else { ANY_ACCESS & !devices.access };
        block.push(Instruction::copy(SCRATCH, ACCESS));
        block.push(Instruction::and(SCRATCH, i32::from(mask)));
        tests.push((SCRATCH, 0, default_allow));
    }
    let numbers = [(MAJOR_NUMBER, devices.major), (MINOR_NUMBER, devices.minor)];
    tests.extend(numbers.into_iter().filter_map(|(register, wanted)| Some((register, wanted?.cast_signed(), false))));
    let end = block.len() + tests.len() + 2;
    for (register, value, leave_when_equal) in tests {
        let over = i16::try_from(end - block.len() - 1).expect("an exception has ten instructions at most");
        block.push(match leave_when_equal {
            true => Instruction::jump_equal(register, value, over),
            false => Instruction::jump_unequal(register, value, over),
        });
    }
    block.extend(answer(!default_allow));
    block
}
