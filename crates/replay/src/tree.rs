//! The RFC 6962 tree over the accounts' lines, of which only what lies above changed leaves is hashed again. Not the record's tree, which
//! never changes a leaf.

use record::Hash;
use record::hash::{empty_root, node_hash};

/// All nodes, level by level, the leaves first. A node without a sibling stands for itself one level up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Puts leaf hashes in their places. Shape: in ascending order of place, and new ones without a gap.
    pub(crate) fn put(&mut self, leaves: &[(usize, Hash)]) {
        let mut changed: Vec<usize> = Vec::with_capacity(leaves.len());
        for (place, leaf) in leaves {
            set(self.level(0), *place, *leaf);
            changed.push(*place);
        }
        let mut level = 0_usize;
        while self.levels.get(level).is_some_and(|row| row.len() > 1) {
            changed.iter_mut().for_each(|place| *place /= 2);
            changed.dedup();
            for place in &changed {
                let node = self.above(level, *place);
                set(self.level(level.saturating_add(1)), *place, node);
            }
            level = level.saturating_add(1);
        }
    }

    /// The root over all leaves.
    pub(crate) fn root(&self) -> Hash {
        self.levels.last().and_then(|row| row.first()).copied().unwrap_or_else(empty_root)
    }

    fn level(&mut self, level: usize) -> &mut Vec<Hash> {
        if self.levels.len() <= level {
            self.levels.resize_with(level.saturating_add(1), Vec::new);
        }
        match self.levels.get_mut(level) {
            Some(row) => row,
            None => unreachable!("the level was just made"),
        }
    }

    /// The node at `place` of the level above `level`.
    fn above(&self, level: usize, place: usize) -> Hash {
        let first = place.saturating_mul(2);
        let row = self.levels.get(level).map(Vec::as_slice).unwrap_or_default();
        match row.get(first..) {
            Some([left, right, ..]) => node_hash(left, right),
            Some([left]) => *left,
            _ => unreachable!("a node stands above another"),
        }
    }
}

fn set(row: &mut Vec<Hash>, place: usize, hash: Hash) {
    match row.get_mut(place) {
        Some(node) => *node = hash,
        None => row.push(hash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::hash::leaf_hash;
    use record::merkle;

    #[test]
    fn a_tree_that_changed_has_the_root_of_one_built_anew() {
        let (mut tree, mut leaves) = (Tree::default(), Vec::new());
        assert_eq!(tree.root(), merkle::root(&[]));
        let mut chance = 1_usize;
        for round in 0..200 {
            let mut put = Vec::new();
            for place in 0..leaves.len() {
                chance = (chance * 48_271) % 2_147_483_647;
                if chance.is_multiple_of(5) {
                    put.push((place, leaf_hash(format!("{round} {place}").as_bytes())));
                }
            }
            for place in leaves.len()..leaves.len() + round % 4 {
                put.push((place, leaf_hash(format!("new {place}").as_bytes())));
            }
            for (place, leaf) in &put {
                set(&mut leaves, *place, *leaf);
            }
            tree.put(&put);
            assert_eq!(tree.root(), merkle::root(&leaves), "{} leaves", leaves.len());
        }
    }
}
