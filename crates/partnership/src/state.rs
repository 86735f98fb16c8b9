//! The state: what all entries so far add up to. Changed by [`State::apply`] alone, live and on replay alike.
//!
//! Not here: whether an act is allowed (`judge`), or the order of a turn (`partnership`).

mod clause_state;
mod fold;
mod money;
mod projection;
mod reconciled;
mod repeats;
mod snapshot;
mod undelivered;
mod withdrawal;

use crate::act::{Act, Digest};
use crate::decision::Settlement;
use crate::entry::{Lease, Settled, Standing};
use crate::ids::{ActId, ApplicationId, ClauseId, KeyId, ModelId, PartyId, Timestamp};
use crate::investment::tariff::Tariff;
use crate::registry::Registry;
use crate::retention::Retained;
use crate::terms::Terms;
use jiff::civil::Date;
use ledger::{AccountId, Amount, AssetId, Book, Transfer, TransferError};
use record::note::Verifier;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use clause_state::{ClauseState, Evidence};
pub use money::{Days, DueBooked, Paid};
pub use reconciled::Reconciled;
pub use repeats::IDEMPOTENCY_LASTS_MS;
pub use snapshot::{Snapshot, SnapshotError};
pub use undelivered::DeadLetter;
pub use withdrawal::Withdrawal;

use projection::Projection;
pub(crate) use repeats::{Repeats, Taken};

/// How many of the last acts are kept at hand for people to look at.
const RECENT: usize = 50;

/// The documents that entries may name, by their digests.
pub type Library = BTreeMap<Digest, Arc<Terms>>;

/// What all entries so far add up to.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) library: Library,
    pub(crate) origin: String,
    pub(crate) terms: Option<Arc<Terms>>,
    pub(crate) vkeys: BTreeMap<PartyId, Verifier>,
    /// The parties' keys that count no more, in the order in which they gave way.
    pub(crate) former: Vec<(PartyId, Verifier)>,
    /// The log's keys in the order of use, each with the entry since which it signs; none before the first gave way, since no entry
    /// names that one.
    pub(crate) log_keys: Vec<LogSigns>,
    pub(crate) registry: Registry,
    /// The applications that there are or were.
    pub(crate) retained: BTreeMap<ApplicationId, Retained>,
    pub(crate) book: Book,
    projection: Projection,
    pub(crate) open: BTreeMap<ActId, Open>,
    pub(crate) waiting: BTreeMap<ActId, Waiting>,
    pub(crate) attested: BTreeMap<Evidence, BTreeMap<PartyId, Date>>,
    pub(crate) booked: BTreeMap<ClauseId, Booked>,
    /// What was booked or declared by the calendar, for each clause by the day that it was due.
    pub(crate) due_booked: BTreeMap<ClauseId, BTreeMap<Date, DueBooked>>,
    pub(crate) payments: BTreeMap<ClauseId, Vec<Paid>>,
    /// What was spent or consumed on each day, by account.
    pub(crate) days: BTreeMap<AccountId, Days>,
    /// Since when each suspended model is.
    pub(crate) suspended_since: BTreeMap<ModelId, Timestamp>,
    /// What could not be delivered, by the notice's id and the receiver's name.
    pub(crate) undelivered: BTreeMap<(String, String), DeadLetter>,
    /// Whose word there is on reconciliations, in its order.
    pub(crate) reconciled: Vec<Reconciled>,
    /// Whether a party has withdrawn from the version in force; `terms` knows it too.
    pub(crate) withdrawal: Option<Withdrawal>,
    pub(crate) counts: BTreeMap<ClauseId, Count>,
    pub(crate) tallied: BTreeMap<KeyId, u64>,
    pub(crate) recent: VecDeque<Line>,
    pub(crate) entries: u64,
    pub(crate) at: Timestamp,
    pub(crate) epoch: u64,
    pub(crate) signed: Vec<Signed>,
    pub(crate) digested: u64,
    /// The approved amendments that wait for their day.
    pub(crate) amending: BTreeSet<ActId>,
    /// Where the acts that waited were decided at last.
    pub(crate) freed: BTreeMap<ActId, u64>,
    /// An act whose settlement must be the next entry.
    pub(crate) at_once: Option<ActId>,
    /// The last lease, and where it stands.
    pub(crate) lease: Option<(u64, Lease)>,
    /// The idempotency keys of the last day.
    pub(crate) repeats: Repeats,
}

