//! What clauses make due by the calendar: when the clerk books it, and whose word on revenue and payments counts.
//!
//! Not here: what it moves (`investment::dues`).

use super::{Due, Judgement, bad_signature};
use crate::act::{
    Book, Budget, Declare, Deed, PaidIn, Payment, RATE_SOURCE_BYTES_MAX, REFERENCE_BYTES_MAX,
    declaration_bytes, payment_bytes,
};
use crate::decision::{Deviation, RefusalCode};
use crate::ids::{ActId, ClauseId, PartyId, Timestamp};
use crate::investment::{chart, dues};
use crate::memorandum::{Clause, Kind, Milestone, RevenueShare};
use crate::state::State;
use crate::terms::Withdrawn;
use jiff::civil::Date;
use ledger::{Amount, AssetId, Transfer};

impl State {
    /// The next day of a clause that has come and is not booked. What a clause made due before the memorandum ended is booked after.
    pub(super) fn bookable(&self, at: Timestamp) -> Option<Due> {
        let terms = self.in_force();
        let changes_on = self.changes_on(at);
        let clauses = terms.memorandum().clauses.iter();
        let mut due = clauses.filter_map(|clause| {
            let on = dues::next(clause, self.last_due(&clause.id)).filter(|on| *on <= at.date())?;
            let holds = changes_on.is_none_or(|day| on < day) && !terms.has_ended(&clause.id, on);
            holds.then(|| (clause.id.clone(), on))
        });
        let (clause, on) = due.next()?;
        Some(Due::Propose(Deed::Book(Book { clause, on })))
    }

    /// The last day of a clause that was booked or declared.
    pub(crate) fn last_due(&self, clause: &ClauseId) -> Option<Date> {
        self.due_booked.get(clause)?.last_key_value().map(|(on, _)| *on)
    }

    /// The day on which the next period of a share is to be declared; none when no period is shared any more.
    #[must_use]
    pub fn next_declared(&self, clause: &ClauseId, share: &RevenueShare) -> Option<Date> {
        let is_met = |milestone: &Milestone, on: Date| {
            self.attested_on(clause, milestone).is_some_and(|since| since <= on)
        };
        dues::next_declared(share, self.last_due(clause), &is_met)
    }

    pub(super) fn judge_booking(&self, book: &Book) -> Judgement {
        let mut judgement = Judgement::allow(vec![book.clause.clone()]);
        let Some(clause) = self.in_force().memorandum().clause(&book.clause) else { return judgement };
        let is_short = matches!(clause.kind, Kind::MinimumConsumption(_))
            && !dues::due(clause, book.on, &self.book).is_zero();
        if is_short && !clause.force.is_binding() {
            judgement.deviations.push(Deviation {
                clause: book.clause.clone(),
                code: RefusalCode::Shortfall,
                why: "less was consumed by the day than was intended; a binding clause would have it owed"
                    .to_owned(),
            });
        }
        judgement
    }

    pub(super) fn judge_declaration(&self, declare: &Declare, at: Timestamp) -> Judgement {
        let terms = self.in_force();
        let found = terms.shares().find(|(clause, _)| clause.id == declare.clause);
        let Some((clause, share)) = found else {
            return Judgement::invalid(format!(
                "no `revenue-share` of the memorandum in force is named `{}`",
                declare.clause
            ));
        };
        match self.declares(clause, share, declare, at) {
            Ok(()) => Judgement::allow(vec![clause.id.clone()]),
            Err(remedy) => Judgement::invalid(remedy),
        }
    }

    fn declares(
        &self,
        clause: &Clause,
        share: &RevenueShare,
        declare: &Declare,
        at: Timestamp,
    ) -> Result<(), String> {
        let Declare { on, revenue, party, signature, .. } = declare;
        if *party != share.from {
            return Err(format!("revenue under `{}` is declared by `{}`", clause.id, share.from));
        }
        let next = self.next_declared(&clause.id, share);
        if next != Some(*on) {
            let expected = next.map_or_else(
                || "no period is left to be declared".to_owned(),
                |next| format!("the next period to be declared is the one that is over on {next}"),
            );
            return Err(format!("under `{}` {expected}", clause.id));
        }
        if *on > at.date() {
            return Err(format!("the period is over on {on}, and not before"));
        }
        let last = on.yesterday().unwrap_or(*on);
        if let Some(gone) = self.in_force().withdrawn().filter(|_| self.is_over(clause, last)) {
            let (id, Withdrawn { by, ends }) = (&clause.id, gone);
            return Err(format!(
                "`{by}` has withdrawn, and `{id}` ended on {ends}, before the period was over"
            ));
        }
        asset_is(&share.asset, revenue)?;
        if revenue.amount < 0 || dues::share_of(share, Amount::new(revenue.amount)).is_none() {
            return Err("the revenue is below zero, or too large to be counted".to_owned());
        }
        let signed = declaration_bytes(&self.origin, &clause.id, *on, revenue);
        self.is_signed(party, &signed, signature).then_some(()).ok_or_else(|| bad_signature(party))
    }

    pub(super) fn judge_payment(&self, payment: &Payment) -> Judgement {
        let Some(clause) = self.clause_ever(&payment.clause) else {
            return Judgement::invalid(format!("no clause is or was named `{}`", payment.clause));
        };
        match self.pays(clause, payment) {
            Ok(()) => Judgement::allow(vec![clause.id.clone()]),
            Err(remedy) => Judgement::invalid(remedy),
        }
    }

