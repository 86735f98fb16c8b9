//! The act by which the clerk records that a notice could not be delivered.
//!
//! Not here: which notices there are (`notices`), or how they leave the house.

use super::text;
use serde::{Deserialize, Serialize};

/// A notice that its receiver did not take, however often it was tried. It is tried no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// The notice's id.
    pub notice: String,
    /// The receiver's name in the operator's configuration.
    pub receiver: String,
    /// Why the last attempt failed, in one word: lower-case letters, digits and hyphens.
    pub error: String,
    /// How often it was tried; never zero.
    #[serde(with = "text")]
    pub attempts: u64,
}

/// The longest that a notice's id may be. Units: bytes.
pub const NOTICE_BYTES_MAX: usize = 512;
/// The longest that a receiver's name, and the word for an error, may be. Units: bytes.
pub const RECEIVER_BYTES_MAX: usize = 64;

impl Undelivered {
    /// Whether its fields are as the clerk writes them.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let is_word = |text: &str| {
            (1..=RECEIVER_BYTES_MAX).contains(&text.len())
                && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        (1..=NOTICE_BYTES_MAX).contains(&self.notice.len())
            && is_word(&self.receiver)
            && is_word(&self.error)
            && self.attempts > 0
    }
}
