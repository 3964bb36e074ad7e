//! Links the program at a fixed address.
//!
//! A position-independent program has its tables of pointers (vtables, string slices: some 600 KiB here) rewritten by the loader
//! at every start, which makes them private memory of every process. One monitor stays with each container, so that would be by
//! far the most of its memory. The price is that the program's own code is not at a random address; libraries, heap and stack are.
//!
//! And links the unwinder into it. As a library (libgcc_s) it asks the processor what it is at every start, which in a
//! virtual machine takes 0.15 ms of the 1.3 that a start takes there, and `teu oci run` starts twice.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let linux_gnu = |key| std::env::var(key).unwrap_or_default();
    if linux_gnu("CARGO_CFG_TARGET_OS") == "linux" && linux_gnu("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}
