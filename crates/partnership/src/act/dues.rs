//! Acts about what clauses make due by the calendar: booking it, declaring revenue, and giving one's word on a payment.
//!
//! Not here: what is due (`judge`), or which accounts that moves (`investment`).

use super::{Budget, text};
use crate::ids::{ClauseId, PartyId};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What a clause makes due on a day: the price of a period of capacity, or what falls short of a minimum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// The clause.
    pub clause: ClauseId,
    /// The day: on which the period begins, or by which the minimum was to be consumed.
    #[serde(with = "text")]
    pub on: Date,
}

/// What a party earned in a period of a `revenue-share`, by its own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declare {
    /// The clause.
    pub clause: ClauseId,
    /// The first day after the period.
    #[serde(with = "text")]
    pub on: Date,
    /// The revenue. It may be zero.
    pub revenue: Budget,
    /// The party that declares it.
    pub party: PartyId,
    /// Ed25519 signature over [`declaration_bytes`]. Base64.
    pub signature: String,
}

/// One party's word that a payment of what is owed under a clause was sent, or has arrived.
///
/// The word of the party that is paid settles the debt; the other's is on the record beside it. Nobody here has seen the money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The clause.
    pub clause: ClauseId,
    /// How much of the debt it pays, in the debt's own asset; more than zero.
    pub amount: Budget,
    /// What was paid, where that is another asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_in: Option<PaidIn>,
    /// The bank's reference.
    pub reference: String,
    /// The party whose word it is.
    pub party: PartyId,
    /// Ed25519 signature over [`payment_bytes`]. Base64.
    pub signature: String,
}

/// What was paid in another asset than that of the debt. The rate is what the two amounts come to, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidIn {
    /// The asset's id.
    pub asset: String,
    /// Units: minor units of the asset; more than zero.
    #[serde(with = "text")]
    pub amount: i128,
    /// Where the rate is from, in words: a central bank's rate of a day, or what was agreed. Shape: 1 to 140 bytes, none of them a control.
    pub source: String,
}

/// The longest that the source of a rate may be. Units: bytes.
pub const RATE_SOURCE_BYTES_MAX: usize = 140;

/// The longest that a bank's reference may be. Units: bytes. ISO 20022 has 35 characters for an end-to-end identification, and up to
/// 140 for remittance information.
pub const REFERENCE_BYTES_MAX: usize = 140;

/// What a party signs to declare its revenue.
#[must_use]
pub fn declaration_bytes(origin: &str, clause: &ClauseId, on: Date, revenue: &Budget) -> Vec<u8> {
    let Budget { asset, amount } = revenue;
    format!("countersign/declaration/v1\0{origin}\0{clause}\0{on}\0{asset}\0{amount}").into_bytes()
}

/// What a party signs to give its word on a payment, converted or not.
#[must_use]
pub fn payment_bytes(
    origin: &str,
    clause: &ClauseId,
    (amount, paid_in): (&Budget, Option<&PaidIn>),
    reference: &str,
) -> Vec<u8> {
    let Budget { asset, amount } = amount;
    let Some(paid) = paid_in else {
        return format!("countersign/payment/v1\0{origin}\0{clause}\0{asset}\0{amount}\0{reference}")
            .into_bytes();
    };
    let of = format!("{}\0{}\0{}", paid.asset, paid.amount, paid.source);
    format!("countersign/converted-payment/v1\0{origin}\0{clause}\0{asset}\0{amount}\0{of}\0{reference}")
        .into_bytes()
}
