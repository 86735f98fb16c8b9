//! Amounts and accounts as people and programs read them: text, at the asset's full scale.
//!
//! Not here: sums; those are the book's.

use ledger::{Amount, AssetId, Balance};
use partnership::State;
use serde::{Deserialize, Serialize};

/// An amount with its asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Money {
    /// Decimal text.
    pub(crate) amount: String,
    /// The asset's id.
    pub(crate) asset: String,
}

/// An account and its sums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) asset: String,
    /// Posted credits less all debits, those reserved counted.
    pub(crate) available: Money,
    /// What is reserved out of it.
    pub(crate) pending: Money,
    pub(crate) posted_debits: Money,
    pub(crate) posted_credits: Money,
}

impl Money {
    /// An amount at the scale that the memorandum gives its asset.
    pub(crate) fn of(state: &State, amount: Amount, asset: &AssetId) -> Self {
        Self { amount: amount.display(scale(state, asset)), asset: asset.to_string() }
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.amount, self.asset)
    }
}

impl Account {
    /// Every account of the book, in its order.
    pub(crate) fn all(state: &State) -> Vec<Self> {
        state
            .book()
            .accounts()
            .map(|(name, asset, _, balance)| Self::of(state, name.as_ref(), asset, &balance))
            .collect()
    }

    /// Every account, or the one of this name; none where there is none.
    pub(crate) fn of_name(state: &State, name: Option<&str>) -> Option<Vec<Self>> {
        let mut accounts = Self::all(state);
        if let Some(name) = name {
            accounts.retain(|account| account.name == name);
        }
        (name.is_none() || !accounts.is_empty()).then_some(accounts)
    }

    fn of(state: &State, name: &str, asset: &AssetId, balance: &Balance) -> Self {
        let money = |amount: Amount| Money::of(state, amount, asset);
        Self {
            name: name.to_owned(),
            asset: asset.to_string(),
            available: money(Amount::new(balance.available())),
            pending: money(balance.debits_pending),
            posted_debits: money(balance.debits_posted),
            posted_credits: money(balance.credits_posted),
        }
    }
}

/// How many decimals an asset has; none where the memorandum does not know it, as with the remainders of rounding.
fn scale(state: &State, asset: &AssetId) -> u8 {
    state.terms().and_then(|terms| terms.memorandum().header.scale(asset)).unwrap_or(0)
}
