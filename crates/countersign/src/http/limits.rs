//! Requests a minute: a key that has one asks no more often, whichever minute one looks at.
//!
//! Not on the record one by one: what is refused here is no act. It is counted, and one entry a minute says how often.

use crate::clock::Clock;
use partnership::act::Key;
use partnership::entry::Refused;
use partnership::ids::KeyId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// How many keys one tally counts. A line takes about 60 bytes, and an entry has 61,440.
const TALLIED_MAX: usize = 500;

/// Who has asked how often within the last minute.
#[derive(Debug)]
pub(crate) struct Limits {
    clock: Clock,
    keys: Mutex<BTreeMap<KeyId, Asked>>,
}

#[derive(Debug, Default)]
struct Asked {
    /// When the requests of the last minute were let in, oldest first.
    at: VecDeque<Instant>,
    /// Refused since the last tally.
    refused: u64,
}

/// What a limited key is told with each answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Requests allowed in a minute.
    pub(crate) limit: u64,
    /// Requests it could still make at once.
    pub(crate) remaining: u64,
    /// When the oldest request leaves the minute that is looked at.
    pub(crate) reset: Duration,
    /// Whether this request is let in.
    pub(crate) admitted: bool,
}

impl Limits {
    /// Limits that nobody has used.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, keys: Mutex::default() }
    }

    /// Counts a request of this key; none where the key has no limit.
    pub(crate) fn ask(&self, key: &Key) -> Option<Allowance> {
        let limit = key.requests_per_minute?;
        let now = self.clock.steady();
        Some(self.keys().entry(key.id.clone()).or_default().ask(limit, now))
    }

    /// What was refused since the last tally, in order of key, in as many tallies as it takes; forgets it, and the keys that
    /// have not asked for a minute.
    pub(crate) fn tallies(&self) -> Vec<Vec<Refused>> {
        let now = self.clock.steady();
        let mut keys = self.keys();
        let take = |(key, asked): (&KeyId, &mut Asked)| {
            let count = std::mem::take(&mut asked.refused);
            (count > 0).then(|| Refused { key: key.clone(), count })
        };
        let refused: Vec<Refused> = keys.iter_mut().filter_map(take).collect();
        keys.retain(|_, asked| {
            asked.at.back().is_some_and(|last| now.saturating_duration_since(*last) < MINUTE)
        });
        refused.chunks(TALLIED_MAX).map(<[Refused]>::to_vec).collect()
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<KeyId, Asked>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn ask(&mut self, limit: u64, now: Instant) -> Allowance {
        while self.at.front().is_some_and(|first| now.saturating_duration_since(*first) >= MINUTE) {
            self.at.pop_front();
        }
        let within = u64::try_from(self.at.len()).unwrap_or(u64::MAX);
        let admitted = within < limit;
        if admitted {
            self.at.push_back(now);
        } else {
            self.refused = self.refused.saturating_add(1);
        }
        let oldest = self.at.front().map_or(Duration::ZERO, |first| now.saturating_duration_since(*first));
        Allowance {
            limit,
            remaining: limit.saturating_sub(within).saturating_sub(u64::from(admitted)),
            reset: MINUTE.saturating_sub(oldest),
            admitted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use partnership::act::Digest;
    use partnership::entry::{Body, Entry, Tally};
    use record::bundle::ENTRY_BYTES_MAX;

    #[test]
    fn no_minute_holds_more_than_the_limit() {
        let begun = Clock.steady();
        let mut asked = Asked::default();
        let mut admitted = Vec::new();
        for second in 0..300 {
            let now = begun + Duration::from_secs(second);
            if asked.ask(7, now).admitted {
                admitted.push(now);
            }
        }
        for from in &admitted {
            let within = admitted.iter().filter(|at| *at >= from && **at - *from < MINUTE).count();
            assert!(within <= 7, "{within} within a minute");
        }
        assert_eq!(admitted.len(), 35, "and each minute holds as many as it may");
        assert_eq!(asked.refused, 300 - 35);
    }

    #[test]
    fn what_many_keys_were_refused_is_told_in_tallies_that_fit_into_an_entry() {
        let limits = Limits::new(Clock);
        let asked = |number: usize| Key {
            id: format!("{number:016x}").as_str().into(),
            application: "assistant".into(),
            secret: Digest([0; 32]),
            requests_per_minute: Some(0),
            budget: None,
            expires: None,
        };
        let keys: Vec<Key> = (0..1_201).map(asked).collect();
        keys.iter().for_each(|key| assert!(!limits.ask(key).unwrap().admitted));
        let tallies = limits.tallies();
        let told: Vec<&KeyId> = tallies.iter().flatten().map(|refused| &refused.key).collect();
        assert_eq!(told, keys.iter().map(|key| &key.id).collect::<Vec<_>>(), "each key once, in order");
        for mut refused in tallies {
            refused.iter_mut().for_each(|one| one.count = u64::MAX);
            let at = Clock.now();
            let entry = Entry::new(&[255; 32], at, Body::Tally(Tally { at, refused }));
            assert!(entry.encode().parties.len() <= ENTRY_BYTES_MAX);
        }
        assert!(limits.tallies().is_empty(), "it is told once");
    }

    #[test]
    fn what_remains_and_when_more_is_let_in_is_told() {
        let now = Clock.steady();
        let mut asked = Asked::default();
        let first = asked.ask(2, now);
        assert_eq!((first.remaining, first.admitted), (1, true));
        asked.ask(2, now + Duration::from_secs(10));
        let third = asked.ask(2, now + Duration::from_secs(20));
        assert_eq!((third.remaining, third.admitted, third.reset), (0, false, Duration::from_secs(40)));
    }
}
