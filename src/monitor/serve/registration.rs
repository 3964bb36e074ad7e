//! A descriptor's place in the epoll set.

use std::io;
use std::os::fd::AsFd;

use crate::sys::epoll::{Epoll, Interest};

/// What epoll currently waits for on one descriptor.
///
/// With no interest the descriptor is taken out of the set: epoll reports hang-ups even of descriptors nobody wants
/// to hear of, and the loop would spin.
#[derive(Debug)]
pub struct Registration(Interest);

impl Default for Registration {
    fn default() -> Self {
        Self(Interest::NONE)
    }
}

impl Registration {
    pub fn set(&mut self, epoll: &Epoll, fd: impl AsFd, token: u64, wanted: Interest) -> io::Result<()> {
        let old = std::mem::replace(&mut self.0, wanted);
        match (old == Interest::NONE, wanted == Interest::NONE) {
            _ if old == wanted => Ok(()),
            (true, _) => epoll.add(fd, token, wanted),
            (_, true) => epoll.remove(fd),
            _ => epoll.change(fd, token, wanted),
        }
    }
}