/// A key of the log, and since when it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSigns {
    /// The entry since which it signs; zero for the first.
    pub since: u64,
    /// The key.
    pub key: Verifier,
    /// The signature of the key before it, in base64; none for the first, and where the one before was lost.
    pub handed: Option<String>,
    /// Its own, in base64; none for the first.
    pub taken: Option<String>,
}

/// An allowed act that is not settled yet.
#[derive(Debug, Clone)]
pub struct Open {
    /// The act.
    pub act: Arc<Act>,
    /// Where its decision stands.
    pub index: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// When it ends by itself; none for an amendment that waits for its day.
    pub lapses: Option<Timestamp>,
    /// What it holds.
    pub reservations: Vec<Transfer>,
    /// The price in force when it was decided.
    pub tariff: Option<Tariff>,
    /// The operator when it was decided.
    pub operator: PartyId,
    /// The approvals that freed it, with their signatures in base64.
    pub approvals: BTreeMap<PartyId, String>,
}

impl Open {
    /// Whether its time is up.
    pub(crate) fn is_over(&self, at: Timestamp) -> bool {
        self.lapses.is_some_and(|lapses| lapses <= at)
    }

    /// Whether somebody has its warrant, which shares the act with this: whoever performs it, or is about to settle it.
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.act) > 1
    }
}

/// An act that waits for approvals.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The act.
    pub act: Arc<Act>,
    /// What each approval must be signed over.
    pub digest: Digest,
    /// The clause that asks for approvals; none where they are asked for by what the act is.
    pub clause: Option<ClauseId>,
    /// The parties that must approve.
    pub by: Vec<PartyId>,
    /// Those that have, with their signatures in base64.
    pub given: BTreeMap<PartyId, String>,
    /// Since when it waits.
    pub since: Timestamp,
}

impl Waiting {
    /// The parties whose approval is missing, in the clause's order.
    #[must_use]
    pub fn missing(&self) -> Vec<PartyId> {
        self.by.iter().filter(|party| !self.given.contains_key(*party)).cloned().collect()
    }
}

/// What became of a tranche or a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booked {
    /// The tranche was drawn.
    Drawn(Timestamp),
    /// The tranche lapsed or the grant expired.
    Expired(Timestamp),
}

/// How often a clause decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Acts it allowed.
    pub allowed: u64,
    /// Acts it refused.
    pub refused: u64,
    /// Acts it only spoke against.
    pub deviated: u64,
}

/// A version of the memorandum that came into force, with who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The version.
    pub version: u64,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// When it came into force.
    pub since: Timestamp,
    /// The parties that signed, with their signatures in base64.
    pub signatures: Vec<(PartyId, String)>,
}

/// One act as a line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The act.
    pub act: ActId,
    /// When it was decided.
    pub at: Timestamp,
    /// Where its decision stands.
    pub index: u64,
    /// Its kind.
    pub kind: &'static str,
    /// Who: an application, a person, or the clerk.
    pub who: String,
    /// What it was about: a model, a clause, a name.
    pub about: String,
    /// `allowed`, `refused`, `waiting`, then `done`, `failed`, `cancelled`, `lost` or `lapsed`.
    pub state: &'static str,
    /// The clauses that determined it.
    pub clauses: Vec<ClauseId>,
    /// The non-binding clauses that spoke against it.
    pub deviations: Vec<ClauseId>,
    /// What was charged.
    pub charged: Option<(Amount, AssetId)>,
}

