//! What no crash of ours leaves behind: the audit finds it, and load refuses where going on would hide it.

use std::sync::Arc;

use record::store::memory::Memory;
use record::{LoadError, Store};

use crate::support::{ORIGIN, SEGMENT, Writer, audit_any, check, memory, open, verifier};

/// About 700 entries: full and partial tiles on two levels, a checkpoint, and a tail in the journal alone.
pub(crate) fn record() -> Arc<Memory> {
    let store = memory();
    let mut writer = Writer::open(&store);
    writer.write(&[300, 1]).unwrap();
    writer.publish().unwrap();
    writer.write(&[1, 390]).unwrap();
    writer.publish().unwrap();
    writer.write(&[5, 2]).unwrap();
    drop(check(&*store).unwrap());
    store
}

#[test]
fn one_flipped_bit_in_any_file_is_found() {
    let store = record();
    each_flip(&store, |case| {
        let fault = check(&*store).expect_err(case);
        assert!(!fault.place.is_empty() && !fault.what.is_empty(), "{fault}");
    });
    check(&*store).unwrap();
}

/// Flips a bit at a sample of places in each file, one at a time.
pub(crate) fn each_flip(store: &Memory, mut flipped_at: impl FnMut(&str)) {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for (path, bytes) in store.snapshot() {
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        // Every byte of small files; of large ones a sample that reaches each sector, and the zero tail too.
        let step = (bytes.len() / 120).max(1);
        let places =
            (0..bytes.len()).filter(|at| *at < 40 || at % step == 0 || at + 40 > used && *at < used + 10);
        for at in places {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (random >> 61);
            store.tamper(&path, &flipped);
            flipped_at(&format!("{path} at byte {at}"));
        }
        store.tamper(&path, &bytes);
    }
}

/// The record as it is served: without its journal, up to the checkpoint.
fn served() -> Memory {
    let (whole, served) = (record(), Memory::new());
    for (path, bytes) in whole.snapshot() {
        if !path.starts_with("journal/") {
            served.create(&path, &bytes).unwrap();
        }
    }
    served
}

#[test]
fn a_published_record_is_audited_without_its_journal() {
    let served = served();
    let visit = |_, _: &[u8], _: &[u8]| Ok(());
    let audited = record::audit_published(&served, ORIGIN, &verifier(), visit).unwrap();
    let head = audited.checkpoint.unwrap();
    assert_eq!((audited.entries, audited.root), (head.size, head.root));
    each_flip(&served, |case| {
        record::audit_published(&served, ORIGIN, &verifier(), visit).expect_err(case);
    });
}

#[test]
#[ignore = "minutes: flips a bit of each byte of each file; the sampled test above runs always"]
fn one_flipped_bit_at_each_byte_of_each_file_is_found() {
    let store = record();
    let mut random = 1_u64;
    for (path, bytes) in store.snapshot() {
        for at in 0..bytes.len() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (random >> 61);
            store.tamper(&path, &flipped);
            assert!(audit_any(&*store).is_err(), "{path} at byte {at}");
        }
        store.tamper(&path, &bytes);
    }
}

#[test]
fn a_missing_shortened_or_unknown_file_is_found() {
    let store = record();
    for (path, bytes) in store.snapshot() {
        if path.starts_with("memorandum/") {
            continue;
        }
        match path.strip_prefix("journal/") {
            Some(number) => store.segment_remove(number.parse().unwrap()).unwrap(),
            None => store.remove(&path).unwrap(),
        }
        // A checkpoint that is missing altogether is one that was never published; its tiles stay checked.
        let spare = bytes.iter().all(|byte| *byte == 0);
        assert!(check(&*store).is_err() || path == "checkpoint" || spare, "{path} missing");
        store.tamper(&path, &bytes[..bytes.len() - 1]);
        assert!(check(&*store).is_err(), "{path} shortened");
        store.tamper(&path, &[&bytes[..], b"\n"].concat());
        assert!(check(&*store).is_err() || spare || path.starts_with("journal/"), "{path} lengthened");
        store.tamper(&path, &bytes);
    }
    let unknown = [
        "checkpoint.old",
        "tile/0/003",
        "tile/0/002.p/255",
        "tile/entries/004",
        "tile/2/000.p/1",
        "parties/000",
        "journal/1",
        "journal/000000000",
        "memorandum/readme",
        "memorandum/00",
        "x",
        "tile/1/001",
    ];
    for path in unknown {
        store.replace(path, b"x").unwrap();
        let fault = check(&*store).expect_err(path);
        assert_eq!(fault.place, path);
        store.remove(path).unwrap();
    }
    store.replace("tmp/0", b"half a file").unwrap();
    assert_eq!(check(&*store).unwrap().leftovers, ["tmp/0"]);
    drop(open(&store).unwrap());
    assert_eq!(check(&*store).unwrap().leftovers, Vec::<String>::new());
}

