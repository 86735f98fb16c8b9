//! A start with a snapshot ends where one without does, and one that anything speaks against is removed and not used.

use super::*;
use partnership::act::{Act, Administer, Application, Deed, Principal};
use partnership::entry::{Genesis, Refused};
use partnership::ids::{PartyId, Timestamp};
use partnership::memorandum::signing_bytes;
use partnership::{Command, Entropy, Partnership, Terms};
use record::note::Signer;
use record::store::memory::Memory;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

const ORIGIN: &str = "folded.example/record";
const MEMORANDUM: &str = include_str!("../../../../../examples/microsoft-openai/memorandum.md");
const PARTIES: [&str; 2] = ["microsoft", "openai"];

/// A record with two snapshots, each of a few thousand entries, and the folder that they lie in.
struct Scene {
    store: Arc<Memory>,
    log: Signer,
    library: Library,
    snapshots: Snapshots,
    place: TempDir,
    /// Of the older snapshot and of the newer one.
    sizes: Vec<u64>,
}

impl Scene {
    fn set(salt: u8) -> Self {
        Self::of(salt, 9_000)
    }

    /// So many entries, and some; the same salt gives the same ones.
    fn of(salt: u8, entries: u64) -> Self {
        let log = Signer::generate(ORIGIN, [1; 32]).unwrap();
        let store = Arc::new(Memory::new());
        let mut loaded = record::load(Arc::clone(&store), ORIGIN, 1 << 20, &log.verifier()).unwrap();
        let terms = Terms::read(MEMORANDUM).unwrap();
        let at = Timestamp::start_of("2026-11-25".parse().unwrap());
        let mut entropy = Entropy::new([salt; 32]);
        let genesis = genesis(&terms);
        let library = [(terms.digest(), Arc::new(terms))].into();
        let state = State::over(Library::clone(&library));
        let mut partnership = Partnership::found(state, loaded.log, at, genesis, &mut entropy).unwrap();
        let place = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::of(place.path(), &log);
        let (sender, keeper) = snapshots.clone().keep().unwrap();
        partnership.take_snapshots(3_000, 0);
        let mut sizes = Vec::new();
        for number in 0..entries {
            let command = if number % 1_500 == 7 {
                register(&mut entropy, at, number)
            } else {
                Command::Tally(vec![Refused { key: "k".into(), count: number }])
            };
            partnership.turn(at, &mut entropy, vec![command]).unwrap();
            if number % 500 == 499 {
                let groups: Vec<_> = partnership.log().seal().into_iter().collect();
                loaded.journal.write(&groups).unwrap();
                groups.into_iter().for_each(|group| loaded.publisher.absorb(group));
                if number + 500 < entries {
                    loaded.publisher.publish(&log).unwrap();
                    loaded.journal.retire(loaded.publisher.durable_bundles()).unwrap();
                }
            }
            if let Some(snapshot) = partnership.snapshot() {
                sizes.push(snapshot.size());
                sender.send(snapshot).unwrap();
            }
        }
        drop(sender);
        keeper.join().unwrap();
        Self { store, log, library, snapshots, place, sizes }
    }

    fn open(&self) -> Folded {
        let loaded = record::load(Arc::clone(&self.store), ORIGIN, 1 << 20, &self.log.verifier()).unwrap();
        fold_all(&loaded.entries, ORIGIN, self.library.clone(), Some(&self.snapshots)).unwrap()
    }

    fn file(&self, size: u64) -> PathBuf {
        self.place.path().join("cache/state").join(size.to_string())
    }

    fn read(&self, size: u64) -> Vec<u8> {
        self.snapshots.read(size).unwrap()
    }

    /// What all entries add up to, by no snapshot.
    fn whole(&self) -> String {
        let loaded = record::load(Arc::clone(&self.store), ORIGIN, 1 << 20, &self.log.verifier()).unwrap();
        format!("{:?}", go_on(&loaded.entries, State::over(self.library.clone()), None).unwrap().state)
    }
}

fn register(entropy: &mut Entropy, at: Timestamp, number: u64) -> Command {
    let party = PartyId::from("openai");
    let application = Application {
        name: format!("letters-{number}").as_str().into(),
        party: party.clone(),
        audience: "business".to_owned(),
        purpose: "letters".to_owned(),
        market: "eu".to_owned(),
    };
    let principal = Principal::Party { party, person: "ana".to_owned() };
    let deed = Deed::Administer(Administer::ApplicationAdd(application));
    let act = Act { id: entropy.act_id(at), principal, deed };
    Command::Propose(Box::new(act), None)
}

