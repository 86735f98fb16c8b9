//! The whole core in one thread, as a seed has it: clerk, journal, publisher and road over a simulated disk, clock, performers
//! and callers. Every call to the disk is a moment at which the power is cut or the process killed, and what is left is judged by
//! an oracle that knows what the outside was told.
//!
//! Not a model of the core: the steps are the product's. `cargo xtask soak` runs the same for longer.

mod books;
mod bugs;
mod followed;
mod life;
mod oracle;
mod people;
mod place;

use bugs::Bug;
use life::Life;
use oracle::Oracle;
use partnership::ids::Timestamp;
use record::store::chance::Chance;
use record::store::simulated::{Disk, Fault};
use std::sync::{Arc, Mutex};

/// Runs a seed, with a bug planted or none; gives how many points were looked at, and what was found, with its point.
fn run(seed: u64, bug: Option<Bug>) -> (u64, Option<(u64, String)>) {
    let mut chance = Chance::new(seed);
    let mut now: Timestamp = "2026-11-22T23:00:00Z".parse().unwrap();
    let oracle = Arc::new(Mutex::new(Oracle::new(now, chance.fork())));
    let mut disk = Disk::new(chance.number());
    let long = chance.hits(1, 24);
    for life in 0..2 + chance.below(2) {
        live(&disk, &oracle, (&mut chance, &mut now, bug), life == 0, long);
        if oracle.lock().unwrap().found.is_some() {
            break;
        }
        let moment = disk.now();
        disk = if chance.hits(1, 2) { moment.cut(&mut chance) } else { moment.kill(&mut chance) };
    }
    let mut oracle = oracle.lock().unwrap();
    if let (None, Err(why)) = (&oracle.found, oracle::judge_again(&oracle)) {
        oracle.finds(&why);
    }
    (oracle.points, oracle.found.take())
}

/// One process from its start to its end.
fn live(
    disk: &Disk,
    oracle: &Arc<Mutex<Oracle>>,
    (chance, now, bug): (&mut Chance, &mut Timestamp, Option<Bug>),
    first: bool,
    long: bool,
) {
    let watching = Arc::clone(oracle);
    disk.watch(move |moment| watching.lock().unwrap().look(moment));
    let faults = bug.map_or(&[][..], Bug::shows_by);
    if !faults.is_empty() || chance.hits(1, 3) {
        let faults = if faults.is_empty() { &FAULTS } else { faults };
        disk.fault(disk.steps() + chance.below(150), *chance.pick(faults).unwrap());
    }
    let Ok(opened) = place::open(disk, bug, *now, place::seed(chance)) else { return };
    oracle.lock().unwrap().reopened(disk);
    let ends_well = chance.hits(1, 3);
    let steps = if long { 1_500 } else { 40 + chance.below(200) };
    let mut life = Life::new(disk.clone(), opened, Arc::clone(oracle), (chance, now, bug));
    if first {
        life.register();
    }
    life.live(steps);
    if ends_well {
        life.end_well();
    }
}

const FAULTS: [Fault; 6] =
    [Fault::Fails, Fault::FailsButPersisted, Fault::Torn, Fault::Full, Fault::Short, Fault::Interrupted];

/// Runs seeds from `first` on until something is found or so many points were looked at; gives both.
fn search(first: u64, points: u64, bug: Option<Bug>) -> (u64, Option<String>) {
    let mut seen = 0;
    for seed in first.. {
        let (ran, found) = run(seed, bug);
        if let Some((point, why)) = found {
            return (
                seen + point,
                Some(format!("seed {seed}: {why}; again: cargo xtask soak --points 1 --seed {seed}")),
            );
        }
        seen += ran;
        if seen >= points {
            break;
        }
    }
    (seen, None)
}

#[test]
fn nothing_that_was_told_is_lost_at_any_step() {
    let (points, found) = search(0, 10_000, None);
    println!("{points} points");
    assert_eq!(found, None);
}

/// What `cargo xtask soak` runs: so many points, from a seed on, both told by the environment.
#[test]
#[ignore = "minutes to hours: `cargo xtask soak` runs it"]
fn soak() {
    let (first, points) = (setting("COUNTERSIGN_SOAK_SEED"), setting("COUNTERSIGN_SOAK_POINTS"));
    let (points, found) = search(first.unwrap_or(0), points.unwrap_or(1_000), None);
    println!("{points} points of the whole core");
    assert_eq!(found, None);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the soak hands its settings to a test binary, which takes no arguments"
)]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_planted_bug_is_found() {
    for bug in Bug::all() {
        let (points, found) = search(0, 40_000, Some(bug));
        println!("{bug:?} after {points} points: {found:?}");
        assert!(found.is_some(), "{bug:?} is not found in {points} points");
    }
}