#[test]
fn stale_partial_tiles_are_checked_and_removed_by_load() {
    let store = record();
    let tile = store.read("tile/0/001").unwrap().unwrap();
    store.replace("tile/0/001.p/45", &tile[..45 * 32]).unwrap();
    check(&*store).unwrap();
    store.replace("tile/0/001.p/44", &tile[..45 * 32]).unwrap();
    assert_eq!(check(&*store).unwrap_err().place, "tile/0/001.p/44");
    drop(open(&store).unwrap());
    assert!(!store.list("").unwrap().iter().any(|path| path.starts_with("tile/0/001.p/")));
    check(&*store).unwrap();
}

#[test]
fn what_a_visitor_refuses_is_a_fault_with_its_entry() {
    let store = record();
    let visit =
        |index, _: &[u8], _: &[u8]| if index == 40 { Err("it does not balance".into()) } else { Ok(()) };
    let fault = record::audit(&*store, ORIGIN, &verifier(), visit).unwrap_err();
    assert_eq!(fault.to_string(), "entry 40: it does not balance");
}

/// Flips one bit at each byte of the journal's frames and loads.
#[test]
fn a_damaged_frame_before_a_valid_trailer_is_never_taken_for_a_torn_tail() {
    let store = memory();
    let mut writer = Writer::open(&store);
    writer.write(&[2]).unwrap();
    writer.write(&[1, 2]).unwrap();
    let second_write = used(&store);
    // Without it nothing says that the last group was ever whole.
    let last_trailer = second_write - 65;
    drop(writer);
    let bytes = store.segment_read(0).unwrap().unwrap();
    let before = store.snapshot();
    for at in 0..second_write {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        store.tamper("journal/00000000", &flipped);
        let tampered = store.snapshot();
        match open(&store) {
            Err(LoadError::Damaged { place, .. }) => {
                assert!(place.starts_with("journal/00000000 at byte "), "{place}");
                assert_eq!(store.snapshot(), tampered, "byte {at}: something was changed");
            }
            Ok(owners) => assert!(at >= last_trailer && owners.torn.is_some(), "byte {at} was not noticed"),
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    before.iter().for_each(|(path, bytes)| store.tamper(path, bytes));
    assert_eq!(open(&store).unwrap().log.size(), 5);
}

fn used(store: &Memory) -> usize {
    store.segment_read(0).unwrap().unwrap().iter().rposition(|byte| *byte != 0).unwrap() + 1
}

#[test]
fn a_journal_that_ends_before_the_checkpoint_is_refused() {
    let store = memory();
    let mut writer = Writer::open(&store);
    writer.write(&[3]).unwrap();
    let short = store.segment_read(0).unwrap().unwrap();
    writer.write(&[2]).unwrap();
    writer.publish().unwrap();
    drop(writer);
    store.tamper("journal/00000000", &short);
    assert!(matches!(open(&store), Err(LoadError::Behind { recovered: 3, checkpoint: 5 })));
    assert!(check(&*store).is_err());
    store.tamper("journal/00000000", &vec![0; usize::try_from(SEGMENT).unwrap()]);
    assert!(matches!(open(&store), Err(LoadError::Damaged { .. })));
    store.segment_remove(0).unwrap();
    assert!(matches!(open(&store), Err(LoadError::Damaged { .. })));
}

#[test]
fn another_root_of_a_published_size_is_refused() {
    let ours = memory();
    let mut writer = Writer::open(&ours);
    writer.write(&[300]).unwrap();
    writer.publish().unwrap();
    let theirs = memory();
    let mut writer = Writer::open(&theirs);
    writer.write_padded(&[300], Some(3)).unwrap();
    writer.publish().unwrap();
    ours.tamper("checkpoint", &theirs.read("checkpoint").unwrap().unwrap());
    assert!(matches!(open(&ours), Err(LoadError::Damaged { .. })));
    assert_eq!(check(&*ours).unwrap_err().place, "checkpoint");
}

#[test]
fn damaged_bundles_and_tiles_do_not_reach_the_fold() {
    let store = record();
    for path in ["tile/entries/001", "parties/entries/000", "tile/1/000.p/2", "checkpoint"] {
        let bytes = store.read(path).unwrap().unwrap();
        let mut flipped = bytes.clone();
        flipped[50] ^= 4;
        store.tamper(path, &flipped);
        let folded = open(&store).map(|owners| owners.for_each_entry(|_, _, _| Ok(())));
        assert!(!matches!(folded, Ok(Ok(()))), "{path}");
        store.tamper(path, &bytes);
    }
}

#[test]
fn a_signature_beside_the_logs_own_is_found() {
    let store = record();
    let signed = store.read("checkpoint").unwrap().unwrap();
    let (text, _) = record::note::split(&signed).unwrap();
    let stranger = record::note::Signer::generate("stranger.example", [9; 32]).unwrap();
    store.tamper("checkpoint", &[&signed[..], stranger.signature_line(text).as_bytes()].concat());
    let fault = check(&*store).unwrap_err();
    assert_eq!(fault.to_string(), "checkpoint: an unknown key signed it");
}
