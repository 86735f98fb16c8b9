//! Where time and randomness enter the program, and nowhere else.

use partnership::ids::Timestamp;
use std::time::Instant;

/// The machine's clock and its source of randomness.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock;

impl Clock {
    /// What the machine's clock says now.
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    pub(crate) fn now(self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// A moment that no step of the machine's clock moves; for waits and rates, never for the record.
    #[expect(clippy::disallowed_methods, reason = "the one place where the steady clock is read")]
    pub(crate) fn steady(self) -> Instant {
        Instant::now()
    }

    /// Thirty-two bytes from the operating system's randomness.
    ///
    /// Panics: where the operating system has none, since nothing signed or salted could be trusted then.
    pub(crate) fn random(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let filled = getrandom::fill(&mut bytes);
        assert!(filled.is_ok(), "the operating system gives no randomness");
        bytes
    }
}
