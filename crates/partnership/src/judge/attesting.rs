//! Whether a party may attest a milestone: of a tranche, of a part that vests, or of what ends a right.
//!
//! Not here: what follows when all have attested it (`due`, `State::clause_state`).

use super::{Judgement, bad_signature};
use crate::act::{Attest, attestation_bytes};
use crate::ids::{ClauseId, PartyId, Timestamp};
use crate::memorandum::{Clause, Milestone};
use crate::state::{ClauseState, Evidence, State};
use jiff::civil::Date;
use std::collections::BTreeMap;

impl State {
    pub(super) fn judge_attestation(&self, attest: &Attest, at: Timestamp) -> Judgement {
        let terms = self.in_force();
        let Some(clause) = terms.memorandum().clause(&attest.clause) else {
            return Judgement::invalid(format!(
                "no clause of the memorandum in force is named `{}`",
                attest.clause
            ));
        };
        let Some(milestone) = clause.milestone(attest.condition.as_ref()) else {
            return Judgement::invalid(unnamed(clause, attest));
        };
        if let Err(why) = self.is_open_to(clause, milestone, attest, at) {
            return Judgement::invalid(why);
        }
        let (version, about) = (terms.digest(), attest.about());
        let signed = attestation_bytes(&self.origin, &version, &about, &attest.evidence);
        if !self.is_signed(&attest.party, &signed, &attest.signature) {
            return Judgement::invalid(bad_signature(&attest.party));
        }
        Judgement::allow(vec![clause.id.clone()])
    }

    fn is_open_to(
        &self,
        clause: &Clause,
        milestone: &Milestone,
        attest: &Attest,
        at: Timestamp,
    ) -> Result<(), String> {
        let (id, party) = (&clause.id, &attest.party);
        if self.booked.contains_key(id) {
            return Err(format!("tranche `{id}` is booked or has lapsed already"));
        }
        if !milestone.attested_by.contains(party) {
            return Err(format!("party `{party}` is not among those who attest it"));
        }
        let Attest { clause: of, condition, evidence, .. } = attest;
        let evidence = Evidence { clause: of.clone(), condition: condition.clone(), digest: *evidence };
        if self.attested.get(&evidence).is_some_and(|given| given.contains_key(party)) {
            return Err(format!("party `{party}` has attested this evidence already"));
        }
        if let Some(gone) = self.in_force().withdrawn().filter(|_| self.is_over(clause, at.date())) {
            return Err(format!("`{}` has withdrawn, and `{id}` ended on {}", gone.by, gone.ends));
        }
        if self.in_force().has_ended(id, at.date()) {
            return Err(format!("the memorandum has ended, and `{id}` does not survive it"));
        }
        let stands = self.clause_state(clause, at.date());
        if matches!(stands, ClauseState::Met | ClauseState::Lapsed) {
            return Err(format!("`{id}` is {} already", stands.as_str()));
        }
        Ok(())
    }
}

/// Why no milestone of the clause is meant.
fn unnamed(clause: &Clause, attest: &Attest) -> String {
    let (id, milestones) = (&clause.id, clause.milestones());
    let names: Vec<&str> = milestones.iter().filter_map(|one| Some(one.id.as_ref()?.as_str())).collect();
    match (milestones.as_slice(), &attest.condition) {
        ([], _) => format!("`{id}` has no milestone that is attested"),
        ([_], Some(_)) => format!("`{id}` has one milestone only: leave the condition's name out"),
        (_, None) => format!("`{id}` has several milestones: name one of {}", names.join(", ")),
        (_, Some(condition)) => {
            format!("`{id}` has no milestone `{condition}`: name one of {}", names.join(", "))
        }
    }
}

impl State {
    /// Whether all whom a milestone of a clause names have attested it over one digest, under the version in force.
    #[must_use]
    pub fn is_attested(&self, clause: &ClauseId, milestone: &Milestone) -> bool {
        self.attested_on(clause, milestone).is_some()
    }

    /// The day by which all whom a milestone of a clause names had attested it over one digest; none while they have not.
    pub(crate) fn attested_on(&self, clause: &ClauseId, milestone: &Milestone) -> Option<Date> {
        let complete = |given: &BTreeMap<PartyId, Date>| {
            let days: Option<Vec<Date>> =
                milestone.attested_by.iter().map(|party| given.get(party).copied()).collect();
            days?.into_iter().max()
        };
        // Where a clause has one milestone only, what attests it names none.
        let is_of = |evidence: &Evidence| {
            evidence.clause == *clause
                && evidence.condition.as_ref().is_none_or(|named| milestone.id.as_ref() == Some(named))
        };
        let all = self.attested.iter().filter(|(evidence, _)| is_of(evidence));
        all.filter_map(|(_, given)| complete(given)).min()
    }
}
