//! Files that the user names: completed while they are typed, written so that they are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::model::{ErrorKind, TransferGauge, printable_line};
use crate::tui::action::Problem;

/// Names that are told of a path.
const MOST_NAMES: usize = 40;

/// The path with the user's home in place of `~`.
pub fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_owned(),
    }
}

/// As far as a typed path is certain, and the names that are possible there.
pub fn complete(text: &str) -> (String, Vec<String>) {
    let (folder, begun) = text.rsplit_once('/').map_or(("", text), |(folder, begun)| (folder, begun));
    let shown = if text.contains('/') { format!("{folder}/") } else { String::new() };
    let place = if shown.is_empty() { PathBuf::from(".") } else { at_home(Path::new(&shown)) };
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        // A name that is no text, or that a terminal would not show as it is, has to be typed in a shell.
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let hidden = name.starts_with('.') && !begun.starts_with('.');
        if !name.starts_with(begun) || hidden || printable_line(&name) != name {
            continue;
        }
        let is_folder = fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir());
        names.push(if is_folder { format!("{name}/") } else { name });
    }
    names.sort();
    let Some(first) = names.first() else { return (text.to_owned(), Vec::new()) };
    let common = |name: &String| first.chars().zip(name.chars()).take_while(|(a, b)| a == b).count();
    let certain = names.iter().map(common).min().unwrap_or(0);
    let path = format!("{shown}{}", first.chars().take(certain).collect::<String>());
    names.truncate(MOST_NAMES);
    let only = names.len() == 1;
    (path, if only { Vec::new() } else { names })
}

pub fn problem(action: &str, path: &Path, error: &io::Error) -> Problem {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::Permission,
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Other,
    };
    Problem { message: format!("cannot {action} {}: {error}", path.display()), hint: None, kind }
}

pub fn open(path: &Path) -> Result<(File, u64), Problem> {
    let path = at_home(path);
    // Looked at before it is opened: opening a pipe waits for somebody who writes.
    let kind = fs::metadata(&path).map_err(|error| problem("open", &path, &error))?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        let message = format!("{} is no file with content", path.display());
        return Err(Problem { message, hint: Some("name a file".to_owned()), kind: ErrorKind::InvalidInput });
    }
    let file = File::open(&path).map_err(|error| problem("open", &path, &error))?;
    let metadata = file.metadata().map_err(|error| problem("look at", &path, &error))?;
    if metadata.is_dir() {
        let message = format!("{} is a folder", path.display());
        return Err(Problem { message, hint: Some("name a file".to_owned()), kind: ErrorKind::InvalidInput });
    }
    Ok((file, metadata.len()))
}

/// A file that gets its name when it is whole; dropped before, nothing is left of it.
pub struct NewFile {
    path: PathBuf,
    temporary: PathBuf,
    out: BufWriter<File>,
}

impl NewFile {
    /// Refuses a name that is taken.
    pub fn create(path: &Path) -> Result<Self, Problem> {
        let path = at_home(path);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(taken(&path));
        }
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary);
        let file = file.map_err(|error| problem("write", &path, &error))?;
        Ok(Self { path, temporary, out: BufWriter::with_capacity(1 << 18, file) })
    }

    pub fn out(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// Gives it its name, unless somebody has taken that meanwhile.
    pub fn keep(mut self) -> Result<(), Problem> {
        self.out.flush().map_err(|error| problem("write", &self.path, &error))?;
        match fs::hard_link(&self.temporary, &self.path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(taken(&self.path)),
            // A file system without hard links.
            Err(_) => fs::rename(&self.temporary, &self.path).map_err(|error| problem("write", &self.path, &error)),
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.temporary);
    }
}

fn taken(path: &Path) -> Problem {
    let message = format!("{} is there already", path.display());
    let hint = Some("choose another name, or remove the file first".to_owned());
    Problem { message, hint, kind: ErrorKind::Conflict }
}

/// Counts what is written, and refuses more when the gauge has been stopped.
pub struct Counted<'a, W> {
    pub out: W,
    pub gauge: &'a TransferGauge,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gauge.is_stopped() {
            return Err(io::Error::other("cancelled"));
        }
        let written = self.out.write(bytes)?;
        self.gauge.moved(u64::try_from(written).unwrap_or(0));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_completed_as_far_as_it_is_certain() {
        let folder = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| format!("{}/{name}", folder.path().display());
        for name in ["web-1.tar", "web-2.tar", "other.tar", ".hidden", "bad\u{1b}[2J"] {
            fs::write(folder.path().join(name), "").expect("write");
        }
        fs::create_dir(folder.path().join("old")).expect("mkdir");
        assert_eq!(complete(&at("w")), (at("web-"), vec!["web-1.tar".to_owned(), "web-2.tar".to_owned()]));
        assert_eq!(complete(&at("ol")), (at("old/"), vec![]));
        assert_eq!(complete(&at("web-1")), (at("web-1.tar"), vec![]));
        assert_eq!(complete(&at("none")), (at("none"), vec![]));
        assert_eq!(complete(&at("")).1, ["old/", "other.tar", "web-1.tar", "web-2.tar"]);
    }

    #[test]
    fn new_file_is_there_whole_or_not_at_all_and_takes_nobodys_place() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("x.tar");
        drop(NewFile::create(&path).expect("created"));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        let mut file = NewFile::create(&path).expect("created");
        file.out().write_all(b"whole").expect("written");
        file.keep().expect("kept");
        assert_eq!(fs::read(&path).expect("read"), b"whole");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert_eq!(NewFile::create(&path).err().map(|problem| problem.kind), Some(ErrorKind::Conflict));
    }
}
