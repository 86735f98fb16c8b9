//! A blob: content that is sealed in segments, so that neither writing nor reading needs more memory than one of them. Segments cannot
//! change places, be left out or be cut off (STREAM, by `aead-stream`).
//!
//! Not here: where blobs lie (`contents`), or whether what one holds is what the record says.

use crate::content;
use aead_stream::{DecryptorBE32, EncryptorBE32, Nonce, StreamBE32};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use partnership::ids::ActId;
use record::hash::sha256_of;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read, Write};

/// How much content a segment seals; the last may seal less. Units: bytes.
pub(crate) const SEGMENT: usize = 64 << 10;
/// By how much a sealed segment is longer. Units: bytes.
const TAG: usize = 16;

/// Which content of a call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The request's body.
    Input,
    /// The answer's bytes.
    Output,
}

impl Part {
    /// The word for it, in commitments and paths.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// The key of one blob. It seals one content only, so the nonce may count from nought.
pub(super) fn key(content_key: &[u8; 32], act: ActId, part: Part) -> [u8; 32] {
    let nonce = content::nonce(act);
    sha256_of(&[b"countersign/content-blob/v1\n", content_key, &nonce, part.name().as_bytes()])
}

/// A blob that is being written.
pub(super) struct Sealing<W> {
    stream: EncryptorBE32<ChaCha20Poly1305>,
    /// What is not sealed yet, a segment at most: whether it is the last is known when more comes.
    segment: Vec<u8>,
    digest: Sha256,
    to: W,
}

impl<W> fmt::Debug for Sealing<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealing({} bytes are not sealed yet)", self.segment.len())
    }
}

fn nonce() -> Nonce<ChaCha20Poly1305, StreamBE32<ChaCha20Poly1305>> {
    Nonce::<ChaCha20Poly1305, StreamBE32<ChaCha20Poly1305>>::default()
}

impl<W: Write> Sealing<W> {
    pub(super) fn new(key: &[u8; 32], to: W) -> Self {
        let stream = EncryptorBE32::from_aead(ChaCha20Poly1305::new(&(*key).into()), &nonce());
        Self { stream, segment: Vec::new(), digest: Sha256::new(), to }
    }

    /// Adds content.
    ///
    /// Errors: those of the writer, after which the blob is worthless.
    pub(super) fn add(&mut self, mut content: &[u8]) -> io::Result<()> {
        while !content.is_empty() {
            if self.segment.len() == SEGMENT {
                let sealed = self.stream.encrypt_next(self.segment.as_slice());
                self.put(&sealed.map_err(|_| too_long())?)?;
                self.segment.clear();
            }
            let left = SEGMENT.saturating_sub(self.segment.len());
            let (fits, rest) = content.split_at(left.min(content.len()));
            self.segment.extend_from_slice(fits);
            content = rest;
        }
        Ok(())
    }

    /// Ends it; gives the writer and the digest of all that was written.
    ///
    /// Errors: those of the writer.
    pub(super) fn end(mut self) -> io::Result<(W, [u8; 32])> {
        let last = std::mem::take(&mut self.segment);
        let Self { stream, mut digest, mut to, .. } = self;
        let sealed = stream.encrypt_last(last.as_slice()).map_err(|_| too_long())?;
        to.write_all(&sealed)?;
        digest.update(&sealed);
        Ok((to, digest.finalize().into()))
    }

    fn put(&mut self, sealed: &[u8]) -> io::Result<()> {
        self.to.write_all(sealed)?;
        self.digest.update(sealed);
        Ok(())
    }
}

fn too_long() -> io::Error {
    io::Error::other("the content is longer than 2^32 segments")
}

/// Why a blob does not give its content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// It was changed or cut off, or is another's.
    #[error("it was changed since it was written")]
    Changed,
    /// It cannot be read, or what it holds is not wanted any more.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a blob of `bytes` bytes, and gives its content piece by piece to `take`, each piece as it was sealed. Gives the blob's digest.
