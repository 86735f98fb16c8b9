//! One follower, step by step: what it takes, what it checks, and after which of it each key cosigns.
//!
//! Not here: when it looks, and what it says to whom (`cmd/follow`). It reads no clock and opens no file or connection, so a
//! simulation runs it as it is, over a disk, a memory and a link of its own.

use super::checks::{Checks, Document, Founded, keep_document};
use super::incident::Disagreement;
use super::keys::WitnessKeys;
use super::metered::Metered;
use super::trusted::keys_in;
use crate::cmd::said::reason;
use crate::cmd::verify::{Depth, Link, Served};
use anyhow::Context as _;
use record::audit::VKEYS;
use record::cosignature::Cosigner;
use record::handover::{HANDOVER, led_to};
use record::log::Entries;
use record::note::{Signer, Verifier};
use record::tile::TilePath;
use record::witness::{Latest, Refused};
use record::{
    AddCheckpoint, Checkpoint, Handover, Hash, Mirror, MirrorError, Store, StoreError, Witness, merkle,
};
use std::sync::Arc;

/// What a follower stands on: that of a process, or that of a simulation.
pub(crate) trait Ground {
    /// What it asks the operator by.
    type Link: Link;
    /// Where the copy lies.
    type Store: Store;
    /// What has been cosigned.
    type Memory: Latest;
    /// What keeps the copy in order.
    type Copy: Takes;
}

/// What keeps a copy in order.
pub(crate) trait Takes {
    /// How many entries it holds.
    fn size(&self) -> u64;

    /// The root over them.
    fn root(&self) -> Hash;

    /// As [`Mirror::know`].
    fn know(&mut self, key: Verifier);

    /// As [`Mirror::follow`].
    fn follow(
        &mut self,
        source: &impl Store,
        signed: &[u8],
        visit: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
    ) -> Result<Checkpoint, MirrorError>;
}

impl<S: Store> Takes for Mirror<S> {
    fn size(&self) -> u64 {
        self.size()
    }

    fn root(&self) -> Hash {
        self.root()
    }

    fn know(&mut self, key: Verifier) {
        self.know(key);
    }

    fn follow(
        &mut self,
        source: &impl Store,
        signed: &[u8],
        visit: impl FnMut(u64, &[u8], &[u8]) -> Result<(), String>,
    ) -> Result<Checkpoint, MirrorError> {
        self.follow(source, signed, visit)
    }
}

/// One that follows one record.
pub(crate) struct Follower<G: Ground> {
    served: Served<G::Link>,
    store: Arc<G::Store>,
    mirror: G::Copy,
    /// The log's first key, by which the record is known.
    log: Verifier,
    /// Its keys that are believed.
    logs: Vec<Verifier>,
    w1: Arc<Witness<G::Memory>>,
    w2: Witness<G::Memory>,
    checks: Checks<G::Store>,
    /// The size of the checkpoint that the operator last took both cosignatures of.
    told: u64,
    /// How often in a row the checkpoint was older than one that was cosigned.
    older: u32,
    /// The last checkpoint that was held and replayed, with the cosignature that says so.
    mirrored: Vec<u8>,
}

/// A copy that was opened, and where more of it comes from.
pub(crate) struct Held<G: Ground> {
    /// The operator, as it is served.
    pub(crate) served: Served<G::Link>,
    /// Where the copy lies.
    pub(crate) store: Arc<G::Store>,
    /// What keeps it in order.
    pub(crate) mirror: G::Copy,
    /// What it holds already.
    pub(crate) entries: Entries<G::Store>,
    /// The log's first key.
    pub(crate) log: Verifier,
    /// Its keys that are believed.
    pub(crate) logs: Vec<Verifier>,
}

