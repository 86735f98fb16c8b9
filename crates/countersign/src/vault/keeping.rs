//! Content on its way into the vault and out of it again.
//!
//! Not here: which calls' content is kept (the terms say so), or how it comes there in pieces (`kept`).

use super::blob::{self, Part, Unread};
use super::{Subject, Vault, Writing, contents};
use partnership::act::Digest;
use partnership::ids::{ActId, ApplicationId, Timestamp};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek as _};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// A blob that was found.
#[derive(Debug)]
pub(crate) struct Blob {
    file: File,
    bytes: u64,
    /// The key that it is sealed under.
    key: [u8; 32],
    /// The content key that this one comes from.
    pub(crate) content_key: [u8; 32],
}

impl Blob {
    /// Gives the content piece by piece to `take`, and then the digest of the blob.
    ///
    /// Errors: where the blob was changed, and those of reading and taking.
    pub(crate) fn open(&mut self, take: impl FnMut(&[u8]) -> io::Result<()>) -> Result<Digest, Unread> {
        self.file.rewind()?;
        blob::open(&self.key, &self.file, self.bytes, take).map(Digest)
    }
}

impl Vault {
    /// Begins to keep content of `act`.
    ///
    /// Errors: where the vault cannot be written.
    pub(crate) fn writing(&self, content_key: &[u8; 32], act: ActId, part: Part) -> io::Result<Writing> {
        self.contents.begin(content_key, act, part)
    }

    /// Keeps what was written; durable when this returns. None where its key was erased meanwhile, and the content with it.
    ///
    /// Errors: where the vault cannot be written.
    pub(crate) fn keep(
        &self,
        subject: &Subject,
        content_key: &[u8; 32],
        writing: Writing,
    ) -> io::Result<Option<Digest>> {
        let kept = self.contents.end(content_key, writing)?;
        // Whoever erases takes the key away first and looks for folders then, so one of the two sees the other.
        if self.find(subject) == Some(*content_key) {
            return Ok(Some(kept));
        }
        self.sweep()?;
        Ok(None)
    }

    /// Forgets content that no entry names.
    ///
    /// Errors: where the vault cannot be written.
    pub(crate) fn unkeep(&self, content_key: &[u8; 32], kept: Digest) -> io::Result<()> {
        self.contents.remove(content_key, kept)
    }

    /// The blob of this name that is of a call by `application` at `at`; none where there is none.
    ///
    /// Errors: where the vault cannot be read.
    pub(crate) fn blob(
        &self,
        (act, part): (ActId, Part),
        application: &ApplicationId,
        kept: Digest,
    ) -> io::Result<Option<Blob>> {
        for content_key in self.keys_of(application, act.made_at()) {
            if let Some((file, bytes)) = self.contents.find(&content_key, kept)? {
                let key = blob::key(&content_key, act, part);
                return Ok(Some(Blob { file, bytes, key, content_key }));
            }
        }
        Ok(None)
    }

    /// The acts that have erased content of an application and the month of `at`, of calls that named an end user or that named none.
    ///
    /// Errors: where the vault cannot be read.
    pub(crate) fn erased(
        &self,
        application: &ApplicationId,
        at: Timestamp,
        end_user: bool,
    ) -> io::Result<Vec<(ActId, Timestamp)>> {
        self.erased.of(application, at.date().first_of_month(), end_user)
    }

    /// Content could not be kept that should have been.
    pub(crate) fn stick(&self) {
        self.is_stuck.store(true, Ordering::Relaxed);
    }

    /// Whether content can be kept: after it could not, first a segment's worth must be written again.
    ///
    /// Errors: where it cannot.
    pub(crate) fn unstick(&self) -> io::Result<()> {
        if self.is_stuck.load(Ordering::Relaxed) {
            self.contents.try_out(&self.clock.random())?;
            self.is_stuck.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Removes all content whose key is gone.
    pub(super) fn sweep(&self) -> io::Result<()> {
        // The folders first: the key of each was there before it was.
        let folders = self.contents.folders()?;
        if folders.is_empty() {
            return Ok(());
        }
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let Some(names) = held
            .as_ref()
            .map(|held| held.keys.values().map(|kept| contents::name(&kept.key)).collect::<BTreeSet<_>>())
        else {
            return Ok(());
        };
        drop(held);
        folders.difference(&names).try_for_each(|name| self.contents.destroy(name))
    }

    fn keys_of(&self, application: &ApplicationId, at: Timestamp) -> Vec<[u8; 32]> {
        let month = at.date().first_of_month();
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let all = held.iter().flat_map(|held| &held.keys);
        let of = all.filter(|(name, _)| name.application == *application && name.month == month);
        of.map(|(_, kept)| kept.key).collect()
    }
}
