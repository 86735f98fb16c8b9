//! The part of a snapshot that is kept of a withdrawal.

use crate::act::{Digest, text as date};
use crate::ids::{PartyId, Timestamp};
use crate::state::Withdrawal;
use crate::terms::Withdrawn;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WithdrawalText {
    by: PartyId,
    #[serde(with = "date")]
    ends: Date,
    given: Timestamp,
    overtaken: Vec<Digest>,
}

pub(super) fn written(withdrawal: &Withdrawal) -> WithdrawalText {
    let Withdrawal { withdrawn: Withdrawn { by, ends }, given, overtaken } = withdrawal.clone();
    WithdrawalText { by, ends, given, overtaken: overtaken.into_iter().collect() }
}

pub(super) fn read(
    text: WithdrawalText,
    set: impl FnOnce(Vec<Digest>) -> Result<BTreeSet<Digest>, super::SnapshotError>,
) -> Result<Withdrawal, super::SnapshotError> {
    let WithdrawalText { by, ends, given, overtaken } = text;
    Ok(Withdrawal { withdrawn: Withdrawn { by, ends }, given, overtaken: set(overtaken)? })
}
