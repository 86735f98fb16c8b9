//! What must hold after a stop at any moment. It remembers what the outside was told, and knows only the disk.

use super::books::{Books, Known};
use super::place::{self, ORIGIN};
use partnership::entry::Entry;
use partnership::ids::{ActId, Timestamp};
use partnership::state::IDEMPOTENCY_LASTS_MS;
use record::merkle::Frontier;
use record::store::chance::Chance;
use record::store::directory::Directory;
use record::store::simulated::{Disk, Moment};
use record::{Checkpoint, Hash, Leaf, Store, audit, hash};
use std::collections::{BTreeMap, BTreeSet};

/// What the outside was told, and every moment that was looked at.
#[derive(Debug)]
pub(super) struct Oracle {
    /// What is known to be durable, and what it adds up to.
    leaves: Vec<Leaf>,
    pub(super) books: Books,
    pub(super) told: Told,
    /// Size and root of every checkpoint that could be read, by size.
    shown: Vec<(u64, Hash)>,
    /// The last of them.
    seen: Vec<u8>,
    /// What the simulated machine's clock says.
    pub(super) now: Timestamp,
    pub(super) points: u64,
    /// The first thing that did not hold, with the point it was found at.
    pub(super) found: Option<(u64, String)>,
    chance: Chance,
}

/// What the outside was told or has seen.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Where an entry stands, its kind, and its act.
    pub(super) entries: Vec<(u64, &'static str, String)>,
    /// The acts of which a first byte has left, or that somebody was told were allowed.
    pub(super) allowed: BTreeSet<String>,
    /// The acts of which the last byte has left.
    pub(super) settled: BTreeSet<String>,
    /// The acts whose performance began since the record was opened, with the bound of their cost.
    pub(super) performed: BTreeMap<String, i128>,
    /// The idempotency key that each call came with.
    pub(super) keys: BTreeMap<String, u64>,
    /// The acts of which somebody was told that an idempotency key belongs to them.
    owners: BTreeSet<String>,
}

impl Oracle {
    pub(super) fn new(now: Timestamp, chance: Chance) -> Self {
        let (leaves, shown, seen) = (Vec::new(), Vec::new(), Vec::new());
        let (books, told) = (Books::default(), Told::default());
        Self { leaves, books, told, shown, seen, now, points: 0, found: None, chance }
    }

    /// Stops the process at this moment, by a power cut or a kill, and judges what is left.
    pub(super) fn look(&mut self, moment: Moment) {
        if self.found.is_some() {
            return;
        }
        self.points += 1;
        let cut = self.chance.hits(2, 3);
        let case =
            format!("{} at step {} ({:?})", if cut { "power cut" } else { "kill" }, moment.step, moment.call);
        let mut chance = self.chance.fork();
        let noted = self.note_shown(&moment.clone().kill(&mut Chance::new(0)));
        let disk = if cut { moment.cut(&mut chance) } else { moment.kill(&mut chance) };
        if let Err(why) = noted.and_then(|()| self.judge(&disk, &mut chance)) {
            self.finds(&format!("{case}: {why}"));
        }
    }

    /// The entries that are known to be durable.
    pub(super) fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    pub(super) fn finds(&mut self, why: &str) {
        self.found = self.found.take().or_else(|| Some((self.points, why.to_owned())));
    }

    /// Entries that are durable from now on.
    pub(super) fn keep(&mut self, leaves: Vec<Leaf>) {
        for leaf in leaves {
            let kind = kind_of(&leaf);
            if let Err(why) = self.books.add(&kind, &leaf.parties) {
                self.finds(&format!("entry {}: {why}", self.leaves.len()));
            }
            self.leaves.push(leaf);
        }
    }

