//! C2SP tlog-proof, which is our receipt: an entry's place, its audit path and the checkpoint, in one text that
//! needs no network to be checked. Not a confirmation of payment.

use crate::checkpoint::{Checkpoint, CheckpointError, decimal};
use crate::cosignature::Cosigned;
use crate::hash::{Hash, base64, from_base64, hash_from_base64, leaf_hash};
use crate::merkle;
use crate::note::Verifier;
use crate::quorum::{Quorum, Unmet};
use crate::store::{Store, StoreError};
use crate::tile::TileReader;

/// The proof that one entry stands in one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Opaque bytes that travel along; they are not authenticated by the proof.
    pub extra: Option<Vec<u8>>,
    /// The entry's place, counted from zero.
    pub index: u64,
    /// From the leaf's sibling up to the root's child.
    pub path: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: Vec<u8>,
}

/// Why a receipt was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The text is not a tlog-proof.
    #[error("malformed receipt: {0}")]
    Malformed(&'static str),
    /// Its checkpoint is not one of this log.
    #[error("receipt: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Its checkpoint does not bear the cosignatures that are asked for, or is none of a known log.
    #[error("receipt: {0}")]
    Unmet(#[from] Unmet),
    /// The path does not lead from this entry to the checkpoint's root.
    #[error("the receipt's path does not lead from the entry at index {0} to the checkpoint's root")]
    NotIncluded(u64),
}

impl Receipt {
    /// The receipt of the entry at `index` under `checkpoint` (its signed bytes, for a tree of `size` leaves), from tiles that are there
    /// for a tree of `published` leaves, as many or more: partial tiles of an older tree may be gone.
    ///
    /// Shape: `None` if the checkpoint does not cover the entry yet.
    ///
    /// # Errors
    /// [`StoreError`] if a tile cannot be read.
    pub fn of<S: Store + ?Sized>(
        store: &S,
        index: u64,
        checkpoint: &[u8],
        size: u64,
        published: u64,
    ) -> Result<Option<Self>, StoreError> {
        let path = merkle::inclusion_proof(index, size, &mut TileReader::new(store, published))?;
        Ok(path.map(|path| Self { extra: None, index, path, checkpoint: checkpoint.to_vec() }))
    }

    /// The text of the receipt.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", base64(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.path {
            text.push_str(&base64(hash));
            text.push('\n');
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.checkpoint);
        bytes
    }

    /// Reads a receipt. Its checkpoint is not looked at before [`Receipt::verify`].
    ///
    /// # Errors
    /// [`ProofError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        let text = str::from_utf8(bytes).map_err(|_| ProofError::Malformed("it is not utf-8"))?;
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or(ProofError::Malformed("it has no blank line"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(ProofError::Malformed("its first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra ")).map(parse_extra).transpose()?;
        let index = lines.next().and_then(|line| decimal(line.strip_prefix("index ")?));
        let index = index.ok_or(ProofError::Malformed("its index is not a decimal"))?;
        let path: Option<Vec<Hash>> = lines.map(hash_from_base64).collect();
        let path = path.ok_or(ProofError::Malformed("a line of its path is not a hash"))?;
        if path.len() > PATH_MAX {
            return Err(ProofError::Malformed("its path is too long"));
        }
        Ok(Self { extra, index, path, checkpoint: checkpoint.as_bytes().to_vec() })
    }

    /// Checks that `entry` (the envelope's bytes) stands in the log whose key is `log`, and gives the head it
    /// stands under.
    ///
    /// # Errors
    /// [`ProofError::Checkpoint`] if the checkpoint is not signed by the log or names another origin;
    /// [`ProofError::NotIncluded`] if the path does not fit the entry.
    pub fn verify(&self, entry: &[u8], log: &Verifier) -> Result<Checkpoint, ProofError> {
        let head = Checkpoint::open(&self.checkpoint, log)?;
        self.check_path(entry, &head)?;
        Ok(head)
    }

    /// As [`Receipt::verify`], and sees that everyone whom `quorum` asks for has cosigned the checkpoint.
    ///
    /// # Errors
    /// [`ProofError::Unmet`]: with [`Unmet::Cosigners`] where a later checkpoint may still do, else for good;
    /// [`ProofError::NotIncluded`] if the path does not fit the entry.
    pub fn verify_cosigned(&self, entry: &[u8], quorum: &Quorum) -> Result<Cosigned, ProofError> {
        let cosigned = quorum.check(&self.checkpoint)?;
        self.check_path(entry, &cosigned.checkpoint)?;
        Ok(cosigned)
    }

    fn check_path(&self, entry: &[u8], head: &Checkpoint) -> Result<(), ProofError> {
        let leaf = leaf_hash(entry);
        if merkle::verify_inclusion(&leaf, self.index, head.size, &self.path, &head.root) {
            Ok(())
        } else {
            Err(ProofError::NotIncluded(self.index))
        }
    }
}

fn parse_extra(line: &str) -> Result<Vec<u8>, ProofError> {
    let text = line.strip_prefix("extra ").unwrap_or_default();
    from_base64(text).ok_or(ProofError::Malformed("its extra data is not base64"))
}

