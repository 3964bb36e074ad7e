//! Fills a new file system with what is in the place that it will cover (`tmpcopyup`).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, chmodat, chownat, fstat, mkdirat,
    mknodat, openat, readlinkat, statat, symlinkat, utimensat,
};

/// Copies a folder's content, and its own mode and owner, below the root of another file system. Links are copied, not
/// followed; nodes that may not be made are left out.
pub fn copy(from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    copy_content(from.as_fd(), to.as_fd())?;
    let stat = fstat(from)?;
    chownat(to, ".", Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)), AtFlags::empty())?;
    Ok(chmodat(to, ".", Mode::from_raw_mode(stat.st_mode), AtFlags::empty())?)
}

fn copy_content(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let folder = openat(from, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            copy_entry(folder.as_fd(), to, entry.file_name())?;
        }
    }
    Ok(())
}

fn copy_entry(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &std::ffi::CStr) -> io::Result<()> {
    let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    match kind {
        FileType::Directory => {
            mkdirat(to, name, Mode::RWXU)?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let (below, copy) = (openat(from, name, flags, Mode::empty())?, openat(to, name, flags, Mode::empty())?);
            copy_content(below.as_fd(), copy.as_fd())?;
        }
        FileType::RegularFile => {
            let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut source = File::from(openat(from, name, OFlags::RDONLY | flags, Mode::empty())?);
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | flags;
            let mut copy = File::from(openat(to, name, flags, Mode::RUSR | Mode::WUSR)?);
            io::copy(&mut source, &mut copy)?;
        }
        FileType::Symlink => symlinkat(&readlinkat(from, name, Vec::new())?, to, name)?,
        _ => {
            if mknodat(to, name, kind, Mode::RUSR | Mode::WUSR, stat.st_rdev).is_err() {
                return Ok(());
            }
        }
    }
    copy_marks(to, name, &stat)
}

/// Owner first: changing it takes set-user-id bits away.
fn copy_marks(to: BorrowedFd<'_>, name: &std::ffi::CStr, stat: &Stat) -> io::Result<()> {
    let owner = (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    chownat(to, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
    if !FileType::from_raw_mode(stat.st_mode).is_symlink() {
        chmodat(to, name, Mode::from_raw_mode(stat.st_mode), AtFlags::empty())?;
    }
    let time = |seconds: i64, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds.try_into().unwrap_or_default(),
    };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    Ok(utimensat(to, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use rustix::fs::CWD;

    use super::*;

    #[test]
    fn copy_has_files_folders_links_and_modes() {
        let (from, to) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
        fs::create_dir(from.path().join("below")).expect("folder");
        fs::write(from.path().join("below/file"), "text").expect("file");
        fs::set_permissions(from.path().join("below/file"), fs::Permissions::from_mode(0o4751)).expect("mode");
        fs::set_permissions(from.path(), fs::Permissions::from_mode(0o711)).expect("mode");
        symlink("/nowhere", from.path().join("link")).expect("link");
        let open = |folder: &tempfile::TempDir| {
            openat(CWD, folder.path(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).expect("open")
        };
        copy(&open(&from), &open(&to)).expect("copied");
        assert_eq!(fs::read_to_string(to.path().join("below/file")).expect("read"), "text");
        assert_eq!(fs::metadata(to.path().join("below/file")).expect("stat").permissions().mode() & 0o7777, 0o4751);
        assert_eq!(fs::metadata(to.path()).expect("stat").permissions().mode() & 0o7777, 0o711);
        assert_eq!(fs::read_link(to.path().join("link")).expect("link").to_str(), Some("/nowhere"));
        let modified =
            |folder: &tempfile::TempDir| fs::metadata(folder.path().join("below/file")).expect("stat").mtime();
        assert_eq!(modified(&from), modified(&to));
    }
}
