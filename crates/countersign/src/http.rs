//! The doors: one port and one socket, behind which stand the model APIs, `/api`, `/record`, the page and the health checks.
//!
//! Not here: any decision. A door finds out who is calling, reads what is asked, and hands it to the road.

pub(crate) mod api;
mod limits;
mod openai;
mod page;
mod party;
mod record;
pub(crate) mod report;

pub(crate) use limits::Limits;
pub(crate) use openai::{Proposal, deployment};
pub(crate) use party::token;

use crate::config::{Config, HttpConfig};
use crate::office::Office;
use crate::telemetry;
use ::record::hash::hex;
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use partnership::ids::PartyId;
use rustix::process::{Resource, getrlimit};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower_service::Service as _;

/// How long requests under way have to end after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(30);

/// What proxies add to a request.
const PROXIED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
/// How many connections are served at once, where the process may open enough files; more wait to be taken.
const CONNECTIONS_MAX: u64 = 16_384;
/// How many files the process keeps for itself: the record's above all, which must never find that there is none left.
const FILES_KEPT: u64 = 128;

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The operator: over the folder's socket, or with the operator's token.
    Operator {
        /// The party acted for, where it is known.
        party: Option<PartyId>,
        /// The person's name.
        person: String,
    },
    /// A party, by its own signature: may look at everything, and speak in its own name where it signs what it says.
    Party(PartyId),
    /// A party that has lost its own key, by its recovery key: may say so, and nothing else.
    Recovery(PartyId),
    /// Somebody on this machine, where the server listens to nobody else: may look at everything.
    Reader,
    /// Anybody.
    Stranger,
}

impl Caller {
    /// Who sends a request with these headers over the port.
    fn of(headers: &HeaderMap, config: &Config, signed: impl FnOnce(&str) -> Option<Self>) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let token = text(AUTHORIZATION).and_then(bearer);
        match (token, &config.token) {
            (Some(given), Some(token)) if is_same(given, token) => {
                Self::Operator { party: None, person: "operator".to_owned() }
            }
            (Some(given), _) if let Some(caller) = signed(given) => caller,
            // What came through a proxy may come from anywhere.
            _ if PROXIED.iter().any(|name| headers.contains_key(*name)) => Self::Stranger,
            // A page of another site may be made to name this machine, but not to send this machine's name as its own.
            _ if is_loopback(&config.listen) && text(HOST).is_some_and(is_loopback) => Self::Reader,
            _ => Self::Stranger,
        }
    }
}

/// Everything that stands behind the doors, but for the model APIs.
pub(crate) fn router(office: Arc<Office>) -> Router {
    Router::new()
        .merge(api::router())
        .merge(record::router())
        .merge(page::router())
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(|| async { api::Problem::not_found("nothing is served at this address") })
        .with_state(office)
}

/// Serves both doors until `stop` says so, then lets what is under way end.
pub(crate) async fn serve(
    office: &Arc<Office>,
    port: TcpListener,
    socket: UnixListener,
    mut stop: watch::Receiver<bool>,
) {
    let door = Arc::new(Door { router: router(Arc::clone(office)), office: Arc::clone(office) });
    let mut connections = JoinSet::new();
    let connections_max = connections_max(getrlimit(Resource::Nofile).current);
    loop {
        tokio::select! {
            () = asked(&mut stop) => break,
            accepted = port.accept(), if connections.len() < connections_max => match accepted {
                Ok((stream, _)) => {
                    drop(stream.set_nodelay(true));
                    cut_idle_readers(&stream, office.config.http.write_timeout_ms);
                    connections.spawn(Arc::clone(&door).connection(stream, Way::Port, stop.clone()));
                }
                Err(error) => refused(&error).await,
            },
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(Arc::clone(&door).connection(stream, Way::Socket, stop.clone()));
                }
                Err(error) => refused(&error).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop((port, socket));
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("requests that did not end in time are cut off");
    }
    connections.shutdown().await;
}

/// How many connections are served at once where so many files may be open, if that is limited. Each may need one to its caller and
/// one to an upstream.
pub(crate) fn connections_max(files: Option<u64>) -> usize {
    let afforded = files.map_or(CONNECTIONS_MAX, |files| files.saturating_sub(FILES_KEPT) / 2);
    usize::try_from(afforded.clamp(1, CONNECTIONS_MAX)).unwrap_or(usize::MAX)
}

/// Has the system cut a connection whose other end takes nothing of what waits for it for so long, be it dead or only not reading:
/// it would hold a call, its reservation and an upstream. Beyond Linux only the call's own time does that.
pub(crate) fn cut_idle_readers(stream: &TcpStream, timeout_ms: u64) {
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::net::sockopt::set_tcp_user_timeout(stream, u32::try_from(timeout_ms).unwrap_or(u32::MAX))
    {
        tracing::warn!(%error, "a connection whose reader takes nothing is not cut");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, timeout_ms);
}

