//! What a crash, a failing disk and a power cut may leave, and what must still hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use record::note::Signer;
use record::store::faulty::{Fault, Faulty};
use record::store::memory::Memory;
use record::{Checkpoint, Hash, LoadError, Store, StoreError};

use crate::support::{ORIGIN, Writer, check, expect_leaf, memory, open, roots, signer, verifier};

/// The work that is cut at every call: several publications, rotations, retirements and a restart.
fn work(store: &Arc<Faulty<Arc<Memory>>>, told: &mut Told) -> Result<(), Stop> {
    for rounds in [4, 3] {
        let owners = open(store)?;
        let mut writer = Writer { owners, acked: 0, shown: Vec::new() };
        for round in 0..rounds {
            let done = round_of(&mut writer, round);
            told.acked = told.acked.max(writer.acked);
            told.shown.extend(writer.shown.drain(..).map(|head| (head.size, head.root)));
            done?;
        }
    }
    Ok(())
}

fn round_of(writer: &mut Writer<Faulty<Arc<Memory>>>, round: u64) -> Result<(), Stop> {
    writer.write(&[1, 100 + round])?;
    writer.write(&[130])?;
    writer.publish()?;
    writer.write(&[2])?;
    if writer.owners.journal.needs_spare() {
        writer.owners.journal.make_spare()?;
    }
    Ok(())
}

/// What the outside was told before the fault.
#[derive(Default)]
struct Told {
    acked: u64,
    shown: Vec<(u64, Hash)>,
}

#[derive(Debug)]
enum Stop {
    Load,
    Store,
}

impl From<LoadError> for Stop {
    fn from(error: LoadError) -> Self {
        assert!(matches!(error, LoadError::Store(_)), "{error}");
        Self::Load
    }
}

impl From<StoreError> for Stop {
    fn from(_: StoreError) -> Self {
        Self::Store
    }
}

/// Checks a store after a stop: it audits as it lies or loads to a state that does; nothing told is lost.
fn check_after(store: &Arc<Memory>, told: &Told, roots: &[Hash], case: &str) {
    let mut owners = open(store).unwrap_or_else(|error| panic!("{case}: {error}"));
    let size = owners.log.size();
    store.crash();
    let again = open(store).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(again.log.size(), size, "{case}: what was accepted was not durable");
    assert!(size >= told.acked, "{case}: {} were durable and {size} came back", told.acked);
    assert_eq!(owners.log.root(), roots[usize::try_from(size).unwrap()], "{case}");
    owners.for_each_entry(expect_leaf).unwrap_or_else(|error| panic!("{case}: {error}"));
    for (shown, root) in &told.shown {
        assert_eq!(*root, roots[usize::try_from(*shown).unwrap()], "{case}: two roots of size {shown}");
        assert!(owners.publisher.published() >= *shown, "{case}: the checkpoint went back");
    }
    let audited = check(&**store).unwrap_or_else(|fault| panic!("{case}: {fault}"));
    assert_eq!(audited.entries, size, "{case}");
    let signer = Signer::generate(ORIGIN, [1; 32]).unwrap();
    owners.publisher.publish(&signer).unwrap_or_else(|error| panic!("{case}: {error}"));
    let audited = check(&**store).unwrap_or_else(|fault| panic!("{case}, then published: {fault}"));
    assert_eq!(audited.checkpoint.map_or(0, |head| head.size), size, "{case}");
    let partials = store.list("").unwrap().into_iter().filter(|path| path.contains(".p/")).count();
    assert!(partials <= 4, "{case}: stale partial tiles stay");
}

#[test]
fn no_fault_of_the_store_loses_what_was_told() {
    let roots = roots(2000);
    let whole = Arc::new(Faulty::new(memory(), u64::MAX, Fault::Fails));
    work(&whole, &mut Told::default()).unwrap();
    let calls = whole.calls();
    assert!(calls > 100, "{calls}");
    assert_eq!(whole.made(), WRITING, "every writing call is made");
    for fault in [Fault::Fails, Fault::FailsButPersisted, Fault::Torn, Fault::Full] {
        for at in 0..calls {
            for crash in [false, true] {
                let case = format!("{fault:?} at call {at}, power cut {crash}");
                let inner = memory();
                let store = Arc::new(Faulty::new(Arc::clone(&inner), at, fault));
                let mut told = Told::default();
                assert!(work(&store, &mut told).is_err(), "{case}: nobody noticed");
                if crash {
                    inner.crash();
                }
                check_after(&inner, &told, &roots, &case);
            }
        }
    }
}

