//! The command line: Docker's names, flags, columns and exit codes. Translates, never decides.

mod failure;
mod output;
mod table;
mod template;
mod wording;
