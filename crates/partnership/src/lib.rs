//! The state machine of a partnership: what was agreed, and what each act does under it.
//!
//! Pure: no clock, no randomness, no files, no async, no floats, no hash maps. Time and ids are arguments.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

pub mod act;
pub mod decision;
pub mod entry;
pub mod governance;
pub mod ids;
pub mod investment;
pub mod judge;
pub mod lease;
pub mod memorandum;
pub mod notices;
pub mod partnership;
pub mod registry;
pub mod retention;
pub mod sealed;
pub mod simulation;
pub mod state;
pub mod terms;

pub use partnership::{Answer, Command, Entropy, Fatal, Partnership, Reply};
pub use state::State;
pub use terms::Terms;
