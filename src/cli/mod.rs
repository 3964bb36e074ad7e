//! The command line: Docker's names, flags, columns and exit codes over the engine. It translates and never decides.
