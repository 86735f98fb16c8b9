//! A reader between any two steps of a writer: the steps are played back while the reader reads. Not a test of the
//! writer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use record::store::frozen::Frozen;
use record::store::memory::Memory;
use record::{Audited, Fault, Leaf, Store, StoreError, audit};

use crate::steps::{ENTRIES, PADDING, PIECE, Step, steps};
use crate::support::{ORIGIN, leaf_of, memory, verifier};

/// A store in which the writer takes some steps before each thing that is read.
#[derive(Debug)]
struct Played {
    inner: Arc<Memory>,
    rest: Mutex<Rest>,
}

#[derive(Debug)]
struct Rest {
    steps: VecDeque<Step>,
    random: u64,
    told: u64,
}

impl Played {
    /// The record after a part of `steps`; `seed` says how large, and how the others come.
    fn new(steps: &[Step], seed: u64) -> Self {
        let rest = Rest { steps: steps.iter().cloned().collect(), random: seed, told: 0 };
        let played = Self { inner: memory(), rest: Mutex::new(rest) };
        // Each third begins about the first publication.
        let range = if seed.is_multiple_of(3) { steps.len() / 20 } else { steps.len() };
        let start = played.rest().random(range);
        played.play(start);
        played
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap()
    }

    fn play(&self, count: usize) {
        let mut rest = self.rest();
        for _ in 0..count {
            let Some(step) = rest.steps.pop_front() else { return };
            match step {
                // A tile that is there is not written again, so what was flipped in it stays flipped.
                Step::Put(path, _) if is_kept(&path) && self.inner.read(&path).unwrap().is_some() => {}
                Step::Put(path, bytes) => self.inner.tamper(&path, &bytes),
                Step::Remove(path) => self.inner.remove(&path).unwrap(),
                Step::Make(number, size) => self.inner.segment_create(number, size).unwrap(),
                Step::Write(number, at, bytes) => self.inner.segment_write(number, at, &bytes).unwrap(),
                Step::Retire(number) => self.inner.segment_remove(number).unwrap(),
                Step::Told(durable) => rest.told = durable,
                Step::Synced => {}
            }
        }
    }

    /// Flips a bit in what was written to one of the files that the writer does not write over; gives its path.
    fn flip(&self) -> String {
        let mut files = self.inner.snapshot();
        files.retain(|path, bytes| is_kept(path) && bytes.iter().any(|byte| *byte != 0));
        let at = self.rest().random(files.len());
        let (path, mut bytes) = files.into_iter().nth(at).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        let place = self.rest().random(used + 1);
        let bit = self.rest().random(8);
        bytes[place] ^= 1 << bit;
        self.inner.tamper(&path, &bytes);
        path
    }

    fn some(&self) {
        let count = [0, 0, 0, 0, 0, 1, 1, 2, 3, 30][self.rest().random(10)];
        self.play(count);
    }

    /// As long as a write and a sync take.
    fn wait(&self) {
        let synced = self.rest().steps.iter().position(|step| matches!(step, Step::Synced));
        self.play(synced.map_or(usize::MAX, |at| at + 1));
    }
}

/// Whether a file of this name is written once and then left alone.
fn is_kept(path: &str) -> bool {
    path != "checkpoint" && !path.starts_with("tmp/")
}

impl Rest {
    fn random(&mut self, below: usize) -> usize {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap() % below
    }
}

