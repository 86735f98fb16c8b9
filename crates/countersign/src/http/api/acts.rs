//! `POST /api/acts`: a person of a party proposes an act.
//!
//! Not here: calls of models, which come in through the model APIs with an application's key.

mod wanted;

use super::{Problem, blocking};
use crate::clock::Clock;
use crate::http::Caller;
use crate::office::Office;
use crate::road;
use crate::road::erasing::Stands;
use crate::vault::Scope;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use partnership::act::{
    Administer, Amend, Approve, Budget, Deed, Digest, Key, Principal, subject_commitment,
};
use partnership::decision::{Decision, Settlement, Ticket};
use partnership::ids::{ActId, ApplicationId, KeyId, PartyId, Timestamp};
use partnership::{State as Books, Terms};
use record::Store as _;
use record::hash::{base64, hex, sha256};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use wanted::{Erasure, Wanted};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proposal {
    party: Option<String>,
    person: Option<String>,
    act: Wanted,
}

/// The answer to an act that is done or waits.
#[derive(Debug, Default, Serialize)]
struct Answer {
    act: String,
    decision: &'static str,
    index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The whole key, told once and kept nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// How many content keys were destroyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<u64>,
    /// The commitment by which the record names an end user.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// What opens the commitment, with the end user's id; told once and kept nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
}

/// Proposes an act. 200 done, 202 waits for approvals, 403 refused by a clause, 422 does not fit.
pub(super) async fn propose(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    if !matches!(caller, Caller::Operator { .. } | Caller::Party(_) | Caller::Recovery(_)) {
        return Err(Problem::unauthorised());
    }
    let body = whole(request.into_body(), BODY_TIMEOUT).await?;
    let proposal: Proposal = serde_json::from_slice(&body)
        .map_err(|error| Problem::unreadable(format!("the proposal does not parse: {error}")))?;
    let (party, person) = match caller {
        Caller::Operator { party, person } => (proposal.party.map(PartyId::from).or(party), person),
        // It speaks for itself alone, and only what it has signed.
        Caller::Party(party) if proposal.act.signed_by() == Some(party.as_str()) => {
            let person = party.to_string();
            (Some(party), person)
        }
        Caller::Recovery(party) if proposal.act.recovers() == Some(party.as_str()) => {
            let person = party.to_string();
            (Some(party), person)
        }
        _ => return Err(Problem::unauthorised()),
    };
    let by = Principal::Party {
        party: party.unwrap_or_else(|| office.desk.load().terms.operator().clone()),
        person: proposal.person.unwrap_or(person),
    };
    let answer = match proposal.act {
        Wanted::Amend { text, party, signature } => amend(&office, by, text, &party, signature).await?,
        Wanted::KeyNew { application, requests_per_minute, budget, expires } => {
            let limits = (requests_per_minute, budget.as_deref(), expires.as_deref());
            key_new(&office, by, &application, limits).await?
        }
        Wanted::Erase(erasure) => erase(&office, by, erasure).await?,
        Wanted::BudgetSet(setting) => decide(&office, by, setting.deed(&office)?).await?,
        Wanted::BudgetRaise(raising) => decide(&office, by, raising.deed(&office)?).await?,
        Wanted::BudgetRemove(removing) => decide(&office, by, removing.deed()).await?,
        other => {
            if let Wanted::LogKeyChange { from, vkey, .. } | Wanted::LogKeyRecover { from, vkey, .. } = &other
            {
                office
                    .may_hand_over(from, vkey)
                    .map_err(|error| Problem::unreadable(format!("{error:#}")))?;
            }
            {
                let deed = other.deed(&office.desk.load().terms)?;
                decide(&office, by, deed).await?
            }
        }
    };
    let status = if answer.decision == "waiting" { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(answer)).into_response())
}

/// The body of a proposal, read once it is known who sends it.
async fn whole(body: axum::body::Body, within: Duration) -> Result<Bytes, Problem> {
    match tokio::time::timeout(within, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::too_large(format!("a proposal has at most {BODY_BYTES_MAX} bytes")))
        }
        Ok(Err(_)) => Err(Problem::unreadable("the proposal did not come whole")),
        Err(_) => Err(Problem::timeout(format!("send a proposal within {} seconds", within.as_secs()))),
    }
}

/// The longest proposal, a memorandum's text included. Units: bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a caller may take to send one.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

async fn decide(office: &Office, by: Principal, deed: Deed) -> Result<Answer, Problem> {
    match road::decide(office, by, deed).await? {
        Decision::Done(settlement) => Ok(done(&settlement)),
        Decision::Escalate(ticket) => Ok(waits(&ticket)),
        Decision::Deny(refusal) => Err(Problem::refused(refusal)),
        Decision::Allow(_) | Decision::Repeated(_) => unreachable!("nothing that comes here is performed"),
    }
}

