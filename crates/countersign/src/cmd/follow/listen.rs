//! The follower as others see it: a C2SP tlog-witness that can be asked to cosign, and its copy as tlog-tiles and tlog-mirror serve it.
//!
//! It answers with the key `w1`: that the log only grew. What it says with `w2` it says by itself, when it has replayed the entries; the
//! mirror's checkpoint bears that. Nobody uploads entries to it, since it takes the parties' part too, which no upload would bring.
//! Not here: the parties' part, which is for nobody who just asks.

use crate::clock::Clock;
use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt as _, Limited};
use record::hash::{hex, sha256};
use record::store::directory::Directory;
use record::tile::{Kind, TilePath, WIDTH};
use record::witness::{BODY_BYTES_MAX, Kept, SIZE_TYPE};
use record::{Store as _, Witness};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long whoever asks may take to send a request.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);

/// What is served.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) witness: Arc<Witness<Kept<Directory>>>,
    pub(super) store: Arc<Directory>,
    /// The log's name.
    pub(super) origin: String,
    /// The last checkpoint that was held and replayed, with the cosignature that says so; empty before there is one.
    pub(super) mirrored: Arc<Mutex<Vec<u8>>>,
}

/// Serves from a thread of its own until the process ends. Gives the address.
///
/// Errors: where the address cannot be listened on.
pub(super) fn serve(address: &str, shown: Shown) -> anyhow::Result<SocketAddr> {
    let listener =
        TcpListener::bind(address).with_context(|| format!("`{address}` cannot be listened on"))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/mirror/{origin}/{*path}", get(mirror))
        .route("/{*path}", get(file))
        .with_state(shown);
    std::thread::Builder::new().name("witness".to_owned()).spawn(move || {
        let served = runtime
            .block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await });
        if let Err(error) = served {
            tracing::error!(%error, "the witness is not served any more");
        }
    })?;
    Ok(address)
}

/// Cosigns a checkpoint that follows on the last one, or says why not.
async fn add_checkpoint(State(shown): State<Shown>, body: Body) -> Response {
    let body = tokio::time::timeout(REQUEST_WITHIN, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let Ok(Ok(body)) = body else {
        return (StatusCode::BAD_REQUEST, "the request is too long, or did not come whole\n").into_response();
    };
    let body = body.to_bytes();
    let now = u64::try_from(Clock.now().as_millis()).unwrap_or(0) / 1000;
    let asked = tokio::task::spawn_blocking(move || shown.witness.add_checkpoint(&body, now)).await;
    match asked {
        Ok(Ok(line)) => ([(CONTENT_TYPE, TEXT)], line).into_response(),
        Ok(Err(refused)) => {
            let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            match refused.known_size() {
                Some(size) => (status, [(CONTENT_TYPE, SIZE_TYPE)], size).into_response(),
                None => (status, format!("{refused}\n")).into_response(),
            }
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// One file of the copy, as a mirror shows it: below the digest of the log's name, and with a checkpoint that it has cosigned.
async fn mirror(State(shown): State<Shown>, Path((origin, path)): Path<(String, String)>) -> Response {
    if origin != hex(&sha256(shown.origin.as_bytes())) {
        return (StatusCode::NOT_FOUND, "this mirror has no log of that name\n").into_response();
    }
    if path != "checkpoint" {
        return file(State(shown), Path(path)).await;
    }
    let mirrored = shown.mirrored.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if mirrored.is_empty() {
        return (StatusCode::NOT_FOUND, "nothing was mirrored since the start\n").into_response();
    }
    ([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-cache")], mirrored).into_response()
}

/// One file of the copy: those that are for everyone.
async fn file(State(shown): State<Shown>, Path(path): Path<String>) -> Response {
    let missing = || (StatusCode::NOT_FOUND, "this witness has no such file\n").into_response();
    let Some((content, cache)) = public(&path) else { return missing() };
    let read = tokio::task::spawn_blocking(move || shown.store.read(&path)).await;
    match read {
        Ok(Ok(Some(bytes))) => ([(CONTENT_TYPE, content), (CACHE_CONTROL, cache)], bytes).into_response(),
        Ok(Ok(None)) => missing(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// How a file is served that everyone may have.
fn public(path: &str) -> Option<(&'static str, &'static str)> {
    if matches!(path, "checkpoint" | "vkeys") {
        return Some((TEXT, "no-cache"));
    }
    let tile = TilePath::parse(path).filter(|tile| matches!(tile.kind, Kind::Hashes(_)))?;
    let is_full = u64::from(tile.width) == WIDTH;
    Some((
        "application/octet-stream",
        if is_full { "public, max-age=31536000, immutable" } else { "no-cache" },
    ))
}

const TEXT: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_for_everyone_is_served() {
        for (path, shown) in [
            ("checkpoint", true),
            ("vkeys", true),
            ("tile/0/000", true),
            ("tile/1/000.p/3", true),
            ("tile/entries/000", false),
            ("parties/entries/000", false),
            ("memorandum/x", false),
            ("journal/00000000", false),
            ("../keys/w1.key", false),
        ] {
            assert_eq!(public(path).is_some(), shown, "{path}");
        }
    }
}
