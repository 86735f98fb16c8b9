//! RFC 6962 trees: roots, the frontier that grows one, inclusion and consistency proofs. Not tiles, and not
//! signatures: a root here is only a hash.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "tree positions; release keeps overflow checks, so an overflow stops before anything is written"
)]

use crate::hash::{Hash, empty_root, leaf_hash, node_hash};

/// The right edge of a growing tree: one root for each perfect subtree of its size.
///
/// Shape: at most 64 hashes, whatever the size. Source: the "compact range" of RFC 9162, section 2.1.3.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Largest subtree first; one for each set bit of `size`.
    nodes: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// The frontier of a tree of `size` leaves from the roots of its perfect subtrees, largest first.
    ///
    /// Shape: `None` unless there is one node for each set bit of `size`.
    pub fn from_nodes(size: u64, nodes: Vec<Hash>) -> Option<Self> {
        (u64::from(size.count_ones()) == nodes.len() as u64).then_some(Self { size, nodes })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds one leaf by its leaf hash.
    pub fn append(&mut self, leaf: Hash) {
        self.append_with(leaf, |_, _| {});
    }

    /// Adds one leaf, and hands over each node that is made of it: the height of its subtree, and its hash.
    pub(crate) fn append_with(&mut self, leaf: Hash, mut made: impl FnMut(u32, Hash)) {
        let mut node = leaf;
        for below in 0..self.size.trailing_ones() {
            let Some(left) = self.nodes.pop() else { unreachable!("a set bit has its node") };
            node = node_hash(&left, &node);
            made(below + 1, node);
        }
        self.nodes.push(node);
        self.size += 1;
    }

    /// The tree's root. Units: none; the empty tree has the digest of nothing.
    pub fn root(&self) -> Hash {
        fold_right(&self.nodes).unwrap_or_else(empty_root)
    }
}

/// The root over `leaves`, given as leaf hashes, in order.
///
/// Shape: the digest of nothing for no leaves. Source: RFC 6962, section 2.1.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.append(*leaf));
    frontier.root()
}

/// Gives the hashes of perfect subtrees of one fixed tree, as tiles on disk do.
pub trait Nodes {
    /// Why a node could not be given.
    type Error;

    /// The root of the perfect subtree of `2^level` leaves that starts at leaf `index * 2^level`.
    ///
    /// # Errors
    /// Whatever hinders the reading.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Leaf hashes held in memory give nodes by hashing them.
impl Nodes for &[Hash] {
    type Error = std::convert::Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        let width = 1_usize << level;
        let skipped = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(width);
        let leaves = self.get(skipped..skipped.saturating_add(width)).unwrap_or_default();
        Ok(root(leaves))
    }
}

/// The audit path of leaf `index` in a tree of `size` leaves, from its sibling up to the root's child.
///
/// Shape: `None` if `index` is not below `size`. Source: RFC 6962, section 2.1.1.
///
/// # Errors
/// Those of `nodes`.
pub fn inclusion_proof<N: Nodes>(
    index: u64,
    size: u64,
    nodes: &mut N,
) -> Result<Option<Vec<Hash>>, N::Error> {
    if index >= size {
        return Ok(None);
    }
    let mut path = Vec::new();
    let (mut first, mut end) = (0, size);
    while end - first > 1 {
        let middle = first + split(end - first);
        if index < middle {
            path.push(subtree(middle, end, nodes)?);
            end = middle;
        } else {
            path.push(subtree(first, middle, nodes)?);
            first = middle;
        }
    }
    path.reverse();
    Ok(Some(path))
}

/// The proof that a tree of `old` leaves is a prefix of one of `new` leaves.
///
/// Shape: `None` unless `0 < old <= new`; empty if they are equal. Source: RFC 6962, section 2.1.2.
///
/// # Errors
/// Those of `nodes`, which must be those of the newer tree.
pub fn consistency_proof<N: Nodes>(old: u64, new: u64, nodes: &mut N) -> Result<Option<Vec<Hash>>, N::Error> {
    if old == 0 || old > new {
        return Ok(None);
    }
    let mut path = Vec::new();
    let (mut first, mut end) = (0, new);
    while end != old {
        let middle = first + split(end - first);
        if old <= middle {
            path.push(subtree(middle, end, nodes)?);
            end = middle;
        } else {
            path.push(subtree(first, middle, nodes)?);
            first = middle;
        }
    }
    if first > 0 {
        path.push(subtree(first, end, nodes)?);
    }
    path.reverse();
    Ok(Some(path))
}

