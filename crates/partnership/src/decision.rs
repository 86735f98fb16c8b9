//! What the partnership answers to a proposed act: a decision, and with it leave to perform or a reason why not.
//!
//! Not here: HTTP status codes (see `countersign::http::problem`).

use crate::act::{Act, Digest, Ended, Usage};
use crate::ids::{ActId, ClauseId, PartyId, Timestamp};
use ledger::{Amount, AssetId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The answer to a proposed act.
#[derive(Debug)]
pub enum Decision {
    /// Leave to perform it.
    Allow(Warrant),
    /// Allowed, and done in the same turn: nothing is to be performed.
    Done(Settlement),
    /// Refused.
    Deny(Refusal),
    /// Waits for approvals.
    Escalate(Ticket),
    /// Nothing was decided: the idempotency key that came with it belongs to another act.
    Repeated(Repeated),
}

/// The act that an idempotency key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated {
    /// The act.
    pub act: ActId,
    /// Its commitment to the request's bytes, which tells whether the same was asked.
    pub input: Digest,
    /// Whether it is still under way.
    pub open: bool,
}

/// Leave to perform one act, already recorded.
///
/// Made only by a turn of the partnership (or by loading, for an act in doubt), spent only by settling it.
#[must_use = "an unspent warrant holds its reservation until it lapses"]
#[derive(Debug)]
pub struct Warrant {
    pub(crate) act: Arc<Act>,
    pub(crate) index: u64,
    pub(crate) at: Timestamp,
    pub(crate) lapses: Timestamp,
    pub(crate) deviations: Vec<Deviation>,
}

impl Warrant {
    /// The act that may be performed.
    #[must_use]
    pub fn act(&self) -> &Act {
        &self.act
    }

    /// Where the decision stands in the record.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// When it was decided.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// When it ends by itself.
    #[must_use]
    pub fn lapses(&self) -> Timestamp {
        self.lapses
    }

    /// What non-binding clauses spoke against it.
    #[must_use]
    pub fn deviations(&self) -> &[Deviation] {
        &self.deviations
    }
}

/// Why an act was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The refused act.
    pub act: ActId,
    /// The kind of reason.
    pub code: RefusalCode,
    /// The clause that refused; none where no clause is concerned.
    pub clause: Option<ClauseId>,
    /// The clause's own prose, or what was wrong.
    pub message: String,
    /// What would change the answer.
    pub remedy: String,
    /// Where the refusal stands in the record.
    pub index: u64,
}

/// The kinds of reasons for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCode {
    /// A binding clause forbids it.
    Forbidden,
    /// The grant, or the key's budget, does not cover the upper bound.
    InsufficientQuota,
    /// No price is agreed for the model.
    Unpriced,
    /// The memorandum is not in force at this time.
    OutOfTerm,
    /// The model is suspended after an overrun.
    Suspended,
    /// The request cannot be bounded before it runs.
    Unbounded,
    /// Less was consumed than was intended. It refuses nothing.
    Shortfall,
    /// The act does not fit the state: an unknown name, a name taken, a signature that does not verify.
    Invalid,
}

impl RefusalCode {
    /// Whether the clause's prose says why. A suspended model or a request out of bounds is not what the clause speaks of.
    #[must_use]
    pub fn is_in_the_clauses_words(self) -> bool {
        !matches!(self, Self::Suspended | Self::Unbounded | Self::Invalid)
    }

    /// The word that the record uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::InsufficientQuota => "insufficient-quota",
            Self::Unpriced => "unpriced",
            Self::OutOfTerm => "out-of-term",
            Self::Suspended => "suspended",
            Self::Unbounded => "unbounded",
            Self::Shortfall => "shortfall",
            Self::Invalid => "invalid",
        }
    }
}

/// An act that waits for approvals over its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The act that waits.
    pub act: ActId,
    /// What each approval must be signed over.
    pub digest: Digest,
    /// The clause that asks for approvals.
    pub clause: ClauseId,
    /// The parties whose approval is missing, in order.
    pub missing: Vec<PartyId>,
    /// Where the decision to wait stands in the record.
    pub index: u64,
}

/// What a non-binding clause would have refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    /// The clause.
    pub clause: ClauseId,
    /// The kind of reason.
    pub code: RefusalCode,
    /// In words: "would have been refused, because …".
    pub why: String,
}

/// How an act ended, on the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The act.
    pub act: ActId,
    /// How it ended.
    pub ended: Ended,
    /// What was used.
    pub usage: Option<Usage>,
    /// What was charged for it, with its asset; none where nothing moved.
    pub charged: Option<(Amount, AssetId)>,
    /// Where the settlement stands in the record.
    pub index: u64,
    /// Where its decision stands in the record.
    pub decided: u64,
}
