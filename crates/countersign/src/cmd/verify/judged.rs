//! Judging again: the writer's own fold, with every entry judged before it is let in. Not here: the replay that shares nothing with it.
//!
//! Documents are read when an entry first names them.

use super::fault;
use crate::office;
use anyhow::bail;
use partnership::State;
use partnership::entry::{Body, Entry, document_of};
use partnership::ids::ActId;
use record::Store;
use replay::{Replay, Sums};
use std::collections::BTreeSet;
use std::ops::Deref;

/// The fold of the entries so far, each found to be what an honest clerk would have written.
pub(super) struct Judged<S> {
    store: S,
    state: State,
    /// Every act that was decided: an id is good for one act.
    acts: BTreeSet<ActId>,
}

impl<S: Deref<Target: Store + Sized>> Judged<S> {
    pub(super) fn over(store: S) -> Self {
        Self { store, state: State::new([]), acts: BTreeSet::new() }
    }

    pub(super) fn entry(&mut self, index: u64, envelope: &[u8], parties: &[u8]) -> Result<(), String> {
        let entry = Entry::decode(envelope, parties).map_err(|error| error.to_string())?;
        if let Some(digest) = document_of(&entry.body)
            && self.state.document(&digest).is_none()
        {
            let terms = office::document(&*self.store, &digest).map_err(|error| format!("{error:#}"))?;
            self.state.know(terms);
        }
        if let Body::Decided(decided) = &entry.body {
            let id = decided.act.id;
            let waits = self.state.waiting_act(&id).is_some();
            if !self.acts.insert(id) && !waits {
                return Err(format!("act `{id}` was decided before"));
            }
        }
        self.state.check(&entry).map_err(|error| error.to_string())?;
        self.state.apply(&entry, index).map_err(|error| error.to_string())
    }

    /// Whether the two folds have come to the same accounts and the same open acts.
    ///
    /// Errors: the first account or act that one of them has and the other has not.
    pub(super) fn agrees_with(&self, replay: &Replay) -> anyhow::Result<()> {
        let ours = self.state.book().accounts().map(|(name, asset, _, balance)| {
            let sums = Sums {
                debits_posted: balance.debits_posted.minor(),
                credits_posted: balance.credits_posted.minor(),
                debits_pending: balance.debits_pending.minor(),
                credits_pending: balance.credits_pending.minor(),
            };
            (name.as_ref(), asset.as_ref(), sums)
        });
        let ours: BTreeSet<(&str, &str, Sums)> = ours.collect();
        let theirs: BTreeSet<_> =
            replay.accounts().map(|account| (account.name, account.asset, account.sums)).collect();
        if let Some((name, ..)) = ours.symmetric_difference(&theirs).next() {
            bail!(fault("balances", &format!("two folds disagree about account `{name}`")));
        }
        let ours: BTreeSet<String> = self.state.open().map(|(id, _)| id.to_string()).collect();
        let theirs: BTreeSet<String> = replay.open().map(|open| open.id.to_string()).collect();
        match ours.symmetric_difference(&theirs).next() {
            Some(act) => bail!(fault("balances", &format!("two folds disagree whether act `{act}` is open"))),
            None => Ok(()),
        }
    }
}
