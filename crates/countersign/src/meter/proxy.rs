//! A request on its way to the operator, and its answer on the way back.
//!
//! Not a second try, a cache or a balance of load: one request in, one out. Headers pass as they are, but for those that are of one
//! connection only and for `host`, which names the operator.

use super::Meter;
use super::body::{Answer, Request};
use super::call::UnderWay;
use crate::http::deployment;
use anyhow::{Context as _, ensure};
use axum::body::Body;
use cloud::Problem;
use http::header::{CONNECTION, HOST, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Response, Uri};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::sync::Arc;
use std::time::Duration;

/// How long a connection to the operator may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Below the 5 s after which common servers close an idle connection.
const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(4);
/// What is of one connection only. Source: RFC 9110, section 7.6.1; `expect` is answered by whoever takes the body, which is the meter.
const HOP_BY_HOP: [&str; 8] = [
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "connection",
    "expect",
];

/// What sends requests to the operator.
pub(crate) type Client = legacy::Client<HttpsConnector<HttpConnector>, Body>;

/// A client of the operator's.
///
/// Errors: where the system's certificates cannot be read.
pub(crate) fn client() -> anyhow::Result<Client> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_WITHIN));
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()
        .context("the system's certificates cannot be read")?
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION_MAX)
        .build(connector))
}

/// Where requests are sent on to.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    scheme: Scheme,
    authority: Authority,
    /// What comes before the path that is asked, without a slash at its end.
    prefix: String,
    host: HeaderValue,
}

impl Operator {
    /// Reads an address such as `https://operator.example` or `http://127.0.0.1:7410/partnership`.
    ///
    /// Errors: where it is none of HTTP's, or has a query.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let says =
            || format!("`{text}` is no address of a gateway; write one such as `https://operator.example`");
        let parts = text.parse::<Uri>().with_context(says)?.into_parts();
        let scheme = parts.scheme.with_context(says)?;
        ensure!(scheme == Scheme::HTTP || scheme == Scheme::HTTPS, says());
        let authority = parts.authority.with_context(says)?;
        let path = parts.path_and_query.as_ref();
        ensure!(path.is_none_or(|path| path.query().is_none()), says());
        let prefix = path.map_or("", PathAndQuery::path).trim_end_matches('/').to_owned();
        let host = HeaderValue::from_str(authority.as_str()).with_context(says)?;
        Ok(Self { scheme, authority, prefix, host })
    }

    /// Where a request goes on to.
    fn uri(&self, asked: &Uri) -> Option<Uri> {
        let path = asked.path_and_query().map_or("/", PathAndQuery::as_str);
        let whole = format!("{}{path}", self.prefix);
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(whole)
            .build()
            .ok()
    }
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

impl Meter {
    /// Passes a request on, and its answer back.
    pub(crate) async fn answer(self: Arc<Self>, request: http::Request<Incoming>) -> Response<Body> {
        if let Some(reason) = self.journal.failure() {
            return problem(&unwritten(&reason));
        }
        let (mut parts, body) = request.into_parts();
        let Some(uri) = self.operator.uri(&parts.uri) else {
            return problem(&Problem::server(502, "upstream_unreachable", "the address cannot be sent on"));
        };
        let path = parts.uri.path();
        let call = is_call(&parts.method, path).then(|| UnderWay::begin(&self, path, deployment(&parts.uri)));
        let body = match &call {
            Some(call) => Body::new(Request { body, asked: call.asked() }),
            None => Body::new(body),
        };
        let mut sent = http::Request::new(body);
        *sent.method_mut() = parts.method;
        *sent.uri_mut() = uri;
        of_one_connection(&mut parts.headers);
        parts.headers.insert(HOST, self.operator.host.clone());
        *sent.headers_mut() = parts.headers;
        match self.client.request(sent).await {
            Ok(answer) => pass_back(answer, call).await,
            Err(error) => self.without_answer(&error, call).await,
        }
    }

    /// What a caller is told where the operator gives no answer.
    async fn without_answer(&self, error: &legacy::Error, call: Option<UnderWay>) -> Response<Body> {
        tracing::warn!(operator = %self.operator, "no answer: {}", chain(error));
        let was_sent = !error.is_connect();
        let written = match call {
            // It may have been performed, and what was performed may be charged.
            Some(call) if was_sent => call.write(false).await,
            Some(call) => {
                call.never_sent();
                Ok(())
            }
            None => Ok(()),
        };
        if let (Err(_), Some(reason)) = (written, self.journal.failure()) {
            return problem(&unwritten(&reason));
        }
        problem(&if was_sent {
            let message = "the operator's gateway ended the connection before it answered; what was asked may have been performed";
            Problem::server(502, "upstream_error", message)
        } else {
            let message = format!(
                "the meter cannot reach the operator's gateway at `{}`; nothing was sent, so try again later",
                self.operator
            );
            Problem::server(502, "upstream_unreachable", &message)
        })
    }
}

/// Passes an answer back. Of a call its end waits for its line.
async fn pass_back(answer: Response<Incoming>, call: Option<UnderWay>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    of_one_connection(&mut parts.headers);
    let body = match call {
        None => Body::new(body),
        Some(mut call) => {
            call.answered(parts.status, &parts.headers);
            if body.is_end_stream() {
                if let Err(failed) = call.write(true).await {
                    return problem(&unwritten(&failed.to_string()));
                }
                Body::new(body)
            } else {
                Body::new(Answer::new(body, call))
            }
        }
    };
    Response::from_parts(parts, body)
}

/// Whether a request is one for a model's answer.
fn is_call(method: &Method, path: &str) -> bool {
    method == Method::POST && (path.starts_with("/v1/") || path.starts_with("/openai/"))
}

/// Takes out what is of one connection only.
fn of_one_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    named.iter().for_each(|name| drop(headers.remove(name)));
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(*name)));
}

/// What a caller is told where nothing can be measured any more.
fn unwritten(reason: &str) -> Problem {
    let message = format!("{reason}; the meter sends nothing on until it is started again");
    Problem::server(503, "meter_unavailable", &message)
}

/// An error in OpenAI's shape.
fn problem(problem: &Problem) -> Response<Body> {
    let mut response = Response::new(Body::from(problem.body()));
    *response.status_mut() =
        http::StatusCode::from_u16(problem.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// An error with its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_address_is_joined_with_what_is_asked() {
        for (to, asked, expected) in [
            ("http://h:1", "/v1/x?a=b", Some("http://h:1/v1/x?a=b")),
            ("https://h/", "/v1/x", Some("https://h/v1/x")),
            ("https://h/base/", "/v1/x", Some("https://h/base/v1/x")),
            ("h:1", "/", None),
            ("ftp://h", "/", None),
            ("https://h/?q", "/", None),
            ("", "/", None),
        ] {
            let operator = Operator::parse(to).ok();
            let joined = operator.map(|operator| operator.uri(&asked.parse().unwrap()).unwrap().to_string());
            assert_eq!(joined.as_deref(), expected, "{to} {asked}");
        }
    }

    #[test]
    fn what_is_of_one_connection_only_goes_no_further() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Own"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("x-own", "1"),
            ("x-other", "2"),
            ("authorization", "Bearer k"),
            ("content-length", "3"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        of_one_connection(&mut headers);
        let left: BTreeSet<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-other", "authorization", "content-length"].into());
    }
}
