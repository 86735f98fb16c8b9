//! The log's key gives way to others: as it may, after which it signs; and as it may not.

use super::*;
use partnership::act::{LogKey, RecoveredLogKey, log_key_text};
use record::Handover;
use record::handover::HANDOVER;

const CHANGE: &str = "log-key-change";
const RECOVER: &str = "log-key-recover";

fn key(seed: u8) -> Signer {
    Signer::generate(ORIGIN, [seed; 32]).unwrap()
}

/// One proposal, each part of which may be somebody else's.
#[derive(Clone, Copy)]
struct Next<'a> {
    from: &'a Signer,
    to: &'a Signer,
    handed: &'a Signer,
    taken: &'a Signer,
    party: &'a str,
    by: &'a Signer,
}

impl<'a> Next<'a> {
    fn good(from: &'a Signer, to: &'a Signer, by: &'a Signer) -> Self {
        Self { from, to, handed: from, taken: to, party: "northwind", by }
    }

    fn signed(&self, kind: &str, by: &Signer) -> String {
        let text = log_key_text(ORIGIN, kind, &self.from.verifier().vkey(), &self.to.verifier().vkey());
        base64(&by.sign_bytes(text.as_bytes()))
    }

    fn deed(&self, kind: &str) -> Deed {
        let (from, vkey) = (self.from.verifier().vkey(), self.to.verifier().vkey());
        let (party, signature) = (PartyId::from(self.party), self.signed(kind, self.by));
        let (handed, taken) = (self.signed(kind, self.handed), self.signed(kind, self.taken));
        Deed::Administer(match kind {
            CHANGE => Administer::LogKeyChange(LogKey { from, vkey, handed, taken, party, signature }),
            _ => Administer::LogKeyRecover(RecoveredLogKey { from, vkey, taken, party, signature }),
        })
    }

    fn handover(&self) -> String {
        let (from, to) = (self.from.verifier(), self.to.verifier());
        let (handed, taken) = (self.signed(CHANGE, self.handed), self.signed(CHANGE, self.taken));
        Handover { from, to, handed: Some(handed), taken }.line()
    }
}

impl Scene {
    fn forge_log(&mut self, deed: Deed) {
        let act = self.act(ana(), deed);
        self.forge_whole(&act);
    }

    /// Has the log's key give way as it may; from then on the next one signs.
    fn rotate(&mut self, to: &Signer) -> String {
        let (from, by) = (self.log.clone(), self.keys[0].clone());
        let next = Next::good(&from, to, &by);
        assert!(matches!(self.propose(ana(), next.deed(CHANGE)), Decision::Done(_)));
        self.log = to.clone();
        next.handover()
    }

    fn put(&self, path: &str, text: &str) {
        Directory::new(self.folder.path().join("record")).replace(path, text.as_bytes()).unwrap();
    }

    /// Has these keys of the log served, before those of the parties, and how they handed over.
    fn serve(&self, logs: &[&Signer], handover: &str) {
        let keys = logs.iter().copied().chain(&self.keys);
        self.put("vkeys", &keys.map(|key| format!("{}\n", key.verifier())).collect::<String>());
        self.put(HANDOVER, handover);
    }
}

