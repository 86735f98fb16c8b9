//! A store whose n-th writing call goes wrong in one of the ways disks do. For tests of everything above.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Store, StoreError};

/// How the call goes wrong. It returns an error in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens.
    Fails,
    /// It happens, and the caller is told it did not.
    FailsButPersisted,
    /// A segment gets the first half of the bytes; of several files the first half is made; other calls, which
    /// are whole by contract, do nothing.
    Torn,
    /// Nothing happens, since the disk is full.
    Full,
}

/// Wraps a store; reading always works.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    at: u64,
    fault: Fault,
    calls: AtomicU64,
    made: Mutex<BTreeSet<&'static str>>,
}

impl<S: Store> Faulty<S> {
    /// Lets writing call number `at`, counted from zero, go wrong by `fault`, and no other.
    pub fn new(inner: S, at: u64, fault: Fault) -> Self {
        Self { inner, at, fault, calls: AtomicU64::new(0), made: Mutex::default() }
    }

    /// How many writing calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The names of the writing calls that were made, sorted.
    pub fn made(&self) -> Vec<&'static str> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Runs `whole`, or in its place what the fault leaves of it.
    fn call(
        &self,
        (name, path): (&'static str, &str),
        whole: impl FnOnce() -> Result<(), StoreError>,
        torn: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        if self.calls.fetch_add(1, Ordering::Relaxed) != self.at {
            return whole();
        }
        let path = path.to_owned();
        match self.fault {
            Fault::Fails => {}
            Fault::FailsButPersisted => whole()?,
            Fault::Torn => torn()?,
            Fault::Full => return Err(StoreError::Full { path }),
        }
        Err(StoreError::Io { path, source: std::io::Error::other("a fault was injected") })
    }
}

impl<S: Store> Store for Faulty<S> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.read(path)
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.call(("create", path), || self.inner.create(path, bytes), || Ok(()))
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.call(("replace", path), || self.inner.replace(path, bytes), || Ok(()))
    }

    fn make_durable(&self, path: &str) -> Result<(), StoreError> {
        self.call(("make_durable", path), || self.inner.make_durable(path), || Ok(()))
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.call(("remove", path), || self.inner.remove(path), || Ok(()))
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        self.inner.list(directory)
    }

    fn segment_create(&self, number: u32, size: u32) -> Result<(), StoreError> {
        let path = super::segment_path(number);
        self.call(("segment_create", &path), || self.inner.segment_create(number, size), || Ok(()))
    }

    fn segment_write(&self, number: u32, offset: u32, bytes: &[u8]) -> Result<(), StoreError> {
        let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
        self.call(
            ("segment_write", &super::segment_path(number)),
            || self.inner.segment_write(number, offset, bytes),
            || self.inner.segment_write(number, offset, half),
        )
    }

    fn segment_sync(&self, number: u32) -> Result<(), StoreError> {
        self.call(
            ("segment_sync", &super::segment_path(number)),
            || self.inner.segment_sync(number),
            || Ok(()),
        )
    }

    fn segment_read(&self, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.segment_read(number)
    }

    fn segment_remove(&self, number: u32) -> Result<(), StoreError> {
        self.call(
            ("segment_remove", &super::segment_path(number)),
            || self.inner.segment_remove(number),
            || Ok(()),
        )
    }

    fn segments(&self) -> Result<Vec<u32>, StoreError> {
        self.inner.segments()
    }
}
