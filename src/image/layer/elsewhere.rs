//! Unpacking for an ordinary user with subordinate ids: another process does it as root of a user namespace, so that
//! each file is made by, and given to, an id of the user's own. Archive bytes go in by a pipe, one line comes back.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::owner::Owners;
use super::rules::UnpackJob;
use super::unpack::{Policy, Unpacked, unpack};
use super::{CHUNK_BYTES, Gauge};
use crate::image::{ImageError, Result, inside};
use crate::model::{UnpackLimits, printable_line};
use crate::sys::file::enlarge_pipe;

/// What the verb says at its end.
#[derive(Serialize, Deserialize)]
enum Reply {
    Done {
        entries: u64,
        bytes: u64,
    },
    /// The archive's fault.
    Layer {
        reason: String,
    },
    /// The machine's.
    Io {
        path: String,
        errno: i32,
    },
    Other {
        text: String,
    },
}

/// Hands the archive that `plain` yields to a process that unpacks it. Reads all of it, also what that process has no use for.
pub(super) fn unpack_elsewhere(plain: &mut dyn Read, job: &UnpackJob, gauge: &Gauge) -> Result<Unpacked> {
    let failed = |error| ImageError::io("cannot start a process that unpacks to", &job.root, error);
    let mut child = start(job).map_err(failed)?;
    let fed = feed(plain, &mut child, job, gauge);
    // Closed: whoever still reads finds the end.
    drop(child.stdin.take());
    let mut line = String::new();
    let told = child.stdout.take().map_or(Ok(0), |out| out.take(64 << 10).read_to_string(&mut line));
    let mut complaint = String::new();
    let heard = child.stderr.take().map_or(Ok(0), |err| err.take(4 << 10).read_to_string(&mut complaint));
    let ended = child.wait();
    fed?;
    heard.map_err(failed)?;
    told.and(ended).map_err(failed)?;
    match serde_json::from_str(&line) {
        Ok(Reply::Done { entries, bytes }) => Ok(Unpacked { entries, bytes }),
        Ok(Reply::Layer { reason }) => Err(ImageError::layer(&job.layer, reason)),
        Ok(Reply::Io { path, errno }) => {
            let source = io::Error::from_raw_os_error(errno);
            Err(ImageError::io("cannot unpack to", &PathBuf::from(path), source))
        }
        Ok(Reply::Other { text }) => Err(failed(io::Error::other(text))),
        Err(_) => {
            let complaint = printable_line(complaint.trim()).into_owned();
            let reason = if complaint.is_empty() { "it ended without a word".to_owned() } else { complaint };
            Err(failed(io::Error::other(format!("{reason}; newuidmap and newgidmap must work for this user"))))
        }
    }
}

fn start(job: &UnpackJob) -> io::Result<Child> {
    let UnpackLimits { max_bytes, max_ratio, max_entries } = job.limits;
    let policy = if job.policy == Policy::Import { "import" } else { "layer" };
    let compressed = job.compressed_bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
    let child = inside::command("unpack")
        .arg(&job.root)
        .args([&job.layer, policy, &compressed])
        .args([max_bytes, max_ratio, max_entries].map(|number| number.to_string()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(pipe) = &child.stdin {
        enlarge_pipe(pipe);
    }
    Ok(child)
}

fn feed(plain: &mut dyn Read, child: &mut Child, job: &UnpackJob, gauge: &Gauge) -> Result<()> {
    let mut pipe = child.stdin.take();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut total = 0;
    loop {
        gauge.check()?;
        job.check_size(0, total)?;
        let read = match plain.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ImageError::layer(&job.layer, error)),
        };
        total += read as u64;
        gauge.unpacked.fetch_add(read as u64, Ordering::Relaxed);
        // A process that has ended has told why, or has all it wants: the rest is read for its digest.
        if pipe.as_mut().is_some_and(|pipe| pipe.write_all(&buffer[..read]).is_err()) {
            pipe = None;
        }
    }
}

/// The task: the archive comes by stdin, the answer goes to stdout.
pub(in crate::image) fn unpack_task(words: &[OsString]) -> std::result::Result<(), String> {
    let job = job_of(words).ok_or(inside::NOT_FOR_PEOPLE)?;
    let reply = reply(unpack(&mut io::stdin().lock(), &job, &Gauge::default()));
    let line = serde_json::to_string(&reply).map_err(|error| error.to_string())?;
    let mut out = io::stdout().lock();
    // Flushed by hand: this process ends without its destructors.
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(|error| error.to_string())
}

fn job_of(arguments: &[OsString]) -> Option<UnpackJob> {
    let [root, rest @ ..] = arguments else { return None };
    let rest: Vec<&str> = rest.iter().map(|text| text.to_str()).collect::<Option<_>>()?;
    let [layer, policy, compressed, max_bytes, max_ratio, max_entries] = rest[..] else { return None };
    Some(UnpackJob {
        root: root.into(),
        layer: layer.to_owned(),
        policy: if policy == "import" { Policy::Import } else { Policy::Layer },
        compressed_bytes: compressed.parse().ok(),
        limits: UnpackLimits {
            max_bytes: max_bytes.parse().ok()?,
            max_ratio: max_ratio.parse().ok()?,
            max_entries: max_entries.parse().ok()?,
        },
        owners: Owners::Inside,
    })
}

fn reply(result: Result<Unpacked>) -> Reply {
    match result {
        Ok(Unpacked { entries, bytes }) => Reply::Done { entries, bytes },
        Err(ImageError::Layer { reason, .. }) => Reply::Layer { reason },
        Err(ImageError::Io { path, source, .. }) if source.raw_os_error().is_some() => {
            Reply::Io { path: path.display().to_string(), errno: source.raw_os_error().unwrap_or_default() }
        }
        Err(ImageError::DiskFull { folder }) => {
            Reply::Io { path: folder.display().to_string(), errno: rustix::io::Errno::NOSPC.raw_os_error() }
        }
        Err(error) => Reply::Other { text: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::layer::UnpackRules;

    #[test]
    fn job_survives_its_way_to_the_verb() {
        let job = UnpackJob::new(&UnpackRules::default(), "/a/b".into(), "abc", Policy::Import).compressed(77);
        let numbers = [job.limits.max_bytes, job.limits.max_ratio, job.limits.max_entries].map(|n| n.to_string());
        let words = ["/a/b", "abc", "import", "77", &numbers[0], &numbers[1], &numbers[2]].map(OsString::from);
        let read = job_of(&words).expect("a job");
        assert_eq!((read.root, read.layer, read.policy), (job.root, job.layer, job.policy));
        assert_eq!((read.compressed_bytes, read.limits, read.owners), (Some(77), job.limits, Owners::Inside));
        assert!(job_of(&words[..4]).is_none());
    }

    #[test]
    fn failures_come_back_as_what_they_were() {
        let layer = reply(Err(ImageError::layer("x", "bad")));
        assert!(matches!(layer, Reply::Layer { reason } if reason == "bad"));
        let full = reply(Err(ImageError::DiskFull { folder: "/disk".into() }));
        let Reply::Io { path, errno } = full else { panic!("an I/O error") };
        let back = ImageError::io("cannot unpack to", &PathBuf::from(path), io::Error::from_raw_os_error(errno));
        assert!(matches!(back, ImageError::DiskFull { .. }), "{back}");
    }
}