/// Resolves when a stop was asked for, or whoever could ask has gone.
pub(crate) async fn asked(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// A connection that could not be taken, for want of handles perhaps: others may end meanwhile.
pub(crate) async fn refused(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be taken");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// The way a request comes in.
#[derive(Debug, Clone, Copy)]
enum Way {
    Port,
    Socket,
}

struct Door {
    office: Arc<Office>,
    router: Router,
}

impl Door {
    async fn connection(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        way: Way,
        mut stop: watch::Receiver<bool>,
    ) {
        let head_timeout = Duration::from_millis(self.office.config.http.head_timeout_ms);
        let service = service_fn(move |request| {
            let door = Arc::clone(&self);
            async move { Ok::<_, Infallible>(door.answer(request, way).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(HttpConfig::read_bytes_max())
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = asked(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn answer(&self, request: Request<Incoming>, way: Way) -> Response<Body> {
        let refused = openai::too_long(&request, &self.office.config.http);
        let mut response = if let Some(refused) = refused {
            refused
        } else if openai::is_of(request.uri().path()) {
            openai::answer(&self.office, request).await
        } else {
            self.route(request, way).await
        };
        if !response.headers().contains_key(REQUEST_ID) {
            let id = self.office.clock.random();
            let (id, _) = id.split_at(16);
            if let Ok(id) = HeaderValue::from_str(&hex(id)) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
        }
        response
    }

    async fn route(&self, request: Request<Incoming>, way: Way) -> Response<Body> {
        let caller = match way {
            Way::Port => Caller::of(request.headers(), &self.office.config, |token| {
                let (desk, now) = (self.office.desk.load(), self.office.clock.now());
                let signed_by = |keys| party::party_of(token, keys, self.office.log.name(), now);
                let party = signed_by(&desk.vkeys).map(Caller::Party);
                party.or_else(|| signed_by(&desk.recovery).map(Caller::Recovery))
            }),
            Way::Socket => Caller::Operator { party: None, person: "operator".to_owned() },
        };
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(caller);
        let Ok(response) = self.router.clone().call(request).await;
        response
    }
}

/// The header that names a request for whoever searches for it; an act's id where the request was one.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

async fn ready(State(office): State<Arc<Office>>) -> impl IntoResponse {
    if office.clerk.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the record takes no new acts\n")
    }
}

async fn metrics(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
) -> Result<impl IntoResponse, api::Problem> {
    api::may_read(&caller)?;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    telemetry::set(&office.metrics.tasks, u64::try_from(tasks).unwrap_or(u64::MAX));
    let listed = office.listed(office.notices.receivers()).await.unwrap_or_default();
    let text = office.metrics.text()
        + &crate::cosigned::metrics(&office.standing())
        + &crate::notices::metrics(&listed);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}

/// The token of `Bearer TOKEN`, in whatever case the scheme is written.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether two secrets are the same; takes as long whatever they hold.
fn is_same(given: &str, secret: &str) -> bool {
    let [given, secret] = [given, secret].map(|text| ::record::hash::sha256(text.as_bytes()));
    given.iter().zip(&secret).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// Whether an address, with or without a port, is of this machine alone.
fn is_loopback(address: &str) -> bool {
    if let Ok(address) = address.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let host = address.rsplit_once(':').map_or(address, |(host, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { address }
    });
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().map_or_else(|_| host == "localhost", |ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_this_machine_is_open_to_all_readers() {
        for (address, open) in [
            ("127.0.0.1:7410", true),
            ("127.0.0.1:0", true),
            ("127.0.0.1", true),
            ("[::1]:7410", true),
            ("[::1]", true),
            ("localhost:7410", true),
            ("localhost", true),
            ("0.0.0.0:7410", false),
            ("[::]:7410", false),
            ("192.168.1.4:7410", false),
            ("localhost.example:7410", false),
            ("rebound.example", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(address), open, "{address}");
        }
    }

    #[test]
    fn only_this_machine_itself_reads_without_a_token() {
        let mut config: Config = toml::from_str("origin = \"o\"").unwrap();
        config.token = Some("t".to_owned());
        let caller = |listen: &str, headers: &[(&'static str, &'static str)]| {
            let config = Config { listen: listen.to_owned(), ..config.clone() };
            let pairs = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            Caller::of(&pairs.collect(), &config, |token| {
                (token == "p").then(|| Caller::Party("halcyon".into()))
            })
        };
        let (here, all) = ("127.0.0.1:1", "0.0.0.0:1");
        assert_eq!(caller(here, &[("host", "localhost:1")]), Caller::Reader);
        assert_eq!(caller(all, &[("host", "localhost:1")]), Caller::Stranger);
        assert_eq!(caller(here, &[("host", "rebound.example")]), Caller::Stranger);
        assert_eq!(caller(here, &[]), Caller::Stranger);
        for name in PROXIED {
            assert_eq!(caller(here, &[("host", "localhost:1"), (name, "x")]), Caller::Stranger, "{name}");
        }
        assert!(matches!(caller(all, &[("authorization", "Bearer t")]), Caller::Operator { .. }));
        assert_eq!(caller(all, &[("authorization", "Bearer p")]), Caller::Party("halcyon".into()));
        assert_eq!(caller(all, &[("authorization", "Bearer u")]), Caller::Stranger);
    }

    #[test]
    fn connections_leave_the_record_its_files() {
        for (files, connections) in
            [(None, 16_384), (Some(1 << 20), 16_384), (Some(1_024), 448), (Some(256), 64), (Some(64), 1)]
        {
            assert_eq!(connections_max(files), connections, "{files:?}");
        }
    }

    #[test]
    fn a_token_is_read_whatever_the_case_of_its_scheme() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer abc", Some("abc")),
            ("BEARER  abc ", Some("abc")),
            ("Basic abc", None),
            ("abc", None),
        ] {
            assert_eq!(bearer(value), token, "{value}");
        }
        assert!(is_same("abc", "abc") && !is_same("abc", "abd") && !is_same("", "abc"));
    }
}
