//! The hooks that are run by `start` and `delete`; the others are the runtime room's.

use super::folder::Folder;
use super::record::Record;
use super::{Context, log};
use crate::runtime::hooks::{Container, Moment, run_all};

/// After the command runs. What fails is a warning, and the rest of them run (runtime.md, lifecycle and poststart).
pub fn poststart(context: &Context, folder: &Folder, record: &Record) {
    run(context, folder, record, Moment::Poststart);
}

/// After everything is removed but the folder. As above.
pub fn poststop(context: &Context, folder: &Folder, record: &Record) {
    run(context, folder, record, Moment::Poststop);
}

fn run(context: &Context, folder: &Folder, record: &Record, moment: Moment) {
    let spec = match folder.spec() {
        Ok(spec) => spec,
        Err(error) => return log::warn(&context.global, &format!("hooks cannot be run: {error}")),
    };
    let pid = record.init.filter(|_| moment == Moment::Poststart).map(|init| init.pid);
    let container = Container { id: &record.id, bundle: &record.bundle, pid };
    for error in run_all(&spec, moment, container, &record.bundle) {
        log::warn(&context.global, &error.to_string());
    }
}
