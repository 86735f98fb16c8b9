//! The book: accounts, their balances, and the reservations that are alive. Not here: past transfers, which
//! the record keeps; a reservation is forgotten once it ends, so memory grows with what is open, not with time.

use std::collections::{BTreeMap, BTreeSet};

use crate::draft::{Changes, Draft};
use crate::restore::debited;
use crate::{AccountId, Amount, AssetId, Balance, Limit, Transfer, TransferError, TransferId};

/// Accounts with their balances and live reservations.
///
/// Invariants, for each asset: debits equal credits, posted and pending alike; pending sums equal the live
/// reservations; an account with [`Limit::DebitsWithinCredits`] has an available balance of at least zero.
/// Two books are equal when accounts, balances and reservations are, in whatever order they were opened.
#[derive(Debug, Clone, Default)]
pub struct Book {
    accounts: Vec<Account>,
    account_places: BTreeMap<AccountId, usize>,
    assets: Vec<Asset>,
    asset_places: BTreeMap<AssetId, usize>,
    reservations: BTreeMap<TransferId, Transfer>,
    expiries: BTreeSet<(i64, TransferId)>,
}

/// One account; `asset` is a place among the book's assets.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    pub(crate) asset: usize,
    pub(crate) limit: Limit,
    pub(crate) balance: Balance,
}

/// One asset; `turnover` is all that is posted and pending in it, one side counted.
#[derive(Debug, Clone)]
pub(crate) struct Asset {
    pub(crate) id: AssetId,
    pub(crate) turnover: Amount,
}

impl Book {
    /// A book without accounts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens an account; opening it again with the same asset and limit changes nothing.
    ///
    /// Errors: [`TransferError::OpenDiffers`] when it is open with another asset or limit.
    pub fn open(&mut self, account: &AccountId, asset: &AssetId, limit: Limit) -> Result<(), TransferError> {
        if let Some(place) = self.place(account) {
            let known = self.account(place);
            let same = known.limit == limit && self.asset(known.asset).id == *asset;
            return same.then_some(()).ok_or_else(|| TransferError::OpenDiffers(account.clone()));
        }
        let asset = self.asset_place(asset);
        self.account_places.insert(account.clone(), self.accounts.len());
        self.accounts.push(Account { id: account.clone(), asset, limit, balance: Balance::default() });
        Ok(())
    }

    /// Whether the account is open.
    #[must_use]
    pub fn is_open(&self, account: &AccountId) -> bool {
        self.account_places.contains_key(account)
    }

    /// Judges linked transfers as if they were applied in order, and changes nothing.
    ///
    /// Errors: that of the first transfer that is refused; see [`TransferError`] for the order of the checks.
    pub fn check(&self, linked: &[Transfer]) -> Result<(), TransferError> {
        self.draft(linked).map(drop)
    }

    /// Applies linked transfers in order, all or none.
    ///
    /// Errors: those of [`Book::check`], exactly; the book is then as it was.
    pub fn apply(&mut self, linked: &[Transfer]) -> Result<(), TransferError> {
        let changes = self.draft(linked)?;
        self.commit(changes);
        Ok(())
    }

    /// The balance of an account, or `None` when it is not open.
    #[must_use]
    pub fn balance(&self, account: &AccountId) -> Option<Balance> {
        self.place(account).map(|place| self.account(place).balance)
    }

    /// The asset of an account, or `None` when it is not open.
    #[must_use]
    pub fn asset_of(&self, account: &AccountId) -> Option<&AssetId> {
        self.place(account).map(|place| &self.asset(self.account(place).asset).id)
    }

    /// All accounts, in the order of their names.
    pub fn accounts(&self) -> impl Iterator<Item = (&AccountId, &AssetId, Limit, Balance)> {
        self.account_places.values().map(|place| {
            let account = self.account(*place);
            (&account.id, &self.asset(account.asset).id, account.limit, account.balance)
        })
    }

    /// All accounts, in the order in which they were opened; see [`Book::restore`].
    pub fn opened(&self) -> impl Iterator<Item = (&AccountId, &AssetId, Limit, Balance)> {
        let accounts = self.accounts.iter();
        accounts.map(|account| (&account.id, &self.asset(account.asset).id, account.limit, account.balance))
    }

