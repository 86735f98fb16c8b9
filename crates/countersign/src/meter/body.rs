//! Bodies on their way through the meter: a request's, looked at as it passes, and an answer's, whose end waits for its line.
//!
//! Not what is read of them (`passing`). Nothing waits for more than is needed to know that it is the end: of an answer of known length
//! its last bytes, of a stream what follows its `[DONE]`.

use super::call::{Asked, UnderWay};
use super::journal::Failed;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// How long a stream that has shown its `[DONE]` is waited for to end.
const END_WITHIN: Duration = Duration::from_secs(1);

/// A request's body, looked at as it passes.
pub(super) struct Request {
    pub(super) body: Incoming,
    pub(super) asked: Asked,
}

impl Body for Request {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            self.asked.lock().push(bytes);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body. Dropped before its end, its caller has left and the operator's connection is closed.
pub(super) struct Answer {
    body: Incoming,
    state: State,
    /// What may leave when the line is written.
    held: VecDeque<Frame<Bytes>>,
}

enum State {
    Passing(UnderWay),
    /// The end is near: what has come is held until it has come or is not waited for any longer.
    Ending(UnderWay, Pin<Box<Sleep>>),
    /// Whether the operator's end has come; and why it is cut off, if it is.
    Writing(Writing, bool, Option<hyper::Error>),
    /// The line is written; so says whether anything may still come.
    Written {
        over: bool,
    },
}

/// What leaves, if anything does now.
type Polled = Poll<Option<Result<Frame<Bytes>, io::Error>>>;

/// The line on its way into the journal.
type Writing = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>>;

impl Answer {
    pub(super) fn new(body: Incoming, call: UnderWay) -> Self {
        Self { body, state: State::Passing(call), held: VecDeque::new() }
    }

    /// Looks for what comes next, and goes on as far as that allows. `Some` is what leaves now.
    fn step(&mut self, context: &mut Context<'_>) -> Polled {
        loop {
            match std::mem::replace(&mut self.state, State::Written { over: true }) {
                State::Passing(call) => {
                    if let Some(leaves) = self.pass(call, context) {
                        return leaves;
                    }
                }
                State::Ending(call, mut timer) => {
                    if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
                        self.take(call, frame, Some(timer));
                    } else if timer.as_mut().poll(context).is_ready() {
                        self.state = State::Writing(Box::pin(call.write(true)), false, None);
                    } else {
                        self.state = State::Ending(call, timer);
                        return Poll::Pending;
                    }
                }
                State::Writing(mut writing, over, cut) => match writing.as_mut().poll(context) {
                    Poll::Pending => {
                        self.state = State::Writing(writing, over, cut);
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(failed)) => return Poll::Ready(Some(Err(io::Error::other(failed)))),
                    Poll::Ready(Ok(())) => {
                        if let Some(error) = cut {
                            return Poll::Ready(Some(Err(io::Error::other(error))));
                        }
                        self.state = State::Written { over };
                    }
                },
                State::Written { over } => {
                    self.state = State::Written { over };
                    if let Some(frame) = self.held.pop_front() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    if over {
                        return Poll::Ready(None);
                    }
                    return Poll::Ready(match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                        None => {
                            self.state = State::Written { over: true };
                            None
                        }
                        Some(_) => Some(Err(io::Error::other("the answer goes on behind its end"))),
                    });
                }
            }
        }
    }

    /// Passes on what comes; none where the state has changed instead.
    fn pass(&mut self, call: UnderWay, context: &mut Context<'_>) -> Option<Polled> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            self.state = State::Passing(call);
            return Some(Poll::Pending);
        };
        self.take(call, frame, None);
        match (&self.state, self.held.pop_front()) {
            (State::Passing(_), Some(frame)) => Some(Poll::Ready(Some(Ok(frame)))),
            (_, Some(frame)) => {
                self.held.push_front(frame);
                None
            }
            _ => None,
        }
    }

    /// Takes in what has come, and holds it.
    fn take(
        &mut self,
        mut call: UnderWay,
        frame: Option<Result<Frame<Bytes>, hyper::Error>>,
        timer: Option<Pin<Box<Sleep>>>,
    ) {
        self.state = match frame {
            None => State::Writing(Box::pin(call.write(true)), true, None),
            Some(Err(error)) => State::Writing(Box::pin(call.write(false)), true, Some(error)),
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    call.came(bytes);
                }
                self.held.push_back(frame);
                if self.body.is_end_stream() {
                    State::Writing(Box::pin(call.write(true)), true, None)
                } else if call.has_done() {
                    State::Ending(call, timer.unwrap_or_else(|| Box::pin(sleep(END_WITHIN))))
                } else {
                    State::Passing(call)
                }
            }
        };
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        self.step(context)
    }

    fn size_hint(&self) -> SizeHint {
        if matches!(self.state, State::Passing(_)) { self.body.size_hint() } else { SizeHint::default() }
    }
}