/// The writing calls of a store. What `create_all` does is one `create` after the other here.
const WRITING: [&str; 8] = [
    "create",
    "make_durable",
    "remove",
    "replace",
    "segment_create",
    "segment_remove",
    "segment_sync",
    "segment_write",
];

#[test]
fn an_error_is_final_for_the_owner_that_met_it() {
    let inner = memory();
    Writer::open(&inner).write(&[1]).unwrap();
    // Opening takes calls 0 and 1; call 3 is the sync of the first write.
    let store = Arc::new(Faulty::new(Arc::clone(&inner), 3, Fault::FailsButPersisted));
    let mut writer = Writer::open(&store);
    assert!(matches!(writer.write(&[1]), Err(StoreError::Io { .. })));
    assert!(matches!(writer.owners.journal.write(&[]), Err(StoreError::Poisoned)));
    assert!(matches!(writer.owners.journal.make_spare(), Err(StoreError::Poisoned)));
    assert!(matches!(writer.owners.journal.retire(0), Err(StoreError::Poisoned)));
    // Call 2 and 3 are the journal's; call 4 is the publisher's first.
    let store = Arc::new(Faulty::new(Arc::clone(&inner), 4, Fault::Fails));
    let mut writer = Writer::open(&store);
    writer.write(&[1]).unwrap();
    assert!(matches!(writer.publish(), Err(StoreError::Io { .. })));
    assert!(matches!(writer.publish(), Err(StoreError::Poisoned)));
}

/// A record with `synced` durable groups and then one write of several groups that is not yet synced.
fn unsynced(synced: &[u64], groups: &[u64]) -> (Arc<Memory>, u64) {
    let inner = memory();
    let mut writer = Writer::open(&inner);
    for length in synced {
        writer.write(&[*length]).unwrap();
    }
    let durable = writer.acked;
    drop(writer);
    // Opening takes calls 0 and 1, the write call 2, the sync call 3.
    let store = Arc::new(Faulty::new(Arc::clone(&inner), 3, Fault::Fails));
    let mut writer = Writer::open(&store);
    writer.write(groups).unwrap_err();
    (inner, durable)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn any_subset_of_sectors_of_a_cut_write_is_a_torn_tail(kept in proptest::collection::vec(any::<bool>(), 64), lengths in proptest::collection::vec(1_u64..12, 1..6)) {
        let (store, durable) = unsynced(&[5, 1, 9], &lengths);
        store.crash_keeping(|_, sector| kept[sector % 64]);
        let told = Told { acked: durable, shown: Vec::new() };
        let before = store.snapshot();
        let torn = open(&store).unwrap().torn;
        let size = durable + lengths.iter().sum::<u64>();
        let recovered = open(&store).unwrap();
        prop_assert!(recovered.log.size() >= durable && recovered.log.size() <= size);
        prop_assert_eq!(&recovered.torn, &None, "a torn tail is mended once");
        if let Some(torn) = torn {
            let segment = &before["journal/00000000"];
            let offset = usize::try_from(torn.offset).unwrap();
            prop_assert_eq!(&segment[offset..offset + torn.bytes.len()], torn.bytes.as_slice());
            prop_assert!(segment[offset + torn.bytes.len()..].iter().all(|byte| *byte == 0));
        }
        check_after(&store, &told, &roots(100), "a cut write");
    }
}

#[test]
fn every_length_of_a_cut_write_is_a_torn_tail() {
    let (store, durable) = unsynced(&[2], &[2, 1]);
    let segment = store.snapshot()["journal/00000000"].clone();
    store.crash();
    let start = store.snapshot()["journal/00000000"].iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let end = segment.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for cut in start..=end {
        let mut torn = segment.clone();
        torn[cut..].fill(0);
        store.tamper("journal/00000000", &torn);
        let owners = open(&store).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert!(owners.log.size() >= durable);
        assert_eq!(owners.log.size() == durable + 3, cut == end, "cut at {cut}");
        check(&*store).unwrap_or_else(|fault| panic!("cut at {cut}: {fault}"));
    }
}

