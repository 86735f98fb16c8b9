//! Acts: the things a principal proposes, and what came of them.
//!
//! Not here: whether an act is allowed (see [`crate::decision`]) or how it is performed.

mod budgets;
mod digest;
mod dues;
mod keys;
mod reconcile;
mod spelled;
mod undelivered;
mod withdraw;

use crate::ids::{ActId, ApplicationId, BudgetId, ClauseId, ConditionId, KeyId, ModelId, PartyId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

pub(crate) use budgets::is_pseudonym;
pub use budgets::{BadPeriod, BudgetRaise, BudgetSet, Of, Period, pseudonym};
pub use digest::{BadDigest, Digest};
pub use dues::{
    Book, Declare, PaidIn, Payment, RATE_SOURCE_BYTES_MAX, REFERENCE_BYTES_MAX, declaration_bytes,
    payment_bytes,
};
pub use keys::{
    LogKey, PartyKey, RecoveredKey, RecoveredLogKey, WitnessKey, party_key_bytes, witness_key_bytes,
};
pub use reconcile::{Reconcile, reconciliation_bytes};
pub use record::handover::text as log_key_text;
pub(crate) use spelled::{optional_text, text};
pub use undelivered::{NOTICE_BYTES_MAX, RECEIVER_BYTES_MAX, Undelivered};
pub use withdraw::{Withdraw, withdrawal_bytes};

/// One thing a principal proposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Made by the clerk; unique in the record.
    pub id: ActId,
    /// Who proposes it.
    pub principal: Principal,
    /// What is proposed.
    pub deed: Deed,
}

/// Who acts, and for which party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A registered application, by one of its keys.
    Application {
        /// The party that owns the application.
        party: PartyId,
        /// The application's registered name.
        application: ApplicationId,
        /// The key it came with.
        key: KeyId,
    },
    /// A person or a tool of a party, through the operator's door.
    Party {
        /// The party acted for.
        party: PartyId,
        /// The person's name as the door knows it.
        person: String,
    },
    /// The clerk itself, for what falls due by the record's time.
    Clerk,
}

impl Principal {
    /// The party acted for; none for the clerk.
    #[must_use]
    pub fn party(&self) -> Option<&PartyId> {
        match self {
            Self::Application { party, .. } | Self::Party { party, .. } => Some(party),
            Self::Clerk => None,
        }
    }
}

/// What an act would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Ask a model for an answer.
    Infer(Infer),
    /// Put a new version of the memorandum in force.
    Amend(Amend),
    /// Approve another act, by a signature over its digest.
    Approve(Approve),
    /// Attest that a milestone was met, by a signature over the evidence's digest.
    Attest(Attest),
    /// Book a tranche whose condition holds.
    Draw(Draw),
    /// Move what is left of an expired grant to breakage.
    Expire(Expire),
    /// Book what a clause makes due on a day.
    Book(Book),
    /// Declare revenue that is shared.
    Declare(Declare),
    /// Give one's word on a payment.
    Payment(Payment),
    /// Give one's word on a reconciliation.
    Reconcile(Reconcile),
    /// Record that a notice could not be delivered.
    Undelivered(Undelivered),
    /// End what binds nobody by one party's word alone.
    Withdraw(Withdraw),
    /// Destroy content keys.
    Erase(Erase),
    /// Change the register of applications, keys and models.
    Administer(Administer),
}

impl Deed {
    /// The act's kind as the record and the policies name it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Infer(_) => "infer",
            Self::Amend(_) => "amend",
            Self::Approve(_) => "approve",
            Self::Attest(_) => "attest",
            Self::Draw(_) => "draw",
            Self::Expire(_) => "expire",
            Self::Book(_) => "book",
            Self::Declare(_) => "declare",
            Self::Payment(_) => "payment",
            Self::Reconcile(_) => "reconcile",
            Self::Undelivered(_) => "undelivered",
            Self::Withdraw(_) => "withdraw",
            Self::Erase(_) => "erase",
            Self::Administer(administer) => administer.name(),
        }
    }

    /// Whether something outside the record must happen between decision and settlement.
    #[must_use]
    pub fn is_performed(&self) -> bool {
        matches!(self, Self::Infer(_) | Self::Erase(_))
    }
}

