//! An upstream on a socket that does what a test tells it, and one performance against it.

use crate::warrant::warrant;
use bytes::Bytes;
use cloud::egress::{self, Event, Ingress};
use cloud::{Call, Chat, Gateway, Kind, Last, Performed, UpstreamConfig};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use partnership::act::{Digest, Infer};
use partnership::ids::Timestamp;
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub(crate) const SECRET: &str = "sk-upstream-secret";
pub(crate) const ACT: u128 = 0x0199_0000_0000_7000_8000_0000_0000_0001;

/// An upstream; each request waits for the test to answer it.
pub(crate) struct Upstream {
    pub(crate) url: String,
    exchanges: mpsc::UnboundedReceiver<Exchange>,
    connections: Arc<AtomicUsize>,
}

/// One request that waits for its answer.
pub(crate) struct Exchange {
    pub(crate) headers: http::HeaderMap,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) body: Bytes,
    answer: oneshot::Sender<Response<Scripted>>,
}

/// A body that the test sends piece by piece; an error cuts the connection.
pub(crate) type Script = mpsc::Sender<Result<Bytes, std::io::Error>>;

pub(crate) struct Scripted(mpsc::Receiver<Result<Bytes, std::io::Error>>);

impl Body for Scripted {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|next| next.map(|piece| piece.map(Frame::data)))
    }
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let (sender, exchanges) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                socket.set_nodelay(true).unwrap();
                let sender = sender.clone();
                let service = hyper::service::service_fn(move |request| exchange(sender.clone(), request));
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service);
                tokio::spawn(serving);
            }
        });
        Self { url, exchanges, connections }
    }

    /// How many connections were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) async fn request(&mut self) -> Exchange {
        within(self.exchanges.recv()).await.unwrap()
    }
}

async fn exchange(
    sender: mpsc::UnboundedSender<Exchange>,
    request: Request<Incoming>,
) -> Result<Response<Scripted>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let (answer, answered) = oneshot::channel();
    let (path, query) = (head.uri.path().to_owned(), head.uri.query().map(str::to_owned));
    let exchange = Exchange { headers: head.headers, path, query, body, answer };
    sender.send(exchange).map_err(|_| std::io::Error::other("the test is over"))?;
    answered.await.map_err(|_| std::io::Error::other("not answered"))
}

impl Exchange {
    /// Answers with a head, and gives the script of the body.
    pub(crate) fn begin(self, status: u16, headers: &[(&str, &str)]) -> Script {
        let (script, body) = mpsc::channel(64);
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let _gone = self.answer.send(response.body(Scripted(body)).unwrap());
        script
    }

    pub(crate) fn begin_stream(self) -> Script {
        self.begin(200, &[("content-type", "text/event-stream; charset=utf-8")])
    }

    /// Answers with a whole body.
    pub(crate) async fn answer(self, status: u16, headers: &[(&str, &str)], body: &str) {
        let script = self.begin(status, headers);
        send(&script, body).await;
    }

    /// The same, where the body may be empty.
    pub(crate) async fn answer_if_any(self, status: u16, headers: &[(&str, &str)], body: &str) {
        let script = self.begin(status, headers);
        if !body.is_empty() {
            // A status without a body takes none.
            drop(script.send(Ok(Bytes::from(body.to_owned()))).await);
        }
    }

    /// Streams `pieces` and closes.
    pub(crate) async fn stream(self, pieces: &[&str]) {
        let script = self.begin_stream();
        for piece in pieces {
            send(&script, piece).await;
        }
    }

    /// Waits until the gateway lets the call go before it was answered.
    pub(crate) async fn dropped(mut self) {
        within(self.answer.closed()).await;
    }
}

pub(crate) async fn send(script: &Script, piece: &str) {
    script.send(Ok(Bytes::from(piece.to_owned()))).await.unwrap();
}

pub(crate) async fn cut(script: Script) {
    script.send(Err(std::io::Error::other("cut"))).await.unwrap();
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("nothing happened for ten seconds")
}

pub(crate) fn config(name: &str, url: &str) -> UpstreamConfig {
    UpstreamConfig {
        name: name.to_owned(),
        kind: Kind::OpenAi,
        url: Some(url.to_owned()),
        api_version: None,
        output_member: cloud::OutputMember::default(),
        key: Some(SECRET.to_owned()),
        models: BTreeMap::from([("public-id".to_owned(), "served-id".to_owned())]),
        timeout_ms: 5_000,
        connect_timeout_ms: 1_000,
    }
}

