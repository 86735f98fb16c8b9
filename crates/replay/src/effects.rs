//! What an act that is allowed comes to, and what takes effect when it is settled. Not here: in which order entries may come (`fold`), or how
//! keys give way to others (`keys`, `log_keys`).

use crate::act_id::ActId;
use crate::acts::{Amending, Effect, Kept, Kind, Waiting};
use crate::budgets::{Budget, Change};
use crate::entry::{Decided, Deed, Ended, Head};
use crate::fault::Fault;
use crate::fold::Replay;
use crate::founding::{approval, attestation, witness_key};
use crate::keys::Said;
use crate::moment::Moment;
use crate::text::plain;
use crate::totals::{Drawn, Erased, Version};
use record::cosignature::{CosignerKey, Statement};
use std::collections::BTreeSet;

impl Replay {
    /// What an act that is allowed comes to, if it may.
    pub(crate) fn effect(&mut self, decided: &Decided<'_>, waited: Option<Waiting>) -> Result<Effect, Fault> {
        let head = decided.head;
        Ok(match decided.deed {
            Deed::Erase { .. } if decided.who == b"{" => {
                return Err(Fault::Undue(head.id));
            }
            Deed::Other | Deed::Infer { .. } => Effect::Other,
            Deed::Erase { is_whole: true } => Effect::Other,
            Deed::Erase { is_whole: false } => return Err(Fault::Erases(head.id)),
            Deed::Application { name, audience } => Effect::Application(name.into(), audience.into()),
            Deed::Due { application, before, clause } => {
                self.erases(decided, application, before, clause)?;
                Effect::Other
            }
            Deed::Amend { version, digest } => {
                let approved_by = waited.ok_or(Fault::Unasked(head.id))?.given;
                if decided.memorandum.checked_add(1) != Some(version) {
                    return Err(Fault::NotNext(head.id));
                }
                self.amending.insert(head.id, Amending { version, digest, approved_by });
                Effect::Other
            }
            Deed::Approve { act, digest, party, signature } => {
                let found = ActId::of(act).and_then(|act| Some((act, self.waiting.get(&act)?)));
                let (act, waiting) = found.ok_or(Fault::Misplaced(head.id))?;
                let asked = waiting.by.iter().any(|by| **by == *party);
                if waiting.digest != digest || !asked || waiting.given.iter().any(|given| **given == *party) {
                    return Err(Fault::Misplaced(head.id));
                }
                self.signed(head.id, party, &approval(waiting.kind == Kind::Amend, &digest), signature)?;
                Effect::Approve(act, party.into())
            }
            Deed::Attest { clause, condition, evidence, party, signature } => {
                let memorandum = self.versions.last().map(|version| version.digest).unwrap_or_default();
                // One milestone of several is attested, and kept, under both names.
                let about = condition.map_or_else(|| clause.into(), |one| [clause, b"/", one].concat());
                let message = attestation(&self.origin, &memorandum, &plain(&about), &evidence);
                self.signed(head.id, party, &message, signature)?;
                Effect::Attest { clause: about.into(), evidence, party: party.into() }
            }
            Deed::Draw { clause } => self.draws(head.id, head.at, clause)?,
            Deed::Expire { clause } => {
                self.books_once(head.id, clause)?;
                Effect::Expire(clause.into())
            }
            Deed::Book { .. } | Deed::Declare { .. } | Deed::Payment { .. } => self.owes(decided)?,
            Deed::Reconcile(said) => self.reconciles(head.id, said)?,
            Deed::Undelivered { notice, receiver, error, attempts } => {
                self.gives_up(decided, notice, receiver, (error, attempts))?;
                Effect::Other
            }
            Deed::Withdraw { .. } => self.withdraws(decided)?,
            Deed::Witness { vkey, party, signature } => self.witness(head, vkey, party, signature)?,
            Deed::PartyKey { vkey, party, recovery, signature, proof } => {
                let said = Said { vkey, party, recovery, signature, proof };
                let change = self.gives_way(head.id, head.kind, said, self.in_force())?;
                Effect::Party(Box::new(change))
            }
            Deed::LogKey(said) => Effect::Log(self.log_gives_way(head.id, head.kind, said)?),
            Deed::Key { .. }
            | Deed::BudgetSet { .. }
            | Deed::BudgetRaise { .. }
            | Deed::BudgetRemove { .. } => self.limit(head.id, decided.deed)?,
        })
    }

    /// What becomes of a party's cosigning key, if that may be.
    fn witness(&self, head: Head, vkey: &[u8], party: &[u8], signature: &[u8]) -> Result<Effect, Fault> {
        let message = witness_key(&self.origin, head.kind.name(), &plain(vkey));
        self.signed(head.id, party, &message, signature)?;
        let counts = head.kind == Kind::WitnessKeyAdd;
        let fits = if counts { self.may_cosign(party, vkey) } else { self.cosigns(party, vkey) };
        if !fits {
            return Err(Fault::Witness(head.id));
        }
        Ok(Effect::Witness { vkey: vkey.into(), party: party.into(), counts })
    }

