//! The process that stays with a running container: terminal, log, exit, exec sessions.
