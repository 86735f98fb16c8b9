//! The part of a snapshot that is kept for notices: since when models are suspended, and what could not be delivered.

use crate::act::text as integer;
use crate::ids::{ModelId, Timestamp};
use crate::state::DeadLetter;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A model that is suspended.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuspendedText {
    model: ModelId,
    since: Timestamp,
}

/// One notice that was given up for one receiver.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeadText {
    notice: String,
    receiver: String,
    at: Timestamp,
    error: String,
    #[serde(with = "integer")]
    attempts: u64,
}

pub(super) fn suspended(since: &BTreeMap<ModelId, Timestamp>) -> Vec<SuspendedText> {
    since.iter().map(|(model, since)| SuspendedText { model: model.clone(), since: *since }).collect()
}

pub(super) fn read_suspended(SuspendedText { model, since }: SuspendedText) -> (ModelId, Timestamp) {
    (model, since)
}

pub(super) fn dead(dead: &BTreeMap<(String, String), DeadLetter>) -> Vec<DeadText> {
    let text = |((notice, receiver), letter): (&(String, String), &DeadLetter)| {
        let DeadLetter { at, error, attempts } = letter.clone();
        DeadText { notice: notice.clone(), receiver: receiver.clone(), at, error, attempts }
    };
    dead.iter().map(text).collect()
}

pub(super) fn read_dead(text: DeadText) -> ((String, String), DeadLetter) {
    let DeadText { notice, receiver, at, error, attempts } = text;
    ((notice, receiver), DeadLetter { at, error, attempts })
}
