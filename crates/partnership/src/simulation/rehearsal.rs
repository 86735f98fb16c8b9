//! The partnership that is founded on the other terms, over a log in memory that is thrown away.
//!
//! Not here: which recorded acts it is handed. It signs for every party, with keys that are made for it and forgotten with it.

use super::SimulationError;
use crate::act::{
    Act, Approve, Deed, Digest, Ended, Outcome, Principal, approval_bytes, attestation_bytes,
    declaration_bytes, payment_bytes, reconciliation_bytes,
};
use crate::decision::{Decision, Warrant};
use crate::entry::Genesis;
use crate::ids::{ActId, ClauseId, PartyId, Timestamp};
use crate::memorandum::signing_bytes;
use crate::partnership::{Answer, Command, Entropy, Fatal, Partnership};
use crate::state::State;
use crate::terms::Terms;
use ledger::{Amount, AssetId};
use record::Leaf;
use record::hash::base64;
use record::note::Signer;
use record::store::memory::Memory;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an act was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answered {
    Allowed,
    Refused {
        code: &'static str,
        clause: Option<ClauseId>,
    },
    Waits {
        clause: ClauseId,
    },
    /// It came with the idempotency key of another act, which is allowed here.
    Repeated,
}

/// What a call came to: the act, the rate card that priced it, and what was charged.
pub(super) type Ending = (Arc<Act>, Option<ClauseId>, Option<(Amount, AssetId)>);

#[derive(Debug)]
pub(super) struct Rehearsal {
    partnership: Partnership,
    entropy: Entropy,
    at: Timestamp,
    keys: BTreeMap<PartyId, Signer>,
    /// The calls that are allowed here and not settled yet.
    warrants: BTreeMap<ActId, Warrant>,
    /// What was written, where somebody wants it.
    leaves: Option<Vec<Leaf>>,
}

impl Rehearsal {
    pub(super) fn found(
        terms: Terms,
        recorded: &Genesis,
        at: Timestamp,
        (seed, keeps): ([u8; 32], bool),
        index: u64,
    ) -> Result<Self, SimulationError> {
        let begin = |error: &dyn std::fmt::Display| SimulationError::Begin(error.to_string());
        let mut entropy = Entropy::new(seed);
        let mut keys = Vec::new();
        for (party, vkey) in &recorded.vkeys {
            let name = vkey.split('+').next().unwrap_or_default();
            let key = Signer::generate(name, entropy.seed()).map_err(|error| begin(&error))?;
            keys.push((party.clone(), key));
        }
        let log = Signer::generate(&recorded.origin, entropy.seed()).map_err(|error| begin(&error))?;
        let loaded = record::load(Arc::new(Memory::new()), &recorded.origin, SEGMENT_BYTES, &log.verifier())
            .map_err(|error| begin(&error))?;
        let memorandum = terms.digest();
        let signed = signing_bytes(&memorandum.0);
        let genesis = Genesis {
            origin: recorded.origin.clone(),
            memorandum,
            vkeys: keys.iter().map(|(party, key)| (party.clone(), key.verifier().vkey())).collect(),
            signatures: keys
                .iter()
                .map(|(party, key)| (party.clone(), base64(&key.sign_bytes(&signed))))
                .collect(),
            transfers: Vec::new(),
        };
        let mut partnership = Partnership::found(State::new([terms]), loaded.log, at, genesis, &mut entropy)
            .map_err(|error| SimulationError::Fatal(index, error))?;
        let (keys, warrants, leaves) = (keys.into_iter().collect(), BTreeMap::new(), keeps.then(Vec::new));
        if !keeps {
            partnership.count_only();
        }
        let mut rehearsal = Self { partnership, entropy, at, keys, warrants, leaves };
        rehearsal.seal();
        Ok(rehearsal)
    }

    pub(super) fn state(&self) -> &State {
        self.partnership.state()
    }

