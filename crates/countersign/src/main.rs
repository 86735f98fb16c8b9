//! The one binary of Countersign.

fn main() {}
