//! What holds of money whatever happens, ten thousand times each: calls that end in every way, repeated, out of order, over days on
//! which things fall due.
//!
//! Not here: the double entry itself (`ledger`, `oracle`), or amounts by hand (`dues`, `limits`).

use super::*;
use ledger::{Limit, Operation, Transfer};
use partnership::state::Library;
use proptest::prelude::*;
use replay::Replay;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The example with a minimum, so that calls are counted too; a small grant, so that some calls find it spent.
fn text() -> String {
    let small =
        MEMORANDUM.replacen("amount = \"1000.000000000 CREDIT\"", "amount = \"0.000400000 CREDIT\"", 1);
    assert_ne!(small, MEMORANDUM);
    format!(
        "{small}\n```toml clause least-use\nkind = \"minimum-consumption\"\nsource = \"signed\"\nby = \"halcyon\"\nto = \"northwind\"\namount = \"0.000100000 CREDIT\"\nstarts = 2026-11-01\nends = 2026-12-20\nmilestones = [{{ by = 2026-12-01, amount = \"0.000050000 CREDIT\" }}]\n```\n"
    )
}

/// Reading a memorandum takes longer than a case.
fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let terms = Arc::new(Terms::read(&text()).unwrap());
        [(terms.digest(), terms)].into()
    })
}

#[derive(Debug, Clone)]
enum Step {
    /// A call that may use more than it reserved, ends so, and may come with one of a few idempotency keys.
    Call { output_max: u64, used: (u64, u64), ended: Ended, key: Option<u8> },
    /// One that nobody settles.
    Left { output_max: u64 },
    /// So many hours go by.
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let ended = prop::sample::select(vec![
        Ended::Done,
        Ended::Done,
        Ended::Done,
        Ended::Cancelled,
        Ended::Failed,
        Ended::Lost,
    ]);
    let call = (1_u64..120, (0_u64..300, 0_u64..200), ended, prop::option::of(0_u8..2));
    prop_oneof![
        6 => call.prop_map(|(output_max, used, ended, key)| Step::Call { output_max, used, ended, key }),
        1 => (1_u64..120).prop_map(|output_max| Step::Left { output_max }),
        2 => (0_i64..200).prop_map(Step::Wait),
    ]
}

fn house() -> House {
    let mut house = House::founded_over(&text(), library().clone()).with_application();
    house.run(Command::Tick);
    house
}

impl House {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Call { output_max, used: (input, output), ended, key } => {
                let key = key.map(|key| format!("key-{key}"));
                let act = self.proposal(*output_max, key.as_deref());
                if let Decision::Allow(warrant) = self.decided(act) {
                    self.run(Command::Settle(warrant, Outcome { ended: *ended, ..used(*input, *output) }));
                }
            }
            Step::Left { output_max } => drop(self.call(*output_max)),
            Step::Wait(hours) => {
                self.at = self.at.plus_millis(hours * 3_600_000);
                self.run(Command::Tick);
            }
        }
    }

    fn transfers(&self) -> Vec<Transfer> {
        let entries = self.leaves.iter().map(|leaf| Entry::decode(&leaf.envelope, &leaf.parties).unwrap());
        let of = |entry: Entry| match entry.body {
            Body::Genesis(genesis) => genesis.transfers,
            Body::Decided(decided) => decided.transfers,
            Body::Settled(settled) => settled.transfers,
            _ => Vec::new(),
        };
        entries.flat_map(of).collect()
    }

    /// Every balance by account, as text.
    fn balances(&self) -> BTreeMap<String, String> {
        let accounts = self.partnership.state().book().accounts();
        accounts
            .map(|(account, asset, _, balance)| (account.to_string(), format!("{asset} {balance:?}")))
            .collect()
    }
}

/// What has been posted against each reservation never goes beyond it, and each ends once.
fn check_reservations(transfers: &[Transfer]) -> Result<(), TestCaseError> {
    let mut held = BTreeMap::new();
    for transfer in transfers {
        match transfer.operation {
            Operation::Reserve { .. } => prop_assert!(held.insert(transfer.id, transfer.amount).is_none()),
            Operation::Post { pending } | Operation::Void { pending } | Operation::Lapse { pending } => {
                let reserved = held.remove(&pending);
                prop_assert!(reserved.is_some_and(|reserved| transfer.amount <= reserved), "{transfer:?}");
            }
            Operation::Move => {}
        }
    }
    Ok(())
}

