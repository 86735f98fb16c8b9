//! `/v1`: the model API that OpenAI's clients speak.
//!
//! Not here: whether a call is allowed (the road), or what an upstream makes of it (`cloud`).

mod answer;
mod chat;
mod models;
mod refusal;

use super::limits::Allowance;
use super::{REQUEST_ID, bearer};
use crate::office::{Desk, Office};
use crate::telemetry::count;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use bytes::Bytes;
use cloud::Problem;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use partnership::act::{Application, Digest, Key, Principal};
use partnership::ids::KeyId;
use std::sync::Arc;
use std::time::Duration;

/// The longest body that is read. Units: bytes.
const BODY_BYTES_MAX: usize = 16 << 20;
/// How long a caller may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// The act that an answer belongs to.
const ACT: HeaderName = HeaderName::from_static("countersign-act");

/// The non-binding clauses that spoke against the act, where any did.
const DEVIATIONS: HeaderName = HeaderName::from_static("countersign-deviations");

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

/// Answers a request below `/v1`.
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
    let path = request.uri().path().to_owned();
    let asked = match path.as_str() {
        "/v1/chat/completions" => Method::POST,
        "/v1/models" => Method::GET,
        _ if path.starts_with("/v1/models/") => Method::GET,
        _ => return Err(refusal::no_route(&path)),
    };
    if request.method() != asked {
        return Err(refusal::method(&path, &asked));
    }
    if let Some(refused) = guest.allowance.filter(|allowance| !allowance.admitted) {
        count(&office.metrics.limited);
        return Err(refusal::rate_limit(&refused));
    }
    match path.strip_prefix("/v1/models") {
        Some("") => Ok(models::list(office, desk, &guest)),
        Some(id) => models::one(office, desk, &guest, id),
        None => chat::complete(office, desk, &guest, body(request).await?).await,
    }
}

/// Finds the application that a key belongs to, and counts the request.
fn admit(office: &Office, desk: &Desk, headers: &HeaderMap) -> Result<Guest, Problem> {
    let found = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(bearer)
        .and_then(|key| key.strip_prefix("cs_live_")?.split_once('_'))
        .and_then(|(id, secret)| {
            let secret = Digest(::record::hash::sha256(secret.as_bytes()));
            desk.registry.authenticate(&KeyId::from(id), &secret, office.clock.now())
        });
    let Some((key, application)) = found else {
        count(&office.metrics.strangers);
        return Err(refusal::unknown_key());
    };
    let allowance = office.limits.ask(key);
    Ok(Guest { key: key.clone(), application: application.clone(), allowance })
}

/// The whole body of a request.
async fn body(request: Request<Incoming>) -> Result<Bytes, Problem> {
    let told = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if told.is_some_and(|bytes: usize| bytes > BODY_BYTES_MAX) {
        return Err(refusal::too_large(BODY_BYTES_MAX));
    }
    let read =
        tokio::time::timeout(BODY_TIMEOUT, Limited::new(request.into_body(), BODY_BYTES_MAX).collect());
    match read.await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(refusal::too_large(BODY_BYTES_MAX)),
        Ok(Err(_)) | Err(_) => Err(refusal::cut_off()),
    }
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
