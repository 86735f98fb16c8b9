//! Warrants that no proposer waits for: erasures that fell due or were freed by an approval, and those that could not be carried out yet.
//!
//! Not here: how they are carried out (`road::erasing`).

use partnership::decision::Warrant;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What is to be carried out. All of it is on the record for good.
#[derive(Debug, Default)]
pub(crate) struct Undone {
    warrants: Mutex<Vec<Warrant>>,
    come: Notify,
}

impl Undone {
    /// What the last process has left.
    pub(super) fn left(warrants: Vec<Warrant>) -> Self {
        Self { warrants: Mutex::new(warrants), come: Notify::new() }
    }

    /// New ones, to be carried out at once.
    pub(crate) fn add(&self, warrants: Vec<Warrant>) {
        self.all().extend(warrants);
        self.come.notify_one();
    }

    /// One that could not be carried out; it is tried again with the next.
    pub(crate) fn put_back(&self, warrant: Warrant) {
        self.all().push(warrant);
    }

    /// All of them, which are then nobody else's.
    pub(crate) fn take(&self) -> Vec<Warrant> {
        std::mem::take(&mut *self.all())
    }

    /// Resolves when new ones have come.
    pub(crate) async fn come(&self) {
        self.come.notified().await;
    }

    fn all(&self) -> MutexGuard<'_, Vec<Warrant>> {
        self.warrants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
