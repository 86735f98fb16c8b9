//! Budgets inside a commitment, against an oracle that remembers every call and adds all of them up for each answer.

#![expect(clippy::indexing_slicing, reason = "drawn places lie within the tables")]

use super::*;
use jiff::civil::Date;
use partnership::act::{BudgetRaise, BudgetSet, Of, Period, pseudonym};
use partnership::decision::{Refusal, Warrant};
use proptest::prelude::*;

const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;

/// A minor unit of input costs 500, one of output 1500; each call has a bound of 200 tokens of input.
fn bound(output_tokens_max: u64) -> i128 {
    100_000 + 1500 * i128::from(output_tokens_max)
}

fn date(at: Timestamp) -> Date {
    at.date()
}

fn set(id: &str, of: Of, whose: &str, amount: i128, period: Period) -> Administer {
    let (whose, asset) = (whose.to_owned(), "CREDIT".to_owned());
    Administer::BudgetSet(BudgetSet { id: id.into(), of, whose, asset, amount, period })
}

fn raise(id: &str, amount: i128, until: Timestamp) -> Administer {
    Administer::BudgetRaise(BudgetRaise { id: id.into(), amount, until })
}

/// The pseudonym of an end user in the month of a day.
fn name(user: u8, month: Date) -> String {
    let key = record::hash::sha256(format!("{user} {}-{}", month.year(), month.month()).as_bytes());
    pseudonym(&key)
}

/// A caller: the place of its application, of its key, and its end user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Caller {
    application: usize,
    key: usize,
    user: Option<u8>,
}

const APPLICATIONS: [&str; 2] = ["assistant", "tutor"];
/// Two keys of each application.
const KEYS: [[&str; 2]; 2] = [["k1", "k2"], ["k3", "k4"]];

impl House {
    /// Two applications with two keys each.
    fn with_callers(mut self) -> Self {
        for (application, keys) in APPLICATIONS.iter().zip(KEYS) {
            self.change(Administer::ApplicationAdd(Application {
                name: (*application).into(),
                party: PartyId::from("halcyon"),
                audience: "business".to_owned(),
                purpose: "office".to_owned(),
                market: "eu".to_owned(),
            }));
            for key in keys {
                self.change(Administer::KeyNew(Key {
                    id: key.into(),
                    application: (*application).into(),
                    secret: Digest([1; 32]),
                    requests_per_minute: None,
                    budget: None,
                    expires: None,
                }));
            }
        }
        self
    }

    fn call_as(&mut self, caller: Caller, output_tokens_max: u64) -> Decision {
        let mut act = self.proposal(output_tokens_max, None);
        let (application, key) = (APPLICATIONS[caller.application], KEYS[caller.application][caller.key]);
        act.principal = Principal::Application {
            party: PartyId::from("halcyon"),
            application: application.into(),
            key: key.into(),
        };
        let Deed::Infer(infer) = &mut act.deed else { panic!("it is a call") };
        infer.end_user = caller.user.is_some();
        let this = date(self.at).first_of_month();
        let before = this.yesterday().unwrap();
        infer.pseudonyms =
            caller.user.map(|user| vec![name(user, this), name(user, before)]).unwrap_or_default();
        self.decided(act)
    }
}

/// A call that was allowed, and what it holds or has cost.
#[derive(Debug)]
struct Called {
    caller: Caller,
    at: Timestamp,
    amount: i128,
    warrant: Option<Warrant>,
}

/// A budget as the oracle has it.
#[derive(Debug, Clone)]
struct Limit {
    id: String,
    of: Of,
    whose: usize,
    period: Period,
    amount: i128,
    raises: Vec<(i128, Timestamp)>,
}

