//! What falls due by the calendar: worked out by hand here, and booked by the clerk on the day, once, under both folds.

use super::*;
use jiff::civil::{Date, date};
use partnership::act::{Budget, Declare, PaidIn, Payment, declaration_bytes, payment_bytes};

/// A call of 40 tokens of input and 10 of output costs 40 × 500 + 10 × 1,500 = 35,000 billionths of a credit.
const CALL: i128 = 35_000;

pub(super) const CLAUSES: &str = r#"
```toml clause least-use
kind = "minimum-consumption"
source = "signed"
by = "halcyon"
to = "northwind"
amount = "0.000100000 CREDIT"
starts = 2026-11-22
ends = 2027-01-01
milestones = [{ by = 2026-12-01, amount = "0.000060000 CREDIT" }]
```

```toml clause throughput
kind = "capacity"
source = "signed"
from = "northwind"
to = "halcyon"
what = "provisioned throughput units"
quantity = 15
price = "260.00 USD"
every = "P1M"
starts = 2026-12-31
ends = 2027-03-01
```

```toml clause share
kind = "revenue-share"
source = "signed"
from = "halcyon"
to = "northwind"
rate = "20%"
asset = "USD"
cap = "5000.00 USD"
every = "P3M"
starts = 2026-12-01
ends = 2027-08-01
```
"#;

fn house(clauses: &str) -> House {
    House::founded_on(&format!("{MEMORANDUM}\n{clauses}")).with_application()
}

fn intended() -> String {
    CLAUSES.replace("source = \"signed\"", "source = \"signed\"\nforce = \"non-binding\"")
}

impl House {
    pub(super) fn net(&self, account: &str) -> i128 {
        self.partnership.state().book().balance(&account.into()).map_or(0, |balance| balance.net())
    }

    fn until(&mut self, day: &str) {
        self.at = format!("{day}T00:00:00Z").parse().unwrap();
        self.run(Command::Tick);
    }

    fn paid_call(&mut self) {
        let Decision::Allow(warrant) = self.call(100) else { panic!("the call is within the grant") };
        assert!(matches!(self.run(Command::Settle(warrant, used(40, 10))), Answer::Settled(_)));
    }

    fn dues(&self, clause: &str) -> Vec<(Date, i128)> {
        let booked = self.partnership.state();
        let dues = booked.due_booked(&ClauseId::from(clause)).map(|(on, due)| (*on, due.amount.minor()));
        dues.collect()
    }

    fn pay(&mut self, clause: &str, party: &str, asset: &str, amount: i128, reference: &str) -> Decision {
        self.pay_in(clause, party, (asset, amount), None, reference)
    }

    fn pay_in(
        &mut self,
        clause: &str,
        party: &str,
        (asset, amount): (&str, i128),
        paid_in: Option<(&str, i128, &str)>,
        reference: &str,
    ) -> Decision {
        let (clause, amount) = (ClauseId::from(clause), Budget { asset: asset.to_owned(), amount });
        let paid_in = paid_in.map(|(asset, amount, source)| PaidIn {
            asset: asset.to_owned(),
            amount,
            source: source.to_owned(),
        });
        let signature =
            self.sign(party, &payment_bytes(ORIGIN, &clause, (&amount, paid_in.as_ref()), reference));
        let (reference, party) = (reference.to_owned(), PartyId::from(party));
        self.by(
            party.clone().as_str(),
            Deed::Payment(Payment { clause, amount, paid_in, reference, party, signature }),
        )
    }

    fn declare(&mut self, party: &str, on: Date, asset: &str, amount: i128) -> Decision {
        let (clause, revenue) = (ClauseId::from("share"), Budget { asset: asset.to_owned(), amount });
        let signature = self.sign(party, &declaration_bytes(ORIGIN, &clause, on, &revenue));
        self.by(party, Deed::Declare(Declare { clause, on, revenue, party: party.into(), signature }))
    }

    pub(super) fn deviations(&self, clause: &str) -> u64 {
        self.partnership.state().count(&ClauseId::from(clause)).deviated
    }
}

