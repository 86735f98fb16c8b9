//! What the partnership promises, as tests that can fail.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test whose scene cannot be set has failed")]

mod acts;
mod memorandum;