    pub(super) fn written(&mut self) -> Vec<Leaf> {
        self.leaves.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Lets time pass to `at`: the clerk looks at what is due at each midnight (UTC) on the way.
    pub(super) fn advance(&mut self, at: Timestamp) -> Result<(), Fatal> {
        while let Ok(day) = self.at.date().tomorrow() {
            let midnight = Timestamp::start_of(day);
            if midnight > at {
                break;
            }
            self.at = midnight;
            self.tick()?;
        }
        self.at = self.at.max(at);
        Ok(())
    }

    /// The clerk looks at what is due.
    pub(super) fn tick(&mut self) -> Result<(), Fatal> {
        self.run(Command::Tick).map(drop)
    }

    /// Proposes a recorded act, signed anew where a party signed it.
    pub(super) fn propose(&mut self, act: &Act) -> Result<Answered, Fatal> {
        let id = act.id;
        let act = Act { deed: self.signed(&act.deed), ..act.clone() };
        let Some(Answer::Decided(decision)) = self.run(Command::Propose(Box::new(act), None))? else {
            return Ok(Answered::Repeated);
        };
        Ok(match decision {
            Decision::Allow(warrant) => {
                self.warrants.insert(id, warrant);
                Answered::Allowed
            }
            Decision::Done(_) => Answered::Allowed,
            Decision::Deny(refusal) => {
                Answered::Refused { code: refusal.code.name(), clause: refusal.clause }
            }
            Decision::Escalate(ticket) => Answered::Waits { clause: ticket.clause },
            Decision::Repeated(_) => Answered::Repeated,
        })
    }

    /// Settles a call; none where it is not open here.
    pub(super) fn settle(&mut self, id: &ActId, outcome: Outcome) -> Result<Option<Ending>, Fatal> {
        let Some(warrant) = self.warrants.remove(id) else { return Ok(None) };
        let card = self.state().open_act(id).and_then(|open| Some(open.tariff.as_ref()?.clause.clone()));
        let act = Arc::clone(&warrant.act);
        let Some(Answer::Settled(settlement)) = self.run(Command::Settle(warrant, outcome))? else {
            return Ok(None);
        };
        Ok(Some((act, card, settlement.charged)))
    }

    /// Whether an act waits here for this approval.
    pub(super) fn waits_for(&self, approve: &Approve) -> bool {
        let waiting = approve.act.parse().ok().and_then(|id: ActId| self.state().waiting_act(&id));
        waiting.is_some_and(|waiting| {
            waiting.digest == approve.digest && waiting.missing().contains(&approve.party)
        })
    }

    /// Approves an act for all whose approval is missing; says how many those were.
    pub(super) fn approve_for_all(&mut self, id: &ActId) -> Result<u64, Fatal> {
        let Some(waiting) = self.state().waiting_act(id) else { return Ok(0) };
        let (digest, missing) = (waiting.digest, waiting.missing());
        for party in &missing {
            let deed = Deed::Approve(Approve {
                act: id.to_string(),
                digest,
                party: party.clone(),
                signature: self.signature(party, &approval_bytes(&digest)),
            });
            let principal = Principal::Party { party: party.clone(), person: "simulated".to_owned() };
            let act = Act { id: self.entropy.act_id(self.at), principal, deed };
            self.run(Command::Propose(Box::new(act), None))?;
        }
        self.tick()?;
        Ok(u64::try_from(missing.len()).unwrap_or(u64::MAX))
    }

    fn run(&mut self, command: Command) -> Result<Option<Answer>, Fatal> {
        let replies = self.partnership.turn(self.at, &mut self.entropy, vec![command])?;
        self.seal();
        for warrant in self.partnership.unasked() {
            let outcome = Outcome { ended: Ended::Done, ..Outcome::lost() };
            self.partnership.turn(self.at, &mut self.entropy, vec![Command::Settle(warrant, outcome)])?;
            self.seal();
        }
        let answer = replies.into_iter().next().map(|reply| reply.answer);
        if matches!(answer, Some(Answer::Noted)) {
            let state = self.partnership.state();
            self.warrants.retain(|id, _| state.open_act(id).is_some());
        }
        Ok(answer)
    }

    fn seal(&mut self) {
        let group = self.partnership.log().seal();
        if let (Some(leaves), Some(group)) = (&mut self.leaves, group) {
            leaves.extend(group.leaves);
        }
    }

    /// The deed with the signature that its party would have made under these terms.
    fn signed(&self, deed: &Deed) -> Deed {
        let mut deed = deed.clone();
        let origin = self.state().origin();
        let version = self.state().terms().map_or(Digest([0; 32]), |terms| terms.digest());
        match &mut deed {
            Deed::Approve(approve) => {
                approve.signature = self.signature(&approve.party, &approval_bytes(&approve.digest));
            }
            Deed::Attest(attest) => {
                let signed = attestation_bytes(origin, &version, &attest.about(), &attest.evidence);
                attest.signature = self.signature(&attest.party, &signed);
            }
            Deed::Declare(declare) => {
                let signed = declaration_bytes(origin, &declare.clause, declare.on, &declare.revenue);
                declare.signature = self.signature(&declare.party, &signed);
            }
            Deed::Payment(payment) => {
                let signed = payment_bytes(
                    origin,
                    &payment.clause,
                    (&payment.amount, payment.paid_in.as_ref()),
                    &payment.reference,
                );
                payment.signature = self.signature(&payment.party, &signed);
            }
            Deed::Reconcile(said) => {
                let signed = reconciliation_bytes(origin, said);
                said.signature = self.signature(&said.party, &signed);
            }
            _ => {}
        }
        deed
    }

    fn signature(&self, party: &PartyId, bytes: &[u8]) -> String {
        self.keys.get(party).map_or_else(String::new, |key| base64(&key.sign_bytes(bytes)))
    }
}

/// The size of journal segments, of which none is written. Units: bytes.
const SEGMENT_BYTES: u32 = 1 << 20;
