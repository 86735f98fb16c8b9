//! The road of an erasure: written down, proposed, on the record, and only then carried out and settled.
//!
//! Not here: how keys are destroyed (`vault`). What cannot be carried out stays open on the record and is tried again.

use super::Undecided;
use crate::clerk::Unavailable;
use crate::office::Office;
use crate::vault::{Scope, Vault};
use partnership::Answer;
use partnership::act::{Act, Deed, Digest, Ended, Erase, Outcome, Principal};
use partnership::decision::{Decision, Refusal, Settlement, Ticket, Warrant};
use partnership::entry::is_recordable;
use partnership::ids::{ActId, Timestamp};
use std::io;
use std::sync::Arc;

/// An erasure that is done, or waits.
#[derive(Debug)]
pub(crate) struct Erased {
    /// How it stands on the record.
    pub(crate) stands: Stands,
    /// How many keys were destroyed, or are to be.
    pub(crate) keys: u64,
}

/// How an erasure stands on the record.
#[derive(Debug)]
pub(crate) enum Stands {
    /// It is done.
    Done(Settlement),
    /// It waits for approvals; what it is to destroy is written down.
    Waits(Ticket),
}

/// Why an erasure is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unerased {
    /// It was refused, and that is on the record.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Nothing was decided.
    #[error(transparent)]
    Undecided(#[from] Undecided),
    /// The vault cannot write down what is to be erased; nothing was decided.
    #[error("the vault cannot be written, and nothing was decided: {0}")]
    Unwritten(io::Error),
    /// It is settled as lost.
    #[error(
        "what act {0} was to erase was written down in the vault and is not there any more; propose it again"
    )]
    Lost(ActId),
    /// It is decided, and could not be carried out, or its settlement could not be written.
    #[error(
        "the erasure is on the record as act {act} and is not done yet: {why}; it is tried again each minute and when the server starts"
    )]
    Open {
        /// The act.
        act: ActId,
        /// What went wrong.
        why: String,
    },
}

impl From<Unavailable> for Unerased {
    fn from(error: Unavailable) -> Self {
        Self::Undecided(Undecided::Unavailable(error))
    }
}

/// Erases a scope, whose end user stands on the record as `subject`. To be spawned: a caller who leaves cannot cut it short.
///
/// Errors: [`Unerased`].
pub(crate) async fn erase(
    office: Arc<Office>,
    principal: Principal,
    scope: Scope,
    subject: Option<Digest>,
) -> Result<Erased, Unerased> {
    let _errand = office.errand()?;
    let id = office.clerk.act_id();
    let deed = |keys| {
        let before = scope.before.map(Timestamp::start_of);
        let application = scope.application.clone();
        Deed::Erase(Erase { application, before, subject, clause: None, keys: Some(keys) })
    };
    if !is_recordable(&principal, &deed(u64::MAX)) {
        return Err(Undecided::TooLong.into());
    }
    let (vault, covered) = (Arc::clone(&office.vault), scope.clone());
    let intended = tokio::task::spawn_blocking(move || vault.intend(id, &covered)).await;
    let keys = intended.map_err(io::Error::other).flatten().map_err(Unerased::Unwritten)?;
    // Where this fails the entry may be on the disk all the same, so what was written down stays. The next start throws it away if not.
    let proposed = office.clerk.propose(Act { id, principal, deed: deed(keys) }, None).await?;
    proposed.durable.wait().await?;
    match proposed.decision {
        Decision::Allow(warrant) => {
            let settlement = carry_out(&office, warrant).await?;
            Ok(Erased { stands: Stands::Done(settlement), keys })
        }
        Decision::Escalate(ticket) => Ok(Erased { stands: Stands::Waits(ticket), keys }),
        Decision::Deny(refusal) => {
            forget(&office, id).await;
            Err(Unerased::Refused(Box::new(refusal)))
        }
        Decision::Done(_) | Decision::Repeated(_) => {
            unreachable!("an erasure is allowed or refused, or waits")
        }
    }
}

/// Carries out what has fallen due or was freed, and tries again what could not be.
pub(crate) async fn go_on(office: &Office) {
    for warrant in office.undone.take() {
        let act = warrant.act().id;
        match carry_out(office, warrant).await {
            Ok(_) => tracing::info!(%act, "an erasure that nobody waited for is done"),
            Err(error) => tracing::error!("{error}"),
        }
    }
}

/// Destroys what an allowed erasure is of, and settles it.
async fn carry_out(office: &Office, warrant: Warrant) -> Result<Settlement, Unerased> {
    let act = warrant.act().id;
    let open = |why: String| Unerased::Open { act, why };
    let (vault, what) = (Arc::clone(&office.vault), warrant.act().clone());
    let destroyed = tokio::task::spawn_blocking(move || outcome(&vault, &what)).await;
    let outcome = match destroyed.map_err(io::Error::other).flatten() {
        Ok(outcome) => outcome,
        Err(error) => {
            office.undone.put_back(warrant);
            return Err(open(error.to_string()));
        }
    };
    let settled = office.clerk.settle(warrant, outcome).await.map_err(|error| open(error.to_string()))?;
    let Answer::Settled(settlement) = settled else {
        unreachable!("an erasure has no time after which it lapses")
    };
    forget(office, act).await;
    match settlement.ended {
        Ended::Done => Ok(settlement),
        _ => Err(Unerased::Lost(act)),
    }
}

/// Destroys what an erasure is of; lost where nobody knows any more what that is. What is due is of every key there is, and is written down
/// here if it is not.
///
/// Errors: where it could not be done to its end.
pub(crate) fn outcome(vault: &Vault, act: &Act) -> io::Result<Outcome> {
    if let Deed::Erase(erase) = &act.deed
        && let Some((application, before, _)) = erase.due()
        && !vault.intends(act.id)?
    {
        let (application, before) = (Some(application.clone()), Some(before.date()));
        vault.intend(act.id, &Scope { application, before, end_user: None })?;
    }
    let ended = if vault.erase(act.id)? { Ended::Done } else { Ended::Lost };
    Ok(Outcome { ended, ..Outcome::lost() })
}

async fn forget(office: &Office, act: ActId) {
    let vault = Arc::clone(&office.vault);
    let forgotten = tokio::task::spawn_blocking(move || vault.forget(act)).await;
    if let Err(error) = forgotten.map_err(io::Error::other).flatten() {
        tracing::warn!(%error, %act, "the note of an erasure is left; the next start throws it away");
    }
}
