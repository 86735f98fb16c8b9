//! The act by which one party alone ends what a memorandum has that binds nobody.
//!
//! Not here: whether it may (`judge`), or what ends with it (`terms`).

use super::{Digest, text};
use crate::ids::PartyId;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A party's notice that it withdraws from the version in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdraw {
    /// SHA-256 of the version that it withdraws from.
    pub memorandum: Digest,
    /// The first day (UTC) on which its intentions hold no more.
    #[serde(with = "text")]
    pub ends: Date,
    /// The party that withdraws.
    pub party: PartyId,
    /// Ed25519 signature over [`withdrawal_bytes`]. Base64.
    pub signature: String,
}

/// What a party signs to withdraw. Good for one partnership, one version and one day.
#[must_use]
pub fn withdrawal_bytes(origin: &str, memorandum: &Digest, ends: Date) -> Vec<u8> {
    let memorandum = memorandum.hex();
    format!("countersign/withdrawal/v1\0{origin}\0{memorandum}\0{ends}").into_bytes()
}
