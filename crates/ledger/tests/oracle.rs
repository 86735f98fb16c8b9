//! A book against a naive model that keeps every transfer and adds all of them up for each answer.

#![expect(clippy::indexing_slicing, reason = "drawn places lie within the table of accounts")]

use std::collections::BTreeSet;

use ledger::{
    AccountId, Amount, AssetId, Balance, Book, Limit, Opened, Operation, RestoreError, Transfer,
    TransferError, TransferId, trial_balance,
};
use proptest::prelude::*;

/// Name, asset, whether limited. The last one is never opened.
const ACCOUNTS: [(&str, &str, bool); 6] = [
    ("bank", "USD", false),
    ("grant", "USD", true),
    ("spent", "USD", true),
    ("hours", "GPUH", false),
    ("quota", "GPUH", true),
    ("ghost", "USD", false),
];
const OPEN: usize = 5;

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn a_book_agrees_with_a_model_that_only_remembers(batches in prop::collection::vec(batch(), 1..12)) {
        let (mut book, mut model) = (opened(), Model::default());
        prop_assert_eq!(book.apply(&[granted()]), Ok(()));
        prop_assert_eq!(model.apply(&[granted()]), Ok(()));
        for drawn in batches {
            let linked = model.transfers(&drawn);
            let before = book.clone();
            let checked = book.check(&linked);
            prop_assert_eq!(&book, &before, "a check changes nothing");
            let applied = book.apply(&linked);
            prop_assert_eq!(&applied, &checked, "what is checked is what is applied");
            let expected = model.apply(&linked);
            prop_assert_eq!(applied.as_ref().err().map(name), expected.err(), "{:?}", linked);
            prop_assert!(applied.is_ok() || book == before, "all or nothing");
            agree(&book, &model)?;
        }
    }
}

/// A transfer as drawn: kinds and small numbers, given a meaning by [`Model::transfers`].
#[derive(Debug, Clone)]
struct Drawn {
    verb: u8,
    act: u8,
    pending: usize,
    debit: usize,
    credit: usize,
    asset: u8,
    amount: i128,
    faithful: bool,
    /// Which side of a faithful ending is none the less drawn.
    slip: Slip,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Slip {
    None,
    Debit,
    Credit,
}

fn batch() -> impl Strategy<Value = Vec<Drawn>> {
    prop_oneof![3 => prop::collection::vec(drawn(), 1), 1 => prop::collection::vec(drawn(), 2..4)]
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let amount = prop_oneof![40 => 0..40_i128, 1 => Just(-1_i128), 1 => large()];
    let account = || prop_oneof![16 => 0..3_usize, 4 => 3..OPEN, 1 => Just(OPEN)];
    let asset = prop_oneof![1 => Just(1_u8), 19 => Just(0_u8)];
    let slip = prop_oneof![8 => Just(Slip::None), 1 => Just(Slip::Debit), 1 => Just(Slip::Credit)];
    let faithful = prop::bool::weighted(0.9);
    (0..6_u8, 0..40_u8, 0..8_usize, account(), account(), asset, amount, faithful, slip).prop_map(
        |(verb, act, pending, debit, credit, asset, amount, faithful, slip)| {
            let credit = if act % 8 == 0 { credit } else { partner(debit, credit) };
            Drawn { verb, act, pending, debit, credit, asset, amount, faithful, slip }
        },
    )
}

/// Another account of the same asset.
fn partner(debit: usize, credit: usize) -> usize {
    match debit {
        3 => 4,
        4 => 3,
        _ if debit == credit || credit > 2 => (debit + 1) % 3,
        _ => credit,
    }
}

fn large() -> impl Strategy<Value = i128> {
    prop_oneof![Just(i128::MAX), Just(i128::MAX / 2)]
}

fn opened() -> Book {
    let mut book = Book::new();
    for (name, asset, limited) in &ACCOUNTS[..OPEN] {
        let limit = if *limited { Limit::DebitsWithinCredits } else { Limit::None };
        assert_eq!(book.open(&AccountId::from(*name), &AssetId::from(*asset), limit), Ok(()));
    }
    book
}

/// Something to spend, so that not every case begins with a refusal.
fn granted() -> Transfer {
    Transfer {
        id: TransferId { act: 1000, leg: 0 },
        operation: Operation::Move,
        debit: "bank".into(),
        credit: "grant".into(),
        asset: "USD".into(),
        amount: Amount::new(60),
    }
}

/// Every transfer that was ever applied, and nothing else.
#[derive(Debug, Clone, Default)]
struct Model {
    past: Vec<Transfer>,
}

impl Model {
    fn transfers(&self, drawn: &[Drawn]) -> Vec<Transfer> {
        drawn.iter().map(|one| self.transfer(one)).collect()
    }

