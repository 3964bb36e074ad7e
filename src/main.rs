//! The program `teu`: hidden verbs first, before any thread exists, then the faces.

fn main() {}
