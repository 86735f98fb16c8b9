//! A server under load is killed at random moments, thirty times, and goes on from what lies on disk.
//!
//! Not here: cut power (`record` simulates that, write by write), and the same without HTTP (`crash`).

use crate::dice::{Dice, seed};
use crate::http::{Client, Request};
use crate::server::{Folder, Server, config, cost, eventually, verify};
use crate::upstream::{Upstream, Used};
use partnership::act::Ended;
use partnership::entry::{Body, Entry, Verdict};
use record::note::Verifier;
use record::store::directory::Directory;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const KILLS: u64 = 30;
const CALLERS: usize = 16;

/// Small segments, so that tests see many.
const SEGMENTS: &str = "\n[record]\nsegment_bytes = 1048576\n";

const PLAIN: &str = r#"{"model":"smollm2-135m-instruct","max_tokens":100,"messages":[{"role":"user","content":"What is a ledger?"}]}"#;
const STREAMED: &str = r#"{"model":"smollm2-135m-instruct","max_tokens":100,"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"What is a ledger?"}]}"#;
const FORBIDDEN: &str = r#"{"model":"smollm2-135m-instruct","max_tokens":1200,"messages":[{"role":"user","content":"What is a ledger?"}]}"#;

#[test]
fn what_clients_were_told_survives_thirty_kills_and_every_act_is_settled_once() {
    let seed = seed();
    println!("seed {seed}");
    let upstream = Upstream::start(Used::AtMost(60, 100));
    let folder = Folder::founded(&format!("{}{SEGMENTS}", config(&upstream.url())), str::to_owned);
    let server = folder.serve(&[]);
    let key = folder.admit();
    let granted = folder.pool().0;
    server.stop();
    let (mut dice, mut told) = (Dice::new(seed), Told::default());
    for round in 1..=KILLS {
        let mut server = folder.serve(&[]);
        if round % 5 == 0 {
            folder.verified();
        }
        told.extend(killed(&mut server, &key, &mut dice));
        drop(server);
        match round % 10 {
            2 | 7 => holds_but_for_a_torn_end(&folder),
            0 => {
                folder.serve(&[]).stop();
                folder.verified();
            }
            _ => {}
        }
    }
    let (live, pool) = settled_in_peace(&folder);
    assert_eq!(folder.verified()["balances"], live, "the books replayed are the books that were live");
    let recorded = Recorded::read(&folder.dir.join("record"));
    recorded.holds(&told);
    assert_eq!(pool, (granted - recorded.charged(), 0), "what is charged is what is gone");
}

/// Verifies what a killed server has left. Its last write may be cut off; nothing else may be wrong.
fn holds_but_for_a_torn_end(folder: &Folder) {
    let output = verify(&folder.dir, &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("torn write"), "{said}");
}

/// Starts the server once more and stops it; gives its balances, and what is left and reserved of the grant.
fn settled_in_peace(folder: &Folder) -> (Value, (i128, i128)) {
    let server = folder.serve(&[]);
    let (live, pool) = (folder.said(&["balance"]), folder.pool());
    server.stop();
    (live, pool)
}

/// What clients were told in full.
#[derive(Debug, Default)]
struct Told {
    /// The acts that were answered, with what their usage costs. Units: minor units.
    answered: BTreeMap<String, i128>,
    refused: BTreeSet<String>,
}

impl Told {
    fn extend(&mut self, other: Self) {
        self.answered.extend(other.answered);
        self.refused.extend(other.refused);
    }
}

/// Lets callers call, kills the server at some moment, and gives what the callers were told until then.
///
/// The moment is a little after so many answers; every other time right after, when whatever should have been written before
/// is missing.
fn killed(server: &mut Server, key: &str, dice: &mut Dice) -> Told {
    let (answers, wait_ms) = (1 + dice.below(300), dice.below(2) * dice.below(60));
    let (url, count) = (server.url().to_owned(), AtomicU64::new(0));
    thread::scope(|scope| {
        let call = |number: usize| {
            let (url, count) = (&url, &count);
            scope.spawn(move || calls(url, key, number, count))
        };
        let callers: Vec<_> = (0..CALLERS).map(call).collect();
        let enough =
            || count.load(Ordering::SeqCst) >= answers || callers.iter().all(|one| one.is_finished());
        eventually("enough answers", enough);
        thread::sleep(Duration::from_millis(wait_ms));
        server.kill();
        let mut told = Told::default();
        callers.into_iter().for_each(|caller| told.extend(caller.join().unwrap()));
        assert!(count.load(Ordering::SeqCst) >= answers, "the server went away by itself");
        told
    })
}

