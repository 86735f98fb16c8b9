//! What the entries add up to, for whoever shows it. Not here: the adding.

use crate::act_id::ActId;
use crate::acts::Kind;
use crate::books::Sums;
use crate::fold::Replay;
use crate::moment::Moment;
use crate::text::plain;
use record::Hash;
use record::note::Verifier;

/// An account as the entries leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its asset.
    pub asset: &'a str,
    /// Its sums.
    pub sums: Sums,
}

/// An allowed act that is not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAct {
    /// The act.
    pub id: ActId,
    /// Its kind.
    pub kind: Kind,
    /// When it was decided.
    pub at: Moment,
    /// Where its decision stands.
    pub index: u64,
}

/// A version of the memorandum that came into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// SHA-256 of its bytes.
    pub digest: Hash,
    /// The entry that put it in force.
    pub index: u64,
    /// Its number, as the amendment says or the first decision under it; none before that.
    pub number: Option<u64>,
    /// The parties that signed it or approved it.
    pub signed_by: Vec<String>,
}

/// An amendment that was proposed, and waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposed {
    /// The entry that made it wait.
    pub index: u64,
    /// The place of the version then in force.
    pub under: usize,
    /// The number that it would have.
    pub number: u64,
    /// SHA-256 of its bytes.
    pub digest: Hash,
}

/// Whose approval was asked for an act of a kind that may need some.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// The place of the version then in force.
    pub under: usize,
    /// The act's kind.
    pub kind: Kind,
    /// Whose key it is, where an act of its kind asks others than whom a clause names.
    pub of: Option<String>,
    /// Whether the act went on with these approvals, and was not just proposed.
    pub went_on: bool,
    /// The parties; none where it was allowed outright.
    pub by: Vec<String>,
}

/// A tranche that was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// The entry that decided it.
    pub index: u64,
    /// When.
    pub at: Moment,
    /// The place of the version then in force.
    pub under: usize,
    /// The tranche's clause.
    pub clause: String,
    /// Who had attested its milestone under that version: the parties of each evidence.
    pub attested: Vec<Vec<String>>,
}

/// What was erased because a clause's schedule says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The entry that decided it.
    pub index: u64,
    /// When.
    pub at: Moment,
    /// The place of the version then in force.
    pub under: usize,
    /// The clause.
    pub clause: String,
    /// The application.
    pub application: String,
    /// The audiences that it has had.
    pub audiences: Vec<String>,
    /// Of the months before this.
    pub before: Moment,
}

/// The last lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// When it ends by itself.
    pub expires: Moment,
    /// How many calls may be under way undurable at once.
    pub calls: u64,
    /// What they may cost together, in each asset, in order. Units: minor units.
    pub amounts: Vec<(String, i128)>,
}

/// What the entries said, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Decisions that allowed.
    pub allowed: u64,
    /// Decisions that refused.
    pub refused: u64,
    /// Decisions that made an act wait.
    pub waited: u64,
    /// Settlements of acts that were done as proposed.
    pub done: u64,
    /// Settlements of acts whose performer could not.
    pub failed: u64,
    /// Settlements of acts whose proposer left.
    pub cancelled: u64,
    /// Settlements of acts that a crash cut off.
    pub lost: u64,
    /// Settlements of acts whose time was up.
    pub lapsed: u64,
    /// Reservations made.
    pub reserved: u64,
    /// Reservations of which something may have been moved.
    pub posted: u64,
    /// Reservations given back.
    pub void: u64,
    /// Reservations given back because their time was up.
    pub run_out: u64,
}

impl Replay {
    /// How many entries there were.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The log's origin, as the first entry gives it; nothing before that.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The time of the last entry.
    #[must_use]
    pub fn at(&self) -> Moment {
        self.at
    }

    /// The parties' public keys, in the order of the first entry.
    pub fn vkeys(&self) -> impl Iterator<Item = &Verifier> {
        self.keys.iter()
    }

    /// All accounts, in the order of their names.
    pub fn accounts(&self) -> impl Iterator<Item = Account<'_>> {
        self.books.accounts().map(|(account, asset)| Account {
            name: &account.name,
            asset,
            sums: account.sums,
        })
    }

    /// An asset whose debits and credits differ, added up over all accounts once more; none where the books are in order.
    #[must_use]
    pub fn unbalanced(&self) -> Option<&str> {
        self.books.unbalanced()
    }

    /// The allowed acts that are not settled, in order of id.
    pub fn open(&self) -> impl Iterator<Item = OpenAct> {
        self.open.iter().map(|(id, open)| OpenAct { id, kind: open.kind, at: open.at, index: open.index })
    }

    /// The acts that wait for approvals, in order of id.
    pub fn waiting(&self) -> impl Iterator<Item = ActId> {
        self.waiting.keys().copied()
    }

    /// The versions of the memorandum that came into force, oldest first.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The amendments that were made to wait, in the order of their entries.
    #[must_use]
    pub fn proposed(&self) -> &[Proposed] {
        &self.proposed
    }

    /// Whose approvals were asked, each case once, with the first entry of its kind.
    pub fn asked(&self) -> impl Iterator<Item = (&Asked, u64)> {
        self.asked.iter().map(|(asked, index)| (asked, *index))
    }

    /// The tranches that were drawn, in the order of their entries.
    #[must_use]
    pub fn drawn(&self) -> &[Drawn] {
        &self.drawn
    }

    /// What was erased because a clause's schedule says so, in the order of the entries.
    #[must_use]
    pub fn erased(&self) -> &[Erased] {
        &self.erased
    }

    /// The digest of each memorandum that an entry names, with the first such entry. Each must lie under its digest.
    pub fn named(&self) -> impl Iterator<Item = (&Hash, u64)> {
        self.named.iter().map(|(digest, index)| (digest, *index))
    }

    /// The keys by which parties cosign, each a vkey with its party, in the order in which they were added.
    pub fn witnesses(&self) -> impl Iterator<Item = (String, String)> {
        self.witnesses.iter().map(|(party, vkey)| (plain(party), plain(vkey)))
    }

    /// The last lease; it may have expired.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// What the entries said, counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }
}
