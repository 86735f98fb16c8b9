//! Two parties: the operator's core, and followers of its record with disks, memories and wires of their own, in one thread, as a
//! seed has it. The operator is honest and crashes, or lies; the follower is the product's, and crashes at any call to its disk.
//!
//! Not a second model of a follower: `cmd/follow/follower.rs` runs as it is.

mod files;
mod flaws;
mod history;
mod honest;
mod lies;
mod lying;
mod party;
mod wire;

use flaws::Flaw;
use record::store::chance::Chance;

/// Runs seeds from `first` on until something is found or so many points were looked at; gives both.
fn search(first: u64, points: u64, flaw: Option<Flaw>) -> (u64, Option<String>) {
    let mut seen = 0;
    for seed in first.. {
        let mut chance = Chance::new(seed);
        let lies = chance.hits(2, 3);
        let (ran, found) = if lies { lying::run(chance, flaw) } else { honest::run(chance, flaw) };
        seen += ran.max(1);
        if let Some(why) = found {
            let again = format!("again: cargo xtask soak --points 1 --seed {seed}");
            return (seen, Some(format!("seed {seed}: {why}; {again}")));
        }
        if seen >= points {
            break;
        }
    }
    (seen, None)
}

#[test]
fn an_honest_operator_is_cosigned_and_a_lie_is_found_at_its_place_wherever_a_follower_is_cut_off() {
    let (points, found) = search(0, 12_000, None);
    println!("{points} points");
    assert_eq!(found, None);
}

/// What `cargo xtask soak` runs: so many points, from a seed on, both told by the environment.
#[test]
#[ignore = "minutes to hours: `cargo xtask soak` runs it"]
fn soak() {
    let (first, points) =
        (super::setting("COUNTERSIGN_SOAK_SEED"), super::setting("COUNTERSIGN_SOAK_POINTS"));
    let (points, found) = search(first.unwrap_or(0), points.unwrap_or(1_000), None);
    println!("{points} points of two parties");
    assert_eq!(found, None);
}

#[test]
fn every_flaw_that_is_planted_in_a_follower_is_found() {
    for flaw in Flaw::ALL {
        let (points, found) = search(0, 40_000, Some(flaw));
        println!("{flaw:?} after {points} points: {found:?}");
        assert!(found.is_some(), "{flaw:?} is not found in {points} points");
    }
}
