//! What the whole house promises, shown from outside: the binary, and a second verifier that shares no code with it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose scene cannot be set has failed"
)]

mod crash;
mod grant;
mod memo;
mod scene;
mod second_verifier;
