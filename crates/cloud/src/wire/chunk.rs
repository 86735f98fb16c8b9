//! An answer, or one chunk of a streamed answer: how far it has come and what it used.
//!
//! Not its content: text is measured, never kept. Answers are not changed, but for usage that the caller did not ask for.

use bytes::{Bytes, BytesMut};
use partnership::act::Usage;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What is read of an answer.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(borrow, default)]
    pub(crate) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// One choice, or its next piece.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Choice<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

impl<'a> Answer<'a> {
    /// Reads one JSON object; none if it is something else.
    pub(crate) fn parse(data: &'a [u8]) -> Option<Self> {
        serde_json::from_str(std::str::from_utf8(data).ok()?).ok()
    }

    /// The choices; none of them is as good as an empty list.
    pub(crate) fn choices(&self) -> &[Choice<'a>] {
        self.choices.as_deref().unwrap_or_default()
    }

    /// What the upstream says was used; none unless both counts are there and whole. Where it does not say in a whole number how
    /// much of the input it had cached, that is none of it.
    pub(crate) fn usage(&self) -> Option<Usage> {
        #[derive(serde::Deserialize)]
        struct Counts<'a> {
            prompt_tokens: u64,
            completion_tokens: u64,
            #[serde(borrow, default)]
            prompt_tokens_details: Option<&'a RawValue>,
        }
        #[derive(serde::Deserialize)]
        struct Details {
            cached_tokens: u64,
        }
        let counts: Counts<'_> = serde_json::from_str(self.usage?.get()).ok()?;
        let details = counts.prompt_tokens_details;
        let details = details.and_then(|details| serde_json::from_str::<Details>(details.get()).ok());
        let usage = Usage {
            input_tokens: counts.prompt_tokens,
            cached_input_tokens: details.map_or(0, |details| details.cached_tokens),
            output_tokens: counts.completion_tokens,
        };
        Some(usage.sound())
    }

    /// Whether this is the chunk that carries the usage and nothing else.
    pub(crate) fn is_usage_chunk(&self) -> bool {
        self.choices.as_ref().is_some_and(Vec::is_empty)
            && self.usage.is_some_and(|usage| usage.get() != "null")
    }

    /// The message of an error that came in place of a chunk.
    pub(crate) fn error(&self) -> Option<String> {
        Some(super::problem::message_of(self.error?))
    }

    /// `event`, from whose `data` this was parsed, without its member `usage`. Data of several lines, which lies outside of the
    /// event, becomes one line.
    pub(crate) fn without_usage(&self, event: &Bytes, data: &[u8]) -> Bytes {
        let Some(usage) = self.usage else { return event.clone() };
        if event.as_ptr_range().contains(&data.as_ptr()) {
            return cut_member(event, usage.get()).unwrap_or_else(|| event.clone());
        }
        let cut = cut_member(data, usage.get()).unwrap_or_else(|| Bytes::copy_from_slice(data));
        let line: Vec<u8> = cut.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
        [b"data: ".as_slice(), &line, b"\n\n"].concat().into()
    }
}

impl Choice<'_> {
    /// Which of the answers this is.
    pub(crate) fn index(&self) -> u64 {
        self.index.unwrap_or(0)
    }

    /// Whether it ends here.
    pub(crate) fn is_finished(&self) -> bool {
        self.finish_reason.is_some_and(|reason| !matches!(reason.get(), "null" | r#""""#))
    }

    /// How much text it carries: content, refusals, reasoning, names and arguments of tools. Units: bytes.
    pub(crate) fn text_bytes(&self) -> u64 {
        let weigh = |raw: &RawValue| match serde_json::from_str::<Weight>(raw.get()) {
            Ok(Weight(bytes)) => bytes,
            Err(_) => u64::try_from(raw.get().len()).unwrap_or(u64::MAX),
        };
        self.delta.map_or(0, weigh).saturating_add(self.message.map_or(0, weigh))
    }
}

/// `whole` without the member whose value is `value`, a slice of it; none if that cannot be found.
fn cut_member(whole: &[u8], value: &str) -> Option<Bytes> {
    let start = value.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let before = whole.get(..start)?.trim_ascii_end().strip_suffix(b":")?;
    let before = before.trim_ascii_end().strip_suffix(br#""usage""#)?.trim_ascii_end();
    let after = whole.get(start + value.len()..)?;
    let (before, after) = match before.strip_suffix(b",") {
        Some(before) => (before, after),
        None => (before, after.trim_ascii_start().strip_prefix(b",").unwrap_or(after)),
    };
    let mut cut = BytesMut::with_capacity(before.len() + after.len());
    cut.extend_from_slice(before);
    cut.extend_from_slice(after);
    Some(cut.freeze())
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The length of all strings in a value, but for the names that are no output. Units: bytes.
struct Weight(u64);

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Weigh)
    }
}

struct Weigh;