    /// Reads what the record has after it was opened, with nothing in doubt.
    pub(super) fn reopened(&mut self, disk: &Disk) {
        let known = self.leaves.len();
        match self.read(disk) {
            Ok(leaves) => self.keep(leaves.into_iter().skip(known).collect()),
            Err(why) => self.finds(&why),
        }
        self.told.performed.clear();
        let open: Vec<_> = self.books.open().cloned().collect();
        if !open.is_empty() {
            self.finds(&format!("{} acts are in doubt after the record was opened", open.len()));
        }
    }

    /// Remembers the checkpoint that anybody could read at this moment.
    fn note_shown(&mut self, disk: &Disk) -> Result<(), String> {
        let store = Directory::on(disk.clone(), place::ROOT);
        let signed = store.read("checkpoint").map_err(|error| error.to_string())?;
        let Some(signed) = signed.filter(|signed| *signed != self.seen) else { return Ok(()) };
        let head = Checkpoint::open(&signed, &place::log().verifier()).map_err(|error| error.to_string())?;
        self.seen = signed;
        match self.shown.binary_search_by_key(&head.size, |(size, _)| *size) {
            Ok(at) if self.shown[at].1 != head.root => Err(format!("two roots of size {}", head.size)),
            Ok(_) => Ok(()),
            Err(at) => {
                self.shown.insert(at, (head.size, head.root));
                Ok(())
            }
        }
    }

    /// Opens the disk as the product does, and checks that all that was told is there, and goes on being there.
    fn judge(&self, disk: &Disk, chance: &mut Chance) -> Result<(), String> {
        let size = self.open(disk, chance)?;
        self.check(disk, size)?;
        if chance.hits(1, 4) {
            let disk = if chance.hits(1, 2) { disk.now().cut(chance) } else { disk.now().kill(chance) };
            let again = self.open(&disk, chance).map_err(|why| format!("a second time: {why}"))?;
            if again < size {
                return Err(format!("{size} entries were accepted and {again} are there"));
            }
            self.check(&disk, again).map_err(|why| format!("a second time: {why}"))?;
        }
        Ok(())
    }

    fn open(&self, disk: &Disk, chance: &mut Chance) -> Result<u64, String> {
        let opened = place::open(disk, None, self.now, place::seed(chance));
        let mut opened = opened.map_err(|error| format!("it does not open: {error:#}"))?;
        if chance.hits(1, 4) {
            opened
                .publisher
                .publish(place::log())
                .map_err(|error| format!("it does not publish: {error}"))?;
        }
        Ok(opened.partnership.log().size())
    }

    fn check(&self, disk: &Disk, size: u64) -> Result<(), String> {
        let leaves = self.read(disk)?;
        if leaves.len() as u64 != size {
            return Err(format!("{} of {size} entries audit", leaves.len()));
        }
        let mut books = self.books.clone();
        for (index, leaf) in leaves.iter().enumerate().skip(self.leaves.len()) {
            books.add(&kind_of(leaf), &leaf.parties).map_err(|why| format!("entry {index}: {why}"))?;
        }
        match books.open().count() {
            0 => self.told.check(&books),
            open => Err(format!("{open} acts are allowed and not settled after the record was opened")),
        }
    }

    /// The entries that an audit finds: first what is known to be durable, in a tree that fits what was shown of it.
    fn read(&self, disk: &Disk) -> Result<Vec<Leaf>, String> {
        let mut leaves: Vec<Leaf> = Vec::new();
        let (mut frontier, mut shown) = (Frontier::new(), self.shown.iter().peekable());
        let store = Directory::on(disk.clone(), place::ROOT);
        let audited = audit(&store, ORIGIN, &place::log().verifier(), |_, envelope, parties| {
            let leaf = Leaf { envelope: envelope.to_vec(), parties: parties.to_vec() };
            if self.leaves.get(leaves.len()).is_some_and(|known| *known != leaf) {
                return Err("it is another entry than was durable".into());
            }
            frontier.append(hash::leaf_hash(envelope));
            leaves.push(leaf);
            match shown.next_if(|(size, _)| *size == frontier.size()) {
                Some((size, root)) if *root != frontier.root() => Err(format!("two roots of size {size}")),
                _ => Ok(()),
            }
        });
        audited.map_err(|fault| fault.to_string())?;
        match shown.next() {
            Some((shown, _)) => {
                Err(format!("{} entries came back, and {shown} were published", leaves.len()))
            }
            None if leaves.len() < self.leaves.len() => {
                Err(format!("{} entries came back of {} durable", leaves.len(), self.leaves.len()))
            }
            None => Ok(leaves),
        }
    }
}

