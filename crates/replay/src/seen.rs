//! The ids of all acts that were decided, so that none is decided twice. Not here: what became of them.
//!
//! Ids of version 7 begin with the time at which they were made, so they come nearly in order. They are kept in one sorted row, 16 bytes
//! each; one that comes a little late is put in its place near the end, and one that comes very late is kept aside, so that no
//! order of ids makes this slow.

use std::collections::BTreeSet;

/// How far from the end an id is still put in its place. Moving so many takes less time than reading an entry.
const NEAR: usize = 512;

/// A set of ids.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    row: Vec<u128>,
    late: BTreeSet<u128>,
}

impl Seen {
    /// Whether the id is new; then it is added.
    pub(crate) fn insert(&mut self, id: u128) -> bool {
        if self.row.last().is_none_or(|last| *last < id) {
            self.row.push(id);
            return true;
        }
        let from = self.row.len().saturating_sub(NEAR);
        let near = self.row.get(from..).unwrap_or_default();
        if near.first().is_some_and(|first| *first <= id) {
            return match near.binary_search(&id) {
                Ok(_) => false,
                Err(place) => {
                    self.row.insert(from.saturating_add(place), id);
                    true
                }
            };
        }
        self.row.binary_search(&id).is_err() && self.late.insert(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_in_whatever_order_they_come() {
        let mut step = 1_u128;
        let orders: [Box<dyn Fn(u128) -> u128>; 4] = [
            Box::new(|n| n),
            Box::new(|n| 100_000 - n),
            Box::new(|n| (n / 8) * 1000 + (n * 7919) % 1000),
            Box::new(|n| (n * 48_271) % 65_537),
        ];
        for order in orders {
            let (mut seen, mut plain) = (Seen::default(), BTreeSet::new());
            for n in 0..20_000 {
                let id = order(n);
                assert_eq!(seen.insert(id), plain.insert(id), "{id}");
                step = (step * 48_271) % 2_147_483_647;
                let before = order(step % (n + 1));
                assert!(!seen.insert(before), "{before} was there");
            }
        }
    }
}
