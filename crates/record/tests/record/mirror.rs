//! A mirror that follows a record that grows, and one that lies.

use std::sync::Arc;

use record::bundle::{decode, encode, from_file, to_file};
use record::store::faulty::{Fault, Faulty};
use record::store::memory::Memory;
use record::tile::TilePath;
use record::{Checkpoint, Mirror, MirrorError, Store, StoreError};

use crate::support::{SEGMENT, Writer, audit_any, check, expect_leaf, leaf, leaf_of, memory, verifier};

fn mirror(store: &Arc<Memory>) -> Mirror<Memory> {
    Mirror::open(Arc::clone(store), SEGMENT, &verifier()).unwrap().0
}

fn follow(mirror: &mut Mirror<Memory>, source: &Memory) -> Result<Checkpoint, MirrorError> {
    mirror.follow(source, &source.read("checkpoint").unwrap().unwrap(), expect_leaf)
}

fn published(lengths: &[u64]) -> Arc<Memory> {
    let store = memory();
    let mut writer = Writer::open(&store);
    writer.write(lengths).unwrap();
    writer.publish().unwrap();
    store
}

/// What published files say: of a record's own, those that both have.
fn shown(store: &Memory) -> Vec<(String, Vec<u8>)> {
    let mut paths = store.list("").unwrap();
    paths.retain(|path| !path.starts_with("journal/"));
    paths.into_iter().map(|path| (path.clone(), store.read(&path).unwrap().unwrap())).collect()
}

#[test]
fn a_mirror_is_the_record_through_growth_and_restarts() {
    let (source, copy) = (memory(), memory());
    let mut size = 0;
    for length in [1, 254, 1, 1, 300, 700, 3] {
        let mut writer = Writer::open(&source);
        writer.write(&[length]).unwrap();
        writer.publish().unwrap();
        let (mut mirror, held) = Mirror::open(Arc::clone(&copy), SEGMENT, &verifier()).unwrap();
        let mut seen = 0;
        held.for_each_entry(|index, envelope, parties| {
            seen += 1;
            expect_leaf(index, envelope, parties)
        })
        .unwrap();
        assert_eq!((seen, mirror.size()), (size, size));
        size += length;
        assert_eq!(follow(&mut mirror, &source).unwrap().size, size);
        assert_eq!(follow(&mut mirror, &source).unwrap().size, size, "once more changes nothing");
        assert_eq!(shown(&copy), shown(&source));
        check(&*copy).unwrap();
    }
}

#[test]
fn a_mirror_goes_on_as_the_record_where_the_first_is_lost() {
    let (source, copy) = (published(&[300, 41]), memory());
    follow(&mut mirror(&copy), &source).unwrap();
    let mut writer = Writer::open(&copy);
    assert_eq!(writer.owners.entries.count(), 341);
    writer.write(&[200]).unwrap();
    writer.publish().unwrap();
    assert_eq!(check(&*copy).unwrap().checkpoint.unwrap().size, 541);
}

/// What is said where a mirror of the first 300 entries follows what `lie` makes of the record of 600.
fn caught(lie: impl Fn(&Arc<Memory>)) -> String {
    let (source, copy) = (published(&[300]), memory());
    let mut mirror = mirror(&copy);
    follow(&mut mirror, &source).unwrap();
    let before = shown(&copy);
    let mut writer = Writer::open(&source);
    writer.write(&[300]).unwrap();
    writer.publish().unwrap();
    lie(&source);
    let signed = source.read("checkpoint").unwrap().unwrap();
    let error = mirror.follow(&*source, &signed, |_, _, _| Ok(())).unwrap_err();
    assert!(matches!(error, MirrorError::Fault(_) | MirrorError::Checkpoint(_)), "{error:?}");
    drop(mirror);
    let (again, _) = Mirror::open(Arc::clone(&copy), SEGMENT, &verifier()).unwrap();
    assert!(again.size() >= 300, "what it held is not lost");
    let head = |files: &[(String, Vec<u8>)]| files.iter().find(|(path, _)| path == "checkpoint").cloned();
    assert_eq!(head(&shown(&copy)), head(&before), "no checkpoint is shown that does not hold");
    audit_any(&*copy).unwrap();
    error.to_string()
}

/// Changes one half of an entry in whichever bundle has it.
fn change(store: &Arc<Memory>, prefix: &str, index: usize, by: impl Fn(&mut Vec<Vec<u8>>, usize)) {
    for path in store.list(prefix).unwrap() {
        let tile = TilePath::parse(&path).unwrap();
        let width = usize::from(tile.width);
        if tile.number != index as u64 / 256 || index % 256 >= width {
            continue;
        }
        let bytes = from_file(tile.kind, store.read(&path).unwrap().unwrap()).unwrap();
        let mut entries: Vec<Vec<u8>> =
            decode(&bytes, width).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        by(&mut entries, index % 256);
        let bundle = encode(entries.iter().map(Vec::as_slice));
        store.replace(&path, &to_file(tile.kind, &bundle)).unwrap();
    }
}

