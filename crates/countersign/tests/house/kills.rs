//! A server under load is killed at random moments, and goes on from what lies on disk: thirty times here, as often as one likes by
//! `cargo xtask soak`.
//!
//! Not here: cut power (`record` simulates that, write by write), and the same without HTTP (`crash`).

use crate::dice::{Dice, seed};
use crate::server::{Folder, Server, config, eventually, verify};
use crate::told::{Recorded, Told, holds_after_all, say, while_called};
use crate::upstream::{Upstream, Used};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

const KILLS: u64 = 30;
/// How often the soak kills; `cargo xtask soak --kills N` sets it.
const KILLS_WANTED: &str = "COUNTERSIGN_TEST_KILLS";
const CALLERS: usize = 16;

/// Small segments, so that tests see many.
const SEGMENTS: &str = "\n[record]\nsegment_bytes = 1048576\n";
/// Under this, calls start while their decisions are being written.
const LEASE: &str = "\n[record.lease]\ncalls = 64\namounts = [\"5.00 CREDIT\"]\n";
/// A grant that hundreds of rounds do not use up.
const GRANT: [&str; 2] = ["\"1000.000000000 CREDIT\"", "\"1000000.000000000 CREDIT\""];

#[test]
fn what_clients_were_told_survives_thirty_kills_and_every_act_is_settled_once() {
    survives(KILLS);
}

#[test]
#[ignore = "it takes long; `cargo xtask soak` runs it"]
fn what_clients_were_told_survives_as_many_kills_as_are_wanted() {
    let wanted = std::env::var_os(KILLS_WANTED);
    survives(wanted.map_or(KILLS, |kills| kills.to_str().unwrap().parse().unwrap()));
}

/// Kills a server so many times, by turns with a lease and without, and judges what is left.
fn survives(kills: u64) {
    let seed = seed();
    say(&format!("seed {seed}"));
    let upstream = Upstream::start(Used::AtMost(60, 100));
    let plain = format!("{}{SEGMENTS}", config(&upstream.url()));
    let folder = Folder::founded(&plain, |text| text.replacen(GRANT[0], GRANT[1], 1));
    let server = folder.serve(&[]);
    let key = folder.admit();
    let granted = folder.pool().0;
    server.stop();
    let (mut dice, mut told) = (Dice::new(seed), Told::default());
    for round in 1..=kills {
        let config = if round % 2 == 0 { format!("{plain}{LEASE}") } else { plain.clone() };
        crate::server::write(&folder.dir.join("countersign.toml"), &config);
        let mut server = folder.serve(&[]);
        if round % 5 == 0 && round <= KILLS {
            folder.verified();
        }
        told.extend(killed(&mut server, &key, &mut dice));
        drop(server);
        match round % 10 {
            2 | 7 if round <= KILLS || round % 50 == 2 => holds_but_for_a_torn_end(&folder),
            0 if round <= KILLS || round % 50 == 0 => {
                holds_after_all(&folder, granted, &told);
                say(&format!("{round} kills, {} answers in full", told.answered.len()));
            }
            // The record that the next start reads grows by each round; what it finds in doubt must be settled then.
            _ => {}
        }
    }
    let recorded: Recorded = holds_after_all(&folder, granted, &told);
    assert!(!told.answered.is_empty() && !told.refused.is_empty(), "both were told");
    say(&format!(
        "{kills} kills: {} answers in full, {} refusals, {} acts allowed, each settled once",
        told.answered.len(),
        told.refused.len(),
        recorded.allowed.len()
    ));
}

/// Verifies what a killed server has left. Its last write may be cut off; nothing else may be wrong.
fn holds_but_for_a_torn_end(folder: &Folder) {
    let output = verify(&folder.dir, &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("torn write"), "{said}");
}

/// Lets callers call, kills the server at some moment, and gives what the callers were told until then.
///
/// The moment is a little after so many answers; every other time right after, when whatever should have been written before
/// is missing.
fn killed(server: &mut Server, key: &str, dice: &mut Dice) -> Told {
    let (answers, wait_ms) = (1 + dice.below(300), dice.below(2) * dice.below(60));
    let url = server.url().to_owned();
    let (told, enough) = while_called(&url, key, CALLERS, |rush| {
        eventually("enough answers", || rush.answers.load(Ordering::SeqCst) >= answers || server.has_ended());
        thread::sleep(Duration::from_millis(wait_ms));
        let enough = rush.answers.load(Ordering::SeqCst) >= answers;
        server.kill();
        enough
    });
    assert!(enough, "the server went away by itself");
    assert_eq!(told.unavailable, 0, "nobody is sent away while the disk is well");
    told
}
