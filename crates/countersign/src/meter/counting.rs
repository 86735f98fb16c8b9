//! The meter's own count of tokens, for models whose vocabulary it has in a file of its own.
//!
//! Not the operator's word. Input is exact: the template is the model's, and what is counted is what is sent. Output is the answer's text cut
//! into tokens again, which a model may have said in more of them, and one for the end of its turn.

use anyhow::Context as _;
use cloud::wire::sse::{self, Splitter};
use model::Vocabulary;
use partnership::act::Usage;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The vocabularies that the meter has, by the models they are of.
#[derive(Debug)]
pub(crate) struct Tokenizers(BTreeMap<String, Vocabulary>);

impl Tokenizers {
    /// Reads them from files of the GGUF form; none where none are given.
    ///
    /// Errors: where a file cannot be read, or is of a family that this program does not know.
    pub(crate) fn read(given: &[Source]) -> anyhow::Result<Option<Self>> {
        let read = |Source { model, path }: &Source| {
            let vocabulary = Vocabulary::open(path);
            let vocabulary = vocabulary.with_context(|| {
                format!("the tokenizer of `{model}` cannot be read from `{}`", path.display())
            })?;
            Ok((model.clone(), vocabulary))
        };
        let all: BTreeMap<_, _> = given.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Some(Self(all)).filter(|tokenizers| !tokenizers.0.is_empty()))
    }

    pub(super) fn has(&self, model: &str) -> bool {
        self.0.contains_key(model)
    }

    /// What a call used; none where it asked for what is not text, or for more than one answer.
    pub(super) fn count(&self, model: &str, asked: &[u8], answer: &[u8], streams: bool) -> Option<Usage> {
        let vocabulary = self.0.get(model)?;
        let messages = cloud::gateway::messages(asked)?;
        let said = if streams { Said::of_stream(answer)? } else { Said::of(answer)? };
        let tokens = vocabulary.encode(&said.text).len().checked_add(usize::from(said.ended_turn))?;
        Some(Usage {
            input_tokens: u64::try_from(vocabulary.prompt(&messages).len()).ok()?,
            output_tokens: u64::try_from(tokens).ok()?,
            ..Usage::default()
        })
    }
}

/// Where the vocabulary of a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    model: String,
    path: PathBuf,
}

impl std::str::FromStr for Source {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((model, path)) if !model.is_empty() && !path.is_empty() => {
                Ok(Self { model: model.to_owned(), path: PathBuf::from(path) })
            }
            _ => Err("write it as MODEL=FILE, such as smollm2-135m-instruct=SmolLM2-135M-Instruct.Q4_1.gguf"),
        }
    }
}

/// What an answer says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    text: String,
    /// Whether the model has ended its turn, which is a token of its own.
    ended_turn: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    #[serde(alias = "delta")]
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    tool_calls: Option<serde::de::IgnoredAny>,
}

impl Said {
    fn of(answer: &[u8]) -> Option<Self> {
        let mut said = Self::default();
        said.add(answer)?;
        Some(said)
    }

    fn of_stream(answer: &[u8]) -> Option<Self> {
        let (mut said, mut splitter) = (Self::default(), Splitter::new());
        splitter.push(bytes::Bytes::copy_from_slice(answer));
        while let Some(event) = splitter.event() {
            match sse::data(&event) {
                Some(data) if data.trim_ascii() != b"[DONE]" => said.add(&data)?,
                _ => {}
            }
        }
        Some(said)
    }

    fn add(&mut self, answer: &[u8]) -> Option<()> {
        let answer: Answer = serde_json::from_slice(answer).ok()?;
        for choice in answer.choices {
            if choice.index > 0 || choice.message.tool_calls.is_some() {
                return None;
            }
            self.text.push_str(&choice.message.content.unwrap_or_default());
            self.ended_turn |= choice.finish_reason.as_deref() == Some("stop");
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_the_same_whole_and_in_events() {
        let whole = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"ab c"},"finish_reason":"stop"}]}"#;
        let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"ab\"},\"finish_reason\":null}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" c\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n";
        let expected = Said { text: "ab c".to_owned(), ended_turn: true };
        assert_eq!(Said::of(whole.as_bytes()).as_ref(), Some(&expected));
        assert_eq!(Said::of_stream(stream.as_bytes()).as_ref(), Some(&expected));
        let second = whole.replace("\"index\":0", "\"index\":1");
        let tools = whole.replace("\"role\":\"assistant\"", "\"tool_calls\":[]");
        let cut = &whole[..40];
        for other in [second.as_str(), &tools, cut, "", "no json"] {
            assert_eq!(Said::of(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_source_is_a_model_and_a_file() {
        let source: Source = "a/b=dir/c=d.gguf".parse().unwrap();
        assert_eq!((source.model.as_str(), source.path), ("a/b", PathBuf::from("dir/c=d.gguf")));
        for text in ["", "=x", "x=", "x"] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }
}
