//! What came of a reconciliation, as it is told and digested. Not here: how it is found (`matching`).
//!
//! It holds nothing that changes with what the record has outside its scope, so that the same invoice and the same period give the same
//! bytes, whoever makes it.

use super::exact::Exact;
use ledger::AssetId;
use serde::Serialize;
use std::collections::BTreeMap;

/// Amounts by their assets.
pub(super) type Sums = BTreeMap<AssetId, Exact>;

/// What came of a reconciliation. Its bytes, with a line's end after them, are what is attested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cmd) struct Report {
    /// The version of this form.
    pub(super) reconciliation: &'static str,
    pub(in crate::cmd) origin: String,
    /// The month or year; the whole record where it is none.
    pub(in crate::cmd) period: Option<String>,
    /// Whose acts it is of; none for all.
    pub(in crate::cmd) party: Option<String>,
    pub(super) invoice: Source,
    pub(super) matched: Matched,
    pub(super) differing: usize,
    pub(super) theirs_only: usize,
    pub(super) ours_only: usize,
    pub(super) totals: Vec<Total>,
    pub(in crate::cmd) differences: Vec<Difference>,
}

/// The invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Source {
    /// In base64.
    pub(super) sha256: String,
    pub(super) rows: usize,
    /// Rows without amount and asset, which ask for nothing.
    pub(super) blank: u64,
    /// Quantities in units that the record does not count, which were not compared.
    pub(super) uncounted: u64,
}

/// What agrees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Matched {
    /// Acts that the invoice names, or that are in a group that agrees.
    pub(super) acts: u64,
    /// Days and models.
    pub(super) groups: u64,
}

/// What one asset comes to: difference = theirs - ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Total {
    pub(super) asset: String,
    pub(super) ours: String,
    pub(super) theirs: String,
    pub(super) difference: String,
}

/// On whose side something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Differing,
    TheirsOnly,
    OursOnly,
}

/// One act, or one day and model, in which the invoice is not what the record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cmd) struct Difference {
    pub(super) kind: Kind,
    /// The act, where it was compared by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) act: Option<String>,
    /// The entry of the record that settled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entry: Option<u64>,
    /// The day of a group, and its model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    /// The invoice's lines.
    pub(super) lines: Vec<u64>,
    pub(super) why: Vec<Why>,
    pub(super) ours: Vec<Money>,
    pub(super) theirs: Vec<Money>,
    /// What it makes: theirs - ours, in each asset in which they differ.
    pub(super) money: Vec<Money>,
    /// The acts of a group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) acts: Vec<OfGroup>,
}

/// What is the matter, in a word and in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Why {
    pub(super) code: &'static str,
    pub(super) text: String,
}

/// An amount with its asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Money {
    pub(super) amount: String,
    pub(super) asset: String,
}

/// One act of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct OfGroup {
    pub(super) act: String,
    pub(super) entry: u64,
    pub(super) amount: String,
}

impl Why {
    pub(super) fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl Report {
    /// The bytes that are told, digested and attested.
    pub(in crate::cmd) fn text(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// SHA-256 of the text and a line's end after it, as a program gets it that reads what is told.
    pub(in crate::cmd) fn digest(&self) -> anyhow::Result<[u8; 32]> {
        Ok(record::hash::sha256(format!("{}\n", self.text()?).as_bytes()))
    }
}

/// Adds an amount to what is there of its asset.
///
/// Errors: the sum does not fit.
pub(super) fn add(sums: &mut Sums, asset: &AssetId, amount: Exact) -> Result<(), String> {
    let sum = sums.entry(asset.clone()).or_default();
    *sum = sum.plus(amount).ok_or_else(|| format!("what is summed in {asset} does not fit"))?;
    Ok(())
}

/// What one has more than the other, in each asset in which they differ.
///
/// Errors: a difference does not fit.
pub(super) fn less(theirs: &Sums, ours: &Sums) -> Result<Sums, String> {
    let mut left = theirs.clone();
    for (asset, amount) in ours {
        let difference = left.get(asset).copied().unwrap_or_default().minus(*amount);
        let difference = difference.ok_or_else(|| format!("a difference in {asset} does not fit"))?;
        left.insert(asset.clone(), difference);
    }
    left.retain(|_, amount| !amount.is_zero());
    Ok(left)
}
