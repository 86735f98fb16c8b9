//! The running server killed hundreds of times under load, and every call to its disk made to fail.

use super::test_of_the_house;
use crate::report;
use anyhow::Context as _;
use std::time::SystemTime;

/// How often it is killed unless told otherwise.
pub(super) const KILLS: u64 = 500;

/// Kills it so many times at moments that the seed gives; a new seed each day unless one is given.
///
/// Errors: where the test does not hold, with the command that replays it.
pub(super) fn run(kills: u64, seed: Option<u64>) -> anyhow::Result<()> {
    let seed = seed.unwrap_or_else(today);
    report(&format!("{kills} kills with seed {seed}"));
    test_of_the_house(
        "kills::what_clients_were_told_survives_as_many_kills_as_are_wanted",
        &[("COUNTERSIGN_TEST_KILLS", kills.to_string()), ("COUNTERSIGN_TEST_SEED", seed.to_string())],
    )
    .with_context(|| format!("replay it with `cargo xtask soak --kills {kills} --seed {seed}`"))
}

/// Makes each call of the journal and the publisher fail, at its first times after the start.
///
/// Errors: where the test does not hold; it names the points.
pub(super) fn every_fault() -> anyhow::Result<()> {
    report("every call to the disk is made to fail");
    test_of_the_house(
        "disk::whichever_call_to_the_disk_fails_nobody_is_told_what_is_not_on_the_record",
        &[("COUNTERSIGN_TEST_FAULTS", "all".to_owned())],
    )
}

#[expect(clippy::disallowed_methods, reason = "a seed for a soak that nobody gave one for")]
fn today() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_secs() / (24 * 60 * 60)
}
