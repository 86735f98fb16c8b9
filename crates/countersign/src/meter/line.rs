//! The lines of a meter's journal, and their one spelling (`docs/METER.md`).
//!
//! Not here: how lines become durable (`journal`), or what they say beside a record (`compare`).

use partnership::act::{Digest, Usage};
use partnership::ids::{ActId, Timestamp};
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Line {
    /// The meter begins to listen. The first line of a journal is one, and there is one for each time that the meter is started.
    Start {
        /// When.
        at: Timestamp,
        /// Sixteen random bytes in hexadecimal that name the journal: the same in each such line of it.
        journal: String,
        /// Where calls are sent on to.
        to: String,
    },
    /// A call that has ended.
    Call(Box<Call>),
    /// Nothing has passed for a while, and the meter is there.
    Mark {
        /// When.
        at: Timestamp,
    },
    /// The meter has stopped as it was told, and no call was under way.
    Stop {
        /// When.
        at: Timestamp,
    },
}

/// What the meter saw of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    /// When its request came.
    pub(crate) began: Timestamp,
    /// When it ended here.
    pub(crate) at: Timestamp,
    /// The act that the answer named.
    #[serde(with = "optional")]
    pub(crate) act: Option<ActId>,
    /// The address that was asked, without its query; cut where it is long.
    pub(crate) path: String,
    /// The model that was asked for.
    pub(crate) model: Option<String>,
    /// Whether the answer was to be streamed.
    pub(crate) stream: bool,
    /// The request's body, as far as it was sent on.
    pub(crate) input: Content,
    /// The status of the answer; none where none came.
    #[serde(with = "optional")]
    pub(crate) status: Option<u16>,
    /// The model that the answer names.
    pub(crate) answered: Option<String>,
    /// How it ended.
    pub(crate) ended: Ended,
    /// The answer's body, as far as it came.
    pub(crate) output: Content,
    /// What was counted. Shape: none, one or two, each `by` once, in their order.
    pub(crate) counts: Vec<Count>,
}

/// Bytes that passed, by their digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    /// How many. Units: bytes.
    #[serde(with = "decimal")]
    pub(crate) bytes: u64,
    /// SHA-256 of them.
    pub(crate) sha256: Digest,
}

/// How a call ended, as the meter saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ended {
    /// The answer came to its end; a stream with its `[DONE]`.
    Done,
    /// A stream came to its end without its `[DONE]`.
    Unfinished,
    /// The answer was cut off, or never came.
    Cut,
    /// The caller left before its end.
    Left,
}

/// A count of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Count {
    /// How it was counted.
    pub(crate) by: By,
    /// Units: tokens.
    #[serde(with = "decimal")]
    pub(crate) input_tokens: u64,
    /// Units: tokens.
    #[serde(with = "decimal")]
    pub(crate) output_tokens: u64,
}

/// How tokens were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum By {
    /// The usage that the answer showed.
    Usage,
    /// The meter's own tokenizer.
    Tokenizer,
}

impl Line {
    /// When it was written.
    pub(crate) fn at(&self) -> Timestamp {
        match self {
            Self::Start { at, .. } | Self::Mark { at } | Self::Stop { at } => *at,
            Self::Call(call) => call.at,
        }
    }

    /// Its text, without the line feed.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let text = serde_json::to_vec(self);
        text.unwrap_or_else(|error| unreachable!("a line has text alone: {error}"))
    }

    /// Reads the text of [`Line::encode`], byte for byte; none for any other.
    pub(crate) fn decode(text: &[u8]) -> Option<Self> {
        let line: Self = serde_json::from_slice(text).ok()?;
        (line.encode() == text).then_some(line)
    }
}

impl Count {
    /// A count of what was used.
    pub(crate) fn of(by: By, usage: Usage) -> Self {
        Self { by, input_tokens: usage.input_tokens, output_tokens: usage.output_tokens }
    }
}

/// Integers as decimal strings, like everywhere in the record.
mod decimal {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use std::borrow::Cow;
    use std::fmt::Display;
    use std::str::FromStr;

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("not written as it should be"))
    }
}

/// The same, or `null`.
mod optional {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use std::borrow::Cow;
    use std::fmt::Display;
    use std::str::FromStr;

    #[expect(clippy::ref_option, reason = "serde passes a field by reference")]
    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = <Option<Cow<'de, str>>>::deserialize(deserializer)?;
        let parsed = text.map(|text| text.parse()).transpose();
        parsed.map_err(|_| D::Error::custom("not written as it should be"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = r#"{"kind":"call","began":"2026-11-22T23:45:12.345Z","at":"2026-11-22T23:45:13.000Z","act":"019b2f4c-0a1b-7cde-9f01-23456789abcd","path":"/v1/chat/completions","model":"m","stream":false,"input":{"bytes":"3","sha256":"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="},"status":"200","answered":null,"ended":"done","output":{"bytes":"0","sha256":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},"counts":[{"by":"usage","input_tokens":"7","output_tokens":"5"}]}"#;

    #[test]
    fn a_line_is_read_as_it_is_written_and_in_no_other_spelling() {
        let others = [
            r#"{"kind":"start","at":"2026-11-22T23:45:12.345Z","journal":"00","to":"http://x"}"#,
            r#"{"kind":"mark","at":"2026-11-22T23:45:12.345Z"}"#,
            r#"{"kind":"stop","at":"2026-11-22T23:45:12.345Z"}"#,
        ];
        for text in others.iter().chain([&CALL]) {
            let line = Line::decode(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(line.encode(), text.as_bytes());
        }
        for (from, to) in [
            ("\"7\"", "\"07\""),
            ("\"7\"", "7"),
            ("\"7\"", "\"+7\""),
            ("\"200\"", "\"70000\""),
            ("false", "\"false\""),
            ("\"usage\"", "\"guess\""),
            ("\"stream\"", "\"streams\""),
            (",\"counts\"", ",\"more\":\"1\",\"counts\""),
            ("12.345Z", "12.34500Z"),
            ("{\"kind\"", "{ \"kind\""),
            ("}]}", "}]} "),
        ] {
            let text = CALL.replacen(from, to, 1);
            assert_ne!(text, CALL);
            assert_eq!(Line::decode(text.as_bytes()), None, "{text}");
        }
    }
}
