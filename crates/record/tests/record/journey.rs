//! A record from its first entry on, in each store.

use std::sync::Arc;

use record::bundle::{ENTRY_BYTES_MAX, entry_at};
use record::store::directory::Directory;
use record::tile::Kind;
use record::{Leaf, LoadError, LogError, Receipt, Store, StoreError};

use crate::support::{
    SEGMENT, Writer, check, expect_leaf, leaf, leaf_of, memory, open, put_vkeys, roots, verifier,
};

fn live<S: Store>(store: &Arc<S>) {
    let roots = roots(1500);
    let mut size = 0;
    for lengths in [&[1_u64][..], &[254, 1], &[1, 1, 300], &[700], &[3]] {
        let mut writer = Writer::open(store);
        assert_eq!(writer.owners.torn, None);
        assert_eq!(writer.owners.entries.count(), size);
        let mut seen = 0;
        let each = |index, envelope: &[u8], parties: &[u8]| {
            assert_eq!(index, seen);
            seen += 1;
            expect_leaf(index, envelope, parties)
        };
        writer.owners.for_each_entry(each).unwrap();
        assert_eq!(seen, size);
        for length in lengths {
            writer.write(&[*length]).unwrap();
            size += length;
        }
        let audited = check(&**store).unwrap();
        assert_eq!((audited.entries, audited.root), (size, roots[usize::try_from(size).unwrap()]));
        writer.publish().unwrap();
        writer.publish().unwrap();
        let audited = check(&**store).unwrap();
        let head = audited.checkpoint.unwrap();
        assert_eq!((head.size, head.root), (size, roots[usize::try_from(size).unwrap()]));
        for index in [0, size / 2, size - 1] {
            prove(&**store, index, size);
        }
    }
}

fn prove<S: Store + ?Sized>(store: &S, index: u64, size: u64) {
    let signed = store.read("checkpoint").unwrap().unwrap();
    let receipt = Receipt::of(store, index, &signed, size, size).unwrap().unwrap();
    let envelope = entry_at(store, Kind::Entries, index, size).unwrap().unwrap();
    assert_eq!(envelope, leaf(index).envelope);
    assert_eq!(entry_at(store, Kind::Parties, index, size).unwrap().unwrap(), leaf(index).parties);
    let receipt = Receipt::parse(&receipt.encode()).unwrap();
    assert_eq!(receipt.verify(&envelope, &verifier()).unwrap().size, size);
    assert!(receipt.verify(&leaf(index + 1).envelope, &verifier()).is_err());
    assert_eq!(Receipt::of(store, size, &signed, size, size).unwrap(), None);
}

#[test]
fn record_in_memory_grows_and_audits_through_restarts() {
    live(&memory());
}

#[test]
fn record_in_a_directory_grows_and_audits_through_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Directory::new(directory.path().join("a/record")));
    put_vkeys(&*store);
    live(&store);
    let files = store.list("").unwrap();
    assert!(files.contains(&"tile/entries/003".to_owned()), "{files:?}");
    assert!(!files.iter().any(|path| path.starts_with("tmp/")), "{files:?}");
    assert!(!directory.path().join("a/record/tile/0/000.p").exists());
}

#[test]
fn both_stores_keep_the_same_contract() {
    let directory = tempfile::tempdir().unwrap();
    let directory = Directory::new(directory.path());
    let memory = record::store::memory::Memory::new();
    let stores: [&dyn Store; 2] = [&directory, &memory];
    for store in stores {
        assert_eq!(store.read("a/b").unwrap(), None);
        store.create("a/b", b"1").unwrap();
        store.create("a/b", b"1").unwrap();
        assert!(matches!(store.create("a/b", b"2"), Err(StoreError::Conflict { .. })));
        assert_eq!(store.read("a/b").unwrap().unwrap(), b"1");
        store.create_all(&[("a/c.p/1".into(), b"x".to_vec()), ("d".into(), b"y".to_vec())]).unwrap();
        store.replace("a/b", b"2").unwrap();
        assert_eq!(store.read("a/b").unwrap().unwrap(), b"2");
        assert_eq!(store.list("").unwrap(), ["a/b", "a/c.p/1", "d"]);
        assert_eq!(store.list("a").unwrap(), ["a/b", "a/c.p/1"]);
        assert_eq!(store.list("none").unwrap(), Vec::<String>::new());
        store.remove("a/c.p/1").unwrap();
        store.remove("a/c.p/1").unwrap();
        store.create("a/c.p/2", b"z").unwrap();
        for path in ["../x", "/x", "a//b", "", ".hidden", "a/../b", "a b", "a\0"] {
            assert!(matches!(store.read(path), Err(StoreError::Path { .. })), "{path}");
            assert!(matches!(store.replace(path, b""), Err(StoreError::Path { .. })), "{path}");
        }
        store.segment_create(3, 2048).unwrap();
        assert!(matches!(store.segment_create(3, 2048), Err(StoreError::Conflict { .. })));
        store.segment_write(3, 10, b"abc").unwrap();
        store.segment_sync(3).unwrap();
        let bytes = store.segment_read(3).unwrap().unwrap();
        assert_eq!((bytes.len(), &bytes[9..14]), (2048, &b"\0abc\0"[..]));
        assert_eq!(store.read("journal/00000003").unwrap().unwrap(), bytes);
        assert_eq!(store.segments().unwrap(), [3]);
        assert!(store.segment_write(4, 0, b"x").is_err());
        store.segment_remove(3).unwrap();
        store.segment_remove(3).unwrap();
        assert_eq!(store.segment_read(3).unwrap(), None);
        assert_eq!(store.segments().unwrap(), Vec::<u32>::new());
    }
}

