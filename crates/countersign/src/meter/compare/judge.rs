//! One call beside the entries of its act.

use super::OK;
use super::finding::{Of, What, Why};
use crate::meter::line::{By, Call, Count, Ended};
use partnership::act::{self, Usage};
use partnership::ids::{ApplicationId, ModelId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What the record has of an act.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) index: u64,
    pub(super) at: Timestamp,
    pub(super) application: ApplicationId,
    pub(super) model: ModelId,
    pub(super) stream: bool,
    pub(super) input_bytes: u64,
    pub(super) may_repeat: bool,
    pub(super) is_allowed: bool,
    pub(super) settled: Option<Settlement>,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Settlement {
    pub(super) index: u64,
    pub(super) at: Timestamp,
    pub(super) ended: act::Ended,
    pub(super) usage: Option<Usage>,
    pub(super) estimated: bool,
    pub(super) is_charged: bool,
}

/// What a comparison of one call comes to.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) disagreements: Vec<What>,
    pub(super) doubts: Vec<What>,
    pub(super) not_compared: Option<Why>,
}

/// Compares a call with its act, whose entries are there up to its end.
pub(super) fn judge(call: &Call, recorded: &Recorded) -> Judged {
    let mut judged = Judged::default();
    if let Some(asked) = call.model.as_ref().filter(|asked| asked.as_str() != recorded.model.as_str()) {
        judged.disagreements.push(What::Model { asked: asked.clone(), recorded: recorded.model.clone() });
    }
    let (measured, kept) = ((call.input.bytes, call.stream), (recorded.input_bytes, recorded.stream));
    // What is sent to an address that names the model is recorded with that name within it.
    let is_as_sent = measured.0 == kept.0 || call.path.contains("/deployments/");
    if !is_as_sent || measured.1 != kept.1 {
        judged.disagreements.push(What::Request { measured, recorded: kept });
    }
    match (&recorded.settled, call.status) {
        (None, Some(OK)) => judged.disagreements.push(What::Refused),
        (Some(settled), Some(OK)) => judged.answered(call, settled),
        (Some(settled), Some(status)) if settled.is_charged => {
            judged.disagreements.push(What::Charged { status, usage: settled.usage });
        }
        _ => {}
    }
    judged
}

impl Judged {
    fn answered(&mut self, call: &Call, settled: &Settlement) {
        match (call.ended, settled.ended) {
            (_, act::Ended::Done) if call.counts.is_empty() => {
                let cut = matches!(call.ended, Ended::Cut | Ended::Left);
                self.not_compared = Some(if cut { Why::Cancelled } else { Why::NoCount });
            }
            (_, act::Ended::Done) => call.counts.iter().for_each(|count| self.counted(count, settled)),
            // Its last byte leaves the operator when it is settled as done.
            (Ended::Done, ended) => {
                self.disagreements.push(What::Ended { measured: call.ended, settled: ended });
            }
            (_, act::Ended::Cancelled) => self.not_compared = Some(Why::Cancelled),
            // Broken off on the operator's side: nothing is charged.
            _ => {}
        }
    }

    fn counted(&mut self, count: &Count, settled: &Settlement) {
        let usage = settled.usage.unwrap_or_default();
        let both = [
            (Of::Input, count.input_tokens, usage.input_tokens),
            (Of::Output, count.output_tokens, usage.output_tokens),
        ];
        for (of, measured, settled_tokens) in both {
            if measured == settled_tokens {
                continue;
            }
            let what = What::Count { of, by: count.by, measured, settled: settled_tokens };
            // The text of an answer may have been said in more tokens than it is cut into, and an operator whose upstream tells no usage
            // estimates by a stated rule.
            let is_sure = match (count.by, of) {
                (By::Usage, _) => true,
                (By::Tokenizer, Of::Input) => !settled.estimated,
                (By::Tokenizer, Of::Output) => false,
            };
            if is_sure { &mut self.disagreements } else { &mut self.doubts }.push(what);
        }
    }
}

impl Recorded {
    /// Whether a call whose answer never came may be this one. Units of `slack_ms`: milliseconds.
    pub(super) fn may_be(&self, call: &Call, slack_ms: i64) -> bool {
        let (from, to) = (call.began.plus_millis(slack_ms.saturating_neg()), call.at.plus_millis(slack_ms));
        let is_same = call.model.as_deref() == Some(self.model.as_str())
            && call.stream == self.stream
            && (call.input.bytes == self.input_bytes || call.path.contains("/deployments/"));
        is_same && from <= self.at && self.at <= to
    }
}

/// By which names models have answered.
#[derive(Debug)]
pub(super) struct Names(BTreeMap<String, Known>);

#[derive(Debug, Default)]
struct Known {
    first: Option<String>,
    others: BTreeSet<String>,
}

impl Names {
    /// Names that are known beforehand: the model asked for, and a name that it may answer by.
    pub(super) fn new(given: &[(String, String)]) -> Self {
        let mut names: BTreeMap<String, Known> = BTreeMap::new();
        for (asked, answered) in given {
            let known = names.entry(asked.clone()).or_default();
            known.first.get_or_insert_with(|| answered.clone());
            known.others.insert(answered.clone());
        }
        Self(names)
    }

    /// Takes in an answer, and finds whether its model answers by a name that it has not had. The first counts as known, since many are
    /// asked for by one name and answer by that of a version.
    pub(super) fn answered(&mut self, call: &Call) -> Option<What> {
        let (asked, answered) = (call.model.as_ref()?, call.answered.as_ref()?);
        let known = self.0.entry(asked.clone()).or_default();
        let first = known.first.get_or_insert_with(|| answered.clone());
        if first == answered || asked == answered || known.others.contains(answered) {
            return None;
        }
        Some(What::Name { asked: asked.clone(), answered: answered.clone(), known: first.clone() })
    }
}
