//! Three acts through the core: a call, a tranche that both attest, and an amendment that needs both sides.

mod amendments;
mod approvals;
mod budgets;
mod conditions;
mod deals;
mod dues;
mod erasures;
mod leases;
mod limits;
mod log_keys;
mod notices;
mod party_keys;
mod properties;
mod reconciliations;
mod rehearsed;
mod repeats;
mod second;
mod simulated;
mod snapshots;
mod withdraw;
mod witness_keys;

use partnership::act::{
    Act, Administer, Amend, Application, Approve, Attempt, Attest, Deed, Digest, Ended, Erase, Infer, Key,
    Outcome, Principal, Usage, approval_bytes, attestation_bytes, idempotency_digest,
};
use partnership::decision::{Decision, RefusalCode};
use partnership::entry::{Body, Entry, Genesis};
use partnership::ids::{ActId, ApplicationId, ClauseId, KeyId, ModelId, PartyId, Timestamp};
use partnership::memorandum::signing_bytes;
use partnership::state::Booked;
use partnership::{Answer, Command, Entropy, Partnership, State, Terms};
use record::note::Signer;
use std::sync::Arc;

const MEMORANDUM: &str = include_str!("../../../../examples/northwind-halcyon/memorandum.md");
const AMENDMENT: &str = include_str!("../../../../examples/northwind-halcyon/amendment-2.md");
const MODEL: &str = "smollm2-135m-instruct";
const ORIGIN: &str = "example.test/record";

struct House {
    partnership: Partnership,
    entropy: Entropy,
    at: Timestamp,
    keys: Vec<(PartyId, Signer)>,
    leaves: Vec<record::Leaf>,
    memorandum: String,
    versions: Vec<String>,
    /// Whether the last call might have started before its decision was durable.
    started: bool,
}

fn documents(memorandum: &str) -> Vec<Terms> {
    [memorandum, AMENDMENT].iter().map(|text| Terms::read(text).unwrap()).collect()
}

impl House {
    fn founded() -> Self {
        Self::founded_on(MEMORANDUM)
    }

    fn founded_on(text: &str) -> Self {
        let library = documents(text).into_iter().map(|terms| (terms.digest(), Arc::new(terms))).collect();
        Self::founded_over(text, library, "2026-11-22T23:00:00Z".parse().unwrap())
    }

    /// As [`House::founded_on`], with documents that have been read, between whichever parties they name.
    fn founded_over(text: &str, library: partnership::state::Library, at: Timestamp) -> Self {
        let memorandum = Digest(record::hash::sha256(text.as_bytes()));
        let mut entropy = Entropy::new([7; 32]);
        let header = &library.get(&memorandum).unwrap().memorandum().header;
        let parties: Vec<PartyId> = header.parties.iter().map(|party| party.id.clone()).collect();
        let keys: Vec<_> = parties
            .into_iter()
            .map(|party| {
                (party.clone(), Signer::generate(&format!("{ORIGIN}/{party}"), entropy.seed()).unwrap())
            })
            .collect();
        let log = Signer::generate(ORIGIN, entropy.seed()).unwrap();
        let store = Arc::new(record::store::memory::Memory::new());
        let loaded = record::load(store, ORIGIN, 1 << 20, &log.verifier()).unwrap();
        let genesis = Genesis {
            origin: ORIGIN.to_owned(),
            memorandum,
            vkeys: keys.iter().map(|(party, key)| (party.clone(), key.verifier().vkey())).collect(),
            signatures: keys
                .iter()
                .map(|(party, key)| {
                    let signature = key.sign_bytes(&signing_bytes(&memorandum.0));
                    (party.clone(), record::hash::base64(&signature))
                })
                .collect(),
            transfers: Vec::new(),
        };
        let partnership =
            Partnership::found(State::over(library), loaded.log, at, genesis, &mut entropy).unwrap();
        let mut house = Self {
            partnership,
            entropy,
            at,
            keys,
            leaves: Vec::new(),
            memorandum: text.to_owned(),
            versions: Vec::new(),
            started: false,
        };
        house.seal();
        house
    }

    fn seal(&mut self) {
        self.leaves.extend(self.partnership.log().seal().into_iter().flat_map(|group| group.leaves));
    }

    fn run(&mut self, command: Command) -> Answer {
        let mut replies = self.partnership.turn(self.at, &mut self.entropy, vec![command]).unwrap();
        self.seal();
        let reply = replies.remove(0);
        self.started = reply.starts;
        reply.answer
    }

