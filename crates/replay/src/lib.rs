//! The replay: what the entries of a record add up to, worked out from their transfers alone.
//!
//! *Not* the writer's fold: this crate shares no code with `ledger` and `partnership`, so that a fault in one of the two is seen
//! by the other. It knows no memorandum, asks no policy and reads no clock and no file. It checks what
//! `docs/RECORD.md` says under "What a replay checks", as far as the entries alone tell it; hashes, commitments, tiles and the
//! log's signature are for [`record::audit`], whose visitor hands each entry to [`Replay::entry`].
//!
//! Fast by expecting: fields have one order and values one spelling, so the text is compared with what it must be and read in one
//! pass over borrowed bytes. Nothing is written again to compare it.
//!
//! Where to start: [`Replay`] is the fold; `entry` reads the kinds of entry, `text` their spelling; `books` keeps accounts, and `saved` writes all of it
//! down for whoever goes on later.

#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

mod act_id;
mod acts;
mod books;
mod budgets;
mod dues;
mod effects;
mod entry;
mod fault;
mod fold;
mod founding;
mod keys;
mod log_keys;
mod moment;
mod reconciled;
mod repeats;
mod saved;
mod seen;
mod settling;
mod text;
mod totals;
mod tree;
mod undelivered;
mod withdrawal;

pub use act_id::ActId;
pub use acts::Kind;
pub use books::Sums;
pub use dues::{Dued, Paid, Stood};
pub use fault::{Fault, Misspelt};
pub use fold::Replay;
pub use keys::Succession;
pub use log_keys::LogSuccession;
pub use moment::Moment;
pub use saved::{NextLine, SavedError, ToLine};
pub use seen::Shelf;
pub use totals::{Account, Asked, Counts, Drawn, Erased, Lease, OpenAct, Proposed, Version};
pub use withdrawal::Withdrawn;
