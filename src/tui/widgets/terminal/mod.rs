//! A terminal inside the interface: the emulator that obeys escape sequences so that nothing else has to, its picture,
//! and what keys, pastes and the mouse are on the wire.

mod emulator;
mod filter;
mod flood;
mod input;
mod shared;
mod view;

#[cfg(test)]
mod tests;

pub use emulator::{Emulator, Modes, panic_is_contained};
pub use input::{encode_focus, encode_key, encode_mouse, encode_paste};
pub use shared::SharedEmulator;
pub use view::TerminalView;