    fn propose(&mut self, principal: Principal, deed: Deed) -> Decision {
        let act = self.act(principal, deed);
        self.decided(act)
    }

    fn act(&mut self, principal: Principal, deed: Deed) -> Act {
        Act { id: self.entropy.act_id(self.at), principal, deed }
    }

    fn decided(&mut self, act: Act) -> Decision {
        match self.run(Command::Propose(Box::new(act), None)) {
            Answer::Decided(decision) => decision,
            other => panic!("a proposal is answered with a decision, not {other:?}"),
        }
    }

    fn by(&mut self, party: &str, deed: Deed) -> Decision {
        self.propose(Principal::Party { party: PartyId::from(party), person: "ana".to_owned() }, deed)
    }

    fn sign(&self, party: &str, bytes: &[u8]) -> String {
        let (_, key) = self.keys.iter().find(|(id, _)| id.as_str() == party).unwrap();
        record::hash::base64(&key.sign_bytes(bytes))
    }

    fn sign_with(&self, party: &str) -> Signer {
        self.keys.iter().find(|(id, _)| id.as_str() == party).unwrap().1.clone()
    }

    fn approve(&mut self, party: &str, act: ActId, digest: Digest, bytes: &[u8]) -> Decision {
        let signature = self.sign(party, bytes);
        let party_id = PartyId::from(party);
        self.by(party, Deed::Approve(Approve { act: act.to_string(), digest, party: party_id, signature }))
    }

    /// Makes a change, with the approval of both where a clause asks for it.
    fn change(&mut self, change: Administer) {
        if let Decision::Escalate(ticket) = self.by("northwind", Deed::Administer(change)) {
            for party in ticket.missing {
                self.approve(party.as_str(), ticket.act, ticket.digest, &approval_bytes(&ticket.digest));
            }
        }
    }

    fn with_application(mut self) -> Self {
        self.change(Administer::ApplicationAdd(Application {
            name: ApplicationId::from("assistant"),
            party: PartyId::from("halcyon"),
            audience: "business".to_owned(),
            purpose: "office".to_owned(),
            market: "eu".to_owned(),
        }));
        self.change(Administer::KeyNew(Key {
            id: KeyId::from("k1"),
            application: ApplicationId::from("assistant"),
            secret: Digest([1; 32]),
            requests_per_minute: None,
            budget: None,
            expires: None,
        }));
        self
    }

    fn call(&mut self, output_tokens_max: u64) -> Decision {
        let act = self.proposal(output_tokens_max, None);
        self.decided(act)
    }

    /// A call that is ready to be proposed, with an idempotency key or without.
    fn proposal(&mut self, output_tokens_max: u64, key: Option<&str>) -> Act {
        let application = ApplicationId::from("assistant");
        let principal = Principal::Application {
            party: PartyId::from("halcyon"),
            application: application.clone(),
            key: KeyId::from("k1"),
        };
        let infer = Infer {
            model: ModelId::from(MODEL),
            surface: "chat".to_owned(),
            stream: false,
            input_bytes: 100,
            input_tokens_max: 200,
            output_tokens_max,
            tools: 0,
            images: 0,
            end_user: true,
            input: Digest([2; 32]),
            idempotency: key.map(|key| idempotency_digest(&application, key)),
            kept: None,
            pseudonyms: Vec::new(),
        };
        self.act(principal, Deed::Infer(infer))
    }

    fn left(&self) -> i128 {
        let state = self.partnership.state();
        let (account, _, _, balance) = state
            .book()
            .accounts()
            .find(|(account, ..)| {
                account.to_string().starts_with("credit:") && account.to_string().ends_with(":available")
            })
            .unwrap();
        assert!(!account.to_string().is_empty());
        balance.available()
    }

    /// What a replay of every leaf adds up to, each judged again on the way.
    fn replayed(&self) -> State {
        let mut state = State::new(self.documents());
        for (index, leaf) in (0..).zip(&self.leaves) {
            let entry = Entry::decode(&leaf.envelope, &leaf.parties).unwrap();
            state.check(&entry).unwrap_or_else(|unjust| panic!("entry {index}: {unjust}"));
            state.apply(&entry, index).unwrap();
        }
        assert_eq!(state.digest(), self.partnership.state().digest());
        let known = |state: &State| format!("{state:?}").split_once("origin: ").unwrap().1.to_owned();
        assert_eq!(known(&state), known(self.partnership.state()), "beside the documents that nobody named");
        snapshots::check(&self.leaves, self.documents());
        second::check(&self.leaves, &state);
        state
    }

