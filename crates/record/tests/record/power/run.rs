//! A run of the three owners that a seed gives, over a simulated disk, judged before every step.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use record::log::Group;
use record::store::careless::Careless;
use record::store::chance::Chance;
use record::store::directory::Directory;
use record::store::simulated::{Call, Disk, Fault};
use record::{Loaded, StoreError, load};

use super::bugs::Bug;
use super::judge::{Judge, ROOT};
use crate::support::{ORIGIN, SEGMENT, leaf_of, put_documents, signer, verifier};

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) points: u64,
    pub(crate) found: Option<(u64, String)>,
}

/// Runs a seed, with a bug planted or none.
pub(crate) fn run(seed: u64, bug: Option<Bug>) -> Ran {
    let mut world = World::new(seed, bug);
    for _ in 0..3 {
        world.watch();
        world.plan_fault();
        world.live(|life| life.at_random());
        if world.judge().found.is_some() {
            break;
        }
        let moment = world.disk.now();
        world.disk = match world.chance.below(3) {
            0 => moment.cut(&mut world.chance),
            _ => moment.kill(&mut world.chance),
        };
    }
    world.ran()
}

/// Does the same work every time, with one step that goes wrong, if any; what is left is judged after a power cut and after
/// a kill. Also gives what each step did.
pub(crate) fn work(fault: Option<(u64, Fault)>) -> (Ran, Vec<Call>) {
    let mut world = World::new(0, None);
    let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
    let noted = Arc::clone(&calls);
    let before = world.disk.steps();
    world.disk.watch(move |moment| noted.lock().unwrap().push(moment.call));
    if let Some((at, fault)) = fault {
        world.disk.fault(before + at, fault);
    }
    world.live(|life| [4, 130, 3, 140, 1].into_iter().try_for_each(|count| life.all_of(count)));
    let mut chance = world.chance.fork();
    for disk in [world.disk.now().cut(&mut chance), world.disk.now().kill(&mut chance)] {
        world.judge().look(disk.now());
    }
    let calls = calls.lock().unwrap().clone();
    (world.ran(), calls)
}

struct World {
    disk: Disk,
    judge: Arc<Mutex<Judge>>,
    bug: Option<Bug>,
    /// What makes entries long.
    padding: u64,
    /// So many entries are appended at once at most.
    most: u64,
    /// How often the record was opened.
    life: u64,
    chance: Chance,
}

/// One process that has the record open.
struct Life<'a> {
    world: &'a mut World,
    owners: Loaded<Directory<Careless>>,
    /// Sealed and not written.
    sealed: Vec<Group>,
    /// Durable and not absorbed.
    durable: VecDeque<Group>,
}

impl World {
    fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut chance = Chance::new(seed);
        let judge = Arc::new(Mutex::new(Judge::new(chance.fork())));
        let disk = Disk::new(chance.number());
        put_documents(&Directory::on(disk.clone(), ROOT));
        let padding = *chance.pick(&[0, 300, 300, 1_200]).unwrap();
        let most = *chance.pick(&[3, 6, 40]).unwrap();
        Self { disk, judge, bug, padding, most, life: 0, chance }
    }

    fn ran(&self) -> Ran {
        let mut judge = self.judge();
        Ran { points: judge.points, found: judge.found.take() }
    }

    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap()
    }

    /// Has every step judged from now on.
    fn watch(&self) {
        let judge = Arc::clone(&self.judge);
        self.disk.watch(move |moment| judge.lock().unwrap().look(moment));
    }

    fn plan_fault(&mut self) {
        let faults = self.bug.map_or(&[][..], Bug::shows_by);
        if !faults.is_empty() || self.chance.hits(1, 3) {
            let at = self.disk.steps() + self.chance.below(100);
            let faults = if faults.is_empty() { &FAULTS } else { faults };
            self.disk.fault(at, *self.chance.pick(faults).unwrap());
        }
    }

    /// Opens the record and works on it until an error or the end.
    fn live(&mut self, work: impl FnOnce(&mut Life<'_>) -> Result<(), StoreError>) {
        self.life += 1;
        let store =
            Arc::new(Directory::on(Careless::new(self.disk.clone(), self.bug.and_then(Bug::slip)), ROOT));
        let Ok(owners) = load(store, ORIGIN, SEGMENT, &verifier()) else { return };
        let size = owners.log.size();
        let mut judge = self.judge();
        judge.leaves.truncate(usize::try_from(size).unwrap());
        judge.acked = size;
        drop(judge);
        let mut life = Life { world: self, owners, sealed: Vec::new(), durable: VecDeque::new() };
        // A store that fails ends a life; what it leaves is judged.
        drop(work(&mut life));
    }
}

