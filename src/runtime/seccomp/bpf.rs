//! Pieces of classic BPF programs over seccomp_data, with jumps of any length.

use crate::sys::seccomp::Instruction;

/// Instruction codes (linux/bpf_common.h).
const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
pub const JUMP_EQUAL: u16 = 0x15;
pub const JUMP_GREATER: u16 = 0x25;
pub const JUMP_GREATER_EQUAL: u16 = 0x35;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

/// Offsets in struct seccomp_data (linux/seccomp.h).
pub const NUMBER: u32 = 0;
pub const ARCHITECTURE: u32 = 4;

/// Offset of an argument's low half; the high half follows (little endian, as x86 and ARM are).
pub fn argument_low(index: u32) -> u32 {
    16 + 8 * index
}

pub fn argument_high(index: u32) -> u32 {
    argument_low(index) + 4
}

pub fn load(offset: u32) -> Instruction {
    plain(LOAD, offset)
}

pub fn and(mask: u32) -> Instruction {
    plain(AND, mask)
}

pub fn give(action: u32) -> Instruction {
    plain(RETURN, action)
}

fn plain(code: u16, operand: u32) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: 0, operand }
}

/// `when` if the comparison of what is loaded with `operand` holds, else `otherwise`; neither falls through.
///
/// A conditional jump reaches 255 instructions; a longer `otherwise` gets an unconditional one, which reaches any.
pub fn branch(code: u16, operand: u32, when: Vec<Instruction>, otherwise: Vec<Instruction>) -> Vec<Instruction> {
    let mut program = Vec::with_capacity(2 + when.len() + otherwise.len());
    match u8::try_from(otherwise.len()) {
        Ok(skip) => program.push(Instruction { code, jump_true: skip, jump_false: 0, operand }),
        Err(_) => {
            program.push(Instruction { code, jump_true: 0, jump_false: 1, operand });
            program.push(plain(JUMP, otherwise.len() as u32));
        }
    }
    program.extend(otherwise);
    program.extend(when);
    program
}

/// No kernel code: stands for a jump whose length is known only when [`fall_to_the_end`] gives it.
const FALL: u16 = u16::MAX;

/// A jump to what follows the whole piece.
pub fn fall() -> Instruction {
    plain(FALL, 0)
}

/// Turns every [`fall`] of a piece into a jump past its end.
pub fn fall_to_the_end(mut piece: Vec<Instruction>) -> Vec<Instruction> {
    let length = piece.len();
    for (at, instruction) in piece.iter_mut().enumerate().filter(|(_, instruction)| instruction.code == FALL) {
        *instruction = plain(JUMP, (length - at - 1) as u32);
    }
    piece
}

/// A small interpreter, as the kernel's, for tests.
#[cfg(test)]
pub fn run(program: &[Instruction], number: u32, architecture: u32, arguments: [u64; 6]) -> u32 {
    let word = |offset: u32| match offset {
        NUMBER => number,
        ARCHITECTURE => architecture,
        16.. => {
            let argument = arguments[(offset as usize - 16) / 8];
            if (offset - 16).is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
        }
        _ => panic!("offset {offset} is not used by filters"),
    };
    let (mut at, mut value) = (0_usize, 0_u32);
    loop {
        let instruction = program[at];
        at += 1;
        let holds = match instruction.code {
            LOAD => {
                value = word(instruction.operand);
                continue;
            }
            AND => {
                value &= instruction.operand;
                continue;
            }
            JUMP => {
                at += instruction.operand as usize;
                continue;
            }
            RETURN => return instruction.operand,
            JUMP_EQUAL => value == instruction.operand,
            JUMP_GREATER => value > instruction.operand,
            JUMP_GREATER_EQUAL => value >= instruction.operand,
            code => panic!("instruction {code:#x}"),
        };
        at += usize::from(if holds { instruction.jump_true } else { instruction.jump_false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_over_more_than_255_instructions_arrives() {
        for length in [1, 255, 256, 3000] {
            let mut otherwise = vec![load(NUMBER); length - 1];
            otherwise.push(give(2));
            let mut program = vec![load(NUMBER)];
            program.extend(branch(JUMP_EQUAL, 7, vec![give(1)], otherwise));
            assert_eq!((run(&program, 7, 0, [0; 6]), run(&program, 8, 0, [0; 6])), (1, 2), "{length}");
        }
    }
}
