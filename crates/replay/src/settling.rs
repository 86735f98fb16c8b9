//! What reservations and settlements of each kind may move. Not here: sums (`books`), or whether an act may end so (`fold`).

use crate::acts::{AtOnce, Effect, Kind};
use crate::entry::{Ended, Op, Settled, Transfer};

/// Whether a call may reserve so: what is available, to be spent, of a grant or of the budget of its own key.
pub(crate) fn may_reserve(transfer: &Transfer<'_>, key: Option<&[u8]>) -> bool {
    let Some(stem) = stem(transfer, b":available", b":spent") else { return false };
    let grant = stem.strip_prefix(b"memo:".as_slice()).unwrap_or(stem);
    match stem.strip_prefix(b"budget:".as_slice()) {
        Some(budget) => key == Some(budget),
        None => grant.starts_with(b"credit:"),
    }
}

/// What the transfers of one settlement have done so far.
#[derive(Debug)]
pub(crate) struct Settling<'a, 'b> {
    kind: Kind,
    ended: Ended,
    charged: Option<(&'a [u8], i128)>,
    effect: Option<&'b Effect>,
    /// Where the first grant was spent, and what grants paid.
    grants: Option<(&'a [u8], i128)>,
    /// What was posted from each budget.
    budget: Option<i128>,
    /// What the operator bears.
    borne: i128,
    /// The accounts of each intention, with what was counted on them.
    memos: Vec<(&'a [u8], &'a [u8], i128)>,
    has_posted: bool,
    is_rounded: bool,
    /// What was counted towards minimums in a row, so that none is counted twice.
    counted: Vec<&'a [u8]>,
    /// The last account that something was moved out of.
    moved: Option<&'a [u8]>,
    /// What came to be owed, and the account it was taken from.
    owed: Option<(&'a [u8], i128)>,
    /// Whether what was paid in another asset was moved in that.
    is_converted: bool,
}

/// Where what is owed stands, by the kind of its clause.
const DEBTS: [(&[u8], &[u8]); 4] = [
    (b"commitment:", b":drawn"),
    (b"minimum:", b":shortfall"),
    (b"capacity:", b":owed"),
    (b"revenue:", b":owed"),
];

impl<'a, 'b> Settling<'a, 'b> {
    pub(crate) fn of(settled: &Settled<'a>, at_once: Option<&'b AtOnce>) -> Self {
        Self {
            kind: settled.head.kind,
            ended: settled.ended,
            charged: settled.charged,
            effect: at_once.map(|at_once| &at_once.effect),
            grants: None,
            budget: None,
            borne: 0,
            memos: Vec::new(),
            has_posted: false,
            is_rounded: false,
            counted: Vec::new(),
            moved: None,
            owed: None,
            is_converted: false,
        }
    }

    /// Whether what is charged could be, by the kind and ending of the act.
    pub(crate) fn may_charge(&self) -> bool {
        self.charged.is_none_or(|(_, amount)| self.kind == Kind::Infer && self.costs() && amount >= 0)
    }

    /// Whether the act pays for what was delivered.
    fn costs(&self) -> bool {
        matches!(self.ended, Ended::Done | Ended::Cancelled)
    }

    /// Counts one transfer in; none where no settlement of this kind and ending makes it.
    #[inline]
    pub(crate) fn add(&mut self, transfer: &Transfer<'a>) -> Option<()> {
        let fits = match (self.kind, transfer.op) {
            (Kind::Infer, Op::Post(_)) => return self.posted(transfer),
            (Kind::Infer, Op::Void(_)) => self.charged.is_none() && self.ended != Ended::Lapsed,
            (Kind::Infer, Op::Lapse(_)) => self.ended == Ended::Lapsed,
            (Kind::Infer, Op::Move) => return self.corrected(transfer).filter(|()| self.costs()),
            (_, Op::Move) => self.ended == Ended::Done && self.moves(transfer),
            _ => false,
        };
        fits.then_some(())
    }

    /// A call is paid for.
    fn posted(&mut self, transfer: &Transfer<'a>) -> Option<()> {
        let Transfer { debit, credit, amount, .. } = *transfer;
        self.charged.filter(|(asset, _)| *asset == transfer.asset)?;
        self.has_posted = true;
        if debit.starts_with(b"credit:") {
            let (first, sum) = self.grants.unwrap_or((credit, 0));
            self.grants = Some((first, sum.checked_add(amount)?));
        } else if debit.starts_with(b"memo:") {
            self.memos.push((debit, credit, amount));
        } else {
            // Each budget pays the same.
            let before = self.budget.replace(amount);
            return before.is_none_or(|before| before == amount).then_some(());
        }
        Some(())
    }

    /// What a call moves besides: what goes beyond its reservations, and what rounding left out.
    fn corrected(&mut self, transfer: &Transfer<'a>) -> Option<()> {
        let Transfer { debit, credit, asset, amount, .. } = *transfer;
        if debit.starts_with(b"rounding:") {
            let of = |(charged, _): (&[u8], i128)| {
                asset.strip_prefix(charged).is_some_and(|rest| rest.starts_with(b"/"))
            };
            let is_first = !std::mem::replace(&mut self.is_rounded, true);
            return (is_first && is_rounding(transfer) && self.charged.is_none_or(of)).then_some(());
        }
        let (_, charge) = self.charged.filter(|(charged, _)| *charged == asset)?;
        if let Some(counted) = stem(transfer, b":open", b":consumed") {
            let is_minimum =
                counted.strip_prefix(b"memo:".as_slice()).unwrap_or(counted).starts_with(b"minimum:");
            let is_new = !self.counted.contains(&debit);
            self.counted.push(debit);
            return (is_minimum && is_new && amount <= charge).then_some(());
        }
        if let Some(memo) = self.memos.iter_mut().find(|memo| (memo.0, memo.1) == (debit, credit)) {
            memo.2 = memo.2.checked_add(amount)?;
            return Some(());
        }
        let operator = debit.strip_suffix(asset)?.strip_suffix(b":overrun:".as_slice())?;
        let is_borne = !operator.is_empty() && !operator.contains(&b':') && self.borne == 0;
        self.grants.filter(|(first, _)| is_borne && *first == credit)?;
        self.borne = amount;
        Some(())
    }

    /// Whether an act that is no call moves that.
    fn moves(&mut self, transfer: &Transfer<'a>) -> bool {
        if transfer.debit.starts_with(b"rounding:") {
            let shares = matches!(self.effect, Some(Effect::Due(said)) if said.revenue.is_some());
            return shares && !std::mem::replace(&mut self.is_rounded, true) && is_rounding(transfer);
        }
        let is_first = self.moved.replace(transfer.debit).is_none();
        let stage = |head: &[u8], clause: &[u8], from: &[u8], to: &[u8]| {
            let stem = stem(transfer, from, to).unwrap_or_default();
            is(stem.strip_prefix(b"memo:".as_slice()).unwrap_or(stem), &[head, clause])
        };
        match self.effect {
            Some(Effect::Draw(clause)) => is_first && stage(b"commitment:", clause, b":undrawn", b":drawn"),
            Some(Effect::Expire(clause)) => {
                is_first
                    && (stage(b"commitment:", clause, b":undrawn", b":lapsed")
                        || stage(b"credit:", clause, b":available", b":breakage"))
            }
            Some(Effect::Due(said)) => {
                self.owed = Some((transfer.debit, transfer.amount));
                let clause = &said.clause;
                let fits = match &said.revenue {
                    None => {
                        stage(b"capacity:", clause, b":billed", b":owed")
                            || stage(b"minimum:", clause, b":open", b":shortfall")
                    }
                    Some((asset, _)) => {
                        (stage(b"revenue:", clause, b":open", b":owed")
                            || stage(b"revenue:", clause, b":agreed", b":owed"))
                            && **asset == *transfer.asset
                    }
                };
                is_first && fits
            }
            Some(Effect::Pay(said)) => {
                let (clause, moved) = (&said.clause, (transfer.asset, transfer.amount));
                if !is_first {
                    let Some((asset, amount)) = said.paid_in.as_ref().filter(|_| !self.is_converted) else {
                        return false;
                    };
                    self.is_converted = true;
                    let [from, to] =
                        [b":converted:".as_slice(), b":paid:"].map(|head| [head, &**asset].concat());
                    let heads = DEBTS.iter().map(|(head, _)| head);
                    return heads.into_iter().any(|head| stage(head, clause, &from, &to))
                        && (&**asset, *amount) == moved;
                }
                let to: &[u8] = if said.paid_in.is_some() { b":converted" } else { b":paid" };
                let is_debt = DEBTS.iter().any(|(head, from)| stage(head, clause, from, to));
                is_debt && (&*said.amount.0, said.amount.1) == moved
            }
            Some(Effect::Key(id, Some((asset, amount)))) => {
                is_first
                    && stem(transfer, b":issued", b":available")
                        .is_some_and(|stem| is(stem, &[b"budget:", id]))
                    && (&**asset, *amount) == (transfer.asset, transfer.amount)
            }
            None => self.kind == Kind::Amend && is_levelled(transfer),
            _ => false,
        }
    }

    /// Whether what is charged is what the grants paid; where they paid nothing, what each intention counts, or nothing.
    pub(crate) fn is_charged(&self) -> bool {
        let Some((_, charged)) = self.charged else { return true };
        let paid = self.grants.map(|(_, sum)| sum);
        let counted = paid.map_or(Some(charged), |paid| paid.checked_add(self.borne));
        let counts = self.memos.iter().all(|memo| Some(memo.2) == counted);
        let is_whole = match paid {
            Some(paid) => charged == paid && counts,
            None => charged == 0 || (!self.memos.is_empty() && counts),
        };
        is_whole && self.has_posted && self.budget.is_none_or(|budget| budget == charged)
    }

    /// What came to be owed, and the account it was taken from.
    pub(crate) fn owed(&self) -> Option<(&'a [u8], i128)> {
        self.owed
    }

    /// Whether anything was moved.
    pub(crate) fn has_moved(&self) -> bool {
        self.moved.is_some()
    }

    /// The account that must have nothing left, since the act books all of it.
    pub(crate) fn emptied(&self) -> Option<&'a [u8]> {
        let empties = matches!(self.effect, Some(Effect::Draw(_) | Effect::Expire(_)));
        self.moved.filter(|_| empties)
    }

    /// Whether the act moved what it must: a new key gets its budget, and what is paid in another asset moves in both.
    pub(crate) fn is_whole(&self) -> bool {
        let has_budget = matches!(self.effect, Some(Effect::Key(_, Some(_))));
        let converts = matches!(self.effect, Some(Effect::Pay(said)) if said.paid_in.is_some());
        if converts && self.moved.is_some() && !self.is_converted {
            return false;
        }
        self.moved.is_some() || !has_budget || self.ended != Ended::Done
    }
}

/// Whether a transfer books what rounding left out, from one side to the other.
fn is_rounding(transfer: &Transfer<'_>) -> bool {
    let Transfer { debit, credit, asset, .. } = *transfer;
    let side = |name: &[u8], side: &[u8]| is(name, &[b"rounding:", side, b":", asset]);
    (side(debit, b"payer") && side(credit, b"operator"))
        || (side(debit, b"operator") && side(credit, b"payer"))
}

/// Whether a grant, a commitment, a minimum or a cap is opened, raised or lowered.
fn is_levelled(transfer: &Transfer<'_>) -> bool {
    let of = |from: &[u8], to: &[u8], head: &[u8]| {
        let stem = stem(transfer, from, to).or_else(|| stem(transfer, to, from)).unwrap_or_default();
        stem.strip_prefix(b"memo:".as_slice()).unwrap_or(stem).starts_with(head)
    };
    of(b":issued", b":available", b"credit:")
        || of(b":pledged", b":undrawn", b"commitment:")
        || of(b":agreed", b":open", b"minimum:")
        || of(b":agreed", b":open", b"revenue:")
}

/// What both accounts of a transfer have in common, if they are these two stages of one thing.
fn stem<'a>(transfer: &Transfer<'a>, from: &[u8], to: &[u8]) -> Option<&'a [u8]> {
    let stem = transfer.debit.strip_suffix(from)?;
    transfer.credit.strip_suffix(to).filter(|other| *other == stem)
}

/// Whether a name is made of these parts.
fn is(name: &[u8], parts: &[&[u8]]) -> bool {
    parts.iter().try_fold(name, |rest, part| rest.strip_prefix(*part)).is_some_and(<[u8]>::is_empty)
}
