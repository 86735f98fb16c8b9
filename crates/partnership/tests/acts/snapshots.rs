//! A state that is written down and read back is the state, whatever it holds and wherever the record is cut; what was changed in
//! between is refused.

use super::*;
use partnership::entry::StateDigest;
use partnership::state::{Library, Snapshot, SnapshotError};
use record::Leaf;

/// Where a record is cut at most, besides at its digests.
const CUTS: usize = 60;

/// Cuts a record at each of its digests, and with a digest of its own at many other places; the fold that goes on from the
/// snapshot there must hold all that the fold from the first entry holds.
pub(super) fn check(leaves: &[Leaf], documents: Vec<Terms>) {
    let library: Library = documents.into_iter().map(|terms| (terms.digest(), Arc::new(terms))).collect();
    let entries: Vec<Entry> =
        leaves.iter().map(|leaf| Entry::decode(&leaf.envelope, &leaf.parties).unwrap()).collect();
    let mut state = State::over(library.clone());
    let every = (entries.len() / CUTS).max(1);
    for (place, (index, entry)) in (0..).zip(&entries).enumerate() {
        state.apply(entry, index).unwrap();
        let rest = entries.get(place + 1..).unwrap();
        if matches!(entry.body, Body::StateDigest(_)) {
            check_cut(state.clone(), rest, &library);
        } else if place % every == 0 {
            let mut cut = state.clone();
            let body = Body::StateDigest(StateDigest { at: cut.at(), digest: cut.digest() });
            let digest = Entry::new(&[3; 32], cut.at(), body);
            // No entry stands between the decision and the settlement of an act that is done at once.
            if cut.apply(&digest, index + 1).is_ok() {
                check_cut(cut, rest, &library);
            }
        }
    }
}

fn check_cut(mut cut: State, rest: &[Entry], library: &Library) {
    let origin = cut.origin().to_owned();
    let bytes = Snapshot::of(cut.clone(), [4; 32]).unwrap().encode();
    let read = Snapshot::decode(&bytes, &origin, library).unwrap();
    assert_eq!(read.size(), cut.entries());
    assert_eq!(String::from_utf8_lossy(&read.encode()), String::from_utf8_lossy(&bytes));
    let mut restored = read.into_state();
    assert_eq!(format!("{restored:?}"), format!("{cut:?}"));
    for entry in rest {
        let index = cut.entries();
        let (one, other) = (cut.apply(entry, index), restored.apply(entry, index));
        assert_eq!(one, other);
    }
    assert_eq!(format!("{restored:?}"), format!("{cut:?}"));
}

/// A state at a digest, with much in it: open calls, what waits, a budget, a tally, a lease.
fn busy() -> (State, Library) {
    let mut house = House::founded().with_application();
    let caps =
        partnership::lease::Caps { calls: 3, amounts: [("CREDIT".into(), ledger::Amount::new(7))].into() };
    house.partnership.lend(caps);
    for _ in 0..3 {
        assert!(matches!(house.call(50), Decision::Allow(_)));
    }
    let digest = Terms::read(AMENDMENT).unwrap().digest();
    house.by("halcyon", Deed::Amend(Amend { version: 2, digest }));
    let refused = partnership::entry::Refused { key: KeyId::from("k1"), count: 17 };
    house.run(Command::Tally(vec![refused]));
    let library = house.documents().into_iter().map(|terms| (terms.digest(), Arc::new(terms))).collect();
    let mut state = house.replayed();
    let body = Body::StateDigest(StateDigest { at: state.at(), digest: state.digest() });
    state.apply(&Entry::new(&[3; 32], state.at(), body), state.entries()).unwrap();
    (state, library)
}

/// The bytes with a right digest at their end.
fn summed(text: &str) -> Vec<u8> {
    let sum = record::hash::hex(&record::hash::sha256(text.as_bytes()));
    format!("{text}{sum}\n").into_bytes()
}

#[test]
fn a_snapshot_with_one_changed_bit_or_cut_short_is_damaged() {
    let (state, library) = busy();
    let bytes = Snapshot::of(state, [4; 32]).unwrap().encode();
    let read = |bytes: &[u8]| Snapshot::decode(bytes, ORIGIN, &library).map(drop);
    assert_eq!(read(&bytes), Ok(()));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        assert_eq!(read(&changed), Err(SnapshotError::Damaged), "byte {at}");
        assert_eq!(read(&bytes[..at]), Err(SnapshotError::Damaged), "cut at {at}");
    }
}

