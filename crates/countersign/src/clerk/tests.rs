//! Nobody is told what is not durable: the clerk's threads over a disk that waits to be let go, and over one that fails.

use super::*;
use partnership::act::{Administer, Application, Deed, Digest, Infer, Key, Principal};
use partnership::entry::Genesis;
use partnership::ids::PartyId;
use partnership::lease::Caps;
use partnership::memorandum::signing_bytes;
use record::StoreError;
use record::note::Signer;
use record::store::memory::Memory;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

const ORIGIN: &str = "clerk.example/record";
const MEMORANDUM: &str = include_str!("../../../../examples/microsoft-openai/memorandum.md");

/// What a sync does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    Works,
    Waits,
    Fails,
    /// The disk has taken it and says that it has not.
    FailsButPersisted,
}

/// A disk whose syncs do as told.
#[derive(Debug)]
struct Disk {
    inner: Memory,
    sync: Mutex<Sync>,
    changed: Condvar,
    waiting: AtomicU64,
    room: Room,
}

/// What the disk has room for.
#[derive(Debug)]
struct Room {
    files: AtomicBool,
    segments: AtomicBool,
}

impl Disk {
    fn set(&self, sync: Sync) {
        *self.sync.lock().unwrap() = sync;
        self.changed.notify_all();
    }
}

impl Room {
    const ALL: [bool; 2] = [true, true];

    fn for_file(&self, path: &str) -> Result<(), StoreError> {
        Self::check(&self.files, path)
    }

    fn check(room: &AtomicBool, path: &str) -> Result<(), StoreError> {
        if room.load(Ordering::SeqCst) { Ok(()) } else { Err(StoreError::Full { path: path.to_owned() }) }
    }
}

impl Store for Disk {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.read(path)
    }
    fn create(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.room.for_file(path)?;
        self.inner.create(path, bytes)
    }
    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.room.for_file(path)?;
        self.inner.replace(path, bytes)
    }
    fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.inner.remove(path)
    }
    fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        self.inner.list(directory)
    }
    fn segment_create(&self, number: u32, size: u32) -> Result<(), StoreError> {
        Room::check(&self.room.segments, "journal")?;
        self.inner.segment_create(number, size)
    }
    fn segment_write(&self, number: u32, offset: u32, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.segment_write(number, offset, bytes)
    }
    fn segment_sync(&self, number: u32) -> Result<(), StoreError> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let sync = self.changed.wait_while(self.sync.lock().unwrap(), |sync| *sync == Sync::Waits).unwrap();
        let failed =
            || StoreError::Io { path: "journal".to_owned(), source: std::io::Error::other("told to fail") };
        match *sync {
            Sync::Fails => Err(failed()),
            Sync::FailsButPersisted => self.inner.segment_sync(number).and_then(|()| Err(failed())),
            Sync::Works | Sync::Waits => self.inner.segment_sync(number),
        }
    }
    fn segment_read(&self, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.segment_read(number)
    }
    fn segment_remove(&self, number: u32) -> Result<(), StoreError> {
        self.inner.segment_remove(number)
    }
    fn segments(&self) -> Result<Vec<u32>, StoreError> {
        self.inner.segments()
    }
}

/// A clerk over such a disk, with the reason why it stopped, if it did.
struct Scene {
    clerk: Clerk,
    threads: Threads,
    disk: Arc<Disk>,
    desk: Arc<ArcSwap<Desk>>,
    reason: Arc<Mutex<Option<String>>>,
}

impl Scene {
    fn set() -> Self {
        Self::with_room(Room::ALL)
    }

    /// A clerk whose disk has room for files and for segments, or not; its first entry is durable.
    fn with_room([files, segments]: [bool; 2]) -> Self {
        let clock = Clock;
        let mut entropy = Entropy::new([5; 32]);
        let log = Signer::generate(ORIGIN, [1; 32]).unwrap();
        let (sync, changed) = (Mutex::new(Sync::Works), Condvar::new());
        let disk = Arc::new(Disk {
            inner: Memory::new(),
            sync,
            changed,
            waiting: AtomicU64::new(0),
            room: Room { files: AtomicBool::new(true), segments: AtomicBool::new(true) },
        });
        let loaded = record::load(Arc::clone(&disk), ORIGIN, 1 << 20, &log.verifier()).unwrap();
        let (mut journal, mut publisher) = (loaded.journal, loaded.publisher);
        let terms = Terms::read(MEMORANDUM).unwrap();
        let genesis = genesis(&terms);
        let mut partnership =
            Partnership::found(State::new([terms]), loaded.log, clock.now(), genesis, &mut entropy).unwrap();
        partnership.lend(Caps { calls: 1, amounts: std::collections::BTreeMap::new() });
        let founded = partnership.log().seal().unwrap();
        journal.write(std::slice::from_ref(&founded)).unwrap();
        publisher.absorb(founded);
        disk.waiting.store(0, Ordering::SeqCst);
        disk.room.files.store(files, Ordering::SeqCst);
        disk.room.segments.store(segments, Ordering::SeqCst);
        let desk = Arc::new(ArcSwap::from_pointee(Desk::of(partnership.state()).unwrap()));
        let reason = Arc::new(Mutex::new(None));
        let parts = Parts {
            partnership,
            journal,
            publisher,
            log: Arc::new(LogKeys::of(log)),
            desk: Arc::clone(&desk),
            metrics: Arc::default(),
            fatal: Arc::new({
                let reason = Arc::clone(&reason);
                move |why| *reason.lock().unwrap() = Some(why)
            }),
            snapshots: channel().0,
            unasked: Arc::default(),
        };
        let (clerk, threads) = start(parts, clock).unwrap();
        Self { clerk, threads, disk, desk, reason }
    }

