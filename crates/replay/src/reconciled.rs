//! Parties' words on reconciliations. Not here: what was compared, which no entry says.

use crate::act_id::ActId;
use crate::acts::Effect;
use crate::fault::Fault;
use crate::fold::Replay;
use crate::founding::reconciliation;
use crate::moment::Moment;
use crate::text::plain;
use record::Hash;
use std::collections::BTreeSet;

/// The reports on which there is a party's word, each with the party as it is spelled.
pub(crate) type Reports = BTreeSet<(Hash, Box<[u8]>)>;

/// What an act says of a reconciliation, as it is spelled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reconciliation<'a> {
    pub(crate) report: Hash,
    pub(crate) period: &'a [u8],
    /// Whose acts it is of; none for all.
    pub(crate) of: Option<&'a [u8]>,
    pub(crate) differing: u64,
    pub(crate) party: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl Replay {
    /// A party gives its word on a report once, by its own key.
    pub(crate) fn reconciles(&mut self, id: ActId, said: Reconciliation<'_>) -> Result<Effect, Fault> {
        let Reconciliation { report, period, of, differing, party, signature } = said;
        if !is_period(period) || !self.reconciled.insert((report, party.into())) {
            return Err(Fault::Reconciled(id));
        }
        let of = of.map(plain).unwrap_or_default();
        let message = reconciliation(&self.origin, &plain(period), &of, differing, &report);
        self.signed(id, party, &message, signature)?;
        Ok(Effect::Other)
    }

    /// How many words of parties there are on reconciliations.
    #[must_use]
    pub fn reconciled(&self) -> usize {
        self.reconciled.len()
    }
}

/// Whether it is a month or a year.
fn is_period(text: &[u8]) -> bool {
    let rest: &[u8] = match text.len() {
        4 => b"-01-01T00:00:00.000Z",
        7 => b"-01T00:00:00.000Z",
        _ => return false,
    };
    !text.starts_with(b"0000") && Moment::parse(&[text, rest].concat()).is_some()
}
