//! bpf(2): instructions, and programs that decide about a cgroup's devices.
#![allow(unsafe_code, reason = "bpf has no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One eBPF instruction, as the kernel lays it out (struct bpf_insn).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u8,
    /// The destination register in the lower four bits on little-endian machines, the source in the upper.
    registers: u8,
    /// Bytes for loads, instructions for jumps (counted from the next one).
    pub offset: i16,
    pub operand: i32,
}

/// Opcodes of linux/bpf_common.h and linux/bpf.h, put together: class, operation, operand's kind.
pub mod code {
    /// BPF_LDX, BPF_W, BPF_MEM.
    pub const LOAD_WORD: u8 = 0x61;
    /// BPF_ALU, BPF_MOV: 32 bits, the upper ones become zero.
    pub const COPY: u8 = 0xbc;
    pub const SET: u8 = 0xb4;
    /// BPF_ALU, BPF_AND and BPF_RSH with a constant.
    pub const AND: u8 = 0x54;
    pub const SHIFT_RIGHT: u8 = 0x74;
    /// BPF_JMP32 (Linux 5.1) with a constant: nothing is sign-extended.
    pub const JUMP_EQUAL: u8 = 0x16;
    pub const JUMP_UNEQUAL: u8 = 0x56;
    pub const EXIT: u8 = 0x95;
}

impl Instruction {
    const fn new(code: u8, destination: u8, source: u8, offset: i16, operand: i32) -> Self {
        let registers =
            if cfg!(target_endian = "little") { source << 4 | destination } else { destination << 4 | source };
        Self { code, registers, offset, operand }
    }

    pub const fn destination(self) -> u8 {
        if cfg!(target_endian = "little") { self.registers & 15 } else { self.registers >> 4 }
    }

    pub const fn source(self) -> u8 {
        if cfg!(target_endian = "little") { self.registers >> 4 } else { self.registers & 15 }
    }

    /// `destination = *(u32 *)(source + offset)`
    pub const fn load_word(destination: u8, source: u8, offset: i16) -> Self {
        Self::new(code::LOAD_WORD, destination, source, offset, 0)
    }

    pub const fn copy(destination: u8, source: u8) -> Self {
        Self::new(code::COPY, destination, source, 0, 0)
    }

    pub const fn set(destination: u8, value: i32) -> Self {
        Self::new(code::SET, destination, 0, 0, value)
    }

    pub const fn and(destination: u8, value: i32) -> Self {
        Self::new(code::AND, destination, 0, 0, value)
    }

    pub const fn shift_right(destination: u8, bits: i32) -> Self {
        Self::new(code::SHIFT_RIGHT, destination, 0, 0, bits)
    }

    pub const fn jump_equal(register: u8, value: i32, over: i16) -> Self {
        Self::new(code::JUMP_EQUAL, register, 0, over, value)
    }

    pub const fn jump_unequal(register: u8, value: i32, over: i16) -> Self {
        Self::new(code::JUMP_UNEQUAL, register, 0, over, value)
    }

    pub const fn exit() -> Self {
        Self::new(code::EXIT, 0, 0, 0, 0)
    }
}

/// enum bpf_cmd.
const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const PROG_QUERY: libc::c_int = 16;

const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_TYPE_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;
const REPLACE: u32 = 1 << 2;

const NAME_BYTES: usize = 16;

/// The beginning of union bpf_attr for BPF_PROG_LOAD.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; NAME_BYTES],
    interface: u32,
    expected_attach_type: u32,
}

/// For BPF_PROG_ATTACH.
#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
    replaced: u32,
}

/// For BPF_PROG_QUERY.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

