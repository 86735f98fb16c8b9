//! Entries: the leaves of the record, and their one encoding (format 1).
//!
//! Each entry is two strict JSON texts: a public envelope, and the parties' part that the envelope commits to field by field.
//! `docs/RECORD.md` describes both for whoever writes a verifier of their own. Not here: hashing (see [`record`]) or judging.

pub(crate) mod text;
pub(crate) mod wire;

use crate::act::{Act, Attempt, Deed, Digest, Ended, Principal, Usage, text as integer};
use crate::decision::{Deviation, RefusalCode};
use crate::ids::{ActId, ClauseId, KeyId, PartyId, Timestamp};
use ledger::{Amount, AssetId, Transfer};
use record::commitment::Salts;
use record::{Envelope, Leaf};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The rules by which this version folds entries into state.
pub const FOLD: u32 = 1;

/// One leaf of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The salts of its commitments, one for each field of the parties' part.
    pub salts: Salts,
    /// When it was written, by the record's time.
    pub at: Timestamp,
    /// What it says.
    pub body: Body,
}

/// What an entry says. The kinds are closed per format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The first entry: who the parties are and what they signed.
    Genesis(Genesis),
    /// A decision on an act.
    Decided(Box<Decided>),
    /// How an allowed act ended.
    Settled(Box<Settled>),
    /// The clock of the machine stepped.
    Clock(ClockStep),
    /// Requests refused by a rate limit, which are not acts, counted.
    Tally(Tally),
    /// The state's digest, so that a replay that diverges is caught at once.
    StateDigest(StateDigest),
    /// What may be under way at once while its decisions are still being written.
    Lease(Lease),
}

/// The memorandum that an entry names, which must lie under its digest: that of the first entry, and of each amendment that is not refused.
#[must_use]
pub fn document_of(body: &Body) -> Option<Digest> {
    match body {
        Body::Genesis(genesis) => Some(genesis.memorandum),
        Body::Decided(decided) => match &decided.act.deed {
            Deed::Amend(amend) if !matches!(decided.verdict, Verdict::Deny { .. }) => Some(amend.digest),
            _ => None,
        },
        _ => None,
    }
}

/// Who the parties are and what they signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The log's origin.
    pub origin: String,
    /// SHA-256 of the memorandum.
    pub memorandum: Digest,
    /// Each party's public key, as a C2SP vkey.
    pub vkeys: Vec<(PartyId, String)>,
    /// Each party's signature over the memorandum.
    pub signatures: Vec<(PartyId, String)>,
    /// The transfers that open grants and commitments.
    pub transfers: Vec<Transfer>,
}

/// A decision on an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The act decided on.
    pub act: Act,
    /// What policies knew of the application; none where no application acts.
    pub standing: Option<Standing>,
    /// The memorandum's version that decided.
    pub memorandum: u64,
    /// The verdict.
    pub verdict: Verdict,
    /// The clauses that determined it, in order.
    pub clauses: Vec<ClauseId>,
    /// What non-binding clauses spoke against it.
    pub deviations: Vec<Deviation>,
    /// When the warrant ends by itself; none where there is nothing to perform.
    pub lapses: Option<Timestamp>,
    /// The reservations made, and the moves that bring the purses of budgets to what their limits leave.
    pub transfers: Vec<Transfer>,
}

/// What policies know of an application, as it stood when the act was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// `consumer` or `business`.
    pub audience: String,
    /// What the application is for.
    pub purpose: String,
    /// The market it serves.
    pub market: String,
}

/// Allowed, refused or waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed.
    Allow,
    /// Refused.
    Deny {
        /// The kind of reason.
        code: RefusalCode,
        /// What would change the answer.
        remedy: String,
        /// From when on the budgets that refused it would cover it; none where none did, or one never would.
        refills: Option<Timestamp>,
    },
    /// Waits for approvals over a digest.
    Escalate {
        /// What each approval must be signed over.
        digest: Digest,
        /// The parties that must approve.
        by: Vec<PartyId>,
    },
}

/// How an allowed act ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The act.
    pub act: ActId,
    /// The act's kind.
    pub kind: String,
    /// Where its decision stands.
    pub decided: u64,
    /// How it ended.
    pub ended: Ended,
    /// What was used.
    pub usage: Option<Usage>,
    /// Whether the gateway counted the usage itself.
    pub estimated: bool,
    /// Every upstream that was tried.
    pub attempts: Vec<Attempt>,
    /// Commitment to the answer's bytes.
    pub output: Option<Digest>,
    /// The digest of the blob that holds the answer, if it is kept.
    pub kept: Option<Digest>,
    /// What was charged.
    pub charged: Option<(Amount, AssetId)>,
    /// Resolutions of the reservations, and what else moved.
    pub transfers: Vec<Transfer>,
}