impl<'de> Visitor<'de> for Weigh {
    type Value = Weight;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Weight, E> {
        Ok(Weight(u64::try_from(text.len()).unwrap_or(u64::MAX)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Weight, A::Error> {
        let mut sum = 0_u64;
        while let Some(key) = map.next_key::<super::object::Text<'de>>()? {
            if matches!(&*key.0, "role" | "id" | "type") {
                map.next_value::<IgnoredAny>()?;
            } else {
                sum = sum.saturating_add(map.next_value::<Weight>()?.0);
            }
        }
        Ok(Weight(sum))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Weight, A::Error> {
        let mut sum = 0_u64;
        while let Some(Weight(bytes)) = items.next_element()? {
            sum = sum.saturating_add(bytes);
        }
        Ok(Weight(sum))
    }

    fn visit_unit<E>(self) -> Result<Weight, E> {
        Ok(Weight(0))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Weight, E> {
        Ok(Weight(0))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Weight, E> {
        Ok(Weight(0))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Weight, E> {
        Ok(Weight(0))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Weight, E> {
        Ok(Weight(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_cut_and_no_other_byte_changes() {
        for (event, expected) in [
            (r#"data: {"choices":[],"usage":null}"#, r#"data: {"choices":[]}"#),
            (r#"data: {"usage":null,"choices":[]}"#, r#"data: {"choices":[]}"#),
            (r#"data: {"a" : 1 , "usage" : { "x" : 1 } , "b":2 }"#, r#"data: {"a" : 1  , "b":2 }"#),
            (r#"data: {"usage":null}"#, r"data: {}"),
            (r#"data: {"choices":[{"usage":1}]}"#, r#"data: {"choices":[{"usage":1}]}"#),
            (r#"data: {"text":"\"usage\":null,"}"#, r#"data: {"text":"\"usage\":null,"}"#),
        ] {
            let event = Bytes::from(format!("{event}\n\n"));
            let data = super::super::sse::data(&event).unwrap();
            let cut = Answer::parse(&data).unwrap().without_usage(&event, &data);
            assert_eq!(cut, format!("{expected}\n\n"));
        }
    }

    #[test]
    fn usage_is_cut_from_data_of_several_lines() {
        let event = Bytes::from_static(b"data: {\"choices\":[],\ndata: \"usage\":null}\n\n");
        let data = super::super::sse::data(&event).unwrap();
        assert_eq!(Answer::parse(&data).unwrap().without_usage(&event, &data), "data: {\"choices\":[]}\n\n");
    }

    #[test]
    fn text_is_measured_decoded_and_names_are_not_text() {
        for (delta, bytes) in [
            (r#"{"role":"assistant","content":"Hé"}"#, 3),
            (r#"{"role":"assistant","content":""}"#, 0),
            (r#"{"content":null,"refusal":null}"#, 0),
            (r#"{"content":"\u00e9\n"}"#, 3),
            (r#"{"reasoning_content":"abc"}"#, 3),
            (
                r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]}"#,
                3,
            ),
        ] {
            let chunk = format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
            assert_eq!(Answer::parse(chunk.as_bytes()).unwrap().choices()[0].text_bytes(), bytes, "{delta}");
        }
    }

    #[test]
    fn only_whole_counts_are_usage() {
        for (usage, expected) in [
            (r#"{"prompt_tokens":3,"completion_tokens":4}"#, Some((3, 4))),
            (r#"{"prompt_tokens":3}"#, None),
            (r#"{"prompt_tokens":-3,"completion_tokens":4}"#, None),
            (r#"{"prompt_tokens":3.5,"completion_tokens":4}"#, None),
            ("null", None),
            ("7", None),
        ] {
            let answer = format!(r#"{{"usage":{usage}}}"#);
            let read = Answer::parse(answer.as_bytes()).unwrap().usage();
            assert_eq!(read.map(|usage| (usage.input_tokens, usage.output_tokens)), expected, "{usage}");
        }
    }

    #[test]
    fn what_was_cached_is_read_and_is_never_more_than_the_input() {
        for (details, cached) in [
            ("", 0),
            (r#","prompt_tokens_details":{"cached_tokens":2}"#, 2),
            (r#","prompt_tokens_details":{"audio_tokens":1,"cached_tokens":3}"#, 3),
            (r#","prompt_tokens_details":{"cached_tokens":4}"#, 3),
            (r#","prompt_tokens_details":{"cached_tokens":-1}"#, 0),
            (r#","prompt_tokens_details":{"cached_tokens":null}"#, 0),
            (r#","prompt_tokens_details":null"#, 0),
            (r#","prompt_tokens_details":7"#, 0),
        ] {
            let answer = format!(r#"{{"usage":{{"prompt_tokens":3,"completion_tokens":4{details}}}}}"#);
            let usage = Answer::parse(answer.as_bytes()).unwrap().usage().unwrap();
            assert_eq!((usage.input_tokens, usage.cached_input_tokens), (3, cached), "{details}");
        }
    }

    #[test]
    fn an_empty_finish_reason_is_none() {
        for (reason, finished) in
            [("null", false), (r#""""#, false), (r#""stop""#, true), (r#""length""#, true)]
        {
            let chunk = format!(r#"{{"choices":[{{"finish_reason":{reason}}}]}}"#);
            assert_eq!(Answer::parse(chunk.as_bytes()).unwrap().choices()[0].is_finished(), finished);
        }
    }
}
