//! A warrant as the product gets one: from a turn of a partnership, here in memory.
//!
//! The memorandum refuses nothing, so that whatever a test asks for is allowed.

use partnership::act::{Act, Administer, Application, Deed, Digest, Infer, Key, Principal};
use partnership::decision::{Decision, Warrant};
use partnership::entry::Genesis;
use partnership::ids::{ActId, PartyId, Timestamp};
use partnership::memorandum::signing_bytes;
use partnership::{Answer, Command, Entropy, Partnership, State, Terms};
use record::note::Signer;
use record::store::memory::Memory;
use std::sync::Arc;

const ORIGIN: &str = "cloud.test/record";
const MEMORANDUM: &str = include_str!("../../../../examples/microsoft-openai/memorandum.md");

/// Leave to perform `infer` as the act `id`, decided at `at`.
pub(crate) fn warrant(id: u128, at: Timestamp, infer: Infer) -> Warrant {
    let mut entropy = Entropy::new([7; 32]);
    let mut partnership = found(at, &mut entropy);
    let party = PartyId::from("openai");
    let operator = Principal::Party { party: party.clone(), person: "ana".to_owned() };
    let application = Application {
        name: "assistant".into(),
        party: party.clone(),
        audience: "business".to_owned(),
        purpose: "tests".to_owned(),
        market: "eu".to_owned(),
    };
    let key = Key {
        id: "key".into(),
        application: "assistant".into(),
        secret: Digest([1; 32]),
        requests_per_minute: None,
        budget: None,
        expires: None,
    };
    let caller = Principal::Application { party, application: "assistant".into(), key: "key".into() };
    let acts = [
        (1, operator.clone(), Deed::Administer(Administer::ApplicationAdd(application))),
        (2, operator, Deed::Administer(Administer::KeyNew(key))),
        (id, caller, Deed::Infer(infer)),
    ];
    let propose = |(id, principal, deed)| {
        let act = Act { id: ActId::from_u128(id), principal, deed };
        Command::Propose(Box::new(act), None)
    };
    let mut replies = partnership.turn(at, &mut entropy, acts.map(propose).into()).unwrap();
    match replies.pop().unwrap().answer {
        Answer::Decided(Decision::Allow(warrant)) => warrant,
        other => panic!("the call is allowed, but {other:?}"),
    }
}

fn found(at: Timestamp, entropy: &mut Entropy) -> Partnership {
    let log = Signer::generate(ORIGIN, [1; 32]).unwrap();
    let loaded = record::load(Arc::new(Memory::new()), ORIGIN, 1 << 20, &log.verifier()).unwrap();
    let terms = Terms::read(MEMORANDUM).unwrap();
    let keys = [("microsoft", 8), ("openai", 9)].map(|(party, seed)| {
        (PartyId::from(party), Signer::generate(&format!("{ORIGIN}/{party}"), [seed; 32]).unwrap())
    });
    let signed = signing_bytes(&terms.digest().0);
    let sign = |key: &Signer| record::hash::base64(&key.sign_bytes(&signed));
    let genesis = Genesis {
        origin: ORIGIN.to_owned(),
        memorandum: terms.digest(),
        vkeys: keys.iter().map(|(party, key)| (party.clone(), key.verifier().vkey())).collect(),
        signatures: keys.iter().map(|(party, key)| (party.clone(), sign(key))).collect(),
        transfers: Vec::new(),
    };
    Partnership::found(State::new([terms]), loaded.log, at, genesis, entropy).unwrap()
}
