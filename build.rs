//! Links the program at a fixed address.
//!
//! A position-independent program has its tables of pointers (vtables, string slices: some 600 KiB here) rewritten by the loader
//! at every start, which makes them private memory of every process. One monitor stays with each container, so that would be by
//! far the most of its memory. The price is that the program's own code is not at a random address; libraries, heap and stack are.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let linux_gnu = |key| std::env::var(key).unwrap_or_default();
    if linux_gnu("CARGO_CFG_TARGET_OS") == "linux" && linux_gnu("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
