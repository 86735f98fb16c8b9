//! The journal's frames. Not their order or meaning, which [`super::survey`] judges.
//!
//! A segment is a row of frames from offset 0, then zeroes to its end. A frame does not cross segments.
//!
//! ```text
//! frame    length u32 | crc32c u32 | payload of `length` bytes                      all integers little-endian
//! crc32c   over SHA-256(origin) | segment u32 | length u32 | payload
//! entry    1 u8 | index u64 | envelope's length u32 | envelope | parties' part
//! trailer  2 u8 | first u64 | count u32 | size u64 | start u32 | root 32 bytes      ends a group of `count` entries
//! ```
//!
//! `start` is the offset in this segment at which the write that holds the trailer began: every byte before it,
//! and every earlier segment, was synced before that write. It tells damage from a torn write.

use crc32c::{crc32c, crc32c_append};

use super::Leaf;
use crate::hash::{Hash, sha256};

/// One frame of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// One entry of the log.
    Entry { index: u64, envelope: &'a [u8], parties: &'a [u8] },
    /// The end of a group.
    Trailer(Trailer),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) size: u64,
    pub(crate) start: u32,
    pub(crate) root: Hash,
}

/// What stands at an offset of a segment.
#[derive(Debug)]
pub(crate) enum Read<'a> {
    /// A frame, and the offset after it.
    Frame(Frame<'a>, usize),
    /// Zeroes where a frame would begin.
    End,
    /// Neither.
    Bad,
}

/// The checksum of a segment's place: its record and its number. A frame that strays elsewhere fails by it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(u32);

impl Place {
    pub(crate) fn new(origin: &str, segment: u32) -> Self {
        Self(crc32c_append(crc32c(&sha256(origin.as_bytes())), &segment.to_le_bytes()))
    }

    pub(crate) fn push_entry(self, out: &mut Vec<u8>, index: u64, leaf: &Leaf) {
        let envelope_bytes = length(leaf.envelope.len());
        let mut head = [ENTRY; ENTRY_HEAD];
        let (_, fields) = head.split_at_mut(1);
        let (index_field, length_field) = fields.split_at_mut(8);
        index_field.copy_from_slice(&index.to_le_bytes());
        length_field.copy_from_slice(&envelope_bytes.to_le_bytes());
        self.push(out, &[&head, &leaf.envelope, &leaf.parties]);
    }

    pub(crate) fn push_trailer(self, out: &mut Vec<u8>, trailer: &Trailer) {
        let Trailer { first, count, size, start, root } = trailer;
        let parts: [&[u8]; 6] = [
            &[TRAILER],
            &first.to_le_bytes(),
            &count.to_le_bytes(),
            &size.to_le_bytes(),
            &start.to_le_bytes(),
            root,
        ];
        self.push(out, &parts);
    }

    /// What stands at `offset`.
    pub(crate) fn read(self, segment: &[u8], offset: usize) -> Read<'_> {
        let rest = segment.get(offset..).unwrap_or_default();
        if rest.iter().take(HEAD).all(|byte| *byte == 0) {
            return Read::End;
        }
        match self.split(rest).and_then(|payload| Some((parse(payload)?, payload.len()))) {
            Some((frame, bytes)) => Read::Frame(frame, offset.saturating_add(HEAD).saturating_add(bytes)),
            None => Read::Bad,
        }
    }

    /// The trailers at any offset from `offset` on, whether or not frames lead there.
    pub(crate) fn trailers_from(
        self,
        segment: &[u8],
        offset: usize,
    ) -> impl Iterator<Item = (usize, Trailer)> {
        let wanted = length(TRAILER_PAYLOAD).to_le_bytes();
        let starts = segment.windows(4).enumerate().skip(offset);
        starts.filter(move |(_, length)| *length == wanted).filter_map(move |(at, _)| {
            match self.read(segment, at) {
                Read::Frame(Frame::Trailer(trailer), _) => Some((at, trailer)),
                _ => None,
            }
        })
    }

    fn push(self, out: &mut Vec<u8>, parts: &[&[u8]]) {
        let length = length(parts.iter().map(|part| part.len()).sum()).to_le_bytes();
        let crc = parts.iter().fold(crc32c_append(self.0, &length), |crc, part| crc32c_append(crc, part));
        out.extend_from_slice(&length);
        out.extend_from_slice(&crc.to_le_bytes());
        parts.iter().for_each(|part| out.extend_from_slice(part));
    }

    /// The payload of the frame that `bytes` begin with, if its checksum is right.
    fn split(self, bytes: &[u8]) -> Option<&[u8]> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let payload = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        let right = crc32c_append(crc32c_append(self.0, length), payload);
        (right == u32::from_le_bytes(*crc)).then_some(payload)
    }
}