impl Life<'_> {
    fn at_random(&mut self) -> Result<(), StoreError> {
        let rounds = 5 + self.world.chance.below(25);
        (0..rounds).try_for_each(|_| self.round())
    }

    /// Appends so many entries, and each owner does all it can.
    fn all_of(&mut self, count: u64) -> Result<(), StoreError> {
        self.append(count);
        self.write()?;
        self.absorb(u64::MAX);
        self.publish()?;
        self.extend()
    }

    /// One thing that one of the owners does.
    fn round(&mut self) -> Result<(), StoreError> {
        match self.world.chance.below(8) {
            0..3 => {
                let count = 1 + self.world.chance.below(self.world.most);
                self.append(count);
                Ok(())
            }
            3 | 4 => self.write(),
            5 => {
                let count = self.world.chance.below(4);
                self.absorb(count);
                Ok(())
            }
            6 => self.publish(),
            _ => self.extend(),
        }
    }

    fn append(&mut self, count: u64) {
        for _ in 0..count {
            let index = self.owners.log.size();
            let padding = self.world.padding + index % 7 * 20 + self.world.life;
            let leaf = leaf_of(index, usize::try_from(padding).unwrap());
            self.world.judge().leaves.push(leaf.clone());
            self.owners.log.append(leaf).unwrap();
        }
        self.sealed.extend(self.owners.log.seal());
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let groups = std::mem::take(&mut self.sealed);
        if self.world.bug == Some(Bug::EarlyAcknowledgement) {
            self.world.judge().acked = self.owners.log.size();
        }
        if self.world.bug == Some(Bug::PublishedBeforeStored) {
            groups.iter().cloned().for_each(|group| self.owners.publisher.absorb(group));
            self.publish()?;
        }
        self.world.judge().acked = self.owners.journal.write(&groups)?;
        if self.world.bug != Some(Bug::PublishedBeforeStored) {
            self.durable.extend(groups);
        }
        Ok(())
    }

    fn absorb(&mut self, count: u64) {
        let count = self.durable.len().min(usize::try_from(count).unwrap_or(usize::MAX));
        self.durable.drain(..count).for_each(|group| self.owners.publisher.absorb(group));
    }

    fn publish(&mut self) -> Result<(), StoreError> {
        match self.owners.publisher.publish(&signer()) {
            Ok(_) => self.world.judge().published = self.owners.publisher.published(),
            Err(StoreError::Full { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn extend(&mut self) -> Result<(), StoreError> {
        let below = match self.world.bug {
            Some(Bug::EarlyRetirement) => self.owners.journal.durable() / 256 * 256,
            _ => self.owners.publisher.durable_bundles(),
        };
        self.owners.journal.retire(below)?;
        match self.owners.journal.needs_spare().then(|| self.owners.journal.make_spare()) {
            Some(Err(error)) if !matches!(error, StoreError::Full { .. }) => Err(error),
            _ => Ok(()),
        }
    }
}

pub(crate) const FAULTS: [Fault; 6] =
    [Fault::Fails, Fault::FailsButPersisted, Fault::Torn, Fault::Full, Fault::Short, Fault::Interrupted];
