//! What falls due by the calendar, and whose word there is on payments: what entries say of it, for whoever holds it against the clauses.
//! Not here: the clauses, or the transfers (`settling`).

use crate::act_id::ActId;
use crate::acts::Effect;
use crate::entry::{Decided, Deed};
use crate::fault::Fault;
use crate::fold::Replay;
use crate::founding::{declaration, payment};
use crate::moment::Moment;
use crate::text::plain;
use std::collections::BTreeMap;

/// What a clause made due on a day, as the entries have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dued {
    /// The entry that booked it.
    pub index: u64,
    /// When.
    pub at: Moment,
    /// The place of the version then in force.
    pub under: usize,
    /// The clause.
    pub clause: String,
    /// The day. Shape: `2026-01-31`.
    pub on: String,
    /// The revenue that was declared, with its asset; none where the clerk booked it.
    pub revenue: Option<(String, i128)>,
    /// What came to be owed, with the account it was taken from; none where nothing did.
    pub owed: Option<(String, i128)>,
    /// The clause's accounts before it.
    pub stood: Stood,
}

/// What had been agreed under a clause and was still open before something of it fell due; of an intention in its own accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stood {
    /// Agreed and open under a binding clause. Units: minor units.
    pub binding: (i128, i128),
    /// The same of an intention.
    pub memo: (i128, i128),
}

/// One party's word on a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// The entry that holds it.
    pub index: u64,
    /// The place of the version then in force.
    pub under: usize,
    /// The clause.
    pub clause: String,
    /// Whose word it is.
    pub party: String,
    /// Whether it settled the debt.
    pub settles: bool,
}

/// What an act says is due, as it is spelled.
#[derive(Debug, Clone)]
pub(crate) struct SaidDue {
    pub(crate) clause: Box<[u8]>,
    pub(crate) on: Box<[u8]>,
    pub(crate) revenue: Option<(Box<[u8]>, i128)>,
}

/// What a party says was paid, as it is spelled.
#[derive(Debug, Clone)]
pub(crate) struct SaidPaid {
    pub(crate) clause: Box<[u8]>,
    pub(crate) party: Box<[u8]>,
    /// How much of the debt, in its asset. Units: minor units.
    pub(crate) amount: (Box<[u8]>, i128),
    /// What was paid, where that is another asset.
    pub(crate) paid_in: Option<(Box<[u8]>, i128)>,
}

/// Which payments each clause has had word of: the bank's reference and the party.
pub(crate) type Words = BTreeMap<Box<[u8]>, std::collections::BTreeSet<(Box<[u8]>, Box<[u8]>)>>;

impl Replay {
    /// What was booked or declared by the calendar, in the order of its entries.
    #[must_use]
    pub fn dued(&self) -> &[Dued] {
        &self.dued
    }

    /// The parties' words on payments, in the order of their entries.
    #[must_use]
    pub fn paid(&self) -> &[Paid] {
        &self.paid
    }

    /// What an act about something that is due or was paid comes to, if it may.
    pub(crate) fn owes(&mut self, decided: &Decided<'_>) -> Result<Effect, Fault> {
        let head = decided.head;
        Ok(match decided.deed {
            Deed::Book { clause, on } => {
                if decided.who != b"{" {
                    return Err(Fault::Undue(head.id));
                }
                self.falls_due(head.id, head.at, clause, on)?;
                Effect::Due(Box::new(SaidDue { clause: clause.into(), on: on.into(), revenue: None }))
            }
            Deed::Declare { clause, on, revenue: (asset, amount), party, signature } => {
                self.falls_due(head.id, head.at, clause, on)?;
                let message = declaration(&self.origin, &plain(clause), &plain(on), &plain(asset), amount);
                self.signed(head.id, party, &message, signature)?;
                let revenue = Some((asset.into(), amount));
                Effect::Due(Box::new(SaidDue { clause: clause.into(), on: on.into(), revenue }))
            }
            Deed::Payment { clause, amount: (asset, amount), paid_in, reference, party, signature } => {
                self.gives_word(head.id, clause, reference, party)?;
                let given = paid_in.map(|((asset, amount), source)| (plain(asset), amount, plain(source)));
                let given = given.as_ref().map(|(asset, amount, source)| (&**asset, *amount, &**source));
                let debt = (&*plain(asset), amount);
                let message = payment(&self.origin, &plain(clause), debt, given, &plain(reference));
                self.signed(head.id, party, &message, signature)?;
                let paid_in = paid_in.map(|((asset, amount), _)| (asset.into(), amount));
                let (clause, party) = (clause.into(), party.into());
                Effect::Pay(Box::new(SaidPaid { clause, party, amount: (asset.into(), amount), paid_in }))
            }
            _ => Effect::Other,
        })
    }

    /// Each day of a clause is booked once, in their order, and none before it has come.
    fn falls_due(&mut self, id: ActId, at: Moment, clause: &[u8], on: &[u8]) -> Result<(), Fault> {
        let midnight = [on, b"T00:00:00.000Z"].concat();
        let has_come = Moment::parse(&midnight).is_some_and(|day| day.millis() <= at.millis());
        if !has_come {
            return Err(Fault::NotYetDue(id));
        }
        match self.last_due.insert(clause.into(), on.into()) {
            Some(last) if *last >= *on => Err(Fault::BookedBefore(id, plain(clause))),
            _ => Ok(()),
        }
    }

    /// A party gives its word on a payment once.
    fn gives_word(&mut self, id: ActId, clause: &[u8], reference: &[u8], party: &[u8]) -> Result<(), Fault> {
        let is_new = self.words.entry(clause.into()).or_default().insert((reference.into(), party.into()));
        if is_new { Ok(()) } else { Err(Fault::BookedBefore(id, plain(clause))) }
    }

    /// Keeps what fell due, with what its settlement moved.
    pub(crate) fn fell_due(&mut self, said: &SaidDue, owed: Option<(&[u8], i128)>) {
        let moved =
            |account: &[u8]| owed.filter(|(debit, _)| *debit == account).map_or(0, |(_, amount)| amount);
        let stood = |memo: &[u8]| {
            ["minimum:", "revenue:"].into_iter().fold((0_i128, 0_i128), |(agreed, open), head| {
                let of = |stage: &str| [memo, head.as_bytes(), &*said.clause, stage.as_bytes()].concat();
                let (source, pool) = (of(":agreed"), of(":open"));
                let was = (self.books.net(&source).saturating_neg(), self.books.net(&pool));
                let was = (was.0.saturating_sub(moved(&source)), was.1.saturating_add(moved(&pool)));
                (agreed.saturating_add(was.0), open.saturating_add(was.1))
            })
        };
        let stood = Stood { binding: stood(b""), memo: stood(b"memo:") };
        self.dued.push(Dued {
            index: self.entries,
            at: self.at,
            under: self.in_force(),
            clause: plain(&said.clause),
            on: plain(&said.on),
            revenue: said.revenue.as_ref().map(|(asset, amount)| (plain(asset), *amount)),
            owed: owed.map(|(debit, amount)| (plain(debit), amount)),
            stood,
        });
    }

    /// Keeps whose word there is on a payment.
    pub(crate) fn paid_by(&mut self, clause: &[u8], party: &[u8], settles: bool) {
        let (index, under) = (self.entries, self.in_force());
        self.paid.push(Paid { index, under, clause: plain(clause), party: plain(party), settles });
    }
}
