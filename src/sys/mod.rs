//! Kernel words: the only room with `unsafe`. It knows files, processes and namespaces, but no container.

pub mod bpf;
pub mod byte_lock;
pub mod clock;
pub mod clone;
pub mod epoll;
pub mod file;
pub mod file_owner;
pub mod idle;
pub mod in_root;
pub mod inotify;
pub mod inside;
pub mod interface;
pub mod keyring;
pub mod mount;
pub mod namespace;
pub mod netlink;
pub mod process;
pub mod program;
pub mod random;
pub mod scheduling;
pub mod seccomp;
pub mod signal;
pub mod signalfd;
pub mod socket;
