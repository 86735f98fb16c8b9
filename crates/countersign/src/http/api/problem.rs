//! Why a request to `/api` was not done, as problem+json (RFC 9457).
//!
//! Not here: the errors of the model APIs, which keep those APIs' own shape.

use crate::clerk::Unavailable;
use crate::road::Undecided;
use crate::road::erasing::Unerased;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use partnership::decision::{Refusal, RefusalCode};
use serde::Serialize;

/// A refusal, or a request that could not be read.
#[derive(Debug)]
pub(crate) struct Problem(Box<Content>);

#[derive(Debug, Serialize)]
struct Content {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Content {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code: None,
            clause: None,
            remedy: None,
            act: None,
            decision: None,
            index: None,
        }))
    }

    /// What is wrong and what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The caller has not shown who it is.
    pub(crate) fn unauthorised() -> Self {
        let detail = "send the operator's token as `Authorization: Bearer …`, or use the socket in the partnership's folder";
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorised", detail)
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }

    /// It was there, and was erased.
    pub(crate) fn gone(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Erased", detail)
    }

    /// What is there is not what it should be.
    pub(crate) fn damaged(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Damaged", detail)
    }

    /// The request cannot be read as one of those that exist.
    pub(crate) fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Unreadable", detail)
    }

    /// The request is longer than is read.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Too large", detail)
    }

    /// The request did not come in time.
    pub(crate) fn timeout(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "Too slow", detail)
    }

    /// Nothing was decided; trying again may help.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", detail)
    }

    /// Whether trying again may help.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.0.status == StatusCode::SERVICE_UNAVAILABLE.as_u16()
    }

    /// An act was refused, and the refusal is on the record: 403 by a clause, 422 where the act does not fit.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        let (status, title) = match refusal.code {
            RefusalCode::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "Does not fit"),
            _ => (StatusCode::FORBIDDEN, "Refused"),
        };
        let Self(plain) = Self::new(status, title, refusal.message);
        Self(Box::new(Content {
            code: Some(refusal.code.name()),
            clause: refusal.clause.map(|clause| clause.to_string()),
            remedy: Some(refusal.remedy),
            act: Some(refusal.act.to_string()),
            decision: Some("denied"),
            index: Some(refusal.index),
            ..*plain
        }))
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl From<Undecided> for Problem {
    fn from(error: Undecided) -> Self {
        match error {
            Undecided::Unavailable(error) => error.into(),
            Undecided::TooLong => Self::unreadable(error.to_string()),
        }
    }
}

impl From<Unerased> for Problem {
    fn from(error: Unerased) -> Self {
        match error {
            Unerased::Refused(refusal) => Self::refused(*refusal),
            Unerased::Undecided(error) => error.into(),
            Unerased::Unwritten(_) | Unerased::Lost(_) | Unerased::Open { .. } => {
                tracing::error!("{error}");
                Self::unavailable(error.to_string())
            }
        }
    }
}

impl From<record::StoreError> for Problem {
    fn from(error: record::StoreError) -> Self {
        tracing::error!(%error, "the record cannot be read");
        Self::unavailable("the record cannot be read; the server's log says why")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0)
            .unwrap_or_else(|error| unreachable!("a problem is plain text: {error}"));
        let mut response = (status, [(CONTENT_TYPE, "application/problem+json")], body).into_response();
        let header = match status {
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
            StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, "1")),
            _ => None,
        };
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
