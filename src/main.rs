//! The `logmill` executable.

fn main() {}
