//! One process becomes one container: namespaces, root file system, cgroup, seccomp, capabilities.
