//! A partnership on a real disk that lives through every kind of entry and every ending of a call.

use ledger::Amount;
use partnership::act::{
    Act, Administer, Amend, Application, Approve, Attest, Budget, BudgetRaise, BudgetSet, Deed, Digest,
    Ended, Erase, Infer, Key, Of, Outcome, Period, Principal, Usage, approval_bytes, attestation_bytes,
    attested, idempotency_digest, pseudonym,
};
use partnership::decision::{Decision, Ticket, Warrant};
use partnership::entry::{Genesis, Refused};
use partnership::ids::{ActId, ApplicationId, ClauseId, ConditionId, KeyId, ModelId, PartyId, Timestamp};
use partnership::lease::Caps;
use partnership::memorandum::signing_bytes;
use partnership::partnership::{Reply, fold};
use partnership::{Answer, Command, Entropy, Partnership, State, Terms};
use record::note::Signer;
use record::store::directory::Directory;
use record::{Journal, Publisher, Store as _};
use std::path::Path;
use std::sync::Arc;

/// The log's name.
pub(crate) const ORIGIN: &str = "example.test/record";
/// The built-in example, whose clauses are binding.
pub(crate) const BINDING: &str = include_str!("../../../../examples/northwind-halcyon/memorandum.md");

const PARTIES: [&str; 2] = ["northwind", "halcyon"];
/// Small segments, so that tests see many.
const SEGMENT_BYTES: u32 = 1 << 18;
/// The bound on input of every call.
const INPUT_TOKENS_MAX: u64 = 700;
const MODEL: &str = "smollm2-135m-instruct";

/// A partnership under way, with all its keys.
pub(crate) struct House {
    pub(crate) partnership: Partnership,
    pub(crate) log: Signer,
    store: Arc<Directory>,
    journal: Journal<Directory>,
    publisher: Publisher<Directory>,
    entropy: Entropy,
    at: Timestamp,
    keys: Vec<Signer>,
}

impl House {
    /// Founds a partnership on `memorandum` with its record in `folder`, and registers an application with two keys, one of
    /// them on a budget.
    pub(crate) fn found(folder: &Path, memorandum: &str) -> Self {
        let at: Timestamp = "2026-11-22T23:59:58.500Z".parse().unwrap();
        let (keys, log, mut entropy) = keys();
        let store = Arc::new(Directory::new(folder));
        let vkeys: String =
            [&log].into_iter().chain(&keys).map(|key| format!("{}\n", key.verifier())).collect();
        store.create("vkeys", vkeys.as_bytes()).unwrap();
        let terms = Terms::read(memorandum).unwrap();
        let digest = terms.digest();
        keep(&store, &digest, memorandum);
        let named = || PARTIES.map(PartyId::from).into_iter().zip(&keys);
        let genesis = Genesis {
            origin: ORIGIN.to_owned(),
            memorandum: digest,
            vkeys: named().map(|(party, key)| (party, key.verifier().vkey())).collect(),
            signatures: named().map(|(party, key)| (party, signed(key, &signing_bytes(&digest.0)))).collect(),
            transfers: Vec::new(),
        };
        let loaded = record::load(Arc::clone(&store), ORIGIN, SEGMENT_BYTES, &log.verifier()).unwrap();
        let state = State::new([terms]);
        let partnership = Partnership::found(state, loaded.log, at, genesis, &mut entropy).unwrap();
        let (journal, publisher) = (loaded.journal, loaded.publisher);
        let mut house = Self { partnership, log, store, journal, publisher, entropy, at, keys };
        house.partnership.lend(Caps { calls: 3, amounts: [("CREDIT".into(), Amount::new(1))].into() });
        house.register();
        house
    }

