//! The spelling of values: strings, integers and bytes, each read where it must stand and in the one way that it may be written.
//! Not here: which values an entry has.

use crate::act_id::ActId;
use crate::fault::Misspelt;
use crate::moment::Moment;
use record::Hash;

/// What reading gives.
pub(crate) type Read<T> = Result<T, Misspelt>;

/// What is left of a text. Shape: UTF-8, so that whatever ends at an ASCII byte is UTF-8 too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Text<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Read<Self> {
        // Nearly all texts are ASCII, which is found out sooner.
        if bytes.is_ascii() {
            return Ok(Self { rest: bytes, length: bytes.len() });
        }
        match str::from_utf8(bytes) {
            Ok(_) => Ok(Self { rest: bytes, length: bytes.len() }),
            Err(error) => Err(Misspelt { at: error.valid_up_to(), expected: "utf-8" }),
        }
    }

    /// What was read since `before`, an earlier state of this text.
    pub(crate) fn since(&self, before: Self) -> &'a [u8] {
        let length = before.rest.len().saturating_sub(self.rest.len());
        before.rest.get(..length).unwrap_or_default()
    }

    #[cold]
    pub(crate) fn expected<T>(&self, expected: &'static str) -> Read<T> {
        Err(Misspelt { at: self.length.saturating_sub(self.rest.len()), expected })
    }

    /// These bytes must come next.
    #[inline]
    pub(crate) fn literal(&mut self, text: &'static str) -> Read<()> {
        if self.has(text) { Ok(()) } else { self.expected(text) }
    }

    /// Whether these bytes come next; then they are read.
    #[inline]
    pub(crate) fn has(&mut self, text: &'static str) -> bool {
        match self.rest.strip_prefix(text.as_bytes()) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    pub(crate) fn end(&self) -> Read<()> {
        if self.rest.is_empty() { Ok(()) } else { self.expected("the end") }
    }

    /// The rest of a string whose opening quote was read, as it is spelled, without its quotes.
    #[inline]
    pub(crate) fn string(&mut self) -> Read<&'a [u8]> {
        let mut at = 0_usize;
        loop {
            at = at.saturating_add(plain_length(self.rest.get(at..).unwrap_or_default()));
            match self.rest.get(at) {
                Some(b'"') => break,
                Some(b'\\') => match escape_length(self.rest.get(at..).unwrap_or_default()) {
                    Some(length) => at = at.saturating_add(length),
                    None => return self.expected("a string with only the escapes of the format"),
                },
                _ => return self.expected("a string"),
            }
        }
        let (string, rest) = self.rest.split_at_checked(at).unwrap_or_default();
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(string)
    }

    /// As [`Text::string`], of exactly `length` bytes.
    #[inline]
    fn fixed(&mut self, length: usize, expected: &'static str) -> Read<&'a [u8]> {
        match self.rest.split_at_checked(length) {
            Some((string, [b'"', rest @ ..])) => {
                self.rest = rest;
                Ok(string)
            }
            _ => self.expected(expected),
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self) -> Read<bool> {
        let holds = self.has("true");
        if holds || self.has("false") { Ok(holds) } else { self.expected("`true` or `false`") }
    }

    /// A number of zero or more, the opening quote read.
    #[inline]
    pub(crate) fn count(&mut self) -> Read<u64> {
        let digits = self.digits()?;
        let number = match digits.len() {
            0..=19 => Some(small(digits)),
            _ => large(digits).and_then(|number| u64::try_from(number).ok()),
        };
        match number {
            Some(number) => self.quoted(digits.len(), number),
            None => self.expected("a decimal below 2^64"),
        }
    }

    /// A leg: a number below 65,536.
    #[inline]
    pub(crate) fn leg(&mut self) -> Read<u16> {
        let before = *self;
        match u16::try_from(self.count()?) {
            Ok(leg) => Ok(leg),
            Err(_) => before.expected("a decimal below 65,536"),
        }
    }

    /// An amount, below zero too. Units: minor units.
    #[inline]
    pub(crate) fn amount(&mut self) -> Read<i128> {
        let negative = self.has("-");
        let digits = self.digits()?;
        let number = match digits {
            [b'0'] if negative => None,
            _ if digits.len() <= 19 => Some(u128::from(small(digits))),
            _ => large(digits),
        };
        let amount = match number {
            Some(number) if negative => 0_i128.checked_sub_unsigned(number),
            Some(number) => i128::try_from(number).ok(),
            None => None,
        };
        match amount {
            Some(amount) => self.quoted(digits.len(), amount),
            None => self.expected("an integer of 128 bits"),
        }
    }

    /// The digits that come next, which are not read yet. Shape: one at least, and no zero before others.
    #[inline]
    fn digits(&self) -> Read<&'a [u8]> {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match self.rest.get(..length) {
            Some(digits @ ([b'0'] | [b'1'..=b'9', ..])) => Ok(digits),
            _ => self.expected("a decimal without leading zeroes"),
        }
    }

    /// `value`, if a quote stands after `length` bytes.
    #[inline]
    fn quoted<T>(&mut self, length: usize, value: T) -> Read<T> {
        match self.rest.get(length..) {
            Some([b'"', rest @ ..]) => {
                self.rest = rest;
                Ok(value)
            }
            _ => self.expected("a decimal"),
        }
    }

    /// The base64 of `bytes` bytes, the opening quote read. It is looked at and not decoded.
    #[inline]
    pub(crate) fn bytes(&mut self, bytes: usize) -> Read<&'a [u8]> {
        let before = *self;
        let text = self.fixed(bytes.div_ceil(3).saturating_mul(4), "base64 of this length")?;
        if is_base64(text, bytes) { Ok(text) } else { before.expected("canonical base64") }
    }

    /// A digest that is not needed.
    #[inline]
    pub(crate) fn digest(&mut self) -> Read<&'a [u8]> {
        self.bytes(32)
    }

    /// A digest.
    pub(crate) fn hash(&mut self) -> Read<Hash> {
        let before = *self;
        let text = self.digest()?;
        let hash = str::from_utf8(text).ok().and_then(record::hash::hash_from_base64);
        hash.map_or_else(|| before.expected("a digest"), Ok)
    }

    /// A moment, the opening quote read.
    #[inline]
    pub(crate) fn moment(&mut self) -> Read<Moment> {
        let before = *self;
        let text = self.fixed(24, MOMENT)?;
        Moment::parse(text).map_or_else(|| before.expected(MOMENT), Ok)
    }

    /// An act's id, the opening quote read.
    #[inline]
    pub(crate) fn act_id(&mut self) -> Read<ActId> {
        let before = *self;
        let text = self.fixed(36, ID)?;
        ActId::of(text).map_or_else(|| before.expected(ID), Ok)
    }
}

