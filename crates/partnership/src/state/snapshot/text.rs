//! The texts of a snapshot as serde sees them. Integers are strings; lists stand in the order of what they are sorted by.
//!
//! Not here: what they mean (`write` makes them, `read` reads them).

use super::SnapshotError;
use super::money::MoneyText;
use super::notices::{DeadText, SuspendedText};
use super::reconciled::ReconciledText;
use super::withdrawal::WithdrawalText;
use crate::act::{Application, BudgetRaise, BudgetSet, Digest, Key, text as integer};
use crate::entry::Refused;
use crate::entry::text::{Caps, Charge, Move, OfParty, Who};
use crate::ids::{ActId, ApplicationId, BudgetId, ClauseId, ConditionId, ModelId, PartyId, Timestamp};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub(super) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value)
        .unwrap_or_else(|error| unreachable!("a snapshot of ours has string keys only: {error}"));
    line.push(b'\n');
    line
}

pub(super) fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, SnapshotError> {
    serde_json::from_slice(line).map_err(|error| SnapshotError::Malformed(error.to_string()))
}

/// A key of the log, with the entry since which it signs.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogKeyText {
    #[serde(with = "integer")]
    pub(super) since: u64,
    pub(super) vkey: String,
    pub(super) handed: Option<String>,
    pub(super) taken: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateText {
    pub(super) origin: String,
    #[serde(with = "integer")]
    pub(super) entries: u64,
    pub(super) at: Timestamp,
    #[serde(with = "integer")]
    pub(super) epoch: u64,
    #[serde(with = "integer")]
    pub(super) digested: u64,
    pub(super) terms: Option<Digest>,
    pub(super) vkeys: Vec<OfParty>,
    pub(super) former: Vec<OfParty>,
    pub(super) log_keys: Vec<LogKeyText>,
    pub(super) signed: Vec<SignedText>,
    pub(super) applications: Vec<Application>,
    pub(super) keys: Vec<Key>,
    pub(super) suspended: Vec<ModelId>,
    pub(super) retained: Vec<RetainedText>,
    pub(super) witness_keys: Vec<OfParty>,
    pub(super) revoked: Vec<String>,
    pub(super) budgets: Vec<BudgetText>,
    pub(super) removed_budgets: Vec<BudgetId>,
    pub(super) accounts: Vec<AccountText>,
    pub(super) reservations: Vec<Held>,
    pub(super) open: Vec<OpenText>,
    pub(super) waiting: Vec<WaitingText>,
    pub(super) amending: Vec<Id>,
    pub(super) freed: Vec<Freed>,
    pub(super) at_once: Option<Id>,
    pub(super) attested: Vec<AttestedText>,
    pub(super) booked: Vec<BookedText>,
    pub(super) money: MoneyText,
    pub(super) suspended_since: Vec<SuspendedText>,
    pub(super) undelivered: Vec<DeadText>,
    pub(super) reconciled: Vec<ReconciledText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) withdrawal: Option<WithdrawalText>,
    pub(super) counts: Vec<CountText>,
    pub(super) tallied: Vec<Refused>,
    pub(super) recent: Vec<LineText>,
    pub(super) lease: Option<LeaseText>,
    pub(super) repeats: Vec<TakenText>,
}

/// A budget that stands; in the order of ids.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetText {
    pub(super) set: BudgetSet,
    pub(super) raises: Vec<BudgetRaise>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(transparent)]
pub(super) struct Id(#[serde(with = "integer")] pub(super) ActId);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignedText {
    #[serde(with = "integer")]
    pub(super) version: u64,
    pub(super) digest: Digest,
    pub(super) since: Timestamp,
    pub(super) signatures: Vec<OfParty>,
}

/// An application that there is or was; in the order of names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetainedText {
    pub(super) application: ApplicationId,
    pub(super) audiences: Vec<String>,
    pub(super) since: Timestamp,
    pub(super) erased: Option<Timestamp>,
}

/// An account; in the order in which they were opened. Its limit follows from its name.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountText {
    pub(super) id: String,
    pub(super) asset: String,
    #[serde(with = "integer")]
    pub(super) debits_posted: i128,
    #[serde(with = "integer")]
    pub(super) credits_posted: i128,
    #[serde(with = "integer")]
    pub(super) debits_pending: i128,
    #[serde(with = "integer")]
    pub(super) credits_pending: i128,
}

/// An act that waited, and where it was decided at last.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Freed {
    pub(super) act: Id,
    #[serde(with = "integer")]
    pub(super) index: u64,
}

/// A live reservation.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Held {
    pub(super) act: Id,
    pub(super) transfer: Move,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActText {
    pub(super) id: Id,
    pub(super) who: Who,
    pub(super) kind: String,
    pub(super) what: Box<serde_json::value::RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenText {
    pub(super) act: ActText,
    #[serde(with = "integer")]
    pub(super) index: u64,
    pub(super) at: Timestamp,
    pub(super) lapses: Option<Timestamp>,
    pub(super) reservations: Vec<Move>,
    pub(super) tariff: Option<TariffText>,
    pub(super) operator: PartyId,
    pub(super) approvals: Vec<OfParty>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TariffText {
    pub(super) clause: ClauseId,
    pub(super) binding: bool,
    pub(super) asset: String,
    pub(super) input: PriceText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cached_input: Option<PriceText>,
    pub(super) output: PriceText,
    pub(super) request: PriceText,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceText {
    #[serde(with = "integer")]
    pub(super) numerator: i128,
    #[serde(with = "integer")]
    pub(super) per: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitingText {
    pub(super) act: ActText,
    pub(super) digest: Digest,
    pub(super) clause: Option<ClauseId>,
    pub(super) by: Vec<PartyId>,
    pub(super) given: Vec<OfParty>,
    pub(super) since: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttestedText {
    pub(super) clause: ClauseId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) condition: Option<ConditionId>,
    pub(super) evidence: Digest,
    /// In the order of their names.
    pub(super) by: Vec<AttesterText>,
}

/// Who has attested something, and the day on which it did.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttesterText {
    pub(super) party: PartyId,
    #[serde(with = "integer")]
    pub(super) on: Date,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BookedText {
    pub(super) clause: ClauseId,
    pub(super) how: How,
    pub(super) at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum How {
    Drawn,
    Expired,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CountText {
    pub(super) clause: ClauseId,
    #[serde(with = "integer")]
    pub(super) allowed: u64,
    #[serde(with = "integer")]
    pub(super) refused: u64,
    #[serde(with = "integer")]
    pub(super) deviated: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineText {
    pub(super) act: Id,
    pub(super) at: Timestamp,
    #[serde(with = "integer")]
    pub(super) index: u64,
    pub(super) kind: String,
    pub(super) who: String,
    pub(super) about: String,
    pub(super) state: String,
    pub(super) clauses: Vec<ClauseId>,
    pub(super) deviations: Vec<ClauseId>,
    pub(super) charged: Option<Charge>,
}

/// An idempotency key and the act that took it; in the order of keys.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TakenText {
    pub(super) key: Digest,
    pub(super) act: Id,
    pub(super) at: Timestamp,
    pub(super) input: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeaseText {
    #[serde(with = "integer")]
    pub(super) index: u64,
    pub(super) lease: Caps,
}
