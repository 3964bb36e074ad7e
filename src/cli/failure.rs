//! What a command line tells its caller when something went wrong: one line, a hint, an exit code.

use std::fmt;
use std::io;

use crate::model::printable_line;

/// A command's exit code, or why there is none.
pub type Outcome = Result<u8, Failure>;

/// A failure as the user sees it: `teu: message`, then the hint on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub exit_code: u8,
    /// Empty: say nothing, because it has been said or because nobody reads (a broken pipe).
    pub message: String,
    pub hint: Option<String>,
}

/// The exit code of Docker for a failure of its own in `run`, and for malformed flags everywhere.
pub const OWN_FAILURE: u8 = 125;

impl Failure {
    /// A failure that ends with exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { exit_code: 1, message: message.into(), hint: None }
    }

    /// A wish that is malformed: exit code 125.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit_code: OWN_FAILURE, message: message.into(), hint: None }
    }

    /// Ends with `exit_code` and says nothing.
    pub fn silent(exit_code: u8) -> Self {
        Self { exit_code, message: String::new(), hint: None }
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn with_exit_code(mut self, exit_code: u8) -> Self {
        self.exit_code = exit_code;
        self
    }

    /// Writes it to stderr; what cannot be written is dropped.
    pub fn report(&self) {
        use io::Write;
        if !self.message.is_empty() {
            let _ = write!(io::stderr().lock(), "{self}");
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "teu: {}", printable_line(&self.message))?;
        match &self.hint {
            Some(hint) => writeln!(f, "  {}", printable_line(hint)),
            None => Ok(()),
        }
    }
}

impl From<io::Error> for Failure {
    /// An error of writing the answer. A broken pipe is no failure to speak of: 141 is what SIGPIPE would give.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::silent(141),
            _ => Self::new(format!("writing the answer: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_display_is_two_printable_lines() {
        let failure = Failure::new("no such container: \u{1b}[31mx\ny").with_hint("list them: teu ps -a");
        assert_eq!(failure.to_string(), "teu: no such container: ␛[31mx␊y\n  list them: teu ps -a\n");
    }

    #[test]
    fn broken_pipe_is_silent() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit_code, failure.message.as_str()), (141, ""));
    }
}
