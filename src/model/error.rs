//! The kinds of failure a face can act on: each maps to one exit code of Docker's.

/// What sort of failure an error is, whatever room it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The user asked for something malformed (a bad flag, name or reference).
    InvalidInput,
    /// No such container, image, session or registry object.
    NotFound,
    /// A name is taken, an object is in use, or the state forbids the verb.
    Conflict,
    /// The kernel or the machine's set-up forbids it; `teu doctor` says how to mend.
    Permission,
    /// The command does not exist inside the container (exit code 127).
    CommandNotFound,
    /// The command exists but cannot be executed (exit code 126).
    CommandNotExecutable,
    /// A registry or the network failed or answered garbage.
    Network,
    /// A digest, tar, manifest or state file is not what it claims to be.
    Corrupt,
    /// The user cancelled.
    Cancelled,
    /// Everything else, mostly I/O.
    Other,
}

impl ErrorKind {
    /// The process exit code Docker's command line uses for this kind: 127, 126 or 125.
    pub fn run_exit_code(self) -> i32 {
        match self {
            Self::CommandNotFound => 127,
            Self::CommandNotExecutable => 126,
            _ => 125,
        }
    }
}
