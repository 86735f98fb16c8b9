//! Snapshots: the whole state as it stood after a `state-digest` entry, written down so that a fold can begin there.
//!
//! No part of the record, and nothing that a verifier believes: a snapshot that is gone costs time and nothing else. It is bound to
//! one entry of one record; whether the tree has that entry, and so this root, is for the caller to see (`record::Prefix`).

mod money;
mod notices;
mod read;
mod reconciled;
mod text;
mod withdrawal;
mod write;

use super::{Library, State};
use crate::act::{Digest, text as integer};
use crate::entry::{Body, Entry, FOLD};
use record::Leaf;
use serde::{Deserialize, Serialize};

/// The version of the encoding. A snapshot of another version is not read.
const FORMAT: u32 = 7;

/// A state as it stood after a `state-digest` entry, with the tree that ends with it.
#[derive(Debug)]
pub struct Snapshot {
    state: State,
    root: Digest,
}

/// The first line of a snapshot: what it is of.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    #[serde(with = "integer")]
    snapshot: u32,
    #[serde(with = "integer")]
    fold: u32,
    origin: String,
    /// How many entries it stands for.
    #[serde(with = "integer")]
    size: u64,
    /// The root of the tree of those.
    root: Digest,
    /// Where the `state-digest` entry stands: at the end of them.
    #[serde(with = "integer")]
    index: u64,
    /// The digest that this entry gives.
    digest: Digest,
}

/// Why a snapshot is not used. Variants stand in order of precedence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Its last line is not the digest of those before it.
    #[error("its digest is not that of its bytes: it is cut short or damaged")]
    Damaged,
    /// A line is not what it should be.
    #[error("its text is not that of a snapshot: {0}")]
    Malformed(String),
    /// Another program wrote it.
    #[error("it has format {format} and fold {fold}, which this program does not read")]
    Version {
        /// Its format.
        format: u32,
        /// Its fold.
        fold: u32,
    },
    /// It is of another record.
    #[error("it is of the record `{0}`")]
    Origin(String),
    /// A memorandum is named that is not at hand.
    #[error("it names the memorandum `{0}`, which is not among the documents of the record")]
    NoMemorandum(String),
    /// Accounts and reservations are not those of a book.
    #[error("its books do not add up: {0}")]
    Books(#[from] ledger::RestoreError),
    /// The digest of what it holds is not the one it gives.
    #[error("what it holds has another digest than it says")]
    Diverged,
    /// The record has another entry, or another tree, at its end.
    #[error("the record does not have the `state-digest` entry that it stands at")]
    Elsewhere,
}

impl Snapshot {
    /// A snapshot of `state` with the root of the tree of all its entries; none where its last entry is no `state-digest`.
    #[must_use]
    pub fn of(state: State, root: record::Hash) -> Option<Self> {
        (state.entries > 1 && state.digested.checked_add(1) == Some(state.entries))
            .then_some(Self { state, root: Digest(root) })
    }

    /// How many entries it stands for.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.state.entries
    }

    /// The state.
    #[must_use]
    pub fn into_state(self) -> State {
        self.state
    }

    /// It as a file: a line that says what it is of, a line with the state, and a line with the SHA-256 of both in hexadecimal.
    ///
    /// The memoranda are named by their digests; everything else is there.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let head = Head {
            snapshot: FORMAT,
            fold: FOLD,
            origin: self.state.origin.clone(),
            size: self.size(),
            root: self.root,
            index: self.state.digested,
            digest: self.state.digest(),
        };
        let lines = [text::line(&head), text::line(&write::state(&self.state))];
        let mut bytes = lines.concat();
        let sum = Digest(record::hash::sha256(&bytes)).hex();
        bytes.extend_from_slice(sum.as_bytes());
        bytes.push(b'\n');
        bytes
    }

    /// Reads what [`Snapshot::encode`] wrote of the record `origin`, with the documents of that record.
    ///
    /// Errors: [`SnapshotError`], the first that holds. What is read belongs to `origin` and agrees with itself; whether it is of
    /// this record is for [`Snapshot::stands_at`].
    pub fn decode(bytes: &[u8], origin: &str, library: &Library) -> Result<Self, SnapshotError> {
        let (head, state) = split(bytes)?;
        let head: Head = text::read(head)?;
        if (head.snapshot, head.fold) != (FORMAT, FOLD) {
            return Err(SnapshotError::Version { format: head.snapshot, fold: head.fold });
        }
        if head.origin != origin {
            return Err(SnapshotError::Origin(head.origin));
        }
        let state = read::state(text::read(state)?, library)?;
        let stands =
            state.origin == head.origin && state.entries == head.size && state.digested == head.index;
        let snapshot = Self::of(state, head.root.0)
            .filter(|_| stands)
            .ok_or_else(|| SnapshotError::Malformed("its two lines differ".to_owned()))?;
        if snapshot.state.digest() == head.digest { Ok(snapshot) } else { Err(SnapshotError::Diverged) }
    }

    /// Whether the record whose first [`Snapshot::size`] entries have this root, and end with this leaf, is the one it is of.
    ///
    /// Errors: [`SnapshotError::Elsewhere`].
    pub fn stands_at(&self, root: &record::Hash, last: &Leaf) -> Result<(), SnapshotError> {
        let entry = Entry::decode(&last.envelope, &last.parties).map_err(|_| SnapshotError::Elsewhere)?;
        let digest = match &entry.body {
            Body::StateDigest(state) => Some(state.digest),
            _ => None,
        };
        let agrees = self.root.0 == *root && entry.at == self.state.at && digest == Some(self.state.digest());
        if agrees { Ok(()) } else { Err(SnapshotError::Elsewhere) }
    }
}

/// The two lines, if the third is their digest.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), SnapshotError> {
    let body = bytes.len().checked_sub(SUM_BYTES).and_then(|at| bytes.split_at_checked(at));
    let (body, sum) = body.ok_or(SnapshotError::Damaged)?;
    let right = format!("{}\n", Digest(record::hash::sha256(body)).hex());
    if right.as_bytes() != sum {
        return Err(SnapshotError::Damaged);
    }
    let mut lines = body.split_inclusive(|byte| *byte == b'\n');
    match (lines.next(), lines.next(), lines.next()) {
        (Some(head), Some(state), None) if state.ends_with(b"\n") => Ok((head, state)),
        _ => Err(SnapshotError::Malformed("it is not three lines".to_owned())),
    }
}

/// 64 hexadecimal digits and the end of their line.
const SUM_BYTES: usize = 65;