    /// Every version that this partnership knows.
    fn documents(&self) -> Vec<Terms> {
        let texts = [MEMORANDUM, AMENDMENT, &self.memorandum]
            .into_iter()
            .chain(self.versions.iter().map(String::as_str));
        texts.map(|text| Terms::read(text).unwrap()).collect()
    }

    /// The next version as `edit` makes it of the one in force, to be effective on `day`; proposed, and approved by both.
    fn amend(&mut self, day: &str, edit: impl Fn(&str) -> String) -> Decision {
        let text = self.draft(day, edit);
        self.adopt(&text)
    }

    /// The text of a next version.
    fn draft(&self, day: &str, edit: impl Fn(&str) -> String) -> String {
        let terms = Arc::clone(self.partnership.state().terms().unwrap());
        let (version, text) = (terms.version(), terms.memorandum().text.to_string());
        let text: String = text
            .lines()
            .filter(|line| !line.starts_with("previous = "))
            .map(|line| format!("{line}\n"))
            .collect();
        let next = format!("version = {}\nprevious = \"{}\"", version + 1, terms.digest().hex());
        let text = text.replacen(&format!("version = {version}"), &next, 1);
        let (before, rest) = text.split_once("effective = ").unwrap();
        let (_, after) = rest.split_once('\n').unwrap();
        edit(&format!("{before}effective = {day}\n{after}"))
    }

    /// Proposes a text, and approves it for both where it waits; gives what was answered last.
    fn adopt(&mut self, text: &str) -> Decision {
        let terms = Terms::read(text).unwrap();
        let (version, digest) = (terms.version(), terms.digest());
        self.versions.push(text.to_owned());
        self.run(Command::Know(Box::new(terms)));
        let Decision::Escalate(ticket) = self.by("halcyon", Deed::Amend(Amend { version, digest })) else {
            return self.by("halcyon", Deed::Amend(Amend { version, digest }));
        };
        self.approve("northwind", ticket.act, digest, &signing_bytes(&digest.0));
        self.approve("halcyon", ticket.act, digest, &signing_bytes(&digest.0))
    }

    fn version(&self) -> u64 {
        self.partnership.state().terms().unwrap().version()
    }

    fn days(&mut self, days: i64) {
        self.at = self.at.plus_millis(days * 86_400_000);
        self.run(Command::Tick);
    }
}

fn used(input_tokens: u64, output_tokens: u64) -> Outcome {
    Outcome {
        ended: Ended::Done,
        usage: Some(Usage { input_tokens, output_tokens, ..Usage::default() }),
        estimated: false,
        attempts: vec![Attempt { upstream: "llama".to_owned(), result: "200".to_owned() }],
        output: None,
        kept: None,
    }
}

#[test]
fn a_call_reserves_its_bound_and_settles_what_it_used() {
    let mut house = House::founded().with_application();
    let before = house.left();
    let Decision::Allow(warrant) = house.call(100) else { panic!("the call is within the grant") };
    let reserved = before - house.left();
    let Answer::Settled(settlement) = house.run(Command::Settle(warrant, used(40, 10))) else {
        panic!("it is open")
    };
    let (charged, _) = settlement.charged.unwrap();
    let tariff = Terms::read(MEMORANDUM).unwrap().tariff(MODEL, house.at.date()).unwrap();
    let usage = used(40, 10).usage.unwrap();
    assert_eq!(charged, tariff.charge(usage).unwrap().amount);
    assert_eq!(reserved, tariff.reserve(200, 100).unwrap().minor());
    assert_eq!(before - house.left(), charged.minor());
}

