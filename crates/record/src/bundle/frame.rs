//! How a bundle lies in its file: envelopes as they are, for C2SP's readers; the parties' parts as one LZ4 frame, since they say the
//! same words again and again. Not the bundle itself.
//!
//! Of the frames that the LZ4 format allows one kind is taken: blocks of 256 KiB at most, each on its own and with its checksum, and the
//! content's size in the head. So each bit of the file counts: those of the head are fixed or under its checksum, those of a block under
//! the block's.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{BundleError, ENTRY_BYTES_MAX};
use crate::tile::{Kind, WIDTH};

/// How a frame begins: the format's number; version 1, independent blocks, block checksums, content size; blocks of 256 KiB at most.
const HEAD: [u8; 6] = [0x04, 0x22, 0x4d, 0x18, 0x78, 0x50];
/// How it ends: a block of no bytes. The library takes the end of the file for it.
const END: [u8; 4] = [0; 4];
/// The longest bundle: so many of the longest entries with their lengths. Units: bytes.
const BUNDLE_BYTES_MAX: u64 = WIDTH * (ENTRY_BYTES_MAX as u64 + 2);

/// The file of a bundle, or of a tile.
pub fn to_file(kind: Kind, bundle: &[u8]) -> Cow<'_, [u8]> {
    match kind {
        Kind::Hashes(_) | Kind::Entries => Cow::Borrowed(bundle),
        Kind::Parties => Cow::Owned(compressed(bundle)),
    }
}

/// The bundle, or tile, that lies in a file.
///
/// # Errors
/// [`BundleError::Frame`] if it is to be an LZ4 frame of the one kind and is not.
pub fn from_file(kind: Kind, file: Vec<u8>) -> Result<Vec<u8>, BundleError> {
    match kind {
        Kind::Hashes(_) | Kind::Entries => Ok(file),
        Kind::Parties => decompressed(&file).ok_or(BundleError::Frame),
    }
}

fn compressed(bundle: &[u8]) -> Vec<u8> {
    let info = FrameInfo::new()
        .block_mode(BlockMode::Independent)
        .block_size(BlockSize::Max256KB)
        .block_checksums(true)
        .content_size(Some(bundle.len() as u64));
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    let written =
        encoder.write_all(bundle).map_err(lz4_flex::frame::Error::from).and_then(|()| encoder.finish());
    let Ok(file) = written else {
        unreachable!("a vector takes every byte, and the size is that of what was written")
    };
    file
}

fn decompressed(file: &[u8]) -> Option<Vec<u8>> {
    let (size, _) = file.strip_prefix(&HEAD)?.split_first_chunk::<8>()?;
    let size = u64::from_le_bytes(*size);
    if size > BUNDLE_BYTES_MAX || !file.ends_with(&END) {
        return None;
    }
    // A byte of a block stands for 255 at most: what a head promises beyond that is not believed.
    let promised = usize::try_from(size).ok()?;
    let mut bundle = Vec::with_capacity(promised.min(file.len().saturating_mul(255)));
    // One byte more than there may be, so that the end of the frame is read, and no frame gives more than it says.
    let mut decoder = FrameDecoder::new(file).take(size.saturating_add(1));
    decoder.read_to_end(&mut bundle).ok()?;
    let rest: &[u8] = decoder.into_inner().into_inner();
    (rest.is_empty() && bundle.len() as u64 == size).then_some(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::encode;
    use crate::hash::{hex, sha256};

    /// What parties' parts are like: the same words with a few random bytes between them.
    fn bundle(count: u32) -> Vec<u8> {
        let entries: Vec<Vec<u8>> = (0..count)
            .map(|number| {
                let salt = hex(&sha256(&number.to_be_bytes()));
                format!("{{\"salts\":\"{salt}\",\n\"act\":{{\"id\":\"{number}\",\"kind\":\"infer\"}}}}")
                    .into_bytes()
            })
            .collect();
        encode(entries.iter().map(Vec::as_slice))
    }

    #[test]
    fn a_bundle_of_any_length_comes_back_from_its_file_and_envelopes_lie_as_they_are() {
        for count in [0, 1, 255, 256, 20_000] {
            let raw = bundle(count);
            let file = to_file(Kind::Parties, &raw).into_owned();
            assert_eq!(file.get(..6), Some(&HEAD[..]), "{count}");
            assert_eq!(from_file(Kind::Parties, file), Ok(raw.clone()), "{count}");
            assert_eq!(to_file(Kind::Entries, &raw), raw.as_slice(), "{count}");
            assert_eq!(from_file(Kind::Entries, raw.clone()), Ok(raw), "{count}");
        }
    }

    /// A publication that was cut off is made again, and compared with what is there: with another encoder it would differ. Should a
    /// newer one of the library write other bytes, a record that was cut off must be published once more by the version that wrote it.
    #[test]
    fn the_same_bundle_gives_the_same_file_with_every_version() {
        let file = to_file(Kind::Parties, &bundle(256)).into_owned();
        assert_eq!(hex(&sha256(&file)), "f6497eb6f0385a8ab8f15f19a746c5233d51e84db538f3298c219831831c2d58");
    }

    #[test]
    fn no_bit_of_a_file_can_be_flipped_and_nothing_taken_away_or_added() {
        let raw = bundle(40);
        let file = to_file(Kind::Parties, &raw).into_owned();
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut flipped = file.clone();
                flipped[at] ^= 1 << bit;
                assert!(from_file(Kind::Parties, flipped).is_err(), "bit {bit} of byte {at}");
            }
            assert!(from_file(Kind::Parties, file[..at].to_vec()).is_err(), "cut at {at}");
        }
        for more in [&b"\0"[..], &file, b"\0\0\0\0"] {
            assert!(from_file(Kind::Parties, [&file, more].concat()).is_err(), "{more:?} follows");
        }
        assert_eq!(from_file(Kind::Parties, raw), Err(BundleError::Frame), "a bundle that is not compressed");
    }

    #[test]
    fn a_frame_of_another_kind_or_of_more_than_a_bundle_can_hold_is_refused() {
        let raw = bundle(40);
        let frame = |info: FrameInfo, raw: &[u8]| {
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(raw).unwrap();
            encoder.finish().unwrap()
        };
        let ours = FrameInfo::new()
            .block_size(BlockSize::Max256KB)
            .block_checksums(true)
            .content_size(Some(raw.len() as u64));
        assert_eq!(from_file(Kind::Parties, frame(ours.clone(), &raw)), Ok(raw.clone()));
        for (what, info) in [
            ("no block checksums", ours.clone().block_checksums(false)),
            ("a content checksum", ours.clone().content_checksum(true)),
            ("no size", ours.clone().content_size(None)),
            ("linked blocks", ours.clone().block_mode(BlockMode::Linked)),
            ("small blocks", ours.clone().block_size(BlockSize::Max64KB)),
        ] {
            assert!(from_file(Kind::Parties, frame(info, &raw)).is_err(), "{what}");
        }
        let zeroes = vec![0; usize::try_from(BUNDLE_BYTES_MAX).unwrap() + 1];
        let bomb = frame(ours.content_size(Some(zeroes.len() as u64)), &zeroes);
        assert!(bomb.len() < 100_000, "a small file of much");
        assert_eq!(from_file(Kind::Parties, bomb), Err(BundleError::Frame));
    }
}
