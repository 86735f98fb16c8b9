//! `POST /v1/chat/completions`: from a body to a bounded act, and onto the road.
//!
//! Not here: the answer's bytes, which come back through the ingress when they may leave.

use super::{ACT, DEVIATIONS, Guest, REQUEST_ID, answer, idempotency, refusal};
use crate::awaited::{Follower, Lead};
use crate::clock::Clock;
use crate::content::{commitment, nonce};
use crate::kept::Keeping;
use crate::office::{Desk, Office};
use crate::road::{self, Journey, Stop};
use crate::vault::{Subject, Vault};
use axum::body::Body;
use axum::http::{HeaderValue, Response};
use bytes::Bytes;
use cloud::gateway::Call;
use cloud::{Chat, Ingress, Problem};
use partnership::act::{Act, Deed, Digest, Infer, idempotency_digest, pseudonym};
use partnership::decision::Repeated;
use partnership::ids::{ActId, ClauseId, ModelId, Timestamp};
use partnership::judge::admit::facts;
use partnership::memorandum::Service;
use partnership::partnership::Assessed;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a call may take in all. Less than its warrant lasts.
const DEADLINE: Duration = Duration::from_secs(600);

/// What a call may use at most. Units: tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Of input, once.
    input: u64,
    /// Of output, for each choice.
    output: u64,
}

/// Answers a chat request, which may have come with an idempotency key.
pub(super) async fn complete(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    guest: &Guest,
    (body, key): (Bytes, Option<String>),
) -> Result<Response<Body>, Problem> {
    let chat = Chat::parse(&body).map_err(|fault| Problem::request(400, fault))?;
    let party = &guest.application.party;
    // What was given up is refused on the record, with who has withdrawn.
    let offered = desk.terms.service_on(party, &chat.model, Clock.now().date());
    let service = offered.or_else(|| desk.terms.service(party, &chat.model));
    let (_, service) = service.ok_or_else(|| refusal::unknown_model(&chat.model))?;
    if office.gateway.load().serves(&chat.model).is_none() {
        let is_named = service.models.contains(&chat.model);
        return Err(if is_named { refusal::unserved } else { refusal::unknown_model }(&chat.model));
    }
    let bounds = bound(office, service, &chat, &body).await?;
    let id = office.clerk.act_id();
    let subject = subject(guest, &chat, id);
    let content_key = content_key(office, subject.clone()).await?;
    let input = commitment(&content_key, "input", &nonce(id), &::record::hash::sha256(&body));
    let idempotency = key.map(|key| idempotency_digest(&guest.application.name, &key));
    let pseudonyms = pseudonyms(&office.vault, desk, &subject, &content_key);
    let keeping = keeping(office, desk, guest, (id, subject, content_key));
    let kept = match &keeping {
        Some(keeping) => Some(keeping.request(body.clone()).await.map_err(|error| {
            tracing::error!(%error, act = %id, "a request cannot be kept");
            refusal::no_vault()
        })?),
        None => None,
    };
    let deed = Deed::Infer(Infer { idempotency, kept, pseudonyms, ..infer(&chat, &body, bounds, input) });
    let act = Act { id, principal: guest.principal(), deed };
    let assessed = assess(desk, guest, &act);
    let call = Call { chat, body, max_tokens: bounds.output, deadline: DEADLINE };
    let asked = Asked { act, assessed, call, content_key, keeping };
    if idempotency.is_some() {
        let (response, is_repeated) = idempotency::once(office, guest, asked.clone()).await?;
        if is_repeated {
            asked.unkeep().await;
        }
        return Ok(response);
    }
    match set_out(office, asked).await? {
        Went::Answered(response) => Ok(response),
        Went::Repeated(_) => unreachable!("a call without an idempotency key repeats none"),
    }
}

/// Whose content an act's would be.
pub(super) fn subject(guest: &Guest, chat: &Chat, act: ActId) -> Subject {
    let application = guest.application.name.clone();
    Subject { application, end_user: chat.end_user.clone(), at: act.made_at() }
}

