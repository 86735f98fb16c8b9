//! C2SP tlog-witness without its HTTP: what a witness is asked, what it checks in which order, and what it must have kept
//! before it answers. Not a replay: it sees no entries, only that a log grew. Whoever replays them as well asks a second
//! witness, with the key that says so, once it has.
//!
//! Two checkpoints of one size with two roots are never both cosigned, and sizes never go back, whatever fails and
//! however often the process is started again: a cosignature is made only after what it says has been put in place of
//! what was there, in one step that lasts ([`Latest::swap`]). That is so also for a checkpoint that was cosigned before,
//! since what is read of it may be in a cache only.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use crate::checkpoint::{Checkpoint, CheckpointError, decimal};
use crate::cosignature::{Cosigner, CosignerKey, TIME_MAX};
use crate::hash::{base64, empty_root, hash_from_base64, hex, sha256, sha256_of};
use crate::merkle;
use crate::note::{self, NoteError, Verifier};
use crate::store::StoreError;

mod fork;
mod latest;
mod request;

pub use fork::{Fork, NoFork};
pub use latest::{Kept, Latest};
pub use request::{AddCheckpoint, BODY_BYTES_MAX};

/// Why a witness did not cosign. Variants stand in the order of the checks: the first that holds is given.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The body is not one of `add-checkpoint`.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// The checkpoint in it is malformed.
    #[error("{0}")]
    Checkpoint(CheckpointError),
    /// The checkpoint is of a log that this witness does not know.
    #[error("the log `{0}` is not known here; its public key must be given to this witness first")]
    UnknownLog(String),
    /// It is not signed by a trusted key of its log, or signed wrongly by one.
    #[error("the checkpoint of `{origin}`: {source}")]
    Unsigned {
        /// The log that it names.
        origin: String,
        /// What is wrong with its signatures.
        source: NoteError,
    },
    /// The checkpoint is smaller than the size it is said to follow on.
    #[error("a checkpoint of size {size} cannot follow on size {old}")]
    Shrinks {
        /// The old size of the request.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// The log has signed another tree of the size that was cosigned last. Both checkpoints are kept.
    #[error("the log `{}` has signed two trees of size {}; both checkpoints are kept as proof", .0.origin, .0.size)]
    Fork(Forked),
    /// The witness has cosigned another size than the request follows on. Ask again from that size.
    #[error("the last cosigned size is {known}, not {old}; ask again from there")]
    Stale {
        /// What was cosigned last; 0 for nothing.
        known: u64,
        /// The old size of the request.
        old: u64,
    },
    /// The proof does not lead from what was cosigned last to the checkpoint.
    #[error(
        "the proof does not lead from size {old} to the checkpoint of size {size}; the log may have been rewritten"
    )]
    Inconsistent {
        /// The size that was cosigned last.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// What the witness has kept of this log is damaged. It cosigns nothing of it until a person has looked.
    #[error(
        "what is kept of the log `{0}` is damaged; put back a copy that is not older than the last cosignature"
    )]
    Damaged(String),
    /// Nothing could be kept, so nothing was cosigned.
    #[error("the witness cannot keep the checkpoint: {0}")]
    Store(#[from] StoreError),
}

/// Which tree a log has signed another of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forked {
    /// The log.
    pub origin: String,
    /// The size of both trees.
    pub size: u64,
}

impl Refused {
    /// The HTTP status that the specification has for this.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::Checkpoint(_) | Self::Shrinks { .. } => 400,
            Self::Unsigned { .. } => 403,
            Self::UnknownLog(_) => 404,
            Self::Fork(_) | Self::Stale { .. } => 409,
            Self::Inconsistent { .. } => 422,
            Self::Damaged(_) | Self::Store(_) => 500,
        }
    }

    /// The body of a 409, with the content type [`SIZE_TYPE`]: the size that was cosigned last. `None` for other statuses.
    pub fn known_size(&self) -> Option<String> {
        match self {
            Self::Stale { known: size, .. } | Self::Fork(Forked { size, .. }) => Some(format!("{size}\n")),
            _ => None,
        }
    }
}

