//! `start`: lets a created container's command run.

use super::arguments::One;
use super::record::Record;
use super::status::{self, Status};
use super::{Context, OciError, Result, hooks};
use crate::runtime;

pub fn start(context: &Context, wish: &One) -> Result<i32> {
    let folder = context.root.open(&wish.id)?;
    let _lock = folder.lock()?;
    let record = folder.read()?;
    match status::of(&folder, &record)? {
        Status::Created => {}
        status => return Err(refused(&record, status)),
    }
    folder.mark_started()?;
    runtime::release(&folder.path)?;
    hooks::poststart(context, &folder, &record);
    Ok(0)
}

fn refused(record: &Record, status: Status) -> OciError {
    let cure = match status {
        Status::Running => "it runs already",
        Status::Stopped => "its process has ended: delete it and create it again",
        Status::Paused => "resume it first",
        Status::Creating | Status::Created => "wait until it is created",
    };
    OciError::WrongStatus { verb: "start", id: record.id.clone(), status, cure }
}
