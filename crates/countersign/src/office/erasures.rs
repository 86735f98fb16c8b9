//! Erasures that the last process had begun: carried out and settled before anything else is done.
//!
//! Not here: those of this process (`road`).

use super::Opened;
use crate::clock::Clock;
use crate::road;
use crate::vault::Vault;
use partnership::decision::Warrant;
use partnership::{Command, Entropy};
use record::Store;
use std::collections::BTreeSet;

impl<S: Store> Opened<S> {
    /// Carries out what is open and settles it; gives what could not be carried out. All that it has written is durable when it returns.
    ///
    /// Errors: where the record cannot be written, or the vault's folder cannot be read.
    pub(super) fn end_erasures(&mut self, vault: &Vault, clock: Clock) -> anyhow::Result<Vec<Warrant>> {
        let (mut undone, mut commands) = (Vec::new(), Vec::new());
        for warrant in std::mem::take(&mut self.erasures) {
            let act = warrant.act().id;
            match road::erasing::outcome(vault, warrant.act()) {
                Ok(outcome) => commands.push(Command::Settle(warrant, outcome)),
                Err(error) => {
                    tracing::error!(%error, %act, "an erasure that is on the record could not be carried out yet");
                    undone.push(warrant);
                }
            }
        }
        if !commands.is_empty() {
            tracing::warn!(acts = commands.len(), "erasures that a stop had cut off were carried out");
            self.partnership.turn(clock.now(), &mut Entropy::new(clock.random()), commands)?;
            self.make_durable()?;
        }
        // What waits for approvals is written down as well.
        let waiting = self.partnership.state().waiting().map(|(id, _)| *id);
        let open: BTreeSet<_> = undone.iter().map(|warrant| warrant.act().id).chain(waiting).collect();
        vault.forget_all_but(&open)?;
        Ok(undone)
    }
}
