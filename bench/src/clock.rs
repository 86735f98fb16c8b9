//! The one place where the benchmarks read a clock.

use std::time::Instant;

/// The steady clock.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
