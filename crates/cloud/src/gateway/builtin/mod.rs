//! A call at the built-in model.
//!
//! Not inference: that runs on the engine's own threads. Here a request becomes messages and sampling, and pieces of text
//! become an answer in OpenAI's shape.

mod reply;
mod request;

use super::report::Report;
use super::stream::{in_time, stream_head};
use super::tally::Tally;
use super::upstream::Cut;
use super::{Last, Task, openai};
use crate::egress::Head;
use crate::wire::chat::BadRequest;
use crate::wire::problem::Problem;
use bytes::Bytes;
use model::{Engine, Finish, Flow, Message, ModelError, Piece, Reason};
use partnership::act::Usage;
use reply::Reply;
use request::Request;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The exact number of input tokens of a request's body; none if the model would not take it.
pub(super) fn count(engine: &Engine, body: &[u8]) -> Option<u64> {
    let request = Request::parse(body).ok()?;
    match engine.model().prompt_tokens(&request.messages) {
        Ok(tokens) | Err(ModelError::ContextExceeded { prompt_tokens: tokens, .. }) => {
            Some(u64::from(tokens))
        }
        Err(_) => None,
    }
}

/// The messages of a request as the built-in model is given them; none if it would not take the request.
#[must_use]
pub fn messages(body: &[u8]) -> Option<Vec<Message>> {
    Request::parse(body).ok().map(|request| request.messages)
}

/// Performs the call on `engine`.
pub(super) async fn perform(engine: &Arc<Engine>, task: &Task<'_>) -> Report {
    let fitting = match Request::parse(&task.call.body) {
        Ok(request) => fit(engine, request).await,
        Err(fault) => Err(fault),
    };
    let request = match fitting {
        Ok(request) => request,
        Err(fault) => return Report::failed(&Problem::request(400, fault), "400".to_owned()),
    };
    let Some(pieces) = start(engine, request, task.call.max_tokens) else {
        let busy = Problem::rate_limit("the built-in model is busy; try again later", Some("1".to_owned()));
        return Report::failed(&busy, "429".to_owned());
    };
    let answer =
        Answer { task, reply: Reply::new(task), pieces, tally: Tally::default(), digest: Sha256::new() };
    if task.call.chat.stream { answer.stream().await } else { answer.whole().await }
}

/// Whether the prompt is within the context. A short one is, as no token is shorter than a byte; a long one is counted aside.
async fn fit(engine: &Arc<Engine>, request: Request) -> Result<Request, BadRequest> {
    let text_bytes: usize =
        request.messages.iter().map(|message| message.content.len() + TURN_TOKENS_MAX).sum();
    let context = usize::try_from(engine.model().context_tokens()).unwrap_or(usize::MAX);
    if text_bytes.saturating_add(SYSTEM_TOKENS_MAX) <= context {
        return Ok(request);
    }
    let engine = Arc::clone(engine);
    let counted =
        tokio::task::spawn_blocking(move || (engine.model().prompt_tokens(&request.messages), request));
    match counted.await {
        Ok((Ok(_), request)) => Ok(request),
        Ok((Err(error), _)) => {
            Err(BadRequest::about("messages", error.to_string()).with_code("context_length_exceeded"))
        }
        Err(_) => Err(BadRequest::about("messages", "the messages could not be read".to_owned())),
    }
}

/// Starts the answer; none if the engine's queue is full. The channel holds at most the pieces of one answer, so that a slow
/// reader never holds up a thread of the engine.
fn start(engine: &Engine, request: Request, max_tokens: u64) -> Option<UnboundedReceiver<Piece>> {
    let (sender, pieces) = unbounded_channel();
    let sink = move |piece| if sender.send(piece).is_ok() { Flow::Continue } else { Flow::Cancel };
    let sampling = request.sampling(u32::try_from(max_tokens).unwrap_or(u32::MAX));
    engine.generate(request.messages, sampling, Box::new(sink)).ok()?;
    Some(pieces)
}

/// What comes next of an answer.
enum Next {
    Text(String),
    Done(&'static str, Usage),
    Failed(Problem),
    Cut(Cut),
}

/// An answer being made. Dropping it cancels the generation.
struct Answer<'a> {
    task: &'a Task<'a>,
    reply: Reply<'a>,
    pieces: UnboundedReceiver<Piece>,
    tally: Tally,
    digest: Sha256,
}

