//! Reads a journal from its first segment to its last valid trailer, and tells a write that a power cut tore from
//! damage to what was durable. It changes nothing before [`Survey::mend`].

use super::frame::{Frame, Place, Read, Trailer};
use super::journal::{SEGMENT_BYTES_MIN, Segment};
use crate::store::{Store, StoreError, segment_path};

/// Something in the record that no crash of ours leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damaged {
    pub(crate) place: String,
    pub(crate) what: String,
}

/// What a journal holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Survey {
    /// The segments up to the last valid trailer, ascending; the first one alone if there is no trailer.
    pub(crate) spans: Vec<Span>,
    /// The segments after them, which hold nothing (or what is torn).
    pub(crate) spares: Vec<Segment>,
    /// The index from which on entries are there; `None` if there is no trailer.
    pub(crate) first: Option<u64>,
    /// The size of the log after the last valid trailer.
    pub(crate) size: u64,
    /// What follows on the last valid trailer and is not zero.
    pub(crate) torn: Option<Tear>,
}

/// One segment with the frames that count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) number: u32,
    pub(crate) bytes: u32,
    /// The offset after the last frame.
    pub(crate) end: u32,
    /// The index after the last entry.
    pub(crate) after: u64,
}

impl Span {
    pub(crate) fn segment(&self) -> Segment {
        Segment { number: self.number, bytes: self.bytes }
    }
}

/// The bytes of a torn write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tear {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Survey {
    /// Reads all segments of the record `origin`.
    pub(crate) fn take<S, E>(store: &S, origin: &str) -> Result<Self, E>
    where
        S: Store + ?Sized,
        E: From<StoreError> + From<Damaged>,
    {
        let mut scan = Scan::default();
        let numbers = store.segments()?;
        for number in &numbers {
            let bytes = read_segment(store, *number)?;
            if let Some(bad) = scan.segment(origin, *number, &bytes)? {
                check_torn::<S, E>(store, origin, &numbers, &bytes, bad)?;
                break;
            }
        }
        scan.finish(store, &numbers)
    }

    /// Hands each frame up to the last valid trailer to `each`, with the segment it stands in.
    pub(crate) fn walk<S, E>(
        &self,
        store: &S,
        origin: &str,
        mut each: impl FnMut(Frame<'_>, u32) -> Result<(), E>,
    ) -> Result<(), E>
    where
        S: Store + ?Sized,
        E: From<StoreError> + From<Damaged>,
    {
        for span in &self.spans {
            let bytes = read_segment(store, span.number)?;
            let (place, end) = (Place::new(origin, span.number), to_usize(span.end));
            let mut offset = 0;
            while offset < end {
                let Read::Frame(frame, after) = place.read(&bytes, offset) else {
                    return Err(damaged(span.number, offset, "a frame changed while it was read").into());
                };
                each(frame, span.number)?;
                offset = after;
            }
        }
        Ok(())
    }

    /// Zeroes what is torn and makes durable once more what counts, which may so far be in a cache only.
    pub(crate) fn mend<S: Store + ?Sized>(&self, store: &S) -> Result<(), StoreError> {
        for spare in self.spares.iter().rev() {
            let bytes = store.segment_read(spare.number)?.unwrap_or_default();
            rewrite(store, spare.number, bytes, 0)?;
        }
        match self.spans.last() {
            Some(span) => {
                let bytes = store.segment_read(span.number)?.unwrap_or_default();
                rewrite(store, span.number, bytes, to_usize(span.end))
            }
            None => Ok(()),
        }
    }
}

/// Writes the first `end` bytes of a segment again, and zeroes over what follows, and syncs.
fn rewrite<S: Store + ?Sized>(
    store: &S,
    number: u32,
    mut bytes: Vec<u8>,
    end: usize,
) -> Result<(), StoreError> {
    bytes.truncate(used(&bytes).max(end));
    if bytes.is_empty() {
        return Ok(());
    }
    bytes.iter_mut().skip(end).for_each(|byte| *byte = 0);
    store.segment_write(number, 0, &bytes)?;
    store.segment_sync(number)
}

#[derive(Debug, Default)]
struct Scan {
    spans: Vec<Span>,
    first: Option<u64>,
    /// The index the next entry must have.
    next: Option<u64>,
    /// The last valid trailer: the place of its span, the offset after it and the size it gives.
    accepted: Option<(usize, u32, u64)>,
}

impl Scan {
    /// Reads the frames of one segment; gives the offset of the first that does not belong there.
    fn segment(&mut self, origin: &str, number: u32, bytes: &[u8]) -> Result<Option<Bad>, Damaged> {
        if self.spans.last().is_some_and(|span| span.number.checked_add(1) != Some(number)) {
            return Err(Damaged {
                place: segment_path(number),
                what: "the segment before it is missing".into(),
            });
        }
        let Ok(size) = u32::try_from(bytes.len()) else {
            return Err(damaged(number, 0, "the segment is too large"));
        };
        if size < SEGMENT_BYTES_MIN {
            return Err(damaged(number, bytes.len(), "the segment is cut short"));
        }
        let place = Place::new(origin, number);
        let mut offset = 0;
        let bad = loop {
            match place.read(bytes, offset) {
                Read::Frame(frame, after) if self.follows(&frame) => {
                    self.accept(&frame, after);
                    offset = after;
                }
                Read::End if used(bytes) <= offset => break None,
                _ => break Some(Bad { number, offset }),
            }
        };
        self.spans.push(Span { number, bytes: size, end: to_u32(offset), after: self.next.unwrap_or(0) });
        Ok(bad)
    }

