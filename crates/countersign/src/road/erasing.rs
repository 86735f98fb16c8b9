//! The road of an erasure: written down, proposed, on the record, and only then carried out and settled.
//!
//! Not here: how keys are destroyed (`vault`). What cannot be carried out stays open on the record and is tried again.

use super::Undecided;
use crate::clerk::Unavailable;
use crate::office::Office;
use crate::vault::{Scope, Vault};
use partnership::Answer;
use partnership::act::{Act, Deed, Digest, Ended, Erase, Outcome, Principal};
use partnership::decision::{Decision, Refusal, Settlement, Warrant};
use partnership::entry::is_recordable;
use partnership::ids::{ActId, Timestamp};
use std::io;
use std::sync::{Arc, PoisonError};

/// An erasure that is done.
#[derive(Debug)]
pub(crate) struct Erased {
    /// How it stands on the record.
    pub(crate) settlement: Settlement,
    /// How many keys were destroyed.
    pub(crate) keys: u64,
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
        Deed::Erase(Erase { application: scope.application.clone(), before, subject, keys })
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
            Ok(Erased { settlement, keys })
        }
        Decision::Deny(refusal) => {
            forget(&office, id).await;
            Err(Unerased::Refused(Box::new(refusal)))
        }
        Decision::Done(_) | Decision::Escalate(_) | Decision::Repeated(_) => {
            unreachable!("an erasure is allowed or refused")
        }
    }
}

/// Tries again what could not be carried out.
pub(crate) async fn go_on(office: &Office) {
    let undone = std::mem::take(&mut *office.undone.lock().unwrap_or_else(PoisonError::into_inner));
    for warrant in undone {
        if let Err(error) = carry_out(office, warrant).await {
            tracing::error!("{error}");
        }
    }
}

/// Destroys what an allowed erasure is of, and settles it.
async fn carry_out(office: &Office, warrant: Warrant) -> Result<Settlement, Unerased> {
    let act = warrant.act().id;
    let open = |why: String| Unerased::Open { act, why };
    let vault = Arc::clone(&office.vault);
    let destroyed = tokio::task::spawn_blocking(move || outcome(&vault, act)).await;
    let outcome = match destroyed.map_err(io::Error::other).flatten() {
        Ok(outcome) => outcome,
        Err(error) => {
            office.undone.lock().unwrap_or_else(PoisonError::into_inner).push(warrant);
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

/// Destroys what an erasure is of; lost where nobody knows any more what that is.
///
/// Errors: where it could not be done to its end.
pub(crate) fn outcome(vault: &Vault, act: ActId) -> io::Result<Outcome> {
    let ended = if vault.erase(act)? { Ended::Done } else { Ended::Lost };
    Ok(Outcome { ended, ..Outcome::lost() })
}

async fn forget(office: &Office, act: ActId) {
    let vault = Arc::clone(&office.vault);
    let forgotten = tokio::task::spawn_blocking(move || vault.forget(act)).await;
    if let Err(error) = forgotten.map_err(io::Error::other).flatten() {
        tracing::warn!(%error, %act, "the note of an erasure is left; the next start throws it away");
    }
}