#[test]
fn a_log_whose_key_gave_way_under_two_versions_holds_by_each_of_its_keys() {
    let mut scene = Scene::found();
    let keys = [scene.log.clone(), key(61), key(62), key(63)];
    let mut handover = scene.rotate(&keys[1]);
    let (version, digest) = scene.keep_amendment();
    let amendment = Terms::read(AMENDMENT).unwrap();
    scene.at = Timestamp::start_of(amendment.memorandum().header.effective).max(scene.at);
    scene.run(Command::Know(Box::new(amendment)));
    let ticket = scene.waits(Deed::Amend(Amend { version, digest }));
    for party in 0..2 {
        let signature = base64(&scene.keys[party].sign_bytes(&signing_bytes(&digest.0)));
        scene.propose(ana(), approve(&ticket, party, signature));
    }
    // Two in a row, with no checkpoint between them.
    handover += &scene.rotate(&keys[2]);
    handover += &scene.rotate(&keys[3]);
    scene.serve(&keys.each_ref(), &handover);
    let verified = scene.verify(None).unwrap();
    assert_eq!(verified.replay.versions().len(), 2);
    let changes = verified.json()["log_key_changes"].as_array().unwrap().clone();
    assert_eq!(changes.len(), 3);
    for known in &keys {
        let file = scene.folder.path().join("given");
        let given = [known].into_iter().chain(&scene.keys);
        let text: String = given.map(|key| format!("{}\n", key.verifier())).collect();
        crate::files::replace(&file, text.as_bytes(), 0o644).unwrap();
        scene.verify(Some(&file)).unwrap();
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table: a row for each way in which a key may not give way")]
fn a_log_whose_key_gave_way_as_it_may_not_is_found_by_the_entries_alone() {
    let (second, third) = (key(61), key(62));
    let elsewhere = Signer::generate("other.example", [64; 32]).unwrap();
    /// What is said of it, and how it is made.
    type Row<'a> = (&'a str, &'a dyn Fn(&mut Scene));
    let so = "the log's key cannot give way so";
    let signs = "it is not signed by the key of the log that signs at its size";
    let scene_of = |scene: &Scene| (scene.log.clone(), scene.keys[0].clone(), scene.keys[1].clone());
    let table: [Row<'_>; 15] = [
        // Without the word of the key before; without that of the next; without the operator's; by another party.
        (so, &|scene| {
            let (log, own, _) = scene_of(scene);
            scene.forge_log(Next { handed: &third, ..Next::good(&log, &second, &own) }.deed(CHANGE));
        }),
        (so, &|scene| {
            let (log, own, _) = scene_of(scene);
            scene.forge_log(Next { taken: &log, ..Next::good(&log, &second, &own) }.deed(CHANGE));
        }),
        ("the signature does not verify with the key of party `northwind`", &|scene| {
            let (log, own, other) = scene_of(scene);
            scene.forge_log(Next { by: &other, ..Next::good(&log, &second, &own) }.deed(CHANGE));
        }),
        ("the log's key is for the operator to change", &|scene| {
            let (log, _, other) = scene_of(scene);
            scene.forge_log(Next { party: "halcyon", ..Next::good(&log, &second, &other) }.deed(CHANGE));
            scene.log = second.clone();
            scene.serve(&[&log, &second], "");
        }),
        // Of another log.
        (so, &|scene| {
            let (log, own, _) = scene_of(scene);
            scene.forge_log(Next::good(&log, &elsewhere, &own).deed(CHANGE));
        }),
        // A key that was used; the same act once more; the one before speaks once more.
        (so, &|scene| {
            let (log, own, _) = scene_of(scene);
            scene.rotate(&second);
            scene.forge_log(Next::good(&second, &log, &own).deed(CHANGE));
            scene.log = log;
        }),
        (so, &|scene| {
            let (log, own, _) = scene_of(scene);
            scene.rotate(&second);
            scene.forge_log(Next::good(&log, &second, &own).deed(CHANGE));
            scene.log = log;
        }),
        (so, &|scene| {
            let (log, own, _) = scene_of(scene);
            scene.rotate(&second);
            scene.forge_log(Next::good(&log, &third, &own).deed(CHANGE));
            scene.log = log;
        }),
        // A recovery that asks nobody; and one that only the operator approves.
        ("`log-key-recover` asks nobody to approve, and the memorandum asks halcyon", &|scene| {
            let (log, own, _) = scene_of(scene);
            scene.forge_log(Next::good(&log, &second, &own).deed(RECOVER));
        }),
        ("`log-key-recover` asks northwind to approve, and the memorandum asks halcyon", &|scene| {
            let (log, own, _) = scene_of(scene);
            scene.forge_approved(Next::good(&log, &second, &own).deed(RECOVER));
        }),
        // The key before signs a checkpoint after the change; and the next one, before it.
        (signs, &|scene| {
            let log = scene.log.clone();
            let handover = scene.rotate(&second);
            scene.serve(&[&log, &second], &handover);
            scene.log = log;
        }),
        (signs, &|scene| {
            let log = scene.log.clone();
            scene.log = second.clone();
            scene.publish();
            scene.log = log.clone();
            let handover = scene.rotate(&second);
            scene.serve(&[&log, &second], &handover);
            scene.write_down();
        }),
        // A first key that the entries do not know; a key of the log that they do not; another handover.
        ("it does not hold the log's keys as the entries say them", &|scene| {
            let (_, own, _) = scene_of(scene);
            scene.forge_log(Next::good(&third, &second, &own).deed(CHANGE));
        }),
        ("it does not hold the log's keys as the entries say them", &|scene| {
            scene.serve(&[&scene.log, &second], "");
        }),
        ("it does not say how the log's keys handed over as the entries do", &|scene| {
            let (log, own, _) = scene_of(scene);
            scene.rotate(&second);
            let other = Next { handed: &third, ..Next::good(&log, &second, &own) };
            scene.serve(&[&log, &second], &other.handover());
        }),
    ];
    for (place, (told, forged)) in table.iter().enumerate() {
        let mut scene = Scene::found();
        forged(&mut scene);
        let said = why(scene.verify_entries());
        assert!(said.contains(told), "row {place}: {said}");
        assert!(scene.verify(None).is_err(), "row {place}, judged again");
    }
}
