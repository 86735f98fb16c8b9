//! That a party has withdrawn from the version in force.
//!
//! Not here: which clauses end with it (`terms`), or whether it may (`judge`).

use super::State;
use crate::act::{Deed, Digest, Withdraw};
use crate::ids::Timestamp;
use crate::terms::Withdrawn;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A withdrawal from the version in force. The next version ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// Who has withdrawn, and from when on that counts.
    pub withdrawn: Withdrawn,
    /// When its notice was given, by the record's time.
    pub given: Timestamp,
    /// The proposed versions that were on their way then. None of them comes into force any more.
    pub overtaken: BTreeSet<Digest>,
}

impl State {
    /// The withdrawal from the version in force; none where nobody has withdrawn.
    #[must_use]
    pub fn withdrawal(&self) -> Option<&Withdrawal> {
        self.withdrawal.as_ref()
    }

    pub(super) fn note_withdrawal(&mut self, withdraw: &Withdraw, at: Timestamp) {
        let withdrawn = Withdrawn { by: withdraw.party.clone(), ends: withdraw.ends };
        let waiting = self.waiting.values().map(|waiting| &waiting.act);
        let approved = self.amending.iter().filter_map(|id| self.open.get(id)).map(|open| &open.act);
        let overtaken = waiting.chain(approved).filter_map(|act| match &act.deed {
            Deed::Amend(amend) => Some(amend.digest),
            _ => None,
        });
        let overtaken = overtaken.collect();
        self.terms = Some(Arc::new(self.in_force().withdrawn_from(withdrawn.clone())));
        self.withdrawal = Some(Withdrawal { withdrawn, given: at, overtaken });
        self.epoch = self.epoch.saturating_add(1);
    }
}
