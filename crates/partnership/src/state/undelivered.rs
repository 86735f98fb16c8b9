//! What could not be delivered, as the record says it.
//!
//! Not here: what is still tried, which is no matter of the record.

use super::State;
use crate::act::Undelivered;
use crate::ids::Timestamp;

/// How a notice was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// When it was recorded.
    pub at: Timestamp,
    /// Why the last attempt failed, in one word.
    pub error: String,
    /// How often it was tried.
    pub attempts: u64,
}

impl State {
    /// How a notice was given up for a receiver; none where it was not.
    #[must_use]
    pub fn dead_letter(&self, notice: &str, receiver: &str) -> Option<&DeadLetter> {
        self.undelivered.get(&(notice.to_owned(), receiver.to_owned()))
    }

    /// All that were given up, by notice and receiver.
    pub fn dead_letters(&self) -> impl Iterator<Item = (&str, &str, &DeadLetter)> {
        self.undelivered.iter().map(|((notice, receiver), letter)| (&**notice, &**receiver, letter))
    }

    pub(super) fn note_undelivered(&mut self, undelivered: &Undelivered, at: Timestamp) {
        let Undelivered { notice, receiver, error, attempts } = undelivered.clone();
        self.undelivered.insert((notice, receiver), DeadLetter { at, error, attempts });
    }
}
