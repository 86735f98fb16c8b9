//! The office: every part of one running partnership, built once.
//!
//! Not here: what the parts do. It opens the folder, folds the record, settles what a crash left in doubt, and starts the clerk.

mod by_hand;
mod erasures;
mod folded;
mod found;
mod log_keys;
mod undone;

pub(crate) use by_hand::by_hand;
use folded::Folded;
pub(crate) use found::{document, library};
pub(crate) use log_keys::{LogKeys, NEXT};
pub(crate) use undone::Undone;

use crate::awaited::Awaited;
use crate::clerk::{self, Clerk, Parts, STEP_MS, Threads, Unavailable};
use crate::clock::Clock;
use crate::config::Config;
use crate::cosigned::{Cosigned, Standing};
use crate::http::Limits;
use crate::notices::{Listed, Notices, Outbox, Receiver};
use crate::road;
use crate::snapshots::{self, Snapshots};
use crate::telemetry::Metrics;
use crate::vault::Vault;
use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use cloud::Gateway;
use partnership::act::{Deed, Outcome};
use partnership::decision::Warrant;
use partnership::entry::Genesis;
use partnership::ids::{PartyId, Timestamp};
use partnership::registry::Registry;
use partnership::state::{LogSigns, Snapshot};
use partnership::{Command, Entropy, Partnership, State, Terms};
use record::note::Verifier;
use record::store::directory::Directory;
use record::{Journal, Loaded, Publisher, Store};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, watch};

/// Every part of one running partnership.
#[derive(Debug)]
pub(crate) struct Office {
    /// The partnership's folder.
    pub(crate) dir: PathBuf,
    /// How the operator runs it.
    pub(crate) config: Config,
    /// Where time and randomness come from.
    pub(crate) clock: Clock,
    /// Who decides.
    pub(crate) clerk: Clerk,
    /// What every request reads.
    pub(crate) desk: Arc<ArcSwap<Desk>>,
    /// The record's files, to read.
    pub(crate) store: Arc<Directory>,
    /// The log's keys: one signs promises here, and checkpoints in the publisher's thread.
    pub(crate) log: Arc<LogKeys>,
    /// Who performs calls of models.
    pub(crate) gateway: ArcSwap<Gateway>,
    /// The keys under which content is committed to.
    pub(crate) vault: Arc<Vault>,
    /// Erasures that are on the record and are still to be carried out.
    pub(crate) undone: Arc<Undone>,
    /// Who has asked how often.
    pub(crate) limits: Limits,
    /// Calls that more than one may wait for.
    pub(crate) awaited: Awaited,
    /// What others have cosigned.
    pub(crate) cosigned: Cosigned,
    /// What is told to whom.
    pub(crate) notices: Notices,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    /// Why the record cannot be written any more, once it cannot.
    failed: watch::Receiver<Option<String>>,
    threads: Mutex<Option<Threads>>,
    errands: Errands,
    _lock: File,
}

/// What every request reads: an unchanging copy, replaced when it changes and the change is durable.
#[derive(Debug)]
pub(crate) struct Desk {
    /// The terms in force.
    pub(crate) terms: Arc<Terms>,
    /// Applications, keys and suspended models.
    pub(crate) registry: Registry,
    /// The state's epoch that this shows.
    pub(crate) epoch: u64,
    /// When the partnership began.
    pub(crate) since: Timestamp,
    /// The parties' public keys.
    pub(crate) vkeys: BTreeMap<PartyId, Verifier>,
    /// The keys that may speak for a party in one matter: that its own is lost.
    pub(crate) recovery: BTreeMap<PartyId, Verifier>,
    /// All keys that each party has had, in order of use.
    ever: Vec<Verifier>,
    /// The log's, where it has had several.
    log_keys: Vec<LogSigns>,
}

