//! The built-in model's answer in OpenAI's shape, whole or in chunks.
//!
//! Not a general writer of the format: one choice, text only.

use crate::gateway::Task;
use bytes::Bytes;
use partnership::act::Usage;
use serde::Serialize;

/// What all chunks of an answer have in common.
pub(super) struct Reply<'a> {
    id: String,
    created: i64,
    model: &'a str,
    /// Whether each chunk says `usage: null`, as it does where the usage is to come in a chunk of its own.
    says_usage: bool,
}

#[derive(Serialize)]
struct Object<'a, C> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [C],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Counts>>,
}

#[derive(Serialize)]
struct Piece<'a> {
    index: u8,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'a str>,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u8,
    message: Message<'a>,
    logprobs: Option<()>,
    finish_reason: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
    refusal: Option<()>,
}

#[derive(Serialize)]
struct Counts {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl<'a> Reply<'a> {
    pub(super) fn new(task: &Task<'a>) -> Self {
        Self {
            id: format!("chatcmpl-{}", task.act.id),
            created: task.at.as_millis() / 1000,
            model: task.infer.model.as_str(),
            says_usage: task.call.chat.include_usage,
        }
    }

    /// The whole answer.
    pub(super) fn whole(&self, text: &str, finish_reason: &str, usage: Usage) -> Bytes {
        let message = Message { role: "assistant", content: text, refusal: None };
        let choice = Choice { index: 0, message, logprobs: None, finish_reason };
        json(&self.object("chat.completion", &[choice], Some(Some(counts(usage)))))
    }

    /// The first chunk.
    pub(super) fn role(&self) -> Bytes {
        self.chunk(Delta { role: Some("assistant"), content: Some("") }, None)
    }

    /// A chunk of text.
    pub(super) fn text(&self, text: &str) -> Bytes {
        self.chunk(Delta { role: None, content: Some(text) }, None)
    }

    /// The chunk that ends the choice.
    pub(super) fn finish(&self, reason: &str) -> Bytes {
        self.chunk(Delta::default(), Some(reason))
    }

    /// The chunk that tells the usage.
    pub(super) fn usage(&self, usage: Usage) -> Bytes {
        event(&self.object::<Piece<'_>>("chat.completion.chunk", &[], Some(Some(counts(usage)))))
    }

    fn chunk(&self, delta: Delta<'_>, finish_reason: Option<&str>) -> Bytes {
        let piece = Piece { index: 0, delta, logprobs: None, finish_reason };
        event(&self.object("chat.completion.chunk", &[piece], self.says_usage.then_some(None)))
    }

    fn object<'b, C>(
        &'b self,
        object: &'static str,
        choices: &'b [C],
        usage: Option<Option<Counts>>,
    ) -> Object<'b, C> {
        Object { id: &self.id, object, created: self.created, model: self.model, choices, usage }
    }
}

fn counts(usage: Usage) -> Counts {
    Counts {
        prompt_tokens: usage.input_tokens,
        completion_tokens: usage.output_tokens,
        total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
    }
}

fn event(object: &impl Serialize) -> Bytes {
    [b"data: ".as_slice(), &json(object), b"\n\n"].concat().into()
}

fn json(object: &impl Serialize) -> Bytes {
    serde_json::to_vec(object).unwrap_or_default().into()
}