#[test]
fn what_falls_short_of_a_minimum_is_owed_on_its_day_and_no_more_is_counted_than_was_agreed() {
    let mut house = house(CLAUSES);
    house.paid_call();
    assert_eq!(
        (house.net("minimum:least-use:consumed"), house.net("minimum:least-use:open")),
        (CALL, 65_000)
    );
    house.until("2026-11-30");
    assert!(house.dues("least-use").is_empty());
    house.until("2026-12-01");
    assert_eq!(house.dues("least-use"), [(date(2026, 12, 1), 60_000 - CALL)]);
    house.paid_call();
    house.paid_call();
    assert_eq!((house.net("minimum:least-use:consumed"), house.net("minimum:least-use:open")), (75_000, 0));
    house.until("2027-01-01");
    assert_eq!(house.dues("least-use"), [(date(2026, 12, 1), 25_000), (date(2027, 1, 1), 0)]);
    house.paid_call();
    assert_eq!(house.net("minimum:least-use:consumed"), 75_000, "its time is over");
    assert_eq!(house.deviations("least-use"), 0);
    house.replayed();
}

#[test]
fn what_was_intended_to_be_consumed_is_counted_and_reported_and_never_owed() {
    let mut house = house(&intended());
    house.paid_call();
    house.until("2027-04-02");
    assert_eq!(house.dues("least-use"), [(date(2026, 12, 1), 25_000), (date(2027, 1, 1), 40_000)]);
    assert_eq!(house.deviations("least-use"), 2, "each day on which it fell short is a deviation");
    assert_eq!(house.net("memo:minimum:least-use:shortfall"), 65_000);
    assert_eq!(house.dues("throughput").len(), 3);
    assert!(matches!(house.declare("halcyon", date(2027, 3, 1), "USD", 1_000), Decision::Done(_)));
    let money = |name: &str| ["minimum:", "capacity:", "revenue:"].iter().any(|head| name.starts_with(head));
    let state = house.replayed();
    assert!(!state.book().accounts().any(|(account, ..)| money(account.as_ref())), "no money moves");
    for clause in ["least-use", "throughput", "share"] {
        let Decision::Deny(refusal) = house.pay(clause, "northwind", "USD", 1, "R1") else {
            panic!("nothing is owed under `{clause}`")
        };
        assert!(refusal.remedy.contains("not binding"), "{}", refusal.remedy);
    }
}

#[test]
fn rented_capacity_is_billed_for_each_period_though_nobody_looked_and_nothing_was_used() {
    let mut house = house(CLAUSES);
    house.until("2026-12-30");
    assert!(house.dues("throughput").is_empty());
    // Nobody looks for two months, at whose ends months are shorter.
    house.until("2027-02-28");
    let days = [date(2026, 12, 31), date(2027, 1, 31), date(2027, 2, 28)];
    assert_eq!(house.dues("throughput"), days.map(|day| (day, 390_000)));
    house.until("2027-06-30");
    assert_eq!(house.dues("throughput").len(), 3, "no period begins after the end");
    assert_eq!(house.net("capacity:throughput:owed"), 1_170_000);
    house.replayed();
}

#[test]
fn a_share_is_rounded_once_and_stops_at_its_cap() {
    let mut house = house(CLAUSES);
    house.until("2027-03-01");
    // 20 % of 12,345.67 is 2,469.134: two tenths and two tenths of a cent are left to book.
    assert!(matches!(house.declare("halcyon", date(2027, 3, 1), "USD", 1_234_567), Decision::Done(_)));
    assert_eq!(house.net("revenue:share:owed"), 246_913);
    assert_eq!(house.net("rounding:operator:USD/100"), 40);
    house.until("2027-06-01");
    assert!(matches!(house.declare("halcyon", date(2027, 6, 1), "USD", 1_250_005), Decision::Done(_)));
    assert_eq!(house.net("revenue:share:owed"), 496_914);
    house.until("2027-08-01");
    assert!(matches!(house.declare("halcyon", date(2027, 8, 1), "USD", 10_000_000), Decision::Done(_)));
    assert_eq!((house.net("revenue:share:owed"), house.net("revenue:share:open")), (500_000, 0));
    let Decision::Deny(refusal) = house.declare("halcyon", date(2027, 9, 1), "USD", 1) else {
        panic!("the last period is cut short")
    };
    assert!(refusal.remedy.contains("no period is left"), "{}", refusal.remedy);
    house.replayed();
}

