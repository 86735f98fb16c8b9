//! The crate from outside: requests as they are forwarded, and whole performances against an upstream on a socket.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose scene cannot be set has failed"
)]

mod answers;
mod azure;
mod chat;
mod failures;
mod forward;
mod harness;
mod refusals;
mod warrant;
mod with_model;