#[test]
fn whatever_an_operator_changes_is_found_at_its_place_and_not_taken() {
    let envelopes = "tile/entries";
    let parties = "parties/entries";
    assert!(
        caught(|store| change(store, envelopes, 400, |all, at| all[at] = leaf(7).envelope))
            .contains("entry 400")
    );
    assert!(
        caught(|store| change(store, parties, 400, |all, at| all[at] = leaf(7).parties))
            .contains("entry 400")
    );
    assert!(
        caught(|store| {
            // Both halves of another entry: it is whole by itself, and not the one in the tree.
            change(store, envelopes, 599, |all, at| all[at] = leaf_of(9, 3).envelope);
            change(store, parties, 599, |all, at| all[at] = leaf_of(9, 3).parties);
        })
        .contains("entry 599")
    );
    assert!(
        caught(|store| change(store, envelopes, 310, |all, at| all.swap(at, at + 1))).contains("entry 310")
    );
    assert!(
        caught(|store| {
            change(store, envelopes, 400, |all, at| drop(all.remove(at)));
        })
        .contains("tile/entries/001")
    );
    assert!(
        caught(|store| {
            let path = "tile/0/001";
            let mut bytes = store.read(path).unwrap().unwrap();
            bytes[32 * 60] ^= 1;
            store.replace(path, &bytes).unwrap();
        })
        .contains("a tile is wrong")
    );
}

#[test]
fn a_history_that_was_rewritten_cut_or_signed_by_another_is_not_followed() {
    // Another record of the same log: its 300th entry differs.
    let forked = |length: u64| {
        let store = memory();
        let mut writer = Writer::open(&store);
        writer.write(&[299]).unwrap();
        writer.write_padded(&[length], Some(9)).unwrap();
        writer.publish().unwrap();
        store
    };
    for (other, told) in [
        (forked(301), "history was rewritten"),
        (forked(1), "history was rewritten"),
        (published(&[200]), "one of size 300 or more was published before"),
    ] {
        let (source, copy) = (published(&[300]), memory());
        let mut mirror = mirror(&copy);
        follow(&mut mirror, &source).unwrap();
        let signed = other.read("checkpoint").unwrap().unwrap();
        let error = mirror.follow(&*other, &signed, |_, _, _| Ok(())).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert_eq!(shown(&copy), shown(&source));
    }
    let signed = record::note::Signer::generate(verifier().name(), [9; 32]).unwrap();
    let source = published(&[5]);
    let head = check(&*source).unwrap().checkpoint.unwrap().sign(&signed).unwrap();
    let error = mirror(&memory()).follow(&*source, &head, |_, _, _| Ok(())).unwrap_err();
    assert!(matches!(error, MirrorError::Checkpoint(_)), "{error:?}");
}

#[test]
fn what_is_not_there_yet_is_asked_for_again_and_what_a_visitor_refuses_is_not_taken() {
    let (source, copy) = (published(&[600]), memory());
    let mut mirror = mirror(&copy);
    let (path, gone) = ("parties/entries/001", source.read("parties/entries/001").unwrap().unwrap());
    source.remove(path).unwrap();
    let signed = source.read("checkpoint").unwrap().unwrap();
    let error = mirror.follow(&*source, &signed, expect_leaf).unwrap_err();
    assert!(matches!(error, MirrorError::Source(_)), "{error:?}");
    source.create(path, &gone).unwrap();
    assert_eq!(follow(&mut mirror, &source).unwrap().size, 600);
    check(&*copy).unwrap();

    let copy = memory();
    let mut mirror = Mirror::open(Arc::clone(&copy), SEGMENT, &verifier()).unwrap().0;
    let refused = mirror.follow(&*source, &signed, |index, _, _| {
        if index == 300 { Err("this one does not add up".to_owned()) } else { Ok(()) }
    });
    assert_eq!(refused.unwrap_err().to_string(), "entry 300: this one does not add up");
    drop(mirror);
    assert!(copy.read("checkpoint").unwrap().is_none());
    assert!(Mirror::open(copy, SEGMENT, &verifier()).unwrap().0.size() <= 300);
}

#[test]
fn what_others_have_put_under_a_checkpoint_is_not_in_the_copy() {
    let (source, copy) = (published(&[300]), memory());
    let own = source.read("checkpoint").unwrap().unwrap();
    let stranger = record::note::Signer::generate("stranger.example", [3; 32]).unwrap();
    let text = String::from_utf8(own.clone()).unwrap();
    let line = stranger.sign(&format!("{}\n", text.split_once("\n\n").unwrap().0)).unwrap();
    let more = format!("{text}{}\n", line.trim_end().rsplit('\n').next().unwrap());
    mirror(&copy).follow(&*source, more.as_bytes(), expect_leaf).unwrap();
    assert_eq!(copy.read("checkpoint").unwrap().unwrap(), own);
    check(&*copy).unwrap();
}

#[test]
fn whichever_call_to_its_disk_fails_a_mirror_goes_on_or_is_opened_anew_and_holds() {
    let source = published(&[300]);
    let signed = source.read("checkpoint").unwrap().unwrap();
    let mut calls = u64::MAX;
    for fault in [Fault::Full, Fault::Fails, Fault::FailsButPersisted, Fault::Torn] {
        let mut at = 0;
        while at < calls {
            let copy = memory();
            let faulty = Arc::new(Faulty::new(Arc::clone(&copy), at, fault));
            let opened = Mirror::open(Arc::clone(&faulty), SEGMENT, &verifier());
            if let Ok((mut mirror, _)) = opened
                && mirror.follow(&*source, &signed, expect_leaf).is_err()
            {
                match mirror.follow(&*source, &signed, expect_leaf) {
                    Ok(head) => assert!(head.size == 300 && fault == Fault::Full, "call {at}, {fault:?}"),
                    Err(MirrorError::Store(StoreError::Poisoned)) => {}
                    Err(other) => panic!("call {at}, {fault:?}: {other}"),
                }
            }
            calls = calls.min(if faulty.calls() > at { u64::MAX } else { faulty.calls() });
            assert_eq!(follow(&mut mirror(&copy), &source).unwrap().size, 300, "call {at}, {fault:?}");
            check(&*copy).unwrap();
            at += 1;
        }
        assert!(at > 8, "{at} calls");
    }
}
