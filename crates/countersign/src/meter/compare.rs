//! What a meter saw beside what the operator recorded: pure, and without a network or a clock.
//!
//! Not a verification of either: the lines are those of a journal whose signature holds, the entries those of a record that was audited.
//! They may come in any order among each other, each of them in its own. Memory: what has a line or an entry alone, and some 64 bytes for
//! each act that has both.

mod finding;
mod judge;
mod spans;
#[cfg(test)]
mod tests;

pub(crate) use finding::{Finding, NotCompared, What, Why};

use super::line::{self, Line};
use judge::{Names, Recorded, Settlement};
use partnership::act::{Deed, Digest, Principal};
use partnership::entry::{Body, Entry, Verdict};
use partnership::ids::{ActId, ApplicationId, PartyId, Timestamp};
use spans::Spans;
use std::collections::{BTreeMap, BTreeSet};

/// What is compared.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The party whose applications are behind the meter.
    pub(crate) party: PartyId,
    /// Those applications; all that the party has, where none is named.
    pub(crate) applications: BTreeSet<ApplicationId>,
    /// By what names a model may answer, beside the first that it answered by. Shape: the model asked for, and the name.
    pub(crate) names: Vec<(String, String)>,
    /// How far the two sides' clocks may be apart. Units: milliseconds.
    pub(crate) slack_ms: i64,
}

/// A comparison that goes on as lines and entries come.
#[derive(Debug)]
pub(crate) struct Comparison {
    scope: Scope,
    names: Names,
    spans: Vec<Spans>,
    /// Acts that have not both a line and an end on the record.
    open: BTreeMap<ActId, Pair>,
    /// Acts that were compared.
    judged: BTreeMap<ActId, Once>,
    /// Calls that named no act, since no answer came.
    nameless: Vec<line::Call>,
    findings: Vec<Finding>,
    doubts: Vec<Finding>,
    not_compared: Vec<NotCompared>,
    calls: u64,
    compared: u64,
    /// How far the record has come.
    record_until: Timestamp,
}

/// What is there of one act.
#[derive(Debug, Default)]
struct Pair {
    call: Option<Box<line::Call>>,
    /// When the act last answered the same request again, before it was known whether it may.
    again: Option<Timestamp>,
    recorded: Option<Recorded>,
}

/// What must be the same when an act answers a second call.
#[derive(Debug, Clone, Copy)]
struct Once {
    index: Option<u64>,
    input: Digest,
    /// Whether its caller gave a key by which it may ask again; none where only the record can tell, and has not yet.
    may_repeat: Option<bool>,
}

impl Pair {
    /// The call that is there.
    fn once(&self) -> Option<Once> {
        let recorded = self.recorded.as_ref();
        Some(Once {
            index: recorded.map(|recorded| recorded.index),
            input: self.call.as_ref()?.input.sha256,
            may_repeat: recorded.map(|recorded| recorded.may_repeat),
        })
    }
}

/// What a comparison has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Where the two disagree. In the order of entries, those without one first.
    pub(crate) disagreements: Vec<Finding>,
    /// Where the meter's own count of an answer's text is another, which need be nobody's fault.
    pub(crate) doubts: Vec<Finding>,
    /// Acts that say nothing about each other, and why.
    pub(crate) not_compared: Vec<NotCompared>,
    /// How many calls the meter saw.
    pub(crate) calls: u64,
    /// How many acts have both a line and an end on the record.
    pub(crate) compared: u64,
    /// Calls whose act may still come on the record.
    pub(crate) pending: u64,
}

impl Comparison {
    pub(crate) fn new(scope: Scope) -> Self {
        let names = Names::new(&scope.names);
        Self {
            scope,
            names,
            spans: Vec::new(),
            open: BTreeMap::new(),
            judged: BTreeMap::new(),
            nameless: Vec::new(),
            findings: Vec::new(),
            doubts: Vec::new(),
            not_compared: Vec::new(),
            calls: 0,
            compared: 0,
            record_until: Timestamp::default(),
        }
    }

