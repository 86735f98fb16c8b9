//! A store in memory that can lose power: what was written to a segment and not synced is gone after
//! [`Memory::crash`]. For tests and for records that nobody keeps.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Store, StoreError, check_path, segment_path};

/// Files and segments in memory.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    segments: BTreeMap<u32, Segment>,
}

#[derive(Debug, Default)]
struct Segment {
    /// What a reader sees.
    bytes: Vec<u8>,
    /// The old bytes below each write since the last sync, oldest first.
    unsynced: Vec<(usize, Vec<u8>)>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses power: every write to a segment since its last sync is undone.
    pub fn crash(&self) {
        self.crash_keeping(|_, _| false);
    }

    /// Loses power as a disk does: of the writes since the last sync, the sectors of 512 bytes for which
    /// `keep(segment, sector)` holds have reached it, the others not.
    pub fn crash_keeping(&self, mut keep: impl FnMut(u32, usize) -> bool) {
        for (number, segment) in &mut self.state().segments {
            let written = segment.bytes.clone();
            for (offset, old) in std::mem::take(&mut segment.unsynced).into_iter().rev() {
                overwrite(&mut segment.bytes, offset, &old);
            }
            let sectors = segment.bytes.chunks_mut(512).zip(written.chunks(512)).enumerate();
            for (sector, (on_disk, wanted)) in sectors {
                if on_disk != wanted && keep(*number, sector) {
                    on_disk.copy_from_slice(wanted);
                }
            }
        }
    }

    /// Puts `bytes` at `path` with no questions asked, as a hand on the disk would; segments too.
    pub fn tamper(&self, path: &str, bytes: &[u8]) {
        let mut state = self.state();
        match super::segment_number(path) {
            Some(number) => {
                state.segments.insert(number, Segment { bytes: bytes.to_vec(), unsynced: Vec::new() });
            }
            None => {
                state.files.insert(path.to_owned(), bytes.to_vec());
            }
        }
    }

    /// A copy of everything a reader sees.
    pub fn snapshot(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let segments =
            state.segments.iter().map(|(number, segment)| (segment_path(*number), segment.bytes.clone()));
        state.files.clone().into_iter().chain(segments).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_path(path)?;
        match super::segment_number(path) {
            Some(number) => self.segment_read(number),
            None => Ok(self.state().files.get(path).cloned()),
        }
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_path(path)?;
        let mut state = self.state();
        let present = state.files.entry(path.to_owned()).or_insert_with(|| bytes.to_vec());
        if present == bytes { Ok(()) } else { Err(StoreError::Conflict { path: path.to_owned() }) }
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_path(path)?;
        self.state().files.insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn make_durable(&self, path: &str) -> Result<(), StoreError> {
        check_path(path)
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        check_path(path)?;
        self.state().files.remove(path);
        Ok(())
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        let prefix = if directory.is_empty() {
            String::new()
        } else {
            check_path(directory)?;
            format!("{directory}/")
        };
        let state = self.state();
        let segments = state.segments.keys().map(|number| segment_path(*number));
        let all = state.files.keys().cloned().chain(segments);
        let mut paths: Vec<String> = all.filter(|path| path.starts_with(&prefix)).collect();
        paths.sort_unstable();
        Ok(paths)
    }

    fn segment_create(&self, number: u32, size: u32) -> Result<(), StoreError> {
        let path = segment_path(number);
        let mut state = self.state();
        if state.segments.contains_key(&number) {
            return Err(StoreError::Conflict { path });
        }
        let Ok(size) = usize::try_from(size) else { return Err(StoreError::Full { path }) };
        state.segments.insert(number, Segment { bytes: vec![0; size], unsynced: Vec::new() });
        Ok(())
    }

    fn segment_write(&self, number: u32, offset: u32, bytes: &[u8]) -> Result<(), StoreError> {
        let mut state = self.state();
        let missing = || StoreError::Missing { path: segment_path(number) };
        let segment = state.segments.get_mut(&number).ok_or_else(missing)?;
        let offset = usize::try_from(offset).map_err(|_| missing())?;
        let end = offset.checked_add(bytes.len()).ok_or_else(missing)?;
        let old = segment.bytes.get(offset..end).ok_or_else(missing)?.to_vec();
        segment.unsynced.push((offset, old));
        overwrite(&mut segment.bytes, offset, bytes);
        Ok(())
    }

    fn segment_sync(&self, number: u32) -> Result<(), StoreError> {
        let mut state = self.state();
        let segment = state.segments.get_mut(&number);
        segment.ok_or_else(|| StoreError::Missing { path: segment_path(number) })?.unsynced.clear();
        Ok(())
    }

    fn segment_read(&self, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state().segments.get(&number).map(|segment| segment.bytes.clone()))
    }

    fn segment_remove(&self, number: u32) -> Result<(), StoreError> {
        self.state().segments.remove(&number);
        Ok(())
    }

    fn segments(&self) -> Result<Vec<u32>, StoreError> {
        Ok(self.state().segments.keys().copied().collect())
    }
}

fn overwrite(target: &mut [u8], offset: usize, bytes: &[u8]) {
    let places = target.iter_mut().skip(offset);
    places.zip(bytes).for_each(|(place, byte)| *place = *byte);
}
