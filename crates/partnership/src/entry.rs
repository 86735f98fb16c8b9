//! Entries: the leaves of the record, and their one encoding (format 1).
//!
//! Each entry is two strict JSON texts: a public envelope, and the parties' part that the envelope commits to field by field.
//! `docs/RECORD.md` describes both for whoever writes a verifier of their own. Not here: hashing (see [`record`]) or judging.

use crate::act::{
    Act, Administer, Amend, Approve, Attempt, Attest, Deed, Digest, Draw, Ended, Expire, Infer, Principal,
    Usage, text,
};
use crate::decision::{Deviation, RefusalCode};
use crate::ids::{ActId, ApplicationId, ClauseId, KeyId, PartyId, Timestamp};
use ledger::{AccountId, Amount, AssetId, Operation, Transfer, TransferId};
use record::{Envelope, Leaf};
use serde::{Deserialize, Serialize};

/// The rules by which this version folds entries into state.
pub const FOLD: u32 = 1;

/// One leaf of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Source of the salts of this entry's commitments. Shape: 32 bytes.
    pub seed: [u8; 32],
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
    /// The reservations made.
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
    #[serde(with = "text")]
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

impl Entry {
    /// The entry as a leaf: envelope and parties' part.
    ///
    /// Errors: none that a caller can mend; the parties' part is always a strict object.
    #[must_use]
    pub fn encode(&self) -> Leaf {
        let parties = self.parties();
        let hour = self.at.hour();
        let envelope = Envelope {
            fold: FOLD,
            kind: self.body.kind(),
            hour: &hour,
            body: record::commitment::body(self.body.kind(), &parties)
                .unwrap_or_else(|error| unreachable!("an entry of ours is strict: {error}")),
        };
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
        if entry.at.hour() != envelope.hour || entry.parties() != parties {
            return Err(EntryError::NotCanonical(envelope.kind.to_owned()));
        }
        Ok(entry)
    }

    fn parties(&self) -> Vec<u8> {
        wire::encode(self)
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
        }
    }
}

