//! Idempotency keys: which act each belongs to, for 24 hours of the record's time.
//!
//! Not here: the keys themselves, which nothing of ours keeps, nor the answers.

use super::State;
use crate::act::{Act, Deed, Digest};
use crate::decision::Repeated;
use crate::ids::{ActId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How long a key belongs to the act that took it. Units: milliseconds of the record's time, from its decision on.
pub const IDEMPOTENCY_LASTS_MS: i64 = 24 * 60 * 60 * 1000;

/// The keys that belong to an act. What is older than [`IDEMPOTENCY_LASTS_MS`] goes as entries are folded in, so that this holds a
/// day's keys and no more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repeats {
    taken: BTreeMap<Digest, Taken>,
    /// The same by time.
    by_time: BTreeSet<(Timestamp, Digest)>,
}

/// The act that took a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) act: ActId,
    /// When it was decided.
    pub(crate) at: Timestamp,
    /// Its commitment to the request's bytes.
    pub(crate) input: Digest,
}

impl Taken {
    /// Whether the key belongs to the act no more at `at`.
    fn is_over(&self, at: Timestamp) -> bool {
        is_over(self.at, at)
    }
}

impl Repeats {
    /// The keys by digest, each once.
    pub(crate) fn of(taken: BTreeMap<Digest, Taken>) -> Self {
        let by_time = taken.iter().map(|(key, taken)| (taken.at, *key)).collect();
        Self { taken, by_time }
    }

    /// The act that a key belongs to at `at`.
    pub(crate) fn find(&self, key: &Digest, at: Timestamp) -> Option<&Taken> {
        self.taken.get(key).filter(|taken| !taken.is_over(at))
    }

    /// The keys, in order of digest.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Digest, &Taken)> {
        self.taken.iter()
    }

    /// Gives a key to an act.
    pub(super) fn take(&mut self, key: Digest, taken: Taken) {
        self.by_time.insert((taken.at, key));
        if let Some(before) = self.taken.insert(key, taken) {
            self.by_time.remove(&(before.at, key));
        }
    }

    /// Frees a key of an act that came to nothing.
    pub(super) fn free(&mut self, key: &Digest, act: ActId) {
        if let Some(taken) = self.taken.get(key).filter(|taken| taken.act == act) {
            self.by_time.remove(&(taken.at, *key));
            self.taken.remove(key);
        }
    }

    /// Frees what is over at `at`.
    pub(super) fn expire(&mut self, at: Timestamp) {
        while let Some((_, key)) = self.by_time.first().copied().filter(|(taken, _)| is_over(*taken, at)) {
            self.by_time.pop_first();
            self.taken.remove(&key);
        }
    }
}

fn is_over(taken: Timestamp, at: Timestamp) -> bool {
    taken.plus_millis(IDEMPOTENCY_LASTS_MS) <= at
}

impl State {
    /// The act that the idempotency key of `act` belongs to at `at`; none where it came without one, or with one that is free.
    #[must_use]
    pub fn repeated(&self, act: &Act, at: Timestamp) -> Option<Repeated> {
        let taken = self.repeats.find(&key_of(act)?, at)?;
        Some(Repeated { act: taken.act, input: taken.input, open: self.open.contains_key(&taken.act) })
    }
}

/// The idempotency key that an act came with.
pub(super) fn key_of(act: &Act) -> Option<Digest> {
    match &act.deed {
        Deed::Infer(infer) => infer.idempotency,
        _ => None,
    }
}