/// Why an entry cannot follow the state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A transfer does not fit the books.
    #[error("a transfer does not fit the books: {0}")]
    Transfer(#[from] TransferError),
    /// A memorandum is named whose bytes are not at hand.
    #[error("the memorandum `{0}` is not among the documents of the record")]
    NoMemorandum(String),
    /// Something settled that was not open, or twice.
    #[error("act `{0}` is settled but was not open")]
    NotOpen(ActId),
    /// An act that is done at once is not settled by the next entry.
    #[error("act `{0}` is done at once, and another entry stands between its decision and its settlement")]
    Interrupted(ActId),
    /// Something decided twice.
    #[error("act `{0}` is decided twice")]
    DecidedTwice(ActId),
    /// The first entry is no genesis, or a later one is.
    #[error("a record begins with one genesis entry and has no other")]
    Genesis,
    /// Time went back.
    #[error("the entry's time {0} lies before the time of the entry before it")]
    TimeWentBack(Timestamp),
    /// The state's digest differs.
    #[error(
        "the state's digest differs from the one recorded here: two folds disagree about an entry before this one"
    )]
    Diverged,
    /// The log's key does not parse.
    #[error("act `{0}` has a key for the log that is none")]
    BadLogKey(ActId),
    /// A public key does not parse, is of nobody who agreed, or is not the one that the memorandum fixes.
    #[error("the key of `{0}` is not that of a party of the memorandum")]
    BadKey(PartyId),
    /// A signature of the memorandum that founds the record does not verify.
    #[error("the signature of `{0}` under the memorandum does not verify")]
    BadSignature(PartyId),
    /// Two parties have one key.
    #[error("the key of `{0}` is that of another party too; each party signs with a key of its own")]
    SharedKey(PartyId),
    /// The record begins before the memorandum is in force.
    #[error("the memorandum is in force from {0} on, and not before")]
    NotYet(String),
    /// An approval of something else than what waits, or by a party that was not asked.
    #[error("act `{0}` approves what does not wait for it")]
    Misplaced(ActId),
    /// An idempotency key belongs to another act at that time.
    #[error("act `{0}` has the idempotency key of act `{1}`, which was allowed less than 24 hours before")]
    Repeated(ActId, ActId),
    /// Fewer parties than the memorandum asks for have signed it.
    #[error("the memorandum is signed by {given} of its parties and asks for {asked}")]
    Unsigned {
        /// How many have signed.
        given: usize,
        /// How many it asks for.
        asked: u32,
    },
}

impl State {
    /// The state before the first entry, with the documents that entries may name.
    #[must_use]
    pub fn new(library: impl IntoIterator<Item = Terms>) -> Self {
        Self::over(library.into_iter().map(|terms| (terms.digest(), Arc::new(terms))).collect())
    }

    /// As [`State::new`], with documents that are shared.
    #[must_use]
    pub fn over(library: Library) -> Self {
        Self {
            library,
            origin: String::new(),
            terms: None,
            vkeys: BTreeMap::new(),
            former: Vec::new(),
            log_keys: Vec::new(),
            registry: Registry::default(),
            retained: BTreeMap::new(),
            book: Book::new(),
            projection: Projection::default(),
            open: BTreeMap::new(),
            waiting: BTreeMap::new(),
            attested: BTreeMap::new(),
            booked: BTreeMap::new(),
            due_booked: BTreeMap::new(),
            payments: BTreeMap::new(),
            days: BTreeMap::new(),
            suspended_since: BTreeMap::new(),
            undelivered: BTreeMap::new(),
            reconciled: Vec::new(),
            withdrawal: None,
            counts: BTreeMap::new(),
            tallied: BTreeMap::new(),
            recent: VecDeque::new(),
            entries: 0,
            at: Timestamp::default(),
            epoch: 0,
            signed: Vec::new(),
            digested: 0,
            amending: BTreeSet::new(),
            freed: BTreeMap::new(),
            at_once: None,
            lease: None,
            repeats: Repeats::default(),
        }
    }

    /// Adds a document that later entries may name. Changes nothing else.
    pub fn know(&mut self, terms: Terms) {
        self.library.insert(terms.digest(), Arc::new(terms));
    }

