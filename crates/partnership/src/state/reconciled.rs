//! Whose word there is on reconciliations. Not here: what was compared, which lies with the parties.

use super::State;
use crate::act::{Digest, Reconcile};
use crate::ids::{PartyId, Timestamp};

/// One party's word on a reconciliation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// When it was given, by the record's time.
    pub at: Timestamp,
    /// SHA-256 of the report.
    pub report: Digest,
    /// The month or year.
    pub period: String,
    /// Whose acts it is of; none for all.
    pub of: Option<PartyId>,
    /// How many differences the report names.
    pub differing: u64,
    /// Whose word it is.
    pub party: PartyId,
}

impl State {
    /// Whose word there is on reconciliations, in the order in which it was given.
    #[must_use]
    pub fn reconciled(&self) -> &[Reconciled] {
        &self.reconciled
    }

    pub(super) fn note_reconciled(&mut self, said: &Reconcile, at: Timestamp) {
        let Reconcile { report, period, of, differing, party, signature: _ } = said.clone();
        self.reconciled.push(Reconciled { at, report, period, of, differing, party });
    }
}
