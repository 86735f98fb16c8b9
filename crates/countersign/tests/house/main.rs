//! What the whole house promises, shown from outside: the binary, and a second verifier that shares no code with it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose scene cannot be set has failed"
)]

mod backup;
mod between;
mod bookkeepers;
mod books;
mod bounds;
mod budgets;
mod clients;
mod clock;
mod commitments;
mod crash;
mod dice;
mod disk;
mod doors;
mod erasing;
mod exhaustion;
mod follow;
mod founding;
mod grant;
mod history;
mod http;
mod journeys;
mod kept;
mod kills;
mod llama;
mod load;
mod mailroom;
mod memo;
mod meter;
mod metered;
mod misbehaving;
mod needs;
mod nginx;
mod notices;
mod overlap;
mod readme;
mod reconcile;
mod repeats;
mod retention;
mod room;
mod rotate;
mod scene;
mod scripted;
mod sealed;
mod second_verifier;
mod server;
mod simulate;
mod since;
mod snapshots;
mod strangers;
mod streams;
mod surfaces;
mod tampering;
mod told;
mod torn;
mod tracer;
mod upstream;
mod withdrawal;
