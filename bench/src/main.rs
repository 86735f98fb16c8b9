//! The project's own benchmarks, started by `cargo xtask bench`: each measures this tree beside a peer on the same machine, in the
//! same run, and says the ratio.
//!
//! Not here: any claim. What was seen, and on which machine, stands in `docs/BENCHMARKS.md`.

mod clock;
mod cold;
mod disk;
mod gateway;
mod http;
mod ledger;
mod memorandum;
mod numbers;
mod options;
mod pipeline;
mod policy;
mod postgres;
mod process;
mod record;
mod scene;
mod start;
mod table;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measures this tree beside its peers.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The server beside nginx and LiteLLM, before the same upstream.
    Gateway(gateway::Options),
    /// Reservations and settlements beside PostgreSQL.
    Ledger(ledger::Options),
    /// The record beside the bare disk, SQLite and bare SHA-256.
    Record(record::Options),
    /// Policies beside bare Cedar.
    Policy(policy::Options),
    /// The release build of the server from nothing.
    Build(cold::Options),
    /// The server's start over a long record, with a snapshot and without.
    Start(start::Options),
}

fn main() -> ExitCode {
    let Bench { what } = Bench::parse();
    let done = match what {
        What::Gateway(options) => gateway::run(&options),
        What::Ledger(options) => ledger::run(&options),
        What::Record(options) => record::run(&options),
        What::Policy(options) => policy::run(&options),
        What::Build(options) => cold::run(&options),
        What::Start(options) => start::run(&options),
    };
    match done {
        Ok(report) => {
            say(&report);
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Cargo's build folder, in which this program lies.
fn build_folder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().and_then(Path::parent).context("there is no build folder")?.to_owned())
}

/// The binary that is measured, beside the one that runs.
///
/// Errors: where it is not there.
fn binary() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("countersign");
    ensure!(binary.exists(), "`{}` is not there; `cargo xtask bench` builds it", binary.display());
    Ok(binary)
}

/// Says what was found.
#[expect(clippy::print_stdout, reason = "a command-line tool speaks to its terminal")]
fn say(text: &str) {
    println!("{text}");
}

/// Says how far it is, to whoever waits.
#[expect(clippy::print_stderr, reason = "progress goes to the terminal, beside what a script reads")]
fn progress(line: &str) {
    eprintln!("{line}");
}
