//! What the fold keeps of money beside the balances: what was booked on which day, whose word there is on payments, and how much was
//! spent on which day, from which a forecast is made.
//!
//! Not here: balances (`ledger::Book`), or the forecast itself.

use super::State;
use crate::act::{Ended, PaidIn, Payment};
use crate::entry::Settled;
use crate::ids::{ClauseId, PartyId, Timestamp};
use jiff::civil::Date;
use ledger::{AccountId, Amount, AssetId, Transfer};
use std::collections::BTreeMap;

/// What a clause made due on a day, once it is booked or declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueBooked {
    /// When it was booked, by the record's time.
    pub at: Timestamp,
    /// How much came to be owed; zero where nothing did.
    pub amount: Amount,
    /// The revenue declared; none where none is.
    pub revenue: Option<Amount>,
}

/// One party's word on a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// When it was given, by the record's time.
    pub at: Timestamp,
    /// Whose word it is.
    pub party: PartyId,
    /// How much of the debt.
    pub amount: Amount,
    /// In which asset.
    pub asset: AssetId,
    /// What was paid, where that is another asset.
    pub paid_in: Option<PaidIn>,
    /// The bank's reference.
    pub reference: String,
    /// Whether it settled the debt, since it is the word of the party that is paid.
    pub settles: bool,
}

/// What was spent on each day.
pub type Days = BTreeMap<Date, Amount>;

impl State {
    /// What was booked or declared under a clause, by the day that it was due.
    pub fn due_booked<'a>(
        &'a self,
        clause: &ClauseId,
    ) -> impl Iterator<Item = (&'a Date, &'a DueBooked)> + use<'a> {
        self.due_booked.get(clause).into_iter().flatten()
    }

    /// Whose word there is on payments under a clause, in the order in which it was given.
    #[must_use]
    pub fn payments(&self, clause: &ClauseId) -> &[Paid] {
        self.payments.get(clause).map(Vec::as_slice).unwrap_or_default()
    }

    /// How much was spent or consumed on each day (UTC), as an account that ends with `:spent` or `:consumed` has it.
    #[must_use]
    pub fn days_of(&self, account: &AccountId) -> Option<&Days> {
        self.days.get(account)
    }

    /// The clause with this id in the newest version that has it: what is owed under it is owed though it is agreed no more.
    #[must_use]
    pub fn clause_ever(&self, id: &ClauseId) -> Option<&crate::memorandum::Clause> {
        let versions = self.signed.iter().rev();
        versions
            .filter_map(|version| self.library.get(&version.digest))
            .find_map(|terms| terms.memorandum().clause(id))
    }

    pub(super) fn book_due(&mut self, clause: &ClauseId, on: Date, booked: DueBooked) {
        self.due_booked.entry(clause.clone()).or_default().insert(on, booked);
    }

    pub(super) fn note_payment(&mut self, payment: &Payment, settles: bool, at: Timestamp) {
        let Payment { clause, amount, paid_in, reference, party, .. } = payment;
        self.payments.entry(clause.clone()).or_default().push(Paid {
            at,
            party: party.clone(),
            amount: Amount::new(amount.amount),
            asset: AssetId::from(amount.asset.as_str()),
            paid_in: paid_in.clone(),
            reference: reference.clone(),
            settles,
        });
    }

    /// Adds what a settlement spent to its day.
    pub(super) fn spend(&mut self, settled: &Settled, at: Timestamp) {
        if !matches!(settled.ended, Ended::Done | Ended::Cancelled) {
            return;
        }
        let day = at.date();
        for transfer in settled.transfers.iter().filter(|transfer| is_spending(transfer)) {
            let days = match self.days.get_mut(&transfer.credit) {
                Some(days) => days,
                None => self.days.entry(transfer.credit.clone()).or_default(),
            };
            let sum = days.entry(day).or_insert(Amount::ZERO);
            *sum = Amount::new(sum.minor().saturating_add(transfer.amount.minor()));
        }
    }
}

/// Whether something of a grant was spent, or counted towards a minimum. Budgets come to the same calls once more.
fn is_spending(transfer: &Transfer) -> bool {
    use ledger::Operation::{Move, Post};
    let name: &str = transfer.credit.as_ref();
    let kept = name.strip_prefix("memo:").unwrap_or(name);
    matches!(transfer.operation, Move | Post { .. })
        && ((kept.starts_with("credit:") && kept.ends_with(":spent"))
            || (kept.starts_with("minimum:") && kept.ends_with(":consumed")))
        && !transfer.amount.is_zero()
}