    /// The number of an account in the order in which they were opened, from zero; `None` when it is not open.
    #[must_use]
    pub fn number(&self, account: &AccountId) -> Option<usize> {
        self.place(account)
    }

    /// The account with this number; see [`Book::number`].
    #[must_use]
    pub fn nth(&self, number: usize) -> Option<(&AccountId, &AssetId, Limit, Balance)> {
        let account = self.accounts.get(number)?;
        Some((&account.id, &self.asset(account.asset).id, account.limit, account.balance))
    }

    /// A live reservation, as it was reserved.
    #[must_use]
    pub fn reservation(&self, id: TransferId) -> Option<&Transfer> {
        self.reservations.get(&id)
    }

    /// All live reservations, in the order of their ids.
    pub fn reservations(&self) -> impl Iterator<Item = &Transfer> {
        self.reservations.values()
    }

    /// The live reservations whose `expires_at` is not after `at`, in the order of expiry, then of id.
    ///
    /// Units: `at` in milliseconds of the record's time. They stay alive until a transfer ends them.
    #[must_use]
    pub fn lapsed(&self, at: i64) -> Vec<TransferId> {
        let last = TransferId { act: u128::MAX, leg: u16::MAX };
        self.expiries.range(..=(at, last)).map(|(_, id)| *id).collect()
    }

    pub(crate) fn place(&self, account: &AccountId) -> Option<usize> {
        self.account_places.get(account).copied()
    }

    pub(crate) fn account(&self, place: usize) -> &Account {
        match self.accounts.get(place) {
            Some(account) => account,
            None => unreachable!("places of accounts are given by `open` only"),
        }
    }

    pub(crate) fn asset(&self, place: usize) -> &Asset {
        match self.assets.get(place) {
            Some(asset) => asset,
            None => unreachable!("places of assets are given by `open` only"),
        }
    }

    fn asset_place(&mut self, asset: &AssetId) -> usize {
        if let Some(place) = self.asset_places.get(asset) {
            return *place;
        }
        let place = self.assets.len();
        self.asset_places.insert(asset.clone(), place);
        self.assets.push(Asset { id: asset.clone(), turnover: Amount::ZERO });
        place
    }

    fn draft(&self, linked: &[Transfer]) -> Result<Changes, TransferError> {
        let mut draft = Draft::new(self);
        linked.iter().try_for_each(|transfer| draft.add(transfer))?;
        Ok(draft.into_changes())
    }

    fn commit(&mut self, changes: Changes) {
        for (place, balance) in changes.balances {
            if let Some(account) = self.accounts.get_mut(place) {
                account.balance = balance;
            }
        }
        for (place, turnover) in changes.turnovers {
            if let Some(asset) = self.assets.get_mut(place) {
                asset.turnover = turnover;
            }
        }
        for (id, changed) in changes.reservations {
            self.forget(id);
            changed.into_iter().for_each(|transfer| self.remember(transfer));
        }
    }

    fn forget(&mut self, id: TransferId) {
        let ended = self.reservations.remove(&id);
        if let Some(expires_at) = ended.and_then(|transfer| transfer.expires_at()) {
            self.expiries.remove(&(expires_at, id));
        }
    }

    /// Gives an open account its sums, which enter the turnover; `None` where they cannot be those of an account.
    pub(crate) fn put(&mut self, account: &AccountId, balance: Balance) -> Option<()> {
        let debited = debited(&balance)?;
        let place = self.place(account)?;
        let account = self.accounts.get_mut(place)?;
        account.balance = balance;
        let asset = self.assets.get_mut(account.asset)?;
        asset.turnover = asset.turnover.checked_add(debited)?;
        Some(())
    }

    pub(crate) fn remember(&mut self, transfer: Transfer) {
        if let Some(expires_at) = transfer.expires_at() {
            self.expiries.insert((expires_at, transfer.id));
        }
        self.reservations.insert(transfer.id, transfer);
    }
}

impl PartialEq for Book {
    fn eq(&self, other: &Self) -> bool {
        self.accounts().eq(other.accounts()) && self.reservations == other.reservations
    }
}

impl Eq for Book {}
