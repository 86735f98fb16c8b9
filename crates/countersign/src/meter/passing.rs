//! A request's body and an answer's as they pass: their digests, the model that each names, and the usage that an answer shows.
//!
//! Not a change of one byte, and nothing is held back here (`body` does that). Memory: an event of a stream, and for a model that is
//! counted here the two bodies up to a bound.

use super::line::Content;
use super::members::Members;
use bytes::Bytes;
use cloud::wire::sse::{self, Splitter};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use partnership::act::{Digest, Usage};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// The longest event of a stream that is read. Units: bytes. A stream with a longer one passes, and its usage is not known.
const EVENT_BYTES_MAX: usize = 1 << 20;
/// The longest body that is kept to be counted. Units: bytes.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// The longest name of a model that is written down. Units: bytes.
const NAME_BYTES_MAX: usize = 256;

/// Bytes that have passed.
#[derive(Debug, Clone, Default)]
struct Passed {
    bytes: u64,
    digest: Sha256,
    /// All of them, where they are to be counted and are not too many.
    kept: Option<Vec<u8>>,
}

impl Passed {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.digest.update(bytes);
        if let Some(kept) = &mut self.kept {
            if kept.len().saturating_add(bytes.len()) > KEPT_BYTES_MAX {
                self.kept = None;
            } else {
                kept.extend_from_slice(bytes);
            }
        }
    }

    fn content(&self) -> Content {
        Content { bytes: self.bytes, sha256: Digest(self.digest.clone().finalize().into()) }
    }
}

/// A request's body.
#[derive(Debug)]
pub(super) struct Asking {
    passed: Passed,
    members: Members,
}

impl Asking {
    /// One of which nothing has passed yet; `keeps` where it may have to be counted.
    pub(super) fn new(keeps: bool) -> Self {
        let passed = Passed { kept: keeps.then(Vec::new), ..Passed::default() };
        Self { passed, members: Members::new(&["model", "stream"]) }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.passed.push(bytes);
        self.members.push(bytes);
    }

    pub(super) fn content(&self) -> Content {
        self.passed.content()
    }

    /// The model that it asks for.
    pub(super) fn model(&self) -> Option<String> {
        self.members.value("model").and_then(name)
    }

    /// Whether it asks for a stream.
    pub(super) fn streams(&self) -> bool {
        self.members.value("stream") == Some(b"true")
    }

    /// All of it, where it is kept.
    pub(super) fn take_kept(&mut self) -> Option<Vec<u8>> {
        self.passed.kept.take()
    }
}

/// An answer's body.
#[derive(Debug)]
pub(super) struct Answering {
    passed: Passed,
    shape: Shape,
    model: Option<String>,
    usage: Option<Usage>,
    is_done: bool,
}

#[derive(Debug)]
enum Shape {
    Whole(Members),
    Stream(Splitter),
    /// Compressed, or of a stream that cannot be read on.
    Opaque {
        streams: bool,
    },
}

impl Answering {
    /// One with these headers, of which nothing has passed yet; `keeps` where it is to be counted.
    pub(super) fn new(headers: &HeaderMap, keeps: bool) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let streams = text(CONTENT_TYPE).trim_start().to_ascii_lowercase().starts_with("text/event-stream");
        let encoding = text(CONTENT_ENCODING);
        let shape = if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
            Shape::Opaque { streams }
        } else if streams {
            Shape::Stream(Splitter::new())
        } else {
            Shape::Whole(Members::new(ANSWERED))
        };
        let passed = Passed { kept: keeps.then(Vec::new), ..Passed::default() };
        Self { passed, shape, model: None, usage: None, is_done: false }
    }

    pub(super) fn push(&mut self, bytes: &Bytes) {
        self.passed.push(bytes);
        let too_long = match &mut self.shape {
            Shape::Opaque { .. } => return,
            Shape::Whole(members) => {
                members.push(bytes);
                return;
            }
            Shape::Stream(splitter) => {
                splitter.push(bytes.clone());
                while let Some(event) = splitter.event() {
                    let Some(data) = sse::data(&event) else { continue };
                    if data.trim_ascii() == b"[DONE]" {
                        self.is_done = true;
                        continue;
                    }
                    let mut members = Members::new(ANSWERED);
                    members.push(&data);
                    self.usage = usage(&members).or(self.usage);
                    if self.model.is_none() {
                        self.model = members.value("model").and_then(name);
                    }
                }
                splitter.pending_bytes() > EVENT_BYTES_MAX
            }
        };
        if too_long {
            (self.shape, self.usage) = (Shape::Opaque { streams: true }, None);
        }
    }

    pub(super) fn content(&self) -> Content {
        self.passed.content()
    }

    /// The model that it names.
    pub(super) fn model(&self) -> Option<String> {
        match &self.shape {
            Shape::Whole(members) => members.value("model").and_then(name),
            _ => self.model.clone(),
        }
    }

    /// What it shows that was used.
    pub(super) fn usage(&self) -> Option<Usage> {
        match &self.shape {
            Shape::Whole(members) => usage(members),
            _ => self.usage,
        }
    }

    /// Whether a stream has shown that it is at its end.
    pub(super) fn has_done(&self) -> bool {
        self.is_done
    }

    /// Whether it is a stream that must say when it is at its end, and has not.
    pub(super) fn lacks_done(&self) -> bool {
        matches!(self.shape, Shape::Stream(_)) && !self.is_done
    }

    /// All of it, where it is kept, and whether it is a stream.
    pub(super) fn take_kept(&mut self) -> Option<(Vec<u8>, bool)> {
        let streams = matches!(self.shape, Shape::Stream(_) | Shape::Opaque { streams: true });
        Some((self.passed.kept.take()?, streams))
    }
}

