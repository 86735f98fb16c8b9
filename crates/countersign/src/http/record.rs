//! `/record`: the record's own files, as C2SP tlog-tiles serves them.
//!
//! Not here: any change of them. Checkpoints, keys and hash tiles are for everyone; envelopes too, unless the operator keeps
//! them back; the parties' parts and the memoranda are for who may read `/api`.

use super::Caller;
use super::api::{Problem, blocking, may_read};
use crate::config::Public;
use crate::cosigned::NotTaken;
use crate::office::Office;
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt as _, Limited};
use record::Store as _;
use record::tile::{Kind, TilePath, WIDTH};
use record::witness::BODY_BYTES_MAX;
use std::sync::Arc;
use std::time::Duration;

/// The routes below `/record`.
pub(crate) fn router() -> Router<Arc<Office>> {
    Router::new().route("/record/cosign", post(cosign)).route("/record/{*path}", get(file))
}

/// Takes cosignatures: the body is a checkpoint of this record with lines by keys that cosign it. Who may is told by the lines.
async fn cosign(State(office): State<Arc<Office>>, body: Body) -> Result<StatusCode, Problem> {
    let body = tokio::time::timeout(COSIGN_WITHIN, Limited::new(body, BODY_BYTES_MAX).collect())
        .await
        .map_err(|_| {
            Problem::timeout(format!("send a checkpoint within {} seconds", COSIGN_WITHIN.as_secs()))
        })?
        .map_err(|_| {
            Problem::too_large(format!("a cosigned checkpoint has at most {BODY_BYTES_MAX} bytes"))
        })?;
    let (note, keys) = (body.to_bytes(), office.desk.load().registry.cosigners());
    let take = move || office.cosigned.take(&note, (&office.logs_since(), &keys), office.clerk.published());
    let taken = blocking(take).await?;
    match taken {
        Ok(()) => Ok(StatusCode::OK),
        Err(error @ NotTaken::Store(_)) => Err(Problem::unavailable(error.to_string())),
        Err(error) => Err(Problem::unreadable(error.to_string())),
    }
}

/// How long a cosigner may take to send what it has cosigned.
const COSIGN_WITHIN: Duration = Duration::from_secs(30);

/// One file of the record.
async fn file(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    let file = File::of(&path).ok_or_else(|| missing(&path))?;
    let for_all = match file.seen_by {
        SeenBy::All => true,
        SeenBy::Public => office.config.record.public == Public::Envelopes,
        SeenBy::Parties => false,
    };
    if !for_all {
        may_read(&caller)?;
    }
    let (store, name) = (Arc::clone(&office.store), path.clone());
    let bytes = blocking(move || store.read(&name)).await??.ok_or_else(|| missing(&path))?;
    Ok(([(CONTENT_TYPE, file.content), (CACHE_CONTROL, file.cache)], bytes).into_response())
}

fn missing(path: &str) -> Problem {
    Problem::not_found(format!("the record has no file `{path}`"))
}

/// Who may see a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SeenBy {
    All,
    Public,
    Parties,
}

/// How a file is served.
#[derive(Debug, PartialEq, Eq)]
struct File {
    seen_by: SeenBy,
    content: &'static str,
    cache: &'static str,
}

impl File {
    /// How the file at `path` is served; none for what is not served at all, such as the journal.
    fn of(path: &str) -> Option<Self> {
        const TEXT: &str = "text/plain; charset=utf-8";
        if matches!(path, "checkpoint" | "cosigned" | "handover" | "vkeys") {
            return Some(Self { seen_by: SeenBy::All, content: TEXT, cache: "no-cache" });
        }
        if let Some(name) = path.strip_prefix("memorandum/") {
            partnership::act::Digest::from_hex(name)?;
            return Some(Self {
                seen_by: SeenBy::Parties,
                content: "text/markdown; charset=utf-8",
                cache: KEPT_BY_ONE,
            });
        }
        let tile = TilePath::parse(path)?;
        let seen_by = match tile.kind {
            Kind::Hashes(_) => SeenBy::All,
            Kind::Entries => SeenBy::Public,
            Kind::Parties => SeenBy::Parties,
        };
        let cache = match seen_by {
            _ if u64::from(tile.width) < WIDTH => "no-cache",
            SeenBy::Parties => KEPT_BY_ONE,
            SeenBy::All | SeenBy::Public => KEPT,
        };
        Some(Self { seen_by, content: "application/octet-stream", cache })
    }
}

/// What never changes may be kept for ever.
const KEPT: &str = "public, max-age=31536000, immutable";

/// The same, but not by a cache that strangers share.
const KEPT_BY_ONE: &str = "private, max-age=31536000, immutable";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_shown_to_those_it_is_for_and_nothing_else_is_served() {
        let memorandum = format!("memorandum/{}", "ab".repeat(32));
        for (path, seen_by) in [
            ("checkpoint", Some(SeenBy::All)),
            ("cosigned", Some(SeenBy::All)),
            ("vkeys", Some(SeenBy::All)),
            ("tile/0/000", Some(SeenBy::All)),
            ("tile/0/000.p/7", Some(SeenBy::All)),
            ("tile/entries/000", Some(SeenBy::Public)),
            ("parties/entries/000.p/3", Some(SeenBy::Parties)),
            (memorandum.as_str(), Some(SeenBy::Parties)),
            ("memorandum/../vkeys", None),
            ("journal/00000000", None),
            ("../keys/log.key", None),
            ("tmp/x", None),
            ("", None),
        ] {
            assert_eq!(File::of(path).map(|file| file.seen_by), seen_by, "{path}");
        }
    }

    #[test]
    fn only_what_is_full_is_kept_for_ever() {
        assert_eq!(File::of("tile/0/000").map(|file| file.cache), Some(KEPT));
        assert_eq!(File::of("parties/entries/000").map(|file| file.cache), Some(KEPT_BY_ONE));
        assert_eq!(File::of("tile/0/000.p/255").map(|file| file.cache), Some("no-cache"));
        assert_eq!(File::of("checkpoint").map(|file| file.cache), Some("no-cache"));
    }
}
