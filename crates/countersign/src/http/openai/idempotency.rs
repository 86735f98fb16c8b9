//! `Idempotency-Key`: a call that is asked for again within a day is no second act.
//!
//! Not here: which act a key belongs to. The clerk knows that from the record, and so no two that come at once both run.

use super::chat::{self, Asked, Went, set_out};
use super::{Guest, answer, refusal};
use crate::content::{commitment, nonce};
use crate::http::api::content;
use crate::office::Office;
use crate::vault::Found;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Response};
use cloud::Problem;
use partnership::decision::Repeated;
use std::sync::Arc;

/// The header that the key comes in.
const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// How long a key may be. Units: characters.
const CHARS_MAX: usize = 255;

/// The idempotency key that came with a request.
///
/// Errors: where it is none, or there are several.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(HEADER).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let bytes = key.as_bytes();
    let is_key = (1..=CHARS_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    match key.to_str() {
        Ok(key) if is_key && keys.next().is_none() => Ok(Some(key.to_owned())),
        _ => Err(refusal::bad_idempotency_key(CHARS_MAX)),
    }
}

/// Answers a call that came with a key: as a new act where the key is free, else as the act that it belongs to is answered, and says
/// which.
pub(super) async fn once(
    office: &Arc<Office>,
    guest: &Guest,
    asked: Asked,
) -> Result<(Response<Body>, bool), Problem> {
    let repeated = |response, act, against: &[_]| Ok((chat::signed(response, act, against), true));
    let mut missed = None;
    loop {
        let found = match set_out(office, asked.clone()).await? {
            Went::Answered(response) => return Ok((response, false)),
            Went::Repeated(found) => found,
        };
        let act = found.act;
        match sameness(office, guest, &asked, &found) {
            Sameness::Same => {}
            Sameness::Other => {
                return repeated(answer::problem(&refusal::used_otherwise(act)), act, &[]);
            }
            // Whoever asked may be another end user, and hears no answer.
            Sameness::Unknown => return repeated(answer::problem(&refusal::used(act)), act, &[]),
        }
        match office.awaited.join(act) {
            Some(follower) => {
                if let Some(whole) = follower.hear().await {
                    let against = whole.against.clone();
                    return repeated(answer::whole(whole), act, &against);
                }
                // It may have come to nothing, and then its key is free.
            }
            None if found.open && missed != Some(act) => missed = Some(act),
            None => {
                return match content::answer_of(office, act).await {
                    Some((stream, against, body)) => repeated(answer::again(stream, body), act, &against),
                    None => repeated(answer::problem(&refusal::used(act)), act, &[]),
                };
            }
        }
    }
}

/// Whether the act that a key belongs to is of the same request, byte by byte.
enum Sameness {
    Same,
    Other,
    /// Its content key is gone, so nobody can tell.
    Unknown,
}

fn sameness(office: &Office, guest: &Guest, asked: &Asked, repeated: &Repeated) -> Sameness {
    let subject = chat::subject(guest, &asked.call.chat, repeated.act);
    match office.vault.told(&subject) {
        Found::Gone => Sameness::Unknown,
        Found::Never => Sameness::Other,
        Found::Key(content_key) => {
            let content = ::record::hash::sha256(&asked.call.body);
            let input = commitment(&content_key, "input", &nonce(repeated.act), &content);
            if input == repeated.input { Sameness::Same } else { Sameness::Other }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_key_is_one_header_of_visible_characters() {
        let longest = "k".repeat(CHARS_MAX);
        let too_long = "k".repeat(CHARS_MAX + 1);
        let rows: [(&[&str], Option<Option<&str>>); 8] = [
            (&[], Some(None)),
            (&["a"], Some(Some("a"))),
            (&["~!\"#"], Some(Some("~!\"#"))),
            (&[&longest], Some(Some(&longest))),
            (&[&too_long], None),
            (&[""], None),
            (&["a b"], None),
            (&["a", "a"], None),
        ];
        for (sent, expected) in rows {
            let mut headers = HeaderMap::new();
            for key in sent {
                headers.append(HEADER, HeaderValue::from_str(key).unwrap());
            }
            let read = key(&headers).ok();
            assert_eq!(read.as_ref().map(Option::as_deref), expected, "{sent:?}");
        }
        let other =
            HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes("schlüssel".as_bytes()).unwrap())]);
        assert_eq!(key(&other).unwrap_err().status, 400);
    }
}
