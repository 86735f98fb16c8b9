//! The keys of a record in the order of use: what its entries prove of them, what is served, and what the verifier trusts.
//!
//! Not here: whether one key may come after another, which the replay finds out.

use super::fault;
use anyhow::{Context as _, ensure};
use record::audit::VKEYS;
use record::note::Verifier;
use record::{Fault, Store};
use replay::{Replay, Succession};
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
pub(super) struct Chains(Vec<Vec<Verifier>>);

impl Chains {
    /// Those of the parties.
    pub(super) fn of(replay: &Replay) -> Self {
        Self(replay.vkeys().map(|last| chain(replay.successions(), last)).collect())
    }

    /// Whether the record has the keys that are trusted, or leads from those to its own, and serves no others.
    pub(super) fn lead(&self, trusted: &Trusted, served: &[Verifier]) -> Result<(), Fault> {
        let is_prefix = |chain: &Vec<Verifier>| {
            let there = served.iter().filter(|key| chain.contains(key));
            there.clone().count() > 0 && there.zip(chain).all(|(key, used)| key == used)
        };
        if !self.0.iter().all(is_prefix) || !served.iter().all(|key| self.has(key)) {
            return Err(fault(VKEYS, "it does not hold the parties' keys as the entries say them"));
        }
        let Some((path, given)) = &trusted.given else { return Ok(()) };
        let parties: Vec<&Verifier> = given.iter().filter(|key| **key != trusted.log).collect();
        let has_all = self.0.iter().all(|chain| parties.iter().any(|key| chain.contains(key)));
        if has_all && parties.iter().all(|key| self.has(key)) { Ok(()) } else { Err(unlike(path)) }
    }

    /// The file of public keys, with the log's before the others.
    pub(super) fn file(&self, log: &Verifier) -> String {
        std::iter::once(log).chain(self.0.iter().flatten()).map(|key| format!("{key}\n")).collect()
    }

    fn has(&self, key: &Verifier) -> bool {
        self.0.iter().any(|chain| chain.contains(key))
    }
}

fn unlike(path: &Path) -> Fault {
    let what = format!(
        "it does not hold exactly the keys of `{}`, nor does the record lead from those to its own",
        path.display()
    );
    fault(VKEYS, &what)
}

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