    /// SHA-256 of the projection that `docs/RECORD.md` describes, worked out anew from every account and the open acts.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Projection::of(&self.book).digest(&self.book, self.open.keys())
    }

    /// The same, at the price of what has changed since this was last asked.
    pub(crate) fn digest_kept_up(&mut self) -> Digest {
        self.projection.digest(&self.book, self.open.keys())
    }

    /// The log's origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The terms in force; none before the first entry.
    #[must_use]
    pub fn terms(&self) -> Option<&Arc<Terms>> {
        self.terms.as_ref()
    }

    /// A document by its digest.
    #[must_use]
    pub fn document(&self, digest: &Digest) -> Option<&Arc<Terms>> {
        self.library.get(digest)
    }

    /// The parties' keys that count no more, in the order in which they gave way.
    #[must_use]
    pub fn former_vkeys(&self) -> &[(PartyId, Verifier)] {
        &self.former
    }

    /// The public key of a party.
    #[must_use]
    pub fn vkey(&self, party: &PartyId) -> Option<&Verifier> {
        self.vkeys.get(party)
    }

    /// The public keys of all parties, in order.
    pub fn vkeys(&self) -> impl Iterator<Item = (&PartyId, &Verifier)> {
        self.vkeys.iter()
    }

    /// Each party's public keys in the order of use, in order of party: the last one counts.
    #[must_use]
    pub fn vkeys_ever(&self) -> Vec<(&PartyId, Vec<&Verifier>)> {
        let of =
            |party: &PartyId| self.former.iter().filter(|(of, _)| of == party).map(|(_, key)| key).collect();
        let all = |(party, key): (_, _)| {
            let mut keys: Vec<&Verifier> = of(party);
            keys.push(key);
            (party, keys)
        };
        self.vkeys.iter().map(all).collect()
    }

    /// The log's keys in the order of use, each with the entry since which it signs: a checkpoint that covers this entry is the next
    /// key's. None before the first gave way.
    #[must_use]
    pub fn log_keys(&self) -> &[LogSigns] {
        &self.log_keys
    }

    /// The register.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The applications that there are or were, in order of name, as clauses of retention look at them.
    pub fn retained(&self) -> impl Iterator<Item = (&ApplicationId, &Retained)> {
        self.retained.iter()
    }

    /// The books.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// The allowed acts that are not settled, in order of id.
    pub fn open(&self) -> impl Iterator<Item = (&ActId, &Open)> {
        self.open.iter()
    }

    /// An allowed act that is not settled.
    #[must_use]
    pub fn open_act(&self, id: &ActId) -> Option<&Open> {
        self.open.get(id)
    }

    /// The open acts whose time is up by `at` although somebody holds their warrant.
    ///
    /// The one thing here that no entry says, and no entry follows from it alone: the clerk asks, and hands the answer to its next
    /// turn ([`crate::Command::Held`]), which stays a function of what it is handed.
    #[must_use]
    pub fn held_over(&self, at: Timestamp) -> BTreeSet<ActId> {
        self.open.iter().filter(|(_, open)| open.is_over(at) && open.is_held()).map(|(id, _)| *id).collect()
    }

    /// An act that waits for approvals.
    #[must_use]
    pub fn waiting_act(&self, id: &ActId) -> Option<&Waiting> {
        self.waiting.get(id)
    }

    /// Where an act that waited for approvals was decided at last; none while it waits, and for one that never did.
    #[must_use]
    pub fn decided_at_last(&self, id: &ActId) -> Option<u64> {
        self.freed.get(id).copied()
    }

    /// The acts that wait for approvals, in order of id.
    pub fn waiting(&self) -> impl Iterator<Item = (&ActId, &Waiting)> {
        self.waiting.iter()
    }

    /// What was attested under the version in force, and by whom on which day (UTC), in order of clause, milestone and evidence.
    pub fn attested(&self) -> impl Iterator<Item = (&Evidence, &BTreeMap<PartyId, Date>)> {
        self.attested.iter()
    }

    /// What became of a tranche or a grant; none while it is under way.
    #[must_use]
    pub fn booked(&self, clause: &ClauseId) -> Option<Booked> {
        self.booked.get(clause).copied()
    }

    /// How often a clause decided.
    #[must_use]
    pub fn count(&self, clause: &ClauseId) -> Count {
        self.counts.get(clause).copied().unwrap_or_default()
    }

    /// Requests that rate limits refused, by key.
    pub fn tallied(&self) -> impl Iterator<Item = (&KeyId, &u64)> {
        self.tallied.iter()
    }

    /// The last acts, newest first.
    pub fn recent(&self) -> impl Iterator<Item = &Line> {
        self.recent.iter().rev()
    }

    /// The versions that came into force, oldest first.
    #[must_use]
    pub fn versions(&self) -> &[Signed] {
        &self.signed
    }

    /// The last lease; it may have expired.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref().map(|(_, lease)| lease)
    }

    /// The number of entries.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The record's time.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// A number that changes whenever terms, register or suspended models do: what every request reads.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn in_force(&self) -> &Arc<Terms> {
        self.terms.as_ref().unwrap_or_else(|| unreachable!("a partnership begins with its genesis entry"))
    }

    pub(crate) fn standing_of(&self, act: &Act) -> Option<Standing> {
        let crate::act::Principal::Application { application, .. } = &act.principal else { return None };
        self.registry.application(application).map(|application| Standing {
            audience: application.audience.clone(),
            purpose: application.purpose.clone(),
            market: application.market.clone(),
        })
    }
}

impl Settled {
    /// The settlement as its act's proposer is told it.
    #[must_use]
    pub fn told(&self, index: u64) -> Settlement {
        Settlement {
            act: self.act,
            ended: self.ended,
            usage: self.usage,
            charged: self.charged.clone(),
            index,
            decided: self.decided,
        }
    }
}
