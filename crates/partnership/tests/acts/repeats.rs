//! Idempotency keys: which act a key belongs to, and for how long.

use super::{House, used};
use partnership::act::{Deed, Digest, Ended, Outcome, idempotency_digest};
use partnership::decision::{Decision, Repeated, Warrant};
use partnership::entry::{Body, Entry};
use partnership::ids::{ActId, ApplicationId};
use partnership::state::{IDEMPOTENCY_LASTS_MS, ReplayError};
use partnership::{Answer, Command, State};

/// More than any clause allows a call to answer with.
const TOO_MUCH: u64 = 1_200;

impl House {
    fn call_with(&mut self, output_tokens_max: u64, key: Option<&str>) -> Decision {
        let act = self.proposal(output_tokens_max, key);
        self.decided(act)
    }

    fn allowed(&mut self, key: &str) -> Warrant {
        match self.call_with(100, Some(key)) {
            Decision::Allow(warrant) => warrant,
            other => panic!("`{key}` is free, and not {other:?}"),
        }
    }

    fn repeated(&mut self, key: &str) -> Repeated {
        let before = self.leaves.len();
        match self.call_with(100, Some(key)) {
            Decision::Repeated(repeated) => {
                assert_eq!(self.leaves.len(), before, "a repetition is no entry");
                repeated
            }
            other => panic!("`{key}` is taken, and not {other:?}"),
        }
    }

    fn ends(&mut self, warrant: Warrant, ended: Ended) {
        let outcome = Outcome { ended, ..used(40, 10) };
        assert!(matches!(self.run(Command::Settle(warrant, outcome)), Answer::Settled(_)));
    }
}

#[test]
fn a_key_belongs_to_the_act_that_was_charged_and_is_free_after_one_that_came_to_nothing() {
    for (ended, is_free) in [
        (Ended::Done, false),
        (Ended::Cancelled, false),
        (Ended::Failed, true),
        (Ended::Lost, true),
        (Ended::Lapsed, true),
    ] {
        let mut house = House::founded().with_application();
        let first = house.allowed("a");
        let act = first.act().id;
        assert_eq!(house.repeated("a"), Repeated { act, input: Digest([2; 32]), open: true }, "{ended:?}");
        drop(house.allowed("b"));
        if ended == Ended::Lapsed {
            drop(first);
            house.at = house.at.plus_millis(16 * 60 * 1000);
            house.run(Command::Tick);
        } else {
            house.ends(first, ended);
        }
        if is_free {
            assert_ne!(house.allowed("a").act().id, act, "{ended:?}");
        } else {
            assert_eq!(house.repeated("a"), Repeated { act, input: Digest([2; 32]), open: false });
        }
        house.replayed();
    }
}

#[test]
fn a_key_is_free_again_after_24_hours_and_nothing_is_kept_of_it() {
    let mut house = House::founded().with_application();
    let first = house.allowed("a");
    house.ends(first, Ended::Done);
    let began = house.at;
    house.at = began.plus_millis(IDEMPOTENCY_LASTS_MS - 1);
    house.repeated("a");
    house.at = began.plus_millis(IDEMPOTENCY_LASTS_MS);
    let again = house.allowed("a");
    let act = again.act().id;
    house.ends(again, Ended::Done);
    assert_eq!(house.repeated("a").act, act);
    house.at = house.at.plus_millis(IDEMPOTENCY_LASTS_MS);
    let other = house.allowed("b");
    house.ends(other, Ended::Failed);
    let held = format!("{:?}", house.partnership.state()).split_once("repeats: ").unwrap().1.to_owned();
    assert_eq!(held, "Repeats { taken: {}, by_time: {} } }");
    house.replayed();
}

#[test]
fn a_refused_act_leaves_its_key_free() {
    let mut house = House::founded().with_application();
    assert!(matches!(house.call_with(TOO_MUCH, Some("a")), Decision::Deny(_)));
    let first = house.allowed("a");
    let act = first.act().id;
    match house.call_with(TOO_MUCH, Some("a")) {
        Decision::Repeated(repeated) => {
            assert_eq!(repeated.act, act, "what it would be refused for is not asked")
        }
        other => panic!("{other:?}"),
    }
    house.replayed();
}

#[test]
fn calls_without_a_key_are_each_an_act_of_their_own() {
    let mut house = House::founded().with_application();
    for _ in 0..3 {
        assert!(matches!(house.call(100), Decision::Allow(_)));
    }
    assert!(!house.leaves.iter().any(|leaf| String::from_utf8_lossy(&leaf.parties).contains("idempotency")));
}

#[test]
fn of_two_with_one_key_in_one_turn_the_first_alone_is_an_act() {
    let mut house = House::founded().with_application();
    let before = house.leaves.len();
    let commands =
        (0..50).map(|_| Command::Propose(Box::new(house.proposal(100, Some("a"))), None)).collect();
    let replies = house.partnership.turn(house.at, &mut house.entropy, commands).unwrap();
    house.seal();
    assert_eq!(house.leaves.len(), before + 1);
    let mut acts: Vec<ActId> = Vec::new();
    for (place, reply) in replies.into_iter().enumerate() {
        assert_eq!(reply.durable, house.leaves.len() as u64, "nobody is told before the first is durable");
        match (place, reply.answer) {
            (0, Answer::Decided(Decision::Allow(warrant))) => acts.push(warrant.act().id),
            (1.., Answer::Decided(Decision::Repeated(repeated))) => acts.push(repeated.act),
            (place, other) => panic!("{place}: {other:?}"),
        }
    }
    acts.dedup();
    assert_eq!(acts.len(), 1);
}

#[test]
fn applications_do_not_share_keys() {
    let digest = |application: &str, key: &str| idempotency_digest(&ApplicationId::from(application), key);
    assert_ne!(digest("assistant", "a"), digest("search", "a"));
    assert_ne!(digest("a", "bc"), digest("ab", "c"));
    assert_eq!(
        digest("assistant", "a").hex(),
        "274be39d6f51318afe796aa84ad4180ce6b0389063d082b0686d19f9e6901891"
    );
}

#[test]
fn a_record_in_which_a_key_is_taken_twice_is_refused() {
    let mut house = House::founded().with_application();
    let first = house.allowed("a");
    let act = first.act().id;
    house.ends(first, Ended::Done);
    let second = house.allowed("b");
    let forged = second.act().id;
    house.ends(second, Ended::Done);
    let [a, b] = ["a", "b"].map(|key| idempotency_digest(&ApplicationId::from("assistant"), key));
    let mut state = State::new(house.documents());
    let mut refused = None;
    for (index, leaf) in (0..).zip(&house.leaves) {
        let mut entry = Entry::decode(&leaf.envelope, &leaf.parties).unwrap();
        if let Body::Decided(decided) = &mut entry.body
            && let Deed::Infer(infer) = &mut decided.act.deed
            && infer.idempotency == Some(b)
        {
            infer.idempotency = Some(a);
        }
        if let Err(error) = state.apply(&entry, index) {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused, Some(ReplayError::Repeated(forged, act)));
}
