//! C2SP tlog-tiles: which file holds which hashes, the right edge of tiles that grows, and reading nodes back
//! from tiles. Not the files themselves; those are behind [`Store`].

#![expect(
    clippy::arithmetic_side_effects,
    reason = "tree positions; release keeps overflow checks, so an overflow stops before anything is written"
)]

mod present;

pub(crate) use present::{FullTiles, Present};

use crate::hash::{Hash, node_hash};
use crate::merkle::{Frontier, Nodes};
use crate::store::{Store, StoreError};

/// How many hashes or entries a full tile or bundle holds.
pub const WIDTH: u64 = 256;

/// What a tile file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Hashes of tree level `8 * level`; level 0 are the leaves.
    Hashes(u8),
    /// The envelopes, as a bundle.
    Entries,
    /// The parties' parts, as a bundle.
    Parties,
}

/// The name of one tile or bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TilePath {
    /// What it holds.
    pub kind: Kind,
    /// Its place among the tiles of its kind, counted from zero.
    pub number: u64,
    /// How many hashes or entries it holds. Shape: 1 to 256; below 256 it is a partial tile.
    pub width: u16,
}

impl TilePath {
    /// The path under the record's directory, such as `tile/0/x001/234.p/7`.
    pub fn path(&self) -> String {
        let prefix = match self.kind {
            Kind::Hashes(level) => format!("tile/{level}"),
            Kind::Entries => "tile/entries".to_owned(),
            Kind::Parties => "parties/entries".to_owned(),
        };
        let full = format!("{prefix}/{}", number_path(self.number));
        if u64::from(self.width) < WIDTH { format!("{full}.p/{}", self.width) } else { full }
    }

    /// The directory of the partial tiles of one place.
    pub(crate) fn partial_directory(kind: Kind, number: u64) -> String {
        format!("{}.p", Self { kind, number, width: 256 }.path())
    }

    /// Reads a path that [`TilePath::path`] would give.
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = parse_kind(path)?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok()?),
            None => (rest, 256),
        };
        let number = number.split('/').try_fold(0_u64, |sum, part| {
            let digits = part.strip_prefix('x').unwrap_or(part);
            sum.checked_mul(1000)?.checked_add(digits.parse().ok()?)
        })?;
        let tile = Self { kind, number, width };
        (width >= 1 && tile.path() == path).then_some(tile)
    }

    /// The level of the tree, in steps of eight, that the tile's items stand on.
    pub fn level(&self) -> u8 {
        match self.kind {
            Kind::Hashes(level) => level,
            Kind::Entries | Kind::Parties => 0,
        }
    }
}

/// The partial tiles and bundles of a tree of `size` leaves: the right edge of each level.
pub fn partials(size: u64) -> Vec<TilePath> {
    let mut tiles = Vec::new();
    for level in 0..LEVELS {
        let items = items(size, level);
        let width = remainder(items);
        if width > 0 {
            tiles.extend(kinds(level).map(|kind| TilePath { kind, number: items / WIDTH, width }));
        }
    }
    tiles
}

/// The tiles and bundles a tree of `new` leaves has and one of `old` leaves has not: those to write on growth.
///
/// Shape: full ones of each kind first, then its partial one; in the order of their levels.
pub fn changed(old: u64, new: u64) -> Vec<TilePath> {
    let mut tiles = Vec::new();
    for level in 0..LEVELS {
        let (before, after) = (items(old, level), items(new, level));
        if before == after {
            continue;
        }
        for kind in kinds(level) {
            let full = before / WIDTH..after / WIDTH;
            tiles.extend(full.map(|number| TilePath { kind, number, width: 256 }));
            let width = remainder(after);
            if width > 0 {
                tiles.push(TilePath { kind, number: after / WIDTH, width });
            }
        }
    }
    tiles
}

