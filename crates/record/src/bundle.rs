//! Entry bundles of C2SP tlog-tiles: up to 256 entries, each after its length as a big-endian `u16`. Not the
//! meaning of an entry.

mod frame;

pub use frame::{from_file, to_file};

use crate::store::{Store, StoreError};
use crate::tile::{Kind, TilePath, WIDTH};

/// The longest envelope or parties' part, in bytes: 60 KiB, below the `u16` of the bundle format.
pub const ENTRY_BYTES_MAX: usize = 61_440;

/// Why a bundle was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It ends inside an entry, or before the last one.
    #[error("the bundle ends inside entry {0}")]
    Short(usize),
    /// Bytes follow its last entry.
    #[error("{0} bytes follow the last entry of the bundle")]
    Long(usize),
    /// It is no LZ4 frame, or not one of the kind that the format asks for.
    #[error("it is not the LZ4 frame that the format asks for")]
    Frame,
    /// An entry is longer than the format allows.
    #[error("entry {0} of the bundle is longer than 61440 bytes")]
    TooLarge(usize),
}

/// Adds `entry` to the bundle `bytes`.
///
/// # Panics
/// If the entry is longer than 65535 bytes; [`crate::Log::append`] refuses such an entry before.
pub fn push(bytes: &mut Vec<u8>, entry: &[u8]) {
    let Ok(length) = u16::try_from(entry.len()) else { unreachable!("an entry is at most 61440 bytes") };
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(entry);
}

/// The bundle of `entries`, which hold to [`ENTRY_BYTES_MAX`].
pub fn encode<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    entries.into_iter().for_each(|entry| push(&mut bytes, entry));
    bytes
}

/// Splits a bundle of exactly `count` entries.
///
/// # Errors
/// [`BundleError`] if it holds fewer, more, or part of one.
pub fn decode(bytes: &[u8], count: usize) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::with_capacity(count.min(256));
    let mut rest = bytes;
    for number in 0..count {
        let (entry, after) = split_entry(rest).ok_or(BundleError::Short(number))?;
        if entry.len() > ENTRY_BYTES_MAX {
            return Err(BundleError::TooLarge(number));
        }
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(BundleError::Long(rest.len())) }
}

/// The bytes that the first `count` entries of a bundle take, if it has so many.
pub fn prefix(bytes: &[u8], count: usize) -> Option<&[u8]> {
    let mut rest = bytes;
    for _ in 0..count {
        (_, rest) = split_entry(rest)?;
    }
    bytes.get(..bytes.len().checked_sub(rest.len())?)
}

/// Reads one entry of a published tree of `size` leaves: an envelope ([`Kind::Entries`]) or a parties' part
/// ([`Kind::Parties`]).
///
/// Shape: `None` if `index` is not below `size`.
///
/// # Errors
/// [`StoreError::Missing`] if its bundle is not there or not whole; [`StoreError::Io`].
pub fn entry_at<S: Store + ?Sized>(
    store: &S,
    kind: Kind,
    index: u64,
    size: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    if index >= size {
        return Ok(None);
    }
    let bundle = bundle_of(kind, index, size);
    let path = bundle.path();
    let Some(bytes) = store.read(&path)? else { return Err(StoreError::Missing { path }) };
    let Ok(bytes) = from_file(kind, bytes) else { return Err(StoreError::Missing { path }) };
    let Ok(entries) = decode(&bytes, usize::from(bundle.width)) else {
        return Err(StoreError::Missing { path });
    };
    let place = usize::try_from(index % WIDTH).unwrap_or_default();
    Ok(entries.get(place).map(|entry| entry.to_vec()))
}

/// The bundle that holds entry `index` in a tree of `size` leaves.
pub(crate) fn bundle_of(kind: Kind, index: u64, size: u64) -> TilePath {
    let number = index / WIDTH;
    let left = size.saturating_sub(number.saturating_mul(WIDTH)).min(WIDTH);
    TilePath { kind, number, width: u16::try_from(left).unwrap_or(256) }
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bundle_is_lengths_and_entries() {
        assert_eq!(encode([&b"ab"[..], b"", b"c"]), b"\0\x02ab\0\0\0\x01c");
        assert_eq!(decode(b"\0\x02ab\0\0\0\x01c", 3), Ok(vec![&b"ab"[..], b"", b"c"]));
        assert_eq!(decode(b"\0\x02ab", 2), Err(BundleError::Short(1)));
        assert_eq!(decode(b"\0\x02a", 1), Err(BundleError::Short(0)));
        assert_eq!(decode(b"\0\x01ab", 1), Err(BundleError::Long(1)));
        assert_eq!(decode(&[0xff; 65_537], 1), Err(BundleError::TooLarge(0)));
        assert_eq!(prefix(b"\0\x02ab\0\0\0\x01c", 2), Some(&b"\0\x02ab\0\0"[..]));
        assert_eq!(prefix(b"\0\x02ab", 2), None);
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(0_u8..4, 0..60), count in 0_usize..20) {
            if let Ok(entries) = decode(&bytes, count) {
                prop_assert_eq!(encode(entries), bytes);
            }
        }
    }
}
