//! The chart of accounts: what each account is called, which may never be overdrawn, and what opens and closes them.
//!
//! Not here: balances (`ledger::Book`), or when any of this happens (`state`).
//!
//! | account | holds |
//! | --- | --- |
//! | `credit:<clause>:issued`, `:available`, `:spent`, `:breakage` | a grant of compute credit |
//! | `commitment:<clause>:pledged`, `:undrawn`, `:drawn`, `:lapsed`, `:paid` | a tranche of cash |
//! | `minimum:<clause>:agreed`, `:open`, `:consumed`, `:shortfall`, `:paid` | what is to be consumed, and what fell short and is owed |
//! | `capacity:<clause>:billed`, `:owed`, `:paid` | capacity that is rented |
//! | `revenue:<clause>:agreed`, `:open`, `:owed`, `:paid` | revenue that is shared; without a cap, nothing is open before it is owed |
//! | `…:converted`, `…:converted:<asset>`, `…:paid:<asset>` | of the four above: a debt that was paid in another asset, and what was paid for it |
//! | `budget:<key>:issued`, `:available`, `:spent` | what one key may spend in all |
//! | `budget:<budget>:<period>:issued`, `:available`, `:spent` | what a budget leaves in a period: `2026-11`, `2026-11-22` or `total`; of end users each has the last two, after a pseudonym |
//! | `<operator>:overrun:<asset>` | what upstreams reported beyond a reservation; the operator bears it |
//! | `rounding:payer:<asset>`, `rounding:operator:<asset>` | what rounding left out, in an asset of its own: `CREDIT/1000000` |
//! | `memo:…` | the same for non-binding clauses: observed, never money, and never a limit |

use crate::ids::{KeyId, PartyId};
use crate::memorandum::{Clause, Force, Kind};
use crate::terms::Terms;
use ledger::{AccountId, Amount, AssetId, Book, Limit, Operation, Remainder, Transfer, TransferId};

/// The stages that are never overdrawn.
const GUARDED: [&str; 6] = [":available", ":undrawn", ":open", ":drawn", ":owed", ":shortfall"];

/// The four stages of a grant.
pub const GRANT: [&str; 4] = ["issued", "available", "spent", "breakage"];

/// The account of a grant at one of its stages: `issued`, `available`, `spent` or `breakage`.
#[must_use]
pub fn grant(clause: &Clause, stage: &str) -> AccountId {
    named(clause.force, "credit", clause.id.as_str(), stage)
}

/// The account of a tranche at one of its stages: `pledged`, `undrawn`, `drawn` or `lapsed`.
#[must_use]
pub fn commitment(clause: &Clause, stage: &str) -> AccountId {
    named(clause.force, "commitment", clause.id.as_str(), stage)
}

/// The account of a `minimum-consumption` at one of its stages: `agreed`, `open`, `consumed`, `shortfall` or `paid`.
#[must_use]
pub fn minimum(clause: &Clause, stage: &str) -> AccountId {
    named(clause.force, "minimum", clause.id.as_str(), stage)
}

/// The account of a `capacity` at one of its stages: `billed`, `owed` or `paid`.
#[must_use]
pub fn capacity(clause: &Clause, stage: &str) -> AccountId {
    named(clause.force, "capacity", clause.id.as_str(), stage)
}

/// The account of a `revenue-share` at one of its stages: `agreed`, `open`, `owed` or `paid`.
#[must_use]
pub fn revenue(clause: &Clause, stage: &str) -> AccountId {
    named(clause.force, "revenue", clause.id.as_str(), stage)
}

/// Where what is owed under a clause stands until it is paid, and then; none for kinds under which nothing is owed.
#[must_use]
pub fn debt(clause: &Clause) -> Option<(AccountId, AccountId)> {
    Some(match &clause.kind {
        Kind::CashTranche(_) => (commitment(clause, "drawn"), commitment(clause, "paid")),
        Kind::MinimumConsumption(_) => (minimum(clause, "shortfall"), minimum(clause, "paid")),
        Kind::Capacity(_) => (capacity(clause, "owed"), capacity(clause, "paid")),
        Kind::RevenueShare(_) => (revenue(clause, "owed"), revenue(clause, "paid")),
        _ => return None,
    })
}