/// The right edge of every level of tiles: what is needed to go on writing tiles.
///
/// Shape: at most 255 hashes a level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    frontier: Frontier,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The edge of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the edge of the tree cut to the last full bundle of `size`, from the tiles of a tree of `size`.
    ///
    /// # Errors
    /// [`StoreError`] if a tile cannot be read or is not there.
    pub fn read<S: Store + ?Sized>(store: &S, size: u64) -> Result<Self, StoreError> {
        let cut = size - size % WIDTH;
        let mut levels = vec![Vec::new()];
        for level in 1..LEVELS {
            let count = items(cut, level);
            if count == 0 {
                break;
            }
            let width = remainder(count);
            let tile = TilePath { kind: Kind::Hashes(level), number: count / WIDTH, width };
            levels.push(if width == 0 { Vec::new() } else { read_hashes(store, &tile)? });
        }
        let Some(frontier) = Frontier::from_nodes(cut, subtrees(&levels)) else {
            unreachable!("an edge has one node for each set bit of its size")
        };
        Ok(Self { frontier, levels })
    }

    /// Reads the edge that the tree had at `size`, from the tiles of the tree of `within` leaves that it has grown to. It believes the
    /// tiles; whoever knows the root at `size` compares it.
    ///
    /// Shape: `size` is at most `within`.
    ///
    /// # Errors
    /// [`StoreError`] if a tile cannot be read or is not there.
    pub fn at<S: Store + ?Sized>(store: &S, size: u64, within: u64) -> Result<Self, StoreError> {
        let mut levels = Vec::new();
        for level in 0..LEVELS {
            let count = items(size, level);
            if count == 0 {
                break;
            }
            let (number, width) = (count / WIDTH, usize::from(remainder(count)));
            let mut hashes = Vec::new();
            if width > 0 {
                let present = (items(within, level) - number * WIDTH).min(WIDTH);
                let present = u16::try_from(present).unwrap_or(256);
                let tile = TilePath { kind: Kind::Hashes(level), number, width: present };
                hashes = read_hashes(store, &tile)?;
                hashes.truncate(width);
            }
            levels.push(hashes);
        }
        let Some(frontier) = Frontier::from_nodes(size, subtrees(&levels)) else {
            unreachable!("an edge has one node for each set bit of its size")
        };
        Ok(Self { frontier, levels })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Adds one leaf by its leaf hash; each tile that became full is handed to `full` with its 256 hashes.
    pub fn append(&mut self, leaf: Hash, mut full: impl FnMut(TilePath, &[Hash])) {
        // What a level's tiles hold: the leaves, then the root of each full tile of the level below.
        let mut items = [leaf; LEVELS as usize];
        self.frontier.append_with(leaf, |height, node| {
            let item =
                (height % 8 == 0).then_some(height / 8).and_then(|level| items.get_mut(level as usize));
            item.into_iter().for_each(|item| *item = node);
        });
        for (level, item) in (0..LEVELS).zip(items) {
            let hashes = self.level_mut(level);
            hashes.push(item);
            if (hashes.len() as u64) < WIDTH {
                return;
            }
            let filled = std::mem::take(hashes);
            let number = self::items(self.frontier.size(), level) / WIDTH - 1;
            full(TilePath { kind: Kind::Hashes(level), number, width: 256 }, &filled);
        }
    }

    /// The hashes in the partial tile of `level`; empty if the level has none.
    pub fn hashes(&self, level: u8) -> &[Hash] {
        self.levels.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }

    /// The frontier of the same tree.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    fn level_mut(&mut self, level: u8) -> &mut Vec<Hash> {
        let level = usize::from(level);
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        let Some(hashes) = self.levels.get_mut(level) else { unreachable!("the level was just made") };
        hashes
    }
}

/// The roots of the perfect subtrees of a tree with this edge, largest first.
fn subtrees(levels: &[Vec<Hash>]) -> Vec<Hash> {
    let mut nodes = Vec::new();
    for hashes in levels.iter().rev() {
        let mut rest = hashes.as_slice();
        while !rest.is_empty() {
            let (subtree, after) = rest.split_at(1 << rest.len().ilog2());
            nodes.push(perfect_root(subtree));
            rest = after;
        }
    }
    nodes
}

/// Gives the nodes of a tree of one size from its tiles. It believes the tiles; proofs made with it are checked
/// against a root.
#[derive(Debug)]
pub struct TileReader<'a, S: ?Sized> {
    store: &'a S,
    size: u64,
    /// The last tile read, since neighbours are asked for one after the other.
    last: Option<(TilePath, Vec<Hash>)>,
}

impl<'a, S: Store + ?Sized> TileReader<'a, S> {
    /// Reads from the tiles that a tree of `size` leaves has in `store`.
    pub fn new(store: &'a S, size: u64) -> Self {
        Self { store, size, last: None }
    }

