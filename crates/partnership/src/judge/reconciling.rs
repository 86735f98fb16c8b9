//! Whether a party's word on a reconciliation counts: by its own key, and once for each report.
//!
//! Not here: whether the report is right, which each party finds out by comparing for itself.

use super::{Judgement, bad_signature};
use crate::act::{Reconcile, reconciliation_bytes};
use crate::state::State;

impl State {
    pub(super) fn judge_reconciliation(&self, said: &Reconcile) -> Judgement {
        let Reconcile { report, of, party, signature, .. } = said;
        if !said.is_of_a_period() {
            return Judgement::invalid(format!(
                "`{}` is no period; a reconciliation is of a month, such as 2026-11, or a year, such as 2026",
                said.period
            ));
        }
        let header = &self.in_force().memorandum().header;
        if let Some(of) = of.as_ref().filter(|of| header.party(of).is_none()) {
            return Judgement::invalid(format!("`{of}` is no party of the memorandum in force"));
        }
        if self.reconciled.iter().any(|given| given.report == *report && given.party == *party) {
            return Judgement::invalid(format!("`{party}` has attested this reconciliation already"));
        }
        if !self.is_signed(party, &reconciliation_bytes(&self.origin, said), signature) {
            return Judgement::invalid(bad_signature(party));
        }
        Judgement::allow(Vec::new())
    }
}
