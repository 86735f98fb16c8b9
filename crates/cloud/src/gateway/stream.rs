//! A streamed answer on its way through: events leave as they come, until the one that carries the last `finish_reason`.
//!
//! Not a rewriter: an event leaves as the bytes it came in, but for usage that the caller did not ask for.

use super::openai::{ANSWER_BYTES_MAX, header, problem_of, word_of};
use super::reading::Reading;
use super::report::Report;
use super::tally::Tally;
use super::upstream::{Cut, Upstream};
use super::{Last, Task};
use crate::egress::Head;
use crate::wire::chunk::Answer;
use crate::wire::problem::Problem;
use crate::wire::sse::{self, Splitter};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::response::Parts;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;

/// Passes the stream on and gives back its end.
pub(super) async fn relay(
    upstream: &Upstream,
    task: &Task<'_>,
    head: &Parts,
    mut reading: Reading<'_>,
) -> Report {
    let mut relay = Relay::new(task, head);
    let end = relay.run(&mut reading).await;
    if end == End::Done {
        spare(reading.into_body()).await;
    }
    relay.close(upstream, end).await
}

/// Why a stream is not read any further.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// `[DONE]` came.
    Done,
    /// The connection was cut or closed.
    Cut(Cut),
    /// It told of an error, or was not understood.
    Fault(String),
}

struct Relay<'a> {
    task: &'a Task<'a>,
    /// Until it has been sent.
    head: Option<Head>,
    splitter: Splitter,
    tally: Tally,
    seen: BTreeSet<u64>,
    finished: BTreeSet<u64>,
    /// May leave now.
    ready: Vec<Bytes>,
    /// Waits for the settlement.
    tail: Vec<Bytes>,
    tail_bytes: usize,
    /// How much has come in all. Units: bytes.
    come_bytes: u64,
    digest: Sha256,
}

impl<'a> Relay<'a> {
    fn new(task: &'a Task<'a>, head: &Parts) -> Self {
        let content_type = header(head, CONTENT_TYPE).unwrap_or("text/event-stream");
        Self {
            task,
            head: Some(stream_head(content_type)),
            splitter: Splitter::new(),
            tally: Tally::default(),
            seen: BTreeSet::new(),
            finished: BTreeSet::new(),
            ready: Vec::new(),
            tail: Vec::new(),
            tail_bytes: 0,
            come_bytes: 0,
            digest: Sha256::new(),
        }
    }