/// Where a debt goes that is paid in another asset, where what was paid comes from, and where it stands then. What one holds in the one
/// asset the other lacks in its own, by the rates that the payments say. `paid` is where the debt would stand unconverted.
#[must_use]
pub fn conversion(paid: &AccountId, asset: &AssetId) -> [AccountId; 3] {
    let converted = converted(paid);
    let of = |account: &AccountId| AccountId::from(format!("{account}:{asset}").as_str());
    let (from, to) = (of(&converted), of(paid));
    [converted, from, to]
}

/// Where a debt goes that is paid in another asset than its own. `paid` is where it would stand unconverted.
#[must_use]
pub fn converted(paid: &AccountId) -> AccountId {
    let name: &str = paid.as_ref();
    AccountId::from(format!("{}converted", name.strip_suffix("paid").unwrap_or(name)).as_str())
}

/// The account of a key's budget at one of its stages: `issued`, `available` or `spent`.
#[must_use]
pub fn budget(key: &KeyId, stage: &str) -> AccountId {
    named(Force::Binding, "budget", key.as_str(), stage)
}

/// Where the operator bears what an upstream reported beyond a reservation. An account holds one asset for ever, so each asset
/// has one of its own.
#[must_use]
pub fn overrun(operator: &PartyId, asset: &AssetId) -> AccountId {
    AccountId::from(format!("{operator}:overrun:{asset}").as_str())
}

/// The asset in which remainders of rounding are exact: `CREDIT/1000000` is a millionth of a minor unit.
#[must_use]
pub fn fraction(asset: &AssetId, denominator: i128) -> AssetId {
    AssetId::from(format!("{asset}/{denominator}").as_str())
}

/// Where what rounding left out in this fraction of an asset is booked, by `side`: `payer` or `operator`.
///
/// An account holds one asset for ever and each denominator is an asset, so each has accounts of its own.
#[must_use]
pub fn rounding(side: &str, fraction: &AssetId) -> AccountId {
    AccountId::from(format!("rounding:{side}:{fraction}").as_str())
}

/// Whether an account may be overdrawn, as its name says: never what is available, undrawn or open, nor what is owed, unless it is a memo.
#[must_use]
pub fn limit(account: &AccountId) -> Limit {
    let name: &str = account.as_ref();
    let guarded = GUARDED.iter().any(|stage| name.ends_with(stage));
    if guarded && !name.starts_with("memo:") { Limit::DebitsWithinCredits } else { Limit::None }
}

/// The transfers by which `terms` come into force over the books as they are: grants and commitments are opened, raised,
/// or lowered to no less than what is already promised away.
#[must_use]
pub fn opening(terms: &Terms, book: &Book, act: u128, first_leg: u16) -> Vec<Transfer> {
    let mut legs = Legs::new(act, first_leg);
    for (clause, agreed) in terms.grants() {
        let accounts = (grant(clause, "issued"), grant(clause, "available"));
        legs.level(book, accounts, &agreed.amount.asset, agreed.amount.amount);
    }
    for (clause, agreed) in terms.tranches() {
        let accounts = (commitment(clause, "pledged"), commitment(clause, "undrawn"));
        legs.level(book, accounts, &agreed.amount.asset, agreed.amount.amount);
    }
    for (clause, agreed) in terms.minimums() {
        let accounts = (minimum(clause, "agreed"), minimum(clause, "open"));
        legs.level(book, accounts, &agreed.amount.asset, agreed.amount.amount);
    }
    for (clause, share) in terms.shares() {
        let Some(cap) = share.cap else { continue };
        let accounts = (revenue(clause, "agreed"), revenue(clause, "open"));
        legs.level(book, accounts, &share.asset, cap);
    }
    legs.done()
}