impl Answer<'_> {
    async fn whole(mut self) -> Report {
        let mut text = String::new();
        loop {
            match self.next().await {
                Next::Text(piece) => text.push_str(&piece),
                Next::Done(reason, usage) => {
                    let body = self.reply.whole(&text, reason, usage);
                    let last = Last::Whole { head: Head::new(200, "application/json"), body };
                    return Report::done((usage, false), last, self.digest);
                }
                Next::Failed(problem) => return Report::failed(&problem, "500".to_owned()),
                Next::Cut(Cut::Left) => return self.left(),
                Next::Cut(cut) => {
                    return Report::failed(&openai::problem_of(cut), openai::word_of(cut).to_owned());
                }
            }
        }
    }

    async fn stream(mut self) -> Report {
        let mut begun = false;
        loop {
            let sent = match self.next().await {
                Next::Text(text) => self.send(&text, !std::mem::replace(&mut begun, true)).await,
                Next::Done(reason, usage) => return self.end(begun, reason, usage).await,
                Next::Failed(problem) => return self.failed(begun, &problem, "500"),
                Next::Cut(cut) => Err(cut),
            };
            match sent {
                Ok(()) => {}
                Err(Cut::Left) => return self.left(),
                Err(cut) => return self.failed(begun, &openai::problem_of(cut), openai::word_of(cut)),
            }
        }
    }

    async fn next(&mut self) -> Next {
        let piece = tokio::select! {
            biased;
            () = self.task.egress.gone() => return Next::Cut(Cut::Left),
            piece = tokio::time::timeout_at(self.task.deadline, self.pieces.recv()) => piece,
        };
        match piece {
            Ok(Some(Piece::Text(text))) => {
                self.tally.piece(u64::try_from(text.len()).unwrap_or(u64::MAX));
                Next::Text(text)
            }
            Ok(Some(Piece::Done(finish))) => finished(finish),
            Ok(None) => Next::Failed(failure("the built-in model stopped without an answer")),
            Err(_) => Next::Cut(Cut::Timeout),
        }
    }

    /// Sends a piece of text, before the first of them the head and the role.
    async fn send(&mut self, text: &str, first: bool) -> Result<(), Cut> {
        let bytes = if first { self.open(text).await? } else { self.reply.text(text) };
        in_time(self.task, self.task.egress.chunk(bytes.clone())).await?;
        self.digest.update(&bytes);
        Ok(())
    }

    async fn open(&mut self, text: &str) -> Result<Bytes, Cut> {
        in_time(self.task, self.task.egress.head(stream_head("text/event-stream"))).await?;
        Ok([self.reply.role(), self.reply.text(text)].concat().into())
    }

    async fn end(self, begun: bool, reason: &'static str, usage: Usage) -> Report {
        let mut tail = Vec::new();
        if !begun {
            if in_time(self.task, self.task.egress.head(stream_head("text/event-stream"))).await.is_err() {
                return self.left();
            }
            tail.push(self.reply.role());
        }
        tail.push(self.reply.finish(reason));
        if self.task.call.chat.include_usage {
            tail.push(self.reply.usage(usage));
        }
        tail.push(Bytes::from_static(b"data: [DONE]\n\n"));
        Report::done((usage, false), Last::Tail(tail), self.digest)
    }

    fn failed(self, begun: bool, problem: &Problem, result: &str) -> Report {
        if begun {
            Report::broken(problem, result.to_owned(), self.digest)
        } else {
            Report::failed(problem, result.to_owned())
        }
    }

    fn left(self) -> Report {
        Report::left(self.tally.counted(self.task), "cut".to_owned(), self.digest)
    }
}

fn finished(finish: Finish) -> Next {
    let usage = Usage {
        input_tokens: u64::from(finish.prompt_tokens),
        output_tokens: u64::from(finish.completion_tokens),
        ..Usage::default()
    };
    match finish.reason {
        Reason::Stop => Next::Done("stop", usage),
        Reason::Length => Next::Done("length", usage),
        Reason::Cancelled => Next::Failed(failure("the built-in model is being stopped; try again")),
        Reason::Failed(message) => Next::Failed(failure(&message)),
    }
}

fn failure(message: &str) -> Problem {
    Problem::server(500, "model_failed", message)
}

/// What the template puts around a message, at most: its two control tokens, the role and a line feed.
const TURN_TOKENS_MAX: usize = 16;

/// The default system message and the opening of the answer, at most.
const SYSTEM_TOKENS_MAX: usize = 64;