/// A share that ends with its cap and days, or sooner when both have attested, or on a day beside.
fn ending(until: &str) -> House {
    let with = format!("ends = 2027-08-01\nuntil = {until}\n");
    house(&CLAUSES.replacen("ends = 2027-08-01\n", &with, 1))
}

const FOUND: &str = "{ milestone = \"the panel has found it\", attested_by = [\"northwind\", \"halcyon\"] }";

#[test]
fn a_share_ends_with_the_period_in_which_both_have_attested_its_end() {
    // The periods begin on the 1st of December, March and June.
    for (first, second, declared) in [
        ("2027-02-28", "2027-02-28", ["2027-03-01"].as_slice()),
        ("2027-02-01", "2027-03-01", &["2027-03-01"]),
        ("2027-02-01", "2027-03-02", &["2027-03-01", "2027-06-01"]),
        ("2027-06-02", "2027-06-03", &["2027-03-01", "2027-06-01", "2027-08-01"]),
    ] {
        let mut house = ending(FOUND);
        for (party, day) in [("northwind", first), ("halcyon", second)] {
            house.until(day);
            assert!(matches!(house.attests(party, ("share", None), "share"), Decision::Done(_)), "{day}");
        }
        house.until("2027-09-01");
        for on in declared {
            let declared = house.declare("halcyon", on.parse().unwrap(), "USD", 1_000);
            assert!(matches!(declared, Decision::Done(_)), "{second}: {declared:?}");
        }
        let next = date(2027, 3, 1).checked_add(jiff::Span::new().months(3 * declared.len() as i64)).unwrap();
        let Decision::Deny(refusal) = house.declare("halcyon", next, "USD", 1_000) else {
            panic!("nothing is shared after {second}")
        };
        assert!(refusal.remedy.contains("no period is left to be declared"), "{}", refusal.remedy);
        assert_eq!(house.net("revenue:share:owed"), 200 * declared.len() as i128);
        house.replayed();
    }
}

#[test]
fn the_earlier_of_a_day_and_a_milestone_ends_a_share_and_one_word_alone_does_not() {
    let mut house = ending(&format!("{{ earlier_of = [{{ date = 2027-04-01 }}, {FOUND}] }}"));
    house.until("2027-02-01");
    assert!(matches!(house.attests("northwind", ("share", None), "share"), Decision::Done(_)));
    house.until("2027-09-01");
    for on in [date(2027, 3, 1), date(2027, 6, 1)] {
        assert!(matches!(house.declare("halcyon", on, "USD", 1_000), Decision::Done(_)), "{on}");
    }
    assert!(matches!(house.declare("halcyon", date(2027, 8, 1), "USD", 1_000), Decision::Deny(_)));
    house.replayed();
}

#[test]
fn revenue_is_declared_by_who_earns_it_for_the_next_period_that_is_over() {
    let mut house = house(CLAUSES);
    house.until("2027-03-01");
    for (party, on, asset, amount, why) in [
        ("northwind", date(2027, 3, 1), "USD", 1, "is declared by `halcyon`"),
        ("halcyon", date(2027, 2, 1), "USD", 1, "is the one that is over on 2027-03-01"),
        ("halcyon", date(2027, 6, 1), "USD", 1, "is the one that is over on 2027-03-01"),
        ("halcyon", date(2027, 3, 1), "EUR", 1, "amounts here are in USD"),
        ("halcyon", date(2027, 3, 1), "USD", -1, "below zero"),
        ("halcyon", date(2027, 3, 1), "USD", i128::from(u64::MAX) + 1, "too large"),
    ] {
        let Decision::Deny(refusal) = house.declare(party, on, asset, amount) else { panic!("{why}") };
        assert!(refusal.remedy.contains(why), "{} instead of {why}", refusal.remedy);
    }
    assert!(matches!(house.declare("halcyon", date(2027, 3, 1), "USD", 0), Decision::Done(_)));
    assert_eq!(house.dues("share"), [(date(2027, 3, 1), 0)]);
    let Decision::Deny(early) = house.declare("halcyon", date(2027, 6, 1), "USD", 1) else { panic!("early") };
    assert!(early.remedy.contains("over on 2027-06-01, and not before"), "{}", early.remedy);
    house.replayed();
}