/// By which names the record may count what an end user spends, where a budget limits each: that of this month, and that of the month
/// before where a budget rolls and the vault still has the key of then.
pub(super) fn pseudonyms(
    vault: &Vault,
    desk: &Desk,
    subject: &Subject,
    content_key: &[u8; 32],
) -> Vec<String> {
    let application = &subject.application;
    if subject.end_user.is_none() || !desk.registry.limits_end_users(application) {
        return Vec::new();
    }
    let mut names = vec![pseudonym(content_key)];
    let first = Timestamp::start_of(subject.at.date().first_of_month());
    if first.as_millis() > 0 && desk.registry.end_users_roll_over(application).is_some() {
        let before = Subject { at: first.plus_millis(-1), ..subject.clone() };
        names.extend(vault.find(&before).as_ref().map(pseudonym));
    }
    names
}

/// The subject's content key. The first call of a subject in a month waits for the disk.
async fn content_key(office: &Arc<Office>, subject: Subject) -> Result<[u8; 32], Problem> {
    if let Some(key) = office.vault.find(&subject) {
        return Ok(key);
    }
    let vault = Arc::clone(&office.vault);
    let made = tokio::task::spawn_blocking(move || vault.key(&subject)).await;
    made.map_err(io::Error::other).flatten().map_err(|error| {
        tracing::error!(%error, "a content key cannot be read or made");
        refusal::no_vault()
    })
}

/// What keeps the content of a call, if a clause asks for that.
fn keeping(
    office: &Office,
    desk: &Desk,
    guest: &Guest,
    (act, subject, content_key): (ActId, Subject, [u8; 32]),
) -> Option<Keeping> {
    let application = &guest.application;
    let keeps = desk.terms.keeps_content(&application.name, &application.audience);
    keeps.then(|| Keeping { vault: Arc::clone(&office.vault), subject, content_key, act })
}

/// A call that is ready to be proposed.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) act: Act,
    pub(super) assessed: Option<Assessed>,
    pub(super) call: Call,
    pub(super) content_key: [u8; 32],
    pub(super) keeping: Option<Keeping>,
}

impl Asked {
    /// Forgets the request, which no entry names.
    async fn unkeep(self) {
        if let (Some(keeping), Deed::Infer(infer)) = (self.keeping, self.act.deed)
            && let Some(kept) = infer.kept
        {
            keeping.forget(kept).await;
        }
    }
}

/// What came of a proposal.
pub(super) enum Went {
    /// It was decided, and this is the answer.
    Answered(Response<Body>),
    /// It was not, since its idempotency key belongs to another act.
    Repeated(Repeated),
}

/// Proposes a call, and gives its answer.
pub(super) async fn set_out(office: &Arc<Office>, asked: Asked) -> Result<Went, Problem> {
    let errand = office.errand().map_err(|error| refusal::unavailable(&error))?;
    let Asked { act, assessed, call, content_key, keeping } = asked;
    let id = act.id;
    let (egress, ingress) = cloud::egress::channel();
    let (lead, ear) = Ear::of(office, &act, call.chat.stream, ingress);
    let (tells, told) = oneshot::channel();
    let journey = Journey { act, assessed, call, content_key, errand, keeping, lead };
    tokio::spawn(road::travel(Arc::clone(office), journey, egress, tells));
    let mut against = Vec::new();
    let answered = match told.await {
        Ok(Ok(clauses)) => {
            against = clauses;
            ear.hear().await
        }
        Ok(Err(Stop::Refused(refused))) => Err(refusal::refused(*refused, office.clock.now())),
        Ok(Err(Stop::Repeated(repeated))) => return Ok(Went::Repeated(repeated)),
        Ok(Err(Stop::Unavailable(error))) => return Err(refusal::unavailable(&error)),
        Err(_) => Err(refusal::no_answer()),
    };
    let response = answered.unwrap_or_else(|problem| answer::problem(&problem));
    Ok(Went::Answered(signed(response, id, &against)))
}

/// How whoever asked first hears the answer.
enum Ear {
    /// Piece by piece, or whole, as it comes.
    Own(Ingress),
    /// Like all others who wait for it.
    Shared(Follower),
}

