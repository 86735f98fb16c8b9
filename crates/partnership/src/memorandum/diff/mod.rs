//! What one version of a memorandum changes of another: clause by clause, and what that comes to.
//!
//! Not here: whether the later version follows on the earlier one as an amendment must (`judge`), or what it would have made of acts
//! that are past. Wording is compared as text; blocks by what they say, so that another spelling of the same terms is no change.

mod effects;
mod fields;

use serde::Serialize;

pub use effects::{ApprovalDifference, Effects, PriceDifference, ServiceDifference, SumDifference};
pub use fields::FieldDifference;
pub(crate) use fields::effective;

use super::{Clause, Memorandum, explain};
use crate::ids::ClauseId;
use crate::terms::Terms;
use fields::Blocks;

/// What becomes of reservations when a version comes into force: they are settled by the prices and clauses they were made under.
pub const RESERVED: &str = "what is reserved under the earlier terms is settled by them";

/// What a version changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The version before.
    pub before: Version,
    /// The version after.
    pub after: Version,
    /// Whether the later version names the digest of the earlier one as the one it follows on.
    pub follows: bool,
    /// The header's fields that differ, in the order of their names.
    pub header: Vec<FieldDifference>,
    /// The clauses that differ: those of the later version in its order, then those that are gone in the order of the earlier one.
    pub clauses: Vec<ClauseDifference>,
    /// What it comes to.
    pub effects: Effects,
    /// What becomes of reservations: [`RESERVED`].
    pub reserved: &'static str,
}

/// Which version is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Its number.
    pub version: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub digest: String,
    /// First day (UTC) on which it may be in force.
    pub effective: String,
}

/// What happened to a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Only the later version has it.
    Added,
    /// Only the earlier version has it.
    Removed,
    /// It says something else.
    Changed,
    /// It says the same to the machine; its title or prose is another.
    Reworded,
}

impl Change {
    /// The word used in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Reworded => "reworded",
        }
    }
}

/// A clause that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClauseDifference {
    /// Its id.
    pub id: ClauseId,
    /// Its kind; the later one, where the kind itself changed.
    pub kind: &'static str,
    /// What happened to it.
    pub change: Change,
    /// Whether its title or prose is another too.
    pub reworded: bool,
    /// The fields that differ, as the files spell them, in the order of their names; empty unless it is changed. It may be empty then
    /// too, where what the clause leaves to the header became another.
    pub fields: Vec<FieldDifference>,
    /// What it said, in one sentence.
    pub said: Option<String>,
    /// What it says, in one sentence.
    pub says: Option<String>,
}

impl Difference {
    /// Compares two versions, the earlier one first.
    #[must_use]
    pub fn between(before: &Terms, after: &Terms) -> Self {
        let (old, new) = (before.memorandum(), after.memorandum());
        let (old_blocks, new_blocks) = (Blocks::of(&old.text), Blocks::of(&new.text));
        let of_later = new.clauses.iter().filter_map(|clause| match old.clause(&clause.id) {
            None => Some(one_sided(new, clause, Change::Added)),
            Some(earlier) => changed((old, earlier, &old_blocks), (new, clause, &new_blocks)),
        });
        let gone = old.clauses.iter().filter(|clause| new.clause(&clause.id).is_none());
        let gone = gone.map(|clause| one_sided(old, clause, Change::Removed));
        Self {
            before: Version::of(before),
            after: Version::of(after),
            follows: new.header.previous == Some(old.digest),
            header: fields::differing(&old_blocks.header(), &new_blocks.header()),
            clauses: of_later.chain(gone).collect(),
            effects: Effects::between(before, after),
            reserved: RESERVED,
        }
    }

    /// Whether the two say the same in every clause, to the machine and in words. Their headers may differ.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }
}

impl Version {
    fn of(terms: &Terms) -> Self {
        Self {
            version: terms.version(),
            digest: terms.digest().hex(),
            effective: terms.memorandum().header.effective.to_string(),
        }
    }
}

fn one_sided(memorandum: &Memorandum, clause: &Clause, change: Change) -> ClauseDifference {
    let sentence = Some(explain(&memorandum.header, clause));
    let (said, says) = if change == Change::Added { (None, sentence) } else { (sentence, None) };
    let (id, kind) = (clause.id.clone(), clause.kind.name());
    ClauseDifference { id, kind, change, reworded: false, fields: Vec::new(), said, says }
}

fn changed(
    (old, before, old_blocks): (&Memorandum, &Clause, &Blocks<'_>),
    (new, after, new_blocks): (&Memorandum, &Clause, &Blocks<'_>),
) -> Option<ClauseDifference> {
    let reworded = before.title != after.title || before.prose != after.prose;
    let means_the_same = before.kind == after.kind
        && before.force == after.force
        && before.source == after.source
        && before.amount_source == after.amount_source;
    let (change, fields) = match (means_the_same, reworded) {
        (true, false) => return None,
        (true, true) => (Change::Reworded, Vec::new()),
        (false, _) => {
            let fields = fields::differing(&old_blocks.clause(&before.id), &new_blocks.clause(&after.id));
            (Change::Changed, fields)
        }
    };
    Some(ClauseDifference {
        id: after.id.clone(),
        kind: after.kind.name(),
        change,
        reworded,
        fields,
        said: Some(explain(&old.header, before)),
        says: Some(explain(&new.header, after)),
    })
}
