//! The one test command: every step by name and time, and at the end how much held.

use crate::environment::{self, Environment, succeeds};
use crate::{fuzz, report, tidy};
use anyhow::{Context as _, bail};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs all steps; later ones run even if an earlier one failed.
///
/// Errors: where any step does not hold.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut tally = Tally::default();
    tally.step("programs", environment::programs);
    let environment = Environment {
        model: tally.fetch("model file", environment::model),
        python: tally.fetch("python for clients, an upstream and the second verifier", environment::python),
        node_modules: tally.fetch("node's packages for clients", environment::node_modules),
    };
    let cargo = |words: &[&str]| {
        let mut command = Command::new("cargo");
        environment.lend(command.args(words));
        command
    };
    tally.step("layers", tidy::run);
    tally.step("format", || succeeds(&mut cargo(&["fmt", "--all", "--check"])));
    let lints = ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
    tally.step("lints", || succeeds(&mut cargo(&lints)));
    tally.tests("tests", &mut cargo(&["test", "--release", "--workspace", "--no-fail-fast"]));
    tally.step("fuzz", fuzz::for_a_minute);
    tally.close()
}

/// What held and what did not. A step counts one, a step of tests as many as it has tests.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

/// The tests of one run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: usize,
    failed: usize,
}

impl Tally {
    fn fetch(&mut self, name: &str, fetch: impl FnOnce() -> anyhow::Result<PathBuf>) -> PathBuf {
        let mut path = PathBuf::new();
        self.step(name, || {
            path = fetch()?;
            Ok(())
        });
        path
    }

    fn step(&mut self, name: &str, step: impl FnOnce() -> anyhow::Result<()>) {
        let (result, seconds) = timed(step);
        match result {
            Ok(()) => {
                self.passed = self.passed.saturating_add(1);
                report(&format!("step `{name}` holds ({seconds} s)"));
            }
            Err(error) => {
                self.failed = self.failed.saturating_add(1);
                report(&format!("step `{name}` FAILED ({seconds} s): {error:#}"));
            }
        }
    }

    fn tests(&mut self, name: &str, command: &mut Command) {
        let mut count = Count::default();
        self.step(name, || counted(command, &mut count));
        self.passed = self.passed.saturating_add(count.passed);
        self.failed = self.failed.saturating_add(count.failed);
    }

    fn close(&self) -> anyhow::Result<()> {
        report(&format!("{} passed, {} failed", self.passed, self.failed));
        if self.failed > 0 { bail!("not every step holds") } else { Ok(()) }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a step took is for the person who waits for it")]
fn timed<T>(step: impl FnOnce() -> T) -> (T, u64) {
    let begun = Instant::now();
    let result = step();
    (result, begun.elapsed().as_secs())
}

/// Runs tests, shows what they say, and adds up their own counts.
fn counted(command: &mut Command, count: &mut Count) -> anyhow::Result<()> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("{command:?} does not start"))?;
    let output = child.stdout.take().context("the tests have no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        *count = add(*count, &line);
        report(&line);
    }
    let status = child.wait()?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}

/// Adds what a line such as `test result: ok. 7 passed; 0 failed; …` says.
fn add(count: Count, line: &str) -> Count {
    let Some(result) = line.strip_prefix("test result: ") else { return count };
    let number = |word: &str| -> usize {
        let part = result.split([';', '.']).find_map(|part| part.trim().strip_suffix(word));
        part.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    };
    Count {
        passed: count.passed.saturating_add(number("passed")),
        failed: count.failed.saturating_add(number("failed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_all_binaries_add_up() {
        let lines = [
            "running 3 tests",
            "test result: FAILED. 6 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 3.68s",
            "test result: ok. 40 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ];
        assert_eq!(
            lines.iter().fold(Count::default(), |count, line| add(count, line)),
            Count { passed: 46, failed: 1 }
        );
    }
}