    fn pays(&self, clause: &Clause, payment: &Payment) -> Result<(), String> {
        let Payment { amount, paid_in, reference, party, signature, .. } = payment;
        let id = &clause.id;
        let (Some((owed, _)), Some((debtor, creditor))) = (chart::debt(clause), sides(clause)) else {
            return Err(format!("nothing is paid under `{id}`, a clause of kind `{}`", clause.kind.name()));
        };
        if !clause.force.is_binding() {
            return Err(format!(
                "`{id}` is not binding: nothing is owed under it, and nothing paid from here"
            ));
        }
        if party != debtor && party != creditor {
            return Err(format!("a payment under `{id}` is between `{debtor}` and `{creditor}`"));
        }
        if reference.trim().is_empty() || reference.len() > REFERENCE_BYTES_MAX {
            return Err(format!("give the bank's reference, of {REFERENCE_BYTES_MAX} bytes at most"));
        }
        if self.payments.get(id).is_some_and(|given| {
            given.iter().any(|given| given.reference == *reference && given.party == *party)
        }) {
            return Err(format!("`{party}` has given its word on the payment `{reference}` already"));
        }
        let left = self.book.balance(&owed).map_or(0, |balance| balance.available());
        if amount.amount <= 0 || amount.amount > left {
            return Err(format!(
                "under `{id}` {left} minor units are owed; a payment is above zero and no more"
            ));
        }
        if let Some(asset) = self.book.asset_of(&owed) {
            asset_is(asset, amount)?;
        }
        paid_in.as_ref().map_or(Ok(()), |paid| self.is_conversion(amount, paid))?;
        let signed = payment_bytes(&self.origin, id, (amount, paid_in.as_ref()), reference);
        self.is_signed(party, &signed, signature).then_some(()).ok_or_else(|| bad_signature(party))
    }

    /// Whether a payment in another asset says what it must: an asset that the memorandum has, and where its rate is from.
    fn is_conversion(&self, amount: &Budget, paid: &PaidIn) -> Result<(), String> {
        let asset = AssetId::from(paid.asset.as_str());
        if self.in_force().memorandum().header.scale(&asset).is_none() {
            return Err(format!("the memorandum in force has no asset `{asset}`"));
        }
        if paid.asset == amount.asset {
            return Err(format!(
                "what is paid in {asset} is not converted to {asset}: give the amount alone"
            ));
        }
        if paid.amount <= 0 {
            return Err("what was paid is above zero".to_owned());
        }
        let is_said = !paid.source.trim().is_empty() && paid.source.len() <= RATE_SOURCE_BYTES_MAX;
        if !is_said || paid.source.chars().any(char::is_control) {
            return Err(format!(
                "say where the rate is from, in {RATE_SOURCE_BYTES_MAX} bytes at most and on one line"
            ));
        }
        Ok(())
    }

    /// The transfers that book what is due on a day.
    pub(super) fn booking_of(&self, book: &Book, act: ActId) -> Vec<Transfer> {
        let clause = self.in_force().memorandum().clause(&book.clause);
        clause.map_or_else(Vec::new, |clause| dues::booking(clause, book.on, &self.book, act))
    }

    /// The transfers by which a declared share comes to be owed.
    pub(super) fn sharing_of(&self, declare: &Declare, act: ActId) -> Vec<Transfer> {
        let found = self.in_force().shares().find(|(clause, _)| clause.id == declare.clause);
        let revenue = Amount::new(declare.revenue.amount);
        found
            .and_then(|(clause, share)| dues::sharing(clause, share, revenue, &self.book, act))
            .unwrap_or_default()
    }

    /// What a payment moves: the debt, where the party that is paid says that it has arrived. What is paid in another asset moves twice, once
    /// in each.
    pub(super) fn paying_of(&self, payment: &Payment, act: ActId) -> Vec<Transfer> {
        let mut legs = chart::Legs::new(act.as_u128(), 0);
        if let Some(clause) = self.clause_ever(&payment.clause)
            && let Some((owed, paid)) = chart::debt(clause)
            && sides(clause).is_some_and(|(_, creditor)| *creditor == payment.party)
        {
            let asset = AssetId::from(payment.amount.asset.as_str());
            let amount = Amount::new(payment.amount.amount);
            match &payment.paid_in {
                None => legs.push(ledger::Operation::Move, owed, paid, asset, amount),
                Some(other) => {
                    let given = AssetId::from(other.asset.as_str());
                    let [converted, from, to] = chart::conversion(&paid, &given);
                    legs.push(ledger::Operation::Move, owed, converted, asset, amount);
                    legs.push(ledger::Operation::Move, from, to, given, Amount::new(other.amount));
                }
            }
        }
        legs.done()
    }
}

/// Who owes and who is owed under a clause; none for kinds under which nothing is owed.
#[must_use]
pub fn sides(clause: &Clause) -> Option<(&PartyId, &PartyId)> {
    Some(match &clause.kind {
        Kind::CashTranche(tranche) => (&tranche.from, &tranche.to),
        Kind::MinimumConsumption(minimum) => (&minimum.by, &minimum.to),
        // What is paid for goes the one way, and the money the other.
        Kind::Capacity(capacity) => (&capacity.to, &capacity.from),
        Kind::RevenueShare(share) => (&share.from, &share.to),
        _ => return None,
    })
}

fn asset_is(asset: &AssetId, given: &Budget) -> Result<(), String> {
    let expected: &str = asset.as_ref();
    if given.asset == expected { Ok(()) } else { Err(format!("amounts here are in {expected}")) }
}
