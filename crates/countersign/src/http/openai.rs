//! `/v1` and `/openai`: the model API that the clients of OpenAI and of Azure OpenAI speak.
//!
//! Not here: whether a call is allowed (the road), or what an upstream makes of it (`cloud`).

mod address;
mod answer;
mod chat;
mod idempotency;
mod models;
mod proposal;
mod refusal;

pub(crate) use proposal::Proposal;

use super::limits::Allowance;
use super::{REQUEST_ID, bearer};
use crate::config::HttpConfig;
use crate::office::{Desk, Office};
use crate::telemetry::count;
use address::Address;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use bytes::{Bytes, BytesMut};
use cloud::Problem;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use partnership::act::{Application, Digest, Key, Principal};
use partnership::ids::KeyId;
use std::sync::Arc;
use std::time::Duration;

/// How much more of a body than is read is taken and thrown away before its sender is told that it is too long, in multiples of
/// what is read: one who is cut off while sending does not hear why.
const DISCARDED_TIMES: usize = 4;
/// How long that may take.
const DISCARDED_WITHIN: Duration = Duration::from_secs(10);

/// The act that an answer belongs to.
const ACT: HeaderName = HeaderName::from_static("countersign-act");

/// Azure's own header for a key.
const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// The non-binding clauses that spoke against the act, where any did.
const DEVIATIONS: HeaderName = HeaderName::from_static("countersign-deviations");

/// The model that an address names, where it names one as Azure's older clients do.
pub(crate) fn deployment(uri: &Uri) -> Option<String> {
    match Address::of(uri) {
        Ok(Address::Chat { deployment }) => deployment,
        _ => None,
    }
}

/// Who calls, by the key that came with the request.
struct Guest {
    key: Key,
    application: Application,
    /// What the key may still ask, where it is limited.
    allowance: Option<Allowance>,
}

impl Guest {
    /// On whose behalf an act is proposed.
    fn principal(&self) -> Principal {
        Principal::Application {
            party: self.application.party.clone(),
            application: self.application.name.clone(),
            key: self.key.id.clone(),
        }
    }
}

/// Whether a path is of the model API.
pub(super) fn is_of(path: &str) -> bool {
    let below =
        |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below("/v1") || below("/openai")
}

/// Answers a request below `/v1` or `/openai`.
pub(super) async fn answer(office: &Arc<Office>, request: Request<Incoming>) -> Response<Body> {
    let desk = office.desk.load_full();
    let mut allowance = None;
    let answered = match admit(office, &desk, request.headers()) {
        Ok(guest) => {
            allowance = guest.allowance;
            route(office, &desk, guest, request).await
        }
        Err(problem) => Err(problem),
    };
    let mut response = answered.unwrap_or_else(|problem| answer::problem(&problem));
    if let Some(allowance) = allowance {
        tell(&allowance, response.headers_mut());
    }
    response
}

async fn route(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    guest: Guest,
    request: Request<Incoming>,
) -> Result<Response<Body>, Problem> {
    let address = Address::of(request.uri())?;
    let asked = address.method();
    if request.method() != asked {
        return Err(refusal::method(request.uri().path(), &asked));
    }
    if let Some(refused) = guest.allowance.filter(|allowance| !allowance.admitted) {
        count(&office.metrics.limited);
        return Err(refusal::rate_limit(&refused));
    }
    match address {
        Address::Models => Ok(models::list(office, desk, &guest)),
        Address::Model(id) => models::one(office, desk, &guest, &id),
        Address::Chat { deployment } => {
            let key = idempotency::key(request.headers())?;
            let mut body = body(&office.config.http, request).await?;
            if let Some(name) = deployment {
                body = cloud::addressed(body, &name);
            }
            chat::complete(office, desk, &guest, (body, key)).await
        }
    }
}

