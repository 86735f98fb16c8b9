//! The record as its owners and its strangers use it: one binary, so that two cores link once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the whole binary is tests; the leave that clippy.toml gives reaches test functions only"
)]

mod crash;
mod damage;
mod frozen;
mod interleaved;
mod journey;
mod mirror;
mod power;
mod prefix;
mod since;
mod specified;
mod steps;
mod support;
mod witness;
