//! A call at an OpenAI-compatible upstream: the status it answers with, and an answer that comes whole.
//!
//! Not streams (`stream`), nor what a caller is told of an upstream's error (`refusal`).

use super::reading::Reading;
use super::report::{Report, Trial};
use super::tally::Tally;
use super::upstream::{Cut, Upstream};
use super::{Last, Task, refusal, stream};
use crate::egress::Head;
use crate::wire::chunk::Answer;
use crate::wire::problem::Problem;
use http::Uri;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::response::Parts;
use sha2::{Digest as _, Sha256};

/// Performs the call at `uri` of `upstream`.
pub(super) async fn perform(upstream: &Upstream, uri: &Uri, task: &Task<'_>) -> Trial {
    let (head, body) = match upstream.send(uri, task).await {
        Ok(response) => response.into_parts(),
        Err(Cut::Unreachable) => return Trial::Unreachable,
        Err(cut) => return without_answer(task, cut).into(),
    };
    let reading = Reading::new(upstream, task, body);
    let report = if head.status.as_u16() != 200 {
        refused(upstream, task, &head, reading).await
    } else if let Err(problem) = readable(&head, task.call.chat.stream) {
        Report::failed(&problem, "200".to_owned())
    } else if task.call.chat.stream {
        stream::relay(upstream, task, &head, reading).await
    } else {
        whole(upstream, task, &head, reading).await
    };
    report.into()
}

/// What a caller is told when an answer is cut, or never comes.
pub(super) fn problem_of(cut: Cut) -> Problem {
    match cut {
        Cut::Timeout => {
            Problem::server(504, "upstream_timeout", "the upstream did not answer in time; try again")
        }
        Cut::TooLong => {
            Problem::server(502, "upstream_error", "the upstream's answer is longer than is allowed")
        }
        Cut::Unreachable | Cut::Broken | Cut::Left | Cut::LeftUnsent => Problem::server(
            502,
            "upstream_error",
            "the upstream ended its answer before it was finished; try again",
        ),
    }
}

/// What the record says of an attempt that was cut.
pub(super) fn word_of(cut: Cut) -> &'static str {
    match cut {
        Cut::Unreachable => "unreachable",
        Cut::Timeout => "timeout",
        Cut::Broken | Cut::TooLong | Cut::Left | Cut::LeftUnsent => "cut",
    }
}

/// The value of a header, if it is text.
pub(super) fn header(head: &Parts, name: http::HeaderName) -> Option<&str> {
    head.headers.get(name)?.to_str().ok()
}

fn without_answer(task: &Task<'_>, cut: Cut) -> Report {
    match cut {
        Cut::Left => Report::left(Tally::default().counted(task), word_of(cut).to_owned(), Sha256::new()),
        Cut::LeftUnsent => Report::unsent(word_of(cut).to_owned()),
        _ => Report::failed(&problem_of(cut), word_of(cut).to_owned()),
    }
}

/// Whether an answer is what was asked for, and in the clear.
fn readable(head: &Parts, stream: bool) -> Result<(), Problem> {
    let content_type = header(head, CONTENT_TYPE).unwrap_or_default();
    let encoding = header(head, CONTENT_ENCODING).unwrap_or("identity");
    let is_stream = content_type.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
    let fault = match (stream, is_stream) {
        _ if !encoding.eq_ignore_ascii_case("identity") => {
            "the upstream answered in an encoding it was not asked for"
        }
        (true, false) => "the upstream did not stream its answer as asked",
        (false, true) => "the upstream streamed its answer without being asked",
        _ => return Ok(()),
    };
    Err(Problem::server(502, "upstream_error", fault))
}

async fn whole(upstream: &Upstream, task: &Task<'_>, head: &Parts, reading: Reading<'_>) -> Report {
    let body = match reading.whole(ANSWER_BYTES_MAX).await {
        Ok(body) => body,
        Err(cut) => return without_answer(task, cut),
    };
    let Some(answer) = Answer::parse(&body).filter(|answer| !answer.choices().is_empty()) else {
        let message = refusal::said(upstream, &body)
            .map_or_else(|| "the upstream's answer is no chat completion".to_owned(), |said| said.message);
        return Report::failed(&Problem::server(502, "upstream_error", &message), "200".to_owned());
    };
    let mut tally = Tally::default();
    tally.read(&answer);
    let last = Last::Whole { head: Head::new(200, json_type(head)), body: body.clone() };
    Report::done(tally.usage(task), last, Sha256::new())
}

/// The type of an answer that has been read as JSON: clients do not read it as that where the upstream says something else.
fn json_type(head: &Parts) -> &str {
    let is_json = |told: &&str| told.trim_start().to_ascii_lowercase().starts_with(JSON);
    header(head, CONTENT_TYPE).filter(is_json).unwrap_or(JSON)
}

async fn refused(upstream: &Upstream, task: &Task<'_>, head: &Parts, reading: Reading<'_>) -> Report {
    let body = match reading.whole(ERROR_BYTES_MAX).await {
        Err(Cut::Left) => return without_answer(task, Cut::Left),
        read => read.unwrap_or_default(),
    };
    let problem = refusal::translated(upstream, task, head, &body);
    Report::failed(&problem, head.status.as_str().to_owned())
}

const JSON: &str = "application/json";

/// Far more than any answer within a context of today; a bound on what one call can make the gateway hold.
pub(super) const ANSWER_BYTES_MAX: usize = 16 << 20;

const ERROR_BYTES_MAX: usize = 64 << 10;