fn done(settlement: &Settlement) -> Answer {
    let (act, index) = (settlement.act.to_string(), settlement.decided);
    Answer { act, decision: "done", index, ..Answer::default() }
}

fn waits(ticket: &Ticket) -> Answer {
    Answer {
        act: ticket.act.to_string(),
        decision: "waiting",
        index: ticket.index,
        clause: Some(ticket.clause.to_string()),
        digest: Some(ticket.digest.to_string()),
        missing: ticket.missing.iter().map(ToString::to_string).collect(),
        ..Answer::default()
    }
}

/// Makes a key without limits for an application, and gives it.
///
/// Errors: where it is refused, or waits for approvals.
pub(crate) async fn first_key(office: &Office, by: Principal, application: &str) -> anyhow::Result<String> {
    let answer = key_new(office, by, application, (None, None, None)).await;
    let answer = answer.map_err(|problem| anyhow::anyhow!("no key was made: {}", problem.detail()))?;
    anyhow::ensure!(answer.decision == "done", "the key waits for {}", answer.missing.join(" and "));
    answer.key.ok_or_else(|| anyhow::anyhow!("no key was made"))
}

/// Makes a key; only the digest of its secret half is proposed.
async fn key_new(
    office: &Office,
    by: Principal,
    application: &str,
    (requests_per_minute, budget, expires): (Option<u64>, Option<&str>, Option<&str>),
) -> Result<Answer, Problem> {
    let (id, secret) = fresh_key(office.clock);
    let key = Key {
        id: KeyId::from(id.as_str()),
        application: application.into(),
        secret: Digest(sha256(secret.as_bytes())),
        requests_per_minute,
        budget: budget.map(|text| budget_of(&office.desk.load().terms, text)).transpose()?,
        expires: expires.map(moment).transpose()?,
    };
    let answer = decide(office, by, Deed::Administer(Administer::KeyNew(key))).await?;
    let key = format!("cs_live_{id}_{secret}");
    Ok(Answer { id: Some(id), key: Some(key), ..answer })
}

/// The public and the secret half of a new key, in lower-case hexadecimal.
fn fresh_key(clock: Clock) -> (String, String) {
    let (id, secret) = (clock.random(), clock.random());
    let (id, _) = id.split_at(8);
    (hex(id), hex(&secret))
}

/// Reads `1.00 CREDIT` at the asset's scale.
pub(super) fn budget_of(terms: &Terms, text: &str) -> Result<Budget, Problem> {
    let money = terms.memorandum().header.money(text);
    let (asset, amount) = money.map_err(|error| {
        Problem::unreadable(format!("budget `{text}`: {error}; write it as `1.00 CREDIT`"))
    })?;
    Ok(Budget { asset: asset.to_string(), amount: amount.minor() })
}

/// Reads a day, whose first moment is meant, or a moment.
pub(super) fn moment(text: &str) -> Result<Timestamp, Problem> {
    let day = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10).map(Timestamp::start_of);
    day.or_else(|| text.parse().ok())
        .ok_or_else(|| Problem::unreadable(format!("`{text}` is no day such as `2027-01-31`, and no moment")))
}

/// Keeps a proposed version of the memorandum, proposes it unless it waits already, and approves it with the signature sent.
async fn amend(
    office: &Office,
    by: Principal,
    text: String,
    party: &str,
    signature: String,
) -> Result<Answer, Problem> {
    let terms = Terms::read(&text).map_err(|faults| {
        let first = faults.first().map(|fault| fault.message.clone()).unwrap_or_default();
        Problem::unreadable(format!(
            "the memorandum is not sound: {first}; `countersign memo check` shows every fault"
        ))
    })?;
    let (version, digest) = (terms.version(), terms.digest());
    let store = Arc::clone(&office.store);
    let path = format!("memorandum/{}", digest.hex());
    blocking(move || store.create(&path, text.as_bytes())).await??;
    office.clerk.know(terms).await?;
    let waiting = office.clerk.ask(move |state| waits_over(state, &digest)).await?;
    let act = match waiting {
        Some(act) => act.to_string(),
        None => decide(office, by.clone(), Deed::Amend(Amend { version, digest })).await?.act,
    };
    decide(office, by, Deed::Approve(Approve { act, digest, party: party.into(), signature })).await
}

