//! Double entry over integer minor units: what moves, what is held, and what may not be overdrawn.
//!
//! Not here: clauses, prices of models, parties, clocks, files. The crate knows accounts, assets and
//! transfers by name only, reads no clock (the time of a lapse is an argument) and remembers no transfer
//! that is over: that an act happens once is the record's business.
//!
//! - [`Book`] holds the accounts and applies linked [`Transfer`]s, all or none of them.
//! - [`draw`] picks the lots that an amount is taken from, [`split`] divides an amount without loss.
//! - [`total`] prices quantities exactly; [`Exact`] is rounded once, with its [`Remainder`] in hand.
//! - [`trial_balance`] adds a book up again, asset by asset.
//!
//! ```
//! use ledger::{AccountId, Amount, AssetId, Book, Limit, Operation, Transfer, TransferId};
//!
//! let (usd, bank, grant) = (AssetId::from("USD"), AccountId::from("bank"), AccountId::from("grant"));
//! let mut book = Book::new();
//! book.open(&bank, &usd, Limit::None)?;
//! book.open(&grant, &usd, Limit::DebitsWithinCredits)?;
//! let paid = Transfer {
//!     id: TransferId { act: 1, leg: 0 },
//!     operation: Operation::Move,
//!     debit: bank.clone(),
//!     credit: grant.clone(),
//!     asset: usd,
//!     amount: Amount::new(500),
//! };
//! book.apply(&[paid])?;
//! assert_eq!(book.balance(&grant).map(|balance| balance.available()), Some(500));
//! # Ok::<(), ledger::TransferError>(())
//! ```
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

mod account;
mod amount;
mod book;
mod draft;
mod error;
mod lots;
mod rational;
mod restore;
mod split;
mod statement;
mod transfer;

pub use account::{AccountId, AssetId, Balance, Limit};
pub use amount::{Amount, AmountError};
pub use book::Book;
pub use error::TransferError;
pub use lots::{Lot, draw};
pub use rational::{Exact, Overflow, Price, Remainder, total};
pub use restore::{Opened, RestoreError};
pub use split::{SplitError, split};
pub use statement::{TrialBalance, trial_balance};
pub use transfer::{Operation, Transfer, TransferId};
