//! A witness that is asked by a log that forks, over stores and disks that fail: what it has cosigned stays one history.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use record::cosignature::Cosigner;
use record::hash::sha256_of;
use record::merkle::{consistency_proof, root};
use record::store::chance::Chance;
use record::store::directory::Directory;
use record::store::faulty::{Fault, Faulty};
use record::store::memory::Memory;
use record::store::simulated::{self, Disk};
use record::witness::{Kept, Latest, Refused};
use record::{AddCheckpoint, Checkpoint, Cosigned, Hash, Store, StoreError, Witness};

use crate::support::{ORIGIN, Writer, memory, roots, signer, verifier};

fn cosigner() -> Cosigner {
    Cosigner::generate(&format!("{ORIGIN}/halcyon/w1"), [2; 32]).unwrap()
}

fn witness<L: Latest>(latest: L) -> Witness<L> {
    Witness::new(latest, cosigner(), [verifier()])
}

/// A history of the log: its leaves, all of them.
#[derive(Debug, Clone)]
struct Branch(Vec<Hash>);

impl Branch {
    fn main(size: u64) -> Self {
        Self::forked(size, size, 0)
    }

    /// As the main one up to `fork`, and its own from there.
    fn forked(size: u64, fork: u64, branch: u8) -> Self {
        let leaf = |index: u64| sha256_of(&[&index.to_be_bytes(), &[if index < fork { 0 } else { branch }]]);
        Self((0..size).map(leaf).collect())
    }

    fn at(&self, size: u64) -> &[Hash] {
        &self.0[..usize::try_from(size).unwrap()]
    }

    fn head(&self, size: u64) -> Checkpoint {
        Checkpoint { origin: ORIGIN.into(), size, root: root(self.at(size)) }
    }

    /// Asks for `size` to be cosigned on top of `old`, with an honest proof.
    fn request(&self, old: u64, size: u64) -> Vec<u8> {
        let Ok(proof) = consistency_proof(old, size, &mut self.at(size));
        let checkpoint = self.head(size).sign(&signer()).unwrap();
        AddCheckpoint { old, proof: proof.unwrap_or_default(), checkpoint }.encode()
    }
}

/// Everything that was cosigned, and of which branch.
#[derive(Debug, Default)]
struct Out {
    roots: BTreeMap<u64, Hash>,
    last: Option<(u64, u64)>,
    /// Whether the log was told that it has forked.
    forked: bool,
}

impl Out {
    /// Takes an answer; says what is wrong with it beside what was cosigned before.
    fn take(&mut self, answer: &str, head: &Checkpoint) -> Result<(), String> {
        let signed = [head.sign(&signer()).unwrap(), answer.as_bytes().to_vec()].concat();
        let opened =
            Cosigned::open(&signed, &[&verifier()], &[cosigner().key()]).map_err(|e| e.to_string())?;
        let [ref cosignature] = *opened.cosignatures.as_slice() else { return Err("no cosignature".into()) };
        let before = self.roots.insert(head.size, head.root);
        if before.is_some_and(|root| root != head.root) {
            return Err(format!("two roots of size {}", head.size));
        }
        let last = self.last.replace((head.size, cosignature.at));
        if last.is_some_and(|(size, at)| size > head.size || at > cosignature.at) {
            return Err(format!("back from {last:?} to {:?}", self.last));
        }
        Ok(())
    }

    /// Whether all of it is the history of `branch`.
    fn is_of(&self, branch: &Branch) -> bool {
        self.roots.iter().all(|(size, root)| branch.head(*size).root == *root)
    }

