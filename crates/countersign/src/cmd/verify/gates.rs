//! What an act must have had before it could be allowed: a key in standing, signatures, approvals, a milestone attested.
//!
//! Written apart from the code that judges, so that a judge who was bribed is found out. Not here: funds, which the books
//! themselves refuse to overdraw.

use partnership::act::{
    Act, Administer, Approve, Attest, Deed, Digest, Ended, Infer, Principal, approval_bytes,
    attestation_bytes,
};
use partnership::entry::{Body, Decided, Entry, Genesis, Settled, Verdict};
use partnership::ids::{ActId, PartyId, Timestamp};
use partnership::memorandum::{Condition, signing_bytes};
use partnership::{State, Terms};
use record::note::Verifier;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The gates as they stand before an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gates<'a> {
    state: &'a State,
}

/// Why an entry should never have been written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ungated {
    #[error("the signature of `{0}` does not verify")]
    Signature(PartyId),
    #[error("the memorandum is signed by {given} of its parties where it asks for {asked}")]
    Unsigned { given: usize, asked: u32 },
    #[error(
        "`{0}` is the genesis key of a party whose key the memorandum fixes otherwise, or that is no party"
    )]
    Key(PartyId),
    #[error("act `{0}` was allowed without a key in standing for a service that its party has")]
    Standing(ActId),
    #[error("act `{act}` was allowed without the approval of {missing}")]
    Unapproved { act: ActId, missing: String },
    #[error("act `{0}` waits for other parties, or over another digest, than its clause asks for")]
    Ticket(ActId),
    #[error("act `{0}` approves or attests what it may not")]
    Misplaced(ActId),
    #[error("act `{0}` booked a tranche whose condition did not hold")]
    Undue(ActId),
    #[error("act `{0}` came into force before its day")]
    Early(ActId),
    #[error("a memorandum is named whose bytes are not kept")]
    NoMemorandum,
}

impl<'a> Gates<'a> {
    pub(super) fn of(state: &'a State) -> Self {
        Self { state }
    }

    /// Whether `entry` may follow.
    pub(super) fn check(self, entry: &Entry) -> Result<(), Ungated> {
        match &entry.body {
            Body::Genesis(genesis) => self.founding(genesis),
            Body::Decided(decided) => match &decided.verdict {
                Verdict::Allow => self.allowed(decided, entry.at),
                Verdict::Escalate { digest, by } => self.waits(&decided.act, digest, by),
                Verdict::Deny { .. } => Ok(()),
            },
            Body::Settled(settled) => self.settled(settled, entry.at),
            Body::Clock(_) | Body::Tally(_) | Body::StateDigest(_) => Ok(()),
        }
    }

    fn founding(self, genesis: &Genesis) -> Result<(), Ungated> {
        let terms = self.state.document(&genesis.memorandum).ok_or(Ungated::NoMemorandum)?;
        let header = &terms.memorandum().header;
        let vkeys: BTreeMap<_, _> = genesis.vkeys.iter().map(|(party, vkey)| (party, vkey)).collect();
        for (party, vkey) in &vkeys {
            let fixed = header.vkeys.get(*party);
            if header.party(party).is_none() || fixed.is_some_and(|fixed| fixed != *vkey) {
                return Err(Ungated::Key((*party).clone()));
            }
        }
        let signatures: BTreeMap<_, _> =
            genesis.signatures.iter().map(|(party, made)| (party, made)).collect();
        for (party, made) in &signatures {
            let vkey = vkeys.get(*party).and_then(|vkey| Verifier::parse(vkey).ok());
            holds(vkey.as_ref(), party, &signing_bytes(&genesis.memorandum.0), made)?;
        }
        let (given, asked) = (signatures.len(), header.threshold);
        let enough = u32::try_from(given).is_ok_and(|given| given >= asked);
        if enough { Ok(()) } else { Err(Ungated::Unsigned { given, asked }) }
    }

    fn allowed(self, decided: &Decided, at: Timestamp) -> Result<(), Ungated> {
        let act = &decided.act;
        match &act.deed {
            _ if self.state.waiting_act(&act.id).is_some() => self.approved(act),
            Deed::Infer(infer) => self.call(act, infer, at),
            Deed::Amend(_) => self.approved(act),
            Deed::Administer(change) if self.asks_approval(change) => self.approved(act),
            Deed::Administer(_) => Ok(()),
            Deed::Approve(approve) => self.approval(act.id, approve),
            Deed::Attest(attest) => self.attestation(act.id, attest),
            Deed::Draw(draw) if self.is_met(draw.clause.as_str(), at) => Ok(()),
            Deed::Draw(_) => Err(Ungated::Undue(act.id)),
            Deed::Expire(expire) if self.is_over(expire.clause.as_str(), at) => Ok(()),
            Deed::Expire(_) => Err(Ungated::Undue(act.id)),
        }
    }

    fn call(self, act: &Act, infer: &Infer, at: Timestamp) -> Result<(), Ungated> {
        let registry = self.state.registry();
        let in_standing = match &act.principal {
            Principal::Application { party, application, key } => {
                let standing = registry.standing(key, at);
                let owned =
                    standing.is_some_and(|(_, found)| found.name == *application && found.party == *party);
                owned
                    && self.terms().is_some_and(|terms| terms.service(party, infer.model.as_str()).is_some())
            }
            Principal::Party { .. } | Principal::Clerk => false,
        };
        if in_standing && !registry.is_suspended(&infer.model) {
            Ok(())
        } else {
            Err(Ungated::Standing(act.id))
        }
    }