    /// Opens the partnership whose record lies in `folder`, with new randomness, and settles what a crash left in doubt.
    pub(crate) fn reopen(folder: &Path, memorandum: &str, seed: [u8; 32]) -> Self {
        let (keys, log, _) = keys();
        let store = Arc::new(Directory::new(folder));
        let loaded = record::load(Arc::clone(&store), ORIGIN, SEGMENT_BYTES, &log.verifier()).unwrap();
        let mut state = State::new([Terms::read(memorandum).unwrap()]);
        let each = |index, envelope: &[u8], parties: &[u8]| {
            fold(&mut state, index, envelope, parties).map(drop).map_err(|error| error.to_string())
        };
        loaded.for_each_entry(each).unwrap();
        let at = state.at();
        let (partnership, in_doubt) = Partnership::resume(state, loaded.log);
        let (journal, publisher, entropy) = (loaded.journal, loaded.publisher, Entropy::new(seed));
        let mut house = Self { partnership, log, store, journal, publisher, entropy, at, keys };
        let lost = in_doubt.into_iter().map(|warrant| Command::Settle(warrant, Outcome::lost())).collect();
        house.turn(lost);
        house
    }

    /// Runs one turn, a few milliseconds after the last.
    pub(crate) fn turn(&mut self, commands: Vec<Command>) -> Vec<Reply> {
        self.at = self.at.plus_millis(3);
        self.partnership.turn(self.at, &mut self.entropy, commands).unwrap()
    }

    /// Makes all that was written durable.
    pub(crate) fn sync(&mut self) {
        let groups: Vec<_> = self.partnership.log().seal().into_iter().collect();
        self.journal.write(&groups).unwrap();
        groups.into_iter().for_each(|group| self.publisher.absorb(group));
    }

    /// Makes all that was written durable, and publishes it.
    pub(crate) fn publish(&mut self) {
        self.sync();
        self.publisher.publish(&self.log).unwrap();
        self.journal.retire(self.publisher.durable_bundles()).unwrap();
    }

    /// A proposal to call the model with one of the keys. Its bound on input is 700 tokens.
    pub(crate) fn proposal(&mut self, key: &str, output_tokens_max: u64) -> Command {
        let principal = Principal::Application {
            party: PartyId::from("halcyon"),
            application: ApplicationId::from("assistant"),
            key: KeyId::from(key),
        };
        let deed = Deed::Infer(Infer {
            model: ModelId::from(MODEL),
            surface: "chat".to_owned(),
            stream: false,
            input_bytes: 100,
            input_tokens_max: INPUT_TOKENS_MAX,
            output_tokens_max,
            tools: 0,
            images: 0,
            end_user: true,
            input: Digest([2; 32]),
            idempotency: None,
            kept: None,
            pseudonyms: Vec::new(),
        });
        let act = Act { id: self.entropy.act_id(self.at), principal, deed };
        Command::Propose(Box::new(act), None)
    }

    /// What is left of the grant. Units: minor units of CREDIT.
    pub(crate) fn left(&self) -> i128 {
        let available = "credit:launch-credits:available".into();
        self.partnership.state().book().balance(&available).unwrap().available()
    }

    /// Lives through every kind of act and every ending of a call; `rounds` calls of each ending.
    pub(crate) fn live(&mut self, rounds: u64) {
        let mut open = Vec::new();
        for round in 0..rounds {
            self.call("plain", 50 + round % 7, Some(outcome(Ended::Done, 30 + round, round % 50)));
            self.call("budget", 100, Some(outcome(Ended::Cancelled, 41, 3)));
            self.call("plain", 100, Some(outcome(Ended::Failed, 41, 3)));
            self.call("plain", 100, Some(Outcome::lost()));
            self.call("plain", 1200, Some(outcome(Ended::Done, 7, 7)));
            open.extend(self.call("budget", 10, None));
            self.pass(1500);
            if round % 50 == 0 {
                self.publish();
            }
        }
        self.oddities();
        self.erase();
        self.overrun();
        self.attest_the_milestone();
        self.amend();
        self.pass(20 * 60 * 1000);
        self.repeat();
        drop(open);
        self.limit();
        let left_open = self.call("plain", 60, None);
        assert!(left_open.is_some(), "the last call is within the grant");
        self.publish();
    }

    fn run(&mut self, command: Command) -> Answer {
        let mut replies = self.partnership.turn(self.at, &mut self.entropy, vec![command]).unwrap();
        replies.remove(0).answer
    }

    /// Lets so much time pass, and what is due happen.
    pub(crate) fn pass(&mut self, millis: i64) {
        self.at = self.at.plus_millis(millis);
        self.run(Command::Tick);
    }

