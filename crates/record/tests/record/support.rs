//! Entries as the partnership writes them, and a writer that keeps the order of the three owners.

use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use record::commitment::{Draft, Salts};
use record::hash::sha256;
use record::note::{Signer, Verifier};
use record::store::memory::Memory;
use record::{Audited, Checkpoint, Envelope, Fault, Leaf, LoadError, Loaded, Store, StoreError, audit, load};

pub(crate) const ORIGIN: &str = "northwind.example/record";
pub(crate) const SEGMENT: u32 = record::log::SEGMENT_BYTES_MIN;

pub(crate) fn signer() -> Signer {
    Signer::generate(ORIGIN, [1; 32]).unwrap()
}

pub(crate) fn verifier() -> Verifier {
    signer().verifier()
}

/// Entry `number`: `padding` makes it long.
pub(crate) fn leaf_of(number: u64, padding: usize) -> Leaf {
    let note = "x".repeat(padding);
    let mut draft = Draft::new(Salts::derive(&sha256(&number.to_be_bytes()), 3));
    let values = [
        ("act", format!("\"{number}\"")),
        ("to", r#"{"party":"halcyon"}"#.into()),
        ("note", format!("\"{note}\"")),
    ];
    for (name, value) in values {
        draft.field(name, |to| to.write_all(value.as_bytes())).unwrap();
    }
    let (parties, body) = draft.finish();
    let envelope = Envelope { fold: 1, kind: "decided", hour: "2026-11-22T23Z", body }.encode();
    Leaf { envelope, parties }
}

pub(crate) fn leaf(number: u64) -> Leaf {
    static LEAVES: OnceLock<Vec<Leaf>> = OnceLock::new();
    let padded = |number| leaf_of(number, usize::try_from(number % 7).unwrap() * 20);
    let leaves = LEAVES.get_or_init(|| (0..2000).map(padded).collect());
    leaves.get(usize::try_from(number).unwrap()).cloned().unwrap_or_else(|| padded(number))
}

pub(crate) fn open<S: Store + ?Sized>(store: &Arc<S>) -> Result<Loaded<S>, LoadError> {
    load(Arc::clone(store), ORIGIN, SEGMENT, &verifier())
}

/// Audits, and checks on the way that the entries are the first ones of [`leaf`].
pub(crate) fn check<S: Store + ?Sized>(store: &S) -> Result<Audited, Fault> {
    audit(store, ORIGIN, &verifier(), expect_leaf)
}

pub(crate) fn expect_leaf(index: u64, envelope: &[u8], parties: &[u8]) -> Result<(), String> {
    let leaf = leaf(index);
    if leaf.envelope == envelope && leaf.parties == parties { Ok(()) } else { Err("another entry".into()) }
}

pub(crate) fn put_vkeys<S: Store + ?Sized>(store: &S) {
    let party = Signer::generate(&format!("{ORIGIN}/halcyon/w1"), [2; 32]).unwrap();
    let vkeys = format!("{}\n{}\n", verifier().vkey(), party.verifier().vkey());
    store.create("vkeys", vkeys.as_bytes()).unwrap();
}

/// A memory store with the files that others write.
pub(crate) fn memory() -> Arc<Memory> {
    let store = Memory::new();
    put_documents(&store);
    Arc::new(store)
}

/// Puts there what others write.
pub(crate) fn put_documents<S: Store + ?Sized>(store: &S) {
    put_vkeys(store);
    let text = b"a memorandum";
    store.create(&format!("memorandum/{}", record::hash::hex(&sha256(text))), text).unwrap();
}

/// The three owners in one thread, and what they told the outside.
pub(crate) struct Writer<S: ?Sized> {
    pub(crate) owners: Loaded<S>,
    /// Entries below were told to be durable.
    pub(crate) acked: u64,
    /// Every checkpoint that was shown.
    pub(crate) shown: Vec<Checkpoint>,
}

impl<S: Store + ?Sized> Writer<S> {
    pub(crate) fn open(store: &Arc<S>) -> Self {
        Self { owners: open(store).unwrap(), acked: 0, shown: Vec::new() }
    }

    /// Appends groups of the given lengths and makes them durable in one write; gives them to the publisher.
    pub(crate) fn write(&mut self, lengths: &[u64]) -> Result<(), StoreError> {
        self.write_padded(lengths, None)
    }

    pub(crate) fn write_padded(&mut self, lengths: &[u64], padding: Option<usize>) -> Result<(), StoreError> {
        let mut groups = Vec::new();
        for length in lengths {
            for _ in 0..*length {
                let number = self.owners.log.size();
                let made = padding.map_or_else(|| leaf(number), |padding| leaf_of(number, padding));
                assert_eq!(self.owners.log.append(made).unwrap(), number);
            }
            groups.extend(self.owners.log.seal());
        }
        self.acked = self.owners.journal.write(&groups)?;
        assert_eq!(self.acked, self.owners.log.size());
        groups.into_iter().for_each(|group| self.owners.publisher.absorb(group));
        Ok(())
    }

    pub(crate) fn publish(&mut self) -> Result<(), StoreError> {
        if let Some(signed) = self.owners.publisher.publish(&signer())? {
            self.shown.push(Checkpoint::open(&signed, &verifier()).unwrap());
        }
        self.owners.journal.retire(self.owners.publisher.durable_bundles())
    }
}

/// The roots of the first `size` trees of [`leaf`]s; `roots(n)[s]` is that of size `s`.
pub(crate) fn roots(size: u64) -> Vec<record::Hash> {
    let mut frontier = record::merkle::Frontier::new();
    let mut roots = vec![frontier.root()];
    for number in 0..size {
        frontier.append(record::hash::leaf_hash(&leaf(number).envelope));
        roots.push(frontier.root());
    }
    roots
}

/// Audits whatever entries there are.
pub(crate) fn audit_any<S: Store + ?Sized>(store: &S) -> Result<Audited, Fault> {
    audit(store, ORIGIN, &verifier(), |_, _, _| Ok(()))
}
