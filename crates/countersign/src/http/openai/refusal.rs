//! What a caller of `/v1` is told when a request goes no further, in OpenAI's shape and with the codes its clients know.
//!
//! Not here: whether it goes further.

use super::super::limits::Allowance;
use crate::clerk::Unavailable;
use axum::http::Method;
use cloud::{BadRequest, Problem, Unbounded};
use partnership::decision::{Refusal, RefusalCode};
use partnership::ids::ActId;
use std::time::Duration;

/// The key is not one of those in the register, or no longer.
pub(super) fn unknown_key() -> Problem {
    let message = "the API key is not known, or no longer; send one as `Authorization: Bearer KEY` or `api-key: KEY`. `countersign key new` makes one";
    with(401, "authentication_error", "invalid_api_key", message)
}

/// The key has asked as often as it may within a minute.
pub(super) fn rate_limit(allowance: &Allowance) -> Problem {
    let message = format!("the key may ask {} times in a minute; try again later", allowance.limit);
    Problem::rate_limit(&message, Some(seconds(allowance.reset).to_string()))
}

/// The model is agreed on by nobody, or not for this application's party.
pub(super) fn unknown_model(model: &str) -> Problem {
    let model: String = model.chars().take(NAME_CHARS_MAX).collect();
    let message = format!(
        "the model `{model}` does not exist or no service clause offers it to this application; `GET /v1/models` lists those there are"
    );
    let fault =
        BadRequest { message, param: Some("model".to_owned()), code: Some("model_not_found".to_owned()) };
    Problem::request(404, fault)
}

/// The model is agreed on, and served nowhere at present.
pub(super) fn unserved(model: &str) -> Problem {
    let message = format!(
        "the model `{model}` is agreed on, but no upstream serves it now; its operator must add one to countersign.toml"
    );
    with(503, "server_error", "model_not_served", &message)
}

/// The prompt alone is longer than the context.
pub(super) fn context_exceeded(tokens: u64, context: u64) -> Problem {
    let message =
        format!("the messages have {tokens} tokens, and the context of this model is {context} tokens");
    let code = Some("context_length_exceeded".to_owned());
    Problem::request(400, BadRequest { message, param: Some("messages".to_owned()), code })
}

/// A part of the request has no bound that is known before it runs.
pub(super) fn unbounded(error: &Unbounded) -> Problem {
    let message = error.to_string();
    Problem::request(
        400,
        BadRequest { message, param: Some(error.part.clone()), code: Some("unbounded".to_owned()) },
    )
}

/// Nothing stands at this address.
pub(super) fn no_route(path: &str) -> Problem {
    let path: String = path.chars().take(NAME_CHARS_MAX).collect();
    let message = format!(
        "`{path}` is not served here; what is: /v1/chat/completions and /v1/models, the same below /openai/v1, and /openai/deployments/NAME/chat/completions"
    );
    Problem::request(404, BadRequest { message, param: None, code: Some("unknown_url".to_owned()) })
}

/// The address needs a version of the API, and has none. The code is Azure's.
pub(super) fn no_version(path: &str) -> Problem {
    let path: String = path.chars().take(NAME_CHARS_MAX).collect();
    let message = format!(
        "`{path}` is asked with a version of the API, such as `?api-version=2024-10-21`; /openai/v1 is asked without"
    );
    let code = Some("MissingApiVersionParameter".to_owned());
    Problem::request(400, BadRequest { message, param: Some("api-version".to_owned()), code })
}

/// The head of the request is longer than is read.
pub(super) fn head_too_large(bytes_max: usize) -> Problem {
    let message = format!("the first line and the headers are longer than {bytes_max} bytes");
    Problem::request(
        431,
        BadRequest { message, param: None, code: Some("request_headers_too_large".to_owned()) },
    )
}

/// The address is longer than is read.
pub(super) fn address_too_long(bytes_max: usize) -> Problem {
    let message = format!("the address is longer than {bytes_max} bytes");
    Problem::request(414, BadRequest { message, param: None, code: Some("request_uri_too_long".to_owned()) })
}

/// The address is asked in another way.
pub(super) fn method(path: &str, asked: &Method) -> Problem {
    let path: String = path.chars().take(NAME_CHARS_MAX).collect();
    let message = format!("`{path}` is asked with {asked}");
    let fault = BadRequest { message, param: None, code: Some("method_not_allowed".to_owned()) };
    let problem = Problem::request(405, fault);
    Problem { headers: vec![("allow", asked.to_string())], ..problem }
}

/// The body is longer than is read.
pub(super) fn too_large(bytes_max: usize) -> Problem {
    let message = format!("the body is longer than {bytes_max} bytes");
    Problem::request(413, BadRequest { message, param: None, code: Some("request_too_large".to_owned()) })
}

/// The body did not come whole, or not in time.
pub(super) fn cut_off() -> Problem {
    let message = "the body did not come whole in time".to_owned();
    Problem::request(408, BadRequest { message, param: None, code: Some("body_cut_off".to_owned()) })
}

