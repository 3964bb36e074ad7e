//! Writes classic BPF programs over seccomp_data from their end to their beginning, so that every jump's target is known.

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

/// A place in the program to jump to: how many instructions there are from it to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

/// A program that grows at its beginning.
#[derive(Default)]
pub struct Writer {
    /// The last instruction first.
    reversed: Vec<Instruction>,
    /// The nearest return of each action written so far.
    returns: Vec<(u32, Label)>,
}

/// How far a conditional jump reaches. Two less than the kernel's 255, since two jumps may have to be put between.
const REACH: usize = 253;

impl Writer {
    pub fn with_capacity(instructions: usize) -> Self {
        Self { reversed: Vec::with_capacity(instructions), returns: Vec::new() }
    }

    /// The finished program, in the order of execution.
    pub fn finish(mut self) -> Vec<Instruction> {
        self.reversed.reverse();
        self.reversed
    }

    /// Whether some way through the program ends with this action.
    pub fn returns(&self, action: u32) -> bool {
        self.returns.iter().any(|(known, _)| *known == action)
    }

    /// Ends with the action.
    pub fn give(&mut self, action: u32) -> Label {
        let near = |label: &Label| self.reversed.len() - label.0 < REACH;
        let known = self.returns.iter().position(|(known, _)| *known == action);
        if let Some((_, label)) = known.and_then(|at| self.returns.get(at)).filter(|(_, label)| near(label)) {
            return *label;
        }
        let label = self.push(plain(RETURN, action));
        match known.and_then(|at| self.returns.get_mut(at)) {
            Some(known) => known.1 = label,
            None => self.returns.push((action, label)),
        }
        label
    }

    /// Loads a word of seccomp_data, then goes on at `next`.
    pub fn load(&mut self, offset: u32, next: Label) -> Label {
        self.before(plain(LOAD, offset), next)
    }

    /// Masks what is loaded, then goes on at `next`.
    pub fn and(&mut self, mask: u32, next: Label) -> Label {
        self.before(plain(AND, mask), next)
    }

    /// Goes on at `when` if the comparison of what is loaded with `operand` holds, else at `otherwise`.
    pub fn branch(&mut self, code: u16, operand: u32, when: Label, otherwise: Label) -> Label {
        let (when, otherwise) = (self.near(when), self.near(otherwise));
        let distance = |label: Label| (self.reversed.len() - label.0) as u8;
        let (jump_true, jump_false) = (distance(when), distance(otherwise));
        self.push(Instruction { code, jump_true, jump_false, operand })
    }

    fn before(&mut self, instruction: Instruction, next: Label) -> Label {
        if next.0 != self.reversed.len() {
            self.jump(next);
        }
        self.push(instruction)
    }

    /// The label itself, or a jump to it that can be reached. What is only a return is repeated instead.
    fn near(&mut self, label: Label) -> Label {
        if self.reversed.len() - label.0 < REACH { label } else { self.jump(label) }
    }

    fn jump(&mut self, label: Label) -> Label {
        let distance = (self.reversed.len() - label.0) as u32;
        match self.reversed.get(label.0 - 1) {
            Some(target) if target.code == RETURN => self.push(*target),
            _ => self.push(plain(JUMP, distance)),
        }
    }

    fn push(&mut self, instruction: Instruction) -> Label {
        self.reversed.push(instruction);
        Label(self.reversed.len())
    }
}

fn plain(code: u16, operand: u32) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: 0, operand }
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
        for length in [1, 252, 253, 254, 255, 256, 3000] {
            for complex in [false, true] {
                let mut writer = Writer::default();
                let mut far = writer.give(1);
                if complex {
                    far = writer.load(NUMBER, far);
                }
                let mut near = writer.give(2);
                for _ in 0..length {
                    near = writer.load(NUMBER, near);
                }
                let start = writer.branch(JUMP_EQUAL, 7, far, near);
                writer.load(NUMBER, start);
                let program = writer.finish();
                assert_eq!((run(&program, 7, 0, [0; 6]), run(&program, 8, 0, [0; 6])), (1, 2), "{length}");
            }
        }
    }

    #[test]
    fn two_far_branches_from_one_place_arrive() {
        let mut writer = Writer::default();
        let one = writer.give(1);
        let one = writer.load(NUMBER, one);
        let two = writer.give(2);
        let two = writer.load(NUMBER, two);
        let mut filling = writer.give(3);
        for _ in 0..REACH + 5 {
            filling = writer.load(NUMBER, filling);
        }
        let start = writer.branch(JUMP_GREATER, 7, one, two);
        writer.load(NUMBER, start);
        let program = writer.finish();
        assert_eq!((run(&program, 8, 0, [0; 6]), run(&program, 7, 0, [0; 6])), (1, 2));
    }

    #[test]
    fn near_return_is_shared_and_far_one_is_not() {
        let mut writer = Writer::default();
        let first = writer.give(1);
        assert_eq!(writer.give(1), first);
        let mut next = first;
        for _ in 0..300 {
            next = writer.load(NUMBER, next);
        }
        assert_ne!(writer.give(1), first);
        assert!(writer.returns(1) && !writer.returns(2));
    }
}