/// Cosigns with one key the checkpoints of the logs it knows. Any number of threads may ask at once.
#[derive(Debug)]
pub struct Witness<L> {
    latest: L,
    cosigner: Cosigner,
    logs: RwLock<BTreeMap<String, Vec<Verifier>>>,
}

/// What is kept of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    /// The time of the last cosignature.
    at: u64,
    head: Checkpoint,
    /// The checkpoint under the log's own signatures.
    signed: Vec<u8>,
}

impl<L: Latest> Witness<L> {
    /// The witness that signs with `cosigner` for the logs whose keys are `logs`. Each key's name is its log's origin; a log
    /// may have several.
    pub fn new(latest: L, cosigner: Cosigner, logs: impl IntoIterator<Item = Verifier>) -> Self {
        let mut known: BTreeMap<String, Vec<Verifier>> = BTreeMap::new();
        for log in logs {
            known.entry(log.name().to_owned()).or_default().push(log);
        }
        Self { latest, cosigner, logs: RwLock::new(known) }
    }

    /// Knows another key of a log that it knows, or another log.
    pub fn know(&self, log: Verifier) {
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        let keys = logs.entry(log.name().to_owned()).or_default();
        if !keys.contains(&log) {
            keys.push(log);
        }
    }

    /// Answers a request: the signature line that cosigns the checkpoint, for the body of a 200.
    ///
    /// Units: `now` is in seconds since 1970. A cosignature never bears an earlier time than the one before it.
    ///
    /// # Errors
    /// [`Refused`], with its status.
    pub fn add_checkpoint(&self, body: &[u8], now: u64) -> Result<String, Refused> {
        let request = AddCheckpoint::parse(body)?;
        let (head, signed) = self.open(&request.checkpoint)?;
        if request.old > head.size {
            return Err(Refused::Shrinks { old: request.old, size: head.size });
        }
        let place = self.place(&head.origin);
        // Who loses a swap has been overtaken by one who won it, and looks again.
        loop {
            let bytes = self.latest.read(&place)?;
            let state = bytes.as_deref().map(|bytes| State::decode(bytes, &head.origin)).transpose()?;
            if let Some(other) = state.as_ref().and_then(|state| state.forked_by(&head, &signed)) {
                self.latest.keep_fork(&place, head.size, &other.encode())?;
                return Err(Refused::Fork(Forked { origin: head.origin, size: head.size }));
            }
            check_growth(state.as_ref(), &request, &head)?;
            let at = state.map_or(0, |state| state.at).max(now).min(TIME_MAX);
            let new = State { at, head: head.clone(), signed: signed.clone() }.encode();
            if self.latest.swap(&place, bytes.as_deref(), &new)? {
                return Ok(self.cosigner.cosign(&head, at));
            }
        }
    }

    /// The size that was cosigned last of the log `origin`; 0 for nothing.
    ///
    /// # Errors
    /// [`Refused::UnknownLog`], [`Refused::Damaged`], [`Refused::Store`].
    pub fn size(&self, origin: &str) -> Result<u64, Refused> {
        let bytes = self.latest.read(&self.known(origin)?)?;
        let state = bytes.map(|bytes| State::decode(&bytes, origin)).transpose()?;
        Ok(state.map_or(0, |state| state.head.size))
    }

    /// The forks of the log `origin` that were met and kept, by size.
    ///
    /// # Errors
    /// [`Refused::UnknownLog`], [`Refused::Damaged`], [`Refused::Store`].
    pub fn forks(&self, origin: &str) -> Result<Vec<Fork>, Refused> {
        let forks = self.latest.forks(&self.known(origin)?)?;
        let read = |bytes: &Vec<u8>| Fork::parse(bytes).ok_or_else(|| Refused::Damaged(origin.to_owned()));
        forks.iter().map(read).collect()
    }

    /// The public key that the answers are signed with.
    pub fn key(&self) -> CosignerKey {
        self.cosigner.key()
    }