///
/// Errors: where it was changed, and those of reading and taking; what was taken until then was sealed so.
pub(super) fn open(
    key: &[u8; 32],
    mut from: impl Read,
    bytes: u64,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<[u8; 32], Unread> {
    let mut stream = DecryptorBE32::from_aead(ChaCha20Poly1305::new(&(*key).into()), &nonce());
    let (mut digest, mut left) = (Sha256::new(), usize::try_from(bytes).unwrap_or(usize::MAX));
    let mut sealed = Vec::new();
    while left > SEGMENT.saturating_add(TAG) {
        sealed.resize(SEGMENT.saturating_add(TAG), 0);
        from.read_exact(&mut sealed)?;
        digest.update(&sealed);
        take(&stream.decrypt_next(sealed.as_slice()).map_err(|_| Unread::Changed)?)?;
        left = left.saturating_sub(sealed.len());
    }
    sealed.resize(left, 0);
    from.read_exact(&mut sealed)?;
    digest.update(&sealed);
    take(&stream.decrypt_last(sealed.as_slice()).map_err(|_| Unread::Changed)?)?;
    Ok(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(content: &[u8], piece: usize) -> (Vec<u8>, [u8; 32]) {
        let mut sealing = Sealing::new(&[7; 32], Vec::new());
        content.chunks(piece).for_each(|piece| sealing.add(piece).unwrap());
        sealing.end().unwrap()
    }

    fn opened(key: [u8; 32], blob: &[u8]) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        let bytes = u64::try_from(blob.len()).unwrap();
        let take = |piece: &[u8]| {
            content.extend_from_slice(piece);
            Ok(())
        };
        open(&key, blob, bytes, take).ok().map(|_| content)
    }

    #[test]
    fn content_of_any_length_is_given_back_in_whatever_pieces_it_came() {
        for length in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 3 * SEGMENT + 5] {
            let content: Vec<u8> = (0..length).map(|n| (n % 251).try_into().unwrap()).collect();
            let (blob, digest) = sealed(&content, 1_000);
            let segments = length.div_ceil(SEGMENT).max(1);
            assert_eq!(blob.len(), length + segments * TAG, "{length}");
            assert_eq!(digest, record::hash::sha256(&blob));
            assert_eq!(sealed(&content, usize::MAX).0, blob, "{length}");
            assert_eq!(opened([7; 32], &blob).unwrap(), content, "{length}");
            assert_eq!(opened([8; 32], &blob), None, "under another key");
        }
    }

    #[test]
    fn what_was_changed_cut_off_or_put_in_another_place_is_not_given() {
        let content: Vec<u8> = (0..3 * SEGMENT).map(|n| (n % 251).try_into().unwrap()).collect();
        let (blob, _) = sealed(&content, SEGMENT);
        for at in [0, SEGMENT - 1, SEGMENT + TAG, blob.len() - 1] {
            let mut flipped = blob.clone();
            flipped[at] ^= 1;
            assert_eq!(opened([7; 32], &flipped), None, "a bit at {at}");
        }
        for length in [0, TAG, SEGMENT + TAG, 2 * (SEGMENT + TAG), blob.len() - 1] {
            assert_eq!(opened([7; 32], &blob[..length]), None, "cut off at {length}");
        }
        let (first, rest) = blob.split_at(SEGMENT + TAG);
        let (second, third) = rest.split_at(SEGMENT + TAG);
        for moved in [[second, first, third].concat(), [first, third].concat(), [&blob, third].concat()] {
            assert_eq!(opened([7; 32], &moved), None);
        }
    }

    #[test]
    fn each_act_and_part_has_a_key_of_its_own() {
        let act = ActId::from_u128;
        let keys = [
            key(&[1; 32], act(1), Part::Input),
            key(&[1; 32], act(1), Part::Output),
            key(&[1; 32], act(2), Part::Input),
            key(&[2; 32], act(1), Part::Input),
        ];
        assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    }
}
