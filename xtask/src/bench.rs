//! Starts the benchmarks: builds the server that they measure, then the crate that measures it, and runs that.
//!
//! Not here: any measurement. `bench` is a crate of its own, so that this one starts without what it needs.

use crate::environment::succeeds;
use std::process::Command;

/// Runs the benchmark that `words` name.
///
/// Errors: where something does not build, or the benchmark fails.
pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    // One after the other: together they would share features, and the server measured would not be the one that users build.
    for package in ["countersign", "bench"] {
        succeeds(Command::new("cargo").args(["build", "--quiet", "--release", "--package", package]))?;
    }
    succeeds(Command::new(std::env::current_exe()?.with_file_name("bench")).args(words))
}
