//! `GET /api/content/{act}`: what was asked in a call, or answered, where a clause has had it kept.
//!
//! It is read twice: nothing leaves before all of it is known to be what the record commits to. Not here: how it is sealed (`vault`).

use super::receipts::{Published, at_hand, look};
use super::{Problem, blocking};
use crate::content::{commitment, nonce};
use crate::http::Caller;
use crate::office::Office;
use crate::vault::blob::{Part, Unread};
use crate::vault::keeping::Blob;
use axum::body::Body as Answer;
use axum::extract::{Extension, Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Frame;
use partnership::act::{Act, Deed, Digest, Ended, Infer, Principal};
use partnership::entry::{Body, Decided, Settled};
use partnership::ids::{ActId, ApplicationId, ClauseId, PartyId};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;

/// Which content is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    part: Option<String>,
}

impl Asked {
    fn part(&self) -> Result<Part, Problem> {
        match self.part.as_deref() {
            None | Some("input") => Ok(Part::Input),
            Some("output") => Ok(Part::Output),
            Some(other) => Err(Problem::unreadable(format!(
                "`part={other}` is none of `input` (what was asked) and `output` (what was answered)"
            ))),
        }
    }
}

/// What the record says of the content of a call.
struct Call {
    application: ApplicationId,
    party: PartyId,
    end_user: bool,
    part: Part,
    /// Whether it is settled as done.
    is_done: bool,
    /// Whether the answer was a stream.
    stream: bool,
    /// The non-binding clauses that spoke against it.
    against: Vec<ClauseId>,
    /// The commitment to it, and the blob that holds it.
    content: Option<(Digest, Option<Digest>)>,
}

/// The content of a call: for the operator, and for the party whose application it was.
pub(super) async fn content(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Path(act): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    if !matches!(caller, Caller::Operator { .. } | Caller::Party(_)) {
        return Err(Problem::unauthorised());
    }
    let part = asked.part()?;
    let id: ActId = act.parse().map_err(|_| Problem::not_found(format!("`{act}` is no act's id")))?;
    let call = find(&office, id, part).await?;
    if matches!(&caller, Caller::Party(party) if *party != call.party) {
        return Err(Problem::not_found(format!("act `{id}` is of no application of `{}`", party(&caller))));
    }
    let body = body_of(&office, id, call).await?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// The answer to a call that is done, where it is kept: whether it was a stream, the non-binding clauses that spoke against it, and its body.
pub(crate) async fn answer_of(office: &Arc<Office>, id: ActId) -> Option<(bool, Vec<ClauseId>, Answer)> {
    let mut found = find(office, id, Part::Output).await;
    for _ in 0..PUBLISHED_LOOKS {
        if !found.as_ref().is_err_and(Problem::is_unavailable) {
            break;
        }
        tokio::time::sleep(PUBLISHED_STEP).await;
        found = find(office, id, Part::Output).await;
    }
    let call = found.ok().filter(|call| call.is_done)?;
    let (stream, against) = (call.stream, call.against.clone());
    Some((stream, against, body_of(office, id, call).await.ok()?))
}

/// How often, and in which steps, is waited for what was just settled to be published.
const PUBLISHED_LOOKS: u32 = 12;
const PUBLISHED_STEP: Duration = Duration::from_millis(250);

/// The content as a body, which leaves piece by piece.
async fn body_of(office: &Arc<Office>, id: ActId, call: Call) -> Result<Answer, Problem> {
    let held = Arc::clone(office);
    let blob = blocking(move || proven(&held, id, &call)).await??;
    let (sender, pieces) = mpsc::channel(PIECES_WAITING_MAX);
    tokio::task::spawn_blocking(move || give(blob, id, &sender));
    Ok(Answer::new(Pieces(pieces)))
}

fn party(caller: &Caller) -> &str {
    match caller {
        Caller::Party(party) => party.as_str(),
        _ => "",
    }
}

/// What the record says of a call's content.
async fn find(office: &Arc<Office>, id: ActId, part: Part) -> Result<Call, Problem> {
    let (index, entries) = office.clerk.ask(move |state| (at_hand(state, id), state.entries())).await?;
    let (store, logs) = (Arc::clone(&office.store), office.logs());
    let find = move |published: &Published<'_>| {
        let index = match index {
            Some(index) => Some(index),
            None => published.find(id)?,
        };
        let decided = match index {
            Some(index) => published.entry(index)?.map(|entry| entry.body),
            None => None,
        };
        let settled = match (part, index, &decided) {
            (Part::Output, Some(index), Some(Body::Decided(decided))) => {
                settlement(published, index, decided)?
            }
            _ => None,
        };
        Ok::<_, record::StoreError>((decided, settled, published.size < entries))
    };
    let found = blocking(move || look(&store, &logs, "checkpoint", find));
    let ((decided, settled, is_behind), _) = found.await??;
    let soon = || Problem::unavailable(format!("act `{id}` is not published yet; ask again in a second"));
    let decided = match decided {
        Some(Body::Decided(decided)) => decided,
        _ if is_behind => return Err(soon()),
        _ => return Err(Problem::not_found(format!("no act `{id}` is on the record"))),
    };
    let against = decided.deviations.iter().map(|deviation| deviation.clause.clone()).collect();
    let Act {
        principal: Principal::Application { party, application, .. }, deed: Deed::Infer(infer), ..
    } = decided.act
    else {
        return Err(Problem::not_found(format!("act `{id}` is no call of a model")));
    };
    let Infer { end_user, stream, input, kept, .. } = infer;
    let is_done = settled.as_ref().is_some_and(|settled| settled.ended == Ended::Done);
    let content = match (part, settled) {
        (Part::Input, _) => Some((input, kept)),
        (Part::Output, Some(settled)) => settled.output.map(|output| (output, settled.kept)),
        (Part::Output, None) if is_behind => return Err(soon()),
        (Part::Output, None) => None,
    };
    Ok(Call { application, party, end_user, part, is_done, stream, against, content })
}

