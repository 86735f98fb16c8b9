//! An operator that is honest, and two parties that follow it: none accuses, and all of it is cosigned once the wires are whole.

use super::super::life::Life;
use super::super::oracle::Oracle;
use super::super::place;
use super::flaws::Flaw;
use super::party::{Party, cosigners};
use super::wire::Wire;
use crate::cosigned::Cosigned;
use partnership::ids::Timestamp;
use record::audit::COSIGNED;
use record::cosignature::{Cosigned as Opened, CosignerKey};
use record::store::chance::Chance;
use record::store::directory::Directory;
use record::store::simulated::Disk;
use record::{Checkpoint, Hash, Store, audit};
use std::sync::{Arc, Mutex};

/// Those who follow; the first one operates too.
pub(super) const PARTIES: [&str; 2] = ["north", "south"];

/// The keys by which all of them cosign.
fn vkeys(party: &str) -> [String; 2] {
    cosigners(party).map(|cosigner| cosigner.key().vkey())
}

/// A clock's seconds since 1970.
pub(super) fn seconds(now: Timestamp) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or(0) / 1000
}

/// The operator's side of all wires: its disk, and what takes cosignatures.
struct Shore {
    disk: Disk,
    /// The disk as it was at some moments amid a call, for who looks just then.
    amid: Arc<Mutex<Vec<Disk>>>,
}

impl Shore {
    /// Has the disk's moments kept, now and then.
    fn watch(&self, chance: &mut Chance) {
        let (amid, mut chance) = (Arc::clone(&self.amid), chance.fork());
        self.disk.watch(move |moment| {
            if chance.hits(1, 12) {
                let mut amid = amid.lock().unwrap();
                amid.push(moment.kill(&mut chance));
                let old = amid.len().saturating_sub(4);
                amid.drain(..old);
            }
        });
    }

    /// What is shown on a wire now: mostly the disk as it is.
    fn show(&self, wire: &Wire, chance: &mut Chance) {
        let amid = self.amid.lock().unwrap();
        let disk = chance.pick(&amid).filter(|_| chance_of(chance)).unwrap_or(&self.disk);
        wire.state().shown = Some(Arc::new(Directory::on(disk.clone(), place::ROOT)));
    }

    /// Has notes taken as the operator's server takes them.
    fn serve(&self, parties: &[Party], keys: &[CosignerKey]) {
        let store = Arc::new(Directory::on(self.disk.clone(), place::ROOT));
        let Ok(cosigned) = Cosigned::open(Arc::clone(&store), &[place::log().verifier()], keys) else {
            return;
        };
        let cosigned = Arc::new(cosigned);
        for party in parties {
            let (store, cosigned, keys) = (Arc::clone(&store), Arc::clone(&cosigned), keys.to_vec());
            party.wire.state().takes = Some(Box::new(move |note| {
                let published = published(&*store).map_or(0, |head| head.size);
                cosigned
                    .take(note, (&[(0, place::log().verifier())], &keys), published)
                    .map_err(|error| error.to_string())
            }));
        }
    }
}

fn chance_of(chance: &mut Chance) -> bool {
    chance.hits(1, 8)
}

fn published(store: &impl Store) -> Option<Checkpoint> {
    let signed = store.read("checkpoint").ok().flatten()?;
    Checkpoint::open(&signed, &place::log().verifier()).ok()
}

/// Runs a seed; gives how many points were looked at, and what was found.
pub(super) fn run(mut chance: Chance, flaw: Option<Flaw>) -> (u64, Option<String>) {
    let mut now: Timestamp = "2026-11-22T23:00:00Z".parse().unwrap();
    let oracle = Arc::new(Mutex::new(Oracle::new(now, chance.fork())));
    let mut parties = PARTIES.map(|name| Party::new(name, chance.fork(), flaw));
    let mut shore = Shore { disk: Disk::new(chance.number()), amid: Arc::default() };
    for life in 0..1 + chance.below(3) {
        shore.watch(&mut chance);
        live(&shore, &oracle, &mut parties, (&mut chance, &mut now), life == 0);
        let moment = shore.disk.now();
        shore.disk = if chance.hits(1, 2) { moment.cut(&mut chance) } else { moment.kill(&mut chance) };
        shore.amid.lock().unwrap().clear();
        // Nobody takes anything; the files may be served by others, or not.
        for party in &mut parties {
            party.wire.state().takes = None;
            shore.show(&party.wire, &mut chance);
            if chance.hits(1, 2) {
                party.wire.state().shown = None;
            }
            (0..chance.below(4)).for_each(|_| party.turn(seconds(now)));
        }
        if found(&parties, &oracle).is_some() {
            break;
        }
    }
    if found(&parties, &oracle).is_none()
        && let Err(why) = all_is_cosigned(&shore, &oracle, &mut parties, (&mut chance, &mut now))
    {
        parties[0].wire.finds(&why);
    }
    (parties.iter().map(Party::points).sum(), found(&parties, &oracle))
}