    /// Proposes to register an application, on a task of its own.
    fn register(&self, name: &str) -> tokio::task::JoinHandle<Result<Decision, Unavailable>> {
        let application = Application {
            name: name.into(),
            party: PartyId::from(PARTY),
            audience: "business".to_owned(),
            purpose: "letters".to_owned(),
            market: "eu".to_owned(),
        };
        let proposed = self.propose(by_ana(), Deed::Administer(Administer::ApplicationAdd(application)));
        tokio::spawn(async move { proposed.await.map(|proposed| proposed.decision) })
    }

    fn propose(
        &self,
        principal: Principal,
        deed: Deed,
    ) -> impl Future<Output = Result<Proposed, Unavailable>> + use<> {
        let id = self.clerk.act_id();
        let (clerk, act) = (self.clerk.clone(), Act { id, principal, deed });
        async move { clerk.propose(act, None).await }
    }

    /// Registers an application with a key, and makes a first call, which brings a lease for one call at a time.
    async fn serve(&self) {
        self.register("letters").await.unwrap().unwrap();
        let key = Key {
            id: "k".into(),
            application: "letters".into(),
            secret: Digest([1; 32]),
            requests_per_minute: None,
            budget: None,
            expires: None,
        };
        self.propose(by_ana(), Deed::Administer(Administer::KeyNew(key))).await.unwrap();
        self.call().await.unwrap();
    }

    /// Calls a model that has no price.
    fn call(&self) -> impl Future<Output = Result<Proposed, Unavailable>> + use<> {
        let principal = Principal::Application {
            party: PartyId::from(PARTY),
            application: "letters".into(),
            key: "k".into(),
        };
        let infer = Infer {
            model: "gpt-4".into(),
            surface: "chat".to_owned(),
            stream: false,
            input_bytes: 1,
            input_tokens_max: 1,
            output_tokens_max: 1,
            tools: 0,
            images: 0,
            end_user: false,
            input: Digest([2; 32]),
            idempotency: None,
            kept: None,
            pseudonyms: Vec::new(),
        };
        self.propose(principal, Deed::Infer(infer))
    }

