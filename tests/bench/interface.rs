//! The interface with a hundred containers: first list, idle cost, key to screen, memory, a flood.

use crate::place::Place;

pub fn measure(_place: &Place) {}