/// Refuses a request whose head is too long, wherever it goes.
pub(super) fn too_long(request: &Request<Incoming>, limits: &HttpConfig) -> Option<Response<Body>> {
    let address_bytes = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    if address_bytes > limits.address_bytes_max {
        return Some(answer::problem(&refusal::address_too_long(limits.address_bytes_max)));
    }
    let line_bytes = address_bytes.saturating_add(request.method().as_str().len());
    let headers = request.headers().iter();
    let head_bytes = headers.fold(line_bytes, |sum, (name, value)| {
        sum.saturating_add(name.as_str().len()).saturating_add(value.len()).saturating_add(HEADER_MARKS)
    });
    (head_bytes > limits.head_bytes_max)
        .then(|| answer::problem(&refusal::head_too_large(limits.head_bytes_max)))
}

/// What stands around a header's name and value: a colon, a space and the end of the line. Units: bytes.
const HEADER_MARKS: usize = 4;

/// Finds the application that a key belongs to, and counts the request.
fn admit(office: &Office, desk: &Desk, headers: &HeaderMap) -> Result<Guest, Problem> {
    let now = office.clock.now();
    let found = keys(headers).find_map(|key| {
        let (id, secret) = key.strip_prefix("cs_live_")?.split_once('_')?;
        let secret = Digest(::record::hash::sha256(secret.as_bytes()));
        desk.registry.authenticate(&KeyId::from(id), &secret, now)
    });
    let Some((key, application)) = found else {
        count(&office.metrics.strangers);
        return Err(refusal::unknown_key());
    };
    let allowance = office.limits.ask(key);
    Ok(Guest { key: key.clone(), application: application.clone(), allowance })
}

/// The keys that came with a request: as OpenAI's clients send one, then as Azure's do. A client that was made for one and pointed
/// at the other sends both, and one of them may be a placeholder.
fn keys(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let azure = text(API_KEY).map(str::trim);
    text(AUTHORIZATION).and_then(bearer).into_iter().chain(azure)
}

/// The whole body of a request.
async fn body(limits: &HttpConfig, request: Request<Incoming>) -> Result<Bytes, Problem> {
    let bytes_max = limits.body_bytes_max;
    let told = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let waits = request.headers().contains_key(EXPECT);
    let mut body = Limited::new(request.into_body(), bytes_max.saturating_mul(DISCARDED_TIMES));
    if told.is_some_and(|bytes: usize| bytes > bytes_max) {
        // One who waits to be asked for the body has not begun to send it.
        if !waits {
            discard(&mut body).await;
        }
        return Err(refusal::too_large(bytes_max));
    }
    let read =
        tokio::time::timeout(Duration::from_millis(limits.body_timeout_ms), whole(&mut body, bytes_max));
    match read.await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => {
            discard(&mut body).await;
            Err(refusal::too_large(bytes_max))
        }
        Ok(Err(_)) | Err(_) => Err(refusal::cut_off()),
    }
}

/// All of a body; none where it is longer than `bytes_max`.
async fn whole(body: &mut Limited<Incoming>, bytes_max: usize) -> Result<Option<Bytes>, axum::BoxError> {
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.len().saturating_add(joined.len()).saturating_add(data.len()) > bytes_max {
            return Ok(None);
        }
        if first.is_empty() && joined.is_empty() {
            first = data;
            continue;
        }
        if joined.is_empty() {
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&data);
    }
    Ok(Some(if joined.is_empty() { first } else { joined.freeze() }))
}

/// Takes the rest of a body and throws it away, as far as that is worth it.
async fn discard(body: &mut Limited<Incoming>) {
    let taken = async { while let Some(Ok(_)) = body.frame().await {} };
    drop(tokio::time::timeout(DISCARDED_WITHIN, taken).await);
}

/// What a limited key is told with each answer, in the headers that clients of OpenAI read.
fn tell(allowance: &Allowance, headers: &mut HeaderMap) {
    let told = [
        ("x-ratelimit-limit-requests", allowance.limit.to_string()),
        ("x-ratelimit-remaining-requests", allowance.remaining.to_string()),
        ("x-ratelimit-reset-requests", format!("{}s", refusal::seconds(allowance.reset))),
    ];
    for (name, value) in told {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
