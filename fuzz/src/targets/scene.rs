//! What targets share: the kept entries of a real record, that record under a key of ours, and its state after each entry.
//!
//! Not a second implementation of anything: it is made by the product's own code, from files whose answers its tests know.

use crate::corpus;
use partnership::Terms;
use partnership::act::Digest;
use partnership::entry::Entry;
use partnership::state::{Library, State};
use record::Leaf;
use record::Store as _;
use record::note::{Signer, Verifier};
use record::store::memory::Memory;
use std::sync::{Arc, LazyLock};

/// The log that the kept entries are of.
pub(crate) const ORIGIN: &str = "northwind-halcyon.example/record";

/// What is signed here is signed by this key. It is nobody's.
pub(crate) static SIGNER: LazyLock<Signer> =
    LazyLock::new(|| Signer::generate(ORIGIN, [7; 32]).unwrap_or_else(|error| panic!("{error}")));

/// Its public half.
pub(crate) static LOG: LazyLock<Verifier> = LazyLock::new(|| SIGNER.verifier());

/// The entries of the real record, in their order.
pub(crate) static LEAVES: LazyLock<Vec<Leaf>> = LazyLock::new(|| {
    let kept = corpus::real("entry").unwrap_or_else(|error| panic!("{error:#}"));
    kept.iter().filter_map(|input| Some(leaf_of(input)?.1)).collect()
});

/// The memoranda that the real record names.
pub(crate) static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let read = |text: &str| Terms::read(text).unwrap_or_else(|faults| panic!("{faults:?}"));
    let both = [
        read(include_str!("../../../examples/northwind-halcyon/memorandum.md")),
        read(include_str!("../../../examples/northwind-halcyon/amendment-2.md")),
    ];
    both.into_iter()
        .map(|terms| (terms.digest(), Arc::new(terms)))
        .collect::<std::collections::BTreeMap<Digest, _>>()
});

/// The state before each of the entries, and after the last.
pub(crate) static STATES: LazyLock<Vec<State>> = LazyLock::new(|| {
    let mut states = vec![State::over(LIBRARY.clone())];
    for (index, leaf) in (0..).zip(LEAVES.iter()) {
        let entry = Entry::decode(&leaf.envelope, &leaf.parties)
            .unwrap_or_else(|error| panic!("entry {index}: {error}"));
        let mut state = states[states.len() - 1].clone();
        state.check(&entry).unwrap_or_else(|error| panic!("entry {index}: {error}"));
        state.apply(&entry, index).unwrap_or_else(|error| panic!("entry {index}: {error}"));
        states.push(state);
    }
    states
});

/// A published record of the first `count` of the entries.
pub(crate) fn record(count: usize) -> Arc<Memory> {
    let store = Arc::new(Memory::new());
    let keys = format!("{}\n", LOG.vkey());
    store.replace("vkeys", keys.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let mut record = record::load(Arc::clone(&store), ORIGIN, SEGMENT_BYTES, &LOG)
        .unwrap_or_else(|error| panic!("{error}"));
    for leaf in LEAVES.iter().take(count) {
        record.log.append(leaf.clone()).unwrap_or_else(|error| panic!("{error}"));
        let group = Vec::from_iter(record.log.seal());
        record.journal.write(&group).unwrap_or_else(|error| panic!("{error}"));
        group.into_iter().for_each(|group| record.publisher.absorb(group));
    }
    record.publisher.publish(&SIGNER).unwrap_or_else(|error| panic!("{error}"));
    store
}

/// An entry as the target `entry` reads it: its place in the record, its envelope, and the parties' part.
pub(crate) fn leaf_of(input: &[u8]) -> Option<(usize, Leaf)> {
    let (index, rest) = line(input)?;
    let (envelope, parties) = line(rest)?;
    let index = str::from_utf8(index).ok()?.parse().ok()?;
    Some((index, Leaf { envelope: envelope.to_vec(), parties: parties.to_vec() }))
}

/// The first line without its end, and what follows.
pub(crate) fn line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    Some((&input[..end], &input[end + 1..]))
}

/// The smallest journal that is allowed. Units: bytes.
pub(crate) const SEGMENT_BYTES: u32 = record::log::SEGMENT_BYTES_MIN;