    /// Takes in the next line of a journal; `journal` tells several meters of one party apart.
    pub(crate) fn line(&mut self, journal: usize, line: Line) {
        while self.spans.len() <= journal {
            self.spans.push(Spans::default());
        }
        if let Some(spans) = self.spans.get_mut(journal) {
            spans.add(&line);
        }
        if let Line::Call(call) = line {
            self.calls = self.calls.saturating_add(1);
            self.call(call);
        }
    }

    fn call(&mut self, call: Box<line::Call>) {
        if call.status == Some(OK)
            && let Some(what) = self.names.answered(&call)
        {
            self.findings.push(Finding { act: call.act, index: None, at: call.at, what });
        }
        let Some(act) = call.act else {
            if call.status == Some(OK) {
                let what = What::Unnamed { path: call.path, model: call.model };
                self.findings.push(Finding { act: None, index: None, at: call.at, what });
            } else if call.status.is_none() {
                self.nameless.push(*call);
            }
            return;
        };
        let known = self.judged.get(&act).copied().or_else(|| self.open.get(&act)?.once());
        if let Some(once) = known {
            let is_same = once.input == call.input.sha256;
            if call.status != Some(OK) {
                return;
            }
            if !is_same || once.may_repeat == Some(false) {
                let what = What::Twice { same_request: is_same };
                self.findings.push(Finding { act: Some(act), index: once.index, at: call.at, what });
            } else if let Some(pair) = self.open.get_mut(&act) {
                pair.again = Some(call.at);
            }
            return;
        }
        self.open.entry(act).or_default().call = Some(call);
        self.judge(act);
    }

    /// Takes in the next entry of the record.
    pub(crate) fn entry(&mut self, index: u64, entry: &Entry) {
        self.record_until = self.record_until.max(entry.at);
        match &entry.body {
            Body::Decided(decided) => {
                let (Principal::Application { party, application, .. }, Deed::Infer(infer)) =
                    (&decided.act.principal, &decided.act.deed)
                else {
                    return;
                };
                if *party != self.scope.party {
                    return;
                }
                let id = decided.act.id;
                self.open.entry(id).or_default().recorded = Some(Recorded {
                    index,
                    at: entry.at,
                    application: application.clone(),
                    model: infer.model.clone(),
                    stream: infer.stream,
                    input_bytes: infer.input_bytes,
                    may_repeat: infer.idempotency.is_some(),
                    is_allowed: decided.verdict == Verdict::Allow,
                    settled: None,
                });
                self.judge(id);
            }
            Body::Settled(settled) => {
                let recorded = self.open.get_mut(&settled.act).and_then(|pair| pair.recorded.as_mut());
                if let Some(recorded) = recorded {
                    recorded.settled = Some(Settlement {
                        index,
                        at: entry.at,
                        ended: settled.ended,
                        usage: settled.usage,
                        estimated: settled.estimated,
                        is_charged: settled.charged.as_ref().is_some_and(|(amount, _)| amount.minor() > 0),
                    });
                    self.judge(settled.act);
                }
            }
            _ => {}
        }
    }

    /// Compares an act that has its line and its end.
    fn judge(&mut self, act: ActId) {
        let is_whole = self.open.get(&act).is_some_and(|pair| {
            pair.call.is_some()
                && pair.recorded.as_ref().is_some_and(|one| !one.is_allowed || one.settled.is_some())
        });
        if !is_whole {
            return;
        }
        let Some(pair) = self.open.remove(&act) else { return };
        self.judged.extend(pair.once().map(|once| (act, once)));
        let Pair { call: Some(call), recorded: Some(recorded), again } = pair else { return };
        let judged = judge::judge(&call, &recorded);
        let index = recorded.settled.as_ref().map_or(recorded.index, |settled| settled.index);
        let found = |what| Finding { act: Some(act), index: Some(index), at: call.at, what };
        self.findings.extend(judged.disagreements.into_iter().map(found));
        self.doubts.extend(judged.doubts.into_iter().map(found));
        self.not_compared.extend(judged.not_compared.map(|why| NotCompared { act, index, why }));
        if let Some(at) = again.filter(|_| !recorded.may_repeat) {
            let what = What::Twice { same_request: true };
            self.findings.push(Finding { act: Some(act), index: Some(recorded.index), at, what });
        }
        self.compared = self.compared.saturating_add(1);
    }