pub(crate) fn gateway(configs: Vec<UpstreamConfig>) -> Arc<Gateway> {
    Arc::new(Gateway::new(configs, None, None).unwrap())
}

/// A performance on its way.
pub(crate) struct Performance {
    pub(crate) ingress: Ingress,
    task: JoinHandle<Performed>,
}

/// What came of it.
pub(crate) struct Played {
    pub(crate) performed: Performed,
    pub(crate) events: Vec<Event>,
}

/// Starts a call with 100 and 50 tokens reserved.
pub(crate) fn perform(gateway: &Arc<Gateway>, body: &str) -> Performance {
    perform_within(gateway, body, Duration::from_secs(20))
}

pub(crate) fn perform_within(gateway: &Arc<Gateway>, body: &str, deadline: Duration) -> Performance {
    let body = Bytes::from(body.to_owned());
    let chat = Chat::parse(&body).unwrap();
    let warrant = warrant(ACT, Timestamp::from_millis(1_790_000_000_999), infer(&chat));
    let call = Call { chat, body, max_tokens: 50, deadline };
    let (egress, ingress) = egress::channel();
    let gateway = Arc::clone(gateway);
    let task = tokio::spawn(async move { gateway.perform(&warrant, call, &egress).await });
    Performance { ingress, task }
}

fn infer(chat: &Chat) -> Infer {
    Infer {
        model: chat.model.as_str().into(),
        surface: "chat".to_owned(),
        stream: chat.stream,
        input_bytes: 0,
        input_tokens_max: 100,
        output_tokens_max: 50,
        tools: chat.tools,
        images: chat.images,
        end_user: chat.end_user.is_some(),
        input: Digest([0; 32]),
        idempotency: None,
        kept: None,
        pseudonyms: Vec::new(),
    }
}

impl Performance {
    /// Reads to the end; checks what must hold of every performance.
    pub(crate) async fn end(mut self) -> Played {
        let mut events = Vec::new();
        while let Some(event) = within(self.ingress.recv()).await {
            events.push(event);
        }
        let played = Played { performed: self.performed().await, events };
        played.check();
        played
    }

    /// The caller leaves.
    pub(crate) async fn leave(self) -> Performed {
        drop(self.ingress);
        within(self.task).await.unwrap()
    }

    /// Waits for the end with nothing read, though the caller is there.
    pub(crate) async fn ends_unread(self) -> Performed {
        within(self.task).await.unwrap()
    }

    async fn performed(self) -> Performed {
        within(self.task).await.unwrap()
    }
}

impl Played {
    /// The chunks that left before the settlement.
    pub(crate) fn early(&self) -> String {
        self.events
            .iter()
            .map(|event| if let Event::Chunk(bytes) = event { text(bytes) } else { "" })
            .collect()
    }

    /// What was held back.
    pub(crate) fn held(&self) -> String {
        match &self.performed.last {
            Last::Whole { body, .. } => text(body).to_owned(),
            Last::Tail(events) | Last::Broken(events) => events.iter().map(text).collect(),
            Last::Nothing => String::new(),
        }
    }

    /// Upstreams tried, and what they answered.
    pub(crate) fn attempts(&self) -> Vec<(&str, &str)> {
        self.performed.outcome.attempts.iter().map(|a| (a.upstream.as_str(), a.result.as_str())).collect()
    }

    /// Usage as (input, output, estimated).
    pub(crate) fn usage(&self) -> Option<(u64, u64, bool)> {
        usage(&self.performed)
    }

    fn check(&self) {
        let heads = self.events.iter().filter(|event| matches!(event, Event::Head(_))).count();
        let whole = matches!(self.performed.last, Last::Whole { .. });
        assert_eq!(heads, usize::from(!whole), "a head leaves early exactly if the answer is a stream");
        assert!(self.events.is_empty() || matches!(self.events[0], Event::Head(_)), "the head comes first");
        assert!(!self.early().contains("[DONE]"), "the end left before the settlement");
        let digest: [u8; 32] = sha2::Sha256::digest(format!("{}{}", self.early(), self.held())).into();
        assert_eq!(self.performed.digest, digest, "the digest is not of what is delivered");
    }
}

pub(crate) fn usage(performed: &Performed) -> Option<(u64, u64, bool)> {
    let outcome = &performed.outcome;
    outcome.usage.map(|usage| (usage.input_tokens, usage.output_tokens, outcome.estimated))
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