    /// What becomes of a budget, of a key's own or of another, if that may be.
    fn limit(&self, id: ActId, deed: Deed<'_>) -> Result<Effect, Fault> {
        let change = match deed {
            Deed::Key { id: key, .. } if key.contains(&b':') => return Err(Fault::Budget(id)),
            Deed::Key { id, budget } => {
                let budget = budget.map(|(asset, amount)| (asset.into(), amount));
                return Ok(Effect::Key(id.into(), budget));
            }
            Deed::BudgetSet { id, of, whose, asset, amount, period } => {
                let (whose, asset, raises) = (whose.into(), asset.into(), Vec::new());
                Change::Set(id.into(), Budget { of, whose, asset, amount, period, raises })
            }
            Deed::BudgetRaise { id, amount, until } => Change::Raise(id.into(), amount, until),
            Deed::BudgetRemove { id } => Change::Remove(id.into()),
            _ => return Ok(Effect::Other),
        };
        let fits = self.budgets.fits(&change, self.at);
        if fits { Ok(Effect::Budget(Box::new(change))) } else { Err(Fault::Budget(id)) }
    }

    /// A tranche is drawn, once; who has attested it is kept.
    fn draws(&mut self, id: ActId, at: Moment, clause: &[u8]) -> Result<Effect, Fault> {
        self.books_once(id, clause)?;
        let of_it = self.attested.iter().filter(|((of, _), _)| **of == *clause);
        let attested = of_it.map(|(_, by)| by.iter().map(|party| plain(party)).collect()).collect();
        let (index, under, name) = (self.entries, self.in_force(), plain(clause));
        self.drawn.push(Drawn { index, at, under, clause: name, attested });
        Ok(Effect::Draw(clause.into()))
    }

    /// What a schedule says is erased by the clerk, each month once.
    fn erases(
        &mut self,
        decided: &Decided<'_>,
        of: &[u8],
        before: Moment,
        clause: &[u8],
    ) -> Result<(), Fault> {
        let id = decided.head.id;
        let undue = || Fault::Undue(id);
        let kept = self.kept.get_mut(of).filter(|_| decided.who == b"{").ok_or_else(undue)?;
        if !before.begins_a_month() || before.millis() <= kept.erased.unwrap_or(kept.since).millis() {
            return Err(undue());
        }
        kept.erased = Some(before);
        let audiences = kept.audiences.iter().map(|audience| plain(audience)).collect();
        let (index, under) = (self.entries, self.in_force());
        let (application, clause) = (plain(of), plain(clause));
        let erased = Erased { index, at: decided.head.at, under, clause, application, audiences, before };
        self.erased.push(erased);
        Ok(())
    }

    /// Whether a key may be one by which this party cosigns: it has the name for it, and is nobody's so far.
    fn may_cosign(&self, party: &[u8], vkey: &[u8]) -> bool {
        let Ok(key) = CosignerKey::parse(&plain(vkey)) else { return false };
        let is_named = [Statement::Grew, Statement::Replayed]
            .iter()
            .any(|says| says.key_name(&self.origin, &plain(party)) == key.name());
        let is_a_partys = self.keys.ever().any(|party| party.public_key() == key.public_key());
        is_named
            && !is_a_partys
            && !self.has_cosigned(key.public_key())
            && !self.was_the_logs(key.public_key())
    }

    fn cosigns(&self, party: &[u8], vkey: &[u8]) -> bool {
        self.witnesses.iter().any(|(of, key)| **of == *party && **key == *vkey)
    }

    /// A tranche is drawn or a clause expires once, and whoever tries it twice is told.
    fn books_once(&mut self, id: ActId, clause: &[u8]) -> Result<(), Fault> {
        if self.booked.insert(clause.into()) { Ok(()) } else { Err(Fault::BookedBefore(id, plain(clause))) }
    }

    pub(crate) fn signed(
        &self,
        id: ActId,
        party: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Fault> {
        let holds = self.keys.verify(party, message, signature);
        if holds { Ok(()) } else { Err(Fault::Signature(id, plain(party))) }
    }

    /// What takes effect with a settlement: an approval counts, a version is in force.
    pub(crate) fn take_effect(&mut self, id: ActId, ended: Ended) -> Result<(), Fault> {
        let is_done = ended == Ended::Done;
        match self.at_once.take().filter(|_| is_done).map(|at_once| at_once.effect) {
            Some(Effect::Approve(act, party)) => {
                self.waiting.entry(act).and_modify(|waiting| waiting.given.push(party));
            }
            Some(Effect::Attest { clause, evidence, party }) => {
                self.attested.entry((clause, evidence)).or_default().push(party);
            }
            Some(Effect::Application(name, audience)) => {
                let since = self.at;
                let fresh = || Kept { audiences: BTreeSet::new(), since, erased: None };
                self.kept.entry(name).or_insert_with(fresh).audiences.insert(audience);
            }
            Some(Effect::Witness { vkey, party, counts }) => {
                self.witnesses.retain(|(_, key)| *key != vkey);
                if counts {
                    self.witnesses.push((party, vkey));
                } else {
                    self.revoked.push(vkey);
                }
            }
            Some(Effect::Party(change)) => self.gave_way(*change),
            Some(Effect::Log(change)) => self.log_gave_way(*change),
            Some(Effect::Budget(change)) => self.budgets.change(*change, self.at),
            _ => {}
        }
        let amending = if self.amending.is_empty() { None } else { self.amending.remove(&id) };
        if let Some(Amending { version, digest, approved_by }) = amending.filter(|_| is_done) {
            let before = self.versions.last().and_then(|before| before.number);
            if before.and_then(|before| before.checked_add(1)) != Some(version) {
                return Err(Fault::NotNext(id));
            }
            let mut signed_by: Vec<_> = approved_by.iter().map(|party| plain(party)).collect();
            signed_by.sort_unstable();
            self.versions.push(Version { digest, index: self.entries, number: Some(version), signed_by });
            self.attested.clear();
        }
        Ok(())
    }
}
