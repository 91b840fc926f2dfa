//! The `workroom` binary.

fn main() {}
