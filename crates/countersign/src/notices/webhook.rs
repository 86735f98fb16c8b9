//! A notice as a signed webhook, as the specification of Standard Webhooks has it.
//!
//! Not here: when it is tried again. No redirect is followed, and of an answer nothing is read but its head.
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use super::{Failure, Letter};
use anyhow::{Context as _, ensure};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, Error, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use partnership::ids::Timestamp;
use record::hash::{base64, from_base64};
use ring::hmac;
use serde_json::json;
use std::error::Error as _;
use std::{fmt, io};

/// Where webhooks go, and how they are signed.
pub(super) struct Webhook {
    url: http::Uri,
    secret: hmac::Key,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Webhook {
    /// To `url`, signed with a secret as Standard Webhooks writes them: `whsec_` and base64 of 24 to 64 bytes.
    ///
    /// Errors: what is wrong, without a word of the secret.
    pub(super) fn of(url: &str, secret: &str) -> anyhow::Result<Self> {
        let uri: http::Uri = url.parse().with_context(|| format!("`{url}` is no address"))?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
        ensure!(is_http, "`{url}` is no address that begins with `https://` or `http://`");
        let bytes = from_base64(secret.strip_prefix("whsec_").unwrap_or(secret));
        let bytes = bytes.filter(|bytes| (24..=64).contains(&bytes.len()));
        let bytes = bytes.context(
            "a webhook's secret is `whsec_` and base64 of 24 to 64 bytes; `echo whsec_$(openssl rand -base64 32)` makes one",
        )?;
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .context("this machine's certificate authorities cannot be read")?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { url: uri, secret: hmac::Key::new(hmac::HMAC_SHA256, &bytes), client })
    }

    /// Sends it once; taken is what is answered with a status of 200 to 299.
    ///
    /// Errors: [`Failure`].
    pub(super) async fn deliver(&self, letter: &Letter, now: Timestamp) -> Result<(), Failure> {
        let request = self.request(letter, now).map_err(|_| Failure::of("unsendable"))?;
        let answer = self.client.request(request).await.map_err(|error| Failure::of(word(&error)))?;
        let status = answer.status();
        match status.as_u16() {
            200..=299 => Ok(()),
            300..=399 => Err(Failure::of("redirect")),
            other => Err(Failure(format!("status-{other}"))),
        }
    }

    fn request(&self, letter: &Letter, now: Timestamp) -> http::Result<http::Request<Full<Bytes>>> {
        let (id, body) = (letter.key(), body(letter));
        let seconds = now.as_millis().div_euclid(1000).to_string();
        let signed = [id.as_bytes(), b".", seconds.as_bytes(), b".", &body].concat();
        let signature = base64(hmac::sign(&self.secret, &signed).as_ref());
        http::Request::post(&self.url)
            .header(USER_AGENT, "countersign")
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", format!("v1,{signature}"))
            .body(Full::new(Bytes::from(body)))
    }
}

/// The same bytes for the same notice, however often it is sent.
fn body(letter: &Letter) -> Vec<u8> {
    let notice = &letter.notice;
    let body = json!({
        "type": format!("countersign.{}", notice.about.name()),
        "timestamp": letter.at.to_string(),
        "data": {
            "id": notice.id,
            "partnership": letter.partnership,
            "about": notice.about.name(),
            "clause": notice.clause,
            "parties": notice.parties,
            "text": notice.text,
        },
    });
    body.to_string().into_bytes()
}

fn word(error: &Error) -> &'static str {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.downcast_ref::<io::Error>().is_some_and(is_of_tls) {
            return "tls";
        }
        source = inner.source();
    }
    if error.is_connect() { "unreachable" } else { "cut" }
}

/// Whether rustls said it, which comes as data that makes no sense. An error of another's making hides what it holds from its sources.
fn is_of_tls(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
    error.kind() == io::ErrorKind::InvalidData || inner.is_some_and(is_of_tls)
}
