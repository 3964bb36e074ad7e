//! System call filters: Docker's JSON profiles ([`parse`]), and their compilation to BPF ([`compile()`]).

mod agent;
mod bpf;
mod compile;
mod numbers;
mod profile;
#[cfg(test)]
mod tests;

pub use agent::{Agent, Told};
pub use compile::{Filter, compile};
pub use profile::{default_profile, parse};
