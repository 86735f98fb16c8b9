//! The journal: the write-ahead truth of the log's tail, in segments of a fixed size. It holds every entry that
//! is not yet in a full, published bundle. Not an archive: segments go when bundles have come.

use std::collections::VecDeque;
use std::sync::Arc;

use super::frame::{Place, TRAILER_BYTES, Trailer, entry_bytes};
use super::survey::Survey;
use super::{Group, Leaf};
use crate::store::{Store, StoreError};

/// The smallest segment, in bytes: room for the longest entry and a trailer.
pub const SEGMENT_BYTES_MIN: u32 = 131_072;

/// The writer of the journal. Owned by the thread that syncs.
///
/// Any error is final, save that there is no room for a spare segment: what failed to reach the disk is not
/// tried again, and each later call gives [`StoreError::Poisoned`]. Load the record anew.
#[derive(Debug)]
pub struct Journal<S: ?Sized> {
    store: Arc<S>,
    origin: String,
    segment_bytes: u32,
    current: Segment,
    place: Place,
    /// Where the next write begins in the current segment.
    offset: u32,
    /// Frames that are encoded and not yet written.
    buffer: Vec<u8>,
    /// The index after the last entry that is encoded.
    framed: u64,
    durable: u64,
    /// Segments before the current one, each with the index after its last entry.
    filled: VecDeque<(u32, u64)>,
    spares: VecDeque<Segment>,
    next: u32,
    failed: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) bytes: u32,
}

impl<S: Store + ?Sized> Journal<S> {
    /// The journal as `survey` found it, whose tail was mended.
    pub(crate) fn new(store: Arc<S>, origin: &str, segment_bytes: u32, survey: &Survey) -> Self {
        let mut filled: VecDeque<(u32, u64)> =
            survey.spans.iter().map(|span| (span.number, span.after)).collect();
        filled.pop_back();
        let last = survey.spans.last();
        let current = last.map_or(Segment { number: 0, bytes: segment_bytes }, |span| span.segment());
        let spares: VecDeque<Segment> = survey.spares.iter().copied().collect();
        let newest = spares.back().unwrap_or(&current).number;
        Self {
            store,
            origin: origin.to_owned(),
            segment_bytes,
            place: Place::new(origin, current.number),
            offset: last.map_or(0, |span| span.end),
            next: newest.saturating_add(1),
            current,
            buffer: Vec::new(),
            framed: survey.size,
            durable: survey.size,
            filled,
            spares,
            failed: false,
        }
    }

    /// How many entries of the log are durable.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Makes `groups` durable, with one write and one sync (two where a segment ends), and gives the durable size.
    ///
    /// # Errors
    /// [`StoreError::Full`] if there is no spare segment, the current one cannot hold the groups, and no other
    /// can be made: then nothing was written. Any other error is final.
    ///
    /// # Panics
    /// If the groups do not follow on what was written before.
    pub fn write(&mut self, groups: &[Group]) -> Result<u64, StoreError> {
        self.check()?;
        let bytes: u64 = groups.iter().map(group_bytes).fold(0, u64::saturating_add);
        if bytes > u64::from(self.current.bytes.saturating_sub(self.offset)) && self.needs_spare() {
            self.make_spare()?;
        }
        let written = self.write_all(groups);
        self.poison(written)?;
        Ok(self.durable)
    }

    /// Whether there is no spare segment. While the disk has no room for one, refuse new acts.
    pub fn needs_spare(&self) -> bool {
        self.spares.is_empty()
    }

    /// Makes a spare segment, so that a later write need not wait for one.
    ///
    /// # Errors
    /// [`StoreError::Full`] if the disk has no room for it; the journal works on and may be asked again. Any
    /// other error is final.
    pub fn make_spare(&mut self) -> Result<(), StoreError> {
        self.check()?;
        let spare = Segment { number: self.next, bytes: self.segment_bytes };
        match self.store.segment_create(spare.number, spare.bytes) {
            Err(error @ StoreError::Full { .. }) => Err(error),
            made => {
                self.poison(made)?;
                self.spares.push_back(spare);
                self.next = self.next.saturating_add(1);
                Ok(())
            }
        }
    }

    /// How much can be written before another segment must be made, in bytes.
    pub fn room(&self) -> u64 {
        let spare: u64 = self.spares.iter().map(|spare| u64::from(spare.bytes)).fold(0, u64::saturating_add);
        spare.saturating_add(u64::from(self.current.bytes.saturating_sub(self.offset)))
    }

    /// Removes the segments whose entries all lie below index `below`, which must be a boundary of full bundles
    /// under a durable checkpoint ([`super::Publisher::durable_bundles`]).
    ///
    /// # Errors
    /// Those of the store; they are final.
    pub fn retire(&mut self, below: u64) -> Result<(), StoreError> {
        self.check()?;
        while let Some((number, after)) = self.filled.front().copied() {
            if after > below {
                break;
            }
            let removed = self.store.segment_remove(number);
            self.poison(removed)?;
            self.filled.pop_front();
        }
        Ok(())
    }

    fn write_all(&mut self, groups: &[Group]) -> Result<(), StoreError> {
        for group in groups {
            self.frame_group(group)?;
        }
        self.flush()?;
        self.durable = self.framed;
        Ok(())
    }

    fn frame_group(&mut self, group: &Group) -> Result<(), StoreError> {
        assert!(group.first == self.framed, "group at {} follows on entry {}", group.first, self.framed);
        for leaf in &group.leaves {
            self.make_room(entry_bytes(leaf))?;
            self.frame_leaf(leaf);
        }
        assert!(group.size == self.framed, "the group's size is that of its leaves");
        self.make_room(TRAILER_BYTES)?;
        let count = u32::try_from(group.leaves.len()).unwrap_or(u32::MAX);
        let Group { first, size, root, .. } = *group;
        self.place.push_trailer(&mut self.buffer, &Trailer { first, count, size, start: self.offset, root });
        Ok(())
    }

    fn frame_leaf(&mut self, leaf: &Leaf) {
        self.place.push_entry(&mut self.buffer, self.framed, leaf);
        self.framed = self.framed.saturating_add(1);
    }

    /// Goes on to the next segment if a frame of `bytes` does not fit into the current one.
    fn make_room(&mut self, bytes: u64) -> Result<(), StoreError> {
        let used = u64::from(self.offset).saturating_add(self.buffer.len() as u64);
        if used.saturating_add(bytes) <= u64::from(self.current.bytes) {
            return Ok(());
        }
        self.flush()?;
        if self.needs_spare() {
            self.make_spare()?;
        }
        let Some(next) = self.spares.pop_front() else { unreachable!("a spare was just made") };
        self.filled.push_back((self.current.number, self.framed));
        self.current = next;
        self.place = Place::new(&self.origin, next.number);
        self.offset = 0;
        Ok(())
    }

    /// Writes and syncs what is encoded.
    fn flush(&mut self) -> Result<(), StoreError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.store.segment_write(self.current.number, self.offset, &self.buffer)?;
        self.store.segment_sync(self.current.number)?;
        let written = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        self.offset = self.offset.saturating_add(written);
        self.buffer.clear();
        Ok(())
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.failed { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    fn poison(&mut self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        self.failed |= result.is_err();
        result
    }
}

fn group_bytes(group: &Group) -> u64 {
    group.leaves.iter().map(entry_bytes).fold(TRAILER_BYTES, u64::saturating_add)
}