fn genesis(terms: &Terms) -> Genesis {
    let keys = PARTIES.map(|party| {
        let seed = record::hash::sha256(party.as_bytes());
        (PartyId::from(party), Signer::generate(&format!("{ORIGIN}/{party}"), seed).unwrap())
    });
    let signed = signing_bytes(&terms.digest().0);
    let signatures = keys.iter().map(|(party, key)| {
        let signature = key.sign_bytes(&signed);
        (party.clone(), record::hash::base64(&signature))
    });
    Genesis {
        origin: ORIGIN.to_owned(),
        memorandum: terms.digest(),
        vkeys: keys.iter().map(|(party, key)| (party.clone(), key.verifier().vkey())).collect(),
        signatures: signatures.collect(),
        transfers: Vec::new(),
    }
}

#[expect(clippy::disallowed_methods, reason = "a hand on the disk")]
fn tamper(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

/// With the log's signature at its end, as whoever has its key would write it.
fn signed(log: &Signer, bytes: &[u8]) -> Vec<u8> {
    [bytes, crate::snapshots::signature(log, bytes).as_bytes()].concat()
}

/// With the digest of its bytes at its end, as whoever forges one would write it.
fn summed(text: &str) -> Vec<u8> {
    format!("{text}{}\n", record::hash::hex(&record::hash::sha256(text.as_bytes()))).into_bytes()
}

/// Edits the text before the last line, and makes that right again.
fn forged(bytes: &[u8], edit: impl Fn(&str) -> String) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    let body = &text[..text.len() - 65];
    let edited = edit(body);
    assert_ne!(edited, body, "the edit changes something");
    summed(&edited)
}

#[test]
fn a_start_from_a_snapshot_ends_where_one_from_the_first_entry_does() {
    let scene = Scene::set(5);
    let whole = scene.whole();
    assert!(whole.contains("letters-7507"), "the registry is part of it");
    let (older, newer) = (scene.sizes[0], scene.sizes[1]);
    assert_eq!(scene.snapshots.sizes(), [newer, older]);
    let opened = scene.open();
    assert_eq!((opened.snapshot_at, format!("{:?}", opened.state)), (newer, whole.clone()));
    scene.snapshots.remove(newer);
    let opened = scene.open();
    assert_eq!(format!("{:?}", opened.state), whole);
    let fresh = opened.fresh.expect("much was read, so that the next start need not");
    assert!(fresh.size() > older && fresh.size() == opened.snapshot_at);
    scene.snapshots.remove(older);
    let opened = scene.open();
    assert_eq!(format!("{:?}", opened.state), whole);
    assert!(opened.fresh.is_some());
}

