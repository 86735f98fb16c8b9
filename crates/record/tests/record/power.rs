//! The real store directory over a simulated disk: every call that changes something is a moment at which the power
//! is cut or the process killed, and what is left is judged.

mod bugs;
mod judge;
mod run;

use crate::support::SEGMENT;
use bugs::Bug;
use judge::ROOT;
use record::Store as _;
use record::store::chance::Chance;
use record::store::directory::Directory;
use record::store::simulated::{Disk, Fault};
use run::{FAULTS, run, work};
use std::collections::BTreeSet;

/// Runs seeds from `first` on until a bug is found or so many points were looked at; gives both.
fn search(first: u64, points: u64, bug: Option<Bug>) -> (u64, Option<String>) {
    let mut seen = 0;
    for seed in first.. {
        let ran = run(seed, bug);
        if let Some((point, why)) = ran.found {
            return (
                seen + point,
                Some(format!("seed {seed}: {why}; again: cargo xtask soak --points 1 --seed {seed}")),
            );
        }
        seen += ran.points;
        if seen >= points {
            break;
        }
    }
    (seen, None)
}

#[test]
fn no_power_cut_and_no_kill_at_any_step_loses_what_was_told() {
    let (points, found) = search(0, 3_000, None);
    assert_eq!(found, None);
    println!("{points} points");
}

/// What `cargo xtask soak` runs: so many points, from a seed on, both told by the environment.
#[test]
#[ignore = "minutes to hours: `cargo xtask soak` runs it"]
fn soak() {
    let (first, points) = (setting("COUNTERSIGN_SOAK_SEED"), setting("COUNTERSIGN_SOAK_POINTS"));
    let (points, found) = search(first.unwrap_or(0), points.unwrap_or(1_000), None);
    println!("{points} points of the record");
    assert_eq!(found, None);
}

#[expect(
    clippy::disallowed_methods,
    reason = "a soak hands its settings to a test binary, which takes no arguments"
)]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_planted_bug_is_found() {
    for bug in Bug::all() {
        let (points, found) = search(0, 20_000, Some(bug));
        println!("{bug:?} after {points} points: {found:?}");
        assert!(found.is_some(), "{bug:?} is not found in {points} points");
    }
}

#[test]
fn no_fault_of_the_file_system_at_any_step_loses_what_was_told() {
    let (ran, calls) = work(None);
    assert_eq!(ran.found, None);
    assert_eq!(calls.iter().collect::<BTreeSet<_>>().len(), 8, "every call is made");
    for fault in FAULTS {
        for (at, call) in calls.iter().enumerate() {
            let (ran, _) = work(Some((at as u64, fault)));
            assert_eq!(ran.found, None, "{fault:?} at step {at} ({call:?})");
        }
    }
}

#[test]
fn a_directory_above_the_record_that_a_killed_process_made_goes_with_no_power_cut() {
    // Each step of a first start fails or is the last before a kill; the next process goes on, and is told that all is durable.
    for at in 0..8 {
        for fault in [Fault::Fails, Fault::FailsButPersisted] {
            let disk = Disk::new(at);
            disk.fault(at, fault);
            let first = Directory::on(disk.clone(), ROOT).segment_create(0, SEGMENT);
            let disk = disk.now().kill(&mut Chance::new(at));
            let store = Directory::on(disk.clone(), ROOT);
            if store.segments().unwrap().is_empty() {
                store.segment_create(0, SEGMENT).unwrap();
            }
            store.segment_write(0, 0, b"told").unwrap();
            store.segment_sync(0).unwrap();
            let disk = disk.now().cut(&mut Chance::new(at));
            let read = Directory::on(disk, ROOT).segment_read(0).unwrap();
            assert!(read.is_some_and(|bytes| bytes.starts_with(b"told")), "step {at} {fault:?}: {first:?}");
        }
    }
}