    fn propose(&mut self, principal: Principal, deed: Deed) -> Decision {
        let act = Act { id: self.entropy.act_id(self.at), principal, deed };
        match self.run(Command::Propose(Box::new(act), None)) {
            Answer::Decided(decision) => decision,
            other => panic!("a proposal is answered with a decision, not {other:?}"),
        }
    }

    fn by(&mut self, party: &str, deed: Deed) -> Decision {
        let person = "Ana \"A\" Müller\n\u{1}".to_owned();
        self.propose(Principal::Party { party: PartyId::from(party), person }, deed)
    }

    fn sign(&self, party: &str, bytes: &[u8]) -> String {
        let name = format!("{ORIGIN}/{party}");
        signed(self.keys.iter().find(|key| key.name() == name).unwrap(), bytes)
    }

    fn approve_by_all(&mut self, ticket: &Ticket, bytes: &[u8]) {
        for party in &ticket.missing {
            let signature = self.sign(party.as_str(), bytes);
            let approve = Approve {
                act: ticket.act.to_string(),
                digest: ticket.digest,
                party: party.clone(),
                signature,
            };
            assert!(matches!(self.by(party.as_str(), Deed::Approve(approve)), Decision::Done(_)));
        }
    }

    fn change(&mut self, change: Administer) {
        if let Decision::Escalate(ticket) = self.by("northwind", Deed::Administer(change)) {
            self.approve_by_all(&ticket, &approval_bytes(&ticket.digest));
        }
    }

    fn register(&mut self) {
        self.change(Administer::ApplicationAdd(Application {
            name: ApplicationId::from("assistant"),
            party: PartyId::from("halcyon"),
            audience: "business".to_owned(),
            purpose: "letters — and \"minutes\"".to_owned(),
            market: "eu".to_owned(),
        }));
        let budget = Budget { asset: "CREDIT".to_owned(), amount: 1_000_000_000 };
        for (id, budget) in [("plain", None), ("budget", Some(budget))] {
            self.change(Administer::KeyNew(Key {
                id: KeyId::from(id),
                application: ApplicationId::from("assistant"),
                secret: Digest([1; 32]),
                requests_per_minute: None,
                budget,
                expires: None,
            }));
        }
    }

    /// Calls the model with one of the keys and settles as told; gives the warrant of a call that stays open.
    fn call(&mut self, key: &str, output_tokens_max: u64, ends: Option<Outcome>) -> Option<Warrant> {
        let proposal = self.proposal(key, output_tokens_max);
        match (self.run(proposal), ends) {
            (Answer::Decided(Decision::Allow(warrant)), None) => Some(warrant),
            (Answer::Decided(Decision::Allow(warrant)), Some(outcome)) => {
                assert!(matches!(self.run(Command::Settle(warrant, outcome)), Answer::Settled(_)));
                None
            }
            _ => None,
        }
    }

    /// Idempotency keys that are taken, freed by what came to nothing, and free again after a day.
    fn repeat(&mut self) {
        let done = outcome(Ended::Done, 3, 2);
        let failed = Outcome { ended: Ended::Failed, ..done.clone() };
        for (key, hours, ends) in [
            ("a", 0, Some(&done)),
            ("b", 0, Some(&failed)),
            ("b", 0, Some(&done)),
            ("a", 23, None),
            ("a", 1, Some(&done)),
        ] {
            self.pass(hours * 60 * 60 * 1000);
            let Command::Propose(mut act, _) = self.proposal("plain", 60) else { panic!("it is proposed") };
            if let Deed::Infer(infer) = &mut act.deed {
                infer.idempotency = Some(idempotency_digest(&"assistant".into(), key));
            }
            match (self.run(Command::Propose(act, None)), ends) {
                (Answer::Decided(Decision::Allow(warrant)), Some(ends)) => {
                    assert!(matches!(self.run(Command::Settle(warrant, ends.clone())), Answer::Settled(_)));
                }
                (Answer::Decided(Decision::Repeated(_)), None) => {}
                (other, _) => panic!("{key} after {hours} hours: {other:?}"),
            }
        }
    }

