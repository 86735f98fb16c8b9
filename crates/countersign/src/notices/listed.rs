//! What is due to be told, what was told when, and what failed: as the command line, the API and the metrics show it.

use super::Receiver;
use super::outbox::{Noted, Tried};
use partnership::State;
use partnership::notices::Notice;
use partnership::state::DeadLetter;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// A notice for one receiver.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Listed {
    /// The notice's id.
    pub(crate) id: String,
    pub(crate) about: &'static str,
    pub(crate) clause: Option<String>,
    pub(crate) parties: Vec<String>,
    pub(crate) text: String,
    /// The receiver's name; none where nobody is told of it.
    pub(crate) receiver: Option<String>,
    /// `due`, `told` or `undelivered`.
    pub(crate) state: &'static str,
    pub(crate) attempts: u64,
    /// When it was last tried, or given up; none before the first attempt.
    pub(crate) at: Option<String>,
    /// Why it was not taken, in one word.
    pub(crate) error: Option<String>,
    /// When it is tried next.
    pub(crate) next: Option<String>,
}

impl Listed {
    /// All of them: those in the outbox, those that the state says are to be told and that nobody has been told of yet, and those that the
    /// record has given up. In order of id, then receiver.
    pub(crate) fn all(
        state: &State,
        now: partnership::ids::Timestamp,
        noted: Vec<Noted>,
        receivers: &[Arc<Receiver>],
    ) -> Vec<Self> {
        let mut notices: BTreeMap<String, (Notice, BTreeMap<String, Tried>)> = BTreeMap::new();
        for notice in state.notices(now) {
            notices.insert(notice.id.clone(), (notice, BTreeMap::new()));
        }
        for Noted { notice, tried, .. } in noted {
            notices.insert(notice.id.clone(), (notice, tried));
        }
        let mut listed = Vec::new();
        for (notice, tried) in notices.into_values() {
            let told =
                receivers.iter().filter(|receiver| receiver.is_told(&notice)).map(|receiver| &receiver.name);
            let names: std::collections::BTreeSet<&String> = tried.keys().chain(told).collect();
            let line = |receiver: &String| {
                let dead = state.dead_letter(&notice.id, receiver);
                Self::of(&notice, Some(receiver), tried.get(receiver), dead)
            };
            listed.extend(names.iter().map(|name| line(name)));
            if names.is_empty() {
                listed.push(Self::of(&notice, None, None, None));
            }
        }
        listed
    }

    fn of(
        notice: &Notice,
        receiver: Option<&String>,
        tried: Option<&Tried>,
        dead: Option<&DeadLetter>,
    ) -> Self {
        let failed = tried.and_then(|tried| tried.failed.as_ref());
        let state = match (dead, tried) {
            (Some(_), _) => "undelivered",
            (None, Some(tried)) if tried.failed.is_none() => "told",
            _ => "due",
        };
        let last = dead.map(|dead| dead.at).or_else(|| tried.map(|tried| tried.at));
        Self {
            id: notice.id.clone(),
            about: notice.about.name(),
            clause: notice.clause.as_ref().map(ToString::to_string),
            parties: notice.parties.iter().map(ToString::to_string).collect(),
            text: notice.text.clone(),
            receiver: receiver.cloned(),
            state,
            attempts: dead
                .map(|dead| dead.attempts)
                .or_else(|| tried.map(|tried| tried.attempts))
                .unwrap_or(0),
            at: last.map(|at| at.to_string()),
            error: dead.map(|dead| dead.error.clone()).or_else(|| failed.map(|(error, _)| error.clone())),
            next: failed.filter(|_| dead.is_none()).map(|(_, next)| next.to_string()),
        }
    }
}

/// How many there are of each state for each receiver, in Prometheus' text format.
pub(crate) fn metrics(listed: &[Listed]) -> String {
    let rows = [
        ("countersign_notices_due", "Notices that a receiver has still to be told", "due"),
        ("countersign_notices_told", "Notices that a receiver was told", "told"),
        (
            "countersign_notices_undelivered",
            "Notices that the record has given up for a receiver",
            "undelivered",
        ),
    ];
    let mut text = String::new();
    for (name, help, state) in rows {
        let head = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        debug_assert!(head.is_ok(), "a string takes all text");
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for line in listed {
            if let Some(receiver) = &line.receiver {
                let count = counts.entry(receiver).or_default();
                *count = count.saturating_add(u64::from(line.state == state));
            }
        }
        for (receiver, count) in counts {
            let row = writeln!(text, "{name}{{receiver=\"{receiver}\"}} {count}");
            debug_assert!(row.is_ok(), "a string takes all text");
        }
    }
    text
}