#[test]
fn a_snapshot_that_does_not_hold_is_removed_and_the_older_one_is_used() {
    let scene = Scene::set(5);
    let (whole, older, newer) = (scene.whole(), scene.sizes[0], scene.sizes[1]);
    let right = scene.read(newer);
    let stranger = Scene::set(6);
    assert_eq!(stranger.sizes, scene.sizes, "another record with the same entries, but for their salts");
    let flipped = {
        let mut bytes = right.clone();
        bytes[700] ^= 1;
        bytes
    };
    let root = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.split_once("\"root\":\"").unwrap().1[..44].to_owned()
    };
    let (own, other) = (root(&right), root(&scene.read(older)));
    for (what, bytes) in [
        ("cut short", right[..right.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("one bit flipped", flipped),
        ("of another record of this origin", stranger.read(newer)),
        ("of another size", scene.read(older)),
        ("with another origin", forged(&right, |text| text.replace(ORIGIN, "other.example/record"))),
        ("with another root", forged(&right, |text| text.replacen(&own, &other, 1))),
        (
            "with another format",
            forged(&right, |text| text.replacen("\"snapshot\":\"", "\"snapshot\":\"1", 1)),
        ),
        (
            "with an account that the entry's digest does not cover",
            forged(&right, |text| {
                text.replacen(
                    "\"accounts\":[",
                    "\"accounts\":[{\"id\":\"credit:x:spent\",\"asset\":\"X\",\"debits_posted\":\"0\",\"credits_posted\":\"0\",\"debits_pending\":\"0\",\"credits_pending\":\"0\"},",
                    1,
                )
                .replacen(",]", "]", 1)
            }),
        ),
    ] {
        tamper(&scene.file(newer), &signed(&scene.log, &bytes));
        let opened = scene.open();
        // What is older is not what another file says, and what is folded is the record.
        assert_eq!(format!("{:?}", opened.state), whole, "{what}");
        assert!(!scene.file(newer).exists(), "{what}: it is removed");
        assert_eq!(scene.snapshots.sizes(), [older], "{what}: the older one stays");
        assert!(
            opened.snapshot_at > older,
            "{what}: a new one is made, for much was read: {}",
            opened.snapshot_at
        );
        tamper(&scene.file(newer), &signed(&scene.log, &right));
    }
    assert_eq!(scene.open().snapshot_at, newer, "the right one is used");
}

#[test]
fn a_state_that_the_logs_key_did_not_sign_is_not_used_however_well_it_fits() {
    let scene = Scene::set(5);
    let (whole, newer) = (scene.whole(), scene.sizes[1]);
    let right = scene.read(newer);
    // An application that no entry registered: the digest of the record's entry does not cover it.
    let application = r#""applications":[{"name":"forged","party":"openai","audience":"business","purpose":"x","market":"eu"},"#;
    let slipped = forged(&right, |text| text.replacen("\"applications\":[", application, 1));
    assert!(Snapshot::decode(&slipped, ORIGIN, &scene.library).is_ok(), "nothing else speaks against it");
    let stranger = Signer::generate(ORIGIN, [2; 32]).unwrap();
    for bytes in [slipped.clone(), right.clone(), signed(&stranger, &slipped), signed(&stranger, &right)] {
        tamper(&scene.file(newer), &bytes);
        assert_eq!(format!("{:?}", scene.open().state), whole);
        assert!(!scene.file(newer).exists());
    }
    for at in (0..right.len() + 89).step_by(13) {
        let mut bytes = signed(&scene.log, &right);
        bytes[at] ^= 4;
        tamper(&scene.file(newer), &bytes);
        assert!(scene.snapshots.read(newer).is_err(), "byte {at}");
    }
}

#[test]
fn a_snapshot_of_more_entries_than_the_record_has_is_not_used() {
    let (short, long) = (Scene::of(5, 4_000), Scene::set(5));
    let newer = long.sizes[1];
    assert_eq!(short.read(short.sizes[0]), long.read(long.sizes[0]), "it is the same record, before");
    tamper(&short.file(newer), &signed(&long.log, &long.read(newer)));
    let opened = short.open();
    assert_eq!((opened.snapshot_at, format!("{:?}", opened.state)), (short.sizes[0], short.whole()));
    assert!(!short.file(newer).exists());
}

#[test]
fn a_state_that_the_rest_of_the_record_contradicts_is_not_gone_on_with() {
    let scene = Scene::set(5);
    let (whole, newer) = (scene.whole(), scene.sizes[1]);
    // The time is beyond that of the entries that follow; nothing in the digest speaks against it but the entry itself.
    let late = forged(&scene.read(newer), |text| text.replace("\"at\":\"2026", "\"at\":\"2027"));
    tamper(&scene.file(newer), &signed(&scene.log, &late));
    assert_eq!(format!("{:?}", scene.open().state), whole);
    assert!(!scene.file(newer).exists());
}

#[test]
fn two_snapshots_are_kept_and_what_a_cut_write_left_is_cleared_away() {
    let scene = Scene::set(5);
    let loaded = record::load(Arc::clone(&scene.store), ORIGIN, 1 << 20, &scene.log.verifier()).unwrap();
    scene.snapshots.remove(scene.sizes[1]);
    let fresh = scene.open().fresh.unwrap();
    tamper(&scene.place.path().join("cache/state/.123.456.0"), b"half");
    tamper(&scene.file(1), b"an older one");
    tamper(&scene.file(2), b"an older one");
    let (sender, keeper) = scene.snapshots.clone().keep().unwrap();
    let size = fresh.size();
    sender.send(fresh).unwrap();
    drop(sender);
    keeper.join().unwrap();
    let mut names: Vec<_> = std::fs::read_dir(scene.place.path().join("cache/state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected = [scene.sizes[0].to_string(), size.to_string()];
    expected.sort();
    assert_eq!(names, expected);
    assert!(begin(&loaded.entries, ORIGIN, &scene.library, &scene.snapshots, size).is_ok());
}

#[test]
fn a_folder_that_cannot_be_written_stops_nothing() {
    let scene = Scene::set(5);
    let whole = scene.whole();
    let place = tempfile::tempdir().unwrap();
    tamper(&place.path().join("cache"), b"a file where the folder should be");
    let snapshots = Snapshots::of(place.path(), &scene.log);
    let loaded = record::load(Arc::clone(&scene.store), ORIGIN, 1 << 20, &scene.log.verifier()).unwrap();
    let opened = fold_all(&loaded.entries, ORIGIN, scene.library.clone(), Some(&snapshots)).unwrap();
    assert_eq!(format!("{:?}", opened.state), whole);
    let (sender, keeper) = snapshots.keep().unwrap();
    sender.send(opened.fresh.unwrap()).unwrap();
    drop(sender);
    assert!(keeper.join().is_ok());
}