impl Desk {
    /// What a state shows; none before its first entry.
    pub(crate) fn of(state: &State) -> Option<Self> {
        Some(Self {
            terms: Arc::clone(state.terms()?),
            registry: state.registry().clone(),
            epoch: state.epoch(),
            since: state.versions().first().map(|version| version.since).unwrap_or_default(),
            vkeys: state.vkeys().map(|(party, key)| (party.clone(), key.clone())).collect(),
            recovery: recovery_of(state.terms()?),
            log_keys: state.log_keys().to_vec(),
            ever: state.vkeys_ever().into_iter().flat_map(|(_, keys)| keys).cloned().collect(),
        })
    }
}

fn recovery_of(terms: &Terms) -> BTreeMap<PartyId, Verifier> {
    let named = terms.memorandum().header.recovery.iter();
    named.filter_map(|(party, vkey)| Some((party.clone(), Verifier::parse(vkey).ok()?))).collect()
}

/// Counts the acts under way, so that a stop can wait for them.
#[derive(Debug)]
struct Errands {
    /// Taken when the office closes.
    begun: Mutex<Option<mpsc::Sender<()>>>,
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

/// Held by whoever carries an act through; the office closes when all are dropped.
pub(crate) type Errand = mpsc::Sender<()>;

impl Office {
    /// Opens the partnership in `dir`; founds its record where it has none yet.
    ///
    /// Blocks while it reads the record from its newest snapshot on. All that it has written is durable when it returns.
    /// Errors: another process runs it, a file is missing or damaged, or signatures are missing; each says what to do.
    pub(crate) fn open(dir: &Path, config: Config) -> anyhow::Result<Arc<Self>> {
        let clock = Clock;
        let lock = lock(dir)?;
        let vault = Arc::new(Vault::open(dir.join("vault"), config.vault.key_file(dir)?, clock)?);
        let notices = Notices::of(Outbox::open(dir)?);
        let store = Arc::new(Directory::new(dir.join("record")));
        let log = Arc::new(LogKeys::open(dir, &config.origin, &store)?);
        let own = log.own().context("the log has no key")?;
        let (verifier, snapshots) = (log.first().clone(), Snapshots::of(dir, &own));
        let opening = Opening {
            origin: &config.origin,
            segment_bytes: config.record.segment_bytes,
            log: &verifier,
            now: clock.now(),
            seed: clock.random(),
            snapshots: Some(&snapshots),
        };
        let mut opened = Opened::of(&store, opening, || found::prepare(dir, &store, &verifier))?;
        let undone = Arc::new(Undone::left(opened.end_erasures(&vault, clock)?));
        let Opened { mut partnership, journal, mut publisher, snapshot, erasures: _ } = opened;
        let desk = Desk::of(partnership.state()).context("the partnership has not begun")?;
        match log.publish(&mut publisher, &desk, &mut desk.served(&store)?) {
            Err(error @ record::StoreError::Full { .. }) => {
                tracing::warn!(%error, "the record is whole, and its disk is full");
            }
            published => drop(published?),
        }
        if let Some(lease) = &config.record.lease {
            partnership.lend(lease.caps(&desk.terms.memorandum().header)?);
        }
        let cosigned = Cosigned::open(Arc::clone(&store), &desk.logs(&verifier), &desk.registry.cosigners())?;
        let desk = Arc::new(ArcSwap::from_pointee(desk));
        let metrics = Arc::new(Metrics::default());
        let (fails, failed) = watch::channel(None);
        let (snapshots, keeper) = snapshots.keep()?;
        snapshot.into_iter().for_each(|snapshot| snapshots.send(snapshot).unwrap_or_default());
        let parts = Parts {
            partnership,
            journal,
            publisher,
            log: Arc::clone(&log),
            desk: Arc::clone(&desk),
            metrics: Arc::clone(&metrics),
            fatal: Arc::new(move |reason| drop(fails.send(Some(reason)))),
            snapshots,
            unasked: Arc::clone(&undone),
        };
        let (clerk, threads) = clerk::start(parts, clock)?;
        let threads = threads.and(keeper);
        let (begun, ended) = mpsc::channel(1);
        Ok(Arc::new(Self {
            dir: dir.to_owned(),
            vault,
            undone,
            gateway: ArcSwap::from_pointee(Gateway::new(Vec::new(), None, None)?),
            config,
            clock,
            clerk,
            desk,
            store,
            log,
            limits: Limits::new(clock),
            awaited: Awaited::default(),
            cosigned,
            notices,
            metrics,
            failed,
            threads: Mutex::new(Some(threads)),
            errands: Errands { begun: Mutex::new(Some(begun)), ended: tokio::sync::Mutex::new(ended) },
            _lock: lock,
        }))
    }