    /// Waits until the disk has been asked to sync once more than `before`.
    async fn asked(&self, before: u64) {
        while self.disk.waiting.load(Ordering::SeqCst) <= before {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until new acts are taken, or are not.
    async fn becomes_ready(&self, ready: bool) {
        for _ in 0..400 {
            if self.clerk.is_ready() == ready {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("new acts are {}taken", if ready { "not " } else { "" });
    }

    fn is_registered(&self, name: &str) -> bool {
        self.desk.load().registry.application(&name.into()).is_some()
    }
}

fn by_ana() -> Principal {
    Principal::Party { party: PartyId::from(PARTY), person: "ana".to_owned() }
}

const PARTY: &str = "openai";

fn genesis(terms: &Terms) -> Genesis {
    let keys = [("microsoft", 8), ("openai", 9)].map(|(party, seed)| {
        (PartyId::from(party), Signer::generate(&format!("{ORIGIN}/{party}"), [seed; 32]).unwrap())
    });
    let signed = signing_bytes(&terms.digest().0);
    Genesis {
        origin: ORIGIN.to_owned(),
        memorandum: terms.digest(),
        vkeys: keys.iter().map(|(party, key)| (party.clone(), key.verifier().vkey())).collect(),
        signatures: keys
            .iter()
            .map(|(party, key)| (party.clone(), record::hash::base64(&key.sign_bytes(&signed))))
            .collect(),
        transfers: Vec::new(),
    }
}

#[tokio::test]
async fn a_decision_is_told_and_seen_only_when_it_is_durable() {
    let scene = Scene::set();
    scene.disk.set(Sync::Waits);
    let mut waits = scene.register("first");
    scene.asked(0).await;
    let early = tokio::time::timeout(Duration::from_millis(100), &mut waits).await;
    assert!(early.is_err(), "told before the disk had it");
    assert!(!scene.is_registered("first"), "seen before the disk had it");
    scene.disk.set(Sync::Works);
    assert!(matches!(waits.await.unwrap(), Ok(Decision::Done(_))));
    assert!(scene.is_registered("first"));
    scene.clerk.stop(scene.threads);
    assert_eq!(*scene.reason.lock().unwrap(), None);
}

#[tokio::test]
async fn a_disk_that_fails_refuses_all_who_wait_and_is_not_asked_again() {
    for fails in [Sync::Fails, Sync::FailsButPersisted] {
        let scene = Scene::set();
        scene.disk.set(Sync::Waits);
        let first = scene.register("first");
        scene.asked(0).await;
        let behind = scene.register("second");
        tokio::time::sleep(Duration::from_millis(20)).await;
        scene.disk.set(fails);
        assert!(first.await.unwrap().is_err() && behind.await.unwrap().is_err(), "{fails:?}");
        let syncs = scene.disk.waiting.load(Ordering::SeqCst);
        scene.disk.set(Sync::Works);
        assert!(scene.register("third").await.unwrap().is_err(), "{fails:?}: nothing is taken any more");
        assert!(!scene.clerk.is_ready());
        assert!(!scene.is_registered("first"), "{fails:?}: nobody sees what may not last");
        scene.clerk.stop(scene.threads);
        assert_eq!(scene.disk.waiting.load(Ordering::SeqCst), syncs, "{fails:?}: the disk was asked again");
        assert!(scene.reason.lock().unwrap().as_ref().unwrap().contains("told to fail"));
    }
}

#[tokio::test]
async fn under_a_lease_a_call_starts_while_its_decision_is_written_and_the_next_one_waits() {
    let scene = Scene::set();
    scene.serve().await;
    scene.disk.set(Sync::Waits);
    let Proposed { decision: Decision::Allow(warrant), durable } = scene.call().await.unwrap() else {
        panic!("it is allowed")
    };
    let mut durable = Box::pin(durable.wait());
    let told = tokio::time::timeout(Duration::from_millis(100), &mut durable).await;
    assert!(told.is_err(), "it may start, and nobody may be told");
    let mut second = Box::pin(scene.call());
    let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
    assert!(early.is_err(), "the lease is for one call at a time");
    scene.disk.set(Sync::Works);
    durable.await.unwrap();
    second.await.unwrap().durable.wait().await.unwrap();
    let settled = scene.clerk.settle(warrant, Outcome::lost()).await;
    assert!(matches!(settled, Ok(Answer::Settled(_))));
    scene.clerk.stop(scene.threads);
}

#[tokio::test]
async fn a_call_that_started_early_hears_that_its_decision_was_never_written() {
    let scene = Scene::set();
    scene.serve().await;
    scene.disk.set(Sync::Waits);
    let proposed = scene.call().await.unwrap();
    scene.disk.set(Sync::Fails);
    assert!(proposed.durable.wait().await.is_err());
    scene.clerk.stop(scene.threads);
}

#[tokio::test]
async fn a_full_disk_sends_new_acts_away_and_takes_them_again_when_there_is_room() {
    let scene = Scene::with_room([false, true]);
    scene.becomes_ready(false).await;
    assert!(scene.register("first").await.unwrap().is_err());
    let counted = vec![Refused { key: "k".into(), count: 1 }];
    assert!(scene.clerk.tally(counted).await.is_ok(), "what is no new act is still written");
    assert_eq!(scene.clerk.published(), 0);
    scene.disk.room.files.store(true, Ordering::SeqCst);
    scene.becomes_ready(true).await;
    assert!(scene.clerk.published() > 0, "published without a new act");
    assert!(scene.register("second").await.unwrap().is_ok());
    scene.clerk.stop(scene.threads);
    assert_eq!(*scene.reason.lock().unwrap(), None);
}

#[tokio::test]
async fn room_for_the_one_does_not_hide_that_there_is_none_for_the_other() {
    for files_first in [true, false] {
        let scene = Scene::with_room([false, false]);
        let Room { files, segments } = &scene.disk.room;
        let (first, second) = if files_first { (files, segments) } else { (segments, files) };
        scene.becomes_ready(false).await;
        // Both have been asked for by then.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        first.store(true, Ordering::SeqCst);
        for _ in 0..100 {
            assert!(!scene.clerk.is_ready(), "files first: {files_first}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        second.store(true, Ordering::SeqCst);
        scene.becomes_ready(true).await;
        scene.clerk.stop(scene.threads);
        assert_eq!(*scene.reason.lock().unwrap(), None);
    }
}