#[test]
fn a_second_crash_while_a_torn_tail_is_mended_loses_nothing() {
    for at in 0..2 {
        let (inner, durable) = unsynced(&[5, 1], &[3, 4]);
        inner.crash_keeping(|_, sector| sector % 2 == 0);
        let store = Arc::new(Faulty::new(Arc::clone(&inner), at, Fault::Torn));
        assert!(matches!(open(&store), Err(LoadError::Store(_))));
        inner.crash_keeping(|_, sector| sector % 3 == 0);
        check_after(&inner, &Told { acked: durable, shown: Vec::new() }, &roots(100), "a second crash");
    }
}

/// A record of 700 entries, 300 of them published, over a store whose call number `at` meets a full disk; and how many calls
/// there were.
fn growing(at: u64) -> (Arc<Memory>, Writer<Faulty<Arc<Memory>>>, u64) {
    let inner = memory();
    let mut writer = Writer::open(&inner);
    writer.write(&[300]).unwrap();
    writer.publish().unwrap();
    drop(writer);
    let store = Arc::new(Faulty::new(Arc::clone(&inner), at, Fault::Full));
    let mut writer = Writer::open(&store);
    writer.write(&[400]).unwrap();
    (inner, writer, store.calls())
}

#[test]
fn a_publication_that_met_a_full_disk_is_made_when_there_is_room() {
    let roots = roots(2000);
    let (.., begins) = growing(u64::MAX);
    for at in begins.. {
        let case = format!("full at call {at}");
        let (inner, mut writer, _) = growing(at);
        let publish = |writer: &mut Writer<_>| writer.owners.publisher.publish(&signer());
        match publish(&mut writer) {
            Err(StoreError::Full { .. }) => {}
            Err(error) => panic!("{case}: {error}"),
            Ok(_) => {
                assert!(at > begins + 8, "{at}");
                break;
            }
        }
        check(&*inner).unwrap_or_else(|fault| panic!("{case}: {fault}"));
        writer.write(&[5]).unwrap_or_else(|error| panic!("{case}, the journal goes on: {error}"));
        let signed = publish(&mut writer).unwrap_or_else(|error| panic!("{case}, asked again: {error}"));
        let head = Checkpoint::open(&signed.unwrap(), &verifier()).unwrap();
        assert_eq!((head.size, head.root), (705, roots[705]), "{case}");
        let audited = check(&*inner).unwrap_or_else(|fault| panic!("{case}, published: {fault}"));
        assert_eq!(audited.checkpoint.map(|head| head.size), Some(705), "{case}");
        writer.owners.journal.retire(writer.owners.publisher.durable_bundles()).unwrap();
        check_after(&inner, &Told { acked: 705, shown: vec![(705, head.root)] }, &roots, &case);
    }
}

#[test]
fn a_killed_publication_audits_as_it_lies() {
    let roots = roots(2000);
    let inner = memory();
    let counted = Arc::new(Faulty::new(Arc::clone(&inner), u64::MAX, Fault::Fails));
    let mut writer = Writer::open(&counted);
    writer.write(&[700]).unwrap();
    writer.publish().unwrap();
    writer.write(&[400]).unwrap();
    drop(writer);
    let before: BTreeMap<String, Vec<u8>> = inner.snapshot();
    // Opening takes calls 0 to 2: the tail, and the checkpoint.
    for at in 3.. {
        let store = Arc::new(Memory::new());
        before.iter().for_each(|(path, bytes)| store.tamper(path, bytes));
        let faulty = Arc::new(Faulty::new(Arc::clone(&store), at, Fault::Fails));
        let mut writer = Writer::open(&faulty);
        let published = writer.publish();
        let audited = check(&*store).unwrap_or_else(|fault| panic!("killed at {at}: {fault}"));
        assert_eq!(audited.root, roots[1100]);
        if published.is_ok() {
            assert!(at > 10, "{at}");
            break;
        }
        check_after(&store, &Told { acked: 1100, shown: Vec::new() }, &roots, "a killed publication");
    }
}
