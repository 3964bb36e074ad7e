//! `pause` and `resume`: the cgroup's freezer.

use super::arguments::One;
use super::status::{self, Status};
use super::{Context, OciError, Result};

pub fn pause(context: &Context, wish: &One) -> Result<i32> {
    let folder = context.root.open(&wish.id)?;
    let _lock = folder.lock()?;
    let record = folder.read()?;
    match status::of(&folder, &record)? {
        Status::Running | Status::Created => record.place().freeze()?,
        status => {
            let cure = "only a running or created one can be paused";
            return Err(OciError::WrongStatus { verb: "pause", id: wish.id.clone(), status, cure });
        }
    }
    Ok(0)
}

pub fn resume(context: &Context, wish: &One) -> Result<i32> {
    let folder = context.root.open(&wish.id)?;
    let _lock = folder.lock()?;
    let record = folder.read()?;
    match status::of(&folder, &record)? {
        Status::Paused => record.place().thaw()?,
        status => {
            let cure = "container not paused";
            return Err(OciError::WrongStatus { verb: "resume", id: wish.id.clone(), status, cure });
        }
    }
    Ok(0)
}