/// The facts of a model call that a decision needs; never its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Infer {
    /// The model's public id.
    pub model: ModelId,
    /// The API it was asked through: `chat`.
    pub surface: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Length of the request's body. Units: bytes.
    #[serde(with = "text")]
    pub input_bytes: u64,
    /// Upper bound of input tokens, template included, over all choices.
    #[serde(with = "text")]
    pub input_tokens_max: u64,
    /// Upper bound of output tokens, over all choices.
    #[serde(with = "text")]
    pub output_tokens_max: u64,
    /// Number of tools offered to the model.
    #[serde(with = "text")]
    pub tools: u64,
    /// Number of images in the request.
    #[serde(with = "text")]
    pub images: u64,
    /// Whether the request names an end user.
    pub end_user: bool,
    /// Commitment to the request's bytes; its salt lies in the vault.
    pub input: Digest,
    /// [`idempotency_digest`] of the application and the key that its caller gave, so that a repetition is no second act; none where
    /// the caller gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Digest>,
    /// SHA-256 of the blob in the vault that holds the request; none where it is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Digest>,
    /// [`pseudonym`] of the end user in the month in which the act's id was made, and after it that of the month before where there is
    /// one and a budget may look at it; none where no budget limits end users, or nobody was named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pseudonyms: Vec<String>,
}

/// A proposed version of the memorandum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amend {
    /// The version it would be.
    #[serde(with = "text")]
    pub version: u64,
    /// SHA-256 of the document; its bytes lie beside the record under this digest.
    pub digest: Digest,
}

/// One party's approval of a waiting act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approve {
    /// The act that waits.
    pub act: String,
    /// What is signed: the digest of the exact thing.
    pub digest: Digest,
    /// The party that approves.
    pub party: PartyId,
    /// Ed25519 signature over [`approval_bytes`] (for an amendment over the memorandum's signing bytes). Base64.
    pub signature: String,
}

/// One party's word that a milestone was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attest {
    /// The clause with the milestone.
    pub clause: ClauseId,
    /// Which milestone of it; none where it has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<ConditionId>,
    /// SHA-256 of the evidence.
    pub evidence: Digest,
    /// The party that attests.
    pub party: PartyId,
    /// Ed25519 signature over [`attestation_bytes`]. Base64.
    pub signature: String,
}

impl Attest {
    /// What is attested, as [`attestation_bytes`] takes it: the clause, and where it has several milestones `/` and the name of this one.
    #[must_use]
    pub fn about(&self) -> String {
        attested(&self.clause, self.condition.as_ref())
    }
}

/// What is attested, as [`attestation_bytes`] takes it.
#[must_use]
pub fn attested(clause: &ClauseId, condition: Option<&ConditionId>) -> String {
    condition.map_or_else(|| clause.to_string(), |condition| format!("{clause}/{condition}"))
}

/// A tranche whose condition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// The tranche's clause.
    pub clause: ClauseId,
}

/// A grant whose day has passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expire {
    /// The grant's clause.
    pub clause: ClauseId,
}

/// The end of content keys: of what was committed to under them nothing can be proved any more.
///
/// Shape: somebody's own has `keys` and at least one of `before` and `subject`. One that is due has `application`, `before` and `clause`, and
/// neither of the others: it is of every key there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erase {
    /// The application whose content it is; none for that of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationId>,
    /// Of the months before this moment, which is the first of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// Of one end user: [`subject_commitment`] to the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    /// The clause by whose schedule the clerk proposes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<ClauseId>,
    /// How many keys that were when it was proposed: these are destroyed.
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
}

impl Erase {
    /// What one of a schedule says: whose content of which months goes, and the clause.
    #[must_use]
    pub fn due(&self) -> Option<(&ApplicationId, Timestamp, &ClauseId)> {
        Some((self.application.as_ref()?, self.before?, self.clause.as_ref()?))
    }

