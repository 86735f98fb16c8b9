//! `cargo xtask soak`: what the tests do in a minute, for as long as it takes to meet what is rare.
//!
//! Not here: what is judged. Each part is a test, run with larger numbers; a failure prints its seed and the command that replays it.

mod kills;
mod simulation;

use crate::environment::{self, succeeds};
use anyhow::{Context as _, bail};
use std::process::Command;

/// How it is called.
pub(crate) const USAGE: &str = "cargo xtask soak [--kills N] [--points N] [--seed N]";

/// What is asked for: a part that has a number runs, and without any all do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Wanted {
    kills: Option<u64>,
    points: Option<u64>,
    seed: Option<u64>,
}

/// Runs what is asked for to its end.
///
/// Errors: the words are not understood, or a part does not hold.
pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    let wanted = Wanted::of(words)?;
    let all = wanted.kills.or(wanted.points).is_none();
    if let Some(points) = wanted.points.or_else(|| all.then_some(simulation::POINTS)) {
        simulation::run(points, wanted.seed.unwrap_or(0))?;
    }
    if let Some(kills) = wanted.kills.or_else(|| all.then_some(kills::KILLS)) {
        environment::programs()?;
        kills::run(kills, wanted.seed)?;
    }
    if all { kills::every_fault() } else { Ok(()) }
}

impl Wanted {
    fn of(words: &[&str]) -> anyhow::Result<Self> {
        let mut wanted = Self::default();
        for pair in words.chunks(2) {
            let [name, number] = pair else { bail!("`{}` needs a number; usage: {USAGE}", pair.join(" ")) };
            let number =
                number.parse().with_context(|| format!("`{number}` is no number; usage: {USAGE}"))?;
            match *name {
                "--kills" => wanted.kills = Some(number),
                "--points" => wanted.points = Some(number),
                "--seed" => wanted.seed = Some(number),
                other => bail!("`{other}` is not known; usage: {USAGE}"),
            }
        }
        Ok(wanted)
    }
}

/// A test of the house by its whole name, with what it is told in its environment.
fn test_of_the_house(name: &str, told: &[(&str, String)]) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(["test", "--release", "--package", "countersign", "--test", "house", "--", "--exact", name]);
    command.args(["--include-ignored", "--nocapture"]);
    command.envs(told.iter().map(|(name, value)| (*name, value.as_str())));
    succeeds(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_or_refused() {
        assert_eq!(Wanted::of(&[]).unwrap(), Wanted::default());
        let asked = Wanted::of(&["--seed", "7", "--kills", "3"]).unwrap();
        assert_eq!(asked, Wanted { kills: Some(3), points: None, seed: Some(7) });
        for words in [&["--kills"][..], &["--kills", "many"], &["--points", "-1"], &["3"]] {
            assert!(Wanted::of(words).is_err(), "{words:?}");
        }
    }
}
