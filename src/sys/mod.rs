//! Kernel words: the only room with `unsafe`. It knows files, processes and namespaces, but no container.

pub mod epoll;
pub mod file;
pub mod in_root;
pub mod inotify;
pub mod random;
pub mod signalfd;
pub mod socket;
