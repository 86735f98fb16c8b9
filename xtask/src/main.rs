//! The project's automation: `cargo xtask test` runs every check, and with `--strangers` programs of others over what ours writes,
//! `cargo xtask tidy` holds the layers in place,
//! `cargo xtask soak` and `cargo xtask fuzz` look on, for longer than a test may, for what the tests may not have met,
//! `cargo xtask bench` measures.
//!
//! Not here: anything that a user of the product needs.

mod bench;
mod books;
mod environment;
mod fuzz;
mod sizes;
mod soak;
mod strangers;
mod test;
mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => test::run(),
        ["test", "--strangers", words @ ..] => strangers::run(words),
        ["tidy"] => tidy::run(),
        ["soak", words @ ..] => soak::run(words),
        ["fuzz", words @ ..] => fuzz::run(words),
        ["bench", words @ ..] => bench::run(words),
        [rustc, words @ ..] if rustc.ends_with("rustc") => fuzz::compile(rustc, words),
        _ => Err(anyhow::anyhow!(
            "usage: {}, or cargo xtask tidy | bench gateway|ledger|record|policy|start|build, or {}, or {}",
            strangers::USAGE,
            soak::USAGE,
            fuzz::USAGE
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Says one line to the person who runs this.
#[expect(clippy::print_stdout, reason = "a command-line tool speaks to its terminal")]
fn report(line: &str) {
    println!("{line}");
}
