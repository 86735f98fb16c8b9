//! A party that follows: its disk, its process, how that ends and is started again, and what must hold at every call to its disk.
//!
//! The follower is the product's; it is opened here, on a simulated ground.

use super::super::place::{self, ORIGIN};
use super::flaws::{Copied, Disked, Flaw, Memory};
use super::wire::Wire;
use crate::cmd::follow::{
    Disagreement, Follower, Ground, Held, Party as Whose, WitnessKeys, is_final, trusted,
};
use crate::cmd::verify::{Depth, Served};
use record::cosignature::{Cosigner, Statement};
use record::log::SEGMENT_BYTES_MIN;
use record::merkle::Frontier;
use record::store::careless::Careless;
use record::store::chance::Chance;
use record::store::directory::Directory;
use record::store::simulated::{Disk, Fault, Moment};
use record::witness::Kept;
use record::{AddCheckpoint, Checkpoint, Fault as Wrong, Hash, Mirror, Store, Witness, audit, hash};
use std::sync::{Arc, Mutex};

/// A simulated ground.
pub(super) struct Simulated;

impl Ground for Simulated {
    type Link = Wire;
    type Store = Disked;
    type Memory = Memory;
    type Copy = Copied;
}

/// A party that follows.
pub(super) struct Party {
    name: &'static str,
    pub(super) wire: Wire,
    flaw: Option<Flaw>,
    chance: Chance,
    disk: Disk,
    follower: Option<Follower<Simulated>>,
    end: Arc<Mutex<End>>,
    /// What the memory held when the process was started last.
    memory: Vec<(String, Vec<u8>)>,
    depth: Depth,
    /// Whether the disk goes wrong and the process ends by chance.
    pub(super) is_lucky: bool,
    /// The size that both keys have cosigned in this life of the process.
    pub(super) told: u64,
    /// What did not hold, as the follower says it.
    pub(super) accuses: Option<Wrong>,
    /// What it said last when it could not go on.
    pub(super) complains: String,
}

/// When a process is to end amid a call to its disk, and how the disk was then.
#[derive(Default)]
struct End {
    at: Option<u64>,
    moment: Option<Moment>,
    points: u64,
}

/// Both keys by which a party cosigns.
pub(super) fn cosigners(party: &str) -> [Cosigner; 2] {
    let seed = if party == "north" { 40 } else { 50 };
    [(Statement::Grew, seed), (Statement::Replayed, seed + 1)]
        .map(|(says, seed)| Cosigner::generate(&says.key_name(ORIGIN, party), [seed; 32]).unwrap())
}

const MIRROR: &str = "/mirror/record";
const MEMORY: &str = "/keys/witness";

const FAULTS: [Fault; 5] =
    [Fault::Fails, Fault::FailsButPersisted, Fault::Torn, Fault::Full, Fault::Interrupted];

impl Party {
    pub(super) fn new(name: &'static str, mut chance: Chance, flaw: Option<Flaw>) -> Self {
        let wire = Wire::of(name, chance.fork());
        let disk = Disk::new(chance.number());
        let depth = if chance.hits(1, 6) { Depth::Clauses } else { Depth::Entries };
        let mut party = Self {
            name,
            wire,
            flaw,
            chance,
            disk,
            follower: None,
            end: Arc::default(),
            memory: Vec::new(),
            depth,
            is_lucky: false,
            told: 0,
            accuses: None,
            complains: String::new(),
        };
        party.watch();
        party
    }

    pub(super) fn points(&self) -> u64 {
        self.end.lock().unwrap().points
    }

    /// How many entries its copy holds, where its process lives.
    pub(super) fn held(&self) -> Option<u64> {
        self.follower.as_ref().map(Follower::held)
    }

    /// Starts where it does not run, or looks and takes a step; sometimes it ends.
    pub(super) fn turn(&mut self, now: u64) {
        if self.accuses.is_some() {
            return;
        }
        let went = match &mut self.follower {
            None => self.start(),
            Some(follower) => {
                if let Err(error) = follower.look_again() {
                    self.complains = format!("{error:#}");
                }
                follower.step(now).map(|followed| self.told = followed.head.size)
            }
        };
        let ended = self.end.lock().unwrap().moment.take();
        if let Some(moment) = ended {
            return self.restart(moment);
        }
        if let Err(error) = went {
            match error.downcast_ref::<Disagreement>() {
                Some(disagreement) => self.accuses = Some(disagreement.fault.clone()),
                None if is_final(&error) => self.restart(self.disk.now()),
                None => self.complains = format!("{error:#}"),
            }
        } else if !self.is_lucky && self.chance.hits(1, 24) {
            self.restart(self.disk.now());
        }
        if self.chance.hits(1, 4) || self.is_lucky {
            self.disk.set_full(false);
        } else if self.chance.hits(1, 40) {
            self.disk.set_full(true);
        }
    }

    /// Ends the process where it is, and has it started again on what is left.
    pub(super) fn restarted(&mut self) {
        self.accuses = None;
        self.restart(self.disk.now());
    }

    fn restart(&mut self, moment: Moment) {
        self.follower = None;
        self.told = 0;
        let cut = self.chance.hits(2, 3);
        self.disk = if cut { moment.cut(&mut self.chance) } else { moment.kill(&mut self.chance) };
        self.watch();
        self.wire.state().is_alive = true;
        if self.flaw == Some(Flaw::StaleMemory) {
            let store = Directory::on(self.disk.clone(), MEMORY);
            self.memory.iter().for_each(|(path, bytes)| store.replace(path, bytes).unwrap());
        }
        let left = self.disk.now().kill(&mut self.chance.fork());
        if let Err(why) = judge(&left, &self.wire, self.name, &mut self.chance) {
            self.wire.finds(&format!("started again: {why}"));
        }
    }

