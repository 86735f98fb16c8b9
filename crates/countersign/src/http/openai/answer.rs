//! Answers of `/v1` as they leave: whole, or piece by piece as the performer lets them go.
//!
//! Not here: when a byte may leave. The road holds bytes back; what has come through the ingress may go.

use super::refusal;
use crate::awaited::Whole;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use bytes::{Bytes, BytesMut};
use cloud::{Event, Head, Ingress, Problem};
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A problem as an answer.
pub(super) fn problem(problem: &Problem) -> Response<Body> {
    with_head(&problem.head(), Body::from(problem.body()))
}

/// JSON as an answer.
pub(super) fn json(value: &serde_json::Value) -> Response<Body> {
    with_head(&Head::new(200, "application/json"), Body::from(value.to_string()))
}

/// What comes through `ingress` as an answer: a stream leaves as it comes, everything else when it is whole.
///
/// Errors: where the performer has gone without a word; that is a fault of ours.
pub(super) async fn heard(mut ingress: Ingress) -> Result<Response<Body>, Problem> {
    let Some(Event::Head(head)) = ingress.recv().await else {
        return Err(refusal::no_answer());
    };
    if head.content_type.starts_with("text/event-stream") {
        return Ok(with_head(&head, Body::new(Stream(ingress))));
    }
    let mut body = BytesMut::new();
    while let Some(event) = ingress.recv().await {
        if let Event::Chunk(bytes) | Event::Last(bytes) = event {
            body.extend_from_slice(&bytes);
        }
    }
    Ok(with_head(&head, Body::from(body.freeze())))
}

/// An answer that has come whole.
pub(super) fn whole(whole: Whole) -> Response<Body> {
    with_head(&whole.head, Body::from(whole.body))
}

/// An answer that is given again, of a call that was done.
pub(super) fn again(stream: bool, body: Body) -> Response<Body> {
    with_head(&Head::new(200, if stream { "text/event-stream" } else { "application/json" }), body)
}

fn with_head(head: &Head, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&head.content_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    for (name, value) in &head.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    response
}

/// A body that leaves piece by piece. Dropping it tells the performer that the caller has left.
struct Stream(Ingress);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            match self.0.poll_recv(context) {
                Poll::Ready(Some(Event::Chunk(bytes) | Event::Last(bytes))) => {
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                // A head comes once, and came first.
                Poll::Ready(Some(Event::Head(_))) => {}
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