/// Who follows, and how closely it looks.
pub(crate) struct Party<'a> {
    /// The party's own key.
    pub(crate) signer: &'a Signer,
    /// The keys by which it cosigns.
    pub(crate) keys: WitnessKeys,
    /// How far an entry is looked into.
    pub(crate) depth: Depth,
    /// The party's meters, where it has any.
    pub(crate) metered: Option<Metered>,
}

/// What is served is older than what was cosigned: from a cache, or by an operator that has gone back. It is looked at again before
/// anybody is accused.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint is of size {size}, and one of size {known} was cosigned before")]
pub(crate) struct Older {
    size: u64,
    known: u64,
}

/// A checkpoint that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Followed {
    /// Which.
    pub(crate) head: Checkpoint,
    /// Whether both cosignatures of it were taken now, and had not been before.
    pub(crate) is_new: bool,
}

impl<G: Ground> Follower<G> {
    /// Replays what `party` holds already, to go on from there; `memory` opens what a key has cosigned.
    ///
    /// Errors: what is held does not hold, or cannot be read.
    pub(crate) fn open(
        held: Held<G>,
        party: Party<'_>,
        memory: impl Fn() -> G::Memory,
    ) -> anyhow::Result<Self> {
        let Held { served, store, mut mirror, entries, log, logs } = held;
        let founded = Founded::of(&log, &served, party.signer)?;
        let mut checks = Checks::over(&store, founded, party.depth, party.metered);
        entries.for_each_entry(|index, envelope, parties| checks.entry(&store, index, envelope, parties))?;
        let witness = |cosigner: Cosigner| Witness::new(memory(), cosigner, logs.clone());
        let (w1, w2) = (Arc::new(witness(party.keys.grew)), witness(party.keys.replayed));
        logs.iter().for_each(|key| mirror.know(key.clone()));
        let mirrored = Vec::new();
        Ok(Self { served, store, mirror, log, logs, w1, w2, checks, told: 0, older: 0, mirrored })
    }

    /// Takes the checkpoint that is there: sees that it goes on from the last, cosigns that; takes the entries, checks them, and cosigns
    /// that too.
    ///
    /// Units: `now` is in seconds since 1970.
    ///
    /// Errors: [`Disagreement`], after which nothing may be cosigned; one for which [`is_final`] holds, after which it must be opened
    /// anew; [`Older`], or any other, after which it may be tried again.
    pub(crate) fn step(&mut self, now: u64) -> anyhow::Result<Followed> {
        drop(self.served.failure());
        let (signed, head) = self.newest()?;
        if head.size == self.told && head.root == self.mirror.root() {
            // A call that was served and not recorded makes no record grow.
            self.checks.agree()?;
            return Ok(Followed { head, is_new: false });
        }
        let grew = self.cosign(&self.w1, &self.served, (&signed, &head), now)?;
        if let Err(error) = self.post(&signed, &grew) {
            tracing::warn!("{}", reason(&error));
        }
        let kept = self.keep_logs()?;
        if let Err(error) = self.take(&signed) {
            // The key has signed nothing that is held.
            kept.map_or(Ok(()), |kept| self.store.replace(VKEYS, &kept))?;
            return Err(error);
        }
        self.checks.agree()?;
        self.checks.logs_agree(&self.log, &self.logs, (&signed, &head))?;
        self.keep_keys()?;
        let replayed = self.cosign(&self.w2, &*self.store, (&signed, &head), now)?;
        self.mirrored = [&signed, replayed.as_bytes()].concat();
        self.post(&signed, &format!("{grew}{replayed}"))?;
        self.told = head.size;
        Ok(Followed { head, is_new: true })
    }

    /// Has the log's keys that are believed beside the copy, before a checkpoint that one of them signed; gives what was there, if that
    /// was other.
    fn keep_logs(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let kept = self.store.read(VKEYS)?.unwrap_or_default();
        let all = keys_in(&kept);
        let (mut logs, parties): (Vec<_>, Vec<_>) = all.iter().partition(|key| key.name() == self.log.name());
        let before = logs.len();
        logs.extend(self.logs.iter().filter(|key| !all.contains(key)));
        if logs.len() == before {
            return Ok(None);
        }
        let text: String = logs.into_iter().chain(parties).map(|key| format!("{key}\n")).collect();
        self.store.replace(VKEYS, text.as_bytes())?;
        Ok(Some(kept))
    }