/// Calls until the connection fails.
fn calls(url: &str, key: &str, number: usize, count: &AtomicU64) -> Told {
    let (mut client, mut told) = (Client::new(url), Told::default());
    let body = match number % 4 {
        0 => STREAMED,
        1 if number == 1 => FORBIDDEN,
        _ => PLAIN,
    };
    while let Ok((status, act, said)) = asked(&mut client, Request::chat(key, body)) {
        match status {
            200 => drop(told.answered.insert(act, cost(usage(&said)))),
            403 => drop(told.refused.insert(act)),
            other => panic!("status {other}: {said}"),
        }
        count.fetch_add(1, Ordering::SeqCst);
    }
    told
}

/// Status, act and body of an answer that came in full.
fn asked(client: &mut Client, request: Request<'_>) -> io::Result<(u16, String, String)> {
    let answer = client.ask(request)?;
    let act = answer.headers.value("countersign-act").unwrap_or_else(|| panic!("no act: {answer:?}"));
    Ok((answer.status, act.to_owned(), answer.text()))
}

/// What an answer, or the last but one event of a stream, says was used.
fn usage(said: &str) -> (u64, u64) {
    let told = match said.strip_suffix("data: [DONE]\n\n") {
        Some(events) => events.trim_end().rsplit("data: ").next().unwrap_or_default(),
        None => said,
    };
    let answer: Value = serde_json::from_str(told).unwrap_or_else(|error| panic!("{error} in: {said}"));
    let tokens = |name: &str| answer["usage"][name].as_u64().unwrap_or_else(|| panic!("no usage: {said}"));
    (tokens("prompt_tokens"), tokens("completion_tokens"))
}

/// What the record says of acts.
#[derive(Debug, Default)]
struct Recorded {
    /// Every allowed act, with each of its settlements: how it ended, and what was charged. Units: minor units.
    allowed: BTreeMap<String, Vec<(Ended, i128)>>,
    refused: BTreeSet<String>,
}

impl Recorded {
    /// Reads it by an audit of all of the record.
    fn read(folder: &Path) -> Self {
        let vkeys = std::fs::read_to_string(folder.join("vkeys")).unwrap();
        let log = Verifier::parse(vkeys.lines().next().unwrap()).unwrap();
        let mut recorded = Self::default();
        let visit = |_, envelope: &[u8], parties: &[u8]| {
            recorded.take(Entry::decode(envelope, parties).map_err(|error| error.to_string())?.body)
        };
        record::audit(&Directory::new(folder), log.name(), &log, visit).unwrap();
        recorded
    }

    fn take(&mut self, body: Body) -> Result<(), String> {
        match body {
            Body::Decided(decided) => {
                let act = decided.act.id.to_string();
                match decided.verdict {
                    Verdict::Allow => drop(self.allowed.insert(act, Vec::new())),
                    Verdict::Deny { .. } => drop(self.refused.insert(act)),
                    Verdict::Escalate { .. } => {}
                }
            }
            Body::Settled(settled) => {
                let charged = settled.charged.map_or(0, |(amount, _)| amount.minor());
                let known = self.allowed.get_mut(&settled.act.to_string());
                known.ok_or("settled before it was allowed")?.push((settled.ended, charged));
            }
            _ => {}
        }
        Ok(())
    }

    /// Every act is settled once, and what clients were told is there as it was told.
    fn holds(&self, told: &Told) {
        for (act, settlements) in &self.allowed {
            assert_eq!(settlements.len(), 1, "act {act} is settled as {settlements:?}");
        }
        for (act, cost) in &told.answered {
            let ended = self.allowed.get(act).map(|settlements| settlements[0]);
            assert_eq!(ended, Some((Ended::Done, *cost)), "act {act} was answered in full");
        }
        let missing: Vec<_> = told.refused.difference(&self.refused).collect();
        assert!(missing.is_empty(), "refusals that were told are not on the record: {missing:?}");
        assert!(!told.answered.is_empty() && !told.refused.is_empty(), "both were told");
    }

    /// What was charged in all. Units: minor units.
    fn charged(&self) -> i128 {
        self.allowed.values().flatten().map(|(_, charged)| charged).sum()
    }
}