/// For BPF_PROG_GET_FD_BY_ID.
#[repr(C)]
#[derive(Default)]
struct ById {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

/// For BPF_OBJ_GET_INFO_BY_FD.
#[repr(C)]
#[derive(Default)]
struct InfoWish {
    fd: u32,
    length: u32,
    info: u64,
}

/// The beginning of struct bpf_prog_info.
#[repr(C)]
#[derive(Default)]
struct Info {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    jited_length: u32,
    translated_length: u32,
    jited: u64,
    translated: u64,
    load_time: u64,
    created_by: u32,
    map_count: u32,
    maps: u64,
    name: [u8; NAME_BYTES],
}

fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the attributes are a prefix of union bpf_attr for this command with its size given; every pointer in them
    // leads to memory that the callers below keep alive during the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: bpf just returned this new descriptor (close-on-exec, as all of its are), which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn name_bytes(name: &str) -> [u8; NAME_BYTES] {
    let mut bytes = [0; NAME_BYTES];
    for (byte, letter) in bytes.iter_mut().take(NAME_BYTES - 1).zip(name.bytes()) {
        *byte = letter;
    }
    bytes
}

/// Has the kernel check a program for a cgroup's devices. When it refuses one, the error has its verifier's last words.
pub fn load_cgroup_device(program: &[Instruction], name: &str) -> io::Result<OwnedFd> {
    let instruction_count = u32::try_from(program.len()).map_err(io::Error::other)?;
    let wish = || Load {
        kind: PROG_TYPE_CGROUP_DEVICE,
        instruction_count,
        instructions: program.as_ptr() as u64,
        license: c"MIT".as_ptr() as u64,
        name: name_bytes(name),
        ..Load::default()
    };
    let refusal = match bpf(PROG_LOAD, &mut wish()) {
        Ok(fd) => return owned(fd),
        Err(error) => error,
    };
    if !matches!(refusal.raw_os_error(), Some(libc::EINVAL | libc::EACCES)) {
        return Err(refusal);
    }
    let mut log = vec![0_u8; 64 * 1024];
    let log_size = u32::try_from(log.len()).map_err(io::Error::other)?;
    let mut again = Load { log_level: 1, log_size, log: log.as_mut_ptr() as u64, ..wish() };
    match bpf(PROG_LOAD, &mut again) {
        Ok(fd) => owned(fd),
        Err(error) => {
            let text = String::from_utf8_lossy(&log).trim_end_matches('\0').trim().to_owned();
            let last = text.lines().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("; ");
            Err(io::Error::new(error.kind(), format!("{error}: {last}")))
        }
    }
}

/// The device programs of this name that are attached to the group itself.
pub fn attached_devices(group: BorrowedFd<'_>, name: &str) -> io::Result<Vec<OwnedFd>> {
    let mut ids = [0_u32; 64];
    let mut query = Query {
        target: group.as_raw_fd().cast_unsigned(),
        kind: ATTACH_TYPE_CGROUP_DEVICE,
        ids: ids.as_mut_ptr() as u64,
        count: ids.len() as u32,
        ..Query::default()
    };
    bpf(PROG_QUERY, &mut query)?;
    let mut found = Vec::new();
    for id in ids.iter().take(query.count as usize) {
        let Ok(program) = bpf(PROG_GET_FD_BY_ID, &mut ById { id: *id, ..ById::default() }).and_then(owned) else {
            // Gone meanwhile.
            continue;
        };
        let mut info = Info::default();
        let mut wish = InfoWish {
            fd: program.as_raw_fd().cast_unsigned(),
            length: size_of::<Info>() as u32,
            info: &raw mut info as u64,
        };
        bpf(OBJ_GET_INFO_BY_FD, &mut wish)?;
        if info.name == name_bytes(name) {
            found.push(program);
        }
    }
    Ok(found)
}

/// Attaches a device program beside others, in the place of `replaced` if that is given (Linux 5.6).
pub fn attach_device(
    group: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    replaced: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut wish = Attach {
        target: group.as_raw_fd().cast_unsigned(),
        program: program.as_raw_fd().cast_unsigned(),
        kind: ATTACH_TYPE_CGROUP_DEVICE,
        flags: if replaced.is_some() { ALLOW_MULTI | REPLACE } else { ALLOW_MULTI },
        replaced: replaced.map_or(0, |fd| fd.as_raw_fd().cast_unsigned()),
    };
    bpf(PROG_ATTACH, &mut wish).map(|_| ())
}