    /// Has the keys beside the copy that its entries say.
    fn keep_keys(&self) -> Result<(), StoreError> {
        let handover = self.checks.handover(&self.log);
        if !handover.is_empty() && self.store.read(HANDOVER)?.as_deref() != Some(handover.as_bytes()) {
            self.store.replace(HANDOVER, handover.as_bytes())?;
        }
        let keys = self.checks.keys_file(&self.log);
        if self.store.read(VKEYS)?.as_deref() != Some(keys.as_bytes()) {
            self.store.replace(VKEYS, keys.as_bytes())?;
        }
        Ok(())
    }

    /// Looks again at what is served.
    ///
    /// Errors: those of [`Served::again`].
    pub(crate) fn look_again(&mut self) -> anyhow::Result<()> {
        self.served.again()
    }

    /// The checkpoint that was looked at last, as it was signed.
    pub(crate) fn checkpoint(&self) -> &[u8] {
        self.served.checkpoint()
    }

    /// The last checkpoint that was held and replayed since the start, with the cosignature that says so; empty before there is one.
    pub(crate) fn mirrored(&self) -> &[u8] {
        &self.mirrored
    }

    /// How many entries are held.
    pub(crate) fn held(&self) -> u64 {
        self.mirror.size()
    }

    /// The witness that says that the log grew, for whoever else asks it.
    pub(crate) fn w1(&self) -> &Arc<Witness<G::Memory>> {
        &self.w1
    }

    /// Takes the entries of a checkpoint, each after it was checked.
    fn take(&mut self, signed: &[u8]) -> anyhow::Result<()> {
        let (store, served, checks) = (&*self.store, &self.served, &mut self.checks);
        let mut own = None;
        let followed = self.mirror.follow(served, signed, |index, envelope, parties| {
            match keep_document(store, served, index, envelope, parties) {
                Ok(()) => checks.entry(store, index, envelope, parties),
                Err(Document::Fault(what)) => Err(what),
                Err(Document::Own(error)) => {
                    let what = error.to_string();
                    own = Some(error);
                    Err(what)
                }
            }
        });
        match followed {
            Ok(_) => Ok(()),
            Err(_) if own.is_some() => {
                Err(own.map_or_else(|| anyhow::anyhow!("the copy cannot go on"), Into::into))
            }
            // A document that could not be fetched is no fault of the record.
            Err(MirrorError::Fault(fault)) => {
                Err(self.served.failure().unwrap_or_else(|| Disagreement::from(fault).into()))
            }
            Err(MirrorError::Checkpoint(error)) => Err(Disagreement::at("checkpoint", &error).into()),
            Err(error @ MirrorError::Source(_)) => Err(self.served.failure().unwrap_or_else(|| error.into())),
            Err(MirrorError::Store(error)) => Err(anyhow::Error::new(error).context("the copy cannot go on")),
        }
    }

    /// The newest checkpoint. One that is older than what was cosigned and fits to it may come from a cache, so it is looked at for a
    /// while before anybody is accused.
    fn newest(&mut self) -> anyhow::Result<(Vec<u8>, Checkpoint)> {
        let signed = self.served.checkpoint().to_vec();
        self.learn(&signed)?;
        let (head, _) = Checkpoint::open_by(&signed, &self.logs)
            .map_err(|error| Disagreement::at("checkpoint", &error))?;
        let known = self.w1.size(self.log.name())?;
        if head.size >= known {
            self.older = 0;
            return Ok((signed, head));
        }
        let older = Older { size: head.size, known };
        self.older = self.older.saturating_add(1);
        if self.older < LOOKS && self.is_held(&head)? {
            return Err(older.into());
        }
        let what = format!("it is of size {}, and one of size {known} was cosigned before", head.size);
        Err(Disagreement::at("checkpoint", &what).into())
    }

