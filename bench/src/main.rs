//! The project's own benchmarks, started by `cargo xtask bench`: each measures this tree beside a peer on the same machine, in the
//! same run, and says the ratio.
//!
//! Not here: any claim. What was seen, and on which machine, stands in `docs/BENCHMARKS.md`.

mod clock;
mod disk;
mod gateway;
mod http;
mod memorandum;
mod numbers;
mod process;
mod table;

use clap::{Parser, Subcommand};
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
}

fn main() -> ExitCode {
    let Bench { what } = Bench::parse();
    let done = match what {
        What::Gateway(options) => gateway::run(&options),
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