/// Whether `terms` can come into force without leaving more promised than they promise: what calls under way hold of a grant
/// that is lowered cannot be taken back before they are settled.
#[must_use]
pub fn can_be_lowered(terms: &Terms, book: &Book) -> bool {
    let binding = |(clause, _): &(&Clause, _)| clause.force.is_binding();
    terms.grants().filter(binding).all(|(clause, agreed)| {
        let issued =
            book.balance(&grant(clause, "issued")).map_or(0, |balance| balance.net().saturating_neg());
        let pool = book.balance(&grant(clause, "available")).unwrap_or_default();
        let excess = issued.saturating_sub(agreed.amount.amount.minor());
        excess <= pool.available() || pool.debits_pending.is_zero()
    })
}

/// Transfers of one act, numbered in order.
#[derive(Debug)]
pub struct Legs {
    act: u128,
    next: u16,
    transfers: Vec<Transfer>,
}

impl Legs {
    /// No transfers yet; the first will have the number `first`.
    #[must_use]
    pub fn new(act: u128, first: u16) -> Self {
        Self { act, next: first, transfers: Vec::new() }
    }

    /// No transfers yet; the first will have the number after those of these reservations.
    #[must_use]
    pub fn after(act: u128, reservations: &[Transfer]) -> Self {
        let last = reservations.iter().map(|reservation| reservation.id.leg).max();
        Self::new(act, last.map_or(0, |last| last.saturating_add(1)))
    }

    /// Adds one transfer.
    pub fn push(
        &mut self,
        operation: Operation,
        from: AccountId,
        to: AccountId,
        asset: AssetId,
        amount: Amount,
    ) {
        let id = TransferId { act: self.act, leg: self.next };
        self.next = self.next.saturating_add(1);
        self.transfers.push(Transfer { id, operation, debit: from, credit: to, asset, amount });
    }

    /// Adds the resolution of a reservation.
    pub fn resolve(&mut self, operation: Operation, reservation: &Transfer, amount: Amount) {
        let (debit, credit) = (reservation.debit.clone(), reservation.credit.clone());
        self.push(operation, debit, credit, reservation.asset.clone(), amount);
    }

    /// Books what rounding left out of an amount, in an asset in which it is exact.
    pub fn remainder(&mut self, asset: &AssetId, remainder: Remainder) {
        let Remainder { numerator, denominator } = remainder;
        let asset = fraction(asset, denominator);
        let (payer, operator) = (rounding("payer", &asset), rounding("operator", &asset));
        if numerator > 0 {
            self.push(Operation::Move, payer, operator, asset, Amount::new(numerator));
        } else if numerator < 0 {
            self.push(Operation::Move, operator, payer, asset, Amount::new(numerator.saturating_neg()));
        }
    }

    /// The transfers.
    #[must_use]
    pub fn done(self) -> Vec<Transfer> {
        self.transfers
    }

    /// Brings what a source has issued to `target`, up, or down by no more than is available.
    fn level(
        &mut self,
        book: &Book,
        (source, pool): (AccountId, AccountId),
        asset: &AssetId,
        target: Amount,
    ) {
        let issued = book.balance(&source).map_or(0, |balance| balance.net().saturating_neg());
        let missing = target.minor().saturating_sub(issued);
        if missing > 0 {
            self.push(Operation::Move, source, pool, asset.clone(), Amount::new(missing));
        } else if missing < 0 {
            let available = book.balance(&pool).map_or(0, |balance| balance.available()).max(0);
            let back = missing.saturating_neg().min(available);
            if back > 0 {
                self.push(Operation::Move, pool, source, asset.clone(), Amount::new(back));
            }
        }
    }
}

fn named(force: Force, head: &str, middle: &str, stage: &str) -> AccountId {
    let memo = if force.is_binding() { "" } else { "memo:" };
    AccountId::from(format!("{memo}{head}:{middle}:{stage}").as_str())
}