/// Destroys content keys. Only a commitment to the end user goes on the record.
async fn erase(office: &Arc<Office>, by: Principal, erasure: Erasure) -> Result<Answer, Problem> {
    let Erasure { application, before, subject } = erasure;
    let application: Option<ApplicationId> = application.map(Into::into);
    let is_known = |name: &ApplicationId| {
        office.desk.load().registry.application(name).is_some() || office.vault.knows(name)
    };
    if let Some(name) = application.as_ref().filter(|name| !is_known(name)) {
        return Err(Problem::not_found(format!(
            "no application is named `{name}`, and the vault has no key of one; `countersign app list` shows those that are"
        )));
    }
    if subject.as_ref().is_some_and(String::is_empty) {
        return Err(Problem::unreadable("`subject` is empty; say the end user's id as callers send it"));
    }
    let before = before.as_deref().map(day).transpose()?;
    let salt = office.clock.random();
    let commitment = subject.as_ref().map(|id| subject_commitment(&salt, id));
    let scope = Scope { application, before, end_user: subject };
    let erasing = road::erasing::erase(Arc::clone(office), by, scope, commitment);
    let erased =
        tokio::spawn(erasing).await.map_err(|_| Problem::unavailable("the server is stopping"))??;
    let stands = match erased.stands {
        Stands::Done(settlement) => done(&settlement),
        Stands::Waits(ticket) => waits(&ticket),
    };
    Ok(Answer {
        keys: Some(erased.keys),
        subject: commitment.map(|commitment| commitment.to_string()),
        salt: commitment.map(|_| base64(&salt)),
        ..stands
    })
}

fn day(text: &str) -> Result<jiff::civil::Date, Problem> {
    let day = text.parse().ok().filter(|_| text.len() == 10);
    day.ok_or_else(|| Problem::unreadable(format!("`{text}` is no day such as `2027-01-01`")))
}

fn waits_over(state: &Books, digest: &Digest) -> Option<ActId> {
    state.waiting().find(|(_, waiting)| waiting.digest == *digest).map(|(id, _)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORANDUM: &str = include_str!("../../../../../examples/northwind-halcyon/memorandum.md");

    #[test]
    fn a_budget_is_read_at_the_scale_of_its_asset() {
        let terms = Terms::read(MEMORANDUM).unwrap();
        let read = |text: &str| budget_of(&terms, text).ok().map(|budget| budget.amount);
        for (text, minor) in [
            ("1.00 CREDIT", Some(1_000_000_000)),
            ("0.000000001 CREDIT", Some(1)),
            ("12.50 USD", Some(1250)),
            ("12.505 USD", None),
            ("0.00 USD", None),
            ("-1.00 USD", None),
            ("1.00", None),
            ("1.00 DUCATS", None),
            (" CREDIT", None),
        ] {
            assert_eq!(read(text), minor, "{text}");
        }
    }

    /// A body of which nothing comes.
    struct Silent;

    impl http_body::Body for Silent {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_proposal_that_is_too_long_or_too_slow_is_told_so() {
        let read = async |body| {
            let read = whole(body, Duration::from_millis(20)).await;
            read.map_err(|problem| problem.into_response().status().as_u16())
        };
        let of = |bytes: usize| axum::body::Body::from(vec![b' '; bytes]);
        assert_eq!(read(of(BODY_BYTES_MAX)).await.map(|body| body.len()), Ok(BODY_BYTES_MAX));
        assert_eq!(read(of(BODY_BYTES_MAX + 1)).await, Err(413));
        assert_eq!(read(axum::body::Body::new(Silent)).await, Err(408));
    }

    #[test]
    fn a_day_means_its_first_moment() {
        let read = |text: &str| moment(text).ok().map(|at| at.to_string());
        assert_eq!(read("2027-01-31").as_deref(), Some("2027-01-31T00:00:00.000Z"));
        assert_eq!(read("2027-01-31T12:00:00Z").as_deref(), Some("2027-01-31T12:00:00.000Z"));
        assert_eq!(read("tomorrow"), None);
        assert_eq!(read("2027-02-30"), None);
    }

    #[test]
    fn an_unknown_field_or_kind_is_no_proposal() {
        let read = |text: &str| serde_json::from_str::<Proposal>(text).is_ok();
        assert!(read(r#"{"act":{"kind":"key-revoke","id":"k"}}"#));
        assert!(!read(r#"{"act":{"kind":"key-revoke","id":"k","force":true}}"#));
        assert!(
            !read(r#"{"act":{"kind":"draw","clause":"first-tranche"}}"#),
            "a draw is the clerk's own act"
        );
        assert!(!read(r#"{"act":{"kind":"key-revoke","id":"k"},"sudo":true}"#));
    }

    #[test]
    fn no_two_keys_are_alike_and_no_half_has_the_separator() {
        let ((id, secret), (other, _)) = (fresh_key(Clock), fresh_key(Clock));
        assert_ne!(id, other);
        assert_eq!((id.len(), secret.len()), (16, 64));
        assert!(!format!("{id}{secret}").contains('_'));
    }
}
