//! That a party has withdrawn from the version in force: once for each version, signed, and for no day that has passed. Not here: what
//! the memorandum asks for before, which only its text says.

use crate::acts::Effect;
use crate::entry::{Decided, Deed};
use crate::fault::Fault;
use crate::fold::Replay;
use crate::founding::withdrawal;
use crate::moment::Moment;
use crate::text::plain;

/// A party's notice that it withdraws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// The entry that decided it.
    pub index: u64,
    /// When.
    pub at: Moment,
    /// The place of the version then in force.
    pub under: usize,
    /// The party.
    pub party: String,
    /// From which day on it counts. Shape: `2026-01-31`.
    pub ends: String,
}

impl Replay {
    /// The withdrawals, in the order of their entries; one for each version at most.
    #[must_use]
    pub fn withdrawn(&self) -> &[Withdrawn] {
        &self.withdrawn
    }

    /// A party withdraws.
    pub(crate) fn withdraws(&mut self, decided: &Decided<'_>) -> Result<Effect, Fault> {
        let (head, under) = (decided.head, self.in_force());
        let Deed::Withdraw { memorandum, ends, party, signature } = decided.deed else {
            return Ok(Effect::Other);
        };
        let is_in_force = self.versions.last().is_some_and(|version| version.digest == memorandum);
        let is_first = self.withdrawn.last().is_none_or(|last| last.under < under);
        let midnight = [ends, b"T00:00:00.000Z"].concat();
        // Days are spelled so that the later one is the greater text.
        let is_ahead = Moment::parse(&midnight).is_some() && ends >= head.at.date();
        if !is_in_force || !is_first || !is_ahead {
            return Err(Fault::Withdrawal(head.id));
        }
        let message = withdrawal(&self.origin, &memorandum, &plain(ends));
        self.signed(head.id, party, &message, signature)?;
        let (index, at) = (self.entries, head.at);
        self.withdrawn.push(Withdrawn { index, at, under, party: plain(party), ends: plain(ends) });
        Ok(Effect::Other)
    }
}