/// What `leaf` takes in a segment, in bytes.
pub(crate) fn entry_bytes(leaf: &Leaf) -> u64 {
    let bytes = HEAD
        .saturating_add(ENTRY_HEAD)
        .saturating_add(leaf.envelope.len())
        .saturating_add(leaf.parties.len());
    bytes as u64
}

/// What a trailer takes in a segment, in bytes.
pub(crate) const TRAILER_BYTES: u64 = (HEAD + TRAILER_PAYLOAD) as u64;

fn parse(payload: &[u8]) -> Option<Frame<'_>> {
    let (tag, rest) = payload.split_first()?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let number = u64::from_le_bytes(*number);
    let (short, rest) = rest.split_first_chunk::<4>()?;
    let short = u32::from_le_bytes(*short);
    match *tag {
        ENTRY => {
            let (envelope, parties) = rest.split_at_checked(usize::try_from(short).ok()?)?;
            Some(Frame::Entry { index: number, envelope, parties })
        }
        TRAILER => {
            let (size, rest) = rest.split_first_chunk::<8>()?;
            let (start, rest) = rest.split_first_chunk::<4>()?;
            let (size, start) = (u64::from_le_bytes(*size), u32::from_le_bytes(*start));
            Some(Frame::Trailer(Trailer {
                first: number,
                count: short,
                size,
                start,
                root: rest.try_into().ok()?,
            }))
        }
        _ => None,
    }
}

fn length(bytes: usize) -> u32 {
    let Ok(bytes) = u32::try_from(bytes) else { unreachable!("a frame is at most 122,903 bytes") };
    bytes
}

const ENTRY: u8 = 1;
const TRAILER: u8 = 2;

/// Length and checksum.
const HEAD: usize = 8;

/// Tag, index and the envelope's length.
const ENTRY_HEAD: usize = 1 + 8 + 4;

/// Tag, first, count, size, start, root.
const TRAILER_PAYLOAD: usize = 1 + 8 + 4 + 8 + 4 + 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn trailer() -> Trailer {
        Trailer { first: 7, count: 1, size: 8, start: 0, root: [5; 32] }
    }

    fn segment() -> Vec<u8> {
        let mut bytes = Vec::new();
        let place = Place::new("log.example", 3);
        place.push_entry(&mut bytes, 7, &Leaf { envelope: b"envelope".to_vec(), parties: b"part".to_vec() });
        place.push_trailer(&mut bytes, &trailer());
        bytes.resize(512, 0);
        bytes
    }

    #[test]
    fn frames_are_read_as_they_were_written() {
        let bytes = segment();
        let place = Place::new("log.example", 3);
        let Read::Frame(Frame::Entry { index: 7, envelope: b"envelope", parties: b"part" }, end) =
            place.read(&bytes, 0)
        else {
            panic!("no entry")
        };
        assert_eq!(end, 8 + 13 + 12);
        let Read::Frame(Frame::Trailer(read), end) = place.read(&bytes, end) else { panic!("no trailer") };
        assert_eq!(read, trailer());
        assert!(matches!(place.read(&bytes, end), Read::End));
        assert_eq!(place.trailers_from(&bytes, 0).count(), 1);
    }

    #[test]
    fn a_frame_elsewhere_or_with_one_changed_bit_is_bad() {
        let bytes = segment();
        assert!(matches!(Place::new("log.example", 4).read(&bytes, 0), Read::Bad));
        assert!(matches!(Place::new("log.sample", 3).read(&bytes, 0), Read::Bad));
        for bit in 0..(8 + 13 + 12) * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Place::new("log.example", 3).read(&changed, 0), Read::Bad), "bit {bit}");
        }
    }
}