/// The clock of the machine stepped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockStep {
    /// When the record noticed, by its own time.
    pub at: Timestamp,
    /// What the machine's clock said before.
    pub was: Timestamp,
    /// What the machine's clock says now.
    pub now: Timestamp,
}

/// Requests refused by a rate limit since the last tally.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// When it was written.
    pub at: Timestamp,
    /// Refusals by key, in the order of keys.
    pub refused: Vec<Refused>,
}

/// Refusals of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// The key.
    pub key: KeyId,
    /// How many.
    #[serde(with = "integer")]
    pub count: u64,
}

/// The state's digest after all entries before this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateDigest {
    /// When it was written.
    pub at: Timestamp,
    /// SHA-256 of the projection that `docs/RECORD.md` describes.
    pub digest: Digest,
}

/// Leave to start calls whose decisions are not durable yet, up to these caps at once and until it expires. It moves no money.
///
/// So what a crash can leave performed and unrecorded is bounded by what is on the record. It counts from when it is durable itself,
/// and takes the place of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// When it was written.
    pub at: Timestamp,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// How many calls may be so under way at once.
    pub calls: u64,
    /// What they may cost at most, all together, in each asset. Shape: sorted by asset, each once, above zero; a call that is priced in
    /// another asset starts when its decision is durable. Units: minor units.
    pub amounts: BTreeMap<AssetId, Amount>,
}

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A format or a fold this program does not know.
    #[error("format or fold `{0}` is not known to this program; use a newer one")]
    Unknown(String),
    /// The text does not parse.
    #[error("a `{kind}` entry does not parse: {why}")]
    Malformed {
        /// The kind its envelope gives.
        kind: String,
        /// The parser's words.
        why: String,
    },
    /// The text parses, but is not written as the format writes it.
    #[error("a `{0}` entry is not in the format's one spelling")]
    NotCanonical(String),
}

/// The fields that the parties' part of an entry of this kind has beside its salts, in their order; none for a kind that is not known.
#[must_use]
pub fn fields_of(kind: &str) -> &'static [&'static str] {
    wire::fields(kind)
}

/// The most that an act may add to its entry: its own fields and who proposes it. Units: bytes. An entry has room for 61,440.
pub const ACT_BYTES_MAX: usize = 16_384;

/// Whether an act that somebody proposes is short enough for an entry. One that is not must not be proposed.
#[must_use]
pub fn is_recordable(principal: &Principal, deed: &Deed) -> bool {
    wire::act_bytes(principal, deed) <= ACT_BYTES_MAX
}

impl Entry {
    /// An entry with fresh salts. They follow from `seed`, 32 secret bytes that are used for no other entry.
    #[must_use]
    pub fn new(seed: &[u8; 32], at: Timestamp, body: Body) -> Self {
        Self { salts: Salts::derive(seed, wire::fields(body.kind()).len()), at, body }
    }

    /// The entry as a leaf: envelope and parties' part.
    ///
    /// Errors: none; the parties' part is always a strict object.
    #[must_use]
    pub fn encode(&self) -> Leaf {
        let (parties, body) = wire::encode(self);
        let hour = self.at.hour();
        let envelope = Envelope { fold: FOLD, kind: self.body.kind(), hour: &hour, body };
        Leaf { envelope: envelope.encode(), parties }
    }

    /// Reads an entry back from a leaf's two texts.
    ///
    /// Errors: [`EntryError`] where the format is unknown, the text does not parse, or is spelled in another way than
    /// [`Entry::encode`] spells it.
    pub fn decode(envelope: &[u8], parties: &[u8]) -> Result<Self, EntryError> {
        let envelope = Envelope::parse(envelope)
            .map_err(|error| EntryError::Malformed { kind: "envelope".to_owned(), why: error.to_string() })?;
        if envelope.fold != FOLD {
            return Err(EntryError::Unknown(envelope.fold.to_string()));
        }
        let entry = wire::decode(envelope.kind, parties)?;
        if entry.at.hour() != envelope.hour || wire::encode(&entry).0 != parties {
            return Err(EntryError::NotCanonical(envelope.kind.to_owned()));
        }
        Ok(entry)
    }
}

impl Body {
    /// The kind that the envelope shows.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "genesis",
            Self::Decided(_) => "decided",
            Self::Settled(_) => "settled",
            Self::Clock(_) => "clock",
            Self::Tally(_) => "tally",
            Self::StateDigest(_) => "state-digest",
            Self::Lease(_) => "lease",
        }
    }
}
