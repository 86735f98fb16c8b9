//! The chart of accounts: what each account is called, which may never be overdrawn, and what opens and closes them.
//!
//! Not here: balances (`ledger::Book`), or when any of this happens (`state`).
//!
//! | account | holds |
//! | --- | --- |
//! | `credit:<clause>:issued`, `:available`, `:spent`, `:breakage` | a grant of compute credit |
//! | `commitment:<clause>:pledged`, `:undrawn`, `:drawn`, `:lapsed` | a tranche of cash |
//! | `budget:<key>:issued`, `:available`, `:spent` | what one key may spend in all |
//! | `budget:<budget>:<period>:issued`, `:available`, `:spent` | what a budget leaves in a period: `2026-11`, `2026-11-22` or `total`; of end users each has the last two, after a pseudonym |
//! | `<operator>:overrun:<asset>` | what upstreams reported beyond a reservation; the operator bears it |
//! | `rounding:payer:<asset>`, `rounding:operator:<asset>` | what rounding left out, in an asset of its own: `CREDIT/1000000` |
//! | `memo:…` | the same for non-binding clauses: observed, never money, and never a limit |

use crate::ids::{KeyId, PartyId};
use crate::memorandum::{Clause, Force};
use crate::terms::Terms;
use ledger::{AccountId, Amount, AssetId, Book, Limit, Operation, Transfer, TransferId};

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

/// Whether an account may be overdrawn, as its name says: never what is available or undrawn, unless it is a memo.
#[must_use]
pub fn limit(account: &AccountId) -> Limit {
    let name: &str = account.as_ref();
    let guarded = name.ends_with(":available") || name.ends_with(":undrawn");
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
