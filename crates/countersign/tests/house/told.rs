//! What callers of a server were told in full, and whether its record says the same: the judge of every test that breaks a server.
//!
//! Not here: how it is broken (`kills`, `disk`, `room`, `clock`).

use crate::dice::mixed;
use crate::http::{Client, Request};
use crate::server::{Folder, MODEL, cost};
use partnership::act::Ended;
use partnership::entry::{Body, Entry, Verdict};
use record::note::Verifier;
use record::store::directory::Directory;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Says one line to whoever watches a long test.
#[expect(clippy::print_stdout, reason = "a seed or a count is of use only where it is seen")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// A request for `max_tokens` of output, streamed or not.
pub(crate) fn chat(max_tokens: u64, stream: bool) -> String {
    let options = if stream { r#","stream":true,"stream_options":{"include_usage":true}"# } else { "" };
    format!(
        r#"{{"model":"{MODEL}","max_tokens":{max_tokens}{options},"messages":[{{"role":"user","content":"What is a ledger?"}}]}}"#
    )
}

/// What one caller was told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// An answer in full, of this act, whose usage costs so much. Units: minor units.
    Answered(String, i128),
    /// That this act is refused.
    Refused(String),
    /// 503: nothing was decided, or what was could not be settled.
    Unavailable,
    /// A stream that ended with an event which tells of an error, and without `[DONE]`.
    Broken,
}

impl Said {
    /// Asks, and reads the answer to its end.
    ///
    /// Errors: where it is cut off.
    pub(crate) fn by(client: &mut Client, request: Request<'_>) -> io::Result<Self> {
        let answer = client.ask(request)?;
        let act = || {
            let act = answer.headers.value("countersign-act");
            act.unwrap_or_else(|| panic!("no act: {answer:?}")).to_owned()
        };
        let text = answer.text();
        Ok(match answer.status {
            200 if is_broken(&text) => Self::Broken,
            200 => Self::Answered(act(), cost(usage(&text))),
            403 => Self::Refused(act()),
            503 => Self::Unavailable,
            other => panic!("status {other}: {text}"),
        })
    }
}

/// Whether an answer is a stream that ends with an error.
fn is_broken(said: &str) -> bool {
    let last = said.trim_end().rsplit("data: ").next().unwrap_or_default();
    said.starts_with("data: ") && last.starts_with(r#"{"error":"#)
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

/// What clients were told in full.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The acts that were answered, with what their usage costs. Units: minor units.
    pub(crate) answered: BTreeMap<String, i128>,
    pub(crate) refused: BTreeSet<String>,
    /// How many were told that nothing can be written.
    pub(crate) unavailable: u64,
}

impl Told {
    pub(crate) fn extend(&mut self, other: Self) {
        self.answered.extend(other.answered);
        self.refused.extend(other.refused);
        self.unavailable += other.unavailable;
    }

    fn note(&mut self, said: Said) {
        match said {
            Said::Answered(act, cost) => drop(self.answered.insert(act, cost)),
            Said::Refused(act) => drop(self.refused.insert(act)),
            Said::Unavailable | Said::Broken => self.unavailable += 1,
        }
    }
}

/// How callers learn that they should stop, and how many answers there were.
#[derive(Debug, Default)]
pub(crate) struct Rush {
    pub(crate) answers: AtomicU64,
    pub(crate) stops: AtomicBool,
}

/// Tells callers to stop when it is dropped, by a test that has failed too.
struct Stop<'a>(&'a Rush);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stops.store(true, Ordering::SeqCst);
    }
}

/// Calls until the connection fails, or until told to stop. One caller in four streams, and one alone asks for what is forbidden.
pub(crate) fn calls(url: &str, key: &str, number: usize, rush: &Rush) -> Told {
    let (mut client, mut told) = (Client::new(url), Told::default());
    let body = match number {
        1 => chat(1200, false),
        _ => chat(100, number.is_multiple_of(4)),
    };
    while !rush.stops.load(Ordering::SeqCst) {
        let Ok(said) = Said::by(&mut client, Request::chat(key, &body)) else { break };
        if matches!(said, Said::Unavailable | Said::Broken) {
            // Whoever is sent away asks again a little later, as clients do.
            let ms = 5 + mixed(u64::try_from(number).unwrap_or(0)) % 20;
            thread::sleep(Duration::from_millis(ms));
        }
        told.note(said);
        rush.answers.fetch_add(1, Ordering::SeqCst);
    }
    told
}