    /// The checkpoint, and it again with no lines but those of its log's trusted keys.
    fn open(&self, signed: &[u8]) -> Result<(Checkpoint, Vec<u8>), Refused> {
        let head = Checkpoint::read(signed).map_err(Refused::Checkpoint)?;
        let known = self.logs.read().unwrap_or_else(PoisonError::into_inner).get(&head.origin).cloned();
        let Some(known) = known else { return Err(Refused::UnknownLog(head.origin)) };
        let logs: Vec<&Verifier> = known.iter().collect();
        let refused = |source| match source {
            NoteError::Unsigned | NoteError::Invalid(_) => {
                Refused::Unsigned { origin: head.origin.clone(), source }
            }
            malformed => Refused::Checkpoint(malformed.into()),
        };
        note::open(signed, &logs).map_err(refused)?;
        let own = note::only_by(signed, &logs).map_err(refused)?;
        Ok((head, own))
    }

    fn known(&self, origin: &str) -> Result<String, Refused> {
        if self.logs.read().unwrap_or_else(PoisonError::into_inner).contains_key(origin) {
            Ok(self.place(origin))
        } else {
            Err(Refused::UnknownLog(origin.to_owned()))
        }
    }

    /// A key that takes the place of another under its name goes on from where that stood.
    fn place(&self, origin: &str) -> String {
        hex(&sha256_of(&[self.cosigner.name().as_bytes(), b"\n", origin.as_bytes()]))
    }
}

/// Checks that the request follows on what was cosigned last, and its proof.
fn check_growth(state: Option<&State>, request: &AddCheckpoint, head: &Checkpoint) -> Result<(), Refused> {
    let (known, root) = state.map_or_else(|| (0, empty_root()), |state| (state.head.size, state.head.root));
    if request.old != known {
        return Err(Refused::Stale { known, old: request.old });
    }
    let holds = merkle::verify_consistency(known, &root, head.size, &head.root, &request.proof);
    // Any tree follows on the empty one; but an empty tree has one root only.
    if holds && (head.size > 0 || head.root == empty_root()) {
        Ok(())
    } else {
        Err(Refused::Inconsistent { old: known, size: head.size })
    }
}

impl State {
    /// The fork, if `head` is another tree of the size that was cosigned last. There are no two empty trees: what is
    /// wrong with one shows by itself.
    fn forked_by(&self, head: &Checkpoint, signed: &[u8]) -> Option<Fork> {
        let forked = head.size == self.head.size && head.root != self.head.root && head.size > 0;
        forked.then(|| Fork { first: self.signed.clone(), second: signed.to_vec() })
    }

    fn encode(&self) -> Vec<u8> {
        let mut rest = format!("time {}\n", self.at).into_bytes();
        rest.extend_from_slice(&self.signed);
        let mut bytes = format!("{STATE}{}\n", base64(&sha256(&rest))).into_bytes();
        bytes.extend_from_slice(&rest);
        bytes
    }

    /// Reads what was kept of the log `origin`. The digest in it finds every changed bit; no signature is looked at, so
    /// that a log may change its keys.
    fn decode(bytes: &[u8], origin: &str) -> Result<Self, Refused> {
        Self::read(bytes)
            .filter(|state| state.head.origin == origin)
            .ok_or_else(|| Refused::Damaged(origin.to_owned()))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let (digest, rest) = text.strip_prefix(STATE)?.split_once('\n')?;
        let (time, signed) = rest.split_once('\n')?;
        let at = decimal(time.strip_prefix("time ")?).filter(|at| *at <= TIME_MAX)?;
        let head = Checkpoint::read(signed.as_bytes()).ok()?;
        let whole = hash_from_base64(digest)? == sha256(rest.as_bytes());
        whole.then(|| Self { at, head, signed: signed.as_bytes().to_vec() })
    }
}

/// The content type of a 409's body.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// How what is kept of a log begins.
const STATE: &str = "countersign/witness/v1 ";

#[cfg(test)]
mod tests;
