//! A process that decides, records and settles on a real disk is killed at random moments, thirty times.
//!
//! Not here: the same through HTTP, or cut power (`record` simulates that, write by write).

use crate::scene::{BINDING, House, ORIGIN, outcome};
use crate::second_verifier::assert_agrees;
use partnership::act::Ended;
use partnership::decision::Decision;
use partnership::entry::{Body, Entry};
use partnership::{Answer, Command};
use record::store::directory::Directory;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

const KILLS: u8 = 30;
/// Where the process to be killed finds its folder and its randomness.
const FOLDER: &str = "COUNTERSIGN_TEST_FOLDER";
const ROUND: &str = "COUNTERSIGN_TEST_ROUND";

#[test]
fn what_was_told_survives_thirty_kills_and_every_act_is_settled_once() {
    let folder = tempfile::tempdir().unwrap();
    House::found(folder.path(), BINDING).publish();
    let mut told = BTreeSet::new();
    for round in 1..=KILLS {
        let before = told.len();
        told.extend(killed(folder.path(), round));
        assert!(told.len() > before, "round {round} told nobody anything");
        let mut house = House::reopen(folder.path(), BINDING, [100 + round; 32]);
        assert_eq!(house.partnership.state().open().count(), 0, "round {round}: an act is still in doubt");
        house.publish();
        let settled = settlements(folder.path(), &house);
        assert!(
            settled.values().all(|times| *times == 1),
            "round {round}: an allowed act is not settled once"
        );
        let missing: Vec<_> = told.iter().filter(|act| !settled.contains_key(*act)).collect();
        assert!(missing.is_empty(), "round {round}: told but not on the record: {missing:?}");
        if round % 10 == 0 {
            assert_agrees(folder.path(), house.partnership.state());
        }
    }
}

/// Starts the process, kills it at some moment, and gives the acts that it told as settled.
///
/// Every other time the moment is right after something was told, when whatever should have been written before is missing.
fn killed(folder: &Path, round: u8) -> Vec<String> {
    let mut child = worker(folder, round);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    let (lines, waits_ms) =
        if round.is_multiple_of(2) { (u32::from(round) * 13, 0) } else { (1, u64::from(round) * 8) };
    for _ in 0..lines {
        told_line(&mut output, &mut text);
    }
    std::thread::sleep(Duration::from_millis(waits_ms));
    child.kill().unwrap();
    child.wait().unwrap();
    output.read_to_string(&mut text).unwrap();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter_map(|line| line.strip_prefix(TOLD)).map(str::to_owned).collect()
}

/// Reads on to the end of the next line that tells of an act.
fn told_line(output: &mut impl BufRead, text: &mut String) {
    loop {
        let begins = text.len();
        assert!(output.read_line(text).unwrap() > 0, "the process ended by itself");
        if text[begins..].starts_with(TOLD) {
            return;
        }
    }
}

fn worker(folder: &Path, round: u8) -> Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_process_that_is_killed", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Before the id of an act on a line of its own.
const TOLD: &str = "told ";

#[test]
#[ignore = "it never ends; the test above starts it and kills it"]
fn the_process_that_is_killed() {
    let (Some(folder), Some(round)) = (std::env::var_os(FOLDER), std::env::var_os(ROUND)) else { return };
    let round: u8 = round.to_str().unwrap().parse().unwrap();
    let mut house = House::reopen(Path::new(&folder), BINDING, [round; 32]);
    let mut waiting = Vec::new();
    for turn in 0_u64.. {
        let mut commands: Vec<Command> = std::mem::take(&mut waiting);
        commands.extend((0..turn % 9).map(|_| house.proposal("plain", 50)));
        let mut told = Vec::new();
        for reply in house.turn(commands) {
            match reply.answer {
                Answer::Decided(Decision::Allow(warrant)) => {
                    waiting.push(Command::Settle(warrant, outcome(Ended::Done, turn % 700, turn % 50)));
                }
                Answer::Settled(settlement) => told.push(settlement.act),
                other => panic!("{other:?}"),
            }
        }
        house.sync();
        let mut output = std::io::stdout().lock();
        told.iter().try_for_each(|act| writeln!(output, "{TOLD}{act}")).unwrap();
        output.flush().unwrap();
        if turn % 40 == 39 {
            house.publish();
        }
    }
}

/// How often each allowed call is settled, read from the record by an audit of all of it.
fn settlements(folder: &Path, house: &House) -> BTreeMap<String, u32> {
    let mut settled = BTreeMap::new();
    let visit = |_, envelope: &[u8], parties: &[u8]| {
        match Entry::decode(envelope, parties).map_err(|error| error.to_string())?.body {
            Body::Decided(decided) if decided.verdict == partnership::entry::Verdict::Allow => {
                settled.entry(decided.act.id.to_string()).or_insert(0);
            }
            Body::Settled(ended) => *settled.entry(ended.act.to_string()).or_insert(100) += 1,
            _ => {}
        }
        Ok(())
    };
    record::audit(&Directory::new(folder), ORIGIN, &house.log.verifier(), visit).unwrap();
    settled
}
