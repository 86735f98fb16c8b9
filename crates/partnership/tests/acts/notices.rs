//! What is to be told on which day, worked out by hand here; and a notice that nobody took, which is on the record once.

use super::*;
use partnership::act::{Budget, Undelivered};
use partnership::notices::{About, Notice};

const CLAUSES: &str = r#"
```toml clause least-use
kind = "minimum-consumption"
source = "signed"
by = "halcyon"
to = "northwind"
amount = "0.000400000 CREDIT"
starts = 2026-11-22
ends = 2027-01-01
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
every = "P3M"
starts = 2026-12-01
ends = 2027-08-01
```
"#;

/// A call of 40 tokens of input and 100 of output costs 40 × 500 + 100 × 1,500 = 170,000 billionths of a credit.
const CALL: (u64, u64) = (40, 100);

/// The example with a grant of five calls that expires, and clauses that make something due.
fn house() -> House {
    let text = MEMORANDUM
        .replace("amount = \"1000.000000000 CREDIT\"", "amount = \"0.001190000 CREDIT\"")
        .replace("expires = 2031-01-01", "expires = 2027-02-20");
    House::founded_on(&format!("{text}\n{CLAUSES}")).with_application()
}

impl House {
    /// The ids of what is to be told of these clauses when it is noon on a day, and nothing more has happened.
    fn told_of(&self, day: &str, clauses: &[&str]) -> Vec<String> {
        let notices = self.partnership.state().notices(format!("{day}T12:00:00Z").parse().unwrap());
        let is_of =
            |notice: &&Notice| notice.clause.as_ref().is_some_and(|id| clauses.contains(&id.as_str()));
        notices.iter().filter(is_of).map(|notice| notice.id.clone()).collect()
    }

    fn called(&mut self) {
        let Decision::Allow(warrant) = self.call(100) else { panic!("the call is within the grant") };
        self.run(Command::Settle(warrant, used(CALL.0, CALL.1)));
    }

    fn on(&mut self, day: &str) {
        self.at = format!("{day}T00:00:00Z").parse().unwrap();
        self.run(Command::Tick);
    }
}

#[test]
fn an_expiry_is_told_from_90_30_and_7_days_before_it_on_and_no_more_on_the_day() {
    let house = house();
    for (day, expected) in [
        ("2026-11-21", None),
        ("2026-11-22", Some("90d")),
        ("2027-01-20", Some("90d")),
        ("2027-01-21", Some("30d")),
        ("2027-02-12", Some("30d")),
        ("2027-02-13", Some("7d")),
        ("2027-02-19", Some("7d")),
        ("2027-02-20", None),
    ] {
        let expected: Vec<_> =
            expected.into_iter().map(|told| format!("expiry/launch-credits/2027-02-20/{told}")).collect();
        assert_eq!(house.told_of(day, &["launch-credits"]), expected, "on {day}");
    }
}

#[test]
fn what_falls_due_is_told_a_week_before_and_until_it_is_done() {
    let mut house = house();
    let dues = ["least-use", "throughput", "share"];
    let deadlines = |house: &House, day: &str| {
        let mut told = house.told_of(day, &dues);
        told.retain(|id| id.starts_with("due/"));
        told
    };
    assert!(deadlines(&house, "2026-12-23").is_empty());
    assert_eq!(deadlines(&house, "2026-12-24"), ["due/throughput/2026-12-31"]);
    assert_eq!(deadlines(&house, "2026-12-25"), ["due/least-use/2027-01-01", "due/throughput/2026-12-31"]);
    house.on("2027-01-25");
    assert_eq!(deadlines(&house, "2027-01-25"), ["due/throughput/2027-01-31"], "the first is billed");
    house.on("2027-03-05");
    assert_eq!(deadlines(&house, "2027-03-05"), ["due/share/2027-03-01"], "nobody has declared it");
}

#[test]
fn what_is_used_up_is_told_at_80_95_and_100_percent() {
    // Each uses all that it may: 200 tokens of input cost 100,000, and one of output 1,500.
    let spent = |tokens: &[u64]| {
        let mut house = house();
        for output in tokens {
            let Decision::Allow(warrant) = house.call(*output) else {
                panic!("the call is within the grant")
            };
            house.run(Command::Settle(warrant, super::used(200, *output)));
        }
        house.told_of("2026-11-22", &["launch-credits"])
    };
    let expiry = || "expiry/launch-credits/2027-02-20/90d".to_owned();
    let used = |percent: &str| format!("used/launch-credits/1190000/{percent}");
    for (tokens, expected) in [
        (&[100, 100, 100][..], vec![expiry()]),                  // 63.0 %
        (&[100, 100, 100, 100], vec![expiry(), used("80")]),     // 84.0 %
        (&[100, 100, 100, 100, 20], vec![expiry(), used("80")]), // 94.96 %
        (&[100, 100, 100, 100, 21], vec![expiry(), used("95")]), // 95.08 %
        (&[100, 100, 100, 100, 60], vec![used("100")]),          // nothing is left to expire
    ] {
        assert_eq!(spent(tokens), expected, "{tokens:?}");
    }
}

#[test]
fn a_keys_budget_is_told_of_to_the_party_whose_it_is() {
    let mut house = house();
    house.change(Administer::KeyRevoke { id: KeyId::from("k1") });
    house.change(Administer::KeyNew(Key {
        id: KeyId::from("k2"),
        application: ApplicationId::from("assistant"),
        secret: Digest([2; 32]),
        requests_per_minute: None,
        budget: Some(Budget { asset: "CREDIT".to_owned(), amount: 1_000 }),
        expires: None,
    }));
    let notices = house.partnership.state().notices(house.at);
    assert!(!notices.iter().any(|notice| notice.id.starts_with("used/key:")), "none of it is used");
}

