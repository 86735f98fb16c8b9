//! Several memoranda read side by side: who is a party of more than one, what it commits to in all, and which of its promises cannot all
//! be kept.
//!
//! Not here: reading one of them (`parse`), what contradicts itself within one (`check`), or how anything of it is shown.

mod promises;
mod sums;

use std::ops::Range;

pub use promises::Conflict;
pub use sums::{Part, Side, Sum, Uncounted};

use super::observed::clash::same;
use super::{Clause, Memorandum};
use crate::ids::{ClauseId, PartyId};

/// What several memoranda come to together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Together {
    /// Who is a party of more than one, in the order of first mention.
    pub parties: Vec<Shared>,
    /// Names that may mislead: one id for two parties, or one name under two ids. Neither is taken for the same party.
    pub notes: Vec<String>,
    /// What those parties commit to and are promised, each asset by itself, in their order.
    pub sums: Vec<Sum>,
    /// What no sum has.
    pub uncounted: Vec<Uncounted>,
    /// Promises that cannot all be kept.
    pub conflicts: Vec<Conflict>,
    /// Promises of the same sort to different parties in other words: whether they are about the same is for people to say.
    pub alike: Vec<Conflict>,
}

/// A party of more than one memorandum: the same id and the same name in each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Its id.
    pub id: PartyId,
    /// Its name, as the first of them has it.
    pub name: String,
    /// The places of those memoranda in the list, in its order.
    pub of: Vec<usize>,
}

/// A clause of one of the memoranda.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The place of the memorandum in the list.
    pub memorandum: usize,
    /// The clause.
    pub clause: ClauseId,
    /// Its id, where its block begins in the file. Units: bytes.
    pub span: Range<usize>,
}

/// Why two memoranda cannot be read side by side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTwo {
    /// They are one text.
    #[error("they are one and the same text")]
    Same(usize, usize),
    /// One is the next version of the other.
    #[error(
        "one is the version after the other, and only one of them is ever in force; compare them with `countersign memo diff`"
    )]
    Versions(usize, usize),
}

impl Together {
    /// What these memoranda come to together, in the order given.
    ///
    /// # Errors
    /// [`NotTwo`], the first pair that is not of two memoranda.
    pub fn of(memoranda: &[&Memorandum]) -> Result<Self, NotTwo> {
        for (at, one, after, other) in pairs(memoranda) {
            if one.digest == other.digest {
                return Err(NotTwo::Same(at, after));
            }
            let follows = |a: &Memorandum, b: &Memorandum| a.header.previous == Some(b.digest);
            if follows(one, other) || follows(other, one) {
                return Err(NotTwo::Versions(at, after));
            }
        }
        let (parties, notes) = (shared(memoranda), notes(memoranda));
        let (sums, uncounted) = sums::sums(memoranda, &parties);
        let (conflicts, alike) = promises::conflicts(memoranda);
        Ok(Self { parties, notes, sums, uncounted, conflicts, alike })
    }
}

impl Place {
    fn of(memorandum: usize, text: &str, clause: &Clause) -> Self {
        let start = clause.span.start;
        // After the word, since the id may be a part of what stands before it.
        let word = text.get(start..).and_then(|block| block.find(WORD)).unwrap_or(0);
        let after = start.saturating_add(word).saturating_add(WORD.len());
        let begins = text.get(after..).and_then(|block| block.find(clause.id.as_str()));
        let begins = after.saturating_add(begins.unwrap_or(0));
        let span = begins..begins.saturating_add(clause.id.as_str().len());
        Self { memorandum, clause: clause.id.clone(), span }
    }
}

/// What a block begins with before its id.
const WORD: &str = "clause";

/// Each two of them, with their places in the list.
fn pairs<'a>(
    memoranda: &[&'a Memorandum],
) -> impl Iterator<Item = (usize, &'a Memorandum, usize, &'a Memorandum)> {
    memoranda.iter().enumerate().flat_map(move |(at, one)| {
        let rest = memoranda.iter().enumerate().skip(at.saturating_add(1));
        rest.map(move |(after, other)| (at, *one, after, *other))
    })
}

/// Whether a party of one memorandum is one of another: by its id and its name.
fn is_in(memorandum: &Memorandum, id: &PartyId, of: &Memorandum) -> bool {
    let named = |memorandum: &Memorandum| Some(memorandum.header.party(id)?.name.clone());
    named(memorandum).zip(named(of)).is_some_and(|(one, other)| same(&one, &other))
}

fn shared(memoranda: &[&Memorandum]) -> Vec<Shared> {
    let mut all: Vec<Shared> = Vec::new();
    for (at, memorandum) in memoranda.iter().enumerate() {
        for party in &memorandum.header.parties {
            let known = |known: &&mut Shared| known.id == party.id && same(&known.name, &party.name);
            match all.iter_mut().find(known) {
                Some(known) => known.of.push(at),
                None => all.push(Shared { id: party.id.clone(), name: party.name.clone(), of: vec![at] }),
            }
        }
    }
    all.retain(|party| party.of.len() > 1);
    all
}

fn notes(memoranda: &[&Memorandum]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for (_, one, _, other) in pairs(memoranda) {
        for (a, b) in one.header.parties.iter().flat_map(|a| other.header.parties.iter().map(move |b| (a, b)))
        {
            let note = match (a.id == b.id, same(&a.name, &b.name)) {
                (true, false) => format!(
                    "`{}` is \"{}\" in one and \"{}\" in another: they are not taken for the same party",
                    a.id, a.name, b.name
                ),
                (false, true) => format!(
                    "\"{}\" is `{}` in one and `{}` in another: give it one id to have it taken for the same party",
                    a.name, a.id, b.id
                ),
                _ => continue,
            };
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    notes
}
