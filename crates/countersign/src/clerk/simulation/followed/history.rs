//! What an honest operator has written, what a liar makes of it, and how either is published.

use super::super::life::Life;
use super::super::oracle::Oracle;
use super::super::place::{self, MEMORANDUM, ORIGIN};
use partnership::entry::{Body, Entry};
use partnership::ids::Timestamp;
use record::store::chance::Chance;
use record::store::memory::Memory;
use record::store::simulated::Disk;
use record::{Leaf, Store, load};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Two histories of one beginning, either of which an honest operator could have written.
pub(super) struct Histories {
    pub(super) one: Vec<Leaf>,
    pub(super) other: Vec<Leaf>,
    pub(super) at: Timestamp,
}

impl Histories {
    /// Lets an operator live to some point, and from there on twice.
    pub(super) fn live(chance: &mut Chance) -> Self {
        let now: Timestamp = "2026-11-22T23:00:00Z".parse().unwrap();
        let disk = Disk::new(chance.number());
        let (begun, at) = lived(&disk, None, now, (chance, 60));
        let fork = || disk.now().kill(&mut Chance::new(0));
        let (first, second) = (fork(), fork());
        let more = 40 + chance.below(160);
        let (one, later) = lived(&first, Some(&begun), at, (chance, more));
        let (other, _) = lived(&second, Some(&begun), at.plus_millis(7), (chance, more));
        Self { one: one.leaves().to_vec(), other: other.leaves().to_vec(), at: later }
    }
}

/// What is known of the disk after an operator has lived on it, and when that was.
fn lived(
    disk: &Disk,
    before: Option<&Oracle>,
    mut now: Timestamp,
    (chance, steps): (&mut Chance, u64),
) -> (Oracle, Timestamp) {
    let oracle = Arc::new(Mutex::new(Oracle::new(now, chance.fork())));
    if let Some(before) = before {
        oracle.lock().unwrap().told.keys.clone_from(&before.told.keys);
    }
    let opened = place::open(disk, None, now, place::seed(chance)).unwrap();
    oracle.lock().unwrap().reopened(disk);
    let mut life = Life::new(disk.clone(), opened, Arc::clone(&oracle), (chance, &mut now, None));
    if before.is_none() {
        life.register();
    }
    life.live(steps);
    life.end_well();
    drop(life);
    let empty = Oracle::new(now, chance.fork());
    let known = std::mem::replace(&mut *oracle.lock().unwrap(), empty);
    assert_eq!(known.found, None);
    (known, now)
}

/// The entries of a history, to be changed.
pub(super) fn entries(leaves: &[Leaf]) -> Vec<Entry> {
    leaves.iter().map(|leaf| Entry::decode(&leaf.envelope, &leaf.parties).unwrap()).collect()
}

/// The entries as an operator that lies would write them: each settlement names where its decision stands now.
pub(super) fn told(entries: Vec<Entry>) -> Vec<Leaf> {
    let mut decided = BTreeMap::new();
    let mut leaves = Vec::new();
    for (index, mut entry) in (0..).zip(entries) {
        match &mut entry.body {
            Body::Decided(decision) => drop(decided.insert(decision.act.id, index)),
            Body::Settled(settled) => {
                settled.decided = decided.get(&settled.act).copied().unwrap_or(settled.decided);
            }
            _ => {}
        }
        leaves.push(entry.encode());
    }
    leaves
}

/// The files that an operator with the log's key publishes of these entries.
pub(super) fn published(leaves: &[Leaf]) -> Arc<Memory> {
    let store = Arc::new(Memory::new());
    let keys = ["north", "south"].map(|name| format!("{}\n", place::party(name).verifier()));
    let vkeys = format!("{}\n{}", place::log().verifier(), keys.concat());
    store.create("vkeys", vkeys.as_bytes()).unwrap();
    store.create(&format!("memorandum/{}", place::digest().hex()), MEMORANDUM.as_bytes()).unwrap();
    let mut loaded = load(Arc::clone(&store), ORIGIN, 1 << 20, &place::log().verifier()).unwrap();
    for leaf in leaves {
        loaded.log.append(leaf.clone()).unwrap();
    }
    let groups: Vec<_> = loaded.log.seal().into_iter().collect();
    loaded.journal.write(&groups).unwrap();
    groups.into_iter().for_each(|group| loaded.publisher.absorb(group));
    loaded.publisher.publish(place::log()).unwrap();
    store
}
