//! A call as the door proposes it, for whoever has no upstream to ask and keeps nothing of what is said: the history of an example.
//!
//! Not here: proposing it, or anything of an answer.

use super::{Guest, chat};
use crate::content::{commitment, nonce};
use crate::office::Desk;
use crate::vault::Vault;
use ::record::hash::sha256;
use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use cloud::Chat;
use partnership::act::{Act, Deed, Infer};
use partnership::ids::{ActId, KeyId};
use partnership::partnership::Assessed;

/// A call that is ready to be proposed.
pub(crate) struct Proposal {
    /// What is proposed.
    pub(crate) act: Act,
    /// What the policies said of it.
    pub(crate) assessed: Option<Assessed>,
    /// The key that the answer is committed to under.
    pub(crate) content_key: [u8; 32],
}

impl Proposal {
    /// What the door would propose if this body came with this key, under this id.
    ///
    /// Errors: what the door would tell the caller before anything is decided; a content key that cannot be made.
    pub(crate) fn of(
        vault: &Vault,
        desk: &Desk,
        key: &KeyId,
        (id, body): (ActId, &Bytes),
    ) -> anyhow::Result<Self> {
        let standing = desk.registry.standing(key, id.made_at());
        let (key, application) = standing.with_context(|| format!("the key `{key}` is not good"))?;
        let guest = Guest { key: key.clone(), application: application.clone(), allowance: None };
        let chat = Chat::parse(body)?;
        let service = desk.terms.service(&guest.application.party, &chat.model);
        let (_, service) = service.with_context(|| format!("no service has `{}`", chat.model))?;
        let bounds = chat::bound_by_bytes(service, &chat, body).map_err(|problem| anyhow!("{problem:?}"))?;
        let subject = chat::subject(&guest, &chat, id);
        let content_key = vault.key(&subject)?;
        let input = commitment(&content_key, "input", &nonce(id), &sha256(body));
        let pseudonyms = chat::pseudonyms(vault, desk, &subject, &content_key);
        let infer = Infer { pseudonyms, ..chat::infer(&chat, body, bounds, input) };
        let act = Act { id, principal: guest.principal(), deed: Deed::Infer(infer) };
        let assessed = chat::assess(desk, &guest, &act);
        Ok(Self { act, assessed, content_key })
    }
}
