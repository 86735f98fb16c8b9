//! The id of an act, from its text and back. Not here: which acts there were.

use crate::text::{DIGITS, NONE};
use std::fmt;

/// An act's id: a UUID of version 7, as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActId(pub u128);

impl ActId {
    /// The id that a string spells.
    #[inline]
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        let mut id = 0_u128;
        let mut wrong = 0_u8;
        for (place, byte) in text.iter().enumerate() {
            if matches!(place, 8 | 13 | 18 | 23) {
                wrong |= byte ^ b'-';
            } else {
                let digit = DIGITS.get(usize::from(*byte)).copied().unwrap_or(NONE);
                wrong |= digit & 0xf0;
                id = (id << 4) | u128::from(digit & 0x0f);
            }
        }
        let is_seven = (id >> 76) & 0xf == 7 && (id >> 62) & 3 == 2;
        (text.len() == 36 && wrong == 0 && is_seven).then_some(Self(id))
    }
}

impl ActId {
    /// When it was made, as its first 48 bits say. Units: milliseconds after 1970.
    pub(crate) fn millis(self) -> i64 {
        i64::try_from(self.0 >> 80).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for ActId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'-'; 36];
        let digits = self.0.to_be_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
        let places = text.iter_mut().enumerate().filter(|(place, _)| !matches!(place, 8 | 13 | 18 | 23));
        for ((_, place), digit) in places.zip(digits) {
            *place = if digit < 10 {
                b'0'.saturating_add(digit)
            } else {
                b'a'.saturating_add(digit.saturating_sub(10))
            };
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_shown_as_it_is_read() {
        let text = "019b2f4c-0a1b-7cde-9f01-23456789abcd";
        assert_eq!(ActId::of(text.as_bytes()).map(|id| id.to_string()).as_deref(), Some(text));
        for other in [
            "019b2f4c-0a1b-7cde-cf01-23456789abcd",
            "019b2f4c-0a1b-1cde-9f01-23456789abcd",
            "",
            "019b2f4c0a1b7cde9f0123456789abcd",
        ] {
            assert_eq!(ActId::of(other.as_bytes()), None, "{other}");
        }
    }
}