    /// Mostly sensible: a faithful post, void or lapse repeats what a live reservation says.
    fn transfer(&self, drawn: &Drawn) -> Transfer {
        let id = TransferId { act: drawn.act.into(), leg: 0 };
        let live = self.live();
        let held = live.get(drawn.pending % live.len().max(1)).filter(|_| drawn.faithful).copied();
        let pending = held.map_or(TransferId { act: drawn.pending as u128, leg: 0 }, |held| held.id);
        let asset = if drawn.asset == 1 { "EUR" } else { ACCOUNTS[drawn.debit].1 };
        let mut transfer = Transfer {
            id,
            operation: Operation::Move,
            debit: ACCOUNTS[drawn.debit].0.into(),
            credit: ACCOUNTS[drawn.credit].0.into(),
            asset: asset.into(),
            amount: Amount::new(drawn.amount),
        };
        transfer.operation = match drawn.verb {
            3.. if drawn.faithful && held.is_none() => Operation::Reserve { expires_at: 35 },
            0 | 1 => Operation::Move,
            2 => Operation::Reserve { expires_at: i64::from(drawn.act) * 10 },
            3 => Operation::Post { pending },
            4 => Operation::Void { pending },
            _ => Operation::Lapse { pending },
        };
        if let (Some(held), 3..) = (held, drawn.verb) {
            let id = TransferId { leg: 1, ..id };
            let whole = drawn.verb > 3 && drawn.asset == 0;
            let amount = if whole { held.amount } else { transfer.amount };
            let debit = if drawn.slip == Slip::Debit { transfer.debit } else { held.debit.clone() };
            let credit = if drawn.slip == Slip::Credit { transfer.credit } else { held.credit.clone() };
            let asset = held.asset.clone();
            transfer = Transfer { id, operation: transfer.operation, debit, credit, asset, amount };
        }
        transfer
    }

    fn apply(&mut self, linked: &[Transfer]) -> Result<(), &'static str> {
        let mut after = self.clone();
        for transfer in linked {
            after.judge(transfer)?;
            after.past.push(transfer.clone());
        }
        *self = after;
        Ok(())
    }

    fn judge(&self, transfer: &Transfer) -> Result<(), &'static str> {
        let Transfer { id, debit, credit, amount, .. } = transfer;
        let asset = transfer.asset.as_ref();
        let known = |account: &AccountId| ACCOUNTS[..OPEN].iter().find(|row| row.0 == account.as_ref());
        let (Some(from), Some(to)) = (known(debit), known(credit)) else { return Err("not open") };
        let minor = amount.minor();
        let pending = ended(transfer);
        let held = pending.and_then(|pending| self.live().into_iter().find(|live| live.id == pending));
        let posts = matches!(transfer.operation, Operation::Post { .. });
        let spends = pending.is_none();
        let refusals = [
            (from.1 != asset || to.1 != asset, "assets differ"),
            (debit == credit, "same account"),
            (minor < 0, "negative"),
            (minor == 0 && transfer.operation == Operation::Move, "zero"),
            (self.live().iter().any(|live| live.id == *id), "id taken"),
            (pending.is_some() && held.is_none(), "pending unknown"),
            (held.is_some_and(|held| held.debit != *debit || held.credit != *credit), "pending differs"),
            (held.is_some_and(|held| !posts && held.amount != *amount), "pending differs"),
            (held.is_some_and(|held| posts && held.amount < *amount), "post exceeds"),
            (spends && from.2 && self.balance(from.0).available() < minor, "exceeds credits"),
            (spends && self.turnover(asset).checked_add(minor).is_none(), "overflow"),
        ];
        refusals.iter().find(|(holds, _)| *holds).map_or(Ok(()), |(_, name)| Err(name))
    }

    /// Reservations that nothing later has ended, in the order of ids.
    fn live(&self) -> Vec<&Transfer> {
        let mut live: Vec<&Transfer> = Vec::new();
        for transfer in &self.past {
            live.retain(|reserved| ended(transfer) != Some(reserved.id));
            if transfer.expires_at().is_some() {
                live.push(transfer);
            }
        }
        live.sort_by_key(|transfer| transfer.id);
        live
    }

    fn balance(&self, account: &str) -> Balance {
        let sum = |transfers: &mut dyn Iterator<Item = &Transfer>, debits: bool| {
            let side =
                |one: &&Transfer| if debits { one.debit.as_ref() } else { one.credit.as_ref() } == account;
            Amount::new(transfers.filter(side).map(|one| one.amount.minor()).sum())
        };
        Balance {
            debits_pending: sum(&mut self.live().into_iter(), true),
            credits_pending: sum(&mut self.live().into_iter(), false),
            debits_posted: sum(&mut self.posted(), true),
            credits_posted: sum(&mut self.posted(), false),
        }
    }

    fn posted(&self) -> impl Iterator<Item = &Transfer> {
        self.past.iter().filter(|one| matches!(one.operation, Operation::Move | Operation::Post { .. }))
    }

    fn turnover(&self, asset: &str) -> i128 {
        let all = self.posted().chain(self.live());
        all.filter(|one| one.asset.as_ref() == asset).map(|one| one.amount.minor()).sum()
    }
}

