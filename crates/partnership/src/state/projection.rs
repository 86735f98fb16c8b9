//! The projection of the state that a `state-digest` entry covers: a tree over the accounts, kept up as they change, and the open acts.
//!
//! Not here: when a digest is due. `docs/RECORD.md` says what is hashed, for whoever writes a verifier of their own.

use crate::act::Digest;
use crate::ids::ActId;
use ledger::{AccountId, Book, Transfer};
use record::Hash;
use record::hash::{base64, empty_root, leaf_hash, node_hash, sha256};
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

/// A tree over the lines of all accounts, in the order in which they were opened.
#[derive(Clone, Default)]
pub(super) struct Projection {
    /// The leaves, then each row of nodes above; the last of an odd row moves up as it is.
    rows: Vec<Vec<Hash>>,
    /// The accounts whose leaves are no longer theirs.
    touched: BTreeSet<AccountId>,
}

/// Shows nothing: all of it follows from the book, and how much of it is worked out yet is no part of a state.
impl fmt::Debug for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projection").finish_non_exhaustive()
    }
}

impl Projection {
    /// That of a book of which nothing is known yet.
    pub(super) fn of(book: &Book) -> Self {
        Self { rows: Vec::new(), touched: book.opened().map(|(account, ..)| account.clone()).collect() }
    }

    /// These transfers have been applied.
    pub(super) fn touch(&mut self, transfers: &[Transfer]) {
        for account in transfers.iter().flat_map(|transfer| [&transfer.debit, &transfer.credit]) {
            if !self.touched.contains(account) {
                self.touched.insert(account.clone());
            }
        }
    }

    /// SHA-256 of the projection. It takes as long as what was touched since the last time asks for.
    pub(super) fn digest<'a>(&mut self, book: &Book, open: impl Iterator<Item = &'a ActId>) -> Digest {
        self.refresh(book);
        let count = self.rows.first().map_or(0, Vec::len);
        let root = self.rows.last().and_then(|row| row.first()).copied().unwrap_or_else(empty_root);
        let mut text = format!("accounts\t{count}\t{}\n", base64(&root));
        for act in open {
            let _infallible = writeln!(text, "open\t{act}");
        }
        Digest(sha256(text.as_bytes()))
    }

    fn refresh(&mut self, book: &Book) {
        let touched = std::mem::take(&mut self.touched);
        let mut changed: BTreeSet<usize> =
            touched.iter().filter_map(|account| book.number(account)).collect();
        if self.rows.is_empty() {
            self.rows.push(Vec::new());
        }
        if let Some(leaves) = self.rows.first_mut() {
            put(leaves, changed.iter().filter_map(|number| Some((*number, leaf(book, *number)?))));
        }
        let mut height = 0_usize;
        while self.rows.get(height).is_some_and(|row| row.len() > 1) {
            height = height.saturating_add(1);
            if self.rows.len() == height {
                self.rows.push(Vec::new());
            }
            changed = changed.into_iter().map(|place| place >> 1).collect();
            let (below, above) = self.rows.split_at_mut(height);
            if let (Some(below), Some(above)) = (below.last(), above.first_mut()) {
                put(above, changed.iter().filter_map(|place| Some((*place, node(below, *place)?))));
            }
        }
    }
}

/// Puts hashes in their places, which come in order; those that are new follow on one another.
fn put(row: &mut Vec<Hash>, hashes: impl Iterator<Item = (usize, Hash)>) {
    for (place, hash) in hashes {
        match row.get_mut(place) {
            Some(old) => *old = hash,
            None => row.push(hash),
        }
    }
}

/// The node over two of a row, or the last one of an odd row as it is.
fn node(below: &[Hash], place: usize) -> Option<Hash> {
    match below.get(place.checked_mul(2)?..)? {
        [left, right, ..] => Some(node_hash(left, right)),
        [last] => Some(*last),
        [] => None,
    }
}

fn leaf(book: &Book, number: usize) -> Option<Hash> {
    let (account, asset, _, balance) = book.nth(number)?;
    let sums =
        [balance.debits_posted, balance.credits_posted, balance.debits_pending, balance.credits_pending];
    let mut line = format!("{account}\t{asset}");
    for sum in sums {
        let _infallible = write!(line, "\t{}", sum.minor());
    }
    Some(leaf_hash(line.as_bytes()))
}