/// Whether `path` proves that `leaf` (a leaf hash) stands at `index` in the tree of `size` leaves under `root`.
///
/// Source: RFC 9162, section 2.1.3.2.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut position, mut last) = (*leaf, index, size - 1);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if position % 2 == 1 || position == last {
            node = node_hash(sibling, &node);
            while position.is_multiple_of(2) && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            node = node_hash(&node, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && node == *root
}

/// Whether `path` proves that the tree (`old`, `old_root`) is a prefix of the tree (`new`, `new_root`).
///
/// Shape: trees of equal size need equal roots and an empty path; an empty tree is a prefix of any, by an empty
/// path. Source: RFC 9162, section 2.1.4.2.
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, path: &[Hash]) -> bool {
    if old == 0 {
        return path.is_empty() && *old_root == empty_root();
    }
    if old == new {
        return path.is_empty() && old_root == new_root;
    }
    old < new && grows(old, old_root, new, new_root, path)
}

fn grows(old: u64, old_root: &Hash, new: u64, new_root: &Hash, path: &[Hash]) -> bool {
    let (start, path) = match path.split_first() {
        Some((first, rest)) if !old.is_power_of_two() => (first, rest),
        Some(_) => (old_root, path),
        None => return false,
    };
    let (mut position, mut last) = (old - 1, new - 1);
    while position % 2 == 1 {
        position >>= 1;
        last >>= 1;
    }
    let (mut old_node, mut new_node) = (*start, *start);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if position % 2 == 1 || position == last {
            old_node = node_hash(sibling, &old_node);
            new_node = node_hash(sibling, &new_node);
            while position.is_multiple_of(2) && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            new_node = node_hash(&new_node, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && old_node == *old_root && new_node == *new_root
}

/// The root over leaves `first..end`, where the range is one that the RFC's recursion reaches.
fn subtree<N: Nodes>(first: u64, end: u64, nodes: &mut N) -> Result<Hash, N::Error> {
    let mut roots = Vec::new();
    let mut start = first;
    while start < end {
        let level = (end - start).ilog2();
        roots.push(nodes.node(level, start >> level)?);
        start += 1 << level;
    }
    Ok(fold_right(&roots).unwrap_or_else(empty_root))
}

/// Joins the roots of perfect subtrees, largest first, from the right.
pub(crate) fn fold_right(nodes: &[Hash]) -> Option<Hash> {
    nodes.iter().rev().copied().reduce(|right, left| node_hash(&left, &right))
}

/// The largest power of two below `count`, for a count above one.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The audit path of one of a few `leaves` (leaf hashes), and the root, both held in memory.
#[cfg(test)]
pub(crate) fn small_proof(leaves: &[Hash], index: u64) -> Option<Vec<Hash>> {
    let Ok(path) = inclusion_proof(index, leaves.len() as u64, &mut &*leaves);
    path
}

/// The leaf hashes of `entries`.
pub fn leaf_hashes<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<Hash> {
    entries.into_iter().map(leaf_hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition in RFC 6962, section 2.1, word for word.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(naive_split(leaves.len()));
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    /// PATH(m, D[n]) of section 2.1.1.
    fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() <= 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(naive_split(leaves.len()));
        let (mut path, other) = if index < left.len() {
            (naive_path(index, left), naive_root(right))
        } else {
            (naive_path(index - left.len(), right), naive_root(left))
        };
        path.push(other);
        path
    }

    /// SUBPROOF(m, D[n], b) of section 2.1.2.
    fn naive_subproof(old: usize, leaves: &[Hash], complete: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if complete { Vec::new() } else { vec![naive_root(leaves)] };
        }
        let (left, right) = leaves.split_at(naive_split(leaves.len()));
        let (mut path, other) = if old <= left.len() {
            (naive_subproof(old, left, complete), naive_root(right))
        } else {
            (naive_subproof(old - left.len(), right, false), naive_root(left))
        };
        path.push(other);
        path
    }

    fn naive_split(count: usize) -> usize {
        (0..).map(|bit| 1 << bit).take_while(|power| *power < count).last().unwrap()
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
    }

    #[test]
    fn frontier_has_the_root_of_the_definition_at_every_size() {
        let all = leaves(130);
        let mut frontier = Frontier::new();
        for (size, leaf) in all.iter().enumerate() {
            assert_eq!(frontier.root(), naive_root(&all[..size]), "size {size}");
            assert_eq!(frontier.size(), size as u64);
            frontier.append(*leaf);
        }
    }

    #[test]
    fn every_proof_of_a_small_tree_is_that_of_the_definition_and_verifies() {
        for size in 1..40_usize {
            let all = leaves(size);
            let root = naive_root(&all);
            for index in 0..size {
                let path = small_proof(&all, index as u64).unwrap();
                assert_eq!(path, naive_path(index, &all), "{index} of {size}");
                assert!(verify_inclusion(&all[index], index as u64, size as u64, &path, &root));
            }
            for old in 1..=size {
                let Ok(path) = consistency_proof(old as u64, size as u64, &mut &*all);
                let path = path.unwrap();
                assert_eq!(path, naive_subproof(old, &all, true), "{old} to {size}");
                let old_root = naive_root(&all[..old]);
                assert!(verify_consistency(old as u64, &old_root, size as u64, &root, &path));
            }
        }
    }

    proptest! {
        #[test]
        fn proof_for_another_place_leaf_or_root_is_refused(size in 1_u64..300, seed in any::<u64>(), bit in 0_usize..256) {
            let all = leaves(usize::try_from(size).unwrap());
            let index = seed % size;
            let root = naive_root(&all);
            let path = small_proof(&all, index).unwrap();
            let leaf = all[usize::try_from(index).unwrap()];
            prop_assert!(verify_inclusion(&leaf, index, size, &path, &root));
            let mut other = leaf;
            other[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_inclusion(&other, index, size, &path, &root));
            prop_assert!(!verify_inclusion(&leaf, index, size, &path, &other));
            prop_assert!(!verify_inclusion(&leaf, size, size, &path, &root));
            if size > 1 {
                prop_assert!(!verify_inclusion(&leaf, (index + 1) % size, size, &path, &root));
                prop_assert!(!verify_inclusion(&leaf, index, size, &path[1..], &root));
            }
            let mut longer = path.clone();
            longer.push(leaf);
            prop_assert!(!verify_inclusion(&leaf, index, size, &longer, &root));
        }

        #[test]
        fn consistency_with_a_rewritten_tree_is_refused(new in 2_u64..300, seed in any::<u64>()) {
            let all = leaves(usize::try_from(new).unwrap());
            let old = 1 + seed % (new - 1);
            let Ok(path) = consistency_proof(old, new, &mut &*all);
            let path = path.unwrap();
            let mut prefix = all[..usize::try_from(old).unwrap()].to_vec();
            prop_assert!(verify_consistency(old, &naive_root(&prefix), new, &naive_root(&all), &path));
            prefix[0][0] ^= 1;
            prop_assert!(!verify_consistency(old, &naive_root(&prefix), new, &naive_root(&all), &path));
            prop_assert!(!verify_consistency(old, &naive_root(&all), new, &naive_root(&all), &path));
        }

        #[test]
        fn verification_never_panics(index: u64, size: u64, old: u64, path in proptest::collection::vec(any::<[u8; 32]>(), 0..70)) {
            let hash = [0; 32];
            let _ = verify_inclusion(&hash, index, size, &path, &hash);
            let _ = verify_consistency(old, &hash, size, &hash, &path);
        }
    }
}