/// How many entries after its decision an act's settlement is looked for.
const SEARCHED_MAX: u64 = 1 << 20;

/// The settlement of a call that was decided at `index`; none where it is not published.
fn settlement(
    published: &Published<'_>,
    index: u64,
    decided: &Decided,
) -> Result<Option<Settled>, record::StoreError> {
    let named = format!(r#""act":{{"id":"{}""#, decided.act.id);
    let end = published.size.min(index.saturating_add(SEARCHED_MAX));
    for index in index.saturating_add(1)..end {
        // Only what names the act is read as an entry.
        let Some((_, parties)) = published.leaf(index)? else { break };
        if !parties.windows(named.len()).any(|window| window == named.as_bytes()) {
            continue;
        }
        match published.entry(index)?.map(|entry| entry.body) {
            Some(Body::Settled(settled)) if settled.act == decided.act.id => return Ok(Some(*settled)),
            _ => {}
        }
    }
    Ok(None)
}

/// The blob of a call's content, which holds what the record commits to.
///
/// Errors: where it was not kept or was erased, and where what is there is something else.
fn proven(office: &Office, id: ActId, call: &Call) -> Result<Blob, Problem> {
    let Call { application, end_user, part, content, .. } = call;
    let what = if *part == Part::Input { "request" } else { "answer" };
    let Some((committed, kept)) = content else {
        return Err(Problem::not_found(format!(
            "act `{id}` has no answer: it was refused, is under way or was cut off"
        )));
    };
    let Some(kept) = *kept else {
        return Err(Problem::not_found(format!(
            "the {what} of act `{id}` was not kept: no clause asked for that, or the vault could not be written"
        )));
    };
    let unreadable = |error: io::Error| {
        tracing::error!(%error, act = %id, "the vault cannot be read");
        Problem::unavailable("the vault cannot be read; the server's log says why")
    };
    let found = office.vault.blob((id, *part), application, kept).map_err(unreadable)?;
    let Some(mut blob) = found else {
        let erased = office.vault.erased(application, id.made_at(), *end_user).map_err(unreadable)?;
        return Err(gone(id, what, &erased));
    };
    let damaged = |why: &str| {
        tracing::error!(act = %id, blob = %record::hash::hex(&kept.0), "what is kept does not hold: {why}");
        Problem::damaged(format!(
            "what the vault holds as the {what} of act `{id}` is not what the record commits to: {why}; put back a copy of it"
        ))
    };
    let mut hash = Sha256::new();
    let opened = blob.open(|piece| {
        hash.update(piece);
        Ok(())
    });
    let digest = opened.map_err(|error| match error {
        Unread::Changed => damaged("it was changed since it was written"),
        Unread::Io(error) => unreadable(error),
    })?;
    let content: [u8; 32] = hash.finalize().into();
    if digest != kept {
        return Err(damaged("its digest is another"));
    }
    if commitment(&blob.content_key, part.name(), &nonce(id), &content) != *committed {
        return Err(damaged("its commitment is another"));
    }
    Ok(blob)
}

/// What is told of content that is not there any more.
fn gone(id: ActId, what: &str, erased: &[(ActId, partnership::ids::Timestamp)]) -> Problem {
    let acts: Vec<_> = erased.iter().map(|(act, at)| format!("act `{act}` at {at}")).collect();
    match acts.as_slice() {
        [] => Problem::damaged(format!(
            "the {what} of act `{id}` was kept, is not in the vault, and no erasure is known; put back a copy of the vault"
        )),
        [act] => Problem::gone(format!("the {what} of act `{id}` was erased by {act}")),
        acts => Problem::gone(format!("the {what} of act `{id}` was erased, by one of: {}", acts.join(", "))),
    }
}

/// How many pieces may wait for whoever reads them.
const PIECES_WAITING_MAX: usize = 4;

/// Gives the content piece by piece; what breaks off is told as such.
fn give(mut blob: Blob, act: ActId, pieces: &mpsc::Sender<io::Result<Bytes>>) {
    let left = || io::Error::other("whoever asked has left");
    let given =
        blob.open(|piece| pieces.blocking_send(Ok(Bytes::copy_from_slice(piece))).map_err(|_| left()));
    if let Err(error) = given
        && !pieces.is_closed()
    {
        tracing::error!(%error, %act, "content was changed while it was given");
        drop(pieces.blocking_send(Err(io::Error::other(error.to_string()))));
    }
}

/// A body that leaves piece by piece.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
