//! The envelope: the public line of an entry, and the leaf of the tree. Not the parties' part, which it only
//! commits to.

use crate::hash::{Hash, base64, hash_from_base64};

/// The kinds of entry, closed in version 1 of the format.
pub const KINDS: [&str; 8] =
    ["genesis", "decided", "settled", "lease", "orphan", "clock", "tally", "state-digest"];

/// One envelope of version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The version of the rules that apply the entry.
    pub fold: u32,
    /// One of [`KINDS`].
    pub kind: &'a str,
    /// The hour it was decided in, UTC. Shape: `2026-11-22T23Z`.
    pub hour: &'a str,
    /// What stands for the commitments to the fields of the parties' part.
    pub body: Hash,
}

/// Why an envelope was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A field is missing, out of order or misspelt.
    #[error("malformed envelope: expected `{0}`")]
    Expected(&'static str),
    /// The kind is none of [`KINDS`].
    #[error("the envelope's kind is not one of this format")]
    Kind,
    /// The hour is not `YYYY-MM-DDTHHZ`.
    #[error("the envelope's time is not an hour such as `2026-11-22T23Z`")]
    Hour,
    /// The version of the rules is not a decimal.
    #[error("the envelope's fold is not a decimal")]
    Fold,
    /// The body is not a digest.
    #[error("the envelope's body is not 44 characters of canonical base64")]
    Body,
}

impl<'a> Envelope<'a> {
    /// The bytes that are hashed as the leaf.
    pub fn encode(&self) -> Vec<u8> {
        format!("{V}{}{KIND}{}{TIME}{}{BODY}{}{END}", self.fold, self.kind, self.hour, base64(&self.body))
            .into_bytes()
    }

    /// Reads the bytes of [`Envelope::encode`]; no other spelling is accepted.
    ///
    /// # Errors
    /// [`EnvelopeError`], for the first field that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let text = str::from_utf8(bytes).map_err(|_| EnvelopeError::Expected(V))?;
        let rest = text.strip_prefix(V).ok_or(EnvelopeError::Expected(V))?;
        let (fold, rest) = text_before(rest, KIND)?;
        let (kind, rest) = text_before(rest, TIME)?;
        let (hour, rest) = text_before(rest, BODY)?;
        let body = rest.strip_suffix(END).ok_or(EnvelopeError::Expected(END))?;
        let fold = parse_fold(fold).ok_or(EnvelopeError::Fold)?;
        if !KINDS.contains(&kind) {
            return Err(EnvelopeError::Kind);
        }
        if !is_hour(hour) {
            return Err(EnvelopeError::Hour);
        }
        let body = hash_from_base64(body).ok_or(EnvelopeError::Body)?;
        Ok(Self { fold, kind, hour, body })
    }
}

/// Splits what stands before `next`, which begins with the quote that ends it.
fn text_before<'a>(text: &'a str, next: &'static str) -> Result<(&'a str, &'a str), EnvelopeError> {
    let (value, rest) = text.split_at(text.find('"').unwrap_or(text.len()));
    rest.strip_prefix(next).map(|rest| (value, rest)).ok_or(EnvelopeError::Expected(next))
}

fn parse_fold(text: &str) -> Option<u32> {
    crate::checkpoint::decimal(text).and_then(|fold| u32::try_from(fold).ok())
}

/// Whether `text` is `YYYY-MM-DDTHHZ` with a month of 1 to 12, a day of 1 to 31 and an hour below 24.
fn is_hour(text: &str) -> bool {
    let shape = text.len() == 14
        && text.bytes().zip(HOUR_SHAPE.bytes()).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            _ => byte == shape,
        });
    let between = |from: usize, low: u8, high: u8| {
        let number = text.get(from..from.saturating_add(2)).and_then(|digits| digits.parse::<u8>().ok());
        number.is_some_and(|number| (low..=high).contains(&number))
    };
    shape && between(5, 1, 12) && between(8, 1, 31) && between(11, 0, 23)
}

const V: &str = r#"{"v":"1","fold":""#;
const KIND: &str = r#"","kind":""#;
const TIME: &str = r#"","time":""#;
const BODY: &str = r#"","body":""#;
const END: &str = r#""}"#;
const HOUR_SHAPE: &str = "0000-00-00T00Z";

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"v":"1","fold":"1","kind":"decided","time":"2026-11-22T23Z","body":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="}"#;

    #[test]
    fn envelope_is_read_as_it_is_written() {
        let envelope = Envelope { fold: 1, kind: "decided", hour: "2026-11-22T23Z", body: [9; 32] };
        assert_eq!(String::from_utf8(envelope.encode()).unwrap(), GOOD);
        assert_eq!(Envelope::parse(GOOD.as_bytes()), Ok(envelope));
    }

    #[test]
    fn any_other_spelling_is_refused() {
        let bad = [
            GOOD.replace(r#""v":"1""#, r#""v":"2""#),
            GOOD.replace(r#""v":"1""#, r#""v":1"#),
            GOOD.replace(r#""fold":"1""#, r#""fold":"01""#),
            GOOD.replace(r#""fold":"1""#, r#""fold":"4294967296""#),
            GOOD.replace("decided", "undecided"),
            GOOD.replace("decided", ""),
            GOOD.replace("T23Z", "T24Z"),
            GOOD.replace("-11-", "-13-"),
            GOOD.replace("-22T", "-00T"),
            GOOD.replace("T23Z", "T23:00Z"),
            GOOD.replace("2026-11-22T23Z", "2026-11-22T+3Z"),
            GOOD.replace("CQk=", "CQl="),
            GOOD.replace("CQk=", "CQk"),
            format!("{GOOD}\n"),
            GOOD.replace(',', ", "),
            GOOD.replace(r#""}"#, r#"","more":"1"}"#),
        ];
        for text in bad {
            assert!(Envelope::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
