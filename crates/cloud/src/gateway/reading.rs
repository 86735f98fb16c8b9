//! An upstream's answer as it is read: how long it is waited for, and whether the caller still waits.
//!
//! Not the meaning of what is read (`openai`, `stream`). One timer serves the whole answer: what comes in time does not touch it, and
//! it is set anew only where it goes off before the wait is over.

use super::Task;
use super::upstream::{Cut, Upstream};
use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// The body of an answer, and the patience with it.
pub(super) struct Reading<'a> {
    task: &'a Task<'a>,
    upstream: &'a Upstream,
    body: Incoming,
    /// Resolves when the caller has left.
    gone: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
    heeds_caller: bool,
    /// When all waiting ends, whatever comes.
    end: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(upstream: &'a Upstream, task: &'a Task<'a>, body: Incoming) -> Self {
        Self {
            task,
            upstream,
            body,
            gone: Box::pin(task.egress.gone()),
            heeds_caller: true,
            end: task.deadline,
            timer: Box::pin(sleep_until(upstream.until(task.deadline))),
        }
    }

    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        let mut until = None;
        poll_fn(|context| self.poll_next(&mut until, context)).await
    }

    /// All that is still to come. Units of `bytes_max`: bytes.
    pub(super) async fn whole(mut self, bytes_max: usize) -> Result<Bytes, Cut> {
        let mut whole = BytesMut::new();
        while let Some(data) = self.next().await? {
            if whole.len() + data.len() > bytes_max {
                return Err(Cut::TooLong);
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    /// From the first such call on the rest must come within `time`, and the caller's leaving no longer matters.
    pub(super) fn end_within(&mut self, time: Duration) {
        if std::mem::replace(&mut self.heeds_caller, false) {
            self.end = self.end.min(Instant::now() + time);
        }
    }

    /// The rest of the body, for whoever lets the connection be used again.
    pub(super) fn into_body(self) -> Incoming {
        self.body
    }

    /// `until` is when this wait ends; set where there is something to wait for.
    fn poll_next(
        &mut self,
        until: &mut Option<Instant>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Cut>> {
        if self.heeds_caller && self.task.egress.is_gone() {
            return Poll::Ready(Err(Cut::Left));
        }
        if let Poll::Ready(read) = self.poll_data(context) {
            return Poll::Ready(read);
        }
        if self.heeds_caller && self.gone.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(Cut::Left));
        }
        ready!(self.poll_timer(*until.get_or_insert_with(|| self.upstream.until(self.end)), context));
        Poll::Ready(Err(Cut::Timeout))
    }

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Cut>> {
        loop {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Ok(Some(data))),
                    Err(_trailers) => {}
                },
                Some(Err(error)) => {
                    self.upstream.warn(self.task, "answer cut", &error);
                    return Poll::Ready(Err(Cut::Broken));
                }
                None => return Poll::Ready(Ok(None)),
            }
        }
    }

    fn poll_timer(&mut self, until: Instant, context: &mut Context<'_>) -> Poll<()> {
        if self.timer.deadline() > until {
            self.timer.as_mut().reset(until);
        }
        loop {
            ready!(self.timer.as_mut().poll(context));
            if self.timer.deadline() >= until {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(until);
        }
    }
}
