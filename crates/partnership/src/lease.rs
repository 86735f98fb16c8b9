//! Leases: how much may be under way at once while its decisions are still being written.
//!
//! No reservation: a lease moves no money, and each call reserves its own bound as ever. Not here either: when an answer may leave; that
//! waits for the decision in any case.

use crate::act::Deed;
use crate::entry::Lease;
use crate::ids::Timestamp;
use crate::state::Open;
use ledger::{Amount, AssetId};
use std::collections::{BTreeMap, VecDeque};

/// How long a lease lasts. Units: milliseconds.
pub const LEASE_LASTS_MS: i64 = 24 * 60 * 60 * 1000;

/// What the operator asks of each lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// How many calls may be under way undurable at once; above zero.
    pub calls: u64,
    /// What they may cost together, in each asset; each above zero. Units: minor units.
    pub amounts: BTreeMap<AssetId, Amount>,
}

impl Caps {
    /// The lease to write at `at`, if none that is in force says the same for half its time to come.
    pub(crate) fn due(&self, in_force: Option<&Lease>, at: Timestamp) -> Option<Lease> {
        let lasts = in_force.is_some_and(|lease| {
            let is_the_same = lease.calls == self.calls && lease.amounts == self.amounts;
            is_the_same && at.plus_millis(LEASE_LASTS_MS / 2) <= lease.expires
        });
        let expires = at.plus_millis(LEASE_LASTS_MS);
        (!lasts).then(|| Lease { at, expires, calls: self.calls, amounts: self.amounts.clone() })
    }
}

impl Lease {
    /// Whether an honest clerk could have written it: caps above zero, and an end within a day.
    pub(crate) fn is_sound(&self) -> bool {
        let ends = self.at < self.expires && self.expires <= self.at.plus_millis(LEASE_LASTS_MS);
        ends && self.calls > 0 && self.amounts.values().all(|amount| amount.minor() > 0)
    }
}

/// The calls that were started before their decisions were durable, and still are so.
///
/// Not a part of the state: a record does not say when its entries became durable.
#[derive(Debug, Default)]
pub(crate) struct Exposure {
    /// In order of their decisions.
    started: VecDeque<Started>,
    amounts: BTreeMap<AssetId, Amount>,
}

#[derive(Debug)]
struct Started {
    index: u64,
    bound: Option<(AssetId, Amount)>,
}

impl Exposure {
    /// Entries below `durable` are durable now.
    pub(crate) fn recede(&mut self, durable: u64) {
        while let Some(started) = self.started.pop_front_if(|started| started.index < durable) {
            let Some((asset, amount)) = started.bound else { continue };
            if let Some(sum) = self.amounts.get_mut(&asset) {
                *sum = sum.checked_sub(amount).unwrap_or_default();
            }
        }
    }

    /// Takes a call that was just allowed if `lease` has room for it; then it may start at once.
    pub(crate) fn take(&mut self, lease: &Lease, open: &Open, at: Timestamp) -> bool {
        let Deed::Infer(infer) = &open.act.deed else { return false };
        let bound = match &open.tariff {
            None => None,
            Some(tariff) => match tariff.reserve(infer.input_tokens_max, infer.output_tokens_max) {
                Ok(amount) => Some((tariff.asset.clone(), amount)),
                Err(_) => return false,
            },
        };
        let calls = u64::try_from(self.started.len()).unwrap_or(u64::MAX);
        if lease.expires <= at || calls >= lease.calls {
            return false;
        }
        if let Some((asset, amount)) = &bound {
            let sum = self.amounts.get(asset).copied().unwrap_or_default().checked_add(*amount);
            match (sum, lease.amounts.get(asset)) {
                (Some(sum), Some(cap)) if sum <= *cap => drop(self.amounts.insert(asset.clone(), sum)),
                _ => return false,
            }
        }
        self.started.push_back(Started { index: open.index, bound });
        true
    }
}