    /// What it has come to, up to the end of what came. `now` is the time where the record is followed as it grows: then an act that is
    /// long missing is missing; else what came after the record's last entry may still come.
    pub(crate) fn findings(&self, now: Option<Timestamp>) -> Findings {
        let mut findings = Findings {
            disagreements: self.findings.clone(),
            doubts: self.doubts.clone(),
            not_compared: self.not_compared.clone(),
            calls: self.calls,
            compared: self.compared,
            pending: 0,
        };
        let mut nameless: Vec<&line::Call> = self.nameless.iter().collect();
        for (act, pair) in &self.open {
            match (&pair.call, &pair.recorded) {
                (Some(call), recorded) => self.unmatched(*act, call, recorded.as_ref(), now, &mut findings),
                (None, Some(recorded)) => self.unseen(*act, recorded, &mut nameless, &mut findings),
                (None, None) => {}
            }
        }
        findings.disagreements.sort_by_key(|finding| (finding.index, finding.at));
        findings
    }

    /// A call whose act is not on the record, or has no end there.
    fn unmatched(
        &self,
        act: ActId,
        call: &line::Call,
        recorded: Option<&Recorded>,
        now: Option<Timestamp>,
        findings: &mut Findings,
    ) {
        let was_answered = call.status == Some(OK) && call.ended == line::Ended::Done;
        // An answer that came whole was decided and settled before its last byte; of one that did not, only the decision must be there.
        let missing = match recorded {
            None if call.status == Some(OK) => {
                What::NotRecorded { path: call.path.clone(), model: call.model.clone() }
            }
            Some(_) if was_answered => What::NotSettled,
            _ => return,
        };
        let is_late = call.at.plus_millis(self.scope.slack_ms) <= self.record_until
            || now.is_some_and(|now| call.at.plus_millis(self.scope.slack_ms.max(LATE_MS)) <= now);
        if is_late {
            let index = recorded.map(|recorded| recorded.index);
            findings.disagreements.push(Finding { act: Some(act), index, at: call.at, what: missing });
        } else {
            findings.pending = findings.pending.saturating_add(1);
        }
    }

    /// An act on the record that the meter has no line of.
    fn unseen(
        &self,
        act: ActId,
        recorded: &Recorded,
        nameless: &mut Vec<&line::Call>,
        findings: &mut Findings,
    ) {
        let Some(settled) = recorded.settled.as_ref().filter(|settled| settled.is_charged) else { return };
        let applications = &self.scope.applications;
        if !applications.is_empty() && !applications.contains(&recorded.application) {
            return;
        }
        let index = settled.index;
        let slack = self.scope.slack_ms;
        let theirs = nameless.iter().position(|call| recorded.may_be(call, slack));
        if let Some(place) = theirs {
            nameless.remove(place);
            findings.not_compared.push(NotCompared { act, index, why: Why::NoAnswer });
        } else if self.spans.iter().any(|spans| spans.hold(recorded.at, settled.at, slack)) {
            let what = What::Unseen {
                application: recorded.application.clone(),
                model: recorded.model.clone(),
                usage: settled.usage,
            };
            findings.disagreements.push(Finding { act: Some(act), index: Some(index), at: settled.at, what });
        } else {
            findings.not_compared.push(NotCompared { act, index, why: Why::Outside });
        }
    }
}

/// The status of an answer.
const OK: u16 = 200;
/// When a record that is followed must have what was answered. Units: milliseconds.
const LATE_MS: i64 = 30_000;