impl Limit {
    fn whose(&self) -> &'static str {
        match self.of {
            Of::Party => "halcyon",
            Of::Application | Of::EndUsers => APPLICATIONS[self.whose % 2],
            Of::Key => KEYS[self.whose % 2][self.whose / 2 % 2],
        }
    }

    fn bears_on(&self, caller: Caller) -> bool {
        match self.of {
            Of::Party => true,
            Of::Application | Of::EndUsers => self.whose % 2 == caller.application,
            Of::Key => self.whose() == KEYS[caller.application][caller.key],
        }
    }

    fn counts(&self, caller: Caller, called: &Called, at: Timestamp) -> bool {
        let (then, today) = (date(called.at), date(at));
        let is_inside = match self.period {
            Period::Total => true,
            Period::Month => (then.year(), then.month()) == (today.year(), today.month()),
            Period::Rolling(days) => {
                let ago = then.until(today).unwrap().get_days();
                (0..i32::from(days)).contains(&ago)
            }
        };
        let is_whose = self.of != Of::EndUsers || called.caller.user == caller.user;
        is_inside && is_whose && self.bears_on(called.caller)
    }

    /// What is left at `at`, if nothing more than `calls` is spent by then.
    fn left(&self, caller: Caller, calls: &[Called], at: Timestamp) -> i128 {
        let raised: i128 = self.raises.iter().filter(|(_, until)| *until > at).map(|(more, _)| more).sum();
        let used = calls.iter().filter(|called| self.counts(caller, called, at)).map(|called| called.amount);
        self.amount + raised - used.sum::<i128>()
    }

    /// The first day on which it would cover `bound`.
    fn refills(&self, caller: Caller, calls: &[Called], at: Timestamp, bound: i128) -> Option<Timestamp> {
        let days = (1..=95).map(|later| Timestamp::start_of(date(at.plus_millis(later * DAY))));
        days.into_iter().find(|day| self.left(caller, calls, *day) >= bound)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Call {
        caller: (usize, usize, Option<u8>),
        output: u64,
    },
    Settle {
        which: usize,
        input: u64,
        output: u64,
        fails: bool,
    },
    Pass(i64),
    /// To the last millisecond of the month, or to the first of the next.
    MonthEnd {
        is_over: bool,
    },
    Set {
        which: usize,
        amount: i128,
    },
    Raise {
        which: usize,
        amount: i128,
        days: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let user = prop_oneof![Just(None), Just(Some(1_u8)), Just(Some(2))];
    prop_oneof![
        10 => ((0..2_usize, 0..2_usize, user), 0..200_u64)
            .prop_map(|(caller, output)| Step::Call { caller, output }),
        4 => (any::<usize>(), 0..260_u64, 0..260_u64, any::<bool>())
            .prop_map(|(which, input, output, fails)| Step::Settle { which, input, output, fails }),
        3 => prop_oneof![Just(1000), Just(20 * 60 * 1000), Just(7 * HOUR), Just(DAY), Just(9 * DAY), Just(27 * DAY)]
            .prop_map(Step::Pass),
        1 => any::<bool>().prop_map(|is_over| Step::MonthEnd { is_over }),
        1 => (any::<usize>(), 100_000..1_500_000_i128).prop_map(|(which, amount)| Step::Set { which, amount }),
        1 => (any::<usize>(), 1..900_000_i128, 0..20_i64)
            .prop_map(|(which, amount, days)| Step::Raise { which, amount, days }),
    ]
}

fn limit() -> impl Strategy<Value = (Of, usize, Period, i128)> {
    let of = prop_oneof![Just(Of::Party), Just(Of::Application), Just(Of::Key), Just(Of::EndUsers)];
    let period = prop_oneof![
        Just(Period::Month),
        Just(Period::Total),
        Just(Period::Rolling(1)),
        Just(Period::Rolling(7)),
        Just(Period::Rolling(28)),
        Just(Period::Rolling(92)),
    ];
    (of, 0..4_usize, period, 100_000..1_500_000_i128)
}

/// The house, and what an oracle knows of it.
struct Scene {
    house: House,
    limits: Vec<Limit>,
    calls: Vec<Called>,
    refused: usize,
}

impl Scene {
    fn new(is_leap: bool, drawn: &[(Of, usize, Period, i128)]) -> Self {
        let mut house = House::founded().with_callers();
        if is_leap {
            house.at = "2028-02-27T20:00:00Z".parse().unwrap();
            house.run(Command::Tick);
        }
        let mut scene = Self { house, limits: Vec::new(), calls: Vec::new(), refused: 0 };
        for (place, (of, whose, period, amount)) in drawn.iter().enumerate() {
            let period = match (of, period) {
                (Of::EndUsers, Period::Total | Period::Rolling(92)) => Period::Month,
                (_, period) => *period,
            };
            let limit = Limit {
                id: format!("b{place}"),
                of: *of,
                whose: *whose,
                period,
                amount: *amount,
                raises: Vec::new(),
            };
            let id = limit.id.clone();
            let decision = scene.house.by(
                "northwind",
                Deed::Administer(set(&id, limit.of, limit.whose(), limit.amount, limit.period)),
            );
            // A fifth one of the same is one too many.
            if let Decision::Done(_) = decision {
                scene.limits.push(limit);
            }
        }
        scene.limits.sort_by_key(|limit| (limit.of, limit.id.clone()));
        scene
    }

    fn pass(&mut self, to: Timestamp) {
        self.house.at = to;
        self.house.run(Command::Tick);
        for called in self.calls.iter_mut().filter(|called| called.warrant.is_some()) {
            if called.at.plus_millis(15 * 60 * 1000) <= to {
                (called.warrant, called.amount) = (None, 0);
            }
        }
    }

    fn call(&mut self, caller: Caller, output: u64) {
        let (at, bound) = (self.house.at, bound(output));
        let over: Vec<_> = self.limits.iter().filter(|limit| limit.bears_on(caller)).collect();
        let short: Vec<_> = over.iter().filter(|limit| limit.left(caller, &self.calls, at) < bound).collect();
        let refills = short
            .iter()
            .map(|limit| limit.refills(caller, &self.calls, at, bound))
            .collect::<Option<Vec<_>>>()
            .and_then(|all| all.into_iter().max());
        let first = short.first().map(|limit| (limit.id.clone(), limit.left(caller, &self.calls, at)));
        match (self.house.call_as(caller, output), first) {
            (Decision::Allow(warrant), None) => {
                self.calls.push(Called { caller, at, amount: bound, warrant: Some(warrant) });
            }
            (Decision::Deny(refusal), Some((id, left))) => {
                self.refused += 1;
                let left = ledger::Amount::new(left.max(0)).display(9);
                told(&refusal, &[&format!("budget `{id}`"), &format!("has {left} CREDIT left")]);
                assert_eq!(refusal.refills, refills, "{refusal:?}");
            }
            (decided, first) => panic!("{caller:?} asks for {bound} at {at}, short {first:?}: {decided:?}"),
        }
    }

    fn take(&mut self, step: &Step) {
        let at = self.house.at;
        match *step {
            Step::Call { caller: (application, key, user), output } => {
                self.call(Caller { application, key, user }, output);
            }
            Step::Settle { which, input, output, fails } => {
                let mut open: Vec<_> =
                    self.calls.iter_mut().filter(|called| called.warrant.is_some()).collect();
                let count = open.len().max(1);
                let Some(called) = open.get_mut(which % count) else { return };
                let warrant = called.warrant.take().unwrap();
                let ended = if fails { Ended::Failed } else { Ended::Done };
                // A report of more than was reserved would suspend the model.
                let held = (called.amount - 100_000) / 1500;
                let output = output.min(u64::try_from(held).unwrap());
                let outcome = Outcome { ended, ..used(input.min(200), output) };
                called.amount =
                    if fails { 0 } else { i128::from(input.min(200)) * 500 + i128::from(output) * 1500 };
                self.house.run(Command::Settle(warrant, outcome));
            }
            Step::Pass(millis) => self.pass(at.plus_millis(millis)),
            Step::MonthEnd { is_over } => {
                let next = date(at).last_of_month().tomorrow().unwrap();
                let next = Timestamp::start_of(next);
                self.pass(if is_over { next } else { next.plus_millis(-1).max(at) });
            }
            Step::Set { which, amount } => {
                let count = self.limits.len().max(1);
                let Some(limit) = self.limits.get_mut(which % count) else { return };
                limit.amount = amount;
                let change = set(&limit.id, limit.of, limit.whose(), amount, limit.period);
                self.house.change(change);
            }
            Step::Raise { which, amount, days } => {
                let count = self.limits.len().max(1);
                let Some(limit) = self.limits.get_mut(which % count) else { return };
                let until = Timestamp::start_of(date(at.plus_millis(days * DAY)));
                let counting = limit.raises.iter().filter(|(_, until)| *until > at).count();
                let change = Deed::Administer(raise(&limit.id, amount, until));
                let is_done = matches!(self.house.by("northwind", change), Decision::Done(_));
                assert_eq!(is_done, until > at && counting < 8);
                if is_done {
                    limit.raises.push((amount, until));
                }
            }
        }
    }

    /// Each entry judged again, and folded a second time.
    fn holds(&self) {
        let mut state = State::new(self.house.documents());
        for (index, leaf) in (0..).zip(&self.house.leaves) {
            let entry = Entry::decode(&leaf.envelope, &leaf.parties).unwrap();
            state.check(&entry).unwrap_or_else(|unjust| panic!("entry {index}: {unjust}"));
            state.apply(&entry, index).unwrap();
        }
        second::check(&self.house.leaves, &state);
    }
}

fn told(refusal: &Refusal, parts: &[&str]) {
    assert_eq!(refusal.code, RefusalCode::InsufficientQuota, "{refusal:?}");
    for part in parts {
        assert!(refusal.remedy.contains(part), "`{part}` is not in {}", refusal.remedy);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_call_is_refused_only_where_a_limit_would_be_exceeded_and_none_ever_is(
        is_leap in any::<bool>(),
        limits in prop::collection::vec(limit(), 1..7),
        steps in prop::collection::vec(step(), 1..90),
    ) {
        let mut scene = Scene::new(is_leap, &limits);
        steps.iter().for_each(|step| scene.take(step));
        scene.holds();
    }
}

/// The whole of what is checked elsewhere too: snapshots at many places, and each fold.
#[test]
fn a_record_with_budgets_is_replayed_and_restored_wherever_it_is_cut() {
    let limits = [
        (Of::Party, 0, Period::Rolling(28), 1_400_000),
        (Of::Application, 0, Period::Month, 900_000),
        (Of::Key, 0, Period::Total, 700_000),
        (Of::EndUsers, 0, Period::Rolling(7), 500_000),
        (Of::EndUsers, 0, Period::Month, 600_000),
    ];
    let mut scene = Scene::new(false, &limits);
    for round in 0..60_usize {
        let user = [None, Some(1), Some(2)][round % 3];
        scene.take(&Step::Call { caller: (0, round % 2, user), output: 40 });
        scene.take(&Step::Settle { which: round, input: 150, output: 20, fails: round % 5 == 0 });
        if round % 4 == 0 {
            scene.take(&Step::Pass(DAY));
        }
        if round % 13 == 0 {
            scene.take(&Step::Raise { which: round, amount: 150_000, days: 5 });
        }
    }
    scene.house.change(Administer::BudgetRemove { id: "b2".into() });
    assert!(scene.refused > 3, "limits were met: {}", scene.refused);
    scene.house.replayed();
}

#[test]
fn a_budget_is_set_only_as_it_can_be_counted() {
    let mut house = House::founded().with_callers();
    let month = Period::Month;
    for (id, of, whose, amount, period, expected) in [
        ("a b", Of::Party, "halcyon", 1, month, "is not a name"),
        ("b", Of::Party, "nobody", 1, month, "party `nobody` is not in the memorandum"),
        ("b", Of::Application, "nothing", 1, month, "no application is named `nothing`"),
        ("b", Of::EndUsers, "nothing", 1, month, "no application is named `nothing`"),
        ("b", Of::Key, "k9", 1, month, "no key is named `k9`"),
        ("b", Of::Key, "k1", 0, month, "a budget is more than nothing"),
        ("b", Of::Key, "k1", -5, month, "a budget is more than nothing"),
        ("b", Of::Key, "k1", i128::MAX, month, "a budget is more than nothing"),
        ("b", Of::Key, "k1", 1, Period::Rolling(0), "rolls over 1 to 92 days"),
        ("b", Of::Key, "k1", 1, Period::Rolling(93), "rolls over 1 to 92 days"),
        ("b", Of::EndUsers, "assistant", 1, Period::Total, "by the `month` or rolls over 1 to 28 days"),
        ("b", Of::EndUsers, "assistant", 1, Period::Rolling(29), "by the `month` or rolls over 1 to 28 days"),
    ] {
        let decided = house.by("northwind", Deed::Administer(set(id, of, whose, amount, period)));
        let Decision::Deny(refusal) = decided else { panic!("{id} {whose}: {decided:?}") };
        assert!(refusal.remedy.contains(expected), "{} for {expected}", refusal.remedy);
    }
    for place in 0..5 {
        let change = set(&format!("m{place}"), Of::Party, "halcyon", 1, month);
        let decided = house.by("northwind", Deed::Administer(change));
        assert_eq!(matches!(decided, Decision::Done(_)), place < 4, "{decided:?}");
    }
    house.change(Administer::BudgetRemove { id: "m1".into() });
    for (change, expected) in [
        (set("m1", Of::Party, "halcyon", 1, month), "was removed; choose another id"),
        (set("m2", Of::Party, "halcyon", 1, Period::Total), "only its amount can be set anew"),
        (raise("m1", 1, house.at.plus_millis(1)), "no budget is named `m1`"),
        (raise("m2", 0, house.at.plus_millis(1)), "a budget is more than nothing"),
        (raise("m2", 1, house.at), "would have ended"),
        (Administer::BudgetRemove { id: "m1".into() }, "no budget is named `m1`"),
    ] {
        let decided = house.by("northwind", Deed::Administer(change));
        let Decision::Deny(refusal) = decided else { panic!("{expected}: {decided:?}") };
        assert!(refusal.remedy.contains(expected), "{} for {expected}", refusal.remedy);
    }
    house.replayed();
}

const ALONE: Caller = Caller { application: 0, key: 0, user: None };

#[test]
fn a_raise_waits_for_the_approvals_that_its_clause_names_and_ends_by_itself() {
    let clause = "\n```toml clause raises\nkind = \"requirement\"\nsource = \"signed\"\nacts = [\"budget-raise\"]\napproved_by = [\"northwind\", \"halcyon\"]\n```\n";
    let mut house = House::founded_on(&format!("{MEMORANDUM}{clause}")).with_callers();
    let decided = house
        .by("halcyon", Deed::Administer(set("team", Of::Application, "assistant", bound(10), Period::Total)));
    assert!(matches!(decided, Decision::Done(_)), "no clause names `budget-set`: {decided:?}");
    assert!(matches!(house.call_as(ALONE, 10), Decision::Allow(_)));
    let until = Timestamp::start_of(date(house.at.plus_millis(3 * DAY)));
    let decided = house.by("halcyon", Deed::Administer(raise("team", bound(10), until)));
    let Decision::Escalate(ticket) = decided else { panic!("both must approve: {decided:?}") };
    let refused = |house: &mut House| matches!(house.call_as(ALONE, 10), Decision::Deny(_));
    assert!(refused(&mut house), "nothing is raised yet");
    house.approve("halcyon", ticket.act, ticket.digest, &approval_bytes(&ticket.digest));
    assert!(refused(&mut house), "one has not approved");
    house.approve("northwind", ticket.act, ticket.digest, &approval_bytes(&ticket.digest));
    let Decision::Allow(warrant) = house.call_as(ALONE, 10) else { panic!("it is raised") };
    house.run(Command::Settle(warrant, Outcome { ended: Ended::Failed, ..Outcome::lost() }));
    house.at = until.plus_millis(-1);
    assert!(matches!(house.call_as(ALONE, 10), Decision::Allow(_)), "the last moment counts");
    house.at = until.plus_millis(HOUR);
    house.run(Command::Tick);
    // What lapsed has come back, so the whole of the limit and no more is left.
    assert!(matches!(house.call_as(ALONE, 10), Decision::Allow(_)));
    assert!(refused(&mut house), "the raise has ended by itself");
    house.replayed();
}

#[test]
fn who_names_no_end_user_counts_as_one_and_a_pseudonym_of_another_month_is_none() {
    let mut house = House::founded().with_callers();
    house.change(set("each", Of::EndUsers, "assistant", bound(10), Period::Month));
    for user in [None, Some(1), Some(2)] {
        let caller = Caller { user, ..ALONE };
        assert!(matches!(house.call_as(caller, 10), Decision::Allow(_)), "{user:?} has a limit of its own");
        let Decision::Deny(refusal) = house.call_as(caller, 10) else { panic!("{user:?} has spent it") };
        let whole = "budget `each` of each end user of application `assistant` has 0.000000000 CREDIT left, and the call reserves up to 0.000115000 CREDIT; ask for fewer tokens, wait until 2026-12-01T00:00:00.000Z, or have it raised";
        assert_eq!((refusal.code, refusal.remedy.as_str()), (RefusalCode::InsufficientQuota, whole));
    }
    assert!(matches!(house.call_as(Caller { application: 1, ..ALONE }, 10), Decision::Allow(_)));
    // Made in November and decided in December.
    house.at = "2026-11-30T23:59:59.999Z".parse().unwrap();
    let mut act = house.proposal(10, None);
    let Deed::Infer(infer) = &mut act.deed else { panic!("it is a call") };
    infer.pseudonyms = vec![name(3, date(house.at))];
    house.at = house.at.plus_millis(1);
    let Decision::Deny(refusal) = house.decided(act) else { panic!("its pseudonym is November's") };
    assert_eq!(refusal.code, RefusalCode::Invalid);
    assert!(refusal.remedy.contains("send it again"));
    for names in [vec![], vec!["x".to_owned()], vec![name(1, date(house.at)); 3]] {
        let mut act = house.proposal(10, None);
        let Deed::Infer(infer) = &mut act.deed else { panic!("it is a call") };
        infer.pseudonyms = names;
        assert!(matches!(house.decided(act), Decision::Deny(_)));
    }
    house.replayed();
}

#[test]
fn one_application_that_has_spent_its_budget_takes_nothing_from_another() {
    let mut house = House::founded().with_callers();
    house.change(set("hot", Of::Application, "assistant", bound(10), Period::Month));
    house.change(set("all", Of::Party, "halcyon", 3 * bound(10), Period::Month));
    let other = Caller { application: 1, ..ALONE };
    assert!(matches!(house.call_as(ALONE, 10), Decision::Allow(_)));
    for _ in 0..20 {
        assert!(matches!(house.call_as(ALONE, 10), Decision::Deny(_)), "it has spent its own");
    }
    for _ in 0..2 {
        assert!(matches!(house.call_as(other, 10), Decision::Allow(_)), "what was refused reserved nothing");
    }
    let Decision::Deny(refusal) = house.call_as(other, 10) else { panic!("the party has spent all") };
    told(&refusal, &["budget `all` of party `halcyon`"]);
    house.replayed();
}

#[test]
fn a_call_that_takes_another_sum_of_a_budget_or_none_is_found_by_the_second_fold() {
    let mut house = House::founded().with_callers();
    house.change(set("team", Of::Application, "assistant", 2 * bound(10), Period::Month));
    house.change(set("each", Of::EndUsers, "assistant", bound(10), Period::Rolling(7)));
    house.change(raise("each", 5, house.at.plus_millis(DAY)));
    let called = house.call_as(Caller { user: Some(1), ..ALONE }, 10);
    assert!(matches!(called, Decision::Allow(_)));
    let (last, before) = house.leaves.split_last().unwrap();
    let text = String::from_utf8(last.parties.clone()).unwrap();
    let without = |from: &str| {
        let (kept, _) = text.split_once(from).unwrap();
        format!("{kept}]}}}}")
    };
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in {text}");
        text.replace(from, to)
    };
    let whose = name(1, date(house.at));
    let least = "does not reserve of each budget";
    let forged = [
        ("the whole", text.clone(), None),
        ("no end user's", without(r#",{"leg":"3""#), Some(least)),
        ("none at all", without(r#",{"leg":"1""#), Some(least)),
        ("filled by more", with(r#""amount":"230000""#, r#""amount":"230001""#), Some(least)),
        (
            "filled from elsewhere",
            with("budget:team:2026-11:issued", "budget:team:2026-11:found"),
            Some(least),
        ),
        (
            "reserved less",
            with(
                r#""credit":"budget:team:2026-11:spent","asset":"CREDIT","amount":"115000""#,
                r#""credit":"budget:team:2026-11:spent","asset":"CREDIT","amount":"1""#,
            ),
            Some(least),
        ),
        ("of another month", with("budget:team:2026-11:", "budget:team:2026-12:"), Some(least)),
        ("as nobody", with(r#""end_user":true"#, r#""end_user":false"#), Some(least)),
        (
            "of another end user",
            with(&format!(r#":["{whose}""#), &format!(r#":["{}""#, "0".repeat(32))),
            Some(least),
        ),
        (
            "with the key of another",
            with(r#""application":"assistant""#, r#""application":"tutor""#),
            Some(least),
        ),
        (
            "no pseudonyms",
            with(r#""pseudonyms":["#, r#""pseudonyms":[],"x":["#),
            Some("or none of the field"),
        ),
        (
            "a move of no budget",
            with("budget:each:", "credit:each:"),
            Some("only a model call that is allowed reserves"),
        ),
    ];
    for (what, parties, expected) in forged {
        let mut replay = replay::Replay::new();
        before.iter().for_each(|leaf| replay.entry(&leaf.envelope, &leaf.parties).unwrap());
        let said = replay.entry(&last.envelope, parties.as_bytes()).err().map(|fault| fault.to_string());
        match (&said, expected) {
            (None, None) => {}
            (Some(said), Some(expected)) => assert!(said.contains(expected), "{what}: {said}"),
            _ => panic!("{what}: {said:?}"),
        }
    }
}

#[test]
fn a_budget_that_cannot_stand_is_found_by_the_second_fold() {
    let mut house = House::founded().with_callers();
    house.change(set("team", Of::EndUsers, "assistant", bound(10), Period::Rolling(7)));
    house.change(set("team", Of::EndUsers, "assistant", bound(11), Period::Rolling(7)));
    let until = house.at.plus_millis(DAY);
    house.change(raise("team", 5, until));
    house.change(Administer::BudgetRemove { id: "team".into() });
    let cannot = "no budget can be set, raised or removed so";
    let until = until.to_string();
    for (kind, from, to, expected) in [
        ("budget-set", r#""id":"team""#, r#""id":"Team""#, cannot),
        ("budget-set", r#""amount":"115000""#, r#""amount":"0""#, cannot),
        ("budget-set", "rolling-7", "rolling-29", cannot),
        ("budget-set", "rolling-7", "rolling-0", cannot),
        ("budget-set", "rolling-7", "total", cannot),
        ("budget-set", "rolling-7", "rolling-07", "a period"),
        ("budget-set", r#""of":"end-users""#, r#""of":"nobody""#, "whose spending it limits"),
        (
            "budget-set",
            r#""amount":"116500","period":"rolling-7""#,
            r#""amount":"116500","period":"month""#,
            cannot,
        ),
        ("budget-raise", r#""id":"team""#, r#""id":"other""#, cannot),
        ("budget-raise", r#""amount":"5""#, r#""amount":"0""#, cannot),
        ("budget-raise", until.as_str(), "2026-11-22T00:00:00.000Z", cannot),
        ("budget-remove", r#""id":"team""#, r#""id":"other""#, cannot),
    ] {
        let head = format!(r#""kind":"{kind}""#);
        let mut replay = replay::Replay::new();
        let mut said = None;
        for leaf in &house.leaves {
            let text = String::from_utf8(leaf.parties.clone()).unwrap();
            let is_it = text.contains(&head) && text.contains("\"what\":{\"do\"") && text.contains(from);
            let text = if is_it { text.replace(from, to) } else { text };
            said = replay.entry(&leaf.envelope, text.as_bytes()).err().map(|fault| fault.to_string());
            if said.is_some() {
                break;
            }
        }
        let said = said.unwrap_or_else(|| panic!("{kind}: {from} as {to} is not found"));
        assert!(said.contains(expected), "{kind}: {from} as {to}: {said}");
    }
}

#[test]
fn a_second_fold_that_was_written_down_goes_on_with_the_same_budgets() {
    let limits = [(Of::Party, 0, Period::Rolling(7), 900_000), (Of::EndUsers, 0, Period::Month, 500_000)];
    let mut scene = Scene::new(false, &limits);
    for round in 0..12_usize {
        scene.take(&Step::Call { caller: (0, 0, Some(1)), output: 40 });
        scene.take(&Step::Settle { which: 0, input: 100, output: 10, fails: false });
        scene.take(&Step::Raise { which: round, amount: 40_000, days: 3 });
        scene.take(&Step::Pass(7 * HOUR));
    }
    scene.house.change(Administer::BudgetRemove { id: "b0".into() });
    second::check(&scene.house.leaves, scene.house.partnership.state());
}
