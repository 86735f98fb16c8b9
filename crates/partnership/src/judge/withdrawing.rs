//! Whether a party may withdraw from what binds nobody, and what a withdrawal leaves of what was on its way.
//!
//! Not here: which clauses end with it, and on which day (`terms`).

use super::{Judgement, bad_signature};
use crate::act::{Amend, Withdraw, withdrawal_bytes};
use crate::decision::RefusalCode;
use crate::ids::Timestamp;
use crate::memorandum::Clause;
use crate::state::State;
use crate::terms::{Leave, Terms};

impl State {
    pub(super) fn judge_withdrawal(&self, withdraw: &Withdraw, at: Timestamp) -> Judgement {
        match self.withdraws(withdraw, at) {
            Ok(leave) => {
                let mut judgement = Judgement::allow(leave.clauses);
                judgement.deviations = leave.against;
                judgement
            }
            Err(remedy) => Judgement::invalid(remedy),
        }
    }

    fn withdraws(&self, withdraw: &Withdraw, at: Timestamp) -> Result<Leave, String> {
        let Withdraw { memorandum, ends, party, signature } = withdraw;
        let terms = self.in_force();
        if terms.memorandum().header.party(party).is_none() {
            return Err(format!("party `{party}` is not in the memorandum"));
        }
        if *memorandum != terms.digest() {
            let (version, digest) = (terms.version(), terms.digest());
            return Err(format!("version {version} is in force, {digest}: withdraw from that"));
        }
        if let Some(withdrawn) = terms.withdrawn() {
            return Err(format!(
                "`{}` has withdrawn already, and what binds nobody ends on {}; what is to hold after that is for a next version that all sign",
                withdrawn.by, withdrawn.ends
            ));
        }
        let leave = terms.leave(party, at.date())?;
        if *ends < leave.from {
            return Err(format!(
                "the notice for `{party}` runs until {}, and what binds nobody cannot end on {ends}",
                leave.from
            ));
        }
        let signed = withdrawal_bytes(&self.origin, memorandum, *ends);
        let is_signed = self.is_signed(party, &signed, signature);
        is_signed.then_some(leave).ok_or_else(|| bad_signature(party))
    }

    /// Whether a proposed version was on its way when a party withdrew. Whoever withdraws has said so after it signed that, and a
    /// signature is good for a text and not for a moment; so only another text brings the memorandum back.
    pub(super) fn is_overtaken(&self, amend: &Amend) -> Result<(), String> {
        match &self.withdrawal {
            Some(withdrawal) if withdrawal.overtaken.contains(&amend.digest) => Err(format!(
                "`{}` has withdrawn since this version was proposed; propose another text, which names the withdrawal",
                withdrawal.withdrawn.by
            )),
            _ => Ok(()),
        }
    }
}

/// The refusal of a call to what a party has given up.
pub(super) fn given_up(terms: &Terms, service: &Clause, model: &str) -> Judgement {
    let (by, ends) = match terms.withdrawn() {
        Some(withdrawn) => (withdrawn.by.to_string(), withdrawn.ends.to_string()),
        None => unreachable!("a clause is given up only by a withdrawal"),
    };
    let remedy = format!(
        "`{by}` has withdrawn from the memorandum, and `{}`, which offers `{model}` and binds nobody, ended on {ends}; a next version that all sign offers it again",
        service.id
    );
    Judgement::deny(RefusalCode::OutOfTerm, Some(service.id.clone()), remedy)
}