    /// Reads to the end. Once the answer is finished the caller's leaving no longer matters: all of it was produced, and the
    /// usage is still to come, but is not waited for long, as the caller waits with it.
    async fn run(&mut self, reading: &mut Reading<'_>) -> End {
        loop {
            if self.is_finished() {
                reading.end_within(USAGE_WITHIN);
            }
            let bytes = match reading.next().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return End::Cut(Cut::Broken),
                Err(cut) => return End::Cut(cut),
            };
            self.come_bytes = self.come_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            if self.come_bytes > stream_bytes_max(self.task) {
                return End::Cut(Cut::TooLong);
            }
            self.splitter.push(bytes);
            let end = self.take_events();
            if let Err(cut) = self.flush().await {
                return End::Cut(cut);
            }
            if let Some(end) = end {
                return end;
            }
        }
    }

    fn take_events(&mut self) -> Option<End> {
        while let Some(event) = self.splitter.event() {
            if let Some(end) = self.take(&event) {
                return Some(end);
            }
        }
        let held = self.splitter.pending_bytes().saturating_add(self.tail_bytes);
        (held > ANSWER_BYTES_MAX).then_some(End::Cut(Cut::TooLong))
    }

    fn take(&mut self, event: &Bytes) -> Option<End> {
        let Some(data) = sse::data(event) else {
            self.pass(event.clone());
            return None;
        };
        if *data == *b"[DONE]" {
            self.hold(event.clone());
            return Some(End::Done);
        }
        let Some(answer) = Answer::parse(&data) else {
            return Some(End::Fault("the upstream sent an event that is no chunk of an answer".to_owned()));
        };
        if let Some(message) = answer.error() {
            return Some(End::Fault(message));
        }
        self.tally.read(&answer);
        for choice in answer.choices() {
            self.seen.insert(choice.index());
            if choice.is_finished() {
                self.finished.insert(choice.index());
            }
        }
        if self.task.call.chat.include_usage {
            self.pass(event.clone());
        } else if !answer.is_usage_chunk() {
            self.pass(answer.without_usage(event, &data));
        }
        None
    }

    /// Lets an event leave, or holds it if the answer may be finished with it: an upstream may give fewer choices than were asked
    /// for. If another begins after all, what was held may go.
    fn pass(&mut self, event: Bytes) {
        if self.is_finished() || self.has_ended_what_it_began() {
            self.hold(event);
        } else {
            self.ready.append(&mut self.tail);
            self.tail_bytes = 0;
            self.ready.push(event);
        }
    }

    fn hold(&mut self, event: Bytes) {
        self.tail_bytes = self.tail_bytes.saturating_add(event.len());
        self.tail.push(event);
    }

    /// Whether every choice that was asked for has ended.
    fn is_finished(&self) -> bool {
        u64::try_from(self.finished.len()).is_ok_and(|finished| finished >= self.task.call.chat.choices)
    }

    /// Whether every choice that was begun has ended.
    fn has_ended_what_it_began(&self) -> bool {
        !self.finished.is_empty() && self.seen == self.finished
    }

    /// Whether the answer is whole: all choices have ended, or, where the upstream gave fewer and said so by `[DONE]`, all
    /// that it began.
    fn is_whole(&self, end: &End) -> bool {
        self.is_finished() || (*end == End::Done && self.has_ended_what_it_began())
    }

    /// Sends what may leave, in one piece.
    async fn flush(&mut self) -> Result<(), Cut> {
        let bytes = match self.ready.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            several => joined(several),
        };
        self.ready.clear();
        self.open().await?;
        in_time(self.task, self.task.egress.chunk(bytes.clone())).await?;
        self.digest.update(&bytes);
        Ok(())
    }

    /// Sends the head, if it has not been sent.
    async fn open(&mut self) -> Result<(), Cut> {
        match self.head.take() {
            Some(head) => in_time(self.task, self.task.egress.head(head)).await,
            None => Ok(()),
        }
    }

    async fn close(self, upstream: &Upstream, end: End) -> Report {
        if self.is_whole(&end) && end != End::Cut(Cut::Left) {
            return self.finish(&end).await;
        }
        let (problem, result) = match end {
            End::Cut(Cut::Left) => return self.left(),
            End::Cut(cut) => (problem_of(cut), word_of(cut).to_owned()),
            End::Done => (problem_of(Cut::Broken), "200".to_owned()),
            End::Fault(message) => (fault(upstream, &message), "200".to_owned()),
        };
        match self.head {
            Some(_) => Report::failed(&problem, result),
            None => Report::broken(&problem, result, self.digest),
        }
    }

    async fn finish(mut self, end: &End) -> Report {
        if self.open().await.is_err() {
            return self.left();
        }
        if *end != End::Done {
            self.tail.push(Bytes::from_static(b"data: [DONE]\n\n"));
        }
        Report::done(self.tally.usage(self.task), Last::Tail(self.tail), self.digest)
    }

    fn left(self) -> Report {
        Report::left(self.tally.counted(self.task), "200".to_owned(), self.digest)
    }
}

/// The longest stream that is passed on: far more than the tokens that were reserved take. One that goes on beyond that does not heed
/// its bound, and may never end.
fn stream_bytes_max(task: &Task<'_>) -> u64 {
    let answer = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
    answer.saturating_add(task.infer.output_tokens_max.saturating_mul(TOKEN_BYTES_MAX))
}

/// An event with one token, its alternatives and their probabilities.
const TOKEN_BYTES_MAX: u64 = 4 << 10;

/// How long after its last finish an answer's usage may come; then it is counted here.
const USAGE_WITHIN: Duration = Duration::from_secs(5);

/// The head of a stream.
pub(super) fn stream_head(content_type: &str) -> Head {
    let no_cache = ("cache-control".to_owned(), "no-cache".to_owned());
    Head { headers: vec![no_cache], ..Head::new(200, content_type) }
}

/// Waits for the caller to take something, but not beyond the call's time. One who does not take it has left.
pub(super) async fn in_time(
    task: &Task<'_>,
    sending: impl Future<Output = Result<(), crate::egress::Gone>>,
) -> Result<(), Cut> {
    match tokio::time::timeout_at(task.deadline, sending).await {
        Ok(sent) => sent.map_err(|_| Cut::Left),
        Err(_) => Err(Cut::Left),
    }
}

fn fault(upstream: &Upstream, message: &str) -> Problem {
    let message = if upstream.is_leaked_by(message) { "the upstream reported an error" } else { message };
    Problem::server(502, "upstream_error", message)
}

fn joined(parts: &[Bytes]) -> Bytes {
    let mut whole = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    for part in parts {
        whole.extend_from_slice(part);
    }
    whole.freeze()
}

/// Lets a connection whose answer is over be used again: the mark of the body's end mostly lies next to `[DONE]`; if not it
/// is waited for aside, so that the caller is not.
async fn spare(mut body: Incoming) {
    use http_body_util::BodyExt;
    if let Ok(None) = tokio::time::timeout(Duration::ZERO, body.frame()).await {
        return;
    }
    tokio::spawn(tokio::time::timeout(Duration::from_secs(1), async move {
        while let Some(Ok(_)) = body.frame().await {}
    }));
}