#[test]
fn a_forged_snapshot_with_a_right_digest_is_found_where_anything_speaks_against_it() {
    let (state, library) = busy();
    let bytes = Snapshot::of(state, [4; 32]).unwrap().encode();
    let whole = String::from_utf8(bytes.clone()).unwrap();
    let body = &whole[..whole.len() - 65];
    assert_eq!(summed(body), bytes, "the last line is the digest of those before it");
    let read = |text: &str| Snapshot::decode(&summed(text), ORIGIN, &library).map(drop);
    let forged = |from: &str, to: &str| {
        assert!(body.contains(from), "`{from}` is in {body}");
        read(&body.replacen(from, to, 1)).unwrap_err().to_string()
    };
    for (from, to, said) in [
        ("\"snapshot\":\"", "\"snapshot\":\"10", "format 10"),
        ("\"fold\":\"1\"", "\"fold\":\"9\"", "and fold 9"),
        (ORIGIN, "another.test/record", "of the record `another.test/record`"),
        ("\"debits_pending\":\"0\"", "\"debits_pending\":\"1\"", "books do not add up"),
        ("\"credits_posted\":\"0\"", "\"credits_posted\":\"1\"", "books do not add up"),
        ("\"digested\":\"", "\"digested\":\"1", "two lines differ"),
        ("\"state\":\"allowed\"", "\"state\":\"granted\"", "no word of ours"),
        ("\"suspended\":[]", "\"suspended\":[\"b\",\"a\"]", "not in order"),
        ("\"epoch\":\"", "\"epoch\":\"0", "not canonical"),
        ("\"recent\":", "\"more\":[],\"recent\":", "unknown field"),
    ] {
        let error = forged(from, to);
        assert!(error.contains(said), "{from} to {to}: {error}");
    }
    assert!(read(&format!("{body}\n")).unwrap_err().to_string().contains("three lines"));
    let nothing = Library::new();
    let unknown = Snapshot::decode(&bytes, ORIGIN, &nothing).unwrap_err();
    assert!(matches!(unknown, SnapshotError::NoMemorandum(_)), "{unknown}");
    // An account that nobody moved anything on: the books add up, and the digest is another.
    let account = "{\"id\":\"credit:nobody:spent\",\"asset\":\"CREDIT\",\"debits_posted\":\"0\",\"credits_posted\":\"0\",\"debits_pending\":\"0\",\"credits_pending\":\"0\"},";
    let error = forged("\"accounts\":[", &format!("\"accounts\":[{account}"));
    assert!(error.contains("another digest"), "{error}");
}

#[test]
fn a_snapshot_stands_at_its_own_entry_under_its_own_root_and_nowhere_else() {
    let (state, _) = busy();
    let (at, digest) = (state.at(), state.digest());
    let leaf = |at, digest| Entry::new(&[3; 32], at, Body::StateDigest(StateDigest { at, digest })).encode();
    let snapshot = Snapshot::of(state, [4; 32]).unwrap();
    assert_eq!(snapshot.stands_at(&[4; 32], &leaf(at, digest)), Ok(()));
    let elsewhere = Err(SnapshotError::Elsewhere);
    assert_eq!(snapshot.stands_at(&[5; 32], &leaf(at, digest)), elsewhere, "another tree");
    assert_eq!(snapshot.stands_at(&[4; 32], &leaf(at, Digest([1; 32]))), elsewhere, "another digest");
    assert_eq!(snapshot.stands_at(&[4; 32], &leaf(at.plus_millis(1), digest)), elsewhere, "another time");
    let tally = partnership::entry::Tally { at, refused: Vec::new() };
    let other = Entry::new(&[3; 32], at, Body::Tally(tally)).encode();
    assert_eq!(snapshot.stands_at(&[4; 32], &other), elsewhere, "an entry of another kind");
}

#[test]
fn a_snapshot_is_taken_of_what_a_digest_says_and_of_nothing_after_it() {
    let mut house = House::founded().with_application();
    house.partnership.take_snapshots(2_000, 0);
    let mut taken = Vec::new();
    for _ in 0..1_600 {
        // One turn with much after the digest.
        if let Decision::Allow(warrant) = house.call(50) {
            let calls = vec![Command::Settle(warrant, used(1, 1)), Command::Tick, Command::Tally(Vec::new())];
            house.partnership.turn(house.at, &mut house.entropy, calls).unwrap();
            house.seal();
        }
        taken.extend(house.partnership.snapshot());
    }
    let sizes: Vec<u64> = taken.iter().map(Snapshot::size).collect();
    assert_eq!(sizes.len(), 2, "one in two thousand entries and at a digest: {sizes:?}");
    let mut state =
        State::over(house.documents().into_iter().map(|terms| (terms.digest(), Arc::new(terms))).collect());
    let mut taken = taken.into_iter().peekable();
    for (index, leaf) in (0..).zip(&house.leaves) {
        state.apply(&Entry::decode(&leaf.envelope, &leaf.parties).unwrap(), index).unwrap();
        if let Some(snapshot) = taken.next_if(|snapshot| snapshot.size() == state.entries()) {
            assert_eq!(format!("{:?}", snapshot.into_state()), format!("{state:?}"));
        }
    }
    assert!(taken.next().is_none());
}
