//! What a writer does to a store, noted as steps between which a reader may come. Not the reader.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use record::hash::{hex, sha256};
use record::log::Group;
use record::store::memory::Memory;
use record::{Loaded, Store, StoreError};

use crate::support::{leaf_of, memory, open, signer};

/// What a writer does to a store and a reader cannot see the half of.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Put(String, Vec<u8>),
    Remove(String),
    Make(u32, u32),
    Write(u32, u32, Vec<u8>),
    Synced,
    Retire(u32),
    /// So many entries are durable.
    Told(u64),
}

/// Notes the steps of what is written.
#[derive(Debug)]
struct Recorder {
    inner: Arc<Memory>,
    steps: Mutex<Vec<Step>>,
}

impl Recorder {
    fn note(&self, step: Step) {
        self.steps.lock().unwrap().push(step);
    }

    /// A file is made under `tmp/` and then moved to its name.
    fn staged(&self, step: Step) {
        let staged = format!("tmp/{}", self.steps.lock().unwrap().len());
        self.note(Step::Put(staged.clone(), b"half".to_vec()));
        self.note(step);
        self.note(Step::Remove(staged));
    }
}

impl Store for Recorder {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.read(path)
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.staged(Step::Put(path.to_owned(), bytes.to_vec()));
        self.inner.create(path, bytes)
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.staged(Step::Put(path.to_owned(), bytes.to_vec()));
        self.inner.replace(path, bytes)
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.note(Step::Remove(path.to_owned()));
        self.inner.remove(path)
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        self.inner.list(directory)
    }

    fn segment_create(&self, number: u32, size: u32) -> Result<(), StoreError> {
        self.staged(Step::Make(number, size));
        self.inner.segment_create(number, size)
    }

    /// A write reaches the segment in pieces.
    fn segment_write(&self, number: u32, offset: u32, bytes: &[u8]) -> Result<(), StoreError> {
        for (at, piece) in (offset..).step_by(PIECE).zip(bytes.chunks(PIECE)) {
            self.note(Step::Write(number, at, piece.to_vec()));
        }
        self.inner.segment_write(number, offset, bytes)
    }

    fn segment_sync(&self, number: u32) -> Result<(), StoreError> {
        self.note(Step::Synced);
        self.inner.segment_sync(number)
    }

    fn segment_read(&self, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.segment_read(number)
    }

    fn segment_remove(&self, number: u32) -> Result<(), StoreError> {
        self.note(Step::Retire(number));
        self.inner.segment_remove(number)
    }

    fn segments(&self) -> Result<Vec<u32>, StoreError> {
        self.inner.segments()
    }
}

/// The steps of a record's first [`ENTRIES`] entries: segments roll over and retire, groups are longer than a
/// segment, checkpoints lag behind the journal, and before each write a memorandum is kept.
pub(crate) fn steps() -> Vec<Step> {
    let recorder = Arc::new(Recorder { inner: memory(), steps: Mutex::default() });
    let mut owners = open(&recorder).unwrap();
    let mut waiting: VecDeque<Group> = VecDeque::new();
    for lengths in [&[1_u64, 40][..], &[7], &[230], &[90, 3], &[1], &[2, 2, 2]].iter().cycle() {
        let groups: Vec<Group> = lengths.iter().map(|length| group(&mut owners, *length)).collect();
        let text = format!("memorandum before {}", owners.log.size());
        recorder.create(&format!("memorandum/{}", hex(&sha256(text.as_bytes()))), text.as_bytes()).unwrap();
        let durable = owners.journal.write(&groups).unwrap();
        recorder.note(Step::Told(durable));
        waiting.extend(groups);
        while waiting.len() > 2 {
            owners.publisher.absorb(waiting.pop_front().unwrap());
        }
        owners.publisher.publish(&signer()).unwrap();
        owners.journal.retire(owners.publisher.durable_bundles()).unwrap();
        if durable >= ENTRIES {
            break;
        }
    }
    recorder.steps.lock().unwrap().clone()
}

fn group(owners: &mut Loaded<Recorder>, length: u64) -> Group {
    for _ in 0..length {
        let number = owners.log.size();
        owners.log.append(leaf_of(number, PADDING)).unwrap();
    }
    owners.log.seal().unwrap()
}

/// The least there are of them.
pub(crate) const ENTRIES: u64 = 900;

/// What makes them long.
pub(crate) const PADDING: usize = 900;

/// How much of a write a reader sees the whole of.
pub(crate) const PIECE: usize = 1024;
