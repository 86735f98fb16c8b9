//! An audit that goes on from a checkpoint verified before finds what one from nothing finds, of all that came since; and sees where the
//! record does not go on from it.

use crate::damage::{each_flip, record};
use crate::support::{
    ORIGIN, Writer, audit_any, check, expect_leaf, leaf, leaf_of, memory, roots, signer, verifier,
};
use record::store::memory::Memory;
use record::{Audited, Checkpoint, Fault, Leaf, Store, audit_published_since, audit_since};
use std::sync::Arc;

/// How many entries of [`record`] are under its checkpoint.
const PUBLISHED: u64 = 692;

fn before(size: u64) -> Checkpoint {
    let root = roots(size).pop().unwrap();
    Checkpoint { origin: ORIGIN.to_owned(), size, root }
}

/// Audits what came since; gives the entries that were looked at too.
fn since(store: &Memory, before: &Checkpoint) -> Result<(Audited, Vec<u64>), Fault> {
    let mut seen = Vec::new();
    let audited = audit_since(store, before, &verifier(), |index, envelope, parties| {
        seen.push(index);
        expect_leaf(index, envelope, parties)
    })?;
    Ok((audited, seen))
}

#[test]
fn from_each_checkpoint_the_same_is_found_as_from_nothing() {
    let store = record();
    let whole = check(&*store).unwrap();
    let all = roots(PUBLISHED);
    for size in 1..=PUBLISHED {
        let root = all[usize::try_from(size).unwrap()];
        let before = Checkpoint { origin: ORIGIN.to_owned(), size, root };
        let (audited, seen) = since(&store, &before).unwrap_or_else(|fault| panic!("from {size}: {fault}"));
        assert_eq!(audited, whole, "from {size}");
        assert!(seen.into_iter().eq(size..whole.entries), "from {size}");
        let mut next = size;
        let published = audit_published_since(&*store, &before, &verifier(), |index, envelope, parties| {
            assert_eq!(index, next);
            next += 1;
            expect_leaf(index, envelope, parties)
        });
        let published = published.unwrap_or_else(|fault| panic!("from {size}, published: {fault}"));
        assert_eq!((published.entries, next), (PUBLISHED, PUBLISHED));
    }
}

#[test]
fn a_bit_flipped_since_is_found_and_what_lies_whole_before_is_not_read() {
    for size in [256, 300, 511, 692] {
        let (store, before) = (record(), before(size));
        let (mut found, mut passed) = (0, 0);
        each_flip(&store, |case| {
            // A full tile, or both bundles of it, before the boundary.
            let number = |path: &str| path.parse::<u64>().ok().filter(|number| (number + 1) * 256 <= size);
            let path = case.split(' ').next().unwrap();
            let is_old = ["tile/0/", "tile/entries/", "parties/entries/"]
                .iter()
                .any(|folder| path.strip_prefix(folder).and_then(number).is_some());
            assert_eq!(since(&store, &before).is_err(), !is_old, "from {size}: {case}");
            if is_old { passed += 1 } else { found += 1 }
        });
        assert!(found > 500 && passed > 300, "from {size}: {found} found, {passed} passed");
        assert!(since(&store, &before).is_ok(), "every bit is back in its place");
    }
}

#[test]
fn a_tile_that_is_missing_is_missed_also_where_it_is_not_read() {
    for path in ["tile/0/000", "tile/entries/000", "parties/entries/000", "tile/0/001", "tile/1/000.p/2"] {
        let store = record();
        store.remove(path).unwrap();
        let fault = since(&store, &before(300)).unwrap_err();
        assert_eq!((fault.place.as_str(), fault.what.starts_with("it is missing")), (path, true));
    }
}

/// A record of which one entry is another.
fn with_another(at: u64) -> Arc<Memory> {
    let store = memory();
    let mut writer = Writer::open(&store);
    for number in 0..PUBLISHED {
        let leaf: Leaf = if number == at { leaf_of(number, 999) } else { leaf(number) };
        writer.owners.log.append(leaf).unwrap();
    }
    writer.write(&[0]).unwrap();
    writer.publish().unwrap();
    audit_any(&*store).unwrap();
    store
}

#[test]
fn a_record_that_does_not_go_on_from_what_was_verified_is_found() {
    let any = |store: &Memory, before: &Checkpoint| {
        audit_since(store, before, &verifier(), |_, _, _| Ok(())).map(drop)
    };
    // An entry of before is another one now, wherever it stood, or the first of those that came since.
    for (at, size, holds) in
        [(0, 300, false), (299, 300, false), (300, 300, true), (255, 256, false), (691, 692, false)]
    {
        let found = any(&with_another(at), &before(size));
        assert_eq!(found.is_ok(), holds, "entry {at} from {size}");
        if let Err(fault) = found {
            assert_eq!(fault.place, "checkpoint");
            assert!(fault.what.contains("history was rewritten, or this is a fork"), "{fault}");
        }
    }
    // It is shorter than it was.
    let later = Checkpoint { size: 693, ..before(693) };
    let fault = any(&record(), &later).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "checkpoint: it is of size 692, and one of size 693 was verified before: the record was rolled back"
    );
    let store = record();
    store.remove("checkpoint").unwrap();
    assert!(any(&store, &before(300)).is_err());
    assert!(
        audit_published_since(&*store, &before(300), &verifier(), |_, _, _| Ok(())).is_err(),
        "it was there before"
    );
    // It is another log's.
    let other = Checkpoint { origin: "other.example/record".to_owned(), ..before(300) };
    assert_eq!(any(&record(), &other).unwrap_err().place, "vkeys");
}

#[test]
fn a_tile_at_the_boundary_that_leads_nowhere_is_named() {
    let store = record();
    let mut bytes = store.read("tile/0/001").unwrap().unwrap();
    bytes[7] ^= 1;
    store.tamper("tile/0/001", &bytes);
    let fault = since(&store, &before(300)).unwrap_err();
    assert_eq!(fault.place, "tile/0/001");
    assert!(fault.what.contains("leads to the root neither of the checkpoint nor"), "{fault}");
}

#[test]
fn what_others_have_cosigned_before_is_held_against_it() {
    let signed = |head: &Checkpoint| head.sign(&signer()).unwrap();
    for size in [1, 100, 256, 299, 300, 301, 692] {
        let store = record();
        store.replace("cosigned", &signed(&before(size))).unwrap();
        let (audited, _) = since(&store, &before(300)).unwrap();
        assert!(audited.cosigned.is_some());
        store.replace("cosigned", &signed(&Checkpoint { root: [7; 32], ..before(size) })).unwrap();
        let fault = since(&store, &before(300)).unwrap_err();
        assert_eq!(fault.to_string(), format!("cosigned: its root is not that of the first {size} entries"));
    }
}