impl Ear {
    /// The answer to a call with an idempotency key is heard by all who ask the same meanwhile; of a stream they only hear the end.
    fn of(office: &Office, act: &Act, streams: bool, ingress: Ingress) -> (Option<Lead>, Self) {
        let has_key = matches!(&act.deed, Deed::Infer(infer) if infer.idempotency.is_some());
        match (has_key, streams) {
            (false, _) => (None, Self::Own(ingress)),
            (true, true) => (Some(office.awaited.begin(act.id, None).0), Self::Own(ingress)),
            (true, false) => {
                let (lead, follower) = office.awaited.begin(act.id, Some(ingress));
                (Some(lead), Self::Shared(follower))
            }
        }
    }

    async fn hear(self) -> Result<Response<Body>, Problem> {
        match self {
            Self::Own(ingress) => answer::heard(ingress).await,
            Self::Shared(follower) => follower.hear().await.map(answer::whole).ok_or_else(refusal::no_answer),
        }
    }
}

/// An answer that names the act it belongs to, and the non-binding clauses that spoke against it.
pub(super) fn signed(mut response: Response<Body>, id: ActId, against: &[ClauseId]) -> Response<Body> {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(ACT, id.clone());
        headers.insert(REQUEST_ID, id);
    }
    let against: Vec<_> = against.iter().map(ClauseId::as_str).collect();
    if let Ok(against) = HeaderValue::from_str(&against.join(", "))
        && !against.is_empty()
    {
        headers.insert(DEVIATIONS, against);
    }
    response
}

/// What the call may use at most: counted exactly where the upstream lets itself be asked, else a token for each byte. What the
/// caller asks for beyond the agreed context is not asked of the upstream.
async fn bound(
    office: &Arc<Office>,
    service: &Service,
    chat: &Chat,
    body: &Bytes,
) -> Result<Bounds, Problem> {
    let gateway = office.gateway.load_full();
    let agreed = u64::from(service.context_tokens);
    let asked = asked(service, chat);
    if let Some(held) = gateway.context_tokens(&chat.model) {
        let (context, model, bytes) = (held.min(agreed), chat.model.clone(), body.clone());
        let counted = tokio::task::spawn_blocking(move || gateway.count(&model, &bytes)).await;
        if let Ok(Some(input)) = counted {
            let left = context.checked_sub(input).filter(|left| *left > 0);
            let left = left.ok_or_else(|| refusal::context_exceeded(input, context))?;
            return Ok(Bounds { input, output: asked.min(left) });
        }
    }
    bound_by_bytes(service, chat, body)
}

/// The output that is asked for, or granted where the caller says nothing.
fn asked(service: &Service, chat: &Chat) -> u64 {
    chat.max_tokens.unwrap_or_else(|| u64::from(service.max_output_tokens))
}

/// The bounds of a call whose tokens nobody counts beforehand.
pub(super) fn bound_by_bytes(service: &Service, chat: &Chat, body: &Bytes) -> Result<Bounds, Problem> {
    let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let (each, once) = (u64::from(service.per_message_tokens), u64::from(service.input_overhead_tokens));
    let images = service.image_tokens.map(u64::from);
    let input =
        chat.input_tokens_max(bytes, each, once, images).map_err(|error| refusal::unbounded(&error))?;
    Ok(Bounds { input, output: asked(service, chat).min(u64::from(service.context_tokens)) })
}

/// The facts of a call that a decision needs.
pub(super) fn infer(chat: &Chat, body: &Bytes, bounds: Bounds, input: Digest) -> Infer {
    Infer {
        model: ModelId::from(chat.model.as_str()),
        surface: "chat".to_owned(),
        stream: chat.stream,
        input_bytes: u64::try_from(body.len()).unwrap_or(u64::MAX),
        input_tokens_max: bounds.input,
        output_tokens_max: bounds.output.saturating_mul(chat.choices),
        tools: chat.tools,
        images: chat.images,
        end_user: chat.end_user.is_some(),
        input,
        idempotency: None,
        kept: None,
        pseudonyms: Vec::new(),
    }
}

/// What the policies say, found here and not in the clerk's thread. The clerk asks them again if the terms have changed.
pub(super) fn assess(desk: &Desk, guest: &Guest, act: &Act) -> Option<Assessed> {
    let Deed::Infer(infer) = &act.deed else { return None };
    let facts = facts(&desk.registry, &guest.application.name, infer, act.id)?;
    let assessment = desk.terms.policies().assess(&facts);
    Some(Assessed { epoch: desk.epoch, assessment })
}
