//! Which tiles and bundles there are, by their names. Not what they hold.
//!
//! A record has a full one of each kind for each 256 entries, nearly all of them beside each other, so rows of them are kept by where
//! they begin and end: a record that grows takes no more memory.

use super::{Kind, TilePath, WIDTH};
use std::collections::{BTreeMap, BTreeSet};

/// Full tiles and bundles. Memory: that of the gaps between them.
#[derive(Debug, Clone, Default)]
pub(crate) struct FullTiles {
    /// The kind and first number of each row, and the number after its last. Shape: no two rows touch.
    rows: BTreeMap<(Kind, u64), u64>,
}

impl FullTiles {
    pub(crate) fn insert(&mut self, kind: Kind, number: u64) {
        if self.row_of(kind, number).is_some() {
            return;
        }
        let next = number.saturating_add(1);
        let end = self.rows.remove(&(kind, next)).unwrap_or(next);
        let before = number.checked_sub(1).and_then(|before| self.row_of(kind, before));
        let first = before.map_or(number, |(first, _)| first);
        self.rows.insert((kind, first), end);
    }

    pub(crate) fn contains(&self, kind: Kind, number: u64) -> bool {
        self.row_of(kind, number).is_some()
    }

    /// Takes one out; false where it was not there.
    pub(crate) fn remove(&mut self, kind: Kind, number: u64) -> bool {
        let Some((first, end)) = self.row_of(kind, number) else { return false };
        self.rows.remove(&(kind, first));
        if first < number {
            self.rows.insert((kind, first), number);
        }
        let next = number.saturating_add(1);
        if next < end {
            self.rows.insert((kind, next), end);
        }
        true
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = TilePath> {
        let row = |((kind, first), end): (&(Kind, u64), &u64)| {
            let kind = *kind;
            (*first..*end).map(move |number| TilePath { kind, number, width: FULL })
        };
        self.rows.iter().flat_map(row)
    }

    /// The row that a number is in.
    fn row_of(&self, kind: Kind, number: u64) -> Option<(u64, u64)> {
        let ((of, first), end) = self.rows.range(..=(kind, number)).next_back()?;
        (*of == kind && number < *end).then_some((*first, *end))
    }
}

/// Tiles and bundles of any width.
#[derive(Debug, Default)]
pub(crate) struct Present {
    full: FullTiles,
    partial: BTreeMap<(Kind, u64), BTreeSet<u16>>,
}

impl Present {
    pub(crate) fn insert(&mut self, tile: &TilePath) {
        if is_full(tile.width) {
            self.full.insert(tile.kind, tile.number);
        } else {
            self.partial.entry((tile.kind, tile.number)).or_default().insert(tile.width);
        }
    }

    pub(crate) fn contains(&self, tile: &TilePath) -> bool {
        if is_full(tile.width) {
            return self.full.contains(tile.kind, tile.number);
        }
        self.partial.get(&(tile.kind, tile.number)).is_some_and(|widths| widths.contains(&tile.width))
    }

    pub(crate) fn remove(&mut self, tile: &TilePath) {
        if is_full(tile.width) {
            self.full.remove(tile.kind, tile.number);
            return;
        }
        let place = (tile.kind, tile.number);
        let is_last = self.partial.get_mut(&place).is_some_and(|widths| {
            widths.remove(&tile.width);
            widths.is_empty()
        });
        if is_last {
            self.partial.remove(&place);
        }
    }

    /// Takes out all of one place, and gives their widths, ascending.
    pub(crate) fn take(&mut self, kind: Kind, number: u64) -> Vec<u16> {
        let partial = self.partial.remove(&(kind, number)).unwrap_or_default();
        let full = self.full.remove(kind, number).then_some(FULL);
        partial.into_iter().chain(full).collect()
    }

    /// The first that is left.
    pub(crate) fn first(&self) -> Option<TilePath> {
        let partial = self.partial.first_key_value().and_then(|((kind, number), widths)| {
            Some(TilePath { kind: *kind, number: *number, width: *widths.first()? })
        });
        partial.into_iter().chain(self.full.iter().next()).min()
    }
}

/// The width of a full tile.
const FULL: u16 = 256;

fn is_full(width: u16) -> bool {
    u64::from(width) >= WIDTH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_what_a_set_holds_whatever_comes_and_goes() {
        let kinds = [Kind::Hashes(0), Kind::Hashes(1), Kind::Entries];
        let (mut present, mut plain) = (Present::default(), BTreeSet::new());
        let mut chance = 1_u64;
        for _ in 0..20_000 {
            chance = (chance * 48_271) % 2_147_483_647;
            let kind = kinds[usize::try_from(chance % 3).unwrap()];
            let width = if chance.is_multiple_of(5) { 7 } else { 256 };
            let tile = TilePath { kind, number: chance / 16 % 40, width };
            match chance / 1024 % 4 {
                0 => {
                    present.remove(&tile);
                    plain.remove(&tile);
                }
                1 if chance.is_multiple_of(7) => {
                    let of = |other: &TilePath| (other.kind, other.number) == (kind, tile.number);
                    let gone: Vec<u16> =
                        plain.iter().filter(|tile| of(tile)).map(|tile| tile.width).collect();
                    plain.retain(|other| !of(other));
                    assert_eq!(present.take(kind, tile.number), gone);
                }
                _ => {
                    present.insert(&tile);
                    plain.insert(tile);
                }
            }
            assert_eq!(present.contains(&tile), plain.contains(&tile));
            assert_eq!(present.first(), plain.first().copied());
            let full: Vec<TilePath> = plain.iter().filter(|tile| tile.width == 256).copied().collect();
            assert!(present.full.iter().eq(full));
        }
        let mut row = FullTiles::default();
        (0..10_000).rev().for_each(|number| row.insert(Kind::Entries, number));
        assert_eq!(row.rows.len(), 1, "neighbours are one row");
    }
}