    /// Begins to carry an act through.
    ///
    /// Errors: where the office is closing.
    pub(crate) fn errand(&self) -> Result<Errand, Unavailable> {
        let begun = self.errands.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.clone().ok_or_else(|| Unavailable("the server is stopping".to_owned()))
    }

    /// Resolves when the record cannot be written any more, with the reason.
    pub(crate) async fn failed(&self) -> String {
        let mut failed = self.failed.clone();
        let reason = failed.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            // The threads have ended in good order.
            None => std::future::pending().await,
        }
    }

    /// Puts what rate limits refused on the record, if anything.
    pub(crate) async fn tally(&self) -> Result<(), Unavailable> {
        for refused in self.limits.tallies() {
            self.clerk.tally(refused).await?;
        }
        Ok(())
    }

    /// How each key stands by which a party cosigns.
    pub(crate) fn standing(&self) -> Vec<Standing> {
        let desk = self.desk.load();
        let keys = desk.registry.witness_keys().map(|(vkey, party)| (vkey, party.as_str()));
        self.cosigned.standing(keys, self.clerk.published(), self.clock.now())
    }

    /// The parties of the memorandum in force.
    pub(crate) fn parties(&self) -> Vec<PartyId> {
        let desk = self.desk.load();
        desk.terms.memorandum().header.parties.iter().map(|party| party.id.clone()).collect()
    }

    /// What there is to tell, and what was told; `receivers` are those that are told.
    ///
    /// Errors: the record does not answer.
    pub(crate) async fn listed(&self, receivers: Vec<Arc<Receiver>>) -> Result<Vec<Listed>, Unavailable> {
        let (now, noted) = (self.clock.now(), self.notices.outbox().all());
        self.clerk.ask(move |state| Listed::all(state, now, noted, &receivers)).await
    }

    /// Waits for the acts under way, and ends the threads: all is settled, written and published.
    pub(crate) async fn close(&self) {
        drop(self.errands.begun.lock().unwrap_or_else(PoisonError::into_inner).take());
        while self.errands.ended.lock().await.recv().await.is_some() {}
        road::erasing::go_on(self).await;
        drop(self.tally().await);
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let clerk = self.clerk.clone();
        let stopped = tokio::task::spawn_blocking(move || threads.map(|threads| clerk.stop(threads)));
        drop(stopped.await);
    }
}

/// Takes the folder for this process.
pub(crate) fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(|error| {
        if error.kind() != std::io::ErrorKind::NotFound {
            return anyhow::anyhow!("`{}` cannot be written: {error}", path.display());
        }
        anyhow::anyhow!(
            "`{}` is no partnership; `countersign up DIR` makes one, and `--dir DIR` names one",
            dir.display()
        )
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another process runs `{}`; use it through its socket or with `--server URL`, or stop it first",
            dir.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("`{}` cannot be locked", path.display()))
        }
    }
}

/// The partnership and its record, with nothing in doubt.
pub(crate) struct Opened<S> {
    /// What was agreed and what was done.
    pub(crate) partnership: Partnership,
    /// The record's journal.
    pub(crate) journal: Journal<S>,
    /// The record's publisher, which has all that is durable.
    pub(crate) publisher: Publisher<S>,
    /// A snapshot to be kept, since it took long to get here.
    pub(crate) snapshot: Option<Snapshot>,
    /// Erasures that the last process had begun or that have fallen due since, if any.
    pub(crate) erasures: Vec<Warrant>,
}

