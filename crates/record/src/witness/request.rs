//! The body of an `add-checkpoint`. Not the answer, nor whether there is one.

use super::Refused;
use crate::checkpoint::decimal;
use crate::hash::{Hash, base64, hash_from_base64};
use crate::merkle;
use crate::store::{Store, StoreError};
use crate::tile::TileReader;

/// What a log asks of a witness: to cosign its checkpoint, which follows on the one of size `old`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness cosigned last; 0 if it never did.
    pub old: u64,
    /// The consistency proof from `old` to the checkpoint. Shape: at most 63 hashes.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: Vec<u8>,
}

impl AddCheckpoint {
    /// Asks for `checkpoint` (its signed bytes, for a tree of `size` leaves) to be cosigned by a witness that has cosigned
    /// size `old`; the proof is read from the tiles of `store`.
    ///
    /// Shape: `None` if `old` is above `size`: then the witness has seen more than this store holds.
    ///
    /// # Errors
    /// [`StoreError`] if a tile cannot be read.
    pub fn of<S: Store + ?Sized>(
        store: &S,
        checkpoint: &[u8],
        size: u64,
        old: u64,
    ) -> Result<Option<Self>, StoreError> {
        let proof = match old {
            0 => Some(Vec::new()),
            _ => merkle::consistency_proof(old, size, &mut TileReader::new(store, size))?,
        };
        Ok(proof.map(|proof| Self { old, proof, checkpoint: checkpoint.to_vec() }))
    }

    /// The body of the request.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            text.push_str(&base64(hash));
            text.push('\n');
        }
        text.push('\n');
        let mut body = text.into_bytes();
        body.extend_from_slice(&self.checkpoint);
        body
    }

    /// Reads the body of a request. Its checkpoint is not looked at yet.
    ///
    /// # Errors
    /// [`Refused::Malformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Refused> {
        if body.len() > BODY_BYTES_MAX {
            return Err(Refused::Malformed("it is too long"));
        }
        let text = str::from_utf8(body).map_err(|_| Refused::Malformed("it is not utf-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(Refused::Malformed("it has no blank line"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| decimal(line.strip_prefix("old ")?));
        let old = old.ok_or(Refused::Malformed("its first line is not `old` and a decimal"))?;
        let proof: Option<Vec<Hash>> = lines.map(hash_from_base64).collect();
        let proof = proof.ok_or(Refused::Malformed("a line of its proof is not a hash"))?;
        if proof.len() > PROOF_MAX {
            return Err(Refused::Malformed("its proof is too long"));
        }
        Ok(Self { old, proof, checkpoint: checkpoint.as_bytes().to_vec() })
    }
}

/// The longest body that is read: 63 hashes of 45 bytes, and a note with 16 KiB of signatures. Units: bytes.
pub const BODY_BYTES_MAX: usize = 32_768;

/// The specification allows no longer proof, and trees of up to 2^63 leaves need none.
const PROOF_MAX: usize = 63;