#[test]
fn journal_rotates_through_segments_and_retires_them() {
    let store = memory();
    let mut writer = Writer::open(&store);
    for _ in 0..40 {
        writer.write(&[120, 1, 60]).unwrap();
        if writer.owners.journal.needs_spare() {
            writer.owners.journal.make_spare().unwrap();
        }
        assert!(writer.owners.journal.room() >= u64::from(SEGMENT));
    }
    let segments = store.segments().unwrap();
    assert!(segments.len() > 10, "{segments:?}");
    check(&*store).unwrap();
    drop(writer);
    let mut writer = Writer::open(&store);
    assert_eq!(writer.owners.log.size(), 40 * 181);
    writer.publish().unwrap();
    assert!(store.segments().unwrap().len() <= 3, "{:?}", store.segments().unwrap());
    check(&*store).unwrap();
    writer.write(&[1]).unwrap();
    drop(writer);
    assert_eq!(Writer::open(&store).owners.log.size(), 40 * 181 + 1);
}

#[test]
fn a_group_longer_than_a_segment_is_written_across_segments() {
    let store = memory();
    let mut writer = Writer::open(&store);
    writer.write(&[2000]).unwrap();
    assert!(store.segments().unwrap().len() > 3);
    drop(writer);
    let mut writer = Writer::open(&store);
    assert_eq!(writer.owners.log.size(), 2000);
    writer.publish().unwrap();
    check(&*store).unwrap();
    drop(writer);
    assert_eq!(Writer::open(&store).owners.log.size(), 2000);
}

#[test]
fn the_longest_entry_fits_and_a_longer_one_is_refused() {
    let store = memory();
    let mut writer = Writer::open(&store);
    let short = leaf_of(0, 0);
    let longest = leaf_of(0, ENTRY_BYTES_MAX - short.parties.len());
    assert_eq!(longest.parties.len(), ENTRY_BYTES_MAX);
    let before = writer.owners.log.root();
    let longer = leaf_of(0, ENTRY_BYTES_MAX - short.parties.len() + 1);
    let refused = writer.owners.log.append(longer);
    assert_eq!(refused, Err(LogError::TooLarge { half: "parties' part", bytes: ENTRY_BYTES_MAX + 1 }));
    let wide = Leaf { envelope: vec![b' '; ENTRY_BYTES_MAX + 1], parties: Vec::new() };
    assert!(writer.owners.log.append(wide).is_err());
    assert_eq!((writer.owners.log.size(), writer.owners.log.root()), (0, before));
    assert_eq!((writer.owners.log.pending_bytes(), writer.owners.log.seal()), (0, None));
    writer.owners.log.append(longest.clone()).unwrap();
    let group = writer.owners.log.seal().unwrap();
    writer.owners.journal.write(std::slice::from_ref(&group)).unwrap();
    writer.owners.publisher.absorb(group);
    writer.publish().unwrap();
    assert_eq!(entry_at(&*store, Kind::Parties, 0, 1).unwrap().unwrap(), longest.parties);
    assert_eq!(open(&store).unwrap().log.size(), 1);
}

#[test]
fn load_refuses_a_strange_key_and_a_small_segment() {
    let store = memory();
    let other = record::note::Signer::generate("other.example", [1; 32]).unwrap().verifier();
    let refused = record::load(Arc::clone(&store), crate::support::ORIGIN, SEGMENT, &other);
    assert!(matches!(refused, Err(LoadError::Key { .. })));
    let refused = record::load(Arc::clone(&store), crate::support::ORIGIN, SEGMENT - 1, &verifier());
    assert!(matches!(refused, Err(LoadError::SegmentBytes(_))));
    assert_eq!(store.segments().unwrap(), Vec::<u32>::new());
}

#[test]
fn a_full_disk_refuses_a_spare_and_breaks_nothing() {
    use record::store::faulty::{Fault, Faulty};
    let inner = memory();
    Writer::open(&inner).write(&[3]).unwrap();
    // Opening rewrites and syncs the tail: calls 0 and 1. Call 2 makes the spare.
    let store = Arc::new(Faulty::new(Arc::clone(&inner), 2, Fault::Full));
    let mut writer = Writer::open(&store);
    assert!(matches!(writer.owners.journal.make_spare(), Err(StoreError::Full { .. })));
    writer.write(&[2]).unwrap();
    writer.owners.journal.make_spare().unwrap();
    writer.publish().unwrap();
    assert_eq!(check(&*inner).unwrap().entries, 5);
}