/// Lets callers call while `meanwhile` runs, then tells them to stop, and gives what they were told.
pub(crate) fn while_called<T>(
    url: &str,
    key: &str,
    callers: usize,
    meanwhile: impl FnOnce(&Rush) -> T,
) -> (Told, T) {
    let rush = Rush::default();
    thread::scope(|scope| {
        let rush = &rush;
        let callers: Vec<_> =
            (0..callers).map(|number| scope.spawn(move || calls(url, key, number, rush))).collect();
        let stop = Stop(rush);
        let result = meanwhile(rush);
        drop(stop);
        let mut told = Told::default();
        callers.into_iter().for_each(|caller| told.extend(caller.join().unwrap()));
        (told, result)
    })
}

/// What the record says of acts.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// Every allowed act, with each of its settlements: how it ended, and what was charged. Units: minor units.
    pub(crate) allowed: BTreeMap<String, Vec<(Ended, i128)>>,
    refused: BTreeSet<String>,
    /// How many entries note a step of the clock.
    pub(crate) steps: u64,
}

impl Recorded {
    /// Reads it by an audit of all of the record, whose times must not go back.
    pub(crate) fn read(folder: &Path) -> Self {
        let vkeys = std::fs::read_to_string(folder.join("vkeys")).unwrap();
        let log = Verifier::parse(vkeys.lines().next().unwrap()).unwrap();
        let (mut recorded, mut before) = (Self::default(), None);
        let visit = |_, envelope: &[u8], parties: &[u8]| {
            let entry = Entry::decode(envelope, parties).map_err(|error| error.to_string())?;
            if before.replace(entry.at).is_some_and(|before| entry.at < before) {
                return Err(format!("time goes back to {}", entry.at));
            }
            recorded.take(entry.body)
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
            Body::Clock(_) => self.steps += 1,
            _ => {}
        }
        Ok(())
    }

    /// Every act is settled once, and what clients were told is there as it was told.
    pub(crate) fn holds(&self, told: &Told) {
        for (act, settlements) in &self.allowed {
            assert_eq!(settlements.len(), 1, "act {act} is settled as {settlements:?}");
        }
        for (act, cost) in &told.answered {
            let ended = self.allowed.get(act).map(|settlements| settlements[0]);
            assert_eq!(ended, Some((Ended::Done, *cost)), "act {act} was answered in full");
        }
        let missing: Vec<_> = told.refused.difference(&self.refused).collect();
        assert!(missing.is_empty(), "refusals that were told are not on the record: {missing:?}");
    }

    /// What was charged in all. Units: minor units.
    pub(crate) fn charged(&self) -> i128 {
        self.allowed.values().flatten().map(|(_, charged)| charged).sum()
    }
}

/// Starts the server once more and stops it: the record holds, agrees with what was told, and what it charged is what is gone of
/// the grant, which was `granted`. Units: minor units.
pub(crate) fn holds_after_all(folder: &Folder, granted: i128, told: &Told) -> Recorded {
    let server = folder.serve(&[]);
    let (live, pool) = (folder.said(&["balance"]), folder.pool());
    server.stop();
    assert_eq!(folder.verified()["balances"], live, "the books replayed are the books that were live");
    let recorded = Recorded::read(&folder.dir.join("record"));
    recorded.holds(told);
    assert_eq!(pool, (granted - recorded.charged(), 0), "what is charged is what is gone");
    recorded
}

#[test]
fn an_answer_is_told_from_a_broken_one() {
    let error = "data: {\"error\":{\"message\":\"m\"}}\n\n";
    let chunk = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n";
    assert!(is_broken(&format!("{chunk}{error}")) && is_broken(error));
    let whole = format!("{chunk}data: [DONE]\n\n");
    assert!(!is_broken(&whole));
    assert_eq!(usage(&whole), (1, 2));
}