    /// Has every call to the disk looked at, and some go wrong.
    fn watch(&mut self) {
        let (wire, name, end) = (self.wire.clone(), self.name, Arc::clone(&self.end));
        let mut chance = self.chance.fork();
        *end.lock().unwrap() = End {
            at: (!self.is_lucky && self.chance.hits(1, 3))
                .then(|| self.disk.steps() + self.chance.below(160)),
            moment: None,
            points: self.points(),
        };
        if !self.is_lucky && self.chance.hits(1, 4) {
            let fault = *self.chance.pick(&FAULTS).unwrap();
            self.disk.fault(self.disk.steps() + self.chance.below(160), fault);
        }
        self.disk.watch(move |moment| {
            if !wire.state().is_alive || wire.state().found.is_some() {
                return;
            }
            let mut end = end.lock().unwrap();
            end.points += 1;
            let cut = chance.hits(2, 3);
            let case = format!(
                "{} at step {} ({:?})",
                if cut { "power cut" } else { "kill" },
                moment.step,
                moment.call
            );
            if end.at.is_some_and(|at| at <= moment.step) {
                (end.at, end.moment) = (None, Some(moment.clone()));
                wire.state().is_alive = false;
            }
            let disk = if cut { moment.cut(&mut chance) } else { moment.kill(&mut chance) };
            if let Err(why) = judge(&disk, &wire, name, &mut chance) {
                wire.finds(&format!("{case}: {why}"));
            }
        });
    }

    /// Opens what is there as `countersign follow` does.
    fn start(&mut self) -> anyhow::Result<()> {
        let served = Served::through(self.wire.clone())?;
        let files = Careless::new(self.disk.clone(), self.flaw.and_then(Flaw::slip_of_copy));
        let store = Arc::new(Directory::on(files, MIRROR));
        let (log, logs) = trusted(None, &*store, &served)?;
        let [grew, replayed] = cosigners(self.name);
        let files = Careless::new(self.disk.clone(), self.flaw.and_then(Flaw::slip_of_memory));
        let kept = Arc::new(Directory::on(files, MEMORY));
        self.memory = contents(&*kept);
        let memory = || Memory::of(Arc::clone(&kept), self.flaw, self.wire.clone());
        let (mirror, entries) = Mirror::open(Arc::clone(&store), SEGMENT_BYTES_MIN, &log)?;
        let held = Held { served, store, mirror: Copied { mirror, flaw: self.flaw }, entries, log, logs };
        let whose = Whose {
            signer: &place::party(self.name),
            keys: WitnessKeys { grew, replayed },
            depth: self.depth,
            metered: None,
        };
        self.follower = Some(Follower::open(held, whose, memory)?);
        Ok(())
    }
}

fn contents(store: &impl Store) -> Vec<(String, Vec<u8>)> {
    let paths = store.list("").unwrap_or_default();
    paths.into_iter().filter_map(|path| Some((path.clone(), store.read(&path).ok().flatten()?))).collect()
}

/// What must hold of what is left: each key knows what it has said, and cosigns no other tree of that size; and the copy holds.
fn judge(disk: &Disk, wire: &Wire, name: &str, chance: &mut Chance) -> Result<(), String> {
    let sworn = [0, 1].map(|key| wire.state().latest(key));
    let kept = Arc::new(Directory::on(disk.clone(), MEMORY));
    for (cosigner, (size, root)) in cosigners(name).into_iter().zip(&sworn) {
        let Some(root) = root else { continue };
        let own = cosigner.name().to_owned();
        let witness = Witness::new(Kept::new(Arc::clone(&kept)), cosigner, [place::log().verifier()]);
        let known = witness.size(ORIGIN).map_err(|error| format!("`{own}`: {error}"))?;
        if known < *size {
            return Err(format!("`{own}` has cosigned size {size}, and knows of {known}"));
        }
        let other = Checkpoint { origin: ORIGIN.to_owned(), size: *size, root: hash::sha256(root) };
        let checkpoint = other.sign(place::log()).unwrap();
        let request = AddCheckpoint { old: known.min(*size), proof: Vec::new(), checkpoint };
        if witness.add_checkpoint(&request.encode(), 1).is_ok() {
            return Err(format!("`{own}` cosigns two roots of size {size}"));
        }
    }
    if chance.hits(1, 4) { judge_copy(disk, sworn[1]) } else { Ok(()) }
}

/// The copy opens, holds, and has all that `w2` has said is held.
fn judge_copy(disk: &Disk, (size, root): (u64, Option<Hash>)) -> Result<(), String> {
    let store = Arc::new(Directory::on(disk.clone(), MIRROR));
    let log = place::log().verifier();
    let opened = Mirror::open(Arc::clone(&store), SEGMENT_BYTES_MIN, &log);
    drop(opened.map_err(|error| format!("the copy does not open: {error}"))?);
    let is_begun = store.read("vkeys").is_ok_and(|vkeys| vkeys.is_some());
    if !is_begun {
        return if size == 0 {
            Ok(())
        } else {
            Err(format!("{size} entries were held, and no copy is there"))
        };
    }
    let (mut frontier, mut there) = (Frontier::new(), None);
    let audited = audit(&*store, ORIGIN, &log, |_, envelope, _| {
        frontier.append(hash::leaf_hash(envelope));
        if frontier.size() == size {
            there = Some(frontier.root());
        }
        Ok(())
    });
    audited.map_err(|fault| format!("the copy does not hold: {fault}"))?;
    if root == there { Ok(()) } else { Err(format!("w2 has cosigned size {size}, and the copy is another")) }
}
