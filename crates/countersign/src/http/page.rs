//! The page at `/`: one look at the partnership, the same for both sides. Rendered on the server; it has no script.
//!
//! Not here: any number that `/api/status` does not have (see [`super::report`]).

mod funds;
mod sections;

use super::api::{Problem, report};
use super::report::Report;
use crate::office::Office;
use axum::Router;
use axum::extract::{Extension, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};
use std::sync::Arc;

/// The page and its style.
pub(crate) fn router() -> Router<Arc<Office>> {
    Router::new().route("/", get(page)).route("/style.css", get(style))
}

async fn page(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<super::Caller>,
) -> Result<Response, Problem> {
    super::api::may_read(&caller)?;
    let report = report(&office).await?;
    let headers = [(CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-store")];
    Ok((headers, Html(render(&report).into_string())).into_response())
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=3600")], STYLE)
}

/// The page of a report.
pub(crate) fn render(report: &Report) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (report.title) " · Countersign" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                a.skip href="#main" { "Skip to content" }
                (sections::top(report))
                main id="main" {
                    (sections::areas(report))
                    (sections::waiting(report))
                    (sections::intentions(report))
                    (funds::commitments(report))
                    (sections::clauses(report))
                    (sections::acts(report))
                    (sections::kept(report))
                    (sections::balances(report))
                }
                (sections::foot(report))
            }
        }
    }
}

/// Nothing but this server's own style is loaded, and nothing runs.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("page/style.css");
