//! Two histories by one log, and the file that proves them. Not the finding of one.

use crate::checkpoint::{Checkpoint, CheckpointError, decimal};
use crate::note::Verifier;

/// Two signed checkpoints of one log that no honest log could have signed both: they prove it by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The one that was there first.
    pub first: Vec<u8>,
    /// The other.
    pub second: Vec<u8>,
}

/// Why two checkpoints prove nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoFork {
    /// One of them is not signed by the log.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// They are of two sizes, or one tree.
    #[error("both checkpoints can be true: they are of two sizes, or of one tree")]
    Agree,
}

impl Fork {
    /// The two heads, if both are signed by one of the log's keys and are two trees of one size.
    ///
    /// # Errors
    /// [`NoFork`].
    pub fn prove(&self, logs: &[&Verifier]) -> Result<[Checkpoint; 2], NoFork> {
        let first = Checkpoint::open_any(&self.first, logs)?;
        let second = Checkpoint::open_any(&self.second, logs)?;
        if first.size == second.size && first.root != second.root {
            Ok([first, second])
        } else {
            Err(NoFork::Agree)
        }
    }

    /// A first line with the length of the first checkpoint in bytes, then both as they were signed.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = format!("{FORK}{}\n", self.first.len()).into_bytes();
        bytes.extend_from_slice(&self.first);
        bytes.extend_from_slice(&self.second);
        bytes
    }

    /// Reads [`Fork::encode`]. Nothing is verified before [`Fork::prove`].
    ///
    /// Shape: `None` for any other bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let (length, notes) = text.strip_prefix(FORK)?.split_once('\n')?;
        let (first, second) = notes.split_at_checked(usize::try_from(decimal(length)?).ok()?)?;
        Some(Self { first: first.as_bytes().to_vec(), second: second.as_bytes().to_vec() })
    }
}

/// How a kept fork begins.
const FORK: &str = "countersign/fork/v1 ";
