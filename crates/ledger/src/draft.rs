//! What linked transfers would change, worked out beside a book that stays as it is. Not here: making the
//! change, which cannot fail once a draft stands.

use std::collections::BTreeMap;

use crate::book::Book;
use crate::{AccountId, Amount, Balance, Limit, Operation, Transfer, TransferError, TransferId};

/// The changes of linked transfers that were all found in order.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// New balances, by place of the account.
    pub(crate) balances: BTreeMap<usize, Balance>,
    /// New turnovers, by place of the asset.
    pub(crate) turnovers: BTreeMap<usize, Amount>,
    /// Reservations made, or ended where `None`.
    pub(crate) reservations: BTreeMap<TransferId, Option<Transfer>>,
}

/// A book with changes laid over it.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    book: &'a Book,
    changes: Changes,
}

/// A transfer with the places in the book that it touches.
#[derive(Debug, Clone, Copy)]
struct Placed<'t> {
    transfer: &'t Transfer,
    debit: usize,
    credit: usize,
    asset: usize,
}

/// What is added to the pending and the posted sums of both sides.
#[derive(Debug, Clone, Copy)]
struct Shift {
    pending: Amount,
    posted: Amount,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(book: &'a Book) -> Self {
        Self { book, changes: Changes::default() }
    }

    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }

    /// Adds one transfer; the checks run in the order of [`TransferError`].
    pub(crate) fn add(&mut self, transfer: &Transfer) -> Result<(), TransferError> {
        let placed = self.placed(transfer)?;
        check_amount(transfer)?;
        self.check_id(transfer.id)?;
        match transfer.operation {
            Operation::Move => self.spend(placed, Shift { pending: Amount::ZERO, posted: transfer.amount }),
            Operation::Reserve { .. } => self.reserve(placed),
            Operation::Post { pending } => self.post(placed, pending),
            Operation::Void { pending } | Operation::Lapse { pending } => self.give_back(placed, pending),
        }
    }

    fn reserve(&mut self, placed: Placed<'_>) -> Result<(), TransferError> {
        let transfer = placed.transfer;
        self.spend(placed, Shift { pending: transfer.amount, posted: Amount::ZERO })?;
        self.changes.reservations.insert(transfer.id, Some(transfer.clone()));
        Ok(())
    }

    fn post(&mut self, placed: Placed<'_>, pending: TransferId) -> Result<(), TransferError> {
        let (reserved, posted) = (self.reserved(placed.transfer, pending)?, placed.transfer.amount);
        match posted.checked_sub(reserved) {
            Some(by) if by > Amount::ZERO => Err(TransferError::PostExceedsReserved { pending, by }),
            _ => self.end(placed, pending, Shift { pending: reserved.opposite(), posted }),
        }
    }

    fn give_back(&mut self, placed: Placed<'_>, pending: TransferId) -> Result<(), TransferError> {
        let reserved = self.reserved(placed.transfer, pending)?;
        if placed.transfer.amount != reserved {
            return Err(TransferError::PendingDiffers { pending, field: "amount" });
        }
        self.end(placed, pending, Shift { pending: reserved.opposite(), posted: Amount::ZERO })
    }

    /// Ends a reservation. No limit is asked: what may be posted was counted when it was reserved.
    fn end(&mut self, placed: Placed<'_>, pending: TransferId, shift: Shift) -> Result<(), TransferError> {
        self.shift(placed, shift)?;
        self.changes.reservations.insert(pending, None);
        Ok(())
    }

    fn spend(&mut self, placed: Placed<'_>, shift: Shift) -> Result<(), TransferError> {
        self.check_limit(placed)?;
        self.shift(placed, shift)
    }

    /// Adds to both sides and to the turnover. Each amount enters the turnover as it enters the accounts, so a
    /// turnover within 128 bits keeps every sum of its asset there, over one account or over all.
    fn shift(&mut self, placed: Placed<'_>, shift: Shift) -> Result<(), TransferError> {
        let overflow = || TransferError::Overflow(placed.transfer.asset.clone());
        let turnover = shift.of(self.turnover(placed.asset)).ok_or_else(overflow)?;
        let debit = shift.debited(self.balance(placed.debit)).ok_or_else(overflow)?;
        let credit = shift.credited(self.balance(placed.credit)).ok_or_else(overflow)?;
        self.changes.turnovers.insert(placed.asset, turnover);
        self.changes.balances.insert(placed.debit, debit);
        self.changes.balances.insert(placed.credit, credit);
        Ok(())
    }

    fn check_limit(&self, placed: Placed<'_>) -> Result<(), TransferError> {
        let account = self.book.account(placed.debit);
        let left = self.balance(placed.debit).available().saturating_sub(placed.transfer.amount.minor());
        match account.limit {
            Limit::DebitsWithinCredits if left < 0 => {
                let by = Amount::new(left).opposite();
                Err(TransferError::ExceedsCredits { account: account.id.clone(), by })
            }
            _ => Ok(()),
        }
    }

    fn placed<'t>(&self, transfer: &'t Transfer) -> Result<Placed<'t>, TransferError> {
        let debit = self.place(&transfer.debit)?;
        let credit = self.place(&transfer.credit)?;
        let asset = self.check_asset(debit, transfer)?;
        self.check_asset(credit, transfer)?;
        if debit == credit {
            return Err(TransferError::SameAccount(transfer.debit.clone()));
        }
        Ok(Placed { transfer, debit, credit, asset })
    }

    fn place(&self, account: &AccountId) -> Result<usize, TransferError> {
        self.book.place(account).ok_or_else(|| TransferError::NotOpen(account.clone()))
    }

    fn check_asset(&self, place: usize, transfer: &Transfer) -> Result<usize, TransferError> {
        let account = self.book.account(place);
        let holds = &self.book.asset(account.asset).id;
        if *holds == transfer.asset {
            return Ok(account.asset);
        }
        let (account, asset) = (account.id.clone(), transfer.asset.clone());
        Err(TransferError::AssetsDiffer { account, holds: holds.clone(), asset })
    }

    fn check_id(&self, id: TransferId) -> Result<(), TransferError> {
        match self.reservation(id) {
            Some(_) => Err(TransferError::IdTaken(id)),
            None => Ok(()),
        }
    }

    /// What the reservation holds that `transfer` is about to end.
    fn reserved(&self, transfer: &Transfer, pending: TransferId) -> Result<Amount, TransferError> {
        let held = self.reservation(pending).ok_or(TransferError::PendingUnknown(pending))?;
        if held.debit != transfer.debit {
            return Err(TransferError::PendingDiffers { pending, field: "debit account" });
        }
        if held.credit != transfer.credit {
            return Err(TransferError::PendingDiffers { pending, field: "credit account" });
        }
        Ok(held.amount)
    }

    fn reservation(&self, id: TransferId) -> Option<&Transfer> {
        match self.changes.reservations.get(&id) {
            Some(changed) => changed.as_ref(),
            None => self.book.reservation(id),
        }
    }

    fn balance(&self, place: usize) -> Balance {
        self.changes.balances.get(&place).copied().unwrap_or_else(|| self.book.account(place).balance)
    }

    fn turnover(&self, place: usize) -> Amount {
        self.changes.turnovers.get(&place).copied().unwrap_or_else(|| self.book.asset(place).turnover)
    }
}

fn check_amount(transfer: &Transfer) -> Result<(), TransferError> {
    if transfer.amount < Amount::ZERO {
        return Err(TransferError::Negative(transfer.amount));
    }
    if transfer.amount.is_zero() && transfer.operation == Operation::Move {
        let (debit, credit) = (transfer.debit.clone(), transfer.credit.clone());
        return Err(TransferError::Zero { debit, credit });
    }
    Ok(())
}

impl Shift {
    fn debited(self, balance: Balance) -> Option<Balance> {
        let debits_pending = balance.debits_pending.checked_add(self.pending)?;
        let debits_posted = balance.debits_posted.checked_add(self.posted)?;
        Some(Balance { debits_pending, debits_posted, ..balance })
    }

    fn credited(self, balance: Balance) -> Option<Balance> {
        let credits_pending = balance.credits_pending.checked_add(self.pending)?;
        let credits_posted = balance.credits_posted.checked_add(self.posted)?;
        Some(Balance { credits_pending, credits_posted, ..balance })
    }

    /// The pending part goes first: where a reservation ends it makes the room for what is posted.
    fn of(self, turnover: Amount) -> Option<Amount> {
        turnover.checked_add(self.pending)?.checked_add(self.posted)
    }
}
