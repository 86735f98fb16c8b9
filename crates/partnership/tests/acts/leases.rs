//! Which calls may start while their decisions are being written: no more at once than the lease on the record says.

use super::*;
use ledger::{Amount, AssetId};
use partnership::lease::{Caps, LEASE_LASTS_MS};

impl House {
    /// A partnership whose calls may start early within these caps, with one call made, which brings the lease; all is durable.
    fn lent(calls: u64, amounts: &[(&str, i128)]) -> Self {
        let mut house = Self::founded().with_application();
        house.lend(calls, amounts);
        assert!(!house.starts(10), "there was no lease yet");
        house.sync();
        house
    }

    fn lend(&mut self, calls: u64, amounts: &[(&str, i128)]) {
        let amounts = amounts.iter().map(|(asset, minor)| (AssetId::from(*asset), Amount::new(*minor)));
        self.partnership.lend(Caps { calls, amounts: amounts.collect() });
    }

    /// Whether a call of so many tokens of output may start before its decision is durable. It is allowed in any case.
    fn starts(&mut self, output_tokens_max: u64) -> bool {
        assert!(matches!(self.call(output_tokens_max), Decision::Allow(_)));
        self.started
    }

    /// All that was written is durable.
    fn sync(&mut self) {
        let size = self.partnership.state().entries();
        self.partnership.is_durable_to(size);
    }

    fn leases(&self) -> usize {
        let entries = self.leaves.iter().map(|leaf| Entry::decode(&leaf.envelope, &leaf.parties).unwrap());
        entries.filter(|entry| matches!(entry.body, Body::Lease(_))).count()
    }
}

/// What one call of ten tokens of output reserves.
fn bound(house: &House) -> i128 {
    let terms = house.partnership.state().terms().unwrap();
    terms.tariff(MODEL, house.at.date()).unwrap().reserve(200, 10).unwrap().minor()
}

#[test]
fn nothing_starts_early_unless_the_operator_asks_for_it() {
    let mut house = House::founded().with_application();
    for _ in 0..3 {
        assert!(!house.starts(10));
        house.sync();
    }
    assert_eq!(house.leases(), 0);
}

#[test]
fn a_call_starts_early_only_when_the_lease_itself_is_durable() {
    let mut house = House::founded().with_application();
    house.lend(10, &[("CREDIT", i128::MAX)]);
    assert!(!house.starts(10), "it brings the lease");
    let lease = house.partnership.state().entries();
    house.partnership.is_durable_to(lease - 1);
    assert!(!house.starts(10), "the lease is not durable yet");
    house.partnership.is_durable_to(lease);
    assert!(house.starts(10));
    house.replayed();
}

#[test]
fn no_more_calls_are_undurable_at_once_than_the_lease_says() {
    let mut house = House::lent(3, &[("CREDIT", i128::MAX)]);
    let started = (0..5).map(|_| house.starts(10)).collect::<Vec<_>>();
    assert_eq!(started, [true, true, true, false, false]);
    let first = house.partnership.state().entries() - 5;
    house.partnership.is_durable_to(first + 1);
    assert_eq!([house.starts(10), house.starts(10)], [true, false], "one has become durable");
    house.sync();
    assert_eq!((0..4).map(|_| house.starts(10)).collect::<Vec<_>>(), [true, true, true, false]);
}

#[test]
fn undurable_calls_cost_no_more_together_than_the_lease_says() {
    let cost = bound(&House::founded());
    let mut house = House::lent(100, &[("CREDIT", cost * 3 - 1)]);
    assert_eq!((0..3).map(|_| house.starts(10)).collect::<Vec<_>>(), [true, true, false]);
    house.sync();
    assert!(!house.starts(1000), "one call alone is more than the cap");
    assert!(house.starts(10), "and what did not start early takes no room");
}

#[test]
fn a_call_in_an_asset_that_the_lease_does_not_cap_waits() {
    let mut house = House::lent(100, &[("USD", i128::MAX)]);
    assert!(!house.starts(10));
}

#[test]
fn a_lease_ends_by_the_records_time_and_is_renewed_before() {
    let mut house = House::lent(100, &[("CREDIT", i128::MAX)]);
    house.at = house.at.plus_millis(LEASE_LASTS_MS / 2);
    assert!(house.starts(10), "half of its time is left");
    assert_eq!(house.leases(), 1);
    house.at = house.at.plus_millis(1);
    assert!(house.starts(10));
    assert_eq!(house.leases(), 2, "less than half is left: the next one is written");
    house.at = house.at.plus_millis(LEASE_LASTS_MS);
    house.sync();
    assert!(!house.starts(10), "it has expired");
    house.sync();
    assert!(house.starts(10), "and the call before brought another");
    house.replayed();
}

#[test]
fn other_caps_take_the_place_of_the_old_ones() {
    let mut house = House::lent(100, &[("CREDIT", i128::MAX)]);
    house.lend(1, &[("CREDIT", i128::MAX)]);
    house.starts(10);
    house.sync();
    assert_eq!([house.starts(10), house.starts(10)], [true, false]);
    assert_eq!(house.leases(), 2);
    house.replayed();
}
