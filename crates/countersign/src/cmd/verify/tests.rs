//! A record on a real disk, verified; then the same with an entry that no honest judge would have written.

use super::{At, Verified, state_at, verify};
use partnership::act::{
    Act, Administer, Amend, Application, Approve, Attest, Deed, Digest, Draw, Infer, Key, Principal,
    approval_bytes, attestation_bytes,
};
use partnership::decision::{Decision, Ticket};
use partnership::entry::{Body, Decided, Entry, Genesis, Verdict};
use partnership::ids::{ActId, ApplicationId, ClauseId, KeyId, ModelId, PartyId, Timestamp};
use partnership::memorandum::signing_bytes;
use partnership::{Answer, Command, Entropy, Partnership, State, Terms};
use record::note::Signer;
use record::store::directory::Directory;
use record::{Group, Journal, Loaded, Publisher, Store as _};
use std::path::Path;
use std::sync::Arc;

const ORIGIN: &str = "verify.example/record";
const MEMORANDUM: &str = include_str!("../../../../../examples/northwind-halcyon/memorandum.md");
const PARTIES: [&str; 2] = ["northwind", "halcyon"];

/// A folder with keys and memorandum, whose record has no entry yet.
struct Ground {
    folder: tempfile::TempDir,
    terms: Terms,
    loaded: Loaded<Directory>,
    log: Signer,
    keys: [Signer; 2],
    entropy: Entropy,
    at: Timestamp,
}

impl Ground {
    fn lay() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut entropy = Entropy::new([3; 32]);
        let at: Timestamp = "2026-11-23T03:00:00.000Z".parse().unwrap();
        let log = Signer::generate(ORIGIN, [1; 32]).unwrap();
        let keys =
            PARTIES.map(|party| Signer::generate(&format!("{ORIGIN}/{party}"), entropy.seed()).unwrap());
        let terms = Terms::read(MEMORANDUM).unwrap();
        let store = Arc::new(Directory::new(folder.path().join("record")));
        let vkeys: String =
            [&log].into_iter().chain(&keys).map(|key| format!("{}\n", key.verifier())).collect();
        store.create("vkeys", vkeys.as_bytes()).unwrap();
        store.create(&format!("memorandum/{}", terms.digest().hex()), MEMORANDUM.as_bytes()).unwrap();
        let loaded = record::load(store, ORIGIN, 1 << 20, &log.verifier()).unwrap();
        Self { folder, terms, loaded, log, keys, entropy, at }
    }

    /// A first entry under which the first `signing` parties have put their signatures.
    fn genesis(&self, signing: usize) -> Genesis {
        let digest = self.terms.digest();
        let named = || PARTIES.map(PartyId::from).into_iter().zip(&self.keys);
        Genesis {
            origin: ORIGIN.to_owned(),
            memorandum: digest,
            vkeys: named().map(|(party, key)| (party, key.verifier().vkey())).collect(),
            signatures: named()
                .take(signing)
                .map(|(party, key)| (party, base64(&key.sign_bytes(&signing_bytes(&digest.0)))))
                .collect(),
            transfers: Vec::new(),
        }
    }
}

fn write(
    groups: &[Group],
    journal: &mut Journal<Directory>,
    publisher: &mut Publisher<Directory>,
    log: &Signer,
) {
    journal.write(groups).unwrap();
    groups.iter().cloned().for_each(|group| publisher.absorb(group));
    publisher.publish(log).unwrap();
}

struct Scene {
    folder: tempfile::TempDir,
    partnership: Partnership,
    journal: Journal<Directory>,
    publisher: Publisher<Directory>,
    log: Signer,
    keys: [Signer; 2],
    entropy: Entropy,
    at: Timestamp,
}

impl Scene {
    /// A partnership whose memorandum all parties have signed, with its record under `record/`.
    fn found() -> Self {
        let ground = Ground::lay();
        let genesis = ground.genesis(PARTIES.len());
        let Ground { folder, terms, loaded, log, keys, mut entropy, at } = ground;
        let partnership =
            Partnership::found(State::new([terms]), loaded.log, at, genesis, &mut entropy).unwrap();
        let (journal, publisher) = (loaded.journal, loaded.publisher);
        Self { folder, partnership, journal, publisher, log, keys, entropy, at }
    }

    /// Makes all durable, publishes it, and verifies it.
    fn verify(&mut self, vkeys: Option<&Path>) -> anyhow::Result<Verified> {
        let groups: Vec<_> = self.partnership.log().seal().into_iter().collect();
        write(&groups, &mut self.journal, &mut self.publisher, &self.log);
        verify(self.folder.path(), vkeys)
    }

    fn act(&mut self, principal: Principal, deed: Deed) -> Act {
        Act { id: self.entropy.act_id(self.at), seed: self.entropy.seed(), principal, deed }
    }

