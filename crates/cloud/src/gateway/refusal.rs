//! What a caller is told where an upstream answers with an error.
//!
//! Not a copy: the status and the words are those that are true for the caller. That the gateway's own key was refused, its
//! account is spent or its address leads nowhere is its operator's to mend; what is wrong in the request is said in the
//! upstream's words. The upstream's rate limits are shared by all callers, so of them only the time to wait is passed on.

use super::Task;
use super::openai::{header, problem_of};
use super::upstream::{Cut, Upstream};
use crate::wire::chat::BadRequest;
use crate::wire::problem::{Problem, Said, said_by};
use http::HeaderName;
use http::header::RETRY_AFTER;
use http::response::Parts;

/// An upstream's error as it is true for the caller.
pub(super) fn translated(upstream: &Upstream, task: &Task<'_>, head: &Parts, body: &[u8]) -> Problem {
    let status = head.status.as_u16();
    let said = said(upstream, body);
    let problem = match status {
        401 | 403 => {
            tracing::error!(status, "an upstream refused the gateway's own key");
            Problem::server(
                502,
                UPSTREAM_ERROR,
                "the upstream refused the gateway; its operator must look at the key",
            )
        }
        404 => no_model(said, task),
        400 | 413 | 422 => wrong(status, said),
        408 | 504 => problem_of(Cut::Timeout),
        429 if said.is_some_and(|said| said.code.as_deref() == Some("insufficient_quota")) => spent(),
        429 => Problem::rate_limit("the upstream is over its rate limit; try again later", None),
        503 | 529 => {
            Problem::server(503, "upstream_overloaded", "the upstream is overloaded; try again later")
        }
        _ => Problem::server(502, UPSTREAM_ERROR, &format!("the upstream answered with status {status}")),
    };
    if matches!(problem.status, 429 | 503) { patient(problem, head) } else { problem }
}

/// What the upstream says, unless it repeats the key that it was given.
pub(super) fn said(upstream: &Upstream, body: &[u8]) -> Option<Said> {
    said_by(body).filter(|said| {
        let parts = [Some(&said.message), said.param.as_ref(), said.code.as_ref(), said.inner.as_ref()];
        !parts.into_iter().flatten().any(|part| upstream.is_leaked_by(part))
    })
}

/// The request is wrong in itself, in the upstream's words.
fn wrong(status: u16, said: Option<Said>) -> Problem {
    let Some(said) = said else {
        let message = "the upstream refused the request without saying why".to_owned();
        return Problem::request(status, BadRequest { message, param: None, code: None });
    };
    let too_long = said.code.is_none() && exceeds_context(&said);
    let code = if too_long { Some("context_length_exceeded".to_owned()) } else { said.code };
    let param = said.param.or_else(|| too_long.then(|| "messages".to_owned()));
    let fault = BadRequest { message: said.message, param, code };
    Problem::request(status, fault).with_inner(said.inner)
}

/// Whether the prompt was too long, of upstreams that say so in words of their own: clients act on the code. Known from: llama.cpp
/// (by its type), vLLM and text-generation servers after it (by the message that OpenAI's API had before it had codes).
fn exceeds_context(said: &Said) -> bool {
    let message = said.message.to_ascii_lowercase();
    said.kind.as_deref() == Some("exceed_context_size_error")
        || ["maximum context length", "context size", "context window"]
            .iter()
            .any(|words| message.contains(words))
}

/// There is nothing where the model is said to be: by the upstream's word the model, else the whole address.
fn no_model(said: Option<Said>, task: &Task<'_>) -> Problem {
    let Some(said) = said else {
        tracing::error!("an upstream has nothing at its address");
        let message = "the upstream has nothing at its address; its operator must look at the url";
        return Problem::server(502, UPSTREAM_ERROR, message);
    };
    tracing::error!(served = task.served, "an upstream does not know a model: {}", said.message);
    let message = format!(
        "the upstream does not know the model `{}` by the name that its operator gave, who must look at it",
        task.infer.model
    );
    let code = said.code.or_else(|| Some("model_not_found".to_owned()));
    Problem::request(404, BadRequest { message, param: Some("model".to_owned()), code })
}

/// The operator's account at the upstream is spent; that does not pass while one waits.
fn spent() -> Problem {
    tracing::error!("the account at an upstream is spent");
    let message = "the operator's account at the upstream is spent; its operator must look at it";
    let problem = Problem::server(502, UPSTREAM_ERROR, message);
    Problem { headers: vec![("x-should-retry", "false".to_owned())], ..problem }
}

/// The same with what the upstream says of when to try again.
fn patient(mut problem: Problem, head: &Parts) -> Problem {
    let waits = [("retry-after-ms", RETRY_AFTER_MS), ("retry-after", RETRY_AFTER)];
    for (name, header_name) in waits {
        problem.headers.extend(header(head, header_name).map(|value| (name, value.to_owned())));
    }
    problem
}

const UPSTREAM_ERROR: &str = "upstream_error";

/// Milliseconds, which OpenAI's clients look at before they look at the seconds.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
