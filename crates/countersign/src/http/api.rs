//! `/api`: everything that the command line and the page can do, as JSON.
//!
//! Not here: whether an act is allowed (the clerk's), or who is calling (`http`).

pub(crate) mod acts;
mod budgets;
pub(crate) mod content;
mod notices;
mod problem;
pub(crate) mod receipts;

pub(crate) use problem::Problem;

use super::Caller;
use super::report::{Account, Kept, Money, Report};
use crate::cosigned::Standing;
use crate::office::Office;
use axum::extract::{Extension, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use partnership::act::{Application, Key};
use partnership::ids::PartyId;
use partnership::memorandum::Kind;
use record::hash::base64;
use record::note::Verifier;
use record::{Checkpoint, Store as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The routes below `/api`. The caller is expected as an extension.
pub(crate) fn router() -> Router<Arc<Office>> {
    Router::new()
        .route("/api/status", get(status))
        .route("/api/balance", get(balance))
        .route("/api/acts", get(recent).post(acts::propose))
        .route("/api/applications", get(applications))
        .route("/api/keys", get(keys))
        .route("/api/budgets", get(budgets::budgets))
        .route("/api/models", get(models))
        .route("/api/memorandum", get(memorandum))
        .route("/api/retention", get(retention))
        .route("/api/witnesses", get(witnesses))
        .route("/api/notices", get(notices::list))
        .route("/api/notices/test", post(notices::test))
        .route("/api/party-keys", get(party_keys))
        .route("/api/record", get(record_head))
        .route("/api/receipts/{act}", get(receipts::receipt))
        .route("/api/content/{act}", get(content::content))
}

/// Whether the caller may look at what the parties see.
pub(crate) fn may_read(caller: &Caller) -> Result<(), Problem> {
    match caller {
        Caller::Operator { .. } | Caller::Party(_) | Caller::Reader => Ok(()),
        Caller::Recovery(_) | Caller::Stranger => Err(Problem::unauthorised()),
    }
}

/// What the partnership looks like between two turns.
pub(crate) async fn report(office: &Office) -> Result<Report, Problem> {
    let published = office.clerk.published();
    let (witnesses, keys) = (office.standing(), office.vault.listed());
    let report = office.clerk.ask(move |state| Report::of(state, published, witnesses, &keys)).await?;
    report.ok_or_else(|| Problem::unavailable("the partnership has not begun"))
}

async fn status(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Report>, Problem> {
    may_read(&caller)?;
    report(&office).await.map(Json)
}

#[derive(Debug, Deserialize)]
struct OfAccount {
    account: Option<String>,
}

async fn balance(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<OfAccount>,
) -> Result<Json<Vec<Account>>, Problem> {
    may_read(&caller)?;
    let name = asked.account.clone();
    let found = office.clerk.ask(move |state| Account::of_name(state, name.as_deref())).await?;
    let missing =
        || Problem::not_found(format!("no account is named `{}`", asked.account.unwrap_or_default()));
    found.map(Json).ok_or_else(missing)
}

async fn recent(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
) -> Result<impl IntoResponse, Problem> {
    may_read(&caller)?;
    Ok(Json(report(&office).await?.acts))
}

async fn applications(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<Application>>, Problem> {
    may_read(&caller)?;
    Ok(Json(office.clerk.ask(|state| state.registry().applications().cloned().collect()).await?))
}

/// A key without anything secret.
#[derive(Debug, Serialize)]
struct KeyLine {
    id: String,
    application: String,
    requests_per_minute: Option<u64>,
    budget: Option<Money>,
    expires: Option<String>,
}

impl KeyLine {
    fn of(state: &partnership::State, key: &Key) -> Self {
        let budget = key.budget.as_ref().map(|budget| {
            Money::of(state, ledger::Amount::new(budget.amount), &budget.asset.as_str().into())
        });
        Self {
            id: key.id.to_string(),
            application: key.application.to_string(),
            requests_per_minute: key.requests_per_minute,
            budget,
            expires: key.expires.map(|expires| expires.to_string()),
        }
    }
}

async fn keys(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<KeyLine>>, Problem> {
    may_read(&caller)?;
    let keys =
        |state: &partnership::State| state.registry().keys().map(|key| KeyLine::of(state, key)).collect();
    Ok(Json(office.clerk.ask(keys).await?))
}

async fn models(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<Value>>, Problem> {
    may_read(&caller)?;
    Ok(Json(office.clerk.ask(served).await?))
}

/// The models that service clauses name, each with who may call it and whether it is in service.
fn served(state: &partnership::State) -> Vec<Value> {
    let mut to: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for clause in state.terms().iter().flat_map(|terms| &terms.memorandum().clauses) {
        let Kind::Service(service) = &clause.kind else { continue };
        for model in &service.models {
            to.entry(model.clone()).or_default().extend(service.to.iter().map(ToString::to_string));
        }
    }
    let line = |(name, to): (String, Vec<String>)| {
        let suspended = state.registry().is_suspended(&name.as_str().into());
        json!({ "name": name, "served_to": to, "suspended": suspended })
    };
    to.into_iter().map(line).collect()
}

async fn memorandum(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
) -> Result<impl IntoResponse, Problem> {
    may_read(&caller)?;
    let text =
        office.clerk.ask(|state| state.terms().map(|terms| terms.memorandum().text.to_string())).await?;
    let text = text.ok_or_else(|| Problem::unavailable("the partnership has not begun"))?;
    Ok(([(CONTENT_TYPE, "text/markdown; charset=utf-8")], text))
}

/// What is kept of each application and month, with both clocks.
async fn retention(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<Kept>>, Problem> {
    may_read(&caller)?;
    let keys = office.vault.listed();
    Ok(Json(office.clerk.ask(move |state| Kept::all(state, &keys)).await?))
}

/// The keys by which parties cosign, and how far each has come; public, as their cosignatures are.
async fn witnesses(State(office): State<Arc<Office>>) -> Json<Vec<Standing>> {
    Json(office.standing())
}

/// A key that a party signs with, or did.
#[derive(Debug, Serialize)]
struct PartyKeyLine {
    party: String,
    name: String,
    vkey: String,
    /// Whether it is the one that counts.
    counts: bool,
    /// The party's recovery key; none where the memorandum in force names none.
    recovery: Option<String>,
}

impl PartyKeyLine {
    fn all(state: &partnership::State) -> Vec<Self> {
        let named = state.terms().map(|terms| &terms.memorandum().header.recovery);
        let of_party = |(party, keys): (&PartyId, Vec<&Verifier>)| {
            let recovery = named.and_then(|named| named.get(party)).cloned();
            let last = keys.len().saturating_sub(1);
            let line = |(place, key): (usize, &Verifier)| Self {
                party: party.to_string(),
                name: key.name().to_owned(),
                vkey: key.vkey(),
                counts: place == last,
                recovery: recovery.clone(),
            };
            keys.into_iter().enumerate().map(line).collect::<Vec<_>>()
        };
        state.vkeys_ever().into_iter().flat_map(of_party).collect()
    }
}

/// The keys that the parties sign with, and signed with; public, as the record's own file of them is.
async fn party_keys(State(office): State<Arc<Office>>) -> Result<Json<Vec<PartyKeyLine>>, Problem> {
    Ok(Json(office.clerk.ask(PartyKeyLine::all).await?))
}

/// The record's head, which is public as the checkpoint itself is.
async fn record_head(State(office): State<Arc<Office>>) -> Result<Json<Value>, Problem> {
    let size = office.clerk.ask(partnership::State::entries).await?;
    let (store, logs) = (Arc::clone(&office.store), office.logs());
    let origin = office.log.name().to_owned();
    let vkeys = office.desk.load().keys_file(office.log.first());
    let vkeys: Vec<String> = vkeys.lines().map(str::to_owned).collect();
    let read = move || -> Result<Value, record::StoreError> {
        let head = store.read("checkpoint")?.and_then(|bytes| Checkpoint::open_by(&bytes, &logs).ok());
        let head = head.map(|(head, _)| head);
        Ok(json!({
            "origin": origin,
            "size": size,
            "published": head.as_ref().map_or(0, |head| head.size),
            "root": head.as_ref().map(|head| base64(&head.root)),
            "vkeys": vkeys,
        }))
    };
    Ok(Json(blocking(read).await??))
}

/// Runs what reads or writes files where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::unavailable("the server is stopping"))
}
