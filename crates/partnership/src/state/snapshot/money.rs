//! The part of a snapshot that is kept of money beside the books: to its text and back.
//!
//! Not here: the balances (`read`, `write`).

use super::SnapshotError;
use crate::act::PaidIn;
use crate::act::text as integer;
use crate::ids::{ClauseId, PartyId, Timestamp};
use crate::state::{Days, DueBooked, Paid, State};
use jiff::civil::Date;
use ledger::{AccountId, Amount, AssetId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All of it; in the order of clauses, accounts and days.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MoneyText {
    due: Vec<DueText>,
    payments: Vec<PaidText>,
    days: Vec<DayText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DueText {
    clause: ClauseId,
    #[serde(with = "integer")]
    on: Date,
    at: Timestamp,
    #[serde(with = "integer")]
    amount: i128,
    revenue: Option<Revenue>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Revenue(#[serde(with = "integer")] i128);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PaidText {
    clause: ClauseId,
    at: Timestamp,
    party: PartyId,
    #[serde(with = "integer")]
    amount: i128,
    asset: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paid_in: Option<PaidIn>,
    reference: String,
    settles: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DayText {
    account: String,
    #[serde(with = "integer")]
    on: Date,
    #[serde(with = "integer")]
    amount: i128,
}

/// What is kept beside the books, as a state has it.
pub(super) struct Money {
    pub(super) due_booked: BTreeMap<ClauseId, BTreeMap<Date, DueBooked>>,
    pub(super) payments: BTreeMap<ClauseId, Vec<Paid>>,
    pub(super) days: BTreeMap<AccountId, Days>,
}

pub(super) fn write(state: &State) -> MoneyText {
    let due = state.due_booked.iter().flat_map(|(clause, days)| days.iter().map(move |day| (clause, day)));
    let payments =
        state.payments.iter().flat_map(|(clause, paid)| paid.iter().map(move |paid| (clause, paid)));
    let days = state.days.iter().flat_map(|(account, days)| days.iter().map(move |day| (account, day)));
    MoneyText {
        due: due.map(due_text).collect(),
        payments: payments.map(paid_text).collect(),
        days: days
            .map(|(account, (on, amount))| DayText {
                account: account.to_string(),
                on: *on,
                amount: amount.minor(),
            })
            .collect(),
    }
}

fn due_text((clause, (on, DueBooked { at, amount, revenue })): (&ClauseId, (&Date, &DueBooked))) -> DueText {
    let revenue = revenue.map(|revenue| Revenue(revenue.minor()));
    DueText { clause: clause.clone(), on: *on, at: *at, amount: amount.minor(), revenue }
}

fn paid_text((clause, paid): (&ClauseId, &Paid)) -> PaidText {
    let Paid { at, party, amount, asset, paid_in, reference, settles } = paid;
    PaidText {
        clause: clause.clone(),
        at: *at,
        party: party.clone(),
        amount: amount.minor(),
        asset: asset.to_string(),
        paid_in: paid_in.clone(),
        reference: reference.clone(),
        settles: *settles,
    }
}

/// Reads it back. What is sorted must come sorted and once.
pub(super) fn read(text: MoneyText) -> Result<Money, SnapshotError> {
    super::read::sorted(text.due.iter().map(|due| (&due.clause, due.on)))?;
    super::read::sorted(text.days.iter().map(|day| (day.account.as_str(), day.on)))?;
    if !text.payments.is_sorted_by_key(|paid| paid.clause.clone()) {
        return Err(SnapshotError::Malformed("its payments are out of order".to_owned()));
    }
    let mut money = Money { due_booked: BTreeMap::new(), payments: BTreeMap::new(), days: BTreeMap::new() };
    for DueText { clause, on, at, amount, revenue } in text.due {
        let revenue = revenue.map(|Revenue(revenue)| Amount::new(revenue));
        let booked = DueBooked { at, amount: Amount::new(amount), revenue };
        money.due_booked.entry(clause).or_default().insert(on, booked);
    }
    for PaidText { clause, at, party, amount, asset, paid_in, reference, settles } in text.payments {
        let (amount, asset) = (Amount::new(amount), AssetId::from(asset.as_str()));
        money.payments.entry(clause).or_default().push(Paid {
            at,
            party,
            amount,
            asset,
            paid_in,
            reference,
            settles,
        });
    }
    for DayText { account, on, amount } in text.days {
        money.days.entry(AccountId::from(account.as_str())).or_default().insert(on, Amount::new(amount));
    }
    Ok(money)
}
