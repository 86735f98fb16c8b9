//! A record on a real disk, verified; then the same with an entry that no honest judge would have written.

mod forgeries;

use super::{At, Depth, Verified, state_at};
use ledger::{Amount, Book, Operation, Transfer, TransferId};
use partnership::act::{
    Act, Administer, Amend, Application, Approve, Attest, Deed, Digest, Draw, Ended, Expire, Infer, Key,
    Outcome, Principal, Usage, approval_bytes, attestation_bytes,
};
use partnership::decision::{Decision, RefusalCode, Ticket};
use partnership::entry::{Body, ClockStep, Decided, Entry, Genesis, Lease, Settled, Verdict};
use partnership::ids::{ActId, ApplicationId, ClauseId, KeyId, ModelId, PartyId, Timestamp};
use partnership::investment::chart;
use partnership::lease::LEASE_LASTS_MS;
use partnership::memorandum::signing_bytes;
use partnership::{Answer, Command, Entropy, Partnership, State, Terms};
use record::note::Signer;
use record::store::directory::Directory;
use record::{Group, Journal, Loaded, Publisher, Store as _};
use std::path::Path;
use std::sync::Arc;

const ORIGIN: &str = "verify.example/record";
const MEMORANDUM: &str = include_str!("../../../../../examples/northwind-halcyon/memorandum.md");
const AMENDMENT: &str = include_str!("../../../../../examples/northwind-halcyon/amendment-2.md");
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
            transfers: chart::opening(&self.terms, &Book::new(), 0, 0),
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

fn verify(dir: &Path, vkeys: Option<&Path>) -> anyhow::Result<Verified> {
    super::verify(dir, vkeys, Depth::Clauses)
}

pub(crate) struct Scene {
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
    pub(crate) fn found() -> Self {
        let ground = Ground::lay();
        let genesis = ground.genesis(PARTIES.len());
        let Ground { folder, terms, loaded, log, keys, mut entropy, at } = ground;
        let partnership =
            Partnership::found(State::new([terms]), loaded.log, at, genesis, &mut entropy).unwrap();
        let (journal, publisher) = (loaded.journal, loaded.publisher);
        Self { folder, partnership, journal, publisher, log, keys, entropy, at }
    }

    /// Makes all durable, publishes it, and verifies it with every entry judged again.
    fn verify(&mut self, vkeys: Option<&Path>) -> anyhow::Result<Verified> {
        self.publish();
        verify(self.folder.path(), vkeys)
    }

    pub(crate) fn publish(&mut self) {
        let groups: Vec<_> = self.partnership.log().seal().into_iter().collect();
        write(&groups, &mut self.journal, &mut self.publisher, &self.log);
    }

    fn act(&mut self, principal: Principal, deed: Deed) -> Act {
        Act { id: self.entropy.act_id(self.at), principal, deed }
    }

    fn propose(&mut self, principal: Principal, deed: Deed) -> Decision {
        let act = Box::new(self.act(principal, deed));
        let Answer::Decided(decision) = self.run(Command::Propose(act, None)) else {
            panic!("a proposal is decided")
        };
        decision
    }

    fn run(&mut self, command: Command) -> Answer {
        self.partnership.turn(self.at, &mut self.entropy, vec![command]).unwrap().remove(0).answer
    }

