//! The rules of the record, each broken once in a record that is whole.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test whose scene cannot be set has failed"
)]

mod rules;
