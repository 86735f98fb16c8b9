//! Notices that could not be delivered. Not here: whether they were tried, which no entry says.

use crate::entry::Decided;
use crate::fault::Fault;
use crate::fold::Replay;
use crate::text::plain;
use std::collections::BTreeSet;

/// The notices that were given up, each with its receiver, as both are spelled.
pub(crate) type Letters = BTreeSet<(Box<[u8]>, Box<[u8]>)>;

/// The longest that a notice's id may be, and a receiver's name or the word for an error. Units: bytes.
const NOTICE_BYTES_MAX: usize = 512;
const WORD_BYTES_MAX: usize = 64;

impl Replay {
    /// The clerk gives up a notice for a receiver once.
    pub(crate) fn gives_up(
        &mut self,
        decided: &Decided<'_>,
        notice: &[u8],
        receiver: &[u8],
        (error, attempts): (&[u8], u64),
    ) -> Result<(), Fault> {
        let is_sound = decided.who == b"{"
            && (1..=NOTICE_BYTES_MAX).contains(&plain(notice).len())
            && is_word(receiver)
            && is_word(error)
            && attempts > 0;
        let is_new = is_sound && self.undelivered.insert((notice.into(), receiver.into()));
        if is_new { Ok(()) } else { Err(Fault::Undelivered(decided.head.id)) }
    }

    /// How many notices were given up.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        self.undelivered.len()
    }
}

fn is_word(text: &[u8]) -> bool {
    (1..=WORD_BYTES_MAX).contains(&text.len())
        && text.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}