    /// Where no key that is believed has signed, believes those that one of them has handed over to, up to the one that did. That the
    /// entries say so too is seen when they were replayed.
    fn learn(&mut self, signed: &[u8]) -> Result<(), StoreError> {
        let has_signed = |key: &Verifier| Checkpoint::open(signed, key).is_ok();
        if self.logs.iter().any(has_signed) {
            return Ok(());
        }
        let file = self.served.read(HANDOVER)?.unwrap_or_default();
        let led = led_to(&self.logs, &Handover::parse(&String::from_utf8_lossy(&file)).unwrap_or_default());
        let Some(last) = led.iter().position(has_signed) else { return Ok(()) };
        for key in led.into_iter().take(last.saturating_add(1)) {
            tracing::info!(%key, "the log's key has handed over to another");
            self.mirror.know(key.clone());
            self.w1.know(key.clone());
            self.w2.know(key.clone());
            self.logs.push(key);
        }
        Ok(())
    }

    /// Whether a checkpoint could be an older one of what is held; so could one of what is not held yet.
    fn is_held(&self, head: &Checkpoint) -> Result<bool, StoreError> {
        let (size, root) = (self.mirror.size(), self.mirror.root());
        if head.size == 0 || head.size > size {
            return Ok(true);
        }
        let request = AddCheckpoint::of(&*self.store, &[], size, head.size)?;
        Ok(request.is_some_and(|request| {
            merkle::verify_consistency(head.size, &head.root, size, &root, &request.proof)
        }))
    }

    fn cosign(
        &self,
        witness: &Witness<G::Memory>,
        tiles: &impl Store,
        (signed, head): (&[u8], &Checkpoint),
        now: u64,
    ) -> anyhow::Result<String> {
        let known = witness.size(&head.origin)?;
        let request = AddCheckpoint::of(tiles, signed, head.size, known);
        let request =
            request.map_err(|error| self.served.failure().unwrap_or_else(|| self.cut_short(error)))?;
        let request =
            request.context("a newer checkpoint was cosigned meanwhile, since another asked for it")?;
        witness.add_checkpoint(&request.encode(), now).map_err(|refused| match refused {
            Refused::Fork(_) | Refused::Inconsistent { .. } | Refused::Shrinks { .. } => {
                Disagreement::at("checkpoint", &refused).into()
            }
            other => anyhow::Error::new(other),
        })
    }

    /// What a tile that cannot be read says of the record: one that is not there may come yet, one that is served cut short may not.
    fn cut_short(&self, error: StoreError) -> anyhow::Error {
        let StoreError::Missing { path } = &error else { return error.into() };
        let width = TilePath::parse(path).map(|tile| usize::from(tile.width));
        match self.served.read(path) {
            Ok(Some(bytes)) if width.is_some_and(|width| bytes.len() != width.saturating_mul(32)) => {
                let what =
                    format!("it has {} bytes, and is to have a hash for each of its width", bytes.len());
                Disagreement::at(path, &what).into()
            }
            _ => error.into(),
        }
    }

    /// Hands the operator a checkpoint with these lines under it. It may not take them, and the record is followed all the same.
    fn post(&self, signed: &[u8], lines: &str) -> anyhow::Result<()> {
        let mut note = signed.to_vec();
        note.extend_from_slice(lines.as_bytes());
        self.served.cosign(note)
    }
}

/// Whether going on would not help: the copy's own disk has failed, and is not only full.
pub(crate) fn is_final(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StoreError>().is_some_and(|error| !matches!(error, StoreError::Full { .. }))
}

/// How often in a row a checkpoint may be older than one that was cosigned.
pub(crate) const LOOKS: u32 = 60;