impl Store for Played {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.some();
        self.inner.read(path)
    }

    fn create(&self, path: &str, _: &[u8]) -> Result<(), StoreError> {
        panic!("{path} is written")
    }

    fn replace(&self, path: &str, _: &[u8]) -> Result<(), StoreError> {
        panic!("{path} is written")
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        panic!("{path} is removed")
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        self.some();
        self.inner.list(directory)
    }

    fn segment_create(&self, number: u32, _: u32) -> Result<(), StoreError> {
        panic!("segment {number} is made")
    }

    fn segment_write(&self, number: u32, _: u32, _: &[u8]) -> Result<(), StoreError> {
        panic!("segment {number} is written")
    }

    fn segment_sync(&self, number: u32) -> Result<(), StoreError> {
        panic!("segment {number} is synced")
    }

    /// Reads the last bytes later than those before them.
    fn segment_read(&self, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.some();
        let Some(mut bytes) = self.inner.segment_read(number)? else { return Ok(None) };
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        let cut = used.saturating_sub(self.rest().random(3 * PIECE));
        self.some();
        if let Some(later) = self.inner.segment_read(number)? {
            bytes[cut..].copy_from_slice(&later[cut..]);
        }
        Ok(Some(bytes))
    }

    fn segment_remove(&self, number: u32) -> Result<(), StoreError> {
        panic!("segment {number} is removed")
    }

    fn segments(&self) -> Result<Vec<u32>, StoreError> {
        self.some();
        self.inner.segments()
    }
}

fn check_padded<S: Store + ?Sized>(store: &S) -> Result<Audited, Fault> {
    static LEAVES: OnceLock<Vec<Leaf>> = OnceLock::new();
    let leaves = LEAVES.get_or_init(|| (0..2 * ENTRIES).map(|number| leaf_of(number, PADDING)).collect());
    audit(store, ORIGIN, &verifier(), |index, envelope, parties| {
        let leaf = &leaves[usize::try_from(index).unwrap()];
        if leaf.envelope == envelope && leaf.parties == parties { Ok(()) } else { Err("another".into()) }
    })
}

#[test]
fn a_view_taken_between_any_steps_of_a_writer_holds_and_stays() {
    let steps = steps();
    let (mut waits, mut plain) = (0, 0);
    for seed in 0..SEEDS {
        plain += u64::from(check_padded(&Played::new(&steps, seed)).is_err());
        let played = Played::new(&steps, seed);
        let told = played.rest().told;
        let view = Frozen::take(&played, ORIGIN, || {
            waits += 1;
            played.wait();
        });
        let (view, staged) = (view.unwrap(), played.inner.list("tmp").unwrap());
        let audited = check_padded(&view).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        assert!(audited.entries >= told, "seed {seed}: {} of {told}", audited.entries);
        assert!(audited.leftovers.iter().all(|path| staged.contains(path)), "seed {seed}: {audited:?}");
        assert!(
            audited.memoranda.len() > writes_below(&steps, audited.entries),
            "seed {seed}: one is missing"
        );
        played.play(usize::MAX);
        assert_eq!(check_padded(&view), Ok(audited), "seed {seed}: it did not stay");
    }
    println!("{} steps, {SEEDS} views: {waits} waits; {plain} plain audits failed", steps.len());
    assert!(waits > SEEDS / 20 && plain > SEEDS / 4, "the writer was hardly met: {waits} {plain}");
}

#[test]
fn one_flipped_bit_is_found_through_a_view_while_the_writer_goes_on() {
    let steps = steps();
    let (mut found, mut gone) = (0, 0);
    for seed in 0..SEEDS {
        let played = Played::new(&steps, seed);
        let path = played.flip();
        let view = Frozen::take(&played, ORIGIN, || played.wait()).unwrap();
        if view.list("").unwrap().contains(&path) {
            check_padded(&view).expect_err(&format!("seed {seed}: {path}"));
            found += 1;
        } else {
            assert!(path.starts_with("journal/") || path.contains(".p/"), "seed {seed}: {path} is hidden");
            gone += 1;
        }
    }
    println!("{found} flips found, {gone} files gone");
    assert!(found > SEEDS / 2, "{found}");
}

/// How many writes reach no further than `entries`.
fn writes_below(steps: &[Step], entries: u64) -> usize {
    steps.iter().filter(|step| matches!(step, Step::Told(durable) if *durable <= entries)).count()
}

const SEEDS: u64 = 300;
