//! Adding a book up again. Not here: statements by period, which need the record's transfers.

use std::collections::BTreeMap;

use crate::{Amount, AssetId, Book};

/// The sums of all accounts of one asset, and of its live reservations.
///
/// Units: minor units of the asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrialBalance {
    /// Pending debits of all accounts.
    pub debits_pending: Amount,
    /// Pending credits of all accounts.
    pub credits_pending: Amount,
    /// Posted debits of all accounts.
    pub debits_posted: Amount,
    /// Posted credits of all accounts.
    pub credits_posted: Amount,
    /// What the live reservations hold.
    pub reserved: Amount,
}

impl TrialBalance {
    /// Whether debits equal credits, posted and pending, and what is pending is what is reserved.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.debits_posted == self.credits_posted
            && self.debits_pending == self.credits_pending
            && self.debits_pending == self.reserved
    }
}

/// Adds up all accounts and reservations, asset by asset.
///
/// Shape: one row for each asset that an account was opened with, in the order of names. Every row
/// [`TrialBalance::agrees`], or the book is broken. No sum can overflow, since a book refuses what would.
#[must_use]
pub fn trial_balance(book: &Book) -> BTreeMap<AssetId, TrialBalance> {
    let mut rows = BTreeMap::<AssetId, TrialBalance>::new();
    for (_, asset, _, balance) in book.accounts() {
        let row = rows.entry(asset.clone()).or_default();
        row.debits_pending = sum(row.debits_pending, balance.debits_pending);
        row.credits_pending = sum(row.credits_pending, balance.credits_pending);
        row.debits_posted = sum(row.debits_posted, balance.debits_posted);
        row.credits_posted = sum(row.credits_posted, balance.credits_posted);
    }
    for reservation in book.reservations() {
        let row = rows.entry(reservation.asset.clone()).or_default();
        row.reserved = sum(row.reserved, reservation.amount);
    }
    rows
}

fn sum(left: Amount, right: Amount) -> Amount {
    match left.checked_add(right) {
        Some(sum) => sum,
        None => unreachable!("a book keeps the sums of an asset within 128 bits"),
    }
}