/// Which record is opened, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening<'a> {
    /// The log's origin.
    pub(crate) origin: &'a str,
    /// The size of journal segments made from now on.
    pub(crate) segment_bytes: u32,
    /// The log's public key.
    pub(crate) log: &'a Verifier,
    /// What the machine's clock says.
    pub(crate) now: Timestamp,
    /// Fresh randomness.
    pub(crate) seed: [u8; 32],
    /// Where to begin, if not at the first entry.
    pub(crate) snapshots: Option<&'a Snapshots>,
}

impl<S: Store> Opened<S> {
    /// Opens the record in `store`, folds it and settles what is in doubt; `begins` gives the first entry of one that has none. All that
    /// it has written is durable when it returns.
    pub(crate) fn of(
        store: &Arc<S>,
        opening: Opening<'_>,
        begins: impl FnOnce() -> anyhow::Result<(Terms, Genesis)>,
    ) -> anyhow::Result<Self> {
        let Opening { origin, segment_bytes, log, now, seed, snapshots } = opening;
        let mut entropy = Entropy::new(seed);
        let loaded = record::load(Arc::clone(store), origin, segment_bytes, log)?;
        if let Some(torn) = &loaded.torn {
            tracing::warn!(
                segment = torn.segment,
                offset = torn.offset,
                bytes = torn.bytes.len(),
                "a write that nobody was told of was cut off; it was removed"
            );
        }
        let known = library(&**store)?.into_iter().map(|terms| (terms.digest(), Arc::new(terms))).collect();
        let folded = folded::fold_all(&loaded.entries, origin, known, snapshots)?;
        let Folded { mut state, snapshot_at, fresh } = folded;
        let Loaded { log: end, journal, publisher, .. } = loaded;
        let (mut partnership, erasures) = if state.entries() == 0 {
            let (terms, genesis) = begins()?;
            state.know(terms);
            (Partnership::found(state, end, now, genesis, &mut entropy)?, Vec::new())
        } else {
            resolve(state, end, now, &mut entropy)?
        };
        partnership.take_snapshots(snapshots::EVERY, snapshot_at);
        let mut opened = Self { partnership, journal, publisher, snapshot: fresh, erasures };
        opened.make_durable()?;
        Ok(opened)
    }

    fn make_durable(&mut self) -> anyhow::Result<()> {
        let groups: Vec<_> = self.partnership.log().seal().into_iter().collect();
        self.journal.write(&groups)?;
        groups.into_iter().for_each(|group| self.publisher.absorb(group));
        Ok(())
    }
}

/// Settles what a crash left in doubt: a model call that was cut off is lost, and nothing is charged for it. An erasure can be gone on
/// with, so it is not in doubt.
fn resolve(
    state: State,
    log: record::Log,
    now: Timestamp,
    entropy: &mut Entropy,
) -> anyhow::Result<(Partnership, Vec<Warrant>)> {
    let (mut partnership, in_doubt) = Partnership::resume(state, log);
    let (erasures, in_doubt): (Vec<_>, Vec<_>) =
        in_doubt.into_iter().partition(|warrant| matches!(warrant.act().deed, Deed::Erase(_)));
    if !in_doubt.is_empty() {
        tracing::warn!(
            acts = in_doubt.len(),
            "calls that were under way when the last process ended are lost"
        );
    }
    let was = partnership.state().at();
    let stepped = (now.plus_millis(STEP_MS) < was).then_some(Command::Clock { was, now });
    let settled = in_doubt.into_iter().map(|warrant| Command::Settle(warrant, Outcome::lost()));
    let commands = settled.chain(stepped).chain([Command::Tick]).collect();
    partnership.turn(now, entropy, commands)?;
    let fell_due = partnership.unasked();
    Ok((partnership, erasures.into_iter().chain(fell_due).collect()))
}
