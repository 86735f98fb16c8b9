//! What lies between a follower and whoever serves: requests and answers that are lost, late, doubled, cut short or from before.
//!
//! An answer that is cut short is one that its reader knows to be, as HTTP has it: by its length.

use super::super::place;
use super::party;
use crate::cmd::verify::Link;
use anyhow::{anyhow, bail};
use record::audit::COSIGNED;
use record::cosignature::{Cosigned, CosignerKey};
use record::store::chance::Chance;
use record::{Hash, Store};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// One follower's wire; a clone is another handle of it.
#[derive(Clone)]
pub(super) struct Wire(Arc<Mutex<State>>);

/// What a wire knows, and what was said over it.
pub(super) struct State {
    chance: Chance,
    /// Whether nothing is lost.
    pub(super) is_whole: bool,
    /// Whether the follower's process lives: a dead one says nothing.
    pub(super) is_alive: bool,
    /// What is served; none while nobody serves.
    pub(super) shown: Option<Arc<dyn Store>>,
    /// What hands the operator a note.
    pub(super) takes: Option<Takes>,
    /// Answers that were given before, of what changes.
    before: BTreeMap<String, Vec<Vec<u8>>>,
    late: Vec<Vec<u8>>,
    /// What each key, `w1` and `w2`, has cosigned and said so, by size.
    pub(super) sworn: [BTreeMap<u64, Hash>; 2],
    keys: [CosignerKey; 2],
    /// The first thing that did not hold.
    pub(super) found: Option<String>,
}

/// Hands a note to the operator.
pub(super) type Takes = Box<dyn FnMut(&[u8]) -> Result<(), String> + Send>;

impl Wire {
    pub(super) fn of(party: &str, chance: Chance) -> Self {
        let keys = party::cosigners(party).map(|cosigner| cosigner.key());
        Self(Arc::new(Mutex::new(State {
            chance,
            is_whole: false,
            is_alive: true,
            shown: None,
            takes: None,
            before: BTreeMap::new(),
            late: Vec::new(),
            sworn: Default::default(),
            keys,
            found: None,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn finds(&self, why: &str) {
        let mut state = self.state();
        state.found = state.found.take().or_else(|| Some(why.to_owned()));
    }
}

impl State {
    /// The checkpoint that is shown now.
    pub(super) fn checkpoint(&self) -> Option<Vec<u8>> {
        self.shown.as_ref()?.read("checkpoint").ok().flatten()
    }

    /// The largest size that a key has cosigned and said so, with the root.
    pub(super) fn latest(&self, key: usize) -> (u64, Option<Hash>) {
        self.sworn[key].last_key_value().map_or((0, None), |(size, root)| (*size, Some(*root)))
    }

    /// What a note says that has left the follower.
    fn hear(&mut self, note: &[u8]) {
        let opened = match Cosigned::open(note, &[&place::log().verifier()], &self.keys) {
            Ok(opened) => opened,
            Err(error) => return self.found = Some(format!("what was cosigned does not open: {error}")),
        };
        for cosignature in &opened.cosignatures {
            let key = usize::from(cosignature.key == self.keys[1]);
            let (size, root) = (opened.checkpoint.size, opened.checkpoint.root);
            if self.sworn[key].insert(size, root).is_some_and(|before| before != root) {
                self.found = Some(format!("w{} has cosigned two roots of size {size}", key + 1));
            }
        }
    }

    fn deliver(&mut self, note: &[u8]) -> anyhow::Result<()> {
        let takes = self.takes.as_mut().ok_or_else(|| anyhow!("nobody answers"))?;
        takes(note).map_err(|why| anyhow!("it was not taken: {why}"))
    }

    fn deliver_late(&mut self) {
        if !self.late.is_empty() && self.chance.hits(1, 8) {
            let at = usize::try_from(self.chance.below(self.late.len() as u64)).unwrap();
            let note = self.late.swap_remove(at);
            // Whoever sent it waits no more.
            drop(self.deliver(&note));
        }
    }

    /// An answer from before, of what may change; some cache has kept it.
    fn stale(&mut self, path: &str) -> Option<Vec<u8>> {
        let before = self.before.get(path)?;
        self.chance.pick(before).cloned()
    }

    fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let shown = self.shown.as_ref().ok_or_else(|| anyhow!("nobody answers"))?;
        Ok(shown.read(path)?)
    }
}

impl Link for Wire {
    fn get(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let mut state = self.state();
        if !state.is_alive {
            bail!("the process is dead");
        }
        state.deliver_late();
        let lost = if state.is_whole { u64::MAX } else { state.chance.below(48) };
        match lost {
            0 => bail!("`{path}`: the request was lost"),
            1 => bail!("`{path}`: the answer was lost"),
            2 => bail!("`{path}`: the answer was cut short"),
            3..6 => {
                if let Some(bytes) = state.stale(path) {
                    return Ok(Some(bytes));
                }
            }
            _ => {}
        }
        let answer = state.read(path)?;
        if let ("checkpoint" | COSIGNED, Some(bytes)) = (path, &answer) {
            let before = state.before.entry(path.to_owned()).or_default();
            before.push(bytes.clone());
            let old = before.len().saturating_sub(8);
            before.drain(..old);
        }
        Ok(answer)
    }

    fn cosign(&self, note: Vec<u8>) -> anyhow::Result<()> {
        let mut state = self.state();
        if !state.is_alive {
            bail!("the process is dead");
        }
        state.hear(&note);
        let lost = if state.is_whole { u64::MAX } else { state.chance.below(12) };
        match lost {
            0 => bail!("the cosignature was lost"),
            1 => state.deliver(&note).and_then(|()| bail!("the answer was lost")),
            2 => state.deliver(&note).and_then(|()| state.deliver(&note)),
            3 => {
                state.late.push(note);
                bail!("no answer came in time")
            }
            _ => state.deliver(&note),
        }
    }
}