#[test]
fn a_pace_that_is_too_slow_is_told_once_a_month_and_a_shortfall_as_a_breach() {
    let mut house = house();
    let of = |house: &House, day: &str, head: &str| {
        let mut told = house.told_of(day, &["least-use"]);
        told.retain(|id| id.starts_with(head));
        told
    };
    // 40 days: the first tenth of them is over on 26 November.
    assert!(of(&house, "2026-11-25", "pace/").is_empty());
    assert_eq!(of(&house, "2026-11-26", "pace/"), ["pace/least-use/2026-11"]);
    house.called();
    // 170,000 of 400,000 are an even pace for 17 days, and nine tenths of one for 18.
    assert!(of(&house, "2026-12-10", "pace/").is_empty());
    assert_eq!(of(&house, "2026-12-12", "pace/"), ["pace/least-use/2026-12"]);
    assert!(of(&house, "2026-12-31", "breach/").is_empty());
    house.on("2027-01-01");
    assert_eq!(of(&house, "2027-01-01", "breach/"), ["breach/least-use/2027-01-01"]);
    assert_eq!(of(&house, "2027-01-31", "breach/").len(), 1);
    assert!(of(&house, "2027-02-01", "breach/").is_empty());
}

#[test]
fn an_act_that_waits_is_told_to_each_party_whose_approval_is_missing() {
    let mut house = house();
    let application = Application {
        name: ApplicationId::from("search"),
        party: PartyId::from("halcyon"),
        audience: "consumer".to_owned(),
        purpose: "search".to_owned(),
        market: "eu".to_owned(),
    };
    let asked = house.by("northwind", Deed::Administer(Administer::ApplicationAdd(application)));
    let Decision::Escalate(ticket) = asked else { panic!("both approve it") };
    let waits = |house: &House| {
        let notices = house.partnership.state().notices(house.at);
        let waits = notices.into_iter().filter(|notice| notice.about == About::Waiting);
        waits.map(|notice| (notice.id, notice.parties)).collect::<Vec<_>>()
    };
    let expected = |party: &str| (format!("waiting/{}/{party}", ticket.act), vec![PartyId::from(party)]);
    assert_eq!(waits(&house), [expected("halcyon"), expected("northwind")]);
    house.approve("halcyon", ticket.act, ticket.digest, &approval_bytes(&ticket.digest));
    assert_eq!(waits(&house), [expected("northwind")]);
    house.approve("northwind", ticket.act, ticket.digest, &approval_bytes(&ticket.digest));
    assert!(waits(&house).is_empty());
}

#[test]
fn a_suspended_model_is_told_of_with_the_moment_since_when_and_no_more_once_it_is_back() {
    let mut house = House::founded().with_application();
    let suspended = |house: &House| {
        let notices = house.partnership.state().notices(house.at);
        notices.into_iter().find(|notice| notice.about == About::Suspended).map(|notice| notice.id)
    };
    assert_eq!(suspended(&house), None);
    let Decision::Allow(warrant) = house.call(100) else { panic!("the call is within the grant") };
    house.run(Command::Settle(warrant, used(4_000_000, 4_000_000)));
    assert_eq!(suspended(&house), Some(format!("suspended/{MODEL}/{}", house.at)));
    house.replayed();
    house.change(Administer::ModelResume { model: ModelId::from(MODEL) });
    assert_eq!(suspended(&house), None);
    house.replayed();
}

fn undelivered() -> Undelivered {
    Undelivered {
        notice: "expiry/launch-credits/2027-02-20/90d".to_owned(),
        receiver: "board".to_owned(),
        error: "status-500".to_owned(),
        attempts: 37,
    }
}

#[test]
fn a_notice_that_was_given_up_is_recorded_by_the_clerk_once_for_each_receiver() {
    let mut house = house();
    let told =
        |house: &mut House, deed: Undelivered| house.propose(Principal::Clerk, Deed::Undelivered(deed));
    let refused = |decision: Decision, why: &str| {
        let Decision::Deny(refusal) = decision else { panic!("{why}: {decision:?}") };
        assert!(refusal.remedy.contains(why), "{}", refusal.remedy);
    };
    refused(house.by("northwind", Deed::Undelivered(undelivered())), "by the clerk");
    assert!(matches!(told(&mut house, undelivered()), Decision::Done(_)));
    refused(told(&mut house, undelivered()), "is on the record");
    for misspelt in [
        Undelivered { receiver: "The Board".to_owned(), ..undelivered() },
        Undelivered { receiver: String::new(), ..undelivered() },
        Undelivered { error: "no answer".to_owned(), ..undelivered() },
        Undelivered { notice: "x".repeat(513), ..undelivered() },
        Undelivered { attempts: 0, receiver: "other".to_owned(), ..undelivered() },
    ] {
        refused(told(&mut house, misspelt), "misspelt");
    }
    let other = Undelivered { receiver: "other".to_owned(), ..undelivered() };
    assert!(matches!(told(&mut house, other), Decision::Done(_)), "another receiver is another matter");
    let state = house.replayed();
    let letters: Vec<_> = state.dead_letters().map(|(id, to, letter)| (id, to, letter.attempts)).collect();
    let id = undelivered().notice;
    assert_eq!(letters, [(id.as_str(), "board", 37), (id.as_str(), "other", 37)]);
}
