//! A record read from the middle on: every place is proved to belong to the tree, and what lies before it is not read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use record::store::memory::Memory;
use record::{Store, StoreError};

use crate::support::{Writer, expect_leaf, leaf, memory, open, roots};

/// A record of `size` entries of which the last `tail` are in the journal alone.
fn record(size: u64, tail: u64) -> Arc<Memory> {
    let store = memory();
    let mut writer = Writer::open(&store);
    writer.write(&[size - tail]).unwrap();
    writer.publish().unwrap();
    writer.write(&[tail]).unwrap();
    store
}

#[test]
fn every_place_gives_its_root_its_last_entry_and_all_that_follows() {
    let (size, roots) = (1_100, roots(1_100));
    for tail in [1, 300] {
        let loaded = open(&record(size, tail)).unwrap();
        let entries = &loaded.entries;
        for place in 1..=size {
            let prefix = entries.prefix(place).unwrap().unwrap();
            assert_eq!((prefix.size(), prefix.root()), (place, roots[usize::try_from(place).unwrap()]));
            assert_eq!(*prefix.last(), leaf(place - 1));
            if place % 7 != 0 && place % 256 > 1 {
                continue;
            }
            let mut next = place;
            let each = |index, envelope: &[u8], parties: &[u8]| {
                assert_eq!(index, next);
                next += 1;
                expect_leaf(index, envelope, parties)
            };
            entries.for_each_entry_after(&prefix, each).unwrap();
            assert_eq!(next, size);
        }
        assert!(entries.prefix(0).unwrap().is_none() && entries.prefix(size + 1).unwrap().is_none());
    }
}

#[test]
fn a_place_whose_bundle_or_tiles_are_not_those_of_the_tree_is_damage() {
    let whole = record(1_100, 1);
    // Size 600 is bundle 2 to its 88th entry, after the first two nodes of the tile on level 1; what follows is bundles 2 and 3.
    for (path, at_once) in [
        ("tile/entries/002", true),
        ("parties/entries/002", true),
        ("tile/1/000.p/4", true),
        ("tile/0/002", true),
        ("tile/entries/003", false),
        ("parties/entries/003", false),
    ] {
        let store = record(1_100, 1);
        let loaded = open(&store).unwrap();
        let mut bytes = whole.read(path).unwrap().unwrap_or_else(|| panic!("there is a file {path}"));
        // In the second half of the first entries or hashes, and in that of the last ones. A file that is compressed comes out whole or not.
        let last = bytes.len() - 3;
        bytes[40] ^= 1;
        bytes[last] ^= 1;
        store.tamper(path, &bytes);
        match loaded.entries.prefix(600) {
            Err(_) => assert!(at_once, "{path}"),
            Ok(prefix) => {
                assert!(!at_once, "{path} is noticed at once");
                let read = loaded.entries.for_each_entry_after(&prefix.unwrap(), |_, _, _| Ok(()));
                assert!(read.is_err(), "{path} is noticed");
            }
        }
    }
}

/// A store that remembers which files were read, and which directories were listed.
#[derive(Debug)]
struct Watched {
    inner: Arc<Memory>,
    seen: Mutex<BTreeSet<String>>,
}

impl Watched {
    fn note(&self, path: &str) {
        self.seen.lock().unwrap().insert(path.to_owned());
    }
}

impl Store for Watched {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.note(path);
        self.inner.read(path)
    }
    fn create(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.create(path, bytes)
    }
    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.replace(path, bytes)
    }
    fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.inner.remove(path)
    }
    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        self.note(directory);
        self.inner.list(directory)
    }
    fn segment_create(&self, number: u32, size: u32) -> Result<(), StoreError> {
        self.inner.segment_create(number, size)
    }
    fn segment_write(&self, number: u32, offset: u32, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.segment_write(number, offset, bytes)
    }
    fn segment_sync(&self, number: u32) -> Result<(), StoreError> {
        self.inner.segment_sync(number)
    }
    fn segment_read(&self, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.note("journal");
        self.inner.segment_read(number)
    }
    fn segment_remove(&self, number: u32) -> Result<(), StoreError> {
        self.inner.segment_remove(number)
    }
    fn segments(&self) -> Result<Vec<u32>, StoreError> {
        self.inner.segments()
    }
}

#[test]
fn a_long_record_is_opened_and_gone_on_with_without_reading_it_whole() {
    let size = 70_000;
    let store = memory();
    let mut writer = Writer::open(&store);
    for _ in 0..size / 500 {
        writer.write(&[500]).unwrap();
        writer.publish().unwrap();
    }
    drop(writer);
    let watched = Arc::new(Watched { inner: store, seen: Mutex::default() });
    let loaded = open(&watched).unwrap();
    let prefix = loaded.entries.prefix(size - 1_000).unwrap().unwrap();
    let mut read = 0;
    let each = |_, _: &[u8], _: &[u8]| {
        read += 1;
        Ok(())
    };
    loaded.entries.for_each_entry_after(&prefix, each).unwrap();
    assert_eq!(read, 1_000);
    let seen = watched.seen.lock().unwrap();
    let whole = ["", "tile", "tile/0", "tile/entries", "parties", "parties/entries"];
    assert!(!whole.iter().any(|directory| seen.contains(*directory)), "{seen:?}");
    let (mut tiles, mut bundles) = (0, 0);
    for path in seen.iter().filter(|path| !path.ends_with(".p")) {
        let is_bundle = path.contains("/entries/");
        *(if is_bundle { &mut bundles } else { &mut tiles }) += usize::from(path.contains('/'));
    }
    assert!(bundles <= 2 * (1_000 / 256 + 2), "{bundles} bundles: {seen:?}");
    assert!(tiles <= 12, "{tiles} tiles: {seen:?}");
}
