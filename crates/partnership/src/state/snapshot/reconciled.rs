//! The part of a snapshot that is kept for reconciliations.

use crate::act::{Digest, text as integer};
use crate::ids::{PartyId, Timestamp};
use crate::state::Reconciled;
use serde::{Deserialize, Serialize};

/// One party's word on a reconciliation.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReconciledText {
    at: Timestamp,
    report: Digest,
    period: String,
    of: Option<PartyId>,
    #[serde(with = "integer")]
    differing: u64,
    party: PartyId,
}

pub(super) fn text(given: &Reconciled) -> ReconciledText {
    let Reconciled { at, report, period, of, differing, party } = given.clone();
    ReconciledText { at, report, period, of, differing, party }
}

pub(super) fn read(text: ReconciledText) -> Reconciled {
    let ReconciledText { at, report, period, of, differing, party } = text;
    Reconciled { at, report, period, of, differing, party }
}
