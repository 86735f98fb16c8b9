//! The keys of a record in the order of use: what its entries prove of them, what is served, and what the verifier trusts.
//!
//! Not here: whether one key may come after another, which the replay finds out.

use super::fault;
use anyhow::{Context as _, ensure};
use record::audit::{COSIGNED, VKEYS};
use record::handover::HANDOVER;
use record::note::Verifier;
use record::{Audited, Checkpoint, Fault, Handover, Store};
use replay::{LogSuccession, Replay, Succession};
use std::path::{Path, PathBuf};

/// The log's key, and what the verifier was given to trust.
#[derive(Debug)]
pub(crate) struct Trusted {
    /// The log's first key, as it is served.
    pub(crate) log: Verifier,
    /// The keys that are trusted, and their file; none where those are that are served.
    given: Option<(PathBuf, Vec<Verifier>)>,
}

impl Trusted {
    /// The keys in the file `vkeys`, of which the log's must be served too; that the record leads from the others to those it has now is
    /// seen when it was replayed.
    ///
    /// Errors: there is no record, or it is of another log.
    pub(crate) fn of(store: &impl Store, vkeys: Option<&Path>) -> anyhow::Result<Self> {
        let served = store.read(VKEYS)?.context("there is no record here: it has no file `vkeys`")?;
        let served = String::from_utf8(served).map_err(|_| fault(VKEYS, "it is not utf-8"))?;
        let first = served.lines().next().unwrap_or_default();
        let log = Verifier::parse(first).map_err(|error| fault(VKEYS, &error.to_string()))?;
        let given = vkeys.map(|path| -> anyhow::Result<_> {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("the keys in `{}` cannot be read", path.display()))?;
            let keys: Result<Vec<_>, _> =
                text.lines().filter(|line| !line.trim().is_empty()).map(Verifier::parse).collect();
            let keys = keys.with_context(|| format!("`{}` holds no public keys", path.display()))?;
            let is_served =
                |key: &Verifier| key.name() == log.name() && served.lines().any(|line| line == key.vkey());
            ensure!(keys.first().is_some_and(is_served), unlike(path));
            Ok((path.to_owned(), keys))
        });
        Ok(Self { log, given: given.transpose()? })
    }

    /// Whether the verifier was given keys of its own.
    pub(super) fn is_given(&self) -> bool {
        self.given.is_some()
    }

    /// Whether a key is among those given.
    pub(super) fn has(&self, key: &Verifier) -> bool {
        self.given.as_ref().is_some_and(|(_, keys)| keys.contains(key))
    }
}

/// Of each owner, the keys in the order of use.
#[derive(Debug)]
pub(super) struct Chains<'a> {
    /// The log's after the first.
    log: &'a [LogSuccession],
    /// The log's.
    logs: Vec<Verifier>,
    parties: Vec<Vec<Verifier>>,
}

impl<'a> Chains<'a> {
    /// Those that the entries say; `first` is the log's first key.
    pub(super) fn of(replay: &'a Replay, first: &Verifier) -> Self {
        let log = replay.log_successions();
        let logs =
            std::iter::once(log.first().map_or(first, |one| &one.from)).chain(log.iter().map(|one| &one.to));
        let parties = replay.vkeys().map(|last| chain(replay.successions(), last)).collect();
        Self { logs: logs.cloned().collect(), log, parties }
    }

    /// The key that signs a checkpoint of this size.
    pub(super) fn signs(&self, size: u64) -> Option<&Verifier> {
        let later = self.log.iter().filter(|one| one.index < size).count();
        self.logs.get(later)
    }

    /// How the log's keys handed over: the file.
    pub(super) fn handover(&self) -> String {
        let line = |one: &LogSuccession| {
            let (from, to) = (one.from.clone(), one.to.clone());
            Handover { from, to, handed: one.handed.clone(), taken: one.taken.clone() }.line()
        };
        self.log.iter().map(line).collect()
    }

    /// Whether the log's keys that signed and are served are those that the entries say, each of what it may sign.
    pub(super) fn sign(&self, audited: &Audited) -> Result<(), Fault> {
        let is_served = self.logs.get(..audited.logs.len()) == Some(&audited.logs);
        let handover = audited.handover.as_deref().unwrap_or_default();
        if !is_served {
            return Err(fault(VKEYS, "it does not hold the log's keys as the entries say them"));
        }
        if !self.handover().as_bytes().starts_with(handover)
            || !(handover.is_empty() || handover.ends_with(b"\n"))
        {
            return Err(fault(HANDOVER, "it does not say how the log's keys handed over as the entries do"));
        }
        let heads = [
            (CHECKPOINT, audited.checkpoint.as_ref().map(|head| head.size), &audited.checkpoint_by),
            (COSIGNED, cosigned_size(audited), &audited.cosigned_by),
        ];
        for (path, size, by) in heads {
            if size.is_some_and(|size| self.signs(size) != by.as_ref()) {
                return Err(fault(path, "it is not signed by the key of the log that signs at its size"));
            }
        }
        Ok(())
    }

    /// Whether the record has the keys that are trusted, or leads from those to its own, and serves no others.
    pub(super) fn lead(&self, trusted: &Trusted, served: &[Verifier]) -> Result<(), Fault> {
        let is_prefix = |chain: &Vec<Verifier>| {
            let there = served.iter().filter(|key| chain.contains(key));
            there.clone().count() > 0 && there.zip(chain).all(|(key, used)| key == used)
        };
        if !self.parties.iter().all(is_prefix) || !served.iter().all(|key| self.is_a_partys(key)) {
            return Err(fault(VKEYS, "it does not hold the parties' keys as the entries say them"));
        }
        let Some((path, given)) = &trusted.given else { return Ok(()) };
        let has_one = |chain: &Vec<Verifier>| given.iter().any(|key| chain.contains(key));
        let has_all = self.parties.iter().chain([&self.logs]).all(has_one);
        let is_ever = |key: &Verifier| self.logs.contains(key) || self.is_a_partys(key);
        if has_all && given.iter().all(is_ever) { Ok(()) } else { Err(unlike(path)) }
    }

    /// The file of public keys.
    pub(super) fn file(&self) -> String {
        self.logs.iter().chain(self.parties.iter().flatten()).map(|key| format!("{key}\n")).collect()
    }

    /// The log's keys.
    pub(super) fn logs(&self) -> &[Verifier] {
        &self.logs
    }

    fn is_a_partys(&self, key: &Verifier) -> bool {
        self.parties.iter().any(|chain| chain.contains(key))
    }
}

/// The size of what others have cosigned.
fn cosigned_size(audited: &Audited) -> Option<u64> {
    let signed = audited.cosigned.as_deref()?;
    Checkpoint::open_by(signed, &audited.logs).ok().map(|(head, _)| head.size)
}

fn unlike(path: &Path) -> Fault {
    let what = format!(
        "it does not hold exactly the keys of `{}`, nor does the record lead from those to its own",
        path.display()
    );
    fault(VKEYS, &what)
}

const CHECKPOINT: &str = "checkpoint";

/// The keys that led to this one, and it.
fn chain(successions: &[Succession], last: &Verifier) -> Vec<Verifier> {
    let mut chain = vec![last.clone()];
    // A key is used once, so each has one before it at most.
    for succession in successions.iter().rev() {
        if chain.last() == Some(&succession.to) {
            chain.push(succession.from.clone());
        }
    }
    chain.reverse();
    chain
}
