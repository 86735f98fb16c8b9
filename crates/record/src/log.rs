//! The log and its three owners, one a thread: [`Log`] appends and hashes and never waits for a disk, [`Journal`]
//! makes groups durable with one sync each, [`Publisher`] writes tiles, bundles and the checkpoint.
//!
//! The order is never broken: a group is durable in the journal before its owner hands it to the publisher; its
//! tiles and bundles are durable before the checkpoint that covers them; the checkpoint is durable before it is
//! shown. Not a judge of entries: what stands in an envelope is the caller's concern.
//!
//! ```
//! use std::sync::Arc;
//! use record::{Leaf, load, note::Signer, store::memory::Memory};
//!
//! let signer = Signer::generate("log.example", [7; 32])?;
//! let mut record = load(Arc::new(Memory::new()), "log.example", 1 << 20, &signer.verifier())?;
//! record.log.append(Leaf { envelope: b"envelope".to_vec(), parties: b"parts".to_vec() })?;
//! let group = record.log.seal().into_iter().collect::<Vec<_>>();
//! assert_eq!(record.journal.write(&group)?, 1); // entry 0 is durable: its reply may go
//! group.into_iter().for_each(|group| record.publisher.absorb(group));
//! assert!(record.publisher.publish(&signer)?.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod entries;
mod frame;
mod journal;
mod load;
mod publisher;
mod survey;

pub use entries::{Entries, Prefix};
pub use journal::{Journal, SEGMENT_BYTES_MIN};
pub use load::{LoadError, Loaded, Torn, load};
pub use publisher::Publisher;

pub(crate) use frame::Frame;
pub(crate) use load::check_parts;
pub(crate) use publisher::CHECKPOINT;
pub(crate) use survey::{Damaged, Survey};

use crate::bundle::ENTRY_BYTES_MAX;
use crate::hash::{Hash, leaf_hash};
use crate::merkle::Frontier;

/// One entry: its public envelope, which is the leaf, and the parties' part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The envelope's bytes, which are hashed. Shape: at most [`ENTRY_BYTES_MAX`].
    pub envelope: Vec<u8>,
    /// The parties' part. Shape: at most [`ENTRY_BYTES_MAX`].
    pub parties: Vec<u8>,
}

/// What was appended between two seals, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The index of the first leaf.
    pub first: u64,
    /// The leaves. Shape: at least one.
    pub leaves: Vec<Leaf>,
    /// The size of the tree with the last leaf.
    pub size: u64,
    /// The root of that tree.
    pub root: Hash,
    /// The leaf hash of each leaf, in their order.
    pub hashes: Vec<Hash>,
}

/// Why a leaf was not appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// One of its halves is longer than the format allows.
    #[error(
        "the {half} of the entry has {bytes} bytes, more than 61440; keep what is long outside the record"
    )]
    TooLarge {
        /// `envelope` or `parties' part`.
        half: &'static str,
        /// How long it is.
        bytes: usize,
    },
}

/// The growing end of the log: its frontier and the group that is being filled. It does no input or output.
#[derive(Debug)]
pub struct Log {
    frontier: Frontier,
    leaves: Vec<Leaf>,
    hashes: Vec<Hash>,
    pending_bytes: u64,
}

impl Log {
    pub(crate) fn new(frontier: Frontier) -> Self {
        Self { frontier, leaves: Vec::new(), hashes: Vec::new(), pending_bytes: 0 }
    }

    /// Appends a leaf and gives its index.
    ///
    /// # Errors
    /// [`LogError::TooLarge`]; then nothing has changed.
    pub fn append(&mut self, leaf: Leaf) -> Result<u64, LogError> {
        for (half, bytes) in [("envelope", leaf.envelope.len()), ("parties' part", leaf.parties.len())] {
            if bytes > ENTRY_BYTES_MAX {
                return Err(LogError::TooLarge { half, bytes });
            }
        }
        let index = self.frontier.size();
        let hash = leaf_hash(&leaf.envelope);
        self.frontier.append(hash);
        self.pending_bytes = self.pending_bytes.saturating_add(frame::entry_bytes(&leaf));
        self.hashes.push(hash);
        self.leaves.push(leaf);
        Ok(index)
    }

    /// How many leaves were appended since the beginning of the record.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root of the tree of all leaves.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The growing end itself.
    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// What the leaves since the last seal will take in the journal, in bytes.
    pub fn pending_bytes(&self) -> u64 {
        self.pending_bytes
    }

    /// Takes what was appended since the last seal; `None` if that is nothing.
    pub fn seal(&mut self) -> Option<Group> {
        if self.leaves.is_empty() {
            return None;
        }
        self.pending_bytes = 0;
        let capacity = self.leaves.len();
        let leaves = std::mem::replace(&mut self.leaves, Vec::with_capacity(capacity));
        let hashes = std::mem::replace(&mut self.hashes, Vec::with_capacity(capacity));
        let (size, root) = (self.frontier.size(), self.frontier.root());
        let first = size.saturating_sub(leaves.len() as u64);
        Some(Group { first, leaves, size, root, hashes })
    }
}
