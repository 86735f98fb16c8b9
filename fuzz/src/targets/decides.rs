//! The parsers of `partnership`, and what follows at once on them: an entry is judged and folded as a replay does.

use super::scene::{LEAVES, LIBRARY, ORIGIN, STATES, leaf_of};
use partnership::Terms;
use partnership::entry::Entry;
use partnership::memorandum::{Diagnostic, Memorandum, Signatures, explain};
use partnership::state::Snapshot;
use record::hash::{hex, sha256};
use replay::Replay;
use std::collections::BTreeMap;

/// An entry has one spelling, and what the replay reads, the clerk reads as well; wherever in the record it stands, it is refused or
/// leaves books that add up, and what the clerk's own rules let in, the replay lets in with the same balances.
pub(super) fn entry(input: &[u8]) {
    let Some((index, leaf)) = leaf_of(input) else { return };
    let read = Entry::decode(&leaf.envelope, &leaf.parties);
    let Some(before) = STATES.get(index) else { return };
    let mut replay = replayed(index);
    let replays = replay.entry(&leaf.envelope, &leaf.parties);
    let Ok(entry) = read else {
        assert!(replays.is_err(), "the replay reads what is not an entry: {read:?}");
        return;
    };
    let written = entry.encode();
    assert_eq!(written.parties, leaf.parties);
    assert_eq!(Entry::decode(&written.envelope, &written.parties).as_ref(), Ok(&entry));
    let mut state = before.clone();
    let just = state.check(&entry).is_ok();
    if state.apply(&entry, index as u64).is_err() {
        return;
    }
    let agrees = ledger::trial_balance(state.book()).into_values().all(|row| row.agrees());
    assert!(agrees, "the books do not add up");
    if just {
        assert!(replays.is_ok(), "the replay refuses what is just: {replays:?}");
        assert_eq!(replay.digest(), state.digest().0, "the replay has other balances");
    }
}

/// The replay of the first entries.
fn replayed(count: usize) -> Replay {
    let mut replay = Replay::new();
    for leaf in LEAVES.iter().take(count) {
        let taken = replay.entry(&leaf.envelope, &leaf.parties);
        assert!(taken.is_ok(), "a real entry is refused: {taken:?}");
    }
    replay
}

/// A snapshot is refused, or it is written and read again as the same state. The input has no sum; it is put to it.
pub(super) fn snapshot(input: &[u8]) {
    let mut bytes = input.to_vec();
    bytes.extend_from_slice(format!("{}\n", hex(&sha256(input))).as_bytes());
    let Ok(read) = Snapshot::decode(&bytes, ORIGIN, &LIBRARY) else { return };
    let written = read.encode();
    let again =
        Snapshot::decode(&written, ORIGIN, &LIBRARY).unwrap_or_else(|error| panic!("not again: {error}"));
    assert_eq!(again.encode(), written);
    let (state, again) = (read.into_state(), again.into_state());
    assert_eq!((state.digest(), state.origin()), (again.digest(), again.origin()));
    assert!(
        ledger::trial_balance(state.book()).into_values().all(|row| row.agrees()),
        "the books do not add up"
    );
}

/// A memorandum is read, and can be explained, or its faults lie within it.
pub(super) fn memorandum(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Err(faults) = Memorandum::parse(text) {
        within(text, &faults);
    }
    match Terms::read(text) {
        Ok(terms) => {
            let memorandum = terms.memorandum();
            assert_eq!((&*memorandum.text, memorandum.digest), (text, sha256(input)));
            for clause in &memorandum.clauses {
                let _ = explain(&memorandum.header, clause);
                assert_eq!(memorandum.clause(&clause.id), Some(clause), "two clauses of one id");
            }
            let _ = (terms.amenders(), terms.operator(), terms.tranches().count());
        }
        Err(faults) => within(text, &faults),
    }
}

fn within(text: &str, faults: &[Diagnostic]) {
    assert!(!faults.is_empty(), "refused without a fault");
    for fault in faults {
        let spans = fault.related.iter().map(|(span, _)| span).chain([&fault.span]);
        for span in spans {
            assert!(text.get(span.clone()).is_some(), "`{}` at {span:?} of {}", fault.code, text.len());
        }
        let (line, column) = fault.position(text);
        assert!(line >= 1 && column >= 1 && !fault.message.is_empty());
    }
}

/// Signatures are written as they were read, and nobody has signed by them who has not.
pub(super) fn signatures(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(read) = Signatures::parse(text) else { return };
    let again = Signatures::parse(&read.render()).unwrap_or_else(|error| panic!("not again: {error}"));
    assert_eq!(again, read);
    for terms in LIBRARY.values() {
        let memorandum = terms.memorandum();
        for party in read.signatories(memorandum, &BTreeMap::new()).unwrap_or_default() {
            let holds = read.signatures.iter().any(|one| one.party == party && one.holds(&memorandum.digest));
            assert!(holds, "`{party}` has not signed");
        }
    }
}
