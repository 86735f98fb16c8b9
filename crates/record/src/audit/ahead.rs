//! Published entries, read and hashed on other threads while those before them are looked at. Not what they add up to: they are handed
//! over in their order, by one thread.

use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::{Fault, fault, read};
use crate::bundle;
use crate::hash::{Hash, leaf_hash};
use crate::log::check_parts;
use crate::store::Store;
use crate::tile::{Kind, TilePath, WIDTH};

/// A bundle as it was read.
pub(super) struct Bundle {
    pub(super) tile: TilePath,
    bytes: Vec<u8>,
}

/// Envelopes and parties' parts of the same entries, with the leaf hashes of those that go together.
pub(super) struct Pair {
    pub(super) entries: Bundle,
    pub(super) parties: Bundle,
    /// How many of its entries are taken; the files may hold more.
    pub(super) count: usize,
    pub(super) leaves: Vec<Hash>,
    /// What is wrong with the entry after those.
    pub(super) wrong: Option<String>,
}

impl Bundle {
    fn read<S: Store + ?Sized>(store: &S, tile: TilePath) -> Result<Self, Fault> {
        let path = tile.path();
        let bytes = bundle::from_file(tile.kind, read(store, &path)?);
        Ok(Self { tile, bytes: bytes.map_err(|error| fault(&path, error.to_string()))? })
    }

    pub(super) fn split(&self) -> Result<Vec<&[u8]>, Fault> {
        bundle::decode(&self.bytes, usize::from(self.tile.width))
            .map_err(|error| fault(&self.tile.path(), error.to_string()))
    }

    /// The bytes of its first entries.
    pub(super) fn first(mut self, count: usize) -> Vec<u8> {
        let length = bundle::prefix(&self.bytes, count).map_or(0, <[u8]>::len);
        self.bytes.truncate(length);
        self.bytes
    }
}

impl Pair {
    fn read<S: Store + ?Sized>(store: &S, first: u64, range: Range) -> Result<Self, Fault> {
        let bundle = |kind| Bundle::read(store, bundle::bundle_of(kind, first, range.published));
        let count = usize::try_from(WIDTH.min(range.size.saturating_sub(first))).unwrap_or(0);
        let (entries, parties) = (bundle(Kind::Entries)?, bundle(Kind::Parties)?);
        let (mut leaves, mut wrong) = (Vec::with_capacity(count), None);
        for (envelope, part) in entries.split()?.into_iter().zip(parties.split()?).take(count) {
            wrong = check_parts(envelope, part).err();
            if wrong.is_some() {
                break;
            }
            leaves.push(leaf_hash(envelope));
        }
        Ok(Self { entries, parties, count, leaves, wrong })
    }
}

/// The first `size` entries of a record of which `published` are published; without the bundles that only have some before `from`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) from: u64,
    pub(super) size: u64,
    pub(super) published: u64,
}

/// Hands the bundles over in their order. Memory: [`AHEAD`] pairs for each core.
///
/// # Errors
/// The first of a bundle that cannot be read or split, or of `take`; then no more are read.
pub(super) fn each<S: Store + ?Sized>(
    store: &S,
    range: Range,
    mut take: impl FnMut(Pair) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (first, end) = (range.from / WIDTH, range.size.div_ceil(WIDTH));
    let count = end.saturating_sub(first);
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    let threads = usize::try_from(count).unwrap_or(cores).min(cores);
    thread::scope(|scope| {
        // Bundle n comes from thread n modulo their number, so that they come in order.
        let sources: Vec<Receiver<_>> = (first..)
            .take(threads)
            .map(|begin| {
                let (sender, receiver) = sync_channel(AHEAD);
                scope.spawn(move || send(store, (begin..end).step_by(threads), range, &sender));
                receiver
            })
            .collect();
        for (_, source) in (0..count).zip(sources.iter().cycle()) {
            match source.recv() {
                Ok(pair) => take(pair?)?,
                // A thread ends before its last bundle only by a panic, which the scope passes on.
                Err(_) => break,
            }
        }
        Ok(())
    })
}

fn send<S: Store + ?Sized>(
    store: &S,
    numbers: impl Iterator<Item = u64>,
    range: Range,
    to: &SyncSender<Result<Pair, Fault>>,
) {
    for number in numbers {
        let pair = Pair::read(store, number.saturating_mul(WIDTH), range);
        let is_last = pair.is_err();
        // Nobody listens any more once something was found to be wrong.
        if to.send(pair).is_err() || is_last {
            return;
        }
    }
}

/// How many bundles a thread may be ahead.
const AHEAD: usize = 4;
/// More read no faster than one thread looks at what they have read.
const THREADS_MAX: usize = 8;