    /// Looks at a witness that was started again: it must hold what is out, and must not let the other history in.
    fn check<L: Latest>(&self, witness: &Witness<L>, branches: &[Branch]) -> Result<(), String> {
        let known = witness.size(ORIGIN).map_err(|error| error.to_string())?;
        let forks = witness.forks(ORIGIN).map_err(|error| error.to_string())?;
        if forks.is_empty() && self.forked || forks.iter().any(|fork| fork.prove(&[&verifier()]).is_err()) {
            return Err("a fork that was told of cannot be proved".into());
        }
        let Some((size, _)) = self.last else { return Ok(()) };
        if known < size {
            return Err(format!("size {size} was cosigned, and {known} is kept"));
        }
        for branch in branches.iter().filter(|branch| !self.is_of(branch)) {
            for (old, size) in [(known, known), (known, known + 1), (0, 3), (size, size)] {
                match witness.add_checkpoint(&branch.request(old, size), 1) {
                    Ok(_) => return Err(format!("another history was cosigned, from {old} to {size}")),
                    Err(Refused::Store(error)) => return Err(error.to_string()),
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_witness_asked_by_two_forks_in_any_order_cosigns_one_history(seed in any::<u64>(), fork in 0_u64..40) {
        let chance = &mut Chance::new(seed);
        let branches = [Branch::main(60), Branch::forked(60, fork, 1), Branch::forked(60, fork + 3, 2)];
        let store = Arc::new(Memory::new());
        let (mut out, mut cosigned) = (Out::default(), 0);
        for now in 0..120 {
            // Started again for each request: there is nothing that is not kept.
            let witness = witness(Kept::new(Arc::clone(&store)));
            let known = witness.size(ORIGIN).unwrap();
            let branch = chance.pick(&branches).unwrap();
            let old = if chance.hits(5, 6) { known } else { chance.below(60) };
            let size = if chance.hits(5, 6) { old + chance.below(4) } else { chance.below(60) }.min(60);
            let answer = witness.add_checkpoint(&branch.request(old, size), now);
            match answer {
                Ok(answer) => {
                    cosigned += 1;
                    prop_assert_eq!(out.take(&answer, &branch.head(size)), Ok(()));
                    prop_assert!(branches.iter().any(|branch| out.is_of(branch)), "two histories");
                }
                Err(refused) => {
                    prop_assert!([400, 409, 422].contains(&refused.status()), "{}", refused);
                    prop_assert_eq!(witness.size(ORIGIN).unwrap(), known);
                    // An honest log that follows on what it was told is never refused.
                    let root = out.roots.get(&known).copied();
                    let consistent = root.is_none_or(|root| root == branch.head(known).root);
                    prop_assert!(old != known || size < old || !consistent, "{}", refused);
                }
            }
        }
        prop_assert!(cosigned > 0);
        for fork in witness(Kept::new(store)).forks(ORIGIN).unwrap() {
            prop_assert!(fork.prove(&[&verifier()]).is_ok());
        }
    }
}

/// Asks over a store until a call fails, then goes on asking, both branches in turn. What went out is taken down.
fn ask<L: Latest>(witness: &Witness<L>, branches: &[Branch; 2], out: &mut Out) -> Result<u64, String> {
    let mut failed = 0;
    for (now, size) in (100..).zip([3_u64, 3, 5, 8, 8, 13]) {
        for branch in branches {
            let known = match witness.size(ORIGIN) {
                Ok(known) => known,
                Err(error) => return Err(error.to_string()),
            };
            for old in [known, size.min(known)] {
                match witness.add_checkpoint(&branch.request(old, size), now) {
                    Ok(answer) => out.take(&answer, &branch.head(size))?,
                    Err(Refused::Store(_)) => failed += 1,
                    Err(refused) => out.forked |= matches!(refused, Refused::Fork(_)),
                }
            }
        }
    }
    Ok(failed)
}

fn branches() -> [Branch; 2] {
    [Branch::main(40), Branch::forked(40, 4, 1)]
}

#[test]
fn no_fault_of_the_store_lets_a_cosignature_out_that_is_not_kept() {
    let branches = branches();
    let counted = Arc::new(Faulty::new(Arc::new(Memory::new()), u64::MAX, Fault::Fails));
    let mut out = Out::default();
    assert_eq!(ask(&witness(Kept::new(Arc::clone(&counted))), &branches, &mut out), Ok(0));
    assert_eq!(out.last.map(|(size, _)| size), Some(13));
    let calls = counted.calls();
    assert!(calls >= 10, "{calls}");
    assert_eq!(counted.made(), ["create", "replace"]);
    for fault in [Fault::Fails, Fault::FailsButPersisted, Fault::Torn, Fault::Full] {
        for at in 0..calls {
            let case = format!("{fault:?} at call {at}");
            let inner = Arc::new(Memory::new());
            let faulty = Arc::new(Faulty::new(Arc::clone(&inner), at, fault));
            let mut out = Out::default();
            let failed = ask(&witness(Kept::new(faulty)), &branches, &mut out);
            assert_eq!(failed, Ok(1), "{case}");
            inner.crash();
            let again = witness(Kept::new(Arc::clone(&inner)));
            out.check(&again, &branches).unwrap_or_else(|what| panic!("{case}: {what}"));
            assert!(branches.iter().any(|branch| out.is_of(branch)), "{case}: two histories");
            assert!(out.forked, "{case}: the other history was never looked at");
        }
    }
}

/// What is out, with the disk as it is at each step.
struct Watched {
    out: Mutex<Out>,
    points: AtomicU64,
    found: Mutex<Option<String>>,
}

/// Asks over a simulated disk whose step `fault` goes wrong, and judges what every step leaves after a power cut and after
/// a kill. Gives the number of steps, of points, and what was found.
fn over_a_disk<L: Latest>(
    seed: u64,
    fault: Option<(u64, simulated::Fault)>,
    latest: impl Fn(Arc<Directory<Disk>>) -> L,
) -> (u64, u64, Option<String>) {
    let disk = Disk::new(seed);
    let branches = branches();
    let watched =
        Arc::new(Watched { out: Mutex::default(), points: AtomicU64::new(0), found: Mutex::default() });
    let before = disk.steps();
    let (judge, forks) = (Arc::clone(&watched), branches.clone());
    let chance = Mutex::new(Chance::new(seed));
    disk.watch(move |moment| {
        let (out, chance) = (judge.out.lock().unwrap(), &mut chance.lock().unwrap());
        for left in [moment.clone().cut(chance), moment.kill(chance)] {
            judge.points.fetch_add(1, Ordering::Relaxed);
            let again = witness(Kept::new(Arc::new(Directory::on(left, "witness"))));
            if let Err(what) = out.check(&again, &forks) {
                judge.found.lock().unwrap().get_or_insert(what);
            }
        }
    });
    if let Some((at, fault)) = fault {
        disk.fault(before + at, fault);
    }
    let asked = witness(latest(Arc::new(Directory::on(disk.clone(), "witness"))));
    // As `ask`, with what is out shown to the judge after each answer.
    for (now, size) in (100..).zip([3_u64, 3, 5, 8, 8, 13]) {
        for branch in &branches {
            let known = asked.size(ORIGIN).unwrap();
            let answer = asked.add_checkpoint(&branch.request(known.min(size), size), now);
            let mut out = watched.out.lock().unwrap();
            out.forked |= matches!(answer, Err(Refused::Fork(_)));
            if let Ok(answer) = answer
                && let Err(what) = out.take(&answer, &branch.head(size))
            {
                watched.found.lock().unwrap().get_or_insert(what);
            }
        }
    }
    let last = disk.now();
    for left in [last.clone().cut(&mut Chance::new(seed + 1)), last.kill(&mut Chance::new(seed + 2))] {
        let again = witness(Kept::new(Arc::new(Directory::on(left, "witness"))));
        if let Err(what) = watched.out.lock().unwrap().check(&again, &branches) {
            watched.found.lock().unwrap().get_or_insert(what);
        }
    }
    let found = watched.found.lock().unwrap().clone();
    (disk.steps() - before, watched.points.load(Ordering::Relaxed), found)
}

#[test]
fn no_power_cut_and_no_kill_at_any_step_loses_what_was_cosigned() {
    use simulated::Fault::{Fails, FailsButPersisted, Full, Interrupted, Short, Torn};
    let mut points = 0;
    for seed in 0..20 {
        let (_, seen, found) = over_a_disk(seed, None, Kept::new);
        assert_eq!(found, None, "seed {seed}");
        points += seen;
    }
    let (steps, ..) = over_a_disk(0, None, Kept::new);
    assert!(steps > 40, "{steps}");
    for fault in [Fails, FailsButPersisted, Full, Interrupted, Short, Torn] {
        for at in 0..steps {
            let (_, seen, found) = over_a_disk(at, Some((at, fault)), Kept::new);
            assert_eq!(found, None, "{fault:?} at step {at}");
            points += seen;
        }
    }
    println!("{points} points");
}

/// A witness's memory with a fault of ours in it.
struct Careless<S> {
    kept: Kept<S>,
    store: Arc<S>,
    slip: Slip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slip {
    /// Says that it has kept what it has not.
    KeepsNothing,
    /// Looks, and then does not compare.
    ComparesNothing,
    /// Takes what it finds kept for kept, without writing it again.
    TrustsTheCache,
    /// Tells of a fork and does not keep it.
    KeepsNoForks,
}

impl<S: Store> Careless<S> {
    fn new(store: Arc<S>, slip: Slip) -> Self {
        Self { kept: Kept::new(Arc::clone(&store)), store, slip }
    }
}

impl<S: Store> Latest for Careless<S> {
    fn read(&self, place: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.kept.read(place)
    }

    fn swap(&self, place: &str, old: Option<&[u8]>, new: &[u8]) -> Result<bool, StoreError> {
        let head = |bytes: &[u8]| -> Vec<String> {
            String::from_utf8_lossy(bytes).lines().skip(2).map(str::to_owned).collect()
        };
        match self.slip {
            Slip::KeepsNothing => Ok(true),
            Slip::TrustsTheCache if old.is_some_and(|old| head(old) == head(new)) => Ok(true),
            Slip::ComparesNothing => self.store.replace(&format!("{place}/latest"), new).map(|()| true),
            Slip::TrustsTheCache | Slip::KeepsNoForks => self.kept.swap(place, old, new),
        }
    }

    fn keep_fork(&self, place: &str, size: u64, fork: &[u8]) -> Result<(), StoreError> {
        if self.slip == Slip::KeepsNoForks { Ok(()) } else { self.kept.keep_fork(place, size, fork) }
    }

    fn forks(&self, place: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        self.kept.forks(place)
    }
}

#[test]
fn a_witness_that_answers_before_it_keeps_is_found() {
    for slip in [Slip::KeepsNothing, Slip::KeepsNoForks] {
        let (_, _, found) = over_a_disk(0, None, |store| Careless::new(store, slip));
        assert!(found.is_some(), "{slip:?}");
    }
    // What a sync that failed has left in the cache must be written again before it is cosigned.
    let found = (0..400).find_map(|seed| {
        let fault = Some((seed % 60, simulated::Fault::Fails));
        over_a_disk(seed, fault, |store| Careless::new(store, Slip::TrustsTheCache)).2
    });
    assert!(found.is_some());
}

/// A memory in which somebody else asks between the look and the swap, once.
struct Overtaken<L> {
    inner: Arc<L>,
    done: AtomicBool,
    other: Box<dyn Fn() + Send + Sync>,
}

impl<L: Latest> Latest for Overtaken<L> {
    fn read(&self, place: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.read(place)
    }

    fn swap(&self, place: &str, old: Option<&[u8]>, new: &[u8]) -> Result<bool, StoreError> {
        if !self.done.swap(true, Ordering::SeqCst) {
            (self.other)();
        }
        self.inner.swap(place, old, new)
    }

    fn keep_fork(&self, place: &str, size: u64, fork: &[u8]) -> Result<(), StoreError> {
        self.inner.keep_fork(place, size, fork)
    }

    fn forks(&self, place: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        self.inner.forks(place)
    }
}

/// The statuses of a request that is overtaken by another, and the size that is kept in the end.
fn overtaken<L: Latest + 'static>(
    open: impl Fn() -> L,
    first: (&Branch, u64),
    other: (&Branch, u64),
) -> (u16, u16, u64) {
    let status = |answer: Result<String, Refused>| answer.map_or_else(|refused| refused.status(), |_| 200);
    witness(open()).add_checkpoint(&Branch::main(3).request(0, 3), 1).unwrap();
    let second = Arc::new(Mutex::new(0));
    let (told, by, request) = (Arc::clone(&second), witness(open()), other.0.request(3, other.1));
    let other = Box::new(move || *told.lock().unwrap() = status(by.add_checkpoint(&request, 2)));
    let slow = witness(Overtaken { inner: Arc::new(open()), done: AtomicBool::new(false), other });
    let first = status(slow.add_checkpoint(&first.0.request(3, first.1), 2));
    let second = *second.lock().unwrap();
    (first, second, witness(open()).size(ORIGIN).unwrap())
}

#[test]
fn a_request_that_was_overtaken_rolls_nothing_back() {
    let [main, fork] = branches();
    let kept = || {
        let store = Arc::new(Memory::new());
        move || Kept::new(Arc::clone(&store))
    };
    assert_eq!(overtaken(kept(), (&main, 5), (&main, 9)), (409, 200, 9), "the race of the specification");
    assert_eq!(overtaken(kept(), (&main, 9), (&fork, 9)), (409, 200, 9), "two trees of one size");
    assert_eq!(overtaken(kept(), (&main, 9), (&fork, 12)), (409, 200, 12));
    assert_eq!(overtaken(kept(), (&main, 3), (&main, 3)), (200, 200, 3), "the same twice is no race");
    let careless = || {
        let store = Arc::new(Memory::new());
        move || Careless::new(Arc::clone(&store), Slip::ComparesNothing)
    };
    assert_eq!(overtaken(careless(), (&main, 5), (&main, 9)), (200, 200, 5), "this test can fail");
}

#[test]
fn many_threads_that_ask_for_two_histories_get_one() {
    let branches = branches();
    let witness = witness(Kept::new(Arc::new(Memory::new())));
    let answered = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..8_usize {
            let (witness, branch, answered) = (&witness, &branches[thread % 2], &answered);
            scope.spawn(move || {
                for size in 1..=40 {
                    let known = witness.size(ORIGIN).unwrap();
                    if let Ok(answer) = witness.add_checkpoint(&branch.request(known, size.max(known)), 1) {
                        answered.lock().unwrap().push((answer, branch.head(size.max(known))));
                    }
                }
            });
        }
    });
    let mut answered = answered.into_inner().unwrap();
    answered.sort_by_key(|(_, head)| head.size);
    let mut out = Out::default();
    for (answer, head) in answered {
        out.take(&answer, &head).unwrap();
    }
    assert_eq!(out.last.map(|(size, _)| size), Some(40));
    assert!(branches.iter().any(|branch| out.is_of(branch)));
}

#[test]
fn a_follower_asks_from_the_tiles_whatever_size_the_witness_has() {
    let store = memory();
    let mut writer = Writer::open(&store);
    let counts = [1, 2, 250, 3, 1, 300, 143];
    let witnesses: Vec<_> = counts.iter().map(|_| witness(Kept::new(Arc::new(Memory::new())))).collect();
    let mut signed = Vec::new();
    for (place, count) in counts.into_iter().enumerate() {
        writer.write(&[count]).unwrap();
        writer.publish().unwrap();
        signed = store.read("checkpoint").unwrap().unwrap();
        let size = writer.owners.log.size();
        // Each witness is asked at every so many publications, and at the last.
        for (every, witness) in (1..).zip(&witnesses) {
            if place % every == 0 || place + 1 == counts.len() {
                let known = witness.size(ORIGIN).unwrap();
                let request = AddCheckpoint::of(&*store, &signed, size, known).unwrap().unwrap();
                witness.add_checkpoint(&request.encode(), 1).unwrap();
                assert_eq!(witness.size(ORIGIN).unwrap(), size);
            }
        }
    }
    let roots = roots(700);
    for old in 0..=700 {
        let request = AddCheckpoint::of(&*store, &signed, 700, old).unwrap().unwrap();
        let old_root = roots[usize::try_from(old).unwrap()];
        assert!(
            record::merkle::verify_consistency(old, &old_root, 700, &roots[700], &request.proof),
            "{old}"
        );
    }
    assert_eq!(AddCheckpoint::of(&*store, &signed, 700, 701).unwrap(), None);
}
