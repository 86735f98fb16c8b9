//! The one binary of Countersign.
//!
//! Not here: anything but the way to the command that was asked for.

mod awaited;
mod clerk;
mod clock;
mod cmd;
mod config;
mod content;
mod cosigned;
mod fetch;
mod files;
mod history;
mod http;
mod kept;
mod meter;
mod notices;
mod office;
mod road;
mod snapshots;
mod telemetry;
mod vault;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    cmd::run(cmd::Cli::parse())
}
