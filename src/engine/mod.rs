//! Use cases, one verb a file: the only room where the crafts meet.
