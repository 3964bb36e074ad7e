//! Rules against an interpreter of the program and, as root, against the kernel's own v1 lists and verifier.

use serde_json::json;

use super::*;
use crate::sys::bpf::{Instruction, code};

fn rules(value: serde_json::Value) -> Rules {
    let devices: Vec<LinuxDeviceCgroup> = serde_json::from_value(value).expect("devices");
    Rules::of(&devices).expect("rules")
}

/// Runs a program over a context, as the kernel would.
fn run(program: &[Instruction], kind: u32, major: u32, minor: u32, access: u8) -> u32 {
    let context = [u32::from(access) << 16 | kind, major, minor];
    let mut registers = [0_u32; 11];
    let mut at = 0;
    for _ in 0..100_000 {
        let instruction = program[at];
        let (to, from) = (usize::from(instruction.destination()), usize::from(instruction.source()));
        let operand = instruction.operand.cast_unsigned();
        let over = usize::try_from(instruction.offset).expect("jumps go forward only");
        at += 1;
        match instruction.code {
            code::LOAD_WORD => {
                assert_eq!(from, 1, "only the context is read");
                registers[to] = context[over / 4];
            }
            code::COPY => registers[to] = registers[from],
            code::SET => registers[to] = operand,
            code::AND => registers[to] &= operand,
            code::SHIFT_RIGHT => registers[to] >>= operand,
            code::JUMP_EQUAL if registers[to] == operand => at += over,
            code::JUMP_UNEQUAL if registers[to] != operand => at += over,
            code::JUMP_EQUAL | code::JUMP_UNEQUAL => {}
            code::EXIT => return registers[0],
            other => panic!("opcode {other:#x}"),
        }
    }
    panic!("the program does not end")
}

fn allows(rules: &Rules, kind: char, major: u32, minor: u32, access: &str) -> bool {
    let kind = if kind == 'b' { 1 } else { 2 };
    let program = program::compile(&rules.verdicts());
    run(&program, kind, major, minor, super::access(Some(access)).expect("access")) == 1
}

#[test]
fn no_rules_allow_everything() {
    let none = rules(json!([]));
    assert!(allows(&none, 'c', 1, 3, "rwm") && allows(&none, 'b', 8, 0, "rw"));
}

#[test]
fn deny_all_leaves_what_is_allowed_after_it() {
    let list = rules(json!([
        {"allow": true, "type": "b", "major": 7, "minor": 7, "access": "rw"},
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw"},
        {"allow": true, "type": "c", "major": 136, "access": "rwm"},
    ]));
    assert!(allows(&list, 'c', 1, 3, "r") && allows(&list, 'c', 1, 3, "rw"));
    assert!(!allows(&list, 'c', 1, 3, "m") && !allows(&list, 'c', 1, 3, "rwm"), "all that is wished must be allowed");
    assert!(allows(&list, 'c', 136, 42, "rwm") && !allows(&list, 'b', 136, 42, "r"));
    assert!(!allows(&list, 'b', 7, 7, "r"), "a rule before the last for all counts no more");
}

#[test]
fn allow_all_leaves_out_what_is_denied_after_it() {
    let list = rules(json!([
        {"allow": true, "type": "a", "access": "rwm"},
        {"allow": false, "type": "b", "major": 8, "access": "w"},
    ]));
    assert!(allows(&list, 'b', 8, 0, "r") && !allows(&list, 'b', 8, 0, "w"));
    assert!(!allows(&list, 'b', 8, 0, "rw"), "one denied access denies");
    assert!(allows(&list, 'c', 8, 0, "w"));
}

#[test]
fn later_rules_take_exceptions_back() {
    let list = rules(json!([
        {"allow": false, "type": "a", "access": "rwm"},
        {"allow": true, "type": "c", "major": 10, "minor": 200, "access": "rwm"},
        {"allow": false, "type": "c", "major": 10, "minor": 200, "access": "m"},
    ]));
    assert!(allows(&list, 'c', 10, 200, "rw") && !allows(&list, 'c', 10, 200, "m"));
}

#[test]
fn both_kinds_with_numbers_are_written_out() {
    let list =
        rules(json!([{"allow": false, "access": "rwm"}, {"allow": true, "major": 5, "minor": 1, "access": "r"}]));
    assert!(allows(&list, 'c', 5, 1, "r") && allows(&list, 'b', 5, 1, "r") && !allows(&list, 'b', 5, 2, "r"));
    let lines: Vec<String> =
        list.lines().entries.into_iter().map(|entry| format!("{} {}", entry.file, entry.value)).collect();
    assert_eq!(lines, ["devices.deny a", "devices.allow b 5:1 r", "devices.allow c 5:1 r"]);
}

#[test]
fn defaults_of_every_container_survive_a_denial() {
    let list = rules(json!([{"allow": false, "access": "rwm"}])).with_defaults();
    assert!(allows(&list, 'c', 1, 3, "rw") && allows(&list, 'c', 136, 0, "rw") && allows(&list, 'b', 8, 0, "m"));
    assert!(!allows(&list, 'b', 8, 0, "r") && !allows(&list, 'c', 1, 1, "r"), "no disks, no memory");
    assert_eq!(rules(json!([])).with_defaults(), Rules::default());
}

#[test]
fn malformed_rules_name_their_field() {
    for (value, field) in [
        (json!([{"allow": true, "type": "p"}]), "devices[0].type"),
        (json!([{"allow": true}, {"allow": true, "access": "x"}]), "devices[1].access"),
        (json!([{"allow": true, "major": 1_i64 << 33}]), "devices[0].major"),
    ] {
        let devices: Vec<LinuxDeviceCgroup> = serde_json::from_value(value).expect("devices");
        let error = Rules::of(&devices).expect_err(field).to_string();
        assert!(error.starts_with(&format!("linux.resources.{field}: ")), "{error}");
    }
}

#[test]
fn thousand_exceptions_are_one_program() {
    let many: Vec<_> = (0..1000).map(|minor| json!({"allow": true, "type": "c", "major": 9, "minor": minor})).collect();
    let mut list = vec![json!({"allow": false})];
    list.extend(many);
    let list = rules(serde_json::Value::Array(list));
    assert!(allows(&list, 'c', 9, 999, "rwm") && !allows(&list, 'c', 9, 1000, "r"));
}