    fn follows(&self, frame: &Frame<'_>) -> bool {
        match frame {
            Frame::Entry { index, .. } => self.next.is_none_or(|next| next == *index) && *index < u64::MAX,
            Frame::Trailer(Trailer { first, count, size, .. }) => {
                let group = match self.accepted {
                    Some((_, _, before)) => *first == before,
                    None => self.first.is_none_or(|start| *first <= start),
                };
                group
                    && self.next.is_none_or(|next| next == *size)
                    && first.checked_add(u64::from(*count)) == Some(*size)
            }
        }
    }

    fn accept(&mut self, frame: &Frame<'_>, after: usize) {
        match frame {
            Frame::Entry { index, .. } => {
                self.first = self.first.or(Some(*index));
                self.next = index.checked_add(1);
            }
            Frame::Trailer(Trailer { size, .. }) => {
                self.first = self.first.or(Some(*size));
                self.next = Some(*size);
                self.accepted = Some((self.spans.len(), to_u32(after), *size));
            }
        }
    }

    /// Cuts off what follows on the last valid trailer.
    fn finish<S, E>(mut self, store: &S, numbers: &[u32]) -> Result<Survey, E>
    where
        S: Store + ?Sized,
        E: From<StoreError> + From<Damaged>,
    {
        let (last, end, size) = self.accepted.unwrap_or((0, 0, 0));
        self.spans.truncate(last.saturating_add(1));
        for span in self.spans.iter_mut().skip(last) {
            (span.end, span.after) = (end, size);
        }
        let mut tail = Vec::new();
        let mut spares = Vec::new();
        for number in numbers.iter().skip(last) {
            let bytes = read_segment(store, *number)?;
            let from = if self.spans.last().is_some_and(|span| span.number == *number) {
                to_usize(end)
            } else {
                spares.push(Segment { number: *number, bytes: to_u32(bytes.len()) });
                0
            };
            tail.extend_from_slice(bytes.get(from..used(&bytes)).unwrap_or_default());
        }
        let segment = self.spans.last().map_or(0, |span| span.number);
        let torn = (!tail.is_empty()).then_some(Tear { segment, offset: end, bytes: tail });
        let first = self.accepted.and(self.first);
        Ok(Survey { spans: self.spans, spares, first, size, torn })
    }
}

/// Where the frames of a segment stop to make sense.
#[derive(Debug, Clone, Copy)]
struct Bad {
    number: u32,
    offset: usize,
}

/// Whether a power cut can have left the bad frame: if not, the journal is damaged.
///
/// A valid trailer in a later segment, or one whose write began after the bad frame, says that the bad frame was
/// durable once. A later trailer of the same write says so too, unless a sector between the two was never
/// written: segments are made of zeroes, and frames have no sector of zeroes.
fn check_torn<S, E>(store: &S, origin: &str, numbers: &[u32], bytes: &[u8], bad: Bad) -> Result<(), E>
where
    S: Store + ?Sized,
    E: From<StoreError> + From<Damaged>,
{
    let intact =
        damaged(bad.number, bad.offset, "a frame is damaged, and frames after it were written later");
    for (at, trailer) in Place::new(origin, bad.number).trailers_from(bytes, bad.offset) {
        let start = to_usize(trailer.start);
        if bad.offset < start || !has_hole(bytes, bad.offset, start, at) {
            return Err(intact.into());
        }
    }
    for number in numbers.iter().filter(|number| **number > bad.number) {
        let bytes = read_segment(store, *number)?;
        if Place::new(origin, *number).trailers_from(&bytes, 0).next().is_some() {
            return Err(intact.into());
        }
    }
    Ok(())
}

/// Whether a sector from the one with offset `bad` up to the one with offset `trailer` has only zeroes from
/// `start` on.
fn has_hole(bytes: &[u8], bad: usize, start: usize, trailer: usize) -> bool {
    (bad / SECTOR..trailer / SECTOR).any(|sector| {
        let begin = sector.saturating_mul(SECTOR);
        let part = bytes.get(begin.max(start)..begin.saturating_add(SECTOR)).unwrap_or_default();
        part.iter().all(|byte| *byte == 0)
    })
}

fn read_segment<S: Store + ?Sized>(store: &S, number: u32) -> Result<Vec<u8>, StoreError> {
    let missing = || StoreError::Missing { path: segment_path(number) };
    store.segment_read(number)?.ok_or_else(missing)
}

/// How many bytes there are up to the last that is not zero. Most of a segment is zeroes, so it goes by whole sectors.
fn used(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    for sector in bytes.rchunks(SECTOR) {
        end = end.saturating_sub(sector.len());
        if sector.iter().fold(0, |any, byte| any | byte) != 0 {
            let last = sector.iter().rposition(|byte| *byte != 0);
            return last.map_or(end, |last| end.saturating_add(last).saturating_add(1));
        }
    }
    0
}

fn damaged(number: u32, offset: usize, what: &str) -> Damaged {
    Damaged { place: format!("{} at byte {offset}", segment_path(number)), what: what.to_owned() }
}

fn to_usize(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn to_u32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

const SECTOR: usize = 512;
