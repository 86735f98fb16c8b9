//! What there is to tell, what was told and what failed; and one notice to try a receiver.
//!
//! Not here: when notices leave (`crate::notices`).

use super::{Problem, may_read};
use crate::http::Caller;
use crate::notices::{Failure, Letter, Listed, Receiver, deliver};
use crate::office::Office;
use axum::Json;
use axum::extract::{Extension, State};
use partnership::notices::{About, Notice};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn list(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<Listed>>, Problem> {
    may_read(&caller)?;
    Ok(Json(office.listed(office.notices.receivers()).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    receiver: String,
}

/// Sends one notice now, which is of no record and no outbox. For the operator, whose configuration it tries.
pub(super) async fn test(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    body: String,
) -> Result<Json<Value>, Problem> {
    if !matches!(caller, Caller::Operator { .. }) {
        return Err(Problem::unauthorised());
    }
    let Wanted { receiver: name } = serde_json::from_str(&body)
        .map_err(|error| Problem::unreadable(format!("a receiver is asked for by its name: {error}")))?;
    let receivers = receivers(&office)?;
    let receiver = receivers.iter().find(|receiver| receiver.name == name).ok_or_else(|| {
        Problem::not_found(format!("no `[[notice]]` of countersign.toml has the name `{name}`"))
    })?;
    let now = office.clock.now();
    let notice = Notice {
        id: format!("test/{name}/{now}"),
        about: About::Due,
        clause: None,
        parties: Vec::new(),
        text: format!("this tries whether notices reach `{name}`; nothing is due"),
    };
    let letter = Letter { partnership: office.config.origin.clone(), at: now, notice };
    match deliver(receiver, &letter, now).await {
        Ok(()) => Ok(Json(json!({ "receiver": name, "told": true, "key": letter.key() }))),
        Err(Failure(error)) => Err(Problem::unavailable(format!("`{name}` did not take it: {error}"))),
    }
}

/// Those that are told; where no server runs, those of the configuration.
fn receivers(office: &Office) -> Result<Vec<Arc<Receiver>>, Problem> {
    let told = office.notices.receivers();
    if !told.is_empty() {
        return Ok(told);
    }
    let read = office.config.receivers(&office.parties());
    let read = read.map_err(|error| Problem::unreadable(format!("{error:#}")))?;
    Ok(read.into_iter().map(Arc::new).collect())
}
