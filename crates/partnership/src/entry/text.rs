//! The texts of entries as serde sees them: one struct for each field of a parties' part, with its own fields in the order that is
//! written.
//!
//! Not here: what they mean (`wire` turns them into entries and back).

use super::Standing;
use crate::act::text as integer;
use crate::act::{Attempt, Digest, Ended, Usage};
use crate::decision::{Deviation, RefusalCode};
use crate::ids::{ActId, ApplicationId, ClauseId, KeyId, PartyId, Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Founding {
    pub(super) at: Timestamp,
    pub(super) origin: String,
    pub(super) memorandum: Digest,
    pub(super) vkeys: Vec<OfParty>,
    pub(super) signatures: Vec<OfParty>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfParty {
    pub(crate) party: PartyId,
    pub(crate) value: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head<'a> {
    #[serde(with = "integer")]
    pub(super) id: ActId,
    pub(super) at: Timestamp,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Who {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) party: Option<PartyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) person: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) application: Option<ApplicationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) standing: Option<Standing>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    #[serde(with = "integer")]
    pub(super) memorandum: u64,
    pub(super) decision: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<RefusalCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refills: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<Vec<PartyId>>,
    pub(super) clauses: Vec<ClauseId>,
    pub(super) deviations: Vec<Deviation>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reserved {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lapses: Option<Timestamp>,
    pub(super) transfers: Vec<Move>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ending {
    #[serde(with = "integer")]
    pub(super) decided: u64,
    pub(super) ended: Ended,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Usage>,
    pub(super) estimated: bool,
    pub(super) attempts: Vec<Attempt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kept: Option<Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Charged {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) charged: Option<Charge>,
    pub(super) transfers: Vec<Move>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Charge {
    pub(crate) asset: String,
    #[serde(with = "integer")]
    pub(crate) amount: i128,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Move {
    #[serde(with = "integer")]
    pub(crate) leg: u16,
    pub(crate) op: Op,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<String>,
    pub(crate) debit: String,
    pub(crate) credit: String,
    pub(crate) asset: String,
    #[serde(with = "integer")]
    pub(crate) amount: i128,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Op {
    Move,
    Reserve,
    Post,
    Void,
    Lapse,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Caps {
    pub(crate) at: Timestamp,
    pub(crate) expires: Timestamp,
    #[serde(with = "integer")]
    pub(crate) calls: u64,
    pub(crate) amounts: Vec<Charge>,
}
