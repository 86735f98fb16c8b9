//! The ids of all acts that were decided, so that none is decided twice. Not here: what became of them.
//!
//! Ids of version 7 begin with the time at which they were made, so they come nearly in order. The newest are kept in one sorted row, 16
//! bytes each; one that comes a little late is put in its place near the end, and one that comes very late is kept aside, so that no
//! order of ids makes this slow. When there are many of either they are put away as a run: on a [`Shelf`], where there is one, so that
//! memory does not grow with the record. A run is looked at only for an id that lies within it, which hardly ever comes.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::Arc;

/// How far from the end an id is still put in its place. Moving so many takes less time than reading an entry.
const NEAR: usize = 512;

/// How many ids a run has: 2 MiB.
const RUN: usize = 1 << 17;

/// How many ids are taken from a run at once, where all are wanted.
const PIECE: usize = 1 << 12;

/// Where ids are put that are too many for memory, such as a file. Not a set: it gives back what stands at a place, and no more.
pub trait Shelf: fmt::Debug + Send + Sync {
    /// Puts ids there, and gives the place of the first.
    ///
    /// # Errors
    /// Where there is no room: then they stay in memory.
    fn put(&self, ids: &[u128]) -> io::Result<u64>;

    /// The ids that were put at `place` and after it, as many as there is room for in `ids`.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn take(&self, place: u64, ids: &mut [u128]) -> io::Result<()>;
}

/// A set of ids.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    runs: Vec<Run>,
    row: Vec<u128>,
    late: BTreeSet<u128>,
    shelf: Option<Arc<dyn Shelf>>,
    /// Whether an id could not be looked for.
    is_blind: bool,
}

/// Ids in order that were put away.
#[derive(Debug, Clone)]
struct Run {
    first: u128,
    last: u128,
    length: u64,
    ids: Ids,
}

#[derive(Debug, Clone)]
enum Ids {
    Here(Arc<[u128]>),
    /// On the shelf, from this place on.
    Shelved(u64),
}

/// Which part of a set some ids are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Run,
    Row,
    Late,
}

impl Seen {
    /// A set of which most may lie on `shelf`.
    pub(crate) fn on(shelf: Option<Arc<dyn Shelf>>) -> Self {
        Self { shelf, ..Self::default() }
    }

    /// Whether the id is new; then it is added. Where that could not be found out, it counts as new, and [`Seen::is_blind`] from then on.
    pub(crate) fn insert(&mut self, id: u128) -> bool {
        if self.row.last().is_none_or(|last| *last < id) {
            self.row.push(id);
            if self.row.len() >= RUN.saturating_mul(2) {
                let run: Vec<u128> = self.row.drain(..RUN).collect();
                self.put_away(run);
            }
            return true;
        }
        let from = self.row.len().saturating_sub(NEAR);
        let near = self.row.get(from..).unwrap_or_default();
        if near.first().is_some_and(|first| *first <= id) {
            return match near.binary_search(&id) {
                Ok(_) => false,
                Err(place) => {
                    self.row.insert(from.saturating_add(place), id);
                    true
                }
            };
        }
        if self.row.binary_search(&id).is_ok() || self.late.contains(&id) || self.is_in_a_run(id) {
            return false;
        }
        self.late.insert(id);
        if self.late.len() >= RUN {
            let run = std::mem::take(&mut self.late).into_iter().collect();
            self.put_away(run);
        }
        true
    }

    /// Whether an id was once not looked for where it may have been, since the shelf failed.
    pub(crate) fn is_blind(&self) -> bool {
        self.is_blind
    }

    fn is_in_a_run(&mut self, id: u128) -> bool {
        let shelf = self.shelf.as_deref();
        for run in self.runs.iter().filter(|run| run.first <= id && id <= run.last) {
            match run.contains(id, shelf) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(_) => self.is_blind = true,
            }
        }
        false
    }

    fn put_away(&mut self, run: Vec<u128>) {
        let (Some(first), Some(last)) = (run.first().copied(), run.last().copied()) else { return };
        let length = run.len() as u64;
        let place = self.shelf.as_ref().and_then(|shelf| shelf.put(&run).ok());
        let ids = place.map_or_else(|| Ids::Here(run.into()), Ids::Shelved);
        self.runs.push(Run { first, last, length, ids });
    }

    /// All ids, a piece at a time, each piece in order; which part it is of, and whether it is the part's first.
    ///
    /// Errors: those of `each`, and of the shelf.
    pub(crate) fn pieces(
        &self,
        mut each: impl FnMut(Part, bool, &[u128]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut piece = [0; PIECE];
        for run in &self.runs {
            let mut at = 0_u64;
            while at < run.length {
                let left = usize::try_from(run.length.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
                let room = piece.get_mut(..left).unwrap_or_default();
                run.take(at, room, self.shelf.as_deref())?;
                each(Part::Run, at == 0, room)?;
                at = at.saturating_add(left as u64);
            }
        }
        for (number, ids) in self.row.chunks(PIECE).enumerate() {
            each(Part::Row, number == 0, ids)?;
        }
        let late: Vec<u128> = self.late.iter().copied().collect();
        for (number, ids) in late.chunks(PIECE).enumerate() {
            each(Part::Late, number == 0, ids)?;
        }
        Ok(())
    }

    /// Takes a part over whole, as [`Seen::pieces`] gave it. None where the ids are not in order.
    pub(crate) fn take_over(&mut self, part: Part, ids: Vec<u128>) -> Option<()> {
        let is_sorted = ids.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        is_sorted.then(|| match part {
            Part::Run => self.put_away(ids),
            Part::Row => self.row = ids,
            Part::Late => self.late = ids.into_iter().collect(),
        })
    }

    /// The most ids that a part has.
    pub(crate) const PART_MAX: usize = RUN * 2;
}

impl Run {
    fn contains(&self, id: u128, shelf: Option<&dyn Shelf>) -> io::Result<bool> {
        let (mut from, mut to) = (0, self.length);
        while from < to {
            let middle = from.saturating_add(to.saturating_sub(from) / 2);
            let mut found = [0];
            self.take(middle, &mut found, shelf)?;
            match found {
                [found] if found == id => return Ok(true),
                [found] if found < id => from = middle.saturating_add(1),
                _ => to = middle,
            }
        }
        Ok(false)
    }

    /// The ids from `at` on.
    fn take(&self, at: u64, ids: &mut [u128], shelf: Option<&dyn Shelf>) -> io::Result<()> {
        match (&self.ids, shelf) {
            (Ids::Shelved(place), Some(shelf)) => shelf.take(place.saturating_add(at), ids),
            (Ids::Shelved(_), None) => Err(io::Error::other("the shelf is gone")),
            (Ids::Here(all), _) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                ids.iter_mut().zip(all.iter().skip(at)).for_each(|(id, found)| *id = *found);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
