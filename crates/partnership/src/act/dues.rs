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
    /// How much; more than zero.
    pub amount: Budget,
    /// The bank's reference.
    pub reference: String,
    /// The party whose word it is.
    pub party: PartyId,
    /// Ed25519 signature over [`payment_bytes`]. Base64.
    pub signature: String,
}

/// The longest that a bank's reference may be. Units: bytes. ISO 20022 has 35 characters for an end-to-end identification, and up to
/// 140 for remittance information.
pub const REFERENCE_BYTES_MAX: usize = 140;

/// What a party signs to declare its revenue.
#[must_use]
pub fn declaration_bytes(origin: &str, clause: &ClauseId, on: Date, revenue: &Budget) -> Vec<u8> {
    let Budget { asset, amount } = revenue;
    format!("countersign/declaration/v1\0{origin}\0{clause}\0{on}\0{asset}\0{amount}").into_bytes()
}

/// What a party signs to give its word on a payment.
#[must_use]
pub fn payment_bytes(origin: &str, clause: &ClauseId, amount: &Budget, reference: &str) -> Vec<u8> {
    let Budget { asset, amount } = amount;
    format!("countersign/payment/v1\0{origin}\0{clause}\0{asset}\0{amount}\0{reference}").into_bytes()
}