/// How many bytes come before the first that a string cannot have unescaped.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut at = 0_usize;
    for chunk in chunks {
        let found = special(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at.saturating_add(usize::try_from(found.trailing_zeros() / 8).unwrap_or(0));
        }
        at = at.saturating_add(8);
    }
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    at.saturating_add(rest.iter().position(special).unwrap_or(rest.len()))
}

/// Marks the bytes of `word` that are a quote, a backslash or a control character. Shape: the lowest mark is right; ones above it
/// may be too many.
#[inline]
const fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let quotes = word ^ ONES.wrapping_mul(b'"' as u64);
    let escapes = word ^ ONES.wrapping_mul(b'\\' as u64);
    let zeroes = (quotes.wrapping_sub(ONES) & !quotes) | (escapes.wrapping_sub(ONES) & !escapes);
    (zeroes | (word.wrapping_sub(ONES.wrapping_mul(0x20)) & !word)) & HIGH
}

/// How long the escape is that `bytes` begin with, if it is the one way to write its character.
fn escape_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\\', b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        // Those with a letter of their own: backspace, tab, line feed, form feed, carriage return.
        [b'\\', b'u', b'0', b'0', b'0', b'8' | b'9' | b'a' | b'c' | b'd', ..] => None,
        [b'\\', b'u', b'0', b'0', b'0' | b'1', b'0'..=b'9' | b'a'..=b'f', ..] => Some(6),
        _ => None,
    }
}

/// The string that `spelled` stands for.
pub(crate) fn plain(spelled: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(spelled.len());
    let mut rest = spelled;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = if *first == b'\\' { unescaped(after) } else { (*first, after) };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The character after a backslash, and what follows it. Shape: `bytes` were found in order.
fn unescaped(bytes: &[u8]) -> (u8, &[u8]) {
    match bytes {
        [b'b', rest @ ..] => (8, rest),
        [b'f', rest @ ..] => (12, rest),
        [b'n', rest @ ..] => (b'\n', rest),
        [b'r', rest @ ..] => (b'\r', rest),
        [b't', rest @ ..] => (b'\t', rest),
        [b'u', _, _, high, low, rest @ ..] => {
            let (high, low) = (digit(*high).unwrap_or(0), digit(*low).unwrap_or(0));
            (high.saturating_mul(16).saturating_add(low), rest)
        }
        [byte, rest @ ..] => (*byte, rest),
        [] => (b'\\', bytes),
    }
}

/// What is no digit.
pub(crate) const NONE: u8 = 0xff;

/// The values of lower-case hexadecimal digits.
pub(crate) const DIGITS: [u8; 256] = table(b"0123456789abcdef");
/// The values of the letters of base64.
const LETTERS: [u8; 256] = table(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "runs when the program is built: at most 64 letters, each a place of 256"
)]
const fn table(letters: &[u8]) -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut value = 0;
    while value < letters.len() {
        table[letters[value] as usize] = value as u8;
        value += 1;
    }
    table
}

fn digit(byte: u8) -> Option<u8> {
    DIGITS.get(usize::from(byte)).copied().filter(|digit| *digit != NONE)
}

/// Whether `text` is the one base64 of so many bytes. Shape: its length was looked at.
#[inline]
fn is_base64(text: &[u8], bytes: usize) -> bool {
    // The last group has letters for one byte, two, or three; what they have too many bits for must be zero.
    let (padding, unused): (&[u8], u8) = match bytes % 3 {
        1 => (b"==", 0x0f),
        2 => (b"=", 0x03),
        _ => (b"", 0),
    };
    let Some(letters) = text.strip_suffix(padding) else { return false };
    let value = |byte: &u8| LETTERS.get(usize::from(*byte)).copied().unwrap_or(NONE);
    let wrong = letters.iter().fold(0, |wrong, byte| wrong | value(byte));
    wrong < 64 && letters.last().is_none_or(|last| value(last) & unused == 0)
}

/// The number of at most 19 digits.
#[inline]
fn small(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number: u64, digit| {
        number.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')))
    })
}

/// The number of any digits, if it has room.
fn large(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |number, digit| {
        number.checked_mul(10)?.checked_add(u128::from(digit.wrapping_sub(b'0')))
    })
}

const MOMENT: &str = "a moment such as `2026-11-22T23:45:12.345Z`";
const ID: &str = "a uuid of version 7, in lower case";

#[cfg(test)]
mod tests;
