//! The command line: a noun, then a verb. Exit 0 done, 1 refused or found wrong, 2 bad usage.

mod memo;

use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs an AI partnership between organisations, and proves it to both.
#[derive(Debug, Parser)]
#[command(name = "countersign", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// The memorandum: what was agreed.
    #[command(subcommand)]
    Memo(Memo),
}

#[derive(Debug, Subcommand)]
enum Memo {
    /// Reads a memorandum and shows everything that is wrong with it, with its place.
    Check {
        /// The document.
        file: PathBuf,
    },
    /// Prints one plain sentence for each clause, from its block alone.
    Explain {
        /// The document.
        file: PathBuf,
    },
}

/// Runs one command.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let done = match cli.noun {
        Noun::Memo(Memo::Check { file }) => memo::check(&file),
        Noun::Memo(Memo::Explain { file }) => memo::explain(&file),
    };
    match done {
        Ok(text) => say(&text, ExitCode::SUCCESS),
        Err(report) => {
            let shown = writeln!(std::io::stderr(), "{report:?}");
            if shown.is_ok() { ExitCode::from(1) } else { ExitCode::from(2) }
        }
    }
}

/// Prints to stdout; a closed pipe is an ordinary end.
fn say(text: &str, code: ExitCode) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => code,
        Err(_) => ExitCode::from(1),
    }
}
