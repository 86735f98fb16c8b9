//! The connection to one OpenAI-compatible upstream: its key, its pool and its patience.
//!
//! Not its addresses (`address`), nor an answer's body (`reading`) and what it means (`openai`, `stream`). No try is repeated here.

use super::Task;
use super::config::{ConfigError, Kind, UpstreamConfig};
use crate::wire::chat::OutputMember;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// One OpenAI-compatible upstream.
#[derive(Debug)]
pub(super) struct Upstream {
    name: String,
    client: Client<HttpsConnector<HttpConnector>, Outgoing>,
    /// The header that carries the key, and its value.
    credential: Option<(HeaderName, HeaderValue)>,
    /// Kept to make sure that no answer repeats it.
    key: Option<Secret>,
    output_member: OutputMember,
    silence: Duration,
}

struct Secret(String);

/// Why there is no answer, or no more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// No connection could be made; nothing was sent.
    Unreachable,
    /// Silent for too long, or the call's time is up.
    Timeout,
    /// The connection ended, or the answer was not HTTP.
    Broken,
    /// More than an answer may have.
    TooLong,
    /// The caller has left.
    Left,
    /// The caller has left before anything was sent to the upstream.
    LeftUnsent,
}

/// The body of a call, which notes that it is being sent.
struct Outgoing {
    body: Full<Bytes>,
    is_sent: Arc<AtomicBool>,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    /// Asked for when there is a connection and the head of the request is on its way.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.is_sent.store(true, Ordering::Relaxed);
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Upstream {
    pub(super) fn new(config: &UpstreamConfig, tls: rustls::ClientConfig) -> Result<Self, ConfigError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(Duration::from_millis(config.connect_timeout_ms)));
        // A request that the upstream does not take: its bytes wait in the connection, beyond the call that is over.
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(Duration::from_millis(config.timeout_ms)));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self {
            name: config.name.clone(),
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_CONNECTION_MAX)
                .build(connector),
            credential: credential(config)?,
            key: config.key.clone().filter(|key| !key.is_empty()).map(Secret),
            output_member: config.output_member,
            silence: Duration::from_millis(config.timeout_ms),
        })
    }

    /// Sends the call to `uri` and waits for the head of the answer.
    pub(super) async fn send(&self, uri: &Uri, task: &Task<'_>) -> Result<Response<Incoming>, Cut> {
        let is_sent = Arc::new(AtomicBool::new(false));
        let request = self.client.request(self.request(uri, task, Arc::clone(&is_sent)));
        let answer = tokio::select! {
            biased;
            () = task.egress.gone() => {
                return Err(if is_sent.load(Ordering::Relaxed) { Cut::Left } else { Cut::LeftUnsent });
            }
            answer = tokio::time::timeout_at(self.until(task.deadline), request) => answer,
        };
        match answer {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                self.warn(task, "no answer", &error);
                Err(if error.is_connect() { Cut::Unreachable } else { Cut::Broken })
            }
            Err(_) => Err(Cut::Timeout),
        }
    }

    /// Whether `text` repeats the key that this upstream was given.
    pub(super) fn is_leaked_by(&self, text: &str) -> bool {
        self.key.as_ref().is_some_and(|Secret(key)| text.contains(key.as_str()))
    }

    fn request(&self, uri: &Uri, task: &Task<'_>, is_sent: Arc<AtomicBool>) -> Request<Outgoing> {
        let call = task.call;
        let body = call.chat.forward(&call.body, task.served, call.max_tokens, self.output_member);
        let body = Full::new(body);
        let mut request = Request::new(Outgoing { body, is_sent });
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = uri.clone();
        let accept = if call.chat.stream { "text/event-stream" } else { "application/json" };
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION"))));
        if let Ok(act) = HeaderValue::try_from(task.act.id.to_string()) {
            headers.insert("countersign-act", act);
        }
        if let Some((name, value)) = &self.credential {
            headers.insert(name, value.clone());
        }
        request
    }

    /// When a wait that begins now is over: with the upstream's patience, or at the `end` of all waiting.
    pub(super) fn until(&self, end: Instant) -> Instant {
        end.min(Instant::now() + self.silence)
    }

    /// Writes an error with its causes into the log.
    pub(super) fn warn(&self, task: &Task<'_>, what: &str, error: &dyn std::error::Error) {
        tracing::warn!(upstream = self.name, act = %task.act.id, "{what}: {}", chain(error));
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("secret")
    }
}

fn credential(config: &UpstreamConfig) -> Result<Option<(HeaderName, HeaderValue)>, ConfigError> {
    let Some(key) = &config.key else { return Ok(None) };
    let (name, value) = match config.kind {
        Kind::Azure => (API_KEY, HeaderValue::try_from(key)),
        Kind::OpenAi | Kind::Builtin => (AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))),
    };
    let mut value = value.map_err(|_| ConfigError::BadKey(config.name.clone()))?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

/// Azure's own header for a key.
const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// An error with its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Below the 5 s after which common servers (uvicorn, Node) close an idle connection, so that a request does not meet a
/// connection on its way out.
const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(4);
