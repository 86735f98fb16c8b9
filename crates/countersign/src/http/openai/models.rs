//! `GET /v1/models`: the models that a key's application may ask for and that are served now.
//!
//! Not here: whether a call of one is allowed; a policy may still refuse it.

use super::{Guest, answer, refusal};
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

/// One by the rest of its path, which begins with a slash; other slashes of an id may be written as they are or as `%2F`.
pub(super) fn one(
    office: &Office,
    desk: &Desk,
    guest: &Guest,
    rest: &str,
) -> Result<Response<Body>, Problem> {
    let id = unescaped(rest.strip_prefix('/').unwrap_or(rest));
    if served(office, desk, guest).contains(&id) {
        Ok(answer::json(&shown(desk, &id)))
    } else {
        Err(refusal::unknown_model(&id))
    }
}

fn served(office: &Office, desk: &Desk, guest: &Guest) -> Vec<String> {
    let party = &guest.application.party;
    let mut models = office.gateway.load().models();
    models.retain(|model| desk.terms.service(party, model).is_some());
    models
}

fn shown(desk: &Desk, id: &str) -> Value {
    let created = desk.since.as_millis().div_euclid(1000);
    json!({ "id": id, "object": "model", "created": created, "owned_by": desk.terms.operator().as_str() })
}

/// Text of a path with its `%XX` read; what is no UTF-8 then is no model's id either.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let byte = escaped
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn an_id_is_read_as_it_was_meant() {
        for (path, id) in [
            ("smollm2-135m-instruct", "smollm2-135m-instruct"),
            ("org%2Fmodel", "org/model"),
            ("org/model", "org/model"),
            ("a%", "a%"),
            ("a%2", "a%2"),
            ("a%zz", "a%zz"),
            ("caf%C3%A9", "café"),
        ] {
            assert_eq!(unescaped(path), id, "{path}");
        }
    }
}