    /// Whether its fields are those of the one or the other.
    pub(crate) fn is_sound(&self) -> bool {
        match &self.clause {
            Some(_) => self.due().is_some() && self.subject.is_none() && self.keys.is_none(),
            None => self.keys.is_some(),
        }
    }
}

/// A change of the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Administer {
    /// Register an application.
    ApplicationAdd(Application),
    /// Remove an application and with it all its keys.
    ApplicationRemove {
        /// The application's name.
        name: ApplicationId,
    },
    /// Issue a key.
    KeyNew(Key),
    /// Revoke a key.
    KeyRevoke {
        /// The key's public half.
        id: KeyId,
    },
    /// Put a suspended model back in service.
    ModelResume {
        /// The model's public id.
        model: ModelId,
    },
    /// Have a party's cosignatures by this key count from now on.
    WitnessKeyAdd(WitnessKey),
    /// Have cosignatures by this key count no more.
    WitnessKeyRevoke(WitnessKey),
    /// Have a party's own key give way to another.
    PartyKeyChange(PartyKey),
    /// Have a party's own key, which is lost or in other hands, give way to another, by the recovery key and the other parties.
    PartyKeyRecover(RecoveredKey),
    /// Have the log's key give way to another.
    LogKeyChange(LogKey),
    /// Have the log's key, which is lost, give way to another, by the operator and the other parties.
    LogKeyRecover(RecoveredLogKey),
    /// Set a budget, or one that stands to another amount.
    BudgetSet(BudgetSet),
    /// Have a budget be more for a time.
    BudgetRaise(BudgetRaise),
    /// Have a budget limit nothing any more.
    BudgetRemove {
        /// The budget.
        id: BudgetId,
    },
}

impl Administer {
    /// The act's kind as the record, the policies and `requirement` clauses name it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ApplicationAdd(_) => "application-add",
            Self::ApplicationRemove { .. } => "application-remove",
            Self::KeyNew(_) => "key-new",
            Self::KeyRevoke { .. } => "key-revoke",
            Self::ModelResume { .. } => "model-resume",
            Self::WitnessKeyAdd(_) => "witness-key-add",
            Self::WitnessKeyRevoke(_) => "witness-key-revoke",
            Self::PartyKeyChange(_) => "party-key-change",
            Self::PartyKeyRecover(_) => "party-key-recover",
            Self::LogKeyChange(_) => "log-key-change",
            Self::LogKeyRecover(_) => "log-key-recover",
            Self::BudgetSet(_) => "budget-set",
            Self::BudgetRaise(_) => "budget-raise",
            Self::BudgetRemove { .. } => "budget-remove",
        }
    }
}

/// An application that makes calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Its name, unique among applications.
    pub name: ApplicationId,
    /// The party that owns it and whose grants it spends.
    pub party: PartyId,
    /// `consumer` or `business`.
    pub audience: String,
    /// What it is for, in a few words.
    pub purpose: String,
    /// The market it serves, in lower case: `us`, `eu`, `global`.
    pub market: String,
}

/// A key of an application. Its secret is never here, only the secret's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The key's public half.
    pub id: KeyId,
    /// The application it belongs to.
    pub application: ApplicationId,
    /// SHA-256 of the secret half.
    pub secret: Digest,
    /// Requests allowed in any minute; none for no limit.
    #[serde(with = "optional_text")]
    pub requests_per_minute: Option<u64>,
    /// What the key may spend in all, with its asset; none for no limit of its own.
    pub budget: Option<Budget>,
    /// When it stops working; none for never.
    pub expires: Option<Timestamp>,
}

/// An amount of one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// The asset's id.
    pub asset: String,
    /// Units: minor units of the asset.
    #[serde(with = "text")]
    pub amount: i128,
}

/// What came of a performance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// What was used; none where nothing is owed or known.
    pub usage: Option<Usage>,
    /// Whether the gateway counted the usage itself, for want of the upstream's word.
    pub estimated: bool,
    /// Every upstream that was tried, in order.
    pub attempts: Vec<Attempt>,
    /// Commitment to the answer's bytes; its salt lies in the vault.
    pub output: Option<Digest>,
    /// SHA-256 of the blob in the vault that holds the answer; none where it is not kept.
    pub kept: Option<Digest>,
}

