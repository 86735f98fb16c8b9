//! The state: what all entries so far add up to. Changed by [`State::apply`] alone, live and on replay alike.
//!
//! Not here: whether an act is allowed (`judge`), or the order of a turn (`partnership`).

use crate::act::{Act, Deed, Digest, Ended};
use crate::decision::Settlement;
use crate::entry::{Body, Decided, Entry, Genesis, Settled, Standing, Verdict};
use crate::ids::{ActId, ClauseId, KeyId, PartyId, Timestamp};
use crate::investment::chart;
use crate::investment::tariff::Tariff;
use crate::memorandum::signing_bytes;
use crate::registry::Registry;
use crate::terms::Terms;
use ledger::{Amount, AssetId, Book, Transfer, TransferError};
use record::note::Verifier;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// How many of the last acts are kept at hand for people to look at.
const RECENT: usize = 50;

/// What all entries so far add up to.
#[derive(Debug)]
pub struct State {
    pub(crate) library: BTreeMap<Digest, Arc<Terms>>,
    pub(crate) origin: String,
    pub(crate) terms: Option<Arc<Terms>>,
    pub(crate) vkeys: BTreeMap<PartyId, Verifier>,
    pub(crate) registry: Registry,
    pub(crate) book: Book,
    pub(crate) open: BTreeMap<ActId, Open>,
    pub(crate) waiting: BTreeMap<ActId, Waiting>,
    pub(crate) attested: BTreeMap<(ClauseId, Digest), BTreeSet<PartyId>>,
    pub(crate) booked: BTreeMap<ClauseId, Booked>,
    pub(crate) counts: BTreeMap<ClauseId, Count>,
    pub(crate) tallied: BTreeMap<KeyId, u64>,
    pub(crate) recent: VecDeque<Line>,
    pub(crate) entries: u64,
    pub(crate) at: Timestamp,
    pub(crate) epoch: u64,
    pub(crate) signed: Vec<Signed>,
    pub(crate) digested: u64,
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

/// An act that waits for approvals.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The act.
    pub act: Arc<Act>,
    /// What each approval must be signed over.
    pub digest: Digest,
    /// The clause that asks for approvals; none for an amendment where no clause does.
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
    /// A public key does not parse, is of nobody who agreed, or is not the one that the memorandum fixes.
    #[error("the key of `{0}` is not that of a party of the memorandum")]
    BadKey(PartyId),
    /// A signature of the memorandum that founds the record does not verify.
    #[error("the signature of `{0}` under the memorandum does not verify")]
    BadSignature(PartyId),
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
        let library = library.into_iter().map(|terms| (terms.digest(), Arc::new(terms))).collect();
        Self {
            library,
            origin: String::new(),
            terms: None,
            vkeys: BTreeMap::new(),
            registry: Registry::default(),
            book: Book::new(),
            open: BTreeMap::new(),
            waiting: BTreeMap::new(),
            attested: BTreeMap::new(),
            booked: BTreeMap::new(),
            counts: BTreeMap::new(),
            tallied: BTreeMap::new(),
            recent: VecDeque::new(),
            entries: 0,
            at: Timestamp::default(),
            epoch: 0,
            signed: Vec::new(),
            digested: 0,
        }
    }

    /// Adds a document that later entries may name. Changes nothing else.
    pub fn know(&mut self, terms: Terms) {
        self.library.insert(terms.digest(), Arc::new(terms));
    }

    /// Folds one entry in. The same code runs live and on replay.
    ///
    /// Errors: [`ReplayError`] where the entry cannot follow; then the state must be thrown away.
    pub fn apply(&mut self, entry: &Entry, index: u64) -> Result<(), ReplayError> {
        if entry.at < self.at {
            return Err(ReplayError::TimeWentBack(entry.at));
        }
        if (self.entries == 0) != matches!(entry.body, Body::Genesis(_)) {
            return Err(ReplayError::Genesis);
        }
        match &entry.body {
            Body::Genesis(genesis) => self.found(genesis, entry.at)?,
            Body::Decided(decided) => self.decide(decided, entry.at, index)?,
            Body::Settled(settled) => self.settle(settled, entry.at)?,
            Body::Clock(_) => {}
            Body::Tally(tally) => {
                for refused in &tally.refused {
                    let sum = self.tallied.entry(refused.key.clone()).or_default();
                    *sum = sum.saturating_add(refused.count);
                }
            }
            Body::StateDigest(digest) if digest.digest != self.digest() => return Err(ReplayError::Diverged),
            Body::StateDigest(_) => self.digested = index,
        }
        self.at = entry.at;
        self.entries = index.saturating_add(1);
        Ok(())
    }

    /// SHA-256 of the projection that `docs/RECORD.md` describes: every account with its four sums, then the open acts.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut text = String::new();
        for (account, asset, _, balance) in self.book.accounts() {
            let sums = [
                balance.debits_posted,
                balance.credits_posted,
                balance.debits_pending,
                balance.credits_pending,
            ];
            text.push_str(&format!("{account}\t{asset}"));
            for sum in sums {
                text.push_str(&format!("\t{}", sum.minor()));
            }
            text.push('\n');
        }
        for act in self.open.keys() {
            text.push_str(&format!("open\t{act}\n"));
        }
        Digest(record::hash::sha256(text.as_bytes()))
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

    /// The public key of a party.
    #[must_use]
    pub fn vkey(&self, party: &PartyId) -> Option<&Verifier> {
        self.vkeys.get(party)
    }

    /// The public keys of all parties, in order.
    pub fn vkeys(&self) -> impl Iterator<Item = (&PartyId, &Verifier)> {
        self.vkeys.iter()
    }

    /// The register.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
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

    /// An act that waits for approvals.
    #[must_use]
    pub fn waiting_act(&self, id: &ActId) -> Option<&Waiting> {
        self.waiting.get(id)
    }

    /// The acts that wait for approvals, in order of id.
    pub fn waiting(&self) -> impl Iterator<Item = (&ActId, &Waiting)> {
        self.waiting.iter()
    }

    /// What was attested, and by whom, in order of clause and evidence.
    pub fn attested(&self) -> impl Iterator<Item = (&(ClauseId, Digest), &BTreeSet<PartyId>)> {
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

    fn found(&mut self, genesis: &Genesis, at: Timestamp) -> Result<(), ReplayError> {
        self.origin.clone_from(&genesis.origin);
        for (party, vkey) in &genesis.vkeys {
            let verifier = Verifier::parse(vkey).map_err(|_| ReplayError::BadKey(party.clone()))?;
            self.vkeys.insert(party.clone(), verifier);
        }
        self.check_signed(genesis)?;
        self.bring_into_force(&genesis.memorandum, genesis.signatures.clone(), at)?;
        self.transfer(&genesis.transfers)
    }

    /// Whether as many parties as the memorandum asks for have signed it, each with the key that the record goes on with.
    fn check_signed(&self, genesis: &Genesis) -> Result<(), ReplayError> {
        let terms = self.library.get(&genesis.memorandum);
        let terms = terms.ok_or_else(|| ReplayError::NoMemorandum(genesis.memorandum.hex()))?;
        let header = &terms.memorandum().header;
        for (party, key) in &self.vkeys {
            let fixed = header.vkeys.get(party);
            if header.party(party).is_none() || fixed.is_some_and(|fixed| *fixed != key.vkey()) {
                return Err(ReplayError::BadKey(party.clone()));
            }
        }
        let signed = signing_bytes(&genesis.memorandum.0);
        for (party, signature) in &genesis.signatures {
            if !self.is_signed(party, &signed, signature) {
                return Err(ReplayError::BadSignature(party.clone()));
            }
        }
        let signatories: BTreeSet<_> = genesis.signatures.iter().map(|(party, _)| party).collect();
        let (given, asked) = (signatories.len(), header.threshold);
        let enough = u32::try_from(given).is_ok_and(|given| given >= asked);
        if enough { Ok(()) } else { Err(ReplayError::Unsigned { given, asked }) }
    }

    /// Whether a signature in base64 over these bytes is by the key of this party.
    pub(crate) fn is_signed(&self, party: &PartyId, bytes: &[u8], signature: &str) -> bool {
        let made = record::hash::from_base64(signature).and_then(|made| <[u8; 64]>::try_from(made).ok());
        self.vkeys.get(party).zip(made).is_some_and(|(key, made)| key.verify_bytes(bytes, &made))
    }

    fn decide(&mut self, decided: &Decided, at: Timestamp, index: u64) -> Result<(), ReplayError> {
        let id = decided.act.id;
        let waited = self.waiting.remove(&id);
        let again = waited.is_some() && matches!(decided.verdict, Verdict::Escalate { .. });
        if self.open.contains_key(&id) || again {
            return Err(ReplayError::DecidedTwice(id));
        }
        self.transfer(&decided.transfers)?;
        self.tally(decided);
        match &decided.verdict {
            Verdict::Allow => {
                let signatures = waited.map(|waited| waited.given).unwrap_or_default();
                let open = self.opened(decided, signatures, at, index);
                self.open.insert(id, open);
            }
            Verdict::Escalate { digest, by } => {
                let waiting = Waiting {
                    act: Arc::new(decided.act.clone()),
                    digest: *digest,
                    clause: decided.clauses.first().cloned(),
                    by: by.clone(),
                    given: BTreeMap::new(),
                    since: at,
                };
                self.waiting.insert(id, waiting);
            }
            Verdict::Deny { .. } => {}
        }
        self.remember(decided, at, index);
        Ok(())
    }

    fn opened(
        &self,
        decided: &Decided,
        approvals: BTreeMap<PartyId, String>,
        at: Timestamp,
        index: u64,
    ) -> Open {
        let terms = self.in_force();
        let tariff = match &decided.act.deed {
            Deed::Infer(infer) => terms.tariff(infer.model.as_str(), at.date()),
            _ => None,
        };
        Open {
            act: Arc::new(decided.act.clone()),
            index,
            at,
            lapses: decided.lapses,
            reservations: decided.transfers.clone(),
            tariff,
            operator: terms.operator().clone(),
            approvals,
        }
    }

    fn settle(&mut self, settled: &Settled, at: Timestamp) -> Result<(), ReplayError> {
        let open = self.open.remove(&settled.act).ok_or(ReplayError::NotOpen(settled.act))?;
        self.transfer(&settled.transfers)?;
        if settled.ended == Ended::Done {
            self.take_effect(&open, at)?;
        }
        if let Deed::Infer(infer) = &open.act.deed {
            let overrun = chart::overrun(&open.operator);
            if settled.transfers.iter().any(|transfer| transfer.debit == overrun) {
                self.registry.suspend(&infer.model);
                self.epoch = self.epoch.saturating_add(1);
            }
        }
        self.mark(settled);
        Ok(())
    }

    fn take_effect(&mut self, open: &Open, at: Timestamp) -> Result<(), ReplayError> {
        match &open.act.deed {
            Deed::Infer(_) => {}
            Deed::Amend(amend) => {
                let signatures = open.approvals.clone().into_iter().collect();
                self.bring_into_force(&amend.digest, signatures, at)?;
            }
            Deed::Approve(approve) => {
                if let Some(waiting) =
                    approve.act.parse().ok().and_then(|id: ActId| self.waiting.get_mut(&id))
                {
                    waiting.given.insert(approve.party.clone(), approve.signature.clone());
                }
            }
            Deed::Attest(attest) => {
                let evidence = (attest.clause.clone(), attest.evidence);
                self.attested.entry(evidence).or_default().insert(attest.party.clone());
            }
            Deed::Draw(draw) => {
                self.booked.insert(draw.clause.clone(), Booked::Drawn(at));
            }
            Deed::Expire(expire) => {
                self.booked.insert(expire.clause.clone(), Booked::Expired(at));
            }
            Deed::Administer(change) => {
                self.registry.apply(change);
                self.epoch = self.epoch.saturating_add(1);
            }
        }
        Ok(())
    }

    fn bring_into_force(
        &mut self,
        digest: &Digest,
        signatures: Vec<(PartyId, String)>,
        at: Timestamp,
    ) -> Result<(), ReplayError> {
        let terms = self.library.get(digest).ok_or_else(|| ReplayError::NoMemorandum(digest.hex()))?;
        self.signed.push(Signed { version: terms.version(), digest: *digest, since: at, signatures });
        self.terms = Some(Arc::clone(terms));
        self.epoch = self.epoch.saturating_add(1);
        Ok(())
    }

    fn transfer(&mut self, transfers: &[Transfer]) -> Result<(), ReplayError> {
        for transfer in transfers {
            for account in [&transfer.debit, &transfer.credit] {
                self.book.open(account, &transfer.asset, chart::limit(account))?;
            }
        }
        Ok(self.book.apply(transfers)?)
    }

    fn tally(&mut self, decided: &Decided) {
        for clause in &decided.clauses {
            let count = self.counts.entry(clause.clone()).or_default();
            match decided.verdict {
                Verdict::Allow => count.allowed = count.allowed.saturating_add(1),
                Verdict::Deny { .. } => count.refused = count.refused.saturating_add(1),
                Verdict::Escalate { .. } => {}
            }
        }
        for deviation in &decided.deviations {
            let count = self.counts.entry(deviation.clause.clone()).or_default();
            count.deviated = count.deviated.saturating_add(1);
        }
    }

    fn remember(&mut self, decided: &Decided, at: Timestamp, index: u64) {
        self.recent.retain(|line| line.act != decided.act.id);
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Line {
            act: decided.act.id,
            at,
            index,
            kind: decided.act.deed.name(),
            who: who(&decided.act),
            about: about(&decided.act.deed),
            state: match decided.verdict {
                Verdict::Allow => "allowed",
                Verdict::Deny { .. } => "refused",
                Verdict::Escalate { .. } => "waiting",
            },
            clauses: decided.clauses.clone(),
            deviations: decided.deviations.iter().map(|deviation| deviation.clause.clone()).collect(),
            charged: None,
        });
    }

    fn mark(&mut self, settled: &Settled) {
        if let Some(line) = self.recent.iter_mut().rev().find(|line| line.act == settled.act) {
            line.state = settled.ended.name();
            line.charged.clone_from(&settled.charged);
        }
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

fn who(act: &Act) -> String {
    match &act.principal {
        crate::act::Principal::Application { application, .. } => application.to_string(),
        crate::act::Principal::Party { party, person } => format!("{person} ({party})"),
        crate::act::Principal::Clerk => "clerk".to_owned(),
    }
}

fn about(deed: &Deed) -> String {
    use crate::act::Administer;
    match deed {
        Deed::Infer(infer) => infer.model.to_string(),
        Deed::Amend(amend) => format!("version {}", amend.version),
        Deed::Approve(approve) => approve.act.clone(),
        Deed::Attest(attest) => attest.clause.to_string(),
        Deed::Draw(draw) => draw.clause.to_string(),
        Deed::Expire(expire) => expire.clause.to_string(),
        Deed::Administer(Administer::ApplicationAdd(application)) => application.name.to_string(),
        Deed::Administer(Administer::ApplicationRemove { name }) => name.to_string(),
        Deed::Administer(Administer::KeyNew(key)) => key.id.to_string(),
        Deed::Administer(Administer::KeyRevoke { id }) => id.to_string(),
        Deed::Administer(Administer::ModelResume { model }) => model.to_string(),
    }
}