/// The first line of every proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A tree of 2^63 leaves has paths of 63 hashes.
const PATH_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosignature::{Cosigner, Statement, attach};
    use crate::merkle::{leaf_hashes, root, small_proof};
    use crate::note::Signer;

    fn log(name: &str) -> Signer {
        Signer::generate(name, [5; 32]).unwrap()
    }

    fn receipt(signer: &Signer, extra: Option<Vec<u8>>) -> Receipt {
        let leaves = leaf_hashes([&b"one"[..], b"two", b"three"]);
        let head = Checkpoint { origin: signer.name().into(), size: 3, root: root(&leaves) };
        let path = small_proof(&leaves, 1).unwrap();
        Receipt { extra, index: 1, path, checkpoint: head.sign(signer).unwrap() }
    }

    #[test]
    fn receipt_is_read_as_it_was_written() {
        for extra in [None, Some(Vec::new()), Some(b"entry".to_vec())] {
            let receipt = receipt(&log("log.example"), extra);
            let text = receipt.encode();
            assert_eq!(Receipt::parse(&text), Ok(receipt.clone()));
            assert_eq!(receipt.verify(b"two", &log("log.example").verifier()).unwrap().size, 3);
        }
    }

    #[test]
    fn receipt_rejects_other_entry() {
        let receipt = receipt(&log("log.example"), None);
        let refused = receipt.verify(b"one", &log("log.example").verifier());
        assert_eq!(refused, Err(ProofError::NotIncluded(1)));
    }

    #[test]
    fn receipt_rejects_other_origin() {
        let receipt = receipt(&log("log.example"), None);
        let refused = receipt.verify(b"two", &log("other.example").verifier());
        assert!(matches!(refused, Err(ProofError::Checkpoint(CheckpointError::Origin { .. }))));
        let forged = Signer::generate("log.example", [6; 32]).unwrap().verifier();
        assert!(matches!(
            receipt.verify(b"two", &forged),
            Err(ProofError::Checkpoint(CheckpointError::Note(_)))
        ));
    }

    #[test]
    fn receipt_with_one_changed_bit_is_refused() {
        let text = receipt(&log("log.example"), None).encode();
        for bit in 0..text.len() * 8 {
            let mut changed = text.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let accepted = Receipt::parse(&changed)
                .is_ok_and(|receipt| receipt.verify(b"two", &log("log.example").verifier()).is_ok());
            assert!(!accepted, "bit {bit}: {}", String::from_utf8_lossy(&changed));
        }
    }

    #[test]
    fn receipt_with_a_cosigned_checkpoint_is_verified_with_nothing_but_keys() {
        let log = log("log.example");
        let [first, second] = [("northwind", 7), ("halcyon", 8)].map(|(party, seed)| {
            Cosigner::generate(&Statement::Grew.key_name("log.example", party), [seed; 32]).unwrap()
        });
        let keys = [first.key(), second.key()];
        let quorum = Quorum::all(log.verifier(), &keys, Statement::Grew).unwrap();
        let quorum = Quorum::parse(&quorum.text()).unwrap();
        let mut receipt = receipt(&log, Some(b"entry".to_vec()));
        let names = |receipt: &Receipt| match receipt.verify_cosigned(b"two", &quorum) {
            Err(ProofError::Unmet(Unmet::Cosigners(names))) => names,
            other => panic!("{other:?}"),
        };
        assert_eq!(names(&receipt), ["log.example/halcyon/w1", "log.example/northwind/w1"]);
        let head = Checkpoint::open(&receipt.checkpoint, &log.verifier()).unwrap();
        let mut cosign = |by: &Cosigner, at| {
            let line = by.cosign(&head, at);
            receipt.checkpoint =
                attach(&receipt.checkpoint, line.as_bytes(), &[&log.verifier()], &keys).unwrap();
            Receipt::parse(&receipt.encode()).unwrap()
        };
        assert_eq!(names(&cosign(&first, 3)), ["log.example/halcyon/w1"]);
        let receipt = cosign(&second, 4);
        let cosigned = receipt.verify_cosigned(b"two", &quorum).unwrap();
        let times: Vec<u64> = cosigned.cosignatures.iter().map(|by| by.at).collect();
        assert_eq!((cosigned.checkpoint, times), (head, vec![3, 4]));
        assert_eq!(receipt.verify(b"two", &log.verifier()).unwrap().size, 3, "the log's key is still enough");
        assert_eq!(receipt.verify_cosigned(b"one", &quorum), Err(ProofError::NotIncluded(1)));
        let text = receipt.encode();
        for bit in 0..text.len() * 8 {
            let mut changed = text.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let accepted = Receipt::parse(&changed).is_ok_and(|other| {
                other.extra == receipt.extra && other.verify_cosigned(b"two", &quorum).is_ok()
            });
            assert!(!accepted, "bit {bit}: {}", String::from_utf8_lossy(&changed));
        }
    }

    #[test]
    fn malformed_receipts_are_refused() {
        let good = String::from_utf8(receipt(&log("log.example"), Some(vec![1])).encode()).unwrap();
        let bad = [
            String::new(),
            good.replace("@v1", "@v2"),
            good.replace("index 1", "index 01"),
            good.replace("index 1\n", ""),
            good.replace("extra AQ==", "extra AQ"),
            good.replace("extra AQ==", "extra  AQ=="),
            good.replace("\n\n", "\n"),
            good.replace("index 1\n", "index 1\nAAAA\n"),
            good.replace("index 1\n", &format!("index 1\n{}", format!("{}\n", base64(&[0; 32])).repeat(64))),
        ];
        for text in bad {
            assert!(matches!(Receipt::parse(text.as_bytes()), Err(ProofError::Malformed(_))), "{text}");
        }
    }
}