    /// Whether an act that needed approvals waited for them, and has them all.
    fn approved(self, act: &Act) -> Result<(), Ungated> {
        let missing = match self.state.waiting_act(&act.id) {
            None => "anyone".to_owned(),
            Some(waiting) if waiting.act.deed != act.deed => {
                "anyone: what was approved is not what was allowed".to_owned()
            }
            Some(waiting) => names(&waiting.missing()),
        };
        if missing.is_empty() { Ok(()) } else { Err(Ungated::Unapproved { act: act.id, missing }) }
    }

    fn waits(self, act: &Act, digest: &Digest, by: &[PartyId]) -> Result<(), Ungated> {
        let terms = self.terms().ok_or(Ungated::NoMemorandum)?;
        let as_asked = match &act.deed {
            Deed::Amend(amend) => amend.digest == *digest && terms.amenders().1 == by,
            Deed::Administer(change) => {
                let asked = terms
                    .requirements(change.name())
                    .any(|(clause, requirement)| clause.force.is_binding() && requirement.approved_by == by);
                asked && digest_of(change) == *digest
            }
            _ => false,
        };
        if as_asked { Ok(()) } else { Err(Ungated::Ticket(act.id)) }
    }

    fn approval(self, id: ActId, approve: &Approve) -> Result<(), Ungated> {
        let named = approve.act.parse::<ActId>().ok();
        let waiting = named.and_then(|act| self.state.waiting_act(&act)).ok_or(Ungated::Misplaced(id))?;
        if waiting.digest != approve.digest || !waiting.by.contains(&approve.party) {
            return Err(Ungated::Misplaced(id));
        }
        let signed = match &waiting.act.deed {
            Deed::Amend(_) => signing_bytes(&approve.digest.0),
            _ => approval_bytes(&approve.digest),
        };
        holds(self.state.vkey(&approve.party), &approve.party, &signed, &approve.signature)
    }

    fn attestation(self, id: ActId, attest: &Attest) -> Result<(), Ungated> {
        let named = self.terms().is_some_and(|terms| {
            terms.tranches().any(|(clause, tranche)| match &tranche.condition {
                Condition::Milestone { attested_by, .. } => {
                    clause.id == attest.clause && attested_by.contains(&attest.party)
                }
                Condition::Date(_) => false,
            })
        });
        if !named {
            return Err(Ungated::Misplaced(id));
        }
        let signed = attestation_bytes(&attest.clause, &attest.evidence);
        holds(self.state.vkey(&attest.party), &attest.party, &signed, &attest.signature)
    }

    fn settled(self, settled: &Settled, at: Timestamp) -> Result<(), Ungated> {
        let open = self.state.open_act(&settled.act);
        let Some(Deed::Amend(amend)) = open.map(|open| &open.act.deed) else { return Ok(()) };
        let terms = self.state.document(&amend.digest).ok_or(Ungated::NoMemorandum)?;
        let has_come = terms.memorandum().header.effective <= at.date();
        if has_come || settled.ended != Ended::Done { Ok(()) } else { Err(Ungated::Early(settled.act)) }
    }

    fn is_met(self, clause: &str, at: Timestamp) -> bool {
        let Some(terms) = self.terms() else { return false };
        let Some((clause, tranche)) = terms.tranches().find(|(found, _)| found.id.as_str() == clause) else {
            return false;
        };
        let met = match &tranche.condition {
            Condition::Date(date) => *date <= at.date(),
            Condition::Milestone { attested_by, .. } => self.state.attested().any(|((id, _), given)| {
                *id == clause.id && attested_by.iter().all(|party| given.contains(party))
            }),
        };
        met && self.state.booked(&clause.id).is_none()
    }

    fn is_over(self, clause: &str, at: Timestamp) -> bool {
        let Some(terms) = self.terms() else { return false };
        let grant = terms
            .grants()
            .find(|(found, _)| found.id.as_str() == clause)
            .and_then(|(_, grant)| grant.expires);
        let tranche = terms
            .tranches()
            .find(|(found, _)| found.id.as_str() == clause)
            .and_then(|(_, found)| found.lapses);
        grant.or(tranche).is_some_and(|over| over <= at.date())
    }

    fn asks_approval(self, change: &Administer) -> bool {
        self.terms().is_some_and(|terms| {
            terms.requirements(change.name()).any(|(clause, _)| clause.force.is_binding())
        })
    }

    fn terms(self) -> Option<&'a Arc<Terms>> {
        self.state.terms()
    }
}

fn holds(vkey: Option<&Verifier>, party: &PartyId, bytes: &[u8], signature: &str) -> Result<(), Ungated> {
    let made = record::hash::from_base64(signature).and_then(|made| <[u8; 64]>::try_from(made).ok());
    let holds = vkey.zip(made).is_some_and(|(vkey, made)| vkey.verify_bytes(bytes, &made));
    if holds { Ok(()) } else { Err(Ungated::Signature(party.clone())) }
}

fn digest_of(change: &Administer) -> Digest {
    let what =
        serde_json::to_vec(change).unwrap_or_else(|error| unreachable!("a change is plain text: {error}"));
    digest_of_change(change.name(), &what)
}

/// The digest that approvals of a change are signed over: of its kind and of `what` as the record writes it.
pub(crate) fn digest_of_change(kind: &str, what: &[u8]) -> Digest {
    let head = format!("countersign/act/v1\0{kind}\0");
    Digest(record::hash::sha256_of(&[head.as_bytes(), what]))
}

fn names(parties: &[PartyId]) -> String {
    parties.iter().map(PartyId::as_str).collect::<Vec<_>>().join(", ")
}
