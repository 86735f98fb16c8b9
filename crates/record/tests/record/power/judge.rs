//! What must hold after a stop at any moment. It remembers what the outside was told, and knows only the disk.

use std::sync::Arc;

use record::merkle::Frontier;
use record::note::Verifier;
use record::store::chance::Chance;
use record::store::directory::Directory;
use record::store::simulated::{Disk, Moment};
use record::{Checkpoint, Hash, Leaf, Loaded, Store, audit, hash, load};

use crate::support::{ORIGIN, SEGMENT, leaf_of, signer, verifier};

/// Where the record lies on the disk.
pub(crate) const ROOT: &str = "/partnership/record";

/// What the outside was told, and every moment that was looked at.
#[derive(Debug)]
pub(crate) struct Judge {
    /// All that was appended, told or not.
    pub(crate) leaves: Vec<Leaf>,
    /// So many of them were told to be durable.
    pub(crate) acked: u64,
    /// Size and root of every checkpoint that could be read, by size.
    shown: Vec<(u64, Hash)>,
    /// The size of the last checkpoint that was told to be published.
    pub(crate) published: u64,
    pub(crate) points: u64,
    /// The first thing that did not hold, with the point it was found at.
    pub(crate) found: Option<(u64, String)>,
    chance: Chance,
    verifier: Verifier,
}

impl Judge {
    pub(crate) fn new(chance: Chance) -> Self {
        let (leaves, shown) = (Vec::new(), Vec::new());
        Self { leaves, acked: 0, shown, published: 0, points: 0, found: None, chance, verifier: verifier() }
    }

    /// Stops the work at this moment, by a power cut or a kill, and judges what is left.
    pub(crate) fn look(&mut self, moment: Moment) {
        if self.found.is_some() {
            return;
        }
        self.points += 1;
        let cut = self.chance.hits(2, 3);
        let case = format!("{} at step {}", if cut { "power cut" } else { "kill" }, moment.step);
        let case = format!("{case} ({:?})", moment.call);
        let mut chance = self.chance.fork();
        if let Err(why) = self.note_shown(&moment.clone().kill(&mut Chance::new(0))) {
            return self.finds(&case, &why);
        }
        let disk = if cut { moment.cut(&mut chance) } else { moment.kill(&mut chance) };
        if let Err(why) = self.judge(&disk, &mut chance) {
            self.finds(&case, &why);
        }
    }

    pub(crate) fn finds(&mut self, case: &str, why: &str) {
        self.found = self.found.take().or_else(|| Some((self.points, format!("{case}: {why}"))));
    }

    /// Remembers the checkpoint that anybody could read at this moment.
    fn note_shown(&mut self, disk: &Disk) -> Result<(), String> {
        let signed =
            Directory::on(disk.clone(), ROOT).read("checkpoint").map_err(|error| error.to_string())?;
        let Some(signed) = signed else { return Ok(()) };
        let head = Checkpoint::open(&signed, &self.verifier).map_err(|error| error.to_string())?;
        match self.shown.binary_search_by_key(&head.size, |(size, _)| *size) {
            Ok(at) if self.shown[at].1 != head.root => Err(format!("two roots of size {}", head.size)),
            Ok(_) => Ok(()),
            Err(at) => {
                self.shown.insert(at, (head.size, head.root));
                Ok(())
            }
        }
    }

    /// Checks that the disk loads to what was told, that this lasts, and that one can go on from it.
    fn judge(&self, disk: &Disk, chance: &mut Chance) -> Result<(), String> {
        let (_, owners) = self.check(disk)?;
        let size = owners.log.size();
        let disk = if chance.hits(1, 2) { disk.now().cut(chance) } else { disk.now().kill(chance) };
        let (store, mut owners) = open(&disk).map_err(|why| format!("a second time: {why}"))?;
        if owners.log.size() != size {
            return Err(format!("{size} entries were accepted and {} are there", owners.log.size()));
        }
        let failed = |error: record::StoreError| format!("going on: {error}");
        for number in size..size + 2 {
            owners.log.append(leaf_of(number, 3)).map_err(|error| error.to_string())?;
        }
        let groups: Vec<_> = owners.log.seal().into_iter().collect();
        owners.journal.write(&groups).map_err(failed)?;
        groups.into_iter().for_each(|group| owners.publisher.absorb(group));
        owners.publisher.publish(&signer()).map_err(failed)?;
        owners.journal.retire(owners.publisher.durable_bundles()).map_err(failed)?;
        if chance.hits(1, 4) {
            let audited = audit(&*store, ORIGIN, &self.verifier, |_, _, _| Ok(()));
            audited.map_err(|fault| format!("going on: {fault}"))?;
        }
        let (_, lasting) = open(&disk.now().cut(chance)).map_err(|why| format!("after going on: {why}"))?;
        if lasting.log.size() != size + 2 {
            return Err(format!("going on: {} entries of {}", lasting.log.size(), size + 2));
        }
        Ok(())
    }

    fn check(&self, disk: &Disk) -> Result<Opened, String> {
        let opened = open(disk)?;
        let (size, published) = (opened.1.log.size(), opened.1.publisher.published());
        if size < self.acked || size > self.leaves.len() as u64 {
            return Err(format!("{size} entries came back, {} were told durable", self.acked));
        }
        if published < self.published {
            return Err(format!("the checkpoint went back from {} to {published}", self.published));
        }
        let mut roots = Roots { frontier: Frontier::new(), shown: self.shown.iter().peekable() };
        roots.check()?;
        let audited = audit(&*opened.0, ORIGIN, &self.verifier, |index, envelope, parties| {
            let leaf = &self.leaves[usize::try_from(index).unwrap()];
            if leaf.envelope != envelope || leaf.parties != parties {
                return Err("it is another entry".into());
            }
            roots.frontier.append(hash::leaf_hash(envelope));
            roots.check()
        });
        let audited = audited.map_err(|fault| fault.to_string())?;
        match roots.shown.next() {
            Some((shown, _)) => {
                Err(format!("a checkpoint of size {shown} was shown, and {size} entries came back"))
            }
            None if audited.entries != size => Err(format!("{} of {size} entries audit", audited.entries)),
            None => Ok(opened),
        }
    }
}

/// Compares the tree with what was shown of it as it grows.
struct Roots<'a> {
    frontier: Frontier,
    shown: std::iter::Peekable<std::slice::Iter<'a, (u64, Hash)>>,
}

impl Roots<'_> {
    fn check(&mut self) -> Result<(), String> {
        let size = self.frontier.size();
        match self.shown.next_if(|(shown, _)| *shown == size) {
            Some((_, root)) if *root != self.frontier.root() => Err(format!("two roots of size {size}")),
            _ => Ok(()),
        }
    }
}

/// A record on a simulated disk, open.
pub(crate) type Opened = (Arc<Directory<Disk>>, Loaded<Directory<Disk>>);

pub(crate) fn open(disk: &Disk) -> Result<Opened, String> {
    let store = Arc::new(Directory::on(disk.clone(), ROOT));
    let owners = load(Arc::clone(&store), ORIGIN, SEGMENT, &verifier());
    Ok((store, owners.map_err(|error| format!("it does not load: {error}"))?))
}