    /// Budgets of each sort: met, refilled by days and months, raised, and removed.
    fn limit(&mut self) {
        let bound = 700 * 500 + 10 * 1500;
        let budgets = [
            ("whole", Of::Party, "halcyon", Period::Month, 6),
            ("team", Of::Application, "assistant", Period::Rolling(3), 5),
            ("plain", Of::Key, "plain", Period::Total, 9),
            ("each", Of::EndUsers, "assistant", Period::Rolling(28), 3),
        ];
        for (id, of, whose, period, calls) in budgets {
            let (whose, asset, amount) = (whose.to_owned(), "CREDIT".to_owned(), calls * bound);
            let set = BudgetSet { id: id.into(), of, whose, asset, amount, period };
            self.change(Administer::BudgetSet(set));
        }
        let ended = [Ended::Done, Ended::Failed, Ended::Cancelled];
        let mut allowed = 0;
        for (day, ended) in (0..30_u8).zip(ended.into_iter().cycle()) {
            let user = day % 3;
            for _ in 0..3 {
                let Command::Propose(mut act, _) = self.proposal("plain", 10) else {
                    panic!("it is proposed")
                };
                let Deed::Infer(infer) = &mut act.deed else { panic!("it is a call") };
                infer.end_user = user > 0;
                let this = self.at.date().first_of_month();
                let months = [this, this.yesterday().unwrap().first_of_month()];
                let name = |month: jiff::civil::Date| {
                    pseudonym(&record::hash::sha256(format!("{user} {month}").as_bytes()))
                };
                infer.pseudonyms = if user > 0 { months.into_iter().map(name).collect() } else { Vec::new() };
                if let Answer::Decided(Decision::Allow(warrant)) = self.run(Command::Propose(act, None)) {
                    allowed += 1;
                    self.run(Command::Settle(warrant, outcome(ended, 600, 5)));
                }
            }
            if day == 7 {
                let until = self.at.plus_millis(3 * 24 * 60 * 60 * 1000);
                let raise = BudgetRaise { id: "team".into(), amount: bound, until };
                self.change(Administer::BudgetRaise(raise));
            }
            self.pass(24 * 60 * 60 * 1000);
        }
        assert!(allowed > 4, "some fit: {allowed}");
        for (id, ..) in budgets {
            self.change(Administer::BudgetRemove { id: id.into() });
        }
    }

    /// Entries that are no acts.
    fn oddities(&mut self) {
        self.run(Command::Clock { was: self.at.plus_millis(60_000), now: self.at });
        self.run(Command::Tally(vec![Refused { key: KeyId::from("plain"), count: 17 }]));
    }

    /// Erasures of each scope: done, lost, and one that stays open.
    fn erase(&mut self) {
        let (application, subject) = (Some(ApplicationId::from("assistant")), Some(Digest([4; 32])));
        let before = Some("2026-11-01T00:00:00Z".parse().unwrap());
        for (erase, ends) in [
            (
                Erase {
                    application: application.clone(),
                    before,
                    subject: None,
                    clause: None,
                    keys: Some(12),
                },
                Some(Ended::Done),
            ),
            (Erase { application, before, subject, clause: None, keys: Some(0) }, Some(Ended::Lost)),
            (
                Erase { application: None, before: None, subject, clause: None, keys: Some(1) },
                Some(Ended::Done),
            ),
            (Erase { application: None, before, subject: None, clause: None, keys: Some(u64::MAX) }, None),
        ] {
            match (self.by("halcyon", Deed::Erase(erase)), ends) {
                (Decision::Allow(warrant), Some(ended)) => {
                    let settled = self.run(Command::Settle(warrant, Outcome { ended, ..Outcome::lost() }));
                    assert!(matches!(settled, Answer::Settled(_)));
                }
                (Decision::Allow(_), None) => {}
                (other, _) => panic!("{other:?}"),
            }
        }
    }

    /// An upstream reports more than was reserved; where that counts, the model is suspended until both resume it.
    fn overrun(&mut self) {
        self.call("plain", 10, Some(outcome(Ended::Done, 5000, 5000)));
        self.call("plain", 10, Some(outcome(Ended::Done, 5, 5)));
        let model = ModelId::from(MODEL);
        if self.partnership.state().registry().is_suspended(&model) {
            self.change(Administer::ModelResume { model });
        }
    }