impl Told {
    /// A call was told that its key belongs to another act.
    pub(super) fn repeats(&mut self, call: &str, act: ActId) {
        assert_eq!(self.keys.get(call), self.keys.get(&act.to_string()), "it is another key");
        self.owners.insert(act.to_string());
    }

    /// Whether each key that callers sent belonged to one act at a time.
    fn check_keys(&self, books: &Books) -> Result<(), String> {
        let mut owners: BTreeMap<u64, (&String, &Known)> = BTreeMap::new();
        let mut acts: Vec<_> = books.acts.iter().filter(|(_, known)| known.allowed).collect();
        acts.sort_by_key(|(_, known)| known.decided);
        for (act, known) in acts {
            let Some(key) = self.keys.get(act) else { continue };
            if let Some((before, owner)) = owners.insert(*key, (act, known))
                && owner.at.plus_millis(IDEMPOTENCY_LASTS_MS) > known.at
                && owner.freed.is_none_or(|freed| freed > known.decided)
            {
                return Err(format!("{act} is a second act with the idempotency key of {before}"));
            }
        }
        Ok(())
    }

    fn check(&self, books: &Books) -> Result<(), String> {
        for (index, kind, act) in &self.entries {
            let there = usize::try_from(*index).ok().and_then(|index| books.entries.get(index));
            if there.is_none_or(|(k, a)| k != kind || a != act) {
                return Err(format!("entry {index} was told to be `{kind}` of {act} and is {there:?}"));
            }
        }
        let is = |act: &&String, test: fn(&Known) -> bool| books.acts.get(*act).is_some_and(test);
        self.check_keys(books)?;
        if let Some(act) = self.owners.iter().find(|act| !is(act, |known| known.allowed)) {
            return Err(format!("a key was told to belong to act {act}, and its decision is not there"));
        }
        if let Some(act) = self.allowed.iter().find(|act| !is(act, |known| known.allowed)) {
            return Err(format!("a byte of act {act} has left, and its decision is not there"));
        }
        if let Some(act) = self.settled.iter().find(|act| !is(act, |known| known.performed)) {
            return Err(format!("the last byte of act {act} has left, and its settlement is not there"));
        }
        let lost = self.performed.iter().filter(|(act, _)| !books.acts.contains_key(*act));
        let (calls, amount) = lost.fold((0, 0), |(calls, sum), (_, bound)| (calls + 1, sum + bound));
        if calls > place::LEASE_CALLS || amount > place::LEASE_AMOUNT || calls > 0 && books.lease.is_none() {
            return Err(format!("{calls} calls over {amount} were performed and are not on the record"));
        }
        Ok(())
    }
}

/// Judges every entry again, as an auditor does. Errors: the first that no honest clerk would have written.
pub(super) fn judge_again(oracle: &Oracle) -> Result<(), String> {
    let mut state = partnership::State::new([place::terms()]);
    for (index, leaf) in (0_u64..).zip(&oracle.leaves) {
        let entry = Entry::decode(&leaf.envelope, &leaf.parties).map_err(|error| error.to_string())?;
        state.check(&entry).map_err(|unjust| format!("entry {index}: {unjust}"))?;
        state.apply(&entry, index).map_err(|error| format!("entry {index}: {error}"))?;
    }
    Ok(())
}

fn kind_of(leaf: &Leaf) -> String {
    record::Envelope::parse(&leaf.envelope).map(|envelope| envelope.kind.to_owned()).unwrap_or_default()
}
