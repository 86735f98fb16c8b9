//! `GET /v1/models`: the models that a key's application may ask for and that are served now.
//!
//! Not here: whether a call of one is allowed; a policy may still refuse it.

use super::{Guest, answer, refusal};
use crate::clock::Clock;
use crate::office::{Desk, Office};
use axum::body::Body;
use axum::http::Response;
use cloud::Problem;
use serde_json::{Value, json};

/// All of them.
pub(super) fn list(office: &Office, desk: &Desk, guest: &Guest) -> Response<Body> {
    let data: Vec<Value> = served(office, desk, guest).iter().map(|id| shown(desk, id)).collect();
    answer::json(&json!({ "object": "list", "data": data }))
}

/// One by its id.
pub(super) fn one(office: &Office, desk: &Desk, guest: &Guest, id: &str) -> Result<Response<Body>, Problem> {
    if served(office, desk, guest).iter().any(|served| served == id) {
        Ok(answer::json(&shown(desk, id)))
    } else {
        Err(refusal::unknown_model(id))
    }
}

fn served(office: &Office, desk: &Desk, guest: &Guest) -> Vec<String> {
    let party = &guest.application.party;
    let mut models = office.gateway.load().models();
    let today = Clock.now().date();
    models.retain(|model| desk.terms.service_on(party, model, today).is_some());
    models
}

fn shown(desk: &Desk, id: &str) -> Value {
    let created = desk.since.as_millis().div_euclid(1000);
    json!({ "id": id, "object": "model", "created": created, "owned_by": desk.terms.operator().as_str() })
}
