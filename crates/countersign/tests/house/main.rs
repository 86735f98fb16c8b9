//! What the whole house promises, shown from outside: the binary, and a second verifier that shares no code with it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose scene cannot be set has failed"
)]

mod clients;
mod crash;
mod dice;
mod doors;
mod exhaustion;
mod founding;
mod grant;
mod http;
mod journeys;
mod kills;
mod load;
mod memo;
mod needs;
mod overlap;
mod readme;
mod scene;
mod second_verifier;
mod server;
mod snapshots;
mod streams;
mod upstream;
