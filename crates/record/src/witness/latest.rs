//! Where a witness keeps what it has cosigned, in one step that lasts. Not what is kept: that is bytes here.

use std::sync::{Arc, Mutex, PoisonError};

use crate::store::{Store, StoreError};

/// Where a witness keeps what it has cosigned last of each log, and what proves a fork.
///
/// A *place* is a name of 64 hexadecimal digits, for one cosigner's key name and one log.
pub trait Latest: Send + Sync {
    /// What was put at the place last; `None` if nothing ever was.
    ///
    /// It may be what a [`Latest::swap`] that failed has left.
    ///
    /// # Errors
    /// [`StoreError`].
    fn read(&self, place: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Puts `new` in place of `old`, if `old` is what is there: one step, with no other between the look and the change.
    /// When it has given true, `new` outlives a power cut. Gives false, and does nothing, if something else is there.
    ///
    /// # Errors
    /// [`StoreError`]: then the old or the new is there, whole, and it may still be the other after a power cut.
    fn swap(&self, place: &str, old: Option<&[u8]>, new: &[u8]) -> Result<bool, StoreError>;

    /// Keeps the proof of a fork at `size` for good. The first of a size is enough and stays.
    ///
    /// # Errors
    /// [`StoreError`].
    fn keep_fork(&self, place: &str, size: u64, fork: &[u8]) -> Result<(), StoreError>;

    /// Every proof of a fork that was kept, by size.
    ///
    /// # Errors
    /// [`StoreError`].
    fn forks(&self, place: &str) -> Result<Vec<Vec<u8>>, StoreError>;
}

/// Keeps it in a store: `<place>/latest` and `<place>/fork/<size>`, the size in 20 digits.
///
/// The store must not be a record's own, and no other process may write to it, as everywhere in this crate.
#[derive(Debug)]
pub struct Kept<S: ?Sized> {
    turn: Mutex<()>,
    store: Arc<S>,
}

impl<S: Store + ?Sized> Kept<S> {
    /// Keeps it in `store`.
    pub fn new(store: Arc<S>) -> Self {
        Self { turn: Mutex::new(()), store }
    }
}

impl<S: Store + ?Sized> Latest for Kept<S> {
    fn read(&self, place: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.read(&format!("{place}/latest"))
    }

    fn swap(&self, place: &str, old: Option<&[u8]>, new: &[u8]) -> Result<bool, StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.read(place)?.as_deref() != old {
            return Ok(false);
        }
        self.store.replace(&format!("{place}/latest"), new)?;
        Ok(true)
    }

    fn keep_fork(&self, place: &str, size: u64, fork: &[u8]) -> Result<(), StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let path = format!("{place}/fork/{size:020}");
        // One that a failed call has left may be in a cache only, so it is written again.
        let fork = self.store.read(&path)?.unwrap_or_else(|| fork.to_vec());
        self.store.create(&path, &fork)
    }

    fn forks(&self, place: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let paths = self.store.list(&format!("{place}/fork"))?;
        let forks: Result<Vec<_>, _> = paths.iter().map(|path| self.store.read(path)).collect();
        Ok(forks?.into_iter().flatten().collect())
    }
}