impl Outcome {
    /// The outcome of an act whose performance a crash cut off: nobody knows, nothing is charged.
    #[must_use]
    pub fn lost() -> Self {
        let ended = Ended::Lost;
        Self { ended, usage: None, estimated: false, attempts: Vec::new(), output: None, kept: None }
    }
}

/// How a performance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// As proposed.
    Done,
    /// The performer could not; nothing is charged.
    Failed,
    /// The caller left; what was produced is charged.
    Cancelled,
    /// Cut off by a crash; nothing is charged.
    Lost,
    /// Not settled before its warrant lapsed; nothing is charged.
    Lapsed,
}

impl Ended {
    /// Whether nothing was charged and no whole answer came of it, so that the same may be asked again.
    #[must_use]
    pub fn came_to_nothing(self) -> bool {
        matches!(self, Self::Failed | Self::Lost | Self::Lapsed)
    }

    /// The word that the record uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Lapsed => "lapsed",
        }
    }
}

/// What a model call used. Units: tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the request as the model counted them.
    #[serde(with = "text")]
    pub input_tokens: u64,
    /// Those among them that the upstream had cached and did not work out again; where there are none it is not written.
    #[serde(default, with = "text", skip_serializing_if = "is_zero")]
    pub cached_input_tokens: u64,
    /// Tokens of the answer, all choices together.
    #[serde(with = "text")]
    pub output_tokens: u64,
}

impl Usage {
    /// The same, where no more input was cached than there was.
    #[must_use]
    pub fn sound(self) -> Self {
        Self { cached_input_tokens: self.cached_input_tokens.min(self.input_tokens), ..self }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One try at one upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The upstream's name in the operator's configuration.
    pub upstream: String,
    /// The HTTP status it answered with, or the word for why there was none: `unreachable`, `timeout`, `cut`.
    pub result: String,
}

/// What a party signs to approve the act whose exact content has this digest.
#[must_use]
pub fn approval_bytes(digest: &Digest) -> Vec<u8> {
    [b"countersign/approval/v1\0".as_slice(), &digest.0].concat()
}

/// What a party signs to attest a milestone, as the version of the memorandum in force states it, by the evidence with this digest:
/// that of a clause by the clause's id, and one of several by what [`attested`] makes of both. Good for one partnership and one version.
#[must_use]
pub fn attestation_bytes(
    origin: &str,
    memorandum: &Digest,
    about: &(impl fmt::Display + ?Sized),
    evidence: &Digest,
) -> Vec<u8> {
    let (domain, about) = (b"countersign/attestation/v1\0".as_slice(), about.to_string());
    [domain, origin.as_bytes(), b"\0", &memorandum.0, about.as_bytes(), b"\0", &evidence.0].concat()
}

/// What stands in the record for a key by which a caller of `application` tells a repetition from a new call. Two applications
/// never share one, whatever keys they choose.
#[must_use]
pub fn idempotency_digest(application: &ApplicationId, key: &str) -> Digest {
    let head = b"countersign/idempotency/v1\n".as_slice();
    Digest(record::hash::sha256_of(&[head, application.as_str().as_bytes(), b"\n", key.as_bytes()]))
}

/// What stands in the record for the end user whose content is erased. Who has the salt, which nobody else has, can show whose erasure it was.
#[must_use]
pub fn subject_commitment(salt: &[u8; 32], id: &str) -> Digest {
    Digest(record::hash::sha256_of(&[b"countersign/subject/v1\n", salt, id.as_bytes()]))
}

/// The digest of the exact change that the waiting act `id` would make: of the partnership's origin, the act's id and kind, and
/// `what` as the record writes it. So an approval is good for one act and no other, however alike.
#[must_use]
pub fn change_digest(origin: &str, id: &str, kind: &str, what: &[u8]) -> Digest {
    let head = format!("countersign/act/v1\0{origin}\0{id}\0{kind}\0");
    Digest(record::hash::sha256_of(&[head.as_bytes(), what]))
}
