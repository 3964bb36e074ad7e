//! `cp`.

pub(super) mod extract;
