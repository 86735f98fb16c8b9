//! Which act each idempotency key belongs to, for a day of the record's time. Not the keys themselves, of which the record has digests.

use crate::act_id::ActId;
use crate::moment::Moment;
use record::Hash;
use std::collections::{BTreeMap, VecDeque};

/// The keys that belong to an act. Memory: those of the last day.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repeats {
    pub(crate) taken: BTreeMap<Hash, (ActId, i64)>,
    /// When each was taken, oldest first; some may be free again, or taken anew.
    pub(crate) in_order: VecDeque<(i64, Hash)>,
}

impl Repeats {
    /// Gives a key to an act that is allowed at `at`, or says whose it is.
    pub(crate) fn take(&mut self, key: Hash, act: ActId, at: Moment) -> Result<(), ActId> {
        let now = at.millis();
        self.free_until(now.saturating_sub(LASTS_MS));
        if let Some((owner, _)) = self.taken.get(&key) {
            return Err(*owner);
        }
        self.taken.insert(key, (act, now));
        self.in_order.push_back((now, key));
        Ok(())
    }

    /// Frees a key, if it is that of an act that came to nothing.
    pub(crate) fn free(&mut self, key: &Hash, act: ActId) {
        if self.taken.get(key).is_some_and(|(owner, _)| *owner == act) {
            self.taken.remove(key);
        }
    }

    fn free_until(&mut self, last: i64) {
        while let Some((at, key)) = self.in_order.front().copied().filter(|(at, _)| *at <= last) {
            self.in_order.pop_front();
            if self.taken.get(&key).is_some_and(|(_, taken)| *taken == at) {
                self.taken.remove(&key);
            }
        }
    }
}

/// How long a key belongs to its act. Units: milliseconds of the record's time.
const LASTS_MS: i64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_free_after_a_day_and_no_sooner() {
        let at = |text: &[u8; 24]| Moment::parse(text).unwrap();
        let (first, second) = (ActId(1), ActId(2));
        let mut repeats = Repeats::default();
        repeats.take([1; 32], first, at(b"2026-11-24T03:00:00.000Z")).unwrap();
        let early = repeats.take([1; 32], second, at(b"2026-11-25T02:59:59.999Z"));
        assert_eq!(early, Err(first));
        repeats.take([1; 32], second, at(b"2026-11-25T03:00:00.000Z")).unwrap();
        assert_eq!(repeats.take([1; 32], first, at(b"2026-11-25T03:00:00.000Z")), Err(second));
        assert_eq!((repeats.taken.len(), repeats.in_order.len()), (1, 1));
    }
}