    fn propose(&mut self, principal: Principal, deed: Deed) -> Decision {
        let act = Box::new(self.act(principal, deed));
        let mut replies =
            self.partnership.turn(self.at, &mut self.entropy, vec![Command::Propose(act, None)]).unwrap();
        let Answer::Decided(decision) = replies.remove(0).answer else { panic!("a proposal is decided") };
        decision
    }

    fn waits(&mut self, deed: Deed) -> Ticket {
        match self.propose(ana(), deed) {
            Decision::Escalate(ticket) => ticket,
            other => panic!("it waits, but {other:?}"),
        }
    }

    fn approve(&mut self, ticket: &Ticket, party: usize) {
        let signature = base64(&self.keys[party].sign_bytes(&approval_bytes(&ticket.digest)));
        let approve = approve(ticket, party, signature);
        assert!(matches!(self.propose(ana(), approve), Decision::Done(_)));
    }

    /// Puts an allowed act on the record that the state was never asked about.
    fn forge(&mut self, principal: Principal, deed: Deed) {
        let act = self.act(principal, deed);
        self.forge_as(act);
    }

    fn forge_as(&mut self, act: Act) {
        let decided = Decided {
            act,
            standing: None,
            memorandum: 1,
            verdict: Verdict::Allow,
            clauses: Vec::new(),
            deviations: Vec::new(),
            lapses: None,
            transfers: Vec::new(),
        };
        let entry = Entry { seed: decided.act.seed, at: self.at, body: Body::Decided(Box::new(decided)) };
        self.partnership.log().append(entry.encode()).unwrap();
    }
}

fn base64(bytes: &[u8]) -> String {
    record::hash::base64(bytes)
}

fn ana() -> Principal {
    Principal::Party { party: PartyId::from("northwind"), person: "ana".to_owned() }
}

fn stranger() -> Principal {
    Principal::Application {
        party: PartyId::from("halcyon"),
        application: ApplicationId::from("nobody"),
        key: KeyId::from("none"),
    }
}

fn add() -> Deed {
    Deed::Administer(Administer::ApplicationAdd(Application {
        name: ApplicationId::from("assistant"),
        party: PartyId::from("halcyon"),
        audience: "business".to_owned(),
        purpose: "letters".to_owned(),
        market: "eu".to_owned(),
    }))
}

fn key() -> Deed {
    Deed::Administer(Administer::KeyNew(Key {
        id: KeyId::from("k1"),
        application: ApplicationId::from("assistant"),
        secret: Digest([4; 32]),
        requests_per_minute: None,
        budget: None,
        expires: None,
    }))
}

fn call() -> Deed {
    Deed::Infer(Infer {
        model: ModelId::from("smollm2-135m-instruct"),
        surface: "chat".to_owned(),
        stream: false,
        input_bytes: 10,
        input_tokens_max: 20,
        output_tokens_max: 30,
        tools: 0,
        images: 0,
        end_user: false,
        input: Digest([5; 32]),
    })
}

fn approve(ticket: &Ticket, party: usize, signature: String) -> Deed {
    let party = PartyId::from(PARTIES[party]);
    Deed::Approve(Approve { act: ticket.act.to_string(), digest: ticket.digest, party, signature })
}

fn attest(party: usize, signature: String) -> Deed {
    let (clause, evidence) = (ClauseId::from("release-tranche"), Digest([6; 32]));
    Deed::Attest(Attest { clause, evidence, party: PartyId::from(PARTIES[party]), signature })
}

