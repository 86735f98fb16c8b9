//! Errors in OpenAI's shape: `{"error":{"message","type","param","code"}}`, all four members always there.
//!
//! Not a choice of words: what a refusal says is the door's business. This is how it is written.

use super::chat::BadRequest;
use crate::egress::Head;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One error, with the status it is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What is wrong and what to do.
    pub message: String,
    /// The kind of error, as clients tell them apart: `invalid_request_error`, `server_error` and so on.
    pub kind: &'static str,
    /// The member of the request at fault.
    pub param: Option<Box<str>>,
    /// A code that programs read; for a refusal the clause.
    pub code: Option<Box<str>>,
    /// Further members, where there is something to say.
    pub more: Option<Box<More>>,
    /// Further headers: names in lower case, in order.
    pub headers: Vec<(&'static str, String)>,
}

/// What is said of an error beyond the four members.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct More {
    /// What would change the answer.
    pub remedy: Option<String>,
    /// What an upstream says within its error (Azure's `innererror`, with the findings of its content filter): the JSON as it came.
    pub inner: Option<String>,
}

impl Problem {
    /// An error on this side of the caller: types and codes that clients take as worth another try.
    #[must_use]
    pub fn server(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            message: message.to_owned(),
            kind: "server_error",
            param: None,
            code: Some(code.into()),
            more: None,
            headers: Vec::new(),
        }
    }

    /// A rate limit further on.
    #[must_use]
    pub fn rate_limit(message: &str, retry_after: Option<String>) -> Self {
        let limited = Self::server(429, "rate_limit_exceeded", message);
        Self { kind: "rate_limit_error", ..limited }.after(retry_after)
    }

    /// The same with the time after which to try again, if one is known.
    #[must_use]
    pub fn after(mut self, retry_after: Option<String>) -> Self {
        self.headers.extend(retry_after.map(|value| ("retry-after", value)));
        self
    }

    /// A request that is wrong in itself, or that an upstream does not take.
    #[must_use]
    pub fn request(status: u16, fault: BadRequest) -> Self {
        Self {
            status,
            message: fault.message,
            kind: "invalid_request_error",
            param: fault.param.map(String::into_boxed_str),
            code: fault.code.map(String::into_boxed_str),
            more: None,
            headers: Vec::new(),
        }
    }

    /// The same with what would change the answer.
    #[must_use]
    pub fn with_remedy(mut self, remedy: Option<String>) -> Self {
        if remedy.is_some() {
            self.more.get_or_insert_default().remedy = remedy;
        }
        self
    }

    /// The same with what an upstream says within its error: JSON as it came.
    #[must_use]
    pub fn with_inner(mut self, inner: Option<String>) -> Self {
        if inner.is_some() {
            self.more.get_or_insert_default().inner = inner;
        }
        self
    }

    /// The head of the answer.
    #[must_use]
    pub fn head(&self) -> Head {
        let headers = self.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Head { headers: headers.collect(), ..Head::new(self.status, "application/json") }
    }

    /// The body of the answer.
    #[must_use]
    pub fn body(&self) -> Bytes {
        #[derive(Serialize)]
        struct Body<'a> {
            error: Fields<'a>,
        }
        #[derive(Serialize)]
        struct Fields<'a> {
            message: &'a str,
            r#type: &'a str,
            param: Option<&'a str>,
            code: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            remedy: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            innererror: Option<&'a RawValue>,
        }
        let more = self.more.as_deref();
        let fields = Fields {
            message: &self.message,
            r#type: self.kind,
            param: self.param.as_deref(),
            code: self.code.as_deref(),
            remedy: more.and_then(|more| more.remedy.as_deref()),
            innererror: more.and_then(|more| serde_json::from_str(more.inner.as_deref()?).ok()),
        };
        serde_json::to_vec(&Body { error: fields }).unwrap_or_default().into()
    }

    /// The event that tells of it in the middle of a stream. What follows is the end, without `[DONE]`.
    #[must_use]
    pub fn event(&self) -> Bytes {
        [b"data: ".as_slice(), &self.body(), b"\n\n"].concat().into()
    }
}

/// What an upstream's error body says, as far as it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) message: String,
    /// The kind of error; upstreams do not agree on these.
    pub(crate) kind: Option<String>,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<String>,
    /// Azure's `innererror`, as it came.
    pub(crate) inner: Option<String>,
}

/// What an error body says; none where it is no JSON object with an `error`.
pub(crate) fn said_by(body: &[u8]) -> Option<Said> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    #[derive(Deserialize, Default)]
    struct Fields<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Option<&'a RawValue>,
        #[serde(borrow, default)]
        param: Option<&'a RawValue>,
        #[serde(borrow, default)]
        code: Option<&'a RawValue>,
        #[serde(borrow, default)]
        innererror: Option<&'a RawValue>,
    }
    let body: Body<'_> = serde_json::from_str(std::str::from_utf8(body).ok()?).ok()?;
    let fields: Fields<'_> = serde_json::from_str(body.error.get()).unwrap_or_default();
    let text = |value: Option<&RawValue>| serde_json::from_str::<String>(value?.get()).ok();
    let inner = fields.innererror.filter(|inner| inner.get().starts_with('{'));
    Some(Said {
        message: message_of(body.error),
        kind: text(fields.kind),
        param: text(fields.param),
        code: text(fields.code),
        inner: inner.map(|inner| inner.get().to_owned()),
    })
}

/// The message of an error that is a string, or an object with one; cut at a length that fits a log line.
pub(crate) fn message_of(error: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Fields {
        message: String,
    }
    let plain = serde_json::from_str::<String>(error.get()).ok();
    let message = plain.or_else(|| Some(serde_json::from_str::<Fields>(error.get()).ok()?.message));
    message.map_or_else(
        || "the upstream reported an error without a message".to_owned(),
        |text| text.chars().take(MESSAGE_CHARS_MAX).collect(),
    )
}

const MESSAGE_CHARS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_all_four_members() {
        let problem = Problem::server(502, "upstream_unreachable", "no upstream could be reached");
        assert_eq!(
            problem.body(),
            r#"{"error":{"message":"no upstream could be reached","type":"server_error","param":null,"code":"upstream_unreachable"}}"#
        );
    }

    #[test]
    fn what_azure_says_within_an_error_is_passed_on_as_it_came() {
        let body = r#"{"error":{"message":"m","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}"#;
        let said = said_by(body.as_bytes()).unwrap();
        let fault = BadRequest { message: said.message, param: said.param, code: said.code };
        let problem = Problem::request(400, fault).with_inner(said.inner);
        assert_eq!(
            problem.body(),
            r#"{"error":{"message":"m","type":"invalid_request_error","param":"prompt","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}"#
        );
    }

    #[test]
    fn an_upstreams_words_are_found_in_the_shapes_in_use() {
        for (body, expected) in [
            (
                r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#,
                Some(("m", Some("p"), Some("c"))),
            ),
            (r#"{"error":{"message":"m","code":400}}"#, Some(("m", None, None))),
            (r#"{"error":"m"}"#, Some(("m", None, None))),
            (r#"{"error":{"message":"m","param":7,"code":null,"type":null}}"#, Some(("m", None, None))),
            (r#"{"error":{}}"#, Some(("the upstream reported an error without a message", None, None))),
            (r#"{"detail":"m"}"#, None),
            ("<html>", None),
        ] {
            let said = said_by(body.as_bytes());
            let read = said.as_ref().map(|f| (f.message.as_str(), f.param.as_deref(), f.code.as_deref()));
            assert_eq!(read, expected, "{body}");
        }
    }
}