/// The idempotency key is none that can be taken.
pub(super) fn bad_idempotency_key(chars_max: usize) -> Problem {
    let message = format!(
        "`Idempotency-Key` is sent once and has 1 to {chars_max} visible ASCII characters, without spaces"
    );
    idempotency("idempotency_key_invalid", message)
}

/// The idempotency key belongs to an act whose answer is no longer at hand.
pub(super) fn used(act: ActId) -> Problem {
    let message = format!(
        "the idempotency key belongs to act {act}, whose answer is no longer at hand; its receipt is at /api/receipts/{act}. A request with another key, or with none, is a new act"
    );
    idempotency("idempotency_key_used", message)
}

/// The idempotency key belongs to an act of another request.
pub(super) fn used_otherwise(act: ActId) -> Problem {
    let message = format!(
        "the idempotency key came with another request within the last 24 hours, which was act {act}; send this one with another key"
    );
    idempotency("idempotency_key_mismatch", message)
}

/// 400 and never 409, which clients try again by themselves.
fn idempotency(code: &str, message: String) -> Problem {
    Problem::request(400, BadRequest { message, param: None, code: Some(code.to_owned()) })
}

/// Nothing was decided, because the record cannot be written.
pub(super) fn unavailable(error: &Unavailable) -> Problem {
    with(503, "server_error", "record_unavailable", &error.to_string()).after(Some("1".to_owned()))
}

/// Content cannot be committed to, because its key can be neither read nor made.
pub(super) fn no_vault() -> Problem {
    with(503, "server_error", "vault_unavailable", "the vault cannot be written; nothing was decided")
}

/// The performer has gone without a word; that is a fault of ours.
pub(super) fn no_answer() -> Problem {
    Problem::server(500, "no_answer", "the call ended without an answer; nothing is charged")
}

/// The act was refused, and that is on the record: the clause is the code, its prose the message.
pub(super) fn refused(refusal: Refusal) -> Problem {
    let clause = refusal.clause.as_ref().map(|clause| clause.to_string());
    let (status, kind, code) = match refusal.code {
        RefusalCode::InsufficientQuota => (429, "insufficient_quota", "insufficient_quota".to_owned()),
        RefusalCode::Unpriced => (403, "permission_denied", "unpriced".to_owned()),
        RefusalCode::Unbounded => (400, "invalid_request_error", "unbounded".to_owned()),
        RefusalCode::Forbidden
        | RefusalCode::OutOfTerm
        | RefusalCode::Suspended
        | RefusalCode::Shortfall
        | RefusalCode::Invalid => {
            (403, "permission_denied", clause.unwrap_or_else(|| refusal.code.name().to_owned()))
        }
    };
    let spent = refusal.code == RefusalCode::InsufficientQuota;
    let headers = if spent { vec![("x-should-retry", "false".to_owned())] } else { Vec::new() };
    let told = with(status, kind, &code, &refusal.message);
    let remedy = Some(refusal.remedy).filter(|remedy| *remedy != refusal.message);
    Problem { headers, ..told }.with_remedy(remedy)
}

/// Whole seconds, rounded up, so that who waits as long is not too early.
pub(super) fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// As much of an unknown name as is said back.
const NAME_CHARS_MAX: usize = 100;

fn with(status: u16, kind: &'static str, code: &str, message: &str) -> Problem {
    Problem { kind, ..Problem::server(status, code, message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use partnership::ids::{ActId, ClauseId};

    fn refusal(code: RefusalCode) -> Refusal {
        Refusal {
            act: ActId::from_u128(7),
            code,
            clause: Some(ClauseId::from("cap")),
            message: "No more than that.".to_owned(),
            remedy: "ask for less".to_owned(),
            index: 1,
        }
    }

    #[test]
    fn each_refusal_has_the_status_and_code_that_clients_act_on() {
        for (code, status, told) in [
            (RefusalCode::Forbidden, 403, "cap"),
            (RefusalCode::InsufficientQuota, 429, "insufficient_quota"),
            (RefusalCode::Unpriced, 403, "unpriced"),
            (RefusalCode::OutOfTerm, 403, "cap"),
            (RefusalCode::Suspended, 403, "cap"),
            (RefusalCode::Unbounded, 400, "unbounded"),
            (RefusalCode::Invalid, 403, "cap"),
        ] {
            let problem = refused(refusal(code));
            assert_eq!((problem.status, problem.code.as_deref()), (status, Some(told)), "{code:?}");
        }
    }

    #[test]
    fn a_refusal_quotes_the_clause_and_says_what_would_change_it() {
        assert_eq!(
            refused(refusal(RefusalCode::Forbidden)).body(),
            r#"{"error":{"message":"No more than that.","type":"permission_denied","param":null,"code":"cap","remedy":"ask for less"}}"#
        );
    }

    #[test]
    fn a_spent_budget_is_not_asked_again() {
        let head = refused(refusal(RefusalCode::InsufficientQuota)).head();
        assert_eq!(head.headers, [("x-should-retry".to_owned(), "false".to_owned())]);
    }
}
