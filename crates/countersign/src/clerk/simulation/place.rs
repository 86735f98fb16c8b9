//! Where a simulated partnership lies, and how it is opened: with the product's own code.

use super::bugs::Bug;
use crate::office::{Opened, Opening};
use ledger::Amount;
use partnership::act::{Digest, Outcome};
use partnership::entry::Genesis;
use partnership::ids::{PartyId, Timestamp};
use partnership::lease::Caps;
use partnership::memorandum::signing_bytes;
use partnership::partnership::fold;
use partnership::{Command, Entropy, Partnership, State, Terms};
use record::log::SEGMENT_BYTES_MIN;
use record::note::Signer;
use record::store::careless::Careless;
use record::store::chance::Chance;
use record::store::directory::Directory;
use record::store::simulated::Disk;
use record::{Loaded, Store};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

pub(super) const ORIGIN: &str = "simulation.example/record";
pub(super) const ROOT: &str = "/partnership/record";
pub(super) const MEMORANDUM: &str = include_str!("memorandum.md");

/// What may be under way undurable at once: calls, and minor units of `CREDIT`.
pub(super) const LEASE_CALLS: u64 = 2;
pub(super) const LEASE_AMOUNT: i128 = 1_000_000;

/// The store of a simulated process.
pub(super) type Disked = Directory<Careless>;

pub(super) fn log() -> &'static Signer {
    static LOG: OnceLock<Signer> = OnceLock::new();
    LOG.get_or_init(|| Signer::generate(ORIGIN, [1; 32]).unwrap())
}

pub(super) fn party(name: &str) -> Signer {
    let seed = if name == "north" { 8 } else { 9 };
    Signer::generate(&format!("{ORIGIN}/{name}"), [seed; 32]).unwrap()
}

/// That of the memorandum.
pub(super) fn digest() -> Digest {
    Digest(record::hash::sha256(MEMORANDUM.as_bytes()))
}

pub(super) fn terms() -> Terms {
    Terms::read(MEMORANDUM).unwrap_or_else(|faults| panic!("{}", faults[0].message))
}

pub(super) fn seed(chance: &mut Chance) -> [u8; 32] {
    std::array::from_fn(|_| chance.number().to_le_bytes()[0])
}

pub(super) fn caps() -> Caps {
    Caps { calls: LEASE_CALLS, amounts: BTreeMap::from([("CREDIT".into(), Amount::new(LEASE_AMOUNT))]) }
}

/// Opens the record as `Office::open` does, or with a bug in how that is done.
pub(super) fn open(
    disk: &Disk,
    bug: Option<Bug>,
    now: Timestamp,
    seed: [u8; 32],
) -> anyhow::Result<Opened<Disked>> {
    let store = Arc::new(Directory::on(Careless::new(disk.clone(), bug.and_then(Bug::slip)), ROOT));
    let log = log().verifier();
    let opening =
        Opening { origin: ORIGIN, segment_bytes: SEGMENT_BYTES_MIN, log: &log, now, seed, snapshots: None };
    let mut opened = match bug {
        Some(bug @ (Bug::DoublePost | Bug::UnresolvedDoubt)) if !store.segments()?.is_empty() => {
            misread(&store, bug, opening)?
        }
        _ => Opened::of(&store, opening, || begin(&store))?,
    };
    opened.partnership.lend(caps());
    Ok(opened)
}

/// The first entry, as `office::found` prepares it.
fn begin(store: &Disked) -> anyhow::Result<(Terms, Genesis)> {
    let (terms, log) = (terms(), log().verifier());
    let digest: Digest = terms.digest();
    let keys = ["north", "south"].map(|name| (PartyId::from(name), party(name)));
    let lines: String = keys.iter().map(|(_, key)| format!("{}\n", key.verifier())).collect();
    store.create("vkeys", format!("{log}\n{lines}").as_bytes())?;
    store.create(&format!("memorandum/{}", digest.hex()), MEMORANDUM.as_bytes())?;
    let signed = signing_bytes(&digest.0);
    let genesis = Genesis {
        origin: ORIGIN.to_owned(),
        memorandum: digest,
        vkeys: keys.iter().map(|(party, key)| (party.clone(), key.verifier().vkey())).collect(),
        signatures: keys
            .iter()
            .map(|(party, key)| (party.clone(), record::hash::base64(&key.sign_bytes(&signed))))
            .collect(),
        transfers: Vec::new(),
    };
    Ok((terms, genesis))
}

/// Opens the record as the bug has it.
fn misread(store: &Arc<Disked>, bug: Bug, opening: Opening<'_>) -> anyhow::Result<Opened<Disked>> {
    let loaded = record::load(Arc::clone(store), opening.origin, opening.segment_bytes, opening.log)?;
    let mut last = None;
    loaded.for_each_entry(|index, _, parties| {
        let is_settled = parties.windows(15).any(|part| part == b"\"kind\":\"infer\"}")
            && parties.windows(8).any(|part| part == b"\"ended\":");
        last = if is_settled { Some(index) } else { last };
        Ok(())
    })?;
    let missed = last.filter(|_| bug == Bug::DoublePost);
    let mut state = State::new([terms()]);
    loaded.for_each_entry(|index, envelope, parties| {
        if Some(index) == missed {
            return Ok(());
        }
        fold(&mut state, index, envelope, parties).map(drop).map_err(|error| error.to_string())
    })?;
    if state.entries() == 0 {
        drop(loaded);
        return Opened::of(store, opening, || begin(store));
    }
    let Loaded { log, mut journal, mut publisher, .. } = loaded;
    let (mut partnership, in_doubt) = Partnership::resume(state, log);
    let resolved = in_doubt.into_iter().filter(|_| bug != Bug::UnresolvedDoubt);
    let commands = resolved.map(|warrant| Command::Settle(warrant, Outcome::lost())).chain([Command::Tick]);
    partnership.turn(opening.now, &mut Entropy::new(opening.seed), commands.collect())?;
    let groups: Vec<_> = partnership.log().seal().into_iter().collect();
    journal.write(&groups)?;
    groups.into_iter().for_each(|group| publisher.absorb(group));
    Ok(Opened { partnership, journal, publisher, snapshot: None, erasures: Vec::new() })
}
