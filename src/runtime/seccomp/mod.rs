//! System call filters: Docker's JSON profiles ([`parse`]), and their compilation to BPF ([`compile()`]).

mod bpf;
mod compile;
mod numbers;
mod profile;
#[cfg(test)]
mod tests;

pub use compile::{Filter, compile};
pub use profile::{default_profile, parse};