#[test]
fn cached_input_is_recorded_and_costs_its_own_price() {
    let card = "cached_input = \"0.05 CREDIT\"\noutput = \"1.50 CREDIT\"";
    let mut house = House::founded_on(&MEMORANDUM.replacen("output = \"1.50 CREDIT\"", card, 1));
    house = house.with_application();
    // What is cached beside what is reported | what is recorded, and what the call comes to in 10^-9 CREDIT
    for (reported, recorded, cost) in
        [(0, 0, 65_000), (60, 60, 38_000), (100, 100, 20_000), (101, 100, 20_000)]
    {
        let Decision::Allow(warrant) = house.call(100) else { panic!("the call is within the grant") };
        let mut outcome = used(100, 10);
        outcome.usage.iter_mut().for_each(|usage| usage.cached_input_tokens = reported);
        let Answer::Settled(settlement) = house.run(Command::Settle(warrant, outcome)) else {
            panic!("it is open")
        };
        assert_eq!(settlement.charged.map(|(amount, _)| amount.minor()), Some(cost), "{reported} cached");
        let leaf = String::from_utf8_lossy(&house.leaves.last().unwrap().parties).into_owned();
        let written = format!(r#""input_tokens":"100","cached_input_tokens":"{recorded}","output_tokens""#);
        assert_eq!(leaf.contains(&written), recorded > 0, "{leaf}");
    }
    house.replayed();
}

#[test]
fn a_failed_call_costs_nothing() {
    let mut house = House::founded().with_application();
    let before = house.left();
    let Decision::Allow(warrant) = house.call(100) else { panic!("the call is within the grant") };
    house.run(Command::Settle(warrant, Outcome { ended: Ended::Failed, ..used(40, 10) }));
    assert_eq!(house.left(), before);
}

#[test]
fn what_the_grant_does_not_cover_is_refused_and_reserves_nothing() {
    let mut house = House::founded().with_application();
    let before = house.left();
    let mut refused = None;
    for _ in 0..10_000 {
        match house.call(u64::from(u32::MAX)) {
            Decision::Allow(warrant) => drop(warrant),
            Decision::Deny(refusal) => {
                refused = Some(refusal);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    let refusal = refused.unwrap();
    assert!(matches!(refusal.code, RefusalCode::InsufficientQuota | RefusalCode::Forbidden), "{refusal:?}");
    assert!(house.left() >= 0 && house.left() <= before);
}

#[test]
fn an_unsettled_call_lapses_once_and_its_late_outcome_changes_nothing() {
    let mut house = House::founded().with_application();
    let before = house.left();
    let Decision::Allow(warrant) = house.call(100) else { panic!("the call is within the grant") };
    house.at = house.at.plus_millis(16 * 60 * 1000);
    house.run(Command::Tick);
    assert_eq!(house.left(), before);
    assert!(matches!(house.run(Command::Settle(warrant, used(40, 10))), Answer::Late(_)));
    assert_eq!(house.left(), before);
}

#[test]
fn a_call_lapses_when_its_performer_is_gone_and_never_while_one_is_alive() {
    let mut house = House::founded().with_application();
    let before = house.left();
    let Decision::Allow(alive) = house.call(100) else { panic!("the call is within the grant") };
    let Decision::Allow(gone) = house.call(100) else { panic!("the call is within the grant") };
    let (ids, reserved) = ([alive.act().id, gone.act().id], before - house.left());
    drop(gone);
    house.at = house.at.plus_millis(60 * 60 * 1000);
    let held = house.partnership.state().held_over(house.at);
    assert_eq!(held.iter().collect::<Vec<_>>(), [&ids[0]]);
    house.run(Command::Held(held));
    house.run(Command::Tick);
    assert_eq!(house.left(), before - reserved / 2, "one has given its reservation back");
    assert!(house.partnership.state().open_act(&ids[0]).is_some());
    assert!(matches!(house.run(Command::Settle(alive, used(40, 10))), Answer::Settled(_)));
    assert!(house.partnership.state().held_over(house.at).is_empty());
    assert!(house.left() < before, "what was used is paid, though late");
}

#[test]
fn what_is_due_is_done_though_a_call_outlives_its_time() {
    let mut house =
        House::founded_on(&MEMORANDUM.replacen("due = 2026-07-01", "due = 2026-12-01", 1)).with_application();
    let drawn = |house: &House| house.partnership.state().booked(&ClauseId::from("first-tranche")).is_some();
    let Decision::Allow(alive) = house.call(100) else { panic!("the call is within the grant") };
    assert!(!drawn(&house), "its day has not come");
    house.at = "2026-12-01T01:00:00Z".parse().unwrap();
    let held = house.partnership.state().held_over(house.at);
    house.run(Command::Held(held));
    house.run(Command::Tick);
    assert!(drawn(&house), "its day has come");
    assert!(matches!(house.run(Command::Settle(alive, used(40, 10))), Answer::Settled(_)));
    house.replayed();
}

#[test]
fn a_milestone_is_booked_once_when_both_attest_the_same_evidence() {
    let mut house = House::founded();
    let terms = Terms::read(MEMORANDUM).unwrap();
    let clause = terms
        .tranches()
        .find(|(_, tranche)| {
            matches!(tranche.condition, partnership::memorandum::Condition::Milestone { .. })
        })
        .map(|(clause, _)| clause.id.clone())
        .unwrap();
    let version = terms.digest();
    let attest = |house: &mut House, party: &str, evidence: [u8; 32]| {
        let evidence = Digest(evidence);
        let signature = house.sign(party, &attestation_bytes(ORIGIN, &version, &clause, &evidence));
        let attest = Attest {
            clause: clause.clone(),
            condition: None,
            evidence,
            party: PartyId::from(party),
            signature,
        };
        house.by(party, Deed::Attest(attest))
    };
    assert!(matches!(attest(&mut house, "northwind", [1; 32]), Decision::Done(_)));
    assert_eq!(house.partnership.state().booked(&clause), None);
    attest(&mut house, "halcyon", [2; 32]);
    assert_eq!(house.partnership.state().booked(&clause), None, "two digests are no agreement");
    attest(&mut house, "halcyon", [1; 32]);
    assert!(matches!(house.partnership.state().booked(&clause), Some(Booked::Drawn(_))));
    assert!(matches!(attest(&mut house, "northwind", [2; 32]), Decision::Deny(_)));
}

#[test]
fn an_amendment_is_in_force_only_when_both_have_signed() {
    let mut house = House::founded();
    let amendment = Terms::read(AMENDMENT).unwrap();
    house.at = Timestamp::start_of(amendment.memorandum().header.effective).max(house.at);
    let digest = amendment.digest();
    let Decision::Escalate(ticket) = house.by("halcyon", Deed::Amend(Amend { version: 2, digest })) else {
        panic!("an amendment waits for both")
    };
    let forged = house.approve("northwind", ticket.act, digest, b"something else");
    assert!(matches!(forged, Decision::Deny(_)), "a signature over other bytes is none");
    house.approve("northwind", ticket.act, digest, &signing_bytes(&digest.0));
    assert_eq!(house.partnership.state().terms().unwrap().version(), 1);
    house.approve("halcyon", ticket.act, digest, &signing_bytes(&digest.0));
    assert_eq!(house.partnership.state().terms().unwrap().version(), 2);
}

#[test]
fn a_replay_from_nothing_equals_the_live_state() {
    let mut house = House::founded().with_application();
    for round in 0..1500_u64 {
        if let Decision::Allow(warrant) = house.call(50) {
            house.run(Command::Settle(warrant, used(round % 200, round % 50)));
        }
    }
    let replayed = house.replayed();
    assert_eq!(replayed.digest(), house.partnership.state().digest());
    assert_eq!(replayed.entries(), house.partnership.state().entries());
    let digests = house
        .leaves
        .iter()
        .filter(|leaf| leaf.envelope.windows(12).any(|text| text == b"state-digest"))
        .count();
    assert!(digests >= 2, "the state's digest is written on the way: {digests}");
    let clause = ClauseId::from("nothing");
    assert_eq!(replayed.booked(&clause), None);
}

/// The example's memorandum with two prices one after the other, whose remainders have different denominators.
fn with_two_denominators() -> String {
    let first = "input = \"0.0005000001 CREDIT\"\noutput = \"0.0000000001 CREDIT\"\nper = 1000000\nfrom = 2026-01-01\n```";
    let second = "\n\n```toml clause model-prices-3\nkind = \"rate-card\"\nsource = \"signed\"\nmodels = [\"smollm2-135m-instruct\"]\n\
                  input = \"0.000500000 CREDIT\"\noutput = \"0.000000001 CREDIT\"\nper = 3\nfrom = 2026-11-23\n```";
    let card = "input = \"0.50 CREDIT\"\noutput = \"1.50 CREDIT\"\nper = 1000000\nfrom = 2026-01-01\n```";
    assert_eq!(MEMORANDUM.matches(card).count(), 1, "the example has this rate card");
    MEMORANDUM.replace(card, &format!("{first}{second}"))
}

#[test]
fn remainders_of_different_prices_are_booked_side_by_side() {
    let mut house = House::founded_on(&with_two_denominators()).with_application();
    for _ in 0..2 {
        let Decision::Allow(warrant) = house.call(20) else { panic!("the call is within the grant") };
        assert!(matches!(house.run(Command::Settle(warrant, used(7, 5))), Answer::Settled(_)));
        house.at = house.at.plus_millis(2 * 60 * 60 * 1000);
    }
    let state = house.partnership.state();
    let fractions: std::collections::BTreeSet<String> = state
        .book()
        .accounts()
        .filter(|(account, ..)| account.to_string().starts_with("rounding:"))
        .map(|(_, asset, ..)| asset.to_string())
        .collect();
    assert_eq!(fractions.len(), 2, "two denominators, each exact in an asset of its own: {fractions:?}");
    assert_eq!(house.replayed().digest(), state.digest());
}

#[test]
fn a_record_that_its_parties_have_not_signed_is_not_folded() {
    let terms = Terms::read(MEMORANDUM).unwrap();
    let digest = terms.digest();
    let keys = [("northwind", 1), ("halcyon", 2)]
        .map(|(party, seed)| Signer::generate(&format!("{ORIGIN}/{party}"), [seed; 32]).unwrap());
    let sign = |key: usize| record::hash::base64(&keys[key].sign_bytes(&signing_bytes(&digest.0)));
    let fold_on = |day: &str, parties: &[&str], signatures: &[(&str, usize)]| {
        let genesis = Genesis {
            origin: ORIGIN.to_owned(),
            memorandum: digest,
            vkeys: parties
                .iter()
                .zip(&keys)
                .map(|(id, key)| (PartyId::from(*id), key.verifier().vkey()))
                .collect(),
            signatures: signatures.iter().map(|(id, key)| (PartyId::from(*id), sign(*key))).collect(),
            transfers: Vec::new(),
        };
        let at: Timestamp = day.parse().unwrap();
        let entry = Entry::new(&[1; 32], at, Body::Genesis(genesis));
        let mut state = State::new([Terms::read(MEMORANDUM).unwrap()]);
        state.apply(&entry, 0).err().map(|error| error.to_string())
    };
    let both = ["northwind", "halcyon"];
    let shared = both.map(|party| Signer::generate(&format!("{ORIGIN}/{party}"), [1; 32]).unwrap());
    let twice = Genesis {
        origin: ORIGIN.to_owned(),
        memorandum: digest,
        vkeys: both
            .iter()
            .zip(&shared)
            .map(|(id, key)| (PartyId::from(*id), key.verifier().vkey()))
            .collect(),
        signatures: both
            .iter()
            .zip(&shared)
            .map(|(id, key)| {
                (PartyId::from(*id), record::hash::base64(&key.sign_bytes(&signing_bytes(&digest.0))))
            })
            .collect(),
        transfers: Vec::new(),
    };
    let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let entry = Entry::new(&[1; 32], at, Body::Genesis(twice));
    let said = State::new([Terms::read(MEMORANDUM).unwrap()]).apply(&entry, 0).unwrap_err().to_string();
    assert!(said.contains("that of another party too"), "{said}");
    let early = fold_on("2025-12-31T23:59:59Z", &both, &[("northwind", 0), ("halcyon", 1)]);
    assert!(early.unwrap().contains("in force from 2026-01-01"), "no record begins before its memorandum");
    for (parties, signatures, expected) in [
        (&both[..], &[("northwind", 0), ("halcyon", 1)][..], None),
        (&both, &[], Some("signed by 0 of its parties and asks for 2")),
        (&both, &[("northwind", 0)], Some("signed by 1 of its parties and asks for 2")),
        (&both, &[("northwind", 0), ("northwind", 0)], Some("signed by 1 of its parties")),
        (&both, &[("northwind", 0), ("halcyon", 0)], Some("signature of `halcyon`")),
        (&both, &[("northwind", 0), ("stranger", 1)], Some("signature of `stranger`")),
        (&["northwind", "stranger"], &[("northwind", 0), ("stranger", 1)], Some("the key of `stranger`")),
    ] {
        let said = fold_on("2026-01-01T00:00:00Z", parties, signatures);
        match (&said, expected) {
            (None, None) => {}
            (Some(said), Some(expected)) => assert!(said.contains(expected), "{said}"),
            _ => panic!("{parties:?} {signatures:?}: {said:?}"),
        }
    }
}