    /// What an honest clerk would decide of an act: asked of a second one, whose record nobody keeps.
    fn expected(&mut self, act: &Act) -> Decided {
        let mut other = Scene::found();
        other.admit();
        other.run(Command::Propose(Box::new(act.clone()), None));
        let leaf = other.partnership.log().seal().unwrap().leaves.pop().unwrap();
        match Entry::decode(&leaf.envelope, &leaf.parties).unwrap().body {
            Body::Decided(decided) => *decided,
            other => panic!("{other:?}"),
        }
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

    /// Registers the application `assistant` with a key, approved by both.
    fn admit(&mut self) {
        let ticket = self.waits(add());
        self.approve(&ticket, 0);
        self.approve(&ticket, 1);
        assert!(matches!(self.propose(ana(), key()), Decision::Done(_)));
    }

    fn signed_attest(&self, party: usize) -> Deed {
        let version = self.partnership.state().terms().unwrap().digest();
        let bytes = attestation_bytes(ORIGIN, &version, &ClauseId::from("release-tranche"), &Digest([6; 32]));
        attest(party, base64(&self.keys[party].sign_bytes(&bytes)))
    }

    /// Puts an allowed act on the record that the state was never asked about.
    fn forge(&mut self, principal: Principal, deed: Deed) {
        let act = self.act(principal, deed);
        self.forge_as(act);
    }

    fn forge_as(&mut self, act: Act) {
        self.forge_decided(act, |_| {});
    }

    /// The same with what `change` makes of the decision.
    fn forge_decided(&mut self, act: Act, change: impl FnOnce(&mut Decided)) {
        let mut decided = Decided {
            act,
            standing: None,
            memorandum: 1,
            verdict: Verdict::Allow,
            clauses: Vec::new(),
            deviations: Vec::new(),
            lapses: None,
            transfers: Vec::new(),
        };
        change(&mut decided);
        self.write(Body::Decided(Box::new(decided)));
    }

    pub(crate) fn write(&mut self, body: Body) {
        let seed = self.entropy.seed();
        self.partnership.log().append(Entry::new(&seed, self.at, body).encode()).unwrap();
    }

    /// Puts the document of the second version beside the record; gives its version and digest.
    fn keep_amendment(&self) -> (u64, Digest) {
        let amendment = Terms::read(AMENDMENT).unwrap();
        let store = Directory::new(self.folder.path().join("record"));
        store.create(&format!("memorandum/{}", amendment.digest().hex()), AMENDMENT.as_bytes()).unwrap();
        (amendment.version(), amendment.digest())
    }

    /// An act that is done at once, with moves of one minor unit each.
    fn forge_done(&mut self, deed: Deed, moves: &[Moved]) {
        if matches!(deed, Deed::Administer(_)) {
            let ticket = self.waits(add());
            self.approve(&ticket, 0);
            self.approve(&ticket, 1);
        }
        let act = self.act(ana(), deed);
        self.forge_done_as(&act, moves);
    }

    fn forge_done_as(&mut self, act: &Act, moves: &[Moved]) {
        let clauses =
            if matches!(act.deed, Deed::Administer(_)) { vec![] } else { vec!["release-tranche".into()] };
        self.forge_decided(act.clone(), |decided| decided.clauses = clauses);
        let index = self.partnership.log().size() - 1;
        let transfers = (0..).zip(moves).map(|(leg, one)| moved(act.id.as_u128(), leg, *one)).collect();
        self.write(Body::Settled(Box::new(Settled { transfers, ..done(act, index) })));
    }

    /// A call that is allowed, settled with what `transfers` makes of its one reservation, which is charged in `asset`.
    fn forge_ended(
        &mut self,
        how: Ended,
        asset: Option<&str>,
        transfers: impl FnOnce(&Transfer) -> Vec<Transfer>,
    ) {
        self.admit();
        let Decision::Allow(warrant) = self.propose(caller(), call()) else { panic!("it is allowed") };
        let held = self.partnership.state().open().next().unwrap().1.reservations[0].clone();
        let settled = Settled {
            kind: "infer".to_owned(),
            ended: how,
            usage: Some(Usage { input_tokens: 20, output_tokens: 30 }),
            charged: asset.map(|asset| (held.amount, asset.into())),
            transfers: transfers(&held),
            ..done(warrant.act(), warrant.index())
        };
        self.write(Body::Settled(Box::new(settled)));
    }

    /// A call that is allowed, and what an honest clerk would settle it by; nothing of that is written.
    pub(crate) fn honest_settlement(&mut self, usage: Usage) -> Settled {
        self.admit();
        let Decision::Allow(warrant) = self.propose(caller(), call()) else { panic!("it is allowed") };
        let open = self.partnership.state().open().next().unwrap().1;
        let settling = partnership::investment::funds::settle(
            warrant.act().id.as_u128(),
            &open.reservations,
            open.tariff.as_ref(),
            Some(usage),
            &open.operator,
        );
        Settled {
            kind: "infer".to_owned(),
            ended: Ended::Done,
            usage: Some(usage),
            charged: settling.charged,
            transfers: settling.transfers,
            ..done(warrant.act(), warrant.index())
        }
    }

    /// A call that is allowed, settled by the clerk.
    pub(crate) fn settled(&mut self, outcome: Outcome) {
        if self.partnership.state().registry().applications().next().is_none() {
            self.admit();
        }
        let Decision::Allow(warrant) = self.propose(caller(), call()) else { panic!("it is allowed") };
        self.run(Command::Settle(warrant, outcome));
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The key of the party that does not operate.
    pub(crate) fn second(&self) -> &Signer {
        &self.keys[1]
    }

    pub(crate) fn log(&self) -> record::note::Verifier {
        self.log.verifier()
    }

    pub(crate) fn entries(&mut self) -> u64 {
        self.partnership.log().size()
    }

    /// Publishes it, and verifies what the entries alone tell.
    pub(crate) fn verify_entries(&mut self) -> anyhow::Result<Verified> {
        self.publish();
        super::verify(self.folder.path(), None, Depth::Entries)
    }

    /// A call that is allowed, settled on the record in another way than its books give.
    fn forge_settled(&mut self, ended: Ended, change: impl FnOnce(&mut Settled)) {
        self.admit();
        let Decision::Allow(warrant) = self.propose(caller(), call()) else { panic!("it is allowed") };
        let mut settled = Settled {
            act: warrant.act().id,
            kind: "infer".to_owned(),
            decided: warrant.index(),
            ended,
            usage: Some(Usage { input_tokens: 20, output_tokens: 30 }),
            estimated: false,
            attempts: Vec::new(),
            output: None,
            charged: None,
            transfers: Vec::new(),
        };
        change(&mut settled);
        self.write(Body::Settled(Box::new(settled)));
    }
}

fn base64(bytes: &[u8]) -> String {
    record::hash::base64(bytes)
}

fn ana() -> Principal {
    Principal::Party { party: PartyId::from("northwind"), person: "ana".to_owned() }
}

fn caller() -> Principal {
    Principal::Application {
        party: PartyId::from("halcyon"),
        application: ApplicationId::from("assistant"),
        key: KeyId::from("k1"),
    }
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
        idempotency: None,
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
        let attest = scene.signed_attest(party);
        assert!(matches!(scene.propose(ana(), attest), Decision::Done(_)));
    }
    let live = scene.partnership.state().digest();
    let mut verified = scene.verify(None).unwrap();
    assert_eq!(Digest(verified.replay.digest()), live);
    let (text, json) = (verified.text(), verified.json());
    assert!(text.starts_with("verify.example/record holds: every byte"), "{text}");
    assert!(text.contains("judged again, policies and prices included"), "{text}");
    assert_eq!(json["clauses_judged"], true);
    let lean = super::verify(scene.folder.path(), None, Depth::Entries).unwrap();
    let (lean_text, mut lean_json) = (lean.text(), lean.json());
    assert!(
        lean_text.contains("holds, as far as the entries tell:")
            && lean_text
                .contains("not judged (policies, bounds of funds, prices, registrations); give `--policies`"),
        "{lean_text}"
    );
    lean_json["clauses_judged"] = true.into();
    assert_eq!(lean_json, json, "what both fold is the same");
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

#[test]
fn a_lease_that_caps_nothing_or_lasts_too_long_is_found() {
    let at: Timestamp = Ground::lay().at;
    let sound = Lease {
        at,
        expires: at.plus_millis(LEASE_LASTS_MS),
        calls: 1,
        amounts: [("CREDIT".into(), Amount::new(1))].into(),
    };
    let lasting = |ms: i64| Lease { expires: at.plus_millis(ms), ..sound.clone() };
    let none = [("CREDIT".into(), Amount::new(0))].into();
    for lease in [
        lasting(LEASE_LASTS_MS + 1),
        lasting(0),
        Lease { calls: 0, ..sound.clone() },
        Lease { amounts: none, ..sound.clone() },
    ] {
        let mut scene = Scene::found();
        scene.write(Body::Lease(lease));
        let said = why(scene.verify(None));
        assert!(said.contains("a lease lasts a day at most, and its caps are above zero"), "{said}");
    }
    let mut scene = Scene::found();
    scene.write(Body::Lease(sound));
    let shown = scene.verify(None).unwrap().text();
    assert!(shown.contains("up to 1 calls under way unrecorded, of 0.000000001 CREDIT at most"), "{shown}");
}

#[test]
fn a_record_that_opens_other_amounts_than_its_memorandum_is_found() {
    let mut ground = Ground::lay();
    let mut opened = ground.genesis(PARTIES.len());
    for transfer in &mut opened.transfers {
        transfer.amount = Amount::new(transfer.amount.minor() * 10);
    }
    let body = Body::Genesis(opened);
    ground.loaded.log.append(Entry::new(&ground.entropy.seed(), ground.at, body).encode()).unwrap();
    let groups: Vec<_> = ground.loaded.log.seal().into_iter().collect();
    write(&groups, &mut ground.loaded.journal, &mut ground.loaded.publisher, &ground.log);
    assert_eq!(
        why(verify(ground.folder.path(), None)),
        "entry 0: the first entry opens other amounts than the memorandum states"
    );
}

/// From where, to where, in which asset.
type Moved = (&'static str, &'static str, &'static str);

const TAKEN: Moved = ("credit:launch-credits:available", "credit:launch-credits:spent", "CREDIT");

/// A move of one minor unit.
fn moved(act: u128, leg: u16, (from, to, asset): Moved) -> Transfer {
    Transfer {
        id: TransferId { act, leg },
        operation: Operation::Move,
        debit: from.into(),
        credit: to.into(),
        asset: asset.into(),
        amount: Amount::new(1),
    }
}

/// What becomes of a reservation, whole.
fn ended(held: &Transfer, leg: u16, operation: Operation) -> Transfer {
    Transfer { id: TransferId { act: held.id.act, leg }, operation, ..held.clone() }
}

/// A transfer that puts the grant into somebody's pocket.
fn theft(act: ActId) -> Transfer {
    Transfer {
        id: TransferId { act: act.as_u128(), leg: 0 },
        operation: Operation::Move,
        debit: "credit:launch-credits:available".into(),
        credit: "credit:launch-credits:spent".into(),
        asset: "CREDIT".into(),
        amount: Amount::new(1),
    }
}

/// The settlement of an act that is done at once.
fn done(act: &Act, decided: u64) -> Settled {
    Settled {
        act: act.id,
        kind: act.deed.name().to_owned(),
        decided,
        ended: Ended::Done,
        usage: None,
        estimated: false,
        attempts: Vec::new(),
        output: None,
        charged: None,
        transfers: Vec::new(),
    }
}

#[test]
fn a_memorandum_that_one_side_has_not_signed_founds_nothing() {
    let mut ground = Ground::lay();
    let body = Body::Genesis(ground.genesis(1));
    ground.loaded.log.append(Entry::new(&ground.entropy.seed(), ground.at, body).encode()).unwrap();
    let groups: Vec<_> = ground.loaded.log.seal().into_iter().collect();
    write(&groups, &mut ground.loaded.journal, &mut ground.loaded.publisher, &ground.log);
    let said = why(verify(ground.folder.path(), None));
    assert_eq!(said, "entry 0: the memorandum is signed by 1 of its parties and asks for 2");
}

#[test]
fn a_record_that_begins_with_something_else_is_found_and_not_fallen_over() {
    let mut ground = Ground::lay();
    let at = ground.at;
    for body in [
        Body::Clock(ClockStep { at, was: at.plus_millis(9), now: at }),
        Body::Settled(Box::new(done(&Act { id: ActId::from_u128(1), principal: ana(), deed: key() }, 0))),
    ] {
        let state = State::new([]);
        let entry = Entry::new(&[1; 32], at, body);
        assert!(state.check(&entry).is_ok(), "the fold refuses it");
        assert!(State::new([]).apply(&entry, 0).is_err());
    }
    let act = Act { id: ActId::from_u128(1), principal: ana(), deed: key() };
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
    let entry = Entry::new(&[1; 32], at, Body::Decided(Box::new(decided)));
    ground.loaded.log.append(entry.encode()).unwrap();
    let groups: Vec<_> = ground.loaded.log.seal().into_iter().collect();
    write(&groups, &mut ground.loaded.journal, &mut ground.loaded.publisher, &ground.log);
    let said = why(verify(ground.folder.path(), None));
    assert_eq!(said, "entry 0: a record begins with one genesis entry and has no other");
}

#[test]
fn a_memorandum_that_an_entry_names_and_nobody_kept_is_found() {
    let amendment = Terms::read(AMENDMENT).unwrap();
    let (version, digest) = (amendment.version(), amendment.digest());
    let mut scene = Scene::found();
    scene.run(Command::Know(Box::new(amendment)));
    let ticket = scene.waits(Deed::Amend(Amend { version, digest }));
    scene.publish();
    let expected = format!("entry {}: memorandum/{}: it is missing", ticket.index, digest.hex());
    for depth in [Depth::Entries, Depth::Clauses] {
        assert_eq!(why(super::verify(scene.folder.path(), None, depth)), expected);
    }
}

#[test]
fn a_record_that_nobody_has_signed_does_not_hold() {
    let mut scene = Scene::found();
    scene.verify(None).unwrap();
    Directory::new(scene.folder.path().join("record")).remove("checkpoint").unwrap();
    let said = why(verify(scene.folder.path(), None));
    assert_eq!(said, "checkpoint: it is missing, so nobody has signed any of the entries");
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
