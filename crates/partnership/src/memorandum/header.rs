//! The header: who agrees, from when, and by which rules the rest is read.
//!
//! Not here: the clauses, and whether the keys named here have signed (`sign`).

use std::collections::BTreeMap;

use jiff::civil::Date;
use ledger::{Amount, AmountError, AssetId};

use super::clause::Force;
use crate::ids::PartyId;

/// The header of a memorandum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The memorandum's name.
    pub title: String,
    /// Its version, from 1.
    pub version: u64,
    /// The parties in the file's order; exactly one is the operator.
    pub parties: Vec<Party>,
    /// First day (UTC) on which it may be in force.
    pub effective: Date,
    /// Which of prose and blocks is right where they disagree.
    pub prevails: Prevails,
    /// The force of a clause that states none.
    pub force: Option<Force>,
    /// How many parties must sign. Shape: 1 to the number of parties; all of them unless stated.
    pub threshold: u32,
    /// The assets that amounts may be in, and how many decimals each has.
    pub assets: BTreeMap<AssetId, u8>,
    /// SHA-256 of the version before; none in version 1 only.
    pub previous: Option<[u8; 32]>,
    /// Each party's signing key as a C2SP vkey, where the header fixes it.
    pub vkeys: BTreeMap<PartyId, String>,
    /// Each party's recovery key as a C2SP vkey, where it has one.
    pub recovery: BTreeMap<PartyId, String>,
}

impl Header {
    /// The party that runs the service.
    ///
    /// # Panics
    /// Never for a header that was read from a file: reading has checked that there is one.
    #[must_use]
    pub fn operator(&self) -> &Party {
        let operator = self.parties.iter().find(|party| party.role == OPERATOR);
        operator.unwrap_or_else(|| unreachable!("a header is read only with exactly one operator"))
    }

    /// The party with this id.
    #[must_use]
    pub fn party(&self, id: &PartyId) -> Option<&Party> {
        self.parties.iter().find(|party| party.id == *id)
    }

    /// How many decimals an asset has; none if the memorandum does not know it.
    #[must_use]
    pub fn scale(&self, asset: &AssetId) -> Option<u8> {
        self.assets.get(asset).copied()
    }

    /// Reads an amount of money with its asset, such as `1.00 CREDIT`, that is more than zero.
    ///
    /// # Errors
    /// [`MoneyError`], the first that holds.
    pub fn money(&self, text: &str) -> Result<(AssetId, Amount), MoneyError> {
        let (asset, amount) = self.amount(text)?;
        if amount.minor() > 0 { Ok((asset, amount)) } else { Err(MoneyError::Nothing) }
    }

    /// As [`Header::money`], of an amount that may be nothing.
    ///
    /// # Errors
    /// [`MoneyError`], the first that holds; never [`MoneyError::Nothing`].
    pub fn amount(&self, text: &str) -> Result<(AssetId, Amount), MoneyError> {
        let (amount, asset) = text.split_once(' ').ok_or(MoneyError::NoAsset)?;
        let asset = AssetId::from(asset);
        let scale = self.scale(&asset).ok_or_else(|| MoneyError::UnknownAsset(asset.clone()))?;
        Ok((asset, Amount::parse(amount, scale)?))
    }
}

/// Why a text is no money under a memorandum. Variants stand in order of precedence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Only one word.
    #[error("it has no asset")]
    NoAsset,
    /// The memorandum does not know the asset.
    #[error("asset `{0}` is not in the memorandum")]
    UnknownAsset(AssetId),
    /// The amount is none.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// It is zero.
    #[error("it is not more than nothing")]
    Nothing,
}

/// The role of the party that runs the service.
pub const OPERATOR: &str = "operator";

/// One signatory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its id: kebab-case.
    pub id: PartyId,
    /// Its name, as in the prose.
    pub name: String,
    /// Its role; exactly one party is `operator`.
    pub role: String,
}

/// Which side is right where prose and block disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prevails {
    /// The prose: a disagreement suspends the block until it is resolved.
    Prose,
    /// The blocks.
    Blocks,
}

impl Prevails {
    /// The word used in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prose => "prose",
            Self::Blocks => "blocks",
        }
    }
}