fn agree(book: &Book, model: &Model) -> Result<(), TestCaseError> {
    for (account, _, limit, balance) in book.accounts() {
        prop_assert_eq!(balance, model.balance(account.as_ref()));
        prop_assert_eq!(book.balance(account), Some(balance));
        prop_assert!(limit == Limit::None || balance.available() >= 0, "{} is overdrawn", account);
    }
    prop_assert_eq!(book.reservations().collect::<Vec<_>>(), model.live());
    for at in [-1, 0, 35, 60, 1000] {
        let due = model.live().into_iter().filter(|one| one.expires_at() <= Some(at));
        let due: BTreeSet<_> = due.map(|one| (one.expires_at(), one.id)).collect();
        prop_assert_eq!(book.lapsed(at), due.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
    }
    let restored = Book::restore(accounts(book), book.reservations().cloned());
    prop_assert_eq!(format!("{:?}", restored), format!("{:?}", Ok::<_, RestoreError>(book)));
    for (asset, sums) in trial_balance(book) {
        prop_assert!(sums.agrees(), "{} does not add up: {:?}", asset, sums);
    }
    Ok(())
}

/// The accounts of a book as it is put together from.
fn accounts(book: &Book) -> Vec<Opened> {
    let opened = book.opened().map(|(id, asset, limit, balance)| Opened {
        id: id.clone(),
        asset: asset.clone(),
        limit,
        balance,
    });
    opened.collect()
}

#[test]
fn accounts_and_reservations_that_no_book_has_are_not_put_together() {
    let mut book = opened();
    let reserved = Transfer {
        id: TransferId { act: 1, leg: 0 },
        operation: Operation::Reserve { expires_at: 9 },
        debit: "grant".into(),
        credit: "spent".into(),
        asset: "USD".into(),
        amount: Amount::new(20),
    };
    book.apply(&[granted(), reserved.clone()]).unwrap();
    let whole = accounts(&book);
    let restore = |edit: &dyn Fn(&mut Vec<Opened>)| {
        let mut accounts = whole.clone();
        edit(&mut accounts);
        Book::restore(accounts, [reserved.clone()]).map_err(|error| error.to_string())
    };
    assert_eq!(restore(&|_| {}), Ok(book.clone()));
    let sums: [fn(&mut Balance) -> &mut Amount; 4] = [
        |balance| &mut balance.debits_pending,
        |balance| &mut balance.credits_pending,
        |balance| &mut balance.debits_posted,
        |balance| &mut balance.credits_posted,
    ];
    for place in 0..OPEN {
        for sum in sums {
            for minor in [1, -1, i128::MAX] {
                let changed = restore(&|accounts| {
                    let sum = sum(&mut accounts[place].balance);
                    *sum = Amount::new(sum.minor().saturating_add(minor));
                });
                assert!(changed.is_err(), "account {place}, {minor} more");
            }
        }
    }
    let twice = restore(&|accounts| accounts.push(whole[0].clone()));
    assert!(twice.unwrap_err().contains("stands twice"));
    let other = restore(&|accounts| accounts[1].asset = "EUR".into());
    assert!(other.unwrap_err().contains("no reservation between open accounts"));
    let without = Book::restore(whole.clone(), []).unwrap_err();
    assert_eq!(without, RestoreError::Sums("grant".into()));
    let moved = Transfer { operation: Operation::Move, ..reserved.clone() };
    assert!(Book::restore(whole.clone(), [moved]).is_err());
    assert!(Book::restore(whole, [reserved.clone(), reserved]).is_err());
}

fn ended(transfer: &Transfer) -> Option<TransferId> {
    match transfer.operation {
        Operation::Post { pending } | Operation::Void { pending } | Operation::Lapse { pending } => {
            Some(pending)
        }
        Operation::Move | Operation::Reserve { .. } => None,
    }
}

fn name(error: &TransferError) -> &'static str {
    match error {
        TransferError::OpenDiffers(_) => "open differs",
        TransferError::NotOpen(_) => "not open",
        TransferError::AssetsDiffer { .. } => "assets differ",
        TransferError::SameAccount(_) => "same account",
        TransferError::Negative(_) => "negative",
        TransferError::Zero { .. } => "zero",
        TransferError::IdTaken(_) => "id taken",
        TransferError::PendingUnknown(_) => "pending unknown",
        TransferError::PendingDiffers { .. } => "pending differs",
        TransferError::PostExceedsReserved { .. } => "post exceeds",
        TransferError::ExceedsCredits { .. } => "exceeds credits",
        TransferError::Overflow(_) => "overflow",
    }
}