    fn tile(&mut self, tile: TilePath) -> Result<&[Hash], StoreError> {
        if self.last.as_ref().is_none_or(|(path, _)| *path != tile) {
            self.last = Some((tile, read_hashes(self.store, &tile)?));
        }
        Ok(self.last.as_ref().map_or(&[], |(_, hashes)| hashes.as_slice()))
    }
}

impl<S: Store + ?Sized> Nodes for TileReader<'_, S> {
    type Error = StoreError;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, StoreError> {
        let missing = || StoreError::Missing { path: format!("node {index} of level {level}") };
        let tile_level = u8::try_from(level / 8).map_err(|_| missing())?;
        let height = level % 8;
        let first = index << height;
        let number = first / WIDTH;
        let width = (items(self.size, tile_level) - number * WIDTH).min(WIDTH);
        let width = u16::try_from(width).map_err(|_| missing())?;
        let hashes = self.tile(TilePath { kind: Kind::Hashes(tile_level), number, width })?;
        let start = usize::from(u8::try_from(first % WIDTH).map_err(|_| missing())?);
        hashes.get(start..start + (1 << height)).map(perfect_root).ok_or_else(missing)
    }
}

/// The bytes of a hash tile.
pub fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.concat()
}

/// How many items tiles of `level` hold for a tree of `size` leaves: the perfect subtrees of `256^level` leaves.
pub fn items(size: u64, level: u8) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// Tile levels of a tree of up to 2^63 leaves.
pub const LEVELS: u8 = 8;

fn read_hashes<S: Store + ?Sized>(store: &S, tile: &TilePath) -> Result<Vec<Hash>, StoreError> {
    let path = tile.path();
    let Some(bytes) = store.read(&path)? else { return Err(StoreError::Missing { path }) };
    let (hashes, rest) = bytes.as_chunks::<32>();
    if hashes.len() != usize::from(tile.width) || !rest.is_empty() {
        return Err(StoreError::Missing { path });
    }
    Ok(hashes.to_vec())
}

/// The root over a power of two of hashes.
fn perfect_root(hashes: &[Hash]) -> Hash {
    let mut row = [[0_u8; 32]; 256];
    let mut count = hashes.len();
    let (used, _) = row.split_at_mut(count);
    used.copy_from_slice(hashes);
    while count > 1 {
        count /= 2;
        for at in 0..count {
            let (Some(left), Some(right)) = (row.get(2 * at), row.get(2 * at + 1)) else { break };
            let node = node_hash(left, right);
            row.get_mut(at).into_iter().for_each(|slot| *slot = node);
        }
    }
    let [root, ..] = row;
    root
}

/// The kinds of file that level `level` of the tree is written to.
pub(crate) fn kinds(level: u8) -> impl Iterator<Item = Kind> {
    let bundles: &[Kind] = if level == 0 { &[Kind::Entries, Kind::Parties] } else { &[] };
    std::iter::once(Kind::Hashes(level)).chain(bundles.iter().copied())
}

/// How many items the partial tile after `items` items holds; zero for none.
fn remainder(items: u64) -> u16 {
    u16::try_from(items % WIDTH).unwrap_or(0)
}

