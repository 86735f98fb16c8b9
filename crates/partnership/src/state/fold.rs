//! The fold: how each entry changes the state. The only code that changes anything, live and on replay alike.
//!
//! Not here: whether an entry may be written (`judge`).

use super::repeats::{Taken, key_of};
use super::{Booked, DueBooked, Evidence, Line, LogSigns, Open, RECENT, ReplayError, Signed, State, Waiting};
use crate::act::{Act, Administer, Application, Attest, Deed, Digest, Ended, Erase};
use crate::entry::{Body, Decided, Entry, Genesis, Settled, Verdict};
use crate::ids::{ActId, PartyId, Timestamp};
use crate::investment::chart;
use crate::memorandum::signing_bytes;
use crate::retention::Retained;
use ledger::{Amount, Operation, Transfer};
use record::note::Verifier;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl State {
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
        if let Some(id) = self.at_once
            && !matches!(&entry.body, Body::Settled(settled) if settled.act == id)
        {
            return Err(ReplayError::Interrupted(id));
        }
        self.repeats.expire(entry.at);
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
            Body::StateDigest(digest) if digest.digest != self.digest_kept_up() => {
                return Err(ReplayError::Diverged);
            }
            Body::StateDigest(_) => self.digested = index,
            Body::Lease(lease) => self.lease = Some((index, lease.clone())),
        }
        self.at = entry.at;
        self.entries = index.saturating_add(1);
        Ok(())
    }

    fn found(&mut self, genesis: &Genesis, at: Timestamp) -> Result<(), ReplayError> {
        self.origin.clone_from(&genesis.origin);
        for (party, vkey) in &genesis.vkeys {
            let verifier = Verifier::parse(vkey).map_err(|_| ReplayError::BadKey(party.clone()))?;
            self.vkeys.insert(party.clone(), verifier);
        }
        self.check_own_keys()?;
        self.check_signed(genesis, at)?;
        self.bring_into_force(&genesis.memorandum, genesis.signatures.clone(), at)?;
        self.transfer(&genesis.transfers)
    }

    /// Whether each party has a key of its own: two names for one key are one signatory.
    fn check_own_keys(&self) -> Result<(), ReplayError> {
        let mut seen = BTreeSet::new();
        for (party, key) in &self.vkeys {
            let text = key.vkey();
            let bytes = text.splitn(3, '+').nth(2).unwrap_or_default().to_owned();
            if !seen.insert(bytes) {
                return Err(ReplayError::SharedKey(party.clone()));
            }
        }
        Ok(())
    }

    /// Whether as many parties as the memorandum asks for have signed it, each with the key that the record goes on with.
    fn check_signed(&self, genesis: &Genesis, at: Timestamp) -> Result<(), ReplayError> {
        let terms = self.library.get(&genesis.memorandum);
        let terms = terms.ok_or_else(|| ReplayError::NoMemorandum(genesis.memorandum.hex()))?;
        let header = &terms.memorandum().header;
        if header.effective > at.date() {
            return Err(ReplayError::NotYet(header.effective.to_string()));
        }
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
        self.take_key(decided, at)?;
        if waited.is_some() {
            self.freed.insert(id, index);
        }
        if let (Deed::Erase(erase), Verdict::Allow) = (&decided.act.deed, &decided.verdict) {
            self.erase(erase);
        }
        self.transfer(&decided.transfers)?;
        self.tally(decided);
        match &decided.verdict {
            Verdict::Allow => {
                let signatures = waited.map(|waited| waited.given).unwrap_or_default();
                let open = self.opened(decided, signatures, at, index);
                let waits = decided.act.deed.is_performed() || matches!(decided.act.deed, Deed::Amend(_));
                self.at_once = (!waits).then_some(id);
                if matches!(decided.act.deed, Deed::Amend(_)) {
                    self.amending.insert(id);
                }
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

    /// An allowed act takes its idempotency key; a refused one leaves it for another try.
    fn take_key(&mut self, decided: &Decided, at: Timestamp) -> Result<(), ReplayError> {
        let Deed::Infer(infer) = &decided.act.deed else { return Ok(()) };
        let Some(key) = infer.idempotency.filter(|_| decided.verdict == Verdict::Allow) else {
            return Ok(());
        };
        let act = decided.act.id;
        if let Some(taken) = self.repeats.find(&key, at) {
            return Err(ReplayError::Repeated(act, taken.act));
        }
        self.repeats.take(key, Taken { act, at, input: infer.input });
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
            reservations: decided.transfers.iter().filter(is_reservation).cloned().collect(),
            tariff,
            operator: terms.operator().clone(),
            approvals,
        }
    }

    fn settle(&mut self, settled: &Settled, at: Timestamp) -> Result<(), ReplayError> {
        let open = self.open.remove(&settled.act).ok_or(ReplayError::NotOpen(settled.act))?;
        self.at_once = None;
        self.amending.remove(&settled.act);
        self.transfer(&settled.transfers)?;
        if settled.ended == Ended::Done {
            self.take_effect(&open, settled, at)?;
        }
        if let Deed::Infer(infer) = &open.act.deed {
            self.spend(settled, at);
            let is_overrun =
                |transfer: &Transfer| transfer.debit == chart::overrun(&open.operator, &transfer.asset);
            if settled.transfers.iter().any(is_overrun) {
                self.registry.suspend(&infer.model);
                self.suspended_since.entry(infer.model.clone()).or_insert(at);
                self.epoch = self.epoch.saturating_add(1);
            }
        }
        if let Some(key) = key_of(&open.act).filter(|_| settled.ended.came_to_nothing()) {
            self.repeats.free(&key, settled.act);
        }
        self.mark(settled);
        Ok(())
    }

    fn take_effect(&mut self, open: &Open, settled: &Settled, at: Timestamp) -> Result<(), ReplayError> {
        match &open.act.deed {
            Deed::Infer(_) | Deed::Erase(_) => {}
            Deed::Amend(amend) => {
                let signatures = open.approvals.clone().into_iter().collect();
                self.bring_into_force(&amend.digest, signatures, at)?;
            }
            Deed::Approve(approve) => {
                let waiting = approve.act.parse().ok().and_then(|id: ActId| self.waiting.get_mut(&id));
                let waiting = waiting.filter(|waiting| {
                    waiting.digest == approve.digest && waiting.by.contains(&approve.party)
                });
                let waiting = waiting.ok_or(ReplayError::Misplaced(open.act.id))?;
                waiting.given.insert(approve.party.clone(), approve.signature.clone());
            }
            Deed::Attest(attest) => {
                let Attest { clause, condition, evidence, .. } = attest;
                let evidence =
                    Evidence { clause: clause.clone(), condition: condition.clone(), digest: *evidence };
                let given = self.attested.entry(evidence).or_default();
                given.entry(attest.party.clone()).or_insert_with(|| at.date());
            }
            Deed::Draw(draw) => {
                self.booked.insert(draw.clause.clone(), Booked::Drawn(at));
            }
            Deed::Expire(expire) => {
                self.booked.insert(expire.clause.clone(), Booked::Expired(at));
            }
            Deed::Book(book) => {
                let booked = DueBooked { at, amount: owed_by(settled), revenue: None };
                self.book_due(&book.clause, book.on, booked);
            }
            Deed::Declare(declare) => {
                let revenue = Some(Amount::new(declare.revenue.amount));
                let booked = DueBooked { at, amount: owed_by(settled), revenue };
                self.book_due(&declare.clause, declare.on, booked);
            }
            Deed::Payment(payment) => self.note_payment(payment, !settled.transfers.is_empty(), at),
            Deed::Reconcile(said) => self.note_reconciled(said, at),
            Deed::Undelivered(undelivered) => self.note_undelivered(undelivered, at),
            Deed::Withdraw(withdraw) => self.note_withdrawal(withdraw, at),
            Deed::Administer(change) => {
                if let Administer::ApplicationAdd(application) = change {
                    self.retain(application, at);
                }
                self.registry.apply(change, at);
                if let Administer::ModelResume { model } = change {
                    self.suspended_since.remove(model);
                }
                self.hand_over(change)?;
                self.hand_over_log(open.act.id, change)?;
                self.epoch = self.epoch.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Puts a party's next key in the place of the one that counted.
    fn hand_over(&mut self, change: &Administer) -> Result<(), ReplayError> {
        let (party, vkey) = match change {
            Administer::PartyKeyChange(key) => (&key.party, &key.vkey),
            Administer::PartyKeyRecover(key) => (&key.party, &key.vkey),
            _ => return Ok(()),
        };
        let next = Verifier::parse(vkey).map_err(|_| ReplayError::BadKey(party.clone()))?;
        let before = self.vkeys.insert(party.clone(), next);
        self.former.extend(before.map(|before| (party.clone(), before)));
        Ok(())
    }

    /// An erasure that was due is done with, as the next one sees it: it cannot end but as done.
    fn erase(&mut self, erase: &Erase) {
        if let Some((application, before, _)) = erase.due()
            && let Some(retained) = self.retained.get_mut(application)
        {
            retained.erased = Some(before.date());
        }
    }

    fn retain(&mut self, application: &Application, at: Timestamp) {
        let since = at.date().first_of_month();
        let fresh = || Retained { audiences: BTreeSet::new(), since, erased: None };
        let retained = self.retained.entry(application.name.clone()).or_insert_with(fresh);
        retained.audiences.insert(application.audience.clone());
    }

    /// Has the log's next key sign from here on.
    fn hand_over_log(&mut self, id: ActId, change: &Administer) -> Result<(), ReplayError> {
        let (from, to, handed, taken) = match change {
            Administer::LogKeyChange(key) => (&key.from, &key.vkey, Some(key.handed.clone()), &key.taken),
            Administer::LogKeyRecover(key) => (&key.from, &key.vkey, None, &key.taken),
            _ => return Ok(()),
        };
        let parsed = |vkey: &String| Verifier::parse(vkey).map_err(|_| ReplayError::BadLogKey(id));
        if self.log_keys.is_empty() {
            self.log_keys.push(LogSigns { since: 0, key: parsed(from)?, handed: None, taken: None });
        }
        let taken = Some(taken.clone());
        self.log_keys.push(LogSigns { since: self.entries, key: parsed(to)?, handed, taken });
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
        // A next version is what all have agreed on since.
        self.withdrawal = None;
        // An attestation is of a clause as one version states it.
        self.attested.clear();
        self.epoch = self.epoch.saturating_add(1);
        Ok(())
    }

    fn transfer(&mut self, transfers: &[Transfer]) -> Result<(), ReplayError> {
        for transfer in transfers {
            for account in [&transfer.debit, &transfer.credit] {
                self.book.open(account, &transfer.asset, chart::limit(account))?;
            }
        }
        self.book.apply(transfers)?;
        self.projection.touch(transfers);
        Ok(())
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

/// What a booking or a declaration came to: its first transfer, as a second one is what rounding left out.
fn owed_by(settled: &Settled) -> Amount {
    let first = settled
        .transfers
        .first()
        .filter(|first| !AsRef::<str>::as_ref(&first.debit).starts_with("rounding:"));
    first.map_or(Amount::ZERO, |first| first.amount)
}

/// Whether it must be ended by a settlement, which a move is not.
fn is_reservation(transfer: &&Transfer) -> bool {
    matches!(transfer.operation, Operation::Reserve { .. })
}

fn who(act: &Act) -> String {
    match &act.principal {
        crate::act::Principal::Application { application, .. } => application.to_string(),
        crate::act::Principal::Party { party, person } => format!("{person} ({party})"),
        crate::act::Principal::Clerk => "clerk".to_owned(),
    }
}

fn about(deed: &Deed) -> String {
    match deed {
        Deed::Infer(infer) => infer.model.to_string(),
        Deed::Amend(amend) => format!("version {}", amend.version),
        Deed::Approve(approve) => approve.act.clone(),
        Deed::Attest(attest) => attest.clause.to_string(),
        Deed::Draw(draw) => draw.clause.to_string(),
        Deed::Expire(expire) => expire.clause.to_string(),
        Deed::Book(book) => format!("{} on {}", book.clause, book.on),
        Deed::Declare(declare) => format!("{} to {}", declare.clause, declare.on),
        Deed::Payment(payment) => format!("{} {}", payment.clause, payment.reference),
        Deed::Reconcile(said) => format!("{}, differences: {}", said.period, said.differing),
        Deed::Undelivered(undelivered) => format!("{} to {}", undelivered.notice, undelivered.receiver),
        Deed::Withdraw(withdraw) => format!("{} from {}", withdraw.party, withdraw.ends),
        Deed::Erase(erase) => {
            let whose = if erase.subject.is_some() { "an end user" } else { "all" };
            let of = erase.application.as_ref().map(|of| format!(" of {of}")).unwrap_or_default();
            let before = erase.before.map(|before| format!(" before {}", before.date())).unwrap_or_default();
            format!("{whose}{of}{before}")
        }
        Deed::Administer(Administer::ApplicationAdd(application)) => application.name.to_string(),
        Deed::Administer(Administer::ApplicationRemove { name }) => name.to_string(),
        Deed::Administer(Administer::KeyNew(key)) => key.id.to_string(),
        Deed::Administer(Administer::KeyRevoke { id }) => id.to_string(),
        Deed::Administer(Administer::ModelResume { model }) => model.to_string(),
        Deed::Administer(Administer::WitnessKeyAdd(key) | Administer::WitnessKeyRevoke(key)) => {
            key.vkey.clone()
        }
        Deed::Administer(Administer::PartyKeyChange(key)) => key.party.to_string(),
        Deed::Administer(Administer::PartyKeyRecover(key)) => key.party.to_string(),
        Deed::Administer(Administer::LogKeyChange(key)) => key.vkey.clone(),
        Deed::Administer(Administer::LogKeyRecover(key)) => key.vkey.clone(),
        Deed::Administer(Administer::BudgetSet(set)) => set.id.to_string(),
        Deed::Administer(Administer::BudgetRaise(raise)) => raise.id.to_string(),
        Deed::Administer(Administer::BudgetRemove { id }) => id.to_string(),
    }
}