/// One process of the operator from its start to its end, and what the parties do meanwhile.
fn live(
    shore: &Shore,
    oracle: &Arc<Mutex<Oracle>>,
    parties: &mut [Party],
    (chance, now): (&mut Chance, &mut Timestamp),
    first: bool,
) {
    let Ok(opened) = place::open(&shore.disk, None, *now, place::seed(chance)) else { return };
    oracle.lock().unwrap().reopened(&shore.disk);
    let mut own = chance.fork();
    let mut life = Life::new(shore.disk.clone(), opened, Arc::clone(oracle), (chance, now, None));
    if first {
        life.register();
        PARTIES.iter().for_each(|party| life.cosigned_by(party, &vkeys(party)));
    }
    shore.serve(parties, &life.cosigners());
    let (mut rounds, slow) = (4 + own.below(24), own.pick(&[1, 6, 24]).copied().unwrap());
    while rounds > 0 && !life.must_end() && found(parties, oracle).is_none() {
        rounds -= 1;
        life.live(1 + own.below(24));
        for party in &mut *parties {
            if own.hits(1, slow) {
                shore.show(&party.wire, &mut own);
                let now = seconds(oracle.lock().unwrap().now);
                (0..1 + own.below(3)).for_each(|_| party.turn(now));
            }
        }
    }
}

/// What is wrong, as an oracle or a party has it: the operator was honest, so nobody may accuse it.
fn found(parties: &[Party], oracle: &Arc<Mutex<Oracle>>) -> Option<String> {
    let accused = parties.iter().find_map(|party| party.accuses.as_ref());
    let accused = accused.map(|fault| format!("an honest operator is accused: {fault}"));
    let own = parties.iter().find_map(|party| party.wire.state().found.clone());
    let theirs = oracle.lock().unwrap().found.clone().map(|(_, why)| format!("the operator: {why}"));
    own.or(accused).or(theirs)
}

/// With everything whole, each party comes to the end, and all that was ever cosigned is of the one history.
fn all_is_cosigned(
    shore: &Shore,
    oracle: &Arc<Mutex<Oracle>>,
    parties: &mut [Party],
    (chance, now): (&mut Chance, &mut Timestamp),
) -> Result<(), String> {
    let opened = place::open(&shore.disk, None, *now, place::seed(chance));
    let opened = opened.map_err(|error| format!("the operator does not open: {error:#}"))?;
    oracle.lock().unwrap().reopened(&shore.disk);
    let mut life = Life::new(shore.disk.clone(), opened, Arc::clone(oracle), (chance, now, None));
    if life.cosigners().is_empty() {
        life.register();
        PARTIES.iter().for_each(|party| life.cosigned_by(party, &vkeys(party)));
    }
    life.end_well();
    let keys = life.cosigners();
    shore.serve(parties, &keys);
    let store = Directory::on(shore.disk.clone(), place::ROOT);
    let head = published(&store).ok_or("the operator has no checkpoint")?;
    for party in &mut *parties {
        party.is_lucky = true;
        party.wire.state().is_whole = true;
        party.wire.state().shown = Some(Arc::new(Directory::on(shore.disk.clone(), place::ROOT)));
        party.restarted();
        let now = seconds(oracle.lock().unwrap().now);
        (0..4).for_each(|_| party.turn(now));
        if party.told != head.size {
            let said = &party.complains;
            return Err(format!("a party has come to {} of {}: {said}", party.told, head.size));
        }
    }
    let cosigned = store.read(COSIGNED).ok().flatten().unwrap_or_default();
    let opened = Opened::open(&cosigned, &[&place::log().verifier()], &keys);
    let opened = opened.map_err(|error| format!("what is cosigned does not open: {error}"))?;
    let is_whole = opened.checkpoint == head && keys.iter().all(|key| opened.is_by(key));
    let audited = audit(&store, place::ORIGIN, &place::log().verifier(), |_, _, _| Ok(()));
    audited.map_err(|fault| format!("the operator's record does not hold: {fault}"))?;
    if !is_whole {
        return Err(format!("not everybody has cosigned size {}", head.size));
    }
    let oracle = oracle.lock().unwrap();
    let roots = roots(oracle.leaves().iter().map(|leaf| leaf.envelope.as_slice()));
    parties.iter().try_for_each(|party| is_of(&party.wire, &roots))
}

/// The roots of all trees of these entries; that of size 3 at 3.
pub(super) fn roots<'a>(envelopes: impl Iterator<Item = &'a [u8]>) -> Vec<Hash> {
    let mut frontier = record::merkle::Frontier::new();
    let mut roots = vec![frontier.root()];
    for envelope in envelopes {
        frontier.append(record::hash::leaf_hash(envelope));
        roots.push(frontier.root());
    }
    roots
}

/// Whether all that was cosigned is of this history.
fn is_of(wire: &Wire, roots: &[Hash]) -> Result<(), String> {
    for (size, root) in wire.state().sworn.iter().flatten() {
        if roots.get(usize::try_from(*size).unwrap()) != Some(root) {
            return Err(format!("another tree of size {size} was cosigned"));
        }
    }
    Ok(())
}