/// Debits and credits of each asset come to the same, and nothing that is guarded is overdrawn.
fn check_sums(state: &State) -> Result<(), TestCaseError> {
    let mut sums: BTreeMap<String, (i128, i128)> = BTreeMap::new();
    for (account, asset, limit, balance) in state.book().accounts() {
        let sum = sums.entry(asset.to_string()).or_default();
        sum.0 += balance.net();
        sum.1 += balance.credits_pending.minor() - balance.debits_pending.minor();
        prop_assert!(limit == Limit::None || balance.available() >= 0, "{account} is overdrawn");
    }
    prop_assert!(sums.values().all(|sum| *sum == (0, 0)), "{sums:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_books_balance_and_three_folds_agree(steps in prop::collection::vec(step(), 1..10)) {
        let mut house = house();
        for step in &steps {
            house.step(step);
            check_sums(house.partnership.state())?;
        }
        check_reservations(&house.transfers())?;
        let (mut state, mut replay) = (State::over(library().clone()), Replay::new());
        for (index, leaf) in (0..).zip(&house.leaves) {
            let entry = Entry::decode(&leaf.envelope, &leaf.parties).unwrap();
            state.apply(&entry, index).unwrap();
            replay.entry(&leaf.envelope, &leaf.parties).unwrap();
        }
        prop_assert_eq!(state.digest(), house.partnership.state().digest());
        prop_assert_eq!(Digest(replay.digest()), state.digest());
    }

    #[test]
    fn a_repetition_is_no_second_act_and_one_with_other_bytes_is_told_apart(used_tokens in (0_u64..150, 0_u64..50), again in 1_usize..4) {
        let mut house = house();
        let act = house.proposal(60, Some("one"));
        let id = act.id;
        let Decision::Allow(warrant) = house.decided(act) else { panic!("the call is within the grant") };
        house.run(Command::Settle(warrant, used(used_tokens.0, used_tokens.1)));
        let (balances, entries) = (house.balances(), house.leaves.len());
        for round in 0..again {
            let mut act = house.proposal(60, Some("one"));
            if let Deed::Infer(infer) = &mut act.deed && round > 0 {
                infer.input = Digest([9; 32]);
            }
            let Decision::Repeated(repeated) = house.decided(act) else { panic!("the key is taken") };
            prop_assert_eq!((repeated.act, repeated.input), (id, Digest([2; 32])));
        }
        prop_assert_eq!((house.balances(), house.leaves.len()), (balances, entries));
    }

    #[test]
    fn calls_that_the_grant_covers_come_to_the_same_in_any_order(calls in prop::collection::vec((1_u64..20, 0_u64..20, 0_u64..20), 2..4), turned in 1_usize..3) {
        let run = |calls: &[(u64, u64, u64)], turned: usize| {
            let mut house = house();
            let mut warrants = Vec::new();
            for (output_max, input, output) in calls {
                let Decision::Allow(warrant) = house.call(*output_max) else { return None };
                warrants.push((warrant, used(*input, *output)));
            }
            let turned = turned.min(warrants.len());
            warrants.rotate_left(turned);
            for (warrant, outcome) in warrants {
                house.run(Command::Settle(warrant, outcome));
            }
            Some(house.balances())
        };
        let mut other = calls.clone();
        other.reverse();
        let one = run(&calls, 0);
        prop_assume!(one.is_some());
        prop_assert_eq!(run(&other, turned), one);
    }

    #[test]
    fn rounding_leaves_less_than_a_unit_of_each_act_and_all_of_it_is_booked(input in 0_u64..1_000_000, output in 0_u64..1_000_000, prices in (0_i128..5_000_000_000, 1_u64..3_000_000, 0_i128..5_000_000_000, 1_u64..3_000_000)) {
        let price = |numerator, per| ledger::Price::new(numerator, per).unwrap();
        let lines = [(price(prices.0, prices.1), input), (price(prices.2, prices.3), output)];
        let exact = ledger::total(&lines).unwrap();
        let (amount, remainder) = exact.half_even();
        prop_assert!(remainder.numerator.abs() * 2 <= remainder.denominator, "half a unit at most");
        let whole = amount.minor() * exact.denominator() + remainder.numerator * (exact.denominator() / remainder.denominator);
        prop_assert_eq!(whole, exact.numerator(), "charge and remainder are the exact cost");
        prop_assert!(exact.ceil() >= amount, "what is reserved covers what is charged");
    }
}
