//! A grant that affords exactly ten thousand calls, and 64 clients that want 32,000.
//!
//! Not here: the same through HTTP. This is the core alone, with the clients' turns mixed at random.

use crate::scene::{BINDING, House, outcome};
use partnership::act::{Ended, Outcome};
use partnership::decision::{Decision, RefusalCode, Warrant};
use partnership::{Answer, Command};

const CLIENTS: usize = 64;
const CALLS: usize = 500;
const AFFORDED: usize = 10_000;
/// A call's bounds, and what it costs at 500 minor units for a token of input and 1,500 for one of output.
const BOUNDS: (u64, u64) = (700, 100);
const CALL: i128 = cost(BOUNDS);

const fn cost((input_tokens, output_tokens): (u64, u64)) -> i128 {
    input_tokens as i128 * 500 + output_tokens as i128 * 1500
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[derive(Default)]
struct Client {
    calls: usize,
    warrant: Option<Warrant>,
}

/// What 64 clients got.
#[derive(Debug, Default, PartialEq, Eq)]
struct Got {
    answered: usize,
    refused: usize,
    charged: i128,
}

/// Lets all clients make all their calls, in turns of a random number of commands; `used` says what a call uses.
fn rush(house: &mut House, dice: &mut Dice, used: impl Fn(&mut Dice) -> (u64, u64)) -> Got {
    let mut clients: Vec<Client> = std::iter::repeat_with(Client::default).take(CLIENTS).collect();
    let mut got = Got::default();
    while clients.iter().any(|client| client.calls < CALLS || client.warrant.is_some()) {
        let (mut asked, mut commands) = (Vec::new(), Vec::new());
        for (number, client) in clients.iter_mut().enumerate() {
            if dice.below(3) > 0 {
                let command = next(client, house, dice, &used);
                asked.extend(command.is_some().then_some(number));
                commands.extend(command);
            }
        }
        for reply in house.turn(commands) {
            got.note(&mut clients[asked[reply.command]], reply.answer);
        }
        assert!(house.left() >= 0, "the grant is overspent");
    }
    got
}

fn next(
    client: &mut Client,
    house: &mut House,
    dice: &mut Dice,
    used: impl Fn(&mut Dice) -> (u64, u64),
) -> Option<Command> {
    if let Some(warrant) = client.warrant.take() {
        let (input_tokens, output_tokens) = used(dice);
        return Some(Command::Settle(warrant, outcome(Ended::Done, input_tokens, output_tokens)));
    }
    client.calls += 1;
    (client.calls <= CALLS).then(|| house.proposal("plain", BOUNDS.1))
}

impl Got {
    fn note(&mut self, client: &mut Client, answer: Answer) {
        match answer {
            Answer::Decided(Decision::Allow(warrant)) => client.warrant = Some(warrant),
            Answer::Decided(Decision::Deny(refusal)) => {
                assert_eq!(refusal.code, RefusalCode::InsufficientQuota);
                self.refused += 1;
            }
            Answer::Settled(settlement) => {
                self.answered += 1;
                self.charged += settlement.charged.unwrap().0.minor();
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A partnership whose grant affords exactly [`AFFORDED`] calls.
fn house(folder: &tempfile::TempDir) -> House {
    let memorandum = BINDING.replacen("\"1000.000000000 CREDIT\"", "\"5.000000000 CREDIT\"", 1);
    let house = House::found(folder.path(), &memorandum);
    assert_eq!(house.left(), CALL * AFFORDED as i128, "the grant is that of the test");
    house
}

#[test]
fn calls_that_use_their_bound_spend_the_grant_to_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = house(&folder);
    let got = rush(&mut house, &mut Dice(1), |_| BOUNDS);
    let expected =
        Got { answered: AFFORDED, refused: CLIENTS * CALLS - AFFORDED, charged: CALL * AFFORDED as i128 };
    assert_eq!(got, expected);
    assert_eq!(house.left(), 0);
}

#[test]
fn calls_that_use_less_than_their_bound_leave_less_than_one_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = house(&folder);
    let granted = house.left();
    let got = rush(&mut house, &mut Dice(2), |dice| (300 + dice.below(401), dice.below(101)));
    assert!(got.answered > AFFORDED, "what is given back is used again");
    assert_eq!(got.charged, granted - house.left(), "the settled sum is exact");
    let mut drained = 0;
    while let Some(warrant) = propose(&mut house) {
        house.turn(vec![Command::Settle(warrant, used_up())]);
        drained += 1;
        assert!(drained <= AFFORDED, "a drain ends");
    }
    assert!((0..CALL).contains(&house.left()), "{} is left", house.left());
}

fn propose(house: &mut House) -> Option<Warrant> {
    let proposal = house.proposal("plain", BOUNDS.1);
    match house.turn(vec![proposal]).remove(0).answer {
        Answer::Decided(Decision::Allow(warrant)) => Some(warrant),
        _ => None,
    }
}

fn used_up() -> Outcome {
    outcome(Ended::Done, BOUNDS.0, BOUNDS.1)
}
