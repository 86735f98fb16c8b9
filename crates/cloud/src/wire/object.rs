//! The known members of a request's top level, found in one pass, each as the bytes it stands in.
//!
//! Not a schema: a member that is not named here is skipped. What is refused is ambiguity, since two readers that choose
//! differently would let one request be judged and another be performed.

use super::chat::BadRequest;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// The members of a chat request that are read. `Some(null)` and absent differ, for the splices.
#[derive(Debug, Default)]
pub(super) struct Object<'a> {
    pub(super) model: Member<'a>,
    pub(super) messages: Member<'a>,
    pub(super) stream: Member<'a>,
    pub(super) stream_options: Member<'a>,
    pub(super) max_tokens: Member<'a>,
    pub(super) max_completion_tokens: Member<'a>,
    pub(super) n: Member<'a>,
    pub(super) tools: Member<'a>,
    pub(super) functions: Member<'a>,
    pub(super) user: Member<'a>,
    pub(super) safety_identifier: Member<'a>,
    /// The first member that asks for something without a bound.
    pub(super) unbounded: Option<String>,
    /// The first ambiguity.
    pub(super) fault: Option<BadRequest>,
}

type Member<'a> = Option<&'a RawValue>;

/// Members by which some upstream would produce, read or charge more than the bounds say. Known from: llama.cpp (`n_predict`
/// overrides `max_tokens`, `n_cmpl` is `n`), vLLM (`best_of`, `use_beam_search`, `chat_template`), OpenAI (`prediction`,
/// `web_search_options`, `audio`), Azure (`data_sources`), routers that choose the model themselves (`models`, `plugins`).
const WITHOUT_BOUND: [&str; 11] = [
    "n_predict",
    "n_cmpl",
    "best_of",
    "use_beam_search",
    "chat_template",
    "prediction",
    "web_search_options",
    "audio",
    "data_sources",
    "models",
    "plugins",
];

/// The spellings that must be exact.
const KNOWN: [&str; 11] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "tools",
    "functions",
    "user",
    "safety_identifier",
];

impl<'a> Object<'a> {
    fn member(&mut self, key: &str) -> Option<&mut Member<'a>> {
        Some(match key {
            "model" => &mut self.model,
            "messages" => &mut self.messages,
            "stream" => &mut self.stream,
            "stream_options" => &mut self.stream_options,
            "max_tokens" => &mut self.max_tokens,
            "max_completion_tokens" => &mut self.max_completion_tokens,
            "n" => &mut self.n,
            "tools" => &mut self.tools,
            "functions" => &mut self.functions,
            "user" => &mut self.user,
            "safety_identifier" => &mut self.safety_identifier,
            _ => return None,
        })
    }

    fn take(&mut self, key: &str, value: &'a RawValue) {
        if let Some(member) = self.member(key) {
            if member.replace(value).is_some() {
                self.fault.get_or_insert_with(|| BadRequest::about(key, format!("`{key}` is given twice")));
            }
        } else if let Some(known) = confusable(key) {
            self.fault.get_or_insert_with(|| {
                BadRequest::about(known, format!("`{}` is not `{known}`; spell it exactly", clip(key)))
            });
        } else if WITHOUT_BOUND.contains(&key) && !matches!(value.get(), "null" | "false") {
            self.unbounded.get_or_insert_with(|| key.to_owned());
        }
    }
}

/// The known name that a reader blind to case would take `key` for. Go's `encoding/json` is such a reader, and folds the
/// Kelvin sign and the long s as well.
fn confusable(key: &str) -> Option<&'static str> {
    let fold = |letter: char| match letter {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    };
    let names = || KNOWN.iter().chain(&WITHOUT_BOUND);
    if names().any(|name| *name == key) {
        return None;
    }
    names().find(|name| key.chars().map(fold).eq(name.chars())).copied()
}

/// At most 64 characters of what a user wrote, for a message.
pub(super) fn clip(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(64) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// Where `part` stands in `whole`. `part` must be a slice of `whole`.
pub(super) fn span(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    assert!(start <= whole.len(), "a value was not borrowed from its document");
    start..start + part.len()
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Object::default();
        while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            object.take(&key, value);
        }
        Ok(object)
    }
}

/// A string, borrowed where it holds no escapes.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);