/// What is read of an answer, or of an event.
const ANSWERED: &[&str] = &["model", "usage"];

fn usage(members: &Members) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Shown {
        #[serde(alias = "input_tokens")]
        prompt_tokens: u64,
        #[serde(alias = "output_tokens")]
        completion_tokens: u64,
    }
    let shown: Shown = serde_json::from_slice(members.value("usage")?).ok()?;
    Some(Usage {
        input_tokens: shown.prompt_tokens,
        output_tokens: shown.completion_tokens,
        ..Usage::default()
    })
}

/// The name of a model; cut where it is long, since it may be anything.
fn name(value: &[u8]) -> Option<String> {
    let mut name: String = serde_json::from_slice(value).ok()?;
    name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use record::hash::sha256;

    fn answering(content_type: &'static str, encoding: &'static str) -> Answering {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        Answering::new(&headers, true)
    }

    const USED: Option<Usage> = Some(Usage { input_tokens: 7, cached_input_tokens: 0, output_tokens: 5 });
    const WHOLE: &str = r#"{"model":"m-1","choices":[{"message":{"content":"\"usage\":1"}}],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}"#;
    const STREAM: &str = "data: {\"model\":\"m-1\",\"choices\":[{}],\"usage\":null}\n\n: comment\n\ndata: {\"model\":\"m-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n";

    #[test]
    fn an_answer_cut_anywhere_gives_the_same_digest_model_and_usage() {
        for (text, content_type) in
            [(WHOLE, "application/json"), (STREAM, "text/event-stream; charset=utf-8")]
        {
            for cut in 0..=text.len() {
                let mut answer = answering(content_type, "identity");
                let (first, second) = text.as_bytes().split_at(cut);
                answer.push(&Bytes::copy_from_slice(first));
                answer.push(&Bytes::copy_from_slice(second));
                assert_eq!((answer.model().as_deref(), answer.usage()), (Some("m-1"), USED), "{cut}");
                let content = answer.content();
                assert_eq!(content.sha256.0, sha256(text.as_bytes()));
                assert_eq!(content.bytes, u64::try_from(text.len()).unwrap());
                assert_eq!((answer.has_done(), answer.lacks_done()), (text == STREAM, false));
            }
        }
    }

    #[test]
    fn what_cannot_be_read_passes_without_a_count() {
        let mut zipped = answering("application/json", "gzip");
        zipped.push(&Bytes::from_static(WHOLE.as_bytes()));
        assert_eq!((zipped.usage(), zipped.model(), zipped.lacks_done()), (None, None, false));
        let mut endless = answering("text/event-stream", "identity");
        endless.push(&Bytes::from_static(STREAM.as_bytes()));
        (0..300).for_each(|_| endless.push(&Bytes::from(vec![b'x'; 1 << 14])));
        assert_eq!(endless.usage(), None);
        assert!(matches!(endless.shape, Shape::Opaque { .. }) && endless.take_kept().is_none());
        let mut cut = answering("text/event-stream", "identity");
        cut.push(&Bytes::from_static(b"data: {\"model\":\"m\"}\n\n"));
        assert!(cut.lacks_done());
    }

    #[test]
    fn a_request_names_its_model_and_whether_it_streams() {
        let mut asking = Asking::new(false);
        asking.push(br#"{"messages":[{"content":"{\"model\":\"x\"}"}],"stream":tr"#);
        asking.push(br#"ue,"model":"gpt"}"#);
        assert_eq!((asking.model().as_deref(), asking.streams()), (Some("gpt"), true));
        let mut long = Asking::new(false);
        long.push(format!(r#"{{"model":"{}"}}"#, "é".repeat(1000)).as_bytes());
        assert_eq!(long.model().unwrap().len(), NAME_BYTES_MAX);
    }
}
