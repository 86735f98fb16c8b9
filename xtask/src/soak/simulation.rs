//! The simulations of the record, of the whole core and of two parties, for as long as one likes, on every core of the machine.
//!
//! Not a simulation: it runs their tests `soak` and tells them through the environment where to begin.

use crate::environment::succeeds;
use crate::report;
use anyhow::{Context as _, bail};
use std::process::{Child, Command};
use std::time::Instant;

/// How many moments are looked at in the whole core, and with two parties, unless told otherwise; a tenth of it in the record alone.
pub(super) const POINTS: u64 = 1_000_000;

/// The tests, with the part of the points that each gets.
const TESTS: [(&[&str], u64); 3] = [
    (&["--package", "countersign", "--bin", "countersign", "clerk::simulation::soak"], 1),
    (&["--package", "countersign", "--bin", "countersign", "clerk::simulation::followed::soak"], 1),
    (&["--package", "record", "--test", "record", "power::soak"], 10),
];

/// Runs them, one process a core, each from a seed of its own.
///
/// Errors: a process found something; it has said what, and the seed.
#[expect(clippy::disallowed_methods, reason = "the automation tells how long a soak took")]
pub(super) fn run(points: u64, seed: u64) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    // One seed gives one run, which is for one core.
    let processes = if points == 1 { 1 } else { cores };
    let begun = Instant::now();
    for (test, divided) in TESTS {
        succeeds(Command::new("cargo").args(["test", "--release", "--no-run"]).args(named(test)))?;
        let share = points.div_ceil(divided).div_ceil(processes);
        let seeds = (0..processes).map(|process| seed.saturating_add(process.saturating_mul(APART)));
        let running: Vec<Child> =
            seeds.map(|seed| start(test, share, seed)).collect::<anyhow::Result<_>>()?;
        let ended: Vec<bool> = running.into_iter().map(ends_well).collect::<anyhow::Result<_>>()?;
        if ended.contains(&false) {
            bail!("something was found; the lines above say what, and the command that shows it again");
        }
        let looked = share.saturating_mul(processes);
        let (name, seconds) = (test.last().unwrap_or(&""), begun.elapsed().as_secs());
        report(&format!(
            "`{name}`: at least {looked} points in {processes} processes, nothing found ({seconds} s)"
        ));
    }
    Ok(())
}

/// How far the seeds of two processes lie apart.
const APART: u64 = 1_000_000_000;

/// The words that name the binary, without the test.
fn named<'a>(test: &'a [&'a str]) -> &'a [&'a str] {
    test.split_last().map_or(test, |(_, binary)| binary)
}

fn start(test: &[&str], points: u64, seed: u64) -> anyhow::Result<Child> {
    let mut command = Command::new("cargo");
    command.args(["test", "--release", "--quiet"]).args(test).args([
        "--",
        "--ignored",
        "--exact",
        "--nocapture",
    ]);
    command.env("COUNTERSIGN_SOAK_POINTS", points.to_string()).env("COUNTERSIGN_SOAK_SEED", seed.to_string());
    command.spawn().context("`cargo test` does not start")
}

fn ends_well(mut process: Child) -> anyhow::Result<bool> {
    Ok(process.wait().context("`cargo test` cannot be waited for")?.success())
}
