//! The one binary of Countersign.
//!
//! Not here yet: the server. What it says is what it can do today; see the CHANGELOG.

mod cmd;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    cmd::run(cmd::Cli::parse())
}