#[test]
fn a_debt_is_settled_by_the_word_of_who_is_paid_and_each_word_counts_once() {
    let mut house = house(CLAUSES);
    house.paid_call();
    house.until("2026-12-01");
    let owed = "minimum:least-use:shortfall";
    assert!(matches!(house.pay("least-use", "halcyon", "CREDIT", 10_000, "R1"), Decision::Done(_)));
    assert_eq!(house.net(owed), 25_000, "who owes has sent it, and no more is known");
    assert!(matches!(house.pay("least-use", "northwind", "CREDIT", 10_000, "R1"), Decision::Done(_)));
    assert_eq!((house.net(owed), house.net("minimum:least-use:paid")), (15_000, 10_000));
    for (clause, party, asset, amount, reference, why) in [
        ("least-use", "northwind", "CREDIT", 1, "R1", "given its word"),
        ("least-use", "northwind", "CREDIT", 15_001, "R2", "are owed"),
        ("least-use", "northwind", "CREDIT", 0, "R2", "are owed"),
        ("least-use", "northwind", "USD", 1, "R2", "amounts here are in CREDIT"),
        ("least-use", "northwind", "CREDIT", 1, " ", "the bank's reference"),
        ("least-use", "northwind", "CREDIT", 1, &"R".repeat(141), "the bank's reference"),
        ("launch-credits", "northwind", "CREDIT", 1, "R2", "nothing is paid under"),
        ("nowhere", "northwind", "CREDIT", 1, "R2", "no clause is or was named"),
    ] {
        let Decision::Deny(refusal) = house.pay(clause, party, asset, amount, reference) else {
            panic!("{why}")
        };
        assert!(refusal.remedy.contains(why), "{} instead of {why}", refusal.remedy);
    }
    assert!(matches!(house.pay("least-use", "northwind", "CREDIT", 15_000, "R2"), Decision::Done(_)));
    assert_eq!(house.net(owed), 0);
    // A tranche that was drawn is a debt like any other.
    assert!(matches!(house.pay("first-tranche", "halcyon", "USD", 25_000_000, "T1"), Decision::Done(_)));
    assert_eq!(house.net("commitment:first-tranche:drawn"), 0);
    house.replayed();
}

/// 3,900.00 USD are owed for a month; of these 1,000.00 are paid with 923.00 EUR.
#[test]
fn a_debt_that_is_paid_in_another_asset_moves_in_both_at_the_rate_of_the_two_amounts() {
    let mut house = house(CLAUSES);
    house.until("2026-12-31");
    let rate = Some(("EUR", 92_300, "European Central Bank, 2026-12-30"));
    let debt = ("USD", 100_000);
    assert!(matches!(house.pay_in("throughput", "halcyon", debt, rate, "R1"), Decision::Done(_)));
    assert_eq!(house.net("capacity:throughput:owed"), 390_000, "the word of who pays settles nothing");
    assert!(matches!(house.pay_in("throughput", "northwind", debt, rate, "R1"), Decision::Done(_)));
    let balances = [
        ("capacity:throughput:owed", 290_000),
        ("capacity:throughput:converted", 100_000),
        ("capacity:throughput:converted:EUR", -92_300),
        ("capacity:throughput:paid:EUR", 92_300),
        ("capacity:throughput:paid", 0),
    ];
    assert_eq!(balances.map(|(account, _)| (account, house.net(account))), balances);
    for (paid_in, said) in [
        (("GBP", 1, ""), "say where the rate is from"),
        (("GBP", 1, "a\nb"), "say where the rate is from"),
        (("USD", 1, "agreed"), "is not converted"),
        (("GBP", 0, "agreed"), "above zero"),
        (("JPY", 1, "agreed"), "has no asset `JPY`"),
    ] {
        let Decision::Deny(refusal) =
            house.pay_in("throughput", "northwind", ("USD", 1), Some(paid_in), "R2")
        else {
            panic!("{paid_in:?} is refused")
        };
        assert!(refusal.remedy.contains(said), "{paid_in:?}: {}", refusal.remedy);
    }
    assert!(matches!(house.pay("throughput", "northwind", "USD", 290_000, "R3"), Decision::Done(_)));
    assert_eq!((house.net("capacity:throughput:owed"), house.net("capacity:throughput:paid")), (0, 290_000));
    let state = house.replayed();
    let paid = state.payments(&ClauseId::from("throughput"));
    assert_eq!(paid.iter().filter(|paid| paid.paid_in.is_some()).count(), 2);
}

