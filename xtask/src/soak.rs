//! Runs that are too long for the one test command: `cargo xtask soak`.
//!
//! Not here: what is looked for; the tests that a soak repeats know it.

mod simulation;

use anyhow::Context as _;

/// Runs what the words ask for: `--points N` moments of the simulation, from seed `--seed N` on.
///
/// Errors: something was found, with the seed that shows it; or words that it does not know.
pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    let mut asked = simulation::Asked::default();
    for pair in words.chunks(2) {
        let [name, number] = pair else { anyhow::bail!("{USAGE}") };
        let number = number.parse().with_context(|| format!("`{number}` is no number; {USAGE}"))?;
        match *name {
            "--points" => asked.points = number,
            "--seed" => asked.seed = number,
            _ => anyhow::bail!("{USAGE}"),
        }
    }
    simulation::run(asked)
}

const USAGE: &str = "usage: cargo xtask soak [--points N] [--seed N]";