    fn attest_the_milestone(&mut self) {
        self.attest((&ClauseId::from("release-tranche"), None), Digest([9; 32]));
    }

    /// Has both parties attest a milestone by the same evidence.
    fn attest(&mut self, (clause, condition): (&ClauseId, Option<&ConditionId>), evidence: Digest) {
        let version = self.partnership.state().terms().unwrap().digest();
        let about = attested(clause, condition);
        for party in PARTIES {
            let signature = self.sign(party, &attestation_bytes(ORIGIN, &version, &about, &evidence));
            let (clause, condition, party_id) = (clause.clone(), condition.cloned(), PartyId::from(party));
            let attest = Attest { clause, condition, evidence, party: party_id, signature };
            assert!(matches!(self.by(party, Deed::Attest(attest)), Decision::Done(_)));
        }
    }

    /// A second version, with a larger grant and another price, signed by both; then a call at that price.
    fn amend(&mut self) {
        let before = Arc::clone(self.partnership.state().terms().unwrap());
        let header = format!("version = 2\nprevious = \"{}\"", before.digest().hex());
        let text = before
            .memorandum()
            .text
            .replacen("version = 1", &header, 1)
            .replacen("\"1000.", "\"1500.", 1)
            .replacen("per = 1000000", "per = 3000000", 1)
            + VESTING;
        let terms = Terms::read(&text).unwrap();
        let digest = terms.digest();
        keep(&self.store, &digest, &text);
        self.run(Command::Know(Box::new(terms)));
        let Decision::Escalate(ticket) = self.by("halcyon", Deed::Amend(Amend { version: 2, digest })) else {
            panic!("an amendment waits")
        };
        self.approve_by_all(&ticket, &signing_bytes(&digest.0));
        assert_eq!(self.partnership.state().terms().unwrap().version(), 2);
        self.call("plain", 60, Some(outcome(Ended::Done, 4, 1)));
        for milestone in ["first-site", "second-site"] {
            self.attest((&ClauseId::from("warrants"), Some(&ConditionId::from(milestone))), Digest([8; 32]));
        }
    }
}

/// A clause with two milestones, which are attested by name.
const VESTING: &str = r#"
```toml clause warrants
kind = "vesting"
force = "non-binding"
source = "signed"
from = "northwind"
to = "halcyon"
what = "warrants"
tranches = [
  { when = { milestone = "the first site is in service", attested_by = ["northwind", "halcyon"], id = "first-site" } },
  { when = { milestone = "the second site is in service", attested_by = ["northwind", "halcyon"], id = "second-site" } },
]
```
"#;

/// How a call ended that used so many tokens.
pub(crate) fn outcome(ended: Ended, input_tokens: u64, output_tokens: u64) -> Outcome {
    Outcome {
        ended,
        usage: Some(Usage { input_tokens, output_tokens, ..Usage::default() }),
        estimated: ended == Ended::Cancelled,
        attempts: Vec::new(),
        output: None,
        kept: None,
    }
}

/// The parties' keys, the log's, and the randomness they came from.
fn keys() -> (Vec<Signer>, Signer, Entropy) {
    let mut entropy = Entropy::new([7; 32]);
    let named = |name: &str, seed| Signer::generate(name, seed).unwrap();
    let keys = PARTIES.map(|party| named(&format!("{ORIGIN}/{party}"), entropy.seed())).into();
    let log = named(ORIGIN, entropy.seed());
    (keys, log, entropy)
}

/// The act ids that are allowed and not settled, as text.
pub(crate) fn open_acts(state: &State) -> Vec<String> {
    state.open().map(|(id, _): (&ActId, _)| id.to_string()).collect()
}

fn keep(store: &Directory, digest: &Digest, text: &str) {
    store.create(&format!("memorandum/{}", digest.hex()), text.as_bytes()).unwrap();
}

fn signed(key: &Signer, bytes: &[u8]) -> String {
    record::hash::base64(&key.sign_bytes(bytes))
}