#[test]
fn a_conversion_that_is_changed_or_cut_short_is_found_by_the_second_fold() {
    let mut house = house(CLAUSES);
    house.until("2026-12-31");
    let rate = Some(("EUR", 92_300, "agreed"));
    let paid = house.pay_in("throughput", "northwind", ("USD", 100_000), rate, "R1");
    assert!(matches!(paid, Decision::Done(_)));
    let settled: [(&str, &str); 4] = [
        (r#""amount":"92300""#, r#""amount":"92301""#),
        (r#""credit":"capacity:throughput:paid:EUR""#, r#""credit":"capacity:throughput:paid:GBP""#),
        (r#""debit":"capacity:throughput:converted:EUR""#, r#""debit":"capacity:share:converted:EUR""#),
        (r#""credit":"capacity:throughput:converted""#, r#""credit":"capacity:throughput:paid""#),
    ];
    let decided =
        [(r#""amount":"92300""#, r#""amount":"92299""#), (r#""source":"agreed""#, r#""source":"fixed""#)];
    let moved = settled.map(|(from, to)| ("\"leg\":\"1\"", from, to, "is nothing that a settlement"));
    let signed = decided.map(|(from, to)| ("\"paid_in\"", from, to, "signature"));
    for (of, from, to, expected) in moved.into_iter().chain(signed) {
        let said =
            second::said_of(&house.leaves, |text| text.contains(of).then(|| text.replacen(from, to, 1)));
        assert!(said.contains(expected), "{from} as {to}: {said}");
    }
    let cut = second::said_of(&house.leaves, |text| {
        let (before, rest) = text.split_once(r#",{"leg":"1""#).filter(|_| text.contains("converted:EUR"))?;
        Some(format!("{before}{}", rest.split_once('}')?.1))
    });
    assert!(cut.contains("does not move all that it books"), "{cut}");
}

#[test]
fn an_amendment_raises_a_minimum_and_what_was_owed_before_is_owed_though_its_clause_is_gone() {
    let mut house = house(CLAUSES);
    house.paid_call();
    house.until("2026-12-01");
    house.amend("2026-12-02", |text| text.replace("amount = \"0.000100000", "amount = \"0.000150000"));
    house.until("2026-12-02");
    assert_eq!(house.version(), 2);
    assert_eq!(house.net("minimum:least-use:open"), 90_000);
    house.until("2027-01-01");
    assert_eq!(house.dues("least-use"), [(date(2026, 12, 1), 25_000), (date(2027, 1, 1), 90_000)]);
    let without = |text: &str| {
        let (before, rest) = text.split_once("```toml clause throughput").unwrap();
        let (_, after) = rest.split_once("```\n").unwrap();
        format!("{before}{after}")
    };
    house.amend("2027-01-02", without);
    house.until("2027-02-02");
    assert_eq!((house.version(), house.dues("throughput").len()), (3, 1), "nothing is billed any more");
    assert!(matches!(house.pay("throughput", "northwind", "USD", 390_000, "C1"), Decision::Done(_)));
    house.replayed();
}

#[test]
fn what_a_day_spent_is_kept_for_whoever_looks_ahead() {
    let mut house = house(CLAUSES);
    house.paid_call();
    house.paid_call();
    house.until("2026-11-25");
    house.paid_call();
    let state = house.replayed();
    let days = |account: &str| -> Vec<(Date, i128)> {
        state.days_of(&account.into()).unwrap().iter().map(|(day, sum)| (*day, sum.minor())).collect()
    };
    let spent = [(date(2026, 11, 22), 2 * CALL), (date(2026, 11, 25), CALL)];
    assert_eq!(days("credit:launch-credits:spent"), spent);
    assert_eq!(
        days("minimum:least-use:consumed"),
        [(date(2026, 11, 22), 2 * CALL), (date(2026, 11, 25), 30_000)]
    );
}