/// The texts as serde sees them: one struct a top-level field, in the order that is written.
mod wire {
    use super::{
        AccountId, Act, ActId, Administer, Amend, Amount, ApplicationId, Approve, AssetId, Attempt, Attest,
        Body, ClauseId, ClockStep, Decided, Deed, Deviation, Digest, Draw, Ended, Entry, EntryError, Expire,
        Genesis, Infer, KeyId, Operation, PartyId, Principal, RefusalCode, Settled, Standing, StateDigest,
        Tally, Timestamp, Transfer, TransferId, Usage, Verdict, text,
    };
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct GenesisText {
        seed: Digest,
        genesis: Founding,
        money: Vec<Move>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Founding {
        at: Timestamp,
        origin: String,
        memorandum: Digest,
        vkeys: Vec<OfParty>,
        signatures: Vec<OfParty>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct OfParty {
        party: PartyId,
        value: String,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct DecidedText {
        seed: Digest,
        act: Head,
        who: Who,
        what: Box<serde_json::value::RawValue>,
        why: Why,
        money: Reserved,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Head {
        id: String,
        at: Timestamp,
        kind: String,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Who {
        #[serde(skip_serializing_if = "Option::is_none")]
        party: Option<PartyId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        person: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        application: Option<ApplicationId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<KeyId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        standing: Option<Standing>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Why {
        #[serde(with = "text")]
        memorandum: u64,
        decision: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<RefusalCode>,
        #[serde(skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Vec<PartyId>>,
        clauses: Vec<ClauseId>,
        deviations: Vec<Deviation>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Reserved {
        #[serde(skip_serializing_if = "Option::is_none")]
        lapses: Option<Timestamp>,
        transfers: Vec<Move>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SettledText {
        seed: Digest,
        act: Head,
        what: Ending,
        money: Charged,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Ending {
        #[serde(with = "text")]
        decided: u64,
        ended: Ended,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        estimated: bool,
        attempts: Vec<Attempt>,
        #[serde(skip_serializing_if = "Option::is_none")]
        output: Option<Digest>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Charged {
        #[serde(skip_serializing_if = "Option::is_none")]
        charged: Option<Charge>,
        transfers: Vec<Move>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Charge {
        asset: String,
        #[serde(with = "text")]
        amount: i128,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Move {
        #[serde(with = "text")]
        leg: u16,
        op: Op,
        #[serde(skip_serializing_if = "Option::is_none")]
        pending: Option<String>,
        debit: String,
        credit: String,
        asset: String,
        #[serde(with = "text")]
        amount: i128,
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Op {
        Move,
        Reserve,
        Post,
        Void,
        Lapse,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct ClockText {
        seed: Digest,
        clock: ClockStep,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct TallyText {
        seed: Digest,
        tally: Tally,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct StateDigestText {
        seed: Digest,
        state: StateDigest,
    }

    pub(super) fn encode(entry: &Entry) -> Vec<u8> {
        let seed = Digest(entry.seed);
        match &entry.body {
            Body::Genesis(genesis) => bytes(&GenesisText {
                seed,
                genesis: Founding {
                    at: entry.at,
                    origin: genesis.origin.clone(),
                    memorandum: genesis.memorandum,
                    vkeys: of_party(&genesis.vkeys),
                    signatures: of_party(&genesis.signatures),
                },
                money: moves(&genesis.transfers),
            }),
            Body::Decided(decided) => bytes(&decided_text(entry, decided)),
            Body::Settled(settled) => bytes(&settled_text(entry, settled)),
            Body::Clock(clock) => bytes(&ClockText { seed, clock: clock.clone() }),
            Body::Tally(tally) => bytes(&TallyText { seed, tally: tally.clone() }),
            Body::StateDigest(state) => bytes(&StateDigestText { seed, state: state.clone() }),
        }
    }

    pub(super) fn decode(kind: &str, parties: &[u8]) -> Result<Entry, EntryError> {
        match kind {
            "genesis" => read::<GenesisText>(kind, parties).and_then(genesis),
            "decided" => read::<DecidedText>(kind, parties).and_then(decided),
            "settled" => read::<SettledText>(kind, parties).and_then(settled),
            "clock" => read::<ClockText>(kind, parties).map(|text| Entry {
                seed: text.seed.0,
                at: text.clock.at,
                body: Body::Clock(text.clock),
            }),
            "tally" => read::<TallyText>(kind, parties).map(|text| Entry {
                seed: text.seed.0,
                at: text.tally.at,
                body: Body::Tally(text.tally),
            }),
            "state-digest" => read::<StateDigestText>(kind, parties).map(|text| Entry {
                seed: text.seed.0,
                at: text.state.at,
                body: Body::StateDigest(text.state),
            }),
            other => Err(EntryError::Unknown(other.to_owned())),
        }
    }

    fn bytes(value: &impl Serialize) -> Vec<u8> {
        serde_json::to_vec(value)
            .unwrap_or_else(|error| unreachable!("an entry of ours has string keys only: {error}"))
    }

    fn read<'a, T: Deserialize<'a>>(kind: &str, parties: &'a [u8]) -> Result<T, EntryError> {
        serde_json::from_slice(parties).map_err(|error| malformed(kind, &error))
    }

    fn malformed(kind: &str, why: &dyn std::fmt::Display) -> EntryError {
        EntryError::Malformed { kind: kind.to_owned(), why: why.to_string() }
    }

    fn of_party(pairs: &[(PartyId, String)]) -> Vec<OfParty> {
        pairs.iter().map(|(party, value)| OfParty { party: party.clone(), value: value.clone() }).collect()
    }

    fn by_party(pairs: Vec<OfParty>) -> Vec<(PartyId, String)> {
        pairs.into_iter().map(|pair| (pair.party, pair.value)).collect()
    }

    fn genesis(text: GenesisText) -> Result<Entry, EntryError> {
        Ok(Entry {
            seed: text.seed.0,
            at: text.genesis.at,
            body: Body::Genesis(Genesis {
                origin: text.genesis.origin,
                memorandum: text.genesis.memorandum,
                vkeys: by_party(text.genesis.vkeys),
                signatures: by_party(text.genesis.signatures),
                transfers: transfers("genesis", ActId::from_u128(0), text.money)?,
            }),
        })
    }

    fn decided_text(entry: &Entry, decided: &Decided) -> DecidedText {
        let (code, remedy, digest, by, decision) = match &decided.verdict {
            Verdict::Allow => (None, None, None, None, "allow"),
            Verdict::Deny { code, remedy } => (Some(*code), Some(remedy.clone()), None, None, "deny"),
            Verdict::Escalate { digest, by } => (None, None, Some(*digest), Some(by.clone()), "escalate"),
        };
        DecidedText {
            seed: Digest(entry.seed),
            act: Head {
                id: decided.act.id.to_string(),
                at: entry.at,
                kind: decided.act.deed.name().to_owned(),
            },
            who: who(&decided.act.principal, decided.standing.as_ref()),
            what: what(&decided.act.deed),
            why: Why {
                memorandum: decided.memorandum,
                decision: decision.to_owned(),
                code,
                remedy,
                digest,
                by,
                clauses: decided.clauses.clone(),
                deviations: decided.deviations.clone(),
            },
            money: Reserved { lapses: decided.lapses, transfers: moves(&decided.transfers) },
        }
    }

    fn decided(text: DecidedText) -> Result<Entry, EntryError> {
        let id: ActId = text.act.id.parse().map_err(|error| malformed("decided", &error))?;
        let verdict = verdict(&text.why)?;
        let (principal, standing) = principal(text.who)?;
        Ok(Entry {
            seed: text.seed.0,
            at: text.act.at,
            body: Body::Decided(Box::new(Decided {
                act: Act { id, seed: text.seed.0, principal, deed: deed(&text.act.kind, text.what.get())? },
                standing,
                memorandum: text.why.memorandum,
                verdict,
                clauses: text.why.clauses,
                deviations: text.why.deviations,
                lapses: text.money.lapses,
                transfers: transfers("decided", id, text.money.transfers)?,
            })),
        })
    }

    fn verdict(why: &Why) -> Result<Verdict, EntryError> {
        match (why.decision.as_str(), why.code, &why.remedy, why.digest, &why.by) {
            ("allow", None, None, None, None) => Ok(Verdict::Allow),
            ("deny", Some(code), Some(remedy), None, None) => {
                Ok(Verdict::Deny { code, remedy: remedy.clone() })
            }
            ("escalate", None, None, Some(digest), Some(by)) => {
                Ok(Verdict::Escalate { digest, by: by.clone() })
            }
            _ => Err(malformed("decided", &format!("`{}` does not fit its fields", why.decision))),
        }
    }

    fn who(principal: &Principal, standing: Option<&Standing>) -> Who {
        let mut who =
            Who { party: None, person: None, application: None, key: None, standing: standing.cloned() };
        match principal {
            Principal::Application { party, application, key } => {
                who.party = Some(party.clone());
                who.application = Some(application.clone());
                who.key = Some(key.clone());
            }
            Principal::Party { party, person } => {
                who.party = Some(party.clone());
                who.person = Some(person.clone());
            }
            Principal::Clerk => {}
        }
        who
    }

    fn principal(who: Who) -> Result<(Principal, Option<Standing>), EntryError> {
        let principal = match (who.party, who.person, who.application, who.key) {
            (Some(party), None, Some(application), Some(key)) => {
                Principal::Application { party, application, key }
            }
            (Some(party), Some(person), None, None) => Principal::Party { party, person },
            (None, None, None, None) => Principal::Clerk,
            _ => return Err(malformed("decided", &"`who` names no principal")),
        };
        Ok((principal, who.standing))
    }

    fn what(deed: &Deed) -> Box<serde_json::value::RawValue> {
        let raw = match deed {
            Deed::Infer(infer) => serde_json::value::to_raw_value(infer),
            Deed::Amend(amend) => serde_json::value::to_raw_value(amend),
            Deed::Approve(approve) => serde_json::value::to_raw_value(approve),
            Deed::Attest(attest) => serde_json::value::to_raw_value(attest),
            Deed::Draw(draw) => serde_json::value::to_raw_value(draw),
            Deed::Expire(expire) => serde_json::value::to_raw_value(expire),
            Deed::Administer(administer) => serde_json::value::to_raw_value(administer),
        };
        raw.unwrap_or_else(|error| unreachable!("a deed has string keys only: {error}"))
    }

    fn deed(kind: &str, what: &str) -> Result<Deed, EntryError> {
        fn of<'a, T: Deserialize<'a>>(kind: &str, what: &'a str) -> Result<T, EntryError> {
            serde_json::from_str(what).map_err(|error| malformed(kind, &error))
        }
        Ok(match kind {
            "infer" => Deed::Infer(of::<Infer>(kind, what)?),
            "amend" => Deed::Amend(of::<Amend>(kind, what)?),
            "approve" => Deed::Approve(of::<Approve>(kind, what)?),
            "attest" => Deed::Attest(of::<Attest>(kind, what)?),
            "draw" => Deed::Draw(of::<Draw>(kind, what)?),
            "expire" => Deed::Expire(of::<Expire>(kind, what)?),
            _ => {
                let administer = of::<Administer>(kind, what)?;
                if administer.name() != kind {
                    return Err(malformed(kind, &"`what` is another act"));
                }
                Deed::Administer(administer)
            }
        })
    }

    fn settled_text(entry: &Entry, settled: &Settled) -> SettledText {
        SettledText {
            seed: Digest(entry.seed),
            act: Head { id: settled.act.to_string(), at: entry.at, kind: settled.kind.clone() },
            what: Ending {
                decided: settled.decided,
                ended: settled.ended,
                usage: settled.usage,
                estimated: settled.estimated,
                attempts: settled.attempts.clone(),
                output: settled.output,
            },
            money: Charged {
                charged: settled
                    .charged
                    .as_ref()
                    .map(|(amount, asset)| Charge { asset: asset.to_string(), amount: amount.minor() }),
                transfers: moves(&settled.transfers),
            },
        }
    }

    fn settled(text: SettledText) -> Result<Entry, EntryError> {
        let act: ActId = text.act.id.parse().map_err(|error| malformed("settled", &error))?;
        Ok(Entry {
            seed: text.seed.0,
            at: text.act.at,
            body: Body::Settled(Box::new(Settled {
                act,
                kind: text.act.kind,
                decided: text.what.decided,
                ended: text.what.ended,
                usage: text.what.usage,
                estimated: text.what.estimated,
                attempts: text.what.attempts,
                output: text.what.output,
                charged: text
                    .money
                    .charged
                    .map(|charge| (Amount::new(charge.amount), AssetId::from(charge.asset.as_str()))),
                transfers: transfers("settled", act, text.money.transfers)?,
            })),
        })
    }

    fn moves(transfers: &[Transfer]) -> Vec<Move> {
        transfers.iter().map(to_move).collect()
    }

    fn to_move(transfer: &Transfer) -> Move {
        let (op, pending, until) = match transfer.operation {
            Operation::Move => (Op::Move, None, None),
            Operation::Reserve { expires_at } => {
                (Op::Reserve, None, Some(Timestamp::from_millis(expires_at)))
            }
            Operation::Post { pending } => (Op::Post, Some(pending), None),
            Operation::Void { pending } => (Op::Void, Some(pending), None),
            Operation::Lapse { pending } => (Op::Lapse, Some(pending), None),
        };
        Move {
            leg: transfer.id.leg,
            op,
            pending: pending.map(|pending| pending.leg.to_string()),
            debit: transfer.debit.to_string(),
            credit: transfer.credit.to_string(),
            asset: transfer.asset.to_string(),
            amount: transfer.amount.minor(),
            until,
        }
    }

    fn transfers(kind: &str, act: ActId, moves: Vec<Move>) -> Result<Vec<Transfer>, EntryError> {
        moves.into_iter().map(|a_move| to_transfer(kind, act, a_move)).collect()
    }

    fn to_transfer(kind: &str, act: ActId, text: Move) -> Result<Transfer, EntryError> {
        let act = act.as_u128();
        let pending = text
            .pending
            .map(|leg| leg.parse().map(|leg| TransferId { act, leg }))
            .transpose()
            .map_err(|error| malformed(kind, &error))?;
        let operation = match (text.op, pending, text.until) {
            (Op::Move, None, None) => Operation::Move,
            (Op::Reserve, None, Some(until)) => Operation::Reserve { expires_at: until.as_millis() },
            (Op::Post, Some(pending), None) => Operation::Post { pending },
            (Op::Void, Some(pending), None) => Operation::Void { pending },
            (Op::Lapse, Some(pending), None) => Operation::Lapse { pending },
            _ => return Err(malformed(kind, &"a transfer's fields do not fit its `op`")),
        };
        Ok(Transfer {
            id: TransferId { act, leg: text.leg },
            operation,
            debit: AccountId::from(text.debit.as_str()),
            credit: AccountId::from(text.credit.as_str()),
            asset: AssetId::from(text.asset.as_str()),
            amount: Amount::new(text.amount),
        })
    }
}
