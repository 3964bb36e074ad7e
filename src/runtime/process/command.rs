//! Finds the program of a command, with Docker's words for what is wrong with it.

use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::runtime::RuntimeError;

/// Where programs are looked for when the environment has no PATH: Docker's.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Finds `program` as execvp(3) does, as the user the process already is. The current root is the container's.
pub fn find(program: &str, environment: &[String]) -> Result<PathBuf, RuntimeError> {
    if program.contains('/') {
        return match check(Path::new(program)) {
            Ok(()) => Ok(PathBuf::from(program)),
            Err(error) => Err(refused(program, &error)),
        };
    }
    let path = environment.iter().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    let folders = path.split(':').map(|folder| if folder.is_empty() { "." } else { folder });
    folders
        .map(|folder| Path::new(folder).join(program))
        .find(|candidate| !program.is_empty() && check(candidate).is_ok())
        .ok_or_else(|| RuntimeError::CommandNotFound(format!("exec: {program:?}: executable file not found in $PATH")))
}

fn check(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    Ok(access(path, Access::EXEC_OK)?)
}

/// Why a program that was named by a path, or that execve(2) refused, does not run.
pub fn refused(program: &str, error: &io::Error) -> RuntimeError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            let reason =
                if error.kind() == io::ErrorKind::NotFound { "no such file or directory" } else { "not a directory" };
            RuntimeError::CommandNotFound(format!("exec: {program:?}: stat {program}: {reason}"))
        }
        io::ErrorKind::IsADirectory => RuntimeError::CommandNotExecutable(format!("exec: {program:?}: is a directory")),
        io::ErrorKind::PermissionDenied => {
            RuntimeError::CommandNotExecutable(format!("exec: {program:?}: permission denied"))
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            RuntimeError::CommandNotExecutable(format!("exec {program}: exec format error"))
        }
        _ => RuntimeError::CommandNotExecutable(format!("exec {program}: {error}")),
    }
}

/// Strings for execve(2).
pub fn c_strings(texts: &[String], what: &str) -> Result<Vec<CString>, RuntimeError> {
    let convert = |text: &String| CString::new(text.as_str());
    texts
        .iter()
        .map(convert)
        .collect::<Result<_, _>>()
        .map_err(|_| RuntimeError::InvalidRequest(format!("{what} contains a NUL byte")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ErrorKind;

    fn error(program: &str) -> (ErrorKind, String) {
        let error = find(program, &["PATH=/nonexistent:/bin".to_owned()]).expect_err("not to be run");
        (error.kind(), error.to_string())
    }

    #[test]
    fn program_is_found_in_the_path_of_its_environment() {
        let found = find("sh", &["A=b".to_owned(), "PATH=/nonexistent:/bin".to_owned()]).expect("sh");
        assert_eq!(found, Path::new("/bin/sh"));
        assert!(find("sh", &[]).is_ok(), "the default path");
    }

    #[test]
    fn program_missing_is_told_in_dockers_words() {
        let expected = "exec: \"foo\": executable file not found in $PATH";
        assert_eq!(error("foo"), (ErrorKind::CommandNotFound, expected.to_owned()));
        let expected = "exec: \"/nope/x\": stat /nope/x: no such file or directory";
        assert_eq!(error("/nope/x"), (ErrorKind::CommandNotFound, expected.to_owned()));
        assert_eq!(error("").0, ErrorKind::CommandNotFound);
    }

    #[test]
    fn program_not_executable_is_told_in_dockers_words() {
        let expected = "exec: \"/etc/passwd\": permission denied";
        assert_eq!(error("/etc/passwd"), (ErrorKind::CommandNotExecutable, expected.to_owned()));
        assert_eq!(error("/etc"), (ErrorKind::CommandNotExecutable, "exec: \"/etc\": is a directory".to_owned()));
    }
}