fn why(verified: anyhow::Result<Verified>) -> String {
    match verified {
        Ok(verified) => panic!("a forged record was verified: {}", verified.text()),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn a_sound_record_is_verified_with_every_balance() {
    let mut scene = Scene::found();
    let ticket = scene.waits(add());
    scene.approve(&ticket, 0);
    scene.approve(&ticket, 1);
    for party in 0..2 {
        let signed = attestation_bytes(&ClauseId::from("release-tranche"), &Digest([6; 32]));
        let signature = base64(&scene.keys[party].sign_bytes(&signed));
        assert!(matches!(scene.propose(ana(), attest(party, signature)), Decision::Done(_)));
    }
    let live = scene.partnership.state().digest();
    let verified = scene.verify(None).unwrap();
    assert_eq!(verified.state.digest(), live);
    let (text, json) = (verified.text(), verified.json());
    assert!(text.contains("commitment:release-tranche:drawn  750000.00 USD"), "{text}");
    assert!(text.contains("as served, not verified"), "{text}");
    assert_eq!(json["checkpoint_size"], json["entries"]);
    assert_eq!(json["memorandum"]["signed_by"], serde_json::json!(["northwind", "halcyon"]));
}

#[test]
fn balances_are_those_of_the_entry_or_moment_asked_for() {
    let mut scene = Scene::found();
    let ticket = scene.waits(add());
    scene.at = scene.at.plus_millis(86_400_000);
    scene.approve(&ticket, 0);
    scene.approve(&ticket, 1);
    let (live, last) = (scene.partnership.state().digest(), scene.partnership.log().size() - 1);
    scene.verify(None).unwrap();
    let at = |text: &str| state_at(scene.folder.path(), text.parse().unwrap());
    assert_eq!(at("0").unwrap().entries(), 1);
    assert_eq!(at(&last.to_string()).unwrap().digest(), live);
    assert_eq!(at("2026-11-24").unwrap().digest(), live);
    assert_eq!(at("2026-11-23").unwrap().waiting().count(), 1, "it waits at the end of the first day");
    assert_eq!(at("2026-11-23T02:59:59Z").unwrap_err().to_string(), "the record had not begun then");
    assert!(at("1000").unwrap_err().to_string().starts_with("entry 1000 is not there yet"));
    assert!("yesterday".parse::<At>().is_err());
}

/// What is said of it, and how it is made.
type Forgery = (&'static str, fn(&mut Scene));

#[test]
fn an_allowed_act_that_lacks_what_its_kind_needs_is_found() {
    let rows: [Forgery; 9] = [
        ("without the approval of anyone", |scene| scene.forge(ana(), add())),
        ("without the approval of halcyon", |scene| {
            let ticket = scene.waits(add());
            scene.approve(&ticket, 0);
            scene.forge_as(Act { id: ticket.act, seed: [8; 32], principal: ana(), deed: add() });
        }),
        ("what was approved is not what was allowed", |scene| {
            let ticket = scene.waits(add());
            scene.approve(&ticket, 0);
            scene.forge_as(Act { id: ticket.act, seed: [8; 32], principal: ana(), deed: key() });
        }),
        ("without the approval of anyone", |scene| {
            let digest = scene.partnership.state().terms().unwrap().digest();
            scene.forge(ana(), Deed::Amend(Amend { version: 2, digest }));
        }),
        ("without a key in standing", |scene| scene.forge(stranger(), call())),
        ("the signature of `halcyon` does not verify", |scene| {
            let ticket = scene.waits(add());
            let signature = base64(&scene.keys[0].sign_bytes(&approval_bytes(&ticket.digest)));
            scene.forge(ana(), approve(&ticket, 1, signature));
        }),
        ("the signature of `halcyon` does not verify", |scene| {
            scene.forge(ana(), attest(1, base64(&[7; 64])))
        }),
        ("whose condition did not hold", |scene| {
            scene.forge(Principal::Clerk, Deed::Draw(Draw { clause: ClauseId::from("release-tranche") }));
        }),
        ("approves or attests what it may not", |scene| {
            let nothing = Ticket {
                act: ActId::from_u128(9),
                digest: Digest([0; 32]),
                clause: ClauseId::from("amendments"),
                missing: Vec::new(),
                index: 0,
            };
            scene.forge(ana(), approve(&nothing, 0, base64(&[7; 64])));
        }),
    ];
    for (expected, forge) in rows {
        let mut scene = Scene::found();
        forge(&mut scene);
        let (last, said) = (scene.partnership.log().size() - 1, why(scene.verify(None)));
        assert!(said.contains(expected), "expected `{expected}`, was told: {said}");
        assert!(said.starts_with(&format!("entry {last}: ")), "{said}");
    }
}

#[test]
fn a_memorandum_that_one_side_has_not_signed_founds_nothing() {
    let mut ground = Ground::lay();
    let body = Body::Genesis(ground.genesis(1));
    ground.loaded.log.append(Entry { seed: ground.entropy.seed(), at: ground.at, body }.encode()).unwrap();
    let groups: Vec<_> = ground.loaded.log.seal().into_iter().collect();
    write(&groups, &mut ground.loaded.journal, &mut ground.loaded.publisher, &ground.log);
    let said = why(verify(ground.folder.path(), None));
    assert_eq!(said, "entry 0: the memorandum is signed by 1 of its parties where it asks for 2");
}

#[test]
fn only_exactly_the_keys_given_are_trusted() {
    let mut scene = Scene::found();
    scene.verify(None).unwrap();
    let served = scene.folder.path().join("record/vkeys");
    assert!(scene.verify(Some(&served)).unwrap().text().contains("exactly those of your file"));
    let mut lines: Vec<String> =
        std::fs::read_to_string(&served).unwrap().lines().map(str::to_owned).collect();
    lines.truncate(2);
    let fewer = Directory::new(scene.folder.path().join("given"));
    fewer.create("vkeys", format!("{}\n", lines.join("\n")).as_bytes()).unwrap();
    let said = why(scene.verify(Some(&scene.folder.path().join("given/vkeys"))));
    assert!(said.starts_with("vkeys: it does not hold exactly the keys"), "{said}");
}

#[test]
fn a_folder_without_a_record_is_said_to_be_one() {
    let empty = tempfile::tempdir().unwrap();
    let said = why(verify(empty.path(), None));
    assert_eq!(said, "there is no record here: it has no file `vkeys`");
    assert!(why(verify(Path::new("/nowhere"), None)).contains("is not a folder"));
}
