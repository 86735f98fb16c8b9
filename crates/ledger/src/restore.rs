//! A book put together again from its accounts and its live reservations. Not here: how those are written down.

use std::collections::BTreeMap;

use crate::{AccountId, Amount, AssetId, Balance, Book, Limit, Operation, Transfer, TransferId};

/// Why accounts and reservations are not those of a book. Variants stand in order of precedence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Two accounts have one name.
    #[error("account `{0}` stands twice")]
    Twice(AccountId),
    /// A reservation is none, stands twice, or is between accounts that are not open in its asset.
    #[error("`{0}` is no reservation between open accounts of its asset")]
    Reservation(TransferId),
    /// A sum is negative, too large, beyond the account's limit, or pending without a reservation.
    #[error("the sums of account `{0}` are not those of a book")]
    Sums(AccountId),
    /// Debits and credits differ.
    #[error("the debits of `{0}` are not its credits")]
    Unbalanced(AssetId),
}

/// One account of a book that is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Its name.
    pub id: AccountId,
    /// Its asset.
    pub asset: AssetId,
    /// Its limit.
    pub limit: Limit,
    /// Its four sums.
    pub balance: Balance,
}

impl Book {
    /// The book with these accounts, in the order in which they were opened, and these live reservations.
    ///
    /// Errors: [`RestoreError`], the first that holds; every invariant of a book is checked.
    pub fn restore(
        accounts: impl IntoIterator<Item = Opened>,
        reservations: impl IntoIterator<Item = Transfer>,
    ) -> Result<Self, RestoreError> {
        let mut book = Self::new();
        for Opened { id, asset, limit, balance } in accounts {
            if book.is_open(&id) || book.open(&id, &asset, limit).is_err() {
                return Err(RestoreError::Twice(id));
            }
            book.put(&id, balance).ok_or(RestoreError::Sums(id))?;
        }
        let mut pending = BTreeMap::new();
        for transfer in reservations {
            let id = transfer.id;
            book.hold(transfer, &mut pending).ok_or(RestoreError::Reservation(id))?;
        }
        book.check_sums(&pending)?;
        Ok(book)
    }

    fn hold(&mut self, transfer: Transfer, pending: &mut BTreeMap<AccountId, (i128, i128)>) -> Option<()> {
        let fits = |account| self.asset_of(account) == Some(&transfer.asset);
        let is_reservation = matches!(transfer.operation, Operation::Reserve { .. });
        let is_new = self.reservation(transfer.id).is_none() && transfer.debit != transfer.credit;
        if !is_reservation || !is_new || !fits(&transfer.debit) || !fits(&transfer.credit) {
            return None;
        }
        let minor = Some(transfer.amount.minor()).filter(|minor| *minor >= 0)?;
        let (debits, _) = pending.entry(transfer.debit.clone()).or_default();
        *debits = debits.checked_add(minor)?;
        let (_, credits) = pending.entry(transfer.credit.clone()).or_default();
        *credits = credits.checked_add(minor)?;
        self.remember(transfer);
        Some(())
    }

    fn check_sums(&self, pending: &BTreeMap<AccountId, (i128, i128)>) -> Result<(), RestoreError> {
        let mut totals: BTreeMap<&AssetId, (i128, i128)> = BTreeMap::new();
        for (id, asset, limit, balance) in self.accounts() {
            let held = pending.get(id).copied().unwrap_or_default();
            let has = (balance.debits_pending.minor(), balance.credits_pending.minor());
            let overdrawn = limit == Limit::DebitsWithinCredits && balance.available() < 0;
            let wrong = || RestoreError::Sums(id.clone());
            if held != has || overdrawn {
                return Err(wrong());
            }
            let (debits, credits) = totals.entry(asset).or_default();
            *debits = debits.checked_add(balance.debits_posted.minor()).ok_or_else(wrong)?;
            *credits = credits.checked_add(balance.credits_posted.minor()).ok_or_else(wrong)?;
        }
        match totals.into_iter().find(|(_, (debits, credits))| debits != credits) {
            Some((asset, _)) => Err(RestoreError::Unbalanced(asset.clone())),
            None => Ok(()),
        }
    }
}

/// What is posted and pending on the debit side; `None` where a sum is negative or the two sides do not fit in 128 bits.
pub(crate) fn debited(balance: &Balance) -> Option<Amount> {
    let sums =
        [balance.debits_pending, balance.credits_pending, balance.debits_posted, balance.credits_posted];
    balance.credits_pending.checked_add(balance.credits_posted)?;
    let debited = balance.debits_pending.checked_add(balance.debits_posted)?;
    sums.iter().all(|sum| *sum >= Amount::ZERO).then_some(debited)
}