/// `1234067` as `x001/x234/067`.
fn number_path(number: u64) -> String {
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

fn parse_kind(path: &str) -> Option<(Kind, &str)> {
    if let Some(rest) = path.strip_prefix("tile/entries/") {
        return Some((Kind::Entries, rest));
    }
    if let Some(rest) = path.strip_prefix("parties/entries/") {
        return Some((Kind::Parties, rest));
    }
    let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let level: u8 = level.parse().ok()?;
    (level < LEVELS).then_some((Kind::Hashes(level), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use crate::merkle::{inclusion_proof, root, small_proof};
    use crate::store::memory::Memory;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        let table = [
            (Kind::Hashes(0), 0, 256, "tile/0/000"),
            (Kind::Hashes(0), 273, 256, "tile/0/273"),
            (Kind::Hashes(3), 1_234_067, 256, "tile/3/x001/x234/067"),
            (Kind::Hashes(1), 1, 16, "tile/1/001.p/16"),
            (Kind::Entries, 1_000, 1, "tile/entries/x001/000.p/1"),
            (Kind::Parties, 999, 256, "parties/entries/999"),
        ];
        for (kind, number, width, path) in table {
            let tile = TilePath { kind, number, width };
            assert_eq!(tile.path(), path);
            assert_eq!(TilePath::parse(path), Some(tile));
        }
    }

    #[test]
    fn paths_in_any_other_spelling_are_unknown() {
        let bad = [
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/8/000",
            "tile/0/x000/001",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/+1",
            "tile/0/000.p",
            "tile/0/",
            "tile/0",
            "tile/entries/",
            "parties/000",
            "tile/0/x001/+01",
            "",
            "tile/0/000/",
            "tile/0/x99999999999999999999/000",
        ];
        for path in bad {
            assert_eq!(TilePath::parse(path), None, "{path}");
        }
    }

    #[test]
    fn edge_has_the_root_of_the_tree_at_every_size() {
        let all = leaves(1100);
        let mut edge = Edge::new();
        for (size, leaf) in all.iter().enumerate() {
            if size % 37 == 0 || size % 256 < 2 {
                assert_eq!(edge.root(), root(&all[..size]), "size {size}");
                assert_eq!(edge.frontier().root(), edge.root());
            }
            edge.append(*leaf, |_, _| {});
        }
    }

    /// Every tile of a tree, worked out from its leaves by the definition alone.
    fn naive_tiles(all: &[Hash]) -> BTreeMap<String, Vec<u8>> {
        let mut tiles = BTreeMap::new();
        let mut row = all.to_vec();
        for level in 0..LEVELS {
            for (number, hashes) in row.chunks(256).enumerate() {
                let width = u16::try_from(hashes.len()).unwrap();
                let tile = TilePath { kind: Kind::Hashes(level), number: number as u64, width };
                tiles.insert(tile.path(), hashes.concat());
            }
            row = row.chunks_exact(256).map(root).collect();
        }
        tiles
    }

    fn write(store: &Memory, edge: &mut Edge, all: &[Hash]) {
        for leaf in all {
            edge.append(*leaf, |tile, hashes| store.create(&tile.path(), &tile_bytes(hashes)).unwrap());
        }
        for tile in partials(edge.size()) {
            if let Kind::Hashes(level) = tile.kind {
                store.create(&tile.path(), &tile_bytes(edge.hashes(level))).unwrap();
            }
        }
    }

    #[test]
    fn tiles_are_those_of_the_definition_and_prove_every_entry() {
        for size in [1_u64, 255, 256, 257, 700, 65_536, 66_000] {
            let all = leaves(size);
            let store = Memory::new();
            let mut edge = Edge::new();
            write(&store, &mut edge, &all);
            let naive = naive_tiles(&all);
            let names = store.list("").unwrap();
            assert_eq!(names, naive.keys().cloned().collect::<Vec<_>>());
            for (path, bytes) in naive {
                assert_eq!(store.read(&path).unwrap().unwrap(), bytes, "{path}");
            }
            for index in [0, size / 3, size - 1] {
                let path = inclusion_proof(index, size, &mut TileReader::new(&store, size)).unwrap();
                assert_eq!(path, small_proof(&all, index));
            }
            let restored = Edge::read(&store, size).unwrap();
            let cut = usize::try_from(size - size % 256).unwrap();
            assert_eq!(restored.root(), root(&all[..cut]));
        }
    }

    proptest! {
        #[test]
        fn changed_tiles_are_the_difference_of_two_trees(old in 0_u64..200_000, more in 0_u64..2_000) {
            let new = old + more;
            let before: std::collections::BTreeSet<_> = changed(0, old).into_iter().collect();
            let after: std::collections::BTreeSet<_> = changed(0, new).into_iter().collect();
            let difference: std::collections::BTreeSet<_> = after.difference(&before).copied().collect();
            prop_assert_eq!(changed(old, new).into_iter().collect::<std::collections::BTreeSet<_>>(), difference);
            let partial: std::collections::BTreeSet<_> = after.into_iter().filter(|tile| tile.width < 256).collect();
            prop_assert_eq!(partials(new).into_iter().collect::<std::collections::BTreeSet<_>>(), partial);
        }

        #[test]
        fn path_parsing_never_panics_and_is_the_inverse(path in "(tile|parties)/[0-9a-z]{1,7}/[x0-9/.p]{0,20}") {
            if let Some(tile) = TilePath::parse(&path) {
                prop_assert_eq!(tile.path(), path);
            }
        }
    }
}
