//! The entries of each kind, read in the order of their fields. Not here: what they mean together (`fold`).
//!
//! The last field of a decision or settlement is its transfers. They are handed out one by one while they are read, so that none
//! is kept; where they end, the entry must.

mod decided;
mod genesis;
mod list;
mod notes;
mod settled;
mod transfers;

use crate::act_id::ActId;
use crate::acts::Kind;
use crate::moment::Moment;
use crate::text::{Read, Text};

pub(crate) use decided::{Decided, Deed, Verdict};
pub(crate) use genesis::Genesis;
pub(crate) use notes::{Caps, Clock, StateDigest, Tally};
pub(crate) use settled::{Ended, Settled};
pub(crate) use transfers::{Op, Transfer, Transfers};

/// The kinds of entry that are replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Genesis,
    Decided,
    Settled,
    Clock,
    Tally,
    StateDigest,
    Lease,
}

impl EntryKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Decided => "decided",
            Self::Settled => "settled",
            Self::Clock => "clock",
            Self::Tally => "tally",
            Self::StateDigest => "state-digest",
            Self::Lease => "lease",
        }
    }
}

/// What an envelope says besides its commitment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope<'a> {
    pub(crate) kind: EntryKind,
    /// The hour, but for its last letter.
    pub(crate) hour: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Read<Self> {
        let mut text = Text::new(bytes)?;
        text.literal(r#"{"v":"1","fold":"1","kind":""#)?;
        let before = text;
        let kind = match text.string()? {
            b"decided" => EntryKind::Decided,
            b"settled" => EntryKind::Settled,
            b"state-digest" => EntryKind::StateDigest,
            b"genesis" => EntryKind::Genesis,
            b"clock" => EntryKind::Clock,
            b"tally" => EntryKind::Tally,
            b"lease" => EntryKind::Lease,
            _ => return before.expected("a kind of entry that fold `1` knows"),
        };
        text.literal(r#","time":""#)?;
        let before = text;
        let Some(hour) = text.string()?.strip_suffix(b"Z") else { return before.expected("an hour") };
        text.literal(r#","body":""#)?;
        text.digest()?;
        text.literal("}")?;
        text.end()?;
        Ok(Self { kind, hour })
    }
}

/// The names that begin the parties' part of an entry with so many bytes of salt.
fn salts(text: &mut Text<'_>, fields: usize) -> Read<()> {
    text.literal(r#"{"salts":""#)?;
    text.bytes(fields.saturating_mul(SALT_BYTES))?;
    text.literal(",\n")
}

/// What a decision or settlement begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) id: ActId,
    pub(crate) at: Moment,
    pub(crate) kind: Kind,
}

impl Head {
    fn read(text: &mut Text<'_>) -> Read<Self> {
        text.literal(r#""act":{"id":""#)?;
        let id = text.act_id()?;
        text.literal(r#","at":""#)?;
        let at = text.moment()?;
        text.literal(r#","kind":""#)?;
        let before = *text;
        let Some(kind) = Kind::of(text.string()?) else { return before.expected("a kind of act") };
        text.literal("},\n")?;
        Ok(Self { id, at, kind })
    }
}

/// How long the salt of a field is.
const SALT_BYTES: usize = 16;
