//! The log's keys: the private ones that lie in the folder, and which of them signs a checkpoint, as the record says.
//!
//! The next one lies beside the one that signs, as `log-next`, before it is on the record; so wherever a change is cut off, the key that the
//! record asks for is there.

use super::{Desk, Office};
use crate::files::Keys;
use anyhow::ensure;
use arc_swap::ArcSwap;
use record::audit::VKEYS;
use record::handover::HANDOVER;
use record::note::{Signer, Verifier};
use record::{Handover, Publisher, Store, StoreError};
use std::path::Path;

/// The name of the next key's files.
pub(crate) const NEXT: &str = "log-next";

/// The private keys of the log that are at hand.
#[derive(Debug)]
pub(crate) struct LogKeys {
    keys: Option<Keys>,
    /// The key that the record began with.
    first: Verifier,
    held: ArcSwap<Vec<Signer>>,
}

impl LogKeys {
    /// One key, which signs all.
    #[cfg(test)]
    pub(crate) fn of(signer: Signer) -> Self {
        Self { keys: None, first: signer.verifier(), held: ArcSwap::from_pointee(vec![signer]) }
    }

    /// The keys in the folder of a partnership, whose record is in `store`.
    ///
    /// Errors: where there is none, or one of another origin.
    pub(super) fn open(dir: &Path, origin: &str, store: &impl Store) -> anyhow::Result<Self> {
        let keys = Keys::new(dir.join("keys"));
        // Where the key is lost, the next one lies there alone.
        let is_lost = !keys.paths("log")?[0].exists() && keys.paths(NEXT)?[0].exists();
        let own = keys.signer(if is_lost { NEXT } else { "log" })?;
        ensure!(
            own.name() == origin,
            "the log's key is of `{}` and countersign.toml says origin = `{origin}`; the origin cannot change once a key was made for it",
            own.name()
        );
        let first = record::audit::log_keys(store, origin)?.into_iter().next();
        let first = first.unwrap_or_else(|| own.verifier());
        let held = Self { keys: Some(keys), first, held: ArcSwap::from_pointee(vec![own]) };
        held.look()?;
        Ok(held)
    }

    /// Takes the next key, if one was laid beside the one that signs.
    ///
    /// Errors: it does not parse.
    pub(crate) fn look(&self) -> anyhow::Result<()> {
        let Some(keys) = &self.keys else { return Ok(()) };
        if keys.paths(NEXT)?[0].exists() {
            let next = keys.signer(NEXT)?;
            let mut held = Vec::clone(&self.held.load());
            if held.iter().all(|signer| signer.verifier() != next.verifier()) {
                held.push(next);
                self.held.store(held.into());
            }
        }
        Ok(())
    }

    /// The log's name.
    pub(crate) fn name(&self) -> &str {
        self.first.name()
    }

    /// The key that the record began with.
    pub(crate) fn first(&self) -> &Verifier {
        &self.first
    }

    /// The key in the file `log`.
    pub(super) fn own(&self) -> Option<Signer> {
        self.held.load().first().cloned()
    }

    /// The private half of a key, if it is at hand.
    pub(crate) fn signer(&self, key: &Verifier) -> Option<Signer> {
        self.held.load().iter().find(|signer| signer.verifier() == *key).cloned()
    }

    /// Has the keys served that the entries say, if `served` are others, and publishes what was absorbed under the key that signs it. Where
    /// that one is lost, nothing is published until another takes its place. Gives what is served.
    ///
    /// Errors: those of the store.
    pub(crate) fn publish<S: Store>(
        &self,
        publisher: &mut Publisher<S>,
        desk: &Desk,
        served: &mut String,
    ) -> Result<bool, StoreError> {
        let keys = desk.keys_file(&self.first);
        if keys != *served {
            publisher.keep_keys(&keys, &desk.handover())?;
            *served = keys;
        }
        match self.signer(desk.signs(&self.first, publisher.size())) {
            Some(signer) => Ok(publisher.publish(&signer)?.is_some()),
            None => Ok(false),
        }
    }
}

impl Desk {
    /// The key that signs a checkpoint of this size; `first` is the one that the record began with.
    pub(crate) fn signs<'a>(&'a self, first: &'a Verifier, size: u64) -> &'a Verifier {
        let since = self.log_keys.iter().rev().find(|one| one.since < size);
        since.map_or(first, |one| &one.key)
    }

    /// The log's keys in the order of use.
    pub(crate) fn logs(&self, first: &Verifier) -> Vec<Verifier> {
        if self.log_keys.is_empty() {
            return vec![first.clone()];
        }
        self.log_keys.iter().map(|one| one.key.clone()).collect()
    }

    /// The same, each with the entry since which it signs.
    pub(crate) fn logs_since(&self, first: &Verifier) -> Vec<(u64, Verifier)> {
        if self.log_keys.is_empty() {
            return vec![(0, first.clone())];
        }
        self.log_keys.iter().map(|one| (one.since, one.key.clone())).collect()
    }

    /// The file of public keys: the log's, then each party's, in the order of use.
    pub(crate) fn keys_file(&self, first: &Verifier) -> String {
        self.logs(first).iter().chain(&self.ever).map(|key| format!("{key}\n")).collect()
    }

    /// The file of public keys as it is served; empty, so that it is written anew, where the one beside it says something else.
    ///
    /// Errors: those of the store.
    pub(crate) fn served(&self, store: &impl Store) -> Result<String, StoreError> {
        let handover = store.read(HANDOVER)?.unwrap_or_default();
        if handover != self.handover().as_bytes() {
            return Ok(String::new());
        }
        Ok(String::from_utf8_lossy(&store.read(VKEYS)?.unwrap_or_default()).into_owned())
    }

    /// How the log's keys handed over: a line for each.
    pub(crate) fn handover(&self) -> String {
        let after = self.log_keys.iter().zip(self.log_keys.iter().skip(1));
        let line = |(before, one): (&partnership::state::LogSigns, &partnership::state::LogSigns)| {
            let (from, to, taken) =
                (before.key.clone(), one.key.clone(), one.taken.clone().unwrap_or_default());
            Handover { from, to, handed: one.handed.clone(), taken }.line()
        };
        after.map(line).collect()
    }
}

impl Office {
    /// The log's keys in the order of use.
    pub(crate) fn logs(&self) -> Vec<Verifier> {
        self.desk.load().logs(self.log.first())
    }

    /// The same, each with the entry since which it signs.
    pub(crate) fn logs_since(&self) -> Vec<(u64, Verifier)> {
        self.desk.load().logs_since(self.log.first())
    }

    /// The log's key that signs now; none where it is lost.
    pub(crate) fn signer(&self) -> Option<Signer> {
        self.log.signer(self.desk.load().signs(self.log.first(), u64::MAX))
    }

    /// Whether the log's key `from` may give way to `to` as far as this folder tells: the one signs now, and the other is at hand.
    ///
    /// Errors: what is not so.
    pub(crate) fn may_hand_over(&self, from: &str, to: &str) -> anyhow::Result<()> {
        self.log.look()?;
        let desk = self.desk.load();
        let signs = desk.signs(self.log.first(), u64::MAX);
        ensure!(signs.vkey() == from, "the log signs with `{signs}`, not with `{from}`");
        let is_held = Verifier::parse(to).is_ok_and(|to| self.log.signer(&to).is_some());
        ensure!(
            is_held,
            "the private half of `{to}` is not in `keys/{NEXT}.key`, so this log could not sign with it"
        );
        Ok(())
    }
}
