//! The act by which a party gives its word on a reconciliation: what an invoice and the record were found to differ in.
//!
//! Not here: how the two are compared. The record holds the report's digest, and never the invoice.

use super::{Digest, text};
use crate::ids::PartyId;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// One party's word that it compared an invoice with the record and came to this report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconcile {
    /// SHA-256 of the report.
    pub report: Digest,
    /// Of which calendar month or year, in UTC. Shape: `2026-11` or `2026`.
    pub period: String,
    /// Whose acts it is of; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<PartyId>,
    /// How many differences the report names.
    #[serde(with = "text")]
    pub differing: u64,
    /// The party whose word it is.
    pub party: PartyId,
    /// Ed25519 signature over [`reconciliation_bytes`]. Base64.
    pub signature: String,
}

impl Reconcile {
    /// Whether its period is a month or a year, in its one spelling.
    #[must_use]
    pub fn is_of_a_period(&self) -> bool {
        let rest = match self.period.len() {
            4 => "-01-01",
            7 => "-01",
            _ => return false,
        };
        let first = format!("{}{rest}", self.period);
        first.parse::<Date>().is_ok_and(|day| day.to_string() == first && day.year() >= 1970)
    }
}

/// What a party signs to give its word on a reconciliation.
#[must_use]
pub fn reconciliation_bytes(origin: &str, said: &Reconcile) -> Vec<u8> {
    let Reconcile { report, period, of, differing, .. } = said;
    let of = of.as_ref().map_or("", PartyId::as_str);
    format!("countersign/reconciliation/v1\0{origin}\0{period}\0{of}\0{differing}\0{report}").into_bytes()
}
