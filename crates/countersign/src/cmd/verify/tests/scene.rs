//! A record on a real disk, under a key of its own, into which a clerk or a forger writes.

use super::*;

/// A folder with keys and memorandum, whose record has no entry yet.
pub(crate) struct Ground {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) terms: Terms,
    pub(crate) loaded: Loaded<Directory>,
    pub(crate) log: Signer,
    pub(crate) keys: [Signer; 2],
    pub(crate) entropy: Entropy,
    pub(crate) at: Timestamp,
}

impl Ground {
    pub(crate) fn lay() -> Self {
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
    pub(crate) fn genesis(&self, signing: usize) -> Genesis {
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

pub(crate) fn write(
    groups: &[Group],
    journal: &mut Journal<Directory>,
    publisher: &mut Publisher<Directory>,
    log: &Signer,
) {
    journal.write(groups).unwrap();
    groups.iter().cloned().for_each(|group| publisher.absorb(group));
    publisher.publish(log).unwrap();
}

pub(crate) fn verify(dir: &Path, vkeys: Option<&Path>) -> anyhow::Result<Verified> {
    super::super::verify(dir, vkeys, Depth::Clauses)
}

pub(crate) struct Scene {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) partnership: Partnership,
    pub(crate) journal: Journal<Directory>,
    publisher: Publisher<Directory>,
    pub(crate) log: Signer,
    pub(crate) keys: [Signer; 2],
    pub(crate) entropy: Entropy,
    pub(crate) at: Timestamp,
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
    pub(crate) fn verify(&mut self, vkeys: Option<&Path>) -> anyhow::Result<Verified> {
        self.publish();
        verify(self.folder.path(), vkeys)
    }

    pub(crate) fn publish(&mut self) {
        let groups: Vec<_> = self.partnership.log().seal().into_iter().collect();
        write(&groups, &mut self.journal, &mut self.publisher, &self.log);
    }

    /// Makes all durable, and publishes nothing.
    pub(crate) fn write_down(&mut self) {
        let groups: Vec<_> = self.partnership.log().seal().into_iter().collect();
        self.journal.write(&groups).unwrap();
    }

    pub(crate) fn act(&mut self, principal: Principal, deed: Deed) -> Act {
        Act { id: self.entropy.act_id(self.at), principal, deed }
    }

    pub(crate) fn propose(&mut self, principal: Principal, deed: Deed) -> Decision {
        let act = Box::new(self.act(principal, deed));
        let Answer::Decided(decision) = self.run(Command::Propose(act, None)) else {
            panic!("a proposal is decided")
        };
        decision
    }

    pub(crate) fn run(&mut self, command: Command) -> Answer {
        self.partnership.turn(self.at, &mut self.entropy, vec![command]).unwrap().remove(0).answer
    }

    /// What an honest clerk would decide of an act: asked of a second one, whose record nobody keeps.
    pub(crate) fn expected(&mut self, act: &Act) -> Decided {
        let mut other = Scene::found();
        other.admit();
        other.run(Command::Propose(Box::new(act.clone()), None));
        let leaf = other.partnership.log().seal().unwrap().leaves.pop().unwrap();
        match Entry::decode(&leaf.envelope, &leaf.parties).unwrap().body {
            Body::Decided(decided) => *decided,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn waits(&mut self, deed: Deed) -> Ticket {
        match self.propose(ana(), deed) {
            Decision::Escalate(ticket) => ticket,
            other => panic!("it waits, but {other:?}"),
        }
    }

    pub(crate) fn approve(&mut self, ticket: &Ticket, party: usize) {
        let signature = base64(&self.keys[party].sign_bytes(&approval_bytes(&ticket.digest)));
        let approve = approve(ticket, party, signature);
        assert!(matches!(self.propose(ana(), approve), Decision::Done(_)));
    }

    /// Registers the application `assistant` with a key, approved by both.
    pub(crate) fn admit(&mut self) {
        let ticket = self.waits(add());
        self.approve(&ticket, 0);
        self.approve(&ticket, 1);
        assert!(matches!(self.propose(ana(), key()), Decision::Done(_)));
    }

    pub(crate) fn signed_attest(&self, party: usize) -> Deed {
        let version = self.partnership.state().terms().unwrap().digest();
        let bytes = attestation_bytes(ORIGIN, &version, &ClauseId::from("release-tranche"), &Digest([6; 32]));
        attest(party, base64(&self.keys[party].sign_bytes(&bytes)))
    }

    /// Puts an allowed act on the record that the state was never asked about.
    pub(crate) fn forge(&mut self, principal: Principal, deed: Deed) {
        let act = self.act(principal, deed);
        self.forge_as(act);
    }

    pub(crate) fn forge_as(&mut self, act: Act) {
        self.forge_decided(act, |_| {});
    }

    /// The same with what `change` makes of the decision.
    pub(crate) fn forge_decided(&mut self, act: Act, change: impl FnOnce(&mut Decided)) {
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
    pub(crate) fn keep_amendment(&self) -> (u64, Digest) {
        let amendment = Terms::read(AMENDMENT).unwrap();
        let store = Directory::new(self.folder.path().join("record"));
        store.create(&format!("memorandum/{}", amendment.digest().hex()), AMENDMENT.as_bytes()).unwrap();
        (amendment.version(), amendment.digest())
    }

    /// An act that is done at once, with moves of one minor unit each.
    pub(crate) fn forge_done(&mut self, deed: Deed, moves: &[Moved]) {
        if matches!(deed, Deed::Administer(_)) {
            let ticket = self.waits(add());
            self.approve(&ticket, 0);
            self.approve(&ticket, 1);
        }
        let act = self.act(ana(), deed);
        self.forge_done_as(&act, moves);
    }

    pub(crate) fn forge_done_as(&mut self, act: &Act, moves: &[Moved]) {
        let clauses =
            if matches!(act.deed, Deed::Administer(_)) { vec![] } else { vec!["release-tranche".into()] };
        self.forge_decided(act.clone(), |decided| decided.clauses = clauses);
        let index = self.partnership.log().size() - 1;
        let transfers = (0..).zip(moves).map(|(leg, one)| moved(act.id.as_u128(), leg, *one)).collect();
        self.write(Body::Settled(Box::new(Settled { transfers, ..done(act, index) })));
    }

    /// A call that is allowed, settled with what `transfers` makes of its one reservation, which is charged in `asset`.
    pub(crate) fn forge_ended(
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
            usage: Some(Usage { input_tokens: 20, output_tokens: 30, ..Usage::default() }),
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
        super::super::verify(self.folder.path(), None, Depth::Entries)
    }

    /// A call that is allowed, settled on the record in another way than its books give.
    pub(crate) fn forge_settled(&mut self, ended: Ended, change: impl FnOnce(&mut Settled)) {
        self.admit();
        let Decision::Allow(warrant) = self.propose(caller(), call()) else { panic!("it is allowed") };
        let mut settled = Settled {
            act: warrant.act().id,
            kind: "infer".to_owned(),
            decided: warrant.index(),
            ended,
            usage: Some(Usage { input_tokens: 20, output_tokens: 30, ..Usage::default() }),
            estimated: false,
            attempts: Vec::new(),
            output: None,
            kept: None,
            charged: None,
            transfers: Vec::new(),
        };
        change(&mut settled);
        self.write(Body::Settled(Box::new(settled)));
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    record::hash::base64(bytes)
}

pub(crate) fn ana() -> Principal {
    Principal::Party { party: PartyId::from("northwind"), person: "ana".to_owned() }
}

pub(crate) fn caller() -> Principal {
    Principal::Application {
        party: PartyId::from("halcyon"),
        application: ApplicationId::from("assistant"),
        key: KeyId::from("k1"),
    }
}

pub(crate) fn stranger() -> Principal {
    Principal::Application {
        party: PartyId::from("halcyon"),
        application: ApplicationId::from("nobody"),
        key: KeyId::from("none"),
    }
}

pub(crate) fn add() -> Deed {
    Deed::Administer(Administer::ApplicationAdd(Application {
        name: ApplicationId::from("assistant"),
        party: PartyId::from("halcyon"),
        audience: "business".to_owned(),
        purpose: "letters".to_owned(),
        market: "eu".to_owned(),
    }))
}

pub(crate) fn key() -> Deed {
    Deed::Administer(Administer::KeyNew(Key {
        id: KeyId::from("k1"),
        application: ApplicationId::from("assistant"),
        secret: Digest([4; 32]),
        requests_per_minute: None,
        budget: None,
        expires: None,
    }))
}

pub(crate) fn call() -> Deed {
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
        kept: None,
        pseudonyms: Vec::new(),
    })
}

pub(crate) fn approve(ticket: &Ticket, party: usize, signature: String) -> Deed {
    let party = PartyId::from(PARTIES[party]);
    Deed::Approve(Approve { act: ticket.act.to_string(), digest: ticket.digest, party, signature })
}

pub(crate) fn attest(party: usize, signature: String) -> Deed {
    let (clause, evidence) = (ClauseId::from("release-tranche"), Digest([6; 32]));
    Deed::Attest(Attest {
        clause,
        condition: None,
        evidence,
        party: PartyId::from(PARTIES[party]),
        signature,
    })
}

pub(crate) fn why(verified: anyhow::Result<Verified>) -> String {
    match verified {
        Ok(verified) => panic!("a forged record was verified: {}", verified.text()),
        Err(error) => format!("{error:#}"),
    }
}
